// damage.test.mjs: rows that were changed behind the daemon's back. What they belong to ends with a
// cause or shows null; everything else works.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { sideBySide } from "./lib.mjs";
import { change, sql } from "./sql.mjs";
import { call, Listener, say, script, textOf, toolsOf, Turns } from "./turns.mjs";
import { whole, Workflows } from "./workflows.mjs";

const test = sideBySide(8);

/** Notices to this machine are owed: nothing listens on port 9. */
const ALLOWED = { env: { DROVER_WEBHOOK_ALLOW: "127.0.0.1" } };

const LONG = "All work and no play makes a long line. ".repeat(250); // 10,000 bytes.

// Two ends of eight tries each, with pauses of 23 seconds: the longest begins first.
test("a workflow whose end cannot be stored ends alone, with its agents", async (t) => {
  const flows = await Workflows.open(t, ALLOWED);
  const script = whole('return await agent("tokens: 4000 at 20/s", { label: "long" });');
  const begin = async (more) => {
    const run = await flows.start({ script, ...more });
    await flows.until(run, ({ type }) => type === "agent_started");
    return run;
  };
  const first = await begin();
  assert.ok((await flows.ask("POST", `/runs/${first}/stop`, {})).status < 300);
  await flows.outcome(first);
  // The end of any other agent that is stopped is refused.
  await flows.daemon.stop();
  const refusal = "WHERE kind = 'agent' AND state = 'cancelled' AND done_no > 0";
  sql(flows.daemon, `CREATE UNIQUE INDEX once ON runs (state) ${refusal}`);
  await flows.daemon.start();
  const run = await begin({ notify: NOTIFY });
  assert.ok((await flows.ask("POST", `/runs/${run}/stop`, {})).status < 300);
  const events = await flows.until(run, ({ type }) => type === "workflow_finished");
  const end = events.at(-1).data;
  assert.deepEqual([end.state, end.cause], ["failed", "not_stored"]);
  assert.match(end.note, /could not be stored/);
  const live = (await flows.get("/runs?live=1")).items.map(({ id }) => id);
  assert.deepEqual(live, []);
  assert.deepEqual(await owing(flows), [run]);
  const { end: next } = await flows.run({ script: whole("return 1;") });
  assert.equal(next.state, "succeeded");
});

test("a turn whose history cannot be read fails, and the next message works", async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), "drv-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, "script.json");
  const steps = [{ when: '[{"user":', steps: [[say("SUMMARY")]] }];
  writeFileSync(file, JSON.stringify({ models: { demo: { turns: steps } } }));
  const turns = await Turns.open(t, { env: { DROVER_SCRIPT: file } });
  const listener = await turns.listen();
  for (let i = 0; i < 3; i++) await turns.turn(listener, script(LONG, say(`answer ${i}`)));
  const made = await turns.ask("POST", `/sessions/${listener.session}/compact`);
  assert.ok(made.status < 300, made.text);
  await listener.until("turn_finished");
  listener.close();
  // Longer than any summary that drover stores: what reads it refuses it, again and again.
  const long = "x".repeat(300 << 10);
  await change(turns, `UPDATE checkpoints SET summary = '${long}'`);
  const again = await new Listener(turns, listener.session).open();
  const other = await turns.listen();
  const { run } = await turns.send(listener.session, say("never said"));
  assert.equal((await turns.turn(other, say("fine"))).end.state, "succeeded");
  const end = await again.ended(run);
  assert.deepEqual([end.state, end.cause], ["failed", "history_unreadable"]);
  const failed = await turns.answer(listener.session, run);
  assert.deepEqual([failed.status, failed.cause], ["failed", "history_unreadable"]);
  const next = await turns.turn(again, say("works"));
  assert.deepEqual([next.end.state, textOf(next.message)], ["succeeded", "works"]);
  again.close();
  other.close();
});

