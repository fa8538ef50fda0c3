/** Other ways to show the rows of a change: two sides, and without changes of blanks. Pure. */
import { diffArrays } from "diff";

import { addChanged, textOf, type LineRow, type Row } from "./patch.ts";

export interface Sides { left: Row | null; right: Row | null }

/** Removed lines stand on the left of those that are added after them. A note, as of a file whose
 *  end has no line feed, stands on the side of the line before it. */
export function sidesOf(rows: readonly Row[]): (Row | Sides)[] {
  const all: (Row | Sides)[] = [];
  let removed: Row[] = [], added: Row[] = [];
  const flush = (): void => {
    for (let at = 0; at < Math.max(removed.length, added.length); at++) {
      all.push({ left: removed[at] ?? null, right: added[at] ?? null });
    }
    [removed, added] = [[], []];
  };
  for (const row of rows) {
    if (row.kind === "remove") {
      if (added.length > 0) flush();
      removed.push(row);
    } else if (row.kind === "add") {
      added.push(row);
    } else if (row.kind === "note" && removed.length + added.length > 0) {
      (added.length > 0 ? added : removed).push(row);
    } else {
      flush();
      all.push(row.kind === "same" ? { left: row, right: row } : row);
    }
  }
  flush();
  return all;
}

/** More changes in a row than this are not compared by blanks. */
const EDITS_MAX = 500;
const COMPARES_NONE = 0; // Words are compared when a line is drawn.
const withoutBlanks = (row: LineRow): string => textOf(row).replace(/\s+/g, "");
const partOf = (row: LineRow) => ({ number: row.number, text: textOf(row) });

function joined(rows: Row[], removed: readonly LineRow[], added: readonly LineRow[]): void {
  const parts = diffArrays(removed.map(withoutBlanks), added.map(withoutBlanks),
    { maxEditLength: EDITS_MAX });
  let old = 0, now = 0, gone: LineRow[] = [], come: LineRow[] = [];
  const flush = (): void => {
    addChanged(rows, gone.map(partOf), come.map(partOf), COMPARES_NONE);
    [gone, come] = [[], []];
  };
  for (const part of parts ?? [{ removed: true, added: false, count: removed.length },
    { removed: false, added: true, count: added.length }]) {
    const count = part.count;
    if (part.removed) gone.push(...removed.slice(old, old += count));
    else if (part.added) come.push(...added.slice(now, now += count));
    else {
      flush();
      for (let at = 0; at < count; at++) {
        const before = removed[old++], after = added[now++];
        if (before === undefined || after === undefined) continue;
        rows.push({ kind: "same", number: after.number, old: before.number,
          pieces: after.pieces });
      }
    }
  }
  flush();
}

/** Lines that differ in blanks alone are no change; hunks without any other change are left out. */
export function blanksIgnored(rows: readonly Row[]): Row[] {
  const all: Row[] = [];
  let hunk: Row[] = [], removed: LineRow[] = [], added: LineRow[] = [];
  const close = (): void => {
    joined(hunk, removed, added);
    [removed, added] = [[], []];
  };
  const end = (): void => {
    close();
    if (hunk.some(({ kind }) => kind === "add" || kind === "remove")) all.push(...hunk);
    hunk = [];
  };
  for (const row of rows) {
    if (row.kind === "remove" || row.kind === "add") {
      if (row.kind === "remove" && added.length > 0) close();
      (row.kind === "add" ? added : removed).push(row);
      continue;
    }
    if (row.kind === "hunk" || row.kind === "file") end();
    else close();
    hunk.push(row);
  }
  end();
  return all;
}
