// compare-rules.test.mjs: which agents of two runs belong together, and what changed, without a
// browser.
//
// runs-with: web
import assert from "node:assert/strict";
import { test } from "node:test";

import { compiled } from "./parts.mjs";

const { aligned, changesOf, counted, isOnly, printOf, sumsOf, textOf } =
  await compiled("compare/rules.ts");
const { patchOf } = await compiled("compare/patch.ts");
const { comparisonOf } = await compiled("runs/rules.ts");
const { words } = await compiled("compare/words.ts");

/** `KEY` or `KEY:LABEL`; "-": it has no key. */
const agent = (side) => (text, more = {}) => {
  const [key, label = null] = text.split(":");
  return { id: `${side}/${text}`, key: key === "-" ? null : key, label, phase: null, prompt: text,
    model: "m", state: "succeeded", cause: "completed", cached: false, tokens: 10, cost_micros: 5,
    cost_unknown: 0, started_ms: 1_000, ended_ms: 2_000, print: "x", ...more };
};
const before = agent("a"), after = agent("b");
const pairs = (a, b) => aligned(a.map((text) => before(text)), b.map((text) => after(text)))
  .map((pair) => `${pair.a?.id.slice(2) ?? ""} ${pair.by ?? "|"} ${pair.b?.id.slice(2) ?? ""}`);
const changed = (a = {}, b = {}, by = "key") =>
  changesOf({ id: "1", a: before("k", a), b: after("k", b), by }).join(" ");

test("agents of one key belong together, wherever they stand", () => {
  assert.deepEqual(pairs(["x.1", "y.1", "x.2"], ["x.2", "x.1", "y.1"]),
    ["x.1 key x.1", "y.1 key y.1", "x.2 key x.2"]);
});

test("those without a partner stand on their side, after the one before them", () => {
  assert.deepEqual(pairs(["x.1", "y.1", "z.1"], ["n.1", "x.1", "n.2", "n.3", "z.1", "n.4"]),
    [" | n.1", "x.1 key x.1", " | n.2", " | n.3", "y.1 | ", "z.1 key z.1", " | n.4"]);
  assert.deepEqual(pairs([], ["x.1"]), [" | x.1"]);
  assert.deepEqual(pairs(["x.1"], []), ["x.1 | "]);
  assert.deepEqual(pairs([], []), []);
});

test("a label of the same phase is the weaker match: keys go first, in their order", () => {
  assert.deepEqual(pairs(["x.1:fix", "y.1:fix"], ["n.1:fix", "y.1:fix"]),
    ["x.1:fix label n.1:fix", "y.1:fix key y.1:fix"]);
  assert.deepEqual(pairs(["x.1:f", "y.1:f", "z.1:f"], ["n.1:f", "n.2:f"]),
    ["x.1:f label n.1:f", "y.1:f label n.2:f", "z.1:f | "]);
  const [one, other] = aligned([before("x.1:fix", { phase: "A" })],
    [after("n.1:fix", { phase: "B" })]);
  assert.deepEqual([one.by, other.by], [null, null]);
  assert.deepEqual(pairs(["x.1"], ["y.1"]), [" | y.1", "x.1 | "]); // Without labels.
  assert.deepEqual(pairs(["-:fix"], ["-:fix"]), ["-:fix label -:fix"]); // Of an older daemon.
});

test("each agent stands in exactly one row, also of 1,000 in any order", () => {
  const a = Array.from({ length: 1_000 }, (_, at) => before(`k${at}:l${at % 7}`));
  const b = Array.from({ length: 1_000 }, (_, at) => after(`k${(at * 7) % 1_500}:l${at % 5}`));
  const rows = aligned(a, b);
  assert.deepEqual(rows.flatMap((row) => row.a ?? []), a); // In their order.
  const found = rows.flatMap((row) => row.b ?? []);
  assert.equal(found.length, 1_000);
  assert.equal(new Set(found).size, 1_000);
  assert.ok(rows.every((row) => row.by !== "key" || row.a.key === row.b.key));
  assert.equal(new Set(rows.map(({ id }) => id)).size, rows.length);
});

