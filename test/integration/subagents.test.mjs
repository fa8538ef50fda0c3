// subagents.test.mjs: tools that are one transaction: memory, other sessions, other agents.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { scaled } from "./scale.mjs";
import { call, Listener, say, script, textOf, toolsOf, Turns } from "./turns.mjs";

const HANGS = script(say("begun"), "delay: 600s");
const results = (message) => toolsOf(message).map((card) => [card.state, JSON.parse(card.text)]);
const spawn = (input, more = {}) => call("spawn_subagent", { input, ...more });

/** The results of one turn that makes these calls, one after the other. */
async function calls(turns, listener, ...lines) {
  const { message } = await turns.turn(listener, script(...lines, "step:", say("so it is")));
  return results(message);
}

async function spawnOne(turns, listener, input, more) {
  const [[state, child]] = await calls(turns, listener, spawn(input, more));
  assert.equal(state, "succeeded", JSON.stringify(child));
  return child;
}

/** Asks for the run of a subagent until it is in that state; its stream tells when to look. */
async function until(turns, child, state) {
  const listener = await new Listener(turns, child.session).open();
  for (;;) {
    const run = await turns.get(`/runs/${child.id}`);
    if (run.state === state) return run;
    assert.ok(await listener.sse.next());
  }
}

/** The follow-up that a notice begins: {text, message}. */
async function followUp(turns, listener, besides) {
  const { run } = await listener.until("turn_finished", (data) => !besides.includes(data.run));
  const all = await turns.messages(listener.session);
  const notice = all.find((one) => one.role === "notice" && one.run === run);
  return { run, text: textOf(notice), answer: await turns.answer(listener.session, run) };
}

// --- Memory, and other sessions ------------------------------------------------------------------

test("what was remembered is recalled, changed and forgotten", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const made = { action: "create", topic: "build", title: "Make", content: "It is built by meson" };
  const [[, kept]] = await calls(turns, listener, call("remember", made));
  assert.deepEqual([kept.topic, kept.title, kept.content], ["build", "Make", made.content]);
  const other = await turns.listen();
  const [[, [found]]] = await calls(turns, other, call("recall", { query: "meson" }));
  assert.equal(found.id, kept.id);
  const change = { action: "change", id: kept.id, content: "It is built by make" };
  const [[, changed]] = await calls(turns, other, call("remember", change));
  assert.deepEqual([changed.content, changed.title], [change.content, "Make"]);
  const long = { ...change, content: "ü".repeat(8000) }; // Characters fit, bytes do not.
  const [[kind, words]] = await calls(turns, other, call("remember", long));
  assert.deepEqual([kind, words.error], ["failed", "bad_arguments"]);
  const away = await turns.listen({ project: "elsewhere" });
  const refused = await calls(turns, away, call("recall", { query: "make" }),
    call("remember", { action: "forget", id: kept.id }));
  assert.deepEqual(refused.map(([state]) => state), ["succeeded", "failed"]);
  assert.deepEqual([refused[0][1], refused[1][1].error], [[], "not_found"]);
  await calls(turns, other, call("remember", { action: "forget", id: kept.id }));
  assert.deepEqual(await calls(turns, other, call("recall", { query: "make" })),
    [["succeeded", []]]);
});

test("another session of the project is read, and none of another's", async (t) => {
  const turns = await Turns.open(t);
  const other = await turns.listen({ title: "the other" });
  await turns.turn(other, say("what was said there"));
  const listener = await turns.listen();
  const read = call("read_session", { session: other.session, last: 2 });
  const [[state, page]] = await calls(turns, listener, read);
  assert.deepEqual([state, page.title, page.messages.length], ["succeeded", "the other", 2]);
  assert.match(textOf(page.messages[1]), /what was said there/);
  const away = await turns.listen({ project: "elsewhere" });
  assert.equal((await calls(turns, away, read))[0][1].error, "not_found");
});

