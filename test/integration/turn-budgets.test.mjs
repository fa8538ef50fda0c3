// turn-budgets.test.mjs: what models may spend, call by call.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { midnightIn } from "./lib.mjs";
import { Provider, until } from "./providers.mjs";
import { call, Listener, say, script, toolsOf, Turns } from "./turns.mjs";

const usage = (fresh, output) => `usage: fresh=${fresh} output=${output}`;

async function open(t, limits) {
  const turns = await Turns.open(t);
  const answer = await turns.ask("PATCH", "/budgets/project:default", limits);
  assert.equal(answer.status, 200, answer.text);
  turns.budget = () => turns.get("/budgets/project:default");
  return turns;
}

test("what a call took is spent, and the next one is not made beyond the limit", async (t) => {
  const turns = await open(t, { tokens: 10000 });
  const listener = await turns.listen();
  const first = await turns.turn(listener, script(say("dear"), usage(9000, 1500)));
  assert.equal(first.end.state, "succeeded");
  const { spent, reserved } = await turns.budget();
  assert.deepEqual([spent.tokens, spent.output_tokens, reserved.tokens], [10500, 1500, 0]);
  const second = await turns.turn(listener, say("never"));
  assert.deepEqual([second.end.state, second.end.cause, second.end.calls], ["failed", "budget", 0]);
  assert.match(second.end.note, /project:default is used up \(tokens: 10500 of 10000 spent\)$/);
  assert.equal((await turns.budget()).spent.agents, 1, "the turn that was refused is no agent");
  await turns.ask("PATCH", "/budgets/project:default", { tokens: 50000 });
  assert.equal((await turns.turn(listener, say("again"))).end.state, "succeeded");
});

test("calls of unknown cost are counted, and shown as unknown", async (t) => {
  const turns = await open(t, { cost_micros: 5000000 });
  const provider = await new Provider().start(t);
  const body = { name: "p", kind: "openai", base_url: provider.url };
  assert.equal((await turns.ask("POST", "/providers", body)).status, 201);
  const cost = async () => {
    const { spent } = await turns.budget();
    return [spent.cost_micros, spent.cost_unknown];
  };
  assert.deepEqual(await cost(), [0, 0]);
  const listener = await turns.listen({ model: "p/small" });
  assert.equal((await turns.turn(listener, "hello")).end.state, "succeeded");
  assert.deepEqual(await cost(), [null, 1]);
  const agent = 'return await agent("hello", { tools: [] });';
  const script = `export const meta = { name: "one", description: "asks" };\n${agent}`;
  const { json: run } = await turns.ask("POST", "/workflows",
    { script, model: "p/small", root: turns.root, project: "default" });
  await until("its end", async () => (await turns.get(`/runs/${run.runId}`)).ended_ms !== null);
  assert.deepEqual(await cost(), [null, 2]);
  const { sums } = await turns.get(`/runs/${run.runId}/spans?below=1`);
  assert.deepEqual([sums.cost_micros, sums.cost_unknown], [null, 1]);
  const shown = await turns.daemon.cli(["budget", "show", "project:default"]);
  assert.match(shown.stdout, /^cost +unknown +\$0\.0000 +\$5\.0000$/m);
  const listed = await turns.daemon.cli(["budget", "ls"]);
  assert.match(listed.stdout, /cost unknown of \$5\.0000/);
  listener.close();
});

test("a turn ends between two calls, and what its tools did stays", async (t) => {
  const turns = await open(t, { output_tokens: 100 });
  const listener = await turns.listen();
  const text = script(call("recall", { query: "x" }), usage(10, 200), "step:", say("never"));
  const { end, message } = await turns.turn(listener, text);
  assert.deepEqual([end.cause, end.calls], ["budget", 1]);
  assert.deepEqual(toolsOf(message).map((card) => card.state), ["succeeded"]);
});

test("a call that a crash cut off is charged what was held back for it", async (t) => {
  const turns = await open(t, { tokens: 100000 });
  const listener = await turns.listen();
  const { run } = await turns.send(listener.session, script(say("begun"), "delay: 600s"));
  await listener.until("delta");
  const held = (await turns.budget()).reserved.tokens;
  assert.ok(held > 0);
  await turns.daemon.kill();
  await turns.daemon.start();
  await listener.open();
  await listener.until("delta");
  const again = await turns.budget();
  assert.deepEqual([again.spent.tokens, again.reserved.tokens], [held, held]);
  assert.equal((await turns.ask("POST", `/sessions/${listener.session}/stop`)).status, 200);
  await listener.ended(run);
  assert.equal((await turns.budget()).reserved.tokens, 0);
});

