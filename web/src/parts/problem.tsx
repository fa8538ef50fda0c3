/** A request that failed, in the daemon's own words, with its code. */
import type { Problem } from "../api/api.ts";
import { words } from "../words.ts";

export function ProblemText({ problem, again }: { problem: Problem; again?: () => void }) {
  return (
    <p class="problem tone-fail" role="alert">
      <span aria-hidden="true">✕ </span>
      {words.problem(problem)} <code>{problem.code}</code>{" "}
      {again === undefined ? null : <button onClick={again}>{words.retry}</button>}
    </p>
  );
}