test("what is too long for one result is cut, and the turn goes on", async (t) => {
  const turns = await Turns.open(t);
  const other = await turns.listen();
  const listener = await turns.listen();
  for (let i = 0; i < 10; i++) await turns.turn(other, "tokens: 4000 at 400000/s");
  const read = call("read_session", { session: other.session, last: 50 });
  const [[, page]] = await calls(turns, listener, read);
  const all = await turns.messages(other.session);
  assert.equal(page.cut, true);
  assert.ok(page.messages.length > 0 && page.messages.length < all.length);
  assert.deepEqual(page.messages.map((one) => one.id),
    all.slice(-page.messages.length).map((one) => one.id));
  for (let i = 0; i < 12; i++) {
    const made = { action: "create", topic: "x", title: `meson ${i}`, content: "w ".repeat(4000) };
    await calls(turns, other, call("remember", made));
  }
  const [[, found]] = await calls(turns, listener, call("recall", { query: "meson", limit: 20 }));
  assert.ok(found.length > 0 && found.length < 12);
  const child = await spawnOne(turns, listener, "tokens: 20000 at 400000/s");
  await until(turns, child, "succeeded");
  const [[state, result]] = await calls(turns, listener, call("subagent_result", { id: child.id }));
  const said = textOf(await turns.answer(child.session, child.id));
  assert.equal(state, "succeeded");
  assert.ok(result.output.length < 64 << 10 && result.output.length < said.length);
  assert.match(result.output, /bytes are left out here/);
  assert.ok(said.startsWith(result.output.slice(0, 10000)));
  assert.ok(said.endsWith(result.output.slice(-10000)));
});

// --- Subagents -----------------------------------------------------------------------------------

test("a subagent's result wakes the session that started it", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const { run, message } = await turns.turn(listener,
    script(spawn(say("forty two"), { label: "sums" }), say("I wait")));
  const [[, child]] = results(message);
  assert.deepEqual(Object.keys(child), ["id", "session", "status", "created_at"]);
  const told = await followUp(turns, listener, [run]);
  assert.match(told.text, /forty two/);
  assert.ok(told.text.includes(child.id));
  const session = await turns.get(`/sessions/${child.session}`);
  assert.deepEqual([session.parent, session.title], [listener.session, "Subagent: sums"]);
});

test("a result that was fetched wakes nobody", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const quick = say("done soon");
  const text = script(spawn(quick), "step:", "delay: 600s");
  await turns.send(listener.session, text);
  const card = await listener.until("tool_finished");
  const child = JSON.parse(card.result);
  await until(turns, child, "succeeded");
  // The session is busy, so the notice waits; the next turn fetches it first.
  const fetch = script(call("subagent_result", { id: child.id }), say("read"));
  const next = await turns.send(listener.session, fetch, { policy: "interrupt" });
  const end = await listener.ended(next.run);
  assert.equal(end.state, "succeeded");
  const [[, result]] = results(await turns.answer(listener.session, next.run));
  assert.match(result.output, /done soon/);
  assert.equal(result.status, "succeeded");
  assert.ok(result.usage.calls >= 1);
  const { items } = await turns.get("/inbox?all=1");
  assert.deepEqual(items.map((one) => one.state), ["acknowledged"]);
  const all = await turns.messages(listener.session);
  assert.ok(all.every((one) => one.role !== "notice"));
});

