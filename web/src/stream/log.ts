/* log.ts: the output of jobs over the connection of a client, byte for byte.
 *
 *                    link opened           {"subscribed"}        {"done"}
 *    off ────────────────────────> asked ────────────────> live ──────────> done
 *     ^                              │                       │
 *     ├── link lost, 5xx, 429 ───────┴───────────────────────┤      4xx
 *     └──────────────────────────────────────────────────────┴──────────> refused
 *
 * The cursor is the offset behind the last byte that was received. After a cut the log is asked for
 * from there, so no byte is missing and none comes twice; each piece is judged all the same. What
 * the receiver has not taken yet is not acknowledged, and the daemon sends at most 256 kB more.
 */
import type { StreamPhase } from "./cursor.ts";
import { retryDelay } from "./link.ts";
import type { Parts } from "./parts.ts";
import { requestsNew } from "./requests.ts";
import type { Accepted, Requests } from "./requests.ts";
import { ackText, logText } from "./wire.ts";
import type { Frame, LogEnd, LogOutput, LogStream, Problem } from "./wire.ts";

export const LOGS_MAX = 16; // As the daemon allows on one connection.
const ACK_STEP = 32 << 10; // The daemon wants one in 64 kB.

export interface LogPiece {
  offset: number;
  next: number;
  bytes: Uint8Array;
}

export interface LogState {
  phase: StreamPhase;
  stream: LogStream | null;
  attempt: number | null;
  /** Offset at which the log began, behind what was delivered, and behind what was taken. */
  from: number | null;
  cursor: number | null;
  taken: number | null;
  /** Bytes that the daemon does not have any more. */
  dropped: number;
  /** Places where bytes were skipped or sent twice. Expected: 0 */
  gaps: number;
  repeats: number;
  /** Offset from which it went on after the last cut. */
  resumed: number | null;
  end: LogEnd | null;
  error: Problem | null;
}

export interface LogWish {
  /** Default: the terminal if the job has one, else `out`; the latest attempt. */
  stream?: LogStream;
  attempt?: number;
  /** Default: 0, and of a terminal where its screen can be drawn. */
  offset?: number;
  /** `taken` is called when the piece was processed: until then the daemon holds back others. */
  onPiece(piece: LogPiece, taken: () => void): void;
  /** Bytes from `from` to before `to` are not kept any more. */
  onDropped?(from: number, to: number): void;
  onState?(state: LogState): void;
}

export interface Log {
  state(): LogState;
  /** Text for the job, in order and not twice; null when it is on disk. */
  input(text: string): Accepted;
  resize(columns: number, rows: number): Accepted;
  end(): void;
}

export interface LogHost {
  isOpen(): boolean;
  send(text: string): void;
  /** Ends a subscription; frames of it that are on their way belong to nobody. */
  leave(name: string): void;
  safely(call: () => void): void;
}

export interface Logs {
  follow(run: string, wish: LogWish): Log;
  /** A frame that names a stream. */
  heard(name: string, frame: Frame): void;
  opened(): void;
  lost(): void;
  close(): void;
  report(): Record<string, LogState>;
}

interface Follow {
  name: string;
  wish: LogWish;
  state: LogState;
  acknowledged: number;
  requests: Requests;
  retries: number;
  cuts: number;
  cancelTimer: () => void;
}

const encoder = new TextEncoder();

