// workflow-approvals.test.mjs: agents of a workflow that wait for a person.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";
import { logs, whole, Workflows } from "./workflows.mjs";

const MODEL = "scripted/demo";
const COMMAND = "call: run_command {\"command\": \"true\"}";
const AGENT_MS = scaled(4000);
const asking = (...then) => `agent(${JSON.stringify([COMMAND, ...then].join("\n"))})`;
const start = (flows, body, more) =>
  flows.start({ script: whole(body), model: MODEL, ...more });

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
  const run = await start(flows, `return await ${asking("say: done")};`,
    { timeout_ms: scaled(2000) });
  await asked(flows);
  assert.equal((await flows.outcome(run)).end.state, "timed_out");
});

// --- Edits ---------------------------------------------------------------------------------------

const writing = (file, content = "new\n") =>
  `call: write_file ${JSON.stringify({ path: file, content })}`;
const turn = (...lines) => `agent(${JSON.stringify([...lines, "say: done"].join("\n"))})`;

test("agents write and edit files beneath the root, and nobody is asked", async (t) => {
  const flows = await Workflows.open(t);
  flows.write("b.txt", "old\n");
  const edit = { path: "b.txt", old_text: "old", new_text: "new" };
  const one = turn(writing("src/a.txt"), `call: edit_file ${JSON.stringify(edit)}`);
  const { end } = await flows.run({ script: whole(`return await ${one};`), model: MODEL });
  assert.equal(end.result, "done");
  for (const file of ["src/a.txt", "b.txt"]) {
    assert.equal(readFileSync(path.join(flows.root, file), "utf8"), "new\n");
  }
});

test("deletes, commands and what says what is run are asked for; rules come first", async (t) => {
  const flows = await Workflows.open(t);
  flows.write("old.txt", "old\n");
  const permissions = (...rules) => ({ permissions: rules });
  const rule = (permission) => permissions({ tool: "write_file", subject: "*.txt", permission });
  for (const [line, settings] of [
    ["call: delete_file {\"path\": \"old.txt\"}"], [COMMAND], [writing(".git/hooks/post-commit")],
    [writing("sub/.claude/agents/x.md")], [writing(".drover/workflows/x.js")],
    [writing("a.txt"), rule("ask")], [writing("a.txt"), { edits: "ask" }],
    [writing("a.txt"), permissions({ permission: "ask" })],
  ]) {
    const run = await start(flows, `return await ${turn(line)};`, { settings });
    const id = await asked(flows);
    await flows.ask("POST", `/approvals/${id}`, { decision: "deny" });
    assert.equal((await flows.outcome(run)).end.result, "done");
  }
  await flows.run({ script: whole(`return await ${turn(writing("a.txt"))};`), model: MODEL,
    settings: rule("deny") });
  assert.deepEqual(readdirSync(flows.root), ["old.txt"]);
  assert.equal((await flows.get("/approvals?all=1")).items.length, 8, "what is denied asks nobody");
});

test("a setting that is no word of edits is refused", async (t) => {
  const flows = await Workflows.open(t);
  const body = { script: whole("return 1"), settings: { edits: true } };
  const answer = await flows.ask("POST", "/workflows", body);
  assert.equal(answer.status, 400);
  assert.match(answer.json.detail, /edits: must be "ask", "allow", or at most/);
});

test("a model's workflow may edit what its session may edit", async (t) => {
  const flows = await Workflows.open(t);
  const script = whole(`return await ${turn(writing("a.txt"))};`);
  const text = `call: run_workflow ${JSON.stringify({ script })}\nsay: I wait`;
  const launch = async (settings) => {
    const body = { model: MODEL, title: "A talk", root: flows.root, settings };
    const { json } = await flows.ask("POST", "/sessions", body);
    await flows.ask("POST", `/sessions/${json.id}/messages`, { text });
  };
  await launch({});
  const id = await asked(flows);
  assert.deepEqual(readdirSync(flows.root), []);
  await flows.ask("POST", `/approvals/${id}`, { decision: "deny" });
  await launch({ edits: "allow" });
  const file = path.join(flows.root, "a.txt");
  await until("it is written", () => existsSync(file));
  assert.equal((await flows.get("/approvals?all=1")).items.length, 1);
});

test("its stream tells that an agent waits, and how that was answered", async (t) => {
  const flows = await Workflows.open(t);
  const ask = asking("say: done").replace(/\)$/, ", { label: 'asker' })");
  const run = await start(flows, `return [await ${ask}, await agent("say: other")];`);
  const [waiting] = (await flows.until(run, ({ type }) => type === "agent_waiting")).slice(-1);
  const { id, run: turn } = (await flows.get("/approvals")).items[0];
  const { key } = waiting.data;
  assert.match(key, /^[0-9a-f]{16}\.1$/);
  const about = { run: waiting.data.run, key, label: "asker", approval: id, kind: "leave",
    tool: "run_command" };
  assert.deepEqual(waiting.data, { ...about, state: "open" });
  assert.notEqual(about.run, turn);
  await flows.daemon.kill();
  await flows.daemon.start();
  await allow(flows, id);
  const { events, end } = await flows.outcome(run);
  assert.deepEqual(end.result, ["done", "other"]);
  const told = events.filter(({ type }) => /^agent_(waiting|answered)$/.test(type));
  assert.deepEqual(told.map(({ type }) => type), ["agent_waiting", "agent_answered"]);
  assert.deepEqual(told[1].data, { ...about, state: "allowed" });
  assert.equal(events.find(({ type }) => type === "agent_started").data.run, about.run);
});

test("a run that is stopped while its agent waits ends its stream for good", async (t) => {
  const flows = await Workflows.open(t);
  const run = await start(flows, `return await ${asking("say: done")};`);
  const id = await asked(flows);
  assert.equal((await flows.ask("POST", `/runs/${run}/stop`, {})).status, 200);
  const { end } = await flows.outcome(run);
  assert.equal(end.state, "cancelled");
  const late = await allow(flows, id);
  assert.ok([200, 409].includes(late.status), late.text);
  await flows.outcome(run);
});
