// waits.test.mjs: a call of a model that waits before its next try is shown as waiting, with its
// gate and the time at which it goes on, wherever runs are shown; it ends at once when it is asked
// to, and a restart of the daemon waits for the rest.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { Faulty } from "./faulty.mjs";
import { openSse } from "./sse.mjs";
import { Listener, say, script, textOf, Turns } from "./turns.mjs";
import { Workflows, whole } from "./workflows.mjs";

const kind = "openai";
const LONG_S = 50; // Longer than any of these tests waits for it.
const json = { "content-type": "application/json" };
const refuse = (headers) =>
  ({ status: 429, headers: { ...json, ...headers }, body: '{"error":{"message":"slow down"}}' });
const later = () => refuse({ "retry-after": String(LONG_S) });
const soon = () => refuse({ "retry-after-ms": "300" });

async function connect(t, daemon, more = {}) {
  const provider = await new Faulty(kind).start(t);
  const body = { name: "slow", kind, base_url: provider.url, max_concurrent: 100, ...more };
  const made = await daemon.ask("POST", "/providers", body);
  assert.equal(made.status, 201, made.text);
  return provider;
}

async function open(t, plays) {
  const turns = await Turns.open(t);
  const provider = await connect(t, turns);
  provider.plays.set("m", plays);
  const listener = await turns.listen({ model: "slow/m", root: turns.root, title: "waits" });
  return { turns, provider, listener };
}

const idsOf = async (daemon, query) => {
  const { items } = await daemon.get(`/runs?${query}`);
  return items.map(({ id }) => id);
};

const isEnd = ({ type }) => type === "workflow_finished";
const BEGINS = ["turn_waiting", "turn_resumed"];
const typesOf = ({ heard }) =>
  heard.events.map(({ type }) => type).filter((type) => BEGINS.includes(type));

test("a turn that waits before its next try is shown as waiting, until when and for whom",
  async (t) => {
    const { turns, provider, listener } = await open(t, [later()]);
    const before = Date.now();
    const { run } = await turns.send(listener.session, "hello");
    const told = await listener.until("turn_waiting");
    assert.deepEqual([told.run, told.gate, told.provider, told.cause],
      [run, "provider", "slow", "rate_limited"]);
    assert.ok(told.resume_at_ms >= before + LONG_S * 1000, `${told.resume_at_ms}`);

    const shown = await turns.get(`/runs/${run}`);
    assert.deepEqual([shown.state, shown.gate, shown.resume_at_ms],
      ["waiting", "provider", told.resume_at_ms]);
    const listed = (await turns.get("/runs?live=1")).items.find(({ id }) => id === run);
    assert.deepEqual([listed.state, listed.gate, listed.resume_at_ms],
      ["waiting", "provider", told.resume_at_ms]);
    assert.deepEqual(await idsOf(turns, "state=waiting"), [run]);
    assert.deepEqual(await idsOf(turns, "state=running"), []);
    assert.equal((await turns.get(`/sessions/${listener.session}`)).state, "waiting");
    const stream = `/streams/session:${listener.session}/events`;
    const { snapshot } = await turns.get(`${stream}?snapshot=1`);
    assert.equal(snapshot.turn.run, run);
    assert.deepEqual([snapshot.turn.state, snapshot.turn.gate, snapshot.turn.resume_at_ms],
      ["waiting", "provider", told.resume_at_ms]);
    const until = new Date(told.resume_at_ms).toISOString().slice(11, 19);
    const ps = await turns.daemon.cli(["ps"]);
    const at = "waits for the next try of its provider, in \\d+ s";
    assert.match(ps.stdout, new RegExp(`^${run}  turn +waiting +1 .* hello  ${at}`, "m"));
    const show = await turns.daemon.cli(["show", run]);
    const waits = new RegExp(`waits for +the next try of its provider.*\nuntil .* ${until}Z`);
    assert.match(show.stdout, waits);
    const session = await turns.daemon.cli(["session", "show", listener.session]);
    assert.match(session.stdout, new RegExp(`^state +waiting\n[^]*^${at}`, "m"));

    // It ends at once: the provider is not asked again, and the session takes the next message.
    const stopped = await turns.daemon.cli(["stop", run]);
    assert.equal(stopped.code, 0, stopped.stderr);
    const end = await listener.ended(run);
    assert.deepEqual([end.state, end.cause], ["cancelled", "stopped"]);
    assert.deepEqual(typesOf(listener), BEGINS);
    const { message } = await turns.turn(listener, say("well"), { model: "scripted/demo" });
    assert.equal(textOf(message), "well");
    assert.equal(provider.asked.get("m").length, 1);
    const after = await turns.get(`/runs/${run}`);
    assert.deepEqual([after.state, after.gate, after.resume_at_ms], ["cancelled", null, null]);
    listener.close();
  });

