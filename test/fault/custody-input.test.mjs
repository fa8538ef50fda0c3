// Mistakes of a user in a job, and hostile acts of a program: each has a clear state and cause, and
// the output is there byte for byte, or is reported as missing.
//
// runs-with: release, san
import assert from "node:assert/strict";
import { mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { Custody } from "./custody.mjs";

async function open(t) {
  const custody = new Custody(t);
  await custody.daemon.start();
  return custody;
}

const outcome = (run) => [run.state, run.cause, run.exit_code];

test("what cannot be started is failed, not_started, and the note says what it was", async (t) => {
  const custody = await open(t);
  const gone = path.join(custody.folder, "gone");
  mkdirSync(gone);
  rmSync(gone, { recursive: true });
  for (const [body, note] of [
    [{ argv: ["/no/such/program"] }, /There is no program '\/no\/such\/program'/],
    [{ argv: ["no-such-program-in-the-path"] }, /There is no program 'no-such-program-in/],
    [{ argv: ["/etc/passwd"] }, /Permission denied/],
    [{ argv: ["/"] }, /Permission denied|Is a directory/],
    [{ argv: [""] }, /There is no program ''/],
    [{ argv: ["true"], cwd: gone }, /No such file/],
    [{ argv: ["true"], cwd: "/etc/passwd" }, /Not a directory/],
    [{ argv: ["true", "x".repeat(200_000)] }, /Argument list too long/],
  ]) {
    const what = JSON.stringify(body).slice(0, 80);
    const answer = await custody.ask("POST", "/api/v1/jobs", { body });
    if (answer.status === 400) {
      assert.equal(answer.json.code, "bad_field", what); // It can be seen before it is tried.
      continue;
    }
    const run = await custody.ended(answer.json.id);
    assert.deepEqual(outcome(run), ["failed", "not_started", null], what);
    assert.match(run.note ?? "", note, what);
    const message = "what is wrong with the command is not tried again";
    assert.deepEqual([run.attempt, run.attempts], [1, 0], message);
  }
});

test("a folder that goes away between two attempts ends the second as not started", async (t) => {
  const custody = await open(t);
  const cwd = path.join(custody.folder, "cwd");
  mkdirSync(cwd);
  const retry = { max: 3, on: ["failed"], backoff: 1 };
  const id = await custody.shell(`rmdir ${cwd}; exit 1`, { cwd, retry });
  const run = await custody.ended(id);
  assert.deepEqual([run.state, run.cause], ["failed", "not_started"]);
});

test("1 GB of output keeps its head and its tail, and the hole is told", async (t) => {
  const custody = await open(t);
  const line = "echo begin; head -c 1G /dev/zero; echo end; exit 5";
  const id = await custody.shell(line);
  const run = await custody.ended(id);
  assert.deepEqual(outcome(run), ["failed", "exit_code", 5]);
  const size = (1 << 30) + "begin\nend\n".length;
  assert.equal(run.result.out, size);
  const logs = `/api/v1/jobs/${id}/logs`;
  const head = await custody.bytes(`${logs}?limit=1000`);
  assert.equal(head.headers["drover-size"], String(size));
  assert.equal(head.bytes.toString(), "begin\n" + "\0".repeat(994));
  const tail = await custody.bytes(`${logs}?offset=-1000`);
  assert.equal(tail.bytes.toString(), "\0".repeat(996) + "end\n");
  const { bytes, dropped } = await custody.output(id);
  assert.equal(dropped.length, 1, "one hole");
  const [from, to] = dropped[0].split("-").map(Number);
  assert.equal(bytes.length + (to - from), size, "what is kept and what is not are all there was");
  assert.ok(bytes.length >= 32 << 20 && bytes.length <= 64 << 20, `${bytes.length} are kept`);
  assert.equal(from, 16 << 20, "the head is a quarter of what may be kept");
  await custody.nobodyIsLeft();
});

test("output without an end of line, and bytes that are no text", async (t) => {
  const custody = await open(t);
  const long = await custody.shell("head -c 3000000 /dev/zero | tr '\\0' x");
  await custody.ended(long);
  assert.equal((await custody.output(long)).bytes.toString(), "x".repeat(3_000_000));
  const found = await custody.ask("GET", `/api/v1/jobs/${long}/logs/search?pattern=x%24`);
  assert.equal(found.status, 200, found.text);
  assert.equal(found.json.total, 1);
  const all = "i=0; while [ $i -lt 256 ]; do printf \"\\\\$(printf %03o $i)\"; i=$((i + 1)); done";
  const bytes = await custody.shell(`${all}; printf 'caf\\303'; sleep 0.1; printf '\\251'`);
  await custody.ended(bytes);
  const every = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  const wanted = Buffer.concat([every, Buffer.from("café")]);
  assert.deepEqual((await custody.output(bytes)).bytes, wanted);
});

test("ten thousand variables reach the command, and too much of them is told", async (t) => {
  const custody = await open(t);
  const env = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`V_${i}`, `${i} `]));
  const id = await custody.shell("env | grep -c '^V_'; echo \"$V_9999\"", { env });
  assert.deepEqual(outcome(await custody.ended(id)), ["succeeded", "completed", 0]);
  assert.equal(await custody.text(id), "10000\n9999 \n");
  const huge = { BIG: "x".repeat(300_000) }; // Above what the kernel takes as one text.
  const answer = await custody.ask("POST", "/api/v1/jobs", { body: { argv: ["true"], env: huge } });
  if (answer.status === 201) {
    const run = await custody.ended(answer.json.id);
    assert.deepEqual(outcome(run), ["failed", "not_started", null]);
    assert.match(run.note, /Argument list too long/);
  } else {
    assert.equal(answer.status, 400, answer.text);
  }
});

