/** The fields of the args, as `meta.args` of the script declares them, or one for JSON. Fields are
 *  named `arg:NAME`, so that no arg takes the name of another field. */
import { useId } from "preact/hooks";

import { Field } from "../parts/form.tsx";
import { beginning, visible } from "../parts/visible.ts";
import { JSON_FIELD, written, type ArgField, type Unfit } from "./rules.ts";
import { words } from "./words.ts";

const ABOUT_MAX = 400, CHOICE_MAX = 200;
const LINES: Partial<Record<ArgField["kind"], number>> = { long: 4, texts: 3, json: 3 };

export const argName = (name: string): string => `arg:${name}`;
export const JSON_NAME = "json";
export const unfitText = ([why, limit = ""]: Unfit): string =>
  visible(words.unfit[why]?.(limit) ?? why);

function aboutOf({ about, required, kind }: ArgField): string {
  const parts = [visible(beginning(about, ABOUT_MAX)), required ? words.required : "",
    kind === "texts" ? words.perLine : kind === "json" ? words.json : ""];
  return parts.filter((part) => part !== "").join("; ");
}

interface OneProps { field: ArgField; text: string; fault: string | undefined }

/** Of some values; the first one is that none is given. */
function Choice({ field, text, fault }: OneProps) {
  const id = useId(), isFlag = field.kind === "flag";
  const values = isFlag ? ["true", "false"] : field.choices.map(written);
  return (
    <label>
      <span>{visible(field.name)} <span class="muted">{aboutOf(field)}</span></span>
      <select name={argName(field.name)} value={text} required={field.required}
        aria-invalid={fault !== undefined} aria-describedby={fault === undefined ? undefined : id}>
        <option value="">{words.notGiven}</option>
        {values.map((value) => (
          <option key={value} value={value}>
            {isFlag ? words[value === "true" ? "yes" : "no"]
              : visible(beginning(value, CHOICE_MAX))}
          </option>
        ))}
      </select>
      {fault === undefined ? null
        : <span id={id} role="alert" class="tone-fail small">✕ {fault}</span>}
    </label>
  );
}

function One({ field, text, fault }: OneProps) {
  const { name, kind, required } = field, lines = LINES[kind];
  if (kind === "choice" || kind === "flag") {
    return <Choice field={field} text={text} fault={fault} />;
  }
  return (
    <Field name={argName(name)} label={visible(name)} about={aboutOf(field)} value={text}
      required={required} mono={kind === "json"} fault={fault}
      {...(lines !== undefined && { lines })} />
  );
}

export function ArgFields({ fields, texts, json, faults }: {
  /** null: they are written as JSON. */
  fields: readonly ArgField[] | null;
  texts: Readonly<Record<string, string>>;
  json: string;
  faults: ReadonlyMap<string, Unfit>;
}) {
  const faultOf = (name: string): string | undefined => {
    const unfit = faults.get(name);
    return unfit === undefined ? undefined : unfitText(unfit);
  };
  if (fields === null) {
    return <Field key="json" name={JSON_NAME} label={words.args} about={words.argsAbout} lines={6}
      mono value={json} fault={faultOf(JSON_FIELD)} />;
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
