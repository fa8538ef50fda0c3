// editing.test.mjs: messages said again, sessions cleared, answers chosen; and races with a model
// that goes on speaking.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { call, say, script, textOf, Turns } from "./turns.mjs";

const HANGS = script(say("begun"), "delay: 600s");
/** So much, without a pause, that some of it always is on its way. */
const FLOOD = "tokens: 1000000\ndelay: 600s"; // Ends only when it is asked to.
const NOBODY = "msg_00000000000000000000000000";

const resend = (turns, message, body) => turns.ask("POST", `/messages/${message}/resend`, body);
const clear = (turns, session) => turns.ask("POST", `/sessions/${session}/clear`);
const choose = (turns, message) => turns.ask("POST", `/messages/${message}/choose`);
const texts = (all) => all.map(textOf);

async function events(turns, session) {
  const all = [];
  for (let after = 0, page; (page = await turns.get(
    `/streams/session:${session}/events?limit=1000&after=${after}`)).events.length > 0; ) {
    all.push(...page.events);
    after = page.events.at(-1).seq;
  }
  return all;
}

// --- Resend --------------------------------------------------------------------------------------

test("resend: what was behind is in a fork, and the answer is a new one", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ title: "Counting" });
  for (const text of ["one", "two", "three"]) await turns.turn(listener, say(text));
  const before = await turns.messages(listener.session);
  const made = await resend(turns, before[2].id, { text: say("deux") });
  assert.equal(made.status, 201, made.text);
  const cleared = await listener.until("cleared");
  assert.deepEqual(cleared, { after: before[2].id, fork: made.json.fork });
  await listener.until("message_edited", (data) => textOf(data.message) === say("deux"));
  assert.equal((await listener.ended(made.json.run)).state, "succeeded");
  const after = await turns.messages(listener.session);
  assert.deepEqual(texts(after), [say("one"), "one", say("deux"), "deux"]);
  assert.deepEqual(after[3].id, made.json.message);
  assert.deepEqual([after[3].reply_to, after[3].variant], [before[2].id, 0]);
  const fork = await turns.get(`/sessions/${made.json.fork}`);
  assert.deepEqual([fork.title, fork.forked_from], ["Counting", listener.session]);
  assert.deepEqual(texts(await turns.messages(made.json.fork)), texts(before));
  for (const gone of before.slice(3)) {
    assert.equal((await turns.ask("GET", `/messages/${gone.id}`)).status, 404);
  }
});

test("resend without a text says the same, and a stopped message is said after all", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const { run } = await turns.send(listener.session, HANGS);
  await listener.until("delta");
  const { run: waits, message } = await turns.send(listener.session, say("never said"));
  await turns.ask("POST", `/runs/${waits}/stop`);
  await turns.ask("POST", `/sessions/${listener.session}/stop`);
  await listener.ended(run);
  const made = await resend(turns, message);
  assert.deepEqual([made.status, made.json.fork], [201, null], made.text);
  await listener.ended(made.json.run);
  const all = await turns.messages(listener.session);
  assert.deepEqual(texts(all), [HANGS, "begun", say("never said"), "never said"]);
  assert.deepEqual(all.map((one) => one.status).slice(2), ["completed", "completed"]);
});

test("resend refuses what it cannot do, and changes nothing then", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const { message } = await turns.turn(listener, say("one"));
  const all = await turns.messages(listener.session);
  const refused = async (id, status, code, body = { text: "x" }) => {
    const answer = await resend(turns, id, body);
    assert.deepEqual([answer.status, answer.json.code], [status, code], answer.text);
    return answer.json;
  };
  await refused(message.id, 400, "not_a_user_message");
  await refused(NOBODY, 404, "message_not_found");
  await refused(all[0].id, 400, "bad_field", { text: "" });
  await refused(all[0].id, 400, "unknown_field", { words: "x" });
  assert.deepEqual(await turns.messages(listener.session), all);
  const { run } = await turns.send(listener.session, HANGS);
  await listener.until("delta", (data) => data.run === run);
  const busy = await refused(all[0].id, 409, "turn_in_progress");
  assert.ok(busy.detail.includes(run));
  assert.equal(busy.run, run);
  assert.equal((await turns.get("/sessions")).items.length, 1, "no fork is left");
});

test("resend under one Idempotency-Key cuts once", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  await turns.turn(listener, say("one"));
  const [question] = await turns.messages(listener.session);
  turns.headers = { "idempotency-key": "k1" };
  const both = await Promise.all([1, 2].map(() => resend(turns, question.id, {})));
  assert.deepEqual(both.map((one) => one.status), [201, 201]);
  assert.deepEqual(both[0].json, both[1].json);
  await listener.ended(both[0].json.run);
  turns.headers = {};
  assert.equal((await turns.messages(listener.session)).length, 2);
  assert.equal((await turns.get("/sessions")).items.length, 2);
});

// --- Clear ---------------------------------------------------------------------------------------

