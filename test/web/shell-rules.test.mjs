// shell-rules.test.mjs: the rules of shortcuts, without a browser: which key each has, and which it
// may have.
//
// runs-with: web
import assert from "node:assert/strict";
import { test } from "node:test";

import { compiled } from "./parts.mjs";

const { boundRead, boundWith, capsOf, conflictOf, isBeginning, keyIn, refusalOf } =
  await compiled("shell/bindings.ts");
const { NAMES, SHORTCUTS } = await compiled("shell/shortcuts.ts");
const read = (value) => boundRead(JSON.stringify(value), SHORTCUTS);

test("the table has no key twice in one view, and none that is refused", () => {
  for (const name of NAMES) {
    const { key } = SHORTCUTS[name];
    assert.deepEqual([refusalOf(key), conflictOf(SHORTCUTS, {}, name, key)], [null, null], name);
  }
});

test("keys of browsers, digits, and what is no key are refused", () => {
  const refused = {
    browser: ["ctrl+t", "ctrl+w", "ctrl+c", "ctrl++", "ctrl+Tab", "alt+x", "F5", "g F1"],
    digit: ["1", "9"],
    unusable: ["", "Dead", "Tab", "a b c", "ab", "constructor", "\u0007", "g ", "  ", 7, null],
  };
  for (const [why, keys] of Object.entries(refused)) {
    for (const key of keys) assert.equal(refusalOf(key), why, JSON.stringify(key));
  }
  for (const key of ["ö", "0", " ", "+", "ctrl+;", "ctrl+Enter", "ArrowDown", "g x", "ctrl+k"]) {
    assert.equal(refusalOf(key), null, key);
  }
});

test("a key is taken where both shortcuts are at hand, also as a beginning", () => {
  const rows = [
    ["next", "k", "previous"], ["next", "?", "help"], ["next", "g", "go /"], ["next", "u", null],
    ["next", "j", null], ["stopJob", "r", "again"], ["runJob", "x", null],
    ["help", "c", "newSession"], ["help", "g h x", "go /"], ["open", " ", "pick"],
  ];
  for (const [name, key, other] of rows) {
    assert.equal(conflictOf(SHORTCUTS, {}, name, key), other, `${name} ${key}`);
  }
  assert.equal(conflictOf(SHORTCUTS, { previous: "u" }, "next", "k"), null);
  assert.equal(isBeginning(SHORTCUTS, {}, "next", "g"), true);
  assert.equal(isBeginning(SHORTCUTS, {}, "next", "j"), false);
});

test("what is stored counts; what is damaged, unknown or taken is passed over", () => {
  for (const text of [null, "", "{", "7", "\"x\"", "[\"j\"]", "null"]) {
    assert.deepEqual(boundRead(text, SHORTCUTS), {}, text);
  }
  assert.deepEqual(read({ next: "k", previous: "j" }), { next: "k", previous: "j" }, "exchanged");
  assert.deepEqual(read({ next: "u", constructor: "y", nobody: "z", help: 7, deny: "ctrl+w" }),
    { next: "u" });
  assert.deepEqual(read({ next: "k" }), {});
  assert.deepEqual(read({ next: "y", help: "y" }), { help: "y" });
  assert.equal(keyIn(SHORTCUTS, { next: "u" }, "next"), "u");
  assert.deepEqual(boundWith(SHORTCUTS, { next: "u", help: "h" }, "next", "j"), { help: "h" });
  assert.deepEqual(boundWith(SHORTCUTS, {}, "next", "u"), { next: "u" });
});

test("caps are those of the keyboard", () => {
  const caps = [["g h", "g h"], ["ctrl+k", "Ctrl K"], ["S", "⇧S"], [" ", "Space"], ["Enter", "↵"],
    ["ctrl+Enter", "Ctrl ↵"], ["?", "?"], ["Escape", "Esc"]];
  for (const [key, text] of caps) assert.equal(capsOf(key, false).join(" "), text);
  assert.deepEqual(capsOf("ctrl+k", true), ["⌘", "K"]);
});
