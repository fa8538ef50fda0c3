// compaction.test.mjs: a conversation longer than its model's window goes on.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";

import { scaled } from "./scale.mjs";
import { call, Listener, say, script, textOf, Turns } from "./turns.mjs";

const WINDOW = 20000; // Tokens; 4,096 are kept for the answer, and a prompt has 80 % of the rest.
const PROMPT_MAX = Math.floor((WINDOW - 4096) * 0.8);
const LONG = "All work and no play makes a long line. ".repeat(250); // 10,000 bytes.

/** A daemon with that window, whose model makes of each transcript what `steps` say. */
async function open(t, steps) {
  const folder = mkdtempSync(path.join(tmpdir(), "drv-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, "script.json");
  const turns = [{ when: '[{"user":', steps: [steps] }];
  writeFileSync(file, JSON.stringify({ models: { demo: { turns } } }));
  const opened = await Turns.open(t, { env: { DROVER_SCRIPT: file } });
  const answer = await opened.ask("PATCH", "/settings", { window: WINDOW });
  assert.equal(answer.status, 200, answer.text);
  return opened;
}

const events = (listener, type) => listener.heard.events.filter((event) => event.type === type);

async function talk(turns, listener, count) {
  for (let i = 0; i < count; i++) {
    const { end, message } = await turns.turn(listener, script(LONG, say(`answer ${i}`)));
    assert.deepEqual([end.state, textOf(message)], ["succeeded", `answer ${i}`]);
  }
}

async function prompts(turns, session) {
  const read = [];
  const own = (one) => one.role === "user" && one.run !== null; // Copies have no turn here.
  for (const { run } of (await turns.messages(session)).filter(own)) {
    const { items } = await turns.get(`/runs/${run}/spans`);
    const calls = items.filter((span) => span.kind === "model").map((span) => span.tokens);
    read.push(...calls.map((tokens) => tokens.fresh + tokens.cache_read + tokens.cache_write));
  }
  return read;
}

test("a session ten times longer than its window keeps answering", async (t) => {
  const turns = await open(t, [say("SUMMARY: much work, no play")]);
  const listener = await turns.listen();
  const count = Math.ceil((10 * WINDOW * 4) / LONG.length);
  await talk(turns, listener, count);
  const read = await prompts(turns, listener.session);
  assert.equal(read.length, count);
  assert.ok(Math.max(...read) <= PROMPT_MAX, `${Math.max(...read)} of ${PROMPT_MAX}`);
  const compacted = events(listener, "context_compacted").map((event) => event.data);
  assert.ok(compacted.length >= 5, `${compacted.length} summaries`);
  assert.ok(compacted.every((one) => one.tokens_after < one.tokens_before));
  const all = await turns.messages(listener.session);
  assert.equal(all.filter((one) => one.role !== "system").length, 2 * count); // They stay.
  const next = new Map(all.map((one, at) => [one.id, all[at + 1]]));
  const notes = all.filter((one) => one.role === "system");
  assert.deepEqual(notes.map((one) => one.run), compacted.map((one) => one.run));
  for (const note of notes) {
    assert.match(textOf(note), /^What was said so far is summarised: about \d+ tokens became \d+/);
    assert.deepEqual([next.get(note.id).role, next.get(note.id).run], ["user", note.run]);
  }
  const told = events(listener, "message_added").map((event) => event.data)
    .filter((data) => data.message.role === "system");
  assert.deepEqual(told.map((data) => [data.message.id, data.before]),
    notes.map((note) => [note.id, next.get(note.id).id]));
  const { items } = await turns.get("/usage?by=category");
  const calls = Object.fromEntries(items.map((row) => [row.category, row.usage.calls]));
  assert.deepEqual(calls, { turn: count, compaction: compacted.length });
});

test("a turn that grows too long is summarised within, before its answer", async (t) => {
  const turns = await open(t, [say("SUMMARY")]);
  const listener = await turns.listen({ root: turns.root });
  assert.equal((await turns.ask("PATCH", "/settings", { window: 2 * WINDOW })).status, 200);
  await talk(turns, listener, 3);
  const reads = ["a", "b", "c", "d"].flatMap((name) => {
    writeFileSync(path.join(turns.root, name), LONG.replaceAll(". ", ".\n"));
    return [call("read_file", { path: name }), "step:"];
  });
  const { end, message } = await turns.turn(listener, script(...reads, say("read")));
  assert.deepEqual([end.state, textOf(message)], ["succeeded", "read"]);
  assert.equal(events(listener, "context_compacted").at(-1).data.run, message.run);
  const last = (await turns.messages(listener.session)).slice(-3);
  assert.deepEqual(last.map((one) => one.role), ["user", "system", "assistant"]);
});

test("what cannot be summarised goes as it is", async (t) => {
  const turns = await open(t, ["fail: auth"]);
  const listener = await turns.listen();
  await talk(turns, listener, 5); // Still within the window.
  assert.equal(events(listener, "context_compacted").length, 0);
  assert.ok((await prompts(turns, listener.session)).at(-1) > PROMPT_MAX);
});

test("a summary that is longer than it should be is cut to what helps", async (t) => {
  const turns = await open(t, ["tokens: 16000"]);
  const listener = await turns.listen();
  await talk(turns, listener, 8);
  const compacted = events(listener, "context_compacted").map((event) => event.data);
  assert.ok(compacted.length > 0);
  assert.ok(compacted.every((one) => one.tokens_after <= one.tokens_before / 2));
});

test("a crash while it is summarised leaves nothing, and the turn goes on", async (t) => {
  const turns = await open(t, [`delay: ${scaled(1000)}ms`, say("SUMMARY")]);
  const listener = await turns.listen();
  await talk(turns, listener, 2);
  const { run } = await turns.send(listener.session, script(LONG, say("after all")));
  await listener.until("output_started", (data) => data.run === run);
  await turns.daemon.kill();
  await turns.daemon.start();
  await listener.open();
  assert.equal((await listener.ended(run)).state, "succeeded");
  assert.equal(events(listener, "context_compacted").length, 1);
  const message = await turns.answer(listener.session, run);
  listener.heard.agreesWith(message);
  const notes = (await turns.messages(listener.session)).filter((one) => one.role === "system");
  assert.deepEqual(notes.map((one) => one.run), [run]);
});

test("a stop does not wait for a summary", async (t) => {
  const turns = await open(t, ["delay: 600s"]);
  const listener = await turns.listen();
  await talk(turns, listener, 2);
  const { run } = await turns.send(listener.session, script(LONG, say("never")));
  await listener.until("output_started", (data) => data.run === run);
  assert.equal((await turns.ask("POST", `/sessions/${listener.session}/stop`)).status, 200);
  assert.equal((await listener.ended(run)).state, "cancelled");
});

// Found by the simulator: the call of the model outlived the turns, and an assert ended the daemon.
test("a daemon that ends while a summary is made ends in order", async (t) => {
  const turns = await open(t, ["delay: 600s"]);
  const listener = await turns.listen();
  await talk(turns, listener, 2);
  const { run } = await turns.send(listener.session, script(LONG, say("never")));
  await listener.until("output_started", (data) => data.run === run);
  for (let text = ""; !/^drover_model_calls_running 1$/m.test(text);) {
    ({ text } = await turns.daemon.request("GET", "/metrics", {}));
  }
  assert.deepEqual(await turns.daemon.stop(), { code: 0, signal: null });
  await turns.daemon.start();
});

test("an edit of what a summary stands for makes it void", async (t) => {
  const turns = await open(t, [say("SUMMARY")]);
  const listener = await turns.listen();
  await talk(turns, listener, 6);
  const before = events(listener, "context_compacted").length;
  assert.ok(before > 0);
  const [first] = await turns.messages(listener.session);
  const edit = await turns.ask("PATCH", `/messages/${first.id}`, { text: script(LONG, say("x")) });
  assert.equal(edit.status, 200, edit.text);
  await talk(turns, listener, 1);
  assert.ok(events(listener, "context_compacted").length > before);
});

test("the note of a summary stays, in forks and exports, and when it is void", async (t) => {
  const turns = await open(t, [say("SUMMARY")]);
  const listener = await turns.listen();
  await talk(turns, listener, 6);
  const { session } = listener;
  const isNote = (one) => one.role === "system";
  const notes = (await turns.messages(session)).filter(isNote).map(textOf);
  assert.ok(notes.length > 0);
  const fork = await turns.ask("POST", `/sessions/${session}/fork`, {});
  assert.deepEqual((await turns.messages(fork.json.id)).filter(isNote).map(textOf), notes);
  const { snapshot } = await turns.get(`/streams/session:${session}/events?snapshot=1`);
  assert.deepEqual(snapshot.messages.filter(isNote).map(textOf).reverse(), notes);
  const { stdout } = await turns.daemon.cli(["session", "export", session]);
  assert.equal(stdout.split("What was said so far is summarised").length - 1, notes.length);
  const [first] = await turns.messages(session);
  const save = await turns.ask("PATCH", `/messages/${first.id}`, { text: "else" });
  assert.equal(save.status, 200, save.text);
  assert.deepEqual((await turns.messages(session)).filter(isNote).map(textOf), notes);
});

test("a turn that is taken back leaves the note of what was made for it", async (t) => {
  const turns = await open(t, [say("SUMMARY")]);
  const listener = await turns.listen();
  const count = () => events(listener, "context_compacted").length;
  let run;
  for (;;) {
    const before = count();
    ({ run } = await turns.send(listener.session, script(LONG, say("begun"), "delay: 600s")));
    await listener.until("delta", (data) => data.run === run);
    if (count() > before) break;
    await turns.send(listener.session, script(LONG, say("instead")), { policy: "interrupt" });
    await listener.ended(run);
    await listener.until("turn_finished");
  }
  const next = await turns.send(listener.session, say("instead"), { policy: "rollback" });
  await listener.ended(next.run);
  const all = await turns.messages(listener.session);
  const taken = all.filter((one) => one.status === "rolled_back");
  assert.deepEqual(taken.map((one) => [one.role, one.run]), [["user", run], ["assistant", run]]);
  assert.ok(all.some((one) => one.role === "system" && one.run === run));
});

// --- On demand -----------------------------------------------------------------------------------

/** Asks for it, and waits: {run, end, message}. */
async function compact(turns, listener) {
  const answer = await turns.ask("POST", `/sessions/${listener.session}/compact`);
  assert.equal(answer.status, 202, answer.text);
  const end = await listener.ended(answer.json.id);
  const all = await turns.messages(listener.session);
  return { run: answer.json.id, end, note: all.find((one) => one.run === answer.json.id) };
}

test("on demand all that was said becomes a summary, and a note of it stays", async (t) => {
  const turns = await open(t, [say("SUMMARY")]);
  const listener = await turns.listen();
  await talk(turns, listener, 2);
  const said = (await turns.messages(listener.session)).at(-1);
  const { end, note } = await compact(turns, listener);
  const { data } = events(listener, "context_compacted").at(-1);
  assert.deepEqual([data.trigger, data.method, data.covers], ["manual", "summary", said.id]);
  assert.deepEqual([end.state, end.cause], ["succeeded", "completed"]);
  assert.equal(note.role, "system");
  assert.match(textOf(note), /about \d{4} tokens became \d+/);
  assert.equal((await turns.get(`/sessions/${listener.session}`)).state, "idle");
  const { text } = await turns.daemon.request("GET", "/metrics", { local: true });
  const [begun, finished] = ["begun", "finished"].map((word) =>
    new RegExp(`^drover_turns_${word}_total (\\d+)$`, "m").exec(text)[1]);
  assert.equal(finished, begun, "both count compactions");
  await turns.turn(listener, say("short"));
  assert.ok((await prompts(turns, listener.session)).at(-1) < 1500);
  assert.equal((await turns.messages(listener.session)).length, 7); // Messages stay.
  const { items } = await turns.get("/usage?by=category");
  assert.equal(items.find((row) => row.category === "compaction").usage.calls, 1);
});

test("a second request joins the first, and messages wait for it", async (t) => {
  const turns = await open(t, [`delay: ${scaled(4000)}ms`, say("SUMMARY")]);
  const listener = await turns.listen();
  await talk(turns, listener, 1);
  const ask = () => turns.ask("POST", `/sessions/${listener.session}/compact`);
  const first = await ask(), second = await ask();
  assert.equal(second.json.id, first.json.id);
  await listener.until("turn_started", (data) => data.run === first.json.id);
  assert.equal((await turns.get(`/sessions/${listener.session}`)).state, "compacting");
  const steered = await turns.send(listener.session, say("after it"), { policy: "steer" });
  assert.deepEqual([steered.state, steered.decision], ["queued", "queued"]);
  assert.equal((await listener.ended(first.json.id)).state, "succeeded");
  assert.equal((await listener.ended(steered.run)).state, "succeeded");
});

test("during a turn it is refused with its run; it can be stopped like one", async (t) => {
  const turns = await open(t, ["delay: 600s"]);
  const listener = await turns.listen();
  await talk(turns, listener, 1);
  const { run } = await turns.send(listener.session, script(say("busy"), "delay: 600s"));
  await listener.until("delta", (data) => data.run === run);
  const refused = await turns.ask("POST", `/sessions/${listener.session}/compact`);
  assert.deepEqual([refused.status, refused.json.code], [409, "turn_in_progress"]);
  assert.match(refused.json.detail, new RegExp(run));
  assert.equal(refused.json.run, run);
  await turns.ask("POST", `/sessions/${listener.session}/stop`);
  await listener.ended(run);
  const begun = await turns.ask("POST", `/sessions/${listener.session}/compact`);
  await listener.until("turn_started", (data) => data.run === begun.json.id);
  assert.equal((await turns.ask("POST", `/sessions/${listener.session}/stop`)).status, 200);
  assert.equal((await listener.ended(begun.json.id)).state, "cancelled");
  assert.equal((await turns.turn(listener, say("well"))).end.state, "succeeded");
});

test("one that fails leaves everything as it was, and says why", async (t) => {
  const turns = await open(t, ["fail: auth"]);
  const listener = await turns.listen();
  await talk(turns, listener, 2);
  const { end } = await compact(turns, listener);
  assert.deepEqual([end.state, end.cause], ["failed", "compaction_failed"]);
  assert.ok(end.note.length > 0);
  assert.equal(events(listener, "context_compacted").length, 0);
  await turns.turn(listener, say("short"));
  assert.ok((await prompts(turns, listener.session)).at(-1) > 4000);
  const empty = await turns.listen();
  const nothing = await compact(turns, empty);
  assert.equal(nothing.end.state, "succeeded");
  assert.match(textOf(nothing.note), /nothing to summarise/);
});

test("a kill in the middle of it leaves no trace but the one that follows", async (t) => {
  const turns = await open(t, [`delay: ${scaled(1000)}ms`, say("SUMMARY")]);
  const listener = await turns.listen();
  await talk(turns, listener, 2);
  const { json } = await turns.ask("POST", `/sessions/${listener.session}/compact`);
  await listener.until("turn_started", (data) => data.run === json.id);
  await turns.daemon.kill();
  await turns.daemon.start();
  await listener.open();
  assert.equal((await listener.ended(json.id)).state, "succeeded");
  assert.equal(events(listener, "context_compacted").length, 1);
  assert.equal((await turns.get(`/sessions/${listener.session}`)).state, "idle");
});

test("an answer that is asked for again is no longer in a summary", async (t) => {
  const turns = await open(t, [say("SUMMARY")]);
  const listener = await turns.listen();
  await talk(turns, listener, 2);
  await compact(turns, listener);
  const last = (await turns.messages(listener.session)).filter((one) => one.role === "assistant");
  const again = await turns.ask("POST", `/messages/${last.at(-1).id}/regenerate`);
  assert.equal(again.status, 201, again.text);
  assert.equal((await listener.ended(again.json.run)).state, "succeeded");
  assert.ok((await prompts(turns, listener.session)).at(-1) > 4000);
});

test("a fork goes on with the summary of what it has copies of", async (t) => {
  const turns = await open(t, [say("SUMMARY")]);
  const listener = await turns.listen();
  await talk(turns, listener, 2);
  await compact(turns, listener);
  const last = (await turns.messages(listener.session)).find((one) => one.role === "assistant");
  const first = async (body) => {
    const fork = await turns.ask("POST", `/sessions/${listener.session}/fork`, body);
    assert.equal(fork.status, 201, fork.text);
    const copy = await new Listener(turns, fork.json.id).open();
    assert.equal((await turns.turn(copy, say("short"))).end.state, "succeeded");
    return (await prompts(turns, fork.json.id)).at(-1);
  };
  assert.ok((await first({})) < 1500); // All of it.
  assert.ok((await first({ message: last.id })) > 2500); // One of the two that the summary covers.
});
