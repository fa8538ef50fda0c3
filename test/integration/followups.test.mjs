// followups.test.mjs: a job that a session started has ended: the session goes on with it, once,
// whatever stood in the way.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { Faulty } from "./faulty.mjs";
import { Provider, until } from "./providers.mjs";
import { scaled } from "./scale.mjs";
import { call, Listener, say, script, textOf, Turns } from "./turns.mjs";
import { Wires } from "./wires.mjs";

const ALL = { settings: { permissions: [{ permission: "allow" }] } };
const WAITS = ["-c", "while [ ! -e go ]; do sleep 0.02; done; echo built; exit 4"];

const FAILING_TURNS = 5;
const TRIES = 4; // Of one call.

/** A provider whose first `left` answers cannot be read, and that says to ask at once again: nobody
 *  waits for it longer than four tries. */
class Failing extends Provider {
  requests = 0;

  constructor(left) {
    super();
    this.left = left;
  }

  answer(request, body, answer) {
    if (request.method === "POST" && ++this.requests <= this.left) {
      answer.writeHead(200, { "content-type": "application/json", "retry-after-ms": "1" });
      answer.end("{}");
      return;
    }
    super.answer(request, body, answer);
  }
}

const letGo = (turns) => writeFileSync(path.join(turns.root, "go"), "");

/** A session whose turn has started a job that ends when `letGo` says so: {listener, job}. The
 *  turns behind that one ask `model`. */
async function startJob(turns, model = "scripted/demo") {
  const listener = await turns.listen({ root: turns.root, model, ...ALL });
  const text = script(call("run_job", { command: "sh", args: WAITS }), say("it runs"));
  const { end, message } = await turns.turn(listener, text, { model: "scripted/demo" });
  assert.equal(end.state, "succeeded");
  return { listener, job: message.parts.find((part) => part.kind === "tool").run };
}

/** The listener behind a restart, with what it heard before it. */
async function resume(listener) {
  const again = new Listener(listener.turns, listener.session);
  again.heard = listener.heard;
  return again.open();
}

const owedFor = async (turns, job) =>
  (await turns.get("/inbox?all=1")).items.filter((row) => row.run === job);

/** The messages that tell the session of that job. */
const toldOf = async (turns, session, job) =>
  (await turns.messages(session)).filter(
    (one) => one.role !== "assistant" && one.parts.some((part) => part.text.includes(job)),
  );

/** It was told once, that turn ended well, and nothing is owed any more; `others` runs go on. */
async function continuedOnce(turns, { listener, job }, run, others = 0) {
  const told = await toldOf(turns, listener.session, job);
  assert.deepEqual(told.map((one) => one.run), [run], "it is told in one turn");
  const owed = await owedFor(turns, job);
  assert.deepEqual(owed.map((row) => row.state), ["acknowledged"]);
  assert.equal((await turns.get(`/runs/${run}`)).state, "succeeded");
  assert.equal((await turns.get("/runs?live=1")).items.length, others);
  const answer = await turns.answer(listener.session, run);
  const result = { run: job, state: "failed", result: "built\n" };
  assert.deepEqual(answer.metadata, { follow_up: [result] });
}

test("a job ends while its session is busy: the turn goes on, the next is told", async (t) => {
  const turns = await Turns.open(t);
  const started = await startJob(turns);
  const { listener, job } = started;
  const { run } = await turns.send(listener.session, script(say("busy"), "delay: 600s"));
  await listener.until("delta", (data) => data.run === run);
  letGo(turns);
  await listener.until("tool_finished");
  assert.equal((await turns.get(`/runs/${run}`)).state, "running");
  assert.deepEqual(await toldOf(turns, listener.session, job), []);
  assert.equal((await turns.ask("POST", `/sessions/${listener.session}/stop`)).status, 200);
  const end = await listener.until("turn_finished", (data) => data.run !== run);
  await continuedOnce(turns, started, end.run);
});

test("a job ends while the daemon is down: its session is told at the next start", async (t) => {
  const turns = await Turns.open(t);
  const started = await startJob(turns);
  await turns.daemon.kill();
  letGo(turns);
  await turns.daemon.start();
  const listener = await resume(started.listener);
  const end = await listener.until("turn_finished");
  await continuedOnce(turns, started, end.run);
  await turns.daemon.kill();
  await turns.daemon.start();
  await continuedOnce(turns, started, end.run);
});

