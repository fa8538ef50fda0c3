/** Connections to providers of models, and the models that they have. */
import { get, type Answer } from "../api/api.ts";
import type { Connection, Model, Page } from "../api/types.ts";

export const modelsOf = (connection: string): Promise<Answer<Page<Model>>> =>
  get<Page<Model>>(`/models?limit=200&q=${encodeURIComponent(`${connection}/`)}`);

/** A server of models on the daemon's machine is found when models are listed. */
export async function connectionsRead(): Promise<Answer<Page<Connection>>> {
  await get("/models?limit=1");
  return get<Page<Connection>>("/providers?limit=200");
}
