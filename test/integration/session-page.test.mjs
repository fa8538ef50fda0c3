// session-page.test.mjs: what the page of a session reads and does beside its messages: a place in
// a long conversation, the queue, the timeline.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { Sessions } from "./sessions.mjs";
import { call, say, script, textOf, Turns } from "./turns.mjs";

const HANGS = script(say("begun"), "delay: 600s");
const usage = (words) => `usage: ${words}`;

// --- Around a message ----------------------------------------------------------------------------

test("a page around a message has it in its middle, and goes on in both directions", async (t) => {
  const sessions = await Sessions.begin(t);
  const { id } = await sessions.make();
  await sessions.seed(id, 60);
  const all = (await sessions.messages(id)).items.map((one) => one.id); // The oldest first.
  const list = `/api/v1/sessions/${id}/messages`;
  const middle = all[50];
  for (const order of ["newest", "oldest"]) {
    const rows = order === "oldest" ? all : [...all].reverse();
    const at = rows.indexOf(middle);
    const page = await sessions.ok("GET", `${list}?order=${order}&around=${middle}&limit=21`);
    assert.deepEqual(page.items.map((one) => one.id), rows.slice(at - 10, at + 11));
    assert.deepEqual(page.position, { before: at - 10, total: all.length });
    const other = order === "oldest" ? "newest" : "oldest";
    const back = await sessions.all(`${list}?order=${other}&after=${page.previous}`);
    const on = await sessions.all(`${list}?order=${order}&after=${page.next}`);
    assert.deepEqual(back.items.map((one) => one.id).reverse(), rows.slice(0, at - 10));
    assert.deepEqual(on.items.map((one) => one.id), rows.slice(at + 11));
  }
  const first = await sessions.ok("GET", `${list}?around=${all.at(-1)}&limit=1&total=1`);
  assert.deepEqual([first.items.map((one) => one.id), first.previous], [[all.at(-1)], null]);
  assert.deepEqual([first.position, first.total], [{ before: 0, total: 120 }, 120]);
  assert.equal("position" in (await sessions.ok("GET", list)), false);
});

test("a position is counted to 10,000 only, and says so", async (t) => {
  const sessions = await Sessions.begin(t);
  const { id } = await sessions.make();
  await sessions.seed(id, 5_001);
  const list = `/api/v1/sessions/${id}/messages`;
  const { items: [{ id: first }] } = await sessions.ok("GET", `${list}?order=oldest&limit=1`);
  const { items: [{ id: last }] } = await sessions.ok("GET", `${list}?limit=1`);
  for (const [order, message, before] of [
    ["newest", last, 0], ["oldest", first, 0], ["newest", first, 10_000],
  ]) {
    const page = await sessions.ok("GET", `${list}?order=${order}&around=${message}&limit=1`);
    assert.deepEqual(page.position, { before, total: 10_000, more: true });
  }
});

test("long messages before it leave room for the message that was asked for", async (t) => {
  const sessions = await Sessions.begin(t);
  const { id } = await sessions.make();
  await sessions.seed(id, 30, 150_000);
  const all = (await sessions.messages(id)).items.map((one) => one.id);
  const page = await sessions.ok("GET", `/api/v1/sessions/${id}/messages?around=${all[30]}`);
  const shown = page.items.map((one) => one.id);
  assert.ok(shown.includes(all[30]) && shown.indexOf(all[30]) > 0, `${shown.length} rows`);
  assert.equal(page.position.before, all.length - 1 - all.indexOf(shown[0]));
});

test("a message of another session is not there, and no filter goes with it", async (t) => {
  const sessions = await Sessions.begin(t);
  const [one, two] = [await sessions.make(), await sessions.make()];
  await sessions.seed(two.id, 1);
  const [{ id: message }] = (await sessions.messages(two.id)).items;
  const list = `/api/v1/sessions/${one.id}/messages`;
  const answer = await sessions.request("GET", `${list}?around=${message}`);
  assert.deepEqual([answer.status, answer.json.code, answer.json.detail],
    [404, "message_not_found", `there is no message '${message}'`]);
  for (const more of ["after=1", "status=queued", "role=user", "since=1", "q=a"]) {
    const refused = await sessions.request("GET", `${list}?around=${message}&${more}`);
    assert.equal(refused.json.code, "bad_query");
    assert.match(refused.json.detail, /'around' and '\w+' exclude each other/);
  }
});

