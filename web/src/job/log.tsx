/** The log of a job: a window over rows of one height, which follows the end only while it is
 *  there. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import { Trouble } from "../parts/trouble.tsx";
import { useNamed, useSeat } from "../router/router.ts";
import { capsText } from "../shell/kbd.tsx";
import { keyOf, useKeys } from "../shell/keys.ts";
import type { Name } from "../shell/shortcuts.ts";
import { keptCount, lineCount, rowCount, rowOfLine, rowsAt } from "./lines.ts";
import { download, useReading, type Place, type Reading } from "./reading.ts";
import { LogRow } from "./row.tsx";
import { useSearch, type Search } from "./search.ts";
import { words } from "./words.ts";

export const ROW = 18; // Height in CSS pixels: that of .line.
const AHEAD = 20; // Rows drawn above and below what is seen.
const NEAR = 40; // Pixels from the end within which it is followed.
const SHOWN_MAX = 900_000; // Browsers have no taller elements.
const WIDTH = 2_000; // Of a row, where long lines are not wrapped.

interface Window { top: number; height: number; follow: boolean }

/** The column of a row in characters, measured where rows are drawn. */
function columnsOf(box: HTMLElement | null): number {
  const probe = box?.querySelector<HTMLElement>(".probe");
  if (box === null || probe === null || probe === undefined) return WIDTH;
  const one = probe.getBoundingClientRect().width / 10;
  const numbers = probe.offsetLeft;
  return Math.max(20, Math.floor((box.clientWidth - numbers - 24) / one));
}

export function Move({ of, about, move, off = false }: {
  of: Name; about: string; move(): void; off?: boolean;
}) {
  const cap = capsText(keyOf(of));
  return (
    <button class="quiet" aria-label={`${cap}, ${about}`} disabled={off} onClick={move}>
      {cap}
    </button>
  );
}

function Bar({ search, wrap, wrapSet, place, lines }: {
  search: Search; wrap: boolean; wrapSet: (on: boolean) => void; place: Place; lines: number;
}) {
  const { hits } = search;
  return (
    <div class="bar">
      <input data-filter type="search" aria-label={words.search} placeholder={words.search}
        title={words.searchUntil} maxLength={100}
        onKeyDown={(event) => {
          const { value } = event.currentTarget;
          if (event.key === "Escape") event.currentTarget.blur();
          if (event.key !== "Enter") return;
          if (hits?.text === value) search.move(event.shiftKey ? -1 : 1);
          else search.find(value);
        }}
        onInput={({ currentTarget: { value } }) => value === "" && search.find("")} />
      <span class="muted" role="status">
        {hits === null ? words.lines(lines) : words.hits(hits.at + 1, hits.total)}
        {hits !== null && hits.total > hits.lines.length ? words.hitsCut(hits.lines.length) : null}
      </span>
      {hits === null || hits.lines.length === 0 ? null : (
        <>
          <Move of="previousHit" about={words.previousHit} move={() => search.move(-1)} />
          <Move of="nextHit" about={words.nextHit} move={() => search.move(1)} />
        </>
      )}
      <label class="check end">
        <input type="checkbox" checked={wrap}
          onChange={({ currentTarget: { checked } }) => wrapSet(checked)} /> {words.wrap}
      </label>
      <button class="quiet" onClick={() => void download(place)}>{words.download}</button>
    </div>
  );
}

function about({ state, lines }: Reading, waits: boolean): string | null {
  if (rowCount(lines) > 0) return null;
  if (waits) return words.logWaits;
  return state?.phase === "done" ? words.logEmptyEnded
    : state?.phase === "live" ? words.logEmpty : null;
}

interface LogProps {
  place: Place;
  line: number | null;
  /** The job has not started. */
  waits: boolean;
}

