/** Two runs of a script, side by side: which agents belong together, and what changed from the
 *  first to the second. Pure. */
import type { RunAgent } from "../api/types.ts";

/** `print` stands for its result (`printOf`); null: it has none. */
export type AgentRow = Omit<RunAgent, "result"> & { print: string | null };

/** `label`: the prompts differ, but phase and label are the same. null: one side alone. */
export type Match = "key" | "label" | null;
export interface Pair { id: string; a: AgentRow | null; b: AgentRow | null; by: Match }

/** A short text that is the same for the same result: two runs of 1,000 agents keep no results. */
export function printOf(result: unknown): string | null {
  if (result === undefined || result === null) return null;
  const text = JSON.stringify(result);
  let high = 0xdeadbeef, low = 0x41c6ce57; // cyrb53
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    high = Math.imul(high ^ code, 2654435761);
    low = Math.imul(low ^ code, 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  return `${text.length}:${(high >>> 0).toString(36)}${(low >>> 0).toString(36)}`;
}

const nameOf = ({ phase, label }: AgentRow): string | null =>
  (label === null ? null : `${phase ?? ""}\n${label}`);

/** Partners by a name, in the order in which they stand; only of those that have none yet. */
function matched(a: readonly AgentRow[], b: readonly AgentRow[],
  partners: Map<AgentRow, AgentRow>, name: (row: AgentRow) => string | null): AgentRow[] {
  const taken = new Set(partners.values()), found: AgentRow[] = [];
  const places = new Map<string, AgentRow[]>();
  for (const row of b) {
    const text = taken.has(row) ? null : name(row);
    if (text === null) continue;
    const rows = places.get(text);
    if (rows === undefined) places.set(text, [row]);
    else rows.push(row);
  }
  for (const rows of places.values()) rows.reverse(); // The first one is popped first.
  for (const row of a) {
    const text = partners.has(row) ? null : name(row);
    const other = text === null ? undefined : places.get(text)?.pop();
    if (other === undefined) continue;
    partners.set(row, other);
    found.push(row);
  }
  return found;
}

/** In the order of the first run; those of the second alone stand after the one before them. */
export function aligned(a: readonly AgentRow[], b: readonly AgentRow[]): Pair[] {
  const partners = new Map<AgentRow, AgentRow>();
  matched(a, b, partners, ({ key }) => key);
  const byLabel = new Set(matched(a, b, partners, nameOf));
  const others = new Map([...partners].map(([one, other]) => [other, one]));
  const alone = new Map<AgentRow | null, Pair[]>();
  let before: AgentRow | null = null;
  for (const row of b) {
    const partner = others.get(row);
    if (partner !== undefined) before = partner;
    else {
      const pairs = alone.get(before) ?? [];
      pairs.push({ id: row.id, a: null, b: row, by: null });
      alone.set(before, pairs);
    }
  }
  const rows = [...alone.get(null) ?? []];
  for (const row of a) {
    const other = partners.get(row) ?? null;
    const by: Match = other === null ? null : byLabel.has(row) ? "label" : "key";
    rows.push({ id: row.id, a: row, b: other, by }, ...alone.get(row) ?? []);
  }
  return rows;
}

/** --- What changed --- */

export const CHANGES = ["side", "prompt", "state", "result", "time", "tokens", "cost"] as const;
export type Change = (typeof CHANGES)[number];

export const lasted = ({ started_ms, ended_ms, cached }: AgentRow): number | null =>
  (cached || started_ms === null || ended_ms === null ? null : ended_ms - started_ms);

/** Times are never the same twice: below a second, or a tenth, they count as such. */
const TIME_MS = 1_000, TIME_RATE = 0.1;

/** What a cached agent took over costs nothing: of it only state and result count. */
export function changesOf({ a, b, by }: Pair): Change[] {
  if (a === null || b === null) return ["side"];
  const changes: Change[] = by === "label" ? ["prompt"] : [];
  if (a.state !== b.state || (a.state !== "succeeded" && a.cause !== b.cause)) {
    changes.push("state");
  }
  if (a.print !== b.print) changes.push("result");
  if (a.cached || b.cached) return changes;
  const before = lasted(a), after = lasted(b), ms = Math.abs((after ?? 0) - (before ?? 0));
  if (ms >= TIME_MS && ms >= TIME_RATE * Math.max(before ?? 0, after ?? 0)) changes.push("time");
  if (a.tokens !== b.tokens) changes.push("tokens");
  if (a.cost_micros !== b.cost_micros || a.cost_unknown !== b.cost_unknown) changes.push("cost");
  return changes;
}

export interface Row { pair: Pair; changes: Change[] }

/** More rows than these show at first only what changed. */
export const FEW = 20;

/** `given` of the address: "1" only what changed, "0" all, null: as many rows as there are say. */
export const isOnly = (given: string | null, rows: number): boolean =>
  (given === null ? rows > FEW : given === "1");

/** --- Sums --- */

export interface Sums {
  agents: number; succeeded: number; failed: number; cached: number; tokens: number;
  cost_micros: number; cost_unknown: number;
}

const BAD = ["failed", "timed_out", "lost"];

export function sumsOf(rows: readonly AgentRow[]): Sums {
  const sums: Sums = { agents: rows.length, succeeded: 0, failed: 0, cached: 0, tokens: 0,
    cost_micros: 0, cost_unknown: 0 };
  for (const row of rows) {
    if (row.state === "succeeded") sums.succeeded++;
    if (BAD.includes(row.state)) sums.failed++;
    if (row.cached) sums.cached++;
    sums.tokens += row.tokens;
    sums.cost_micros += row.cost_micros ?? 0;
    sums.cost_unknown += row.cost_unknown;
  }
  return sums;
}

/** How many rows have each kind of change, in the order of CHANGES; those without are left out. */
export function counted(rows: readonly Row[]): [Change, number][] {
  return CHANGES.map((change): [Change, number] =>
    [change, rows.filter(({ changes }) => changes.includes(change)).length])
    .filter(([, count]) => count > 0);
}

/** A text to compare by lines: JSON with a line for each member. */
export const textOf = (result: unknown): string =>
  (result === undefined || result === null ? "" : typeof result === "string" ? result
    : JSON.stringify(result, null, 2));
