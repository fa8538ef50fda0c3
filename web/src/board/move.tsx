/** Forms that say something along with a move: to which status, why it goes back, what is asked. */
import { useState } from "preact/hooks";

import { post } from "../api/api.ts";
import type { Task } from "../api/types.ts";
import { Field, Form } from "../parts/form.tsx";
import { moveAll, type Outcome } from "./actions.ts";
import { choicesOf, edgeOf, isHeld, pathOf, type Status } from "./rules.ts";
import { words } from "./words.ts";

const LINES = 4;

/** `to`: no other is offered. One task that is refused stays in the form, with the daemon's
 *  sentence. The form is about the tasks as they were shown when it opened: a reason that is sent
 *  after somebody else has judged is refused, and opens nothing again. */
export function MoveForm({ tasks: shown, to, close, done }: {
  tasks: readonly Task[]; to?: Status | undefined; close(): void; done(outcome: Outcome): void;
}) {
  const [tasks] = useState(shown);
  const choices = choicesOf(tasks);
  const [chosen, chosenSet] = useState(to ?? choices[0]?.to);
  const said = choices.find((edge) => edge.to === chosen)?.words ?? null;
  // Of several, those that cannot go there stay where they are.
  const fitting = tasks.filter((task) => chosen !== undefined && edgeOf(task, chosen) !== null);
  const ends = chosen === "cancelled" && tasks.some(isHeld);
  const submit = async (given: Record<string, string>) => {
    const outcome = await moveAll(tasks.length === 1 ? tasks : fitting, chosen as Status,
      given.said);
    const [first] = outcome.refused;
    if (tasks.length === 1 && first !== undefined) {
      return { ok: false as const, problem: first.problem };
    }
    return { ok: true as const, value: outcome };
  };
  return (
    <Form<Outcome> title={words.moveTitle(tasks.length, tasks[0]?.name ?? "", to)} send={words.move}
      cancel={words.cancel} close={close} submit={submit} done={done}>
      {to !== undefined ? null : (
        <label>
          <span>{words.moveTo}</span>
          <select value={chosen} onChange={({ currentTarget: { value } }) =>
            chosenSet(value as Status)}>
            {choices.map((edge) => (
              <option key={edge.to} value={edge.to}>
                {edge.words === "reasons" ? words.sendBack : words.moves[edge.to]}
              </option>
            ))}
          </select>
        </label>
      )}
      {said === null ? null : (
        <Field key={said} name="said" label={words.said[said][0]} about={words.said[said][1]}
          lines={LINES} required={said !== "answer"} />
      )}
      {fitting.length === tasks.length ? null
        : <p class="muted">{words.movable(fitting.length, tasks.length)}</p>}
      {ends ? <p class="tone-wait">{words.cancelHeld}</p> : null}
    </Form>
  );
}

/** A task need not wait for another one. */
export function WaiveForm({ task, needs, close, done }: {
  task: Task; needs: string; close(): void; done(): void;
}) {
  return (
    <Form title={words.waiveTitle(task.name, needs)} send={words.waive} cancel={words.cancel}
      close={close} done={done}
      submit={({ because = "" }) => post(`${pathOf(task)}/waive`, { needs, because })}>
      <p class="muted">{words.waiveAbout}</p>
      <Field name="because" label={words.because} lines={2} required />
    </Form>
  );
}