// --- The queue -----------------------------------------------------------------------------------

/** A turn that hangs, and messages that are queued after it. */
async function queue(t, ...texts) {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const running = await turns.send(listener.session, HANGS);
  await listener.until("delta", (data) => data.run === running.run);
  const queued = [];
  for (const text of texts) queued.push(await turns.send(listener.session, say(text)));
  return { turns, listener, running, queued };
}
const sendNow = (turns, message) => turns.ask("POST", `/messages/${message}/send_now`);

test("a queued message that is sent now interrupts, and goes before the others", async (t) => {
  const { turns, listener, running, queued } = await queue(t, "one", "two", "three");
  const [one, two, three] = queued;
  const sent = await sendNow(turns, three.message);
  assert.deepEqual([sent.status, sent.json],
    [200, { message: three.message, run: three.run, decision: "interrupted", state: "queued" }]);
  const told = await listener.until("queue_changed", (data) => data.queue[0] === three.message);
  assert.deepEqual(told.queue, [three.message, one.message, two.message]);
  const ended = [];
  for (let i = 0; i < 4; i++) {
    const { run, state, cause } = await listener.until("turn_finished");
    ended.push([run, state, cause]);
  }
  assert.deepEqual(ended, [
    [running.run, "cancelled", "interrupted"],
    ...[three, one, two].map(({ run }) => [run, "succeeded", "completed"]),
  ]);
  const all = await turns.messages(listener.session);
  assert.deepEqual(all.map((message) => message.run),
    [running, three, one, two].flatMap(({ run }) => [run, run]));
  const said = all.filter(({ role }) => role === "assistant").map(textOf);
  assert.deepEqual(said, ["begun", "three", "one", "two"]);
  const again = await sendNow(turns, three.message);
  assert.deepEqual([again.status, again.json.code], [409, "conflict"]);
  assert.match(again.json.detail, /not queued/);
});

test("the order of messages that were sent now survives a crash", async (t) => {
  const { turns, listener, queued } = await queue(t, "one", "two", "three");
  const [one, two, three] = queued;
  const answers = await Promise.all([two, three].map(({ message }) => sendNow(turns, message)));
  assert.deepEqual(answers.map(({ status }) => status), [200, 200]);
  await turns.daemon.kill();
  await turns.daemon.start();
  await listener.open();
  await listener.ended(one.run);
  const all = await turns.messages(listener.session);
  const order = all.filter(({ role }) => role === "user").slice(1).map(({ id }) => id);
  assert.deepEqual(new Set(order), new Set(queued.map(({ message }) => message)));
  assert.equal(order.at(-1), one.message);
  assert.ok([two.message, three.message].includes(order[0]));
});

test("while the daemon holds, a message that is sent now only goes first", async (t) => {
  const turns = await Turns.open(t, { args: ["--insecure-loopback", "--hold"] });
  const listener = await turns.listen();
  const [one, two] = [
    await turns.send(listener.session, say("one")),
    await turns.send(listener.session, say("two")),
  ];
  const sent = await sendNow(turns, two.message);
  assert.deepEqual([sent.status, sent.json.decision], [200, "queued"]);
  assert.equal((await turns.ask("POST", "/system/release")).status, 200);
  await listener.ended(one.run);
  const said = (await turns.messages(listener.session)).filter(({ role }) => role === "assistant");
  assert.deepEqual(said.map(textOf), ["two", "one"]);
});

test("only a user's message is sent now, and it must be there", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const { message } = await turns.turn(listener, say("hello"));
  const refused = async (id) => {
    const { status, json } = await sendNow(turns, id);
    return `${status} ${json.code}`;
  };
  assert.equal(await refused(message.id), "400 not_a_user_message");
  assert.equal(await refused("msg_00000000000000000000000000"), "404 message_not_found");
});

// --- The gauge -----------------------------------------------------------------------------------

