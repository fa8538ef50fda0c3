// judge.js: likely mistakes in a script, as far as its text tells (judge.h). A text that the parser
// does not take has no notes: the engine's verdict has the fault.
import { Context, noteContext } from "./context.js";
import { noteAbsent } from "./guards.js";
import { noteNames } from "./names.js";
import { noteRisks } from "./risks.js";
import { Tree } from "./tree.js";

const NOTES_MAX = 20; // Of each gravity; who asked keeps as many of both.

class Judge {
  notes = [];
  #said = new Set();
  #count = { true: 0, false: 0 };
  #lines = [0];

  constructor({ text, form, objects, timers }) {
    Object.assign(this, { tree: new Tree(text), form, objects, timers });
    // "\r\n" ends one line. The separators beyond ASCII do not count: no editor counts them.
    for (const { index, 0: end } of text.matchAll(/\r\n?|\n/g)) {
      this.#lines.push(index + end.length);
    }
  }

  /** [line, column], both from 1; columns in characters. */
  placeOf({ start }) {
    const lines = this.#lines;
    let low = 0, high = lines.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (lines[middle] <= start) low = middle;
      else high = middle;
    }
    return [low + 1, [...this.tree.text.slice(lines[low], start)].length + 1];
  }

  hand(note) {
    this.notes.push(note);
  }

  note(at, code, message, grave, more) {
    if (this.#count[grave]++ < NOTES_MAX) {
      this.hand({ at: this.placeOf(at), code, message, grave, ...more });
    }
  }

  /** Unless a note says so already. */
  noteOnce(at, code, message, grave = false, more = undefined) {
    if (!this.#said.has(message)) this.note(at, code, message, grave, more);
    this.#said.add(message);
  }

  warn(at, code, message) {
    this.note(at, code, message, false);
  }

  error(at, code, message) {
    this.note(at, code, message, true);
  }
}

/** { notes, names_no_model }; undefined: it is no script. */
export const judge = (script) => {
  let judging;
  try {
    judging = new Judge(script);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  const context = new Context(judging.tree, script.form);
  noteContext(judging, context);
  noteRisks(judging, context);
  noteAbsent(judging);
  noteNames(judging);
  return { notes: judging.notes, names_no_model: judging.agents > 0 && !judging.namesModel };
};
