/** Why something was refused: the API's own words and its code. */
import type { Problem as Given } from "../api/api.ts";
import { words } from "../words.ts";

export function Problem({ problem, retry }: { problem: Given | null; retry?: () => void }) {
  if (problem === null) return null;
  return (
    <p role="alert" class="problem tone-fail">
      <span dir="auto">{words.problem(problem)}</span> <code>{problem.code}</code>
      {retry === undefined ? null : <> <button onClick={retry}>{words.retry}</button></>}
    </p>
  );
}
