/** Definitions of agents: what a form says as a body of the API, and the field that a fault is
 *  about; and what an agent has to do now. Pure. */
import type { Problem } from "../api/api.ts";
import type { Agent } from "../api/types.ts";
import { causeText } from "../parts/cause.ts";
import { timeTo } from "../parts/text.ts";
import { words } from "./words.ts";

/** As it is stored; only for those who may change it. */
export type Definition = Record<string, unknown>;

/** Fields of the form; the others stand in its JSON. */
export const FIELDS = ["name", "program", "command", "model", "description", "access", "at_once",
  "instructions"];

/** Slots in use, what waits, and the cool-down; "": it has nothing to do. */
export function nowOf(agent: Agent, now_ms: number): string {
  const { running, waiting, at_once: slots, cooling_until_ms: until, cooling_cause: cause } = agent;
  return [
    running > 0 && (slots === null ? words.running(running) : words.slotsUsed(running, slots)),
    waiting > 0 && words.waiting(waiting),
    until !== null && words.cools(timeTo(until, now_ms), causeText(cause)),
  ].filter(Boolean).join(" · ");
}

/** What the form begins with: fields of its own, and the others as JSON. */
export function givenOf(of: Agent | null, definition: Definition | null): Record<string, string> {
  const { program, command, model, description, isolation } = of ?? {};
  const all: Definition = definition ?? { program: program ?? "plain", command, model, description,
    ...(isolation && { isolation }) };
  const given: Record<string, string> = {}, more: Definition = {};
  for (const [name, value] of Object.entries(all)) {
    if (value === null || value === undefined || name === "name") continue;
    if (FIELDS.includes(name)) given[name] = String(value);
    else more[name] = value;
  }
  if (Object.keys(more).length > 0) given.json = JSON.stringify(more, null, 2);
  return given;
}

/** null: the text is no JSON object. */
export function bodyOf(given: Record<string, string>): Record<string, unknown> | null {
  let more: unknown;
  try {
    more = given.json === undefined ? {} : JSON.parse(given.json);
  } catch {
    return null;
  }
  if (typeof more !== "object" || more === null || Array.isArray(more)) return null;
  const body: Record<string, unknown> = { ...more };
  for (const field of FIELDS) {
    const text = given[field];
    if (text === undefined) continue;
    body[field] = field === "at_once" && /^\d+$/.test(text) ? Number(text) : text;
  }
  return body;
}

/** The field of the form; `json` for those that stand there; null: it is about none. */
export function fieldOf({ code, detail }: Problem): string | null {
  const named = /"(\w+)"/.exec(detail)?.[1];
  if (code === "conflict") return "name";
  if (code !== "bad_field" && code !== "unknown_field" && code !== "missing_field") return null;
  return named !== undefined && FIELDS.includes(named) && code !== "unknown_field" ? named : "json";
}

/** An argument as a shell would need it, to be read by a person. */
export const quoted = (word: string): string =>
  (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);
