/** Questions of one shape stand together, in the place of the first of them. Pure. */
import type { Ask } from "../api/types.ts";
import { isYesNo, shapeOf } from "../ask/text.ts";
import { isOpen } from "../state/asks.ts";

/** Of one member it is a row of its own; of more, no single key answers it. */
export interface Group { id: string; members: Ask[] }

export function grouped(asks: readonly Ask[]): Group[] {
  const groups = new Map<string, Group>();
  for (const ask of asks) {
    const shape = shapeOf(ask), group = groups.get(shape);
    if (group === undefined) groups.set(shape, { id: ask.id, members: [ask] });
    else group.members.push(ask);
  }
  return [...groups.values()].map((group) =>
    (group.members.length === 1 ? group : { ...group, id: `group ${group.id}` }));
}

export const KINDS = ["all", "leave", "questions", "deliveries"] as const;
export type Kind = (typeof KINDS)[number];

export const kindOf = (value: string | null): Kind => KINDS.find((kind) => kind === value) ?? "all";

export function ofKind(asks: readonly Ask[], kind: Kind): readonly Ask[] {
  if (kind === "all") return asks;
  if (kind === "deliveries") return [];
  return asks.filter((ask) => (ask.kind === "leave") === (kind === "leave"));
}

export interface Row { id: string; members: Ask[]; depth: 0 | 1 }

/** The rows that stand there: groups, and below those that are open their members. */
export function rowsOf(groups: Group[], expanded: ReadonlySet<string>): Row[] {
  return groups.flatMap((group) => [
    { ...group, depth: 0 as const },
    ...(group.members.length > 1 && expanded.has(group.id)
      ? group.members.map((ask) => ({ id: ask.id, members: [ask], depth: 1 as const })) : []),
  ]);
}

/** Those that this answer fits: a yes is none to a question that wants more. */
export const fitting = (asks: readonly Ask[], decision: "allow" | "deny"): Ask[] =>
  asks.filter((ask) => isOpen(ask) && (decision === "deny" || isYesNo(ask)));

/** What is open among these, each once. */
export function openOf(rows: Row[], picked: ReadonlySet<string>): Ask[] {
  const found = new Map<string, Ask>();
  for (const row of rows) {
    if (!picked.has(row.id)) continue;
    for (const ask of row.members) if (isOpen(ask)) found.set(ask.id, ask);
  }
  return [...found.values()];
}
