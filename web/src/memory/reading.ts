/** What the view reads: the list, which lives; the sums beside it; one memory. */
import { useEffect, useMemo, useRef } from "preact/hooks";

import { get } from "../api/api.ts";
import type { Day, Memory, Page, Topic } from "../api/types.ts";
import { followOwner } from "../state/owner.ts";
import { useRead, type Read } from "../state/read.ts";
import { followRows, type RowsFollow } from "../state/rows.ts";
import { daysPath, fits, listPath, topicsPath, type MemoryFilter } from "./rules.ts";

/** After each change of a memory, and where changes were missed. */
function useChanges(call: () => void, when: readonly unknown[]): void {
  const latest = useRef(call);
  latest.current = call;
  useEffect(() => followOwner({
    onReset: () => latest.current(),
    onEvents: (events) => {
      if (events.some(({ type }) => type === "memory_changed")) latest.current();
    },
  }), when);
}

export function useMemories(filter: MemoryFilter): RowsFollow<Memory> {
  const { q, topic, project } = filter;
  const list = useMemo(() => followRows<Memory>({
    path: listPath(filter), type: "memory_changed", fits: (row) => fits(row, filter),
  }), [q, topic, project]);
  useEffect(() => list.end, [list]);
  useChanges(() => void list.fresh(), [list]);
  return list;
}

export interface Sums { topics: Topic[]; more: boolean; days: Day[]; projects: string[] }

/** null: not read yet. What could not be read is left out. */
export const useSums = (filter: MemoryFilter): Sums | null =>
  useRead<Sums>(`${topicsPath(filter)} ${daysPath(filter)}`, {
    from: async () => {
      const [topics, days, projects] = await Promise.all([
        get<Page<Topic>>(topicsPath(filter)), get<Page<Day>>(daysPath(filter)),
        get<Page<{ name: string }>>("/projects?limit=200"),
      ]);
      return { ok: true, value: {
        topics: topics.ok ? topics.value.items : [], more: topics.ok && topics.value.next !== null,
        days: days.ok ? days.value.items : [],
        projects: projects.ok ? projects.value.items.map(({ name }) => name) : [],
      } };
    },
    after: ({ type }) => type === "memory_changed",
  }).value;

/** A memory of the address that is not in the list. */
export const useOne = (id: string | null): Read<Memory> =>
  useRead<Memory>(id === null ? null : `/memory/${encodeURIComponent(id)}`);
