/** Where the page is: panes side by side, each with a place of its own, mostly one. They follow the
 *  address, which is all of it (`panes.ts`). Places push; selection and filters replace, so that
 *  Back leads to the place before. */
import { batch, computed, signal, type ReadonlySignal } from "@preact/signals";
import { useContext } from "preact/hooks";

import { words } from "../words.ts";
import { here, placeOf, push, replace } from "./address.ts";
import { addressOf, panesOf, PANES_MAX, placeOnly, seated } from "./panes.ts";
import { SeatContext, seatNew, type Seat } from "./seat.ts";

export { placeOf } from "./address.ts";
export type { Seat } from "./seat.ts";

let isPlace = (_path: string): boolean => false;
let count = 0;

const made = (at: string) => seatNew(++count, at, change);
type Made = ReturnType<typeof made>;

const all = signal<readonly Made[]>([made(placeOnly(here()))]);
/** In percent; null: all are as wide as each other. */
const widths = signal<readonly number[] | null>(null);
const last = signal(0); // Id of the seat that had the focus last.

export const seats: ReadonlySignal<readonly Seat[]> = all;
export const several = computed(() => all.value.length > 1);
export const wide: ReadonlySignal<readonly number[] | null> = widths;
/** The pane that keys, the title and the rail are about. */
export const focused = computed<Seat>(() =>
  all.value.find(({ id }) => id === last.value) ?? all.value[0] as Seat);

/** The pane of a component; outside of all of them, that which has the focus. */
export const useSeat = (): Seat => useContext(SeatContext) ?? focused.value;

/** The name of a landmark, unlike those of other panes. */
export function useNamed(): (text: string) => string {
  const seat = useSeat();
  const at = several.value ? all.value.findIndex(({ id }) => id === seat.id) : -1;
  return (text) => (at < 0 ? text : words.inPane(text, at + 1));
}

/** For the frame: where the pane is that has the focus. */
export const path = computed(() => focused.value.path.value);
export const go = (to: string): void => focused.peek().go(to);

/** The focus is no part of the address, but comes back with it. */
function write(pushed: boolean): void {
  const places = all.peek().map(({ at }) => at.peek());
  const to = addressOf({ places, wide: widths.peek() });
  const state = { focus: all.peek().findIndex(({ id }) => id === focused.peek().id) };
  if (pushed && to !== here()) push(state, to);
  else replace(state, to);
}

function read(): void {
  const { places, wide: given } = panesOf(here(), isPlace);
  const before = all.peek(), goes = seated(before.map(({ at }) => at.peek()), places);
  batch(() => {
    all.value = places.map((place, at) => {
      const seat = before[goes[at] ?? -1];
      if (seat === undefined) return made(place);
      seat.at.value = place;
      return seat;
    });
    widths.value = given;
    const at = (history.state as { focus?: number } | null)?.focus ?? 0;
    last.value = all.value[at]?.id ?? 0;
  });
}

/** For the beginning of the page, which knows what is a place. */
export function placesAre(known: (path: string) => boolean): void {
  isPlace = known;
  read();
}

function change(seat: Seat, to: string, pushed: boolean): void {
  const { places } = panesOf(to, isPlace);
  if (places.length > 1) { // A link to panes.
    push(null, to);
    read();
    return;
  }
  const mine = all.peek().find(({ id }) => id === seat.id);
  if (mine === undefined) return; // Closed meanwhile.
  mine.at.value = placeOnly(to);
  write(pushed);
}

export function paneFocus(seat: Seat): void {
  if (seat.id === focused.peek().id) return;
  last.value = seat.id;
  write(false);
}

/** In a new pane on the right, which gets the focus. Where there are as many as may be, in the one
 *  that is there already. */
export function openBeside(to: string, from: Seat = focused.peek()): void {
  const list = all.peek(), at = list.findIndex(({ id }) => id === from.id);
  if (list.length >= PANES_MAX) {
    const next = list[at + 1] ?? list[at - 1] ?? list[0] as Made;
    last.value = next.id;
    next.go(to);
    return;
  }
  const seat = made(placeOnly(to));
  seat.isNew = true;
  batch(() => {
    all.value = [...list.slice(0, at + 1), seat, ...list.slice(at + 1)];
    widths.value = null;
    last.value = seat.id;
  });
  write(true);
}

/** These panes, in this order, with these widths. */
export function arrange(
  list: readonly Seat[], to: readonly number[] | null, end: "push" | "replace" | "later",
): void {
  const ids = list.map(({ id }) => id);
  batch(() => {
    all.value = ids.flatMap((id) => all.peek().find((one) => one.id === id) ?? []);
    widths.value = to;
  });
  if (end !== "later") write(end === "push");
}

addEventListener("popstate", read);

/** The pane that an element is in. */
export const seatOf = (element: Element | null): Seat | undefined => {
  const pane = element?.closest<HTMLElement>("[data-pane]");
  return all.peek().find(({ id }) => String(id) === pane?.dataset.pane);
};

/** Links of ours are places, with Alt in a new pane; those that the user opens elsewhere are the
 *  browser's. */
addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  const held = event.metaKey || event.ctrlKey || event.shiftKey;
  if (link === null || held || event.button !== 0 || event.defaultPrevented) return;
  const to = placeOf(link), seat = seatOf(link) ?? focused.peek();
  if (to === null) return;
  event.preventDefault();
  if (event.altKey) openBeside(to, seat);
  else seat.go(to);
});
