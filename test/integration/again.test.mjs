// again.test.mjs: an answer is asked for again, and messages race for one session.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { call, say, script, textOf, Turns } from "./turns.mjs";

const HANGS = script(say("begun"), "delay: 600s");
const RACERS = 50;
const ALL = { permissions: [{ permission: "allow" }] };

const again = (turns, message) => turns.ask("POST", `/messages/${message}/regenerate`);

// --- Variants ------------------------------------------------------------------------------------

test("regenerate: the new answer is active, the old one stays to be read", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const { message: old } = await turns.turn(listener, say("an answer"));
  const made = await again(turns, old.id);
  assert.equal(made.status, 201, made.text);
  const left = (data) => data.message.id === old.id && !data.message.active;
  await listener.until("message_edited", left);
  assert.equal((await listener.ended(made.json.run)).state, "succeeded");
  const [question, first, second, ...more] = await turns.messages(listener.session);
  assert.equal(more.length, 0, "the question is not said again");
  assert.deepEqual([first.id, first.variant, first.active], [old.id, 0, false]);
  assert.deepEqual([second.id, second.variant, second.active], [made.json.message, 1, true]);
  assert.deepEqual([second.reply_to, textOf(second)], [question.id, "an answer"]);
  assert.equal(textOf(first), "an answer");
  const third = await again(turns, second.id);
  await listener.ended(third.json.run);
  assert.equal((await turns.answer(listener.session, third.json.run)).variant, 2);
  const all = await turns.messages(listener.session);
  assert.deepEqual(all.map((one) => one.active), [true, false, false, true]);
});

test("an answer that failed, or was stopped, is asked for again", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const { message: failed } = await turns.turn(listener, "fail: 400");
  const second = await again(turns, failed.id);
  assert.equal((await listener.ended(second.json.run)).cause, "bad_request");
  const { run } = await turns.send(listener.session, HANGS);
  await listener.until("delta", (data) => data.run === run);
  const busy = await again(turns, failed.id);
  assert.deepEqual([busy.status, busy.json.code], [409, "turn_in_progress"]);
  assert.ok(busy.json.detail.includes(run), busy.text);
  await turns.ask("POST", `/sessions/${listener.session}/stop`);
  await listener.ended(run);
  const stopped = await turns.answer(listener.session, run);
  const third = await again(turns, stopped.id);
  await listener.until("delta", (data) => data.run === third.json.run);
  await turns.ask("POST", `/sessions/${listener.session}/stop`);
  assert.equal((await listener.ended(third.json.run)).cause, "stopped");
});

test("only the last answer to a user's message is asked for again", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const { message: first } = await turns.turn(listener, say("one"));
  await turns.turn(listener, say("two"));
  const all = await turns.messages(listener.session);
  for (const id of [first.id, all.at(-2).id]) {
    const refused = await again(turns, id);
    assert.deepEqual([refused.status, refused.json.code], [409, "conflict"]);
  }
  const unknown = await again(turns, "msg_00000000000000000000000000");
  assert.deepEqual([unknown.status, unknown.json.code], [404, "message_not_found"]);
  assert.deepEqual(await turns.messages(listener.session), all);
});

test("regenerate under one Idempotency-Key begins one turn", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const { message } = await turns.turn(listener, say("once"));
  turns.headers = { "idempotency-key": "k1" };
  const both = [await again(turns, message.id), await again(turns, message.id)];
  assert.deepEqual(both.map((one) => one.status), [201, 201]);
  assert.equal(both[0].json.run, both[1].json.run);
  await listener.ended(both[0].json.run);
  assert.equal((await turns.messages(listener.session)).length, 3);
});

const DECISIONS = { interrupt: "interrupted", rollback: "rolled_back", steer: "joined" };
for (const [policy, decision] of Object.entries(DECISIONS)) {
  test(`${policy}: sent again, after a kill too, it answers what was decided`, async (t) => {
    const turns = await Turns.open(t);
    const listener = await turns.listen({ root: turns.root, settings: ALL });
    const append = call("run_command", { command: "sh", args: ["-c", "echo ran"] });
    await turns.send(listener.session, script(append, say("begun"), "delay: 600s"));
    await listener.until("delta");
    const body = { policy, client_id: "once" };
    const first = await turns.send(listener.session, say("instead"), body);
    assert.deepEqual([first.decision, first.repeated], [decision, false]);
    await turns.daemon.kill();
    await turns.daemon.start();
    const again = await turns.send(listener.session, say("instead"), body);
    assert.deepEqual([again.decision, again.repeated], [decision, true]);
    assert.deepEqual(again.undone, first.undone);
    assert.equal(first.undone?.length ?? 0, policy === "rollback" ? 1 : 0);
  });
}

