/** What today cost so far, the days before it, how near a limit is, and how full the machine is. */
import type { Budget, Overview, Usage } from "../api/types.ts";
import { count, money, spentText } from "../parts/text.ts";
import { visible } from "../parts/visible.ts";
import { useNamed } from "../router/router.ts";
import { useBudgets } from "../state/budgets.ts";
import { now } from "../state/clock.ts";
import { useRead } from "../state/read.ts";
import { held, slots } from "../state/system.ts";
import { LimitBar } from "../usage/limit.tsx";
import { fillsOf, outlookOf, sentenceOf } from "../usage/limits.ts";
import { words as all } from "../words.ts";
import { Recent } from "./recent.tsx";
import { words } from "./words.ts";

const DAYS = 14, DAY_MS = 86_400_000;
interface Day { day: string; usage: Usage }

/** Of the prompts of today. */
function Cache({ usage }: { usage: Usage }) {
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

/** What each of the last days cost; where no price is known, its tokens. Read again when there were
 *  further calls. */
function Days({ calls }: { calls: number }) {
  const { value } = useRead<{ items: Day[] }>(`/usage?by=day&days=${DAYS}`, {}, [calls]);
  if (value === null || value.items.length === 0) return null;
  const by = new Map(value.items.map(({ day, usage }) => [day, usage]));
  const days = Array.from({ length: DAYS }, (_, at) =>
    new Date(now.value - (DAYS - 1 - at) * DAY_MS).toISOString().slice(0, 10));
  const costs = value.items.reduce((sum, { usage }) => sum + (usage.cost_micros ?? 0), 0);
  const unknown = value.items.reduce((sum, { usage }) => sum + usage.cost_unknown, 0);
  const weight = (usage: Usage | undefined): number => (usage === undefined ? 0
    : costs > 0 ? usage.cost_micros ?? 0
      : usage.fresh + usage.cache_read + usage.cache_write + usage.output);
  const most = Math.max(1, ...days.map((day) => weight(by.get(day))));
  const today = by.get(days.at(-1) ?? "");
  return (
    <>
      <h2 class="after">{words.days}</h2>
      <p class="small">{spentText(costs, unknown)}</p>
      <svg class="fortnight" viewBox={`0 0 ${DAYS} 20`} preserveAspectRatio="none" role="img"
        aria-label={words.days}>
        {days.map((day, at) => {
          const high = 20 * weight(by.get(day)) / most;
          return (
            <rect key={day} x={at + 0.1} width="0.8" y={Math.min(19, 20 - high)}
              height={Math.max(1, high)} />
          );
        })}
      </svg>
      {today === undefined ? null : <Cache usage={today} />}
    </>
  );
}

/** What runs of how much may, what waits for a place, and whether all is held. */
function Machine({ runs }: { runs: Overview["runs"] }) {
  const jobs = runs.job ?? {}, waiting = jobs.queued ?? 0;
  if (slots.value === null) return null;
  return (
    <>
      <h2 class="after">{words.machine}</h2>
      <p class="small">
        {words.jobs(jobs.running ?? 0, slots.value)}
        {waiting === 0 ? "" : `, ${words.queued(waiting)}`}
      </p>
      {held.value === null ? null : <p class="tone-wait small">{words.heldNow}</p>}
    </>
  );
}

/** What all may cost in a day; "": nobody said so. */
function ofDay(budgets: readonly Budget[]): string {
  const limit = budgets.find(({ scope, per }) => per === "day" && !scope.includes(":"))
    ?.limits.cost_micros ?? null;
  return limit === null ? "" : words.ofDay(money(limit));
}

/** The budget that is nearest its limit. */
function Nearest({ budgets: [budget] }: { budgets: readonly Budget[] }) {
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

export function Today({ overview: { today, runs } }: { overview: Overview }) {
  const named = useNamed(), budgets = useBudgets().items, limit = ofDay(budgets);
  return (
    <aside aria-label={named(all.today)}>
      <h2><a href="/usage">{all.today}</a></h2>
      <p class="figure">
        {money(today.cost_micros)}{limit === "" ? null : <span class="small"> {limit}</span>}
      </p>
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
      <Days calls={today.calls} />
      <Nearest budgets={budgets} />
      <Machine runs={runs} />
      <Recent />
    </aside>
  );
}
