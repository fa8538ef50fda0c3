/* client.ts: many streams over one connection, each whole: no number skipped, none twice.
 *
 *                      link opened              {"subscribed"}         {"done"}, all was delivered
 *    off ────────────────────────────> asked ────────────────> live ────────────────────> done
 *     ^                                  ^                       │
 *     ├──────── link lost, 5xx ──────────┼───────────────────────┤
 *     │                                  └── gap, cursor_ahead ──┤    4xx
 *     │                                                          └──────────> refused
 *
 * The cursor of a stream is the number of the last event that was received. After each cut the
 * stream is asked for from there. Frames after a gap are held back: the stream is asked for again
 * from the cursor, which sends them again, and after HOLD_MS without progress with a snapshot. A
 * number that the daemon does not have then either is counted as missing, since waiting for it
 * would never end.
 *
 * A name that was unsubscribed may be subscribed again at once: frames that the daemon sent before
 * it answered the former ({"unsubscribed"}) belong to nobody.
 */
import { batchNew } from "./batch.ts";
import { judge, streamStart } from "./cursor.ts";
import type { StreamState } from "./cursor.ts";
import { linkOpen, retryDelay } from "./link.ts";
import type { LinkState } from "./link.ts";
import { logsNew } from "./log.ts";
import type { Log, LogState, LogWish } from "./log.ts";
import type { Parts } from "./parts.ts";
import { frameRead, subscribeText, unsubscribeText } from "./wire.ts";
import type { Frame, Notice, Problem, StreamEvent } from "./wire.ts";

export const HOLD_MS = 5_000;
export const STREAMS_MAX = 1_000;  // As the daemon allows on one connection.
export const FRAME_MAX = 1 << 20; // An event has 256 kB at most.
const LEAVING_MAX = 1_000; // Names whose unsubscribe has no answer yet.

export interface Wish {
  /** Number of the last event that the caller has. Without it the stream begins with a snapshot. */
  after?: number;
  /** Begin with a snapshot in any case. */
  snapshot?: boolean;
  /** Types that `onEvents` knows; others are skipped and counted. Default: all. */
  types?: ReadonlySet<string>;
  onEvents(events: StreamEvent[]): void;
  /** The state as of event `seq`, which replaces all that came before. */
  onSnapshot(data: unknown, seq: number): void;
  onNotices?(notices: Notice[]): void;
  onState?(state: StreamState): void;
}

export interface Options extends Parts {
  url: string;
  key?: string;
  onState?(state: LinkState): void;
  /** An error that a callback of the caller threw. Default: it is thrown from a timer. */
  onError?(error: unknown): void;
}

export interface Report {
  link: LinkState;
  /** Frames of a kind that this client does not know, and connections dropped for nonsense. */
  unknown_frames: number;
  broken_frames: number;
  streams: Record<string, StreamState>;
  logs: Record<string, LogState>;
}

export interface Client {
  subscribe(name: string, wish: Wish): void;
  unsubscribe(name: string): void;
  /** The output of a job, as it grows. */
  log(run: string, wish: LogWish): Log;
  /** The machine is awake, online, or looked at again: find out at once whether the link lives. */
  wake(): void;
  report(): Report;
  close(): void;
}

type Entry = { event: StreamEvent } | { notice: Notice } | { data: unknown; seq: number };

interface Follow {
  name: string;
  wish: Wish;
  state: StreamState;
  cursor: number | null; // Of what was received; null: a snapshot is needed.
  entries: Entry[]; // Received, and not delivered.
  hole: "none" | "asked again" | "read again"; // A gap, and what was done about it.
  retries: number;
  cancelTimer: () => void;
  resumedUntil: number | null; // Time, by the daemon's clock, up to which events are of the cut.
}

