/** Connections to providers of models, the models that they have, and programs that answer. */
import { get, type Answer } from "../api/api.ts";
import type { Agent, Connection, Model, Page } from "../api/types.ts";
import { useItems } from "./read.ts";

export const modelsOf = (connection: string): Promise<Answer<Page<Model>>> =>
  get<Page<Model>>(`/models?limit=200&q=${encodeURIComponent(`${connection}/`)}`);

/** Names of the models that the daemon knows, read once a visit. */
export const useModels = (): string[] =>
  useItems<Model>("/models?limit=200").map(({ id }) => id);

/** Programs that can answer here. */
export const useAgents = (): string[] => useItems<Agent>("/agents?limit=200")
  .filter(({ kind, found }) => kind !== "native" && found).map(({ name }) => name);

/** A server of models on the daemon's machine is found when models are listed. */
export async function connectionsRead(): Promise<Answer<Page<Connection>>> {
  await get("/models?limit=1");
  return get<Page<Connection>>("/providers?limit=200");
}
