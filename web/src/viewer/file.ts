/** The document that the file carries (docs/api.md: export of a run). */
import type { Run } from "../api/types.ts";
import type { StreamEvent } from "../stream/index.ts";
import { sessionless } from "./sessions.ts";

export interface Document {
  drover: string;
  run: Run & { stream?: string };
  script: { file: string | null; source: string } | null;
  scripts: { file: string; source: string | null }[];
  events: (StreamEvent & { at_ms: number })[];
  agents: { id: string; prompt?: string; result?: unknown; state: string }[];
  spans: { id: string; run: string; parent?: string | null; kind: string; started_ms: number;
    ended_ms: number | null; input?: string | null; output?: string | null }[];
}

export const file = sessionless(
  JSON.parse(document.getElementById("run")?.textContent ?? "") as Document);

const moments = [...file.events.map(({ at_ms }) => at_ms),
  ...file.spans.map(({ started_ms, ended_ms }) => ended_ms ?? started_ms)];
/** What went on when the file was written goes on for ever: until its last moment. */
export const last_ms = moments.reduce((last, at) => Math.max(last, at), 0);
