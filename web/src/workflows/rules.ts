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