test("a turn whose answer is refused by the database ends, and pays for its call", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  assert.equal((await turns.turn(listener, say("twice"))).end.state, "succeeded");
  const before = (await turns.get(`/sessions/${listener.session}`)).usage;
  listener.close();
  await change(turns, "CREATE UNIQUE INDEX once ON parts (text) WHERE text = 'twice'");
  const again = await new Listener(turns, listener.session).open();
  const { end } = await turns.turn(again, say("twice"));
  assert.deepEqual([end.state, end.cause], ["failed", "history_unreadable"]);
  const after = (await turns.get(`/sessions/${listener.session}`)).usage;
  assert.equal(after.calls, before.calls + 1, JSON.stringify(after));
  assert.equal(after.output, 2 * before.output, JSON.stringify([before, after]));
  assert.equal((await turns.turn(again, say("works"))).end.state, "succeeded");
  again.close();
});

test("a tool's card that is damaged shows null, and its session goes on", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root });
  const { message } = await turns.turn(listener, script(call("list_files", {}), say("listed")));
  assert.equal(toolsOf(message).length, 1);
  listener.close();
  for (const damage of ['{"arguments": {"a": 1', '{"arguments":\n', "", "\u0001"]) {
    await change(turns, `UPDATE parts SET data = '${damage}' WHERE kind = 'tool'`);
    const [, answer] = await turns.messages(listener.session);
    assert.deepEqual(toolsOf(answer).map((part) => part.data), [null]);
    const again = await new Listener(turns, listener.session).open();
    again.heard.after = 0;
    const next = await turns.turn(again, say("goes on"));
    assert.equal(next.end.state, "succeeded", damage);
    again.close();
  }
});

test("a job whose spec is damaged ends with a cause, and frees its key", async (t) => {
  const turns = await Turns.open(t);
  const submit = async (more) => {
    const answer = await turns.ask("POST", "/jobs", { key: "k", ...more });
    assert.equal(answer.status, 201, answer.text);
    return answer.json.id;
  };
  const first = await submit({ argv: ["sleep", "600"] });
  const damaged = await submit({ argv: ["true"] });
  const notifies = await submit({ argv: ["true"] });
  const last = await submit({ argv: ["true"] });
  await change(
    turns,
    `UPDATE runs SET spec = '{"argv": [' WHERE run = '${damaged}'`,
    `UPDATE runs SET spec = '{"notify": [' WHERE run = '${notifies}'`,
  );
  const stop = await turns.ask("POST", `/runs/${first}/stop`, { grace_ms: 1 });
  assert.ok(stop.status < 300, stop.text);
  for (const run of [damaged, notifies]) {
    const end = await turns.jobEnd(run);
    assert.deepEqual([end.state, end.cause], ["failed", "not_started"]);
  }
  assert.equal((await turns.jobEnd(last)).state, "succeeded");
});

test("runs with words that nobody knows end, and others get their key and slot", async (t) => {
  const turns = await Turns.open(t, { args: ["--insecure-loopback", "--max-jobs", "2"] });
  const job = async (argv, more) => (await turns.ask("POST", "/jobs", { argv, ...more })).json.id;
  const running = await job(["sleep", "600"], { key: "k" });
  const slots = await job(["sleep", "600"], { label: "second slot" });
  const queued = await job(["true"], { key: "k" });
  const slotless = await job(["true"], { label: "no slot" });
  const next = await job(["true"], { key: "k" });
  const last = await job(["true"], { label: "last" });
  await change(
    turns,
    `UPDATE runs SET cause = 'nonesuch', state = 'nonesuch'
     WHERE run IN ('${running}', '${queued}')`,
    `UPDATE runs SET stop = 'nonesuch' WHERE run = '${slots}'`,
    `UPDATE runs SET state = 'nonesuch' WHERE run = '${slotless}'`,
  );
  for (const run of [running, slots, queued, slotless]) {
    const end = await turns.jobEnd(run);
    assert.deepEqual([end.state, end.cause], ["failed", "history_unreadable"]);
  }
  for (const run of [next, last]) assert.equal((await turns.jobEnd(run)).state, "succeeded");
  assert.match(turns.daemon.log, /the row of a run is damaged: it is asked to end/);
});

