/** A state is always shape, word and colour. */
import { words } from "../words.ts";

const SHAPES: Record<string, [shape: string, tone: string]> = {
  queued: ["○", "queued"], running: ["◔", "run"], waiting: ["◆", "wait"], succeeded: ["✓", "ok"],
  completed: ["✓", "ok"], degraded: ["◐", "degraded"], failed: ["✕", "fail"],
  interrupted: ["✕", "fail"], cancelled: ["⊘", "stopped"], timed_out: ["⏱", "fail"],
  lost: ["?", "lost"],
};

/** `word`: in place of the state's own. */
export function State({ state, about, word }: { state: string; about?: string; word?: string }) {
  const [shape, tone] = SHAPES[state] ?? ["○", "queued"];
  return (
    <span class={`state tone-${tone}`}>
      <span class="shape" aria-hidden="true">{shape}</span>
      <span class="clip">
        {word ?? words.states[state] ?? state}
        {about === undefined ? null : <span class="muted"> {about}</span>}
      </span>
    </span>
  );
}
