/** Escape sequences of a log: colours and styles are read, everything else that a terminal would do
 *  is skipped. A machine that can stop and go on between any two characters; its state is a value,
 *  so a log can be read again from the middle. */

/** 0 to 15: a colour of the palette; else "#rrggbb"; null: the colour of the page. */
export type Colour = number | string | null;
export interface Style {
  fg: Colour; bg: Colour;
  bold: boolean; dim: boolean; italic: boolean; underline: boolean; struck: boolean;
  inverse: boolean;
}

export const PLAIN: Style = {
  fg: null, bg: null, bold: false, dim: false, italic: false, underline: false, struck: false,
  inverse: false,
};

export interface Machine {
  readonly style: Style;
  /** `string`: within a title, a clipboard or a link, up to its end. */
  readonly mode: "text" | "escape" | "csi" | "string" | "string escape";
  readonly parameters: string;
  /** A carriage return came: unless a line feed follows, the line begins anew. */
  readonly returned: boolean;
}

export const START: Machine = { style: PLAIN, mode: "text", parameters: "", returned: false };

export interface Sink {
  text(text: string, style: Style): void;
  newline(): void;
  /** The line begins anew: what stood in it is overwritten. */
  restart(): void;
}

const PARAMETERS_MAX = 64;
const LEVELS = [0, 95, 135, 175, 215, 255];
const hex = (...parts: number[]): string =>
  `#${parts.map((part) => Math.min(255, part).toString(16).padStart(2, "0")).join("")}`;

/** Of the 256 colours: 16 of the palette, a cube, and greys. */
export function colourOf(index: number): Colour {
  if (index < 16) return index;
  if (index >= 232) return hex(...Array<number>(3).fill(8 + (index - 232) * 10));
  const at = index - 16;
  return hex(...[Math.floor(at / 36), Math.floor(at / 6) % 6, at % 6].map((l) => LEVELS[l] ?? 0));
}

/** 38 or 48 with what follows: the colour, and how many numbers it took. */
function extended(codes: number[], at: number): { colour: Colour | undefined; took: number } {
  const [kind, a = 0, b = 0, c = 0] = codes.slice(at + 1);
  if (kind === 5) return { colour: a <= 255 ? colourOf(a) : undefined, took: 2 };
  if (kind === 2) return { colour: hex(a, b, c), took: 4 };
  return { colour: undefined, took: 0 };
}

const CHANGES_MAX = 4_096;
let changes = new WeakMap<Style, Map<string, Style>>();
let changeCount = 0;

/** Logs repeat few styles many times: each is one object, of which text beside it is known. */
function styleWith(style: Style, parameters: string): Style {
  if (parameters === "" || parameters === "0") return PLAIN;
  const known = changes.get(style) ?? new Map<string, Style>();
  const before = known.get(parameters);
  if (before !== undefined) return before;
  if (++changeCount > CHANGES_MAX) {
    changes = new WeakMap();
    changeCount = 0;
  }
  const next = styleAfter(style, parameters);
  changes.set(style, known.set(parameters, next));
  return next;
}

function styleAfter(style: Style, parameters: string): Style {
  const codes = parameters.split(/[;:]/).map((part) => (part === "" ? 0 : Number(part)));
  let next: Style = { ...style };
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at] ?? 0;
    if (code === 0) next = { ...PLAIN };
    else if (code === 1) next.bold = true;
    else if (code === 2) next.dim = true;
    else if (code === 3) next.italic = true;
    else if (code === 4) next.underline = true;
    else if (code === 7) next.inverse = true;
    else if (code === 9) next.struck = true;
    else if (code === 22) next.bold = next.dim = false;
    else if (code === 23) next.italic = false;
    else if (code === 24) next.underline = false;
    else if (code === 27) next.inverse = false;
    else if (code === 29) next.struck = false;
    else if (code >= 30 && code <= 37) next.fg = code - 30;
    else if (code >= 90 && code <= 97) next.fg = code - 82;
    else if (code >= 40 && code <= 47) next.bg = code - 40;
    else if (code >= 100 && code <= 107) next.bg = code - 92;
    else if (code === 39) next.fg = null;
    else if (code === 49) next.bg = null;
    else if (code === 38 || code === 48) {
      const { colour, took } = extended(codes, at);
      if (colour !== undefined) next[code === 38 ? "fg" : "bg"] = colour;
      at += took;
    }
  }
  return next;
}

// Escape, line feed, carriage return, and what ends a string of a terminal.
const SPECIAL = /[\u0007\n\r\u001b\u009b-\u009d]/g;

type Moving = { -readonly [name in keyof Machine]: Machine[name] };

/** One character within a sequence. False: it is not one of a sequence, and is text. */
function step(machine: Moving, char: string): boolean {
  const { mode, parameters } = machine;
  if (mode === "string" || (mode === "string escape" && char === "\\")) {
    const isEnd = mode !== "string" || char === "\u0007" || char === "\u009c";
    machine.mode = isEnd ? "text" : char === "\u001b" ? "string escape" : "string";
    return true;
  }
  if (mode === "csi") {
    machine.mode = "text";
    machine.parameters = "";
    if (char < " ") return false; // A sequence that was cut off.
    const isStyle = char === "m" && /^[\d;:]*$/.test(parameters);
    if (isStyle) machine.style = styleWith(machine.style, parameters);
    return true;
  }
  if (char === "[") machine.mode = "csi";
  else if ("]PX^_".includes(char)) machine.mode = "string";
  else if (char >= " " && char <= "/") machine.mode = "escape"; // ESC ( B
  else {
    machine.mode = "text";
    return char >= " ";
  }
  return true;
}

/** The end of the string that begins before `at`: only two characters can end it. */
function skipString(text: string, at: number): number {
  for (let i = at; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 7 || code === 0x1b || code === 0x9c) return i;
  }
  return text.length;
}

function skipParameters(text: string, at: number): number {
  let end = at;
  for (let code = text.charCodeAt(end); code >= 0x20 && code < 0x40;) code = text.charCodeAt(++end);
  return end;
}

export function feed(start: Machine, text: string, sink: Sink): Machine {
  const machine: Moving = { ...start };
  for (let at = 0; at < text.length;) {
    if (machine.mode === "string") {
      at = skipString(text, at);
      if (at === text.length) break;
    } else if (machine.mode === "csi") {
      const end = skipParameters(text, at);
      machine.parameters = (machine.parameters + text.slice(at, end)).slice(0, PARAMETERS_MAX);
      at = end;
      if (at === text.length) break;
    }
    const char = text[at] ?? "";
    if (machine.mode !== "text" && step(machine, char)) {
      at++;
      continue;
    }
    if (machine.returned && char !== "\n" && char !== "\r") {
      sink.restart();
      machine.returned = false;
    }
    SPECIAL.lastIndex = at;
    const end = SPECIAL.exec(text)?.index ?? text.length;
    if (end > at) sink.text(text.slice(at, end), machine.style);
    at = end + 1;
    if (end === text.length) break;
    const found = text[end];
    if (found === "\n") {
      sink.newline();
      machine.returned = false;
    } else if (found === "\r") machine.returned = true;
    else if (found === "\u001b") machine.mode = "escape";
    else if (found === "\u009b") machine.mode = "csi";
    else if (found === "\u009d") machine.mode = "string";
    else sink.text(found ?? "", machine.style); // A bell, or the end of no string.
  }
  return machine;
}
