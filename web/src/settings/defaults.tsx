/** Settings of the daemon, each saved by itself. */
import { useId, useState } from "preact/hooks";

import { patch, type Problem } from "../api/api.ts";
import type { Settings } from "../api/types.ts";
import { Loading } from "../parts/loading.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { useNamed } from "../router/router.ts";
import { may } from "../state/me.ts";
import { settings, settingsRead } from "../state/system.ts";
import { Control } from "./control.tsx";
import { FIELDS, given, shown, type Field } from "./fields.ts";
import { InForce } from "./models.tsx";
import { words } from "./words.ts";

interface RowProps { field: Field<keyof Settings>; now: Settings }

/** What was typed, and what was stored when that began. */
interface Draft { text: string; over: string }

function Row({ field, now }: RowProps) {
  const id = useId();
  const [name, about] = words.rows[field.name] ?? [field.name, ""];
  const stored = shown(field, now);
  const [draft, draftSet] = useState<Draft | null>(null); // null: as it is stored.
  const [problem, problemSet] = useState<Problem | null>(null);
  const [saved, savedSet] = useState(false);
  const text = draft?.text ?? stored;
  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    const answer = await patch("/settings", { [field.name]: given(field, text) });
    problemSet(answer.ok ? null : answer.problem);
    if (!answer.ok) return;
    await settingsRead();
    const over = settings.value === null ? text : shown(field, settings.value);
    // What was typed meanwhile stays, over what is stored now.
    draftSet((typed) => (typed === null || typed.text === text ? null : { ...typed, over }));
    savedSet(true);
  };
  const isChanged = text !== stored;
  const drop = (): void => {
    draftSet(null);
    problemSet(null);
    document.getElementById(id)?.focus(); // The button that was pressed leaves.
  };
  return (
    <form class="setting" onSubmit={(event) => void save(event)}>
      {field.control === "checks" || !may("admin") ? <span class="name">{name}</span>
        : <label for={id}>{name}</label>}
      {may("admin") ? (
        <div class="fields">
          <Control field={field} id={id} label={name} value={text} isBad={problem !== null}
            onText={(typed) => {
              draftSet({ text: typed, over: draft?.over ?? stored });
              savedSet(false);
            }} />
          <span id={`${id}-about`} class="muted small">{about}</span>
          <Trouble problem={problem} />
          {isChanged && draft !== null && draft.over !== stored ? (
            <span role="status" class="tone-wait small wrap" dir="auto">
              {words.elsewhere(stored === "" ? words.notSet : visible(stored))}
            </span>
          ) : null}
          {isChanged ? (
            <p>
              <button aria-label={words.saveOf(name)}>{words.save}</button>{" "}
              <button type="button" class="quiet" aria-label={words.dropOf(name)} onClick={drop}>
                {words.drop}
              </button>
            </p>
          ) : null}
          {saved && !isChanged ? <span role="status" class="tone-ok">✓ {words.saved}</span> : null}
        </div>
      ) : (
        <output class={stored === "" ? "muted" : "mono wrap"} aria-label={name} dir="auto">
          {visible(stored) || words.notSet}
        </output>
      )}
    </form>
  );
}

function Group({ title, fields }: { title: string; fields: Field<keyof Settings>[] }) {
  const named = useNamed();
  const now = settings.value;
  if (now === null) return <Loading />;
  return (
    <section aria-label={named(title)}>
      <div class="head"><h2>{title}</h2></div>
      {fields.map((field) => <Row key={field.name} field={field} now={now} />)}
    </section>
  );
}

export function Defaults() {
  return (
    <>
      <InForce />
      <p class="muted">{words.defaultsAbout}</p>
      <Group title={words.inForce} fields={FIELDS.sessions} />
    </>
  );
}

export function Notices() {
  return (
    <>
      <p class="muted">{words.noticesAbout}</p>
      <Group title={words.notices} fields={FIELDS.notices} />
    </>
  );
}
