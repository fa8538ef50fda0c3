// workflows-rules.test.mjs: the rules below the catalog and the start: a form made from args,
// values that do not fit, marks at lines, and when a plan allows a start.
//
// runs-with: web
import assert from "node:assert/strict";
import { test } from "node:test";

import { compiled } from "./parts.mjs";

const rules = {
  ...await compiled("workflows/rules.ts"), ...await compiled("parts/schema.ts"),
};
const plans = await compiled("run/plan.ts");
const schema = (properties, more = {}) => ({ type: "object", properties, ...more });
const kinds = (properties, more) =>
  rules.fieldsOf(schema(properties, more))?.map(({ kind }) => kind) ?? null;
const faultOf = (one, text, required = []) => {
  const { args, faults } = rules.argsOf(rules.fieldsOf(schema({ it: one }, { required })),
    { it: text });
  return faults.get("it") ?? args;
};

test("each member of the args is a field of its kind", () => {
  assert.deepEqual(kinds({ a: { type: "string" }, b: { type: "integer" }, c: { type: "number" },
    d: { type: "boolean" }, e: { enum: ["x", 2, null] }, f: { type: "array", items: {
      type: "string" } }, g: { type: "object" }, h: { type: "string", maxLength: 5000 },
    i: { type: ["string", "null"] }, j: true, k: { type: "string", default: "a\nb" },
    l: { type: "string", anyOf: [] }, m: { type: "array", items: { enum: ["x"] } } }),
  ["text", "integer", "number", "flag", "choice", "texts", "json", "long", "json", "json", "long",
    "json", "json"]);
  const [field] = rules.fieldsOf(schema({ n: { type: "integer", default: 5, description: "D" } },
    { required: ["n"] }));
  assert.deepEqual([field.required, field.about, field.fallback], [true, "D", "5"]);
});

test("args that are no plain object are written as JSON", () => {
  for (const one of [undefined, null, true, 7, [], {}, { type: "array" }, { type: "string" },
    schema({}), { type: "object" }, { type: ["object", "null"], properties: { a: {} } },
    { properties: [] }, schema({ a: {} }, { required: ["b"] })]) {
    assert.equal(rules.fieldsOf(one), null, JSON.stringify(one));
  }
  assert.deepEqual(rules.argsOfJson(" "), { args: undefined, faults: new Map() });
  assert.deepEqual(rules.argsOfJson("[1]").args, [1]);
  const [why] = rules.argsOfJson("{a").faults.get("");
  assert.equal(why, "json");
});

test("what is empty is not given, and what does not fit says why", () => {
  const text = { type: "string", minLength: 2, maxLength: 3, pattern: "^a" };
  assert.deepEqual(faultOf(text, ""), undefined);
  assert.deepEqual(faultOf(text, "  ", ["it"]), ["missing"]);
  assert.deepEqual(faultOf(text, "a"), ["minLength", 2]);
  assert.deepEqual(faultOf(text, "aaaa"), ["maxLength", 3]);
  assert.deepEqual(faultOf(text, "baa"), ["pattern", "^a"]);
  assert.deepEqual(faultOf(text, "a🐑"), { it: "a🐑" }); // Characters, as the daemon counts.
  assert.deepEqual(faultOf({ type: "string", pattern: "(" }, "x"), { it: "x" });
  const number = { type: "integer", minimum: 1, maximum: 9 };
  assert.deepEqual(faultOf(number, "x"), ["number"]);
  assert.deepEqual(faultOf(number, "1.5"), ["integer"]);
  assert.deepEqual(faultOf(number, "0"), ["minimum", 1]);
  assert.deepEqual(faultOf(number, "10"), ["maximum", 9]);
  assert.deepEqual(faultOf(number, "Infinity"), ["number"]);
  assert.deepEqual(faultOf(number, " 9 "), { it: 9 });
  assert.deepEqual(faultOf({ type: "boolean" }, "false"), { it: false });
  assert.deepEqual(faultOf({ enum: ["x", 2, null] }, "null"), { it: null });
  assert.deepEqual(faultOf({ enum: ["x"] }, "y"), ["choice"]);
  const texts = { type: "array", items: { type: "string" }, minItems: 2, maxItems: 2 };
  assert.deepEqual(faultOf(texts, "a\n\n b \n"), { it: ["a", "b"] });
  assert.deepEqual(faultOf(texts, "a"), ["minItems", 2]);
  assert.deepEqual(faultOf(texts, "a\nb\nc"), ["maxItems", 2]);
  assert.deepEqual(faultOf({ type: "object" }, "{\"a\":1}"), { it: { a: 1 } });
  assert.equal(faultOf({ type: "object" }, "{a}")[0], "json");
});

