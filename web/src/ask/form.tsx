/** The fields that a program asks for, by their JSON Schema: texts, numbers, yes or no, and choices
 *  have a field of their own; anything else is written as JSON. */
import { useId, useState } from "preact/hooks";

import { visible } from "../parts/visible.ts";
import { words } from "./words.ts";

interface Property {
  type?: unknown; enum?: unknown; title?: unknown; description?: unknown; default?: unknown;
  minimum?: unknown; maximum?: unknown; minLength?: unknown; maxLength?: unknown;
}
type Value = { ok: true; value: unknown } | { ok: false };

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export function propertiesOf(schema: unknown): [name: string, property: Property][] {
  const properties = isObject(schema) ? schema.properties : undefined;
  return isObject(properties)
    ? Object.entries(properties).map(([name, one]) => [name, isObject(one) ? one : {}]) : [];
}

/** Of a member that has several names the first counts: {oneOf: [{required: […]}, …]}. */
const requiredOf = (schema: unknown): unknown[] => {
  if (!isObject(schema)) return [];
  if (Array.isArray(schema.required)) return schema.required;
  return Array.isArray(schema.oneOf) ? requiredOf(schema.oneOf[0]) : [];
};

/** Pure: the value that a field's text stands for; undefined: it was left empty. */
export function valueOf({ type, enum: options }: Property, text: string): Value {
  if (text === "") return { ok: true, value: undefined };
  if (Array.isArray(options)) return { ok: true, value: options[Number(text)] };
  if (type === "string") return { ok: true, value: text };
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch {
    return { ok: false };
  }
}

function startOf({ type, enum: options, default: given }: Property): string {
  if (given === undefined) return type === "boolean" ? "false" : "";
  if (Array.isArray(options)) {
    const at = options.indexOf(given);
    return at < 0 ? "" : String(at);
  }
  return type === "string" && typeof given === "string" ? given : JSON.stringify(given);
}

const LONG = 200;
const isLong = ({ type, maxLength }: Property): boolean =>
  type === "string" && typeof maxLength === "number" && maxLength > LONG;

/** What the browser checks before anything is sent; the daemon checks all of it. */
function limitsOf({ minimum: min, maximum: max, minLength, maxLength }: Property) {
  const given = { min, max, minLength, maxLength };
  return Object.fromEntries(Object.entries(given).filter(([, one]) => typeof one === "number"));
}

interface FieldProps {
  name: string; property: Property; text: string; needed: boolean; wrong: boolean;
  set(text: string): void;
}

function Field({ name, property, text, needed, wrong, set }: FieldProps) {
  const id = useId(), { type, enum: options } = property;
  const label = visible(typeof property.title === "string" ? property.title : name);
  const about = typeof property.description === "string" ? visible(property.description) : "";
  const plain = type === "string" || type === "number" || type === "integer";
  const shared = {
    id, value: text, required: needed, "aria-invalid": wrong, ...limitsOf(property),
  };
  if (type === "boolean" && !Array.isArray(options)) {
    return (
      <div class="field">
        <label class="check">
          <input type="checkbox" checked={text === "true"}
            onChange={(event) => set(String(event.currentTarget.checked))} />
          <span dir="auto">{label}</span>
        </label>
        {about === "" ? null : <span class="muted small" dir="auto">{about}</span>}
      </div>
    );
  }
  return (
    <div class="field">
      <label for={id}>
        <span dir="auto">{label}</span>
        {needed ? ` ${words.needed}` : null}
        {plain || Array.isArray(options) ? null : ` ${words.json}`}
      </label>
      {about === "" ? null : <span class="muted small" dir="auto">{about}</span>}
      {Array.isArray(options) ? (
        <select {...shared} onChange={(event) => set(event.currentTarget.value)}>
          <option value="" />
          {options.map((one, at) => <option key={at} value={at}>{visible(String(one))}</option>)}
        </select>
      ) : isLong(property) ? (
        <textarea {...shared} rows={4} dir="auto"
          onInput={(event) => set(event.currentTarget.value)} />
      ) : plain ? (
        <input {...shared} type={type === "string" ? "text" : "number"} dir="auto"
          step={type === "integer" ? 1 : "any"}
          onInput={(event) => set(event.currentTarget.value)} />
      ) : (
        <textarea {...shared} rows={3} class="mono"
          onInput={(event) => set(event.currentTarget.value)} />
      )}
      {wrong ? <span role="alert" class="tone-fail small">{words.notJson}</span> : null}
    </div>
  );
}

interface FormProps {
  schema: unknown; disabled: boolean; send(fields: Record<string, unknown>): void;
}

function WholeForm({ disabled, send }: FormProps) {
  const [text, textSet] = useState("{}");
  const [wrong, wrongSet] = useState(false);
  const submit = (event: Event): void => {
    event.preventDefault();
    const read = valueOf({}, text);
    const fits = read.ok && isObject(read.value);
    wrongSet(!fits);
    if (read.ok && isObject(read.value)) send(read.value);
  };
  return (
    <form onSubmit={submit} class="form">
      <label class="field">{words.fields}
        <textarea rows={5} class="mono" value={text} aria-invalid={wrong}
          onInput={(event) => textSet(event.currentTarget.value)} />
      </label>
      {wrong ? <span role="alert" class="tone-fail small">{words.notObject}</span> : null}
      <button class="main" disabled={disabled}>{words.send}</button>
    </form>
  );
}

export function Form(props: FormProps) {
  const { schema, disabled, send } = props;
  const properties = propertiesOf(schema), required = requiredOf(schema);
  const [texts, textsSet] = useState<Record<string, string>>({});
  const [wrong, wrongSet] = useState<string[]>([]);
  if (properties.length === 0) return <WholeForm {...props} />;
  const textOf = (name: string, property: Property): string => texts[name] ?? startOf(property);
  const submit = (event: Event): void => {
    event.preventDefault();
    const read = properties.map(([name, one]) => ({ name, ...valueOf(one, textOf(name, one)) }));
    wrongSet(read.filter(({ ok }) => !ok).map(({ name }) => name));
    if (read.some(({ ok }) => !ok)) return;
    const given = read.flatMap((one) =>
      (one.ok && one.value !== undefined ? [[one.name, one.value] as const] : []));
    send(Object.fromEntries(given));
  };
  return (
    <form onSubmit={submit} class="form">
      {properties.map(([name, property]) => (
        <Field key={name} name={name} property={property} text={textOf(name, property)}
          needed={required.includes(name)} wrong={wrong.includes(name)}
          set={(text) => textsSet((now) => ({ ...now, [name]: text }))} />
      ))}
      <button class="main" disabled={disabled}>{words.send}</button>
    </form>
  );
}
