/** The two lines that begin a question: what is asked, and where it comes from. */
import { ago } from "../parts/text.ts";
import { visible } from "../parts/visible.ts";
import { now } from "../state/clock.ts";
import { isOpen, type Ask } from "../state/asks.ts";
import { headline, origin } from "./text.ts";
import { words } from "./words.ts";

/** The tool and its call; the question of a model; the step and the question of a program. */
export function Headline({ ask }: { ask: Ask }) {
  const isCall = ask.kind === "leave", tone = isOpen(ask) ? "wait" : "queued";
  return (
    <span class={isCall ? "clip mono" : "clip"}>
      <span class={`tone-${tone}`} aria-hidden="true">◆ </span>
      {isCall || ask.tool === "" ? (
        <span class={isCall ? "tool" : "tool mono"} dir="auto">{visible(ask.step)}</span>
      ) : null}
      <bdi>{headline(ask)}</bdi>
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
