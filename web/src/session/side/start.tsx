/** A small form that starts a subagent of the session. */
import { useLayoutEffect, useRef, useState } from "preact/hooks";

import { post, type Problem } from "../../api/api.ts";
import { SUBAGENT_LABEL_MAX } from "../../api/types.ts";
import { useNamed } from "../../router/router.ts";
import { Trouble } from "../../parts/trouble.tsx";
import { words } from "./words.ts";

export function StartForm({ session, done }: { session: string; done(): void }) {
  const named = useNamed();
  const [open, openSet] = useState(false);
  const [sending, sendingSet] = useState(false);
  const [problem, problemSet] = useState<Problem | null>(null);
  const form = useRef<HTMLFormElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const was = useRef(false);
  useLayoutEffect(() => {
    if (open) form.current?.querySelector("textarea")?.focus();
    else if (was.current) button.current?.focus();
    was.current = open;
  }, [open]);
  const send = async (event: SubmitEvent) => {
    event.preventDefault();
    if (sending || form.current === null) return;
    const given = [...new FormData(form.current)].filter(([, value]) => value !== "");
    sendingSet(true);
    const answer = await post(`/sessions/${session}/subagents`, Object.fromEntries(given));
    sendingSet(false);
    problemSet(answer.ok ? null : answer.problem);
    if (!answer.ok) return;
    openSet(false);
    done();
  };
  if (!open) {
    return (
      <button class="quiet side-start" ref={button} onClick={() => openSet(true)}>
        {words.start}
      </button>
    );
  }
  return (
    <form class="side-form" ref={form} aria-label={named(words.start)}
      onSubmit={(event) => void send(event)}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        event.preventDefault();
        openSet(false);
      }}>
      <label>{words.task}<textarea name="input" rows={4} required dir="auto" /></label>
      <label>{words.label}<input name="label" maxLength={SUBAGENT_LABEL_MAX} dir="auto" /></label>
      <label>{words.model}<input name="model" autocomplete="off" spellcheck={false} /></label>
      <Trouble problem={problem} />
      <div class="side-buttons">
        <button type="submit" disabled={sending}>{words.send}</button>
        <button type="button" class="quiet" onClick={() => openSet(false)}>{words.discard}</button>
      </div>
    </form>
  );
}
