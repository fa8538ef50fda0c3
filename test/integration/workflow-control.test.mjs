// workflow-control.test.mjs: a workflow that runs is paused and goes on, and agents of it are asked
// anew. The provider answers when the test says so.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { Held } from "./held.mjs";
import { begin } from "./jobs-cli.mjs";
import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";
import { told, whole, Workflows } from "./workflows.mjs";

class Scene {
  static async open(t, options) {
    const scene = new Scene();
    scene.t = t;
    const says = (prompt, times) => ({ prompt, text: `${prompt} ${times}`, tokens: 10 });
    scene.provider = await new Held(says).start(t);
    scene.flows = await Workflows.open(t, options);
    scene.model = await scene.flows.connect(scene.provider);
    return scene;
  }

  start(body, more = {}) {
    const { model } = this;
    return this.flows.start({ script: whole(body), model, root: undefined, ...more });
  }

  post(run, what) {
    return this.flows.ask("POST", `/runs/${run}/${what}`);
  }

  async well(run, what) {
    const answer = await this.post(run, what);
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
  }

  async refused(run, what) {
    const { status, json } = await this.post(run, what);
    return [status, json.code];
  }

  /** Until the provider was asked that, so often in all. */
  asked(prompt, times = 1) {
    return until(`'${prompt}' is asked`, () => this.provider.count(prompt) >= times);
  }

  /** The run of the agent with that label, when it works. */
  async atWork(run, label) {
    const fits = ({ type, data }) => type === "agent_started" && data.label === label;
    return (await this.flows.until(run, fits)).find(fits).data.run;
  }

  /** Another run, of one agent, from its beginning to its end: behind it, whatever was sent to the
   *  provider before has come there. */
  async behind() {
    const { end } = await this.flows.outcome(await this.start("return await agent('behind')"));
    assert.equal(end.state, "succeeded");
  }

  cli(...args) {
    return begin(this.t, this.flows.daemon, args).ended;
  }

  async revive() {
    await this.flows.daemon.kill();
    await this.flows.daemon.start();
  }
}

const order = (events) => events.filter(({ type }) => !/^(workflow_started|run_)/.test(type))
  .map(({ type, data }) => [type, data.label ?? data.text].filter(Boolean).join(" "));

// --- Paused --------------------------------------------------------------------------------------

const TWO = `const first = await agent("held first", { label: "first" });
const second = agent("second", { label: "second" });
log("asked");
return [first, await second];`;

test("of a paused run nobody begins, and who is at work is heard", async (t) => {
  const scene = await Scene.open(t);
  const run = await scene.start(TWO);
  await scene.asked("held first");
  const paused = await scene.well(run, "pause");
  assert.deepEqual([paused.state, paused.cause], ["waiting", "paused"]);
  scene.provider.free("held first");
  await scene.flows.until(run, ({ type }) => type === "log");
  assert.equal((await scene.well(run, "resume")).state, "running");
  const { events, end, record } = await scene.flows.outcome(run);
  assert.deepEqual(order(events), ["agent_started first", "workflow_paused",
    "agent_finished first", "log asked", "agent_queued second", "workflow_resumed",
    "agent_started second", "agent_finished second", "workflow_finished"]);
  assert.deepEqual([end.result, record.cause], [["held first 0", "second 0"], "completed"]);
});

test("a pause outlives the daemon, and who had begun is asked again", async (t) => {
  const scene = await Scene.open(t);
  const run = await scene.start(TWO);
  await scene.asked("held first");
  await scene.well(run, "pause");
  await scene.revive();
  assert.equal((await scene.flows.get(`/runs/${run}`)).cause, "paused");
  await scene.asked("held first", 2);
  scene.provider.free("held first");
  await scene.flows.until(run, ({ type }) => type === "log");
  await scene.revive();
  await scene.behind(); // Its script has had time to ask for the second.
  await scene.well(run, "resume");
  const { events, end } = await scene.flows.outcome(run);
  const types = order(events);
  assert.ok(types.indexOf("workflow_resumed") < types.indexOf("agent_started second"), types);
  assert.deepEqual(end.result, ["held first 1", "second 0"]);
  assert.equal(scene.provider.count("held first"), 2);
});

