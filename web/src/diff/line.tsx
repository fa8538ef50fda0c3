/** A row of a change. */
import { visible } from "../parts/visible.ts";
import type { LineRow, Piece, Row } from "./patch.ts";

const SIGNS = { same: " ", add: "+", remove: "−" };

function Pieces({ pieces }: { pieces: readonly Piece[] }) {
  return <>{pieces.map(([marked, text]) => (marked ? <mark>{visible(text)}</mark>
    : visible(text)))}</>;
}

/** `number`: where it is not that of the row, as on the left of two sides. */
export function Line({ row, pieces, number }: {
  row: Row; pieces?: readonly Piece[]; number?: number | undefined;
}) {
  if (!("pieces" in row)) return <div class={`line ${row.kind}`}>{visible(row.text)}</div>;
  const Text = row.kind === "add" ? "ins" : row.kind === "remove" ? "del" : "span";
  return (
    <div class={`line ${row.kind}`}>
      <span class="number">{number ?? row.number}</span>
      <span class="sign">{SIGNS[row.kind]}</span>
      <Text><Pieces pieces={pieces ?? row.pieces} /></Text>
    </div>
  );
}

export type { LineRow, Row };
