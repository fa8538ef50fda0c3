/** What a list beside a conversation knows, as a fold of the pages that were read. All are pure. */
import type { Problem } from "../../api/api.ts";
import type { Page } from "../../api/types.ts";
import type { StreamEvent } from "../../stream/index.ts";

export interface Known<T> {
  items: T[];
  next: string | null;
  ready: boolean;
  problem: Problem | null;
}

/** What a page from the beginning says, and what was known behind it. */
export function renewed<T>(old: Known<T>, page: Page<T>, idOf: (row: T) => string): Known<T> {
  const last = page.items.at(-1);
  const at = last === undefined || page.next === null ? -1
    : old.items.findIndex((row) => idOf(row) === idOf(last));
  const behind = at < 0 ? [] : old.items.slice(at + 1);
  const next = behind.length > 0 ? old.next : page.next;
  return { items: [...page.items, ...behind], next, ready: true, problem: null };
}

/** The page that follows. */
export function longer<T>(old: Known<T>, page: Page<T>, idOf: (row: T) => string): Known<T> {
  const known = new Set(old.items.map(idOf));
  const added = page.items.filter((row) => !known.has(idOf(row)));
  return { items: [...old.items, ...added], next: page.next, ready: true, problem: null };
}

interface News {
  id?: string; session?: string | null; parent?: string | null; address?: string;
}

/** Whether an event is of the session, of what belongs to it, or of a row that is known. */
export function concerns(
  session: string, ids: ReadonlySet<string>, { data }: StreamEvent): boolean {
  const { id = "", session: of, parent, address } = data as News;
  return [id, of, parent, address].includes(session) || ids.has(id);
}
