// changes-rules.test.mjs: the order of changed files, what was viewed of them, which diffs are read
// when, and the rows of a diff in two columns and without blanks, without a browser.
//
// runs-with: web
import assert from "node:assert/strict";
import { test } from "node:test";

import { compiled } from "./parts.mjs";

const rules = await compiled("changes/rules.ts");
const { blocksOf, heightOf, shownOf } = await compiled("changes/blocks.ts");
const { diffsOf } = await compiled("changes/diffs.ts");
const { fold, sessionEmpty } = await compiled("state/session.ts");
const { changeOf, piecesOf } = await compiled("diff/patch.ts");

const file = (path, more = {}) => ({ path, old_path: null, operation: "edit", added: 1, removed: 1,
  binary: false, before: "b", after: "a", mode_before: "100644", mode_after: "100644", by: [],
  status: "exact", viewed: "no", ...more });
const by = (session) =>
  ({ kind: "session", session, run: null, agent: null, name: session });

test("files stand by folder, those of the root first, each folder once", () => {
  const paths = ["src/b.c", "z", "src/store/x.c", "a.c", "src/a.c", "docs/é"];
  const files = rules.ordered(paths.map((path) => file(path)));
  const shape = rules.entriesOf(files).map((entry) =>
    (entry.kind === "folder" ? entry.path : `  ${rules.nameOf(entry.file.path)}`));
  assert.deepEqual(shape, ["  a.c", "  z", "docs/", "  é", "src/", "  a.c", "  b.c",
    "src/store/", "  x.c"]);
});

test("a mark of this page counts for the content that it was set for, until the daemon says it",
  () => {
    const one = file("x", { viewed: "changed" });
    const marks = new Map([["x", { after: "a", viewed: true, known: false }]]);
    assert.equal(rules.viewedOf(one, new Map()), "changed");
    assert.equal(rules.viewedOf(one, marks), "yes");
    assert.equal(rules.viewedOf({ ...one, after: "c" }, marks), "changed");
    assert.equal(rules.viewedCount([one, file("y"), file("z", { viewed: "yes" })], marks), 2);
    assert.deepEqual(rules.knownOf(marks), []); // The daemon may not know it when it is asked.
    const known = new Map([["x", { after: "a", viewed: true, known: true }]]);
    assert.deepEqual(rules.knownOf(known), ["x"]);
    assert.equal(rules.marksAfter(known, ["x"]).size, 0);
  });

test("a session is named once, however many of its runs wrote; others stand out", () => {
  const one = file("x", { by: [{ ...by("s1"), run: "r1" }, { ...by("s1"), run: "r2" }, by("s2")] });
  assert.deepEqual(rules.makers(one).map(({ session }) => session), ["s1", "s2"]);
  assert.equal(rules.isOther(file("x", { by: [by("s1")] }), "s1"), false);
  assert.equal(rules.isOther(file("x", { by: [by("s2")] }), "s1"), true);
  assert.equal(rules.isOther(one, "s1"), true);
  assert.equal(rules.isOther(file("x"), "s1"), true);
});

test("the sum of a session is asked for when it is followed, and after each change", () => {
  const data = { session: null, turn: null, messages: [], next: null, queue: [] };
  const first = fold(sessionEmpty, { kind: "snapshot", data });
  const event = { seq: 1, type: "changes_changed", data: { session: "s", point: "p", at_ms: 1 } };
  const then = fold(first, { kind: "events", events: [event] });
  assert.deepEqual([sessionEmpty, first, then].map(({ changes }) => changes), [0, 1, 2]);
});

test("keys go from file to file, and stay at the ends", () => {
  const files = ["a", "b", "c"].map((path) => file(path));
  assert.equal(rules.stepped(files, "a", 1), "b");
  assert.equal(rules.stepped(files, "c", 1), "c");
  assert.equal(rules.stepped(files, "a", -1), "a");
  assert.equal(rules.stepped(files, "gone", 1), "a");
  assert.equal(rules.stepped([], null, 1), null);
});

