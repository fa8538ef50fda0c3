/** The end of the daemon's log. */
import { useState } from "preact/hooks";

import type { LogEnd } from "../api/types.ts";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { Command } from "./findings.tsx";
import { useGet } from "./reading.ts";
import { isProblem, lineOf } from "./rules.ts";
import { words } from "./words.ts";

const LINES = 200;
const TONES: Record<string, string> = { warn: "tone-degraded", error: "tone-fail" };

export function Log({ turn }: { turn: number }) {
  const { value, problem } = useGet<LogEnd>(`/system/log?lines=${LINES}`, turn);
  const [isChosen, isChosenSet] = useState(false);
  if (value === null) return <Trouble problem={problem} />;
  if (value.file === null) {
    return <><p class="none">{words.noLog}</p><Command text={words.noLogCommand} /></>;
  }
  const lines = value.lines.map(lineOf).filter((line) => !isChosen || isProblem(line));
  return (
    <>
      <p class="logged">
        <span class="muted mono clip" dir="auto">{visible(value.file)}</span>
        <label class="check">
          <input type="checkbox" checked={isChosen}
            onChange={({ currentTarget: { checked } }) => isChosenSet(checked)} />
          {" "}{words.problemsOnly}
        </label>
      </p>
      {lines.length === 0 ? <p class="none">{words.noLines}</p> : (
        <ol class="log-lines mono" tabIndex={0} aria-label={words.logLines}>
          {lines.map(({ at, level, text }, number) => (
            <li key={number}>
              <span class="muted">{at}</span>{" "}
              <span class={TONES[level]}>{level}</span>{" "}
              <span dir="auto">{visible(text)}</span>
            </li>
          ))}
        </ol>
      )}
    </>
  );
}
