/** What is done with sessions from their list, and taken back. States of the daemon alone: it holds
 *  in every tab, and what was deleted can be restored later, too. */
import { signal } from "@preact/signals";

import { patch, type Problem } from "../api/api.ts";
import type { Session } from "../api/types.ts";

export type Change = { archived: boolean } | { deleted: boolean } | { project: string };

export interface Done {
  /** What is said of it, with what could be done. */
  text: string;
  /** What takes it back, by the session. */
  back: ReadonlyMap<string, Change>;
  /** Why it could not be done with the last of those with which it could not. */
  problem: Problem | null;
}

/** The last one; null: there is none, or it was put away. */
export const done = signal<Done | null>(null);

const backOf = (row: Session, change: Change): Change => ("project" in change
  ? { project: row.project }
  : "deleted" in change ? { deleted: !change.deleted } : { archived: !change.archived });

/** One after the other: `back` of those that were changed, and the last problem. */
async function changed(all: ReadonlyMap<string, Change>): Promise<[string[], Problem | null]> {
  const ids: string[] = [];
  let problem: Problem | null = null;
  for (const [id, change] of all) {
    const answer = await patch(`/sessions/${id}`, change);
    if (answer.ok) ids.push(id);
    else ({ problem } = answer);
  }
  return [ids, problem];
}

export async function changeAll(
  rows: readonly Session[], change: Change, text: (count: number) => string,
): Promise<void> {
  const [ids, problem] = await changed(new Map(rows.map(({ id }) => [id, change])));
  const back = new Map(rows.filter(({ id }) => ids.includes(id))
    .map((row) => [row.id, backOf(row, change)]));
  done.value = { text: ids.length === 0 ? "" : text(ids.length), back, problem };
}

export async function takeBack({ back }: Done): Promise<void> {
  const [, problem] = await changed(back);
  done.value = problem === null ? null : { text: "", back: new Map(), problem };
}
