/** New mail, or one in the place of mail that nobody has read yet. */
import { useState } from "preact/hooks";

import { post, type Problem } from "../api/api.ts";
import { choicesOf } from "../parts/choices.ts";
import { Field, Form } from "../parts/form.tsx";
import { ProjectField } from "../parts/named.tsx";
import { visible } from "../parts/visible.ts";
import { useAddresses } from "./reading.ts";
import { bodyOf, fieldOf, FIELDS, type FieldName, type Mail } from "./rules.ts";
import { words } from "./words.ts";

const LINES = 7;
type Given = Readonly<Record<string, string>>;

function givenOf(old: Mail | null): Given {
  if (old === null) return {};
  const { to, project, title, text, about, type, urgent } = old;
  return { to, title, type, ...(project !== null && { project }), ...(text && { text }),
    ...(about !== null && { about }), ...(urgent && { urgent: "on" }) };
}

/** `old`: what it replaces, with its text; null: nothing. */
export function MailForm({ old, project, close, done }: {
  old: Mail | null; project: string | null; close(): void; done(mail: Mail): void;
}) {
  const [first] = useState<Given>(() =>
    ({ ...(project !== null && { project }), ...givenOf(old) }));
  const [problem, problemSet] = useState<Problem | null>(null);
  const bad = problem === null ? null : fieldOf(problem.detail), addresses = useAddresses();
  const field = (name: FieldName) => {
    const [label, about] = words.fields[name], One = name === "project" ? ProjectField : Field;
    return (
      <One key={name} name={name} label={label} about={about} value={first[name] ?? ""}
        required={name !== "project" && name !== "about"} mono={name !== "title" && name !== "text"}
        {...(name === "text" && { lines: LINES })}
        {...(name === "to" && { choices: choicesOf(addresses) })}
        fault={bad === name ? visible(problem?.detail ?? "") : undefined} />
    );
  };
  const isAnswer = old?.in_reply_to != null; // It asks for nothing.
  return (
    <Form<Mail> title={old === null ? words.add : words.replaceTitle} send={words.send}
      of={old?.id ?? ""} cancel={words.cancel} close={close} done={done}
      submit={(given) => post<Mail>("/mail", bodyOf(given, old))} beside={(given) => {
        problemSet(given);
        return given !== null && fieldOf(given.detail) !== null;
      }}>
      <div class="mail-fields">
        {FIELDS.map(field)}
        {isAnswer ? null : (
          <label>
            <span>{words.kind}</span>
            <select name="type" defaultValue={first.type ?? "request"}>
              {(["request", "inform"] as const).map((type) =>
                <option key={type} value={type}>{words.kinds[type]}</option>)}
            </select>
          </label>
        )}
        <label class="choice check">
          <input type="checkbox" name="urgent" defaultChecked={first.urgent !== undefined} />
          <span>{words.urgent} <span class="muted">{words.urgentAbout}</span></span>
        </label>
      </div>
    </Form>
  );
}
