// outage.test.mjs: a provider that is away is asked by one call of its connection at a time, and
// all others wait for that one: agents until their deadline, a person for two minutes. Each minute
// of these tests is a second: --model-wait is the first long wait, usually 15 s.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";

import { Faulty } from "./faulty.mjs";
import { Provider, until } from "./providers.mjs";
import { textOf, Turns } from "./turns.mjs";
import { Workflows, whole } from "./workflows.mjs";

const WAIT_MS = 250;
const MINUTE_MS = 4 * WAIT_MS;
/** Calls that may have begun before the first refusal comes, where the machine is busy. */
const AT_ONCE = 16;
const args = ["--insecure-loopback", "--model-wait", String(WAIT_MS),
  "--agents", String(AT_ONCE)];
const json = { "content-type": "application/json" };
const refused = (status, message, headers = {}) =>
  ({ status, headers: { ...json, ...headers }, body: JSON.stringify({ error: { message } }) });

/** A provider that answers only while it is not away. */
class Absent extends Faulty {
  away = () => null; // What is played instead of an answer.
  requests = 0; // While it was away.
  models = []; // That it lists; null: it closes the connection instead.

  list(socket) {
    if (this.models === null) socket.destroy();
    else super.list(socket, this.models.map((id) => ({ id })));
  }

  answer(socket, body) {
    const play = this.away(JSON.parse(body));
    if (play) {
      this.requests++;
      this.plays.set(JSON.parse(body).model, [play]);
    }
    super.answer(socket, body);
  }
}

async function connect(t, daemon) {
  const provider = await new Absent("openai").start(t);
  const body = { name: "far", kind: "openai", base_url: provider.url };
  const made = await daemon.ask("POST", "/providers", body);
  assert.equal(made.status, 201, made.text);
  return provider;
}

for (const [how, play] of [
  ["answers 503", () => refused(503, "the machines rest")],
  ["closes each connection", () => ({ answer: { text: "never" }, at: "silent", how: "close" })],
]) {
  test(`40 agents survive a provider that ${how} for a minute, with few requests`, async (t) => {
    const flows = await Workflows.open(t, { args: args.slice(1) });
    const provider = await connect(t, flows);
    let until = 0;
    provider.away = () => {
      until ||= Date.now() + MINUTE_MS;
      return Date.now() < until ? play() : null;
    };
    const run = await flows.start({ model: "far/m", script: whole(`
      const all = await parallel(Array.from({ length: 40 }, (_, i) => () =>
        agent("count " + i, { label: "sheep " + i, tools: [] })));
      return all.filter((one) => one === null).length;`) });
    const { end, events } = await flows.outcome(run);
    assert.equal(end.result, 0, "none is null");
    assert.deepEqual(end.agents, { succeeded: 40, cached: 0, failed: 0, skipped: 0 });
    assert.ok(provider.requests <= AT_ONCE + 12, `${provider.requests} requests meanwhile`);
    const waits = events.filter(({ type }) => type === "agent_retrying");
    assert.ok(waits.every(({ data }) => data.gate === "provider" && data.resume_at_ms > 0));
  });
}

test("an agent with tools and a follow-up wait for it, too, and nothing counts as failed",
  async (t) => {
    const flows = await Workflows.open(t, { args: args.slice(1) });
    const provider = await connect(t, flows);
    let until = 0;
    provider.away = () => {
      until ||= Date.now() + MINUTE_MS;
      return Date.now() < until ? refused(429, "too many") : null;
    };
    const run = await flows.start({ model: "far/m", script: whole(`
      return await agent("look around", { label: "one" });`) });
    const { end } = await flows.outcome(run);
    assert.equal(end.result, "well");

    const made = await flows.ask("POST", "/sessions", { model: "far/m", root: flows.root });
    until = 0;
    const job = await flows.ask("POST", "/jobs",
      { argv: ["true"], notify: [{ session: made.json.id }] });
    assert.equal(job.status, 201, job.text);
    const [row] = await settled(flows, job.json.id);
    assert.deepEqual([row.state, row.failures], ["acknowledged", 0]);
    assert.ok(provider.requests >= 2, `${provider.requests} requests while it was away`);
  });

