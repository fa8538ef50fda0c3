// damaged-flows.test.mjs: flows of which the database refuses a row for good. Each ends, and its
// row says why; others go on.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { asked, ended, flowOf, started, stepOf, written } from "./flow-kit.mjs";
import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";
import { change } from "./sql.mjs";
import { Turns } from "./turns.mjs";

const LIMIT = { timeout: scaled(300_000) };
const GATE = '{ id: "gate", kind: "approval", prompt: "?" }';
const flow = (...steps) => `export default { steps: [${[GATE, ...steps].join(", ")}] };\n`;
const approvals = async (turns) => (await turns.get("/approvals")).items;

/** Says yes to the flow that asks; then its other steps begin. */
async function allow(turns, run) {
  const { id } = await asked(turns, run);
  const answer = await turns.ask("POST", `/approvals/${id}`, { decision: "allow" });
  assert.equal(answer.status, 200, answer.text);
}

/** The row of a run, once its stream has ended: the last of its tries come late. */
async function endOf(turns, run) {
  for (let after = 0, over = false; !over;) {
    const { events } = await turns.get(`/streams/run:${run}/events?after=${after}&wait=20`);
    after = events.at(-1)?.seq ?? after;
    over = events.some(({ data }) => data.run_status !== undefined);
  }
  return turns.get(`/runs/${run}`);
}

async function eventsOf(turns, run) {
  const { events } = await turns.get(`/streams/run:${run}/events?limit=1000`);
  return events.map(({ data }) => data);
}

async function damaged(t) {
  const turns = await Turns.open(t);
  written(turns, "plain", flow());
  written(turns, "says", flow('{ id: "says", kind: "code", deps: ["gate"], run: () => "twice" }'));
  written(turns, "begins", flow(
    '{ id: "job", kind: "command", deps: ["gate"], command: "echo again" }',
    '{ id: "after", kind: "code", deps: ["job"], trigger_rule: "all_done", run: () => "on" }'));
  const names = ["plain", "plain", "plain", "says", "says", "begins", "begins"];
  const runs = [];
  for (const name of names) runs.push(await started(turns, name, "x"));
  for (const run of runs) await asked(turns, run);
  const [word, gone, well, first, twice, begun, refused] = runs;
  const id = (run) => `(SELECT id FROM runs WHERE run = '${run}')`;
  await allow(turns, first);
  await allow(turns, begun);
  assert.equal((await ended(turns, first)).state, "succeeded");
  assert.equal((await ended(turns, begun)).state, "succeeded");
  await change(turns,
    `UPDATE flows SET stage = 'nonesuch' WHERE run = ${id(word)}`,
    `DELETE FROM flows WHERE run = ${id(gone)}`,
    "CREATE UNIQUE INDEX once ON flow_steps (result) WHERE result = 'twice'",
    "CREATE UNIQUE INDEX one ON runs (command) WHERE command = 'echo again'");
  for (const run of [well, twice, refused]) await allow(turns, run);

  for (const run of [word, gone, twice]) {
    const row = await endOf(turns, run);
    assert.deepEqual([row.state, row.cause], ["failed", "not_stored"], run);
    assert.match(row.note, /^a step of it could not be stored or read: .* \(\w+\)$/);
    const events = await eventsOf(turns, run);
    assert.deepEqual(events.filter((one) => one.run_status).map((one) => [one.run_status,
      one.run_cause]), [["failed", "not_stored"]]);
  }
  assert.equal((await flowOf(turns, word)).stage, "over");
  assert.equal(stepOf(await flowOf(turns, word), "gate").status, "cancelled");
  assert.equal(stepOf(await flowOf(turns, twice), "says").status, "cancelled");
  assert.deepEqual(await approvals(turns), []);

  // The child's own failure: what tolerates that goes on.
  const child = await ended(turns, refused);
  assert.match(stepOf(child, "job").note, /it could not be started: .* \(conflict\)/);
  assert.equal(stepOf(child, "after").status, "completed");
  assert.equal((await ended(turns, well)).state, "succeeded");
  const ready = (await turns.daemon.request("GET", "/readyz")).json;
  assert.equal(ready.abandoned, 0);
}

async function refusedEnd(t) {
  const turns = await Turns.open(t);
  written(turns, "plain", flow());
  const runs = [await started(turns, "plain", "x"), await started(turns, "plain", "x")];
  for (const run of runs) await asked(turns, run);
  await change(turns,
    "UPDATE flows SET stage = 'nonesuch'",
    "CREATE UNIQUE INDEX one ON runs (cause) WHERE cause = 'not_stored'");
  const abandoned = async () =>
    (await turns.daemon.request("GET", "/readyz")).json.abandoned;
  const over = await Promise.race(runs.map((run) => endOf(turns, run)));
  await until("the other one is given up", async () => await abandoned() > 0);
  assert.equal(await abandoned(), 1);
  const doctor = await turns.daemon.cli(["doctor"]);
  assert.match(doctor.stdout, /^warn +runs +the database refused 1 step of runs/m);
  const left = runs.find((run) => run !== over.id);
  assert.equal((await turns.get(`/runs/${left}`)).state, "running");
  assert.equal((await turns.ask("DELETE", `/runs/${over.id}`)).status, 200);
  assert.equal((await endOf(turns, left)).cause, "not_stored");
}

// Beside each other: a write is tried for half a minute before it counts as refused for good.
test("flows of which the database refuses a row", { ...LIMIT, concurrency: 2 }, (t) => Promise.all([
  t.test("a flow whose rows are damaged, or refuse what is stored, fails and says why", damaged),
  t.test("a flow whose end is refused is named by the doctor, and ends when it can", refusedEnd),
]));
