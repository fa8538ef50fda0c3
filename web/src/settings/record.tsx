/** Something new, or what is there, as a form in a dialog: its fields are a table. What was typed
 *  stays when it is refused, and why stands beside its field. */
import { useEffect, useId, useRef, useState } from "preact/hooks";

import type { Answer, Problem } from "../api/api.ts";
import { Form } from "../parts/form.tsx";
import { visible } from "../parts/visible.ts";
import { Control } from "./control.tsx";
import { changed, faultAt, textsOf, type Field } from "./fields.ts";
import { words } from "./words.ts";

interface RecordProps<T> {
  title: string; send: string; fields: readonly Field[];
  about: Record<string, [name: string, about: string]>;
  /** null: something new. */
  row: object | null;
  submit(body: Record<string, unknown>): Promise<Answer<T>>;
  done(value: T): void;
  close(): void;
}

export function RecordForm<T>(
  { title, send, fields, about, row, submit, done, close }: RecordProps<T>) {
  const asked = fields.filter(({ once }) => row === null || once !== true);
  const [before] = useState(() => textsOf(asked, row as Record<string, unknown> | null));
  const [texts, textsSet] = useState(before);
  const [fault, faultSet] = useState<{ name: string; problem: Problem } | null>(null);
  const body = useRef<HTMLDivElement>(null);
  const id = useId();
  useEffect(() => {
    if (fault !== null) body.current?.querySelector<HTMLElement>("[aria-invalid]")?.focus();
  }, [fault]);
  const beside = (problem: Problem | null): boolean => {
    const name = problem === null ? null : faultAt(asked, problem);
    faultSet(problem === null || name === null ? null : { name, problem });
    return name !== null;
  };
  return (
    <Form<T> title={title} send={send} cancel={words.cancel} close={close} done={done}
      late={done} beside={beside}
      submit={() => submit(changed(asked, row === null ? null : before, texts))}>
      <div ref={body} class="record">
        {asked.map((field) => {
          const { name } = field, at = `${id}-${name}`, isBad = fault?.name === name;
          const [label, hint] = about[name] ?? [name, ""];
          return (
            <div key={name} class="fields">
              {field.control === "checks" ? <span>{label}</span> : <label for={at}>{label}</label>}
              <Control field={field} id={at} label={label} value={texts[name] ?? ""} isBad={isBad}
                onText={(text) => textsSet((now) => ({ ...now, [name]: text }))} />
              <span id={`${at}-about`} class="small">
                {isBad ? (
                  <span role="alert" class="tone-fail" dir="auto">
                    ✕ {visible(fault?.problem.detail ?? "")}
                  </span>
                ) : <span class="muted">{hint}</span>}
              </span>
            </div>
          );
        })}
      </div>
    </Form>
  );
}