test("what changed: state, result, time, tokens, cost; a blink of time is no change", () => {
  assert.equal(changed(), "");
  assert.equal(changed({}, { state: "failed", print: null }), "state result");
  assert.equal(changed({ state: "failed", cause: "a" }, { state: "failed", cause: "b" }), "state");
  assert.equal(changed({}, { tokens: 11, cost_micros: 6 }), "tokens cost");
  assert.equal(changed({}, { cost_unknown: 1 }), "cost");
  assert.equal(changed({}, { ended_ms: 2_900 }), "");
  assert.equal(changed({}, { ended_ms: 3_000 }), "time");
  assert.equal(changed({ ended_ms: 101_000 }, { ended_ms: 106_000 }), ""); // A twentieth.
  assert.equal(changed({}, { ended_ms: null }), "time");
  assert.equal(changed({}, {}, "label"), "prompt");
  assert.deepEqual(changesOf({ id: "1", a: null, b: after("k"), by: null }), ["side"]);
});

test("what was cached costs nothing, and that is no change", () => {
  const cached = { cached: true, tokens: 0, cost_micros: 0, ended_ms: 1_000 };
  assert.equal(changed({}, cached), "");
  assert.equal(changed({}, { ...cached, print: "y" }), "result");
});

test("prints differ where results do, and need no memory of them", () => {
  const results = ["", "a", "b", "ab", 1, "1", [], {}, { a: 1 }, { a: "1" }, [1], true,
    "x".repeat(10_000), `${"x".repeat(9_999)}y`];
  assert.equal(new Set(results.map(printOf)).size, results.length);
  assert.ok(results.every((result) => printOf(result).length < 40));
  assert.deepEqual([printOf(null), printOf(undefined)], [null, null]);
  assert.equal(printOf({ a: [1, "b"] }), printOf({ a: [1, "b"] }));
});

test("only what changed is shown where there are more than 20, unless the address says so", () => {
  assert.deepEqual([isOnly(null, 20), isOnly(null, 21), isOnly("0", 21), isOnly("1", 3)],
    [false, true, false, true]);
});

test("sums and kinds of change are counted", () => {
  const rows = [before("x"), before("y", { state: "timed_out", cost_unknown: 2 }),
    before("z", { cached: true })];
  assert.deepEqual(sumsOf(rows), { agents: 3, succeeded: 2, failed: 1, cached: 1, tokens: 30,
    cost_micros: 15, cost_unknown: 2 });
  const of = (...changes) => ({ pair: null, changes });
  assert.deepEqual(counted([of("cost", "result"), of("result"), of()]),
    [["result", 2], ["cost", 1]]);
});

test("differences have a sign, of any size", () => {
  assert.deepEqual([words.signedCount(0), words.signedCount(-3), words.signedTime(1_500),
    words.signedTime(-90_000), words.signedMoney(2_500_000)],
  ["±0", "−3", "+1.5 s", "−1:30", "+$2.50"]);
});

test("texts are compared by lines: JSON with a line for each member, and not without end", () => {
  assert.equal(textOf({ a: 1 }), "{\n  \"a\": 1\n}");
  assert.equal(textOf("x"), "x");
  assert.equal(textOf(null), "");
  const patch = patchOf(textOf({ a: 1, b: 2 }), textOf({ a: 1, b: 3 }));
  assert.match(patch, /^-  "b": 2$/m);
  assert.match(patch, /^\+  "b": 3$/m);
  assert.doesNotMatch(patch, /No newline/);
  assert.match(patchOf("a", "a\n"), /No newline/); // Else nothing would differ.
  assert.equal(patchOf("x".repeat(300_000), "y"), null);
});

test("exactly two workflow runs are compared, the older one first", () => {
  const run = (id, made_ms, kind = "workflow") => ({ id, kind, made_ms });
  assert.equal(comparisonOf([run("new", 2), run("old", 1)]), "/compare?a=old&b=new");
  for (const rows of [[], [run("a", 1)], [run("a", 1), run("b", 2), run("c", 3)],
    [run("a", 1), run("b", 2, "job")]]) assert.equal(comparisonOf(rows), null);
});
