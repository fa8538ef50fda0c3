/** What Home shows. `fold` is pure: each answer of the daemon replaces what it says. */
import { signal } from "@preact/signals";

import { get, post, type Problem } from "../api/api.ts";
import { key } from "../api/key.ts";
import { followOwner } from "./owner.ts";
import type { Overview, Page, Run } from "./types.ts";

export interface HomeState {
  overview: Overview | null;
  running: Run[];
  read_ms: number;
  problem: Problem | null;
}

export type HomeNews =
  | { kind: "read"; overview: Overview; running: Run[]; at_ms: number }
  | { kind: "problem"; problem: Problem }
  | { kind: "seen"; ids: string[] }
  | { kind: "left" };

export const homeEmpty: HomeState = { overview: null, running: [], read_ms: 0, problem: null };

export function fold(state: HomeState, news: HomeNews): HomeState {
  switch (news.kind) {
    case "read": {
      // Runs inside others are shown with those.
      const running = news.running.filter((run) => run.parent === null);
      return { overview: news.overview, running, read_ms: news.at_ms, problem: null };
    }
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

const READ_MS = 250;
let timer: ReturnType<typeof setTimeout> | null = null;
let reading = false;
let again = false;

/** One read at a time; what is asked meanwhile is read after it. */
export async function homeRead(): Promise<void> {
  again = reading;
  if (reading || key.value === null) return;
  reading = true;
  const [overview, runs] = await Promise.all([
    get<Overview>("/overview"), get<Page<Run>>("/runs?live=1&limit=200"),
  ]);
  reading = false;
  if (!overview.ok) take({ kind: "problem", problem: overview.problem });
  else if (!runs.ok) take({ kind: "problem", problem: runs.problem });
  else {
    const [at_ms, running] = [Date.now(), runs.value.items];
    take({ kind: "read", overview: overview.value, running, at_ms });
  }
  if (again) void homeRead();
}

export interface SeenRow { id: string; seq: number; session: boolean }

/** The rows leave at once, and come back if the daemon refuses. */
export async function markSeen(rows: SeenRow[]): Promise<void> {
  take({ kind: "seen", ids: rows.map((row) => row.id) });
  for (const { id, seq, session } of rows) {
    const answer = await post("/seen", session ? { session: id, seq } : { run: id, seq });
    if (!answer.ok) {
      take({ kind: "problem", problem: answer.problem });
      break;
    }
  }
  await homeRead();
}

/** Until a key is there again nothing of the owner stays in the page. */
key.subscribe((value) => {
  if (value === null) take({ kind: "left" });
});

followOwner({
  onReset: () => void homeRead(),
  onEvents: () => {
    timer ??= setTimeout(() => {
      timer = null;
      void homeRead();
    }, READ_MS);
  },
});
