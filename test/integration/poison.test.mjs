// poison.test.mjs: a damaged row of each table that holds text from outside. The daemon starts,
// says which row it is, and serves everything else; `drover doctor` names the row and how to remove
// it.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { asked, started, written } from "./flow-kit.mjs";
import { Daemon } from "./lib.mjs";
import { sql } from "./sql.mjs";
import { call, Listener, say, script, textOf, Turns } from "./turns.mjs";
import { META, whole, Workflows } from "./workflows.mjs";

const postgres = Boolean(process.env.DROVER_DATABASE);
/** Bytes that are no UTF-8, and others in every row, since some columns are unique. A server of
 *  PostgreSQL lets none in, so there JSON alone is damaged. */
const BAD_TEXT = "CAST(x'ff22c30a61' || rowid AS TEXT)";
const BAD_JSON = `'{"a": ['`;

/** Columns with text from outside, and with JSON; `where`: only these rows. */
const TABLES = {
  approvals: { text: ["step", "answered_by", "answer"], json: ["arguments", "about"] },
  attachments: { text: ["media"] },
  budgets: { text: ["path"] },
  checkpoints: { text: ["method", "summary"] },
  events: { text: ["type"], json: ["data"] },
  flow_calls: { text: ["agent", "task", "result"] },
  flow_steps: { text: ["note", "prompt", "result"] },
  flows: { text: ["name", "file", "report"], json: ["description", "input"] },
  idempotency: { text: ["route", "idem_key"], json: ["answer"] },
  inbox: { text: ["cause"], json: ["payload"] },
  mail: { text: ["sender", "receiver", "about", "title", "text"] },
  mail_attempts: { text: ["mail"] },
  memory: { text: ["project", "topic", "title", "content", "words"], json: ["tags"] },
  messages: { text: ["client_id", "cause", "error"], json: ["metadata", "answer_schema"] },
  parts: { text: ["name", "call", "text"], json: ["data"] },
  providers: { text: ["base_url"], json: ["headers", "models"] },
  run_input: { text: ["bytes"] },
  runs: { text: ["run_key", "label", "command", "note"], json: ["result", "spec"] },
  scripts: { text: ["source"] },
  session_roots: { text: ["path", "granted_by"] },
  sessions: {
    text: ["project", "title", "model", "agent", "root", "instructions"],
    json: ["metadata", "settings"],
  },
  settings: { json: ["value"] },
  spans: { text: ["name", "error"], json: ["input", "output"] },
  streams: { text: ["name"], where: "name IN ('plain', 'another')" },
  task_attempts: { text: ["agent", "note"], json: ["metadata"] },
  task_comments: { text: ["author", "body"] },
  task_events: { text: ["agent"], json: ["detail"] },
  task_needs: { text: ["waived_by", "waived_because"] },
  task_outputs: { text: ["agent", "type", "title", "summary", "content"] },
  task_reviews: { text: ["reviewer"], json: ["reasons"] },
  tasks: {
    text: ["title", "description", "detail", "question", "source"],
    json: ["depends_on", "must_haves", "links", "prints"],
  },
  terminals: { text: ["name", "command", "cwd"], json: ["env"] },
  tokens: { text: ["label"] },
  turns: { text: ["model", "last"] },
  usage_totals: { text: ["model", "project", "agent"] },
  workflow_refs: { text: ["file", "note"] },
};

const LISTS = [
  "sessions", "runs", "jobs", "approvals?all=1", "inbox", "memory", "memory/daily", "providers",
  "terminals",
  "budgets", "tokens", "usage", "usage?by=model", "usage?by=project", "settings", "streams",
  "workflows", "models", "mail", "projects", "projects/shop/tasks",
];

let turns;
let flows;
let folder;
const made = {};

const ok = async (method, target, body) => {
  const answer = await turns.ask(method, target, body);
  assert.ok(answer.status < 300, `${method} ${target}: ${answer.text}`);
  return answer.json;
};

/** Rows in every table, some of them alive: a turn that waits for somebody, jobs that run or
 *  wait. */
