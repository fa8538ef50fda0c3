// workflow-facts.test.mjs: why an agent of a workflow does not move, and what it is doing: on the
// stream of its run, in the list of agents, and gone again when the cause is.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";

import { Held } from "./held.mjs";
import { until } from "./providers.mjs";
import { openSse } from "./sse.mjs";
import { whole, Workflows } from "./workflows.mjs";

const KEY = /^[0-9a-f]{16}\.[1-9]\d*$/;
const ofAgents = (events) => events.filter(({ type }) => type.startsWith("agent_"));
const all = (labels, opts = "") => `return await parallel(${JSON.stringify(labels)}.map((label) =>
  () => agent("held " + label, { label${opts} })));`;

test("an agent without a slot is queued, and begins under the same key", async (t) => {
  const provider = await new Held((prompt) => ({ prompt, text: prompt })).start(t);
  const flows = await Workflows.open(t);
  const model = await flows.connect(provider, "wide");
  const script = whole(`phase("One");\n${all(["a", "b", "c"])}`);
  const run = await flows.start({ script, model, root: undefined, concurrency: 1 });
  await flows.until(run, ({ type, data }) => type === "agent_queued" && data.label === "c");
  for (const name of ["held a", "held b", "held c"]) {
    await provider.untilAsked(name, 1);
    provider.free(name);
  }
  const { events } = await flows.outcome(run);
  const told = ofAgents(events).map(({ type, data }) => `${type} ${data.label}`);
  assert.deepEqual(told, ["agent_started a", "agent_queued b", "agent_queued c",
    "agent_finished a", "agent_started b", "agent_finished b", "agent_started c",
    "agent_finished c"]);
  const keys = new Map();
  for (const { data } of ofAgents(events)) {
    assert.match(data.key, KEY);
    assert.equal(keys.get(data.label) ?? data.key, data.key);
    keys.set(data.label, data.key);
  }
  assert.equal(new Set(keys.values()).size, 3);
  const queued = events.filter(({ type }) => type === "agent_queued").map(({ data }) => data);
  assert.deepEqual(queued, ["b", "c"].map((label) =>
    ({ key: keys.get(label), label, phase: "One", gate: "slot", limit: "run" })));
  const again = await flows.run({ script, model, root: undefined, resumeFromRunId: run });
  for (const { data } of ofAgents(again.events)) assert.equal(data.key, keys.get(data.label));
});

test("a thousand calls at once are queued in their order, and none that has a slot", async (t) => {
  const provider = await new Held((prompt) => ({ prompt, text: prompt })).start(t);
  const flows = await Workflows.open(t);
  const model = await flows.connect(provider, "wide");
  const script = whole(`return (await parallel(Array.from({ length: 1000 }, (_, i) =>
    () => agent("held " + i, { label: "n" + i })))).length;`);
  const run = await flows.start({ script, model, root: undefined, concurrency: 2 });
  const events = await flows.until(run, ({ type, data }) =>
    type === "agent_queued" && data.label === "n999");
  const queued = events.filter(({ type }) => type === "agent_queued");
  assert.deepEqual(queued.map(({ data }) => data.label),
    Array.from({ length: 998 }, (_, i) => `n${i + 2}`));
  assert.equal((await flows.ask("POST", `/runs/${run}/stop`, {})).status, 200);
  await flows.outcome(run);
});

