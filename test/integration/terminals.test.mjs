// terminals.test.mjs: named terminals: made, renamed, started again, closed; with a kill between.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { begin, start } from "./jobs-cli.mjs";
import { Jobs } from "./jobs.mjs";
import { openSse } from "./sse.mjs";

const jobs = new Jobs();
const NO_TERMINAL = `/trm_${"0".repeat(26)}`;

const ask = (method, target = "", body = undefined, headers = {}) =>
  jobs.request(method, `/api/v1/terminals${target}`, { body, headers });

async function made(body, headers) {
  const answer = await ask("POST", "", body, headers);
  assert.equal(answer.status, 201, answer.text);
  return answer.json;
}

const show = async (id) => (await ask("GET", `/${id}`)).json;
const type = (run, text) => jobs.request("POST", `/api/v1/jobs/${run}/input`, { body: { text } });

/** Waits until the terminal has shown a text. */
async function seen(run, text) {
  const stream = await jobs.openLogs(run, "?offset=0");
  let all = "";
  while (!all.includes(text)) {
    const frame = await stream.next();
    assert.equal(frame?.event, "output", `no ${text} in ${all}`);
    const piece = JSON.parse(frame.data);
    all += piece.text ?? Buffer.from(piece.base64, "base64").toString();
  }
  stream.close();
}

test("a terminal is a job with a name: made, listed, renamed, closed", async () => {
  const events = await openSse(jobs.daemon, "/api/v1/streams/owner:local/events?after=-1");
  const changed = async () => {
    for (let frame; (frame = await events.next()); ) {
      if (frame.event === "terminal_changed") return JSON.parse(frame.data);
    }
  };
  const terminal = await made({
    name: "build", command: "stty size; echo $FLOCK; pwd; exec cat", cwd: "/", columns: 100,
    rows: 30, env: { FLOCK: "sheep" },
  });
  const { id, run, made_ms: at } = terminal;
  assert.match(id, /^trm_/);
  const row = {
    id, name: "build", command: "stty size; echo $FLOCK; pwd; exec cat", cwd: "/", columns: 100,
    rows: 30, run, state: "running", cause: null, exit_code: null, made_ms: at, changed_ms: at,
  };
  assert.deepEqual(terminal, { ...row, env: { FLOCK: "sheep" }, path: null });
  assert.deepEqual(await show(id), terminal);
  assert.deepEqual((await ask("GET")).json.items, [row]);
  const { state, cause, exit_code: code, ...told } = row;
  assert.deepEqual(await changed(), told);
  await seen(run, "30 100\r\nsheep\r\n/\r\n");
  assert.equal((await type(run, "bleat\n")).status, 200);
  await seen(run, "bleat\r\nbleat\r\n");

  const job = await jobs.show(run);
  assert.deepEqual([job.kind, job.label], ["job", "build"]);
  assert.deepEqual(job.spec.pty, { rows: 30, columns: 100 });
  const renamed = (await ask("PATCH", `/${id}`, { name: "tests" })).json;
  assert.deepEqual(renamed, { ...terminal, name: "tests", changed_ms: renamed.changed_ms });
  assert.equal((await changed()).name, "tests");
  assert.deepEqual((await ask("GET", "?q=est")).json.items.map((one) => one.id), [id]);
  assert.deepEqual((await ask("GET", "?q=pest")).json.items, []);

  const closed = await ask("DELETE", `/${id}`);
  assert.deepEqual([closed.status, Object.keys(closed.json)], [200, ["id", "removed_ms"]]);
  assert.deepEqual(await changed(), { id, removed: true });
  assert.deepEqual((await jobs.ended(run)).cause, "stopped");
  assert.equal((await ask("GET", `/${id}`)).status, 404);
  assert.equal((await ask("DELETE", `/${id}`)).status, 404);
  events.close();
});

test("without a command it is the user's shell, and its name says what runs", async () => {
  const folder = path.join(jobs.folder, "a shell");
  mkdirSync(folder);
  const shell = path.join(folder, "sh");
  writeFileSync(shell, "#!/bin/sh\necho this shell\n", { mode: 0o755 });
  const own = await made({ env: { SHELL: shell } });
  assert.deepEqual([own.name, own.command, own.cwd], ["shell", null, null]);
  await seen(own.run, "this shell");
  assert.equal((await made({ command: "true # sheep" })).name, "true # sheep");
  assert.equal((await made({ command: `true ${"é".repeat(40)}` })).name, `true ${"é".repeat(29)}`);
  for (const { id } of (await ask("GET")).json.items) await ask("DELETE", `/${id}`);
});

