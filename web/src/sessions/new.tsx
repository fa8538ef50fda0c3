/** The form of a new session. It goes there once the daemon has it. */
import { useSignal } from "@preact/signals";
import { useEffect, useId, useRef } from "preact/hooks";

import type { Problem } from "../api/api.ts";
import { visible } from "../parts/visible.ts";
import { useSeat } from "../router/router.ts";
import { useAgents, useDefault, useModels } from "../session/pickers.tsx";
import { words as shared } from "../words.ts";
import { sessionBegin } from "./begin.ts";
import { words } from "./words.ts";

export function NewSession({ onClose }: { onClose: () => void }) {
  const { go } = useSeat(), id = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  const form = useRef<HTMLFormElement>(null);
  const models = useModels(), agents = useAgents(), fallback = useDefault();
  const problem = useSignal<Problem | null>(null);
  const isSending = useSignal(false);
  useEffect(() => dialog.current?.showModal(), []);

  const begin = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (form.current === null || isSending.value) return;
    const given = new FormData(form.current);
    const text = (name: string): string => String(given.get(name) ?? "").trim();
    const fields = ["title", "root", "model", "agent"].filter((name) => text(name) !== "");
    isSending.value = true;
    const answer = await sessionBegin(
      Object.fromEntries(fields.map((name) => [name, text(name)])), text("first"));
    isSending.value = false;
    if (!answer.ok) {
      problem.value = answer.problem;
      return;
    }
    go(`/s/${answer.value.id}`);
  };
  return (
    <dialog ref={dialog} class="new-session" aria-labelledby={id} onClose={onClose}>
      <form ref={form} onSubmit={(event) => void begin(event)} onKeyDown={(event) => {
        if (event.key === "Enter" && event.ctrlKey) form.current?.requestSubmit();
      }}>
        <h2 id={id}>{words.new}</h2>
        <label>{words.first}<textarea name="first" rows={4} dir="auto" /></label>
        <label>{words.model}
          <input name="model" class="mono" list={`${id}-models`} autocomplete="off"
            spellcheck={false} placeholder={words.defaultModel(fallback)} />
          <datalist id={`${id}-models`}>
            {models.map((model) => <option key={model} value={model} />)}
          </datalist>
        </label>
        {agents.length === 0 ? null : (
          <label>{words.agent}
            <select name="agent">
              <option value="">{words.noAgent}</option>
              {agents.map((name) => <option key={name} value={name}>{visible(name)}</option>)}
            </select>
          </label>
        )}
        <label>{words.root} <span class="muted">{words.optional}. {words.rootAbout}</span>
          <input name="root" class="mono" autocomplete="off" spellcheck={false} />
        </label>
        <label>{words.title} <span class="muted">{words.optional}. {words.titleAbout}</span>
          <input name="title" dir="auto" maxLength={200} autocomplete="off" />
        </label>
        {problem.value === null ? null : (
          <p class="tone-fail" role="alert">
            {shared.problem(problem.value)} <code>{problem.value.code}</code>
          </p>
        )}
        <p class="acts">
          <button type="button" onClick={onClose}>{words.cancel}</button>
          <button class="main" disabled={isSending.value}>{words.begin}</button>
        </p>
      </form>
    </dialog>
  );
}