test("lists show rows with words that nobody knows, and all the others", async (t) => {
  const turns = await Turns.open(t);
  const ok = async (method, target, body) => {
    const answer = await turns.ask(method, target, body);
    assert.equal(answer.status < 300, true, `${target}: ${answer.text}`);
    return answer.json;
  };
  const listener = await turns.listen({ root: turns.root });
  const of = listener.session;
  await turns.turn(listener, script(call("list_files", {}), say("listed")));
  await turns.turn(listener, say("and again"));
  const ask = script(call("run_command", { command: "true", args: [] }), say("ran"));
  await turns.send(of, ask);
  const { id: approval } = await listener.until("approval_asked");
  await ok("POST", `/approvals/${approval}`, { decision: "deny" });
  await listener.until("turn_finished");
  listener.close();
  const jobs = [];
  for (let i = 0; i < 3; i++) {
    jobs.push((await ok("POST", "/jobs", { argv: ["true"] })).id);
    await turns.jobEnd(jobs[i]);
  }
  for (const label of ["one", "two"]) {
    await ok("POST", "/tokens", { owner: "bob", scopes: ["read"], label });
  }
  const owed = (id, state) =>
    `INSERT INTO inbox (delivery, owner, run, receiver, address, state, cause, failures, made_ms,
     not_before_ms, payload) VALUES ('${id}', 'local', '${jobs[0]}', 'webhook', 'http://[::1]:9/',
     '${state}', '', 0, 1, 0, '{}')`;
  const nth = (n) => `(SELECT id FROM messages ORDER BY id LIMIT 1 OFFSET ${n})`;
  await change(
    turns,
    owed("dlv_0", "held"),
    owed("dlv_1", "nonesuch"),
    owed("dlv_2", "held"),
    "UPDATE inbox SET receiver = 'nonesuch' WHERE delivery = 'dlv_2'",
    "UPDATE sessions SET state = 'nonesuch', title_by = 'nonesuch'",
    `UPDATE messages SET status = 'nonesuch' WHERE id = ${nth(1)}`,
    `UPDATE messages SET role = 'nonesuch' WHERE id = ${nth(2)}`,
    "UPDATE parts SET state = 'nonesuch' WHERE kind = 'tool'",
    "UPDATE parts SET kind = 'nonesuch' WHERE id = (SELECT min(id) FROM parts)",
    "UPDATE approvals SET state = 'nonesuch'",
    `UPDATE runs SET state = 'nonesuch', cause = 'nonesuch' WHERE run = '${jobs[1]}'`,
    `UPDATE runs SET kind = 'nonesuch' WHERE run = '${jobs[2]}'`,
    "UPDATE tokens SET hash = 'zz' WHERE label = 'one'",
  );
  const items = async (list) => (await ok("GET", `/${list}`)).items;
  const runs = await items("runs");
  for (const id of jobs) assert.ok(runs.some((row) => row.id === id), id);
  const shown = runs.find(({ id }) => id === jobs[1]);
  assert.deepEqual([shown.state, shown.cause], ["failed", "history_unreadable"]);
  assert.match(shown.note, /damaged/);
  assert.deepEqual((await items("sessions")).map(({ id }) => id), [of]);
  const inbox = await items("inbox");
  assert.deepEqual(inbox.map(({ id }) => id), ["dlv_2", "dlv_1", "dlv_0"]);
  assert.deepEqual(inbox.map(({ state }) => state), ["held", "held", "held"]);
  for (const row of inbox.slice(0, 2)) assert.match(row.cause, /damaged/);
  assert.equal((await items("approvals?all=1")).length, 1);
  const messages = await items(`sessions/${of}/messages?order=oldest`);
  assert.equal(messages.length, 6);
  assert.deepEqual(messages.slice(1, 3).map(({ cause }) => cause), ["damaged", "damaged"]);
  assert.deepEqual((await items("tokens")).map(({ label }) => label), ["one", "two"]);
  assert.equal((await ok("GET", `/sessions/${of}/export?format=json`)).messages.length, 6);
  const stream = `/streams/session:${of}/events?after=0&limit=1000&snapshot=1`;
  assert.ok((await ok("GET", stream)).snapshot);
  const again = await new Listener(turns, of).open();
  const { end, message } = await turns.turn(again, say("goes on"));
  assert.deepEqual([end.state, textOf(message)], ["succeeded", "goes on"]);
  again.close();
});

