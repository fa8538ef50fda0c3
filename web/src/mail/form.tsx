/** New mail, or one in the place of mail that nobody has read yet. What is typed stays in the
 *  browser until it was sent. */
import { useState } from "preact/hooks";

import { post, type Problem } from "../api/api.ts";
import { Field, Form } from "../parts/form.tsx";
import { visible } from "../parts/visible.ts";
import { storageRead, storageSet } from "../state/draft.ts";
import { useAddresses } from "./reading.ts";
import { bodyOf, fieldOf, FIELDS, type FieldName, type Mail } from "./rules.ts";
import { words } from "./words.ts";

const LINES = 7;
type Given = Readonly<Record<string, string>>;

const nameOf = (old: Mail | null): string => `drover.draft.mail ${old?.id ?? "new"}`;

function draftOf(old: Mail | null): Given {
  const draft = storageRead(nameOf(old));
  if (typeof draft === "object" && draft !== null) return draft as Given;
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
    ({ ...(project !== null && { project }), ...draftOf(old) }));
  const [problem, problemSet] = useState<Problem | null>(null);
  const bad = problem === null ? null : fieldOf(problem.detail), addresses = useAddresses();
  const keep = ({ currentTarget }: Event): void => {
    const form = (currentTarget as Element).closest("form");
    if (form !== null) storageSet(nameOf(old), Object.fromEntries(new FormData(form)));
  };
  const field = (name: FieldName) => {
    const [label, about] = words.fields[name];
    return (
      <Field key={name} name={name} label={label} about={about} value={first[name] ?? ""}
        required={name !== "project" && name !== "about"} mono={name !== "title" && name !== "text"}
        {...(name === "text" && { lines: LINES })} {...(name === "to" && { offers: addresses })}
        fault={bad === name ? visible(problem?.detail ?? "") : undefined} />
    );
  };
  const isAnswer = old?.in_reply_to != null; // It asks for nothing.
  return (
    <Form<Mail> title={old === null ? words.add : words.replaceTitle} send={words.send}
      cancel={words.cancel} close={close} submit={async (given) => {
        const answer = await post<Mail>("/mail", bodyOf(given, old));
        if (answer.ok) storageSet(nameOf(old), null);
        return answer;
      }} done={done} beside={(given) => {
        problemSet(given);
        return given !== null && fieldOf(given.detail) !== null;
      }}>
      <div class="mail-fields" onInput={keep}>
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
