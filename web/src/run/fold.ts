/** The state of a run is a fold of the events 1…N of its stream, so any past moment is exact. Pure.
 *  States that are kept for every 500th event make each N a matter of milliseconds. */
import type { StreamEvent } from "../stream/index.ts";

export interface Ask { approval: string; tool: string; at_ms: number }
/** What an agent did for a while: `queued`, `run`, `wait` (for a person), `retry` (provider). */
export interface Bar {
  kind: "queued" | "run" | "wait" | "retry" | "cached";
  from_ms: number;
  /** null: it goes on. */
  to_ms: number | null;
  attempt: number;
}
export interface Agent {
  /** `key` of the contract; its run, where the daemon gives no key. */
  id: string;
  run: string | null;
  /** The n-th that was asked for. */
  order: number;
  label: string | null; phase: string; model: string | null; prompt: string;
  /** `queued`, `running`, `waiting`, `retrying`, or how it ended. */
  state: string;
  cached: boolean;
  /** The run of the agent whose result it has. */
  cached_from: string | null;
  cause: string | null; note: string | null;
  /** What keeps it from beginning, or from going on. */
  gate: { gate: string; limit?: string; name?: string; cause?: string; note?: string;
    resume_at_ms?: number } | null;
  asks: readonly Ask[];
  attempt: number;
  bars: readonly Bar[];
  queued_ms: number | null; began_ms: number | null; ended_ms: number | null;
  /** The last event about it. */
  at_ms: number;
  tokens: number; cost_micros: number; cost_unknown: number;
  session: string | null;
  /** Where it was called; `file` is null in the run's own script. */
  line: number | null; column: number | null; file: string | null;
  type: string | null; isolation: string | null; worktree: string | null;
}
/** `at_ms` is 0 where only a snapshot tells of a line. */
export interface Line { no: number; at_ms: number; seq: number; title?: string; text?: string }
export interface Begun {
  name?: string; description?: string; phases?: { title: string; detail?: string }[] | null;
  file?: string; model?: string | null; resumed_from?: string | null; concurrency?: number | null;
  agent_stuck_ms?: number | null; budget?: { cost_micros?: number; tokens?: number } | null;
}
export interface End {
  state: string; cause: string | null; note: string | null;
  error?: { message?: string; code?: string; name?: string; line?: number; column?: number;
    file?: string; stack?: string } | null;
  failures?: { run: string; label: string | null; cause: string; note: string | null }[];
  result?: unknown; result_cut?: boolean; ms?: number; tokens?: number;
  cost_micros?: number | null; cost_unknown?: number;
}
export interface RunState {
  seq: number;
  /** Of the event with that number. */
  at_ms: number;
  begun: Begun; began_ms: number | null;
  /** null: it goes on. */
  end: End | null; ended_ms: number | null;
  paused: boolean;
  agents: ReadonlyMap<string, Agent>;
  lines: readonly Line[];
  /** When timers of the script fire that are pending, by their numbers. */
  timers: ReadonlyMap<unknown, number>;
  /** Event types that this page does not know. */
  skipped: number;
  /** It began with a snapshot that had no room for all agents. */
  cut: boolean;
}

interface Building extends RunState {
  agents: Map<string, Agent>;
  lines: Line[];
  timers: Map<unknown, number>;
  /** Keys of runs: the same map for all states, since a run never gets another key. */
  keys: Map<string, string>;
}
type Data = Record<string, unknown>;

const text = (value: unknown): string | null => (typeof value === "string" ? value : null);
const number = (value: unknown): number | null => (typeof value === "number" ? value : null);

const empty = (seq: number): Building => ({
  seq, at_ms: 0, begun: {}, began_ms: null, end: null, ended_ms: null, paused: false,
  agents: new Map(), lines: [], timers: new Map(), keys: new Map(), skipped: 0,
  cut: false,
});
const copied = (state: Building): Building => ({
  ...state, agents: new Map(state.agents), lines: [...state.lines], timers: new Map(state.timers),
});

const closed = (bars: readonly Bar[], at_ms: number): Bar[] =>
  bars.map((bar) => (bar.to_ms === null ? { ...bar, to_ms: at_ms } : bar));
const opened = (agent: Agent, kind: Bar["kind"], at_ms: number, attempt = agent.attempt): Bar[] =>
  [...closed(agent.bars, at_ms), { kind, from_ms: at_ms, to_ms: null, attempt }];

export const isOver = (agent: Pick<Agent, "ended_ms">): boolean => agent.ended_ms !== null;

function agentOf(state: Building, data: Data, at_ms: number): Agent {
  const run = text(data.run);
  const id = text(data.key) ?? (run === null ? null : state.keys.get(run)) ?? run ?? "";
  if (run !== null) state.keys.set(run, id);
  return state.agents.get(id) ?? {
    id, run, order: state.agents.size, label: text(data.label), phase: text(data.phase) ?? "",
    model: null, prompt: "", state: "queued", cached: false, cached_from: null, cause: null,
    note: null, gate: null, asks: [], attempt: 1, bars: [], queued_ms: null, began_ms: null,
    ended_ms: null, at_ms, tokens: 0, cost_micros: 0, cost_unknown: 0, session: null, line: null,
    column: null, file: null, type: null, isolation: null, worktree: null,
  };
}