/** Every object of the lists, and what it is shown with alone. */
async function* shownAlone(turns) {
  const of = {
    runs: ["/spans", "/agents"],
    jobs: ["/logs"],
    sessions: ["/spans", "/usage", "/roots", "/messages", "/export?format=json"],
    approvals: [],
    inbox: [],
    memory: [],
    budgets: [],
    providers: [],
  };
  for (const [list, parts] of Object.entries(of)) {
    const { items } = await turns.get(`/${list}${/approvals|inbox/.test(list) ? "?all=1" : ""}`);
    assert.ok(items.length > 0, list);
    for (const item of items) {
      const name = { budgets: "scope", providers: "name" }[list] ?? "id";
      const target = `/${list}/${encodeURIComponent(item[name])}`;
      yield { list, item, target, parts: parts.map((part) => `${target}${part}`) };
    }
  }
}

test("what a list shows as damaged is shown alone, too", async (t) => {
  const flows = await Workflows.open(t, ALLOWED);
  const turns = new Turns();
  Object.assign(turns, { daemon: flows.daemon, root: flows.root, headers: {} });
  const listener = await turns.listen({ root: turns.root });
  await turns.turn(listener, script(call("list_files", {}), say("listed")));
  const command = { command: "true", args: [] };
  const asks = await turns.send(listener.session, script(call("run_command", command), say("ran")));
  await turns.approve((await listener.until("approval_asked")).id);
  await listener.ended(asks.run);
  listener.close();
  const words = ["state", "kind", "gate", "cause", "stop", "spec"];
  const jobs = [];
  const notify = [{ webhook: "http://127.0.0.1:9/" }];
  for (const label of words) {
    const answer = await turns.ask("POST", "/jobs", { argv: ["true"], label, notify });
    assert.equal(answer.status, 201, answer.text);
    jobs.push(answer.json.id);
  }
  for (const run of jobs) await turns.jobEnd(run);
  const { run: flow } = await flows.run({ script: whole('return await agent("tokens: 3");') });
  const base_url = "http://127.0.0.1:9/v1";
  for (const [method, target, body] of [
    ["POST", "/providers", { name: "far", kind: "openai", base_url }],
    ["POST", "/memory", { topic: "herd", title: "dogs", content: "three", tags: ["a"] }],
    ["PATCH", "/budgets/project:one", { agents: 3 }],
  ]) {
    const answer = await turns.ask(method, target, body);
    assert.ok(answer.status < 300, answer.text);
  }
  const damage = (table, columns) =>
    `UPDATE ${table} SET ${columns.map((column) => `${column} = '{"a": ['`).join(", ")}`;
  await change(
    turns,
    ...words.map((word, i) => `${damage("runs", [word])} WHERE run = '${jobs[i]}'`),
    `${damage("runs", ["state"])} WHERE run IN ('${flow}', '${asks.run}')`,
    damage("approvals", ["state", "kind", "arguments", "about"]),
    damage("inbox", ["receiver", "state", "payload"]),
    damage("memory", ["tags"]),
    damage("messages", ["role", "status", "cause", "metadata", "answer_schema"]),
    damage("parts", ["kind", "state", "cause", "data"]),
    damage("providers", ["kind", "headers", "models"]),
    damage("sessions", ["state", "title_by", "metadata", "settings"]),
    damage("spans", ["kind", "state", "cause", "input", "output"]),
    damage("turns", ["model", "last", "began_by"]),
  );
  const unreadable = new Set();
  for await (const { list, item, target, parts } of shownAlone(turns)) {
    const one = await turns.get(target);
    const { id, state, cause, note } = item;
    if (list === "runs") assert.deepEqual([one.state, one.cause, one.note], [state, cause, note]);
    if (list === "runs" && cause === "history_unreadable") unreadable.add(id);
    for (const part of parts) assert.equal((await turns.ask("GET", part)).status, 200, part);
    if (list !== "sessions") continue;
    for (const message of (await turns.get(`${target}/messages`)).items) {
      assert.equal((await turns.get(`/messages/${message.id}`)).cause, message.cause);
    }
  }
  for (const run of [...jobs.slice(0, -1), flow, asks.run]) assert.ok(unreadable.has(run), run);
});

