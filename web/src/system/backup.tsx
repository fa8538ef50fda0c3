/** A copy of the database, and the last one. */
import { useState } from "preact/hooks";

import { post, type Problem } from "../api/api.ts";
import type { Backup, Backups } from "../api/types.ts";
import { ago } from "../parts/text.ts";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { now } from "../state/clock.ts";
import { Command } from "./findings.tsx";
import { useGet } from "./reading.ts";
import { dataOf, sizeText } from "./rules.ts";
import { words } from "./words.ts";

export function BackupPart({ turn }: { turn: number }) {
  const [made, madeSet] = useState<Backup | null>(null);
  const [refused, refusedSet] = useState<Problem | null>(null);
  const [busy, busySet] = useState(false);
  const { value, problem } = useGet<Backups>("/system/backup", turn);
  const last = made ?? value?.last ?? null;
  const copy = async (): Promise<void> => {
    busySet(true);
    const answer = await post<Backup>("/system/backup", {});
    busySet(false);
    refusedSet(answer.ok ? null : answer.problem);
    if (answer.ok) madeSet(answer.value);
  };
  return (
    <>
      <Trouble problem={refused ?? problem} />
      {value === null ? null : !value.can ? <p>{words.backupPostgres}</p> : (
        <p class="acts">
          <button disabled={busy} onClick={() => void copy()}>{words.backupNow}</button>
          <span role="status" dir="auto">
            {busy ? words.backingUp : last === null ? words.backupNone
              : words.backupLast(visible(last.file), sizeText(last.bytes),
                ago(now.value - last.made_ms))}
          </span>
        </p>
      )}
      {value === null ? null : (
        <>
          <p class="muted">{words.backupAbout}</p>
          <Command text={words.filesCommand(dataOf(value.folder))} />
        </>
      )}
    </>
  );
}
