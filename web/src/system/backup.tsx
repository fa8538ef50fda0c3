/** A copy of the database: made here, or by the command. */
import { useState } from "preact/hooks";

import { post, type Problem } from "../api/api.ts";
import { ago } from "../parts/text.ts";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { now } from "../state/clock.ts";
import { Command } from "./findings.tsx";
import { useGet } from "./reading.ts";
import { sizeText, type Backup, type Backups } from "./rules.ts";
import { words } from "./words.ts";

export function BackupPart({ turn, database }: { turn: number; database: string }) {
  const [made, madeSet] = useState<Backup | null>(null);
  const [refused, refusedSet] = useState<Problem | null>(null);
  const [busy, busySet] = useState(false);
  const { value } = useGet<Backups>("/system/backup", [turn]);
  const last = made ?? value?.last ?? null;
  const copy = async (): Promise<void> => {
    busySet(true);
    const answer = await post<Backup>("/system/backup", {});
    busySet(false);
    refusedSet(answer.ok ? null : answer.problem);
    if (answer.ok) madeSet(answer.value);
  };
  if (database === "postgres") return <p>{words.backupPostgres}</p>;
  return (
    <>
      <Trouble problem={refused} />
      {value?.can ? (
        <>
          <p class="acts">
            <button disabled={busy} onClick={() => void copy()}>{words.backupNow}</button>
            <span role="status">{busy ? words.backingUp
              : made === null ? "" : words.backupMade(visible(made.file), sizeText(made.bytes))}</span>
          </p>
          {made !== null ? null : <p dir="auto">{last === null ? words.backupNone
            : words.backupLast(visible(last.file), sizeText(last.bytes),
              ago(now.value - last.made_ms))}</p>}
        </>
      ) : <Command text={words.backupCommand} />}
      <p class="muted">{words.backupAbout}</p>
      <Command text={words.filesCommand} />
    </>
  );
}
