// agents-steering.test.mjs: messages that come while a program works, with the policy `steer`: they
// are in its input at once, each once, and are a part of its answer where it read them.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { killProgram, letGo, open, prompts, session } from "./agents.mjs";
import { onTerminal, plain } from "./jobs-cli.mjs";
import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";
import { Listener } from "./turns.mjs";

/** [kind, text] of each part of the answer; tools by their state. */
const partsOf = (message) => message.parts.filter(({ kind }) => kind !== "thinking")
  .map(({ kind, text, state }) => [kind, kind === "tool" ? state : text]);

/** Messages that reached the input of the program, in all its processes. */
function heard(turns) {
  const file = path.join(turns.root, ".standin.heard");
  if (!existsSync(file)) return [];
  // The line that is being written has no end yet.
  return readFileSync(file, "utf8").split("\n").slice(0, -1).map((line) => JSON.parse(line));
}

const LIMIT = { timeout: scaled(60_000) };

const steer = (turns, listener, text, more = {}) =>
  turns.send(listener.session, text, { policy: "steer", ...more });

const messagesOf = async (turns, { session: id }) =>
  (await turns.get(`/sessions/${id}/messages?order=oldest`)).items;

/** A turn whose program works until letGo(). */
async function slow(turns) {
  const listener = await session(turns);
  const sent = await turns.send(listener.session, "be SLOW");
  await listener.until("delta", ({ text }) => text.includes("one"));
  return { listener, sent };
}

test("a message reaches a program at once, and its answer is a part of the turn", async (t) => {
  const turns = await open(t);
  const { listener, sent } = await slow(turns);
  const joined = await steer(turns, listener, "and hurry");
  assert.deepEqual([joined.run, joined.decision], [sent.run, "joined"]);
  await until("the program has it", async () => heard(turns).includes("and hurry"));
  const one = async () => turns.get(`/messages/${joined.message}`);
  assert.equal((await one()).status, "delivered");
  const listed = await turns.get(`/sessions/${listener.session}/messages?status=delivered`);
  assert.deepEqual(listed.items.map(({ id }) => id), [joined.message]);
  letGo(turns);
  const end = await listener.ended(sent.run);
  assert.equal(end.state, "succeeded");
  assert.equal((await one()).status, "joined");
  assert.deepEqual(partsOf(await turns.answer(listener.session, sent.run)), [
    ["text", "one twoturn 1 of claude"], ["steer", "and hurry"], ["text", "turn 2 of claude"]]);
  const { usage } = await turns.get(`/sessions/${listener.session}`);
  assert.deepEqual([usage.fresh, usage.output, usage.cost_micros], [200, 24, 25000]);
  const next = await turns.turn(listener, "hello");
  assert.equal(next.end.state, "succeeded");
  assert.deepEqual(prompts(turns), [["be SLOW", "and hurry", "hello"]]);
  assert.deepEqual(heard(turns), ["be SLOW", "and hurry", "hello"]);
  listener.close();
});

test("while a person is asked, a message is read after the tool, within the same answer",
  async (t) => {
    const turns = await open(t);
    const listener = await session(turns);
    const sent = await turns.send(listener.session, "ASK me");
    const asked = async () => (await turns.get("/approvals")).items;
    await until("it asks", async () => (await asked()).length === 1);
    const [approval] = await asked();
    for (const words of ["first", "second"])
      assert.equal((await steer(turns, listener, words)).decision, "joined");
    await until("the program has them", async () => heard(turns).length === 3);
    assert.equal((await turns.get(`/runs/${sent.run}`)).state, "waiting");
    const answered = await turns.ask("POST", `/approvals/${approval.id}`, { decision: "allow" });
    assert.equal(answered.status, 200, answered.text);
    assert.equal((await listener.ended(sent.run)).state, "succeeded");
    assert.deepEqual(partsOf(await turns.answer(listener.session, sent.run)), [
      ["tool", "succeeded"], ["steer", "first"], ["steer", "second"],
      ["text", "turn 3 of claude"]]);
    listener.close();
  });

