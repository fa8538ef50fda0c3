/** Rules of the list of runs: what the address says of it, to the daemon and for a row of an event;
 *  and what can be done with the rows that are selected. Pure. */
import { BULK_MAX, type Run } from "../api/types.ts";

/** Events of changes name the project and the session, too, and have a part of the rest. */
export interface RunRow extends Run { project?: string | null; session?: string | null }

export const KINDS = ["workflow", "flow", "turn", "job", "agent"] as const;

/** Values of the filter `state` of the address: the states of the API that each has. */
export const STATES: Record<string, readonly string[]> = {
  live: ["queued", "running", "waiting"],
  waiting: ["waiting"],
  failed: ["failed", "timed_out", "lost"],
  degraded: ["degraded"],
  succeeded: ["succeeded"],
  cancelled: ["cancelled"],
};
/** Values of the filter `since`: hours. A day (2026-11-27, of UTC) may stand there, too. */
export const SINCE: Record<string, number> = { "1h": 1, "24h": 24, "7d": 168, "30d": 720 };

export interface RunsFilter {
  kind: string; state: string; project: string; q: string; since: string;
  /** Also what runs inside of others. */
  inside: boolean;
}
export const NONE: RunsFilter = {
  kind: "", state: "", project: "", q: "", since: "", inside: false,
};

export function sinceOf(since: string, now_ms: number): number | null {
  const hours = SINCE[since];
  if (hours !== undefined) return now_ms - hours * 3600_000;
  const day = /^\d{4}-\d\d-\d\d$/.test(since) ? Date.parse(since) : NaN;
  return Number.isNaN(day) ? null : day;
}

/** What the address has. A value that means nothing counts as absent. */
export function filterOf(query: URLSearchParams): RunsFilter {
  const given = (name: string, is: (value: string) => boolean = () => true): string => {
    const value = query.get(name) ?? "";
    return is(value) ? value : "";
  };
  return {
    kind: given("kind", (value) => KINDS.some((kind) => kind === value)),
    state: given("state", (value) => Object.hasOwn(STATES, value)),
    project: given("project"), q: given("q"),
    since: given("since", (value) => sinceOf(value, 0) !== null),
    inside: query.get("inside") === "1" || query.get("kind") === "agent",
  };
}

export const isFiltered = (filter: RunsFilter): boolean =>
  Object.entries(filter).some(([name, value]) => value !== NONE[name as keyof RunsFilter]);

/** The list of the API. */
export function pathOf(filter: RunsFilter, now_ms: number): string {
  const { kind, state, project, q, since, inside } = filter;
  const words = new URLSearchParams();
  const from = sinceOf(since, now_ms);
  if (kind !== "") words.set("kind", kind);
  if (state === "live") words.set("live", "1");
  else if (state !== "") words.set("state", STATES[state]?.join() ?? state);
  if (project !== "") words.set("project", project);
  if (q !== "") words.set("q", q);
  if (from !== null) words.set("since", String(from));
  if (!inside) words.set("top", "1");
  words.set("limit", "100");
  return `/runs?${words}`;
}

const lower = (text: string): string => text.replace(/[A-Z]/g, (one) => one.toLowerCase());

/** Whether a row of an event belongs to that list, which was read at `now_ms`. Events tell of runs
 *  at the top alone. */
export function fits(
  row: RunRow, { kind, state, project, q, since }: RunsFilter, now_ms: number): boolean {
  const from = sinceOf(since, now_ms);
  if (from !== null && row.made_ms < from) return false;
  if (kind !== "" && row.kind !== kind) return false;
  if (!(STATES[state]?.includes(row.state) ?? true)) return false;
  if (project !== "" && row.project !== project) return false;
  return [row.label, row.command, row.id].some((text) => lower(text ?? "").includes(lower(q)));
}

/** Where a row leads: a workflow and a flow to their run, an agent into that of its workflow, a job
 *  to its page, a turn to its session. */
export function placeOf(row: RunRow): string | null {
  if (row.kind === "workflow" || row.kind === "flow") return `/r/${row.id}`;
  if (row.kind === "agent") return row.parent ? `/r/${row.parent}?agent=${row.id}` : null;
  if (row.kind === "job") return `/j/${row.id}`;
  const session = row.session ?? /^session:(ses_\w+)$/.exec(row.stream ?? "")?.[1];
  return session === undefined ? null : `/s/${session}`;
}

export const isBad = ({ state }: RunRow): boolean => STATES.failed?.includes(state) ?? false;

/** --- Several at once --- */

export const ACTIONS = ["stop", "remove", "seen"] as const;
export type Action = (typeof ACTIONS)[number];

/** Those that it can be done with: what has ended is not stopped, what runs is not removed. */
export const fitting = (rows: readonly RunRow[], action: Action): RunRow[] =>
  rows.filter(({ state }) => (STATES.live?.includes(state) ?? false) === (action === "stop"));

export const batches = (ids: readonly string[]): string[][] =>
  Array.from({ length: Math.ceil(ids.length / BULK_MAX) },
    (_, at) => ids.slice(at * BULK_MAX, (at + 1) * BULK_MAX));

/** The comparison of exactly two workflow runs, the older one first; null: these are not such. */
export function comparisonOf(rows: readonly RunRow[]): string | null {
  const [first, second] = [...rows].sort((a, b) => a.made_ms - b.made_ms);
  if (rows.length !== 2 || first === undefined || second === undefined) return null;
  return rows.every(({ kind }) => kind === "workflow")
    ? `/compare?a=${first.id}&b=${second.id}` : null;
}

/** While a list is held, what came since among the rows that stood there is not yet in it. */
export function heldBack<T extends { id: string }>(
  items: readonly T[], stood: ReadonlySet<string> | null): { shown: readonly T[]; fresh: number } {
  if (stood === null) return { shown: items, fresh: 0 };
  const last = items.reduce((found, { id }, at) => (stood.has(id) ? at : found), -1);
  const shown = items.filter(({ id }, at) => at > last || stood.has(id));
  return { shown, fresh: items.length - shown.length };
}
