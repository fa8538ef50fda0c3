/** The tree and the Gantt: the same rows, with figures or with bars on an axis of time. */
import { useSignal } from "@preact/signals";
import type { RefObject } from "preact";
import { useEffect, useId, useMemo, useRef } from "preact/hooks";

import { useAskKeys } from "../ask/keys.ts";
import { Rows, type RowsHandle } from "../parts/rows.tsx";
import { useStill } from "../parts/still.ts";
import { elapsed } from "../parts/text.ts";
import { useSeat } from "../router/router.ts";
import { Hint } from "../shell/kbd.tsx";
import { useKeys } from "../shell/keys.ts";
import { asks } from "../state/asks.ts";
import { fit, panned, pinsOf, rowsOf, spanOf, ticksOf, windowOf, zoomed, type Row,
  type Window } from "./layout.ts";
import { filled } from "./plan.ts";
import { RowLine, type Shown } from "./row.tsx";
import { agentAt, inspect, isNarrow, useOpened } from "./view.ts";
import { words } from "./words.ts";

const ROW_PX = 28, STACKED_PX = 44, TICK_PX = 80, NAME_PX = 250;
const ZOOM = 1.5, WHEEL = 0.002;
const coarse = matchMedia("(pointer: coarse)");

function Axis({ window, began_ms, now, ghosts, most, zoom }: {
  window: Window; began_ms: number; now: number | null; ghosts: boolean; most: number;
  zoom: (factor: number) => void;
}) {
  const ticks = ticksOf(window, began_ms, most);
  return (
    <div class="axis">
      <span class="axis-zoom">
        <button class="quiet" aria-label={words.zoomOut} onClick={() => zoom(ZOOM)}>
          −<Hint of="zoomOut" /></button>
        <button class="quiet" aria-label={words.zoomIn} onClick={() => zoom(1 / ZOOM)}>
          +<Hint of="zoomIn" /></button>
        <button class="quiet" aria-label={words.zoomFit} onClick={() => zoom(Infinity)}>
          ↔<Hint of="zoomFit" /></button>
      </span>
      <span class="track mono" aria-hidden="true">
        {ticks.map((ms) => {
          const span = spanOf(window, began_ms + ms, began_ms + ms);
          return span === null || span.left > (ghosts ? 82 : 96) ? null
            : <span key={ms} style={{ left: `${span.left}%` }}>{tickText(ms, ticks)}</span>;
        })}
        {ghosts && now !== null ? <span style={{ left: `${now + 1}%` }}>{words.plan}</span> : null}
      </span>
    </div>
  );
}

