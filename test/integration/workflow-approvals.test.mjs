// workflow-approvals.test.mjs: agents of a workflow that wait for a person.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { until } from "./providers.mjs";
import { logs, whole, Workflows } from "./workflows.mjs";

const COMMAND = "call: run_command {\"command\": \"true\"}";
const AGENT_MS = 4000;
const asking = (...then) => `agent(${JSON.stringify([COMMAND, ...then].join("\n"))})`;
const start = (flows, body, more) =>
  flows.start({ script: whole(body), model: "scripted/demo", ...more });

/** The one that waits, of a run whose only agent asks. */
async function asked(flows) {
  const open = async () => (await flows.get("/approvals")).items;
  await until("somebody is asked", async () => (await open()).length === 1);
  return (await open())[0].id;
}
const allow = (flows, id) => flows.ask("POST", `/approvals/${id}`, { decision: "allow" });
const past = (at) => until("its time would be over", () => Date.now() > at);

test("an agent that waits for a person loses no time of its own", async (t) => {
  const flows = await Workflows.open(t);
  const run = await start(flows, `return await ${asking("say: done")};`,
    { agent_timeout_ms: AGENT_MS });
  const id = await asked(flows);
  await past(Date.now() + AGENT_MS + 200);
  await allow(flows, id);
  assert.equal((await flows.outcome(run)).end.result, "done");
});

test("what an agent waited for is no time of its own behind a crash either, and its place is " +
  "another's", async (t) => {
  const flows = await Workflows.open(t);
  const body = `return await parallel([() => ${asking("say: done")}, async () => {
    for (const i of [1, 2]) log(await agent("say: other " + i));
  }]);`;
  const run = await start(flows, body, { agent_timeout_ms: AGENT_MS, concurrency: 1 });
  const id = await asked(flows);
  const began = Date.now();
  await flows.until(run, ({ data }) => data.text === "other 2");
  await flows.daemon.kill();
  await flows.daemon.start();
  await past(began + AGENT_MS + 200);
  await allow(flows, id);
  const { end, events } = await flows.outcome(run);
  assert.deepEqual(end.result, ["done", null]);
  assert.deepEqual(logs(events), ["other 1", "other 2"]);
});

test("behind a crash the place of an agent that waits is given back", async (t) => {
  const flows = await Workflows.open(t);
  const run = await start(flows, `return await parallel([() => ${asking("say: done")},
    () => agent("say: other")]);`, { concurrency: 1, agent_timeout_ms: AGENT_MS });
  const id = await asked(flows);
  await flows.daemon.kill();
  await flows.daemon.start();
  await flows.until(run, ({ type, data }) => type === "agent_finished" && data.cause === null);
  await allow(flows, id);
  assert.deepEqual((await flows.outcome(run)).end.result, ["done", "other"]);
});

test("the clock of an agent goes on when it was answered", async (t) => {
  const flows = await Workflows.open(t);
  const run = await start(flows, `return await ${asking("delay: 600s")};`,
    { agent_timeout_ms: AGENT_MS });
  await allow(flows, await asked(flows));
  const { events } = await flows.outcome(run);
  const { data } = events.find(({ type }) => type === "agent_finished");
  assert.equal(data.cause, "timed_out");
});

test("the time of a run goes on while somebody is asked", async (t) => {
  const flows = await Workflows.open(t);
  const run = await start(flows, `return await ${asking("say: done")};`, { timeout_ms: 2000 });
  await asked(flows);
  assert.equal((await flows.outcome(run)).end.state, "timed_out");
});
