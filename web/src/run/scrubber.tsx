/** The past of a run, event by event: a slider over all, with marks of questions and failures. */
import { useMemo } from "preact/hooks";

import { useNamed } from "../router/router.ts";
import { Hint } from "../shell/kbd.tsx";
import { useKeys } from "../shell/keys.ts";
import { headOf } from "./fold.ts";
import { marksOf, type Mark } from "./marks.ts";
import { useOpened } from "./view.ts";
import { words } from "./words.ts";

const MARKS = 120;

function Marks({ marks }: { marks: readonly Mark[] }) {
  return (
    <span class="scrub-marks" aria-hidden="true">
      {marks.map(({ from, height, kind }) => (
        <i key={from} class={kind ?? undefined}
          style={{ height: kind === null ? `${15 + 70 * height}%` : "100%" }}>
          {kind === "ask" ? "◆" : kind === "failure" ? "✕" : ""}
        </i>
      ))}
    </span>
  );
}

export function Scrubber() {
  const { history, at, state } = useOpened(), named = useNamed();
  const { of } = history.value, head = headOf(of), first = Math.max(1, of.floor);
  const marks = useMemo(() => marksOf(of.events, MARKS), [head]);
  const here = at.value === null ? head : Math.min(Math.max(first, at.value), head);
  const to = (seq: number): void => {
    const isNow = seq >= head && state.peek().end === null;
    at.value = isNow ? null : Math.max(first, Math.min(head, seq));
  };
  const live = (): void => void (at.value = null);
  useKeys([
    { name: "stepBack", run: () => to(here - 1) },
    { name: "stepOn", run: () => at.value !== null && to(here + 1) },
    { name: "live", run: live },
  ]);
  if (head === 0) return null;
  const time = words.time(state.value.at_ms), isPast = at.value !== null;
  const shown = marks.findIndex((mark) => mark.to >= here);
  return (
    <section class={isPast ? "scrubber past" : "scrubber"} aria-label={named(words.scrubber)}>
      {isPast ? <p class="scrub-past" role="status">{words.past(here, time)}</p> : null}
      {of.floor > 0 ? <p class="muted small">{words.floor(of.floor)}</p> : null}
      <div class="scrub-row">
        <button class="quiet" aria-label={words.back1} disabled={here <= first}
          onClick={() => to(here - 1)}>◀</button>
        <span class="scrub-box">
          <Marks marks={marks} />
          <i class="scrub-here" style={{ left: `${marks.length === 0 ? 0
            : (100 * (Math.max(0, shown) + 0.5)) / marks.length}%` }} />
          <input type="range" min={first} max={head} value={here} aria-label={words.scrubber}
            aria-valuetext={words.valueText(here, head, time)}
            onInput={({ currentTarget }) => to(Number(currentTarget.value))} />
        </span>
        <button class="quiet" aria-label={words.on1} disabled={here >= head}
          onClick={() => to(here + 1)}>▶</button>
        <span class="scrub-text mono">{words.eventOf(here, head)} · {time}</span>
        <button class={isPast ? "main" : "quiet"} aria-pressed={!isPast} onClick={live}>
          {state.value.end !== null && !isPast ? words.toEnd : words.live}<Hint of="live" />
        </button>
      </div>
    </section>
  );
}