test("what waits already comes before a message that interrupts", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const running = await turns.send(listener.session, script(say("begun"), "delay: 600s"));
  await listener.until("delta");
  const waiting = await turns.send(listener.session, say("I waited"));
  const last = await turns.send(listener.session, say("now"), { policy: "interrupt" });
  const ends = [];
  for (let i = 0; i < 3; i++) ends.push((await listener.until("turn_finished")).run);
  assert.deepEqual(ends, [running.run, waiting.run, last.run]);
});

// --- Races ---------------------------------------------------------------------------------------

const EXPECTED = {
  enqueue: ["queued"],
  reject: ["turn_in_progress"],
  interrupt: ["interrupted", "queued"],
  rollback: ["queued", "rolled_back"],
  steer: ["joined"],
};

for (const [policy, expected] of Object.entries(EXPECTED)) {
  test(`${policy}: of ${RACERS} messages at once each has one fate`, async (t) => {
    const turns = await Turns.open(t);
    const listener = await turns.listen();
    const { run } = await turns.send(listener.session, HANGS);
    await listener.until("delta", (data) => data.run === run);
    const race = Array.from({ length: RACERS }, (_, at) =>
      turns.post(listener.session, { text: say(`racer ${at}`), policy, client_id: `c${at}` }));
    const answers = await Promise.all(race);
    const fates = answers.map((one) => one.json.decision ?? one.json.code);
    assert.deepEqual([...new Set(fates)].filter((one) => !expected.includes(one)), []);
    const accepted = answers.filter((one) => one.status === 201).map((one) => one.json);
    assert.equal(accepted.length, policy === "reject" ? 0 : RACERS);
    if (!["interrupt", "rollback"].includes(policy)) {
      await turns.ask("POST", `/sessions/${listener.session}/stop`);
    }
    await turns.ask("POST", `/sessions/${listener.session}/messages?wait=60`, { text: say("end") });
    const all = await turns.messages(listener.session);
    assert.equal(new Set(all.map((one) => one.id)).size, all.length);
    const mine = all.filter((one) => one.client_id !== null);
    assert.equal(mine.length, accepted.length, "none is lost, none is there twice");
    assert.ok(!all.some((one) => ["queued", "running", "steering"].includes(one.status)));
    const running = new Set();
    const late = await turns.get(`/streams/session:${listener.session}/events?limit=1000`);
    for (const { type, data } of late.events) {
      if (type === "turn_started") running.add(data.run);
      if (type === "turn_finished") running.delete(data.run);
      assert.ok(running.size <= 1, "no two turns at once");
    }
  });
}

test(`reject: of ${RACERS} messages to an idle session one begins a turn`, async (t) => {
  const turns = await Turns.open(t);
  const session = await turns.session();
  const answers = await Promise.all(Array.from({ length: RACERS }, (_, at) =>
    turns.post(session, { text: HANGS, policy: "reject", client_id: `c${at}` })));
  const [first, ...others] = answers.filter((one) => one.status === 201);
  assert.deepEqual(others, []);
  const refused = answers.filter((one) => one.status === 409);
  assert.equal(refused.length, RACERS - 1);
  assert.ok(refused.every((one) => one.json.detail.includes(first.json.run)));
});

test(`steer: all of ${RACERS} messages are in the answer that they joined, once`, async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root });
  const text = script(call("write_file", { path: "a", content: "x" }), say("done"));
  const { run } = await turns.send(listener.session, text);
  const { id: approval } = await listener.until("approval_asked");
  const body = (at) => ({ text: say(`racer ${at}`), policy: "steer" });
  const race = Array.from({ length: RACERS }, (_, at) => turns.post(listener.session, body(at)));
  assert.ok((await Promise.all(race)).every((one) => one.json.decision === "joined"));
  await turns.approve(approval);
  assert.equal((await listener.ended(run)).state, "succeeded");
  const { parts } = await turns.answer(listener.session, run);
  const joined = parts.filter((part) => part.kind === "steer").map((part) => part.text);
  assert.deepEqual(joined.sort(), race.map((_, at) => say(`racer ${at}`)).sort());
  const all = await turns.messages(listener.session);
  const { id } = all.find((one) => one.status === "joined");
  const edit = await turns.ask("PATCH", `/messages/${id}`, { text: "else" });
  assert.deepEqual([edit.status, edit.json.code], [409, "conflict"]);
});