test("two go on at once, the others wait; one that is called off tells nobody", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const all = await calls(turns, listener, spawn(HANGS), spawn(HANGS), spawn(say("third")));
  const [first, second, third] = all.map(([, child]) => child);
  await until(turns, first, "running");
  await until(turns, second, "running");
  assert.equal((await turns.get(`/runs/${third.id}`)).state, "queued");
  const [[, early]] = await calls(turns, listener, call("subagent_result", { id: third.id }));
  assert.deepEqual([early.error, early.status], ["not_finished", "queued"]);
  const cancel = call("subagent_cancel", { id: first.id });
  assert.equal((await calls(turns, listener, cancel))[0][0], "succeeded");
  await until(turns, third, "succeeded");
  const run = await until(turns, first, "cancelled");
  assert.equal(run.cause, "called_off");
  const { items } = await turns.get("/inbox?all=1");
  assert.deepEqual(items.map((one) => one.run), [third.id]);
  const [[, status]] = await calls(turns, listener, call("subagent_status", { id: second.id }));
  assert.deepEqual([status.status, status.ended_at], ["running", null]);
});

test("the status of a subagent that runs has the end of what it has said so far", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const child = await spawnOne(turns, listener, HANGS);
  const its = await new Listener(turns, child.session).open();
  await its.until("delta", ({ text }) => text.includes("begun"));
  const status = call("subagent_status", { id: child.id });
  assert.equal((await calls(turns, listener, status))[0][1].progress, "begun");
  await calls(turns, listener, call("subagent_cancel", { id: child.id }));
  assert.equal((await calls(turns, listener, status))[0][1].progress, undefined);
});

test("one that is called off takes its own subagents along", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const child = await spawnOne(turns, listener, script(spawn(HANGS), say("I wait")));
  await until(turns, child, "succeeded");
  const [[, grandchild]] = results(await turns.answer(child.session, child.id));
  await until(turns, grandchild, "running");
  await calls(turns, listener, call("subagent_cancel", { id: child.id }));
  assert.equal((await until(turns, grandchild, "cancelled")).cause, "called_off");
});

test("a subagent outlives its parent's turn and the daemon", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const input = script(say("half"), `delay: ${scaled(2000)}ms`, say("whole"));
  const child = await spawnOne(turns, listener, input);
  await until(turns, child, "running");
  await turns.daemon.kill();
  await turns.daemon.start();
  await listener.open();
  const told = await followUp(turns, listener, []);
  assert.match(told.text, /whole/);
});

test("depth and tools are bounded by the parent's", async (t) => {
  const turns = await Turns.open(t);
  const settings = { tools: ["spawn_subagent", "recall"] };
  const listener = await turns.listen({ settings });
  const [[state, words]] = await calls(turns, listener, spawn("x", { tools: ["web_fetch"] }));
  assert.deepEqual([state, words.error], ["failed", "bad_arguments"]);
  const third = script(spawn("too deep"), say("at the bottom"));
  const input = script(spawn(script(spawn(third), say("second"))), say("first"));
  let session = await spawnOne(turns, listener, input);
  for (let depth = 1; depth < 3; depth++) {
    await until(turns, session, "succeeded");
    [[, session]] = results(await turns.answer(session.session, session.id));
  }
  await until(turns, session, "succeeded");
  const [[last, refusal]] = results(await turns.answer(session.session, session.id));
  assert.equal(last, "failed");
  assert.match(refusal.message, /at most 3 deep/);
});

test("an approval asked by a subagent of a subagent is answered after a restart", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root });
  const write = script(call("write_file", { path: "deep.txt", content: "from below" }), say("ok"));
  const child = await spawnOne(turns, listener, script(spawn(write), say("I wait")));
  await until(turns, child, "succeeded");
  const [[, grandchild]] = results(await turns.answer(child.session, child.id));
  await until(turns, grandchild, "waiting");
  await turns.daemon.kill();
  await turns.daemon.start();
  const { items } = await turns.get("/approvals");
  assert.deepEqual(items.map((one) => [one.session, one.tool]),
    [[grandchild.session, "write_file"]]);
  assert.equal((await turns.approve(items[0].id)).status, 200);
  await until(turns, grandchild, "succeeded");
  const [card] = toolsOf(await turns.answer(grandchild.session, grandchild.id));
  assert.equal(card.state, "succeeded");
  assert.match(card.text, /^made deep.txt/);
});
