/** A session as its stream tells it: snapshot, then events. Everything here is pure; a message that
 *  did not change stays the same object. Messages stand oldest first.
 *
 *  A snapshot has the newest messages. What was read before those stays when the two meet, so that
 *  the line that somebody reads does not go away. */
import type { Page, Session, Usage } from "../api/types.ts";
import type { StreamEvent } from "../stream/index.ts";
import { lastIndexOf, withAt, withInserted } from "./arrays.ts";
import { changed, edited, ended, heard, joined, type Message } from "./message.ts";

export interface Turn {
  run: string; number: number; state: string; gate: string | null; resume_at_ms: number | null;
}

export interface SessionState {
  session: Session | null;
  turn: Turn | null;
  messages: Message[];
  /** `after` of the page before the first message; null: there is none. */
  older: string | null;
  /** Ids of messages that wait, in the order in which they will be answered. */
  queue: string[];
  /** Answers that ended, and were not read since: the object has what events leave out. */
  unread: string[];
  /** Messages that came since the session was opened, and summaries that were made. */
  added: number;
  compactions: number;
  /** The session has changed in ways that its events do not tell. */
  stale: boolean;
  deleted: boolean;
  /** How often its files may have changed since it is followed; 0: it is not yet. */
  changes: number;
}

export const sessionEmpty: SessionState = {
  session: null, turn: null, messages: [], older: null, queue: [], unread: [], added: 0,
  compactions: 0, stale: false, deleted: false, changes: 0,
};

export interface Snapshot {
  session: Session; turn: Turn | null; messages: Message[]; next: string | null; queue: string[];
}
export type SessionNews =
  | { kind: "snapshot"; data: Snapshot }
  | { kind: "events"; events: readonly StreamEvent[] }
  /** The page before the first message, newest first. */
  | { kind: "older"; page: Page<Message> }
  /** The same, of messages that are known: they may have changed while nobody listened. */
  | { kind: "again"; before: string; page: Page<Message> }
  /** Messages around another one up to those that are known, oldest first. */
  | { kind: "joined"; messages: Message[]; older: string | null }
  | { kind: "message"; message: Message }
  | { kind: "session"; session: Session };

const place = (messages: Message[], id: string): number =>
  lastIndexOf(messages, (message) => message.id === id);

function replaced(messages: Message[], message: Message): Message[] {
  const at = place(messages, message.id);
  return at < 0 ? messages : withAt(messages, at, changed(messages[at]!, message));
}

function snapshotTaken(state: SessionState, data: Snapshot): SessionState {
  const known = new Map(state.messages.map((message) => [message.id, message]));
  const newest = data.messages.map((message) => {
    const old = known.get(message.id);
    return old === undefined ? message : changed(old, message);
  }).reverse();
  const meet = newest[0] === undefined ? -1 : place(state.messages, newest[0].id);
  const before = meet > 0 ? state.messages.slice(0, meet) : [];
  return {
    ...state, session: data.session, turn: data.turn, queue: data.queue, unread: [],
    messages: [...before, ...newest], older: before.length > 0 ? state.older : data.next,
    stale: false, changes: state.changes + 1,
    added: state.added + newest.filter(({ id }) => !known.has(id)).length,
  };
}

function readAgain(state: SessionState, before: string, page: Page<Message>): SessionState {
  const end = place(state.messages, before);
  const items = [...page.items].reverse();
  if (end < 0 || items[0] === undefined) return state;
  const begin = place(state.messages.slice(0, end), items[0].id);
  const read = items.map((item) => {
    const at = place(state.messages, item.id);
    return at < 0 ? item : changed(state.messages[at]!, item);
  });
  const rest = state.messages.slice(end);
  return begin < 0 ? { ...state, messages: [...read, ...rest], older: page.next }
    : { ...state, messages: [...state.messages.slice(0, begin), ...read, ...rest] };
}

/** An answer stands behind its question and the other answers to it, anything else at the end. */
function added(messages: Message[], message: Message, before: string | undefined): Message[] {
  if (place(messages, message.id) >= 0) return replaced(messages, message);
  if (before !== undefined && place(messages, before) >= 0) {
    return withInserted(messages, place(messages, before), message);
  }
  const isAnswered = ({ id, reply_to }: Message): boolean =>
    message.reply_to !== null && (id === message.reply_to || reply_to === message.reply_to);
  const last = lastIndexOf(messages, isAnswered);
  return last < 0 ? [...messages, message] : withInserted(messages, last + 1, message);
}

/** Those that wait change places among themselves. */
function queued(messages: Message[], queue: string[]): Message[] {
  const places = messages.flatMap(({ id }, at) => (queue.includes(id) ? [at] : []));
  const known = new Map(messages.map((message) => [message.id, message]));
  const order = queue.flatMap((id) => known.get(id) ?? []);
  if (places.every((at, i) => messages[at] === order[i])) return messages;
  const all = [...messages];
  places.forEach((at, i) => (all[at] = order[i]!));
  return all;
}

/* Data of events: what the daemon promises (docs/api.md), and nothing is taken for granted. */
interface Data {
  message?: Message | string; before?: string; queue?: string[]; after?: string | null;
  title?: string; version?: number; run?: string; number?: number; model?: string;
  reply_to?: string; state?: string; cause?: string | null; note?: string; gate?: string;
  resume_at_ms?: number | null; session?: Usage; context_used?: number; context_window?: number;
}

const ENDS: Record<string, Message["status"]> = {
  succeeded: "completed", degraded: "completed", cancelled: "interrupted", failed: "failed",
};

