/** A result that could not be delivered, and that no retry of the daemon cures. */
import type { Delivery, Held } from "../api/types.ts";
import { now } from "../state/clock.ts";
import { order } from "../state/home.ts";
import { may } from "../state/me.ts";
import { words } from "../words.ts";
import { Brand } from "./brand.tsx";
import { ago } from "./text.ts";
import { visible } from "./visible.ts";

/** `whole`: with all that can be done about it. */
export function HeldRow({ held, selected, whole }: {
  held: Held | Delivery; selected: boolean; whole?: boolean;
}) {
  const { address, failures } = "address" in held ? held : { address: "", failures: 0 };
  const to = visible(address || held.receiver);
  return (
    <article class={`row ask${selected ? " sel" : ""}`} data-row={held.id} tabIndex={-1}
      aria-label={`${words.held}: ${to}`} aria-current={selected}>
      <Brand id={held.run} />
      <div class="what">
        <span class="clip">
          <span class="tone-wait" aria-hidden="true">◆ </span>
          {words.held} {words.heldTo} <bdi class="mono">{to}</bdi>
        </span>
        <span class="muted clip">
          {held.cause === null ? null : <><bdi>{visible(held.cause)}</bdi>{" · "}</>}
          {failures > 0 ? `${words.failures(failures)} · ` : ""}
          {ago(now.value - held.made_ms)}
        </span>
      </div>
      {may("run") ? (
        <div class="acts">
          <button aria-label={words.deliverOf(to)}
            onClick={() => void order(`/inbox/${held.id}/retry`)}>{words.deliver}</button>
          {whole ? (
            <button class="quiet" aria-label={words.dropOf(to)}
              onClick={() => void order(`/inbox/${held.id}/drop`)}>{words.drop}</button>
          ) : null}
        </div>
      ) : null}
    </article>
  );
}