test("a provider fails five turns that are told of a job: the sixth settles it", async (t) => {
  const turns = await Turns.open(t);
  const provider = await new Failing(FAILING_TURNS * TRIES).start(t);
  const body = { name: "p", kind: "openai", base_url: provider.url, key: "k" };
  assert.equal((await turns.ask("POST", "/providers", body)).status, 201);
  const { listener, job } = await startJob(turns, "p/small");
  letGo(turns);
  const ends = [];
  for (;;) {
    ends.push(await listener.until("turn_finished"));
    if (ends.at(-1).state === "succeeded") break;
    const [row] = await owedFor(turns, job); // Its waits are not waited for.
    assert.equal((await turns.ask("POST", `/inbox/${row.id}/retry`)).status, 200);
  }
  const wanted = [...Array(FAILING_TURNS).fill("failed"), "succeeded"];
  assert.deepEqual(ends.map((end) => end.state), wanted);
  assert.equal(provider.requests, FAILING_TURNS * TRIES + 1);
  // Each try took the place of the one before it: the conversation has one telling, one answer.
  const told = await toldOf(turns, listener.session, job);
  assert.deepEqual(told.map((one) => [one.run, one.status]), [[ends.at(-1).run, "completed"]]);
  assert.equal((await turns.messages(listener.session)).length, 4);
  const removed = listener.heard.events.filter((event) => event.type === "message_removed");
  assert.equal(removed.length, 2 * FAILING_TURNS);
  assert.equal((await turns.get(`/runs/${ends[0].run}`)).cause, "bad_response");
  const owed = await owedFor(turns, job);
  assert.deepEqual(owed.map((row) => row.state), ["acknowledged"]);
  assert.equal((await turns.get("/runs?live=1")).items.length, 0);
});

test("what is set for webhooks takes no wait from a session", async (t) => {
  const waits = ["--webhook-wait", "10", "--webhook-wait-max", "20"];
  const turns = await Turns.open(t, { args: ["--insecure-loopback", ...waits] });
  const provider = await new Failing(2 * TRIES).start(t);
  const body = { name: "p", kind: "openai", base_url: provider.url, key: "k" };
  assert.equal((await turns.ask("POST", "/providers", body)).status, 201);
  const { listener, job } = await startJob(turns, "p/small");
  letGo(turns);
  const ends = [];
  while (ends.length < 2) ends.push(await listener.until("turn_finished"));
  const [first, second] = await Promise.all(ends.map(({ run }) => turns.get(`/runs/${run}`)));
  assert.equal(first.state, "failed");
  const waited = second.made_ms - first.ended_ms;
  assert.ok(waited >= 1000, `the next turn came ${waited} ms after one that failed`);
  assert.notEqual((await owedFor(turns, job))[0].state, "stalled");
});

/** What is owed for a job, when it has ended and all of that is settled. */
async function settled(turns, job) {
  let after = 0;
  for (let ended = false; !ended; ) {
    const page = await turns.get(`/streams/run:${job}/events?after=${after}&wait=10`);
    after = page.events.at(-1)?.seq ?? after;
    ended = (await turns.get(`/runs/${job}`)).ended_ms != null;
  }
  let owed; // Whoever delivers finds that nobody is there, in a commit of its own.
  do owed = await owedFor(turns, job);
  while (owed.some((row) => row.settled_ms === null));
  return owed;
}

/** Notices go with the session that they were for, soon after they were settled. */
const assertGone = (owed) => assert.ok(owed.every(({ state }) => state === "gone"));

test("a job ends after its session was deleted: what is owed is gone", async (t) => {
  const turns = await Turns.open(t);
  const { listener, job } = await startJob(turns);
  assert.equal((await turns.ask("DELETE", `/sessions/${listener.session}`)).status, 200);
  letGo(turns);
  assertGone(await settled(turns, job));
  assert.equal((await turns.get("/runs?live=1")).items.length, 0);
});

test("a session that is deleted takes its jobs along, if it is told to", async (t) => {
  const turns = await Turns.open(t);
  const { listener, job } = await startJob(turns);
  const other = await startJob(turns);
  const removed = await turns.daemon.cli(["session", "rm", "--stop-jobs", listener.session]);
  assert.equal(removed.code, 0, removed.stderr);
  const owed = await settled(turns, job);
  const { state, cause } = await turns.get(`/runs/${job}`);
  assert.deepEqual([state, cause], ["cancelled", "stopped"]);
  assertGone(owed);
  assert.equal((await turns.get(`/runs/${other.job}`)).state, "running");
  letGo(turns);
});

