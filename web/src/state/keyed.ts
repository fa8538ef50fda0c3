/** A living list by key: rows that are read, and after them what the owner's stream says of each by
 *  its id. The last word on an id is right, and events come after what is read: those that come
 *  during a read count once more when it is done. Where events were missed, it is read anew. */
import { followOwner } from "./owner.ts";
import type { Removed } from "./page.ts";

export type Told<T> = T & Removed;

export interface KeyedWish<T> {
  /** Type of the events whose data is a row: `run_changed`. */
  type: string;
  /** Reads all anew. `isDue` is false once a later read has replaced it, or nobody looks. */
  read(isDue: () => boolean): Promise<void>;
  apply(rows: readonly Told<T>[]): void;
  /** A read is over, and what came during it is applied. */
  onRead?(): void;
}

export interface KeyedFollow<T> {
  /** Another read of the same list, or the whole one. It replaces the one that is under way. */
  read(how?: KeyedWish<T>["read"]): Promise<void>;
  /** A row that an answer had. */
  put(row: T): void;
  isBusy(): boolean;
  /** Reads that are under way count no more. */
  drop(): void;
  end(): void;
}

export function followKeyed<T extends { id: string }>(wish: KeyedWish<T>): KeyedFollow<T> {
  let reads = 0, isRead = false;
  let during: Told<T>[] | null = null; // While it is read.
  const read = async (how = wish.read): Promise<void> => {
    const mine = ++reads, isDue = (): boolean => mine === reads;
    during ??= [];
    await how(isDue);
    if (!isDue()) return;
    const rows = during;
    during = null;
    isRead = true;
    if (rows.length > 0) wish.apply(rows);
    wish.onRead?.();
  };
  const take = (rows: readonly Told<T>[]): void => {
    during?.push(...rows);
    if (isRead && rows.length > 0) wish.apply(rows);
  };
  const drop = (): void => {
    reads++;
    during = null;
  };
  const end = followOwner({
    onReset: () => void read(),
    onEvents: (events) => take(events.filter(({ type }) => type === wish.type)
      .map(({ data }) => data as Told<T>)),
  });
  return {
    read, drop, put: (row) => take([row]), isBusy: () => during !== null,
    end: () => {
      drop();
      end();
    },
  };
}