test("a start says where it was called, and the ids of what performs it", async (t) => {
  const flows = await Workflows.open(t);
  const git = (...args) => execFileSync("git",
    ["-C", flows.root, "-c", "user.name=a", "-c", "user.email=a@example.org", ...args]);
  flows.write("a.txt", "text");
  git("init", "-q");
  git("add", ".");
  git("commit", "-qm", "text");
  flows.write("child.js", `${whole("")}
return await agent("say: within", { label: "within", tools: [] });`);
  const { run, events } = await flows.run({ script: whole(`await agent("say: a", {
  label: "bare", tools: [], agentType: "Explore" }).catch(() => null);
await agent("say: b", { label: "tools" });
await agent("say: c", { label: "tree", isolation: "worktree" });
await workflow({ scriptPath: "./child.js" });`) });
  assert.ok(events[0].data.agent_stuck_ms > 0);
  const of = (label, word) => events.find(({ type, data }) =>
    type === `agent_${word}` && data.label === label).data;
  const place = ({ line, column, file }) => [line, column, file];
  assert.deepEqual(place(of("bare", "started")), [2, 7, undefined]);
  assert.deepEqual(place(of("tools", "started")), [4, 7, undefined]);
  const within = of("within", "started");
  assert.deepEqual([within.line, within.column], [3, 14]);
  assert.match(within.file, /child\.js$/);
  assert.deepEqual([of("bare", "started").type, of("bare", "started").session], ["Explore", null]);
  const tools = of("tools", "started");
  assert.deepEqual([tools.type, tools.isolation], [null, null]);
  const turn = await flows.get(`/runs/${tools.turn}`);
  assert.deepEqual([turn.kind, turn.parent], ["turn", tools.run]);
  assert.equal((await flows.get(`/sessions/${tools.session}`)).id, tools.session);
  // A working tree comes first: its turn follows.
  const tree = of("tree", "started");
  assert.deepEqual([tree.isolation, tree.session, tree.turn], ["worktree", null, null]);
  const { session, ...told } = of("tree", "session");
  assert.equal((await flows.get(`/runs/${told.turn}`)).parent, tree.run);
  assert.deepEqual([told.run, told.attempt], [tree.run, 1]);
  assert.equal((await flows.get(`/sessions/${session}`)).id, session);
  assert.equal((await flows.get(`/runs/${run}`)).state, "succeeded");
});

/** Follows the stream of a run; `until(fits)` takes frames agent_progress until one has an agent
 *  that fits, and answers it. */
async function pulses(t, flows, run) {
  const stream = await openSse(flows.daemon, `/api/v1/streams/run:${run}/events?after=0`);
  t.after(() => stream.close());
  const frames = [];
  const until = async (fits) => {
    for (let frame; (frame = await stream.next()) !== undefined;) {
      if (frame.event !== "agent_progress") continue;
      assert.equal(frame.id, undefined, "a frame has no number");
      const data = JSON.parse(frame.data);
      assert.equal(data.id, run);
      frames.push(data);
      const found = data.agents.find(fits);
      if (found) return { ...found, at_ms: data.at_ms };
    }
    return assert.fail("the stream ended");
  };
  return { frames, until };
}

test("frames say what agents do: tokens as they come, the tool that runs, and no silence", {
  timeout: 120_000,
}, async (t) => {
  const flows = await Workflows.open(t);
  const script = whole(`return await parallel([
    () => agent("tokens: 2000 at 100/s", { label: "talks", tools: [] }),
    () => agent("tokens: 2000 at 100/s", { label: "turn" }),
    () => agent('call: run_command {"command": "sleep", "args": ["100"]}', { label: "works" }),
    () => agent("delay: 100s", { label: "thinks", tools: [] })]);`);
  const permissions = [{ tool: "run_command", permission: "allow" }];
  const run = await flows.start({ script, settings: { permissions } });
  const { frames, until } = await pulses(t, flows, run);
  const ids = new Map();
  await flows.until(run, ({ type, data }) =>
    type === "agent_started" && ids.set(data.label, data.run).size === 4);
  const of = (label) => (agent) => agent.run === ids.get(label);
  for (const label of ["talks", "turn"]) {
    const first = await until((agent) => of(label)(agent) && agent.tokens > 0);
    const later = await until((agent) => of(label)(agent) && agent.tokens > first.tokens);
    assert.ok(later.tokens_s > 0, JSON.stringify(later));
    assert.deepEqual([later.tool, later.arguments_streaming, later.step], [null, false, 1]);
    assert.ok(later.silent_ms < 1000, JSON.stringify(later)); // 100 tokens come in that time.
  }
  const works = await until((agent) => of("works")(agent) && agent.tool !== null);
  assert.equal(works.tool, "run_command");
  const silent = await until((agent) => of("thinks")(agent) && agent.silent_ms > 2000);
  assert.deepEqual([silent.tokens, silent.tool], [0, null]);
  for (let i = 1; i < frames.length; i++) {
    assert.ok(frames[i].at_ms - frames[i - 1].at_ms >= 900, JSON.stringify(frames));
  }
  assert.equal((await flows.ask("POST", `/runs/${run}/stop`, {})).status, 200);
  const { events } = await flows.outcome(run);
  assert.ok(events.every(({ type }) => type !== "agent_progress"), "nothing is stored");
});

