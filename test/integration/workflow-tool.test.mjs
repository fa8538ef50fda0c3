// workflow-tool.test.mjs: workflows that a model starts, by the tool run_workflow.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { scaled } from "./scale.mjs";
import { call, Listener, say, script, textOf, toolsOf, Turns } from "./turns.mjs";

const flow = (body, name = "sums") =>
  `export const meta = {name: "${name}", description: "adds up"};\n${body}`;
const launch = (input) => call("run_workflow", input);
const SHAPE = ["status", "taskId", "runId", "taskType", "workflowName", "summary", "scriptPath"];
const HANGS = flow(`return agent("delay: 600s");`);

/** The card of one turn that starts a workflow: {card, result, run: of the turn}. */
async function start(turns, listener, input) {
  const { run, message } = await turns.turn(listener, script(launch(input), say("I wait")));
  const [card] = toolsOf(message);
  return { card, result: JSON.parse(card.text), run };
}

/** One that runs; its id. */
async function begin(turns, listener, input) {
  const { card, result } = await start(turns, listener, input);
  assert.equal(card.state, "succeeded", card.text);
  return result.runId;
}

/** What the session is told of its end, when the turn about that is done: {notice, run}. */
async function told(turns, listener, runId) {
  for (;;) {
    const all = await turns.messages(listener.session);
    const found = all.find((one) => one.role === "notice" && textOf(one).includes(runId));
    if (found !== undefined && (await turns.get(`/runs/${found.run}`)).state === "succeeded") {
      return { notice: JSON.parse(textOf(found).split("\n").at(-1)), run: found.run };
    }
    assert.ok(await listener.sse.next());
  }
}

const workflows = async (turns) => (await turns.get("/runs?kind=workflow")).items;

async function ended(turns, run) {
  for (let after = 0; ; ) {
    const page = await turns.get(`/streams/run:${run}/events?after=${after}&wait=30`);
    const last = page.events.find((event) => event.type === "workflow_finished");
    if (last !== undefined) return last.data;
    after = page.events.at(-1)?.seq ?? after;
  }
}

// --- Started -------------------------------------------------------------------------------------

test("a script is started at once, and its result comes in a turn of its own", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const body = `const found = await agent("say: found it", {label: "finder"});
await agent("fail: 400", {label: "looser"});
return {found, of: args.of};`;
  const { card, result } = await start(turns, listener, { script: flow(body), args: { of: 7 } });
  assert.deepEqual(Object.keys(result), SHAPE);
  const { status, taskId, runId, taskType, workflowName, summary, scriptPath } = result;
  assert.deepEqual([status, taskType, workflowName, summary, taskId],
    ["async_launched", "local_workflow", "sums", "adds up", runId]);
  assert.deepEqual([card.state, card.run], ["succeeded", runId]);
  assert.ok(existsSync(scriptPath));
  const { notice } = await told(turns, listener, runId);
  assert.deepEqual([notice.kind, notice.label, notice.state], ["workflow", "sums", "degraded"]);
  assert.deepEqual(JSON.parse(notice.output), { found: "found it", of: 7 });
  assert.deepEqual(notice.agents, { succeeded: 1, cached: 0, failed: 1, skipped: 0 });
  assert.deepEqual(notice.failures.map((one) => one.label), ["looser"]);
  assert.equal(notice.log, undefined);
  const { items } = await turns.get("/inbox?all=1");
  assert.deepEqual(items.map((one) => [one.run, one.state]), [[runId, "acknowledged"]]);
});

test("it has the session's root, model, settings and project, and is charged to it", async (t) => {
  const turns = await Turns.open(t);
  const settings = { tools: ["run_workflow", "list_files"] };
  const more = { root: turns.root, project: "web", model: "scripted/other", settings };
  const listener = await turns.listen(more);
  const scope = `/budgets/session:${listener.session}`;
  assert.equal((await turns.ask("PATCH", scope, { tokens: 100000 })).status, 200);
  writeFileSync(path.join(turns.root, "seen.txt"), "x");
  const body = `return agent("call: list_files {}\\nsay: looked\\nusage: fresh=1 output=40");`;
  const run = await begin(turns, listener, { script: flow(body) });
  await told(turns, listener, run);
  const { items: steps } = await turns.get(`/runs/${run}/agents`);
  assert.deepEqual(steps.map((one) => [one.state, one.model]), [["succeeded", "scripted/other"]]);
  const { items } = await turns.get("/sessions?archived=1&project=web");
  const agent = items.find((one) => one.id !== listener.session);
  const card = toolsOf((await turns.messages(agent.id)).find((one) => one.role === "assistant"))[0];
  assert.match(card.text, /seen.txt/);
  const { spent } = await turns.get(scope);
  assert.ok(spent.output_tokens >= 40, JSON.stringify(spent));
});

