/** Beside Start: what the last run of it that has ended cost, and how long it took. */
import type { Run } from "../api/types.ts";
import { money, spentText, tookText } from "../parts/text.ts";
import { useItems } from "../state/read.ts";
import type { Kind } from "./rules.ts";
import { words } from "./words.ts";

export function LastPrice({ kind, name }: { kind: Kind; name: string }) {
  const runs = useItems<Run>(`/runs?${new URLSearchParams({ kind, q: name, limit: "50" })}`);
  const last = runs.find(({ label, ended_ms }) => label === name && ended_ms !== null);
  if (last === undefined) return <span class="muted small">{words.priceUnknown}</span>;
  const { started_ms, ended_ms, cost_micros = null, cost_unknown = 0 } = last;
  const cost = spentText(cost_micros, cost_unknown, money);
  return (
    <a class="muted small" href={`/r/${last.id}`}>
      {words.lastPrice(cost, started_ms === null || ended_ms === null ? null
        : tookText(ended_ms - started_ms))}
    </a>
  );
}