test("the begin and the end of each wait are one event each, and it runs again", async (t) => {
  const { turns, provider, listener } = await open(t, [soon(), soon()]);
  const { run, end, message } = await turns.turn(listener, "hello");
  assert.deepEqual([end.state, textOf(message)], ["succeeded", "well"]);
  assert.deepEqual(typesOf(listener), [...BEGINS, ...BEGINS]);
  for (const { data } of listener.heard.events.filter(({ type }) => BEGINS.includes(type))) {
    assert.deepEqual([data.run, data.gate], [run, "provider"]);
  }
  const shown = await turns.get(`/runs/${run}`);
  assert.deepEqual([shown.state, shown.gate, shown.resume_at_ms], ["succeeded", null, null]);
  assert.equal(provider.asked.get("m").length, 3);
  assert.equal((await turns.get(`/sessions/${listener.session}`)).state, "idle");
  listener.close();
});

test("a daemon that is killed in the wait goes on with what is left of it", async (t) => {
  const { turns, provider, listener } = await open(t, [refuse({ "retry-after": "4" })]);
  const { run } = await turns.send(listener.session, "hello");
  const { resume_at_ms } = await listener.until("turn_waiting");
  await turns.daemon.kill();
  listener.close();
  let asked_ms = 0;
  provider.plays.set("m", [() => {
    asked_ms = Date.now();
    return { answer: { text: "here I am" } };
  }]);
  await turns.daemon.start();
  await listener.open();
  const end = await listener.ended(run);
  assert.equal(end.state, "succeeded");
  assert.equal(textOf(await turns.answer(listener.session, run)), "here I am");
  assert.equal(provider.asked.get("m").length, 2);
  assert.ok(asked_ms >= resume_at_ms, `asked ${resume_at_ms - asked_ms} ms too early`);
  assert.deepEqual(typesOf(listener), BEGINS);
  listener.close();
});

test("a turn is stopped in a wait that an earlier daemon began", async (t) => {
  const { turns, provider, listener } = await open(t, [later()]);
  const { run } = await turns.send(listener.session, "hello");
  const { resume_at_ms } = await listener.until("turn_waiting");
  await turns.daemon.kill();
  listener.close();
  await turns.daemon.start();
  const shown = await turns.get(`/runs/${run}`);
  assert.deepEqual([shown.state, shown.gate, shown.resume_at_ms],
    ["waiting", "provider", resume_at_ms]);
  await listener.open();
  assert.equal((await turns.ask("POST", `/runs/${run}/stop`, {})).status, 200);
  assert.deepEqual((await listener.ended(run)).state, "cancelled");
  assert.equal(provider.asked.get("m").length, 1);
  listener.close();
});

test("a provider that names a time too far away is said to be asked at that time", async (t) => {
  const { turns, listener } = await open(t, [refuse({ "retry-after": "120" })]);
  const before = Date.now();
  const { run, end } = await turns.turn(listener, "hello");
  assert.deepEqual([end.state, end.cause], ["failed", "rate_limited"]);
  const shown = await turns.get(`/runs/${run}`);
  assert.equal(shown.state, "failed");
  assert.ok(shown.resume_at_ms >= before + 120_000, `${shown.resume_at_ms}`);
  listener.close();
});

test("ask says for whom it waits, and until when", async (t) => {
  const { turns } = await open(t, [soon()]);
  const answer = await turns.daemon.cli(["ask", "--model", "slow/m", "hello"]);
  assert.equal(answer.code, 0, answer.stderr);
  assert.match(answer.stdout, /well/);
  assert.match(answer.stderr, /waiting for provider slow until \d\d:\d\d:\d\d/);
});

