/** What failed: title, detail and code of the daemon, to be copied, and one more try. */
import type { Problem } from "../api/api.ts";
import { away } from "../state/away.ts";
import { words } from "../words.ts";
import { Copy } from "./copy.tsx";
import { visible } from "./visible.ts";

interface TroubleProps { problem: Problem | null; retry?: (() => void) | undefined }

export function Trouble({ problem, retry }: TroubleProps) {
  // The status line says it for all views, and nothing moves.
  if (problem === null || (problem.code === "unreachable" && away.value)) return null;
  const unmet = problem.unmet ?? []; // Its detail is the first of them.
  const text = unmet.length > 0 ? problem.title : words.problem(problem);
  return (
    <div class="trouble" role="alert">
      <span class="tone-fail" aria-hidden="true">✕</span>
      <span dir="auto">{visible(text)} <code>{problem.code}</code></span>
      <Copy text={[`${text} (${problem.code})`, ...unmet].join("\n")} />
      {retry === undefined ? null : <button onClick={retry}>{words.retry}</button>}
      {unmet.length === 0 ? null
        : <ul>{unmet.map((line) => <li key={line} dir="auto">{visible(line)}</li>)}</ul>}
    </div>
  );
}
