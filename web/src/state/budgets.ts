/** Budgets, nearest their limit first: read again after what changes them, at most once in two
 *  seconds, while something shows them. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { get, type Problem } from "../api/api.ts";
import { key } from "../api/key.ts";
import type { Budget, Page } from "../api/types.ts";
import { byNearness } from "../usage/limits.ts";
import { followOwner } from "./owner.ts";

export interface BudgetsState {
  items: Budget[]; more: boolean; ready: boolean; problem: Problem | null;
}

const EMPTY: BudgetsState = { items: [], more: false, ready: false, problem: null };
const AGAIN_MS = 2_000;
export const budgets = signal<BudgetsState>(EMPTY);

let timer: ReturnType<typeof setTimeout> | null = null;
let reads = 0, shown = 0;
let end: (() => void) | null = null;

export async function budgetsRead(): Promise<void> {
  const mine = ++reads;
  const answer = await get<Page<Budget>>("/budgets?limit=200");
  if (mine !== reads || key.value === null) return;
  budgets.value = answer.ok
    ? { items: byNearness(answer.value.items), more: answer.value.next !== null, ready: true,
      problem: null }
    : { ...budgets.value, problem: answer.problem };
}

function soon(): void {
  timer ??= setTimeout(() => {
    timer = null;
    if (shown > 0) void budgetsRead();
  }, AGAIN_MS);
}

key.subscribe((value) => {
  if (value === null) budgets.value = EMPTY;
});

/** As long as the component is mounted. */
export function useBudgets(): BudgetsState {
  useEffect(() => {
    if (++shown === 1) end = followOwner({ onReset: () => void budgetsRead(), onEvents: soon });
    return () => {
      if (--shown === 0) end?.();
    };
  }, []);
  return budgets.value;
}
