/** Settings of the daemon, each saved by itself. */
import { useEffect, useId, useState } from "preact/hooks";

import { get, patch, type Problem } from "../api/api.ts";
import { Loading } from "../parts/loading.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { useNamed } from "../router/router.ts";
import { may } from "../state/me.ts";
import type { Model } from "../state/models.ts";
import { settings, settingsRead, type Settings } from "../state/system.ts";
import type { Page } from "../state/types.ts";
import { FIELDS, given, shown, type Field } from "./fields.ts";
import { words } from "./words.ts";

const EFFORTS = ["", "low", "medium", "high"];

interface ControlProps {
  field: Field; id: string; value: string; models: string; onText(text: string): void;
}

function Control({ field, id, value, models, onText }: ControlProps) {
  const common = { id, value, "aria-describedby": `${id}-about`,
    onInput: (event: { currentTarget: { value: string } }) => onText(event.currentTarget.value) };
  if (field.control === "area") return <textarea rows={3} dir="auto" {...common} />;
  if (field.control === "effort") {
    return (
      <select {...common}>
        {EFFORTS.map((one) => <option key={one} value={one}>{one || words.notSet}</option>)}
      </select>
    );
  }
  return (
    <input type="text" dir="auto" autocomplete="off" spellcheck={false} placeholder={words.notSet}
      list={field.control === "model" ? models : undefined} {...common} />
  );
}

function Row({ field, now, models }: { field: Field; now: Settings; models: string }) {
  const id = useId();
  const [name, about] = words.rows[field.name] ?? [field.name, ""];
  const stored = shown(field, now);
  const [text, textSet] = useState<string | null>(null); // null: as it is stored.
  const [problem, problemSet] = useState<Problem | null>(null);
  const [saved, savedSet] = useState(false);
  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    const answer = await patch("/settings", { [field.name]: given(field, text ?? stored) });
    problemSet(answer.ok ? null : answer.problem);
    if (!answer.ok) return;
    await settingsRead();
    textSet(null);
    savedSet(true);
  };
  const isChanged = text !== null && text !== stored;
  return (
    <form class="setting" onSubmit={(event) => void save(event)}>
      <label for={id}>{name}</label>
      {may("admin") ? (
        <div class="fields">
          <Control field={field} id={id} value={text ?? stored} models={models} onText={(now) => {
            textSet(now);
            savedSet(false);
          }} />
          <span id={`${id}-about`} class="muted small">{about}</span>
          <Trouble problem={problem} />
          {isChanged ? <p><button aria-label={words.saveOf(name)}>{words.save}</button></p> : null}
          {saved && !isChanged ? <span role="status" class="tone-ok">✓ {words.saved}</span> : null}
        </div>
      ) : (
        <output id={id} class={stored === "" ? "muted" : "mono wrap"} dir="auto">
          {stored || words.notSet}
        </output>
      )}
    </form>
  );
}

export function Defaults() {
  const named = useNamed(), list = useId();
  const [models, modelsSet] = useState<string[]>([]);
  useEffect(() => {
    void get<Page<Model>>("/models?limit=200").then((answer) =>
      answer.ok && modelsSet(answer.value.items.map(({ id }) => id)));
  }, []);
  const now = settings.value;
  if (now === null) return <Loading />;
  const group = (title: string, fields: Field[]) => (
    <section aria-label={named(title)}>
      <div class="head"><h2>{title}</h2></div>
      {fields.map((field) => <Row key={field.name} field={field} now={now} models={list} />)}
    </section>
  );
  return (
    <>
      <datalist id={list}>{models.map((id) => <option key={id} value={id} />)}</datalist>
      {group(words.inForce, FIELDS.sessions)}
      {group(words.notices, FIELDS.notices)}
    </>
  );
}