test("an agent of a workflow that waits for its provider is shown as waiting", async (t) => {
  const flows = await Workflows.open(t);
  const provider = await connect(t, flows);
  provider.plays.set("m", [soon()]);
  provider.plays.set("n", [later()]);
  const run = await flows.start({ model: "slow/m", script: whole(`
    const one = await agent("one", { label: "one", tools: [] });
    await parallel([() => agent("two", { label: "two", tools: [], model: "slow/n" })]);
    return one;`) });
  const events = await flows.until(run, ({ type, data }) =>
    type === "agent_retrying" && data.label === "two");
  const of = (label) => events.filter(({ data }) => data.label === label);
  assert.deepEqual(of("one").map(({ type }) => type),
    ["agent_started", "agent_retrying", "agent_resumed", "agent_finished"]);
  const told = of("two").at(-1).data;
  assert.deepEqual([told.gate, told.cause], ["provider", "rate_limited"]);
  const agent = await flows.get(`/runs/${told.run}`);
  assert.deepEqual([agent.state, agent.gate, agent.resume_at_ms],
    ["waiting", "provider", told.resume_at_ms]);
  const { items } = await flows.get(`/runs/${run}/agents`);
  assert.deepEqual(items.map((one) => [one.label, one.state, one.gate, one.resume_at_ms]),
    [["one", "succeeded", null, null], ["two", "waiting", "provider", told.resume_at_ms]]);
  assert.deepEqual(await idsOf(flows, "state=waiting"), [told.run]);
  assert.deepEqual(await idsOf(flows, "state=running"), [run]);

  // A restart in the wait keeps it, and a stop ends it.
  await flows.daemon.kill();
  await flows.daemon.start();
  const again = await flows.get(`/runs/${told.run}`);
  assert.deepEqual([again.state, again.resume_at_ms], ["waiting", told.resume_at_ms]);
  assert.equal((await flows.ask("POST", `/runs/${run}/stop`, {})).status, 200);
  await flows.until(run, isEnd);
  assert.equal((await flows.get(`/runs/${told.run}`)).state, "cancelled");
  assert.equal(provider.asked.get("n").length, 1);
});

test("an agent that is restarted in its wait waits on, and is skipped there", async (t) => {
  const flows = await Workflows.open(t);
  const provider = await connect(t, flows);
  provider.plays.set("m", [later()]);
  const run = await flows.start({ model: "slow/m", script: whole(`
    return await agent("one", { label: "one", tools: [] });`) });
  const waits = ({ type }) => type === "agent_retrying";
  const first = (await flows.until(run, waits)).find(waits);
  const agent = first.data.run;
  assert.equal((await flows.ask("POST", `/runs/${agent}/restart`, {})).status, 200);
  const second = (await flows.until(run, waits, first.seq)).find(waits);
  const shown = await flows.get(`/runs/${agent}`);
  assert.deepEqual([shown.state, shown.attempts, shown.resume_at_ms],
    ["waiting", 2, second.data.resume_at_ms]);
  assert.equal((await flows.ask("POST", `/runs/${agent}/skip`, {})).status, 200);
  const { end } = await flows.outcome(run);
  assert.equal(end.result, null);
  assert.equal((await flows.get(`/runs/${agent}`)).state, "cancelled");
  assert.equal(provider.asked.get("m").length, 1, "its provider named a time");
});

test("an agent with tools waits with its turn", async (t) => {
  const flows = await Workflows.open(t);
  const provider = await connect(t, flows);
  provider.plays.set("m", [later()]);
  const run = await flows.start({ model: "slow/m", script: whole(`
    return await agent("look around", { label: "one" });`) });
  const events = await flows.until(run, ({ type }) => type === "agent_retrying");
  const told = events.find(({ type }) => type === "agent_retrying").data;
  assert.equal((await flows.get(`/runs/${told.run}`)).state, "waiting");
  const waiting = (await flows.get("/runs?state=waiting")).items;
  assert.deepEqual(waiting.map((one) => [one.kind, one.gate, one.resume_at_ms]).sort(),
    [["agent", "provider", told.resume_at_ms], ["turn", "provider", told.resume_at_ms]]);
  assert.equal((await flows.ask("POST", `/runs/${run}/stop`, {})).status, 200);
  await flows.until(run, isEnd);
  assert.deepEqual((await flows.get("/runs?state=waiting")).items, []);
});

test("a run that a held daemon takes in waits for the hold, and says so", async (t) => {
  const turns = await Turns.open(t, { args: ["--insecure-loopback", "--hold"] });
  const made = await turns.ask("POST", "/jobs", { argv: ["true"] });
  assert.equal(made.status, 201, made.text);
  const { id } = made.json;
  const { events } = await turns.get(`/streams/run:${id}/events?after=0`);
  const queued = events.find(({ type }) => type === "run_queued");
  assert.deepEqual(queued.data, { gate: "hold" });
  const shown = [
    made.json,
    await turns.get(`/jobs/${id}`),
    ...(await turns.get("/runs?state=queued")).items,
    ...(await turns.get("/system/hold")).would_start.runs,
  ];
  const words = shown.map((one) => [one.id, one.state, one.gate]);
  assert.deepEqual(words, [1, 2, 3, 4].map(() => [id, "queued", "hold"]));
  assert.equal((await turns.ask("POST", "/system/release", {})).status, 200);
  assert.ok((await turns.get(`/streams/run:${id}/events?after=${events.at(-1).seq}&wait=20`)).events
    .some(({ type }) => type === "run_started"));
});

