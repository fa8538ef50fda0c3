/** The hold: what would start, and the release. */
import { useState } from "preact/hooks";

import type { Problem } from "../api/api.ts";
import type { Hold as Held, Run } from "../api/types.ts";
import { Sure } from "../parts/sure.tsx";
import { State } from "../parts/state.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { held, holdRelease } from "../state/system.ts";
import { useGet } from "./reading.ts";
import { words } from "./words.ts";

const COUNTS = ["queued", "running", "deliveries", "lost", "again"] as const;

type Shown = Held & { would_start: { runs: Run[]; again_runs: Run[] } };

function Runs({ title, runs }: { title: string; runs: readonly Run[] }) {
  if (runs.length === 0) return null;
  return (
    <>
      <h3>{title}</h3>
      <ul class="plain">
        {runs.map(({ id, kind, state, label, command }) => (
          <li key={id} class="row held-run">
            <State state={state} />
            <a class="clip name" href={kind === "job" ? `/j/${id}` : `/r/${id}`} dir="auto">
              {visible(label || command || id)}
            </a>
          </li>
        ))}
      </ul>
    </>
  );
}

export function Hold({ turn }: { turn: number }) {
  const isHeld = held.value !== null;
  const [refused, refusedSet] = useState<Problem | null>(null);
  const { value, problem } = useGet<Shown>("/system/hold", turn, isHeld);
  const release = async (): Promise<void> => {
    const answer = await holdRelease();
    refusedSet(answer.ok ? null : answer.problem);
  };
  const counts = value === null ? [] : COUNTS.filter((name) => value.would_start[name] > 0)
    .map((name) => words.counts[name](value.would_start[name]));
  return (
    <>
      <Trouble problem={refused ?? problem} />
      {value === null ? null : !value.held ? <p class="none">{words.notHeld}</p> : (
        <>
          {value.restored ? <p class="muted">{words.restored}</p> : null}
          <p>
            {words.wouldStart} <b>{counts.length === 0 ? words.nothing : counts.join(", ")}</b>.
          </p>
          <Runs title={words.queuedRuns} runs={value.would_start.runs} />
          <Runs title={words.againRuns} runs={value.would_start.again_runs} />
          <p class="acts">
            <Sure name={words.release} label={words.releaseOf} sure={words.releaseSure}
              onSure={() => void release()} />
          </p>
        </>
      )}
    </>
  );
}
