/** What the view reads: trees with what each holds; one of them whole. */
import type { Page, Tree, TreeAlone } from "../api/types.ts";
import { useRead, type Read } from "../state/read.ts";

/** Most trees of one page. */
const LIMIT = 200;
/** Contents of folders change without an event. */
const LOOK_MS = 30_000, PAUSE_MS = 2_000;

export interface TreeFilter { q: string; project: string | null }

export const isFiltered = ({ q, project }: TreeFilter): boolean => q !== "" || project !== null;

export function listPath({ q, project }: TreeFilter): string {
  const of = project === null ? "" : `&project=${encodeURIComponent(project)}`;
  return `/worktrees?look=true&limit=${LIMIT}${of}${q === "" ? "" : `&q=${encodeURIComponent(q)}`}`;
}

export const useTrees = (filter: TreeFilter): Read<Page<Tree>> =>
  useRead<Page<Tree>>(listPath(filter), {
    after: ({ type }) => type === "tree_changed" || type === "changes_changed",
    pause_ms: PAUSE_MS, every_ms: LOOK_MS,
  });

export const useTree = (id: string | null): Read<TreeAlone> =>
  useRead<TreeAlone>(id === null ? null : `/worktrees/${id}`, {
    after: ({ type, data }) => type === "tree_changed" && (data as { id?: string }).id === id,
  });

/** The page of whoever works in it. */
export function holderPath({ kind, holder }: Tree): string {
  return kind === "session" ? `/s/${holder}` : kind === "task" ? `/t/${holder}` : `/r/${holder}`;
}
