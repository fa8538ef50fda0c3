// turns.test.mjs: what is promised of a turn, with the shipped binary and the scripted model.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, it, test } from "node:test";

import { call, Listener, say, script, textOf, toolsOf, Turns } from "./turns.mjs";

/** A turn that has said something and goes on until somebody ends it. */
const HANGS = script(say("begun"), "delay: 600s");

async function hang(listener, text = HANGS) {
  const { run } = await listener.turns.send(listener.session, text);
  await listener.until("delta", (data) => data.run === run);
  return run;
}

// --- An answer -----------------------------------------------------------------------------------

test("a message is answered, and what was heard is what is stored", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const text = script("think: let me see", say("Ünïcode \\n and a second line"), "tokens: 300");
  const { run, end, message } = await turns.turn(listener, text, { client_id: "m1" });
  assert.deepEqual([end.state, end.cause, end.calls], ["succeeded", "completed", 1]);
  assert.equal(message.status, "completed");
  assert.match(textOf(message), /^Ünïcode \n and a second line/);
  listener.heard.agreesWith(message);
  assert.equal((await turns.get(`/runs/${run}`)).kind, "turn");
  assert.equal((await turns.get(`/sessions/${listener.session}`)).state, "idle");
  const late = await new Listener(turns, listener.session).open();
  await late.ended(run);
  late.heard.agreesWith(message);
  const [question] = await turns.messages(listener.session);
  assert.deepEqual([message.reply_to, question.client_id], [question.id, "m1"]);
});

test("the same client_id is said once", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const body = { text: say("once"), client_id: "same" };
  const send = () => turns.post(listener.session, body);
  const both = await Promise.all([send(), send()]);
  assert.deepEqual(both.map((one) => one.status), [201, 201]);
  assert.equal(both[0].json.run, both[1].json.run);
  assert.deepEqual(both.map((one) => one.json.repeated).sort(), [false, true]);
  await listener.ended(both[0].json.run);
  const third = await send();
  assert.deepEqual([third.json.run, third.json.repeated], [both[0].json.run, true]);
  const other = await turns.post(listener.session, { text: "another", client_id: "same" });
  assert.deepEqual([other.status, other.json.code], [409, "message_exists"]);
  assert.equal((await turns.messages(listener.session)).length, 2);
});

test("what broke off is taken back, and said once", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const text = script("tokens: 40 at 200/s", say("half"), "fail: cut x1", say("whole"));
  const { end, message } = await turns.turn(listener, text);
  assert.equal(end.state, "succeeded");
  assert.equal(listener.heard.discarded, 1);
  listener.heard.agreesWith(message);
  assert.equal(textOf(message).split("half").length, 2);
});

// --- Who waits for it ----------------------------------------------------------------------------

test("?wait answers with the text of the last step", async (t) => {
  const turns = await Turns.open(t);
  const session = await turns.session();
  const waited = (text, more) =>
    turns.ask("POST", `/sessions/${session}/messages?wait=60`, { text, ...more });
  const text = script(say("first I look"), call("recall", { query: "x" }), say("done: 1"));
  const { status, json } = await waited(text, { client_id: "w" });
  assert.deepEqual([status, json.state, json.cause], [201, "succeeded", "completed"]);
  const stored = (await turns.messages(session)).at(-1);
  const last = stored.parts.filter((part) => part.kind === "text").at(-1);
  assert.equal(json.text, last.text);
  const again = await waited(text, { client_id: "w" });
  assert.deepEqual([again.json.run, again.json.repeated], [json.run, true]);
  assert.equal(again.json.text, json.text);
  const failed = await waited("fail: auth");
  assert.deepEqual([failed.json.state, failed.json.cause], ["failed", "auth_failed"]);
});

test("a wait that is over before the turn answers without its text", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const target = `/sessions/${listener.session}/messages`;
  const short = await turns.ask("POST", `${target}?wait=1`, { text: HANGS });
  assert.deepEqual([short.json.state, short.json.text], ["running", null]);
  const next = turns.ask("POST", `${target}?wait=60`, { text: "behind it" });
  await listener.until("queue_changed");
  assert.equal((await turns.ask("POST", `/sessions/${listener.session}/stop`)).status, 200);
  assert.equal((await next).json.state, "succeeded");
});

test("who waits in a session that is deleted is told so", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const target = `/sessions/${listener.session}`;
  const waits = turns.ask("POST", `${target}/messages?wait=60`, { text: HANGS });
  await listener.until("delta");
  assert.equal((await turns.ask("DELETE", target)).status, 200);
  const { status, json } = await waits; // It may have seen the turn's end before the session's.
  if (status === 201) assert.equal(json.state, "cancelled");
  else assert.deepEqual([status, json.code], [404, "not_found"]);
});

