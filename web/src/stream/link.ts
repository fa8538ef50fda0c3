/* link.ts: one connection to the daemon, made again each time that it ends.
 *
 *               delay over, wake()            open
 *    waiting ──────────────────> connecting ────────> open
 *       ^                            │                  │
 *       └──── ended, no answer in ───┴── ended, silent ─┤
 *             CONNECT_MS                                │ the key is not valid (any more)
 *                                                       v
 *    any ── close() ──> closed                      signed_out
 *
 * A connection can die without a sign: a laptop sleeps, a router forgets. So a connection that was
 * silent for SILENT_MS is asked for a pong, and is given up if no frame at all comes within
 * PONG_MS. A daemon that is alive sends a heartbeat each 15 s, so such a ping is rare.
 * A death is found within SILENT_MS + PONG_MS = 20 s, and after wake() within PONG_MS.
 *
 * Promise    hooks are called in the order of the connection's life: `opened`, `heard` for each
 *            text, `lost`. No hook is called after close(), none for a connection that was given
 *            up, and none inside linkOpen.
 * Failure    every failure of a connection leads to `waiting`; only a key that is refused ends the
 *            attempts.
 */
import type { Parts, Socket } from "./parts.ts";
import { keyText, pingText } from "./wire.ts";

export const SILENT_MS = 17_000;
export const PONG_MS = 3_000;
export const CONNECT_MS = 10_000;
export const RETRY_FIRST_MS = 1_000;
export const RETRY_MAX_MS = 30_000;

/** Close code of a key that is refused, and its reasons; any other close leads to a retry. */
const REFUSED = 1008;
const REFUSALS = ["unauthorized", "key_origin", "forbidden"];

export type Phase = "waiting" | "connecting" | "open" | "signed_out" | "closed";

export interface LinkState {
  phase: Phase;
  /** Since when the phase lasts; of `waiting` and `connecting`: since when nothing is open. */
  since_ms: number;
  /** Time of the next attempt, while waiting. */
  retry_at_ms: number | null;
  /** Attempts without an answer since the last frame. */
  attempts: number;
  /** Connections that were open and ended; those among them that died without a sign. */
  cuts: number;
  silent_cuts: number;
  /** The daemon's clock is ahead by this, known to within half of the way there and back. */
  clock: { ahead_ms: number; within_ms: number } | null;
  /** Why the key was refused: `unauthorized`, `key_origin` or `forbidden`. */
  refusal: string | null;
}

export interface LinkHooks {
  opened(): void;
  heard(text: string): void;
  lost(): void;
  changed(state: LinkState): void;
}

export interface Link {
  state(): LinkState;
  /** Lost if there is no open connection. */
  send(text: string): void;
  pong(n: number, at_ms: number): void;
  /** Gives up the connection: what came over it makes no sense. */
  drop(): void;
  /** The daemon refuses the key: no further attempt. */
  signedOut(refusal: string): void;
  wake(): void;
  close(): void;
}

/** Between the half and the whole of 1, 2, 4, … 30 s: a thousand clients do not return at once. */
export function retryDelay(attempts: number, random: number, max = RETRY_MAX_MS): number {
  const whole = Math.min(max, RETRY_FIRST_MS * 2 ** Math.min(attempts, 10));
  return (whole / 2) * (1 + random);
}

