/** What today cost so far. */
import { count, money } from "../parts/text.ts";
import type { Today as Spent } from "../state/types.ts";
import { words } from "../words.ts";

export function Today({ today }: { today: Spent }) {
  return (
    <aside aria-label={words.today}>
      <h2>{words.today}</h2>
      <p class="figure">{money(today.cost_micros)}</p>
      <p class="muted small">{words.todayAbout}</p>
      {today.cost_unknown === 0 ? null : (
        <p class="tone-degraded small">{words.unpriced(today.cost_unknown)}</p>
      )}
      <dl>
        <dt>{words.calls}</dt><dd>{count(today.calls)}</dd>
        <dt>{words.tokens}</dt><dd>{count(today.tokens)}</dd>
        <dt>{words.output}</dt><dd>{count(today.output)}</dd>
        {today.reserved_cost_micros > 0
          ? <><dt>{words.reserved}</dt><dd>{money(today.reserved_cost_micros)}</dd></> : null}
      </dl>
    </aside>
  );
}
