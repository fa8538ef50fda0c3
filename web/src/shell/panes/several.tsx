/** What several panes need: their heads, the lines between them, and the tabs of a phone. */
import { ChevronLeft, ChevronRight, Columns2, X } from "lucide-preact";
import { useEffect, useRef } from "preact/hooks";

import { visible } from "../../parts/visible.ts";
import { PANES_MAX, WIDE_MIN } from "../../router/panes.ts";
import { focused, paneFocus, seats, wide, type Seat } from "../../router/router.ts";
import { openAsks } from "../../state/asks.ts";
import { useRead } from "../../state/read.ts";
import { useKeys } from "../keys.ts";
import { PLACES } from "../places.ts";
import { sheet } from "../sheets.tsx";
import { paneClose, panesResize } from "./arrange.ts";
import { dragBegin, drop, movePane, useMoved } from "./drag.ts";
import { evenly, resized } from "./order.ts";
import { small } from "./panes.tsx";
import { waitsAt } from "./waits.ts";
import { words } from "./words.ts";

/** By the heading of its view; of a place that was not shown yet by what stands there. */
function useTitle(seat: Seat): string {
  const path = seat.path.value, [, kind, id] = /^\/([sj])\/([^/]+)/.exec(path) ?? [];
  const isDue = seat.heading.value === "" && id !== undefined;
  const { value } = useRead<{ title?: string | null; label?: string | null }>(
    isDue ? `/${kind === "s" ? "sessions" : "runs"}/${id}` : null);
  const found = visible(value?.title ?? value?.label ?? "");
  const place = PLACES.find(({ to, below }) =>
    path === to || (to !== "/" && path.startsWith(below ?? `${to}/`)));
  return seat.heading.value || found || (place?.name ?? "");
}

function Badge({ seat }: { seat: Seat }) {
  const count = seat.waits.value ?? waitsAt(seat.path.value, openAsks.value);
  if (count === 0) return null;
  return (
    <b class="due" title={words.waits(count)}>
      <span aria-hidden="true">◆ {count}</span><span class="hidden">{words.waits(count)}</span>
    </b>
  );
}

/** Where one that is dragged would go, seen from a pane. */
function dropAt(at: number): string | undefined {
  const gap = drop.value?.before;
  if (gap === at) return "before";
  return gap === seats.value.length && gap === at + 1 ? "behind" : undefined;
}

/** What a pane is to a screen reader, and to somebody who drags. */
export const landmark = (seat: Seat, at: number) => (small.value
  ? { role: "tabpanel", "aria-labelledby": `tab-${seat.id}`, id: `panel-${seat.id}` } as const
  : { role: "region", "aria-label": words.pane(at + 1, seat.heading.value),
    "data-drop": dropAt(at) } as const);

const toView = (seat: Seat): void => {
  const to = seat.box?.querySelector<HTMLElement>("h1") ?? seat.box;
  if (to == null) return;
  to.tabIndex = -1;
  to.focus({ preventScroll: true });
};

/** The pane goes, and the focus is in the one that has it now. */
function closeNow(seat: Seat): void {
  paneClose(seat);
  requestAnimationFrame(() => toView(focused.peek()));
}

function Button({ name, icon: Icon, off = false, run }: {
  name: string; icon: typeof X; off?: boolean; run(): void;
}) {
  // One that does nothing keeps the focus: who moves a pane to the edge is still there.
  return (
    <button class="quiet" aria-label={name} title={name} aria-disabled={off}
      onClick={() => off || run()}><Icon size={14} aria-hidden="true" /></button>
  );
}

function Beside({ seat }: { seat: Seat }) {
  const isFull = seats.value.length >= PANES_MAX;
  return <Button name={isFull ? words.four : words.beside} icon={Columns2} off={isFull} run={() => {
    paneFocus(seat);
    sheet.value = "beside";
  }} />;
}

