/** One agent, or two that belong together: what changed, and the differences. */
import { markOf } from "../run/view.ts";
import { beginning, visible } from "../parts/visible.ts";
import { lasted, type AgentRow, type Row } from "./rules.ts";
import { words } from "./words.ts";

const NAME_MAX = 80;
export function nameOf({ label, prompt }: AgentRow): string {
  const name = label ?? prompt?.trim().split("\n", 1)[0] ?? "";
  return visible(beginning(name === "" ? words.noLabel : name, NAME_MAX));
}

export function Mark({ agent }: { agent: AgentRow | null }) {
  const [shape, tone] = agent === null ? ["·", "queued"] : markOf(agent);
  return <span class={`shape tone-${tone}`} aria-hidden="true">{shape}</span>;
}

/** Of two that belong together; "" where a side is missing. */
export function differences({ pair: { a, b } }: Row): [time: string, tokens: string, cost: string] {
  if (a === null || b === null) return ["", "", ""];
  const before = lasted(a), after = lasted(b);
  const unknown = a.cost_unknown > 0 || b.cost_unknown > 0;
  return [
    before === null || after === null ? "" : words.signedTime(after - before),
    words.signedCount(b.tokens - a.tokens),
    `${words.signedMoney((b.cost_micros ?? 0) - (a.cost_micros ?? 0))}${unknown ? " + ?" : ""}`,
  ];
}

export function aboutOf({ pair: { a, b }, changes }: Row): string {
  if (a === null) return words.onlyAfter;
  if (b === null) return words.onlyBefore;
  if (changes.length > 0) return changes.map((change) => words.changes[change]).join(", ");
  return b.cached ? words.cached : words.unchanged;
}

export function RowLine({ id, row, selected, onSelect }: {
  id: string; row: Row; selected: boolean; onSelect(): void;
}) {
  const { pair: { a, b }, changes } = row, [time, tokens, cost] = differences(row);
  const one = (b ?? a) as AgentRow;
  return (
    <div id={id} class={`compare-row${selected ? " sel" : ""}`} role="option"
      aria-selected={selected} onClick={onSelect}>
      <span class="marks">
        <Mark agent={a} /><span aria-hidden="true">→</span><Mark agent={b} />
      </span>
      <span class="name mono clip" dir="auto">{nameOf(one)}</span>
      <span class={`what clip${changes.length === 0 ? " muted" : ""}`}>{aboutOf(row)}</span>
      <span class="num">{time}</span>
      <span class="num">{tokens}</span>
      <span class="num">{cost}</span>
    </div>
  );
}
