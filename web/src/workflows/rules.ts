/** Rules of workflows: the catalog, a form made from `meta.args`, marks at lines of a script, and
 *  when a plan allows a start. Pure. */
import type { Note, Workflow as Row } from "../api/types.ts";
import { refusalOf, type Plan } from "../run/plan.ts";
import type { RunRow } from "../runs/rules.ts";

export const ORIGINS = ["project", "home", "built-in"] as const;

/** A workflow of the catalog; `GET /workflows/{name}` adds notes and source. */
export interface Workflow extends Row {
  notes?: Note[]; source?: string | null; hash?: string | null;
}

const lower = (text: string): string => text.toLowerCase();

/** What stands in the catalog: a script, or a graph of steps. */
export type Kind = "workflow" | "flow";
export interface Listed { kind: Kind; flow: Workflow }

/** Those that fit a search, by origin, in the order in which they are looked for. */
export function grouped(all: readonly Listed[], q: string): [string, Listed[]][] {
  const fits = ({ flow: { name, description } }: Listed): boolean =>
    lower(`${name}\n${description}`).includes(lower(q));
  return ORIGINS.map((origin) =>
    [origin, all.filter((one) => one.flow.origin === origin && fits(one))]);
}

/** The newest run of each name, `KIND NAME`. A run with another label is not found by it. */
export function lastRuns(rows: readonly RunRow[]): Map<string, RunRow> {
  const last = new Map<string, RunRow>();
  for (const row of rows) {
    const name = `${row.kind} ${row.label}`, before = last.get(name);
    if (row.label !== null && (before === undefined || before.made_ms < row.made_ms)) {
      last.set(name, row);
    }
  }
  return last;
}

export const placeOf = ({ kind, flow: { name } }: { kind: Kind; flow: { name: string } },
  root: string): string => `/${kind}s/${encodeURIComponent(name)}${
  root === "" ? "" : `?${new URLSearchParams({ root })}`}`;

/** --- The form --- */

export type FieldKind =
  "text" | "long" | "integer" | "number" | "flag" | "choice" | "texts" | "json";
export interface ArgField {
  name: string; kind: FieldKind; required: boolean; about: string;
  /** What the script takes where nothing is given, as far as the schema says so. */
  fallback: string | null;
  choices: readonly unknown[];
  schema: Readonly<Record<string, unknown>>;
}

type Member = Record<string, unknown>;
const isMember = (value: unknown): value is Member =>
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
      name, schema, kind: kindOf(schema), required: required.includes(name),
      about: written(schema.description ?? schema.title ?? ""),
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
  if (bare === "") return field.required ? unfit("missing") : null;
  if (kind === "json") return asJson(bare);
  if (kind === "choice") {
    const at = field.choices.findIndex((choice) => written(choice) === text);
    return at < 0 ? unfit("choice") : { value: field.choices[at] };
  }
  if (kind === "flag") return { value: bare === "true" };
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

/** What the fields of the form hold, by their names. */
export type Texts = Record<string, string>;
/** `json`: the args are written as JSON although they could be fields. */
export interface Typed { texts: Texts; json: boolean }

/** As a draft, which is empty where nothing was typed. */
export const typedText = ({ texts, json }: Typed): string =>
  (json || Object.values(texts).some((text) => text !== "") ? JSON.stringify({ texts, json }) : "");

/** A draft that this build cannot read counts as none. */
export function typedIn(draft: string): Typed {
  try {
    const { texts, json } = JSON.parse(draft) as Partial<Record<string, unknown>>;
    const given = Object.entries(texts as object).filter(([, text]) => typeof text === "string");
    return { texts: Object.fromEntries(given), json: json === true };
  } catch {
    return { texts: {}, json: false };
  }
}

/** --- Marks at lines --- */

export type Mark = "error" | "warning";

/** The worst of each line. */
export function marksOf(notes: readonly Note[]): Map<number, Mark> {
  const marks = new Map<number, Mark>();
  for (const { line, severity } of notes) {
    if (marks.get(line) !== "error") marks.set(line, severity);
  }
  return marks;
}

/** Where a line and a column, both from 1, stand in a text. */
export function offsetOf(text: string, line: number, column: number): number {
  let start = 0;
  for (let at = 1; at < line; at++) {
    const end = text.indexOf("\n", start);
    if (end < 0) return text.length;
    start = end + 1;
  }
  const end = text.indexOf("\n", start);
  return Math.min(start + Math.max(0, column - 1), end < 0 ? text.length : end);
}

export function linesIn(text: string): number {
  let count = 1;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count++;
  return count;
}

/** --- The start --- */

export interface Wish {
  name: string; root: string;
  /** The source that was edited; null: as the file is. */
  script: string | null;
  args: unknown; model: string; cost_micros: number | null;
}
export type Request = Record<string, unknown>;

/** The request of the plan, and of the start. */
export function requestOf({ name, root, script, args, model, cost_micros }: Wish): Request {
  return {
    ...(script === null ? { name } : { script, title: name }),
    ...(root !== "" && { root }), ...(args !== undefined && { args }),
    ...(model !== "" && { model }), ...(cost_micros !== null && { budget: { cost_micros } }),
  };
}

/** A plan, and the request that it is of, as JSON. */
export interface Planned { body: string; plan: Plan }

/** Only what was planned may start, and only where the daemon found nothing against it. */
export const startable = (planned: Planned | null, request: Request | null): boolean =>
  planned !== null && request !== null && planned.body === JSON.stringify(request) &&
  refusalOf(planned.plan) === null;
