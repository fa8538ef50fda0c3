/** A list that lives: a page of the API, and the events of the owner's stream after it. Events that
 *  come while a page is read are applied after it; the last word on an id is right. */
import { signal, type ReadonlySignal } from "@preact/signals";

import { get, type Problem } from "../api/api.ts";
import type { Page } from "../api/types.ts";
import type { StreamEvent } from "../stream/index.ts";
import { followOwner } from "./owner.ts";
import { applied, refreshed, type Removed } from "./page.ts";

/** Most rows that events add before the first page is read anew: a list that stays open for days
 *  would draw all that came. Whoever has asked for more pages keeps them. */
const ADDED_MAX = 100;

export interface Rows<T> {
  items: T[];
  next: string | null;
  ready: boolean;
  problem: Problem | null;
}

export interface RowsWish<T> {
  /** Path of the list, with its filters: `/runs?kind=job`. Newest first, as the daemon lists. */
  path: string;
  /** Type of the events whose data is a row: `run_changed`. */
  type: string;
  /** Whether a row of an event belongs to this list. Default: all do. */
  fits?(row: T): boolean;
  /** The time by which the list is newest first. Default: a row that is new stands first. */
  newest?(row: T): number;
}

export interface RowsFollow<T> {
  rows: ReadonlySignal<Rows<T>>;
  /** Reads the next page and appends it. */
  more(): Promise<void>;
  again(): void;
  /** Reads the first page, for what no event says. */
  fresh(): Promise<void>;
  end(): void;
}

export function followRows<T extends { id: string }>(wish: RowsWish<T>): RowsFollow<T> {
  const rows = signal<Rows<T>>({ items: [], next: null, ready: false, problem: null });
  let waiting: StreamEvent[] | null = null; // While a page is read.
  let reads = 0;
  let due = false; // The first page is to be read again, after the read that is under way.
  let limit: number | null = null; // Most rows; null: more pages were asked for.
  const fits = wish.fits ?? (() => true), by = wish.newest;
  const apply = (events: StreamEvent[]): void => {
    let { items } = rows.value;
    const order = by && { by, more: rows.value.next !== null };
    for (const { type, data } of events) {
      if (type === wish.type) items = applied(items, data as T & Removed, fits, order);
    }
    if (items !== rows.value.items) rows.value = { ...rows.value, items };
    if (limit !== null && items.length > limit) {
      limit = null; // Until it is read.
      void read(null);
    }
  };
  /** After a read that no later one has replaced. */
  const settle = (events: StreamEvent[]): void => {
    waiting = null;
    apply(events);
    if (!due) return;
    due = false;
    void fresh();
  };
  const read = async (after: string | null): Promise<void> => {
    const mine = ++reads;
    waiting ??= [];
    const mark = wish.path.includes("?") ? "&" : "?";
    const answer = await get<Page<T>>(
      after === null ? wish.path : `${wish.path}${mark}after=${encodeURIComponent(after)}`);
    if (mine !== reads) return; // A later read has replaced this one.
    const events = waiting;
    if (answer.ok) {
      const { items, next } = answer.value;
      const known = new Set(after === null ? [] : rows.value.items.map(({ id }) => id));
      const all = after === null ? items
        : [...rows.value.items, ...items.filter(({ id }) => !known.has(id))];
      limit = after === null ? all.length + ADDED_MAX : null;
      rows.value = { items: all, next, ready: true, problem: null };
    } else rows.value = { ...rows.value, problem: answer.problem };
    settle(events);
  };
  const fresh = async (): Promise<void> => {
    if (waiting !== null) due = true;
    if (waiting !== null || !rows.value.ready) return;
    const mine = ++reads, events: StreamEvent[] = (waiting = []);
    const answer = await get<Page<T>>(wish.path);
    if (mine !== reads) return;
    if (answer.ok) {
      rows.value = { ...rows.value, items: refreshed(rows.value.items, answer.value) };
    }
    settle(events);
  };
  const end = followOwner({
    onReset: () => void read(null),
    onEvents: (events) => {
      if (waiting === null) apply(events);
      else waiting.push(...events);
    },
  });
  return {
    rows,
    more: async () => {
      if (rows.value.next !== null && waiting === null) await read(rows.value.next);
    },
    again: () => void read(null),
    fresh,
    end: () => {
      reads++;
      end();
    },
  };
}
