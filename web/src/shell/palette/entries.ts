/** What the palette offers: places, actions, what the daemon finds, and an id that was pasted. */
import { get, post, type Answer, type Problem } from "../../api/api.ts";
import { signOut } from "../../api/signin.ts";
import type { Page, Run } from "../../api/types.ts";
import { match } from "../../router/routes.ts";
import { home, markSeen } from "../../state/home.ts";
import { may } from "../../state/me.ts";
import { settings } from "../../state/system.ts";
import { arranged, PLACES, ROUTES } from "../places.ts";
import { sheet } from "../sheets.tsx";
import type { Name } from "../shortcuts.ts";
import { THEMES, theme, themeSet } from "../theme.ts";
import { words } from "../words.ts";
import { score } from "./fuzzy.ts";

export interface Entry {
  id: string;
  group: keyof typeof words.groups;
  name: string;
  about?: string;
  /** Outside text: its direction is its own. */
  given?: boolean;
  keys?: Name;
  /** It leads nowhere else. */
  stays?: boolean;
  /** A text: why nothing was opened. */
  run(go: Go): void | Promise<string | undefined>;
}
type Go = (to: string) => void;

const hasPage = (to: string): boolean => ROUTES.some(({ path }) => match(path, to) !== null);
const failed = (problem: Problem): string =>
  `${words.problem(problem)}${problem.code === "" ? "" : ` (${problem.code})`}`;

/** --- An id --- */

const ID = /^(run|ses|apr|msg|tsk|mail)_[a-z0-9]+$/;

async function runOpen(id: string, go: Go): Promise<string | undefined> {
  const run = await get<Run & { session: string | null }>(`/runs/${id}`);
  if (!run.ok) return failed(run.problem);
  const { kind, session } = run.value;
  if (kind === "job") go(`/j/${id}`);
  else if (["workflow", "flow", "agent"].includes(kind)) go(`/r/${id}`);
  else if (session != null) go(`/s/${session}`);
  else return words.noPage(kind);
  return undefined;
}

async function messageOpen(id: string, go: Go): Promise<string | undefined> {
  const message = await get<{ session: string }>(`/messages/${id}`);
  if (!message.ok) return failed(message.problem);
  go(`/s/${message.value.session}#${id}`);
  return undefined;
}

export function idEntry(query: string): Entry[] {
  const id = query.trim();
  const kind = ID.exec(id)?.[1];
  if (kind === undefined) return [];
  const entry = { id, group: "id" as const, name: words.openId(id) };
  if (kind === "run") return [{ ...entry, run: (go) => runOpen(id, go) }];
  if (kind === "msg") return [{ ...entry, run: (go) => messageOpen(id, go) }];
  if (kind === "tsk") return [{ ...entry, run: (go) => go(`/t/${id}`) }];
  if (kind === "mail") return [{ ...entry, run: (go) => go(`/inbox/mail/${id}`) }];
  return [{ ...entry, run: (go) => go(kind === "ses" ? `/s/${id}` : `/inbox/${id}`) }];
}

/** --- Places and actions --- */

async function sessionNew(go: Go): Promise<string | undefined> {
  if (settings.value?.model === null) return void go("/welcome"); // It would be refused.
  const made = await post<{ id: string }>("/sessions", {});
  if (made.ok) go(`/s/${made.value.id}`);
  return made.ok ? undefined : failed(made.problem);
}

const OK = ["succeeded", "completed", "degraded", "cancelled", "idle"];

function seenRows() {
  const unseen = home.value.overview?.unseen;
  const ended = unseen?.ended.filter(({ state }) => OK.includes(state)) ?? [];
  const sessions = unseen?.sessions.filter(({ status }) => OK.includes(status)) ?? [];
  return [
    ...ended.map(({ id, seq }) => ({ id, seq, session: false })),
    ...sessions.map(({ id, seq }) => ({ id, seq, session: true })),
  ];
}

