// trace-rules.test.mjs: the rules below the view of a trace: the tree of spans, what is shown of
// it, and the axis with idle time that is collapsed.
//
// runs-with: web
import assert from "node:assert/strict";
import { test } from "node:test";

import { compiled } from "./parts.mjs";

const tree = await compiled("trace/tree.ts");
const axis = await compiled("trace/scale.ts");
const text = await compiled("trace/text.ts");

const NONE = { errors: false, kind: "", min_ms: 0, q: "" };
const ALL = { level: 9, other: new Set() }, CLOSED = { level: 0, other: new Set() };

/** A row as the daemon lists it. */
const given = (id, start, end, more = {}) => ({
  id, run: "run_a", attempt: 1, step: 1, kind: "tool", name: "read_file", cause: null, error: null,
  state: end === null ? "running" : "succeeded", started_ms: start, ended_ms: end, input: null,
  tokens: null, cost_micros: null, tries: 1, ...more });
const model = (id, start, end, cached, more = {}) => given(id, start, end, { kind: "model",
  name: "scripted/demo", cost_micros: 10, tokens: { fresh: 100 - cached, cache_read: cached,
    cache_write: 0, output: 7 }, ...more });
const failed = { state: "failed", cause: "not_found" };
const built = (rows, by) => tree.treeOf(rows.map(tree.spanOf), by);

const SESSION = [
  model("a1", 1000, 1100, 0, { turn: 1 }), given("a2", 1100, 1150, { turn: 1, ...failed }),
  model("b1", 90_000, 90_500, 60, { turn: 2 }),
  given("b2", 90_500, 91_000, { turn: 2, input: '{"args":["test"],"command":"make"}',
    name: "run_command" }),
  model("b3", 91_000, null, 0, { turn: 2, tokens: null, cost_micros: null })];
const run = (id, parent, start, end, more) => given(id, start, end, { run: id, parent, step: null,
  kind: "agent", name: id, ...more });
const FLOW = [
  run("flow", null, 0, 900, { kind: "workflow", label: "flock" }),
  run("two", "flow", 300, 900, { state: "failed" }), run("one", "flow", 100, 500),
  model("two.1", 310, 900, 50, { run: "two", parent: "two", ...failed, error: "HTTP 400" }),
  model("one.1", 100, 500, 50, { run: "one", parent: "one" })];

const lines = (of, { filter = {}, opened = ALL, gaps = [], now = 95_000 } = {}) =>
  tree.linesOf(of, { ...NONE, ...filter }, opened, gaps, now).map(({ kind, node, key, count }) =>
    (kind === "pinned" ? `! ${node.id}` : kind === "rest" ? `+ ${count}`
      : kind === "span" ? `${" ".repeat(node.level)}${node.id}` : key));

test("turns stand newest first, each from its own beginning, and steps in order of time", () => {
  const of = built(SESSION);
  assert.deepEqual(lines(of), ["! a2", "turn 2", " b1", " b2", " b3", "turn 1", " a1", " a2"]);
  const [second, first] = of.roots;
  assert.deepEqual([second.start, second.end, second.state], [90_000, null, "running"]);
  assert.deepEqual([first.start, first.end, first.state], [1000, 1150, "succeeded"]);
  assert.deepEqual(of.roots.map(({ below }) => below[0].base), [90_000, 1000]);
  assert.deepEqual(of.sums, { spans: 5, errors: 1, ms: 1150, tokens: 214, read: 200, cached: 60,
    cost: 20, unpriced: 0 });
  assert.equal(second.below[1].about, "make test");
  assert.equal(of.live, true);
});

test("a run's spans stand below it, agents by their beginning; runs add nothing to sums", () => {
  const of = built([...FLOW].reverse());
  assert.deepEqual(lines(of), ["! two.1", "flow", " one", "  one.1", " two", "  two.1"]);
  assert.deepEqual([of.sums.spans, of.sums.errors, of.roots[0].sums.read], [2, 1, 200]);
  assert.equal(of.nodes.get("two.1").about, "HTTP 400");
  assert.equal(of.nodes.get("flow").about, "flock");
});

