/** The sums as tables. */
import type { ComponentChildren } from "preact";

import type { Usage } from "../api/types.ts";
import { count, spanText, spentText } from "../parts/text.ts";
import { dayText, hitRate, promptOf, type By, type Column, type UsageRow } from "./rules.ts";
import { words } from "./words.ts";

const ROWS_MAX = 200;

function Table({ caption, heads, rows }: {
  caption: string; heads: string[]; rows: { id: string; cells: ComponentChildren[] }[];
}) {
  return (
    <div class="table" role="region" aria-label={caption} tabIndex={0}>
      <table>
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>{heads.map((head) => <th key={head} scope="col">{head}</th>)}</tr>
        </thead>
        <tbody>
          {rows.slice(0, ROWS_MAX).map(({ id, cells: [first, ...others] }) => (
            <tr key={id}>
              <th scope="row">{first}</th>
              {others.map((cell, at) => <td key={at}>{cell}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > ROWS_MAX ? <p class="none">{words.cut(ROWS_MAX)}</p> : null}
    </div>
  );
}

const HEADS = [words.cost, words.prompt, words.ofCache, words.output, words.calls];
const cellsOf = (sums: Usage): string[] => [
  spentText(sums.cost_micros, sums.cost_unknown), count(promptOf(sums)),
  hitRate(sums) ?? words.unknown, count(sums.output), count(sums.calls),
];

export function DaysTable({ columns }: { columns: Column[] }) {
  return (
    <details>
      <summary>{words.table}</summary>
      <Table caption={words.table} heads={[words.day, ...HEADS]}
        rows={[...columns].reverse().map(({ day, sums }) =>
          ({ id: day, cells: [dayText(day), ...cellsOf(sums)] }))} />
    </details>
  );
}

/** Of tools, their own calls are counted. */
function toolCells({ usage: { calls }, errors = 0, ms = 0 }: UsageRow): string[] {
  return [count(calls), count(errors), calls === 0 ? words.unknown : spanShort(ms / calls)];
}
function spanShort(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : spanText(ms);
}

const share = (part: number, whole: number): string =>
  (whole === 0 ? words.unknown : `${Math.round((100 * part) / whole)} %`);

export function Breakdown({ by, rows, nameOf }: {
  by: By; rows: UsageRow[]; nameOf(row: UsageRow): ComponentChildren;
}) {
  const heads = by === "tool" ? [words.toolCalls, words.errors, words.time]
    : by === "segment" ? [words.tokens, words.share] : HEADS;
  const whole = rows.reduce((sum, { tokens = 0 }) => sum + tokens, 0);
  const others = (row: UsageRow): string[] => {
    if (by === "tool") return toolCells(row);
    if (by !== "segment") return cellsOf(row.usage);
    return [count(row.tokens ?? 0), share(row.tokens ?? 0, whole)];
  };
  return (
    <Table caption={`${words.byName}: ${words.bys[by]}`} heads={[words.bys[by], ...heads]}
      rows={rows.map((row) => ({ id: String(row[by]),
        cells: [nameOf(row), ...others(row)] }))} />
  );
}