test("a path that git quotes belongs to its folder, and is shown without the quotes", () => {
  const quoted = '"docs/a\\377b"';
  assert.deepEqual([rules.folderOf(quoted), rules.nameOf(quoted)], ["docs/", "a\\377b"]);
  const entries = rules.entriesOf(rules.ordered([file(quoted), file("docs/z"), file("a")]));
  assert.deepEqual(entries.map(({ kind }) => kind), ["file", "folder", "file", "file"]);
});

const HEAD = "--- a/x.c\n+++ b/x.c\n";
const PATCH = `${HEAD}@@ -1,6 +1,7 @@
 void f(void) {
-int a;
-int b;
+    int a;
+    int c;
+    int d;
 }
 end
-last
\\ No newline at end of file
+last
@@ -10,2 +11,2 @@
 x
-\tif (y)
+  if (y)
`;
const rowsOf = (patch) => changeOf(patch, false, false, 0).rows;
const textOf = (row) => (row === null ? "·" : row.pieces === undefined ? row.text
  : `${{ add: "+", remove: "-", same: " " }[row.kind]}${row.number} ${
    row.pieces.map(([, text]) => text).join("")}`);

test("two sides: what was removed stands beside what was added after it", () => {
  const shown = shownOf(rowsOf(PATCH), { sides: true, blanks: false });
  assert.deepEqual(shown.map((row) => ("left" in row ? `${textOf(row.left)} | ${textOf(row.right)}`
    : row.text)), [
    "@@ -1,6 +1,7 @@", " 1 void f(void) { |  1 void f(void) {", "-2 int a; | +2     int a;",
    "-3 int b; | +3     int c;", "· | +4     int d;", " 5 } |  5 }", " 6 end |  6 end",
    "-6 last | +7 last", "No newline at end of file | ·",
    "@@ -10,2 +11,2 @@", " 11 x |  11 x", "-11 \tif (y) | +12   if (y)",
  ]);
  const same = shown.find((row) => row.right?.kind === "same" && row.right.number === 5);
  assert.equal(same.left.old, 4); // The left side has its own number.
});

test("without blanks, lines that differ in them alone are no change, and their hunks are left out",
  () => {
    const shown = shownOf(rowsOf(PATCH), { sides: false, blanks: true });
    assert.deepEqual(shown.map(textOf), ["@@ -1,6 +1,7 @@", " 1 void f(void) {", " 2     int a;",
      "-3 int b;", "+3     int c;", "+4     int d;", " 5 }", " 6 end", "-6 last",
      "No newline at end of file", "+7 last"]);
    const only = rowsOf(`${HEAD}@@ -1 +1 @@\n-a b\n+a  b\n`);
    assert.deepEqual(shownOf(only, { sides: false, blanks: true }), []);
    assert.deepEqual(shownOf(only, { sides: true, blanks: true }), []);
  });

test("words are compared when a line is drawn, and are the same as those compared at once", () => {
  const marked = (rows, of) => rows.filter(({ pieces }) => pieces !== undefined).map((row) =>
    of(row).map(([is, text]) => (is ? `[${text}]` : text)).join(""));
  const patch = `${HEAD}@@ -1,2 +1,2 @@\n-assert(held == 2);\n-gone\n+assert(held == 3);\n+other\n`;
  assert.deepEqual(marked(rowsOf(patch), piecesOf),
    marked(changeOf(patch, false).rows, ({ pieces }) => pieces));
  assert.match(marked(rowsOf(patch), piecesOf)[0], /\[2\]/);
});

test("10,000 lines become blocks that know which change they are in", () => {
  const lines = Array.from({ length: 5_000 }, (_, at) => at);
  const patch = `${HEAD}@@ -1,5000 +1,5000 @@\n${lines.map((at) => `-old ${at}\n`).join("")}` +
    `${lines.map((at) => `+new ${at}\n`).join("")}@@ -6000 +6000 @@\n-a\n+b\n`;
  const blocks = blocksOf(shownOf(rowsOf(patch), { sides: false, blanks: false }));
  assert.equal(blocks.reduce((sum, { rows }) => sum + rows.length, 0), 10_004);
  assert.deepEqual([blocks[0].within, blocks[0].hunks], [-1, 1]);
  assert.deepEqual([blocks[1].within, blocks[1].hunks], [0, 0]);
  assert.equal(blocks.at(-1).within + blocks.at(-1).hunks, 1);
  const wide = { rows: [{ kind: "hunk", text: "x".repeat(95) }], within: -1, hunks: 1 };
  assert.equal(heightOf(wide, 100) * 3, heightOf(wide, 40));
});

