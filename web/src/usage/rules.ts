/** What models took: the range and the breakdown of the address, and sums as bars. Pure. */
import type { Usage } from "../api/types.ts";
import { count, money, spentText } from "../parts/text.ts";

/** A row of the API: its dimensions by their names. Of tools also `ms` and `errors`; of segments
 *  `tokens` in the place of `usage`. */
export interface UsageRow {
  usage: Usage; ms?: number; errors?: number; tokens?: number; [dimension: string]: unknown;
}
export interface UsageAnswer { items: UsageRow[]; total: { usage: Usage } }

export const BY = ["model", "project", "agent", "workflow", "tool", "session", "segment"] as const;
export type By = (typeof BY)[number];
export const SHOWS = ["cost", "tokens", "calls"] as const;
export type Show = (typeof SHOWS)[number];

export interface UsageFilter { from: string; to: string; by: By; show: Show | null }
/** Days of the list if the address names none. */
export const DAYS = 14;
const DAYS_MAX = 366, DAY_MS = 86_400_000;

/** 2026-11-27, of UTC, as the daemon counts. */
export const dayOf = (at_ms: number): string => new Date(at_ms).toISOString().slice(0, 10);
const isDay = (text: string): boolean =>
  /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text));
const plus = (day: string, days: number): string => dayOf(Date.parse(day) + days * DAY_MS);

export function filterOf(query: URLSearchParams): UsageFilter {
  const day = (name: string): string => (isDay(query.get(name) ?? "") ? query.get(name) ?? "" : "");
  return {
    from: day("from"), to: day("to"),
    by: BY.find((one) => one === query.get("by")) ?? "model",
    show: SHOWS.find((one) => one === query.get("show")) ?? null,
  };
}

/** The days that are shown, the first one first. */
export function daysOf({ from, to }: UsageFilter, now_ms: number): string[] {
  const last = to || dayOf(now_ms), first = from || plus(last, 1 - DAYS);
  const between = Math.floor((Date.parse(last) - Date.parse(first)) / DAY_MS) + 1;
  const length = Math.max(1, Math.min(DAYS_MAX, between));
  return Array.from({ length }, (_, at) => plus(last, at + 1 - length));
}

/** Path of the API for a breakdown. */
export function pathOf(by: string, filter: UsageFilter, now_ms: number): string {
  if (filter.from === "" && filter.to === "") return `/usage?by=${by}&days=${DAYS}`;
  const days = daysOf(filter, now_ms);
  return `/usage?by=${by}&from=${days[0]}&to=${days.at(-1)}`;
}

export const tokensOf = ({ fresh, cache_read, cache_write, output }: Usage): number =>
  fresh + cache_read + cache_write + output;
export const promptOf = ({ fresh, cache_read, cache_write }: Usage): number =>
  fresh + cache_read + cache_write;

/** null: no prompt. */
export function hitRate(sums: Usage): string | null {
  const prompt = promptOf(sums);
  return prompt === 0 ? null : `${Math.round((100 * sums.cache_read) / prompt)} %`;
}

export const NOTHING: Usage = {
  calls: 0, fresh: 0, cache_read: 0, cache_write: 0, output: 0, reasoning: 0, cost_micros: null,
  cost_unknown: 0,
};

export function added(a: Usage, b: Usage): Usage {
  const cost = a.cost_micros === null && b.cost_micros === null ? null
    : (a.cost_micros ?? 0) + (b.cost_micros ?? 0);
  return {
    calls: a.calls + b.calls, fresh: a.fresh + b.fresh, cache_read: a.cache_read + b.cache_read,
    cache_write: a.cache_write + b.cache_write, output: a.output + b.output,
    reasoning: a.reasoning + b.reasoning, cost_micros: cost,
    cost_unknown: a.cost_unknown + b.cost_unknown,
  };
}

export function valueOf(sums: Usage, show: Show): number {
  if (show === "cost") return sums.cost_micros ?? 0;
  return show === "tokens" ? tokensOf(sums) : sums.calls;
}

export function valueText(sums: Usage, show: Show): string {
  if (show === "cost") return spentText(sums.cost_micros, sums.cost_unknown);
  if (show === "tokens") return `${count(tokensOf(sums))} tokens`;
  return `${count(sums.calls)} ${sums.calls === 1 ? "call" : "calls"}`;
}

/** What is shown if the address does not say: of models that cost nothing, tokens. */
export const showOf = (show: Show | null, total: Usage): Show =>
  show ?? ((total.cost_micros ?? 0) > 0 || total.cost_unknown > 0 ? "cost" : "tokens");

/** --- Bars --- */

export const SERIES_MAX = 6;
export interface Part { series: number; sums: Usage; from: number; to: number }
export interface Column { day: string; sums: Usage; value: number; parts: Part[] }
export interface Bars {
  /** The largest first; null: all the others together. */
  series: (string | null)[];
  columns: Column[];
  /** What the height of the chart stands for. */
  max: number;
}

/** The next of 1, 2, 5, 10, … above it. */
export function roundUp(value: number): number {
  if (value <= 0) return 1;
  const size = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5, 10].find((step) => step * size >= value * 0.999999) ?? 10) * size;
}

export function barsOf(rows: readonly UsageRow[], by: string, days: string[], show: Show): Bars {
  const sums = new Map<string, number>();
  const nameOf = (row: UsageRow): string => String(row[by] ?? "");
  for (const row of rows) {
    sums.set(nameOf(row), (sums.get(nameOf(row)) ?? 0) + valueOf(row.usage, show));
  }
  const names = [...sums].sort((a, b) => b[1] - a[1]).map(([name]) => name);
  const cut = names.length > SERIES_MAX ? SERIES_MAX - 1 : names.length;
  const columns = days.map((day) => {
    const parts: Part[] = [];
    let total = NOTHING;
    for (const row of rows.filter((one) => one.day === day)) {
      const series = Math.min(cut, names.indexOf(nameOf(row)));
      const part = parts.find((one) => one.series === series);
      total = added(total, row.usage);
      if (part !== undefined) part.sums = added(part.sums, row.usage);
      else parts.push({ series, sums: row.usage, from: 0, to: 0 });
    }
    parts.sort((a, b) => a.series - b.series);
    let at = 0;
    for (const part of parts) {
      part.from = at;
      part.to = at += valueOf(part.sums, show);
    }
    return { day, sums: total, value: at, parts };
  });
  const series = [...names.slice(0, cut), ...(cut < names.length ? [null] : [])];
  return { series, columns, max: roundUp(Math.max(...columns.map(({ value }) => value))) };
}

/** What stands at the top of the chart. */
export const maxText = (max: number, show: Show): string =>
  (show === "cost" ? money(max) : count(max));

/** What a bar says: `Nov 27: $3.12 + 4 calls of unknown cost; gpt-5 $2.00, …` */
export function columnText(
  { day, sums, parts }: Column, show: Show, nameOf: (series: number) => string): string {
  const each = parts.filter(({ sums: one }) => one.calls > 0)
    .map(({ series, sums: one }) => `${nameOf(series)} ${valueText(one, show)}`);
  const more = each.length > 1 ? `; ${each.join(", ")}` : "";
  return `${dayText(day)}: ${valueText(sums, show)}${more}`;
}

const dayName = new Intl.DateTimeFormat("en", { month: "short", day: "numeric", timeZone: "UTC" });
export const dayText = (day: string): string => dayName.format(Date.parse(day));
