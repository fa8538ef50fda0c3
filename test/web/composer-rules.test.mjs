// composer-rules.test.mjs: what is typed into the composer beside a message: the word at the caret,
// arguments of a workflow as `drover run` takes them, and files as blocks.
//
// runs-with: web
import assert from "node:assert/strict";
import { test } from "node:test";

import { compiled } from "./parts.mjs";

const { begunAt, chosenIn, commandOf, fenced, fits, givenOf, usageOf } =
  await compiled("session/command.ts");

/** The caret is where `|` stands. */
function begun(marked) {
  const text = marked.replace("|", ""), found = begunAt(text, marked.indexOf("|"));
  return found === null ? null : [found.kind, found.typed, text.slice(found.from, found.to)];
}

test("a command begins at the first letter; with a blank before it, it is a message", () => {
  assert.deepEqual(commandOf("/deep-research why?\nso"),
    { name: "deep-research", question: "why?\nso" });
  assert.deepEqual(commandOf("/clear "), { name: "clear", question: "" });
  for (const text of [" /clear", "/", "//a", "/usr/bin is a folder", "a /clear", "/.x"]) {
    assert.equal(commandOf(text), null, text);
  }
});

test("the word at the caret is a name, a model or a file", () => {
  assert.deepEqual(begun("/cl|"), ["name", "cl", "/cl"]);
  assert.deepEqual(begun("/|"), ["name", "", "/"]);
  assert.deepEqual(begun("/c|lear"), ["name", "c", "/clear"]);
  assert.deepEqual(begun("/model open|ai/x"), ["model", "open", "openai/x"]);
  assert.deepEqual(begun("/model |"), ["model", "", ""]);
  assert.deepEqual(begun("see @src/wa|"), ["file", "src/wa", "@src/wa"]);
  assert.deepEqual(begun("a\n@wa|lk and"), ["file", "wa", "@walk"]);
  for (const text of ["me@home|", "@|", "see @a b|", "a /cl|", "/clear |", "|/cl", " /cl|"]) {
    assert.equal(begun(text), null, text);
  }
});

test("a choice takes the place of the word, and the text around it stays", () => {
  const text = "see @wa, and", at = begunAt("see @wa and", 7);
  assert.deepEqual(chosenIn("see @wa and", at, "src/walk.c"),
    { text: "see src/walk.c and", caret: 15 });
  assert.deepEqual(chosenIn(text, begunAt(text, 7), "a.c"), { text: "see a.c and", caret: 8 });
  assert.deepEqual(chosenIn("/cl", begunAt("/cl", 3), "/clear"), { text: "/clear ", caret: 7 });
});

test("letters fit a path as the daemon has it", () => {
  assert.ok(fits("SWC", "src/walk.c") && fits("", "a") && fits("ü", "mü.txt"));
  assert.ok(!fits("cws", "src/walk.c") && !fits("walkk", "src/walk.c"));
});

const SCHEMA = { type: "object", required: ["question"], properties: {
  question: { type: "string" }, depth: { type: "integer", default: 3 },
  style: { type: "string", default: "short" }, sources: { type: "array" },
} };
const given = (words, schema = SCHEMA) => {
  const read = givenOf(schema, words);
  return "unfit" in read ? read.unfit.slice(0, 2) : read.args;
};

test("arguments are shown with what is required and what is taken without them", () => {
  assert.deepEqual(usageOf(SCHEMA),
    ["question=…", "[depth=3]", "[style=short]", "[sources=…]"]);
  assert.equal(usageOf(undefined), null);
  assert.equal(usageOf({ type: "string" }), null);
  assert.deepEqual(usageOf({ type: "object", properties: {} }), []);
});

test("NAME=VALUE is JSON or else text, and a text is the one required argument", () => {
  assert.deepEqual(given("Why is the sky blue?"), { question: "Why is the sky blue?" });
  assert.deepEqual(given("depth=5 Why is a=b?"), { depth: 5, question: "Why is a=b?" });
  assert.deepEqual(given("question=why sources=[\"a b\", \"c\"] depth=x"),
    { question: "why", sources: ["a b", "c"], depth: "x" });
  assert.deepEqual(given("question=\"two words\" style=5"), { question: "two words", style: "5" });
  assert.deepEqual(given("question={a] b", { ...SCHEMA, required: ["style"] }),
    { question: "{a]", style: "b" });
  assert.deepEqual(given("question=a\nstyle="), { question: "a", style: "" });
  assert.equal(given("two words", null), "two words");
  assert.equal(given("two words", { type: "string" }), "two words");
  assert.equal(given("", null), undefined);
  assert.deepEqual(given("a=1 b=[2]", null), { a: 1, b: [2] });
  assert.deepEqual(given("x", { oneOf: [{ required: ["q"] }, {}], properties: { q: {} } }),
    { q: "x" });
  assert.deepEqual(given("other=1 x", { ...SCHEMA, additionalProperties: true }),
    { other: 1, question: "x" });
  assert.deepEqual(Object.keys(given("__proto__=1", null)), ["__proto__"]);
});

test("what is missing, unknown or given twice starts nothing", () => {
  assert.deepEqual(given(""), ["missing", "question"]);
  assert.deepEqual(given("dept=5 why"), ["unknown", "dept"]);
  assert.deepEqual(given("question=a why"), ["twice", "question"]);
  assert.deepEqual(given("why", { ...SCHEMA, required: ["question", "depth"] }), ["noText", ""]);
  assert.deepEqual(given("why", { ...SCHEMA, required: [] }), ["noText", ""]);
  assert.deepEqual(given("depth=5", { ...SCHEMA, required: ["question", "style"] }),
    ["missing", "question, style"]);
  assert.deepEqual(given("a=1 why", null), ["both", ""]);
  const ways = { oneOf: [{ required: ["target"] }, { required: ["path"] }],
    properties: { target: {}, path: {} } };
  assert.deepEqual(given("path=src", ways), { path: "src" });
  assert.deepEqual(given("", ways), ["missing", "target / path"]);
});

test("a fence is longer than those in the file, and the name says its language", () => {
  assert.equal(fenced("a.md", "x\n"), "a.md:\n\n```md\nx\n```");
  assert.equal(fenced("a", "```\n````c\n"), "a:\n\n`````\n```\n````c\n`````");
  assert.equal(fenced("a.b c", "x"), "a.b c:\n\n```\nx\n```");
});
