/** Members of the API as texts of a form, and back: one table for settings, connections and tokens.
 *  Pure. */
import type { Problem } from "../api/api.ts";
import type { Connection, Settings } from "../api/types.ts";

export interface Field<Name extends string = string> {
  name: Name;
  control: "line" | "area" | "choice" | "checks" | "model" | "secret";
  /** Of a choice, and of checks: their words. "": not set. */
  choices?: readonly string[];
  /** Asked only when something is made: it cannot be changed. */
  once?: boolean;
  /** What stands in the field of something new. */
  first?: string;
  show(value: never): string;
  read(text: string): unknown;
}

const lines = (text: string): string[] =>
  text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
const words = (text: string): string[] => text.split(/[\s,]+/).filter((word) => word !== "");
const pairs = (text: string, mark: string): Record<string, string> =>
  Object.fromEntries(lines(text).map((line) => {
    const [name = "", ...value] = line.split(mark);
    return [name.trim(), value.join(mark).trim()];
  }));
const paired = (value: Record<string, string>, mark: string): string =>
  Object.entries(value).map(([name, one]) => `${name}${mark}${one}`).join("\n");
const plain = { show: (value: string) => value, read: (text: string): unknown => text };

const number = { show: (value: number) => String(value),
  read: (text: string): unknown => (/^\d+$/.test(text) ? Number(text) : text) };
const list = { show: (value: string[]) => value.join("\n"), read: lines };

/** What is no number, and a line without a name, goes to the daemon as it is: it says what is
 *  wrong. */
export const FIELDS: Record<"sessions" | "notices", Field<keyof Settings>[]> = {
  sessions: [
    { name: "default_model", control: "model", ...plain },
    { name: "effort", control: "choice", choices: ["", "low", "medium", "high"], ...plain },
    { name: "instructions", control: "area", ...plain },
    { name: "window", control: "line", ...number },
    { name: "review_model", control: "model", ...plain },
    { name: "title_model", control: "model", ...plain },
    { name: "model_aliases", control: "area", show: (value: Record<string, string>) =>
      paired(value, " = "), read: (text) => pairs(text, "=") },
  ],
  notices: [
    { name: "public_url", control: "line", ...plain },
    { name: "notify_webhook", control: "line", ...plain },
    { name: "notify_command", control: "area", ...list },
    { name: "notify_on", control: "checks", choices: ["asked", "stalled", "failed", "ended"],
      show: (value: string[]) => value.join(" "), read: words },
  ],
};

export const CONNECTION: Field[] = [
  { name: "name", control: "line", once: true, ...plain },
  { name: "kind", control: "choice", choices: ["openai", "responses", "anthropic", "scripted"],
    first: "openai", ...plain },
  { name: "base_url", control: "line", ...plain },
  { name: "key", control: "secret", ...plain },
  { name: "key_header", control: "line", ...plain },
  { name: "headers", control: "area", show: (value: Connection["headers"]) => paired(value, ": "),
    read: (text) => pairs(text, ":") },
  { name: "models", control: "area", ...list },
  { name: "window", control: "line", ...number },
  { name: "max_concurrent", control: "line", ...number },
];

export const TOKEN: Field[] = [
  { name: "label", control: "line", ...plain },
  { name: "owner", control: "line", ...plain },
  { name: "scopes", control: "checks", choices: ["read", "run", "approve", "admin"],
    first: "read run", show: (value: string[]) => value.join(" "), read: words },
];

type Row = Record<string, unknown>;
const textOf = (field: Field, value: unknown): string =>
  (value === null || value === undefined ? "" : field.show(value as never));

export const shown = (field: Field<keyof Settings>, settings: Settings): string =>
  textOf(field, settings[field.name]);

/** Empty: not set. */
export const given = (field: Field, text: string): unknown =>
  (text.trim() === "" ? null : field.read(text.trim()));

/** What a form begins with. A secret is never among what the daemon says. */
export const textsOf = (fields: readonly Field[], row: Row | null): Record<string, string> =>
  Object.fromEntries(fields.map((field) =>
    [field.name, row === null ? field.first ?? "" : textOf(field, row[field.name])]));

/** What is empty when it is cleared: a list or an object has no null. */
const EMPTY: Row = { headers: {}, models: [], key_header: "" };

/** The members to send: of something new all that are filled, else those that differ from what the
 *  form began with. So what was changed elsewhere meanwhile stays. */
export function changed(
  fields: readonly Field[], before: Record<string, string> | null, now: Record<string, string>,
): Row {
  const body: Row = {};
  for (const field of fields) {
    const { name } = field, text = now[name] ?? "";
    if (before === null ? text.trim() === "" : text === before[name]) continue;
    body[name] = text.trim() === "" && name in EMPTY ? EMPTY[name] : given(field, text);
  }
  return body;
}

/** The field that the daemon's words are about: the first that they name in quotes. */
export const faultAt = (fields: readonly Field[], { detail }: Problem): string | null =>
  [...detail.matchAll(/"(\w+)"/g)].map(([, name]) => name)
    .find((name) => fields.some((field) => field.name === name)) ?? null;