test("a paused run whose script has what it wants ends", async (t) => {
  const scene = await Scene.open(t);
  const run = await scene.start('return await agent("held only");');
  await scene.asked("held only");
  await scene.well(run, "pause");
  scene.provider.free("held only");
  const { end } = await scene.flows.outcome(run);
  assert.deepEqual([end.state, end.result], ["succeeded", "held only 0"]);
});

test("a paused run is stopped, skipped in, and timed out like any other", async (t) => {
  const scene = await Scene.open(t);
  const stopped = await scene.start('return await agent("held a");');
  const late = await scene.start('return await agent("held b");', { timeout_ms: scaled(5000) });
  const skipped = await scene.start('return await agent("held c", { label: "c" });');
  await Promise.all(["held a", "held b", "held c"].map((prompt) => scene.asked(prompt)));
  const agent = await scene.atWork(skipped, "c");
  for (const run of [stopped, late, skipped]) await scene.well(run, "pause");
  await scene.well(stopped, "stop");
  await scene.well(agent, "skip");
  const ends = await Promise.all([stopped, late, skipped].map((run) => scene.flows.outcome(run)));
  assert.deepEqual(ends.map(({ end }) => end.state), ["cancelled", "timed_out", "succeeded"]);
});

test("what is paused twice, or has ended, is told so", async (t) => {
  const scene = await Scene.open(t);
  const run = await scene.start('return await agent("held");');
  await scene.asked("held");
  assert.equal((await scene.well(run, "resume")).state, "running");
  await scene.well(run, "pause");
  assert.equal((await scene.well(run, "pause")).cause, "paused");
  scene.provider.free("held");
  const { events } = await scene.flows.outcome(run);
  assert.equal(events.filter(({ type }) => type === "workflow_paused").length, 1);
  for (const what of ["pause", "resume"]) {
    assert.deepEqual(await scene.refused(run, what), [409, "run_ended"]);
    assert.equal((await scene.refused("run_00000000000000000000000000", what))[0], 404);
  }
  const job = await scene.flows.ask("POST", "/jobs", { argv: ["true"] });
  assert.deepEqual(await scene.refused(job.json.id, "pause"), [409, "conflict"]);
});

test("who pauses, restarts or skips says no more than that, and hears what is wrong", async (t) => {
  const scene = await Scene.open(t);
  const run = await scene.start('return await agent("held", { label: "a" });');
  await scene.asked("held");
  const agent = await scene.atWork(run, "a");
  const asks = [[run, "pause"], [run, "resume"], [agent, "restart"], [agent, "skip"]];
  for (const [id, what] of asks) {
    for (const [body, code] of [[{ x: 1 }, "unknown_field"], [[1], "bad_field"]]) {
      const answer = await scene.flows.ask("POST", `/runs/${id}/${what}`, body);
      assert.deepEqual([answer.status, answer.json.code], [400, code], what);
    }
  }
  assert.equal((await scene.flows.get(`/runs/${run}`)).state, "running");
  assert.equal(scene.provider.count("held"), 1);
  for (const [id, what, words] of [[run, "restart", /'drover show RUN' lists its agents/],
    [agent, "pause", /'drover stop' ends it/]]) {
    const { status, json } = await scene.flows.ask("POST", `/runs/${id}/${what}`, {});
    assert.equal(status, 409);
    assert.match(json.detail, words);
  }
  const nothing = await scene.cli("pause", "");
  assert.match(nothing.stderr, /there is no run ''; 'drover ps' lists/);
});

test("whom a budget lets go while its run is paused is asked when that goes on", async (t) => {
  const scene = await Scene.open(t);
  const body = `return parallel(["held a", "held b"].map((prompt) =>
    () => agent(prompt, { label: prompt })));`;
  const run = await scene.start(body, { concurrency: 2, budget: { output_tokens: 1000 } });
  await scene.asked("held a");
  const gate = async () => (await scene.flows.agents(run)).map(({ gate }) => gate);
  await until("one waits for the budget", async () => (await gate()).includes("budget"));
  await scene.well(run, "pause");
  scene.provider.free("held a");
  await scene.atWork(run, "held b");
  await scene.behind();
  await scene.revive(); // It is not at work for the next daemon, either.
  await scene.behind();
  assert.equal(scene.provider.count("held b"), 0);
  scene.provider.free("held b");
  const causes = (await scene.flows.agents(run)).map(({ cause }) => cause);
  assert.ok(causes.includes("paused"), causes);
  await scene.well(run, "resume");
  const { end } = await scene.flows.outcome(run);
  assert.deepEqual(end.result, ["held a 0", "held b 0"]);
});

