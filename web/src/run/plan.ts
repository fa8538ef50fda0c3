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
