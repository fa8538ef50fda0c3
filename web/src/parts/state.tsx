/** A state is always shape, word and colour. */
import { words } from "../words.ts";
import { stateMark } from "./mark.ts";

/** `word`: in place of the state's own. */
export function State({ state, about, word }: { state: string; about?: string; word?: string }) {
  const [shape, tone] = stateMark(state);
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