test("an agent that nobody asked costs nothing when its paused run ends", async (t) => {
  const scene = await Scene.open(t);
  const body = 'const first = agent("held a");\nagent("held b");\nreturn await first;';
  const run = await scene.start(body, { concurrency: 2, budget: { output_tokens: 1000 } });
  await scene.asked("held a");
  const gates = async () => (await scene.flows.agents(run)).map(({ gate }) => gate);
  await until("one waits for the budget", async () => (await gates()).includes("budget"));
  await scene.well(run, "pause");
  scene.provider.free("held a");
  const { end } = await scene.flows.outcome(run);
  assert.equal(end.result, "held a 0");
  assert.equal(scene.provider.count("held b"), 0);
  const { spent, reserved } = await scene.flows.get(`/budgets/run:${run}`);
  assert.deepEqual([spent.output_tokens, spent.agents, reserved.output_tokens], [10, 1, 0]);
});

test("a shell pauses a run, sees it, and lets it go on", async (t) => {
  const scene = await Scene.open(t);
  const run = await scene.start(TWO);
  const watching = begin(t, scene.flows.daemon, ["attach", run]);
  await scene.asked("held first");
  const paused = await scene.cli("pause", run);
  assert.deepEqual([paused.code, paused.stdout], [0, `${run} waiting (paused)\n`], paused.stderr);
  await watching.seen("workflow paused");
  const [ps, show] = await Promise.all([scene.cli("ps"), scene.cli("show", run)]);
  assert.match(ps.stdout, new RegExp(`${run} .*waiting .* waits for you: it is paused`));
  assert.match(show.stdout, /‖ flock +paused, 1 agent: 1 at work/);
  const agent = await scene.atWork(run, "first");
  const restarted = await scene.cli("restart", agent);
  assert.deepEqual([restarted.code, restarted.stdout], [0, `${agent} running\n`]);
  scene.provider.free("held first");
  const resumed = await scene.cli("resume", run);
  assert.deepEqual([resumed.code, resumed.stdout], [0, `${run} running\n`]);
  const { code, stderr } = await watching.ended;
  assert.equal(code, 0, stderr);
  assert.match(stderr, /agent restarted: first\n(.*\n)*workflow goes on\n/);
  const late = await scene.cli("pause", run);
  assert.equal(late.code, 5);
  assert.match(late.stderr, /the run has ended: it is succeeded/);
});

// --- Asked anew ----------------------------------------------------------------------------------

const ONE = 'return await agent("held one", { label: "one" });';

test("an agent that is restarted is asked anew under its row", async (t) => {
  const scene = await Scene.open(t);
  const run = await scene.start(ONE);
  const agent = await scene.atWork(run, "one");
  await scene.asked("held one");
  const row = await scene.well(agent, "restart");
  assert.deepEqual([row.id, row.state, row.attempts], [agent, "running", 2]);
  await scene.asked("held one", 2);
  scene.provider.free("held one");
  const { events, end } = await scene.flows.outcome(run);
  assert.deepEqual([end.result, end.agents.succeeded], ["held one 1", 1]);
  assert.deepEqual(told(events), ["begin one", "end one"]);
  const again = events.filter(({ type }) => type === "agent_restarted").map(({ data }) => data);
  const { key } = events.find(({ type }) => type === "agent_started").data;
  assert.deepEqual(again, [{ run: agent, key, label: "one", attempt: 2 }]);
  assert.deepEqual(await scene.refused(agent, "restart"), [409, "step_ended"]);
  assert.deepEqual(await scene.refused(run, "restart"), [409, "conflict"]);
});

test("an agent with tools gets another turn, and the old one ends", async (t) => {
  const scene = await Scene.open(t);
  const run = await scene.start(ONE, { root: scene.flows.root });
  const agent = await scene.atWork(run, "one");
  await scene.asked("held one");
  const turns = async () => (await scene.flows.get("/runs?kind=turn&limit=50")).items;
  const [old] = await turns();
  await scene.well(agent, "restart");
  await scene.asked("held one", 2);
  scene.provider.free("held one");
  const { end } = await scene.flows.outcome(run);
  assert.deepEqual([end.result, end.agents.succeeded], ["held one 1", 1]);
  const states = new Map((await turns()).map(({ id, state }) => [id, state]));
  assert.equal(states.get(old.id), "cancelled");
  assert.deepEqual([...states.values()].sort(), ["cancelled", "succeeded"]);
});

