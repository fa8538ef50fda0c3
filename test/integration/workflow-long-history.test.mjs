// workflow-long-history.test.mjs: what a run has come to may be more than one message holds, and
// more than a daemon or a script should hold: it is told again piece by piece, in its old order.
//
// runs-with: release, postgres, seldom
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Counting } from "./counting.mjs";
import { logs, whole, Workflows } from "./workflows.mjs";

const PART = 500_000;
/** Together more than the 120 MB of a message. A server of databases takes half a minute to write
 *  that: there they are only more than a worker is told at first. */
const PARTS = process.env.DROVER_DATABASE ? 40 : 260;
/** Of a daemon, over what it had before: far below what its run has come to. */
const GROWTH_MB = 60;

/** A first answer of 500 kB; then the same prompt for everyone, whose answers differ; then one that
 * tells whether these were mixed up. */
const SHAPE = whole(`
const seen = [];
const told = await pipeline(
  [...Array(args.parts).keys()],
  async (i) => {
    const text = await agent("part " + i + " of " + args.word);
    seen.push(i);
    return text.length;
  },
  async (length, i) => length + " " + await agent("the same"),
  async (text, i) => {
    const judged = await agent("judge " + text + " of " + i);
    log(i + " is judged: " + text);
    return judged;
  });
phase("gate");
const last = await agent("held at the gate");
return { seen, told, last };`);

/** Its gate is held until the test opens it. */
class Long extends Counting {
  opened = new Promise((open) => (this.open_gate = open));

  constructor() {
    super((prompt, before) => {
      if (prompt.startsWith("part ")) return { text: `${prompt} ${"x".repeat(PART)}` };
      return { text: prompt === "the same" ? `number ${before}` : `heard ${prompt}` };
    });
  }

  async speak(answer, what) {
    if (what.text.includes("held at the gate")) await this.opened;
    return super.speak(answer, what);
  }
}

async function open(t, args = []) {
  const provider = await new Long().start(t);
  const flows = await Workflows.open(t, { args });
  return { provider, flows, model: await flows.connect(provider) };
}

/** MB of the daemon's memory: VmRSS, now; VmHWM, at most so far. */
function memory(daemon, which) {
  const status = readFileSync(`/proc/${daemon.child.pid}/status`, "utf8");
  return Number(new RegExp(`^${which}:\\s+(\\d+) kB`, "m").exec(status)[1]) / 1024;
}

const atGate = (provider, count) => provider.untilAsked("held at the gate", count);

/** What the run is to come to, by what its lines said while it was first told. */
function check({ end, events }, parts) {
  assert.equal(end.state, "succeeded", JSON.stringify(end).slice(0, 400));
  const { seen, told, last } = end.result;
  assert.equal(last, "heard held at the gate");
  assert.deepEqual([...seen].sort((a, b) => a - b), [...Array(parts).keys()]);
  const lines = logs(events);
  assert.equal(new Set(lines).size, parts);
  assert.equal(lines.length, parts, "each line is told once");
  const judged = new Map(lines.map((line) => line.split(" is judged: ")));
  told.forEach((text, i) => assert.equal(text, `heard judge ${judged.get(String(i))} of ${i}`));
}

test("a run that came to much outlives its daemon, which asks nothing again", async (t) => {
  const { provider, flows, model } = await open(t);
  const args = { parts: PARTS, word: "first" };
  const run = await flows.start({ script: SHAPE, model, args, concurrency: 8 });
  await atGate(provider, 1);
  await flows.daemon.kill();
  await provider.heardTheDead();
  const asked = provider.prompts.length;
  assert.equal(asked, 3 * PARTS + 1);

  const began = performance.now();
  await flows.daemon.start();
  const before = memory(flows.daemon, "VmRSS");
  await atGate(provider, 2);
  const took = Math.round(performance.now() - began);
  const peak = memory(flows.daemon, "VmHWM");
  const told = `${PARTS} outcomes of ${PART / 1000} kB told in ${took} ms`;
  t.diagnostic(`${told}: ${before} MB before, at most ${peak} MB`);
  assert.ok(peak - before < GROWTH_MB, `at most ${peak} MB, before ${before}`);
  provider.open_gate();
  const outcome = await flows.outcome(run);
  check(outcome, PARTS);
  assert.equal(provider.prompts.length, asked + 1, "but for the gate, nothing is asked again");

  // A new run takes all of that over, is killed, too, and is told all of it once more.
  const again = await flows.start({
    script: SHAPE.replace("at the gate", "at the gate, too"),
    model, args, concurrency: 8, resumeFromRunId: run,
  });
  const gate = "held at the gate, too";
  provider.opened = new Promise((go) => (provider.open_gate = go));
  await provider.untilAsked(gate, 1);
  await flows.daemon.kill();
  await flows.daemon.start();
  await provider.untilAsked(gate, 2);
  provider.open_gate();
  const { end } = await flows.outcome(again);
  assert.equal(end.state, "succeeded", JSON.stringify(end).slice(0, 400));
  assert.deepEqual(end.agents, { succeeded: 1, cached: 3 * PARTS, failed: 0, skipped: 0 });
  assert.deepEqual(end.result.told, outcome.end.result.told);
  assert.equal(provider.prompts.length, asked + 3, "what was taken over is not asked again");
});

