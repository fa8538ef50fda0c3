/** What is changed, in the order in which it is shown, and what was viewed of it. Pure. */
import type { Author, ChangedFile } from "../api/types.ts";

export type Entry =
  | { kind: "folder"; path: string }
  | { kind: "file"; file: ChangedFile };

/** A path that is no plain text stands as git quotes it: `"docs/a\377b"`. */
const plainOf = (path: string): string => (path.startsWith('"') ? path.slice(1, -1) : path);

/** The folder with its last slash; "": the root. */
export function folderOf(path: string): string {
  const plain = plainOf(path);
  return plain.slice(0, plain.lastIndexOf("/") + 1);
}

export function nameOf(path: string): string {
  const plain = plainOf(path);
  return plain.slice(plain.lastIndexOf("/") + 1);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Files by their folder, those of the root first: so folder and files stand together. */
export function ordered(files: readonly ChangedFile[]): ChangedFile[] {
  return [...files].sort((a, b) => compare(folderOf(a.path), folderOf(b.path)) ||
    compare(nameOf(a.path), nameOf(b.path)));
}

/** Rows of the tree: each folder that has files, then its files. */
export function entriesOf(files: readonly ChangedFile[]): Entry[] {
  let last = "";
  return files.flatMap((file): Entry[] => {
    const folder = folderOf(file.path), entry: Entry = { kind: "file", file };
    if (folder === last) return [entry];
    last = folder;
    return [{ kind: "folder", path: folder }, entry];
  });
}

/** --- What was viewed --- */

/** A mark that this page has set. It is for one content: after a change it counts no more. */
export interface Mark { after: string; viewed: boolean; known: boolean }
export type Marks = ReadonlyMap<string, Mark>;

export function viewedOf(
  { path, after, viewed }: ChangedFile, marks: Marks,
): ChangedFile["viewed"] {
  const mark = marks.get(path);
  if (mark === undefined || mark.after !== (after ?? "")) return viewed;
  return mark.viewed ? "yes" : "no";
}

export const viewedCount = (files: readonly ChangedFile[], marks: Marks): number =>
  files.filter((file) => viewedOf(file, marks) === "yes").length;

/** A list that was asked for after the daemon knew a mark says the same, or something newer. */
export const marksAfter = (marks: Marks, asked: readonly string[]): Marks =>
  new Map([...marks].filter(([path]) => !asked.includes(path)));
export const knownOf = (marks: Marks): string[] =>
  [...marks].filter(([, { known }]) => known).map(([path]) => path);

/** --- By whom --- */

/** True: somebody or something else than the one session that is shown. */
export const isOther = ({ by }: ChangedFile, session: string | null): boolean =>
  by.length !== 1 || by[0]?.kind !== "session" || by[0].session !== session;

/** Several runs of one session are one. */
export function makers({ by }: ChangedFile): Author[] {
  const known = new Set<string>();
  return by.filter(({ kind, session, run, name }) => {
    const key = `${kind} ${session ?? run ?? name}`;
    return !known.has(key) && known.add(key);
  });
}

/** --- Lines --- */

/** Whether there are lines to show: a rename, a mode and a binary file have none. */
export const hasLines = ({ binary, added, removed }: ChangedFile): boolean =>
  !binary && added + removed > 0;

/** Stands for the content of both sides. */
export const contentOf = ({ before, after, old_path }: ChangedFile): string =>
  `${before} ${after} ${old_path ?? ""}`;

/** The path by so many files further on; at an end it stays. */
export function stepped(
  files: readonly ChangedFile[], path: string | null, by: 1 | -1,
): string | null {
  const at = files.findIndex((file) => file.path === path);
  const to = at < 0 ? 0 : Math.max(0, Math.min(files.length - 1, at + by));
  return files[to]?.path ?? null;
}
