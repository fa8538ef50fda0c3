/** A pane is dragged by its head: where it would go is a line between two panes, and it goes there
 *  when it is let go of. Escape leaves it where it was. */
import { signal } from "@preact/signals";
import { useLayoutEffect } from "preact/hooks";

import { seats, type Seat } from "../../router/router.ts";
import { paneMove } from "./arrange.ts";
import { gapOf, indexIn } from "./order.ts";

const FAR_PX = 6; // Less is a click.

/** Before which pane it would go; the number of panes: behind the last one. */
export const drop = signal<{ of: Seat; before: number } | null>(null);

const middlesNow = (): number[] => seats.peek().map(({ box }) => {
  const { left = 0, width = 0 } = box?.getBoundingClientRect() ?? {};
  return left + width / 2;
});

let restore: (() => void) | null = null;

/** Elements that are moved in the page lose where they are scrolled to, and the focus. */
export function movePane(seat: Seat, to: number): void {
  const focus = document.activeElement;
  const tops = [...document.querySelectorAll("main .pane *")]
    .filter(({ scrollTop, scrollLeft }) => scrollTop > 0 || scrollLeft > 0)
    .map((box) => [box, box.scrollTop, box.scrollLeft] as const);
  restore = () => {
    for (const [box, top, left] of tops) [box.scrollTop, box.scrollLeft] = [top, left];
    if (focus instanceof HTMLElement) focus.focus({ preventScroll: true });
  };
  paneMove(seat, to);
}

/** For a component that is drawn with the panes. */
export function useMoved(): void {
  useLayoutEffect(() => {
    restore?.();
    restore = null;
  }, [seats.value]);
}

export function dragBegin(seat: Seat, event: PointerEvent): void {
  const target = event.target instanceof Element ? event.target : null;
  if (event.button !== 0 || target?.closest("button")) return;
  const { pointerId, clientX: from } = event;
  const moves = (now: PointerEvent): void => {
    if (now.pointerId !== pointerId) return;
    if (drop.peek() === null && Math.abs(now.clientX - from) < FAR_PX) return;
    const before = gapOf(now.clientX, middlesNow());
    if (drop.peek()?.before !== before) drop.value = { of: seat, before };
  };
  const end = (): void => {
    drop.value = null;
    for (const [type, call] of calls) removeEventListener(type, call as EventListener, true);
  };
  const ends = (now: PointerEvent): void => {
    if (now.pointerId !== pointerId) return;
    const gap = drop.peek()?.before;
    end();
    const at = seats.peek().indexOf(seat);
    if (gap !== undefined && at >= 0) movePane(seat, indexIn(gap, at));
  };
  const key = (now: KeyboardEvent): void => {
    if (now.key !== "Escape") return;
    now.preventDefault();
    now.stopPropagation();
    end();
  };
  const calls = [["pointermove", moves], ["pointerup", ends], ["pointercancel", end],
    ["keydown", key]] as const;
  for (const [type, call] of calls) addEventListener(type, call as EventListener, true);
}
