/** Two texts as a unified patch. Loaded when the first agent is opened. */
import { createTwoFilesPatch } from "diff";

/** More changed lines than these, or longer texts, are another text, not a changed one. */
const EDITS_MAX = 2_000, TEXT_MAX = 256 * 1024;

/** null: they differ too much. */
export function patchOf(before: string, after: string): string | null {
  if (before.length + after.length > TEXT_MAX) return null;
  // Of results hardly one ends with a line feed; to say so of both helps nobody.
  const end = before.endsWith("\n") || after.endsWith("\n") ? "" : "\n";
  return createTwoFilesPatch("before", "after", before + end, after + end, undefined, undefined,
    { context: 3, maxEditLength: EDITS_MAX }) ?? null;
}
