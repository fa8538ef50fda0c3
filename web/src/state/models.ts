/** Connections to providers of models, and the models that they have. */
import { get, type Answer } from "../api/api.ts";
import type { Page } from "./types.ts";

export interface Connection {
  name: string;
  kind: string;
  base_url: string | null;
  key_set: boolean;
  key_from: string | null;
  key_header: string | null;
  headers: Record<string, string>;
  models: string[];
  window: number | null;
  max_concurrent: number | null;
  /** `set`, or where it was found. */
  origin: string;
  /** Why it is not asked now. */
  cause: string | null;
  detail: string | null;
  resume_at_ms: number | null;
}

export interface Model { id: string; provider: string; window: number | null }

export interface Tested {
  name: string;
  model: string | null;
  ok: boolean;
  cause: string | null;
  detail: string | null;
  latency_ms: number | null;
}

export const modelsOf = (connection: string): Promise<Answer<Page<Model>>> =>
  get<Page<Model>>(`/models?limit=200&q=${encodeURIComponent(`${connection}/`)}`);

/** A server of models on the daemon's machine is found when models are listed. */
export async function connectionsRead(): Promise<Answer<Page<Connection>>> {
  await get("/models?limit=1");
  return get<Page<Connection>>("/providers?limit=200");
}
