/** Rules of fields that search in a list. Pure. */
import type { Folders } from "../api/types.ts";

export interface Choice {
  value: string; text: string;
  /** Heading; neighbours of one group stand below it once. */
  group?: string;
  about?: string;
}

const lower = (text: string): string => text.toLowerCase();

/** Those in which each word that is typed occurs, in their order. */
export function matching(choices: readonly Choice[], typed: string): Choice[] {
  const words = lower(typed).split(/\s+/).filter((word) => word !== "");
  return choices.filter(({ text, group = "" }) =>
    words.every((word) => lower(`${group} ${text}`).includes(word)));
}

export const choicesOf = (values: readonly string[]): Choice[] =>
  values.map((value) => ({ value, text: value }));

/** Models by their connections, which the names begin with. */
export function modelChoices(ids: readonly string[], fallback: string | null, mark: string):
Choice[] {
  const groupOf = (id: string): string => id.slice(0, Math.max(0, id.indexOf("/")));
  const groups = [...new Set(ids.map(groupOf))];
  return groups.flatMap((group) => ids.filter((id) => groupOf(id) === group).map((id) =>
    ({ value: id, text: id, group, ...(id === fallback && { about: mark }) })));
}

/** A path that is being typed: the folder that is listed, and how names in it begin. "": the
 *  folders that are known, of which those are listed that have the text in them. */
export function placeOf(text: string): { at: string; part: string } {
  const slash = text.lastIndexOf("/");
  if (!text.startsWith("/")) return { at: "", part: text };
  return { at: slash === 0 ? "/" : text.slice(0, slash), part: text.slice(slash + 1) };
}

/** What a field for a folder offers: the way up, then the folders that fit. */
export function folderChoices(
  { path, parent, items }: Folders, part: string, up: { known: string; to(path: string): string },
): Choice[] {
  if (path === null) return matching(choicesOf(items.map((one) => one.path)), part);
  const above = parent === null ? { value: "", text: up.known }
    : { value: parent, text: up.to(parent) };
  return [...(part === "" ? [above] : []), ...items
    .filter(({ name }) => lower(name).startsWith(lower(part)))
    .map(({ path: value, name }) => ({ value, text: name }))];
}
