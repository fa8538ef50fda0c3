/** Every open question of the owner, live, and the answers to them. A new question stands last, so
 *  that nothing moves what stands; one that was answered stays in its place as long as somebody
 *  looks at questions, and says by whom. `fold` is pure. */
import { batch, computed, effect, signal, untracked } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { get, post, type Problem } from "../api/api.ts";
import { key } from "../api/key.ts";
import type { Ask, Page } from "../api/types.ts";
import { afterFirst } from "./first.ts";
import { followKeyed } from "./keyed.ts";
import { link } from "./live.ts";

/** What went wrong with an answer; `changed`: the question was not the one that had been shown. */
export type Trouble = "changed" | Problem;

export interface AsksState {
  items: readonly Ask[];
  /** There are more than are read. */
  more: boolean;
  ready: boolean;
  problem: Problem | null;
  sending: ReadonlySet<string>;
  troubles: ReadonlyMap<string, Trouble>;
}

export type AsksNews =
  | { kind: "read"; items: Ask[]; more: boolean } // Newest first, as the daemon lists.
  | { kind: "row"; row: Ask; watched: boolean }
  | { kind: "removed"; id: string }
  | { kind: "sending"; id: string }
  | { kind: "sent"; id: string; trouble?: Trouble }
  | { kind: "problem"; problem: Problem }
  | { kind: "unwatched" }
  | { kind: "left" };

export const asksEmpty: AsksState = {
  items: [], more: false, ready: false, problem: null, sending: new Set(), troubles: new Map(),
};

const ANSWERED_MAX = 200;

export const isOpen = (ask: Ask): boolean => ask.state === "open";

function without<K, V>(map: ReadonlyMap<K, V>, id: K): ReadonlyMap<K, V> {
  const rest = new Map(map);
  rest.delete(id);
  return rest;
}

function rowTaken(state: AsksState, row: Ask, watched: boolean): AsksState {
  const known = state.items.some(({ id }) => id === row.id);
  if (!known) return isOpen(row) ? { ...state, items: [...state.items, row] } : state;
  if (!isOpen(row) && !watched) return fold(state, { kind: "removed", id: row.id });
  const items = state.items.map((ask) => (ask.id === row.id ? { ...ask, ...row } : ask));
  const answered = items.filter((ask) => !isOpen(ask));
  const old = answered.length > ANSWERED_MAX ? answered[0] : null; // A page that is never left.
  return { ...state, items: items.filter((ask) => ask !== old) };
}

export function fold(state: AsksState, news: AsksNews): AsksState {
  switch (news.kind) {
    case "read": {
      const found = new Map(news.items.map((ask) => [ask.id, ask]));
      const kept = state.items.map((ask) => found.get(ask.id) ?? ask);
      const known = new Set(kept.map(({ id }) => id));
      const added = news.items.filter(({ id }) => !known.has(id)).reverse();
      return { ...state, items: [...kept, ...added], more: news.more, ready: true, problem: null };
    }
    case "row":
      return rowTaken(state, news.row, news.watched);
    case "removed":
      return { ...state, items: state.items.filter(({ id }) => id !== news.id),
        troubles: without(state.troubles, news.id) };
    case "sending":
      return { ...state, sending: new Set(state.sending).add(news.id),
        troubles: without(state.troubles, news.id) };
    case "sent": {
      const sending = new Set(state.sending);
      sending.delete(news.id);
      const troubles = new Map(without(state.troubles, news.id));
      if (news.trouble !== undefined) troubles.set(news.id, news.trouble);
      return { ...state, sending, troubles };
    }
    case "problem":
      return { ...state, problem: news.problem }; // What was read stays.
    case "unwatched":
      return { ...state, items: state.items.filter(isOpen), troubles: new Map() };
    case "left":
      return asksEmpty;
  }
}

export const asks = signal<AsksState>(asksEmpty);
const take = (news: AsksNews): void => void (asks.value = fold(asks.value, news));

export const openAsks = computed(() => asks.value.items.filter(isOpen));