test("a terminal that has ended is started again as a new job, one that runs is not", async () => {
  const first = await made({ name: "again", command: "echo $TIMES; read line; exit $line", rows: 30,
    env: { TIMES: "once" } });
  const early = await ask("POST", `/${first.id}/restart`);
  assert.deepEqual([early.status, early.json.code], [409, "run_alive"]);
  assert.equal(early.json.detail, `the terminal has not ended: its job ${first.run} is running`);
  await type(first.run, "7\n");
  await jobs.ended(first.run);
  const ended = await show(first.id);
  assert.deepEqual([ended.state, ended.cause, ended.exit_code], ["failed", "exit_code", 7]);

  await ask("PATCH", `/${first.id}`, { name: "second" });
  const headers = { "idempotency-key": "again" };
  const second = await ask("POST", `/${first.id}/restart`, undefined, headers);
  assert.equal(second.status, 200, second.text);
  assert.deepEqual((await ask("POST", `/${first.id}/restart`, undefined, headers)).text,
    second.text);
  const { run } = second.json;
  assert.notEqual(run, first.run);
  assert.deepEqual(second.json,
    { ...first, name: "second", run, state: "running", changed_ms: second.json.changed_ms });
  const jobOf = async (id) => (await jobs.show(id)).spec;
  assert.deepEqual(await jobOf(run), await jobOf(first.run));
  assert.equal((await jobs.show(run)).label, "second");
  await seen(run, "once");
  await type(run, "0\n");
  await jobs.ended(run);
  assert.deepEqual((await show(first.id)).exit_code, 0);

  // Its job may be removed as any other.
  assert.equal((await jobs.request("DELETE", `/api/v1/runs/${run}`)).status, 200);
  const bare = await show(first.id);
  assert.deepEqual([bare.run, bare.state, bare.cause, bare.exit_code], [run, null, null, null]);
  const third = await ask("POST", `/${first.id}/restart`);
  assert.equal(third.json.state, "running", third.text);
  assert.equal((await ask("DELETE", `/${first.id}`)).status, 200);
  const gone = await ask("POST", `/${first.id}/restart`, undefined, headers);
  assert.deepEqual([gone.status, gone.json.code], [410, "gone"]);
});

test("a request under a key makes one terminal, and none again when that was closed", async () => {
  const headers = { "idempotency-key": "one" };
  const terminal = await made({ command: "cat" }, headers);
  assert.deepEqual(await made({ command: "cat" }, headers), terminal);
  assert.equal((await ask("GET")).json.items.length, 1);
  const other = await ask("POST", "", { command: "true" }, headers);
  assert.deepEqual([other.status, other.json.code], [422, "idempotency_mismatch"]);
  await ask("DELETE", `/${terminal.id}`);
  const again = await ask("POST", "", { command: "cat" }, headers);
  assert.deepEqual([again.status, again.json.code], [410, "gone"]);
  assert.deepEqual((await ask("GET")).json.items, []);
});

test("a kill of the daemon leaves terminal and job; an end meanwhile is seen", async () => {
  const file = path.join(jobs.folder, "over");
  const lives = await made({ name: "lives", command: "cat" });
  const ends = await made({
    name: "ends", command: `echo up; while [ ! -e ${file} ]; do sleep 0.02; done; exit 3` });
  await seen(ends.run, "up");
  await jobs.daemon.kill();
  writeFileSync(file, "");
  await jobs.daemon.start();
  await jobs.ended(ends.run);
  const row = await show(ends.id);
  assert.deepEqual(row, { ...ends, state: "failed", cause: "exit_code", exit_code: 3 });
  assert.deepEqual(await show(lives.id), lives);
  await type(lives.run, "still here\n");
  await seen(lives.run, "still here\r\nstill here");
  await jobs.daemon.kill();
  await jobs.daemon.start();
  const again = (await ask("POST", `/${ends.id}/restart`)).json;
  assert.notEqual(again.run, ends.run);
  assert.equal((await jobs.ended(again.run)).exit_code, 3);
  for (const { id } of [ends, lives]) assert.equal((await ask("DELETE", `/${id}`)).status, 200);
  assert.equal((await jobs.ended(lives.run)).state, "cancelled");
});

