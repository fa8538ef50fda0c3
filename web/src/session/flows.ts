/** Flows and workflows of a session: those that may be started from its composer, and those that
 *  were. */
import { signal, type Signal } from "@preact/signals";

import { get, post, type Answer } from "../api/api.ts";
import type { Session, Workflow } from "../api/types.ts";
import { visible } from "../parts/visible.ts";
import { storageRead, storageSet } from "../state/draft.ts";
import { words as shared } from "../words.ts";
import { givenOf, isName } from "./command.ts";
import { programOf } from "./text.ts";
import { words } from "./words.ts";

/* --- What can be started ---------------------------------------------------------------------- */

export interface Offer {
  kind: "order" | "flow" | "workflow"; name: string; description: string;
  /** Schema of a workflow's args. */
  args?: unknown;
}
interface Flow { name: string; description: string; shadowed: boolean }

const queryOf = (root: string | null): string =>
  (root === null || root === "" ? "" : `?${new URLSearchParams({ root })}`);

const workflowsOf = async (root: string | null): Promise<Workflow[]> => {
  const answer = await get<{ workflows: Workflow[] }>(`/workflows${queryOf(root)}`);
  return answer.ok ? answer.value.workflows.filter(({ shadowed, error }) =>
    !shadowed && error === undefined) : [];
};

/** A flow is found before a workflow of its name. */
export async function offersOf(root: string | null): Promise<Offer[]> {
  const [flows, workflows] = await Promise.all([
    get<{ flows: Flow[] }>(`/flows${queryOf(root)}`), workflowsOf(root)]);
  const all: Offer[] = (flows.ok ? flows.value.flows : []).filter(({ shadowed }) => !shadowed)
    .map(({ name, description }) => ({ kind: "flow", name, description }));
  const others = workflows.filter(({ name }) => !all.some((flow) => flow.name === name))
    .map(({ name, description, args }): Offer => ({ kind: "workflow", name, description, args }));
  return [...all, ...others].filter(({ name }) => isName(name));
}

const NOT_FOUND = 404;

/** Of a start from here: this session is notified of its end. */
function requestOf({ id, root, model, agent }: Session): object {
  const own = model !== null && programOf({ agent, model }) === null;
  return { notify: [{ session: id }], ...(root !== null && root !== "" && { root }),
    ...(own && { model }) };
}

const isAbsent = (answer: Answer<unknown>): boolean =>
  !answer.ok && answer.problem.status === NOT_FOUND;

interface WorkflowStarted { runId?: string; error?: string | { message?: string } }

async function workflowStart(
  session: Session, name: string, question: string): Promise<Started | string | null> {
  const workflow = (await workflowsOf(session.root)).find((one) => one.name === name);
  if (workflow === undefined) return null;
  const given = givenOf(workflow.args, question);
  if ("unfit" in given) {
    const [why, arg, all] = given.unfit;
    return visible(words.unfitArgs[why](arg, all.join(", ")));
  }
  const answer = await post<WorkflowStarted>(`/workflows/${encodeURIComponent(name)}/runs`,
    { ...requestOf(session), ...(given.args !== undefined && { args: given.args }) });
  if (!answer.ok) return isAbsent(answer) ? null : shared.problem(answer.problem);
  const { runId, error } = answer.value;
  return runId !== undefined ? { run: runId, name }
    : visible(typeof error === "string" ? error : error?.message ?? "");
}

/** Starts the flow or workflow of that name; a sentence: why it was not. null: there is none. */
export async function flowStart(
  session: Session, name: string, question: string): Promise<Started | string | null> {
  const answer = await post<{ id: string }>("/flows",
    { ...requestOf(session), name, ...(question !== "" && { input: question }) });
  if (answer.ok) return { run: answer.value.id, name };
  return isAbsent(answer) ? workflowStart(session, name, question) : shared.problem(answer.problem);
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
