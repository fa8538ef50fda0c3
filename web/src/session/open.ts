/** One session that is shown: its stream folded, older messages read when somebody goes there, and
 *  a window far from the end for a link to a message that was not read yet. */
import { computed, signal, type ReadonlySignal } from "@preact/signals";

import { get, type Problem } from "../api/api.ts";
import type { Page, Session } from "../api/types.ts";
import { follow } from "../state/live.ts";
import type { Message } from "../state/message.ts";
import {
  fold, sessionEmpty, type SessionNews, type SessionState, type Snapshot,
} from "../state/session.ts";
import type { StreamEvent } from "../stream/index.ts";

const PAGE = 100;

/** Messages around one, oldest first; `newer` is the `after` of what stands behind them. */
interface Far { messages: Message[]; older: string | null; newer: string | null }
interface AroundPage extends Page<Message> { previous: string | null }

export interface Opened {
  id: string;
  state: ReadonlySignal<SessionState>;
  /** What is shown: the newest messages, or those around one. */
  messages: ReadonlySignal<Message[]>;
  atEnd: ReadonlySignal<boolean>;
  hasOlder: ReadonlySignal<boolean>;
  problem: ReadonlySignal<Problem | null>;
  again(): void;
  older(): Promise<void>;
  newer(): Promise<void>;
  /** False: there is no such message in this session. */
  reach(message: string): Promise<boolean>;
  toEnd(): void;
  /** A message as the daemon has it, for a part that events cut. */
  read(message: string): Promise<void>;
  end(): void;
}

const OF_FAR = ["message_edited", "message_removed", "cleared"];

export function openSession(id: string): Opened {
  const state = signal<SessionState>(sessionEmpty);
  const far = signal<Far | null>(null);
  const problem = signal<Problem | null>(null);
  const path = `/sessions/${encodeURIComponent(id)}`;
  const reading = new Set<string>();
  let ended = false;
  let pass = 0; // Of reading again what was read before a snapshot.

  const take = (news: SessionNews): void => {
    if (ended) return;
    state.value = fold(state.value, news);
    for (const one of state.value.unread) void read(one);
    if (state.value.stale) void sessionRead();
  };

  async function once<T>(name: string, call: () => Promise<T>): Promise<T | null> {
    if (ended || reading.has(name)) return null;
    reading.add(name);
    const value = await call();
    reading.delete(name);
    return ended ? null : value;
  }

  /** A change that comes while the answer is on its way is read after it. */
  async function sessionRead(): Promise<void> {
    const answer = await once("session", () => {
      state.value = { ...state.value, stale: false };
      return get<Session>(path);
    });
    if (answer === null) return;
    if (answer.ok) take({ kind: "session", session: answer.value });
    else state.value = { ...state.value, stale: true };
    problem.value = answer.ok ? null : answer.problem;
  }

  async function read(message: string): Promise<void> {
    const answer = await once(message, () => get<Message>(`/messages/${message}`));
    if (answer?.ok) take({ kind: "message", message: answer.value });
  }

  const pageRead = (after: string, order = ""): ReturnType<typeof get<Page<Message>>> =>
    get<Page<Message>>(`${path}/messages?limit=${PAGE}${order}&after=${encodeURIComponent(after)}`);

  async function readAgain(snapshot: Snapshot): Promise<void> {
    const mine = ++pass;
    let [before, after] = [snapshot.messages.at(-1)?.id, snapshot.next];
    const isKnown = (): boolean => state.value.messages[0]?.id !== before;
    while (after !== null && before !== undefined && isKnown()) {
      const answer = await pageRead(after);
      if (!answer.ok || ended || mine !== pass) return;
      take({ kind: "again", before, page: answer.value });
      [before, after] = [answer.value.items.at(-1)?.id, answer.value.next];
    }
  }

  function farTaken(events: StreamEvent[]): void {
    const due = events.filter(({ type }) => OF_FAR.includes(type));
    if (far.value === null || due.length === 0) return;
    const { messages } = fold({ ...sessionEmpty, messages: far.value.messages },
      { kind: "events", events: due });
    far.value = { ...far.value, messages };
  }

  const unfollow = follow(`session:${id}`, {
    onSnapshot: (given) => {
      const data = given as Partial<Snapshot>;
      if (data.session === undefined) return; // A stream that nobody wrote to: no such session.
      problem.value = null;
      take({ kind: "snapshot", data: data as Snapshot });
      void readAgain(data as Snapshot);
    },
    onEvents: (events) => {
      farTaken(events);
      take({ kind: "events", events });
    },
  });
  void sessionRead(); // It says whether there is such a session.

  async function older(): Promise<void> {
    const there = far.value;
    const after = there === null ? state.value.older : there.older;
    if (after === null) return;
    const answer = await once("older", () => pageRead(after));
    if (!answer?.ok) return;
    if (there === null) {
      take({ kind: "older", page: answer.value });
    } else if (far.value !== null) {
      const messages = [...answer.value.items.reverse(), ...far.value.messages];
      far.value = { ...far.value, messages, older: answer.value.next };
    }
  }

  /** Where the window meets the newest messages, they become one. */
  function meet({ messages, older: before, newer: behind }: Far): void {
    const first = state.value.messages[0]?.id;
    const at = messages.findIndex((message) => message.id === first);
    if (at < 0 && behind !== null) {
      far.value = { messages, older: before, newer: behind };
      return;
    }
    const joined = at < 0 ? messages : messages.slice(0, at);
    take({ kind: "joined", messages: joined, older: before });
    far.value = null;
  }

  async function newer(): Promise<void> {
    const after = far.value?.newer ?? null;
    if (after === null) return;
    const answer = await once("newer", () => pageRead(after, "&order=oldest"));
    if (!answer?.ok || far.value === null) return;
    const messages = [...far.value.messages, ...answer.value.items];
    meet({ ...far.value, messages, newer: answer.value.next });
  }

  async function reach(message: string): Promise<boolean> {
    if (shown.value.some((one) => one.id === message)) return true;
    if (state.value.messages.some((one) => one.id === message)) {
      far.value = null;
      return true;
    }
    const target = `${path}/messages?limit=${PAGE}&around=${encodeURIComponent(message)}`;
    const answer = await once("around", () => get<AroundPage>(target));
    if (!answer?.ok) return false;
    const { items, next, previous } = answer.value;
    meet({ messages: items.reverse(), older: next, newer: previous });
    return true;
  }

  const shown = computed(() => far.value?.messages ?? state.value.messages);
  return {
    id, state, problem, older, newer, reach, read,
    messages: shown,
    atEnd: computed(() => far.value === null),
    hasOlder: computed(() => (far.value === null ? state.value.older : far.value.older) !== null),
    again: () => void sessionRead(),
    toEnd: () => void (far.value = null),
    end: () => {
      ended = true;
      unfollow();
    },
  };
}
