/** Rows of the tree and the Gantt, and what stands in the head. Pure. */
import { isOver, type Agent, type RunState } from "./fold.ts";
import { planned, type Filled, type Ghost } from "./plan.ts";

export interface PhaseSums {
  /** Begun, and foreseen. */
  total: number;
  done: number; cached: number; waits: number; failed: number; running: number; queued: number;
}
export type Row =
  | { kind: "phase"; id: string; title: string; sums: PhaseSums; open: boolean; state: string;
      /** Title of the one before it, which has not ended. */
      after: string | null }
  | { kind: "agent"; id: string; agent: Agent; unplanned: boolean; pinned: boolean }
  | { kind: "ghost"; id: string; ghost: Ghost };

const GOOD = ["succeeded", "degraded"];
export const isBad = (agent: Pick<Agent, "state" | "ended_ms">): boolean =>
  isOver(agent) && !GOOD.includes(agent.state) && agent.state !== "cancelled";
/** Stands at the top of its phase. */
export const isPinned = (agent: Agent): boolean => isBad(agent) || agent.asks.length > 0;

export function sumsOf(agents: Iterable<Agent>, ghosts: readonly Ghost[]): PhaseSums {
  const sums = { total: planned(ghosts), done: 0, cached: 0, waits: 0, failed: 0, running: 0,
    queued: 0 };
  for (const agent of agents) {
    sums.total++;
    if (isOver(agent)) sums.done++;
    else if (agent.asks.length > 0) sums.waits++;
    else if (agent.state === "queued") sums.queued++;
    else sums.running++;
    if (agent.cached) sums.cached++;
    if (isBad(agent)) sums.failed++;
  }
  return sums;
}

const stateOf = ({ total, done, waits, failed, running, queued }: PhaseSums, ended: boolean) =>
  (total === 0 || (done === 0 && waits + running + queued === 0) ? "queued"
    : waits > 0 ? "waiting" : done < total && !ended ? "running"
      : failed === 0 ? "succeeded" : failed === total ? "failed" : "degraded");

interface Phase { title: string; agents: Agent[]; ghosts: Ghost[] }

/** Those of `meta.phases` first, in its order, then others as they came. */
function phasesOf(state: RunState, { ghosts }: Filled): Phase[] {
  const phases = new Map<string, Phase>();
  const of = (title: string): Phase => {
    const phase = phases.get(title) ?? { title, agents: [], ghosts: [] };
    phases.set(title, phase);
    return phase;
  };
  for (const { title } of state.begun.phases ?? []) of(title);
  for (const { title } of state.lines) if (title !== undefined) of(title);
  for (const agent of state.agents.values()) of(agent.phase).agents.push(agent);
  for (const ghost of ghosts) of(ghost.phase).ghosts.push(ghost);
  const list = [...phases.values()];
  // A phase of `meta` that nothing was asked for says nothing once the run is over.
  return state.end === null ? list
    : list.filter(({ agents, ghosts: left }) => agents.length + left.length > 0);
}

export interface LayoutWish {
  closed: ReadonlySet<string>;
  /** Which agents are pinned; default: those that want it. A row under the pointer stays there. */
  pins?: ReadonlySet<string> | undefined;
}

export function rowsOf(state: RunState, filled: Filled, { closed, pins }: LayoutWish): Row[] {
  const rows: Row[] = [];
  let before: Phase | null = null;
  for (const phase of phasesOf(state, filled)) {
    const { title, agents, ghosts } = phase, open = !closed.has(title);
    const sums = sumsOf(agents, ghosts);
    const isBefore = before !== null && agents.length === 0;
    rows.push({ kind: "phase", id: `phase-${title}`, title, sums, open,
      state: stateOf(sums, state.end !== null), after: isBefore ? before?.title ?? null : null });
    before = phase;
    if (!open) continue;
    const pinned = (agent: Agent): boolean => (pins === undefined ? isPinned(agent)
      : pins.has(agent.id));
    const row = (agent: Agent, isFirst: boolean): Row => ({ kind: "agent", id: agent.id, agent,
      unplanned: filled.unplanned.has(agent.id), pinned: isFirst });
    for (const agent of agents) if (pinned(agent)) rows.push(row(agent, true));
    for (const agent of agents) if (!pinned(agent)) rows.push(row(agent, false));
    for (const ghost of ghosts) rows.push({ kind: "ghost", id: ghost.id, ghost });
  }
  return rows;
}