// --- Why it does not move -----------------------------------------------------------------------

/** The wait of each agent in the list, by label. */
const waits = async (flows, run) => new Map((await flows.get(`/runs/${run}/agents`)).items
  .map(({ label, waiting }) => [label, waiting]));
const waitsAs = (flows, run, label, fits) =>
  until(`${label} waits`, async () => fits((await waits(flows, run)).get(label)));

test("each cause stands on its agent while it holds, and not after it", {
  timeout: 120_000,
}, async (t) => {
  const provider = await new Held((prompt) => ({ prompt, text: prompt })).start(t);
  const flows = await Workflows.open(t);
  const body = { name: "narrow", kind: "openai", base_url: provider.url, max_concurrent: 1 };
  assert.equal((await flows.ask("POST", "/providers", body)).status, 201);
  const ask = JSON.stringify('call: run_command {"command": "true"}\nsay: done');
  const run = await flows.start({ model: "narrow/small", script: whole(`return await parallel([
    () => agent("held first", { label: "first", tools: [] }),
    () => agent("held second", { label: "second", tools: [] }),
    () => agent(${ask}, { label: "asks", model: "scripted/demo" }),
    () => agent("fail: 429 after 50s",
      { label: "provider", tools: [], model: "scripted/demo" })]);`) });
  const stream = await pulses(t, flows, run);
  await provider.untilAsked("held first", 1);
  const ids = new Map();
  const seen = await flows.until(run, ({ type, data }) => {
    if (type === "agent_started") ids.set(data.label, data.run);
    return type === "agent_waiting";
  });
  const inLine = await stream.until((agent) => agent.run === ids.get("second") && agent.limit);
  assert.deepEqual([inLine.limit, inLine.name, inLine.silent_ms], ["connection", "narrow", null]);
  const now = await waits(flows, run);
  assert.equal(now.get("first"), null);
  assert.deepEqual(now.get("second"),
    { for: "slot", since_ms: null, limit: "connection", name: "narrow" });
  const { approval } = seen.find(({ type }) => type === "agent_waiting").data;
  const asked = now.get("asks");
  assert.deepEqual([asked.for, asked.approval, asked.tool], ["approval", approval, "run_command"]);
  assert.ok(asked.since_ms > 0);
  await waitsAs(flows, run, "provider", (wait) => wait?.for === "provider");
  const { items } = await flows.get(`/runs/${run}/agents`);
  const row = items.find(({ label }) => label === "asks");
  assert.match(row.key, KEY);
  assert.deepEqual([row.attempts, row.calls, row.line, row.type, row.isolation],
    [1, 1, 5, null, null]);
  assert.equal((await flows.get(`/sessions/${row.session}`)).id, row.session);

  provider.free("held first");
  await stream.until((agent) => agent.run === ids.get("second") && !agent.limit);
  assert.equal((await flows.ask("POST", `/approvals/${approval}`, { decision: "allow" })).status,
    200);
  await flows.until(run, ({ type }) => type === "agent_answered");
  await waitsAs(flows, run, "asks", (wait) => wait === null);
  await waitsAs(flows, run, "second", (wait) => wait === null);
  assert.equal((await flows.ask("POST", `/runs/${run}/stop`, {})).status, 200);
  await flows.outcome(run);
  for (const wait of (await waits(flows, run)).values()) assert.equal(wait, null);
});