/** A reader whose answers come when the test says so. */
function reader() {
  const asked = [];
  const read = (path) => new Promise((resolve) => void asked.push({ path, resolve }));
  const answer = async (path, text) => {
    const at = asked.findIndex((one) => one.path === path);
    const [{ resolve }] = asked.splice(at, 1);
    resolve(text === null ? { ok: false, problem: { status: 500, code: "broken" } }
      : { ok: true, value: new TextEncoder().encode(text) });
    await new Promise(setImmediate);
  };
  return { read, answer, paths: () => asked.map(({ path }) => path) };
}
const SMALL = `${HEAD}@@ -1 +1 @@\n-a\n+b\n`;

test("at most three diffs are read at once, the newest wish first, and none that nobody wants",
  async () => {
    const { read, answer, paths } = reader(), diffs = diffsOf(read);
    const wants = ["a", "b", "c", "d", "e", "f"].map((path) => diffs.want(file(path)));
    assert.deepEqual(paths(), ["a", "b", "c"]);
    wants[5](); // It has left the view before its turn.
    await answer("b", SMALL);
    assert.deepEqual(paths(), ["a", "c", "e"]);
    assert.equal(diffs.diffOf("b").value.kind, "rows");
    await answer("a", SMALL);
    await answer("c", SMALL);
    await answer("e", SMALL);
    await answer("d", SMALL);
    assert.deepEqual(paths(), []);
    diffs.want(file("b")); // It is known.
    assert.deepEqual(paths(), []);
  });

test("another content is read again, while the one before stands; a late answer does not count",
  async () => {
    const { read, answer, paths } = reader(), diffs = diffsOf(read);
    const end = diffs.want(file("a"));
    await answer("a", SMALL);
    const first = diffs.diffOf("a").value;
    end();
    diffs.want(file("a", { after: "c" }));
    assert.deepEqual(paths(), ["a"]);
    assert.equal(diffs.diffOf("a").value, first);
    diffs.want(file("a", { after: "d" }));
    await answer("a", `${HEAD}@@ -1 +1 @@\n-a\n+late\n`);
    assert.equal(diffs.diffOf("a").value, first);
    await answer("a", `${HEAD}@@ -1 +1 @@\n-a\n+newest\n`);
    assert.match(textOf(diffs.diffOf("a").value.rows.at(-1)), /newest/);
  });

test("a diff that failed is read again when asked for, and its problem is known", async () => {
  const { read, answer, paths } = reader(), diffs = diffsOf(read);
  diffs.want(file("a"));
  await answer("a", null);
  assert.equal(diffs.diffOf("a").value.problem.code, "broken");
  assert.deepEqual(paths(), []);
  diffs.want(file("a"));
  await answer("a", "no diff at all");
  assert.deepEqual(diffs.diffOf("a").value, { kind: "text", text: "no diff at all" });
});

test("diffs that are not near any more are dropped when there are too many", async () => {
  const { read, answer } = reader(), diffs = diffsOf(read, 2 * SMALL.length);
  const leave = diffs.want(file("a"));
  await answer("a", SMALL);
  leave();
  for (const path of ["b", "c"]) {
    diffs.want(file(path));
    await answer(path, SMALL);
  }
  const kinds = ["a", "b", "c"].map((path) => diffs.diffOf(path).value.kind);
  assert.deepEqual(kinds, ["none", "rows", "rows"]);
});

test("a line that is cut is shown to its end when somebody asks", async () => {
  const { read, answer } = reader(), diffs = diffsOf(read);
  diffs.want(file("a"));
  await answer("a", `${HEAD}@@ -0,0 +1 @@\n+${"y".repeat(5_000)}end\n`);
  assert.equal(/end$/.test(textOf(diffs.diffOf("a").value.rows.at(-1))), false);
  diffs.diffOf("a").value.unfold();
  assert.match(textOf(diffs.diffOf("a").value.rows.at(-1)), /end$/);
  assert.equal(diffs.diffOf("a").value.unfold, null);
});
