/** The terminals of the owner, read again whenever one of them or its job changes. */
import { useEffect, useState } from "preact/hooks";

import { get, type Problem } from "../api/api.ts";
import type { Page, NamedTerminal } from "../api/types.ts";
import { followOwner } from "../state/owner.ts";
import type { StreamEvent } from "../stream/index.ts";

const READ_MS = 100;

/** Pure: whether an event changes what is shown. */
export function concerns({ type, data }: StreamEvent, items: readonly NamedTerminal[]): boolean {
  if (type === "terminal_changed") return true;
  return type === "run_changed" && items.some(({ run }) => run === (data as { id?: string }).id);
}

export interface List { items: NamedTerminal[] | null; problem: Problem | null; again(): void }

export function useTerminals(): List {
  const [items, itemsSet] = useState<NamedTerminal[] | null>(null);
  const [problem, problemSet] = useState<Problem | null>(null);
  const [count, countSet] = useState(0);
  useEffect(() => {
    let known: NamedTerminal[] = [];
    let reads = 0;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const read = async (): Promise<void> => {
      const mine = ++reads;
      const answer = await get<Page<NamedTerminal>>("/terminals?limit=100");
      if (mine !== reads) return;
      problemSet(answer.ok ? null : answer.problem);
      if (!answer.ok) return;
      known = answer.value.items.reverse(); // As tabs: the newest is the last.
      itemsSet(known);
    };
    void read();
    const end = followOwner({
      onReset: () => void read(),
      onEvents: (events) => {
        if (!events.some((event) => concerns(event, known))) return;
        clearTimeout(timer);
        timer = setTimeout(() => void read(), READ_MS);
      },
    });
    return () => {
      reads = Infinity;
      clearTimeout(timer);
      end();
    };
  }, [count]);
  return { items, problem, again: () => countSet((one) => one + 1) };
}