async function populate() {
  const listener = await turns.listen({ root: turns.root, metadata: { a: 1 }, title: "old" });
  made.old = listener.session;
  await turns.turn(listener, script(call("list_files", {}), say("listed")));
  await turns.turn(listener, say("and again"));
  await turns.ask("POST", `/sessions/${listener.session}/compact`);
  await listener.until("turn_finished");
  listener.close();
  const asks = await turns.listen({ root: turns.root });
  made.waiting = asks.session;
  const body = script(call("run_command", { command: "true", args: [] }), say("ran"));
  await turns.send(asks.session, body, { client_id: "mine" });
  await asks.until("approval_asked");
  asks.close();
  await ok("POST", `/sessions/${made.old}/roots`, { path: turns.folder });
  const base_url = "http://127.0.0.1:9/v1";
  await ok("POST", "/providers", { name: "far", kind: "openai", base_url });
  await ok("PATCH", "/settings", { instructions: "Be brief." });
  await ok("POST", "/memory", { topic: "herd", title: "dogs", content: "three", tags: ["a"] });
  await ok("POST", "/tokens", { owner: "bob", scopes: ["read"], label: "bob's" });
  await ok("PATCH", "/budgets/project:one", { agents: 3 });
  await ok("POST", "/terminals", { command: "sleep 600", cwd: "/", env: { A: "b" } });
  await turns.daemon.append("plain", { type: "n", data: 1 }, { "idempotency-key": "k1" });
  const job = (more) => ok("POST", "/jobs", { argv: ["sleep", "600"], ...more });
  made.running = (await job({ label: "sleeps", stdin_open: true, key: "k" })).id;
  made.queued = (await job({ label: "later", key: "k" })).id;
  await flows.start({ script: `${META}\nreturn await workflow("inner");` }).catch(() => {});
  await ok("POST", "/projects", { name: "shop", root: turns.root });
  const first = await ok("POST", "/projects/shop/tasks", { title: "shelves" });
  const depends_on = [first.name];
  const task = await ok("POST", "/projects/shop/tasks", { title: "shop", depends_on });
  made.task = `/projects/shop/tasks/${task.name}`;
  await ok("POST", `${made.task}/comments`, { body: "by Friday" });
  await ok("POST", `${made.task}/outputs`, { type: "document", title: "plan", content: "much" });
  await ok("POST", "/mail", { to: "local", title: "hello", text: "there", project: "shop" });
  written(turns, "asks", `export default { name: "asks", description: "a question",
    steps: [{ id: "good", kind: "approval", run: () => "Good?" }] };`);
  made.flow = await started(turns, "asks", "sheep");
  await asked(turns, made.flow);
}

const ID = "0".repeat(26);
const HASH = "0123456789abcdef".repeat(4);

