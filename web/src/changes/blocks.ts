/** Rows of a file as blocks, each of which is drawn when it is near the view. Pure. */
import { textOf, type Row } from "../diff/patch.ts";
import { blanksIgnored, sidesOf, type Sides } from "../diff/sides.ts";

export type Shown = Row | Sides;

/** A row of the screen, and what a row that is broken adds. */
export const ROW_PX = 18;
const BLOCK_ROWS = 60;

export interface Block {
  rows: readonly Shown[];
  /** Number of the change that its first row belongs to; -1: it begins with the first one. */
  within: number;
  /** How many changes begin in it. */
  hunks: number;
}

export const isSides = (row: Shown): row is Sides => "left" in row;
export const isHunk = (row: Shown): boolean => !isSides(row) && row.kind === "hunk";

export interface Look { sides: boolean; blanks: boolean }

/** The rows as they are shown. `blanks`: changes of blanks are left out. */
export function shownOf(rows: readonly Row[], { sides, blanks }: Look): readonly Shown[] {
  const found = blanks ? blanksIgnored(rows) : rows;
  return sides ? sidesOf(found) : found;
}

export const hunksIn = (rows: readonly Shown[]): number => rows.filter(isHunk).length;

export function blocksOf(rows: readonly Shown[]): Block[] {
  const all: Block[] = [];
  let within = -1;
  for (let from = 0; from < rows.length; from += BLOCK_ROWS) {
    const some = rows.slice(from, from + BLOCK_ROWS), hunks = hunksIn(some);
    all.push({ rows: some, within, hunks });
    within += hunks;
  }
  return all;
}

const lengthOf = (row: Row | null): number =>
  (row === null ? 0 : "pieces" in row ? textOf(row).length : row.text.length);

/** About the height of a block whose text is broken after so many columns. */
export function heightOf({ rows }: Block, columns: number): number {
  const broken = (length: number): number =>
    Math.max(1, Math.ceil(length / Math.max(1, columns)));
  return ROW_PX * rows.reduce((sum, row) => sum + (isSides(row)
    ? Math.max(broken(lengthOf(row.left)), broken(lengthOf(row.right)))
    : broken(lengthOf(row))), 0);
}