test("a daemon that holds finds what it shows as waiting by that state", async (t) => {
  const { turns, listener } = await open(t, [later(), later()]);
  const job = await turns.ask("POST", "/jobs", { argv: ["sleep", "1000"] });
  assert.equal(job.status, 201, job.text);
  const { run } = await turns.send(listener.session, "hello");
  await listener.until("turn_waiting");
  await turns.daemon.kill();
  listener.close();
  turns.daemon.args.push("--hold");
  await turns.daemon.start();
  const turn = await turns.get(`/runs/${run}`);
  assert.deepEqual([turn.state, turn.gate, turn.resume_at_ms], ["waiting", "hold", null]);
  // The job's holder lives. Once it is followed the job runs, and no event tells of that.
  while ((await turns.get(`/runs/${job.json.id}`)).state !== "running");
  for (const query of ["", "&live=1"]) {
    for (const state of ["waiting", "running"]) {
      const { items } = await turns.get(`/runs?state=${state}${query}`);
      assert.deepEqual(items.map((one) => one.state), items.map(() => state));
    }
    const { items } = await turns.get(`/runs?${query.slice(1)}`);
    const waiting = items.filter((one) => one.state === "waiting").map(({ id }) => id);
    assert.deepEqual(await idsOf(turns, `state=waiting${query}`), waiting);
    assert.ok(waiting.includes(run));
  }
  await turns.ask("POST", `/jobs/${job.json.id}/stop`, {});
});

/** The first snapshot that a follower gets over SSE. */
async function snapshotOf(turns, session) {
  const target = `/api/v1/streams/session:${session}/events?snapshot=1`;
  const sse = await openSse(turns.daemon, target, turns.headers);
  for (let frame; (frame = await sse.next()); ) {
    if (frame.event !== "snapshot") continue;
    sse.close();
    return JSON.parse(frame.data);
  }
  return assert.fail("no snapshot came");
}

test("a session whose turn waits for a release is shown as waiting everywhere", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ title: "long ago" });
  const { session } = listener;
  const body = { text: script("say: not yet", "delay: 100s"), client_id: "one" };
  const { run } = (await turns.post(session, body)).json;
  await listener.until("delta");
  listener.close();
  await turns.daemon.kill();
  turns.daemon.args.push("--hold");
  await turns.daemon.start();

  const polled = await turns.get(`/streams/session:${session}/events?snapshot=1&limit=1`);
  const followed = await snapshotOf(turns, session);
  for (const { turn, streaming, ...snapshot } of [polled.snapshot, followed]) {
    assert.deepEqual([snapshot.session.state, streaming], ["waiting", null]);
    assert.deepEqual(turn, { run, number: 1, state: "waiting", gate: "hold", resume_at_ms: null });
  }
  const only = (page) => page.items.find(({ id }) => id === session);
  const shown = [
    await turns.get(`/sessions/${session}`),
    only(await turns.get("/sessions")),
    only(await turns.get("/sessions?q=long")),
    (await turns.get(`/sessions/${session}/export`)).session,
    (await turns.ask("PATCH", `/sessions/${session}`, { title: "held" })).json,
    (await turns.post(session, body)).json,
  ];
  assert.deepEqual(shown.map(({ state }) => state), shown.map(() => "waiting"));
  assert.match((await turns.daemon.cli(["session", "ls"])).stdout, /waiting/);

  assert.equal((await turns.ask("POST", "/system/release", {})).status, 200);
  while ((await turns.get(`/runs/${run}`)).state !== "running");
  assert.equal((await turns.get(`/sessions/${session}`)).state, "running");
  const { snapshot } = await turns.get(`/streams/session:${session}/events?snapshot=1&limit=1`);
  assert.deepEqual([snapshot.session.state, snapshot.turn.state], ["running", "running"]);
});

test("agents of a workflow that waits for a release are not shown at work", async (t) => {
  const flows = await Workflows.open(t);
  const run = await flows.start({ script: whole(`
    return await parallel(["one", "two"].map((label) =>
      () => agent("delay: 100s", { label, tools: [] })));`) });
  let begun = 0;
  await flows.until(run, ({ type }) => type === "agent_started" && ++begun === 2);
  await flows.daemon.kill();
  flows.daemon.args.push("--hold");
  await flows.daemon.start();
  const { stdout } = await flows.daemon.cli(["show", run]);
  assert.match(stdout, /2 agents: 2 held/);
  assert.doesNotMatch(stdout, /at work|running/);
});
