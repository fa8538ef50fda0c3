/** Who answers: the model of the session. A session of a program keeps its program. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { get, patch } from "../api/api.ts";
import { visible } from "../parts/visible.ts";
import type { Session } from "../state/session.ts";
import type { Page } from "../state/types.ts";
import { words as shared } from "../words.ts";
import { words } from "./words.ts";

/** Names of the models that the daemon knows, read once a visit. */
export function useModels(): string[] {
  const models = useSignal<string[]>([]);
  useEffect(() => {
    void get<Page<{ id: string }>>("/models").then((answer) => {
      if (answer.ok) models.value = answer.value.items.map(({ id }) => id);
    });
  }, []);
  return models.value;
}

/** Programs that can answer here. */
export function useAgents(): string[] {
  const agents = useSignal<string[]>([]);
  useEffect(() => {
    void get<Page<{ name: string; kind: string; found: boolean }>>("/agents").then((answer) => {
      if (!answer.ok) return;
      const programs = answer.value.items.filter(({ kind, found }) => kind !== "native" && found);
      agents.value = programs.map(({ name }) => name);
    });
  }, []);
  return agents.value;
}

/** The model of sessions that name none; null: there is none, or nobody knows yet. */
export function useDefault(): string | null {
  const model = useSignal<string | null>(null);
  useEffect(() => {
    void get<{ model: string | null }>("/settings").then((answer) => {
      if (answer.ok) model.value = answer.value.model;
    });
  }, []);
  return model.value;
}

interface PickersProps { session: Session; say(text: string): void }

export function Pickers({ session, say }: PickersProps) {
  const models = useModels();
  if (session.agent !== null) return null;
  const given = session.model ?? "";
  const all = given === "" || models.includes(given) ? models : [given, ...models];
  const choose = async (model: string): Promise<void> => {
    const answer = await patch(`/sessions/${session.id}`, { model });
    if (!answer.ok) say(shared.problem(answer.problem));
  };
  return (
    <select class="quiet" aria-label={words.model} value={given}
      onChange={(event) => void choose(event.currentTarget.value)}>
      {given === "" ? <option value="">{words.defaultModel}</option> : null}
      {all.map((model) => <option key={model} value={model}>{visible(model)}</option>)}
    </select>
  );
}
