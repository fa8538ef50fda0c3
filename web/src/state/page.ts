/** Pages of a list that lives, and the rows of events. Pure. */
import type { Page } from "../api/types.ts";

export type Removed = { removed?: true; left_out?: true };

/** Of a list that is newest first by a time. */
export interface Order<T> {
  by(row: T): number;
  /** There are older rows than these, which were not read. */
  more: boolean;
}

/** Pure. A row that is new stands first, or where the order says; one that does not fit any more
 *  leaves. */
export function applied<T extends { id: string }>(
  items: T[], row: T & Removed, fits: (row: T) => boolean, order?: Order<T>): T[] {
  const at = items.findIndex(({ id }) => id === row.id);
  if (row.left_out) return items; // Too long for an event: it stands as it was read.
  if (row.removed || !fits(row)) return at < 0 ? items : items.filter(({ id }) => id !== row.id);
  if (at >= 0) return items.map((item, i) => (i === at ? { ...item, ...row } : item));
  const to = order === undefined ? 0 : items.findIndex((item) => order.by(item) <= order.by(row));
  if (items.length === 0) return [row];
  if (to >= 0) return [...items.slice(0, to), row, ...items.slice(to)];
  return order?.more ? items : [...items, row]; // Among those that were not read.
}

/** Pure. The first page anew: what stood on it is as the page says, what stands below it stays. */
export function refreshed<T extends { id: string }>(
  items: T[], { items: page, next }: Page<T>): T[] {
  const known = new Map(items.map((item, at) => [item.id, at]));
  const fresh = page.map((item) => ({ ...items[known.get(item.id) ?? -1], ...item }));
  if (next === null) return fresh;
  const last = Math.max(-1, ...page.map(({ id }) => known.get(id) ?? -1));
  return [...fresh, ...items.slice(last + 1)];
}