export const pinsOf = ({ agents }: RunState): ReadonlySet<string> =>
  new Set([...agents.values()].filter(isPinned).map(({ id }) => id));

/* --- The axis --------------------------------------------------------------------------------- */

/** Share of the track that what has happened takes, where there are ghosts. */
const PAST = 0.86;
/** What has just begun does not race across the track; what is over is shown as long as it was. */
const FIT_MIN_MS = 2_000, OVER_MIN_MS = 100;

/** `span_ms` null: all of it; `end_ms` null: it follows the time. */
export interface Zoom { span_ms: number | null; end_ms: number | null }
export interface Window { from_ms: number; to_ms: number }
export const fit: Zoom = { span_ms: null, end_ms: null };

interface Times { began_ms: number; now_ms: number; ghosts: boolean; live: boolean }

export function windowOf(zoom: Zoom, { began_ms, now_ms, ghosts, live }: Times): Window {
  const took = Math.max(ghosts || live ? FIT_MIN_MS : OVER_MIN_MS, now_ms - began_ms);
  const all = took / (ghosts ? PAST : live ? 0.96 : 1);
  if (zoom.span_ms === null) return { from_ms: began_ms, to_ms: began_ms + all };
  const end = zoom.end_ms ?? began_ms + all;
  return { from_ms: end - zoom.span_ms, to_ms: end };
}

const SPAN_MIN_MS = 50;

/** `factor` below 1 shows less, around `at`, a share of the track. */
export function zoomed(
  zoom: Zoom, times: Times, { factor, at }: { factor: number; at: number }): Zoom {
  const { from_ms, to_ms } = windowOf(zoom, times), all = windowOf(fit, times);
  const span = Math.max(SPAN_MIN_MS, (to_ms - from_ms) * factor);
  if (span >= all.to_ms - all.from_ms) return fit;
  const from = from_ms + (to_ms - from_ms) * at - span * at;
  const end = Math.min(all.to_ms, Math.max(all.from_ms + span, from + span));
  return { span_ms: span, end_ms: times.live && end >= all.to_ms ? null : end };
}

/** `by` is a share of the track. */
export function panned(zoom: Zoom, times: Times, by: number): Zoom {
  if (zoom.span_ms === null) return zoom;
  const { from_ms, to_ms } = windowOf(zoom, times), all = windowOf(fit, times);
  const span = to_ms - from_ms;
  const end = Math.min(all.to_ms, Math.max(all.from_ms + span, to_ms + span * by));
  return { span_ms: span, end_ms: times.live && end >= all.to_ms ? null : end };
}

/** In percent of the track; null: it is not in the window. */
export function spanOf(
  { from_ms, to_ms }: Window, from: number, to: number): { left: number; width: number } | null {
  if (to < from_ms || from > to_ms) return null;
  const all = to_ms - from_ms, left = Math.max(0, (from - from_ms) / all);
  return { left: left * 100, width: (Math.min(1, (to - from_ms) / all) - left) * 100 };
}

/** Where the ghosts of a wave stand: after the present, wave by wave. */
export function ghostSpan(
  ghost: Ghost, waves: readonly number[], { from_ms, to_ms }: Window, now_ms: number) {
  const at = waves.indexOf(ghost.wave), each = (to_ms - now_ms) / Math.max(1, waves.length);
  return spanOf({ from_ms, to_ms }, now_ms + each * (at + 0.12), now_ms + each * (at + 0.88));
}

const STEPS_MS = [10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5,
  9e5, 18e5, 36e5, 72e5, 144e5, 432e5, 864e5];

/** Marks of the axis, at most `most`, counted from the beginning of the run. */
export function ticksOf({ from_ms, to_ms }: Window, began_ms: number, most: number): number[] {
  const span = to_ms - from_ms;
  const step = STEPS_MS.find((ms) => span / ms <= most) ?? Math.ceil(span / most / 864e5) * 864e5;
  const ticks: number[] = [];
  const first = Math.ceil((from_ms - began_ms) / step) * step;
  for (let ms = first; ms <= to_ms - began_ms && ticks.length <= most; ms += step) ticks.push(ms);
  return ticks;
}
