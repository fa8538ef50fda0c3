/** The lines of a file: of one column or of two. */
import { useComputed, type ReadonlySignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo } from "preact/hooks";

import { Line } from "../diff/line.tsx";
import { piecesOf, type LineRow, type Piece, type Row } from "../diff/patch.ts";
import {
  blocksOf, heightOf, hunksIn, isHunk, isSides, shownOf, type Block, type Look, type Shown,
} from "./blocks.ts";
import { LAST, type Cursor } from "./cursor.ts";
import { useNear } from "./near.ts";
import { words } from "./words.ts";

/** Comparing words takes its time: once for each line. */
const compared = new WeakMap<LineRow, Piece[]>();
function piecesNow(row: LineRow): Piece[] {
  const known = compared.get(row) ?? piecesOf(row);
  compared.set(row, known);
  return known;
}

function One({ row, left = false }: { row: Row; left?: boolean }) {
  return "pieces" in row ? (
    <Line row={row} pieces={piecesNow(row)} number={left ? row.old : undefined} />
  ) : <Line row={row} />;
}

function ShownRow({ row }: { row: Shown }) {
  if (!isSides(row)) return <One row={row} />;
  const { left, right } = row;
  return (
    <div class="change-sides">
      {left === null ? <div class="change-gap" /> : <One row={left} left />}
      {right === null ? <div class="change-gap" /> : <One row={right} />}
    </div>
  );
}

interface BlockProps {
  block: Block; path: string; cursor: Cursor; first: boolean;
  columns: ReadonlySignal<number>;
}

function BlockOf({ block, path, cursor, first, columns }: BlockProps) {
  const { within, hunks } = block;
  const isIn = (hunk: number): boolean => hunk > within && hunk <= within + hunks;
  const here = useComputed(() => {
    const place = cursor.at.value;
    return place?.path === path && isIn(place.hunk) ? place.hunk : -1;
  });
  const due = useComputed(() => {
    const place = cursor.due.value;
    return place?.path === path && isIn(place.hunk) ? place.hunk : -1;
  });
  const { box, near, style } = useNear({ height: heightOf(block, columns.value), first,
    of: columns.value });
  const drawn = near || due.value >= 0;
  useLayoutEffect(() => {
    if (due.value >= 0) cursor.reached();
  }, [due.value]);
  let hunk = within;
  return (
    <div ref={box} data-within={within} {...(!drawn && { style })}>
      {!drawn ? null : block.rows.map((row, at) => {
        if (!isHunk(row)) return <ShownRow key={at} row={row} />;
        hunk++;
        return (
          <div key={at} data-hunk={hunk} class={hunk === here.value ? "change-here" : ""}>
            <ShownRow row={row} />
          </div>
        );
      })}
    </div>
  );
}

interface LinesProps {
  rows: readonly Row[]; path: string; look: Look; cursor: Cursor;
  columns: ReadonlySignal<number>;
  onHunks(count: number): void;
  onBlanks(): void;
}

export function Lines({ rows, path, look, cursor, columns, onHunks, onBlanks }: LinesProps) {
  const { sides, blanks } = look;
  const shown = useMemo(() => shownOf(rows, { sides, blanks }), [rows, sides, blanks]);
  const blocks = useMemo(() => blocksOf(shown), [shown]);
  const hunks = useMemo(() => hunksIn(shown), [shown]);
  useLayoutEffect(() => onHunks(hunks), [hunks]);
  const last = useComputed(() => cursor.due.value?.path === path &&
    cursor.due.value.hunk === LAST);
  useEffect(() => {
    if (last.value && hunks > 0) cursor.to(path, hunks - 1);
  }, [last.value, hunks]);
  if (shown.length === 0) {
    return (
      <p class="change-note">
        {words.onlyBlanks} <button class="quiet" onClick={onBlanks}>{words.showBlanks}</button>
      </p>
    );
  }
  return (
    <div class="lines" dir="ltr">
      {blocks.map((block, at) => (
        <BlockOf key={at} block={block} path={path} cursor={cursor} first={at === 0}
          columns={columns} />
      ))}
    </div>
  );
}