/** What the helpers above did not make; numbers of rows that do not exist do no harm. */
const EXTRA = [
  `INSERT INTO attachments (id, attachment, owner, hash, media, bytes, made_ms)
   VALUES (99, 'att_${ID}', 'local', '${HASH}', 'image/png', 1, 1)`,
  `INSERT INTO checkpoints (session, message, step, question, void, tokens_before,
   tokens_after, made_ms, made_by, method, summary) SELECT id, 1, 0, 0, 0, 9, 1, 1, 'auto',
   'model', 'much' FROM sessions`,
  `INSERT INTO flow_calls (run, place, version, number, agent, task, child, session, state, result)
   SELECT run, 0, 1, 1, 'Explore', 'look', 0, '', 'done', 'seen' FROM flows`,
  `INSERT INTO mail_attempts (turn, mail, depth) SELECT 'run_${ID}', mail, 0 FROM mail`,
  `INSERT INTO task_attempts (attempt, owner, project, task, attempt_number, agent, session, run,
   began, outcome, exit_code, task_status_at_exit, metadata, note, made_ms, ended_ms)
   SELECT 'try_${ID.slice(2)}' || (10 + id), owner, project, task, 1, 'a', '', '', 1, 'crashed', 1,
   'working', '{}', '', 1, 2 FROM tasks`,
  `INSERT INTO task_reviews (review, owner, project, task, attempt, reviewer, accept, made_ms,
   reasons) SELECT 'rev_${ID.slice(2)}' || (10 + id), owner, project, task, '', 'ann', 0, 1,
   '["late"]' FROM tasks`,
  `INSERT INTO inbox (delivery, owner, run, receiver, address, state, cause, failures, made_ms,
   not_before_ms, payload) VALUES ('dlv_${ID}', 'local', 'run_${ID}', 'session', 'ses_x', 'held',
   '', 0, 1, 0, '{}')`,
  `INSERT INTO inbox (delivery, owner, run, receiver, address, state, cause, failures, made_ms,
   not_before_ms, payload) SELECT 'dlv_${ID.slice(2)}' || (10 + id), 'local', 'run_${ID}',
   'session', session, 'pending', '', 0, 1, 0, '{"run":"run_x","state":"succeeded"}'
   FROM sessions`,
  `INSERT INTO run_input (run, from_offset, len, ends, bytes)
   SELECT id, 900, 1, 0, 'YQ==' FROM runs`,
  `INSERT INTO scripts (hash, source) VALUES ('${HASH}', 'return 1')`,
  `INSERT INTO workflow_refs (run, step_key, occurrence, done_no, script, file, note)
   SELECT id, '${HASH}', 1, 99, '${HASH}', 'inner.js', '' FROM runs`,
];

async function well() {
  for (const list of LISTS) {
    const answer = await turns.ask("GET", `/${list}`);
    assert.equal(answer.status, 200, `${list}: ${answer.text}`);
  }
  const listener = await turns.listen({ root: turns.root });
  const { end, message } = await turns.turn(listener, script(call("list_files", {}), say("fine")));
  assert.deepEqual([end.state, textOf(message)], ["succeeded", "fine"]);
  listener.close();
  const done = await ok("POST", "/jobs", { argv: ["true"] });
  const shown = await turns.daemon.cli(["job", "logs", "--follow", done.id]);
  assert.equal(shown.code, 0, shown.stderr);
  const { status } = await turns.daemon.append("another", { type: "n", data: 1 });
  assert.equal(status, 201);
  const { end: flow } = await flows.run({ script: `${META}\nreturn 1;` });
  assert.equal(flow.state, "succeeded");
}

/** The database as it was populated: each table begins with that. A server keeps what the tables
 *  before have left of it. */
function copyDatabase(from, to) {
  if (postgres) return;
  // With the mark of the last commit: an older database beside a newer mark has lost commits.
  for (const end of ["db", "db-wal", "db-shm", "mark"]) {
    const file = `drover.${end}`;
    rmSync(path.join(to, file), { force: true });
    if (existsSync(path.join(from, file))) copyFileSync(path.join(from, file), path.join(to, file));
  }
}

/** What is damaged itself: each view of it is JSON or a clear refusal, and a turn of it ends. */
async function goesOn() {
  const views = ["", "/messages", "/spans", "/roots", "/usage", "/export?format=json"];
  for (const view of views.map((end) => `/sessions/${made.old}${end}`)) {
    const answer = await turns.ask("GET", view);
    assert.ok(answer.status < 500, `${view}: ${answer.text}`);
    if (answer.status === 200) JSON.parse(answer.text);
  }
  for (const run of [made.running, made.queued]) {
    const answer = await turns.ask("GET", `/jobs/${run}`);
    assert.ok(answer.status < 500, answer.text);
  }
  const board = ["", "/attempts", "/comments", "/outputs", "/reviews", "/events"];
  for (const view of [...board.map((end) => made.task + end), `/runs/${made.flow}/flow`]) {
    const answer = await turns.ask("GET", view);
    const clear = answer.status < 500 || answer.json.code === "store_corrupt";
    assert.ok(clear, `${view}: ${answer.text}`);
    if (answer.status === 200) JSON.parse(answer.text);
  }
  const stream = `/streams/session:${made.old}/events?after=0&limit=1000`;
  const snapshot = await turns.ask("GET", `${stream}&snapshot=1`);
  assert.ok(snapshot.status < 500, snapshot.text);
  const events = await turns.ask("GET", stream);
  const sent = await turns.post(made.old, { text: say("on") });
  assert.ok(sent.status < 500, sent.text);
  if (sent.status !== 201) return;
  const listener = new Listener(turns, made.old);
  listener.heard.after = events.json.head; // Data of damaged events is null.
  await listener.open();
  await listener.ended(sent.json.run);
  listener.close();
}

