/** A log as rows of one height. The bytes come in order; of each block of about BLOCK_BYTES the
 *  page keeps where it begins and how many rows it has, and the rows themselves of the KEPT_MAX
 *  blocks nearest to what is looked at. The others are read again when somebody scrolls there.
 *
 *  A row is a line, or a part of one that is longer than `width`. No row goes over the edge of two
 *  blocks, unless its line is longer than a block. `Lines` is changed in place: a copy for each of
 *  a thousand pieces a second would cost more than reading them. */
import { feed, START, type Machine, type Style } from "./ansi.ts";

export const BLOCK_BYTES = 64 << 10;
export const KEPT_MAX = 32;

export interface Span { text: string; style: Style }
export interface Row {
  /** Number of the line that begins here, from 1; null: it goes on. */
  line: number | null;
  spans: Span[];
  /** Bytes that are not kept any more, instead of text. */
  dropped?: number;
}

/** From where a block is read. */
interface Edge { machine: Machine; line: number; fresh: boolean }

export interface Block {
  offset: number;
  size: number;
  start: Edge;
  /** Number of its first row, from 0, and of its rows. */
  row: number;
  count: number;
  rows: Row[] | null;
}

export interface Lines {
  readonly width: number;
  blocks: Block[];
  open: { offset: number; size: number; start: Edge; parser: Parser };
  /** Row that is looked at: blocks far from it are given up first. */
  focus: number;
}

interface Parser { feed(bytes: Uint8Array): void; rows(): Row[]; edge(): Edge }

const TAB = 8;

/** `fresh`: the next character begins a line. */
function parserNew(start: Edge, width: number): Parser {
  const decoder = new TextDecoder();
  const done: Row[] = [];
  let { machine, line } = start;
  let row: Row | null = start.fresh ? null : { line: null, spans: [] };
  let length = 0, lineAt = 0; // Of the row; row at which its line began.
  const begin = (): Row => {
    line++;
    lineAt = done.length;
    length = 0;
    return { line, spans: [] };
  };
  const add = (text: string, style: Style): void => {
    for (let at = 0; at < text.length;) {
      row ??= begin();
      if (length >= width) {
        done.push(row);
        row = { line: null, spans: [] };
        length = 0;
      }
      let end = Math.min(text.length, at + width - length);
      const last = text.charCodeAt(end - 1);
      if (end < text.length && end - at > 1 && last >= 0xd800 && last < 0xdc00) end--;
      const part = text.slice(at, end);
      const before = row.spans.at(-1);
      if (before !== undefined && before.style === style) before.text += part;
      else row.spans.push({ text: part, style });
      length += part.length;
      at = end;
    }
  };
  const sink = {
    text(text: string, style: Style) {
      for (const [index, part] of text.split("\t").entries()) {
        if (index > 0) add(" ".repeat(TAB - (length % TAB)), style);
        add(part, style);
      }
    },
    newline() {
      done.push(row ?? begin());
      row = null;
      length = 0;
    },
    restart() {
      if (row === null) return;
      done.length = Math.min(done.length, lineAt);
      row = { line: lineAt === 0 && !start.fresh && line === start.line ? null : line, spans: [] };
      length = 0;
    },
  };
  return {
    feed(bytes) {
      machine = feed(machine, decoder.decode(bytes, { stream: true }), sink);
    },
    rows: () => (row === null ? done : [...done, row]),
    edge: () => ({ machine, line, fresh: row === null }),
  };
}

export function linesNew(width: number): Lines {
  const start: Edge = { machine: START, line: 0, fresh: true };
  return {
    width, blocks: [], focus: Number.POSITIVE_INFINITY,
    open: { offset: 0, size: 0, start, parser: parserNew(start, width) },
  };
}

/** The rows of a block, from its bytes. */
export function rowsOf(bytes: Uint8Array, start: Edge, width: number): { rows: Row[]; end: Edge } {
  const parser = parserNew(start, width);
  parser.feed(bytes);
  return { rows: parser.rows(), end: parser.edge() };
}

const rowsBefore = (lines: Lines): number => {
  const last = lines.blocks.at(-1);
  return last === undefined ? 0 : last.row + last.count;
};

export const rowCount = (lines: Lines): number =>
  rowsBefore(lines) + lines.open.parser.rows().length;
export const lineCount = (lines: Lines): number => lines.open.parser.edge().line;
export const keptCount = (lines: Lines): number =>
  lines.blocks.filter(({ rows }) => rows !== null).length;

function openAt(lines: Lines, offset: number, start: Edge): void {
  lines.open = { offset, size: 0, start, parser: parserNew(start, lines.width) };
}