test("a stopped or failed call is charged what it used, and teaches nothing", async (t) => {
  const turns = await open(t, { tokens: 100000 });
  const listener = await turns.listen();
  await turns.turn(listener, script(say("whole"), usage(3000, 1000)));
  const cut = script(say("x".repeat(400)), "delay: 600s");
  const held = async () => {
    const { run } = await turns.send(listener.session, cut);
    await listener.until("delta", (data) => data.run === run);
    const { spent, reserved } = await turns.budget();
    assert.equal((await turns.ask("POST", `/sessions/${listener.session}/stop`)).status, 200);
    await listener.ended(run);
    return { before: spent.tokens, reserved: reserved.tokens };
  };
  const { before, reserved } = await held();
  assert.deepEqual([before, reserved], [4000, 4000]);
  const stopped = (await turns.budget()).spent;
  assert.ok(stopped.tokens >= 4000 + 100, `${stopped.tokens} tokens`);
  assert.equal(stopped.output_tokens, 1000 + 100);
  const { items } = await turns.get(`/sessions/${listener.session}/spans?limit=200`);
  const last = items.findLast(({ kind }) => kind === "model");
  assert.deepEqual([last.estimated, last.tokens.output], [true, 100]);
  const broken = await turns.turn(listener, script(say("y".repeat(400)), "fail: auth"));
  assert.equal(broken.end.state, "failed");
  assert.equal((await turns.budget()).spent.output_tokens, 1000 + 200);
  assert.equal((await held()).reserved, 4000, "only calls that completed are learned from");
});

test("a call whose session is deleted is charged what was reserved for it", async (t) => {
  const turns = await open(t, { tokens: 100000 });
  const listener = await turns.listen();
  await turns.send(listener.session, script(say("begun"), "delay: 600s"));
  await listener.until("delta");
  const held = (await turns.budget()).reserved.tokens;
  assert.equal((await turns.ask("DELETE", `/sessions/${listener.session}`)).status, 200);
  await until("its turn has ended", async () => (await turns.budget()).reserved.tokens === 0);
  assert.equal((await turns.budget()).spent.tokens, held);
});

