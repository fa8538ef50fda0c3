/** Rules of the list of memories: what the address says of it, and what a form says. Pure. */
import type { Memory } from "../api/types.ts";

/** `project` null: every one; "": only what is about everything. */
export interface MemoryFilter { q: string; topic: string; project: string | null }

export const filterOf = (query: URLSearchParams): MemoryFilter => ({
  q: query.get("q")?.trim() ?? "", topic: query.get("topic") ?? "", project: query.get("project"),
});

export const isFiltered = ({ q, topic, project }: MemoryFilter): boolean =>
  q !== "" || topic !== "" || project !== null;

const ROWS = 50, DAYS = 14;
export const TOPICS = 200;

function pathOf(path: string, limit: number, filter: Partial<MemoryFilter>): string {
  const query = new URLSearchParams({ limit: String(limit) });
  for (const [name, value] of Object.entries(filter)) {
    if (value !== null && (value !== "" || name === "project")) query.set(name, value);
  }
  return `/memory${path}?${query}`;
}
export const listPath = (filter: MemoryFilter): string => pathOf("", ROWS, filter);
export const daysPath = ({ topic, project }: MemoryFilter): string =>
  pathOf("/daily", DAYS, { topic, project });
export const topicsPath = ({ project }: MemoryFilter): string =>
  pathOf("/topics", TOPICS, { project });

/** An event has no title, content and tags: it says that something is to be read. */
export const isWhole = (row: Partial<Memory>): row is Memory => row.title !== undefined;

export function fits(row: Pick<Memory, "topic" | "project">, filter: MemoryFilter): boolean {
  const of = row.project ?? "";
  return (filter.topic === "" || row.topic === filter.topic) &&
    (filter.project === null || of === "" || of === filter.project);
}

/** The body of a new memory, of the fields of the form. */
export function bodyOf({ tags, ...given }: Record<string, string>): Record<string, unknown> {
  const list = (tags ?? "").split(",").map((tag) => tag.trim()).filter((tag) => tag !== "");
  return list.length === 0 ? given : { ...given, tags: list };
}

/** The field that a sentence of the daemon is about: "topic" is missing, "tags"[0] must be …. */
export const FIELDS = ["topic", "title", "content", "project", "tags"] as const;
export function fieldOf(detail: string): string | null {
  const named = /"(\w+)"/.exec(detail)?.[1];
  return FIELDS.find((name) => name === named) ?? null;
}

/** The names that can be chosen, each once, in the order of the alphabet. */
export const namesOf = (...lists: readonly (readonly (string | null | undefined)[])[]): string[] =>
  [...new Set(lists.flat())].filter((name): name is string => Boolean(name)).sort();
