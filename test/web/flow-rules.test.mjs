// flow-rules.test.mjs: the rules of a flow's view, without a browser: where its graph draws each
// step, which branch was chosen, how far it is, what a start gets.
//
// runs-with: web
import assert from "node:assert/strict";
import { test } from "node:test";

import { compiled } from "./parts.mjs";

const rules = await compiled("flow/rules.ts");

const step = (step_id, deps = [], more = {}) => ({ step_id, kind: "code", deps,
  trigger_rule: "all_success", batch: null, branch: null, status: "pending", ...more });
const layersOf = (steps) => rules.layersOf(rules.sourcesOf(steps));
const boxes = ({ nodes }, steps) => nodes.map(({ at, x, y }) => ({ id: steps[at].step_id, x, y }));

test("a step stands after all that it waits for: steps, whole batches, its switch", () => {
  const steps = [step("z", ["batch:b", "a"]), step("a"), step("s", ["a"], { kind: "switch" }),
    step("in", [], { branch: { switch: "s", label: "x" } }), step("b1", [], { batch: "b" }),
    step("b2", ["in"], { batch: "b" }), step("lost", ["none", "batch:none", "lost"])];
  assert.deepEqual(layersOf(steps), [4, 0, 1, 2, 0, 3, 0]);
  // A circle is refused by the daemon; here it ends.
  assert.equal(layersOf([step("a", ["b"]), step("b", ["a"])]).length, 2);
});

test("no two steps overlap, batches stay together, the same steps give the same picture", () => {
  const steps = [step("first"), ...Array.from({ length: 6 }, (_, at) =>
    step(`m${at}`, ["first"], { batch: at % 2 === 0 ? "even" : null })),
  step("end", ["batch:even", "m1", "first"])];
  const layout = rules.layoutOf(steps), { width, height } = rules.NODE;
  assert.deepEqual(rules.layoutOf(structuredClone(steps)), layout);
  const all = boxes(layout, steps);
  for (const one of all) {
    for (const other of all) {
      const apart = one === other || Math.abs(one.x - other.x) >= width ||
        Math.abs(one.y - other.y) >= height;
      assert.ok(apart, `${one.id} and ${other.id}`);
    }
    assert.ok(one.x + width <= layout.width && one.y + height <= layout.height, one.id);
  }
  assert.deepEqual(layout.groups.map(({ batch }) => batch), ["even"]);
  const [group] = layout.groups, inside = all.filter(({ x, y }) =>
    x >= group.x && x < group.x + group.width && y >= group.y && y < group.y + group.height);
  assert.deepEqual(inside.map(({ id }) => id), ["m0", "m2", "m4"]);
});

test("an edge over several layers passes beside the steps between its ends", () => {
  const steps = [step("a"), step("b", ["a"]), step("c", ["b", "a"])];
  const layout = rules.layoutOf(steps), [, b] = boxes(layout, steps);
  const long = layout.edges.find(({ from, to }) => from === 0 && to === 2);
  const [, y] = / (\d+(?:\.\d+)?)H/.exec(long.path);
  assert.ok(Number(y) < b.y || Number(y) > b.y + rules.NODE.height, long.path);
  assert.ok(layout.edges.every(({ path }) => /^M[\d.]+ [\d.]+[CH]/.test(path)));
});

test("500 steps are laid out at once, in whatever shape; what cannot be drawn is said", () => {
  const ids = Array.from({ length: 500 }, (_, at) => `s${at}`);
  const shapes = {
    chain: ids.map((id, at) => step(id, at === 0 ? [] : [ids[at - 1]])),
    wide: ids.map((id, at) => step(id, at === 0 ? [] : [ids[0]])),
    all: ids.map((id, at) => step(id, ids.slice(Math.max(0, at - 100), at))),
    batch: ids.map((id, at) => (at < 250 ? step(id, [], { batch: "b" }) : step(id, ["batch:b"]))),
    mesh: ids.map((id, at) =>
      step(id, at < 20 ? [] : ids.slice(at - 20 - (at % 20), at - (at % 20)))),
  };
  for (const [name, steps] of Object.entries(shapes)) {
    const began = performance.now(), layout = rules.layoutOf(steps);
    assert.equal(layout.nodes.length, 500, name);
    assert.equal(new Set(layout.nodes.map(({ x, y }) => `${x} ${y}`)).size, 500, name);
    assert.equal(layout.cut, ["all", "batch", "mesh"].includes(name), name);
    assert.ok(performance.now() - began < 2_000, `${name}: ${performance.now() - began} ms`);
  }
});

test("arrows go up and down in a layer, and along the edges", () => {
  const steps = [step("a"), step("b"), step("c", ["b"]), step("d", ["c"])];
  const layout = rules.layoutOf(steps);
  const ids = layout.nodes.map(({ at }) => steps[at].step_id);
  const go = (from, ...keys) =>
    ids[keys.reduce((at, key) => rules.stepFrom(layout, at, key), ids.indexOf(from))];
  assert.equal(go("a", "down"), "b");
  assert.equal(go("a", "up"), "a");
  assert.equal(go("b", "right", "right"), "d");
  assert.equal(go("d", "right"), "d");
  assert.equal(go("d", "left", "left"), "b");
});

