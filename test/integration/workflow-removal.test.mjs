// workflow-removal.test.mjs: a workflow that is removed takes along what its agents left: their
// sessions, the turns of these, and the file of its script; and not before all of it has ended.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { appendFileSync, existsSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { until } from "./providers.mjs";
import { whole, Workflows } from "./workflows.mjs";

const status = async (flows, method, target) => (await flows.ask(method, target)).status;
const archived = async (flows) => (await flows.get("/sessions?archived=1")).items;
const TWO = whole(`
return await parallel(['a', 'b'].map((label) => () => agent(\`say: \${label}\`, { label })))`);

const turnsOf = async (flows) => {
  const { items } = await flows.get("/runs?limit=200");
  return items.filter(({ kind }) => kind === "turn");
};

test("the sessions of its agents and their turns go with a workflow, and not before", async (t) => {
  const flows = await Workflows.open(t);
  const { run, end } = await flows.run({ script: TWO });
  assert.deepEqual(end.result, ["a", "b"]);
  const kept = await flows.run({ script: TWO });
  const sessions = await archived(flows);
  const turns = await turnsOf(flows);
  assert.deepEqual([sessions.length, turns.length], [4, 4]);
  const agents = await flows.agents(run);
  const mine = new Set(agents.map(({ id }) => id));
  for (const one of [agents[0], turns.find(({ parent }) => mine.has(parent))]) {
    const answer = await flows.ask("DELETE", `/runs/${one.id}`);
    assert.equal(answer.status, 409, `${one.kind}: ${answer.text}`);
    assert.match(answer.json.detail, /is removed with/);
  }
  assert.equal(await status(flows, "DELETE", `/runs/${run}`), 200);
  assert.equal(await status(flows, "GET", `/runs/${run}`), 404);
  const [left, leftTurns] = [await archived(flows), await turnsOf(flows)];
  assert.deepEqual([left.length, leftTurns.length], [2, 2], "of the other workflow");
  const others = new Set((await flows.agents(kept.run)).map(({ id }) => id));
  assert.ok(leftTurns.every(({ parent }) => others.has(parent)));
  for (const { id } of sessions.filter(({ id }) => !left.some((one) => one.id === id))) {
    assert.equal(await status(flows, "GET", `/sessions/${id}`), 404);
  }
});

test("a session that somebody goes on with stays when its workflow goes", async (t) => {
  const flows = await Workflows.open(t);
  const { run } = await flows.run({ script: whole(`
return await parallel(['a', 'b', 'c'].map((label) => () => agent(\`say: \${label}\`)))`) });
  const [opened, said, left] = await archived(flows);
  const change = await flows.ask("PATCH", `/sessions/${opened.id}`, { archived: false });
  assert.equal(change.status, 200, change.text);
  const text = "delay: 600s";
  const sent = await flows.ask("POST", `/sessions/${said.id}/messages`, { text });
  assert.equal(sent.status, 201, sent.text);
  const live = async () => (await turnsOf(flows)).filter(({ state }) => state === "running");
  const [{ id }] = await live();
  assert.equal(await status(flows, "DELETE", `/runs/${run}`), 200);
  assert.deepEqual((await live()).map((one) => one.id), [id], "it goes on");
  for (const session of [opened, said]) {
    const { items } = await flows.get(`/sessions/${session.id}/messages`);
    assert.match(JSON.stringify(items), /say: [abc]/);
  }
  assert.equal(await status(flows, "GET", `/sessions/${left.id}`), 404);
  assert.equal((await turnsOf(flows)).length, 1, "those of its agents are gone");
});

test("a workflow stays while a turn below one of its agents still stops", async (t) => {
  const flows = await Workflows.open(t);
  const deaf = "trap '' TERM; touch started; while [ ! -e go ]; do sleep 0.05; done";
  const call = `call: run_command ${JSON.stringify({ command: "sh", args: ["-c", deaf] })}`;
  const settings = { permissions: [{ tool: "run_command", subject: "*", permission: "allow" }] };
  const script = whole("return await agent(args, { label: 'deaf' })");
  const run = await flows.start({ script, settings, args: call });
  await until("its command runs", () => existsSync(path.join(flows.root, "started")));
  assert.equal((await flows.ask("POST", `/runs/${run}/stop`, {})).status, 200);
  assert.equal((await flows.outcome(run)).end.state, "cancelled");
  const live = async () => (await flows.get("/runs?live=1")).items.length;
  assert.ok((await live()) > 0, "its command is deaf for a while");
  const answer = await flows.ask("DELETE", `/runs/${run}`);
  assert.deepEqual([answer.status, answer.json.code], [409, "conflict"]);
  assert.match(answer.json.detail, /below it has not ended/);
  flows.write("go", "");
  await until("all has ended", async () => (await live()) === 0);
  assert.equal(await status(flows, "DELETE", `/runs/${run}`), 200);
  assert.deepEqual(await archived(flows), []);
});

test("behind four thousand scripts that are kept, one more has no file, and runs", async (t) => {
  const flows = await Workflows.open(t);
  const { scriptPath: known } = await flows.launch({ script: whole("return 1") });
  for (let i = 0; i < 4096; i++) writeFileSync(path.join(path.dirname(known), `${i}.js`), "");
  assert.equal((await flows.launch({ script: whole("return 1") })).scriptPath, known);
  const { runId, scriptPath } = await flows.launch({ script: whole("return 2") });
  assert.equal(scriptPath, undefined);
  assert.equal((await flows.outcome(runId)).end.result, 2);
});

test("what is kept no longer goes, with the files of scripts that nobody edited", async (t) => {
  const flows = await Workflows.open(t, { args: ["--keep-bytes", "1"] });
  const says = (word) => whole(`return await agent('${word}')`);
  const ended = async (script) => {
    const { runId, scriptPath } = await flows.launch({ script });
    await flows.ended(runId);
    return { runId, scriptPath };
  };
  const gone = await ended(says("say: gone"));
  const fresh = await ended(says("say: fresh"));
  const edited = await ended(says("say: edited"));
  appendFileSync(edited.scriptPath, "// mine\n");
  const live = await flows.launch({ script: says("delay: 600s") });
  const old = new Date(Date.now() - 2 * 86_400_000);
  for (const { scriptPath } of [gone, edited, live]) utimesSync(scriptPath, old, old);
  const job = { argv: ["echo", "so that there is something to keep"] };
  assert.equal((await flows.ask("POST", "/jobs", job)).status, 201);
  await until("the file is removed", () => !existsSync(gone.scriptPath));
  for (const { runId } of [gone, fresh, edited]) {
    assert.equal(await status(flows, "GET", `/runs/${runId}`), 404);
  }
  assert.match(readFileSync(edited.scriptPath, "utf8"), /mine/);
  assert.ok(existsSync(fresh.scriptPath), "of today");
  assert.ok(existsSync(live.scriptPath), "its run lives");
  assert.equal((await archived(flows)).length, 1, "that of the agent that works");
});
