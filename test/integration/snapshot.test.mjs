// snapshot.test.mjs: who comes into the middle of a conversation sees all that is open in it.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { call, Heard, say, script, Turns } from "./turns.mjs";

const look = async (turns, session) =>
  (await turns.get(`/streams/session:${session}/events?snapshot=1`)).snapshot;
const limit = (turns, scope, limits) => turns.ask("PATCH", `/budgets/${scope}`, limits);

test("a snapshot has the turn, what it asks, what waits, and what may be spent", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root });
  const { session } = listener;
  assert.deepEqual((({ turn, approvals, budgets, queue }) => [turn, approvals, budgets, queue])(
    await look(turns, session)), [null, [], [], []]);
  assert.equal((await limit(turns, `session:${session}`, { output_tokens: 1000 })).status, 200);
  assert.equal((await limit(turns, "project:default", { agents: 50 })).status, 200);
  await turns.turn(listener, script(say("hello"), "usage: fresh=60 output=100"));
  const write = call("write_file", { path: "a", content: "b".repeat(20_000) });
  const { run } = await turns.send(session, script(call("ask_user", { question: "Why?" }), write));
  await listener.until("approval_asked");
  const waiting = await turns.send(session, say("later"));
  const queue = await listener.until("queue_changed", (data) => data.queue.length > 0);
  assert.deepEqual(queue, { queue: [waiting.message] });

  const open = await look(turns, session);
  const turn = { run, number: 2, state: "waiting", gate: null, resume_at_ms: null };
  assert.deepEqual([open.turn, open.queue], [turn, [waiting.message]]);
  const [asks, question] = open.approvals;
  assert.deepEqual([asks.tool, asks.kind, asks.arguments], ["write_file", "leave", null]);
  assert.deepEqual([question.tool, question.arguments], ["ask_user", { question: "Why?" }]);
  assert.deepEqual(open.approvals.map((one) => one.state), ["open", "open"]);
  const left = Object.fromEntries(open.budgets.map((one) => [one.scope, one.left]));
  assert.ok(left[`session:${session}`].output_tokens <= 900, JSON.stringify(left));
  assert.deepEqual(Object.keys(left[`session:${session}`]), ["output_tokens"]);
  assert.ok(left["project:default"].agents < 50, JSON.stringify(left));

  await turns.approve(question.id, { answer: "because" });
  await turns.approve(asks.id, { decision: "deny" });
  await listener.ended(run);
  await listener.ended(waiting.run);
  const over = await look(turns, session);
  assert.deepEqual([over.turn, over.approvals, over.queue], [null, [], []]);
});

test("who comes in the middle of an answer is told what was said so far", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root });
  const look = call("list_files", { path: "." });
  const text = script(say("first"), look, "step:", "think: a while", "tokens: 200 at 400/s");
  const { run } = await turns.send(listener.session, text);
  await listener.until("delta", (data) => data.step === 3);
  await listener.until("delta");
  const stream = `/streams/session:${listener.session}/events`;
  const { snapshot, snapshot_seq } = await turns.get(`${stream}?snapshot=1&limit=1`);
  assert.deepEqual([snapshot.turn.run, snapshot.streaming], [run, "text"]);
  const running = snapshot.messages.find((one) => one.status === "running");
  const kinds = running.parts.map((part) => `${part.step} ${part.kind}`);
  assert.deepEqual(kinds, ["1 text", "1 tool", "3 thinking", "3 text"]);
  assert.deepEqual(running.parts.map((part) => part.number), [1, 2, 3, 4]);
  await listener.ended(run);
  const heard = Heard.from(snapshot, snapshot_seq);
  const rest = await turns.get(`${stream}?after=${snapshot_seq}&limit=1000`);
  rest.events.forEach((event) => heard.take(event));
  heard.agreesWith(await turns.answer(listener.session, run));
});
