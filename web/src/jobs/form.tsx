/** Runs a command: the form, as a dialog. */
import { useEffect, useRef, useState } from "preact/hooks";

import type { Problem as Given } from "../api/api.ts";
import { Problem } from "../parts/problem.tsx";
import { go } from "../router/router.ts";
import { start } from "./actions.ts";
import { words } from "./words.ts";

export function RunForm({ close }: { close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [problem, problemSet] = useState<Given | null>(null);
  const [busy, busySet] = useState(false);
  useEffect(() => dialog.current?.showModal(), []);
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const given = new FormData(event.currentTarget as HTMLFormElement);
    const text = (name: string): string => String(given.get(name) ?? "").trim();
    busySet(true);
    const answer = await start({
      shell: text("command"),
      ...(text("folder") !== "" && { cwd: text("folder") }),
      ...(text("label") !== "" && { label: text("label") }),
      ...(given.has("terminal") && { pty: true }),
    });
    busySet(false);
    if (!answer.ok) return problemSet(answer.problem);
    close();
    go(`/j/${answer.value.id}`);
  };
  return (
    <dialog ref={dialog} class="form" onClose={close} aria-labelledby="run-title">
      <form onSubmit={(event) => void submit(event)}>
        <h2 id="run-title">{words.run}</h2>
        <label>
          <span>{words.command} <span class="muted">{words.commandAbout}</span></span>
          <textarea name="command" class="mono" rows={2} required dir="auto" spellcheck={false}
            onKeyDown={(event) => {
              if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
              event.preventDefault();
              event.currentTarget.form?.requestSubmit();
            }} />
        </label>
        <label>
          <span>{words.folder} <span class="muted">{words.folderAbout}</span></span>
          <input name="folder" class="mono" dir="auto" spellcheck={false} />
        </label>
        <label>
          <span>{words.label} <span class="muted">{words.labelAbout}</span></span>
          <input name="label" dir="auto" />
        </label>
        <label class="check"><input type="checkbox" name="terminal" /> {words.terminal}</label>
        <Problem problem={problem} />
        <div class="buttons">
          <button type="submit" class="primary" disabled={busy}>{words.start}</button>
          <button type="button" onClick={close}>{words.cancel}</button>
        </div>
      </form>
    </dialog>
  );
}
