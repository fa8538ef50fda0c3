/** Flows of a session: those that may be started from its composer, and those that were. */
import { signal, type Signal } from "@preact/signals";

import { get, post, type Problem } from "../api/api.ts";
import type { Session } from "../api/types.ts";
import { storageRead, storageSet } from "../state/draft.ts";
import { programOf } from "./text.ts";

/* --- What can be started ---------------------------------------------------------------------- */

export interface Offer { name: string; description: string; shadowed: boolean }

export async function offersOf(root: string | null): Promise<Offer[]> {
  const query = root === null || root === "" ? "" : `?${new URLSearchParams({ root })}`;
  const answer = await get<{ flows: Offer[] }>(`/flows${query}`);
  return answer.ok ? answer.value.flows.filter(({ shadowed }) => !shadowed) : [];
}

const NOT_FOUND = 404;

/** Starts it, and has this session notified of its end. null: there is no such flow. */
export async function flowStart(
  session: Session, name: string, question: string): Promise<Started | Problem | null> {
  const { id, root, model } = session, own = model !== null && programOf(session) === null;
  const answer = await post<{ id: string }>("/flows", {
    name, notify: [{ session: id }], ...(question !== "" && { input: question }),
    ...(root !== null && root !== "" && { root }), ...(own && { model }),
  });
  if (answer.ok) return { run: answer.value.id, name };
  return answer.problem.status === NOT_FOUND ? null : answer.problem;
}

/* --- What was started from here --------------------------------------------------------------- */

/** Kept in the browser until somebody dismisses it: the conversation tells of its end alone. */
export interface Started { run: string; name: string }

const STARTED_MAX = 5;
const lists = new Map<string, Signal<Started[]>>();
const keyOf = (session: string): string => `drover.started.${session}`;

const isStarted = (one: unknown): one is Started => {
  const { run, name } = (one ?? {}) as Partial<Started>;
  return typeof run === "string" && typeof name === "string";
};

export function startedOf(session: string): Signal<Started[]> {
  const known = lists.get(session), stored = storageRead(keyOf(session));
  const list = known ?? signal(Array.isArray(stored) ? stored.filter(isStarted) : []);
  lists.set(session, list);
  return list;
}

export function startedSet(session: string, change: (list: Started[]) => Started[]): void {
  const list = startedOf(session);
  list.value = change(list.value).slice(-STARTED_MAX);
  storageSet(keyOf(session), list.value.length === 0 ? null : list.value);
}
