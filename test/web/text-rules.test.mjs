// text-rules.test.mjs: the rules of what the pages show of outside text, without a browser: marks,
// links, the tree of Markdown, its budget of time, and rows of diffs.
//
// runs-with: web
import assert from "node:assert/strict";
import { test } from "node:test";

import { Clock } from "../integration/stream-client.mjs";
import { compiled } from "./parts.mjs";

const { visible, beginning } = await compiled("parts/visible.ts");
const { targetOf } = await compiled("markdown/links.ts");
const { read } = await compiled("markdown/read.ts");
const { queueOf } = await compiled("markdown/queue.ts");
const { follow, jobOf, joined } = await compiled("markdown/reading.ts");
const { changeOf } = await compiled("diff/patch.ts");

const ROOM = { chars: 64 * 1024, nodes: 4000 };
const tree = (text, room = ROOM) => read({ text, whole: true, room });

test("what is invisible in a text gets a mark, and nothing else changes", () => {
  const plain = "Grüße, 漢字 👩‍💻 שלום\n\tx";
  assert.equal(visible(plain), plain);
  assert.equal(visible("a\r\nb\rc"), "a\nb⟦CR⟧c");
  assert.equal(visible("\x1b[31m\x00\x7f\x9b2J"), "⟦ESC⟧[31m⟦NUL⟧⟦DEL⟧⟦CSI⟧2J");
  assert.equal(visible("a\u{e0041}👩"), "a⟦U+E0041⟧👩");
  assert.equal(visible("a\u202eb\u2069\u200f\u061c"), "a⟦RLO⟧b⟦PDI⟧⟦RLM⟧⟦ALM⟧");
  for (let code = 0; code < 0x2070; code++) {
    const isTurn = (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
      [0x200e, 0x200f, 0x61c].includes(code);
    const isControl = (code < 0x20 && code !== 9 && code !== 10) || (code >= 0x7f && code < 0xa0);
    const isSame = visible(String.fromCharCode(code)) === String.fromCharCode(code);
    const isLine = code === 0x2028 || code === 0x2029;
    assert.equal(isSame, !isTurn && !isControl && !isLine, code.toString(16));
  }
  assert.equal(beginning("a👩b", 2), "a");
  assert.equal(beginning("a👩b", 3), "a👩");
});

test("links lead to http, https, mailto and places of the pages, and nowhere else", () => {
  const origin = "http://127.0.0.1:4000";
  const to = (href) => targetOf(href, origin)?.href ?? null;
  for (const same of ["https://e.org/a?b#c", "http://e.org/", "mailto:a@e.org", "/s/ses_1#msg_2"]) {
    assert.equal(to(same), same);
  }
  assert.deepEqual(targetOf("/r/x?view=log", origin), { href: "/r/x?view=log", place: true });
  for (const refused of [
    "javascript:alert(1)", " javascript:alert(1)", "java\nscript:alert(1)", "JaVaScRiPt:1",
    "data:text/html,x", "vbscript:x", "file:///etc/passwd", "blob:http://127.0.0.1:4000/x",
    "//evil.org/x", "/\\evil.org", "/\t/evil.org", "/api/v1/login", "/assets/x.js", "x.c", "#x", "",
    "http://", "view-source:http://e.org",
  ]) {
    assert.equal(to(refused), null, refused);
  }
});

test("Markdown becomes a tree; HTML stays text, references are characters", () => {
  const text = "## A *b*\n\n<script>x</script>\n\n- [x] one\n- two &lt;&#x202e;&nope;\n\n" +
    "| a | b |\n|--:|---|\n| 1 | `2` |\n\n[l](http&#58;//e.org 't') ![i](x.png)\n\n---\n";
  assert.deepEqual(tree(text).blocks, [
    { kind: "heading", level: 2, of: ["A ", { kind: "em", of: ["b"] }] },
    { kind: "p", of: ["<script>x</script>"] },
    {
      kind: "list", start: null, items: [
        [{ kind: "text", of: ["☑ ", "one"] }], [{ kind: "text", of: ["two <\u202e&nope;"] }],
      ],
    },
    {
      kind: "table", align: ["right", null],
      rows: [[["a"], ["b"]], [["1"], [{ kind: "code", text: "2" }]]],
    },
    {
      kind: "p", of: [
        { kind: "link", href: "http://e.org", raw: "[l](http&#58;//e.org 't')", of: ["l"] }, " ",
        { kind: "image", href: "x.png", raw: "![i](x.png)", of: ["i"] },
      ],
    },
    { kind: "rule" },
  ]);
});

test("code has colours in the languages that are known, and its text stays whole", () => {
  const code = "int main(void) { return 0; } // x\n";
  const [known] = tree(`~~~C\n${code}~~~`).blocks;
  assert.deepEqual([known.language, known.text], ["c", code.trimEnd()]);
  assert.equal(known.runs.map(([, text]) => text).join(""), known.text);
  assert.ok(known.runs.some(([kind, text]) => kind === "keyword" && text === "return"));
  assert.equal(tree(`~~~elvish\n${code}~~~`).blocks[0].runs, null);
  assert.equal(tree("~~~\" onload=x\ny\n~~~").blocks[0].language, "");
  const nested = tree(`~~~js\n${"`${".repeat(9000)}\n~~~`).blocks[0];
  assert.equal(nested.text.length, 27000);
});

test("a tree has limits of characters, nodes and depth, and says that it was cut", () => {
  const count = (node) => (typeof node !== "object" || node === null ? 0
    : 1 + Object.values(node).reduce((sum, one) => sum + count(one), 0));
  const long = tree("**a** b ".repeat(100_000));
  assert.ok(long.cut && count(long.blocks) < 20_000, String(count(long.blocks)));
  const line = tree("x".repeat(1 << 20));
  assert.deepEqual([line.cut, line.blocks[0].of[0].length], [true, ROOM.chars]);
  const deep = (node) => (typeof node !== "object" || node === null ? 0
    : 1 + Math.max(0, ...Object.values(node).map(deep)));
  assert.ok(deep(tree(`${">".repeat(300)} x`).blocks) < 120);
  assert.ok(deep(tree("**a *b ".repeat(500)).blocks) < 120);
  assert.equal(tree("short").cut, false);
});

/** A small generator of numbers below `max`, the same in each run. */
function numbers(seed) {
  return (max) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor(seed / 2 ** 32 * max);
  };
}

test("a text that grows is read from its last finished block, and at its end it is as the whole",
  () => {
    const pieces = ["# A\n", "\n", "para *b*", " more\n", "- one\n", "- two\n\n", "1. x\n",
      "```c\n", "int x;\n", "```\n", "> q\n", "| a | b |\n|---|---|\n", "| 1 | 2 |\n", "<b>x</b>\n",
      "\n\n", "---\n", "    code\n", "[a]: http://e.org\n", "[a] b\n", "\t", "  y\n"];
    for (let seed = 1; seed <= 60; seed++) {
      const below = numbers(seed);
      let text = "", reading = null;
      for (let step = 0; step < 60; step++) {
        text += pieces[below(pieces.length)];
        const wish = { text, done: false, factor: 1 };
        const job = jobOf(reading, wish);
        const before = reading;
        reading = joined(reading, wish, read(job));
        assert.equal(job.text, text.slice(before?.settled ?? 0));
        const kept = before?.blocks.slice(0, before.finished) ?? [];
        assert.ok(kept.every((one, at) => reading.blocks[at] === one), "a finished block changed");
      }
      const wish = { text, done: true, factor: 1 };
      assert.deepEqual(joined(reading, wish, read(jobOf(reading, wish))).blocks, tree(text).blocks);
    }
  });

test("each paragraph is sent as long as it grows, not as long as the text grows", () => {
  let text = "", reading = null, sent = 0;
  for (let step = 0; step < 1000; step++) {
    text += step % 10 === 9 ? ".\n\n" : "word ";
    const wish = { text, done: false, factor: 1 };
    const job = jobOf(reading, wish);
    reading = joined(reading, wish, read(job));
    sent += job.text.length;
  }
  assert.ok(sent < text.length * 20, `${sent} of ${text.length}`);
});

/** A worker that answers when the test says so. */
function worker() {
  const clock = new Clock();
  const made = [];
  const queue = queueOf({
    start(hears) {
      const one = { hears, jobs: [], ended: false };
      made.push(one);
      return { post: (job) => one.jobs.push(job), end: () => (one.ended = true) };
    },
    after: (ms, call) => clock.after(ms, call),
  });
  return { clock, made, queue };
}

const answerOf = (job) => read(job);

test("questions are asked one at a time, each for the newest text", () => {
  const { made, queue } = worker();
  const seen = [];
  const one = follow(queue, null, (reading) => seen.push(reading.source));
  const other = follow(queue, null, (reading) => seen.push(reading.source));
  one.want({ text: "a", done: false, factor: 1 });
  other.want({ text: "x", done: true, factor: 1 });
  const [{ hears, jobs }] = made;
  hears.ready();
  one.want({ text: "ab", done: false, factor: 1 });
  one.want({ text: "abc", done: false, factor: 1 });
  assert.deepEqual(jobs.map(({ text }) => text), ["a"]);
  hears.answer(answerOf(jobs[0]));
  assert.deepEqual(jobs.map(({ text }) => text), ["a", "x"]);
  one.want({ text: "abcd", done: true, factor: 1 });
  other.stop();
  hears.answer(answerOf(jobs[1]));
  hears.answer(answerOf(jobs[2]));
  assert.deepEqual(jobs.map(({ text }) => text), ["a", "x", "abcd"]);
  assert.deepEqual(seen, ["a", "abcd"]);
});

test("a text that takes longer than its two budgets stays plain for good; others are read", () => {
  const { clock, made, queue } = worker();
  const seen = [];
  const heard = (reading) => seen.push(reading?.source ?? null);
  const wish = (text) => ({ text, done: true, factor: 1 });
  follow(queue, null, heard).want(wish("bomb"));
  follow(queue, null, heard).want(wish("next"));
  clock.advance(5000); // Loading is not part of it.
  made[0].hears.ready();
  clock.advance(290);
  assert.equal(made[0].ended, false);
  clock.advance(100);
  assert.deepEqual([made[0].ended, made.length, seen], [true, 2, []]);
  made[1].hears.ready();
  made[1].hears.answer(answerOf(made[1].jobs[0]));
  assert.deepEqual([seen, made[1].jobs.map(({ text }) => text)], [["next"], ["next", "bomb"]]);
  clock.advance(1900);
  assert.equal(made[1].ended, false);
  clock.advance(200);
  assert.deepEqual([made[1].ended, seen, queue.refuses("bomb")], [true, ["next", null], true]);
  follow(queue, null, heard).want(wish("bomb"));
  assert.equal(made.length, 2);
});

test("a text that the lexer fails at while it grows is tried again when it has ended", () => {
  const { made, queue } = worker();
  const follower = follow(queue, null, () => {});
  follower.want({ text: "a", done: false, factor: 1 });
  made[0].hears.ready();
  made[0].hears.answer(null);
  follower.want({ text: "ab", done: false, factor: 1 });
  assert.equal(made[0].jobs.length, 1);
  follower.want({ text: "abc", done: true, factor: 1 });
  made[0].hears.answer(null);
  assert.deepEqual(made[0].jobs.map(({ text }) => text), ["a", "abc"]);
  assert.equal(queue.refuses("abc"), true);
});

test("a worker that cannot be loaded leaves texts plain, and is tried again after a while", () => {
  const { clock, made, queue } = worker();
  const seen = [];
  const follower = follow(queue, null, (reading) => seen.push(reading.source));
  follower.want({ text: "a", done: false, factor: 1 });
  made[0].hears.error();
  follower.want({ text: "abc", done: true, factor: 1 });
  clock.advance(5000);
  assert.deepEqual([made.length, made[0].ended], [1, true]);
  clock.advance(6000);
  assert.equal(made.length, 2);
  made[1].hears.ready();
  made[1].hears.answer(answerOf(made[1].jobs[0]));
  assert.deepEqual(seen, ["abc"]);
});

test("a worker that never loads is tried six times for the texts that are there", () => {
  const { clock, made, queue } = worker();
  follow(queue, null, () => {}).want({ text: "a", done: true, factor: 1 });
  clock.advance(3600_000);
  assert.deepEqual([made.length, made.every(({ ended }) => ended)], [6, true]);
  follow(queue, null, () => {}).want({ text: "b", done: true, factor: 1 });
  assert.equal(made.length, 7);
});

test("a text that ends its worker stays plain, and the others are read", () => {
  const { made, queue } = worker();
  const seen = [];
  const heard = (reading) => seen.push(reading?.source ?? null);
  follow(queue, null, heard).want({ text: "bomb", done: true, factor: 1 });
  follow(queue, null, heard).want({ text: "next", done: true, factor: 1 });
  made[0].hears.ready();
  made[0].hears.error();
  made[1].hears.ready();
  made[1].hears.answer(answerOf(made[1].jobs[0]));
  made[1].hears.error();
  assert.deepEqual([made.length, queue.refuses("bomb")], [2, true]);
  assert.deepEqual(seen, ["next", null]);
});

const PATCH = `--- a/x.c
+++ b/x.c
@@ -1,4 +1,5 @@
 one
-assert(held == 2);
-gone
+assert(held == 3);
+quite another line
+more
 last
\\ No newline at end of file
`;

test("a patch becomes rows with numbers, and the words that changed are marked", () => {
  const { rows, added, removed } = changeOf(PATCH, false);
  assert.deepEqual([added, removed], [3, 2]);
  const shape = rows.map((row) => [row.kind, row.number ?? row.text,
    row.pieces?.map(([marked, text]) => (marked ? `[${text}]` : text)).join("")]);
  assert.deepEqual(shape, [
    ["hunk", "@@ -1,4 +1,5 @@", undefined], ["same", 1, "one"],
    ["remove", 2, "assert(held == [2]);"], ["remove", 3, "gone"],
    ["add", 2, "assert(held == [3]);"], ["add", 3, "quite another line"], ["add", 4, "more"],
    ["same", 5, "last"], ["note", "No newline at end of file", undefined],
  ]);
});

test("a patch that was cut is shown as far as it goes; what is no patch is none", () => {
  const { rows, added, removed } = changeOf(PATCH.slice(0, PATCH.indexOf("another")), true);
  assert.deepEqual([added, removed, rows.length], [1, 2, 5]);
  assert.equal(changeOf("Hello\nworld", false), null);
  assert.equal(changeOf(PATCH.slice(0, 60), false), null);
  const long = changeOf(`@@ -1 +1 @@\n-${"a ".repeat(5e5)}\n+${"b ".repeat(5e5)}\n`, false);
  assert.ok(long.rows.every(({ pieces }) => (pieces?.[0][1].length ?? 0) < 5000));
});
