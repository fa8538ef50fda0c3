/** Rules of the list of jobs: what its filters mean, to the daemon and for a row of an event. */
import type { Run } from "../api/types.ts";

/** Values of the filter `state` of the address. */
export const STATES: Record<string, readonly string[]> = {
  live: ["queued", "running", "waiting"],
  failed: ["failed", "timed_out", "lost", "degraded", "interrupted"],
  succeeded: ["succeeded"],
  cancelled: ["cancelled"],
};

export interface JobsFilter {
  state: string;
  q: string;
  /** Only jobs that no other run has started. */
  top: boolean;
}

/** Pure: the list of the API. */
export function pathOf({ state, q, top }: JobsFilter): string {
  const words = new URLSearchParams({ kind: "job" });
  if (state === "live") words.set("live", "1");
  else if (state === "failed") words.set("state", "failed,timed_out,lost,degraded");
  else if (STATES[state] !== undefined) words.set("state", state);
  if (q !== "") words.set("q", q);
  if (top) words.set("top", "1");
  return `/runs?${words}`;
}

const lower = (text: string): string => text.replace(/[A-Z]/g, (one) => one.toLowerCase());

/** Pure: whether a row of an event belongs to that list. Events tell of runs at the top alone. */
export function fits(row: Run, { state, q }: JobsFilter): boolean {
  if (row.kind !== "job" || !(STATES[state]?.includes(row.state) ?? true)) return false;
  return [row.label, row.command, row.id].some((text) => lower(text ?? "").includes(lower(q)));
}

export const nameOf = (row: { id: string; label: string | null; command?: string }): string =>
  row.label ?? row.command ?? row.id;

export const isLive = (state: string): boolean => STATES.live?.includes(state) ?? false;

/** How long it has run, or ran; null: it has not started. */
export function lasted(row: Run, now_ms: number): number | null {
  if (row.started_ms === null) return null;
  return (row.ended_ms ?? now_ms) - row.started_ms;
}
