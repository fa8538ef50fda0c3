/** The order of panes, and their widths. */
import { arrange, focused, paneFocus, seats, wide, type Seat } from "../../router/router.ts";
import { moved } from "./order.ts";

/** The neighbour gets the focus. */
export function paneClose(seat: Seat): void {
  const list = seats.peek(), at = list.indexOf(seat), next = list[at + 1] ?? list[at - 1];
  if (at < 0 || next === undefined) return;
  if (focused.peek() === seat) paneFocus(next);
  arrange(list.filter((one) => one !== seat), null, "push");
}

/** To that place in the order. It keeps its width. */
export function paneMove(seat: Seat, to: number): void {
  const list = seats.peek(), from = list.indexOf(seat), widths = wide.peek();
  if (from < 0 || to < 0 || to >= list.length || from === to) return;
  arrange(moved(list, from, to), widths === null ? null : moved(widths, from, to), "replace");
}

/** `done`: they are kept in the address, too. */
export const panesResize = (to: readonly number[] | null, done: boolean): void =>
  arrange(seats.peek(), to, done ? "replace" : "later");