test("what is wrong is refused by name, and nothing is made", async () => {
  const refused = async (method, target, body, status, code, words) => {
    const answer = await ask(method, target, body);
    assert.deepEqual([answer.status, answer.json.code], [status, code], answer.text);
    assert.match(answer.json.detail, words);
  };
  const bad = (body, words, code = "bad_field") => refused("POST", "", body, 400, code, words);
  await bad({ nme: "x" }, /nme/, "unknown_field");
  await bad({ run: "x" }, /run/, "unknown_field");
  await bad({ name: "" }, /name/);
  await bad({ name: "x".repeat(65) }, /name/);
  await bad({ name: "a\u001b[2J" }, /name/);
  await bad({ command: "" }, /command/);
  await bad({ command: "a\nb" }, /command/);
  await bad({ command: "x".repeat(4097) }, /command/);
  await bad({ cwd: "here" }, /"cwd" must be an absolute path, not 'here'/);
  await bad({ columns: 0 }, /columns/);
  await bad({ rows: 1001 }, /rows/);
  await bad({ env: ["A"] }, /env/);
  await bad({ env: { "A=": "" } }, /env: the name 'A='/);
  await bad({ env: { A: 1 } }, /env: the value of 'A' must be a string/);
  await bad({ env: { DROVER_RUN: "" } }, /DROVER_/);
  const none = (method, target, body) =>
    refused(method, target, body, 404, "not_found", /there is no terminal '(trm_0|none)/);
  await none("PATCH", NO_TERMINAL, { name: "x" });
  await none("POST", `${NO_TERMINAL}/restart`);
  await none("DELETE", "/none");
  const before = (await jobs.request("GET", "/api/v1/jobs")).json.items.length;
  const terminal = await made({ command: "cat" });
  await refused("PATCH", `/${terminal.id}`, { command: "x" }, 400, "unknown_field", /command/);
  await refused("PATCH", `/${terminal.id}`, { name: "" }, 400, "bad_field", /name/);
  assert.deepEqual((await ask("GET", `/${terminal.id}`)).json, terminal);
  await ask("DELETE", `/${terminal.id}`);
  assert.equal((await jobs.request("GET", "/api/v1/jobs")).json.items.length, before + 1);
});

test("terminals belong to their owner, who has at most a hundred", async () => {
  const tokenOf = async (owner, scopes) => {
    const body = { owner, scopes };
    const { json } = await jobs.request("POST", "/api/v1/tokens", { body, local: true });
    return { authorization: `Bearer ${json.token}` };
  };
  const ann = await tokenOf("ann", ["read", "run"]);
  const bob = await tokenOf("bob", ["read", "run"]);
  const reads = await tokenOf("ann", ["read"]);
  const { id } = await made({ command: "true" }, ann);
  for (const [method, target, body] of [
    ["GET", ""], ["PATCH", "", { name: "x" }], ["POST", "/restart"], ["DELETE", ""]]) {
    assert.equal((await ask(method, `/${id}${target}`, body, bob)).status, 404, method);
    if (method === "GET") continue;
    assert.equal((await ask(method, `/${id}${target}`, body, reads)).status, 403, method);
  }
  assert.equal((await ask("POST", "", {}, reads)).status, 403);
  for (let count = 1; count < 100; count++) await made({ command: "true" }, ann);
  const more = await ask("POST", "", { command: "true" }, ann);
  assert.deepEqual([more.status, more.json.code], [429, "too_many"]);
  assert.equal(more.json.detail, "there are 100 terminals already; close some");
  await made({ command: "true" }, bob);
  assert.equal((await ask("DELETE", `/${id}`, undefined, ann)).status, 200);
  await made({ command: "true" }, ann);
});

test("a terminal takes a place of a job", async (t) => {
  const daemon = await start(t, { args: ["--insecure-loopback", "--max-jobs", "1"] });
  const post = async () =>
    (await daemon.request("POST", "/api/v1/terminals", { body: { command: "cat" } })).json;
  const [first, second] = [await post(), await post()];
  assert.deepEqual([first.state, second.state], ["running", "queued"]);
  // Closed before it begins: nothing of it runs.
  await daemon.request("DELETE", `/api/v1/terminals/${second.id}`);
  const { json } = await daemon.request("GET", `/api/v1/runs/${second.run}`);
  assert.deepEqual([json.state, json.attempt], ["cancelled", 0]);
});

test("drover term makes, lists, opens, renames, starts again and closes terminals", async (t) => {
  const daemon = await start(t);
  const term = (...words) => daemon.cli(["term", ...words]);
  const made = await term("new", "echo", "--command", "read line; echo got $line", "--cwd", "/");
  assert.match(made.stdout, /^trm_\w+ is started; 'drover term attach echo' opens it\n$/);
  const list = async () => JSON.parse((await term("ls", "--json")).stdout);
  assert.deepEqual([(await list()).name, (await list()).cwd], ["echo", "/"]);
  const renamed = await term("rename", "echo", "parrot");
  assert.match(renamed.stdout, /^trm_\w+ is renamed\n$/);
  const early = await term("restart", "parrot");
  assert.deepEqual([early.code, early.stdout], [5, ""]);
  assert.match(early.stderr, /has not ended: its job run_\w+ is running \(run_alive\)/);

  const attached = begin(t, daemon, ["term", "attach", "--stdin", "parrot"], { input: "corn\n" });
  assert.equal((await attached.ended).code, 0);
  assert.match((await attached.ended).stdout, /got corn/);
  const row = (await term("ls")).stdout.split("\n")[1];
  assert.match(row, /^trm_\w+  parrot +succeeded +0  read line; echo got \$line$/);
  assert.match((await term("restart", "parrot")).stdout, /'drover term attach parrot' opens it/);
  assert.equal((await term("close", "parrot")).code, 0);
  assert.match((await term("ls")).stderr, /There is no terminal\. 'drover term new NAME' makes/);
  const none = await term("attach", "parrot");
  assert.deepEqual([none.code, none.stdout], [3, ""]);
  const nowhere = await term("new", "--cwd", "/none such");
  assert.match(nowhere.stderr, /--cwd: there is no folder \/none such/);
});
