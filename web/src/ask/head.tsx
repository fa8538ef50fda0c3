/** The two lines that begin a question: what is asked, and where it comes from. */
import type { Ask } from "../api/types.ts";
import { ago } from "../parts/text.ts";
import { visible } from "../parts/visible.ts";
import { now } from "../state/clock.ts";
import { isOpen } from "../state/asks.ts";
import { bodyOf, headline, origin } from "./text.ts";
import { words } from "./words.ts";

/** The tool and its call; the question of a model; the step and the question of a program: the
 *  first line of it, or all. */
export function Headline({ ask, whole = false, more = false }: {
  ask: Ask; whole?: boolean; more?: boolean;
}) {
  const isCall = ask.kind === "leave", tone = isOpen(ask) ? "wait" : "queued";
  const shape = whole ? "all-of-it" : "clip";
  return (
    <span class={isCall ? `${shape} mono` : shape}>
      <span class={`tone-${tone}`} aria-hidden="true">◆ </span>
      {isCall || ask.tool === "" ? (
        <span class={isCall ? "tool" : "tool mono"} dir="auto">{visible(ask.step)}</span>
      ) : null}
      <bdi>{whole ? bodyOf(ask) : headline(ask)}</bdi>
      {more ? <span class="muted"> {words.longer}</span> : null}
    </span>
  );
}

/** Who asks for what; the text itself stands below. */
export function Subject({ ask }: { ask: Ask }) {
  const tone = isOpen(ask) ? "wait" : "queued";
  return (
    <span>
      <span class={`tone-${tone}`} aria-hidden="true">◆ </span>
      <span class="mono" dir="auto">{visible(ask.step)}</span> {words.asks[ask.kind]}
    </span>
  );
}

/** review › Fix › fix 4 · /src/engine · asked 2 min ago */
export function Origin({ ask }: { ask: Ask }) {
  return (
    <span class="muted clip">
      <bdi>{origin(ask)}</bdi>
      {ask.root === null ? null : <>{" · "}<bdi>{visible(ask.root)}</bdi></>}
      {" · "}{words.asked(ago(now.value - ask.asked_ms))}
    </span>
  );
}
