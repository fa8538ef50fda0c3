/** Markdown to the plain tree. Runs in the worker: whatever a text does to the lexer, it does it
 *  there. What comes out has limits of characters, nodes and depth. */
import { Lexer, type Token, type Tokens } from "marked";

import { beginning } from "../parts/visible.ts";
import { coloured } from "./colour.ts";
import { decoded } from "./entities.ts";
import type { Answer, Block, Inline, Job, Room } from "./tree.ts";

/** Deeper, the source of a block is shown. */
const DEPTH_MAX = 24;
/** Longest code that gets colours; a block that still grows is read again and again. */
const COLOUR_MAX = 32 * 1024, COLOUR_GROWING_MAX = 8 * 1024;
/** A code block has its own limit on the page, so it takes no more than this from the others. */
const CODE_ROOM_MAX = 16 * 1024;

interface State {
  room: Room;
  growing: boolean;
}

/** False: nothing more is drawn. A node that is taken is drawn whole or cut, never dropped. */
function take(state: State, chars: number): boolean {
  if (state.room.chars <= 0 || state.room.nodes <= 0) return false;
  state.room.chars -= chars;
  state.room.nodes--;
  return true;
}

/** As much of a text as there is room for. */
function taken(state: State, text: string): string {
  const shown = beginning(text, Math.max(0, state.room.chars));
  take(state, text.length);
  return shown;
}

function inlines(tokens: Token[] | undefined, state: State, depth: number): Inline[] {
  const made: Inline[] = [];
  for (const token of tokens ?? []) {
    if (!take(state, 0)) break;
    const one = inline(token, state, depth);
    const last = made.length - 1, before = made[last];
    if (typeof one === "string" && typeof before === "string") made[last] = before + one;
    else made.push(one);
  }
  return made;
}

function inline(token: Token, state: State, depth: number): Inline {
  if (depth > DEPTH_MAX) return taken(state, token.raw);
  switch (token.type) {
    case "em":
    case "strong":
    case "del":
      return { kind: token.type, of: inlines(token.tokens, state, depth + 1) };
    case "codespan":
      return { kind: "code", text: taken(state, (token as Tokens.Codespan).text) };
    case "br":
      return { kind: "br" };
    case "link":
    case "image": {
      const { href, tokens, raw } = token as Tokens.Link;
      const of = inlines(tokens, state, depth + 1);
      return { kind: token.type, href: decoded(href), raw: taken(state, raw), of };
    }
    case "checkbox":
      return (token as Tokens.Checkbox).checked ? "☑ " : "☐ ";
    case "escape":
      return taken(state, (token as Tokens.Escape).text);
    case "text":
      return taken(state, decoded((token as Tokens.Text).text));
    default:
      return taken(state, token.raw); // HTML is text, and so is whatever else may come.
  }
}

function code({ lang, text }: Tokens.Code, state: State): Block {
  const language = /^[\w+#.-]{1,40}/.exec(lang ?? "")?.[0]?.toLowerCase() ?? "";
  const max = state.growing ? COLOUR_GROWING_MAX : COLOUR_MAX;
  const runs = text.length <= max ? coloured(language, text) : null;
  take(state, Math.min(text.length, CODE_ROOM_MAX));
  const fits = runs !== null && runs.length <= state.room.nodes;
  if (fits) state.room.nodes -= runs.length;
  return { kind: "code", language, text, runs: fits ? runs : null };
}

function list({ ordered, start, items }: Tokens.List, state: State, depth: number): Block {
  const made: Block[][] = [];
  for (const { tokens } of items) {
    if (!take(state, 0)) break;
    // In a list that is not loose, the box of a task stands before the text of its item.
    const box = tokens[0]?.type === "checkbox" ? inline(tokens[0], state, depth) : null;
    const item = blocks(box === null ? tokens : tokens.slice(1), state, depth + 1);
    if (box !== null && item[0]?.kind === "text") item[0].of.unshift(box);
    else if (box !== null) item.unshift({ kind: "text", of: [box] });
    made.push(item);
  }
  return { kind: "list", start: ordered ? Number(start) || 0 : null, items: made };
}

function table({ align, header, rows }: Tokens.Table, state: State): Block {
  const made: Inline[][][] = [];
  for (const row of [header, ...rows]) {
    if (!take(state, 0)) break;
    made.push(row.map(({ tokens }) => (take(state, 0) ? inlines(tokens, state, 1) : [])));
  }
  return { kind: "table", align, rows: made };
}

/** null: the token shows nothing. */
function block(token: Token, state: State, depth: number): Block | null {
  if (token.type === "space" || token.type === "def") return null;
  if (depth > DEPTH_MAX) return { kind: "p", of: [taken(state, token.raw)] };
  switch (token.type) {
    case "paragraph":
      return { kind: "p", of: inlines(token.tokens, state, depth + 1) };
    case "text":
      return {
        kind: "text",
        of: token.tokens === undefined ? [taken(state, decoded((token as Tokens.Text).text))]
          : inlines(token.tokens, state, depth + 1),
      };
    case "heading": {
      const { depth: level, tokens } = token as Tokens.Heading;
      return { kind: "heading", level, of: inlines(tokens, state, depth + 1) };
    }
    case "blockquote":
      return { kind: "quote", of: blocks(token.tokens, state, depth + 1) };
    case "list":
      return list(token as Tokens.List, state, depth);
    case "code":
      return code(token as Tokens.Code, state);
    case "table":
      return table(token as Tokens.Table, state);
    case "hr":
      return { kind: "rule" };
    default:
      return { kind: "p", of: [taken(state, token.raw.replace(/\n+$/, ""))] };
  }
}

function blocks(tokens: Token[] | undefined, state: State, depth: number): Block[] {
  const made: Block[] = [];
  for (const token of tokens ?? []) {
    if (!take(state, 0)) break;
    const one = block(token, state, depth);
    if (one !== null) made.push(one);
  }
  return made;
}

/** Number of tokens that text after them cannot change: those before the last that shows
 *  something. 0 where the tokens are not the text, piece by piece. */
function settled(tokens: Token[], text: string): number {
  let last = 0, at = 0;
  for (const [index, { raw, type }] of tokens.entries()) {
    if (!text.startsWith(raw, at)) return 0;
    at += raw.length;
    if (type !== "space") last = index;
  }
  return last;
}

export function read({ text, whole, room }: Job): Answer {
  const tokens = Lexer.lex(text, { gfm: true });
  const sure = whole ? tokens.length : settled(tokens, text);
  const state: State = { room: { ...room }, growing: false };
  const answer: Answer = {
    blocks: [], finished: 0, length: 0, spent: { chars: 0, nodes: 0 }, cut: false,
  };
  for (const [index, token] of tokens.entries()) {
    state.growing = index >= sure;
    if (!take(state, 0)) break;
    const one = block(token, state, 0);
    if (one !== null) answer.blocks.push(one);
    if (state.growing) continue;
    answer.length += token.raw.length;
    answer.finished = answer.blocks.length;
    answer.spent = {
      chars: room.chars - state.room.chars, nodes: room.nodes - state.room.nodes,
    };
  }
  answer.cut = state.room.chars <= 0 || state.room.nodes <= 0;
  return answer;
}