test("a turn whose end cannot be stored ends alone, and its session goes on", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root });
  const ask = script(call("run_command", { command: "true", args: [] }), say("ran"));
  const { run } = await turns.send(listener.session, ask);
  await listener.until("approval_asked");
  listener.close();
  // Every event of the turn names its message, so that none of them can be stored.
  const server = Boolean(process.env.DROVER_DATABASE);
  const long = server ? "repeat('x', 300000)" : "replace(hex(zeroblob(150000)), '00', 'xx')";
  await change(
    turns,
    ...(server ? ["ALTER TABLE messages DROP CONSTRAINT messages_message_key"] : []),
    `UPDATE messages SET message = message || ${long} WHERE role = 'assistant'`,
  );
  const stopped = await turns.ask("POST", `/runs/${run}/stop`, { grace_ms: 1 });
  assert.ok(stopped.status < 300, stopped.text);
  const again = await new Listener(turns, listener.session).open();
  const end = await again.ended(run);
  assert.deepEqual([end.state, end.cause], ["failed", "history_unreadable"]);
  const next = await turns.turn(again, say("goes on"));
  assert.deepEqual([next.end.state, textOf(next.message)], ["succeeded", "goes on"]);
  assert.deepEqual((await turns.get("/approvals")).items, []);
  again.close();
});

test("a row that is longer than any answer is left out of its list, and counted", async (t) => {
  const turns = await Turns.open(t);
  const made = [];
  for (let i = 0; i < 4; i++) made.push((await turns.listen()).session);
  for (const title of ["one", "two", "three"]) {
    const body = { topic: "herd", title, content: "dogs" };
    assert.equal((await turns.ask("POST", "/memory", body)).status, 201);
  }
  const long = process.env.DROVER_DATABASE
    ? "repeat('x', 9000000)"
    : "replace(hex(zeroblob(4500000)), '00', 'xx')";
  await change(
    turns,
    `UPDATE sessions SET title = ${long} WHERE session IN ('${made[1]}', '${made[3]}')`,
    `UPDATE memory SET content = ${long} WHERE title = 'two'`,
  );
  const shown = [];
  let left_out = 0;
  for (let after = ""; after !== null; ) {
    const page = await turns.get(`/sessions?limit=1${after}`);
    shown.push(...page.items.map(({ id }) => id));
    left_out += page.left_out ?? 0;
    after = page.next === null ? null : `&after=${page.next}`;
  }
  assert.deepEqual([shown, left_out], [[made[2], made[0]], 2]);
  const all = await turns.get("/sessions");
  assert.deepEqual([all.items.length, all.left_out], [2, 2]);
  const memory = await turns.get("/memory");
  assert.deepEqual([memory.items.length, memory.left_out], [2, 1]);
});

test("a turn goes on over words of its rows that nobody knows", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root });
  const ask = script(call("run_command", { command: "true", args: [] }), say("ran"));
  const { run } = await turns.send(listener.session, ask);
  const { id } = await listener.until("approval_asked");
  listener.close();
  await change(
    turns,
    "UPDATE turns SET began_by = 'nonesuch'",
    "UPDATE parts SET cause = 'nonesuch' WHERE kind = 'tool'",
  );
  const again = await new Listener(turns, listener.session).open();
  assert.equal((await turns.approve(id)).status, 200);
  const end = await again.ended(run);
  assert.deepEqual([end.state, textOf(await turns.answer(listener.session, run))],
    ["succeeded", "ran"]);
  again.close();
});