const PRINTED = [
  (tool) => `<tool_call>${JSON.stringify(tool)}</tool_call>`,
  (tool) => `\\n\`\`\`json\\n${JSON.stringify(tool)}\\n\`\`\`\\n`,
  ({ name, arguments: args }) => `<function=${name}>${JSON.stringify(args)}</function>`,
];

for (const [at, print] of PRINTED.entries()) {
  test(`a call that was printed is made, and heard by nobody (${at})`, async (t) => {
    const turns = await Turns.open(t);
    const listener = await turns.listen({ root: turns.root });
    writeFileSync(path.join(turns.root, "sheep.txt"), "forty two\n");
    const tool = { name: "read_file", arguments: { path: "sheep.txt" } };
    const text = script("think: where", say(`I look. ${print(tool)}`), "step:", say("There."));
    const { end, message } = await turns.turn(listener, text);
    assert.deepEqual([end.state, end.calls], ["succeeded", 2]);
    assert.equal(textOf(message), "I look.There.");
    const [card] = toolsOf(message);
    assert.deepEqual([card.tool ?? card.name, card.state], ["read_file", "succeeded"]);
    assert.match(card.text, /forty two/);
    assert.equal(listener.heard.discarded, 1);
    listener.heard.agreesWith(message);
    const late = await new Listener(turns, listener.session).open();
    await late.ended(message.run);
    late.heard.agreesWith(message);
  });
}

test("what looks like a call and is none stays as it was said", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root });
  const said = 'So: <tool_call>{"name": "dance", "arguments": {}}</tool_call>  ';
  const { end, message } = await turns.turn(listener, script(`say: ${said}.`));
  assert.deepEqual([end.state, end.calls], ["succeeded", 1]);
  assert.equal(textOf(message), `${said}.`);
  assert.equal(listener.heard.discarded, 0);
  listener.heard.agreesWith(message);
});

// --- Failures ------------------------------------------------------------------------------------

const FAILURES = [
  ["auth", "auth_failed"],
  ["quota", "quota"],
  ["overflow", "context_overflow"],
  ["400", "bad_request"],
  ["empty", "empty_response"],
  ["cut", "stream_broken"],
  ["error", "provider_error"],
  ["json", "bad_response"],
  ["timeout", "timed_out"],
  ["refused", "refused"],
];

// Some wait out the pauses between the attempts at a call.
const QUICKLY = ["--insecure-loopback", "--model-wait", "250"];
describe("failures of a model", { concurrency: 5 }, () => {
  for (const [what, cause] of FAILURES) {
    it(`fail: ${what} ends as ${cause}, and the session takes the next message`, async (t) => {
      const turns = await Turns.open(t, { args: QUICKLY });
      const listener = await turns.listen();
      const { run, end, message } = await turns.turn(listener, `fail: ${what}`);
      assert.deepEqual([end.state, end.cause], ["failed", cause]);
      assert.deepEqual([message.status, message.cause], ["failed", cause]);
      assert.equal(message.parts.at(-1).kind, "error");
      const stored = await turns.get(`/runs/${run}`);
      assert.deepEqual([stored.state, stored.cause], ["failed", cause]);
      if (cause === "quota") {
        // It stops every call of the connection: the turn fails at once, the session stays whole.
        const shut = await turns.turn(listener, say("too early"));
        assert.deepEqual([shut.end.cause, textOf(shut.message)], ["quota", ""]);
        return;
      }
      const next = await turns.turn(listener, say("well again"));
      assert.deepEqual([next.end.state, textOf(next.message)], ["succeeded", "well again"]);
    });
  }
});

test("a failure keeps what was said by the steps before it", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root });
  const text = script(say("first"), call("list_files", { path: "." }), "fail: auth");
  const { end, message } = await turns.turn(listener, text);
  assert.equal(end.cause, "auth_failed");
  assert.equal(textOf(message), "first");
  assert.deepEqual(message.parts.map((part) => part.kind), ["text", "tool", "error"]);
});

test("a model that nobody knows fails the turn in words", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const { end } = await turns.turn(listener, "hello", { model: "nobody/none" });
  assert.deepEqual([end.state, end.cause], ["failed", "model_unknown"]);
  assert.match(end.note, /nobody/);
  assert.equal((await turns.turn(listener, say("here"))).end.state, "succeeded");
});

// --- Policies ------------------------------------------------------------------------------------

