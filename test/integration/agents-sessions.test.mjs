// agents-sessions.test.mjs: a program's own session and the session of drover say the same: what is
// cleared, taken back, forked, brought by a notice, or said while it works.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { letGo, open, prompts, session } from "./agents.mjs";
import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";
import { Listener, textOf } from "./turns.mjs";

const said = async (turns, listener, text) => textOf((await turns.turn(listener, text)).message);

/** The prompts of the one session that is not among `known`. */
function newest(turns, known) {
  const found = prompts(turns).filter((one) => !known.includes(one.join("\n")));
  assert.equal(found.length, 1);
  return found[0];
}

test("a session that was cleared begins a new session of the program", async (t) => {
  const turns = await open(t);
  const listener = await session(turns);
  assert.equal(await said(turns, listener, "one"), "turn 1 of claude");
  assert.equal(await said(turns, listener, "two"), "turn 2 of claude");
  assert.equal((await turns.ask("POST", `/sessions/${listener.session}/clear`, {})).status, 200);
  assert.equal(await said(turns, listener, "three"), "turn 1 of claude");
  assert.equal(await said(turns, listener, "four"), "turn 2 of claude");
  assert.deepEqual(prompts(turns), [["one", "two"], ["three", "four"]]);
  listener.close();
});

test("a program that lost its session begins another one, and reads what was said", async (t) => {
  const kinds = ["claude", "codex", "opencode", "pi"];
  const turns = await open(t, kinds);
  for (const agent of kinds) {
    const listener = await session(turns, { agent });
    await turns.turn(listener, "alpha");
    rmSync(path.join(turns.root, ".standin"), { recursive: true });
    const { end, message } = await turns.turn(listener, "beta");
    assert.deepEqual([agent, end.state, textOf(message)],
      [agent, "succeeded", `turn 1 of ${agent}`]);
    assert.match(prompts(turns)[0][0], /alpha.*turn 1 of .*beta$/);
    assert.equal(await said(turns, listener, "gamma"), `turn 2 of ${agent}`);
    rmSync(path.join(turns.root, ".standin"), { recursive: true });
    listener.close();
  }
});

test("a program goes on in its session after retention has removed the runs of its turns", {
  timeout: scaled(50_000), // The first round of retention by the clock comes after 60 s.
}, async (t) => {
  const turns = await open(t, "codex", {}, {}, ["--keep-runs", "5"]);
  const listener = await session(turns);
  const { run } = await turns.turn(listener, "alpha");
  for (let i = 0; i < 30; i++) {
    const job = await turns.ask("POST", "/jobs", { argv: ["true"] });
    assert.equal(job.status, 201, job.text);
  }
  await until("the run is removed",
    async () => (await turns.ask("GET", `/runs/${run}`)).status === 404);
  assert.equal(await said(turns, listener, "beta"), "turn 2 of codex");
  assert.deepEqual(prompts(turns), [["alpha", "beta"]]); // Nothing is repeated.
  const { usage } = await turns.get(`/sessions/${listener.session}`);
  assert.equal(usage.output, 24); // Codex counts the whole thread each time.
  listener.close();
});

test("a second variant of an answer knows nothing of the first", async (t) => {
  const turns = await open(t);
  const listener = await session(turns);
  await turns.turn(listener, "alpha");
  const { message } = await turns.turn(listener, "beta");
  const known = prompts(turns).map((one) => one.join("\n"));
  const again = await turns.ask("POST", `/messages/${message.id}/regenerate`, {});
  assert.equal(again.status, 201, again.text);
  await listener.ended(again.json.run);
  const [prompt, ...others] = newest(turns, known);
  assert.deepEqual(others, []);
  assert.match(prompt, /alpha.*turn 1 of claude.*beta$/);
  assert.doesNotMatch(prompt, /turn 2 of claude/);
  // The session goes on with the new one.
  assert.equal(await said(turns, listener, "gamma"), "turn 2 of claude");
  listener.close();
});

test("a fork knows what was said, and shares no session of the program", async (t) => {
  const turns = await open(t);
  const listener = await session(turns);
  await turns.turn(listener, "alpha");
  const known = prompts(turns).map((one) => one.join("\n"));
  const fork = await turns.ask("POST", `/sessions/${listener.session}/fork`, {});
  assert.equal(fork.status, 201, fork.text);
  const other = await new Listener(turns, fork.json.id).open();
  assert.equal(await said(turns, other, "beta"), "turn 1 of claude");
  assert.match(newest(turns, known)[0], /alpha.*turn 1 of claude.*beta$/);
  assert.equal(await said(turns, listener, "gamma"), "turn 2 of claude");
  listener.close();
  other.close();
});

test("a program makes its own summaries", async (t) => {
  const turns = await open(t);
  const listener = await session(turns);
  await turns.turn(listener, "alpha");
  const asked = await turns.ask("POST", `/sessions/${listener.session}/compact`, {});
  assert.deepEqual([asked.status, asked.json.code], [409, "conflict"]);
  assert.match(asked.json.detail, /a program answers in this session/);
  listener.close();
});

