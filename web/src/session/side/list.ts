/** A list beside a conversation: pages of the API, newest first. Its beginning is read again when
 *  the owner's stream tells of the session, and now and then while something in it goes on. */
import { signal, type ReadonlySignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";

import { get } from "../../api/api.ts";
import type { Page } from "../../api/types.ts";
import { followOwner } from "../../state/owner.ts";
import { concerns, longer, renewed, type Known } from "./fold.ts";
import { isLive } from "./text.ts";

const PAGE = 50;
const NEWS_MS = 500;
const LIVE_MS = 3000; // Between two reads of what goes on without an event.

export interface List<T> {
  rows: ReadonlySignal<Known<T>>;
  /** Reads the next page. */
  more(): Promise<void>;
  again(): void;
  /** Until the returned function is called. */
  begin(): () => void;
}

export function listOf<T extends { state: string }>(
  session: string, path: string, idOf: (row: T) => string): List<T> {
  const rows = signal<Known<T>>({ items: [], next: null, ready: false, problem: null });
  let reads = 0, reading = false, due = false, isMoreDue = false;
  let timer: ReturnType<typeof setTimeout> | null = null;
  const read = async (after: string | null): Promise<void> => {
    const from = after === null ? "" : `&after=${encodeURIComponent(after)}`;
    const mine = ++reads;
    reading = true;
    due = false;
    const answer = await get<Page<T>>(`${path}?limit=${PAGE}${from}`);
    if (mine !== reads) return; // The list has ended.
    reading = false;
    if (!answer.ok) rows.value = { ...rows.value, problem: answer.problem };
    else rows.value = (after === null ? renewed : longer)(rows.value, answer.value, idOf);
    if (due) await read(null);
    else if (isMoreDue) await more();
  };
  /** A wish that comes during another read waits for that. */
  const more = async (): Promise<void> => {
    isMoreDue = reading;
    if (!reading && rows.value.next !== null) await read(rows.value.next);
  };
  const again = (): void => {
    due = true;
    if (!reading) void read(null);
  };
  const news = (): void => {
    timer ??= setTimeout(() => {
      timer = null;
      again();
    }, NEWS_MS);
  };
  return {
    rows,
    again,
    more,
    begin: () => {
      const end = followOwner({
        onReset: again,
        onEvents: (events) => {
          const ids = new Set(rows.value.items.map(idOf));
          if (events.some((event) => concerns(session, ids, event))) news();
        },
      });
      const watch = setInterval(() => {
        if (document.visibilityState === "visible" && rows.value.items.some(isLive)) again();
      }, LIVE_MS);
      return () => {
        reads++;
        reading = isMoreDue = false;
        end();
        clearInterval(watch);
        if (timer !== null) clearTimeout(timer);
        timer = null;
      };
    },
  };
}

/** A list as long as the component is mounted. */
export function useList<T>(key: string, make: () => List<T>): List<T> {
  const list = useMemo(make, [key]);
  useEffect(() => list.begin(), [list]);
  return list;
}
