/** What can be done with a job, from its row and from its own page. */
import { get, post, type Answer } from "../api/api.ts";

interface Started { id: string }
interface Stored { state: string; spec: Record<string, unknown> }

export const start = (spec: Record<string, unknown>): Promise<Answer<Started>> =>
  post<Started>("/jobs", spec);

export const stop = (id: string): Promise<Answer<unknown>> => post(`/runs/${id}/stop`, {});

/** The new run: a retry of one that did not succeed, else the same request once more. */
export async function again(id: string): Promise<Answer<Started>> {
  const run = await get<Stored>(`/runs/${id}`);
  if (!run.ok) return run;
  return run.value.state === "succeeded" ? start(run.value.spec)
    : post<Started>(`/runs/${id}/retry`, {});
}