for (const tools of [false, true]) {
  const title = `a daemon killed behind a restart asks anew${tools ? ", with tools" : ""}`;
  test(title, async (t) => {
    const scene = await Scene.open(t);
    const root = tools ? scene.flows.root : undefined;
    const run = await scene.start(ONE, { root });
    const agent = await scene.atWork(run, "one");
    await scene.asked("held one");
    for (let kills = 0; kills < 2; kills++) {
      const before = scene.provider.count("held one");
      await scene.well(agent, "restart"); // What follows it is another commit, or none.
      await scene.revive();
      await scene.asked("held one", before + 1);
    }
    const { daemon } = scene.flows;
    const before = scene.provider.count("held one");
    daemon.args.push("--hold"); // So the restart's commit is the last one of that life.
    await scene.revive();
    await scene.well(agent, "restart");
    daemon.args.pop();
    await scene.revive();
    await scene.asked("held one", before + 1);
    assert.equal((await scene.flows.get(`/runs/${agent}`)).attempts, 4);
    scene.provider.free("held one");
    const { end } = await scene.flows.outcome(run);
    assert.deepEqual([end.state, end.agents.succeeded], ["succeeded", 1]);
    const asked = scene.provider.count("held one");
    assert.match(end.result, /^held one \d+$/);
    assert.ok(Number(end.result.split(" ")[2]) <= asked - 1);
    const live = await scene.flows.get("/runs?live=1");
    assert.deepEqual(live.items, [], "no turn is left behind");
    const turns = (await scene.flows.get("/runs?kind=turn&limit=50")).items;
    assert.equal(turns.filter(({ state }) => state === "succeeded").length, tools ? 1 : 0);
  });
}

test("a restart that meets the end is refused, or the end is", async (t) => {
  const scene = await Scene.open(t);
  const prompts = Array.from({ length: 40 }, (_, i) => `held ${i}`);
  const run = await scene.start(`return parallel(args.map((prompt) =>
    () => agent(prompt, { label: prompt })));`, { concurrency: 40, args: prompts });
  await Promise.all(prompts.map((prompt) => scene.asked(prompt)));
  let agents = [];
  await until("all are stored", async () => {
    agents = await scene.flows.agents(run);
    return agents.length === prompts.length;
  });
  let refused = 0;
  const results = await Promise.all(prompts.map(async (prompt, i) => {
    const agent = agents.find(({ label }) => label === prompt);
    const restarted = i % 3 === 0 ? undefined : scene.post(agent.id, "restart");
    if (i % 3 === 1) await pause(3 * i); // Any of the two may come first.
    scene.provider.free(prompt);
    const { status, json } = await (restarted ?? scene.post(agent.id, "restart"));
    assert.ok(status === 200 || json.code === "step_ended", `${status}`);
    refused += status !== 200;
    return `${prompt} ${status === 200 ? 1 : 0}`;
  }));
  const { end } = await scene.flows.outcome(run);
  assert.deepEqual(end.result, results);
  t.diagnostic(`${refused} of ${prompts.length} had ended`);
});

test("an agent whose answer missed its schema begins anew without what it said", async (t) => {
  const scene = await Scene.open(t);
  const { provider } = scene;
  const talks = []; // How many messages each call had.
  const answer = provider.answer.bind(provider);
  provider.answer = (request, body, reply) => {
    if (request.method === "POST") talks.push(JSON.parse(body).messages.length);
    answer(request, body, reply);
  };
  const speak = provider.speak.bind(provider);
  const said = ["no object", undefined, '{"n":1}']; // The second is never answered.
  provider.speak = (reply) => {
    const text = said[talks.length - 1];
    if (text !== undefined) void speak(reply, { text });
  };
  const run = await scene.start(`return await agent("odd", { label: "odd",
    schema: { type: "object", required: ["n"] } });`);
  const agent = await scene.atWork(run, "odd");
  await until("it is told what is wrong", () => talks.length === 2);
  await scene.well(agent, "restart");
  const { end } = await scene.flows.outcome(run);
  assert.deepEqual(end.result, { n: 1 });
  assert.ok(talks[1] > talks[0], `${talks}`);
  assert.equal(talks[2], talks[0], "it is asked as at first");
});
