/** A form in a dialog: what is refused is said in it, and it closes when it was accepted. What was
 *  typed survives Escape. */
import type { ComponentChildren } from "preact";
import { useContext, useEffect, useId, useRef, useState } from "preact/hooks";

import type { Answer, Problem as Given } from "../api/api.ts";
import type { Choice } from "./choices.ts";
import { Dialog, dialogEnd, Ends } from "./dialog.tsx";
import { Folder } from "./folder.tsx";
import { KeptContext, useKept } from "./kept.ts";
import { Picker } from "./picker.tsx";
import { Trouble } from "./trouble.tsx";
import { words } from "./words.ts";

interface FieldProps {
  name: string;
  label: string;
  about?: string;
  value?: string;
  lines?: number;
  /** Most characters. */
  max?: number;
  /** It is a number. */
  number?: { min: number | undefined; max: number | undefined; step: number | "any" };
  required?: boolean;
  mono?: boolean;
  /** Values that are searched; others may be typed. */
  choices?: readonly Choice[];
  /** None but these. */
  listed?: boolean;
  /** It asks for a folder. */
  folder?: boolean;
  /** Why the daemon refused what stands in it. */
  fault?: string | undefined;
}

/** Ctrl+Enter sends the form from a field of several lines. */
function onKey(event: KeyboardEvent & { currentTarget: HTMLTextAreaElement }): void {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  event.currentTarget.form?.requestSubmit();
}

export function Field(props: FieldProps) {
  const { name, label, about, lines, required = false, mono, choices, fault } = props;
  const id = useId(), box = useRef<HTMLDivElement>(null), isBad = fault !== undefined;
  const value = useContext(KeptContext)[name] ?? props.value ?? "";
  useEffect(() => {
    const first = box.current?.closest("form")?.querySelector<HTMLElement>('[aria-invalid="true"]');
    if (isBad && first?.id === id) first.focus(); // Of several, the first one.
  }, [isBad, fault]);
  const described = isBad ? { describedBy: `${id}-fault` } : {};
  const searched = { id, name, required, value: props.value ?? "", invalid: isBad, ...described };
  const shared = {
    id, name, required, dir: "auto" as const, spellcheck: false, defaultValue: value,
    class: mono ? "mono" : undefined, "aria-invalid": isBad || undefined, maxLength: props.max,
    "aria-describedby": described.describedBy,
  };
  return (
    <div ref={box} class="asked">
      <label for={id}>
        {label} {about === undefined ? null : <span class="muted">{about}</span>}
      </label>
      {props.folder === true ? <Folder {...searched} />
        : choices !== undefined ? (
          <Picker {...searched} choices={choices} free={props.listed !== true}
            {...(mono && { class: "mono" })} />
        ) : lines === undefined
          ? <input {...shared} {...props.number} type={props.number ? "number" : "text"} />
          : <textarea {...shared} rows={lines} onKeyDown={onKey} />}
      {isBad ? (
        <span id={`${id}-fault`} role="alert" class="tone-fail small" dir="auto">✕ {fault}</span>
      ) : null}
    </div>
  );
}

interface FormProps<T> {
  title: string;
  /** What it is about, where the title does not say it. */
  of?: string;
  send: string;
  cancel: string;
  close: () => void;
  /** The trimmed values of the fields; those that are empty are absent. */
  submit: (given: Record<string, string>) => Promise<Answer<T>>;
  /** While the form is there. */
  done: (value: T) => void;
  /** It was closed, or its page was left, before the answer came: nobody is led elsewhere then.
   *  Default: nothing. */
  late?: (value: T) => void;
  /** true: the caller shows it beside a field. null: there is none any more. */
  beside?: (problem: Given | null) => boolean;
  children?: ComponentChildren;
}

export function Form<T>(
  { title, of = "", send, cancel, close, submit, done, late, beside, children }: FormProps<T>) {
  const { form: box, kept, keep, clear } = useKept(`${title} ${of}`);
  const [problem, problemSet] = useState<Given | null>(null);
  const [busy, busySet] = useState(false);
  const sent = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    if (busy) return; // Ctrl+Enter sends although the button is disabled.
    const form = event.currentTarget as HTMLFormElement;
    const given: Record<string, string> = {};
    for (const [name, value] of new FormData(form)) {
      const text = String(value).trim();
      if (text !== "") given[name] = text;
    }
    busySet(true);
    const answer = await submit(given);
    busySet(false);
    const isBeside = beside?.(answer.ok ? null : answer.problem) ?? false;
    problemSet(answer.ok || isBeside ? null : answer.problem);
    if (!answer.ok) return;
    clear();
    if (!form.isConnected || form.closest("dialog")?.open !== true) return late?.(answer.value);
    dialogEnd(form);
    done(answer.value);
  };
  return (
    <Dialog label={title} name="sheet-form" beside="nothing" onClose={close}>
      <form ref={box} onSubmit={(event) => void sent(event)} onInput={keep} onChange={keep}>
        <h2>{title}</h2>
        {Object.keys(kept).length === 0 ? null : <p class="muted small">{words.kept}</p>}
        <KeptContext.Provider value={kept}>{children}</KeptContext.Provider>
        <Trouble problem={problem} />
        <Ends cancel={cancel} onCancel={clear}>
          <button type="submit" class="main" disabled={busy}>{send}</button>
        </Ends>
      </form>
    </Dialog>
  );
}
