/** In place of `api/api.ts`: what the pages of a run ask the daemon for, out of the file. */
import { file, type Document } from "./file.ts";
import { words } from "./words.ts";

export interface Problem { status: number; title: string; detail: string; code: string }
export type Answer<T> = { ok: true; value: T } | { ok: false; problem: Problem };

const absent = (detail = ""): Problem =>
  ({ status: 404, title: words.absent, detail, code: "not_found" });
/** A text of this length may be longer where it came from. */
const CUT = 4000;
const page = (items: unknown[]) => ({ items, next: null });

/** Spans of a run, and of those that its steps began. */
function spansOf(run: string): Document["spans"] {
  const ids = new Set(file.spans.filter((span) => span.run === run).map(({ id }) => id));
  return file.spans.filter(({ id, parent }) => {
    if (parent != null && ids.has(parent)) ids.add(id);
    return ids.has(id);
  });
}
function scriptOf(name: string | null) {
  const scripts = file.scripts.map((one) => ({ name: one.file, file: one.file }));
  if (name === null) return file.script === null ? undefined : { ...file.script, scripts };
  const found = file.scripts.find((one) => one.file === name);
  return found === undefined || found.source === null ? undefined : { ...found, scripts };
}

/** A row has the beginning of what went in and came out. */
function textOf(id: string, query: URLSearchParams) {
  const span = file.spans.find((row) => row.id === id);
  const given = span?.[query.get("side") === "output" ? "output" : "input"];
  if (given == null) return undefined;
  const whole = given.length < CUT ? given : given + words.cut;
  const offset = Number(query.get("offset")), next = offset + Number(query.get("limit"));
  return { text: whole.slice(offset, next), offset, next, bytes: whole.length };
}

function runOf(id: string) {
  if (id === file.run.id) return file.run;
  const agent = file.agents.find((one) => one.id === id);
  return agent && { ...agent, spec: { prompt: agent.prompt }, parent: file.run.id, kind: "agent" };
}

/** undefined: the file does not have it. */
function find(path: string): unknown {
  const { pathname, searchParams } = new URL(path, "http://here");
  const [, what, id = "", of, one] = pathname.split("/");
  if (what === "login") return { owner: "", scopes: ["read"] };
  if (what === "approvals") return page([]);
  if (what !== "runs") return undefined;
  if (of === undefined) return runOf(id);
  if (of === "script") return scriptOf(searchParams.get("file"));
  if (of !== "spans") return page([]);
  if (one !== undefined) return textOf(`${id}.${one}`, searchParams);
  const kind = searchParams.get("kind");
  const spans = id === file.run.id ? file.spans : spansOf(id);
  return page(kind === null ? spans : spans.filter((span) => span.kind === kind));
}

export async function get<T>(path: string): Promise<Answer<T>> {
  const value = find(path);
  return value === undefined
    ? { ok: false, problem: absent(words.noText) }
    : { ok: true, value: value as T };
}

/** What the file does not have, it will never have. */
export const passes = (_: Problem): boolean => false;

/** Nothing can be changed. */
const refuse = async <T>(): Promise<Answer<T>> => ({ ok: false, problem: absent() });
export {
  refuse as getBlob, refuse as getBytes, refuse as patch, refuse as post, refuse as remove,
  refuse as upload,
};
