// ask-rules.test.mjs: when a press that says yes acts: once the whole text was in view.
//
// runs-with: web
import assert from "node:assert/strict";
import { test } from "node:test";

import { compiled } from "./parts.mjs";

const { acts, isWhole, textsAfter, textsEmpty, TEXTS_MAX } = await compiled("parts/reading.ts");
const { fitsRow, textOf } = await compiled("ask/text.ts");
const { changeOf } = await compiled("diff/patch.ts");
const { judgedOf, judgedText } = await compiled("board/rules.ts");

const after = (...news) =>
  news.reduce((texts, [kind, text]) => textsAfter(texts, { kind, text }), textsEmpty);

test("a text was in view when its end was on the screen or it was unfolded, and nothing is hidden",
  () => {
    for (const hidden of [false, true]) {
      for (const end of [false, true]) {
        for (const unfolded of [false, true]) {
          assert.equal(isWhole({ hidden, end, unfolded }), !hidden && (end || unfolded));
        }
      }
    }
  });

test("the first press unfolds what was not seen, and acts for no other text", () => {
  const pressed = after(["pressed", "a"]);
  assert.deepEqual([[...pressed.unfolded], acts(pressed, "a")], [["a"], false]);
  assert.equal(acts(after(["pressed", "a"], ["pressed", "a"]), "a"), false); // Not drawn yet.
  const seen = after(["pressed", "a"], ["seen", "a"]);
  assert.deepEqual([acts(seen, "a"), acts(seen, "b")], [true, false]);
  assert.deepEqual([...after(["seen", "a"], ["pressed", "a"]).unfolded], []);
});

test("a question that changed is another text; a page that is open long forgets the oldest", () => {
  const ask = { id: "apr_1", digest: "x" };
  assert.notEqual(textOf(ask), textOf({ ...ask, digest: "y" }));
  const many = Array.from({ length: TEXTS_MAX + 1 }, (_, at) => ["seen", `text ${at}`]);
  const texts = after(...many);
  assert.equal(texts.seen.size, TEXTS_MAX);
  assert.deepEqual([acts(texts, "text 0"), acts(texts, `text ${TEXTS_MAX}`)], [false, true]);
});

test("a row shows a question if its text and its options fit, and all of it is known", () => {
  const ask = (shown, options = [], more = {}) => ({ id: "apr_1", kind: "answer", digest: null,
    tool: "", step: "pick", shown, arguments: { question: shown, options }, ...more });
  assert.equal(fitsRow(ask("Which?", ["alpha", "beta"])), true);
  assert.equal(fitsRow(ask("Which?", ["a".repeat(200), "b".repeat(200)])), false);
  assert.equal(fitsRow(ask("Which?", ["one\ntwo\nthree", "four\nfive\nsix"])), false);
  assert.equal(fitsRow(ask("Which?", [], { arguments: undefined })), false);
  assert.equal(fitsRow(ask("Which?", [], { shown: undefined })), false);
});

test("a line of a diff that is too long is cut at first, and whole when all is wanted", () => {
  const patch = `--- a/x\n+++ b/x\n@@ -0,0 +1,1 @@\n+${"y".repeat(5_000)}end\n`;
  const textIn = ({ rows }) => rows.at(-1).pieces.map(([, text]) => text).join("");
  const [first, whole] = [changeOf(patch, false), changeOf(patch, false, true)];
  assert.deepEqual([first.clipped, textIn(first).endsWith("end")], [true, false]);
  assert.deepEqual([whole.clipped, textIn(whole).endsWith("end")], [false, true]);
});

test("what is judged are the outputs of the attempt, and of a plan those of the newest one", () => {
  const outputs = [{ id: "c", attempt: "t2" }, { id: "b", attempt: null },
    { id: "a", attempt: "t1" }];
  const task = { id: "tsk_1", status: "review", reason: null, attempt: "t1", outputs };
  const ids = (more) => judgedOf({ ...task, ...more }).map(({ id }) => id).join("");
  assert.equal(ids({}), "a");
  assert.equal(ids({ status: "working" }), "");
  assert.equal(ids({ status: "blocked", reason: "plan", attempt: null }), "c");
  assert.equal(ids({ attempt: "t9" }), "cba");
  assert.notEqual(judgedText(task),
    judgedText({ ...task, outputs: [{ id: "d", attempt: "t1" }, ...outputs] }));
});
