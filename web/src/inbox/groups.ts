/** Questions of one shape stand together, in the place of the first of them; all else that waits
 *  has a row of its own. Pure. */
import type { Ask, Wait } from "../api/types.ts";
import { isYesNo, shapeOf } from "../ask/text.ts";
import { isOpen } from "../state/asks.ts";
import type { DeskRow } from "../state/desk.ts";

/** Of one question it is a row of its own; of more, no single key answers it. */
export interface Group {
  id: string;
  project: string | null;
  members: Ask[];
  /** What else waits: then there are no members. */
  other: DeskRow | null;
}

export function grouped(rows: readonly DeskRow[]): Group[] {
  const groups = new Map<string, Group>();
  for (const row of rows) {
    const { id, ask, project } = row, shape = ask === null ? id : shapeOf(ask);
    const group = groups.get(shape);
    if (ask === null) groups.set(shape, { id, project, members: [], other: row });
    else if (group === undefined) groups.set(shape, { id, project, members: [ask], other: null });
    else group.members.push(ask);
  }
  return [...groups.values()].map((group) =>
    (group.members.length <= 1 ? group : { ...group, id: `group ${group.id}` }));
}

export const KINDS = ["all", "leave", "questions", "tasks", "other"] as const;
export type Kind = (typeof KINDS)[number];

export const kindOf = (value: string | null): Kind => KINDS.find((kind) => kind === value) ?? "all";

const TASKS: readonly Wait["kind"][] = ["question", "plan", "review", "stopped", "task_failed"];

function kindOfRow({ ask, wait }: DeskRow): Kind | "mail" {
  if (ask !== null) return ask.kind === "leave" ? "leave" : "questions";
  return wait === null ? "other" : TASKS.includes(wait.kind) ? "tasks"
    : wait.kind === "mail" ? "mail" : "other";
}

export const ofKind = (rows: readonly DeskRow[], kind: Kind): readonly DeskRow[] =>
  (kind === "all" ? rows : rows.filter((row) => kindOfRow(row) === kind));

/** How many of each wait. */
export function countsOf(rows: readonly DeskRow[]): Record<Kind | "mail", number> {
  const counts = { all: 0, leave: 0, questions: 0, tasks: 0, other: 0, mail: 0 };
  for (const row of rows) if (!row.over) counts[kindOfRow(row)]++;
  return counts;
}

export interface Row extends Group { depth: 0 | 1 }

/** The rows that stand there: groups, and below those that are open their members. */
export function rowsOf(groups: Group[], expanded: ReadonlySet<string>): Row[] {
  return groups.flatMap((group) => [
    { ...group, depth: 0 as const },
    ...(group.members.length > 1 && expanded.has(group.id)
      ? group.members.map((ask) => ({
        id: ask.id, project: group.project, members: [ask], other: null, depth: 1 as const,
      })) : []),
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
