/** Results that could not be delivered, and that no retry of the daemon cures. */
import type { Delivery, Page } from "../api/types.ts";
import { HeldRow } from "../parts/held.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { home } from "../state/home.ts";
import { useRead, type Read } from "../state/read.ts";

/** They have no events of their own: read with the sums, which follow all that happens. */
export const useDeliveries = (): Read<Page<Delivery>> =>
  useRead<Page<Delivery>>("/inbox?state=held&limit=200", {}, [home.value.overview]);

/** The one that waits longest stands first. */
export const heldOf = ({ value }: Read<Page<Delivery>>): readonly Delivery[] =>
  [...value?.items ?? []].reverse();

export function Deliveries({ read, selected }: {
  read: Read<Page<Delivery>>; selected: string | null;
}) {
  return (
    <>
      {heldOf(read).map((one) =>
        <HeldRow whole key={one.id} held={one} selected={selected === one.id} />)}
      <Trouble problem={read.problem} retry={() => void read.again()} />
    </>
  );
}
