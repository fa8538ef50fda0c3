/** Phases and log lines of a run, as its script wrote them. */
import { Rows } from "../parts/rows.tsx";
import { beginning, visible } from "../parts/visible.ts";
import { useOpened } from "./view.ts";
import { words } from "./words.ts";

const LINE_PX = 22, LINE_MAX = 2_000;

export function LogView() {
  const { state } = useOpened(), { lines, end } = state.value;
  if (lines.length === 0) {
    return <p class="run-none muted">{end === null ? words.noLines : words.noLinesEnded}</p>;
  }
  return (
    <div class="run-log">
      <Rows role="list" label={words.tabs.log} count={lines.length} height={LINE_PX}
        draw={(at) => {
          const line = lines[at];
          if (line === undefined) return null;
          const { title, text = "", no } = line, isWarning = no === 0;
          return (
            <div key={at} role="listitem"
              class={title === undefined ? "log-line" : "log-line is-phase"}>
              <span class="muted mono">{words.time(line.at_ms)}</span>
              {isWarning ? <span class="tone-degraded" aria-hidden="true">◐</span> : null}
              <span class="clip mono" dir="auto" title={beginning(text, LINE_MAX)}>
                {title !== undefined ? visible(title || words.noPhase)
                  : visible(beginning(text, LINE_MAX)).replaceAll("\n", " ⏎ ")}
              </span>
            </div>
          );
        }} />
    </div>
  );
}