test("a job that closes its outputs at once goes on and ends by itself", async (t) => {
  const custody = await open(t);
  for (const [line, text] of [
    ["exec >&- 2>&-; sleep 0.3; exit 6", ""],
    ["echo said; exec >&-; sleep 0.3; exit 6", "said\n"],
    ["exec </dev/null >/dev/null 2>&1; sleep 0.3; exit 6", ""],
  ]) {
    const id = await custody.shell(line);
    assert.deepEqual(outcome(await custody.ended(id)), ["failed", "exit_code", 6], line);
    assert.equal(await custody.text(id), text);
  }
});

test("a program on a terminal sees its size and each change of it", async (t) => {
  const custody = await open(t);
  const line =
    "trap 'echo size $(stty size)' WINCH; echo size $(stty size); " +
    "while [ \"$(stty size)\" != '50 132' ]; do sleep 0.05; done; stty rows 10 cols 20; " +
    "echo mine $(stty size); exit 3";
  const id = await custody.shell(line, { pty: { rows: 30, columns: 90 } });
  await custody.wrote(id, "size 30 90");
  for (const [rows, columns] of [[40, 100], [50, 132]]) {
    const body = { rows, columns };
    const answer = await custody.ask("POST", `/api/v1/jobs/${id}/resize`, { body });
    assert.ok(answer.status < 300, answer.text);
  }
  assert.deepEqual(outcome(await custody.ended(id)), ["failed", "exit_code", 3]);
  const text = await custody.text(id, "pty");
  assert.match(text, /size 50 132\r\n/);
  assert.match(text, /mine 10 20\r\n/);
  for (const body of [{ rows: 0, columns: 10 }, { rows: 70_000, columns: 10 }, { rows: "1" }]) {
    const answer = await custody.ask("POST", `/api/v1/jobs/${id}/resize`, { body });
    assert.ok([400, 409].includes(answer.status), answer.text);
  }
});

test("a job ended by a signal, a time-out or a limit says so", async (t) => {
  const custody = await open(t);
  const hog = "exec head -c 900M /dev/zero | tail";
  for (const [line, more, wanted] of [
    ["kill -SEGV $$", {}, ["failed", "signal", null]],
    ["kill -9 $$", {}, ["failed", "signal", null]],
    ["sleep 600", { timeout_ms: 200 }, ["timed_out", "deadline", null]],
    [hog, { limits: { memory: 64 << 20 } }, ["failed", "exit_code", 1]],
  ]) {
    const run = await custody.ended(await custody.shell(line, more));
    assert.deepEqual(outcome(run), wanted, line);
  }
  await custody.nobodyIsLeft();
});
