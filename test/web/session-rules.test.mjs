// session-rules.test.mjs: the fold of a session's stream, without a browser: wherever somebody
// joins, and whatever broke off, it ends as the messages are stored.
//
// runs-with: web
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { call, say, script, Turns } from "../integration/turns.mjs";
import { compiled } from "./parts.mjs";

const { fold, sessionEmpty } = await compiled("state/session.ts");
const { begunBy, rowsOf, summary, tally } = await compiled("session/rows.ts");

const partOf = ({ kind, text, state, cause, name }) =>
  ({ kind, text, state: state ?? null, cause: cause ?? null, name: name ?? null });
const shown = ({ id, role, status, active, parts }) =>
  ({ id, role, status, active, parts: parts.map(partOf) });

const taken = (state, ...events) => fold(state, { kind: "events", events });

/** Everything that happened, and a snapshot as of each event that a listener stood at. */
async function recorded(turns, listener, play) {
  const snapshots = [];
  const target = `/streams/session:${listener.session}/events?snapshot=1&after=0`;
  const look = async () => {
    const { snapshot, snapshot_seq } = await turns.get(target);
    snapshots.push({ data: snapshot, seq: snapshot_seq });
  };
  await play(look);
  return { snapshots, events: listener.heard.events };
}

/** The fold of all events, and of each snapshot with the events after it, is what is stored. */
async function agrees(turns, listener, { snapshots, events }) {
  const stored = (await turns.messages(listener.session)).map(shown);
  const whole = taken(sessionEmpty, ...events);
  assert.deepEqual(whole.messages.map(shown), stored, "from the first event on");
  assert.deepEqual(whole.queue, []);
  assert.ok(snapshots.length > 0);
  for (const { data, seq } of snapshots) {
    const begun = fold(sessionEmpty, { kind: "snapshot", data });
    const end = taken(begun, ...events.filter((event) => event.seq > seq));
    assert.deepEqual(end.messages.map(shown), stored, `from the snapshot of ${seq} on`);
    assert.equal(end.session.state, "idle");
    assert.equal(end.turn, null);
    // A snapshot in the middle replaces what was heard, and nothing is doubled.
    const again = fold(taken(sessionEmpty, ...events.filter((event) => event.seq <= seq)),
      { kind: "snapshot", data });
    assert.deepEqual(again.messages.map(shown), begun.messages.map(shown), `joined at ${seq}`);
  }
}

test("a session that was read before the last events takes nothing of them back", () => {
  const session = { id: "ses_1", state: "running", title: null };
  const begun = fold(fold(sessionEmpty, { kind: "session", session }),
    { kind: "events", events: [{ seq: 1, type: "approval_asked", data: {} }] });
  assert.equal(begun.session.state, "waiting");
  const read = fold(begun, { kind: "session", session: { ...session, title: "Named" } });
  assert.deepEqual([read.session.state, read.session.title], ["waiting", "Named"]);
});

test("a turn with tools, a question, a queue and failures, joined at many moments", async (t) => {
  const turns = await Turns.open(t);
  writeFileSync(path.join(turns.root, "a.c"), "int a;\n");
  const listener = await turns.listen({
    root: turns.root, settings: { edits: "allow", check: false },
  });
  await agrees(turns, listener, await recorded(turns, listener, async (look) => {
    await turns.turn(listener, script("think: hmm", say("I look."),
      call("read_file", { path: "a.c" }),
      call("edit_file", { path: "a.c", old_text: "int a;", new_text: "int c;" }), say("Done")));
    await look();
    const { run } = await turns.send(listener.session,
      script(say("I run it."), call("run_command", { command: "true" }), say("ok")));
    const asked = await listener.until("approval_asked");
    const first = await turns.send(listener.session, say("first"));
    const second = await turns.send(listener.session, say("second"));
    const third = await turns.send(listener.session, say("third"));
    await look();
    assert.equal((await turns.ask("DELETE", `/messages/${third.message}`)).status, 200);
    const text = { text: say("second, edited") };
    assert.equal((await turns.ask("PATCH", `/messages/${second.message}`, text)).status, 200);
    await look();
    const steer = { policy: "steer" };
    assert.equal((await turns.send(listener.session, say("by the way"), steer)).decision, "joined");
    await look();
    await turns.approve(asked.id);
    await listener.ended(run);
    await listener.ended(first.run);
    await listener.ended(second.run);
    await look();
    await turns.turn(listener, say("many words ".repeat(100))); // Enough for a summary.
    await turns.turn(listener, script(say("half"), "fail: cut x1", say("whole")));
    await turns.turn(listener, "fail: auth");
    const regenerated = (await turns.messages(listener.session)).at(-1).id;
    const again = await turns.ask("POST", `/messages/${regenerated}/regenerate`, {});
    assert.equal(again.status, 201, again.text);
    await listener.ended(again.json.run);
    const compacted = await turns.ask("POST", `/sessions/${listener.session}/compact`, {});
    assert.equal(compacted.status, 202, compacted.text);
    await listener.ended(compacted.json.id);
    await turns.turn(listener, say("after it"));
    await look();
  }));
});