test("enqueue: one message a turn, oldest first", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const first = await hang(listener);
  const runs = [];
  for (const word of ["a", "b", "c"]) {
    const made = await turns.send(listener.session, say(word), { policy: "enqueue" });
    assert.deepEqual([made.state, made.decision], ["queued", "queued"]);
    runs.push(made.run);
  }
  assert.equal((await turns.ask("POST", `/sessions/${listener.session}/stop`)).status, 200);
  const ends = [];
  while (ends.length < 4) ends.push((await listener.until("turn_finished")).run);
  assert.deepEqual(ends, [first, ...runs]);
  const texts = [];
  for (const run of runs) texts.push(textOf(await turns.answer(listener.session, run)));
  assert.deepEqual(texts, ["a", "b", "c"]);
});

test("a queued message can be edited and taken out", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  await hang(listener);
  const gone = await turns.send(listener.session, say("gone"));
  const kept = await turns.send(listener.session, say("kept"));
  const edited = await turns.ask("PATCH", `/messages/${kept.message}`, { text: say("edited") });
  assert.equal(edited.status, 200, edited.text);
  const removed = await turns.ask("DELETE", `/messages/${gone.message}`);
  assert.ok(removed.status < 300, removed.text);
  await turns.ask("POST", `/sessions/${listener.session}/stop`);
  await listener.ended(kept.run);
  assert.equal(textOf(await turns.answer(listener.session, kept.run)), "edited");
  const all = await turns.messages(listener.session);
  assert.ok(!all.some((one) => one.id === gone.message || one.run === gone.run));
});

test("reject: 409 with the run", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const run = await hang(listener);
  const answer = await turns.post(listener.session, { text: "no", policy: "reject" });
  assert.deepEqual([answer.status, answer.json.code], [409, "turn_in_progress"]);
  assert.ok(answer.json.detail.includes(run), answer.text);
  assert.equal(answer.json.run, run);
  await turns.ask("POST", `/sessions/${listener.session}/stop`);
  await listener.ended(run);
  assert.equal((await turns.messages(listener.session)).length, 2);
});

test("interrupt: what it said stays, and this is next", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const old = await hang(listener);
  const made = await turns.send(listener.session, say("next"), { policy: "interrupt" });
  assert.equal(made.decision, "interrupted");
  const end = await listener.ended(old);
  assert.deepEqual([end.state, end.cause], ["cancelled", "interrupted"]);
  await listener.ended(made.run);
  const first = await turns.answer(listener.session, old);
  assert.deepEqual([first.status, textOf(first)], ["interrupted", "begun"]);
  listener.heard.agreesWith(first);
  assert.equal(textOf(await turns.answer(listener.session, made.run)), "next");
});

test("rollback: the old turn leaves, and what its tools did is listed", async (t) => {
  const turns = await Turns.open(t);
  const permissions = [{ tool: "write_file", permission: "allow" }];
  const listener = await turns.listen({ root: turns.root, settings: { permissions } });
  const write = call("write_file", { path: "made", content: "by the old turn\n" });
  const old = await hang(listener, script(write, say("begun"), "delay: 600s"));
  const made = await turns.send(listener.session, "and now?", { policy: "rollback" });
  assert.equal(made.decision, "rolled_back");
  assert.match(JSON.stringify(made.undone), /write_file/);
  assert.equal((await listener.ended(old)).cause, "rolled_back");
  await listener.ended(made.run);
  const states = (await turns.messages(listener.session)).map((one) => one.status);
  assert.deepEqual(states, ["rolled_back", "rolled_back", "completed", "completed"]);
  assert.ok(existsSync(path.join(turns.root, "made")), "tool effects are not undone");
});

test("steer: joins the running turn before its next call", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const text = script(call("ask_user", { question: "why?" }), say("unsteered"));
  const { run } = await turns.send(listener.session, text);
  const asked = await listener.until("question_asked");
  const made = await turns.send(listener.session, say("steered"), { policy: "steer" });
  assert.deepEqual([made.decision, made.run], ["joined", run]);
  assert.equal((await turns.approve(asked.id, { answer: "because" })).status, 200);
  const joined = (data) => data.message.id === made.message && data.message.status === "joined";
  await listener.until("message_edited", joined);
  assert.equal((await listener.ended(run)).state, "succeeded");
  const message = await turns.answer(listener.session, run);
  assert.equal(textOf(message), "steered");
  assert.match(toolsOf(message)[0].text, /because/);
  const alone = await turns.turn(listener, say("alone"), { policy: "steer" });
  assert.equal(alone.end.state, "succeeded", "with no turn running it is enqueue");
});