test("a workflow is found by its name, by a file of the project, and by its answer", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root });
  const folder = path.join(turns.root, ".drover", "workflows");
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "named.js"), flow("return 1;", "named"));
  writeFileSync(path.join(turns.root, "loose.mjs"), flow("return 2;", "loose"));
  const text = await start(turns, listener, { script: flow("return 3;", "text") });
  const outcome = async (input) => {
    const { result } = await start(turns, listener, input);
    return [result.workflowName, (await ended(turns, result.runId)).result];
  };
  assert.deepEqual(await outcome({ name: "named" }), ["named", 1]);
  assert.deepEqual(await outcome({ scriptPath: "loose.mjs" }), ["loose", 2]);
  const inside = path.join(turns.root, "loose.mjs");
  assert.deepEqual(await outcome({ scriptPath: inside, name: "named" }), ["loose", 2]);
  assert.deepEqual(await outcome({ scriptPath: text.result.scriptPath }), ["text", 3]);
});

test("a workflow goes on from another one of the project, and of no other", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const body = flow(`return [await agent("say: a"), await agent("say: b")];`);
  const first = await begin(turns, listener, { script: body });
  await ended(turns, first);
  const second = await begin(turns, listener, { resumeFromRunId: first });
  assert.deepEqual((await ended(turns, second)).agents,
    { succeeded: 0, cached: 2, failed: 0, skipped: 0 });
  const away = await turns.listen({ project: "elsewhere" });
  const asks = `export const meta = {name: "sums", description: "x", args: {type: "object",
    required: ["secret"]}};`;
  const known = [];
  for (const run of [first, await begin(turns, listener, { script: asks, args: { secret: 1 } }),
    "run_00000000000000000000000000"]) {
    const { result } = await start(turns, away, { resumeFromRunId: run, args: 5 });
    known.push(result);
    assert.equal(result.error, "not_found");
  }
  assert.equal(new Set(known.map(({ message }) => message)).size, 1, "it hears of none of them");
});

// --- Refused -------------------------------------------------------------------------------------

test("an error of the script is in the answer, and nothing runs", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  for (const [text, error] of [
    [flow("let x = ;"), /^2:9: /],
    ["export const meta = {name: 1};", /meta/],
    [flow("let x: string = 1;"), /^2:5: .*TypeScript/],
  ]) {
    const { card, result } = await start(turns, listener, { script: text });
    assert.deepEqual(Object.keys(result), ["status", "scriptPath", "error"]);
    assert.deepEqual([card.state, result.status], ["failed", "async_launched"]);
    assert.match(result.error, error);
  }
  assert.deepEqual(await workflows(turns), []);
});

test("what cannot be started is told in a sentence", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root });
  const wants = `export const meta = {name: "w", description: "x",
    args: {type: "object", required: ["n"]}};\nreturn 1;`;
  writeFileSync(path.join(turns.folder, "outside.js"), flow("return 1;"));
  for (const [input, code, message] of [
    [{}, "missing_field", /one of "script", "name" and "scriptPath"/],
    [{ name: "nobody" }, "workflow_not_found", /nobody/],
    [{ script: wants }, "bad_field", /"args"/],
    [{ resumeFromRunId: "run_nobody" }, "not_found", /nothing to resume/],
    [{ scriptPath: path.join(turns.folder, "outside.js") }, "forbidden", /a file of the project/],
    [{ scriptPath: "../outside.js" }, "forbidden", /./],
    [{ scriptPath: "/etc/passwd" }, "forbidden", /a file of the project/],
  ]) {
    const { card, result } = await start(turns, listener, input);
    assert.deepEqual([card.state, result.error], ["failed", code], card.text);
    assert.match(result.message, message);
  }
  assert.deepEqual(await workflows(turns), []);
});

test("a resume gives a session no more than it may", { timeout: scaled(60_000) }, async (t) => {
  const turns = await Turns.open(t);
  const TOUCH = `return agent('call: run_command {"command": "touch seen"}\\nsay: done');`;
  const { json } = await turns.ask("POST", "/workflows", {
    script: flow("return 1;"), root: turns.root, project: "default",
    settings: { permissions: [{ permission: "allow" }] },
  });
  assert.equal((await ended(turns, json.runId)).state, "succeeded");
  const listener = await turns.listen({ settings: { tools: ["run_workflow"] } });
  const script = flow(TOUCH);
  const { result } = await start(turns, listener, { resumeFromRunId: json.runId, script });
  await ended(turns, result.runId);
  assert.equal(existsSync(path.join(turns.root, "seen")), false);
  const [agent] = (await turns.get(`/runs/${result.runId}/agents`)).items;
  assert.equal(agent.session, null, "an agent without a root has no tools");
});

