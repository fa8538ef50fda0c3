/** Who answers from the next turn on: a program, or a model. A program keeps its model. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { get, patch } from "../api/api.ts";
import type { Agent, Page, Session } from "../api/types.ts";
import { visible } from "../parts/visible.ts";
import { words as shared } from "../words.ts";
import { programOf } from "./text.ts";
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
    void get<Page<Agent>>("/agents?limit=200").then((answer) => {
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
  const models = useModels(), agents = useAgents(), program = programOf(session);
  const given = session.model ?? "";
  const all = given === "" || models.includes(given) ? models : [given, ...models];
  const names = program === null || agents.includes(program) ? agents : [program, ...agents];
  const choose = async (select: HTMLSelectElement, was: string, change: object): Promise<void> => {
    const answer = await patch(`/sessions/${session.id}`, change);
    if (answer.ok) return;
    say(shared.problem(answer.problem));
    select.value = was;
  };
  return (
    <>
      {names.length === 0 ? null : (
        <select class="quiet" aria-label={words.agent} value={program ?? ""}
          onChange={({ currentTarget: one }) =>
            void choose(one, program ?? "", { agent: one.value })}>
          <option value="">{words.noAgent}</option>
          {names.map((name) => <option key={name} value={name}>{visible(name)}</option>)}
        </select>
      )}
      {program !== null ? null : (
        <select class="quiet" aria-label={words.model} value={given}
          onChange={({ currentTarget: one }) => void choose(one, given, { model: one.value })}>
          {given === "" ? <option value="">{words.defaultModel}</option> : null}
          {all.map((model) => <option key={model} value={model}>{visible(model)}</option>)}
        </select>
      )}
    </>
  );
}
