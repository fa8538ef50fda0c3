/** Who answers from the next turn on: a program, or a model. A program keeps its model. */
import { patch } from "../api/api.ts";
import type { Agent, Session } from "../api/types.ts";
import { visible } from "../parts/visible.ts";
import { useItems, useRead } from "../state/read.ts";
import { words as shared } from "../words.ts";
import { programOf } from "./text.ts";
import { words } from "./words.ts";

/** Names of the models that the daemon knows, read once a visit. */
export const useModels = (): string[] => useItems<{ id: string }>("/models").map(({ id }) => id);

/** Programs that can answer here. */
export const useAgents = (): string[] => useItems<Agent>("/agents?limit=200")
  .filter(({ kind, found }) => kind !== "native" && found).map(({ name }) => name);

/** The model of sessions that name none; null: there is none, or nobody knows yet. */
export const useDefault = (): string | null =>
  useRead<{ model: string | null }>("/settings").value?.model ?? null;

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