test("a result is brought to a program as it is to a model", async (t) => {
  const turns = await open(t);
  const listener = await session(turns);
  await turns.turn(listener, "alpha");
  const job = await turns.ask("POST", "/jobs", { argv: ["echo", "a certain result"],
    notify: [{ session: listener.session }] });
  assert.equal(job.status, 201, job.text);
  await listener.until("turn_finished", ({ run }) => run !== undefined);
  const [[first, second]] = prompts(turns);
  assert.equal(first, "alpha");
  assert.match(second, /has ended.*a certain result/);
  listener.close();
});

test("what is said while a program works is answered after that, and never lost", async (t) => {
  const turns = await open(t, ["claude", "codex"]);
  for (const [agent, policy] of [["claude", "enqueue"], ["codex", "steer"]]) {
    const listener = await session(turns, { agent });
    rmSync(path.join(turns.root, "go"), { force: true }); // The program waits in each round.
    const first = await turns.send(listener.session, "be SLOW");
    await listener.until("delta", ({ text }) => text.includes("one"));
    const second = await turns.send(listener.session, `more by ${policy}`, { policy });
    const jobs = async () => (await turns.get("/runs?live=1")).items.filter(({ kind }) =>
      kind === "job").length;
    assert.equal(await jobs(), 1); // The session has one writer.
    letGo(turns);
    assert.deepEqual([second.run === first.run, second.decision], [false, "queued"]);
    await listener.ended(second.run);
    assert.equal(textOf(await turns.answer(listener.session, second.run)), `turn 2 of ${agent}`);
    listener.close();
  }
  assert.deepEqual(prompts(turns),
    [["be SLOW", "more by enqueue"], ["be SLOW", "more by steer"]]);
});

test("what is taken back by a message is not known to the program any more", async (t) => {
  const turns = await open(t);
  const listener = await session(turns);
  await turns.turn(listener, "alpha");
  const known = prompts(turns).map((one) => one.join("\n"));
  await turns.send(listener.session, "secret, be SLOW");
  await listener.until("delta", ({ text }) => text.includes("one"));
  const sent = await turns.send(listener.session, "beta", { policy: "rollback" });
  await listener.ended(sent.run);
  const [prompt] = prompts(turns).map((one) => one.at(-1)).filter((one) => /beta$/.test(one));
  assert.match(prompt, /alpha.*turn 1 of claude.*beta$/);
  assert.doesNotMatch(prompt, /secret/);
  assert.equal(known.length, 1);
  listener.close();
});

test("an interruption goes on in the same session of the program", async (t) => {
  const turns = await open(t);
  const listener = await session(turns);
  await turns.send(listener.session, "be SLOW");
  await listener.until("delta", ({ text }) => text.includes("one"));
  const sent = await turns.send(listener.session, "beta", { policy: "interrupt" });
  await listener.ended(sent.run);
  assert.equal(textOf(await turns.answer(listener.session, sent.run)), "turn 2 of claude");
  assert.deepEqual(prompts(turns), [["be SLOW", "beta"]]);
  listener.close();
});

test("a program that asks is not ended by its time while it waits for a person", async (t) => {
  const limit_ms = scaled(1000); // The program has to start within it.
  const turns = await open(t, "claude", { deadline_ms: limit_ms });
  const listener = await session(turns);
  const sent = await turns.send(listener.session, "ASK me");
  const asked = async () => (await turns.get("/approvals")).items;
  await until("it asks", async () => (await asked()).length === 1);
  const since = Date.now();
  await until("its deadline has passed", () => Date.now() - since > limit_ms + 500);
  const [{ id }] = await asked();
  assert.equal((await turns.approve(id)).status, 200);
  const end = await listener.ended(sent.run);
  assert.deepEqual([end.state, end.cause], ["succeeded", "completed"]);
  listener.close();
});

test("the time of a program ends it, with its tree", async (t) => {
  const turns = await open(t, "claude", { deadline_ms: scaled(4000) });
  const listener = await session(turns);
  const { end, message } = await turns.turn(listener, "LEAVE something, and be SLOW");
  assert.deepEqual([end.state, end.cause, textOf(message)], ["timed_out", "deadline", "one "]);
  await until("its process has ended",
    async () => (await turns.get("/runs?live=1")).items.length === 0);
  listener.close();
});

test("no more programs of an agent run at once than it says, and each is begun once", async (t) => {
  const turns = await open(t, "pi", { at_once: 1 });
  const jobs = async () => (await turns.get("/runs?live=1")).items
    .filter(({ kind }) => kind === "job").map(({ state, once }) => [state, once]).sort();
  const talks = [];
  for (let i = 0; i < 2; i++) {
    const listener = await session(turns);
    talks.push([listener, await turns.send(listener.session, "be SLOW")]);
  }
  await until("both are there", async () => (await jobs()).length === 2);
  await talks[0][0].until("delta", ({ text }) => text.includes("one"));
  assert.deepEqual(await jobs(), [["queued", true], ["running", true]]);
  letGo(turns);
  for (const [listener, { run }] of talks) {
    assert.equal((await listener.ended(run)).state, "succeeded");
    listener.close();
  }
});
