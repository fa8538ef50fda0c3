/** Reads both runs with all of their agents, and again while one of them goes on. */
import { get, type Answer } from "../api/api.ts";
import type { Page, Run, RunAgent } from "../api/types.ts";
import { useRead, type Read } from "../state/read.ts";
import { printOf, type AgentRow } from "./rules.ts";

export interface RunRow extends Run {
  spec: { name?: string; script?: string; args?: unknown; model?: string };
  result?: { result?: unknown } | null;
}
export interface Side { run: RunRow; agents: AgentRow[]; print: string | null }

const PAGE = 200, AGAIN_MS = 3_000;

async function agentsOf(id: string): Promise<Answer<AgentRow[]>> {
  const rows: AgentRow[] = [];
  for (let after: string | null = ""; after !== null;) {
    const from: string = after === "" ? "" : `&after=${encodeURIComponent(after)}`;
    const page = await get<Page<RunAgent>>(`/runs/${id}/agents?whole=1&limit=${PAGE}${from}`);
    if (!page.ok) return page;
    for (const { result, ...row } of page.value.items) {
      rows.push({ ...row, print: printOf(result) });
    }
    after = page.value.next;
  }
  return { ok: true, value: rows };
}

async function sideOf(id: string): Promise<Answer<Side>> {
  const path = encodeURIComponent(id);
  const run = await get<RunRow>(`/runs/${path}`);
  if (!run.ok) return run;
  const agents = run.value.kind === "workflow" ? await agentsOf(path) : null;
  if (agents?.ok === false) return agents;
  return { ok: true, value: { run: run.value, agents: agents?.value ?? [],
    print: agents === null ? null : printOf(run.value.result?.result) } };
}

const isOne = (data: unknown, ids: readonly string[]): boolean =>
  ids.includes((data as { id?: string } | null)?.id ?? "");

export const useSides = (a: string, b: string): Read<[Side, Side]> =>
  useRead<[Side, Side]>(`${a} ${b}`, {
    from: async () => {
      const [one, other] = await Promise.all([sideOf(a), sideOf(b)]);
      return !one.ok ? one : !other.ok ? other : { ok: true, value: [one.value, other.value] };
    },
    after: ({ data }) => isOne(data, [a, b]), pause_ms: AGAIN_MS,
  });
