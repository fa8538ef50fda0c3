/** The state of a session: what its list shows, or with its turn what it waits for. */
import type { Turn } from "../state/session.ts";
import { when } from "../parts/text.ts";
import { now } from "../state/clock.ts";
import { words } from "./words.ts";

const SHAPES: Record<string, [shape: string, tone: string]> = {
  idle: ["○", "queued"], running: ["◔", "run"], compacting: ["◔", "run"], waiting: ["◆", "wait"],
};

function wordOf(state: string, turn: Turn | null | undefined): string {
  if (state !== "waiting" || turn === undefined) return words.states[state] ?? state;
  if (turn === null) return words.waits;
  if (turn.gate === null) return turn.state === "waiting" ? words.waitsForYou : words.waits;
  const until = turn.resume_at_ms;
  return (words.gates[turn.gate] ?? words.waits) +
    (until === null || until < now.value ? "" : ` ${words.until(when(until, now.value))}`);
}

export function SessionStateOf({ state, turn }: { state: string; turn?: Turn | null }) {
  // Only a person is waited for in amber; whom a row of a list waits for it does not say.
  const isForYou = turn === undefined || (turn?.gate === null && turn.state === "waiting");
  const known = state === "waiting" && !isForYou ? undefined : SHAPES[state];
  const [shape, tone] = known ?? ["○", "queued"];
  return (
    <span class={`state tone-${tone}`}>
      <span class="shape" aria-hidden="true">{shape}</span>
      <span class="clip">{wordOf(state, turn)}</span>
    </span>
  );
}