test("a summary tells at once how much of the window it leaves free", async (t) => {
  const turns = await Turns.open(t);
  await turns.ask("PATCH", "/settings", { window: 50000 });
  const listener = await turns.listen();
  for (let i = 0; i < 4; i++) {
    const text = script("All work and no play. ".repeat(400), say("a"));
    await turns.turn(listener, script(text, usage("fresh=9000 output=5")));
  }
  const before = (await turns.get(`/sessions/${listener.session}`)).context_used;
  assert.equal(before, 9005);
  const { status, json } = await turns.ask("POST", `/sessions/${listener.session}/compact`);
  assert.equal(status, 202, json);
  await listener.until("context_compacted");
  const { context_used: used } = await listener.until("usage");
  assert.ok(used > 0 && used < before, `${used} of ${before}`);
  await listener.ended(json.id);
  assert.equal((await turns.get(`/sessions/${listener.session}`)).context_used, used);
});

// --- The timeline --------------------------------------------------------------------------------

test("the timeline has each turn with what it took, changed and cost", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root, settings: { edits: "allow" } });
  writeFileSync(path.join(turns.root, "old"), "a\nb\n");
  const writes = [
    call("write_file", { path: "new", content: "1\n2\n3\n" }),
    "step:",
    call("read_file", { path: "old" }),
    "step:",
    call("edit_file", { path: "old", old_text: "b\n", new_text: "c\nd\n" }),
    "step:",
    call("read_file", { path: "none" }),
    "step:",
    say("done"),
    usage("fresh=60 cache_read=40 output=5 reasoning=2"),
  ];
  const first = await turns.turn(listener, script(...writes));
  const second = await turns.send(listener.session, HANGS);
  await listener.until("delta", (data) => data.run === second.run);
  const third = await turns.send(listener.session, say("later"));
  const { items, next } = await turns.get(`/sessions/${listener.session}/timeline`);
  assert.deepEqual([items.map(({ number }) => number), next], [[3, 2, 1], null]);
  const [queued, running, done] = items;
  assert.deepEqual([queued.run, queued.state, queued.gate], [third.run, "queued", "key"]);
  assert.deepEqual([queued.question, queued.answer, queued.began_ms], [third.message, null, null]);
  assert.deepEqual([running.run, running.state, running.ended_ms], [second.run, "running", null]);
  assert.deepEqual([done.state, done.cause, done.began_by], ["succeeded", "completed", "message"]);
  assert.deepEqual([done.answer, done.model], [first.message.id, "scripted/demo"]);
  assert.ok(done.queued_ms <= done.began_ms && done.began_ms <= done.ended_ms);
  assert.deepEqual([done.tools, done.errors, done.usage.calls], [4, 1, 5]);
  assert.deepEqual(done.usage, first.message.usage);
  const { fresh, cache_read: cached } = done.usage;
  assert.ok(Math.abs(done.cache_hit_rate - cached / (fresh + cached)) < 0.001);
  assert.deepEqual(done.files, [
    { path: "new", added: 3, removed: 0 },
    { path: "old", added: 2, removed: 1 },
  ]);
  const page = await turns.get(`/sessions/${listener.session}/timeline?limit=2`);
  const rest = await turns.get(`/sessions/${listener.session}/timeline?after=${page.next}`);
  assert.deepEqual([...page.items, ...rest.items].map(({ number }) => number), [3, 2, 1]);
  const ended = await turns.get(`/sessions/${listener.session}/timeline?state=succeeded`);
  assert.deepEqual(ended.items.map(({ number }) => number), [1]);
});

test("the timeline says why a cache was of no use, where the calls tell", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const spends = (cached) => script(say("a"), usage(`fresh=${1000 - cached} cache_read=${cached}`));
  await turns.turn(listener, spends(0));
  await turns.turn(listener, spends(900));
  await turns.turn(listener, spends(0), { model: "scripted/other" });
  await turns.ask("PATCH", `/sessions/${listener.session}`, { instructions: "Be brief." });
  await turns.turn(listener, spends(0), { model: "scripted/other" });
  await turns.turn(listener, spends(0), { model: "scripted/other" });
  const { items } = await turns.get(`/sessions/${listener.session}/timeline`);
  assert.deepEqual(items.map((one) => one.cache_broke).reverse(),
    [null, null, "model", "instructions", null]);
  assert.deepEqual(items.map((one) => one.cache_hit_rate).reverse(), [0, 0.9, 0, 0, 0]);
});

// --- In the background ---------------------------------------------------------------------------

const ALL = { permissions: [{ permission: "allow" }] };