/** What is at its side is asked in one life, and answers in the next, while the parts are told. */
const SIDE = whole(`
const told = [];
const note = (word) => { told.push(word); log(word); };
const side = agent("at its side").then(() => note("side"));
await Promise.all([...Array(args).keys()].map(async (i) => {
  await agent("part " + i + " of one");
  note(String(i));
}));
await side;
return { told, last: await agent("held at the gate") };`);

test("what ends while that is told comes behind it, in every life", async (t) => {
  const { provider, flows, model } = await open(t);
  const say = provider.say;
  provider.say = (prompt, before) =>
    ({ ...say(prompt, before), ms: prompt === "at its side" && before === 0 ? 600_000 : 0 });
  const parts = 40;
  const run = await flows.start({ script: SIDE, model, args: parts, concurrency: 8 });
  let lines = 0;
  await flows.until(run, ({ type }) => type === "log" && ++lines === parts);
  for (const asked of [1, 2]) {
    await flows.daemon.kill();
    await flows.daemon.start();
    await atGate(provider, asked);
  }
  provider.open_gate();
  const { end, events } = await flows.outcome(run);
  assert.equal(end.state, "succeeded", JSON.stringify(end).slice(0, 400));
  assert.equal(end.result.told.at(-1), "side");
  assert.deepEqual(logs(events), end.result.told);
  assert.equal(provider.prompts.length, parts + 2 + 2, "of the parts none is asked again");
});

test("scripts that lose their processes hear all of that again and again", async (t) => {
  const { provider, flows, model } = await open(t, ["--workers-max", "1"]);
  const parts = 40;
  const start = (word) =>
    flows.start({ script: SHAPE, model, args: { parts, word }, concurrency: 4 });
  const runs = [await start("first"), await start("second")];
  await atGate(provider, 2);
  provider.open_gate();
  for (const run of runs) check(await flows.outcome(run), parts);
  const others = provider.prompts.filter((prompt) => prompt.startsWith("part "));
  assert.equal(others.length, 2 * parts);
  assert.equal(new Set(others).size, 2 * parts, "each was asked once");
  const { text } = await flows.daemon.request("GET", "/metrics");
  assert.ok(Number(/^drover_workflow_workers_dropped_total (\d+)$/m.exec(text)[1]) > 0);
});

/** Of workflow(), the outcome is the script that it found. */
const NESTED = whole(`
const judged = [];
const one = async (i) => {
  const said = await workflow("long", i);
  log(said);
  judged.push(i);
  return said;
};
const told = await Promise.all([...Array(args).keys()].map(one));
return { told, judged, last: await agent("held at the gate") };`);

test("so are long scripts within a script", async (t) => {
  const { provider, flows, model } = await open(t);
  const scripts = 24;
  const padding = `// ${"x".repeat(PART)}`;
  const meta = "export const meta = { name: 'long', description: 'is long' };";
  const body = "return `${args}: ${await agent(`inner ${args}`)} ${await agent('the same')}`;";
  flows.write(".drover/workflows/long.js", `${meta}\n${padding}\n${body}\n`);
  const run = await flows.start({ script: NESTED, model, args: scripts });
  await atGate(provider, 1);
  await flows.daemon.kill();
  await flows.daemon.start();
  await atGate(provider, 2);
  provider.open_gate();
  const { end, events } = await flows.outcome(run);
  assert.equal(end.state, "succeeded", JSON.stringify(end).slice(0, 400));
  const { told, judged } = end.result;
  assert.deepEqual(judged.map((i) => told[i]), logs(events), "in the order of before");
  assert.equal(provider.prompts.length, 2 * scripts + 2, "nothing is asked again");
});