test("an agent that a budget lets wait says so until the budget is raised", async (t) => {
  const flows = await Workflows.open(t);
  const set = (limits) => flows.ask("PATCH", "/budgets/global", limits);
  assert.equal((await set({ per: "day", tokens: 100 })).status, 200);
  const long = `say: ${"sheep ".repeat(200)}`;
  const run = await flows.start({ script: whole(`
    const spent = await agent(${JSON.stringify(long)}, { label: "spends", tools: [] });
    return await parallel([() => agent("say: one", { label: "one", tools: [] }),
      () => agent("say: two", { label: "turn" })]);`) });
  const isQueued = ({ type, data }) => type === "agent_queued" && data.label === "one";
  const queued = (await flows.until(run, isQueued)).find(isQueued);
  const { gate, resume_at_ms, run: id, key } = queued.data;
  assert.equal(gate, "budget");
  assert.ok(resume_at_ms > Date.now(), "the end of the day");
  assert.match(key, KEY);
  await flows.until(run, ({ type, data }) => type === "agent_retrying" && data.label === "turn");
  for (const label of ["one", "turn"]) {
    const wait = (await waits(flows, run)).get(label);
    assert.deepEqual([wait.for, wait.resume_at_ms], ["midnight", resume_at_ms]);
  }
  assert.equal((await set({ tokens: 1_000_000 })).status, 200);
  const { events, end } = await flows.outcome(run);
  assert.deepEqual(end.result, ["one", "two"]);
  const of = (label) => events.filter(({ data }) => data.label === label).map(({ type }) => type);
  assert.deepEqual(of("one"), ["agent_queued", "agent_started", "agent_finished"]);
  assert.deepEqual(of("turn"),
    ["agent_started", "agent_retrying", "agent_resumed", "agent_finished"]);
  assert.equal(events.find(({ type, data }) =>
    type === "agent_started" && data.label === "one").data.run, id);
});

// --- Snapshot -----------------------------------------------------------------------------------

test("a snapshot has the run, its lines and its agents, and events follow it", async (t) => {
  const provider = await new Held((prompt) => ({ prompt, text: prompt })).start(t);
  const flows = await Workflows.open(t);
  const model = await flows.connect(provider, "wide");
  const run = await flows.start({ model, root: undefined, concurrency: 1, script: whole(`
    phase("One");
    log("begins");
    return await parallel(["a", "b"].map((label) => () => agent("held " + label, { label })));`) });
  const events = await flows.until(run, ({ type }) => type === "agent_queued");
  const target = `/streams/run:${run}/events?snapshot=1`;
  const { snapshot, snapshot_seq: seq } = await flows.get(target);
  assert.deepEqual([snapshot.run.id, snapshot.run.kind, snapshot.run.state],
    [run, "workflow", "running"]);
  assert.deepEqual(snapshot.workflow, events[0].data);
  assert.deepEqual(snapshot.lines.map(({ type, title, text }) => [type, title ?? text]),
    [["phase", "One"], ["log", "begins"]]);
  assert.deepEqual([snapshot.floor, snapshot.head, snapshot.agents_more], [0, seq, false]);
  assert.deepEqual(snapshot.agents, await flows.agents(run));
  for (const name of ["held a", "held b"]) {
    await provider.untilAsked(name, 1);
    provider.free(name);
  }
  const after = (await flows.outcome(run)).events.filter((event) => event.seq > seq);
  const page = await flows.get(`/streams/run:${run}/events?after=${seq}`);
  assert.deepEqual(page.events, after);
});

test("a snapshot is bounded, and all events of a run are kept", { timeout: 120_000 }, async (t) => {
  const flows = await Workflows.open(t);
  const { run, events } = await flows.run({ script: whole(`
    for (let i = 0; i < 5000; i++) log("line " + i);
    return (await parallel(Array.from({ length: 600 }, (_, i) =>
      () => agent("say: " + "word ".repeat(80) + i, { label: "n" + i, tools: [] })))).length;`) });
  const answer = await flows.ask("GET", `/streams/run:${run}/events?snapshot=1`);
  assert.equal(answer.status, 200, answer.text);
  const { snapshot } = answer.json;
  assert.ok(JSON.stringify(snapshot).length <= 256 * 1024);
  assert.equal(snapshot.agents_more, true);
  const listed = await flows.get(`/runs/${run}/agents?limit=100`);
  assert.deepEqual(snapshot.agents.slice(0, 100), listed.items);
  assert.ok(events.length > 6000);
  const stream = await flows.get(`/streams/run:${run}`);
  assert.deepEqual([stream.floor, stream.head, stream.keep_events, stream.keep_ms],
    [0, events.at(-1).seq, 0, 0], "what has no bound is never pruned");
});