let watchers = 0;
/** As long as a component is mounted that shows questions, those that were answered stay. */
export function useAsks(): AsksState {
  useEffect(() => {
    watchers++;
    return () => {
      if (--watchers === 0) take({ kind: "unwatched" });
    };
  }, []);
  return asks.value;
}

/* --- What is open ----------------------------------------------------------------------------- */

const PAGE = 200, ASKS_MAX = 1_000;

/** The object as it is now; null: it does not exist, or the daemon does not answer. */
export async function askRead(id: string): Promise<Ask | null> {
  const answer = await get<Ask>(`/approvals/${encodeURIComponent(id)}`);
  if (answer.ok) take({ kind: "row", row: answer.value, watched: watchers > 0 });
  else if (answer.problem.status === 404) take({ kind: "removed", id });
  return answer.ok ? answer.value : null;
}

async function read(isDue: () => boolean): Promise<void> {
  await new Promise<void>(afterFirst);
  const items: Ask[] = [];
  let next: string | null = null;
  do {
    const after: string = next === null ? "" : `&after=${encodeURIComponent(next)}`;
    const answer = await get<Page<Ask>>(`/approvals?limit=${PAGE}${after}`);
    if (!isDue()) return;
    if (!answer.ok) return take({ kind: "problem", problem: answer.problem });
    items.push(...answer.value.items);
    next = answer.value.next;
  } while (next !== null && items.length < ASKS_MAX);
  const found = new Set(items.map(({ id }) => id));
  const gone = openAsks.value.filter(({ id }) => !found.has(id));
  take({ kind: "read", items, more: next !== null });
  if (next === null) gone.forEach(({ id }) => void askRead(id)); // Answered meanwhile.
}

const live = followKeyed<Ask>({
  type: "approval_changed", read,
  apply: (rows) => batch(() => {
    for (const row of rows) {
      if (row.removed) take({ kind: "removed", id: row.id });
      else if (row.left_out) void askRead(row.id);
      else take({ kind: "row", row, watched: watchers > 0 });
    }
  }),
});

export const asksRead = (): Promise<void> => live.read();

/** Once those that were read are answered, others come in their place. */
effect(() => {
  const { more, problem } = asks.value;
  if (more && problem === null && openAsks.value.length < PAGE && !live.isBusy()) {
    untracked(() => void asksRead());
  }
});

key.subscribe((value) => {
  live.drop();
  if (value === null) take({ kind: "left" });
});

/* --- Answers ---------------------------------------------------------------------------------- */

export type Reply =
  | { decision: "allow"; scope?: "once" | "session" | "project"; subject?: string }
  | { decision: "deny"; reason?: string }
  | { answer: unknown } | { choice: string } | { fields: Record<string, unknown> };

/** Without a connection nobody knows whether a question still stands. */
export const connected = computed(() => link.value?.phase === "open");

/** True: this answer counts. It is bound to the question that was shown: `ask`, not what came
 *  since. */
export async function answerAsk(ask: Ask, reply: Reply): Promise<boolean> {
  if (!connected.value || asks.value.sending.has(ask.id)) return false;
  take({ kind: "sending", id: ask.id });
  const body = ask.digest ? { ...reply, digest: ask.digest } : reply;
  const answer = await post<Ask>(`/approvals/${encodeURIComponent(ask.id)}`, body);
  if (answer.ok) {
    batch(() => {
      take({ kind: "row", row: answer.value, watched: watchers > 0 });
      take({ kind: "sent", id: ask.id });
    });
    return true;
  }
  const { problem } = answer;
  const another = problem.code === "other_question";
  const now = another || problem.code === "conflict" ? await askRead(ask.id) : null;
  if (now !== null && !isOpen(now)) take({ kind: "sent", id: ask.id }); // Who, its row says.
  else take({ kind: "sent", id: ask.id, trouble: another ? "changed" : problem });
  return false;
}

const AT_ONCE = 4;

/** The same answer to each of them; the number of those that count. */
export async function answerAll(list: readonly Ask[], reply: Reply): Promise<number> {
  const left = [...list];
  let count = 0;
  const some = async (): Promise<void> => {
    for (let ask = left.shift(); ask !== undefined; ask = left.shift()) {
      if (await answerAsk(ask, reply)) count++;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, some));
  return count;
}