export function Head({ seat, at }: { seat: Seat; at: number }) {
  const title = useTitle(seat), isDragged = drop.value?.of === seat;
  return (
    <header class={isDragged ? "pane-head dragged" : "pane-head"}
      onPointerDown={(event) => dragBegin(seat, event)}>
      <span class="clip" dir="auto">{title}</span>
      <Badge seat={seat} />
      <span class="end">
        <Button name={words.left} icon={ChevronLeft} off={at === 0}
          run={() => movePane(seat, at - 1)} />
        <Button name={words.right} icon={ChevronRight} off={at === seats.value.length - 1}
          run={() => movePane(seat, at + 1)} />
        <Beside seat={seat} />
        <Button name={words.close} icon={X} run={() => closeNow(seat)} />
      </span>
    </header>
  );
}

/** The line behind a pane: it is dragged, or moved by arrows; a double click makes all equal. */
export function Line({ at }: { at: number }) {
  const now = wide.value ?? evenly(seats.value.length);
  const drag = useRef<{ x: number; width: number; from: readonly number[] } | null>(null);
  const pressed = (event: KeyboardEvent): void => {
    const by = { ArrowLeft: -2, ArrowRight: 2, PageUp: -10, PageDown: 10, Home: -100, End: 100,
    }[event.key];
    if (by === undefined && event.key !== "Enter") return;
    event.preventDefault();
    panesResize(by === undefined ? null : resized(now, at, by), false);
  };
  const keep = (): void => panesResize(wide.value, true);
  const begins = (event: PointerEvent & { currentTarget: HTMLElement }): void => {
    if (event.button !== 0) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    const width = event.currentTarget.parentElement?.scrollWidth ?? 1;
    drag.current = { x: event.clientX, width, from: now };
  };
  const moves = ({ clientX }: PointerEvent): void => {
    if (drag.current === null) return;
    const { x, width, from } = drag.current;
    panesResize(resized(from, at, (100 * (clientX - x)) / width), false);
  };
  const ends = (): void => {
    if (drag.current !== null) keep();
    drag.current = null;
  };
  return (
    <div class="pane-line" role="separator" tabIndex={0} aria-orientation="vertical"
      aria-label={words.line(at + 1)} aria-valuenow={now[at]} aria-valuemin={WIDE_MIN}
      aria-valuemax={(now[at] ?? 0) + (now[at + 1] ?? 0) - WIDE_MIN}
      onKeyDown={pressed} onKeyUp={keep}
      onPointerDown={begins} onPointerMove={moves} onPointerUp={ends} onPointerCancel={ends}
      onDblClick={() => panesResize(null, true)} />
  );
}

function Tab({ seat }: { seat: Seat }) {
  const isHere = seat === focused.value, tab = useRef<HTMLButtonElement>(null);
  useEffect(() => void (isHere && tab.current?.scrollIntoView({ inline: "nearest" })), [isHere]);
  return (
    <button role="tab" ref={tab} id={`tab-${seat.id}`} aria-selected={isHere}
      aria-controls={isHere ? `panel-${seat.id}` : undefined} tabIndex={isHere ? 0 : -1}
      onClick={() => paneFocus(seat)}>
      <span class="clip" dir="auto">{useTitle(seat)}</span><Badge seat={seat} />
    </button>
  );
}

export function Tabs() {
  const box = useRef<HTMLDivElement>(null);
  const move = (event: KeyboardEvent): void => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    next(by);
    box.current?.querySelectorAll<HTMLElement>("[role=tab]")[seats.peek().indexOf(focused.peek())]
      ?.focus();
  };
  return (
    <div class="pane-tabs">
      <div role="tablist" aria-label={words.panes} ref={box} onKeyDown={move}>
        {seats.value.map((seat) => <Tab key={seat.id} seat={seat} />)}
      </div>
      <Beside seat={focused.value} />
      <Button name={words.close} icon={X} run={() => closeNow(focused.value)} />
    </div>
  );
}

function next(by: number): void {
  const all = seats.peek(), at = all.indexOf(focused.peek());
  const seat = all[(at + by + all.length) % all.length];
  if (seat !== undefined) paneFocus(seat);
}

/** F6 leads from pane to pane, as between the parts of other programs. */
export function Keys() {
  useMoved();
  const { box } = focused.value;
  useEffect(() =>
    box?.closest(".pane")?.scrollIntoView({ block: "nearest", inline: "nearest" }), [box]);
  useKeys([{ key: "F6", about: words.nextKey, always: true, run: ({ shiftKey }) => {
    next(shiftKey ? -1 : 1);
    toView(focused.peek());
  } }]);
  return null;
}