test("who waits for what another call holds goes on when that is given back", async (t) => {
  const turns = await open(t, { tokens: 8000 });
  const first = await turns.listen(), second = await turns.listen();
  await turns.send(first.session, script(say("begun"), "delay: 600s"));
  await first.until("delta");
  const { run } = await turns.send(second.session, say("then I"));
  await second.until("turn_started");
  const waiting = await second.until("turn_waiting");
  assert.deepEqual([waiting.gate, waiting.resume_at_ms], ["budget", null]);
  const waits = await turns.get(`/runs/${run}`);
  assert.deepEqual([waits.state, waits.gate, waits.resume_at_ms], ["running", "budget", null]);
  assert.match(waits.note, /^It waits for the budget project:default \(tokens: 0 of 8000 spent, /);
  assert.equal((await turns.get(`/sessions/${second.session}`)).state, "waiting");
  assert.equal((await turns.ask("POST", `/sessions/${first.session}/stop`)).status, 200);
  assert.equal((await second.until("turn_resumed")).gate, "budget");
  assert.equal((await second.ended(run)).state, "succeeded");
});

test("a turn and an agent that wait for midnight say so everywhere, and go on", async (t) => {
  const env = { TZ: midnightIn(12 * 3600 * 1000) };
  const turns = await Turns.open(t, { env });
  const drover = (...words) => turns.daemon.cli(words);
  const set = await turns.ask("PATCH", "/budgets/global", { per: "day", tokens: 100 });
  const midnight = set.json.resets_ms;
  const prompt = script(call("recall", { query: "x" }), usage(90, 50), "step:", say("so"));
  const agent = `export const meta = { name: "late", description: "late" };
    return agent(${JSON.stringify(prompt)}, { tools: ["recall"] });`;
  const flow = await turns.ask("POST", "/workflows", { script: agent, root: turns.root });
  const waiting = async (kind) => {
    const { items } = await turns.get(`/runs?live=1&kind=${kind}`);
    return items.find(({ gate, resume_at_ms: at }) => gate === "budget" && at === midnight);
  };
  await until("the agent waits", () => waiting("agent"));
  const turn = await waiting("turn"), step = await waiting("agent");
  const asked = drover("ask", say("at last"));
  assert.deepEqual([turn.state, step.state], ["running", "running"]);
  const why = /It waits for midnight: the budget global is used up for today \(tokens: 140 of 100 /;
  assert.match(turn.note, why);
  assert.match(step.note, why);
  const agents = await turns.get(`/runs/${flow.json.runId}/agents`);
  assert.deepEqual([agents.items[0].gate, agents.items[0].resume_at_ms], ["budget", midnight]);
  assert.match((await drover("show", step.id)).stdout, /^waits for +room in a budget, in .*midni/m);
  assert.match((await drover("ps")).stdout, / turn .* waits for room in a budget, in \d+ /);
  const other = await turns.listen();
  const { run } = await turns.send(other.session, say("later"));
  const told = await other.until("turn_waiting");
  assert.deepEqual([told.gate, told.resume_at_ms], ["budget", midnight]);
  assert.match(told.note, why);
  const raised = await turns.ask("PATCH", "/budgets/global", { tokens: 1000000 });
  assert.equal(raised.status, 200, raised.text);
  assert.equal((await other.ended(run)).state, "succeeded");
  const types = other.heard.events.map(({ type }) => type).filter((type) => /^turn_/.test(type));
  assert.deepEqual(types, ["turn_started", "turn_waiting", "turn_resumed", "turn_finished"]);
  const { stdout, stderr } = await asked;
  assert.match(stderr, /^drover: waiting for a budget until \d{4}-/m);
  assert.match(stdout, /at last/);
  await until("the agent ends", async () => (await turns.get(`/runs/${step.id}`)).ended_ms > 0);
});

test("what a turn gives back lets no more jobs begin than may run", async (t) => {
  const turns = await Turns.open(t, { args: ["--insecure-loopback", "--max-jobs", "1"] });
  const limited = await turns.ask("PATCH", "/budgets/project:default", { wall_ms: 1000 });
  assert.equal(limited.status, 200, limited.text);
  const listener = await turns.listen();
  await turns.send(listener.session, script(say("begun"), "delay: 600s"));
  await listener.until("delta");
  const start = async (project) => {
    const answer = await turns.ask("POST", "/jobs", { argv: ["sleep", "600"], project });
    assert.equal(answer.status, 201, answer.text);
    return answer.json.id;
  };
  const waits = await start("default");
  const works = await start("elsewhere");
  const states = async () => Promise.all([waits, works].map(async (run) => {
    const { state, gate } = await turns.get(`/runs/${run}`);
    return gate || state;
  }));
  assert.deepEqual(await states(), ["budget", "running"]);
  assert.equal((await turns.ask("POST", `/sessions/${listener.session}/stop`)).status, 200);
  await listener.until("turn_finished");
  assert.deepEqual(await states(), ["slot", "running"]);
  assert.equal((await turns.ask("POST", `/runs/${works}/stop`)).status, 200);
});

test("a session has a budget of its own, and so have its subagents under it", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const scope = `session:${listener.session}`;
  const nobody = `session:ses_${"0".repeat(26)}`;
  assert.equal((await turns.ask("PATCH", `/budgets/${nobody}`, {})).status, 404);
  const made = await turns.ask("PATCH", `/budgets/${scope}`, { tokens: 10000 });
  assert.equal(made.status, 200, made.text);
  const spawn = call("spawn_subagent", { input: script(say("down here"), usage(8000, 500)) });
  const text = script(spawn, usage(10, 0), "step:", say("so"));
  const { run } = await turns.send(listener.session, text);
  await listener.ended(run);
  const { run: told } = await listener.until("turn_finished", (data) => data.run !== run);
  assert.equal((await turns.get(`/runs/${told}`)).state, "succeeded");
  assert.ok((await turns.get(`/budgets/${scope}`)).spent.tokens >= 8510);
  await turns.turn(listener, script(say("dear"), usage(2000, 100)));
  const last = await turns.turn(listener, say("never"));
  assert.deepEqual([last.end.cause, last.end.calls], ["budget", 0]);
  assert.match(last.end.note, new RegExp(`${scope} is used up \\(tokens: \\d+ of 10000 `));
  const beside = await turns.listen();
  assert.equal((await turns.turn(beside, say("free"))).end.state, "succeeded");
  const gone = await turns.ask("DELETE", `/sessions/${listener.session}`);
  assert.ok(gone.status < 300, gone.text);
  assert.equal((await turns.ask("GET", `/budgets/${scope}`)).status, 404);
});

test("what a subagent was given bounds all its turns, not the first alone", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const spawn = call("spawn_subagent", { input: say("never"), budget: 0 });
  const { message } = await turns.turn(listener, script(spawn, "step:", say("so")));
  const child = JSON.parse(toolsOf(message)[0].text);
  const { limits } = await turns.get(`/budgets/session:${child.session}`);
  assert.equal(limits.cost_micros, 0);
  const inside = await new Listener(turns, child.session).open();
  const next = await turns.turn(inside, say("nor now"));
  assert.deepEqual([next.end.cause, next.end.calls], ["budget", 0]);
});
