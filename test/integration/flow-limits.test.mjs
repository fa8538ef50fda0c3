// flow-limits.test.mjs: what bounds a flow: its time, signs of life of its steps, slots, its file.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { asked, ended, flowOf, started, stepOf, written } from "./flow-kit.mjs";
import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";
import { Turns } from "./turns.mjs";

const LIMIT = { timeout: scaled(120_000) };

const flow = (name, steps, more = "") =>
  `export default { name: "${name}", description: "", steps: [${steps}], ${more} };\n`;

const eventsOf = async (turns, run) => (await turns.get(`/streams/run:${run}/events`)).events;
const lastOf = async (turns, run) => (await eventsOf(turns, run)).at(-1).data;

const nothingRuns = (turns) => until("nothing runs", async () =>
  (await turns.get("/runs?live=1")).items.length === 0);

test("the time of a run ends it as timed out, with a report of what there is", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  written(turns, "late", flow("late", `
    { id: "fast", kind: "code", run: () => "done" },
    { id: "slow", kind: "command", command: "sleep 600" },
    { id: "person", kind: "approval", prompt: "Go on?" },
    { id: "after", kind: "code", deps: ["slow"], run: () => "" }`,
  `render: (ctx) => "fast was " + ctx.results.fast`));
  const run = await started(turns, "late", "x", { timeout_ms: 1500 });
  const over = await ended(turns, run);
  assert.deepEqual(over.steps.map(({ status }) => status),
    ["completed", "cancelled", "cancelled", "cancelled"]);
  assert.deepEqual([over.state, over.failed_step, over.report, over.timeout_ms],
    ["timed_out", null, "fast was done", 1500]);
  const row = await turns.get(`/runs/${run}`);
  assert.deepEqual([row.state, row.cause], ["timed_out", "deadline"]);
  const last = await lastOf(turns, run);
  assert.deepEqual([last.run_status, last.report], ["timed_out", "fast was done"]);
  await nothingRuns(turns);
  assert.equal((await turns.get("/approvals")).items.length, 0);
});

test("the time of a run passes while no daemon runs; one that ends in time keeps its end", LIMIT,
  async (t) => {
    const turns = await Turns.open(t);
    written(turns, "waits", flow("waits", '{ id: "person", kind: "approval", prompt: "Go on?" }',
      'render: (ctx) => "the end"'));
    const late = await started(turns, "waits", "x", { timeout_ms: 2000 });
    const early = await started(turns, "waits", "x", { timeout_ms: 600_000 });
    const question = await asked(turns, early);
    await turns.daemon.kill();
    await new Promise((resolve) => setTimeout(resolve, 2500));
    await turns.daemon.start();
    assert.equal((await ended(turns, late)).state, "timed_out");
    await turns.ask("POST", `/approvals/${question.id}`, { decision: "allow" });
    assert.equal((await ended(turns, early)).state, "succeeded");
  });
