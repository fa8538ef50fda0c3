/** The one connection of this page. Views follow streams by it, and its facts are signals.
 *
 *  Several parts may follow one stream: the last of them that leaves ends it. A part that joins
 *  makes it begin again with a snapshot, which replaces what the others know, too; where all of
 *  them want the events after a number (`after`), with those. */
import { effect, signal } from "@preact/signals";

import { key, keySet } from "../api/key.ts";
import {
  open, type Client, type LinkState, type Log, type LogWish, type StreamState, type Wish,
} from "../stream/index.ts";
import { away } from "./away.ts";
import { meRead } from "./me.ts";

/** null: nobody is signed in. */
export const link = signal<LinkState | null>(null);
/** Facts of the streams that are followed, by name. */
export const streams = signal<Readonly<Record<string, StreamState>>>({});

/** A shorter cut is not worth a word. */
const QUIET_MS = 2_000;
let awayTimer: ReturnType<typeof setTimeout> | undefined;

function awayLook({ phase, since_ms }: LinkState): void {
  clearTimeout(awayTimer);
  const isOff = phase === "waiting" || phase === "connecting";
  const left = since_ms + QUIET_MS - Date.now();
  if (isOff && left > 0) awayTimer = setTimeout(() => (away.value = true), left);
  else away.value = isOff;
}
effect(() => void document.documentElement.toggleAttribute("data-away", away.value));

/** A daemon of this machine is back at once, and has few clients. */
const RETRY_NEAR_MS = 1_000;
const isNear = /^(localhost|127\.[\d.]+|\[::1\])$/.test(location.hostname);

const HIDDEN_MS = 250;

let client: Client | null = null;
const followed = new Map<string, Set<Wish>>();

function subscribe(name: string): void {
  const each = (call: (wish: Wish) => void) => followed.get(name)?.forEach(call);
  const after = [...followed.get(name) ?? []].map((wish) => wish.after);
  const isAfter = (one: number | undefined): one is number => one !== undefined;
  client?.subscribe(name, {
    ...(after.every(isAfter) ? { after: Math.min(...after.filter(isAfter)) } : { snapshot: true }),
    onSnapshot: (data, seq) => each((wish) => wish.onSnapshot(data, seq)),
    onEvents: (events) => each((wish) => wish.onEvents(events)),
    onNotices: (notices) => each((wish) => wish.onNotices?.(notices)),
    onState: (state) => {
      streams.value = { ...streams.value, [name]: state };
      each((wish) => wish.onState?.(state));
    },
  });
}

/** Until the returned function is called. A new key begins each stream again by itself. */
export function follow(name: string, wish: Wish): () => void {
  const wishes = followed.get(name) ?? new Set<Wish>();
  if (wishes.size > 0) client?.unsubscribe(name);
  followed.set(name, wishes.add(wish));
  subscribe(name);
  return () => {
    if (!wishes.delete(wish) || wishes.size > 0) return;
    followed.delete(name);
    client?.unsubscribe(name);
    const { [name]: _, ...rest } = streams.value;
    streams.value = rest;
  };
}

/** A hidden page draws no pictures, and still says in its title what waits. */
function nextPicture(call: () => void): void {
  const once = (): void => {
    clearTimeout(timer);
    cancelAnimationFrame(picture);
    call();
  };
  const picture = requestAnimationFrame(once), timer = setTimeout(once, HIDDEN_MS);
}

const connect = (signedIn: string, onState?: (state: LinkState) => void): Client => open({
  url: `${location.origin.replace(/^http/, "ws")}/api/v1/ws`,
  key: signedIn,
  WebSocket,
  now: Date.now,
  random: Math.random,
  after: (ms, call) => {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  },
  frame: nextPicture,
  ...(isNear && { retry_max_ms: RETRY_NEAR_MS }),
  ...(onState && { onState }),
});

interface LogFollow {
  run: string; wish: LogWish; log: Log | null;
  /** A connection follows each job once: a second pane of a job has one of its own. */
  own: Client | null;
}
const logs = new Set<LogFollow>();

/** With another key the log goes on where it was. */
function logBegin(one: LogFollow): void {
  const { cursor, attempt } = one.log?.state() ?? { cursor: null, attempt: null };
  const isTaken = [...logs].some((other) =>
    other !== one && other.run === one.run && other.own === null);
  one.own = isTaken && key.value !== null ? connect(key.value) : null;
  one.log = (one.own ?? client)?.log(one.run, {
    ...one.wish, ...(cursor !== null && { offset: cursor }), ...(attempt !== null && { attempt }),
  }) ?? one.log;
}

const noLink = { code: "unreachable", title: "No connection" };

/** The output of a job until `end` is called. */
export function followLog(run: string, wish: LogWish): Pick<Log, "input" | "resize" | "end"> {
  const one: LogFollow = { run, wish, log: null, own: null };
  logs.add(one);
  logBegin(one);
  return {
    input: (text) => one.log?.input(text) ?? Promise.resolve(noLink),
    resize: (columns, rows) => one.log?.resize(columns, rows) ?? Promise.resolve(noLink),
    end() {
      logs.delete(one);
      one.log?.end();
      one.own?.close();
    },
  };
}

function linkChanged(state: LinkState): void {
  link.value = state;
  awayLook(state);
  if (state.phase === "signed_out") queueMicrotask(() => keySet(null));
  if (state.phase === "open") void meRead();
}

effect(() => {
  client?.close();
  client = null;
  logs.forEach(({ own }) => own?.close());
  link.value = null;
  clearTimeout(awayTimer);
  away.value = false;
  streams.value = {};
  if (key.value === null) return;
  client = connect(key.value, linkChanged);
  for (const name of followed.keys()) subscribe(name);
  logs.forEach(logBegin);
});

for (const type of ["online", "pageshow"]) addEventListener(type, () => client?.wake());
document.addEventListener("visibilitychange", () => document.hidden || client?.wake());

/** Try now, instead of at the time that was announced. */
export const wake = (): void => client?.wake();

/** For the tests, and for a report of a fault. */
Object.assign(window, { __drover: { report: () => client?.report() ?? null } });
