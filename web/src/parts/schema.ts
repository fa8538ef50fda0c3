/** The fields that a JSON Schema gives, what stands in them, and what it says together. Pure. */
export type FieldKind =
  "text" | "long" | "integer" | "number" | "flag" | "choice" | "texts" | "json";
export interface ArgField {
  name: string; label: string; kind: FieldKind; required: boolean; about: string;
  /** What the script takes where nothing is given, as far as the schema says so. */
  fallback: string | null;
  choices: readonly unknown[];
  schema: Readonly<Record<string, unknown>>;
}

type Member = Record<string, unknown>;
export const isMember = (value: unknown): value is Member =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const LONG = 200;
/** A schema with one of these means more than its type and its limits say. */
const DEEP = ["anyOf", "oneOf", "allOf", "not", "if", "$ref"];
const FIELDS_MAX = 40;

export const written = (value: unknown): string =>
  (typeof value === "string" ? value : JSON.stringify(value) ?? "");

function kindOf(schema: Member): FieldKind {
  if (DEEP.some((word) => word in schema)) return "json";
  const { type, items, maxLength, default: fallback } = schema;
  if (Array.isArray(schema.enum) && schema.enum.length > 0) return "choice";
  if (type === "integer" || type === "number") return type;
  if (type === "boolean") return "flag";
  if (type === "array" && isMember(items) && kindOf(items) === "text") return "texts";
  if (type !== "string") return "json";
  const isLong = typeof maxLength === "number" && maxLength > LONG;
  return isLong || written(fallback).includes("\n") ? "long" : "text";
}

/** null: the args are written as JSON. */
export function fieldsOf(args: unknown): ArgField[] | null {
  if (!isMember(args) || (args.type !== "object" && args.type !== undefined)) return null;
  if (!isMember(args.properties)) return null;
  const named = Object.entries(args.properties);
  const required = Array.isArray(args.required) ? args.required : [];
  const isOther = required.some((name) => !named.some(([one]) => one === name));
  if (named.length === 0 || named.length > FIELDS_MAX || isOther) return null;
  return named.map(([name, given]) => {
    const schema = isMember(given) ? given : {};
    return {
      name, label: typeof schema.title === "string" ? schema.title : name, schema,
      kind: kindOf(schema), required: required.includes(name),
      about: written(schema.description ?? ""),
      fallback: schema.default === undefined ? null : written(schema.default),
      choices: Array.isArray(schema.enum) ? schema.enum : [],
    };
  });
}

/** Why a value does not do: a name in `words.unfit`, and a limit. */
export type Unfit = [why: string, limit?: string | number];
export type Read = { value: unknown } | { unfit: Unfit };

const unfit = (why: string, limit?: string | number): Read =>
  ({ unfit: limit === undefined ? [why] : [why, limit] });

function asJson(text: string): Read {
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return unfit("json", error instanceof Error ? error.message : "");
  }
}

const matches = (pattern: unknown, text: string): boolean => {
  if (typeof pattern !== "string") return true;
  try {
    return new RegExp(pattern, "u").test(text);
  } catch {
    return true; // The daemon's own reading counts.
  }
};

function bounded(value: number, { minimum, maximum }: Member): Read {
  if (typeof minimum === "number" && value < minimum) return unfit("minimum", minimum);
  if (typeof maximum === "number" && value > maximum) return unfit("maximum", maximum);
  return { value };
}

/** null: the field is empty, and its member is not given. The daemon checks what is not checked
 *  here. */
export function readField(field: ArgField, text: string): Read | null {
  const { kind, schema } = field, bare = text.trim();
  if (bare === "" && kind !== "flag") return field.required ? unfit("missing") : null;
  if (kind === "json") return asJson(bare);
  if (kind === "choice") {
    const at = field.choices.findIndex((choice) => written(choice) === text);
    return at < 0 ? unfit("choice") : { value: field.choices[at] };
  }
  if (kind === "flag") {
    // A box that is not checked says no where the schema wants an answer, else nothing.
    const isSaid = bare !== "" || field.required || field.fallback !== null;
    return isSaid ? { value: bare === "true" } : null;
  }
  if (kind === "texts") {
    const value = text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
    const { minItems, maxItems } = schema;
    if (typeof minItems === "number" && value.length < minItems) return unfit("minItems", minItems);
    if (typeof maxItems === "number" && value.length > maxItems) return unfit("maxItems", maxItems);
    return { value };
  }
  if (kind === "integer" || kind === "number") {
    const value = Number(bare);
    if (!Number.isFinite(value)) return unfit("number");
    return kind === "integer" && !Number.isInteger(value) ? unfit("integer")
      : bounded(value, schema);
  }
  const { minLength, maxLength, pattern } = schema, length = [...text].length;
  if (typeof minLength === "number" && length < minLength) return unfit("minLength", minLength);
  if (typeof maxLength === "number" && length > maxLength) return unfit("maxLength", maxLength);
  return matches(pattern, text) ? { value: text } : unfit("pattern", String(pattern));
}

export interface Args {
  /** undefined: none are given. */
  args: unknown;
  faults: ReadonlyMap<string, Unfit>;
}

/** What the fields say together. */
export function argsOf(fields: readonly ArgField[], texts: Readonly<Record<string, string>>): Args {
  const given: Member = {}, faults = new Map<string, Unfit>();
  for (const field of fields) {
    const read = readField(field, texts[field.name] ?? "");
    if (read === null) continue;
    if ("unfit" in read) faults.set(field.name, read.unfit);
    // A member named __proto__ would be none.
    else Object.defineProperty(given, field.name,
      { value: read.value, enumerable: true, configurable: true, writable: true });
  }
  return { args: Object.keys(given).length === 0 ? undefined : given, faults };
}

/** The field of the args as JSON has no name of its own. */
export const JSON_FIELD = "";

export function argsOfJson(text: string): Args {
  if (text.trim() === "") return { args: undefined, faults: new Map() };
  const read = asJson(text);
  return "unfit" in read ? { args: undefined, faults: new Map([[JSON_FIELD, read.unfit]]) }
    : { args: read.value, faults: new Map() };
}


/** What stands in the fields: what was typed, else the default. An emptied one is not given. */
export const givenOf = (fields: readonly ArgField[], texts: Readonly<Record<string, string>>):
Record<string, string> => Object.fromEntries(fields.map(({ name, fallback }) =>
  [name, texts[argName(name)] ?? fallback ?? ""]));

/** Names of fields, so that no member takes the name of another field of the form. */
export const argName = (name: string): string => `arg:${name}`;
export const JSON_NAME = "json";

/** Texts of all fields of a form by their names; a number that is none is no text of it. */
export function textsOf(form: HTMLFormElement): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const one of form.elements) {
    const { name, type, checked, validity, value } = one as HTMLInputElement;
    if (name === undefined || name === "") continue;
    texts[name] = type === "checkbox" ? (checked ? "true" : "") : validity.badInput ? "?" : value;
  }
  return texts;
}