export function Log({ place, line, waits }: LogProps) {
  const { setQuery } = useSeat(), named = useNamed();
  const [width, widthSet] = useState(WIDTH);
  const reading = useReading(place, width);
  const { lines, state } = reading;
  const box = useRef<HTMLDivElement>(null);
  const [view, viewSet] = useState<Window>({ top: 0, height: 600, follow: line === null });
  const wanted = useRef<number | null>(line); // A line that is to be shown as soon as it is there.
  const [marked, markedSet] = useState<number | null>(line);
  const lastTop = useRef(0);
  const seenRows = useRef(0); // When the end was left.
  const total = rowCount(lines);
  const hidden = Math.max(0, total - SHOWN_MAX);
  const first = Math.max(0, hidden + Math.floor(view.top / ROW) - AHEAD);
  const last = Math.min(total, hidden + Math.ceil((view.top + view.height) / ROW) + AHEAD);
  lines.focus = view.follow ? total : first;
  const { rows, missing } = rowsAt(lines, first, last);

  const show = (number: number): void => {
    wanted.current = number;
    markedSet(number);
    viewSet((one) => ({ ...one, follow: false }));
  };
  const search = useSearch(place, show);
  useKeys([
    { name: "nextHit", run: () => search.move(1) },
    { name: "previousHit", run: () => search.move(-1) },
  ]);
  useEffect(() => reading.need(missing));
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const observer = new ResizeObserver(() =>
      viewSet((one) => ({ ...one, height: element.clientHeight })));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    if (line !== null) show(line);
  }, [line]);

  // After each drawing: at the end while that is followed, at the wanted line once it is there.
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    const row = wanted.current === null ? null : rowOfLine(lines, wanted.current);
    if (typeof row === "number") {
      wanted.current = null;
      element.scrollTop = (row - hidden) * ROW - element.clientHeight / 3;
    } else if (row !== null) reading.need([row]);
    else if (view.follow) element.scrollTop = element.scrollHeight;
  });
  const scrolled = (): void => {
    const element = box.current;
    if (element === null) return;
    const { scrollTop: top, scrollHeight, clientHeight: height } = element;
    const isNear = scrollHeight - top - height < NEAR;
    // Only a move upward lets go: what arrives makes the end move away, too.
    const follow = isNear || (view.follow && top >= lastTop.current);
    lastTop.current = top;
    if (view.follow && !follow) seenRows.current = total;
    if (top !== view.top || height !== view.height || follow !== view.follow) {
      viewSet({ top, height, follow });
    }
  };
  const toEnd = (): void => {
    wanted.current = null;
    viewSet((one) => ({ ...one, follow: true }));
  };
  const choose = (number: number): void => {
    markedSet(number);
    setQuery("line", String(number));
  };
  const note = about(reading, waits);
  return (
    <section class="log" aria-label={named(words.log)}>
      <Bar search={search} wrap={width !== WIDTH} place={place}
        lines={lineCount(lines)} wrapSet={(on) => widthSet(on ? columnsOf(box.current) : WIDTH)} />
      <Trouble problem={search.problem ?? problemOf(reading)} />
      {hidden === 0 ? null : <p class="muted small">{words.earlier(hidden)}</p>}
      {wanted.current !== null && state?.phase === "done"
        ? <p class="muted small">{words.noLine(wanted.current)}</p> : null}
      <div class="rows" ref={box} tabIndex={0} role="group" aria-label={words.log}
        onScroll={scrolled} data-kept={keptCount(lines)} data-blocks={lines.blocks.length}>
        <span class="line probe-line" aria-hidden="true">
          <span class="number" /><span class="probe">0000000000</span>
        </span>
        {note === null ? null : <p class="none">{note}</p>}
        <div class="all" style={{ height: `${(total - hidden) * ROW}px` }}>
          <div class="drawn" style={{ transform: `translateY(${(first - hidden) * ROW}px)` }}>
            {rows.map((seen) => (
              <LogRow key={seen.number} seen={seen} choose={choose}
                marked={marked !== null && seen.row?.line === marked} />
            ))}
          </div>
        </div>
      </div>
      {view.follow ? null : (
        <button class="to-end" onClick={toEnd}>
          {words.toEnd(Math.max(0, total - Math.max(seenRows.current, last)))}
        </button>
      )}
    </section>
  );
}

function problemOf({ state }: Reading) {
  if (state?.phase !== "refused" || state.error === null) return null;
  const { code, status = 0, title = "", detail = "" } = state.error;
  return { code, status, title, detail };
}