test("a run that lives is not resumed", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const resumeFromRunId = await begin(turns, listener, { script: HANGS });
  const { card, result } = await start(turns, listener, { resumeFromRunId });
  assert.deepEqual([card.state, result.error], ["failed", "refused"], card.text);
});

test("its script names files of the project, and no others", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root });
  const outside = path.join(turns.folder, "outside.js");
  for (const folder of [turns.folder, turns.root]) {
    writeFileSync(path.join(folder, "outside.js"), flow("return 1;", "outside"));
  }
  for (const [file, wanted] of [
    [outside, /not a plain path in the project/], ["./outside.js", /not a plain path/],
    ["outside.js", /^1$/], [path.join(turns.root, "outside.js"), /^1$/],
  ]) {
    const body = `try { return await workflow({scriptPath: ${JSON.stringify(file)}}); }
catch (error) { return error.message; }`;
    const run = await begin(turns, listener, { script: flow(body) });
    assert.match(String((await ended(turns, run)).result), wanted);
  }
});

test("rules name a workflow as its caller does", async (t) => {
  const turns = await Turns.open(t);
  const rule = (subject, permission) => ({ tool: "run_workflow", subject, permission });
  const settings = { permissions: [rule("secret*", "deny"), rule("big", "ask")] };
  const listener = await turns.listen({ settings });
  const text = script(launch({ name: "secret-one" }), launch({ name: "big" }), say("so it is"));
  const { run } = await turns.send(listener.session, text);
  await listener.until("approval_asked");
  const [{ id }] = (await turns.get("/approvals")).items;
  assert.equal((await turns.approve(id, { decision: "deny" })).status, 200);
  await listener.ended(run);
  const cards = toolsOf(await turns.answer(listener.session, run));
  assert.deepEqual(cards.map((one) => one.text),
    ["The settings of this session or its project do not allow this call.",
      "local denied this call."]);
});

test("what a model may not start no script of it runs", async (t) => {
  const turns = await Turns.open(t);
  const rule = (subject, permission) => ({ tool: "run_workflow", subject, permission });
  const permissions = [rule("secret*", "deny"), rule("hidden.js", "deny"), rule("plain", "ask")];
  const listener =
    await turns.listen({ root: turns.root, project: "web", settings: { permissions } });
  await turns.ask("PATCH", "/projects/web",
    { settings: { permissions: [rule("**/by-path.js", "deny")] } });
  const folder = path.join(turns.root, ".drover", "workflows");
  mkdirSync(folder, { recursive: true });
  for (const name of ["secret-one", "by-path", "plain"]) {
    writeFileSync(path.join(folder, `${name}.js`), flow(`return "ran";`, name));
  }
  writeFileSync(path.join(turns.root, "hidden.js"), flow(`return "ran";`, "hidden"));
  const body = `const said = [];
const secret = {scriptPath: ".drover/workflows/secret-one.js"};
for (const one of ["secret-one", secret, {scriptPath: "hidden.js"}, "by-path", "plain"]) {
  said.push(await workflow(one).catch((error) => error.message));
}
return said;`;
  const run = await begin(turns, listener, { script: flow(body) });
  const { result } = await ended(turns, run);
  const secret = ".drover/workflows/secret-one.js";
  assert.deepEqual(result, ["secret-one", secret, "hidden.js", "by-path"].map((name) =>
    `workflow: the settings of its session or project do not allow ${name}`).concat("ran"));
  const text = script(launch({ scriptPath: secret }), launch({ name: "by-path" }), say("so it is"));
  const turn = (await turns.send(listener.session, text)).run;
  await listener.ended(turn);
  const cards = toolsOf(await turns.answer(listener.session, turn));
  for (const card of cards) assert.match(card.text, /session or its project do not allow/);
});

