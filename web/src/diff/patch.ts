/** A unified patch as rows to draw. Loaded when the first diff is shown. */
import { diffWordsWithSpace, parsePatch, type StructuredPatchHunk } from "diff";

/** A piece of a line; `marked`: this piece is what changed. */
export type Piece = [marked: boolean, text: string];
/** A line. `old`: number that a line without a change had. `beside`: the line at the same place on
 *  the other side, where the two were not compared yet (`piecesOf`). */
export interface LineRow {
  kind: "same" | "add" | "remove"; number: number; old?: number; pieces: Piece[];
  beside?: string;
}
export type Row = { kind: "file" | "hunk" | "note"; text: string } | LineRow;

export interface Change {
  rows: Row[];
  added: number;
  removed: number;
  /** Lines that are too long to be shown at first end before their end. */
  clipped: boolean;
}

/** Longest line that is compared word by word, and what is shown of a line. */
const WORDS_MAX = 1000, LINE_MAX = 4000;
/** Rows after these are compared when they are drawn, or not at all. */
const COMPARED_MAX = 500;
/** Lines with more changes than this are another line, not a changed one. */
const EDITS_MAX = 60;

interface Part { text: string; number: number }
interface Line extends Part { sign: string; old: number }

/** The pieces of two lines, the second of which came from the first; null: they differ too much. */
function compared(before: string, after: string): [Piece[], Piece[]] | null {
  if (before.length > WORDS_MAX || after.length > WORDS_MAX) return null;
  const parts = diffWordsWithSpace(before, after, { maxEditLength: EDITS_MAX });
  if (parts === undefined) return null;
  let same = 0;
  const old: Piece[] = [], now: Piece[] = [];
  for (const { added, removed, value } of parts) {
    if (!added && !removed) same += value.trim().length;
    if (!added) old.push([removed, value]);
    if (!removed) now.push([added, value]);
  }
  return same * 3 < Math.max(before.length, after.length) ? null : [old, now];
}

function pieceOf(text: string): Piece[] {
  return [[false, text]];
}

export const textOf = ({ pieces }: LineRow): string => pieces.map(([, text]) => text).join("");

/** The row, compared with the line beside it. */
export function piecesOf(row: LineRow): Piece[] {
  const { kind, beside, pieces } = row, text = textOf(row);
  if (beside === undefined) return pieces;
  return (kind === "remove" ? compared(text, beside)?.[0] : compared(beside, text)?.[1]) ?? pieces;
}

/** Adds removed lines and the added ones after them. Lines at the same place belong together. */
export function addChanged(
  rows: Row[], removed: readonly Part[], added: readonly Part[], compares: number,
): void {
  const isNow = rows.length < compares;
  const pairs = removed.map(({ text }, at) => {
    const other = added[at];
    return other === undefined || !isNow ? null : compared(text, other.text);
  });
  const rowOf = (kind: "add" | "remove", { number, text }: Part, other: Part | undefined,
    pieces: Piece[] | undefined): LineRow => ({ kind, number, pieces: pieces ?? pieceOf(text),
    ...(!isNow && other !== undefined && { beside: other.text }) });
  for (const [at, one] of removed.entries()) {
    rows.push(rowOf("remove", one, added[at], pairs[at]?.[0]));
  }
  for (const [at, one] of added.entries()) {
    rows.push(rowOf("add", one, removed[at], pairs[at]?.[1]));
  }
}

function linesOf({ lines, oldStart, newStart }: StructuredPatchHunk, max: number): Line[] {
  let old = oldStart, now = newStart;
  return lines.map((line) => {
    const sign = line.charAt(0), whole = line.slice(1);
    const text = whole.length > max ? `${whole.slice(0, max)}…` : whole;
    const number = sign === "-" ? old : now;
    if (sign !== "+" && sign !== "\\") old++;
    if (sign !== "-" && sign !== "\\") now++;
    return { sign, text, number, old: old - 1 };
  });
}

function addHunk(
  change: Change, hunk: StructuredPatchHunk, max: number, compares: number,
): void {
  const { oldStart, oldLines, newStart, newLines } = hunk;
  const { rows } = change;
  rows.push({ kind: "hunk", text: `@@ -${oldStart},${oldLines} +${newStart},${newLines} @@` });
  let removed: Line[] = [], added: Line[] = [];
  const flush = () => {
    addChanged(rows, removed, added, compares);
    removed = [];
    added = [];
  };
  change.clipped ||= hunk.lines.some((line) => line.length > max + 1);
  for (const line of linesOf(hunk, max)) {
    if (line.sign === "-") {
      if (added.length > 0) flush();
      removed.push(line);
      change.removed++;
    } else if (line.sign === "+") {
      added.push(line);
      change.added++;
    } else {
      flush();
      if (line.sign === "\\") rows.push({ kind: "note", text: line.text.trim() });
      else {
        const { number, old, text } = line;
        rows.push({ kind: "same", number, old, pieces: pieceOf(text) });
      }
    }
  }
  flush();
}

/** A patch that was cut ends within a hunk, whose head then counts lines that are not there. */
function closed(patch: string): string {
  const at = patch.lastIndexOf("\n@@ ") + 1;
  const [head = "", ...lines] = patch.slice(at, patch.lastIndexOf("\n")).split("\n");
  const count = (signs: string) => lines.filter((line) => signs.includes(line.charAt(0))).length;
  const counted = head.replace(/^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@/,
    (_, old: string, now: string) => `@@ -${old},${count("- ")} +${now},${count("+ ")} @@`);
  return `${patch.slice(0, at)}${[counted, ...lines].join("\n")}\n`;
}

/** null: this is no patch. `whole`: each line to its end. `compares`: rows after these are not
 *  compared. */
export function changeOf(
  patch: string, cut: boolean, whole = false, compares = COMPARED_MAX,
): Change | null {
  const change: Change = { rows: [], added: 0, removed: 0, clipped: false };
  const max = whole ? Infinity : LINE_MAX;
  try {
    const files = parsePatch(cut ? closed(patch) : patch);
    for (const { oldFileName, newFileName, hunks } of files) {
      const name = newFileName === "/dev/null" ? oldFileName : newFileName;
      if (files.length > 1) {
        change.rows.push({ kind: "file", text: (name ?? "").replace(/^[ab]\//, "") });
      }
      for (const hunk of hunks) addHunk(change, hunk, max, compares);
    }
  } catch {
    return null;
  }
  return change.rows.length === 0 ? null : change;
}
