/** One run that is shown: its stream folded, its row, its plan, and what is read beside it. */
import { computed, effect, signal, type ReadonlySignal } from "@preact/signals";

import { get, post, type Problem } from "../api/api.ts";
import { now } from "../state/clock.ts";
import { follow, link } from "../state/live.ts";
import { may } from "../state/me.ts";
import { followOwner } from "../state/owner.ts";
import type { Page, Run } from "../state/types.ts";
import type { Notice, StreamEvent } from "../stream/index.ts";
import {
  headOf, historyAdd, historyBegin, historyNew, isOver, stateAt, type Agent, type History,
  type RunState, type Snapshot,
} from "./fold.ts";
import type { Rehearsal } from "./plan.ts";
import type { Facts, Known, Limit, Progress } from "./why.ts";

export interface RunRow extends Run {
  cause: string | null; note: string | null; about: string | null; project?: string | null;
  spec: { args?: unknown; root?: string; model?: string; script?: string; settings?: unknown };
  result?: unknown;
}
export interface Budget {
  limits: Record<string, number | null>; spent: Record<string, number | null>;
  reserved: Record<string, number>;
}
export interface ScriptFile { file: string | null; source: string;
  scripts?: { name: string; file: string }[] }

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

const PAGE = 1_000, ROWS = 200;
/** How often what no event tells is read, while it may matter. */
const READ_MS = 3_000;
const WORKFLOW = /^(workflow|run)_/;
/** Events that come in such heaps are drawn together. */
const HEAP = 50, HEAP_MS = 100;
/** A rehearsal costs the daemon more than all that is shown. */
const PLAN_MS = 250;

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

export function openRun(id: string): Opened {
  const history = signal({ of: historyNew() });
  const at = signal<number | null>(null);
  const row = signal<RunRow | null>(null), problem = signal<Problem | null>(null);
  const plan = signal<Rehearsal | null>(null), budget = signal<Budget | null>(null);
  const progress = signal<ReadonlyMap<string, Progress>>(new Map());
  const known = signal<ReadonlyMap<string, Known>>(new Map());
  const limits = signal<readonly Limit[]>([]);
  let ended = false, filling = false;
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
  /** Another part of the page made the stream begin with a snapshot: what came before is read. */
  const fill = async (upTo: number): Promise<void> => {
    if (filling) return;
    filling = true;
    while (!ended && headOf(history.peek().of) < upTo) {
      const page = await get<{ events: StreamEvent[] }>(`/streams/run:${id}/events?limit=${PAGE}` +
        `&after=${headOf(history.peek().of)}`);
      if (!page.ok || page.value.events.length === 0) break;
      took(page.value.events);
    }
    filling = false;
    took(waiting);
    waiting = [];
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
  const unfollow = follow(`run:${id}`, {
    after: 0,
    onSnapshot: (data, seq) => {
      const snapshot = data as Snapshot, { of } = history.peek();
      if (headOf(of) >= seq) return;
      if ((snapshot.floor ?? 0) > headOf(of)) history.value = { of: historyBegin(snapshot, seq) };
      else void fill(seq);
    },
    onEvents: (events) => {
      if (filling) waiting.push(...events);
      else took(events);
    },
    onNotices: noticed,
  });

  /* --- What is read --- */

  let reads = 0;
  async function rowRead(): Promise<void> {
    const mine = ++reads;
    const answer = await get<RunRow>(`/runs/${encodeURIComponent(id)}`);
    if (mine !== reads || ended) return;
    if (answer.ok) row.value = answer.value;
    problem.value = answer.ok ? null : answer.problem;
    void besideRead();
  }
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
  async function besideRead(): Promise<void> {
    if (row.peek() === null || row.peek()?.kind !== "workflow") return;
    const live = row.peek()?.ended_ms == null;
    const [money, queue] = await Promise.all([
      history.peek().of.last.begun.budget == null ? null : get<Budget>(`/budgets/run:${id}`),
      live ? get<Page<Limit>>(`/runs/${id}/limits`) : null,
      live ? agentsRead() : null,
    ]);
    if (ended) return;
    if (money?.ok) budget.value = money.value;
    if (queue?.ok) limits.value = queue.value.items;
  }
  let read_ms = 0;
  const endReads = effect(() => { // While it lives, what no event tells is read now and then.
    const { of } = history.value, time = now.value;
    if (of.last.end !== null || row.value === null || time - read_ms < READ_MS) return;
    read_ms = time;
    queueMicrotask(() => void besideRead());
  });
  let isPlanned = false;
  const endPlan = effect(() => {
    const { begun } = history.value.of.last, known_row = row.value;
    const isDue = known_row?.kind === "workflow" && begun.name !== undefined && may("run");
    if (isPlanned || !isDue) return;
    isPlanned = true;
    setTimeout(async () => {
      const found = ended ? null : await planOf(known_row, history.peek().of.last);
      if (!ended) plan.value = found;
    }, PLAN_MS);
  });
  const endOwner = followOwner({
    onReset: () => void rowRead(),
    onEvents: (events) => {
      const isOurs = ({ type, data }: StreamEvent): boolean =>
        type === "run_changed" && (data as { id?: string }).id === id;
      if (events.some(isOurs)) void rowRead();
    },
  });
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
      for (const one of [unfollow, endReads, endPlan, endOwner]) one();
    },
  };
}
