// jobs-rules.test.mjs: the rules below the views of jobs: bytes of a log as rows, colours, keys of
// a phone, filters.
//
// runs-with: web
import assert from "node:assert/strict";
import { test } from "node:test";

import { compiled } from "./parts.mjs";

const { feed, START } = await compiled("job/ansi.ts");
const lines = await compiled("job/lines.ts");
const { bytesOf, withControl } = await compiled("terminal/keyrow.tsx");
const { fits, pathOf } = await compiled("jobs/rules.ts");
const { pieces } = await compiled("stream/requests.ts");

/** What a text becomes: pieces with the words of their styles, and what ends lines. */
function read(...parts) {
  const seen = [];
  const sink = {
    text: (text, style) => seen.push([text,
      Object.entries(style).filter(([, value]) => value !== null && value !== false)
        .map(([name, value]) => (value === true ? name : `${name} ${value}`)).join(", ")]),
    newline: () => seen.push("newline"),
    restart: () => seen.push("restart"),
  };
  parts.reduce((machine, part) => feed(machine, part, sink), START);
  return seen;
}

test("escapes: styles are read, all else is skipped, wherever a piece is cut", () => {
  assert.deepEqual(read("a\u001b[1;31mb\u001b[0mc"), [["a", ""], ["b", "fg 1, bold"], ["c", ""]]);
  assert.deepEqual(read("\u001b[38;5;9ma\u001b[48;5;232mb"),
    [["a", "fg 9"], ["b", "fg 9, bg #080808"]]);
  assert.deepEqual(read("\u001b[38;2;1;2;300;4ma"), [["a", "fg #0102ff, underline"]]);
  assert.deepEqual(read("\u001b[2Jx\u001b[?25ly\u001b(Bz"), [["x", ""], ["y", ""], ["z", ""]]);
  const hostile = "\u001b]0;title\u0007a\u001b]52;c;eA==\u001b\\b\u001bPq\u001b\\c\u009b1md";
  assert.deepEqual(read(hostile), [["a", ""], ["b", ""], ["c", ""], ["d", "bold"]]);
  assert.deepEqual(read(...hostile), read(hostile));
  assert.deepEqual(read(`\u001b]0;${"x".repeat(1_000_000)}`), []);
  assert.deepEqual(read(`\u001b[${"1;".repeat(100_000)}mx`), [["x", ""]]);
  assert.deepEqual(read("a\r\nb\rc"), [["a", ""], "newline", ["b", ""], "restart", ["c", ""]]);
});

const text = (row) => row.spans.map((span) => span.text).join("");

test("rows are the same however the bytes come, and a block that is read again is the same", () => {
  const words = Array.from({ length: 20_000 }, (_, i) =>
    `${i}\t\u001b[3${i % 8}mé${"x".repeat((i * 7) % 40)}\u001b[0m${i % 9 ? "" : " 10%\r20%"}`);
  words[9] = "😀".repeat(200_000); // One line of 800 kB.
  const bytes = Buffer.from(words.join("\n"));
  const made = [7_919, 65_536].map((step) => {
    const log = lines.linesNew(100);
    for (let at = 0; at < bytes.length; at += step) {
      lines.take(log, new Uint8Array(bytes.subarray(at, at + step)));
    }
    return log;
  });
  for (const log of made) {
    assert.equal(lines.lineCount(log), words.length);
    assert.ok(log.blocks.length > 10);
    assert.ok(lines.keptCount(log) <= lines.KEPT_MAX);
    const again = log.blocks.find(({ rows }) => rows !== null);
    const before = again.rows;
    again.rows = null;
    assert.deepEqual(lines.rowsAt(log, again.row, again.row + 1).missing, [again]);
    const { offset, size } = again;
    lines.fill(log, again, new Uint8Array(bytes.subarray(offset, offset + size)));
    assert.deepEqual(again.rows, before);
    const at = lines.rowOfLine(log, words.length);
    assert.equal(at, lines.rowCount(log) - 1);
    assert.match(text(lines.rowsAt(log, at, at + 1).rows[0].row), /^19999 {3}é/);
    assert.equal(lines.rowOfLine(log, words.length + 1), null);
  }
  const cut = lines.linesNew(100);
  lines.take(cut, new Uint8Array(Buffer.from("before\nhalf")));
  lines.takeDropped(cut, 11, 5_000);
  lines.take(cut, new Uint8Array(Buffer.from("after\n")));
  const { rows } = lines.rowsAt(cut, 0, 4);
  assert.deepEqual(rows.map(({ row }) => row.dropped ?? text(row)),
    ["before", "half", 4_989, "after"]);
});

test("keys of a phone, pieces of what is typed, and filters of the list", () => {
  assert.deepEqual(["c", "C", "[", " ", "é", "ab"].map(withControl),
    ["\u0003", "\u0003", "\u001b", "\u0000", "é", "ab"]);
  assert.deepEqual([bytesOf("ArrowUp", false), bytesOf("ArrowUp", true), bytesOf("Escape", true)],
    ["\u001b[A", "\u001bOA", "\u001b"]);
  const long = `x${"😀".repeat(3_000)}`;
  assert.equal(pieces(long).join(""), long);
  const isWhole = (piece) => piece.length <= 2_000 && !/^[\udc00-\udfff]/.test(piece);
  assert.ok(pieces(long).every(isWhole));
  const row = { id: "run_1", kind: "job", state: "failed", label: "Nightly" };
  const all = { state: "", q: "", top: false };
  assert.equal(pathOf({ state: "live", q: "a b", top: true }),
    "/runs?kind=job&live=1&q=a+b&top=1");
  const is = (filter, more = {}) => fits({ ...row, ...more }, { ...all, ...filter });
  assert.deepEqual([is({ state: "failed", q: "night" }), is({ state: "live" }), is({ q: "x" }),
    is({}, { kind: "turn" })], [true, false, false, false]);
});