/** Gives up the rows of blocks that are farthest from what is looked at. */
export function evict(lines: Lines): void {
  const kept = lines.blocks.filter(({ rows }) => rows !== null);
  const far = ({ row, count }: Block): number =>
    (lines.focus < row ? row - lines.focus : Math.max(0, lines.focus - row - count));
  const focus = Math.min(lines.focus, rowCount(lines));
  lines.focus = focus;
  kept.sort((a, b) => far(b) - far(a));
  for (const block of kept.slice(0, Math.max(0, kept.length - KEPT_MAX))) {
    if (block.size > 0) block.rows = null; // A hole has nothing that could be read again.
  }
}

/** The end of the last character that is whole in any case. */
function characterEnd(bytes: Uint8Array): number {
  const isInner = (at: number): boolean => ((bytes[at] ?? 0) & 0xc0) === 0x80;
  let at = bytes.length - 1;
  if ((bytes[at] ?? 0) < 0x80) return bytes.length;
  while (at > bytes.length - 4 && isInner(at)) at--;
  return Math.max(1, at);
}

/** Ends the open block where it is. */
function close(lines: Lines): void {
  const { offset, size, start, parser } = lines.open;
  if (size === 0) return;
  const rows = parser.rows();
  lines.blocks.push({ offset, size, start, row: rowsBefore(lines), count: rows.length, rows });
  openAt(lines, offset + size, parser.edge());
  evict(lines);
}

function add(lines: Lines, bytes: Uint8Array): void {
  lines.open.size += bytes.length;
  lines.open.parser.feed(bytes);
}

/** Bytes behind those that came before. */
export function take(lines: Lines, bytes: Uint8Array): void {
  const size = lines.open.size + bytes.length;
  const feedAt = size < BLOCK_BYTES ? -1 : bytes.lastIndexOf(10);
  // A block ends with a line; with one that has no end, it ends where a character does.
  const cut = feedAt >= 0 ? feedAt + 1 : size < 2 * BLOCK_BYTES ? 0 : characterEnd(bytes);
  if (cut > 0) {
    add(lines, bytes.subarray(0, cut));
    close(lines);
  }
  if (cut < bytes.length) add(lines, bytes.subarray(cut));
}

export function takeDropped(lines: Lines, from: number, to: number): void {
  close(lines);
  const end = { ...lines.open.start, machine: START, fresh: true };
  const row: Row = { line: null, spans: [], dropped: to - from };
  lines.blocks.push({ offset: from, size: 0, start: end, row: rowsBefore(lines), count: 1,
                      rows: [row] });
  openAt(lines, to, end);
}

function blockAt(lines: Lines, isAfter: (block: Block) => boolean): number {
  let low = 0, high = lines.blocks.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const block = lines.blocks[middle];
    if (block !== undefined && isAfter(block)) high = middle;
    else low = middle + 1;
  }
  return low - 1;
}

export interface Seen { number: number; row: Row | null }

/** Rows `from` to before `to`; null where one has to be read again, with its block in `missing`. */
export function rowsAt(
  lines: Lines, from: number, to: number): { rows: Seen[]; missing: Block[] } {
  const rows: Seen[] = [];
  const missing: Block[] = [];
  const behind = rowsBefore(lines);
  const tail = lines.open.parser.rows();
  for (let number = from; number < to; number++) {
    if (number >= behind) {
      rows.push({ number, row: tail[number - behind] ?? null });
      continue;
    }
    const block = lines.blocks[blockAt(lines, (one) => one.row > number)];
    if (block === undefined) continue;
    if (block.rows === null && missing.at(-1) !== block) missing.push(block);
    rows.push({ number, row: block.rows?.[number - block.row] ?? null });
  }
  return { rows, missing };
}

/** Row at which a line begins, or the block that has to be read first; null: no such line. */
export function rowOfLine(lines: Lines, line: number): number | Block | null {
  if (line < 1 || line > lineCount(lines)) return null;
  const within = (rows: Row[]): number => rows.findIndex((row) => row.line === line);
  if (line > lines.open.start.line) return rowsBefore(lines) + within(lines.open.parser.rows());
  const block = lines.blocks[blockAt(lines, ({ start }) => start.line >= line)];
  if (block === undefined) return null;
  return block.rows === null ? block : block.row + Math.max(0, within(block.rows));
}

/** The bytes of a block came again. Of a log that lost some meanwhile, what is there is shown. */
export function fill(lines: Lines, block: Block, bytes: Uint8Array): void {
  const { rows } = rowsOf(bytes, block.start, lines.width);
  while (rows.length < block.count) rows.push({ line: null, spans: [] });
  block.rows = rows.slice(0, block.count);
  lines.focus = block.row;
  evict(lines);
}
