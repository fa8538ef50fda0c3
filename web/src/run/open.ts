/** One run that is shown: its stream folded, its row, its plan, and what is read beside it. */
import { computed, effect, signal, type ReadonlySignal } from "@preact/signals";

import { get, post, type Problem } from "../api/api.ts";
import type { Budget, Limit, Page, Run, ScriptFile } from "../api/types.ts";
import { now } from "../state/clock.ts";
import { whenIdle } from "../state/first.ts";
import { follow, link } from "../state/live.ts";
import { may } from "../state/me.ts";
import { followOwner } from "../state/owner.ts";
import type { Notice, StreamEvent } from "../stream/index.ts";
import {
  headOf, historyAdd, historyBegin, historyNew, isOver, stateAt, type Agent, type History,
  type RunState, type Snapshot,
} from "./fold.ts";
import { historyRead, type EventsPage, type HistoryWish } from "./history.ts";
import { isRehearsable, type Rehearsal } from "./plan.ts";
import type { Facts, Known, Progress } from "./why.ts";

export interface RunRow extends Run {
  project?: string | null;
  spec: { args?: unknown; root?: string; model?: string; script?: string; settings?: unknown };
  result?: unknown;
}
export interface Opened {
  id: string;
  /** All that is known of the past; changes with `head`. */
  history: ReadonlySignal<{ of: History }>;
  /** null: the newest state is shown. */
  at: { value: number | null };
  state: ReadonlySignal<RunState>;
  /** Of what is shown: a past moment has its own. */
  now_ms: ReadonlySignal<number>;
  row: ReadonlySignal<RunRow | null>;
  problem: ReadonlySignal<Problem | null>;
  plan: ReadonlySignal<Rehearsal | null>;
  budget: ReadonlySignal<Budget | null>;
  /** Counts frames and reads, beside events. */
  facts(agent: Agent): Facts;
  again(): void;
  end(): void;
}

const ROWS = 200;
/** How often what no event tells is read, while it may matter. */
const READ_MS = 3_000;
const WORKFLOW = /^(workflow|run)_/;
/** Events that come in such heaps are drawn together. */
const HEAP = 50, HEAP_MS = 100;
/** A rehearsal costs the daemon more than all that is shown: the page is idle before, or as late as
 *  this. */
const PLAN_MS = 2_000;
/** Pauses before a page of the history that failed is asked for again. */
const RETRY_MS = 500, RETRY_MAX_MS = 15_000;

export const daemonNow = (): number => now.value + (link.value?.clock?.ahead_ms ?? 0);

/** The rehearsal of what was started, also of a run that has ended. */
async function planOf(row: RunRow, state: RunState): Promise<Rehearsal | null> {
  const script = await get<ScriptFile>(`/runs/${row.id}/script`);
  if (!script.ok) return null;
  const { args, root, model, settings } = row.spec, from = state.begun.resumed_from;
  const body = { script: script.value.source, ...(args !== undefined && { args }),
    ...(root && { root }), ...(model && { model }), ...(settings !== undefined && { settings }) };
  const ask = (more: object) =>
    post<{ rehearsal?: Rehearsal | null }>("/scripts/plan", { ...body, ...more });
  // The run before it may be gone.
  const resumed = from ? await ask({ resumeFromRunId: from }) : null;
  const plan = resumed?.ok ? resumed : await ask({});
  return plan.ok ? plan.value.rehearsal ?? null : null;
}

/** One at a time; what is asked for meanwhile is read once more after it. */
function coalesced(read: () => Promise<void>): () => Promise<void> {
  let busy = false, isDue = false;
  return async () => {
    isDue = busy;
    if (busy) return;
    busy = true;
    do {
      isDue = false;
      await read();
    } while (isDue);
    busy = false;
  };
}

