/** Equal failures of a run's agents, as one. Pure. */
import type { Agent } from "./fold.ts";

export interface Failure { cause: string; note: string; count: number; first: Agent }

const FAILED = ["failed", "timed_out", "lost"];

/** Those that two agents or more share, the most frequent first. */
export function failuresOf(agents: Iterable<Agent>): Failure[] {
  const found = new Map<string, Failure>();
  for (const agent of agents) {
    if (!FAILED.includes(agent.state)) continue;
    const cause = agent.cause ?? "", note = agent.note ?? "";
    const key = cause === "budget" ? cause : `${cause}\n${note}`; // Its figures differ.
    const known = found.get(key);
    if (known === undefined) found.set(key, { cause, note, count: 1, first: agent });
    else known.count++;
  }
  return [...found.values()].filter(({ count }) => count > 1).sort((a, b) => b.count - a.count);
}