test("a steering message that came too late is told as a message of its own", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const run = await hang(listener);
  const made = await turns.send(listener.session, say("too late"), { policy: "steer" });
  assert.deepEqual([made.decision, made.run], ["joined", run]);
  await turns.ask("POST", `/sessions/${listener.session}/stop`);
  const freed = (data) => data.message.id === made.message && data.message.status === "completed";
  await listener.until("message_edited", freed);
});

test("stop keeps what was said; without a turn it is 409", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const run = await hang(listener);
  assert.equal((await turns.ask("POST", `/sessions/${listener.session}/stop`)).status, 200);
  const end = await listener.ended(run);
  assert.deepEqual([end.state, end.cause], ["cancelled", "stopped"]);
  const message = await turns.answer(listener.session, run);
  assert.deepEqual([message.status, textOf(message)], ["interrupted", "begun"]);
  listener.heard.agreesWith(message);
  assert.equal((await turns.ask("POST", `/sessions/${listener.session}/stop`)).status, 409);
});

// --- Tools ---------------------------------------------------------------------------------------

test("files are read, and a write waits for leave", async (t) => {
  const turns = await Turns.open(t);
  writeFileSync(path.join(turns.root, "a.txt"), "one\ntwo\n");
  const listener = await turns.listen({ root: turns.root });
  const read = call("read_file", { path: "a.txt" });
  const text = script(read, call("write_file", { path: "b.txt", content: "three\n" }), say("done"));
  const { run } = await turns.send(listener.session, text);
  const asked = await listener.until("approval_asked");
  assert.equal(asked.tool, "write_file");
  assert.match(asked.about.diff, /\+three/);
  await listener.until("turn_waiting");
  assert.ok(!existsSync(path.join(turns.root, "b.txt")));
  assert.equal((await turns.get(`/sessions/${listener.session}`)).state, "waiting");
  assert.equal((await turns.approve(asked.id)).json.state, "allowed");
  assert.equal((await turns.approve(asked.id, { decision: "deny" })).status, 409);
  await listener.ended(run);
  const message = await turns.answer(listener.session, run);
  assert.deepEqual(toolsOf(message).map((tool) => tool.state), ["succeeded", "succeeded"]);
  assert.match(toolsOf(message)[0].text, /two/);
  assert.equal(readFileSync(path.join(turns.root, "b.txt"), "utf8"), "three\n");
});

test("an approval outlives a kill, and another client gives it", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root });
  const text = script(say("before"), call("write_file", { path: "b", content: "x" }), say("after"));
  const { run } = await turns.send(listener.session, text);
  const asked = await listener.until("approval_asked");
  await turns.daemon.kill();
  await turns.daemon.start();
  const [waits] = (await turns.get("/approvals")).items;
  assert.equal(waits.id, asked.id);
  const other = await new Listener(turns, listener.session).open();
  const answer = await turns.daemon.cli(["approve", waits.id]);
  assert.deepEqual([answer.code, answer.stdout], [0, `${waits.id} is allowed\n`]);
  assert.equal((await other.ended(run)).state, "succeeded");
  assert.equal(readFileSync(path.join(turns.root, "b"), "utf8"), "x");
  const message = await turns.answer(listener.session, run);
  assert.equal(textOf(message), "beforeafter");
  other.heard.agreesWith(message);
});

test("a no is told to the model with its reason, and nothing is written", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root });
  const text = script(call("write_file", { path: "b", content: "x" }), say("I see"));
  const { run } = await turns.send(listener.session, text);
  const asked = await listener.until("approval_asked");
  await turns.approve(asked.id, { decision: "deny", reason: "not on a Friday" });
  assert.equal((await listener.ended(run)).state, "succeeded");
  const message = await turns.answer(listener.session, run);
  assert.match(toolsOf(message)[0].text, /not on a Friday/);
  assert.notEqual(toolsOf(message)[0].state, "succeeded");
  assert.ok(!existsSync(path.join(turns.root, "b")));
});

test("what was allowed is that file as it was shown", async (t) => {
  const turns = await Turns.open(t);
  writeFileSync(path.join(turns.root, "b"), "as it was\n");
  const listener = await turns.listen({ root: turns.root });
  const { run } = await turns.send(
    listener.session,
    script(call("write_file", { path: "b", content: "x" }), say("I see")),
  );
  const asked = await listener.until("approval_asked");
  writeFileSync(path.join(turns.root, "b"), "changed meanwhile\n");
  await turns.approve(asked.id);
  await listener.ended(run);
  assert.equal(readFileSync(path.join(turns.root, "b"), "utf8"), "changed meanwhile\n");
  assert.equal(toolsOf(await turns.answer(listener.session, run))[0].state, "failed");
});