export function openRun(id: string): Opened {
  const history = signal({ of: historyNew() });
  const at = signal<number | null>(null);
  const row = signal<RunRow | null>(null), problem = signal<Problem | null>(null);
  const plan = signal<Rehearsal | null>(null), budget = signal<Budget | null>(null);
  const progress = signal<ReadonlyMap<string, Progress>>(new Map());
  const known = signal<ReadonlyMap<string, Known>>(new Map());
  const limits = signal<readonly Limit[]>([]);
  /** Everything up to the head was read, or comes with the stream. */
  const isRead = signal(false);
  let ended = false, filling = false, wanted = 0;
  let waiting: StreamEvent[] = [];

  const state = computed(() => {
    const { of } = history.value;
    return at.value === null ? of.last : stateAt(of, at.value);
  });

  /* --- The stream --- */

  let timer: ReturnType<typeof setTimeout> | undefined;
  const draw = (): void => {
    clearTimeout(timer);
    timer = undefined;
    history.value = { of: history.peek().of };
  };
  const took = (events: readonly StreamEvent[]): void => {
    if (!historyAdd(history.peek().of, events)) return;
    if (events.length < HEAP) draw();
    else timer ??= setTimeout(draw, HEAP_MS);
    if (events.some(({ type }) => WORKFLOW.test(type))) void rowRead();
  };
  const events: HistoryWish = {
    ask: (after, limit) =>
      get<EventsPage>(`/streams/run:${id}/events?limit=${limit}&after=${after}`),
    isDue: () => !ended,
  };
  const pause = (ms: number) => new Promise((resolve) => void setTimeout(resolve, ms));
  /** Another part of the page made the stream begin with a snapshot: what came before is read. What
   *  follows waits for that, however long it takes: a history has no gaps. */
  const fill = async (upTo: number): Promise<void> => {
    wanted = Math.max(wanted, upTo);
    if (filling) return;
    filling = true;
    let wait = RETRY_MS;
    while (!ended && headOf(history.peek().of) < wanted) {
      const { of } = history.peek(), before = headOf(of), left = await historyRead(of, events);
      const page = left?.ok ? left.value : null;
      if (page?.snapshot !== undefined && history.peek().of === of) { // Pruned meanwhile.
        const seq = page.snapshot_seq ?? page.head;
        history.value = { of: historyBegin(page.snapshot, seq) };
      } else if (headOf(of) > before) wait = RETRY_MS;
      else {
        await pause(wait);
        wait = Math.min(RETRY_MAX_MS, 2 * wait);
      }
    }
    filling = false;
    if (ended) return;
    draw();
    took(waiting);
    waiting = [];
    void rowRead();
  };
  const noticed = (notices: readonly Notice[]): void => {
    const told = new Map(progress.peek());
    for (const { type, data } of notices) {
      if (type !== "agent_progress") continue;
      const { agents, at_ms } = data as { agents: Omit<Progress, "at_ms">[]; at_ms: number };
      for (const agent of agents) {
        const before = told.get(agent.run);
        const isSame = before?.tool === agent.tool && before?.tool_ms !== undefined;
        const tool_ms = isSame ? before.tool_ms as number : at_ms - (agent.silent_ms ?? 0);
        told.set(agent.run, { ...agent, at_ms, tool_ms });
      }
    }
    progress.value = told;
  };
  let unfollow = (): void => {};
  const begin = async (): Promise<void> => {
    // Drawn twice: its first page, and all of it.
    await historyRead(history.peek().of, { ...events, onFirst: draw });
    if (ended) return;
    draw();
    isRead.value = true;
    unfollow = follow(`run:${id}`, {
      get after() { // Also where another part makes the stream begin again.
        return headOf(history.peek().of);
      },
      onSnapshot: (data, seq) => {
        const snapshot = data as Snapshot, { of } = history.peek();
        if (headOf(of) >= seq) return;
        if ((snapshot.floor ?? 0) <= headOf(of)) return void fill(seq);
        history.value = { of: historyBegin(snapshot, seq) };
        void besideRead();
      },
      onEvents: (events) => {
        if (filling) waiting.push(...events);
        else took(events);
      },
      onNotices: noticed,
    });
    // The row may be older than the end of what was read.
    const isStale = history.peek().of.last.end !== null && row.peek()?.ended_ms == null;
    if (row.peek() !== null) void (isStale ? rowRead() : besideRead());
  };

  /* --- What is read --- */

  const rowRead = coalesced(async () => {
    const answer = await get<RunRow>(`/runs/${encodeURIComponent(id)}`);
    if (ended) return;
    if (answer.ok) row.value = answer.value;
    problem.value = answer.ok ? null : answer.problem;
    void besideRead();
  });
  async function agentsRead(): Promise<void> {
    const found = new Map<string, Known>();
    let after: string | null = null;
    do {
      const from: string = after === null ? "" : `&after=${encodeURIComponent(after)}`;
      const page = await get<Page<Known & { id: string }>>(
        `/runs/${id}/agents?limit=${ROWS}&state=queued,running,waiting${from}`);
      if (!page.ok || ended) return;
      for (const one of page.value.items) found.set(one.id, one);
      after = page.value.next;
    } while (after !== null);
    known.value = found;
  }
  const besideRead = coalesced(async () => {
    if (ended || !isRead.peek() || row.peek()?.kind !== "workflow") return;
    const live = row.peek()?.ended_ms == null;
    const [money, queue] = await Promise.all([
      history.peek().of.last.begun.budget == null ? null : get<Budget>(`/budgets/run:${id}`),
      live ? get<Page<Limit>>(`/runs/${id}/limits`) : null,
      live ? agentsRead() : null,
    ]);
    if (ended) return;
    if (money?.ok) budget.value = money.value;
    if (queue?.ok) limits.value = queue.value.items;
  });
  let read_ms = 0;
  const endReads = effect(() => { // While it lives, what no event tells is read now and then.
    const { of } = history.value, time = now.value;
    if (of.last.end !== null || row.value === null || time - read_ms < READ_MS) return;
    read_ms = time;
    queueMicrotask(() => void besideRead());
  });
  let isPlanned = false;
  const endPlan = effect(() => {
    const { last } = history.value.of, known_row = row.value;
    const isDue = isRead.value && known_row?.kind === "workflow" && last.begun.name !== undefined;
    if (isPlanned || !isDue || !may("run")) return;
    isPlanned = true;
    if (isRehearsable(last)) void planRead(known_row);
  });
  async function planRead(known_row: RunRow): Promise<void> {
    await new Promise<void>((resolve) => whenIdle(resolve, PLAN_MS));
    const found = ended ? null : await planOf(known_row, history.peek().of.last);
    if (!ended) plan.value = found;
  }
  let isOpening = true; // It is read once then, whatever the stream of the owner says at once.
  const endOwner = followOwner({
    onReset: () => {
      if (!isOpening && row.peek()?.ended_ms == null) void rowRead();
    },
    onEvents: (events) => {
      const isOurs = ({ type, data }: StreamEvent): boolean =>
        type === "run_changed" && (data as { id?: string }).id === id;
      if (events.some(isOurs)) void rowRead();
    },
  });
  isOpening = false;
  void begin();
  void rowRead();

  return {
    id, history, at, state, row, problem, plan, budget,
    now_ms: computed(() => {
      const { end, ended_ms, at_ms } = state.value;
      if (end !== null || at.value !== null) return end === null ? at_ms : ended_ms ?? at_ms;
      return Math.max(at_ms, daemonNow()); // An event may be newer than the clock's last second.
    }),
    facts: (agent) => {
      const { begun } = state.value, live = at.value === null && !isOver(agent);
      return {
        agent, stuck_ms: begun.agent_stuck_ms ?? null,
        ...(live && agent.run !== null && { progress: progress.value.get(agent.run),
          known: known.value.get(agent.run) }),
        ...(live && { limits: limits.value }),
      };
    },
    again: () => void rowRead(),
    end: () => {
      ended = true;
      clearTimeout(timer);
      unfollow();
      for (const one of [endReads, endPlan, endOwner]) one();
    },
  };
}
