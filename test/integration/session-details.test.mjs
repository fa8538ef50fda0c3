// session-details.test.mjs: what sessions, their messages and their runs show is true and whole.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { Daemon, scratch } from "./lib.mjs";
import { call, Listener, say, script, textOf, Turns } from "./turns.mjs";

test("a POST that takes no fields takes {} and refuses fields by name", async (t) => {
  const turns = await Turns.open(t);
  const session = await turns.session();
  const target = `/sessions/${session}/clear`;
  assert.equal((await turns.ask("POST", target, {})).status, 200);
  assert.equal((await turns.ask("POST", target)).status, 200);
  const field = await turns.ask("POST", target, { keep: 1 });
  assert.deepEqual([field.status, field.json.code], [400, "unknown_field"]);
  assert.match(field.json.detail, /^keep: /);
  const list = await turns.ask("POST", target, []);
  assert.deepEqual([list.status, list.json.code], [400, "bad_field"]);
  const large = await turns.ask("POST", target, { text: "x".repeat(2000) });
  assert.deepEqual([large.status, large.json.code], [413, "body_too_large"]);
});

test("an answer shows its model, and what its turn took", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const { run } = await turns.turn(listener, say("hello"));
  const [question, answer] = await turns.messages(listener.session);
  assert.deepEqual([question.model, question.usage], [undefined, undefined]);
  assert.equal(answer.model, "scripted/demo");
  assert.equal(answer.usage.calls, 1);
  assert.ok(answer.usage.output > 0, JSON.stringify(answer.usage));
  const session = await turns.get(`/sessions/${listener.session}`);
  assert.deepEqual(answer.usage, session.usage);
  const one = await turns.get(`/messages/${answer.id}`);
  assert.deepEqual([one.model, one.usage, one.run], [answer.model, answer.usage, run]);
  const exported = await turns.get(`/sessions/${listener.session}/export`);
  assert.deepEqual(exported.messages[1].usage, answer.usage);
});

test("ask, run and ps say that the daemon holds, and ask goes on after the release", async (t) => {
  const data = path.join(scratch(t), "d");
  const daemon = await new Daemon({ data, args: ["--insecure-loopback", "--hold"] }).start();
  t.after(() => daemon.running && daemon.stop());
  assert.equal((await daemon.request("GET", "/api/v1/version")).json.held, true);
  const listed = await daemon.cli(["ps"]);
  assert.match(listed.stderr, /the daemon holds.*drover release/);
  const asked = daemon.cli(["ask", "--model", "scripted/demo", say("after all")]);
  const runs = async () => (await daemon.request("GET", "/api/v1/runs?kind=turn")).json.items;
  while ((await runs()).length === 0);
  const [{ id: held, state }] = (await daemon.request("GET", "/api/v1/sessions")).json.items;
  const shown = `/api/v1/streams/session:${held}/events?snapshot=1`;
  const { turn } = (await daemon.request("GET", shown)).json.snapshot;
  assert.deepEqual([state, turn.state, turn.gate], ["waiting", "queued", "hold"]);
  assert.equal((await daemon.request("POST", "/api/v1/system/release")).status, 200);
  const { code, stdout, stderr } = await asked;
  assert.deepEqual([code, stdout.trim()], [0, "after all"]);
  assert.match(stderr, /the daemon holds/);
  assert.doesNotMatch((await daemon.cli(["ps"])).stderr, /holds/);
});

/** Returns when `count` commands follow streams. */
async function followed(daemon, count) {
  const following = new RegExp(`^drover_http_sse_streams ${count}$`, "m");
  while (!following.test((await daemon.request("GET", "/metrics", { local: true })).text));
}

test("every command that waits says that the daemon holds, and what waits shows it", async (t) => {
  const turns = await Turns.open(t);
  const { daemon } = turns;
  const busy = await turns.listen();
  const { run } = await turns.send(busy.session, script(say("begun"), "delay: 600s"));
  await busy.until("delta");
  const source = 'export const meta = {name: "w", description: "d"}\nawait agent("delay: 600s")';
  const launched = await turns.ask("POST", "/workflows", { root: turns.root, script: source });
  const agents = async () => (await turns.get(`/runs/${launched.json.runId}/agents`)).items;
  while ((await agents())[0]?.state !== "running");
  await daemon.kill();
  daemon.args.push("--hold");
  await daemon.start();
  const [idle, other] = [await turns.session(), await turns.session()];
  const job = await turns.ask("POST", "/jobs", { argv: ["true"] });
  assert.deepEqual([job.json.state, job.json.gate], ["queued", "hold"]);
  const [agent] = await agents();
  assert.deepEqual([agent.state, agent.gate], ["waiting", "hold"]);
  const { would_start: next } = await turns.get("/system/hold");
  assert.deepEqual(next.runs.map((one) => [one.id, one.gate]), [[job.json.id, "hold"]]);
  const commands = [
    [["stop", run]],
    [["chat", "--session", idle], { input: `${say("hello")}\n` }],
    [["session", "compact", other]],
    [["job", "wait", job.json.id]],
  ].map(([words, options]) => daemon.cli(words, options));
  await followed(daemon, commands.length);
  const { items } = await turns.get("/runs?live=1");
  const shown = (state) => items.filter((one) => one.state === state && one.gate === "hold").length;
  assert.deepEqual([items.length, shown("queued"), shown("waiting")], [7, 3, 4]);
  assert.equal((await turns.ask("POST", "/system/release")).status, 200);
  for (const { code, stderr } of await Promise.all(commands)) {
    assert.equal(code, 0, stderr);
    assert.equal(stderr.match(/the daemon holds/g)?.length, 1, stderr);
  }
});

const ALL = { settings: { permissions: [{ permission: "allow" }] } };
const toolOf = (message) => message.parts.find((part) => part.kind === "tool");

test("the card of a job in a fork learns the end of the job", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root, ...ALL });
  const wait = ["-c", "while [ ! -e go ]; do sleep 0.02; done; echo built"];
  const text = script(call("run_job", { command: "sh", args: wait }), say("it runs"));
  const { message } = await turns.turn(listener, text);
  const fork = async () => {
    const answer = await turns.ask("POST", `/sessions/${listener.session}/fork`, {});
    assert.equal(answer.status, 201, answer.text);
    return answer.json.id;
  };
  const copy = await new Listener(turns, await fork()).open();
  const before = toolOf((await turns.messages(copy.session)).at(-1));
  assert.deepEqual([before.state, before.run], ["pending", toolOf(message).run]);
  writeFileSync(path.join(turns.root, "go"), "");
  const edited = await copy.until("message_edited");
  assert.match(toolOf(edited.message).text, /built/);
  const after = toolOf((await turns.messages(copy.session)).at(-1));
  assert.equal(after.state, "succeeded");
  assert.match(after.text, /built/);
});

test("a job that could not be started tells why", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root, ...ALL });
  const text = script(call("run_job", { command: "no-such-program" }), say("begun"));
  await turns.turn(listener, text);
  const { run } = await listener.until("turn_finished");
  const all = await turns.messages(listener.session);
  const outcome = JSON.parse(toolOf(all[1]).text);
  assert.equal(outcome.cause, "not_started");
  assert.match(outcome.note, /There is no program 'no-such-program'/);
  const notice = all.find((one) => one.role !== "assistant" && one.run === run);
  assert.match(textOf(notice), /"cause":"not_started".*"note":"There is no program/);
});