test("prompts show a job's result once, in its notice, and begin as before", async (t) => {
  const turns = await Turns.open(t);
  const provider = await new Wires("openai").start(t);
  const { listener, job } = await startJob(turns, await provider.connect(turns));
  const prompts = () => provider.bodies.map((body) => JSON.parse(body).messages);
  const started = `{"status":"started","operation":"${job}"}`;
  await turns.turn(listener, "does it run?");
  letGo(turns);
  await listener.until("turn_finished");
  await turns.turn(listener, "and now?");
  const shown = prompts();
  assert.equal(shown.length, 3);
  const has = (word) => (message) => message.content?.includes(word);
  const having = (word) => shown.map((one) => one.filter(has(word)).map(({ role }) => role));
  assert.deepEqual(having('"output":"built'), [[], ["user"], ["user"]]);
  assert.deepEqual(having(started), [["tool"], ["tool"], ["tool"]]);
});

/** A follow-up that waits for what a turn of another session holds of a budget. */
async function startWaiting(t, limits) {
  const turns = await Turns.open(t);
  const scope = "/budgets/project:default";
  const limit = async (body) => assert.equal((await turns.ask("PATCH", scope, body)).status, 200);
  await limit(limits);
  const started = await startJob(turns);
  const other = await turns.listen();
  await turns.send(other.session, script(say("begun"), "delay: 600s"));
  await other.until("delta");
  letGo(turns);
  return { turns, started, limit };
}

test("a person's message goes before a queued follow-up, which is told after it", async (t) => {
  const { turns, started, limit } = await startWaiting(t, { agents: 2 });
  const { listener, job } = started;
  const { queue } = await listener.until("queue_changed", (data) => data.queue.length > 0);
  const [waiting] = await toldOf(turns, listener.session, job);
  assert.deepEqual([waiting.id, waiting.status], [queue[0], "queued"]);
  assert.equal((await turns.get(`/runs/${waiting.run}`)).gate, "budget");
  // A session is not busy with what gives way.
  const { run } = await turns.send(listener.session, say("you first"), { policy: "reject" });
  const { state, cause } = await turns.get(`/runs/${waiting.run}`);
  assert.deepEqual([state, cause], ["cancelled", "rolled_back"]);
  assert.deepEqual((await owedFor(turns, job)).map((row) => row.state), ["pending"]);
  const shown = (await turns.messages(listener.session)).map((one) => one.run);
  assert.ok(!shown.includes(waiting.run), "nothing of the turn that never began is left");
  await limit({ agents: 100 });
  assert.equal((await listener.ended(run)).state, "succeeded");
  const end = await listener.until("turn_finished");
  assert.equal((await owedFor(turns, job))[0].failures, 0);
  await continuedOnce(turns, started, end.run, 1);
});

test("a person's message goes before a follow-up whose first call waits", async (t) => {
  const { turns, started, limit } = await startWaiting(t, { tokens: 8000 });
  const { listener, job } = started;
  const waiting = await listener.until("turn_started");
  const { run } = await turns.send(listener.session, say("you first"));
  const { state, cause } = await listener.ended(waiting.run);
  assert.deepEqual([state, cause], ["cancelled", "rolled_back"]);
  await limit({ tokens: 1000000 });
  assert.equal((await listener.ended(run)).state, "succeeded");
  const end = await listener.until("turn_finished");
  assert.equal((await owedFor(turns, job))[0].failures, 0);
  await continuedOnce(turns, started, end.run, 1);
});

