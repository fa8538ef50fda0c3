// workflow-limits.test.mjs: how many workflows there are at once, and what they may spend where
// nobody says it.
//
// runs-with: release, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { Held } from "./held.mjs";
import { begin } from "./jobs-cli.mjs";
import { run as drover, scratch } from "./lib.mjs";
import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";
import { whole, Workflows } from "./workflows.mjs";

class Scene {
  static async open(t, ...args) {
    const scene = new Scene();
    scene.provider = await new Held((prompt) => ({ prompt, text: prompt })).start(t);
    scene.flows = await Workflows.open(t, { args });
    scene.model = await scene.flows.connect(scene.provider);
    return scene;
  }

  /** One that asks for this and returns what it heard; as the start answers. */
  launch(prompt, more = {}) {
    const script = whole(`return await agent("${prompt}");`);
    return this.flows.launch({ script, model: this.model, root: undefined, ...more });
  }

  async state(run) {
    const { state, gate } = await this.flows.get(`/runs/${run}`);
    return [state, gate];
  }

  async result(run) {
    return (await this.flows.outcome(run)).end.result;
  }
}

const ONE = ["--workflow-max-runs", "1"];

test("more workflows than may run wait in line, also over a crash", async (t) => {
  const scene = await Scene.open(t, ...ONE);
  const all = [];
  for (const word of ["a", "b", "c", "d"]) all.push(await scene.launch(`held ${word}`));
  assert.deepEqual(all.map(({ state }) => state), ["running", "queued", "queued", "queued"]);
  const [a, b, c, d] = all.map(({ runId }) => runId);
  assert.deepEqual(await scene.state(b), ["queued", "slot"]);
  const { stdout } = await begin(t, scene.flows.daemon, ["ps"]).ended;
  assert.match(stdout, new RegExp(`${b} .*queued .* waits for a free place: `));
  await scene.flows.ask("POST", `/runs/${c}/stop`);
  assert.equal((await scene.flows.ended(c)).at(-1).data.state, "cancelled");
  assert.equal((await scene.flows.ask("POST", `/runs/${b}/pause`)).json.code, "conflict");
  await scene.flows.daemon.kill();
  await scene.flows.daemon.start();
  assert.deepEqual(await scene.state(d), ["queued", "slot"]);
  scene.provider.free("held a");
  assert.equal(await scene.result(a), "held a");
  await until("the second begins", () => scene.provider.count("held b") === 1);
  assert.equal(scene.provider.count("held d"), 0);
  await scene.flows.ask("POST", `/runs/${b}/pause`); // It keeps its place.
  assert.deepEqual(await scene.state(d), ["queued", "slot"]);
  await scene.flows.ask("POST", `/runs/${b}/resume`);
  for (const word of ["b", "d"]) scene.provider.free(`held ${word}`);
  assert.deepEqual([await scene.result(b), await scene.result(d)], ["held b", "held d"]);
  const types = (await scene.flows.ended(d)).map(({ type }) => type);
  assert.deepEqual(types.slice(0, 3), ["workflow_started", "run_queued", "run_started"]);
});

test("what a run stood in line is no time of its own", async (t) => {
  const scene = await Scene.open(t, ...ONE);
  const { runId: first } = await scene.launch("held a");
  const LATE_MS = scaled(2000);
  const late = await scene.launch("b", { timeout_ms: LATE_MS });
  const made = Date.now();
  await until("its time would be over", () => Date.now() > made + LATE_MS + 50);
  scene.provider.free("held a");
  assert.equal(await scene.result(first), "held a");
  assert.equal(await scene.result(late.runId), "b");
});