test("agents of a workflow start none, nor does the deepest subagent", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root });
  const inner = JSON.stringify({ script: flow("return 1;") });
  const prompt = JSON.stringify(`call: run_workflow ${inner}\nsay: tried`);
  const asks = `await agent(${prompt});\nreturn agent(${prompt}, {tools: ["run_workflow"]});`;
  const run = await begin(turns, listener, { script: flow(asks) });
  await ended(turns, run);
  const { items } = await turns.get("/sessions?archived=1");
  const agents = items.filter((one) => one.id !== listener.session);
  assert.equal(agents.length, 2);
  for (const { id } of agents) {
    const [card] = toolsOf((await turns.messages(id)).find((one) => one.role === "assistant"));
    assert.match(card.text, /there is no tool "run_workflow"/);
  }
  assert.deepEqual((await workflows(turns)).map((one) => one.id), [run]);
  const spawn = (input) => script(call("spawn_subagent", { input }), say("I wait"));
  const third = script(launch({ script: flow("return 1;") }), say("at the bottom"));
  let place = { session: listener.session };
  let { message } = await turns.turn(listener, spawn(spawn(spawn(third))));
  for (let depth = 0; depth < 3; depth++) {
    place = JSON.parse(toolsOf(message)[0].text);
    const below = await new Listener(turns, place.session).open();
    await below.ended(place.id);
    message = await turns.answer(place.session, place.id);
  }
  const [card] = toolsOf(message);
  assert.equal(card.state, "failed");
  assert.match(JSON.parse(card.text).message, /at most 3 deep/);
});

test("sixteen of one session may be open", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const many = Array.from({ length: 17 }, () => launch({ script: HANGS }));
  const { message } = await turns.turn(listener, script(...many, "step:", say("so many")));
  const states = toolsOf(message).map((one) => one.state);
  assert.deepEqual(states.filter((state) => state === "failed").length, 1);
  assert.equal((await workflows(turns)).length, 16);
});

// --- Kept ----------------------------------------------------------------------------------------

test("a kill at any moment of the call starts it once, and its end is told once", async (t) => {
  const turns = await Turns.open(t);
  for (const wait of [0, 1, 3, 6, 12]) {
    const listener = await turns.listen();
    const before = (await workflows(turns)).length;
    const text = script(launch({ script: flow(`return agent("say: kept");`) }), say("I wait"));
    const { run } = await turns.send(listener.session, text);
    await listener.until("tool_started");
    await new Promise((resolve) => setTimeout(resolve, wait));
    await turns.daemon.kill();
    await turns.daemon.start();
    await listener.open();
    while ((await turns.get(`/runs/${run}`)).state !== "succeeded") await listener.sse.next();
    const [card] = toolsOf(await turns.answer(listener.session, run));
    const { runId } = JSON.parse(card.text);
    const { notice } = await told(turns, listener, runId);
    assert.deepEqual([notice.run, notice.output], [runId, '"kept"']);
    const all = await turns.messages(listener.session);
    assert.equal(all.filter((one) => one.role === "notice").length, 1);
    assert.equal((await workflows(turns)).length, before + 1, `${wait} ms`);
    listener.close();
  }
});

test("a workflow outlives its turn and the daemon, and then wakes its session", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const slow = `agent("delay: ${scaled(1000)}ms\\nsay: b")`;
  const body = `const a = await agent("say: a");\nreturn [a, await ${slow}];`;
  const run = await begin(turns, listener, { script: flow(body) });
  await turns.daemon.kill();
  await turns.daemon.start();
  await listener.open();
  const { notice } = await told(turns, listener, run);
  assert.deepEqual([notice.state, notice.output], ["succeeded", '["a","b"]']);
});

test("what a session started goes on without it, or is asked to end with it", async (t) => {
  const turns = await Turns.open(t);
  const state = async (run) => (await turns.get(`/runs/${run}`)).state;
  const [left, asked] = [await turns.listen(), await turns.listen()];
  const [goes, ends] = [await begin(turns, left, { script: HANGS }),
    await begin(turns, asked, { script: HANGS })];
  assert.equal((await turns.ask("DELETE", `/sessions/${left.session}`)).status, 200);
  assert.equal((await turns.ask("DELETE", `/sessions/${asked.session}?stop_jobs=1`)).status, 200);
  assert.equal((await ended(turns, ends)).state, "cancelled");
  assert.equal(await state(goes), "running");
});

test("what a session started ends with it without its messages, not with a fork", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const run = await begin(turns, listener, { script: HANGS });
  const fork = await turns.ask("POST", `/sessions/${listener.session}/fork`);
  assert.equal(fork.status, 201, fork.text);
  const gone = await turns.ask("DELETE", `/sessions/${fork.json.id}?stop_jobs=1`);
  assert.equal(gone.status, 200, gone.text);
  const { state, stop } = await turns.get(`/runs/${run}`);
  assert.deepEqual([state, stop ?? null], ["running", null]);
  const cleared = await turns.ask("POST", `/sessions/${listener.session}/clear`);
  assert.equal(cleared.status, 200, cleared.text);
  assert.equal(
    (await turns.ask("DELETE", `/sessions/${listener.session}?stop_jobs=1`)).status, 200);
  assert.equal((await ended(turns, run)).state, "cancelled");
});
