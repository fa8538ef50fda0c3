/** A small form that starts a subagent of the session. */
import { useLayoutEffect, useRef, useState } from "preact/hooks";

import { post, type Problem } from "../../api/api.ts";
import { SUBAGENT_LABEL_MAX } from "../../api/types.ts";
import { useNamed } from "../../router/router.ts";
import { Field } from "../../parts/form.tsx";
import { KeptContext, useKept } from "../../parts/kept.ts";
import { ModelField } from "../../parts/named.tsx";
import { Trouble } from "../../parts/trouble.tsx";
import { words } from "./words.ts";

/** What was typed stays when it is closed by Escape. */
function Open({ session, close, done }: { session: string; close(): void; done(): void }) {
  const named = useNamed();
  const { form, kept, keep, clear } = useKept(`subagent ${session}`);
  const [sending, sendingSet] = useState(false);
  const [problem, problemSet] = useState<Problem | null>(null);
  useLayoutEffect(() => form.current?.querySelector("textarea")?.focus(), []);
  const send = async (event: SubmitEvent) => {
    event.preventDefault();
    if (sending || form.current === null) return;
    const given = [...new FormData(form.current)].filter(([, value]) => value !== "");
    sendingSet(true);
    const answer = await post(`/sessions/${session}/subagents`, Object.fromEntries(given));
    sendingSet(false);
    problemSet(answer.ok ? null : answer.problem);
    if (!answer.ok) return;
    clear();
    close();
    done();
  };
  return (
    <form class="side-form" ref={form} aria-label={named(words.start)} onInput={keep}
      onSubmit={(event) => void send(event)}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        event.preventDefault();
        close();
      }}>
      <KeptContext.Provider value={kept}>
        <Field name="input" label={words.task} lines={4} required />
        <Field name="label" label={words.label} max={SUBAGENT_LABEL_MAX} />
        <ModelField name="model" label={words.model} />
      </KeptContext.Provider>
      <Trouble problem={problem} />
      <div class="side-buttons ends">
        <button type="button" class="quiet" onClick={() => {
          clear();
          close();
        }}>{words.discard}</button>
        <button type="submit" disabled={sending}>{words.send}</button>
      </div>
    </form>
  );
}

export function StartForm({ session, done }: { session: string; done(): void }) {
  const [open, openSet] = useState(false), was = useRef(false);
  const button = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => {
    if (!open && was.current) button.current?.focus();
    was.current = open;
  }, [open]);
  if (open) return <Open session={session} close={() => openSet(false)} done={done} />;
  return (
    <button class="quiet side-start" ref={button} onClick={() => openSet(true)}>
      {words.start}
    </button>
  );
}
