/** What today cost so far, and how much of the prompts came from caches. */
import type { Today as Spent } from "../api/types.ts";
import { count, money } from "../parts/text.ts";
import { visible } from "../parts/visible.ts";
import { useNamed } from "../router/router.ts";
import { useBudgets } from "../state/budgets.ts";
import { now } from "../state/clock.ts";
import { useRead } from "../state/read.ts";
import { LimitBar } from "../usage/limit.tsx";
import { fillsOf, outlookOf, sentenceOf } from "../usage/limits.ts";
import { words as all } from "../words.ts";
import { Recent } from "./recent.tsx";
import { words } from "./words.ts";

interface Usage { fresh: number; cache_read: number; cache_write: number }

/** Of the prompts of a day; read again when there were further calls. */
function Cache({ calls }: { calls: number }) {
  const { value } = useRead<{ total: { usage: Usage } }>("/usage?by=day&days=1", {}, [calls]);
  const usage = value?.total.usage ?? null;
  if (usage === null) return null;
  const whole = usage.fresh + usage.cache_read + usage.cache_write;
  if (whole === 0) return null;
  const rate = `${Math.round((100 * usage.cache_read) / whole)} %`;
  return (
    <>
      <h2 class="after">{words.cache}</h2>
      <p>
        {rate}{" "}
        <span class="muted">{words.cacheOf(count(usage.cache_read), count(whole))}</span>
      </p>
      <progress class="cache" max={whole} value={usage.cache_read} aria-label={words.cache} />
    </>
  );
}

/** The budget that is nearest its limit. */
function Nearest() {
  const [budget] = useBudgets().items;
  const fill = budget === undefined ? undefined : fillsOf(budget)[0];
  if (budget === undefined || fill === undefined) return null;
  return (
    <>
      <h2 class="after">{words.nearest}</h2>
      <p><bdi class="mono">{visible(budget.scope)}</bdi></p>
      <p class="small">{sentenceOf(fill, budget)}</p>
      <LimitBar fill={fill} />
      {outlookOf(budget, now.value).map((one) => <p key={one} class="muted small">{one}</p>)}
    </>
  );
}

export function Today({ today }: { today: Spent }) {
  const named = useNamed();
  return (
    <aside aria-label={named(all.today)}>
      <h2><a href="/usage">{all.today}</a></h2>
      <p class="figure">{money(today.cost_micros)}</p>
      <p class="muted small">{words.todayAbout}</p>
      {today.cost_unknown === 0 ? null : (
        <p class="tone-degraded small">{all.unpriced(today.cost_unknown)}</p>
      )}
      <dl>
        <dt>{all.calls}</dt><dd>{count(today.calls)}</dd>
        <dt>{all.tokens}</dt><dd>{count(today.tokens)}</dd>
        <dt>{all.output}</dt><dd>{count(today.output)}</dd>
        {today.reserved_cost_micros > 0
          ? <><dt>{all.reserved}</dt><dd>{money(today.reserved_cost_micros)}</dd></> : null}
      </dl>
      {today.calls === 0 ? null : <Cache calls={today.calls} />}
      <Nearest />
      <Recent />
    </aside>
  );
}
