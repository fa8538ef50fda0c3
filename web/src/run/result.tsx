/** What a script returned, or why it did not; and the agents that failed. */
import { Markdown } from "../markdown/index.ts";
import { Bounded } from "../parts/bounded.tsx";
import { causeText } from "../parts/cause.ts";
import { Copy } from "../parts/copy.tsx";
import { visible } from "../parts/visible.ts";
import { useSeat } from "../router/router.ts";
import type { End } from "./fold.ts";
import { inspect, nameOf, useOpened } from "./view.ts";
import { words } from "./words.ts";

function Fault({ error }: { error: NonNullable<End["error"]> }) {
  const { name, message = "", line, column, file, stack } = error;
  return (
    <section class="run-fault">
      <h2 class="tone-fail">{words.error}</h2>
      <p><b class="mono">{visible(name ?? error.code ?? "")}</b> <bdi>{visible(message)}</bdi></p>
      {line === undefined ? null
        : <p class="muted">{words.at(line, column, file === undefined ? file : visible(file))}</p>}
      {stack === undefined ? null : <pre dir="auto"><Bounded text={stack} /></pre>}
    </section>
  );
}

export function ResultView() {
  const { state, row, at } = useOpened(), seat = useSeat(), { end } = state.value;
  if (end === null) return <p class="run-none muted">{words.noResult}</p>;
  const isRead = at.value === null || end.result_cut;
  const whole = isRead ? row.value?.result as Partial<End> | null : null;
  const result = whole?.result ?? end.result, { error, failures = [] } = end;
  const text = typeof result === "string" ? result : JSON.stringify(result, null, 2) ?? "";
  return (
    <div class="run-result">
      {error == null ? null : <Fault error={error} />}
      {failures.length === 0 ? null : (
        <section>
          <h2>{words.failures}</h2>
          <ul class="run-failures">
            {failures.map((one) => (
              <li key={one.run}>
                <span class="tone-fail" aria-hidden="true">✕</span>
                <button class="bare mono" onClick={() => inspect(seat, one.run)}>
                  {nameOf(one)}
                </button>
                <code>{causeText(one.cause)}</code>
                <bdi class="muted">{visible(one.note ?? "")}</bdi>
              </li>
            ))}
          </ul>
        </section>
      )}
      {result === undefined || result === null ? null : (
        <section>
          <div class="head">
            <h2>{words.returned}</h2><span class="end"><Copy text={text} /></span>
          </div>
          {typeof result === "string" ? <Markdown text={result} done />
            : <pre dir="auto"><Bounded text={text} /></pre>}
          {end.result_cut && whole?.result === undefined
            ? <p class="muted">{words.resultCut}</p> : null}
        </section>
      )}
    </div>
  );
}