export function linkOpen(
  url: string, key: string | undefined, parts: Parts, hooks: LinkHooks,
): Link {
  let state: LinkState = {
    phase: "waiting", since_ms: parts.now(), retry_at_ms: null, attempts: 0, cuts: 0,
    silent_cuts: 0, clock: null, refusal: null,
  };
  let socket: Socket | null = null;
  let cancelTimer = (): void => {};
  let heardAt = 0; // Of the last frame.
  let ping: { n: number; sent: number } | null = null; // The last one without an answer.
  let pings = 0;

  const change = (fields: Partial<LinkState>): void => {
    state = { ...state, ...fields };
    hooks.changed(state);
  };
  const timer = (ms: number, call: () => void): void => {
    cancelTimer();
    cancelTimer = parts.after(ms, call);
  };
  const send = (text: string): void => {
    if (state.phase === "open") socket?.send(text);
  };

  /** The socket is forgotten first: closing a dead one may take minutes, and says nothing. */
  function release(): void {
    const old = socket;
    socket = null;
    ping = null;
    cancelTimer();
    try {
      old?.close();
    } catch {
      // A socket that cannot be closed is released all the same.
    }
  }

  function lose(silent: boolean): void {
    const wasOpen = state.phase === "open";
    release();
    const delay = retryDelay(state.attempts, parts.random(), parts.retry_max_ms);
    timer(delay, connect);
    change({
      phase: "waiting", retry_at_ms: parts.now() + delay, attempts: state.attempts + 1,
      ...(wasOpen && { since_ms: parts.now(), cuts: state.cuts + 1, clock: null,
                       silent_cuts: state.silent_cuts + (silent ? 1 : 0) }),
    });
    if (wasOpen) hooks.lost();
  }

  function sendPing(): void {
    ping = { n: ++pings, sent: parts.now() };
    send(pingText(ping.n));
    timer(PONG_MS, () => lose(true));
  }

  /** Restarting a timer for each of 1,000 frames a second would cost more than reading them. */
  function watch(): void {
    const silent = parts.now() - heardAt;
    if (silent >= SILENT_MS || silent < 0) sendPing();
    else timer(SILENT_MS - silent, watch);
  }

  function opened(): void {
    change({ phase: "open", since_ms: parts.now(), retry_at_ms: null });
    if (key !== undefined) send(keyText(key));
    sendPing(); // An answer says what the daemon's clock is.
    hooks.opened();
  }

  function heard(text: unknown): void {
    heardAt = parts.now();
    if (state.attempts > 0) change({ attempts: 0 });
    if (ping !== null) {
      timer(SILENT_MS, watch);
      if (ping.sent < heardAt - PONG_MS) ping = null; // Its answer would be no measure any more.
    }
    if (typeof text === "string") hooks.heard(text);
  }

  function ended(event: object): void {
    const { code, reason } = event as { code?: unknown; reason?: unknown };
    const refusal = code === REFUSED ? REFUSALS.find((one) => one === reason) : undefined;
    if (refusal === undefined) lose(false);
    else end("signed_out", refusal);
  }

  function connect(): void {
    cancelTimer();
    change({ phase: "connecting", retry_at_ms: null });
    let mine: Socket;
    try {
      mine = new parts.WebSocket(url);
    } catch {
      lose(false);
      return;
    }
    socket = mine;
    timer(CONNECT_MS, () => lose(false));
    const ifMine = (call: (event: object) => void) => (event: object): void => {
      if (socket === mine) call(event);
    };
    mine.addEventListener("open", ifMine(opened));
    mine.addEventListener("message",
      ifMine((event) => heard("data" in event ? event.data : undefined)));
    mine.addEventListener("close", ifMine(ended));
    mine.addEventListener("error", () => {}); // Each is followed by a close.
  }

  function end(phase: "closed" | "signed_out", refusal: string | null): void {
    if (state.phase === "closed" || state.phase === "signed_out") return;
    const wasOpen = state.phase === "open";
    release();
    change({ phase, refusal, since_ms: parts.now(), retry_at_ms: null });
    if (wasOpen && phase === "signed_out") hooks.lost();
  }

  timer(0, connect);
  return {
    state: () => state,
    send,
    pong(n, at_ms) {
      if (ping?.n !== n) return;
      const way = parts.now() - ping.sent;
      const clock = { ahead_ms: Math.round(at_ms - ping.sent - way / 2), within_ms: way / 2 };
      ping = null;
      if (state.clock === null || clock.within_ms <= state.clock.within_ms) change({ clock });
    },
    drop: () => (state.phase === "open" ? lose(false) : undefined),
    signedOut: (refusal) => end("signed_out", refusal),
    wake() {
      if (state.phase === "waiting") connect();
      else if (state.phase === "open") sendPing();
    },
    close: () => end("closed", null),
  };
}
