/** What failed: title, detail and code of the daemon, and one more try. */
import type { Problem } from "../api/api.ts";
import { words } from "../words.ts";
import { visible } from "./visible.ts";

interface TroubleProps { problem: Problem | null; retry?: (() => void) | undefined }

export function Trouble({ problem, retry }: TroubleProps) {
  if (problem === null) return null;
  return (
    <div class="trouble" role="alert">
      <span class="tone-fail" aria-hidden="true">✕</span>
      <span dir="auto">{visible(words.problem(problem))} <code>{problem.code}</code></span>
      {retry === undefined ? null : <button onClick={retry}>{words.retry}</button>}
    </div>
  );
}
