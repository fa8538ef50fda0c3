// workflow-seams.test.mjs: where two ways of a workflow meet: a type and a restart, a budget and a
// removal, a refusal and a replay.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { Held } from "./held.mjs";
import { Provider, until } from "./providers.mjs";
import { whole, Workflows } from "./workflows.mjs";

function define(folder, name, front, body) {
  const file = path.join(folder, ".claude/agents", name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `---\n${front}\n---\n${body}\n`);
}

test("an agent that is asked anew behind a new daemon keeps its type", async (t) => {
  const flows = await Workflows.open(t);
  const provider = await new Provider().start(t);
  await flows.connect(provider, "kept");
  define(flows.root, "narrow.md", "name: narrow\ntools: Read", "You are narrow.");
  provider.answer = (request, body) => void provider.asked.push({ body });
  /** What the model was told it is, and may: once for each time that it was asked. */
  const real = () => provider.asked
    .filter(({ body }) => body.includes("narrow-prompt"))
    .map(({ body }) => JSON.parse(body))
    .map(({ messages, tools = [] }) => [
      messages[0].content.split("\n")[0], tools.map((one) => one.function.name).sort().join(),
    ]);
  const body = `return await agent("narrow-prompt", { agentType: "narrow", model: "kept/small" })`;
  const run = await flows.start({ script: whole(body) });
  await until("asked", () => real().length === 1);
  await flows.daemon.kill();
  await flows.daemon.start();
  await until("asked again", () => real().length === 2);
  const [agent] = await flows.agents(run);
  const answer = await flows.ask("POST", `/runs/${agent.id}/restart`, {});
  assert.equal(answer.status, 200, answer.text);
  await until("asked anew", () => real().length === 3);
  assert.deepEqual(real()[2], real()[0]);
});

test("budgets of agents go with their workflow", async (t) => {
  const flows = await Workflows.open(t);
  const body = `return await agent("say: a", { label: "x", budget: 500 })`;
  const { run, events } = await flows.run({ script: whole(body), budget: { output_tokens: 900 } });
  const step = events.find(({ type }) => type === "agent_finished").data.run;
  assert.equal((await flows.ask("GET", `/budgets/run:${step}`)).status, 200);
  assert.equal((await flows.ask("DELETE", `/runs/${run}`)).status, 200);
  assert.equal((await flows.ask("GET", `/budgets/run:${run}`)).status, 404);
  assert.equal((await flows.ask("GET", `/budgets/run:${step}`)).status, 404);
});

test("what a budget refused comes in the same order when it is told again", async (t) => {
  const says = (prompt, times) => ({ prompt, text: `${prompt} ${times}`, tokens: 600 });
  const provider = await new Held(says).start(t);
  const flows = await Workflows.open(t);
  const model = await flows.connect(provider);
  const body = `const seen = [];
const one = (name) => agent(name).then(() => seen.push(name + budget.spent()),
  () => seen.push(name + " refused" + budget.spent()));
await Promise.all([one("held b"), one("a")]);
log(seen.join());
try { await agent("behind") } catch {}
return seen.join();`;
  const more = { model, root: undefined, budget: { output_tokens: 500 } };
  const run = await flows.start({ script: whole(body), ...more });
  await until("b is asked", () => provider.count("held b") >= 1);
  await until("a waits", async () => (await flows.agents(run)).length === 2);
  assert.equal((await flows.ask("POST", `/runs/${run}/pause`)).status, 200);
  provider.free("held b");
  const events = await flows.until(run, ({ type }) => type === "log");
  const live = events.find(({ type }) => type === "log").data.text;
  await flows.daemon.kill();
  await flows.daemon.start();
  assert.equal((await flows.ask("POST", `/runs/${run}/resume`)).status, 200);
  const { end } = await flows.outcome(run);
  assert.equal(end.result, live);
});