test("a model's workflow waits in line like any other", async (t) => {
  const scene = await Scene.open(t, ...ONE);
  const { runId } = await scene.launch("held a");
  const session = await scene.flows.ask("POST", "/sessions", { model: "scripted/demo" });
  const text = `call: run_workflow ${JSON.stringify({ script: whole("return 1") })}\nsay: done`;
  await scene.flows.ask("POST", `/sessions/${session.json.id}/messages`, { text });
  const flows = async () => (await scene.flows.get("/runs?kind=workflow")).items;
  await until("it is asked for", async () => (await flows()).length === 2);
  const { id } = (await flows()).find((one) => one.id !== runId);
  assert.deepEqual(await scene.state(id), ["queued", "slot"]);
  scene.provider.free("held a");
  assert.equal(await scene.result(id), 1);
});

const THREE = whole(`const said = [];
for (const prompt of ["a", "b", "c"]) {
  said.push(await agent(prompt).catch((error) => error.message));
}
return said;`);

test("a workflow that is given no budget has the daemon's, and says so", async (t) => {
  const scene = await Scene.open(t, "--workflow-default-budget", "agents=2,cost=2.50");
  const ask = { script: THREE, model: scene.model };
  const launched = await scene.flows.launch(ask);
  assert.deepEqual(launched.budget, { cost_micros: 2500000, agents: 2 });
  assert.equal(launched.budget_default, true);
  const { end, events } = await scene.flows.outcome(launched.runId);
  assert.deepEqual(end.result.slice(0, 2), ["a", "b"]);
  assert.match(end.result[2], /budget/);
  assert.deepEqual(events[0].data.budget, launched.budget);
  const own = await scene.flows.launch({ ...ask, budget: { agents: 3 } });
  assert.deepEqual([own.budget, own.budget_default], [{ agents: 3 }, false]);
  assert.deepEqual(await scene.result(own.runId), ["a", "b", "c"]);
  const file = scene.flows.write("flow.js", THREE);
  const words = ["run", file, "--model", scene.model];
  const { stderr } = await begin(t, scene.flows.daemon, words).ended;
  assert.match(stderr, /^workflow started: .*, budget cost \$2.50+, agents 2 \(the daemon's /m);
});

test("a default budget that is none is refused at the start", async (t) => {
  const words = ["serve", "--data", scratch(t), "--workflow-default-budget", "agents=2,cats=1"];
  const { code, stderr } = await drover(words);
  assert.equal(code, 2);
  assert.match(stderr, /workflow-default-budget: 'cats' is no limit of a budget/);
});

// An agent with tools has a turn, which is told to end with it, and ends later.
const CUT_OFF = `const long = await agent("tokens: 4000 at 400/s", { label: "long" });
const spent = budget.spent();
const next = await agent("echo: next", { label: "next" }).catch((error) => error.message);
return [long, spent, next];`;

for (const [how, cut] of [
  ["skipped", (flows, agent) => flows.ask("POST", `/runs/${agent}/skip`)],
  ["out of time", () => undefined],
]) {
  test(`what an agent with tools said before it was ${how} is spent`, async (t) => {
    const flows = await Workflows.open(t);
    const limits = how === "skipped" ? {} : { agent_timeout_ms: scaled(1500) };
    const run = await flows.start({ script: whole(CUT_OFF), total: 20, ...limits });
    const begun = ({ type }) => type === "agent_started";
    const agent = (await flows.until(run, begun)).find(begun).data.run;
    const { items } = await flows.get("/runs?live=1");
    const { stream } = items.find(({ kind, parent }) => kind === "turn" && parent === agent);
    const words = async () => (await flows.get(`/streams/${stream}/events?limit=1000`)).events
      .filter(({ type }) => type === "delta").map(({ data }) => data.text).join("");
    if (how === "skipped") {
      await until("it has said more than the total", async () => (await words()).length > 200);
    }
    await cut(flows, agent);
    const { end } = await flows.outcome(run);
    const [long, spent, next] = end.result;
    assert.equal(long, null);
    assert.ok(spent >= 20, `${spent} tokens are spent`);
    assert.match(next, /budget exhausted/);
    const [record] = (await flows.agents(run)).filter(({ label }) => label === "long");
    assert.equal(record.output_tokens, spent);
  });
}