test("a message is in the input once, whenever the daemon is killed", async (t) => {
  const turns = await open(t);
  const { listener, sent } = await slow(turns);
  listener.close();
  const words = [];
  for (let i = 0; i < 12; i++) {
    const text = `words ${i}`, more = { policy: "steer", client_id: `c${i}` };
    words.push(text);
    const path_ = `/sessions/${listener.session}/messages`;
    const asked = turns.ask("POST", path_, { text, ...more }).catch(() => null);
    if (i % 3 === 0) await asked; // Else the daemon dies before, within or after the commit.
    if (i % 3 === 1) await new Promise((resolve) => setImmediate(resolve));
    await turns.daemon.kill();
    await asked;
    await turns.daemon.start();
    const again = await turns.send(listener.session, text, more);
    assert.deepEqual([again.run, again.decision], [sent.run, "joined"]);
  }
  await until("the program has them", async () => heard(turns).length === words.length + 1);
  letGo(turns);
  const again = await new Listener(turns, listener.session).open();
  assert.equal((await again.ended(sent.run)).state, "succeeded");
  assert.deepEqual(heard(turns), ["be SLOW", ...words]);
  const parts = partsOf(await turns.answer(listener.session, sent.run));
  assert.deepEqual(parts.filter(([kind]) => kind === "steer").map(([, text]) => text), words);
  const statuses = (await messagesOf(turns, listener)).filter(({ role }) => role === "user")
    .map(({ status }) => status);
  assert.deepEqual(statuses, ["completed", ...words.map(() => "joined")]);
  again.close();
});

test("what a program has not read before it dies, the next one reads", async (t) => {
  const turns = await open(t);
  const { listener, sent } = await slow(turns);
  await steer(turns, listener, "and hurry");
  await until("the program has it", async () => heard(turns).includes("and hurry"));
  assert.equal(killProgram(turns), 1);
  assert.equal((await listener.ended(sent.run)).state, "succeeded");
  const [[, again]] = prompts(turns);
  assert.match(again, /^You were interrupted.*Meanwhile the user has written:\s+and hurry$/);
  const parts = partsOf(await turns.answer(listener.session, sent.run));
  assert.deepEqual(parts.filter(([kind]) => kind === "steer"), [["steer", "and hurry"]]);
  const [, last] = (await messagesOf(turns, listener)).filter(({ role }) => role === "user");
  assert.equal(last.status, "joined");
  listener.close();
});

test("long messages reach the next process of a program, too", LIMIT, async (t) => {
  const turns = await open(t);
  const { listener, sent } = await slow(turns);
  const words = ["a", "b"].map((letter) => letter.repeat(600_000));
  for (const text of words) await steer(turns, listener, text);
  await until("the program has them", async () => heard(turns).length === 3);
  assert.equal(killProgram(turns), 1);
  assert.equal((await listener.ended(sent.run)).state, "succeeded");
  for (const text of words) {
    assert.equal(prompts(turns)[0].filter((one) => one.endsWith(text)).length, 1);
  }
  listener.close();
});

test("what a turn that was stopped has not read, the next turn tells first", async (t) => {
  const turns = await open(t);
  const { listener, sent } = await slow(turns);
  const joined = await steer(turns, listener, "and hurry");
  await turns.ask("POST", `/sessions/${listener.session}/stop`, {});
  assert.equal((await listener.ended(sent.run)).state, "cancelled");
  assert.equal((await turns.get(`/messages/${joined.message}`)).status, "completed");
  for (const text of ["hello", "again"])
    assert.equal((await turns.turn(listener, text)).end.state, "succeeded");
  const [first, second, third] = prompts(turns)[0];
  assert.deepEqual([first, third], ["be SLOW", "again"]);
  assert.match(second, /^Before, this .*:  and hurry  Now the user says:  hello$/);
  listener.close();
});

test("/steer in a chat: the words join the answer where they were read", LIMIT, async (t) => {
  const turns = await open(t);
  const args = `chat --agent claude --root ${turns.root}`;
  const chat = onTerminal(t, turns.daemon, args, { typed: true });
  const seen = (pattern) => chat.when((all) => pattern.test(plain(all)));
  const send = (text) => chat.child.stdin.write(`${text}\r`);
  await seen(/session +ses_\w+[^]*\n> /);
  send("be SLOW");
  await seen(/one/);
  send("/steer and hurry");
  await seen(/joins: and hurry/);
  letGo(turns);
  await seen(/one two[^]*turn 1 of claude[^]*> and hurry[^]*turn 2 of claude/);
  chat.child.stdin.write("\x15\x04");
  assert.equal((await chat.ended).code, 0);
  assert.deepEqual(heard(turns), ["be SLOW", "and hurry"]);
});
