// workflow-timers.test.mjs: timers of a workflow's script fire once and not before their time, over
// a killed daemon, a pause, a restart and a worker that was evicted; and who has them.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { Counting } from "./counting.mjs";
import { logs, whole, Workflows } from "./workflows.mjs";

const META = "export const meta = { name: 'waits', description: 'waits', timers: true };";
const timed = (body) => `${META}\n${body}`;

const opened = async (t, say, options) => {
  const provider = new Counting(say);
  await provider.start(t);
  const flows = await Workflows.open(t, options);
  return { provider, flows, model: await flows.connect(provider) };
};
const timers = async (flows, run, more = "") =>
  (await flows.get(`/runs/${run}/timers?limit=100${more}`)).items;
const isStarted = ({ type }) => type === "timer_started";
const finished = (events) => events.filter(({ type }) => type === "timer_finished");

/** Every timer of an ended run: one event of its end, and none before it was due. */
async function checkTimers(flows, run, events) {
  const rows = await timers(flows, run);
  const ends = new Map();
  for (const { data } of finished(events)) {
    assert.ok(!ends.has(data.timer), `timer ${data.timer} ends once`);
    ends.set(data.timer, data.state);
  }
  for (const row of rows) {
    assert.equal(ends.get(row.timer), row.state === "cancelled" ? undefined : row.state);
    if (row.state === "fired") assert.ok(row.ended_ms >= row.due_ms, JSON.stringify(row));
    assert.equal(row.done_no > 0, row.state !== "cancelled");
  }
  return rows;
}

const THREE = timed(`
const order = [];
setTimeout((name) => { order.push(name); log('fired ' + name); }, 2500, 'late');
setTimeout((name) => { order.push(name); log('fired ' + name); }, 1000, 'early');
clearTimeout(setTimeout(() => log('never'), 10));
await sleep(3000);
return order`);

test("timers outlive a kill of the daemon, and fire once", async (t) => {
  const flows = await Workflows.open(t);
  const run = await flows.start({ script: THREE });
  await flows.until(run, ({ type, data }) => isStarted({ type }) && data.timer === 4);
  const before = await timers(flows, run);
  await flows.daemon.kill();
  await pause(1300); // "early" is due while no daemon is there.
  await flows.daemon.start();
  const { events, end } = await flows.outcome(run);
  assert.deepEqual(end.result, ["early", "late"]);
  assert.deepEqual(logs(events), ["fired early", "fired late"]);
  const rows = await checkTimers(flows, run, events);
  assert.deepEqual(rows.map(({ due_ms }) => due_ms), before.map(({ due_ms }) => due_ms),
    "the due time is fixed where the timer is made");
  assert.deepEqual(rows.map(({ state }) => state), ["fired", "fired", "cleared", "fired"]);
  assert.deepEqual(end.agents, { succeeded: 0, cached: 0, failed: 0, skipped: 0 });
});

test("timers that are all overdue after a kill end in the order of their times", async (t) => {
  const flows = await Workflows.open(t);
  const run = await flows.start({ script: THREE.replace("2500", "900").replace("1000", "300")
    .replace("3000", "950") });
  await flows.until(run, ({ type, data }) => isStarted({ type }) && data.timer === 4);
  await flows.daemon.kill();
  await pause(1000);
  await flows.daemon.start();
  const { events, end } = await flows.outcome(run);
  assert.deepEqual(end.result, ["early", "late"]);
  await checkTimers(flows, run, events);
});

test("a paused run fires no timer, also over a restart; a resume fires the overdue", async (t) => {
  const flows = await Workflows.open(t);
  const run = await flows.start({ script: timed("await sleep(600); log('on'); return 'woke'") });
  await flows.until(run, isStarted);
  assert.equal((await flows.ask("POST", `/runs/${run}/pause`)).status, 200);
  await pause(900);
  assert.equal((await timers(flows, run))[0].state, "pending");
  await flows.daemon.kill();
  await flows.daemon.start();
  await pause(300);
  assert.equal((await timers(flows, run))[0].state, "pending");
  const { json } = await flows.ask("POST", `/runs/${run}/resume`);
  const { events, end } = await flows.outcome(json.id);
  assert.equal(end.result, "woke");
  assert.deepEqual(logs(events), ["on"]);
  await checkTimers(flows, run, events);
  const types = events.map(({ type }) => type);
  assert.ok(types.indexOf("workflow_resumed") < types.indexOf("timer_finished"), types.join());
});

test("a script that polls with sleep ends as its author expects", async (t) => {
  let asked = 0;
  const { flows, model, provider } = await opened(t, () => ({ text: `{"done":${++asked > 3}}` }));
  flows.write(".boocode/workflows/poll.js", `export default async function main() {
    let turns = 0;
    const properties = { done: { type: "boolean" } };
    const schema = { type: "object", required: ["done"], properties };
    while (!(await agent("is it done? " + turns, { schema })).output.done) {
      turns++;
      await sleep(60);
    }
    return turns;
  }`);
  const run = await flows.start({ scriptPath: ".boocode/workflows/poll.js", model });
  const { end, events } = await flows.outcome(run);
  assert.equal(end.result, 3);
  assert.equal(provider.prompts.length, 4);
  assert.equal((await checkTimers(flows, run, events)).length, 3);
});