async function settled(daemon, run) {
  for (;;) {
    const rows = (await daemon.get("/inbox?all=1")).items.filter((row) => row.run === run);
    if (rows.length > 0 && rows.every((row) => row.state !== "bound" && row.state !== "pending")) {
      return rows;
    }
  }
}

test("a person's turn waits visibly for two minutes, and can be stopped", async (t) => {
  const turns = await Turns.open(t, { args });
  const provider = await connect(t, turns);
  provider.away = () => refused(503, "the machines rest");
  const listener = await turns.listen({ model: "far/m", root: turns.root, title: "waits" });
  const before = Date.now();
  const { run, end } = await turns.turn(listener, "hello");
  assert.deepEqual([end.state, end.cause], ["failed", "provider_error"]);
  assert.ok(Date.now() - before <= 4 * MINUTE_MS, `${Date.now() - before} ms`);
  const waits = listener.heard.events.filter(({ type }) => type === "turn_waiting");
  assert.ok(waits.length > 3 && waits.every(({ data }) => data.run === run && data.resume_at_ms));

  const second = await turns.send(listener.session, "and now?");
  await listener.until("turn_waiting", (data) => data.run === second.run);
  assert.equal((await turns.ask("POST", `/runs/${second.run}/stop`, {})).status, 200);
  assert.equal((await listener.ended(second.run)).cause, "stopped");

  // It is back, and nobody waits for the next time that a background call would have asked.
  provider.away = () => null;
  const { message } = await turns.turn(listener, "hello again");
  assert.equal(textOf(message), "well");
  listener.close();
});

