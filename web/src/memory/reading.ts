/** What the view reads: the list, which lives; the sums beside it; one memory. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import { get, type Problem } from "../api/api.ts";
import type { Day, Memory, Page, Topic } from "../api/types.ts";
import { followOwner } from "../state/owner.ts";
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
export function useSums(filter: MemoryFilter): Sums | null {
  const { topic, project } = filter;
  const [sums, sumsSet] = useState<Sums | null>(null);
  const reads = useRef(0);
  useChanges(async () => {
    const mine = ++reads.current;
    const [topics, days, projects] = await Promise.all([
      get<Page<Topic>>(topicsPath(filter)), get<Page<Day>>(daysPath(filter)),
      get<Page<{ name: string }>>("/projects?limit=200"),
    ]);
    if (mine !== reads.current) return;
    sumsSet({
      topics: topics.ok ? topics.value.items : [], more: topics.ok && topics.value.next !== null,
      days: days.ok ? days.value.items : [],
      projects: projects.ok ? projects.value.items.map(({ name }) => name) : [],
    });
  }, [topic, project]);
  useEffect(() => () => void reads.current++, []);
  return sums;
}

/** A memory of the address that is not in the list. */
export function useOne(id: string | null): { memory: Memory | null; problem: Problem | null } {
  interface Read { id: string; memory: Memory | null; problem: Problem | null }
  const [state, stateSet] = useState<Read>(
    { id: "", memory: null, problem: null });
  useEffect(() => {
    if (id === null) return undefined;
    let isOver = false;
    void get<Memory>(`/memory/${encodeURIComponent(id)}`).then((answer) => {
      if (isOver) return;
      stateSet({ id, memory: answer.ok ? answer.value : null,
        problem: answer.ok ? null : answer.problem });
    });
    return () => void (isOver = true);
  }, [id]);
  return id === state.id ? state : { memory: null, problem: null };
}
