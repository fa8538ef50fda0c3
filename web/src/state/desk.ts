/** The desk: all that waits for a person, as rows of one order. A view that is opened begins by
 *  project, the longest wait first; from then on what comes stands last, and what no longer waits
 *  stays in its place, so that nothing moves what somebody looks at. Pure. */
import type { Ask, Wait } from "../api/types.ts";

export interface DeskRow {
  id: string;
  project: string | null;
  since_ms: number;
  /** One of the two is there. */
  ask: Ask | null;
  wait: Wait | null;
  /** It no longer waits. */
  over: boolean;
}

const OVER_MAX = 200;

const bySince = (a: DeskRow, b: DeskRow): number => a.since_ms - b.since_ms;

/** Projects in the order of what waits longest in each. */
function byProject(rows: readonly DeskRow[]): DeskRow[] {
  const groups = new Map<string | null, DeskRow[]>();
  for (const row of [...rows].sort(bySince)) {
    const group = groups.get(row.project);
    if (group === undefined) groups.set(row.project, [row]);
    else group.push(row);
  }
  return [...groups.values()].flat();
}

export function arranged(before: readonly DeskRow[], now: readonly DeskRow[]): DeskRow[] {
  if (before.length === 0) return byProject(now);
  const found = new Map(now.map((row) => [row.id, row]));
  const kept = before.flatMap((row) => {
    const same = found.get(row.id);
    // An answered question is among its kind as long as somebody looks.
    return same !== undefined ? [same] : row.ask !== null ? [] : [{ ...row, over: true }];
  });
  const known = new Set(kept.map(({ id }) => id));
  const over = kept.filter((row) => row.over);
  const forgotten = new Set(over.slice(0, Math.max(0, over.length - OVER_MAX)));
  return [...kept.filter((row) => !forgotten.has(row)),
    ...now.filter(({ id }) => !known.has(id)).sort(bySince)];
}

/** Whether a heading with the project stands above a row: it differs from the one before. */
export const isHeaded = (rows: readonly { project: string | null }[], at: number): boolean =>
  at === 0 ? rows.some(({ project }) => project !== null)
    : rows[at]?.project !== rows[at - 1]?.project;