test("a workflow whose spec is damaged fails with a cause", async (t) => {
  const flows = await Workflows.open(t);
  const run = await flows.start({ script: whole('return await agent("tokens: 4000 at 20/s");') });
  await flows.until(run, ({ type }) => type === "agent_started");
  await flows.daemon.kill();
  sql(flows.daemon, `UPDATE runs SET spec = '{"script": ' WHERE run = '${run}'`);
  await flows.daemon.start();
  const { end } = await flows.outcome(run);
  assert.deepEqual([end.state, end.cause], ["failed", "history_unreadable"]);
});

/** Runs that owe somebody a notice. */
const owing = async (turns) => (await turns.get("/inbox")).items.map(({ run }) => run);
const NOTIFY = [{ webhook: "http://127.0.0.1:9/" }];

test("a job whose end is refused ends alone, its key is free and a notice is owed", async (t) => {
  const turns = await Turns.open(t, ALLOWED);
  const submit = async (command, more) => {
    const answer = await turns.ask("POST", "/jobs", { argv: ["sh", "-c", command], ...more });
    assert.equal(answer.status, 201, answer.text);
    return answer.json.id;
  };
  assert.equal((await turns.jobEnd(await submit("exit 7"))).exit_code, 7);
  await change(turns, "CREATE UNIQUE INDEX once ON spans (exit_code) WHERE exit_code = 7");
  const refused = await submit("exit 7", { key: "k", notify: NOTIFY });
  const next = await submit("exit 0", { key: "k" });
  const end = await turns.jobEnd(refused);
  assert.deepEqual([end.state, end.cause, end.exit_code], ["failed", "not_stored", 7]);
  assert.match(end.note, /could not be stored/);
  assert.equal((await turns.jobEnd(next)).state, "succeeded");
  assert.deepEqual(await owing(turns), [refused]);
  const [span] = (await turns.get(`/runs/${refused}/spans`)).items;
  assert.deepEqual([span.state, span.cause], ["failed", "not_stored"]);
});

test("a job with a damaged label ends, and its notice has the beginning of that", async (t) => {
  const turns = await Turns.open(t, ALLOWED);
  const body = { argv: ["sleep", "600"], label: "herd", notify: NOTIFY, key: "k" };
  const submitted = await turns.ask("POST", "/jobs", body);
  assert.equal(submitted.status, 201, submitted.text);
  const run = submitted.json.id;
  const long = process.env.DROVER_DATABASE
    ? "repeat('x', 300000)"
    : "replace(hex(zeroblob(150000)), '00', 'xx')";
  await change(turns, `UPDATE runs SET label = ${long} WHERE run = '${run}'`);
  const stop = await turns.ask("POST", `/runs/${run}/stop`, { grace_ms: 1 });
  assert.ok(stop.status < 300, stop.text);
  assert.equal((await turns.jobEnd(run)).state, "cancelled");
  const [notice] = (await turns.get("/inbox")).items;
  assert.match((await turns.get(`/inbox/${notice.id}`)).payload.label, /^x{1000}$/);
});

test("a workflow ends with its own result beside an agent whose words are damaged", async (t) => {
  const flows = await Workflows.open(t);
  const body = `const bad = await agent("fail: auth", { label: "bad" });
    return [bad, await agent("tokens: 4000 at 20/s", { label: "long" })];`;
  const run = await flows.start({ script: whole(body) });
  await flows.until(run, ({ type, data }) => type === "agent_started" && data.label === "long");
  await flows.daemon.kill();
  const long = process.env.DROVER_DATABASE
    ? "repeat('x', 300000)"
    : "replace(hex(zeroblob(150000)), '00', 'xx')";
  const bad = `kind = 'agent' AND label = 'bad' AND state = 'failed'`;
  sql(flows.daemon, `UPDATE runs SET label = ${long}, note = ${long} WHERE ${bad}`);
  await flows.daemon.start();
  assert.ok((await flows.ask("POST", `/runs/${run}/stop`, {})).status < 300);
  const { end } = await flows.outcome(run);
  assert.deepEqual([end.state, end.cause], ["cancelled", "stopped"]);
  assert.equal(end.failures.length, 1);
});
