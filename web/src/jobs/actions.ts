/** What can be done with a job, from its row and from its own page. */
import { get, post, type Answer } from "../api/api.ts";
import type { Run, WholeRun } from "../api/types.ts";

export const start = (spec: Record<string, unknown>): Promise<Answer<Run>> =>
  post<Run>("/jobs", spec);

export const stop = (id: string): Promise<Answer<unknown>> => post(`/runs/${id}/stop`, {});

/** The new run: a retry of one that did not succeed, else the same request once more. */
export async function again(id: string): Promise<Answer<Run>> {
  const run = await get<WholeRun>(`/runs/${id}`);
  if (!run.ok) return run;
  return run.value.state === "succeeded" ? start(run.value.spec ?? {})
    : post<Run>(`/runs/${id}/retry`, {});
}
