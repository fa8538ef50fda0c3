// workflow-inherit.test.mjs: a run that resumes another one has its limits, unless it says others.
//
// runs-with: release, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { Counting } from "./counting.mjs";
import { begin } from "./jobs-cli.mjs";
import { call, say, script as turn, toolsOf, Turns } from "./turns.mjs";
import { whole, Workflows } from "./workflows.mjs";

const LIMITS = { total: 50, timeout_ms: 7_200_000, agent_timeout_ms: 60_000, concurrency: 3 };
const NOTHING = { total: null, timeout_ms: null, agent_timeout_ms: null, concurrency: null };
const limitsOf = ({ events }) => {
  const { total, timeout_ms, agent_timeout_ms, concurrency } = events[0].data;
  return { total, timeout_ms, agent_timeout_ms, concurrency };
};

async function open(t) {
  const provider = await new Counting(() => ({ text: "heard", tokens: 10 })).start(t);
  const flows = await Workflows.open(t);
  return { provider, flows, model: await flows.connect(provider) };
}

/** Asks until its budget is used up, at most `most` times; the word makes the prompts new ones. */
const spender = (most) => whole(`let n = 0;
while (budget.remaining() > 0 && n < ${most}) await agent(args.word + n++);
return n;`);

test("a loop on its budget ends in a resumed run where it ended before", async (t) => {
  const { flows, model, provider } = await open(t);
  const first = await flows.run({ script: spender(20), args: { word: "a" }, model, ...LIMITS });
  assert.equal(first.end.result, 5);
  const second = await flows.run({ resumeFromRunId: first.run, args: { word: "b" } });
  assert.equal(second.end.result, 5);
  assert.deepEqual(limitsOf(second), LIMITS);
  assert.equal(provider.prompts.length, 10);
  const third = await flows.run({ resumeFromRunId: second.run, args: { word: "c" } });
  assert.deepEqual([third.end.result, limitsOf(third)], [5, LIMITS]);
});

test("what a start says counts, and null is no limit, for who resumes that one, too", async (t) => {
  const { flows, model } = await open(t);
  const budget = { agents: 4 };
  const first = await flows.run({
    script: spender(3), args: { word: "a" }, model, budget, ...LIMITS,
  });
  assert.deepEqual(first.events[0].data.budget, budget);
  const resume = (resumeFromRunId, word, more) =>
    flows.run({ resumeFromRunId, args: { word }, ...more });
  const other = await resume(first.run, "b", { total: 20, concurrency: 5, budget: { agents: 9 } });
  assert.equal(other.end.result, 2);
  assert.deepEqual(limitsOf(other), { ...LIMITS, total: 20, concurrency: 5 });
  assert.deepEqual(other.events[0].data.budget, { agents: 9 });
  const same = await resume(other.run, "c");
  assert.deepEqual(same.events[0].data.budget, { agents: 9 });
  const free = await resume(first.run, "d", { ...NOTHING, budget: null });
  assert.deepEqual([free.end.result, limitsOf(free)], [3, NOTHING]);
  assert.equal(free.events[0].data.budget, null);
  assert.deepEqual(limitsOf(await resume(free.run, "e")), NOTHING);
});

test("an own budget of the resumed run binds its agents", async (t) => {
  const { flows, model } = await open(t);
  const script = whole(`const said = [];
for (const i of [1, 2, 3]) said.push(await agent(args.word + i).catch(() => "refused"));
return said;`);
  const ask = { script, model, args: { word: "a" }, budget: { agents: 2 } };
  const first = await flows.run(ask);
  assert.deepEqual(first.end.result, ["heard", "heard", "refused"]);
  const second = await flows.run({ resumeFromRunId: first.run, args: { word: "b" } });
  assert.deepEqual(second.end.result, ["heard", "heard", "refused"]);
});

test("a plan and the first line of a run tell the limits that are taken over", async (t) => {
  const { flows, model } = await open(t);
  const ask = { script: spender(1), args: { word: "a" }, model, budget: { agents: 4 }, ...LIMITS };
  const first = await flows.run(ask);
  const plan = await flows.ask("POST", "/scripts/plan", { resumeFromRunId: first.run });
  assert.equal(plan.status, 200, plan.text);
  const { limits, total, budget } = plan.json;
  assert.deepEqual([total, budget], [50, { agents: 4 }]);
  assert.deepEqual([limits.timeout_ms, limits.agent_timeout_ms, limits.at_once],
    [7_200_000, 60_000, 3]);
  const say = async (...more) =>
    (await begin(t, flows.daemon, ["run", "--resume", first.run, ...more]).ended).stderr;
  assert.match(await say(), new RegExp(`^workflow started: .*resumed from ${first.run}.*, budget ` +
    "agents 4, budget.total 50, timeout 2h.*, of each agent 1m.*, at most 3 at once$", "m"));
  const lifted = await say("--lift", "budget-tokens", "--lift", "timeout", "--lift", "budget",
    "--agent-timeout", "5m");
  assert.match(lifted, /^workflow started: .*, no budget, of each agent 5m.*, at most 3 at once$/m);
});

test("a model that resumes a run takes over what binds, and gains nothing", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const script = "export const meta = { name: 'flock', description: 'counts sheep' };\nreturn 1;";
  const events = async (run) => {
    const all = [];
    for (let after = 0; ; ) {
      const page = await turns.get(`/streams/run:${run}/events?after=${after}&wait=30`);
      all.push(...page.events);
      if (all.some(({ type }) => type === "workflow_finished")) return all;
      after = all.at(-1)?.seq ?? after;
    }
  };
  const resumed = async (limits) => {
    const body = { script, project: "default", ...limits };
    const { json } = await turns.ask("POST", "/workflows", body);
    await events(json.runId);
    const asked = call("run_workflow", { resumeFromRunId: json.runId });
    const { message } = await turns.turn(listener, turn(asked, say("I wait")));
    const [card] = toolsOf(message);
    assert.equal(card.state, "succeeded", card.text);
    return { events: await events(JSON.parse(card.text).runId) };
  };
  const low = { ...LIMITS, concurrency: 1 };
  assert.deepEqual(limitsOf(await resumed(low)), low);
  const high = { total: 50, agent_timeout_ms: 7_200_000, concurrency: 200 };
  assert.deepEqual(limitsOf(await resumed(high)), { ...NOTHING, total: 50 });
});
