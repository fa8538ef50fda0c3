/** What a rehearsal had foreseen, beside what became of it. Pure: an agent fills the place with its
 *  phase and its label, in the order in which they were asked for. */
import type { RunState } from "./fold.ts";

export interface Step {
  wave: number; phase: string | null; label: string | null; model: string | null; cached: boolean;
  agents: number;
}
export interface Rehearsal {
  ended: string; agents: number; cached: number; steps: Step[]; unlisted: number;
  at_once?: number; waits_for?: string | null; price: { micros: number; unpriced: number };
  fault?: string | null; errors?: string[];
}
/** Answer of `POST /scripts/plan`. An invalid script has nothing but its error. */
export interface Plan {
  valid: boolean; error?: string | null; rehearsal?: Rehearsal | null;
  resume?: { fit: boolean; fault: string | null } | null;
  args?: { fit: boolean | null; fault: string | null };
  model?: { name: string | null; connected: boolean };
  budget?: { cost_micros?: number } | null; warning?: string; unknown?: string[];
}
/** Why no run may start from it; null: one may. */
export const refusalOf = ({ valid, error, resume, args }: Plan): string | null =>
  (valid ? resume?.fault ?? args?.fault ?? null : error ?? "");

/** Agents that would start together, after the answers of those before. */
export interface Wave { wave: number; agents: number; steps: Step[] }
export function wavesOf({ steps }: Rehearsal): Wave[] {
  const waves = new Map<number, Step[]>();
  for (const step of steps) waves.set(step.wave, [...(waves.get(step.wave) ?? []), step]);
  return [...waves].sort(([a], [b]) => a - b).map(([wave, of]) =>
    ({ wave, steps: of, agents: of.reduce((sum, { agents }) => sum + agents, 0) }));
}

/** A place that nobody has filled yet. */
export interface Ghost {
  id: string; phase: string; label: string | null; wave: number; agents: number; cached: boolean;
}
export interface Filled {
  ghosts: Ghost[];
  /** Ids of agents that no place was left for. */
  unplanned: ReadonlySet<string>;
}

/** Steps that a rehearsal lists at most, as the daemon does. */
const STEPS_MAX = 200;

/** Whether a rehearsal can say anything of this run. Once it is over nothing fills a place, and
 *  what was not planned is known only if all places are listed. */
export function isRehearsable(state: RunState): boolean {
  if (state.end === null) return true;
  const places = new Set<string>();
  for (const { phase, label } of state.agents.values()) places.add(placeOf(phase, label));
  return places.size <= STEPS_MAX;
}

const none: Filled = { ghosts: [], unplanned: new Set() };
const placeOf = (phase: string | null, label: string | null): string => `${phase ?? ""}\n${label}`;

/** null: no plan is known. Once the run is over nothing will fill a place any more. */
export function filled(plan: Rehearsal | null, state: RunState): Filled {
  if (plan === null) return none;
  const places = plan.steps.map((step) => ({ step, left: step.agents }));
  const byName = new Map<string, typeof places>();
  for (const place of places) {
    const name = placeOf(place.step.phase, place.step.label);
    byName.set(name, [...(byName.get(name) ?? []), place]);
  }
  const unplanned = new Set<string>();
  // Of places that are not listed nobody knows which they are.
  const isWhole = plan.unlisted === 0 && plan.ended === "finished";
  for (const { id, phase, label } of state.agents.values()) {
    const place = byName.get(placeOf(phase, label))?.find(({ left }) => left > 0);
    if (place !== undefined) place.left--;
    else if (isWhole) unplanned.add(id);
  }
  if (state.end !== null) return { ghosts: [], unplanned };
  const ghosts = places.flatMap(({ step, left }, at): Ghost[] => (left === 0 ? [] : [{
    id: `ghost-${at}`, phase: step.phase ?? "", label: step.label, wave: step.wave, agents: left,
    cached: step.cached,
  }]));
  return { ghosts, unplanned };
}

export const planned = (ghosts: readonly Ghost[]): number =>
  ghosts.reduce((sum, { agents }) => sum + agents, 0);
