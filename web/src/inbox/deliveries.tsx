/** Results that could not be delivered, and that no retry of the daemon cures. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { get, type Problem } from "../api/api.ts";
import type { Delivery, Page } from "../api/types.ts";
import { HeldRow } from "../parts/held.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { home } from "../state/home.ts";
import { latest } from "../state/latest.ts";

export const deliveries = signal<readonly Delivery[]>([]);
const problem = signal<Problem | null>(null);

const begun = latest();

async function read(): Promise<void> {
  const counts = begun(), answer = await get<Page<Delivery>>("/inbox?state=held&limit=200");
  if (!counts()) return;
  if (answer.ok) deliveries.value = answer.value.items.reverse();
  problem.value = answer.ok ? null : answer.problem;
}

/** They have no events of their own: read with the sums, which follow all that happens. */
export function useDeliveries(): void {
  const { overview } = home.value;
  useEffect(() => void read(), [overview]);
}

export function Deliveries({ selected }: { selected: string | null }) {
  return (
    <>
      {deliveries.value.map((one) =>
        <HeldRow whole key={one.id} held={one} selected={selected === one.id} />)}
      <Trouble problem={problem.value} retry={() => void read()} />
    </>
  );
}