test("a quota that is used up parks agents, and tells persons until when", async (t) => {
  const flows = await Workflows.open(t, { args: args.slice(1) });
  const provider = await connect(t, flows);
  provider.away = () => refused(402, "Insufficient Balance", { "retry-after": "3600" });
  const before = Date.now();
  const run = await flows.start({ model: "far/m", script: whole(`
    const all = await parallel(Array.from({ length: 20 }, (_, i) => () =>
      agent("count " + i, { label: "sheep " + i, tools: [] })));
    return all.filter((one) => one === null).length;`) });
  const parked = () => flows.get("/runs?state=waiting&limit=100").then(({ items }) => items);
  while ((await parked()).length < 20) {
    const { ended_ms } = await flows.get(`/runs/${run}`);
    assert.equal(ended_ms, null, "the workflow ended: its agents did not wait");
  }
  for (const one of await parked()) {
    assert.equal(one.gate, "provider");
    assert.ok(one.resume_at_ms >= before + 3600_000, `${one.resume_at_ms}`);
  }
  assert.ok(provider.requests <= AT_ONCE, `${provider.requests} requests`);

  // A person gets it as an error at once, without a request, and reads it at the connection.
  const asked = provider.requests;
  const ask = await flows.daemon.cli(["ask", "--model", "far/m", "hello"]);
  assert.notEqual(ask.code, 0);
  assert.match(ask.stderr, /Insufficient Balance \(asked again at \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ/);
  assert.match(ask.stderr, /drover provider test far/);
  assert.equal(provider.requests, asked);
  const [turn] = (await flows.get("/runs?kind=turn")).items;
  assert.deepEqual([turn.state, turn.cause], ["failed", "quota"]);
  assert.ok(turn.resume_at_ms >= before + 3600_000);
  const session = (await flows.get("/sessions")).items[0].id;
  const { items } = await flows.get(`/sessions/${session}/messages`);
  const answer = items.find((one) => one.role === "assistant");
  assert.equal(answer.resume_at_ms, turn.resume_at_ms);
  const row = await flows.get("/providers/far");
  assert.deepEqual([row.cause, row.resume_at_ms], ["quota", turn.resume_at_ms]);
  const ls = await flows.daemon.cli(["provider", "ls"]);
  assert.match(ls.stdout, /far .* quota, retry in \d+ min/);
  const ps = await flows.daemon.cli(["ps", "--all"]);
  assert.match(ps.stdout, /failed \(quota\) .* retry in \d+ min$/m);

  // A test asks all the same. What it hears is said, and a good answer lets everybody go on.
  const test = await flows.daemon.cli(["provider", "test", "far", "--model", "m"]);
  assert.equal(test.code, 1);
  assert.match(test.stdout, /quota, m, after \d+ ms/);
  assert.equal(provider.requests, asked + 1);
  provider.away = () => null;
  const again = await flows.daemon.cli(["provider", "test", "far", "--model", "m"]);
  assert.match(again.stdout, /^far answers: m, \d+ ms/);
  const { end } = await flows.outcome(run);
  assert.equal(end.result, 0);
  assert.equal((await flows.get("/providers/far")).cause, null);
});

test("a reset of the connection lets parked runs go on, and so does another key", async (t) => {
  const flows = await Workflows.open(t, { args: args.slice(1) });
  const provider = await connect(t, flows);
  for (const wake of [
    () => flows.daemon.cli(["provider", "reset", "far"]),
    () => flows.ask("PATCH", "/providers/far", { key: "sk-another-account" }),
  ]) {
    provider.away = () => refused(402, "Insufficient Balance");
    const run = await flows.start({ model: "far/m", script: whole(`
      return await agent("count", { label: "one", tools: [] });`) });
    await flows.until(run, ({ type }) => type === "agent_retrying");
    provider.away = () => null;
    await wake();
    assert.equal((await flows.outcome(run)).end.result, "well");
  }
});

test("a test of a provider that is not there says so, and how long that took", async (t) => {
  const flows = await Workflows.open(t, { args: args.slice(1) });
  const body = { name: "off", kind: "openai", base_url: "http://127.0.0.1:1/v1", models: ["m"] };
  assert.equal((await flows.ask("POST", "/providers", body)).status, 201);
  for (let i = 0; i < 2; i++) {
    const { json: told } = await flows.ask("POST", "/providers/off/test", {});
    assert.deepEqual([told.ok, told.cause, told.model], [false, "provider_unreachable", "m"]);
    assert.match(told.detail, /127\.0\.0\.1:1/);
  }
});

/** A provider that takes one key only. */
class Keyed extends Provider {
  refusal = 402; // 0: it takes every key.

  answer(request, body, answer) {
    const good = request.headers.authorization === "Bearer sk-the-new-account";
    if (request.method === "POST" && !good && this.refusal !== 0) {
      answer.writeHead(this.refusal, { ...json, "retry-after": "3600" });
      answer.end('{"error":{"message":"not with this key"}}');
      return;
    }
    super.answer(request, body, answer);
  }
}

async function keyed(t) {
  const provider = await new Keyed().start(t);
  const folder = mkdtempSync(path.join(tmpdir(), "drv-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, "key");
  const write = (key) => {
    writeFileSync(path.join(folder, "new"), `${key}\n`, { mode: 0o600 });
    renameSync(path.join(folder, "new"), file);
  };
  write("sk-the-old-account");
  const env = { OPENAI_API_KEY_FILE: file, OPENAI_BASE_URL: provider.url };
  const flows = await Workflows.open(t, { args: args.slice(1), env });
  return { provider, flows, write };
}

test("a key file that changed is read again, and parked runs go on", async (t) => {
  const { provider, flows, write } = await keyed(t);
  const run = await flows.start({ model: "openai/m", script: whole(`
    return await agent("count", { label: "one", tools: [] });`) });
  await flows.until(run, ({ type }) => type === "agent_retrying");
  write("sk-the-new-account");
  const { end } = await flows.outcome(run);
  assert.equal(end.state, "succeeded");
  assert.notEqual(end.result, null);

  // The new key is the one that a connection of that name had covered.
  const body = { name: "openai", kind: "openai", base_url: provider.url, key: "sk-covers-it" };
  assert.equal((await flows.ask("POST", "/providers", body)).status, 201);
  assert.equal((await flows.ask("DELETE", "/providers/openai")).status, 200);
  const { json: told } = await flows.ask("POST", "/providers/openai/test", { model: "m" });
  assert.equal(told.ok, true, told.detail);
});

test("what was parked before a restart goes on after a test, a reset, a change, a new key file",
  async (t) => {
    const { provider: own, flows, write } = await keyed(t);
    const far = await connect(t, flows);
    const live = async () => (await flows.get("/runs?live=1")).items;
    for (const [model, wake] of [
      ["far/m", () => flows.daemon.cli(["provider", "test", "far", "--model", "m"])],
      ["far/m", () => flows.daemon.cli(["provider", "reset", "far"])],
      ["far/m", () => flows.ask("PATCH", "/providers/far", { key: "sk-another-account" })],
      ["openai/m", () => write("sk-the-new-account")],
    ]) {
      far.away = () => refused(402, "Insufficient Balance", { "retry-after": "3600" });
      const { json: session } = await flows.ask("POST", "/sessions", { model, root: flows.root });
      const job = await flows.ask("POST", "/jobs",
        { argv: ["true"], notify: [{ session: session.id }] });
      const run = await flows.start({ model, script: whole(`
        return await agent("count", { label: "one", tools: [] });`) });
      const parked = async () => (await live()).filter((one) => one.gate === "provider");
      await until("both wait", async () => (await parked()).length === 2);
      await flows.daemon.kill();
      await flows.daemon.start();
      await flows.get(`/runs/${run}`);
      far.away = () => null;
      assert.deepEqual((await parked()).map(({ kind }) => kind).sort(), ["agent", "turn"]);
      await wake();
      assert.notEqual((await flows.outcome(run)).end.result, null);
      const [row] = await settled(flows, job.json.id);
      assert.deepEqual([row.state, row.failures], ["acknowledged", 0]);
    }
    assert.equal(own.refusal, 402);
  });

/** A daemon whose only default model is the one that its provider lists. */
async function listed(t) {
  const flows = await Workflows.open(t, { args: args.slice(1), env: { DROVER_MODEL: "" } });
  const provider = await new Absent("openai").start(t);
  provider.models = ["m"];
  const body = { name: "far", kind: "openai", base_url: provider.url };
  assert.equal((await flows.ask("POST", "/providers", body)).status, 201);
  const from = async () => (await flows.get("/settings")).model_from;
  await until("the list is here", async () => await from() === "connection");
  return { flows, provider, from };
}

test("agents keep the default model of their run over a restart without its list", async (t) => {
  const { flows, provider, from } = await listed(t);
  provider.away = () => refused(503, "the machines rest");
  const run = await flows.start({ script: whole(`
    const one = await agent("one", { tools: [] });
    return [one, await agent("two", { tools: [] })];`) });
  await until("the first waits", async () =>
    (await flows.get("/runs?state=waiting&kind=agent")).items.length === 1);
  await flows.daemon.kill();
  provider.models = null;
  await flows.daemon.start();
  assert.equal(await from(), "none");
  provider.away = () => null;
  assert.deepEqual((await flows.outcome(run)).end.result, ["well", "well"]);
});

test("a repeated start gets its first answer when no model is there any more", async (t) => {
  const { flows } = await listed(t);
  const body = { script: whole(`return await agent("one", { tools: [] });`) };
  const run = await flows.start(body, { "idempotency-key": "once" });
  await flows.outcome(run);
  assert.equal((await flows.ask("DELETE", "/providers/far")).status, 200);
  assert.equal(await flows.start(body, { "idempotency-key": "once" }), run);
  const other = await flows.ask("POST", "/workflows", body, { "idempotency-key": "twice" });
  assert.deepEqual([other.status, other.json.code], [400, "no_model"]);
});

test("restarts charge no budget for agents that wait for their provider", async (t) => {
  const flows = await Workflows.open(t, { args: args.slice(1) });
  const provider = await connect(t, flows);
  provider.away = () => refused(402, "Insufficient Balance", { "retry-after": "3600" });
  const limits = await flows.ask("PATCH", "/budgets/project:agents", { tokens: 100000 });
  assert.equal(limits.status, 200, limits.text);
  const run = await flows.start({ model: "far/m", project: "agents", script: whole(`
    return await parallel(["a", "b", "c"].map((one) => () => agent(one, { tools: [] })));`) });
  const parked = async () => (await flows.get("/runs?state=waiting&kind=agent")).items
    .filter(({ gate }) => gate === "provider").length === 3;
  await until("all wait", parked);
  const before = await flows.get("/budgets/project:agents");
  for (let i = 0; i < 2; i++) {
    await flows.daemon.kill();
    await flows.daemon.start();
    await until("all wait", parked);
    const { spent, reserved } = await flows.get("/budgets/project:agents");
    assert.deepEqual([spent, reserved], [before.spent, before.reserved]);
    assert.deepEqual([spent.tokens, spent.cost_micros], [0, 0]);
  }
  // In the end only the answers were paid for.
  provider.away = () => null;
  await flows.daemon.cli(["provider", "test", "far", "--model", "m"]);
  const { end } = await flows.outcome(run);
  const { spent } = await flows.get("/budgets/project:agents");
  assert.deepEqual([spent.tokens, spent.agents], [end.tokens, 3]);
});

test("a notice that a wrong key holds is delivered after a reset or a new key", async (t) => {
  const { provider, flows, write } = await keyed(t);
  const { json: session } = await flows.ask("POST", "/sessions", { model: "openai/m" });
  for (const mend of [
    () => {
      provider.refusal = 0; // The account was unlocked.
      return flows.daemon.cli(["provider", "reset", "openai"]);
    },
    () => write("sk-the-new-account"),
  ]) {
    provider.refusal = 401;
    const job = await flows.ask("POST", "/jobs",
      { argv: ["true"], notify: [{ session: session.id }] });
    const state = async () => (await settled(flows, job.json.id))[0].state;
    assert.equal(await state(), "held");
    await mend();
    await until("the delivery", async () => await state() === "acknowledged");
  }
});

test("a quota that is used up for 1 ms, again and again, is not asked for in a loop", async (t) => {
  const flows = await Workflows.open(t, { args: args.slice(1) });
  const provider = await connect(t, flows);
  provider.away = () => refused(402, "Insufficient Balance", { "retry-after-ms": "1" });
  await flows.start({ model: "far/m", script: whole(`
    return await agent("count", { label: "one", tools: [] });`) });
  await until("the pause is longer", async () =>
    (await flows.get("/providers/far")).resume_at_ms > Date.now() + 5000);
  assert.ok(provider.requests <= 5, `${provider.requests} requests`);
});

test("agents that wait for their provider do not wait for the limit of its connection",
  async (t) => {
    const flows = await Workflows.open(t, { args: args.slice(1) });
    const provider = await connect(t, flows);
    provider.away = () => refused(402, "Insufficient Balance", { "retry-after": "3600" });
    const run = await flows.start({ model: "far/m", script: whole(`
      return await parallel(["a", "b", "c"].map((one) => () => agent(one, { tools: [] })));`) });
    await until("all wait", async () =>
      (await flows.get("/runs?state=waiting&kind=agent")).items.length === 3);
    const { items } = await flows.get(`/runs/${run}/limits`);
    const [connection] = items.filter(({ limit }) => limit === "connection");
    assert.equal(connection.waiting, 0);
  });

test("a kill while an agent waits loses no usage of its answers before that", async (t) => {
  const flows = await Workflows.open(t, { args: args.slice(1) });
  const provider = await connect(t, flows);
  const sums = [];
  for (const kills of [false, true]) {
    let asked = 0;
    provider.away = () => {
      asked++;
      return asked === 1 ? { answer: { text: "no object at all, but many words" } }
        : asked === 2 ? refused(402, "Insufficient Balance", { "retry-after": "3600" })
          : { answer: { text: '{"n":1}' } };
    };
    const project = kills ? "killed" : "whole";
    const limits = await flows.ask("PATCH", `/budgets/project:${project}`, { tokens: 100000 });
    assert.equal(limits.status, 200, limits.text);
    const run = await flows.start({ model: "far/m", project, script: whole(`
      return await agent("count", { tools: [], schema: { type: "object", required: ["n"],
        properties: { n: { type: "integer" } } } });`) });
    const waits = async () => (await flows.get("/runs?state=waiting&kind=agent")).items.length > 0;
    await until("it waits", waits);
    if (kills) {
      await flows.daemon.kill();
      await flows.daemon.start();
      await until("it waits on", waits);
    }
    await flows.daemon.cli(["provider", "test", "far", "--model", "m"]);
    const { end } = await flows.outcome(run);
    assert.deepEqual(end.result, { n: 1 });
    const { spent } = await flows.get(`/budgets/project:${project}`);
    const { items: [{ usage }] } = await flows.get(`/usage?by=project&project=${project}`);
    assert.equal(spent.tokens, end.tokens);
    sums.push({ output: usage.output, calls: usage.calls, agents: spent.agents });
  }
  assert.deepEqual(sums[1], sums[0]); // The input is less: the new life's prompt is the first one.
});