test("timers are there below .boocode/workflows and with meta.timers alone", async (t) => {
  const flows = await Workflows.open(t);
  const body = "return [typeof setTimeout, typeof clearTimeout, typeof sleep]";
  const none = ["undefined", "undefined", "undefined"];
  const all = ["function", "function", "function"];
  assert.deepEqual((await flows.run({ script: whole(body) })).end.result, none);
  assert.deepEqual((await flows.run({ script: timed(body) })).end.result, all);
  flows.write(".boocode/workflows/has.js", whole(body));
  const child = "export const meta = { name: 'child', description: 'c' };\n";
  flows.write(".drover/workflows/child.js", child + body);
  assert.deepEqual((await flows.run({ scriptPath: ".boocode/workflows/has.js" })).end.result, all);
  assert.deepEqual((await flows.run({ script: timed(
    "return await workflow({ scriptPath: '.drover/workflows/child.js' })") })).end.result, none);
  const off = whole(body).replace("'counts sheep'", "'none', timers: false");
  flows.write(".boocode/workflows/off.js", off);
  assert.deepEqual((await flows.run({ scriptPath: ".boocode/workflows/off.js" })).end.result, none);
});

test("a stop cancels timers, and so does the end of a script", async (t) => {
  const flows = await Workflows.open(t);
  const run = await flows.start({ script: timed("await sleep(60000)") });
  await flows.until(run, isStarted);
  assert.equal((await flows.ask("POST", `/runs/${run}/stop`)).status, 200);
  const { end, events } = await flows.outcome(run);
  assert.equal(end.state, "cancelled");
  const rows = await checkTimers(flows, run, events);
  assert.deepEqual(rows.map(({ state }) => state), ["cancelled"]);
  const script = timed("setTimeout(() => log('no'), 60000); await sleep(5)");
  const left = await flows.run({ script });
  assert.equal(left.end.state, "succeeded");
  const states = (await checkTimers(flows, left.run, left.events)).map(({ state }) => state);
  assert.deepEqual(states, ["cancelled", "fired"]);
  assert.deepEqual(logs(left.events), []);
});

test("what a callback throws ends the run with its place", async (t) => {
  const flows = await Workflows.open(t);
  const { end } = await flows.run({ script: timed(
    "setTimeout(() => { throw new Error('broken') }, 20);\nawait sleep(5000)") });
  assert.deepEqual([end.state, end.cause, end.error.message, end.error.line],
    ["failed", "script_error", "broken", 2]);
});

test("a run that waits for a timer may lose its process, and wakes", async (t) => {
  const flows = await Workflows.open(t, { args: ["--workers-max", "1"] });
  const script = timed(
    "for (let i = 0; i < 3; i++) { await sleep(250); log(args + i) } return args");
  const runs = [];
  for (const args of ["a", "b", "c"]) runs.push(await flows.start({ script, args }));
  for (const [i, run] of runs.entries()) {
    const { end, events } = await flows.outcome(run);
    assert.equal(end.result, "abc"[i]);
    assert.deepEqual(logs(events), [0, 1, 2].map((n) => `${"abc"[i]}${n}`));
    await checkTimers(flows, run, events);
  }
  const { text } = await flows.daemon.request("GET", "/metrics");
  assert.ok(Number(/^drover_workflow_workers_dropped_total (\d+)$/m.exec(text)[1]) > 0);
});

test("a resumed run takes a timer that had fired as fired, in its place", async (t) => {
  const { flows, model, provider } = await opened(t);
  const script = (last) => timed(`
    const seen = [];
    setTimeout(() => seen.push("timer"), 700);
    seen.push(await agent("one")); await sleep(900); seen.push(await agent("two ${last}"));
    return seen`);
  const first = await flows.run({ script: script("a"), model });
  const began = Date.now();
  const second = await flows.run({ script: script("b"), model, resumeFromRunId: first.run });
  assert.ok(Date.now() - began < 700, "nobody waits a second time");
  assert.deepEqual(second.end.result, ["heard one", "timer", "heard two b"]);
  assert.deepEqual(provider.prompts, ["one", "two a", "two b"]);
  const rows = await checkTimers(flows, second.run, second.events);
  for (const { state, cached } of rows) assert.deepEqual([state, cached], ["fired", true]);
});

test("show, trace and plan have a word for timers", async (t) => {
  const flows = await Workflows.open(t);
  const run = await flows.start({ script: timed("await sleep(90000)") });
  await flows.until(run, isStarted);
  const shown = await flows.daemon.cli(["show", run]);
  assert.match(shown.stdout, /waits +1 timer of the script; the next one is due in 1m/);
  const [row] = await timers(flows, run, "&state=pending");
  assert.deepEqual([row.kind, row.name, row.state, row.line], ["timer", "sleep", "pending", 2]);
  assert.equal(row.due_ms - row.made_ms, 90000);
  for (const more of ["", "&below=1"]) {
    const { items } = await flows.get(`/runs/${run}/spans?limit=10${more}`);
    const span = items.find(({ kind }) => kind === "timer");
    assert.deepEqual([span.name, span.state, span.due_ms, span.step],
      ["sleep", "waiting", row.due_ms, 1]);
  }
  assert.match((await flows.daemon.cli(["trace", run])).stdout, /timer +sleep/);
  const plan = await flows.ask("POST", "/scripts/plan",
    { script: timed("await sleep(90000); return 1"), root: flows.root });
  assert.deepEqual([plan.json.valid, plan.json.notes], [true, []]);
  assert.equal((await flows.ask("GET", "/runs/run_none/timers")).status, 404);
});