before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "drv-"));
  turns = new Turns();
  turns.folder = folder;
  turns.headers = {};
  flows = await Workflows.open({ after: () => {} }, { folder });
  turns.root = flows.root;
  turns.daemon = flows.daemon;
  await populate();
  await turns.daemon.stop();
  sql(turns.daemon, ...EXTRA);
  copyDatabase(turns.daemon.data, folder);
});

after(async () => {
  if (turns.daemon.running) await turns.daemon.stop();
  rmSync(folder, { recursive: true, force: true });
});

const doctor = async (...more) => {
  const words = process.env.DROVER_DATABASE ? ["--database", turns.daemon.env.DROVER_DATABASE] : [];
  const { stdout } = await turns.daemon.cli(["doctor", "--json", ...words, ...more]);
  return stdout.trim().split("\n").map((line) => JSON.parse(line));
};

/** The statements that remove the rows, in their order. */
function removalsOf(rows) {
  return rows.flatMap(({ detail }) => {
    const [, statements] = /run this in [^:]*: (.*;)$/.exec(detail);
    return statements.slice(0, -1).split("; ");
  });
}

test("rows that are not damaged are not reported", async () => {
  copyDatabase(folder, turns.daemon.data);
  await turns.daemon.start();
  await well();
  await ok("POST", `/sessions/${made.old}/fork`, {});
  const { end } = await flows.run({ script: whole('return await agent("tokens: 3");') });
  assert.equal(end.state, "succeeded");
  const rows = (await doctor()).filter(({ check }) => check === "row");
  assert.deepEqual(rows, []);
});

describe("a damaged row", () => {
  for (const [table, { text = [], json = [], where = "1 = 1" }] of Object.entries(TABLES)) {
    const columns = postgres ? json : [...text, ...json];
    if (columns.length === 0) continue;
    test(`of ${table} is told, and stops nothing else`, async () => {
      if (turns.daemon.running) await turns.daemon.stop();
      copyDatabase(folder, turns.daemon.data);
      const bad = columns.map((one) => `${one} = ${json.includes(one) ? BAD_JSON : BAD_TEXT}`);
      sql(turns.daemon, `UPDATE ${table} SET ${bad.join(", ")} WHERE ${where}`);
      await turns.daemon.start();
      const look = async () => {
        await goesOn();
        await well();
      };
      await look().catch((error) => assert.fail(`${error.stack}\n${turns.daemon.log}`));
      const told = turns.daemon.log.split("\n").filter((line) => line.includes("is damaged"));
      assert.ok(told.some((line) => line.includes(table)), turns.daemon.log);
      const rows = (await doctor()).filter(({ check }) => check === "row");
      assert.ok(rows.length > 0 && rows.every(({ verdict }) => verdict === "fail"));
      const removals = removalsOf(rows);
      assert.ok(removals.some((text) => text.startsWith(`DELETE FROM ${table} `)), removals);
      for (const column of columns) {
        assert.ok(rows.some(({ detail }) => detail.includes(`${column} is not valid`)), column);
      }
      await turns.daemon.stop();
      if (!postgres) {
        const down = (await doctor("--deep")).filter(({ check }) => check === "row");
        assert.deepEqual(down, rows, "the same without a daemon");
      }
      // As it says: until nothing is damaged any more.
      for (let left = removals; left.length > 0; ) {
        sql(turns.daemon, ...new Set(left));
        await turns.daemon.start();
        left = removalsOf((await doctor()).filter(({ check }) => check === "row"));
        if (left.length > 0) await turns.daemon.stop();
      }
      assert.ok(!turns.daemon.log.includes("is damaged"));
      await well();
    });
  }
});