test("a stop keeps the text, a resend and a clear take messages away", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({});
  await agrees(turns, listener, await recorded(turns, listener, async (look) => {
    const flood = await turns.send(listener.session, "tokens: 100000 at 200/s");
    await listener.until("delta");
    await look();
    await turns.ask("POST", `/sessions/${listener.session}/stop`, {});
    await listener.ended(flood.run);
    const { message } = await turns.turn(listener, say("two"));
    await look();
    const sent = await turns.ask("POST", `/messages/${message.reply_to}/resend`,
      { text: say("2") });
    assert.equal(sent.status, 201, sent.text);
    await listener.ended(sent.json.run);
    await turns.ask("POST", `/sessions/${listener.session}/clear`, {});
    await turns.turn(listener, say("after the clear"));
    await look();
  }));
});

test("a rewind of the conversation leaves its messages, as taken back", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({});
  await agrees(turns, listener, await recorded(turns, listener, async (look) => {
    await turns.turn(listener, say("one"));
    const { message } = await turns.turn(listener, script(say("two"), "fail: auth"));
    await turns.turn(listener, say("three"));
    await look();
    const answer = await turns.ask("POST", `/sessions/${listener.session}/rewind`,
      { to: message.reply_to, files: false, conversation: true });
    assert.equal(answer.status, 200, answer.text);
    await listener.until("rewound");
    await look();
    await turns.turn(listener, say("four"));
    const all = await turns.messages(listener.session);
    assert.deepEqual(all.map(({ status }) => status), ["completed", "completed",
      ...Array(4).fill("rolled_back"), "completed", "completed"]);
  }));
  const changed = taken({ ...sessionEmpty }, { seq: 1, type: "rewound", data: {} });
  assert.ok(changed.stale, "its context is another one");
});

test("what was read before a snapshot stays, and is read again", () => {
  const message = (id, text = id) => ({
    id, role: "user", status: "completed", active: true, reply_to: null,
    parts: [{ number: 1, kind: "text", text, data: {} }],
  });
  const session = { id: "s", state: "idle" };
  const snapshot = (...ids) => ({
    kind: "snapshot", data: {
      session, turn: null, queue: [], next: "9", messages: ids.map((id) => message(id)).reverse(),
    },
  });
  const texts = ({ messages }) => messages.map(({ parts }) => parts[0].text).join(" ");
  let state = fold(sessionEmpty, snapshot("d", "e"));
  state = fold(state, { kind: "older", page: { items: [message("c"), message("b")], next: "1" } });
  assert.deepEqual([texts(state), state.older], ["b c d e", "1"]);
  state = fold(state, snapshot("d", "e", "f"));
  assert.deepEqual([texts(state), state.older], ["b c d e f", "1"]);
  const page = { items: [message("c", "C"), message("b")], next: "1" };
  state = fold(state, { kind: "again", before: "d", page });
  assert.equal(texts(state), "b C d e f");
  state = fold(state, snapshot("x", "y")); // Nothing meets: what is between is not known.
  assert.deepEqual([texts(state), state.older], ["x y", "9"]);
});

test("rows: an answer in pieces, groups of calls, no row for what waits", () => {
  const part = (number, kind, more) => ({ number, kind, text: "t", data: {}, step: 1, ...more });
  const tool = (number, state, ms) => part(number, "tool", { state, ms, name: "x" });
  const answer = {
    id: "a", role: "assistant", status: "running", active: true, parts: [
      part(1, "thinking"), part(2, "text"), tool(3, "succeeded", 1500), tool(4, "asking"),
      part(5, "text"),
    ],
  };
  const queued = { id: "q", role: "user", status: "queued", active: true, parts: [] };
  const rows = rowsOf([answer, queued], ["q"]);
  assert.deepEqual(rows.map(({ kind }) => kind),
    ["head", "thought", "text", "tools", "text", "live"]);
  assert.deepEqual(rows.filter((row) => "done" in row).map(({ done }) => done),
    [true, true, false]);
  assert.equal(rowsOf([answer], [])[0], rows[0], "the same rows of the same message");
  assert.deepEqual(tally(rows[3].parts),
    { calls: 2, ms: 1500, states: [["succeeded", 1], ["waiting", 1]] });
  const began = (name, more) => begunBy(part(1, "tool", { name, ...more }))?.path;
  assert.equal(began("run_workflow", { run: "run_1" }), "/r/run_1");
  assert.equal(began("run_workflow", { text: '{"runId":"run_2"}' }), "/r/run_2");
  assert.equal(began("run_workflow", {}), undefined);
  assert.equal(began("spawn_subagent", { text: '{"session":"ses_1"}' }), "/s/ses_1");
  const told = { ...answer, status: "completed", parts: [part(1, "notice"), part(2, "text")] };
  assert.deepEqual(rowsOf([told], []).map(({ kind }) => kind), ["head", "note", "text"]);
  const ended = { ...answer, status: "interrupted", cause: "stopped" };
  assert.equal(rowsOf([ended], []).at(-1).kind, "end");
  const run = (given) => summary(part(1, "tool", { data: { arguments: given } }));
  assert.equal(run({ command: "rm", args: ["-rf", "build"] }), "rm -rf build");
  assert.equal(run({ path: "a.c", old_text: "x" }), "a.c");
  assert.equal(run({ query: "q", n: 3 }), "q 3");
});