function actions(): Entry[] {
  const group = "actions" as const;
  const list: Entry[] = [];
  if (may("run") && hasPage("/s/ses_0")) {
    list.push({ id: "new", group, name: words.newSession, run: sessionNew });
  }
  const seen = may("run") ? seenRows() : [];
  if (seen.length > 0) {
    list.push({ id: "seen", group, name: words.markAllSeen, stays: true,
      run: () => void markSeen(seen) });
  }
  if (settings.value?.model === null || may("admin")) {
    list.push({ id: "model", group, name: words.connectModel, run: (go) => go("/welcome") });
  }
  list.push({ id: "compare", group, name: words.compare, run: (go) => go("/compare") });
  for (const one of THEMES.filter((name) => name !== theme.value)) {
    const name = words.colours(words.themes[one]);
    list.push({ id: `theme ${one}`, group, name, stays: true, run: () => themeSet(one) });
  }
  list.push(
    { id: "beside", group, name: words.besideFind, keys: "beside", stays: true,
      run: () => void (sheet.value = "beside") },
    { id: "help", group, name: words.shortcuts, keys: "help", stays: true,
      run: () => void (sheet.value = "help") },
    { id: "out", group, name: words.signOut, stays: true, run: () => void signOut() });
  return list;
}

/** Sorted by how well they answer; without a query in their own order. */
export function ownEntries(query: string): Entry[] {
  const { first, rest } = arranged(PLACES);
  const places: Entry[] = [...first, ...rest].map(({ to, name, keys }) =>
    ({ id: to, group: "places", name, keys, run: (go) => go(to) }));
  const fitting = (list: Entry[]): Entry[] => list
    .map((entry) => ({ entry, points: score(query, entry.name) }))
    .filter(({ points }) => points !== null)
    .sort((a, b) => (b.points ?? 0) - (a.points ?? 0))
    .map(({ entry }) => entry);
  return [...fitting(places), ...fitting(actions())];
}

/** --- What the daemon finds --- */

const FOUND_MAX = 6;
interface FoundSession { id: string; title: string | null; state: string }

export async function found(query: string): Promise<{ entries: Entry[]; problem: string | null }> {
  const q = query.trim() === "" ? "" : `&q=${encodeURIComponent(query.trim())}`;
  const list = async <T>(page: string, path: string, only = ""): Promise<Answer<Page<T>>> =>
    (hasPage(page) ? get<Page<T>>(`${path}?${only}limit=${FOUND_MAX}${q}`)
    : { ok: true, value: { items: [], next: null } });
  const [sessions, jobs, workflows, flows, boards] = await Promise.all([
    list<FoundSession>("/s/ses_0", "/sessions"), list<Run>("/j/run_0", "/jobs"),
    list<Run>("/r/run_0", "/runs", "kind=workflow&"), list<Run>("/r/run_0", "/runs", "kind=flow&"),
    list<{ name: string }>("/board/x", "/projects")]);
  const entries: Entry[] = [];
  if (sessions.ok) {
    entries.push(...sessions.value.items.map(({ id, title, state }): Entry => ({
      id, group: "sessions", name: title ?? id, given: true, about: words.states[state] ?? state,
      run: (go) => go(`/s/${id}`) })));
  }
  const runs = (found: Answer<Page<Run>>, group: "jobs" | "runs", below: string): void => {
    if (!found.ok) return;
    entries.push(...found.value.items.map(({ id, label, command, state }): Entry => ({
      id, group, name: label ?? command ?? id, given: true, about: words.states[state] ?? state,
      run: (go) => go(`${below}${id}`) })));
  };
  runs(workflows, "runs", "/r/");
  runs(flows, "runs", "/r/");
  runs(jobs, "jobs", "/j/");
  if (boards.ok) {
    entries.push(...boards.value.items.map(({ name }): Entry => ({
      id: `board ${name}`, group: "boards", name, given: true,
      run: (go) => go(`/board/${encodeURIComponent(name)}`) })));
  }
  const problem = [sessions, workflows, flows, jobs, boards].find((one) => !one.ok);
  return { entries, problem: problem === undefined || problem.ok ? null : failed(problem.problem) };
}
