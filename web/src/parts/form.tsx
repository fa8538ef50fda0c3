/** A form in a dialog: what is refused is said in it, and it closes when it was accepted. */
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";

import type { Answer, Problem as Given } from "../api/api.ts";
import { Dialog, dialogEnd, Ends } from "./dialog.tsx";
import { Trouble } from "./trouble.tsx";

interface FieldProps {
  name: string;
  label: string;
  about?: string;
  value?: string;
  lines?: number;
  required?: boolean;
  mono?: boolean;
  /** Values that the browser offers. */
  offers?: readonly string[];
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
  const { name, label, about, value, lines, required, mono, offers, fault } = props;
  const id = useId(), field = useRef<HTMLInputElement & HTMLTextAreaElement>(null);
  const isBad = fault !== undefined;
  useEffect(() => {
    const first = field.current?.form?.querySelector('[aria-invalid="true"]');
    if (isBad && first === field.current) field.current?.focus(); // Of several, the first one.
  }, [isBad, fault]);
  const shared = {
    name, required, dir: "auto" as const, spellcheck: false, defaultValue: value ?? "",
    class: mono ? "mono" : undefined, ref: field,
    ...(isBad && { "aria-invalid": true, "aria-describedby": id }),
  };
  return (
    <label>
      <span>{label} {about === undefined ? null : <span class="muted">{about}</span>}</span>
      {lines === undefined ? <input {...shared} list={offers && `${id}-offers`} />
        : <textarea {...shared} rows={lines} onKeyDown={onKey} />}
      {offers === undefined ? null : (
        <datalist id={`${id}-offers`}>
          {offers.map((one) => <option key={one} value={one} />)}
        </datalist>
      )}
      {isBad ? <span id={id} role="alert" class="tone-fail small" dir="auto">✕ {fault}</span>
        : null}
    </label>
  );
}

interface FormProps<T> {
  title: string;
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
  { title, send, cancel, close, submit, done, late, beside, children }: FormProps<T>) {
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
    if (!form.isConnected || form.closest("dialog")?.open !== true) return late?.(answer.value);
    dialogEnd(form);
    done(answer.value);
  };
  return (
    <Dialog label={title} name="sheet-form" beside="nothing" onClose={close}>
      <form onSubmit={(event) => void sent(event)}>
        <h2>{title}</h2>
        {children}
        <Trouble problem={problem} />
        <Ends cancel={cancel}>
          <button type="submit" class="main" disabled={busy}>{send}</button>
        </Ends>
      </form>
    </Dialog>
  );
}