test("a person's message goes before a follow-up that waits for its provider", async (t) => {
  const turns = await Turns.open(t);
  const provider = await new Faulty("openai").start(t);
  const body = { name: "p", kind: "openai", base_url: provider.url, key: "k" };
  assert.equal((await turns.ask("POST", "/providers", body)).status, 201);
  const headers = { "retry-after": String(Math.ceil(scaled(5_000) / 1000)) };
  const refused = { status: 503, headers, body: "" };
  provider.plays.set("small", [refused, { answer: { text: "hello" } }, { answer: { text: "ok" } }]);
  const started = await startJob(turns, "p/small");
  const { listener, job } = started;
  letGo(turns);
  const waiting = await listener.until("turn_waiting");
  const { run } = await turns.send(listener.session, "you first", { policy: "reject" });
  const { state, cause } = await listener.ended(waiting.run);
  assert.deepEqual([state, cause], ["cancelled", "rolled_back"]);
  assert.equal((await listener.ended(run)).state, "succeeded");
  assert.equal(textOf(await turns.answer(listener.session, run)), "hello");
  const end = await listener.until("turn_finished");
  assert.equal((await owedFor(turns, job))[0].failures, 0);
  await continuedOnce(turns, started, end.run);
});

test("what an empty budget holds is told when the budget is raised", async (t) => {
  const turns = await Turns.open(t);
  const { listener, job } = await startJob(turns);
  const scope = `/budgets/session:${listener.session}`;
  assert.equal((await turns.ask("PATCH", scope, { tokens: 0 })).status, 200);
  letGo(turns);
  await listener.until("turn_finished", (data) => data.cause === "budget");
  assert.deepEqual((await owedFor(turns, job)).map((row) => row.state), ["held"]);
  assert.equal((await turns.ask("PATCH", scope, { tokens: 1000000 })).status, 200);
  const { run } = await listener.until("turn_finished", (data) => data.state === "succeeded");
  const owed = await settled(turns, job);
  assert.deepEqual(owed.map((row) => row.state), ["acknowledged"]);
  const told = await toldOf(turns, listener.session, job);
  const shown = told.map((one) => [one.status, one.run === run]);
  assert.deepEqual(shown, [["completed", true]]);
});

test("a follow-up finds a local server that was started after the daemon", async (t) => {
  const provider = await new Provider().start(t);
  provider.stop();
  const port = 20_000 + process.pid % 10_000; // The system gives none of these to anybody.
  const env = { DROVER_MODEL: "", OLLAMA_HOST: `127.0.0.1:${port}` };
  const turns = await Turns.open(t, { env });
  const wanted = { root: turns.root, title: "A talk", model: "scripted/demo", ...ALL };
  const made = await turns.ask("POST", "/sessions", wanted);
  await turns.ask("PATCH", `/sessions/${made.json.id}`, { model: "" });
  const listener = await new Listener(turns, made.json.id).open();
  // Longer than a daemon rests between two looks for servers.
  const args = ["-c", "while [ ! -e go ]; do sleep 0.02; done; sleep 3.2"];
  const text = script(call("run_job", { command: "sh", args }), say("it runs"));
  const { end } = await turns.turn(listener, text, { model: "scripted/demo" });
  assert.equal(end.state, "succeeded");
  await provider.listen(port);
  letGo(turns);
  const followed = await listener.until("turn_finished", ({ run }) => run !== end.run);
  assert.equal(textOf(await turns.answer(listener.session, followed.run)), "ok");
});

test("a follow-up that found no model begins again when a list names one", async (t) => {
  const provider = await new Provider().start(t);
  const { port } = provider.server.address();
  provider.stop();
  const env = { DROVER_MODEL: "", OLLAMA_HOST: `127.0.0.1:${port}` };
  const turns = await Turns.open(t, { env });
  const wanted = { root: turns.root, title: "A talk", model: "scripted/demo", ...ALL };
  const made = await turns.ask("POST", "/sessions", wanted);
  await turns.ask("PATCH", `/sessions/${made.json.id}`, { model: "" });
  const listener = await new Listener(turns, made.json.id).open();
  const text = script(call("run_job", { command: "true" }), say("it runs"));
  const { end, message } = await turns.turn(listener, text, { model: "scripted/demo" });
  const job = message.parts.find((part) => part.kind === "tool").run;
  await until("no model holds it", async () => {
    const [row] = await owedFor(turns, job);
    return row?.state === "held" && row.cause === "model_unknown";
  });
  await provider.listen(port);
  // A use of the default model has the daemon look for one, but not twice within seconds.
  await until("a model answers", async () => (await turns.daemon.cli(["ask", "hello"])).code === 0);
  const followed = await listener.until("turn_finished",
    ({ run, state }) => run !== end.run && state === "succeeded");
  assert.equal(textOf(await turns.answer(listener.session, followed.run)), "ok");
  assert.equal((await owedFor(turns, job))[0].state, "acknowledged");
});