type Change = (agent: Agent, data: Data, at_ms: number) => Partial<Agent> | null;

function gateOf(data: Data): Agent["gate"] {
  const known = ["limit", "name", "cause", "note", "resume_at_ms"]
    .flatMap((name) => (data[name] == null ? [] : [[name, data[name]] as const]));
  return { gate: text(data.gate) ?? "", ...Object.fromEntries(known) };
}

const CHANGES: Record<string, Change> = {
  agent_queued: (agent, data, at_ms) => (agent.began_ms !== null || isOver(agent) ? null : {
    gate: gateOf(data), queued_ms: agent.queued_ms ?? at_ms,
    bars: agent.queued_ms === null ? opened(agent, "queued", at_ms) : agent.bars,
  }),
  agent_started: (agent, data, at_ms) => ({
    run: text(data.run), label: text(data.label), phase: text(data.phase) ?? agent.phase,
    model: text(data.model), prompt: text(data.prompt) ?? "", state: "running", gate: null,
    began_ms: agent.began_ms ?? at_ms, bars: opened(agent, "run", at_ms),
    session: text(data.session), line: number(data.line), column: number(data.column),
    file: text(data.file), type: text(data.type), isolation: text(data.isolation),
  }),
  agent_session: (_, data) => ({ session: text(data.session) }),
  agent_restarted: (agent, data, at_ms) => {
    const attempt = number(data.attempt) ?? agent.attempt + 1;
    return { state: "running", gate: null, asks: [], attempt,
      bars: opened(agent, "run", at_ms, attempt) };
  },
  agent_waiting: (agent, data, at_ms) => ({
    state: "waiting", bars: agent.asks.length > 0 ? agent.bars : opened(agent, "wait", at_ms),
    asks: [...agent.asks, { approval: text(data.approval) ?? "", tool: text(data.tool) ?? "",
      at_ms }],
  }),
  agent_answered: (agent, data, at_ms) => {
    const asks = agent.asks.filter(({ approval }) => approval !== data.approval);
    return asks.length > 0 ? { asks }
      : { asks, state: "running", bars: opened(agent, "run", at_ms) };
  },
  agent_retrying: (agent, data, at_ms) =>
    ({ state: "retrying", gate: gateOf(data), bars: opened(agent, "retry", at_ms) }),
  agent_resumed: (agent, _, at_ms) =>
    ({ state: "running", gate: null, bars: opened(agent, "run", at_ms) }),
  agent_finished: (agent, data, at_ms) => {
    const cached = data.cached === true;
    return {
      state: text(data.state) ?? "succeeded", cached, cause: text(data.cause),
      cached_from: text(data.cached_from), note: text(data.note), gate: null, asks: [],
      ended_ms: at_ms,
      tokens: number(data.tokens) ?? 0, cost_micros: number(data.cost_micros) ?? 0,
      cost_unknown: number(data.cost_unknown) ?? 0, worktree: text(data.worktree),
      bars: cached ? [{ kind: "cached", from_ms: at_ms, to_ms: at_ms, attempt: 1 }]
        : closed(agent.bars, at_ms),
    };
  },
};

function agentTake(state: Building, { type, data, at_ms }: StreamEvent): void {
  const agent = agentOf(state, data as Data, at_ms);
  // A worker that begins again replays what the script has asked for: what is over stays over.
  if (isOver(agent)) return;
  const change = CHANGES[type]?.(agent, data as Data, at_ms) ?? null;
  if (change !== null) state.agents.set(agent.id, { ...agent, ...change, at_ms });
}

const ended = (agent: Agent, at_ms: number): Agent => ({
  ...agent, state: "cancelled", gate: null, asks: [], ended_ms: at_ms, at_ms,
  bars: closed(agent.bars, at_ms),
});

/** Changes `state`. */
function take(state: Building, event: StreamEvent): void {
  const { type, at_ms, seq } = event, data = (event.data ?? {}) as Data;
  state.seq = seq;
  state.at_ms = at_ms;
  if (type in CHANGES) return agentTake(state, event);
  switch (type) {
    case "workflow_started":
      state.begun = data as Begun;
      state.began_ms ??= at_ms;
      break;
    case "phase": case "log":
      state.lines.push({ no: number(data.no) ?? 0, at_ms, seq,
        ...(type === "phase" ? { title: text(data.title) ?? "" }
          : { text: text(data.text) ?? "" }) });
      break;
    case "timer_started":
      state.timers.set(data.timer, number(data.due_ms) ?? at_ms);
      break;
    case "timer_finished":
      state.timers.delete(data.timer);
      break;
    case "workflow_paused": case "workflow_resumed":
      state.paused = type === "workflow_paused";
      break;
    case "workflow_finished":
      state.end = data as unknown as End;
      state.ended_ms = at_ms;
      state.paused = false;
      for (const agent of state.agents.values()) { // Those that it had asked for, and never began.
        if (!isOver(agent)) state.agents.set(agent.id, ended(agent, at_ms));
      }
      break;
    case "run_started":
      break;
    default:
      state.skipped++;
  }
}

