/** The fields that a JSON Schema gives (`schema.ts`), or one for JSON: of the args of a workflow,
 *  and of what a question asks for. */
import { useId } from "preact/hooks";

import { Field } from "./form.tsx";
import {
  argName, JSON_FIELD, JSON_NAME, written, type ArgField, type Unfit,
} from "./schema.ts";
import { beginning, visible } from "./visible.ts";
import { words } from "./words.ts";

const ABOUT_MAX = 400, CHOICE_MAX = 200;
const LINES: Partial<Record<ArgField["kind"], number>> = { long: 4, texts: 3, json: 3 };

export const unfitText = ([why, limit = ""]: Unfit): string =>
  visible(words.unfit[why]?.(limit) ?? why);

function aboutOf({ about, required, kind }: ArgField): string {
  const parts = [visible(beginning(about, ABOUT_MAX)), required && kind !== "flag"
    ? words.required : "", kind === "texts" ? words.perLine : kind === "json" ? words.json : ""];
  return parts.filter((part) => part !== "").join("; ");
}

interface OneProps { field: ArgField; text: string; fault: string | undefined }

/** Of some values; the first one is that none is given. */
function Choice({ field, text, fault }: OneProps) {
  const id = useId();
  return (
    <div class="asked">
      <label for={id}>
        <bdi>{visible(field.label)}</bdi> <span class="muted">{aboutOf(field)}</span>
      </label>
      <select id={id} name={argName(field.name)} value={text} required={field.required}
        aria-invalid={fault !== undefined}
        aria-describedby={fault === undefined ? undefined : `${id}-fault`}>
        <option value="">{words.notGiven}</option>
        {field.choices.map(written).map((value) => (
          <option key={value} value={value}>{visible(beginning(value, CHOICE_MAX))}</option>
        ))}
      </select>
      {fault === undefined ? null
        : <span id={`${id}-fault`} role="alert" class="tone-fail small">✕ {fault}</span>}
    </div>
  );
}

const numberOf = (bound: unknown): number | undefined =>
  (typeof bound === "number" ? bound : undefined);

function One({ field, text, fault }: OneProps) {
  const { name, label, kind, required, schema } = field, lines = LINES[kind];
  if (kind === "choice") return <Choice field={field} text={text} fault={fault} />;
  if (kind === "flag") {
    return (
      <label class="check choice">
        <input type="checkbox" name={argName(name)} defaultChecked={text === "true"} />
        <span><bdi>{visible(label)}</bdi> <span class="muted">{aboutOf(field)}</span></span>
      </label>
    );
  }
  const isNumber = kind === "integer" || kind === "number";
  return (
    <Field name={argName(name)} label={visible(label)} about={aboutOf(field)} value={text}
      required={required} mono={kind === "json"} fault={fault}
      {...(isNumber && { number: { min: numberOf(schema.minimum), max: numberOf(schema.maximum),
        step: kind === "integer" ? 1 : "any" } })}
      {...(lines !== undefined && { lines })} />
  );
}

export function ArgFields({ fields, texts, json, faults, label, about }: {
  /** null: they are written as JSON. */
  fields: readonly ArgField[] | null;
  texts: Readonly<Record<string, string>>;
  json: string;
  faults: ReadonlyMap<string, Unfit>;
  /** Of the field for JSON. */
  label: string; about: string;
}) {
  const faultOf = (name: string): string | undefined => {
    const unfit = faults.get(name);
    return unfit === undefined ? undefined : unfitText(unfit);
  };
  if (fields === null) {
    return <Field key="json" name={JSON_NAME} label={label} about={about} lines={6} mono
      value={json} fault={faultOf(JSON_FIELD)} />;
  }
  return (
    <>
      {fields.map((field) => (
        <One key={field.name} field={field} text={texts[field.name] ?? ""}
          fault={faultOf(field.name)} />
      ))}
    </>
  );
}