function turnStarted(state: SessionState, data: Data): SessionState {
  const { run = "", number = 0, model, reply_to } = data;
  const turn: Turn = { run, number, state: "running", gate: null, resume_at_ms: null };
  const messages = state.messages.map((message): Message => {
    if (message.id === reply_to && message.status === "queued") {
      return { ...message, status: "completed" };
    }
    return message.id === data.message
      ? { ...message, status: "running", model: model ?? message.model ?? null } : message;
  });
  const compacts = messages.find(({ id }) => id === data.message)?.role === "system";
  const session: Session | null = state.session &&
    { ...state.session, state: compacts ? "compacting" : "running" };
  return { ...state, turn, messages, session };
}

function turnFinished(state: SessionState, data: Data): SessionState {
  const { message: id, state: end = "", cause = null, note = "" } = data;
  const messages = state.messages.map((message) =>
    (message.id === id ? ended(message, { status: ENDS[end] ?? "failed", cause, note }) : message));
  return {
    ...state, messages, turn: null, session: state.session && { ...state.session, state: "idle" },
    unread: typeof id === "string" ? [...state.unread, id] : state.unread,
  };
}

function waits(state: SessionState, data: Data, isWaiting: boolean): SessionState {
  const { gate = null, resume_at_ms = null } = data;
  const word = isWaiting ? "waiting" : "running";
  return {
    ...state,
    turn: state.turn && { ...state.turn, state: word, gate: isWaiting ? gate : null, resume_at_ms },
    session: state.session && { ...state.session, state: word },
  };
}

function used(state: SessionState, data: Data): SessionState {
  if (state.session === null) return state;
  const { session: usage = state.session.usage, context_used, context_window } = data;
  return {
    ...state,
    session: {
      ...state.session, usage, context_used: context_used ?? state.session.context_used,
      context_window: context_window ?? state.session.context_window,
    },
  };
}

/** The events of an answer: pieces, tools, what broke off. */
function answered(state: SessionState, event: StreamEvent): SessionState {
  const { message: id } = event.data as Data;
  if (typeof id !== "string") return state;
  const at = place(state.messages, id);
  if (at < 0) return state;
  const message = heard(state.messages[at]!, event);
  return message === state.messages[at] ? state
    : { ...state, messages: withAt(state.messages, at, message) };
}

function messageAdded(state: SessionState, { message, before }: Data): SessionState {
  if (typeof message !== "object") return state;
  const isNew = place(state.messages, message.id) < 0;
  return {
    ...state, messages: added(state.messages, message, before),
    added: state.added + (isNew ? 1 : 0),
  };
}

function messageEdited(state: SessionState, { message }: Data): SessionState {
  const at = typeof message === "object" ? place(state.messages, message.id) : -1;
  const old = state.messages[at];
  if (typeof message !== "object" || old === undefined) return state;
  const messages = withAt(state.messages, at, edited(old, message));
  const runs = ({ role, status, run }: Message): boolean =>
    role === "assistant" && status === "running" && run === message.run;
  const answer = lastIndexOf(messages, runs);
  return old.status === "joined" || message.status !== "joined" || answer < 0
    ? { ...state, messages }
    : { ...state, messages: withAt(messages, answer, joined(messages[answer]!, message)) };
}

function cleared(state: SessionState, after: string | null): SessionState {
  const messages = after === null ? []
    : state.messages.slice(0, place(state.messages, after) + 1);
  return { ...state, messages, older: after === null ? null : state.older, queue: [] };
}

function eventTaken(state: SessionState, event: StreamEvent): SessionState {
  const data = event.data as Data;
  switch (event.type) {
    case "session_renamed":
      return {
        ...state, session: state.session && { ...state.session, title: data.title ?? "" },
      };
    case "rewound": // With the messages goes a part of the context.
    case "session_changed": return { ...state, stale: true };
    case "message_added": return messageAdded(state, data);
    case "message_edited": return messageEdited(state, data);
    case "message_removed":
      return { ...state, messages: state.messages.filter(({ id }) => id !== data.message) };
    case "cleared": return cleared(state, data.after ?? null);
    case "queue_changed": {
      const { queue = [] } = data;
      return { ...state, queue, messages: queued(state.messages, queue) };
    }
    case "turn_started": return turnStarted(state, data);
    case "turn_finished": return turnFinished(state, data);
    case "turn_waiting": return waits(state, data, true);
    case "turn_resumed": return waits(state, data, false);
    case "approval_asked":
    case "question_asked": return waits(answered(state, event), {}, true);
    case "approval_answered":
    case "question_answered": return waits(answered(state, event), {}, false);
    case "usage": return used(state, data);
    case "context_compacted": return { ...state, compactions: state.compactions + 1 };
    case "changes_changed": return { ...state, changes: state.changes + 1 };
    case "deleted": return { ...state, deleted: true };
    default: return answered(state, event);
  }
}

export function fold(state: SessionState, news: SessionNews): SessionState {
  switch (news.kind) {
    case "snapshot": return snapshotTaken(state, news.data);
    case "events": return news.events.reduce(eventTaken, state);
    case "older": {
      const known = new Set(state.messages.map(({ id }) => id));
      const items = news.page.items.filter(({ id }) => !known.has(id)).reverse();
      return { ...state, messages: [...items, ...state.messages], older: news.page.next };
    }
    case "again": return readAgain(state, news.before, news.page);
    case "joined": {
      const known = new Set(news.messages.map(({ id }) => id));
      const rest = state.messages.filter(({ id }) => !known.has(id));
      return { ...state, messages: [...news.messages, ...rest], older: news.older };
    }
    case "message":
      return {
        ...state, messages: replaced(state.messages, news.message),
        unread: state.unread.filter((id) => id !== news.message.id),
      };
    case "session": { // It may have been read before the last events: the state is theirs.
      const word = state.session?.state ?? news.session.state;
      return { ...state, session: { ...news.session, state: word } };
    }
  }
}
