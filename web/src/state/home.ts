/** What Home shows. `fold` is pure: each answer of the daemon replaces what it says. The sums are
 *  read again after events, once a second; rows of what runs, and questions, follow the events
 *  themselves. */
import { computed, signal } from "@preact/signals";

import { get, post, type Problem } from "../api/api.ts";
import { key } from "../api/key.ts";
import type { Overview, Progress, Run, Wait } from "../api/types.ts";
import { asks, openAsks } from "./asks.ts";
import { afterFirst } from "./first.ts";
import { followOwner } from "./owner.ts";
import { followRows, noRows, type RowsFollow } from "./rows.ts";

export interface HomeState {
  overview: Overview | null;
  problem: Problem | null;
}

export type HomeNews =
  | { kind: "read"; overview: Overview }
  | { kind: "problem"; problem: Problem }
  | { kind: "seen"; ids: string[] }
  | { kind: "left" };

export const homeEmpty: HomeState = { overview: null, problem: null };

export function fold(state: HomeState, news: HomeNews): HomeState {
  switch (news.kind) {
    case "read":
      return { overview: news.overview, problem: null };
    case "problem":
      return { ...state, problem: news.problem }; // What was read stays.
    case "seen": {
      if (state.overview === null) return state;
      const left = <T extends { id: string }>(rows: T[]) =>
        rows.filter((row) => !news.ids.includes(row.id));
      const { unseen } = state.overview;
      const seen = { ...unseen, ended: left(unseen.ended), sessions: left(unseen.sessions) };
      return { ...state, overview: { ...state.overview, unseen: seen } };
    }
    case "left":
      return homeEmpty;
  }
}

export const home = signal<HomeState>(homeEmpty);
const take = (news: HomeNews): void => void (home.value = fold(home.value, news));

const READ_MS = 1_000;
let timer: ReturnType<typeof setTimeout> | null = null;
let read_ms = 0; // When it was read last.
let reading = false;
let again = false;

/** One read at a time; what is asked meanwhile is read after it. */
export async function homeRead(): Promise<void> {
  again = reading;
  if (reading || key.value === null) return;
  reading = true;
  read_ms = Date.now();
  const used = key.value, overview = await get<Overview>("/overview");
  reading = false;
  if (key.value !== used) return;
  if (overview.ok) take({ kind: "read", overview: overview.value });
  else take({ kind: "problem", problem: overview.problem });
  if (again) soon();
}

function soon(): void {
  timer ??= setTimeout(() => {
    timer = null;
    void homeRead();
  }, Math.max(0, read_ms + READ_MS - Date.now()));
}

export interface SeenRow { id: string; seq: number; session: boolean }

/** The rows leave at once, and come back if the daemon refuses. */
export async function markSeen(rows: SeenRow[]): Promise<void> {
  take({ kind: "seen", ids: rows.map((row) => row.id) });
  let problem: Problem | null = null;
  for (const { id, seq, session } of rows) {
    const answer = await post("/seen", session ? { session: id, seq } : { run: id, seq });
    if (!answer.ok) problem = answer.problem;
    if (!answer.ok) break;
  }
  await homeRead();
  if (problem !== null) take({ kind: "problem", problem });
}

/** An order about a row: a run again, a delivery now. */
export async function order(path: string): Promise<void> {
  const answer = await post(path, {});
  await homeRead();
  if (!answer.ok) take({ kind: "problem", problem: answer.problem });
}

/** Until a key is there again nothing of the owner stays in the page. */
key.subscribe((value) => {
  if (value === null) take({ kind: "left" });
});

/** The snapshot of the owner's stream is the overview; a read that is under way may be older. */
function overviewCame(overview: unknown): void {
  const isOverview = (overview as Partial<Overview> | null)?.waiting !== undefined;
  if (!isOverview) return void homeRead();
  again ||= reading;
  read_ms = Date.now();
  take({ kind: "read", overview: overview as Overview });
}

followOwner({
  onReset: overviewCame,
  onEvents: soon,
  onNotices: (notices) => {
    const told = new Map(progress.value);
    for (const { type, data } of notices) {
      const { id, progress: figures } = data as { id: string; progress: Progress };
      if (type === "run_progress") told.set(id, figures);
    }
    while (told.size > RUNS_MAX) told.delete(told.keys().next().value ?? "");
    progress.value = told;
  },
});

/* --- What runs -------------------------------------------------------------------------------- */

const RUNS_MAX = 1_000;
/** Figures of workflows that came since their rows. */
export const progress = signal<ReadonlyMap<string, Progress>>(new Map());

/** Runs inside others are shown with those. */
const isTop = (run: Run): boolean => !run.parent && !run.ended_ms;
/** null: not read yet. */
const live = signal<RowsFollow<Run> | null>(null);
afterFirst(() => void (live.value = followRows<Run>({
  path: "/runs?live=1&top=1&limit=200", type: "run_changed", fits: isTop,
  most: RUNS_MAX,
})));
const liveRows = computed(() => live.value?.rows.value ?? noRows);

/** The one that began last stands last. */
export const running = computed(() => liveRows.value.items.filter(isTop).reverse());
export const runningProblem = computed(() => liveRows.value.problem);

/** There are more than the page keeps. */
export const runningMore = computed(() =>
  liveRows.value.whole && liveRows.value.next !== null);

/** Kinds of what waits that are news, not a decision: Home shows them among what failed. */
export const NEWS: readonly Wait["kind"][] = ["run_failed", "session_failed"];

/** How much of each kind waits; of questions those that the page knows, which are never behind. */
export const dueOf = computed<Partial<Record<Wait["kind"], number>>>(() => {
  const { kinds = {} } = home.value.overview?.waiting ?? {};
  return { ...kinds, ask: asks.value.more ? Math.max(kinds.ask ?? 0, openAsks.value.length)
    : openAsks.value.length };
});
/** What the rail, the title and the icon count. */
export const due = computed(() => Object.entries(dueOf.value).reduce((sum, [kind, count]) =>
  (NEWS.includes(kind as Wait["kind"]) ? sum : sum + count), 0));
