/** The history of a run, read page by page before its stream is followed: one event is one frame
 *  there, a thousand of them are one answer here. No event is skipped: where a page fails, reading
 *  stops, and whoever follows the stream goes on from there. */
import type { Answer } from "../api/api.ts";
import type { StreamEvent } from "../stream/index.ts";
import { headOf, historyAdd, type History, type Snapshot } from "./fold.ts";

/** Answer of `GET /streams/run:ID/events`. It may end before its limit, at 1 MB. */
export interface EventsPage {
  events: StreamEvent[];
  head: number;
  /** Events after `after` were pruned: the state as of event `snapshot_seq`. */
  snapshot?: Snapshot;
  snapshot_seq?: number;
}

export interface HistoryWish {
  ask(after: number, limit: number): Promise<Answer<EventsPage>>;
  /** False: nobody wants the rest any more. */
  isDue?(): boolean;
  /** The first page was taken, and there are more. */
  onFirst?(): void;
}

const PAGE = 1_000;
/** Pages that are under way at once; a browser has six connections. */
const AT_ONCE = 3;

interface Range { events: StreamEvent[]; isWhole: boolean }

/** The events after `from` up to `to`. Numbers that the daemon does not have are left out. */
async function rangeOf({ ask }: HistoryWish, from: number, to: number): Promise<Range> {
  const events: StreamEvent[] = [];
  for (let at = from; at < to;) {
    const page = await ask(at, to - at);
    const found = page.ok && page.value.snapshot === undefined ? page.value.events : [];
    const last = found.at(-1);
    if (last === undefined) return { events, isWhole: false };
    for (const event of found) events.push(event);
    at = last.seq;
  }
  return { events, isWhole: true };
}

/** Adds what follows `history`, up to the head that the first page tells. Returns that page where
 *  nothing of it was taken: it failed, or begins with a snapshot. */
export async function historyRead(
  history: History, wish: HistoryWish): Promise<Answer<EventsPage> | null> {
  const { ask, isDue = () => true, onFirst = () => {} } = wish;
  const first = await ask(headOf(history), PAGE);
  if (!first.ok || first.value.snapshot !== undefined) return first;
  const { events, head } = first.value;
  historyAdd(history, events);
  if (events.length === 0 || headOf(history) >= head) return null;
  onFirst();
  const asked: Promise<Range>[] = [];
  let next = headOf(history);
  const askNext = (): void => {
    if (next >= head) return;
    asked.push(rangeOf(wish, next, Math.min(head, next + PAGE)));
    next += PAGE;
  };
  for (let n = 0; n < AT_ONCE; n++) askNext();
  for (let range = asked.shift(); range !== undefined && isDue(); range = asked.shift()) {
    const { events: more, isWhole } = await range;
    historyAdd(history, more);
    if (!isWhole) break; // What comes after a gap is not taken.
    askNext();
  }
  return null;
}