test("the chosen branch is that of the switch's result, or the default", () => {
  const by = (result, status = "completed") => step("s", [], { kind: "switch", status, result });
  const of = (label) => step("x", [], { branch: { switch: "s", label } });
  const chosen = (one, label) => rules.isChosen(of(label), rules.byIdOf([one]));
  assert.deepEqual(["two", "one", null].map((label) => chosen(by("branch:two"), label)),
    [true, false, false]);
  assert.deepEqual(["two", null].map((label) => chosen(by(""), label)), [false, true]);
  assert.equal(chosen(by("", "running"), "two"), null);
  assert.equal(rules.isChosen(step("x"), new Map()), null);
  const map = rules.byIdOf([by("branch:two")]), s = map.get("s");
  const tone = (label, status) => rules.toneOf(s, { ...of(label), status }, map);
  assert.deepEqual([tone("two", "completed"), tone("one", "excluded"), tone("two", "skipped")],
    ["chosen", "out", "out"]);
});

test("what was left out counts neither as done nor as to be done", () => {
  const steps = ["completed", "failed", "excluded", "skipped", "running", "pending"].map(
    (status, at) => step(`s${at}`, [], { status, phase: at === 4 ? "person" : "over" }));
  assert.deepEqual(rules.sumsOf(steps), { done: 2, total: 4, cached: 0, failed: 1, out: 2 });
  const cached = [...steps, step("c", [], { status: "completed", cached: "run_1" })];
  assert.deepEqual([rules.sumsOf(cached).cached, rules.sumsOf(cached).done], [1, 3]);
  assert.deepEqual(rules.markOf(cached.at(-1)), ["▒", "cached"]);
  const took = (more) =>
    rules.tookOf(step("a", [], { began_ms: 1000, changed_ms: 3000, ...more }), 9000);
  assert.deepEqual([took({ status: "completed" }), took({ status: "running" }),
    took({ status: "skipped" }), took({ began_ms: null })], [2000, 8000, null, null]);
});

test("what waits for a person: an approval, and code whose agent asks; not for a place", () => {
  const waits = (more) => rules.isWaiting(step("a", [], { status: "blocked", ...more }));
  assert.deepEqual([waits({ phase: "person" }), waits({ phase: "run" }), waits({ phase: "ready" }),
    waits({ phase: "child", kind: "command" }), waits({ phase: "run", status: "running" })],
  [true, true, false, false, false]);
});

test("a step that has completed or failed runs again alone, or with what comes after it", () => {
  const of = (status, more, isLast = false) =>
    rules.rerunsOf(step("a", [], { status, ...more }), isLast);
  assert.deepEqual(of("completed"), ["rerun", "rerun_from"]);
  assert.deepEqual(of("completed", {}, true), ["rerun"], "nothing comes after it");
  assert.deepEqual(of("completed", { kind: "switch" }), ["rerun_from"]);
  assert.deepEqual(of("completed", { kind: "switch" }, true), ["rerun_from"]);
  for (const status of ["failed", "timed_out"]) assert.deepEqual(of(status), ["rerun_from"]);
  for (const status of ["excluded", "skipped", "pending", "running", "cancelled"]) {
    assert.deepEqual(of(status), [], status);
  }
});

test("a run goes on where something failed or was not reached: as a retry, or as a start", () => {
  const of = (state, parent, ...statuses) => rules.resumeOf({ id: "run_1", state,
    steps: statuses.map((status, at) => step(`s${at}`, [], { status })) }, parent);
  const start = ["/flows", { resumeFromRunId: "run_1" }], retry = ["/runs/run_1/retry", {}];
  assert.equal(of("succeeded", null, "completed", "skipped", "excluded"), null);
  assert.deepEqual(of("succeeded", null, "completed", "failed"), start);
  assert.deepEqual(of("cancelled", null, "completed", "cancelled"), retry);
  assert.deepEqual(of("failed", null, "completed"), retry, "its report failed");
  assert.deepEqual(of("failed", "run_0", "failed"), start, "the daemon retries no part of a run");
});

test("a question from far below belongs to the step above it, once that is known", () => {
  const above = new Map([["run_c", "run_b"], ["run_b", "run_a"], ["run_a", ""]]);
  const below = (run, top) => rules.isBelow(above, run, top);
  assert.deepEqual([below("run_c", "run_a"), below("run_c", "run_b"), below("run_c", "run_c")],
    [true, true, true]);
  assert.deepEqual([below("run_a", "run_b"), below("run_x", "run_a")], [false, false]);
});

test("the input is a question, members, or both", () => {
  assert.deepEqual(rules.inputOf(" why? ", ""), { input: "why?" });
  assert.deepEqual(rules.inputOf("", " "), { input: undefined });
  assert.deepEqual(rules.inputOf("why?", '{"a": 1}'), { input: { a: 1, question: "why?" } });
  for (const bad of ["{", "[1]", "null", "1", '"text"']) assert.equal(rules.inputOf("", bad), null);
});
