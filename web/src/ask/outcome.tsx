/** How a question stands, beside its buttons: answered, by whom; or why an answer did not count. */
import { useComputed } from "@preact/signals";

import type { Ask } from "../api/types.ts";
import { clockTime } from "../parts/text.ts";
import { visible } from "../parts/visible.ts";
import { asks, isOpen } from "../state/asks.ts";
import { words as all } from "../words.ts";
import { tooSoon } from "./reply.ts";
import { replyOf } from "./text.ts";
import { words } from "./words.ts";

const SHAPES: Record<string, [string, string]> = {
  allowed: ["✓", "ok"], answered: ["✓", "ok"], denied: ["✕", "fail"], cancelled: ["⊘", "stopped"],
};

function Answered({ ask }: { ask: Ask }) {
  const [shape, tone] = SHAPES[ask.state] ?? ["?", "lost"];
  const reply = replyOf(ask);
  return (
    <p class="outcome" role="status">
      <span class={`tone-${tone}`}>
        <span aria-hidden="true">{shape} </span>{words.states[ask.state] ?? ask.state}
      </span>
      {ask.state === "cancelled" ? <span class="muted"> {words.withdrawn}</span> : null}
      {ask.by ? <span dir="auto"> {words.answeredBy(visible(ask.by))}</span> : null}
      {ask.answered_ms ? <span class="muted"> {clockTime(ask.answered_ms)}</span> : null}
      {reply === "" ? null : <span class="muted" dir="auto"> {reply}</span>}
    </p>
  );
}

/** null where there is nothing to say. */
export function Outcome({ ask }: { ask: Ask }) {
  const trouble = useComputed(() => asks.value.troubles.get(ask.id)).value;
  if (!isOpen(ask)) return <Answered ask={ask} />;
  const text = trouble === "changed" ? words.changed
    : trouble !== undefined ? `${all.problem(trouble)} (${trouble.code})`
    : tooSoon.value === ask.id ? words.tooSoon : null;
  return text === null ? null
    : <p class="outcome tone-degraded" role="status" dir="auto">{text}</p>;
}
