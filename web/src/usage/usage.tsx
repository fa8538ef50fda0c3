/** What models took: by day, by whatever else, and what limits it. The address has days and
 *  breakdown. */
import type { Usage } from "../api/types.ts";
import { Loading } from "../parts/loading.tsx";
import { count, spentText } from "../parts/text.ts";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { useSeat } from "../router/router.ts";
import { home } from "../state/home.ts";
import { useRead, useItems, type Read } from "../state/read.ts";
import { Budgets } from "./budgets.tsx";
import { Chart } from "./chart.tsx";
import {
  barsOf, BY, DAYS, dayOf, daysOf, filterOf, hitRate, pathOf, promptOf, showOf, SHOWS, tokensOf,
  type By, type Show, type UsageAnswer, type UsageFilter, type UsageRow,
} from "./rules.ts";
import { Breakdown, DaysTable } from "./tables.tsx";
import { words } from "./words.ts";

const RANGES = [7, DAYS, 30, 90];
const AGAIN_MS = 2_000;
/** Those that bars are stacked by; for the others models are. */
const STACKED: readonly By[] = ["model", "project", "agent", "workflow"];

/** Read again after further calls, at most once in two seconds. */
const useAnswer = (path: string): Read<UsageAnswer> => useRead<UsageAnswer>(path,
  { pause_ms: AGAIN_MS }, [home.value.overview?.today.calls ?? 0]);

function Range({ filter }: { filter: UsageFilter }) {
  const { query, replace, setQuery } = useSeat(), days = daysOf(filter, Date.now());
  const today = dayOf(Date.now()), isTo = days.at(-1) === today;
  const choose = (length: number): void => {
    const next = new URLSearchParams(query.value);
    next.delete("to");
    next.delete("from");
    if (length !== DAYS) next.set("from", dayOf(Date.now() - (length - 1) * 86_400_000));
    const text = next.toString();
    replace(`/usage${text === "" ? "" : `?${text}`}`);
  };
  const field = (name: "from" | "to", value: string | undefined) => (
    <label>{words[name]}{" "}
      <input type="date" value={value} max={today}
        onChange={(event) => setQuery(name, event.currentTarget.value || null)} />
    </label>
  );
  return (
    <div class="ranges" role="group" aria-label={words.range} title={words.utc}>
      {RANGES.map((length) => (
        <button key={length} class="quiet" aria-pressed={isTo && days.length === length}
          onClick={() => choose(length)}>{words.lastDays(length)}</button>
      ))}
      {field("from", days[0])}
      {field("to", days.at(-1))}
    </div>
  );
}

function Figures({ total }: { total: Usage }) {
  const prompt = promptOf(total), rate = hitRate(total);
  const rows: [string, string, string][] = [
    [words.cost, spentText(total.cost_micros, total.cost_unknown), ""],
    [words.tokens, count(tokensOf(total)), words.tokensOf(count(prompt), count(total.output))],
    [words.cache, rate ?? words.unknown,
      rate === null ? "" : words.cacheOf(count(total.cache_read), count(prompt))],
    [words.calls, count(total.calls), ""],
  ];
  return (
    <dl class="figures">
      {rows.map(([name, value, about]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value} {about === "" ? null : <span class="muted small">{about}</span>}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Of sessions, as far as they are in the list of sessions. */
function useTitles(by: By): ReadonlyMap<string, string> {
  const rows = useItems<{ id: string; title: string | null }>(
    by === "session" ? "/sessions?limit=200" : null);
  return new Map(rows.map(({ id, title }) => [id, title ?? id]));
}

function Parts({ by, answer }: { by: By; answer: UsageAnswer }) {
  const titles = useTitles(by);
  const nameOf = (row: UsageRow) => {
    const name = String(row[by] ?? "");
    if (name === "") return <span class="muted">{words.noName(by)}</span>;
    if (by === "segment") return words.segments[name] ?? visible(name);
    if (by !== "session") return <span class="mono" dir="auto">{visible(name)}</span>;
    return <a href={`/s/${name}`} dir="auto">{visible(titles.get(name) ?? name)}</a>;
  };
  if (answer.items.length === 0) {
    return <p class="none">{by === "tool" ? words.noneTool : words.none}</p>;
  }
  return <Breakdown by={by} rows={answer.items} nameOf={nameOf} />;
}

function Empty() {
  return (
    <div class="empty">
      <p>{words.none}</p>
      <p class="muted">{words.noneNext}</p>
      <pre>{words.noneCommand}</pre>
    </div>
  );
}

function Days({ filter, answer, by }: { filter: UsageFilter; answer: UsageAnswer; by: By }) {
  const { setQuery } = useSeat();
  const total = answer.total.usage, show = showOf(filter.show, total);
  const bars = barsOf(answer.items, by, daysOf(filter, Date.now()), show);
  const nameOf = (name: string | null): string =>
    (name === null ? words.others : name === "" ? words.noName(by) : visible(name));
  return (
    <>
      <Figures total={total} />
      {total.calls === 0 ? <Empty /> : (
        <>
          <label class="shows">{words.show}{" "}
            <select value={show}
              onChange={(event) => setQuery("show", event.currentTarget.value as Show)}>
              {SHOWS.map((one) => <option key={one} value={one}>{words.shows[one]}</option>)}
            </select>
          </label>
          <Chart bars={bars} by={by} show={show} nameOf={nameOf} />
          <DaysTable columns={bars.columns} />
        </>
      )}
    </>
  );
}

export function Usage() {
  const { query, setQuery } = useSeat();
  const filter = filterOf(query.value), { by } = filter;
  const stacked = STACKED.includes(by) ? by : "model";
  const days = useAnswer(pathOf(`day,${stacked}`, filter, Date.now()));
  const parts = useAnswer(pathOf(by, filter, Date.now()));
  return (
    <div class="page usage">
      <div class="head"><h1>{words.title}</h1></div>
      <Range filter={filter} />
      <Trouble problem={days.problem} retry={days.again} />
      {days.value === null ? days.problem === null ? <Loading /> : null
        : <Days filter={filter} answer={days.value} by={stacked} />}
      <div class="bys" role="group" aria-label={words.byName}>
        {BY.map((one) => (
          <button key={one} class="quiet" aria-pressed={by === one}
            onClick={() => setQuery("by", one === "model" ? null : one)}>{words.bys[one]}</button>
        ))}
      </div>
      <Trouble problem={parts.problem === days.problem ? null : parts.problem}
        retry={parts.again} />
      {parts.value === null ? null : <Parts by={by} answer={parts.value} />}
      <Budgets />
    </div>
  );
}