test("by tool, calls of the same name stand together; the worst one is their state", () => {
  const of = built(SESSION, "tool");
  assert.deepEqual(of.roots.map(({ id, below, state }) => [id, below.length, state]), [
    ["model demo", 3, "running"], ["tool read_file", 1, "failed"],
    ["tool run_command", 1, "succeeded"]]);
});

test("filters keep what stands above a step that fits, and pin nothing", () => {
  const of = built(SESSION);
  assert.deepEqual(lines(of, { filter: { errors: true } }), ["turn 1", " a2"]);
  assert.deepEqual(lines(of, { filter: { kind: "tool" } }), ["turn 2", " b2", "turn 1", " a2"]);
  assert.deepEqual(lines(of, { filter: { min_ms: 1000 } }), ["turn 2", " b3"]);
  assert.deepEqual(lines(of, { filter: { q: "MAKE" }, opened: CLOSED }), ["turn 2", " b2"]);
  assert.deepEqual(lines(of, { filter: { q: "not_found" } }), ["turn 1", " a2"]);
  assert.deepEqual(lines(of, { filter: { q: "nowhere" } }), []);
  assert.deepEqual(lines(built(FLOW), { filter: { q: "flock" } }), ["flow"]);
});

test("levels open, one node differs, and a step that is gone to is revealed", () => {
  const of = built(FLOW);
  assert.deepEqual(lines(of, { opened: CLOSED }), ["! two.1", "flow"]);
  const one = { level: 1, other: new Set() };
  assert.deepEqual(lines(of, { opened: one }), ["! two.1", "flow", " one", " two"]);
  const shut = tree.toggled(one, "flow");
  assert.deepEqual(lines(of, { opened: shut }), ["! two.1", "flow"]);
  assert.deepEqual(lines(of, { opened: tree.revealed(shut, of.nodes.get("two.1")) }),
    ["! two.1", "flow", " one", " two", "  two.1"]);
});

test("few failed steps are pinned; the others have one line", () => {
  const many = Array.from({ length: 20 }, (_, at) => given(`x${at}`, at, at + 1, failed));
  assert.deepEqual(lines(built(many), { opened: CLOSED }).slice(0, 8),
    ["! x0", "! x1", "! x2", "! x3", "! x4", "! x5", "+ 14", "x0"]);
});

test("time in which nothing ran is found, and what was waited for a person says so", () => {
  const rows = [model("a", 0, 2000, 0, { turn: 1 }),
    given("b", 2000, 242_000, { turn: 1 }), // Its wait is within it.
    model("c", 250_000, 252_000, 0, { turn: 1 })];
  const of = built(rows), asks = [{ run: "run_a", from: 2000, to: 240_000 }];
  const gaps = axis.gapsOf(of, asks, 0);
  assert.deepEqual(gaps, [{ from: 2000, to: 240_000, why: "you" },
    { from: 242_000, to: 250_000, why: "idle" }]);
  assert.deepEqual(axis.gapsOf(of, [], 0), [{ from: 242_000, to: 250_000, why: "idle" }]);
  assert.deepEqual(axis.gapsOf(built([rows[0]]), [], 0), []);
  // An open question lasts until now.
  assert.deepEqual(axis.gapsOf(built([model("a", 0, 1000, 0), given("b", 1000, null)]),
    [{ run: "run_a", from: 1500, to: null }], 60_000), [{ from: 1500, to: 60_000, why: "you" }]);
  assert.deepEqual(lines(of, { gaps }), ["turn 1", " a", " b", "idle 2000", "idle 242000", " c"]);
});

