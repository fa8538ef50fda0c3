/** Results that could not be delivered, and that no retry of the daemon cures. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { get, type Problem } from "../api/api.ts";
import { Brand } from "../parts/brand.tsx";
import { ago } from "../parts/text.ts";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { now } from "../state/clock.ts";
import { home, order } from "../state/home.ts";
import { may } from "../state/me.ts";
import type { Page } from "../state/types.ts";
import { words } from "./words.ts";

export interface Delivery {
  id: string; run: string; receiver: string; address: string; cause: string | null;
  failures: number; made_ms: number;
}

export const deliveries = signal<readonly Delivery[]>([]);
const problem = signal<Problem | null>(null);

async function read(): Promise<void> {
  const answer = await get<Page<Delivery>>("/inbox?state=held&limit=200");
  if (answer.ok) deliveries.value = answer.value.items.reverse();
  problem.value = answer.ok ? null : answer.problem;
}

/** They have no events of their own: read with the sums, which follow all that happens. */
export function useDeliveries(): void {
  const { overview } = home.value;
  useEffect(() => void read(), [overview]);
}

function DeliveryRow({ one, selected }: { one: Delivery; selected: boolean }) {
  const to = visible(one.address || one.receiver);
  return (
    <article class={`row ask${selected ? " sel" : ""}`} data-row={one.id} tabIndex={-1}
      aria-label={`${words.held}: ${to}`} aria-current={selected}>
      <Brand id={one.run} />
      <div class="what">
        <span class="clip">
          <span class="tone-wait" aria-hidden="true">◆ </span>
          {words.held} {words.to} <bdi class="mono">{to}</bdi>
        </span>
        <span class="muted clip">
          {one.cause === null ? null : <><bdi>{visible(one.cause)}</bdi>{" · "}</>}
          {one.failures > 0 ? `${words.failures(one.failures)} · ` : ""}
          {ago(now.value - one.made_ms)}
        </span>
      </div>
      {may("run") ? (
        <div class="acts">
          <button aria-label={words.retryOf(to)}
            onClick={() => void order(`/inbox/${one.id}/retry`)}>{words.retry}</button>
          <button class="quiet" aria-label={words.dropOf(to)}
            onClick={() => void order(`/inbox/${one.id}/drop`)}>{words.drop}</button>
        </div>
      ) : null}
    </article>
  );
}

export function Deliveries({ selected }: { selected: string | null }) {
  return (
    <>
      {deliveries.value.map((one) =>
        <DeliveryRow key={one.id} one={one} selected={selected === one.id} />)}
      {problem.value === null ? null
        : <Trouble problem={problem.value} retry={() => void read()} />}
    </>
  );
}
