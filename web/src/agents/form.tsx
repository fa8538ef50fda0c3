/** A definition: usual fields, and the others as JSON. */
import { useState } from "preact/hooks";

import { post, put, type Answer, type Problem } from "../api/api.ts";
import { PROGRAMS, type Agent } from "../api/types.ts";
import { Field, Form } from "../parts/form.tsx";
import { ModelField } from "../parts/named.tsx";
import { visible } from "../parts/visible.ts";
import { bodyOf, fieldOf, FIELDS, givenOf, type Definition } from "./rules.ts";
import { words } from "./words.ts";

export type Wish = { how: "add" } | {
  how: "copy" | "edit"; of: Agent;
  /** null: this daemon does not show it, or it is not stored. */
  definition: Definition | null;
};

export function AgentForm({ wish, close, done, late }: {
  wish: Wish; close(): void; done(name: string): void; late(): void;
}) {
  const [problem, problemSet] = useState<Problem | null>(null);
  const of = wish.how === "add" ? null : wish.of, edits = wish.how === "edit";
  const bad = problem === null ? null : fieldOf(problem);
  const faultOf = (name: string): string | undefined =>
    (problem === null || bad !== name ? undefined : visible(problem.detail));
  const submit = async (given: Record<string, string>): Promise<Answer<{ name: string }>> => {
    const body = bodyOf(given);
    if (body === null) {
      return { ok: false, problem: { status: 0, title: "", code: "bad_field",
        detail: words.noJson } };
    }
    return edits && of !== null ? put(`/agents/${encodeURIComponent(of.name)}`, body)
      : post("/agents", body);
  };
  const title = of === null ? words.add
    : edits ? words.editOf(visible(of.name)) : words.copyOf(visible(of.name));
  const definition = wish.how === "add" ? null : wish.definition;
  const [first] = useState(() => givenOf(of, definition));
  const value = (name: string) => (first[name] === undefined ? {} : { value: first[name] });
  return (
    <Form title={title} send={words.save} cancel={words.cancel} close={close} submit={submit}
      done={({ name }) => done(name)} late={late}
      beside={(given) => {
        problemSet(given);
        const field = given === null ? null : fieldOf(given);
        return field === "json" || (field !== null && FIELDS.includes(field) &&
          !(field === "name" && edits));
      }}>
      {edits && definition === null ? <p class="tone-degraded">{words.replaces}</p> : null}
      {edits ? null : (
        <Field name="name" label={words.name} required mono fault={faultOf("name")} />
      )}
      <label>
        <span>{words.program}</span>
        <select name="program">
          {PROGRAMS.map((one) => (
            <option key={one} value={one} selected={one === first.program}>{one}</option>
          ))}
        </select>
      </label>
      <Field name="command" label={words.command} about={words.commandAbout} mono
        {...value("command")} fault={faultOf("command")} />
      <ModelField name="model" label={words.model} {...value("model")} fault={faultOf("model")} />
      <Field name="description" label={words.description} {...value("description")}
        fault={faultOf("description")} />
      <label>
        <span>{words.access}</span>
        <select name="access">
          {Object.entries(words.accesses).map(([one, text]) => (
            <option key={one} value={one} selected={one === (first.access ?? "")}>{text}</option>
          ))}
        </select>
      </label>
      <Field name="at_once" label={words.atOnce} {...value("at_once")} fault={faultOf("at_once")} />
      <Field name="instructions" label={words.instructions} lines={3}
        {...value("instructions")} fault={faultOf("instructions")} />
      <Field name="json" label={words.json} about={words.jsonAbout} lines={6} mono
        {...value("json")} fault={faultOf("json")} />
    </Form>
  );
}
