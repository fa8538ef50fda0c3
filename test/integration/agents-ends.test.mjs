// agents-ends.test.mjs: a program that is killed, waits, or is stopped at any moment: the end
// of its turn, its questions and its processes.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { killProgram, letGo, open, prompts, session } from "./agents.mjs";
import { until } from "./providers.mjs";
import { Listener, textOf, toolsOf } from "./turns.mjs";

const live = async (turns, kind) =>
  (await turns.get("/runs?live=1")).items.filter((run) => run.kind === kind);
const gone = (turns) =>
  until("all has ended", async () => (await turns.get("/runs?live=1")).items.length === 0);

test("a program that is killed goes on once in its session, and then fails", async (t) => {
  const turns = await open(t);
  const listener = await session(turns);
  const once = await turns.send(listener.session, "be SLOW");
  await listener.until("delta", ({ text }) => text.includes("one"));
  assert.equal(killProgram(turns), 1);
  assert.equal((await listener.ended(once.run)).state, "succeeded");
  assert.match(prompts(turns)[0][1], /^You were interrupted/);
  assert.equal(textOf(await turns.answer(listener.session, once.run)), "one turn 2 of claude");
  const twice = await turns.turn(listener, "DIE always");
  assert.deepEqual([twice.end.state, twice.end.cause], ["failed", "signal"]);
  assert.equal(prompts(turns)[0].length, 4);
  assert.equal(textOf((await turns.turn(listener, "hello")).message), "turn 5 of claude");
  listener.close();
});

test("a question of a program that has died is asked by nobody any more", async (t) => {
  const turns = await open(t);
  const listener = await session(turns);
  const { run } = await turns.send(listener.session, "ASK me");
  const open_ = async () => (await turns.get("/approvals")).items;
  await until("it asks", async () => (await open_()).length === 1);
  assert.equal(killProgram(turns), 1);
  const end = await listener.ended(run);
  assert.equal(end.state, "succeeded"); // It went on, and asked no more.
  assert.deepEqual(await open_(), []);
  const [card] = toolsOf(await turns.answer(listener.session, run));
  assert.ok(!["running", "asking", "ready"].includes(card.state), card.state);
  listener.close();
});

test("a provider that refuses for now is waited for, over a restart, until somebody stops it",
  async (t) => {
    const turns = await open(t);
    const listener = await session(turns);
    const { run } = await turns.send(listener.session, "FAIL429");
    await listener.until("turn_waiting");
    listener.close();
    assert.equal((await turns.get(`/runs/${run}`)).state, "waiting");
    await turns.daemon.kill();
    await turns.daemon.start();
    const again = await new Listener(turns, listener.session).open();
    const state = async () => (await turns.get(`/runs/${run}`)).state;
    await until("it waits again", async () => (await state()) === "waiting");
    assert.deepEqual(await live(turns, "job"), []);
    assert.equal((await turns.ask("POST", `/runs/${run}/stop`, {})).status, 200);
    assert.equal((await again.ended(run)).cause, "stopped");
    assert.equal(prompts(turns)[0].length, 1); // It was begun once.
    again.close();
  });

test("a stop ends a program that waits for its slot, asks, or has just begun", async (t) => {
  const turns = await open(t, "claude", { at_once: 1 });
  const slow = await session(turns), waits = await session(turns);
  const first = await turns.send(slow.session, "be SLOW");
  await slow.until("delta", ({ text }) => text.includes("one"));
  const second = await turns.send(waits.session, "hello");
  await until("it waits", async () => (await live(turns, "job")).length === 2);
  assert.equal((await turns.ask("POST", `/runs/${second.run}/stop`, {})).status, 200);
  assert.equal((await waits.ended(second.run)).cause, "stopped");
  letGo(turns);
  assert.equal((await slow.ended(first.run)).state, "succeeded");
  const third = await turns.send(slow.session, "ASK me");
  await until("it asks", async () => (await turns.get("/approvals")).items.length === 1);
  assert.equal((await turns.ask("POST", `/runs/${third.run}/stop`, {})).status, 200);
  assert.equal((await slow.ended(third.run)).cause, "stopped");
  assert.deepEqual((await turns.get("/approvals")).items, []);
  const fourth = await turns.send(slow.session, "hello");
  assert.equal((await turns.ask("POST", `/runs/${fourth.run}/stop`, {})).status, 200);
  await slow.ended(fourth.run);
  await gone(turns);
  slow.close();
  waits.close();
});

test("a program that nobody saw ending is not begun again", async (t) => {
  const turns = await open(t);
  const listener = await session(turns);
  const { run } = await turns.send(listener.session, "be SLOW");
  await listener.until("delta", ({ text }) => text.includes("one"));
  assert.equal(killProgram(turns, { holder: true }), 1);
  const end = await listener.ended(run);
  assert.deepEqual([end.state, end.cause], ["failed", "outcome_unknown"]);
  assert.equal(prompts(turns)[0].length, 1);
  await gone(turns);
  listener.close();
});
