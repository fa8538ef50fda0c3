/** A list that lives by pages of the API: the first one, and more if somebody asks, or as many as
 *  there may be. */
import { signal, type ReadonlySignal } from "@preact/signals";

import { get, type Answer, type Problem } from "../api/api.ts";
import type { Page } from "../api/types.ts";
import { followKeyed, type Told } from "./keyed.ts";
import { applied, refreshed } from "./page.ts";

/** Most rows that events add before the first page is read anew: a list that stays open for days
 *  would draw all that came. Whoever has asked for more pages keeps them. */
const ADDED_MAX = 100;

export interface Rows<T> {
  items: T[];
  next: string | null;
  ready: boolean;
  /** All were read that are read at once. */
  whole: boolean;
  problem: Problem | null;
}

export const noRows: Rows<never> =
  { items: [], next: null, ready: false, whole: false, problem: null };

export interface RowsWish<T> {
  /** Path of the list, with its filters: `/runs?kind=job`. Newest first, as the daemon lists. */
  path: string;
  /** Type of the events whose data is a row: `run_changed`. */
  type: string;
  /** Whether a row of an event belongs to this list. Default: all do. */
  fits?(row: T): boolean;
  /** The time by which the list is newest first. Default: a row that is new stands first. */
  newest?(row: T): number;
  /** All pages are read, up to about that number of rows. */
  most?: number;
}

export interface RowsFollow<T> {
  rows: ReadonlySignal<Rows<T>>;
  /** Reads the next page and appends it. */
  more(): Promise<void>;
  again(): void;
  /** Reads the first page, for what no event says. */
  fresh(): Promise<void>;
  /** A row that an answer had. */
  put(row: T): void;
  end(): void;
}

/** Pure. Rows of a later page, which may have known ones. */
function joined<T extends { id: string }>(items: readonly T[], more: readonly T[]): T[] {
  const known = new Set(items.map(({ id }) => id));
  return [...items, ...more.filter(({ id }) => !known.has(id))];
}

export function followRows<T extends { id: string }>(wish: RowsWish<T>): RowsFollow<T> {
  const { path, type, most = 0, fits = () => true, newest: by } = wish;
  const rows = signal<Rows<T>>(noRows);
  let isFreshDue = false; // The first page is to be read again, after the read that is under way.
  let limit: number | null = null; // Most rows; null: more pages were asked for.
  const set = (change: Partial<Rows<T>>): void => void (rows.value = { ...rows.value, ...change });
  const pageOf = (after: string): Promise<Answer<Page<T>>> => get<Page<T>>(after === "" ? path
    : `${path}${path.includes("?") ? "&" : "?"}after=${encodeURIComponent(after)}`);

  const apply = (told: readonly Told<T>[]): void => {
    const { items: before, next, whole } = rows.value, order = by && { by, more: next !== null };
    const items = told.reduce((all, row) => applied(all, row, fits, order), before);
    if (items !== before) set({ items });
    const isFull = limit !== null && items.length > limit;
    const isShort = whole && next !== null && items.length < most - ADDED_MAX;
    if (!isFull && !isShort) return;
    limit = null; // Until it is read.
    void live.read();
  };
  const read = async (isDue: () => boolean): Promise<void> => {
    let found: T[] = [];
    for (let after: string | null = ""; after !== null;) {
      const answer: Answer<Page<T>> = await pageOf(after);
      if (!isDue()) return;
      if (!answer.ok) return set({ problem: answer.problem });
      const { items, next }: Page<T> = answer.value;
      found = joined(found, items);
      const whole: boolean = next === null || found.length >= most;
      // What stood there stays until all is read.
      set({ items: whole ? found : joined(found, rows.value.items), next, whole, ready: true,
        problem: null });
      after = whole ? null : next;
    }
    limit = found.length + ADDED_MAX;
  };
  const fresh = async (): Promise<void> => {
    isFreshDue ||= live.isBusy();
    if (isFreshDue || !rows.value.ready) return;
    await live.read(async (isDue) => {
      const answer = await pageOf("");
      if (isDue() && answer.ok) set({ items: refreshed(rows.value.items, answer.value) });
    });
  };
  const live = followKeyed<T>({ type, read, apply, onRead: () => {
    if (!isFreshDue) return;
    isFreshDue = false;
    void fresh();
  } });
  return {
    rows, fresh, put: live.put, end: live.end,
    more: async () => {
      const { next } = rows.value;
      if (next === null || live.isBusy()) return;
      await live.read(async (isDue) => {
        const answer = await pageOf(next);
        if (!isDue()) return;
        if (!answer.ok) return set({ problem: answer.problem });
        set({ items: joined(rows.value.items, answer.value.items), next: answer.value.next,
          problem: null });
        limit = null;
      });
    },
    again: () => void live.read(),
  };
}
