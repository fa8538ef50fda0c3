/** What concerns every view: the daemon holds, or is another version than this page. */
import { useState } from "preact/hooks";

import type { Problem } from "../api/api.ts";
import type { Hold } from "../api/types.ts";
import { held, holdRelease } from "../state/system.ts";
import { may } from "../state/me.ts";
import { loadAgain, otherBuild } from "./build.ts";
import { words } from "./words.ts";

const COUNTS = ["queued", "running", "deliveries", "lost", "again"] as const;

function wouldStart(about: Hold): string {
  const parts = COUNTS.filter((name) => about.would_start[name] > 0)
    .map((name) => words.counts[name](about.would_start[name]));
  return parts.length === 0 ? words.heldNothing : words.heldStart(parts.join(", "));
}

function Held({ about }: { about: Hold | null }) {
  const [problem, problemSet] = useState<Problem | null>(null);
  const [busy, busySet] = useState(false);
  const release = async (): Promise<void> => {
    busySet(true);
    const answer = await holdRelease();
    busySet(false);
    problemSet(answer.ok ? null : answer.problem);
  };
  return (
    <div class="banner" role="status">
      <span><span class="tone-wait" aria-hidden="true">◆ </span>{words.heldTitle}{" "}
        {about === null ? words.heldHow : wouldStart(about)}
        {problem === null ? null : <span class="tone-fail"> {words.problem(problem)}</span>}
      </span>
      {may("admin")
        ? <button disabled={busy} onClick={() => void release()}>{words.release}</button>
        : <code>{words.heldCommand}</code>}
    </div>
  );
}

export function Banners() {
  return (
    <div class="banners">
      {held.value === null ? null : <Held about={held.value.about} />}
      {otherBuild.value ? (
        <div class="banner" role="status">
          <span>{words.otherBuild}</span>
          <button onClick={() => void loadAgain()}>{words.reload}</button>
        </div>
      ) : null}
    </div>
  );
}