test("what a session has in the background is listed, with what it has heard of", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root, settings: ALL });
  const wait = ["-c", "while [ ! -e go ]; do sleep 0.02; done; echo built"];
  const text = script(
    call("run_command", { command: "true" }),
    "step:",
    call("run_job", { command: "sh", args: wait }),
    "step:",
    call("spawn_subagent", { input: say("from below"), label: "below" }),
    "step:",
    call("run_workflow", { script: 'export const meta = { name: "w", description: "w" };' }),
    "step:",
    say("they run"),
  );
  const { message } = await turns.turn(listener, text);
  const [, job, spawned, flow] = message.parts.filter((part) => part.kind === "tool");
  const target = `/sessions/${listener.session}/background`;
  const found = async (query = "") => {
    const { items } = await turns.get(`${target}?${query}`);
    return items;
  };
  const subagent = JSON.parse(spawned.text);
  const ids = [flow.run, subagent.id, job.run];
  let items = await found();
  assert.deepEqual(items.map(({ id }) => id), ids);
  assert.deepEqual(items.map(({ kind }) => kind), ["workflow", "turn", "job"]);
  assert.deepEqual(items.map((row) => row.subagent), [null, subagent.session, null]);
  assert.deepEqual(items.map((row) => row.title), [null, "Subagent: below", null]);
  assert.deepEqual(items[2].delivery, "pending");
  assert.equal((await found("state=running")).at(-1).id, job.run);
  writeFileSync(path.join(turns.root, "go"), "");
  while (items.some(({ delivery }) => delivery !== "delivered")) {
    await listener.until("turn_finished");
    items = await found();
  }
  assert.deepEqual(items.map(({ state }) => state), ["succeeded", "succeeded", "succeeded"]);
  const notice = await turns.get(`/inbox/${items[2].notice}`);
  assert.deepEqual([notice.run, notice.state], [job.run, "acknowledged"]);
  const page = await turns.get(`${target}?limit=1`);
  const rest = await turns.get(`${target}?limit=2&after=${page.next}`);
  assert.deepEqual([...page.items, ...rest.items].map(({ id }) => id), ids);
  assert.equal(rest.next, null);
});

test("a person starts a subagent, and the session goes on with its result", async (t) => {
  const turns = await Turns.open(t);
  const settings = { ...ALL, tools: ["read_file", "spawn_subagent"] };
  const listener = await turns.listen({ root: turns.root, settings });
  const post = (body) => turns.ask("POST", `/sessions/${listener.session}/subagents`, body);
  const { status, json } = await post({
    input: say("from below"),
    label: "below",
    tools: ["read_file"],
    budget: 250000,
  });
  assert.deepEqual([status, json.kind, json.title, json.delivery],
    [201, "turn", "Subagent: below", "pending"]);
  const child = await turns.get(`/sessions/${json.subagent}`);
  assert.deepEqual([child.parent, child.title], [listener.session, "Subagent: below"]);
  assert.deepEqual(child.settings, { ...settings, tools: ["read_file"] });
  const budget = await turns.get(`/budgets/session:${json.subagent}`);
  assert.equal(budget.limits.cost_micros, 250000);
  const { run } = await listener.until("turn_finished");
  const [notice] = (await turns.messages(listener.session)).filter((one) => one.run === run);
  assert.equal(notice.role, "notice");
  assert.match(textOf(notice), /"output":"from below"/);
  const { items } = await turns.get(`/sessions/${listener.session}/background`);
  assert.deepEqual(items.map((row) => [row.id, row.delivery]), [[json.id, "delivered"]]);
  const refused = async (body) => {
    const answer = await post(body);
    return [answer.status, answer.json.code, answer.json.detail];
  };
  assert.deepEqual(await refused({ input: "x", tools: ["run_command"] }),
    [400, "bad_field", "tools: names of tools that the session has itself"]);
  assert.match((await refused({ input: "x", agent: "no-such" }))[2],
    /^agent: there is no program 'no-such'/);
  assert.deepEqual((await refused({}))[1], "missing_field");
  const deep = async (parent, depth) => {
    const answer = await turns.ask("POST", `/sessions/${parent}/subagents`, { input: say("x") });
    const { subagent, code } = answer.json;
    return answer.status === 201 ? deep(subagent, depth + 1) : [depth, code];
  };
  assert.deepEqual(await deep(listener.session, 0), [3, "conflict"]);
});
