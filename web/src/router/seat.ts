/** Where a pane is, and how it goes elsewhere: what the address is to a page with one pane. */
import { computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { createContext } from "preact";

import { ORIGIN, textOf } from "./panes.ts";

export interface Seat {
  readonly id: number;
  readonly at: ReadonlySignal<string>;
  readonly path: ReadonlySignal<string>;
  /** "", or all that begins with the ?. */
  readonly search: ReadonlySignal<string>;
  readonly query: ReadonlySignal<URLSearchParams>;
  /** What stands after the #, without it: a message of a session. */
  readonly hash: ReadonlySignal<string>;
  /** Another place: Back leads to the place before. */
  go(to: string): void;
  /** Another choice in the same place. */
  replace(to: string): void;
  /** null removes a parameter. */
  setQuery(name: string, value: string | null): void;
  /** "" removes what stands after the #. */
  setHash(value: string): void;
  /** Text of the view's h1. */
  readonly heading: Signal<string>;
  /** How many questions the view shows that wait for a person; null: it does not say. */
  readonly waits: Signal<number | null>;
  /** Of the pane, or of the page where there is one pane only. */
  readonly width: Signal<number>;
  /** Where the view stands. */
  box: HTMLElement | null;
  /** Somebody opened it just now, and wants to be there. */
  isNew: boolean;
}

export function seatNew(
  id: number, first: string, change: (seat: Seat, to: string, push: boolean) => void,
): Seat & { readonly at: Signal<string> } {
  const at = signal(first);
  const url = computed(() => new URL(at.value, ORIGIN));
  const replace = (to: string): void => change(seat, to, false);
  const changed = (set: (url: URL) => void): void => {
    const next = new URL(at.value, ORIGIN);
    set(next);
    replace(textOf(next));
  };
  const seat: Seat & { readonly at: Signal<string> } = {
    id, at,
    path: computed(() => url.value.pathname),
    search: computed(() => url.value.search),
    query: computed(() => url.value.searchParams),
    hash: computed(() => url.value.hash.slice(1)),
    go: (to) => change(seat, to, true),
    replace,
    setQuery: (name, value) => changed(({ searchParams }) =>
      (value === null ? searchParams.delete(name) : searchParams.set(name, value))),
    setHash: (value) => changed((next) => void (next.hash = value)),
    heading: signal(""),
    waits: signal(null),
    width: signal(innerWidth),
    box: null,
    isNew: false,
  };
  return seat;
}

/** null: outside of every pane. */
export const SeatContext = createContext<Seat | null>(null);
