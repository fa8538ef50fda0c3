/** What a rehearsal says of the price, never without what it does not know. */
import type { Rehearsal } from "./plan.ts";
import { words } from "./words.ts";

export function Price({ rehearsal }: { rehearsal: Rehearsal }) {
  const { agents, cached, price, ended } = rehearsal;
  return (
    <>
      {agents === cached ? null : <p>{words.price(price.micros, cached)}</p>}
      {price.unpriced === 0 ? null : <p class="muted">{words.priceUnknown(price.unpriced)}</p>}
      {ended === "finished" ? null : <p class="muted">{words.cut}</p>}
    </>
  );
}
