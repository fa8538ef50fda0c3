// workflow-memory.test.mjs: what a script that asks for very much at once costs the daemon.
//
// runs-with: release, seldom
// DROVER_TEST_ALL  200 agents, and 16 runs at once; else 100 and 8.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { whole, Workflows } from "./workflows.mjs";

const script = (agents) => whole(`
const long = "x".repeat(1_000_000);
const ask = (i) => agent("say: " + i + "\\n" + long, { label: "a" + i });
const said = await Promise.all([...Array(${agents}).keys()].map(ask));
return said.filter((text, i) => text === String(i)).length;`);

const PARTS = process.env.DROVER_TEST_ALL ? 2 : 1;
const AGENTS = PARTS * 100;
/** With 40 MB of prompts and rows each. */
const RUNS = PARTS * 8;

/** MB of the daemon's memory: VmRSS, now; VmHWM, at most so far. */
function memory(daemon, which) {
  const status = readFileSync(`/proc/${daemon.child.pid}/status`, "utf8");
  return Number(new RegExp(`^${which}:\\s+(\\d+) kB`, "m").exec(status)[1]) / 1024;
}

/** A model that takes such prompts: without it, their calls are not made. */
async function open(t) {
  const flows = await Workflows.open(t);
  const { status } = await flows.ask("PATCH", "/settings", { window: 1_000_000 });
  assert.equal(status, 200);
  return flows;
}

test(`${AGENTS} agents with prompts of 1 MB succeed, and most wait in their worker`, async (t) => {
  const flows = await open(t);
  const first = await flows.run({ script: whole("return await agent('say: 1')") });
  assert.equal(first.end.result, "1");
  const before = memory(flows.daemon, "VmRSS");

  const { end } = await flows.run({ script: script(AGENTS), concurrency: 2 });
  assert.equal(end.result, AGENTS);
  const [peak, after] = [memory(flows.daemon, "VmHWM"), memory(flows.daemon, "VmRSS")];
  t.diagnostic(`${before} MB before, at most ${peak} MB, ${after} MB after`);
  assert.ok(peak - before < 80 * PARTS, `at most ${peak} MB, before ${before}`);
  assert.ok(after - before < 40, `${after} MB are left, before ${before}`);
});

test("many such scripts at once hold little more together than one of them", async (t) => {
  const flows = await open(t);
  await flows.run({ script: whole("return await agent('say: 1')") });
  const before = memory(flows.daemon, "VmRSS");
  const runs = await Promise.all(
    Array.from({ length: RUNS }, () => flows.start({ script: script(20), concurrency: 1 })),
  );
  for (const run of runs) assert.equal((await flows.outcome(run)).end.result, 20);
  const peak = memory(flows.daemon, "VmHWM");
  t.diagnostic(`${before} MB before, at most ${peak} MB`);
  assert.ok(peak - before < 100 + 100 * PARTS, `at most ${peak} MB, before ${before}`);
});

test("what an older run answers, and what comes of others behind it, waits for all", async (t) => {
  const flows = await open(t);
  const { run } = await flows.run({ script: script(40), concurrency: 2 });
  const edited = script(40).replace('"say: " + i +', '"say: " + i + (i % 2 ? "" : " ") +');
  const { end } = await flows.run({ script: edited, resumeFromRunId: run, concurrency: 2 });
  assert.deepEqual([end.agents.cached, end.agents.succeeded], [20, 20]);
});

test("a pause, and a daemon that is killed, in the middle of them change nothing", async (t) => {
  const flows = await open(t);
  const run = await flows.start({ script: script(40), concurrency: 2 });
  const finished = ({ type }) => type === "agent_finished";
  await flows.until(run, finished);
  assert.equal((await flows.ask("POST", `/runs/${run}/pause`)).status, 200);
  await flows.daemon.kill();
  await flows.daemon.start();
  assert.equal((await flows.ask("POST", `/runs/${run}/resume`)).status, 200);
  const { end } = await flows.outcome(run);
  assert.deepEqual([end.result, end.agents.succeeded], [40, 40]);
});