test("the axis leads from time to place and back, and collapsed time has a small place", () => {
  const plain = axis.scaleOf(1000, []);
  assert.deepEqual([0, 250, 1000, 2000].map(plain.at), [0, 0.25, 1, 1]);
  const gaps = [{ from: 100, to: 9900, why: "idle" }];
  const scale = axis.scaleOf(10_000, gaps);
  const [before, idle, behind] = scale.segments;
  assert.ok(Math.abs(before.right - 100 / 204) < 1e-9 && idle.idle && behind.right === 1);
  assert.ok(Math.abs(idle.right - idle.left - 4 / 204) < 1e-9);
  for (const ms of [0, 50, 100, 5000, 9900, 9950, 10_000]) {
    assert.ok(Math.abs(scale.time(scale.at(ms)) - ms) < 1e-6, `${ms}`);
  }
  let last = -1;
  for (let ms = 0; ms <= 10_000; ms += 10) {
    assert.ok(scale.at(ms) >= last);
    last = scale.at(ms);
  }
  const ticks = axis.ticksOf(scale, [0, 1], 5);
  assert.ok(ticks.length >= 3 && ticks.length <= 6, JSON.stringify(ticks));
  assert.ok(ticks.every(({ ms }) => ms <= 100 || ms >= 9900));
});

test("zooming keeps the place under the pointer, and never leaves the axis", () => {
  const seen = ({ left, factor }, at) => left + at / factor;
  const one = axis.zoomed(axis.FIT, 4, 0.25);
  assert.deepEqual([seen(one, 0.25), one.factor], [0.25, 4]);
  const two = axis.zoomed(one, 3, 0.9);
  assert.ok(Math.abs(seen(two, 0.9) - seen(one, 0.9)) < 1e-9);
  assert.deepEqual(axis.zoomed(two, 1e-9, 0.5), axis.FIT);
  assert.ok(axis.zoomed(one, 1e9, 0).factor <= 50_000);
  assert.deepEqual(axis.panned(one, -100).left, 0);
  assert.equal(axis.panned(one, 100).left, 0.75);
});

test("a live axis ends at a round number, so that bars stay where they are", () => {
  const at = (now) => axis.lengthOf(built([given("a", 0, null)]), now);
  assert.deepEqual([1100, 1199, 1201, 61_000].map(at), [1200, 1200, 1500, 80_000]);
  assert.equal(axis.lengthOf(built([given("a", 0, 1234)]), 99_999), 1234);
});

test("times, colours, and the question that was asked before a call", () => {
  assert.deepEqual([0, 340, 2840, 41_000, 252_000, 3_720_000].map(text.lasting),
    ["0 ms", "340 ms", "2.8 s", "41 s", "4 m 12", "1 h 02"]);
  assert.deepEqual([[0, 1000], [1500, 500], [2000, 1000], [250_000, 10_000], [180_000, 60_000]]
    .map(([ms, step]) => text.tickText(ms, step)), ["0", "1.5 s", "2 s", "4 m 10", "3 m"]);
  assert.deepEqual([82, 60, 59, 30, 29].map(text.cacheTone),
    ["cached", "cached", "degraded", "degraded", "fail"]);
  const { nodes, roots } = built(SESSION);
  assert.deepEqual([999, 1000, 4999, 5000].map((ms) => text.latencyTone(nodes.get("a1"), ms)),
    ["tone-ok", "tone-degraded", "tone-degraded", "tone-fail"]);
  assert.equal(text.latencyTone(roots[0], 1), "");
  const { nodes: [[, timer]] } = built([given("t", 0, null, { kind: "timer", name: "sleep",
    state: "waiting", due_ms: 60_000 })]);
  assert.equal(text.latencyTone(timer, 9000), "", "a timer is as slow as it shall be");
  assert.deepEqual([timer.state, timer.span.due], ["running", 60_000], "it waits for nobody");
  const ask = (id, asked_ms, answered_ms, tool = "run_command") =>
    ({ id, run: "run_a", tool, asked_ms, answered_ms });
  const span = nodes.get("b2").span;
  const asks = [ask("old", 100, 200), ask("this", 80_000, 90_499), ask("other", 1, 90_499, "x"),
    ask("later", 99_000, null)];
  assert.equal(text.askOf(asks, span).id, "this");
  assert.equal(text.askOf([asks[0]], span), undefined);
});
