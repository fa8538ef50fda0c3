/** What the daemon refused. */
import type { Problem } from "../../api/api.ts";
import { words } from "../../words.ts";

interface FailedProps { problem: Problem | null; again?: (() => void) | undefined }

export function Failed({ problem, again }: FailedProps) {
  if (problem === null) return null;
  return (
    <p role="alert" class="tone-fail side-failed">
      {words.problem(problem)} <code>{problem.code}</code>{" "}
      {again === undefined ? null
        : <button class="quiet" onClick={again}>{words.retry}</button>}
    </p>
  );
}