const tickText = (ms: number, [first = 0, second = first + 1000]: number[]): string => {
  const step = second - first;
  return ms === 0 ? "0" : step >= 1000 ? elapsed(ms)
    : ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(step >= 100 ? 1 : 2)} s`;
};

/** `z`, `+`, `−`, and the wheel with Ctrl; the wheel across moves it. */
function useZoom(box: RefObject<HTMLDivElement>, began_ms: number,
  times: { now_ms: number; ghosts: boolean; live: boolean }) {
  const zoom = useSignal(fit);
  const all = { began_ms, ...times };
  const latest = useRef(all);
  latest.current = all;
  const by = (factor: number, at = 0.5): void => {
    zoom.value = factor === Infinity ? fit
      : zoomed(zoom.peek(), latest.current, { factor, at });
  };
  useKeys([
    { name: "zoomFit", run: () => by(Infinity) },
    { name: "zoomIn", run: () => by(1 / ZOOM) },
    { name: "zoomOut", run: () => by(ZOOM) },
  ]);
  useEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    let factor = 1, at = 0.5, across = 0, frame = 0;
    const draw = (): void => {
      frame = 0;
      if (factor !== 1) by(factor, at);
      if (across !== 0) zoom.value = panned(zoom.peek(), latest.current, across);
      factor = 1;
      across = 0;
    };
    const wheel = (event: WheelEvent): void => {
      const track = element.querySelector(".axis .track")?.getBoundingClientRect();
      if (track === undefined || track.width === 0) return;
      if (event.ctrlKey) {
        factor *= Math.exp(event.deltaY * WHEEL);
        at = Math.min(1, Math.max(0, (event.clientX - track.left) / track.width));
      } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        across += (event.deltaX || event.deltaY) / track.width;
      } else return;
      event.preventDefault();
      frame ||= requestAnimationFrame(draw);
    };
    element.addEventListener("wheel", wheel, { passive: false });
    return () => {
      cancelAnimationFrame(frame);
      element.removeEventListener("wheel", wheel);
    };
  }, []);
  return { zoom, by };
}

function useRows(isHovered: { current: boolean }) {
  const { state, plan } = useOpened(), run = state.value;
  const closed = useSignal<ReadonlySet<string>>(new Set());
  const wanted = useMemo(() => pinsOf(run), [run]), pins = useRef(wanted);
  if (!isHovered.current) pins.current = wanted; // Nothing moves under the pointer.
  const fill = useMemo(() => filled(plan.value, run), [plan.value, run]);
  const rows = useMemo(() => rowsOf(run, fill, { closed: closed.value, pins: pins.current }),
    [run, fill, closed.value, pins.current]);
  const toggle = (title: string): void => {
    const next = new Set(closed.peek());
    if (!next.delete(title)) next.add(title);
    closed.value = next;
  };
  /** 0: phases alone; there is one level below them. */
  const level = (to: number): void => {
    const titles = rows.flatMap((row) => (row.kind === "phase" ? [row.title] : []));
    closed.value = new Set(to === 0 ? titles : []);
  };
  const all = (): void => level(closed.peek().size > 0 ? 1 : 0);
  const news = useMemo(() => ({}), [run, fill]); // What nobody here has opened or closed.
  return { rows, fill, news, toggle, all, level };
}

interface Moves {
  rows: readonly Row[]; toggle(title: string): void; all(): void; level(to: number): void;
}

/** Which row is selected, and the keys that move it. */
function useCursor({ rows, toggle, all, level }: Moves, show: (at: number) => void) {
  const { state } = useOpened(), seat = useSeat();
  const cursor = useSignal<string | null>(null), given = seat.query.value.get("agent");
  const shownId = given === null ? undefined : agentAt(state.value, given)?.id;
  useEffect(() => {
    if (shownId === undefined) return;
    cursor.value = shownId;
    show(rows.findIndex(({ id }) => id === shownId));
  }, [shownId]);
  const at = rows.findIndex(({ id }) => id === cursor.value), row = rows[at];
  const to = (next: number): void => {
    const one = rows[Math.min(rows.length - 1, Math.max(0, next))];
    if (one === undefined) return;
    cursor.value = one.id;
    show(rows.indexOf(one));
    if (one.kind === "agent" && !isNarrow(seat)) inspect(seat, one.id);
  };
  const find = (fits: (row: Row) => boolean, by: 1 | -1): void => {
    for (let n = 1; n <= rows.length; n++) {
      const next = (Math.max(0, at) + by * n + rows.length * 2) % rows.length;
      if (fits(rows[next] as Row)) return to(next);
    }
  };
  const isAgent = (fits: (row: Row & { kind: "agent" }) => boolean) => (one: Row) =>
    one.kind === "agent" && fits(one);
  const isFailed = isAgent(({ agent, pinned }) => pinned && agent.asks.length === 0);
  const isAsking = isAgent(({ agent }) => agent.asks.length > 0);
  const open = (one: Row | undefined): void => {
    if (one?.kind === "phase") toggle(one.title);
    else if (one?.kind === "agent") inspect(seat, one.id);
  };
  useKeys([
    { name: "next", run: () => to(at + 1) }, { name: "previous", run: () => to(at - 1) },
    { name: "open", run: () => open(row) },
    { name: "fold", run: () => row?.kind === "phase" && toggle(row.title) },
    { name: "foldAll", run: all },
    ...Array.from({ length: 10 }, (_, digit) => ({ key: String(digit), run: () => level(digit) })),
    { name: "nextHit", run: () => find(isFailed, 1) },
    { name: "previousHit", run: () => find(isFailed, -1) },
    { name: "waiting", run: () => find(isAsking, 1) },
  ]);
  const arrows = (event: KeyboardEvent): void => {
    const { key } = event;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (key === "ArrowDown") to(at + 1);
    else if (key === "ArrowUp") to(at - 1);
    else if (key === "Home") to(0);
    else if (key === "End") to(rows.length - 1);
    else if (row?.kind === "phase" && key === (row.open ? "ArrowLeft" : "ArrowRight")) {
      toggle(row.title);
    } else return;
    event.preventDefault();
  };
  return { row, cursor, arrows, open };
}

/** The question of the agent that is selected is answered by a and d. */
function Keys({ row }: { row: Row | undefined }) {
  const { at } = useOpened(), seat = useSeat();
  const approval = row?.kind === "agent" && at.value === null
    ? row.agent.asks[0]?.approval : undefined;
  const other = (): void => {
    if (row?.kind === "agent") inspect(seat, row.id);
  };
  useAskKeys(asks.value.items.find(({ id }) => id === approval) ?? null, { other });
  return null;
}

/** Of the tree. */
function Columns() {
  return (
    <div class="axis" aria-hidden="true">
      <span class="row-name">{words.agents}</span>
      <span class="row-cells">
        <span />
        {[words.lastWord, words.output, words.cost].map((name) =>
          <span key={name} class="num">{name}</span>)}
      </span>
    </div>
  );
}

export function List({ gantt }: { gantt: boolean }) {
  const { state, now_ms, at, facts } = useOpened(), seat = useSeat(), base = useId();
  const run = state.value, handle = useRef<RowsHandle>(null), isHovered = useRef(false);
  const { rows, fill, news, toggle, all, level } = useRows(isHovered);
  const stacked = isNarrow(seat), height = stacked || coarse.matches ? STACKED_PX : ROW_PX;
  const show = (index: number): void => void (index >= 0 && handle.current?.show(index));
  const { row, cursor, arrows, open } = useCursor({ rows, toggle, all, level }, show);
  const keys = useMemo(() => rows.map(({ id }) => id), [rows]);
  const { box, over, leave } = useStill({ keys, news, height });
  const began_ms = run.began_ms ?? run.at_ms, ghosts = fill.ghosts.length > 0;
  const live = run.end === null && at.value === null;
  const { zoom, by } = useZoom(box, began_ms, { now_ms: now_ms.value, ghosts, live });
  const window = windowOf(zoom.value, { began_ms, now_ms: now_ms.value, ghosts, live });
  const shown: Shown = {
    window, now_ms: now_ms.value, gantt, facts,
    waves: [...new Set(fill.ghosts.map(({ wave }) => wave))].sort((a, b) => a - b),
  };
  const nowSpan = run.end === null ? spanOf(window, now_ms.value, now_ms.value) : null;
  const track = Math.max(120, seat.width.value - (stacked ? 28 : NAME_PX)
    - (seat.query.value.has("agent") && !stacked ? 300 : 0));
  const idOf = (one: string): string => `${base}-${one}`;
  const drawn = rows.length > 0; // The box stands in any case: the wheel is listened to there.
  return (
    <div ref={box} class={`run-list${gantt ? " is-gantt" : " is-tree"}${stacked ? " stacked" : ""}`}
      onKeyDown={arrows} onPointerOver={over} onPointerEnter={() => (isHovered.current = true)}
      onPointerLeave={() => {
        isHovered.current = false;
        leave();
      }}>
      <Keys row={row} />
      {drawn ? null
        : <p class="run-none muted">{run.end === null ? words.none : words.noneAtAll}</p>}
      {!drawn || gantt ? null : <Columns />}
      {drawn && gantt ? <Axis window={window} began_ms={began_ms} now={nowSpan?.left ?? null}
        ghosts={ghosts} most={Math.floor(track / TICK_PX)} zoom={by} /> : null}
      {!drawn ? null : (
        <Rows role="tree" label={gantt ? words.timeline : words.agents} count={rows.length}
          height={height} handle={handle} active={row === undefined ? undefined : idOf(row.id)}
          draw={(index) => {
            const one = rows[index] as Row;
            return (
              <RowLine key={one.id} id={idOf(one.id)} row={one} shown={shown}
                selected={one.id === row?.id} onSelect={() => {
                  cursor.value = one.id;
                  open(one);
                }} />
            );
          }}>
          {gantt && nowSpan !== null ? (
            <div class="now-box" role="none">
              <i class="now" style={{ left: `${nowSpan.left}%` }} />
            </div>
          ) : null}
        </Rows>
      )}
    </div>
  );
}
