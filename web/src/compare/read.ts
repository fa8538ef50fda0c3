/** Reads both runs with all of their agents, and again while one of them goes on. */
import { useEffect, useState } from "preact/hooks";

import { get, type Problem } from "../api/api.ts";
import type { Page, Run, RunAgent } from "../api/types.ts";
import { followOwner } from "../state/owner.ts";
import { printOf, type AgentRow } from "./rules.ts";

export interface RunRow extends Run {
  spec: { name?: string; script?: string; args?: unknown; model?: string };
  result?: { result?: unknown } | null;
}
export interface Side { run: RunRow; agents: AgentRow[]; print: string | null }

const PAGE = 200, AGAIN_MS = 3_000;

async function agentsOf(id: string): Promise<AgentRow[] | Problem> {
  const rows: AgentRow[] = [];
  for (let after: string | null = ""; after !== null;) {
    const from: string = after === "" ? "" : `&after=${encodeURIComponent(after)}`;
    const page = await get<Page<RunAgent>>(`/runs/${id}/agents?whole=1&limit=${PAGE}${from}`);
    if (!page.ok) return page.problem;
    for (const { result, ...row } of page.value.items) {
      rows.push({ ...row, print: printOf(result) });
    }
    after = page.value.next;
  }
  return rows;
}

async function sideOf(id: string): Promise<Side | Problem> {
  const path = encodeURIComponent(id);
  const run = await get<RunRow>(`/runs/${path}`);
  if (!run.ok) return run.problem;
  if (run.value.kind !== "workflow") return { run: run.value, agents: [], print: null };
  const agents = await agentsOf(path);
  if (!Array.isArray(agents)) return agents;
  return { run: run.value, agents, print: printOf(run.value.result?.result) };
}

export interface Sides { sides: [Side, Side] | null; problem: Problem | null; again(): void }

export function useSides(a: string, b: string): Sides {
  const [sides, sidesSet] = useState<[Side, Side] | null>(null);
  const [problem, problemSet] = useState<Problem | null>(null);
  const [count, countSet] = useState(0);
  useEffect(() => {
    let here = true, reading = false, missed = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const read = async (): Promise<void> => {
      reading = true;
      missed = false;
      const found = await Promise.all([sideOf(a), sideOf(b)]);
      if (!here) return;
      const bad = found.find((one): one is Problem => "code" in one);
      problemSet(bad ?? null);
      if (bad === undefined) sidesSet(found as [Side, Side]);
      timer = setTimeout(() => {
        reading = false;
        if (missed) void read();
      }, AGAIN_MS);
    };
    void read();
    const changed = (list: readonly { data: unknown }[]): void => {
      const isOurs = list.some(({ data }) => [a, b].includes((data as { id?: string })?.id ?? ""));
      if (isOurs && reading) missed = true;
      else if (isOurs) void read();
    };
    const end = followOwner({ onReset: () => {}, onEvents: changed, onNotices: changed });
    return () => {
      here = false;
      clearTimeout(timer);
      end();
    };
  }, [a, b, count]);
  return { sides, problem, again: () => countSet(count + 1) };
}