const ALL = { settings: { permissions: [{ permission: "allow" }] } };

test("run_command: its exit code and output are the result", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root, ...ALL });
  const args = ["-c", "echo out; echo err >&2; exit 3"];
  const text = script(call("run_command", { command: "sh", args }), say("done"));
  const { end, message } = await turns.turn(listener, text);
  assert.equal(end.state, "succeeded");
  const result = JSON.parse(toolsOf(message)[0].text);
  assert.deepEqual([result.exit_code, result.stdout, result.stderr], [3, "out\n", "err\n"]);
  const missing = script(call("run_command", { command: "no-such-program" }), say("done"));
  const second = await turns.turn(listener, missing);
  assert.equal(JSON.parse(toolsOf(second.message)[0].text).exit_code, -1);
});

test("run_job: answers at once; its end replaces the card, and wakes the session", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root, ...ALL });
  const args = ["-c", "while [ ! -e go ]; do sleep 0.02; done; echo built; exit 4"];
  const text = script(call("run_job", { command: "sh", args }), say("it runs"));
  const { end, message } = await turns.turn(listener, text);
  assert.equal(end.state, "succeeded");
  const [card] = toolsOf(message);
  assert.equal(card.state, "pending");
  const { status, operation } = JSON.parse(card.text);
  assert.deepEqual([status, operation], ["started", card.run]);
  writeFileSync(path.join(turns.root, "go"), "");
  await listener.until("tool_finished", (data) => data.part === card.number);
  const [after] = toolsOf(await turns.answer(listener.session, message.run));
  assert.equal(after.number, card.number);
  assert.notEqual(after.state, "pending");
  const result = JSON.parse(after.text);
  assert.deepEqual([result.exit_code, result.output], [4, "built\n"]);
  const owed = (await turns.get("/inbox?all=1")).items.filter((row) => row.run === operation);
  assert.deepEqual(owed.map((row) => [row.receiver, row.address]), [["session", listener.session]]);
});

test("a turn that a kill cut off goes on by itself, and what it said is said once", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root, ...ALL });
  const append = call("run_command", { command: "sh", args: ["-c", "echo ran >> counter"] });
  const text = script(append, "tokens: 60 at 100/s", call("list_files", { path: "." }), say("end"));
  const { run } = await turns.send(listener.session, text);
  await listener.until("delta");
  await turns.daemon.kill();
  await turns.daemon.start();
  const again = new Listener(turns, listener.session);
  again.heard = listener.heard;
  await again.open();
  assert.equal((await again.ended(run)).state, "succeeded");
  const message = await turns.answer(listener.session, run);
  again.heard.agreesWith(message);
  assert.ok(again.heard.discarded >= 1);
  assert.equal(readFileSync(path.join(turns.root, "counter"), "utf8"), "ran\n");
});

// --- Owners --------------------------------------------------------------------------------------

test("somebody else's session, turn and approval do not exist", async (t) => {
  const turns = await Turns.open(t, { args: [] });
  const token = async (owner) => {
    const body = { owner, scopes: ["read", "run", "approve"] };
    const made = await turns.daemon.request("POST", "/api/v1/tokens", { body, local: true });
    return { authorization: `Bearer ${made.json.token}` };
  };
  const [ann, bob] = [await token("ann"), await token("bob")];
  turns.headers = ann;
  const listener = await turns.listen();
  const { run } = await turns.send(listener.session, call("ask_user", { question: "who?" }));
  const asked = await listener.until("question_asked");
  turns.headers = bob;
  const { session } = listener;
  for (const [method, target, body] of [
    ["GET", `/sessions/${session}`],
    ["POST", `/sessions/${session}/messages`, { text: "mine?" }],
    ["POST", `/sessions/${session}/stop`],
    ["GET", `/sessions/${session}/messages`],
    ["GET", `/runs/${run}`],
    ["POST", `/runs/${run}/stop`],
    ["GET", `/approvals/${asked.id}`],
    ["POST", `/approvals/${asked.id}`, { answer: "bob" }],
  ]) {
    assert.equal((await turns.ask(method, target, body)).status, 404, `${method} ${target}`);
  }
  assert.deepEqual((await turns.get("/approvals?all=1")).items, []);
  turns.headers = ann;
  assert.equal((await turns.approve(asked.id, { answer: "ann" })).status, 200);
  assert.equal((await listener.ended(run)).state, "succeeded");
});