export function open(options: Options): Client {
  const follows = new Map<string, Follow>();
  const leaving = new Map<string, number>(); // Unsubscribes without an answer, by name.
  let daemonTime: number | null = null; // Of the first pong of this connection.
  let unknownFrames = 0;
  let brokenFrames = 0;

  const safely = (call: () => void): void => {
    try {
      call();
    } catch (error) {
      if (options.onError) options.onError(error);
      else options.after(0, () => { throw error; });
    }
  };
  const isCurrent = (follow: Follow): boolean => follows.get(follow.name) === follow;
  const batch = batchNew<Follow>(options, deliver);
  const link = linkOpen(options.url, options.key, options,
    { opened, heard, lost, changed: (state) => safely(() => options.onState?.(state)) });
  const isOpen = (): boolean => link.state().phase === "open";
  const logs = logsNew(options, { isOpen, send: (text) => link.send(text), leave, safely });

  /* --- To the caller ------------------------------------------------------------------------- */

  function change(follow: Follow, fields: Partial<StreamState>): void {
    follow.state = { ...follow.state, ...fields };
    batch.note(follow, 0, 0);
  }

  /** Calls with the entries from `at` on that are of one kind, and returns their number. */
  function deliverRun(follow: Follow, entries: Entry[], at: number): number {
    const first = entries[at];
    if (first === undefined) return 1;
    if ("seq" in first) {
      safely(() => follow.wish.onSnapshot(first.data, first.seq));
      return 1;
    }
    const events: StreamEvent[] = [];
    const notices: Notice[] = [];
    for (let i = at; i < entries.length; i++) {
      const entry = entries[i];
      if (entry !== undefined && "event" in entry && notices.length === 0) events.push(entry.event);
      else if (entry !== undefined && "notice" in entry && events.length === 0) {
        notices.push(entry.notice);
      } else break;
    }
    if (events.length > 0) safely(() => follow.wish.onEvents(events));
    else safely(() => follow.wish.onNotices?.(notices));
    return events.length + notices.length;
  }

  function deliver(follow: Follow): void {
    const entries = follow.entries;
    const whole = follow.cursor ?? follow.state.whole;
    follow.entries = [];
    for (let at = 0; at < entries.length && isCurrent(follow);) {
      at += deliverRun(follow, entries, at);
    }
    if (!isCurrent(follow)) return;
    follow.state = { ...follow.state, whole };
    safely(() => follow.wish.onState?.(follow.state));
  }

  /* --- Subscriptions ------------------------------------------------------------------------- */

  function ask(follow: Follow): void {
    if (link.state().phase !== "open") return;
    change(follow, { phase: "asked" });
    link.send(subscribeText(follow.name, follow.cursor));
  }

  function leave(name: string): void {
    if (link.state().phase !== "open") return;
    leaving.set(name, (leaving.get(name) ?? 0) + 1);
    link.send(unsubscribeText(name));
    if (leaving.size > LEAVING_MAX) link.drop();
  }

  function settle(follow: Follow): void {
    follow.hole = "none";
    follow.retries = 0;
    follow.cancelTimer();
  }

  function readAgain(follow: Follow): void {
    follow.cursor = null;
    change(follow, { rereads: follow.state.rereads + 1 });
  }

  /** There is nothing between the cursor and `seq`. True: there never will be; go on after it. */
  function gapFound(follow: Follow, seq: number): boolean {
    if (follow.hole === "read again") {
      const missing = seq - 1 - (follow.cursor ?? seq - 1);
      change(follow, { missing: follow.state.missing + missing });
      follow.cursor = seq - 1;
      return true;
    }
    if (follow.hole === "none") {
      follow.hole = "asked again";
      change(follow, { gaps: follow.state.gaps + 1 });
      leave(follow.name);
      ask(follow);
      follow.cancelTimer = options.after(HOLD_MS, () => {
        follow.hole = "read again";
        leave(follow.name);
        readAgain(follow);
        ask(follow);
      });
    }
    return false;
  }

  function refused(follow: Follow, error: Problem): void {
    const { status = 500 } = error;
    if (error.code === "cursor_ahead" && follow.cursor !== null) {
      readAgain(follow); // The daemon's database is an older one: what it has is the truth.
      ask(follow);
    } else if (status >= 400 && status < 500 && status !== 429) {
      follow.cancelTimer();
      change(follow, { phase: "refused", error });
    } else {
      follow.cancelTimer();
      change(follow, { phase: "off", error });
      const delay = retryDelay(follow.retries++, options.random());
      follow.cancelTimer = options.after(delay, () => ask(follow));
    }
  }

  /* --- From the link ------------------------------------------------------------------------- */

  function opened(): void {
    for (const follow of follows.values()) {
      if (follow.state.phase !== "off") continue;
      follow.resumedUntil = null;
      if (follow.cursor !== null && link.state().cuts > 0) {
        change(follow, { resumed: { seq: follow.cursor, events: 0 } });
      }
      ask(follow);
    }
    logs.opened();
  }

  function lost(): void {
    leaving.clear();
    daemonTime = null;
    logs.lost();
    for (const follow of follows.values()) {
      const { phase } = follow.state;
      if (phase === "done" || phase === "refused") continue;
      settle(follow);
      change(follow, { phase: "off" });
    }
  }

  function take(follow: Follow, entry: Entry, size: number): void {
    follow.entries.push(entry);
    batch.note(follow, 1, size);
  }

  function eventCame(follow: Follow, event: StreamEvent, size: number): void {
    const cursor = follow.cursor;
    const verdict = cursor === null ? "gap" : judge(cursor, event.seq);
    if (verdict === "stale") {
      change(follow, { repeats: follow.state.repeats + 1 });
    } else if (verdict === "next" || gapFound(follow, event.seq)) {
      settle(follow);
      follow.cursor = event.seq;
      const { resumed, unknown } = follow.state;
      if (resumed && follow.resumedUntil !== null && event.at_ms <= follow.resumedUntil) {
        change(follow, { resumed: { ...resumed, events: resumed.events + 1 } });
      }
      if (follow.wish.types?.has(event.type) ?? true) take(follow, { event }, size);
      else change(follow, { unknown: unknown + 1 });
    }
  }

  function snapshotCame(follow: Follow, seq: number, data: unknown, size: number): void {
    const { snapshots, below_floor } = follow.state;
    // A cursor that is known was too old for the daemon.
    const below = follow.cursor === null ? 0 : 1;
    follow.cursor = seq;
    follow.retries = 0;
    if (follow.hole === "asked again") settle(follow); // It covers the gap.
    follow.entries = []; // The snapshot replaces them.
    change(follow, { snapshots: snapshots + 1, below_floor: below_floor + below });
    take(follow, { data, seq }, size);
  }

  function doneCame(follow: Follow, after: number): void {
    if (follow.cursor === null || after <= follow.cursor || gapFound(follow, after + 1)) {
      settle(follow);
      change(follow, { phase: "done" });
      batch.flush(); // The phase promises that all was delivered.
    }
  }

  function frameOfFollow(follow: Follow, frame: Frame, size: number): void {
    const isLive = follow.state.phase === "live";
    if (frame.kind === "subscribed") {
      follow.resumedUntil = daemonTime;
      change(follow, { phase: "live", error: null });
    } else if (frame.kind === "error") refused(follow, frame.error);
    else if (!isLive) return; // A frame of an earlier subscription.
    else if (frame.kind === "event") eventCame(follow, frame.event, size);
    else if (frame.kind === "snapshot") snapshotCame(follow, frame.seq, frame.data, size);
    else if (frame.kind === "notice") take(follow, { notice: frame.notice }, size);
    else if (frame.kind === "done") doneCame(follow, frame.after);
  }

  /** The answer to an unsubscribe, or a frame that was on its way then. */
  function wasLeft(name: string, frame: Frame): boolean {
    const count = leaving.get(name);
    if (count === undefined) return false;
    const isAnswer = frame.kind === "unsubscribed" ||
      (frame.kind === "error" && frame.error.code === "not_found"); // The stream was done.
    if (isAnswer && count > 1) leaving.set(name, count - 1);
    else if (isAnswer) leaving.delete(name);
    return true;
  }

  function heard(text: string): void {
    const frame: Frame = text.length > FRAME_MAX ? { kind: "broken" } : frameRead(text);
    if (frame.kind === "broken") {
      brokenFrames++;
      link.drop();
    } else if (frame.kind === "unknown") unknownFrames++;
    else if (frame.kind === "pong") {
      daemonTime ??= frame.at_ms;
      link.pong(frame.n, frame.at_ms);
    } else if (frame.kind === "closing" && frame.code === "unauthorized") {
      link.signedOut(frame.code);
    } else if ("stream" in frame && frame.stream !== undefined) {
      const follow = follows.get(frame.stream);
      if (wasLeft(frame.stream, frame)) return;
      if (follow) frameOfFollow(follow, frame, text.length);
      else logs.heard(frame.stream, frame);
    }
  }

  return {
    subscribe(name, wish) {
      const { after, snapshot = after === undefined } = wish;
      if (follows.has(name)) throw new Error(`${name} is subscribed to already`);
      if (follows.size >= STREAMS_MAX) throw new Error(`at most ${STREAMS_MAX} streams`);
      if (after !== undefined && (!Number.isSafeInteger(after) || after < 0)) {
        throw new Error("after: a number of an event, or 0");
      }
      const cursor = snapshot ? null : after ?? null;
      const follow: Follow = {
        name, wish, cursor, state: streamStart(cursor), entries: [], hole: "none", retries: 0,
        cancelTimer: () => {}, resumedUntil: null,
      };
      follows.set(name, follow);
      ask(follow);
    },
    unsubscribe(name) {
      const follow = follows.get(name);
      if (!follow) return;
      follow.cancelTimer();
      follows.delete(name);
      if (follow.state.phase === "asked" || follow.state.phase === "live") leave(name);
    },
    log: logs.follow,
    wake() {
      batch.flush();
      link.wake();
    },
    report: () => ({
      link: link.state(), unknown_frames: unknownFrames, broken_frames: brokenFrames,
      streams: Object.fromEntries([...follows].map(([name, { state }]) => [name, state])),
      logs: logs.report(),
    }),
    close() {
      logs.close();
      follows.forEach(({ cancelTimer }) => cancelTimer());
      follows.clear();
      link.close();
    },
  };
}