test("a member may have any name", () => {
  const properties = JSON.parse('{"__proto__":{"type":"string"},"constructor":{"type":"string"}}');
  const fields = rules.fieldsOf(schema(properties));
  const texts = Object.fromEntries([["__proto__", "a"], ["constructor", "b"]]);
  const { args } = rules.argsOf(fields, texts);
  assert.equal(JSON.stringify(args), '{"__proto__":"a","constructor":"b"}');
});

test("the worst finding of a line is its mark, and a place is an offset in the text", () => {
  const note = (line, severity) => ({ line, column: 1, code: "", severity, detail: "" });
  assert.deepEqual([...rules.marksOf([note(2, "warning"), note(2, "error"), note(2, "warning"),
    note(5, "warning")])], [[2, "error"], [5, "warning"]]);
  const text = "ab\ncde\n";
  assert.deepEqual([[1, 1], [2, 2], [2, 99], [3, 1], [9, 9], [0, 0]].map(([line, column]) =>
    rules.offsetOf(text, line, column)), [0, 4, 6, 7, 7, 0]);
  assert.deepEqual(["", "a", "a\n", "a\n\nb"].map(rules.linesIn), [1, 1, 2, 3]);
});

const wish = (more) => rules.requestOf({ name: "review", root: "", script: null, args: undefined,
  model: "", cost_micros: null, ...more });

test("a request names the workflow, or has the source that was edited", () => {
  assert.deepEqual(wish({}), { name: "review" });
  assert.deepEqual(wish({ root: "/p", args: 0, model: "a/b", cost_micros: 0 }),
    { name: "review", root: "/p", args: 0, model: "a/b", budget: { cost_micros: 0 } });
  assert.deepEqual(wish({ script: "x" }), { script: "x", title: "review" });
});

test("only what was planned may start, and only if the daemon found nothing against it", () => {
  const fine = { valid: true, args: { fit: true, fault: null }, resume: null, rehearsal: null };
  const planned = (plan, body = wish({})) => ({ body: JSON.stringify(body), plan });
  assert.equal(rules.startable(planned(fine), wish({})), true);
  assert.equal(rules.startable(null, wish({})), false);
  assert.equal(rules.startable(planned(fine), null), false);
  assert.equal(rules.startable(planned(fine), wish({ args: { a: 1 } })), false);
  assert.equal(rules.startable(planned(fine), wish({ script: "edited" })), false);
  const unfit = { ...fine, args: { fit: false, fault: "\"a\" is missing" } };
  assert.equal(rules.startable(planned(unfit), wish({})), false);
  assert.equal(rules.startable(planned({ valid: false, error: "line 1" }), wish({})), false);
  assert.equal(plans.refusalOf(unfit), "\"a\" is missing");
  assert.equal(plans.refusalOf({ valid: false, error: "line 1" }), "line 1");
});

test("waves are in order, with the agents of each", () => {
  const step = (wave, agents) => ({ wave, agents, phase: null, label: null });
  const waves = plans.wavesOf({ steps: [step(2, 1), step(1, 3), step(2, 4)] });
  assert.deepEqual(waves.map(({ wave, agents, steps }) => [wave, agents, steps.length]),
    [[1, 3, 1], [2, 5, 2]]);
});

test("the catalog is by origin, and the last run of a name is its newest", () => {
  const flow = (name, origin, description = "", kind = "workflow") =>
    ({ kind, flow: { name, origin, description } });
  const all = [flow("b", "built-in"), flow("a", "project", "Looks"), flow("h", "home")];
  assert.deepEqual(rules.grouped(all, "").map(([origin, list]) =>
    [origin, list.map((one) => one.flow.name).join()]),
  [["project", "a"], ["home", "h"], ["built-in", "b"]]);
  assert.equal(rules.grouped(all, "LOOK").flatMap(([, list]) => list).length, 1);
  const run = (id, label, made_ms, kind = "workflow") => ({ id, label, made_ms, kind });
  const last = rules.lastRuns([run(1, "a", 1), run(2, "a", 3), run(3, "a", 2), run(4, null, 9),
    run(5, "a", 4, "flow")]);
  assert.deepEqual([...last].map(([name, { id }]) => [name, id]),
    [["workflow a", 2], ["flow a", 5]]);
  const at = (kind) => rules.placeOf(flow("a/b c", "home", "", kind), "/p q");
  assert.deepEqual(["workflow", "flow"].map(at),
    ["/workflows/a%2Fb%20c?root=%2Fp+q", "/flows/a%2Fb%20c?root=%2Fp+q"]);
});
