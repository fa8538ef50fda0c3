// terminal.mjs: a program at a terminal, and what the terminal shows.
//
// The terminal is made by `script` of util-linux, which every Debian has. `Screen` understands what
// drover writes: line breaks, carriage returns, colours, the cursor upward, and the erasing of the
// rest of a line or of the screen. Each character takes one cell.
import { execFile, spawn } from "node:child_process";
import { StringDecoder } from "node:string_decoder";

const SEQUENCE = /^\x1b\[([0-9;?]*)([A-Za-z])/;
const UNFINISHED = /^\x1b(\[[0-9;?]*)?$/;

export class Screen {
  constructor({ columns, rows }) {
    this.columns = columns;
    this.rows = rows;
    this.lines = [[]]; // Also those that have scrolled away; a cell is {char, colour}.
    this.row = 0; // Of the cursor, in `lines`.
    this.column = 0;
    this.colour = "";
    this.broken = 0; // Lines that the terminal itself had to break.
    this.pending = "";
  }

  write(text) {
    let rest = this.pending + text;
    this.pending = "";
    while (rest !== "") {
      const sequence = SEQUENCE.exec(rest);
      if (sequence !== null) {
        this.control(sequence[2], sequence[1]);
        rest = rest.slice(sequence[0].length);
      } else if (UNFINISHED.test(rest)) {
        this.pending = rest;
        return;
      } else {
        const char = String.fromCodePoint(rest.codePointAt(0));
        this.put(char);
        rest = rest.slice(char.length);
      }
    }
  }

  control(letter, argument) {
    const number = Number(argument) || 1;
    if (letter === "A") this.row = Math.max(this.top(), this.row - number);
    if (letter === "K" || letter === "J") this.lines[this.row].length = this.column;
    if (letter === "J") this.lines.length = this.row + 1;
    if (letter === "m") this.colour = argument === "0" ? "" : argument;
  }

  put(char) {
    if (char === "\r") {
      this.column = 0;
    } else if (char === "\n") {
      this.down();
    } else {
      if (this.column === this.columns) {
        this.broken++;
        this.down();
        this.column = 0;
      }
      const line = this.lines[this.row];
      while (line.length < this.column) line.push({ char: " ", colour: "" });
      line[this.column++] = { char, colour: this.colour };
    }
  }

  down() {
    if (++this.row === this.lines.length) this.lines.push([]);
  }

  /** The first line that the terminal still shows. */
  top() {
    return Math.max(0, this.lines.length - this.rows);
  }

  /** Lines that are too long now are broken, as a terminal does it whose window became narrower. */
  resize({ columns }) {
    const before = this.lines;
    this.columns = columns;
    this.lines = [];
    for (const [at, line] of before.entries()) {
      if (at === this.row) this.row = this.lines.length;
      for (let from = 0; from === 0 || from < line.length; from += columns) {
        this.lines.push(line.slice(from, from + columns));
      }
      if (at === this.row) break;
    }
    if (this.row >= this.lines.length) this.row = this.lines.length - 1;
  }

  /** All lines as texts, from the first one that was ever written. */
  get text() {
    return this.lines.map((line) => line.map(({ char }) => char).join("").trimEnd());
  }

  /** The cells that the terminal shows. */
  get shown() {
    return this.lines.slice(this.top());
  }
}

/** Runs words in a shell at a terminal. `changed(screen)` is called after each piece of output. */
export class AtTerminal {
  constructor(words, { columns, rows, env, changed = () => {} }) {
    this.screen = new Screen({ columns, rows });
    const decoder = new StringDecoder("utf8");
    const quoted = words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
    const shell = `tty; stty cols ${columns} rows ${rows}; exec ${quoted}`;
    this.child = spawn("script", ["-qefc", shell, "/dev/null"], { env: { TERM: "xterm", ...env } });
    this.child.stdout.on("data", (bytes) => {
      let text = decoder.write(bytes);
      if (this.tty === undefined) {
        [, this.tty, text] = /^(\S+)\r?\n([^]*)$/.exec(text);
      }
      this.screen.write(text);
      changed(this.screen);
    });
    this.ended = new Promise((resolve) => this.child.once("close", (code) => resolve(code)));
  }

  type(text) {
    this.child.stdin.write(text);
  }

  resize(columns) {
    return new Promise((resolve) =>
      execFile("stty", ["-F", this.tty, "cols", String(columns)], () => {
        this.screen.resize({ columns });
        resolve();
      }),
    );
  }
}
