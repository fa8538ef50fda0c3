/** Phases and log lines of a run, as its script wrote them. The list of a run that lives follows
 *  its end, until somebody scrolls up. */
import { useLayoutEffect, useRef, useState } from "preact/hooks";

import { Rows, type RowsHandle } from "../parts/rows.tsx";
import { beginning, visible } from "../parts/visible.ts";
import type { Line } from "./fold.ts";
import { useOpened } from "./view.ts";
import { words } from "./words.ts";

const LINE_PX = 22, LINE_MAX = 2_000;

/** `below`: lines that came below the view of somebody who has scrolled up. */
function useEnd(count: number, live: boolean) {
  const box = useRef<HTMLDivElement>(null), handle = useRef<RowsHandle>(null);
  /** null: the end is in the view; else how many lines there were when it was left. */
  const [left, leftSet] = useState<number | null>(live ? null : count);
  useLayoutEffect(() => {
    if (live && left === null) handle.current?.show(count - 1);
  }, [count, live, left]);
  const scrolled = (): void => {
    const list = box.current?.querySelector(".windowed");
    if (list == null) return;
    const isEnd = list.scrollHeight - list.scrollTop - list.clientHeight < LINE_PX;
    leftSet((before) => (isEnd ? null : before ?? count));
  };
  const toEnd = (): void => {
    handle.current?.show(count - 1);
    handle.current?.focus();
  };
  return { box, handle, scrolled, toEnd, below: live && left !== null ? count - left : 0 };
}

function LogLine({ line }: { line: Line }) {
  const { title, text = "", no, at_ms } = line, isWarning = no === 0;
  const shown = visible(beginning(text, LINE_MAX));
  return (
    <div role="listitem" class={title === undefined ? "log-line" : "log-line is-phase"}>
      <span class="muted mono">{at_ms === 0 ? "" : words.time(at_ms)}</span>
      {isWarning ? <span class="tone-degraded" aria-hidden="true">◐</span> : null}
      <span class="clip mono" dir="auto" title={shown}>
        {title !== undefined ? visible(title || words.noPhase) : shown.replaceAll("\n", " ⏎ ")}
      </span>
    </div>
  );
}

export function LogView() {
  const { state, at } = useOpened(), { lines, end } = state.value;
  const { box, handle, scrolled, toEnd, below } =
    useEnd(lines.length, end === null && at.value === null);
  if (lines.length === 0) {
    return <p class="run-none muted">{end === null ? words.noLines : words.noLinesEnded}</p>;
  }
  return (
    <div class="run-log" ref={box} onScrollCapture={scrolled}>
      <Rows role="list" label={words.tabs.log} count={lines.length} height={LINE_PX}
        handle={handle}
        draw={(place) => {
          const line = lines[place];
          return line === undefined ? null : <LogLine key={place} line={line} />;
        }} />
      {below <= 0 ? null
        : <button class="log-below" onClick={toEnd}>{words.newBelow(below)}</button>}
    </div>
  );
}
