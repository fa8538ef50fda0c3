/** Fields of a task as a form has them: one table, by which it is drawn, read and sent. Pure. */
import { ATTEMPTS_MAX, MUST_KINDS, PRIORITY, type Task } from "../api/types.ts";
import type { MustHave, WholeTask } from "./rules.ts";

export interface TaskField {
  name: string;
  /** `names`: a list of words; `lines`: a list, one a line. Without: text. */
  kind?: "number" | "names" | "lines";
  /** Below "More"; letters of one width; shown beside the task, and found by the filter. */
  more?: true; mono?: true; fact?: true;
  /** Height of its box; without: one line. */
  lines?: number;
  /** Of a new task; of a task whose form says nothing. */
  start?: number; empty?: string;
}

/** In the order of the form. Names and hints: `words.fields`. */
export const FIELDS: readonly TaskField[] = [
  { name: "title" },
  { name: "description", lines: 7 },
  { name: "must_haves", kind: "lines", lines: 3, mono: true },
  { name: "depends_on", kind: "names", mono: true },
  { name: "priority", kind: "number", start: PRIORITY, mono: true },
  { name: "type", more: true, empty: "general", mono: true },
  { name: "assignee", more: true, fact: true },
  { name: "capability", more: true, fact: true },
  { name: "lane", more: true, fact: true },
  { name: "epic", more: true, fact: true },
  { name: "max_attempts", kind: "number", more: true, start: ATTEMPTS_MAX, mono: true },
];

const has = (task: Task, name: string): unknown =>
  (task as unknown as Record<string, unknown>)[name] ?? "";

/** Facts that it has, as [name, text]. */
export const factsOf = (task: Task): string[][] => FIELDS.filter(({ fact }) => fact)
  .map(({ name }) => [name, String(has(task, name))]).filter(([, text]) => text !== "");

export const linesOf = (text: string): string[] =>
  text.split("\n").map((line) => line.trim()).filter((line) => line !== "");

/** `command: make test` is checked; whatever else is a sentence. */
export const mustHavesOf = (text: string): MustHave[] => linesOf(text).map((line) => {
  const [, kind = "", rest = ""] = /^(\w+):\s*(.+)$/.exec(line) ?? [];
  return MUST_KINDS.some((one) => one === kind) ? { [kind]: rest } : line;
});

export function mustHaveText(one: MustHave): string {
  if (typeof one === "string") return one;
  return Object.entries(one).map(([kind, value]) => `${kind}: ${value}`).join(", ");
}

/** What its box begins with; `task` null: a new one. */
export function valueOf(task: WholeTask | null, { name, kind, start }: TaskField): string {
  if (task === null) return String(start ?? "");
  const value = has(task, name);
  if (kind === "lines") return (value as MustHave[]).map(mustHaveText).join("\n");
  return kind === "names" ? (value as string[]).join(" ") : String(value);
}

function readField({ kind, start, empty }: TaskField, given: string | undefined): unknown {
  if (kind === "number") return Number(given ?? start);
  if (kind === "lines") return mustHavesOf(given ?? "");
  if (kind === "names") return (given ?? "").split(/[\s,]+/).filter((name) => name !== "");
  return given ?? empty ?? "";
}

/** All that a form says; what it leaves empty is empty. */
export function bodyOf(given: Readonly<Record<string, string>>): Record<string, unknown> {
  const at = Date.parse(given.not_before ?? "");
  return {
    ...Object.fromEntries(FIELDS.map((field) => [field.name, readField(field, given[field.name])])),
    plan: given.plan ?? "none",
    not_before_ms: Number.isNaN(at) ? 0 : at,
  };
}

/** Only what is another than in the task. */
export const changeOf = (
  task: Task & { description: string }, body: Readonly<Record<string, unknown>>,
): Record<string, unknown> => Object.fromEntries(Object.entries(body).filter(([name, value]) =>
  JSON.stringify(has(task, name)) !== JSON.stringify(value)));

/** The member that a sentence of the daemon is about; null: none that the form has. */
export function fieldOf(detail: string): string | null {
  const [, said = ""] = /^(?:member )?"(\w+)"/.exec(detail) ?? [];
  return said === "plan" || FIELDS.some(({ name }) => name === said) ? said : null;
}

/** For an input of type datetime-local, in the time of the browser; "" of 0. */
export function localTime(at_ms: number): string {
  if (at_ms === 0) return "";
  const at = new Date(at_ms);
  return new Date(at_ms - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