test("agents queued behind a spent total are refused in the words of agent()", async (t) => {
  const provider = await new Held((prompt) => ({ prompt, text: prompt, tokens: 40 })).start(t);
  const flows = await Workflows.open(t);
  const model = await flows.connect(provider);
  const body = `const last = agent("held last", { label: "last" });
const all = await Promise.allSettled(Array.from({ length: 24 }, (_, n) => agent("agent " + n)));
const told = all.map(({ status, reason }) => status === "fulfilled" ? "ran" : reason.message);
try { await agent("one more") } catch (error) { told.push(error.message) }
log(JSON.stringify(told));
await last;
return told;`;
  const more = { model, root: undefined, total: 100, concurrency: 4 };
  const run = await flows.start({ script: whole(body), ...more });
  const events = await flows.until(run, ({ type }) => type === "log");
  const told = JSON.parse(events.find(({ type }) => type === "log").data.text);
  const ran = told.filter((words) => words === "ran").length;
  assert.ok(ran >= 3 && ran <= 5, `the calls in flight end, and no others begin: ${ran} ran`);
  for (const words of told.filter((one) => one !== "ran")) {
    assert.match(words, /^budget exhausted: \d+ of 100 tokens are spent$/);
  }
  await flows.daemon.kill();
  await flows.daemon.start();
  await until("the last one is asked again", () => provider.count("held last") >= 2);
  provider.free("held last");
  const { end } = await flows.outcome(run);
  assert.deepEqual(end.result, told);
  assert.deepEqual([end.state, end.agents.succeeded], ["degraded", ran + 1]);
  const refused = (await flows.agents(run)).filter(({ state }) => state === "failed");
  assert.ok(refused.every(({ cause }) => cause === "total_spent"), JSON.stringify(refused[0]));
});

test("an agent that is skipped, restarted or loses its run pays for what it used", async (t) => {
  const provider = await new Held((prompt) => ({ prompt, text: prompt, tokens: 7 })).start(t);
  const flows = await Workflows.open(t);
  const model = await flows.connect(provider);
  const prompt = `held ${"x".repeat(4000)}`; // Some 1,000 tokens.
  const start = () => flows.start({
    script: whole(`return await agent(${JSON.stringify(prompt)})`), model, root: undefined,
    budget: { tokens: 100000 },
  });
  const spent = async (run) => (await flows.get(`/budgets/run:${run}`)).spent.tokens;
  const asked = (times) => until("it is asked", () => provider.count(prompt) >= times);

  const skips = await start();
  await asked(1);
  const [agent] = await flows.agents(skips);
  assert.equal((await flows.ask("POST", `/runs/${agent.id}/restart`, {})).status, 200);
  await asked(2);
  assert.equal((await flows.ask("POST", `/runs/${agent.id}/skip`, {})).status, 200);
  const { end } = await flows.outcome(skips);
  assert.ok(end.tokens >= 2000 && end.tokens < 4000, `${end.tokens} tokens of two calls`);
  assert.equal(await spent(skips), end.tokens);

  const stops = await start();
  await asked(3);
  assert.equal((await flows.ask("POST", `/runs/${stops}/stop`, {})).status, 200);
  const stopped = (await flows.outcome(stops)).end;
  assert.ok(stopped.tokens >= 1000 && stopped.tokens < 2000, `${stopped.tokens} tokens of one`);
  assert.equal(await spent(stops), stopped.tokens);
  assert.equal((await flows.get(`/budgets/run:${stops}`)).reserved.tokens, 0);
});

test("a crash after a restart charges both calls that were out", async (t) => {
  const provider = await new Held((prompt) => ({ prompt, text: prompt, tokens: 7 })).start(t);
  const flows = await Workflows.open(t);
  const model = await flows.connect(provider);
  const run = await flows.start({
    script: whole(`return await agent("held long")`), model, root: undefined,
    budget: { tokens: 100000 },
  });
  const budget = () => flows.get(`/budgets/run:${run}`);
  const asked = (times) => until("it is asked", () => provider.count("held long") >= times);
  await asked(1);
  const one = (await budget()).reserved.tokens;
  const [agent] = await flows.agents(run);
  assert.equal((await flows.ask("POST", `/runs/${agent.id}/restart`, {})).status, 200);
  await asked(2);
  await flows.daemon.kill();
  await flows.daemon.start();
  await asked(3);
  const { spent, reserved } = await budget();
  assert.deepEqual([spent.tokens, reserved.tokens], [2 * one, one]);
  assert.equal((await flows.ask("POST", `/runs/${run}/stop`, {})).status, 200);
  await flows.outcome(run);
});