/* --- A stream whose prefix was removed -------------------------------------------------------- */

/** Members of the snapshot of `run:ID` that begin a state. */
export interface Snapshot {
  run?: { started_ms?: number | null; ended_ms?: number | null; state?: string; cause?: string };
  workflow?: Begun;
  agents?: Data[];
  /** Newest first, without their times. */
  lines?: Data[];
  agents_more?: boolean;
  floor?: number;
}

function agentRead(state: Building, row: Data): void {
  const run = text(row.id), began_ms = number(row.started_ms), ended_ms = number(row.ended_ms);
  const fresh = agentOf(state, { ...row, run }, ended_ms ?? began_ms ?? 0);
  const at_ms = number(row.last_ms) ?? ended_ms ?? began_ms ?? 0;
  const attempt = number(row.attempts) ?? 1;
  const kind = row.cached === true ? "cached" : "run";
  const waiting = (row.waiting ?? null) as Data | null;
  const isAsked = ended_ms === null && waiting?.for === "approval";
  state.agents.set(fresh.id, {
    ...fresh, at_ms, attempt, began_ms, ended_ms, model: text(row.model),
    prompt: text(row.prompt) ?? "", cached: row.cached === true,
    cached_from: text(row.cached_from),
    state: isAsked ? "waiting" : text(row.state) ?? "running",
    cause: row.cause === "completed" ? null : text(row.cause), note: text(row.note),
    asks: isAsked ? [{ approval: text(waiting.approval) ?? "", tool: text(waiting.tool) ?? "",
      at_ms: number(waiting.since_ms) ?? at_ms }] : [],
    tokens: number(row.output_tokens) ?? 0, cost_micros: number(row.cost_micros) ?? 0,
    cost_unknown: number(row.cost_unknown) ?? 0, session: text(row.session),
    line: number(row.line), column: number(row.column), file: text(row.file), type: text(row.type),
    isolation: text(row.isolation), worktree: text(row.worktree),
    bars: began_ms === null ? [] : [{ kind, from_ms: began_ms, to_ms: ended_ms, attempt }],
  });
}

function begun(snapshot: Snapshot, seq: number): Building {
  const { run, workflow, agents = [], lines = [], agents_more = false } = snapshot;
  const state = empty(seq);
  state.cut = agents_more;
  state.begun = workflow ?? {};
  state.began_ms = run?.started_ms ?? null;
  for (const row of agents) agentRead(state, row);
  for (const row of lines) {
    const line = { at_ms: number(row.at_ms) ?? 0, seq: number(row.seq) ?? seq };
    state.lines.push({ ...(row as unknown as Line), ...line });
  }
  state.lines.sort((one, other) => one.seq - other.seq);
  const last = [...state.agents.values()].reduce((ms, { at_ms }) => Math.max(ms, at_ms), 0);
  state.at_ms = Math.max(last, state.began_ms ?? 0);
  if (run?.ended_ms != null) {
    state.end = { state: run.state ?? "", cause: run.cause ?? null, note: null };
    state.ended_ms = run.ended_ms;
  }
  return state;
}

/* --- All of it -------------------------------------------------------------------------------- */

export const CHECKPOINT = 500;

export interface History {
  /** Events up to this one are not kept any more: the state begins with them in it. */
  floor: number;
  events: StreamEvent[];
  kept: Building[];
  last: Building;
}

export function historyNew(): History {
  const base = empty(0);
  return { floor: 0, events: [], kept: [base], last: copied(base) };
}

/** The events after `floor` follow. */
export function historyBegin(snapshot: Snapshot, floor: number): History {
  const base = begun(snapshot, floor);
  return { floor, events: [], kept: [base], last: copied(base) };
}

/** The number of the newest event. */
export const headOf = ({ last }: History): number => last.seq;

/** Adds what is new of these; true: there was something. What came before is not taken twice. */
export function historyAdd(history: History, events: readonly StreamEvent[]): boolean {
  if (!events.some(({ seq }) => seq > history.last.seq)) return false;
  history.last = copied(history.last); // Whoever has the one before keeps it as it is.
  for (const event of events) {
    if (event.seq <= history.last.seq) continue; // Also of those that stand here twice.
    history.events.push(event);
    take(history.last, event);
    if (history.events.length % CHECKPOINT === 0) history.kept.push(copied(history.last));
  }
  return true;
}

/** The state as of event `seq`. */
export function stateAt(history: History, seq: number): RunState {
  if (seq >= history.last.seq) return history.last;
  let index = history.kept.length - 1;
  while (index > 0 && (history.kept[index] as Building).seq > seq) index--;
  const state = copied(history.kept[index] as Building);
  for (let i = index * CHECKPOINT; i < history.events.length; i++) {
    const event = history.events[i] as StreamEvent;
    if (event.seq > seq) break;
    take(state, event);
  }
  return state;
}
