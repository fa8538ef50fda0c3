/** Step 2: which of its models new sessions use. */
import { useId, useState } from "preact/hooks";

import { patch, type Problem } from "../api/api.ts";
import type { Model, Page } from "../api/types.ts";
import { choicesOf } from "../parts/choices.ts";
import { Picker } from "../parts/picker.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { modelsOf } from "../state/models.ts";
import { useRead } from "../state/read.ts";
import { settings, settingsRead } from "../state/system.ts";
import type { Chosen } from "./connection.tsx";
import { words } from "./words.ts";

interface StepProps { chosen: Chosen; onPick(model: string): void }

export function ModelStep({ chosen, onPick }: StepProps) {
  const { value, problem: unread } =
    useRead<Page<Model>>(chosen.name, { from: () => modelsOf(chosen.name) });
  const models = value?.items.filter(({ provider }) => provider === chosen.name) ?? null;
  const field = useId(), [at, atSet] = useState<string | null>(null);
  const [problem, problemSet] = useState<Problem | null>(null);
  const tested = chosen.model === null ? null : `${chosen.name}/${chosen.model}`;
  const ids = models?.map(({ id }) => id) ?? [];
  if (tested !== null && !ids.includes(tested)) ids.unshift(tested); // It has answered.
  const picked = at ?? tested ?? ids[0];
  const use = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (picked === undefined) return;
    // The demo is for a look: it does not become the model of every session.
    if (chosen.kind !== "scripted") {
      const answer = await patch("/settings", { default_model: picked });
      problemSet(answer.ok ? null : answer.problem);
      if (!answer.ok) return;
      await settingsRead();
    }
    onPick(picked);
  };
  return (
    <section class="step">
      <div class="head"><h2>{words.step(2, words.stepModel)}</h2></div>
      <Trouble problem={problem ?? unread} />
      {picked === undefined ? <p class="muted">{models === null ? "" : words.noModels}</p> : (
        <form class="fields" onSubmit={(event) => void use(event)}>
          <div class="asked">
            <label for={field}>{words.model}</label>
            <Picker id={field} value={picked} choices={choicesOf(ids)} pick={atSet} />
          </div>
          <p><button class="main">{words.useModel}</button></p>
          {settings.value?.default_model === picked
            ? <p role="status">{words.inUse(picked)}</p> : null}
        </form>
      )}
    </section>
  );
}