test("clear while it speaks: nothing late is stored, and the session goes on", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  await turns.turn(listener, say("before"));
  const first = await turns.messages(listener.session);
  for (let round = 0; round < 8; round++) {
    const { run } = await turns.send(listener.session, FLOOD);
    for (let heard = 0; heard <= round; heard++) {
      await listener.until("delta", (data) => data.run === run);
    }
    const { message } = await turns.send(listener.session, say("it waits"));
    const answer = await clear(turns, listener.session);
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.json.id, listener.session);
    assert.deepEqual(await turns.messages(listener.session), []);
    const end = await listener.ended(run);
    assert.deepEqual([end.state, end.cause], ["cancelled", "cleared"]);
    assert.deepEqual(await turns.messages(listener.session), []);
    for (const gone of [message, first[0].id]) {
      assert.equal((await turns.ask("GET", `/messages/${gone}`)).status, 404);
    }
  }
  const told = await events(turns, listener.session);
  let silent = false;
  for (const { type, data } of told) {
    if (type === "cleared") assert.deepEqual(data, { after: null, fork: null });
    if (type === "message_added") silent = false;
    assert.ok(!silent || !/delta|tool_|output_|message_edited/.test(type), `${type} behind it`);
    if (type === "cleared") silent = true;
  }
  assert.equal(told.filter((one) => one.type === "cleared").length, 8);
  const next = await turns.turn(listener, say("anew"));
  assert.equal(textOf(next.message), "anew");
  assert.equal((await turns.messages(listener.session)).length, 2);
  const { usage, state } = await turns.get(`/sessions/${listener.session}`);
  assert.equal(state, "idle");
  assert.ok(usage.calls >= 2, "what was spent is counted");
});

test("clear ends a turn that waits for somebody, and what it asked", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root });
  const text = script(call("ask_user", { question: "Which?" }), say("so be it"));
  const { run } = await turns.send(listener.session, text);
  const asked = await listener.until("question_asked");
  assert.equal((await clear(turns, listener.session)).status, 200);
  const late = await turns.approve(asked.id, { answer: "this" });
  assert.deepEqual([late.status, late.json.code], [409, "conflict"]);
  assert.equal((await listener.ended(run)).cause, "cleared");
  assert.deepEqual((await turns.get("/approvals")).items, []);
  assert.deepEqual(await turns.messages(listener.session), []);
});

test("clear: a job goes on, its late result is in no message, and it still is told", async (t) => {
  const turns = await Turns.open(t);
  const settings = { permissions: [{ permission: "allow" }] };
  const listener = await turns.listen({ root: turns.root, settings });
  const job = { command: "sh", args: ["-c", "while [ ! -e go ]; do sleep 0.02; done; echo done"] };
  const { run } = await turns.send(listener.session, script(call("run_job", job), say("later")));
  assert.equal((await listener.ended(run)).state, "succeeded");
  const [, answer] = await turns.messages(listener.session);
  assert.equal((await clear(turns, listener.session)).status, 200);
  writeFileSync(path.join(turns.root, "go"), "");
  await listener.until("turn_finished", (data) => data.run !== run);
  const told = await events(turns, listener.session);
  const finished = told.filter(({ type, data }) =>
    type === "tool_finished" && data.message === answer.id);
  assert.equal(finished.length, 1, "only that it was started");
  const all = await turns.messages(listener.session);
  assert.deepEqual(all.map((one) => one.role), ["notice", "assistant"]);
});

test("clear of a session that is not there is 404, of an empty one nothing happens", async (t) => {
  const turns = await Turns.open(t);
  const none = await clear(turns, "ses_00000000000000000000000000");
  assert.deepEqual([none.status, none.json.code], [404, "not_found"]);
  const session = await turns.session();
  assert.equal((await clear(turns, session)).status, 200);
  assert.equal((await clear(turns, session)).status, 200);
});

test("cleared, and killed at once: the next daemon has nothing of it", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const { run } = await turns.send(listener.session, FLOOD);
  await listener.until("delta");
  assert.equal((await clear(turns, listener.session)).status, 200);
  await turns.daemon.kill();
  await turns.daemon.start();
  await listener.open();
  await listener.ended(run);
  assert.deepEqual(await turns.messages(listener.session), []);
  assert.equal((await turns.get(`/runs/${run}`)).cause, "cleared");
  const { message } = await turns.turn(listener, say("anew"));
  assert.equal(textOf(message), "anew");
});

// --- Variants ------------------------------------------------------------------------------------

test("an older answer is chosen, and is the one that counts", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const { message: old } = await turns.turn(listener, say("an answer"));
  const made = await turns.ask("POST", `/messages/${old.id}/regenerate`);
  await listener.ended(made.json.run);
  const chosen = await choose(turns, old.id);
  assert.deepEqual([chosen.status, chosen.json.active], [200, true], chosen.text);
  const edited = (id, active) => listener.until("message_edited",
    (data) => data.message.id === id && data.message.active === active);
  await edited(made.json.message, false);
  await edited(old.id, true);
  const all = await turns.messages(listener.session);
  assert.deepEqual(all.map((one) => one.active), [true, true, false]);
  const question = await choose(turns, all[0].id);
  assert.deepEqual([question.status, question.json.code], [409, "conflict"]);
  const unknown = await choose(turns, NOBODY);
  assert.deepEqual([unknown.status, unknown.json.code], [404, "message_not_found"]);
  const { run } = await turns.send(listener.session, HANGS);
  await listener.until("delta", (data) => data.run === run);
  const busy = await choose(turns, made.json.message);
  assert.deepEqual([busy.status, busy.json.code], [409, "turn_in_progress"]);
  assert.ok(busy.json.detail.includes(run));
  assert.equal(busy.json.run, run);
});