export function bytesOf({ text, base64 }: LogOutput): Uint8Array {
  if (text !== undefined) return encoder.encode(text);
  const binary = atob(base64 ?? "");
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

export function logsNew(parts: Parts, host: LogHost): Logs {
  const follows = new Map<string, Follow>();
  const isCurrent = (follow: Follow): boolean => follows.get(follow.name) === follow;

  function change(follow: Follow, fields: Partial<LogState>): void {
    follow.state = { ...follow.state, ...fields };
    host.safely(() => follow.wish.onState?.(follow.state));
  }

  function ask(follow: Follow): void {
    if (!host.isOpen() || !isCurrent(follow)) return;
    const { stream, attempt, cursor } = follow.state;
    change(follow, { phase: "asked" });
    host.send(logText(follow.name, {
      stream: stream ?? undefined, attempt: attempt ?? undefined, offset: cursor ?? undefined,
    }));
  }

  function askLater(follow: Follow): void {
    follow.requests.stop();
    change(follow, { phase: "off" });
    follow.cancelTimer();
    const delay = retryDelay(follow.retries++, parts.random());
    follow.cancelTimer = parts.after(delay, () => ask(follow));
  }

  function acknowledge(follow: Follow, offset: number): void {
    const { taken, phase } = follow.state;
    if (taken !== null && offset <= taken) return;
    follow.state = { ...follow.state, taken: offset };
    if (phase !== "live" || offset - follow.acknowledged < ACK_STEP) return;
    follow.acknowledged = offset;
    host.send(ackText(follow.name, offset));
  }

  function began(follow: Follow, frame: Frame & { kind: "subscribed" }): void {
    if (frame.log === undefined) return;
    const { stream, attempt, from } = frame.log;
    const { cursor } = follow.state;
    follow.acknowledged = from;
    change(follow, {
      phase: "live", stream, attempt, error: null, cursor: from,
      from: follow.state.from ?? from, taken: follow.state.taken ?? from,
      ...(follow.cuts > 0 && { resumed: from }),
      ...(cursor !== null && from > cursor && { gaps: follow.state.gaps + 1 }),
    });
    follow.requests.go();
  }

  /** True: what begins at `offset` is next. Else it was there already, or is asked for again. */
  function isNext(follow: Follow, offset: number): boolean {
    const { cursor, gaps, repeats } = follow.state;
    if (cursor === null || offset === cursor) return true;
    if (offset < cursor) change(follow, { repeats: repeats + 1 });
    else {
      change(follow, { gaps: gaps + 1 });
      host.leave(follow.name);
      askLater(follow);
    }
    return false;
  }

  function outputCame(follow: Follow, output: LogOutput): void {
    if (!isNext(follow, output.offset)) return;
    const { offset, next } = output;
    const bytes = bytesOf(output);
    follow.retries = 0;
    change(follow, { cursor: next });
    host.safely(() => follow.wish.onPiece({ offset, next, bytes },
      () => isCurrent(follow) && acknowledge(follow, next)));
  }

  function droppedCame(follow: Follow, from: number, to: number): void {
    if (!isNext(follow, from)) return;
    change(follow, { cursor: to, dropped: follow.state.dropped + to - from });
    host.safely(() => follow.wish.onDropped?.(from, to));
    if (isCurrent(follow)) acknowledge(follow, to);
  }

  function refused(follow: Follow, error: Problem): void {
    if (follow.state.phase !== "asked" && follow.requests.refused(error)) return;
    const { status = 500 } = error;
    follow.requests.stop();
    if (status >= 400 && status < 500 && status !== 429) {
      change(follow, { phase: "refused", error });
      follow.requests.end(error);
    } else {
      change(follow, { error });
      askLater(follow);
    }
  }

  return {
    follow(run, wish) {
      const name = `log:${run}`;
      if (follows.has(name)) throw new Error(`${name} is followed already`);
      if (follows.size >= LOGS_MAX) throw new Error(`at most ${LOGS_MAX} logs`);
      const follow: Follow = {
        name, wish, acknowledged: 0, retries: 0, cuts: 0, cancelTimer: () => {},
        requests: requestsNew(name, host.send),
        state: {
          phase: "off", stream: wish.stream ?? null, attempt: wish.attempt ?? null, from: null,
          cursor: wish.offset ?? null, taken: null, dropped: 0, gaps: 0, repeats: 0, resumed: null,
          end: null, error: null,
        },
      };
      follows.set(name, follow);
      ask(follow);
      return {
        state: () => follow.state,
        input: (text) => follow.requests.input(text),
        resize: (columns, rows) => follow.requests.resize(columns, rows),
        end() {
          if (!isCurrent(follow)) return;
          follow.cancelTimer();
          follows.delete(name);
          const { phase } = follow.state;
          if (phase === "asked" || phase === "live") host.leave(name);
          follow.requests.end({ code: "closed", title: "Closed" });
        },
      };
    },
    heard(name, frame) {
      const follow = follows.get(name);
      if (follow === undefined) return;
      const isLive = follow.state.phase === "live";
      if (frame.kind === "subscribed") began(follow, frame);
      else if (frame.kind === "error") refused(follow, frame.error);
      else if (frame.kind === "typed") follow.requests.typed(frame.next);
      else if (frame.kind === "resized") follow.requests.resized();
      else if (!isLive) return; // A frame of an earlier subscription.
      else if (frame.kind === "output") outputCame(follow, frame.output);
      else if (frame.kind === "dropped") droppedCame(follow, frame.dropped.from, frame.dropped.to);
      else if (frame.kind === "log_done") change(follow, { phase: "done", end: frame.end });
    },
    opened() {
      for (const follow of follows.values()) {
        if (follow.state.phase === "off") ask(follow);
        else if (follow.state.phase === "done") follow.requests.go(); // Refused by the daemon.
      }
    },
    lost() {
      for (const follow of follows.values()) {
        follow.requests.stop();
        follow.cancelTimer();
        if (follow.state.phase === "done" || follow.state.phase === "refused") continue;
        follow.cuts++;
        change(follow, { phase: "off" });
      }
    },
    close() {
      follows.forEach((follow) => {
        follow.cancelTimer();
        follow.requests.end({ code: "closed", title: "Closed" });
      });
      follows.clear();
    },
    report: () =>
      Object.fromEntries([...follows].map(([name, { state }]) => [name, { ...state }])),
  };
}
