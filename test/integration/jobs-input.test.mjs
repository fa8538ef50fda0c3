// Input of a job that lives: by offset, each byte once, whatever is repeated or killed in between.
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { begin, detach, job, jsonLines, onTerminal, show, start } from "./jobs-cli.mjs";
import { bin, scratch } from "./lib.mjs";
import { openSse } from "./sse.mjs";

const loopback = { args: ["--insecure-loopback"] };

async function submit(daemon, body) {
  const answer = await daemon.request("POST", "/api/v1/jobs", { body });
  assert.equal(answer.status, 201, answer.text);
  return answer.json.id;
}

const send = (daemon, id, body, key) =>
  daemon.request("POST", `/api/v1/jobs/${id}/input`, {
    body,
    headers: key ? { "idempotency-key": key } : {},
  });

/** What it wrote, once it has ended by itself. */
async function output(daemon, id) {
  assert.equal((await daemon.cli(["job", "wait", id])).code, 0);
  return (await daemon.cli(["job", "logs", id])).stdout;
}

test("input arrives behind the job's own, once, however often a request is repeated", async (t) => {
  const daemon = await start(t, loopback);
  const id = await submit(daemon, { argv: ["cat"], stdin: "begin ", stdin_open: true });
  const one = await send(daemon, id, { text: "one " }, "k1");
  assert.deepEqual([one.status, one.json], [200, { offset: 6, next: 10 }]);
  for (let i = 0; i < 3; i++) {
    const again = await send(daemon, id, { text: "one " }, "k1");
    assert.deepEqual(again.json, one.json);
    assert.equal(again.headers["idempotent-replay"], "true");
  }
  const other = await send(daemon, id, { text: "two " }, "k1");
  assert.deepEqual([other.status, other.json.code], [422, "idempotency_mismatch"]);
  const bytes = Buffer.from([0, 255, 10]);
  const last = await send(daemon, id, { base64: bytes.toString("base64"), end: true }, "k2");
  assert.deepEqual(last.json, { offset: 10, next: 13 });
  assert.equal((await daemon.cli(["job", "wait", id])).code, 0);
  const log = await begin(t, daemon, ["job", "logs", id]).ended;
  assert.deepEqual(log.bytes, Buffer.concat([Buffer.from("begin one "), bytes]));
});

test("a daemon that is killed between two inputs sends each byte once", async (t) => {
  const daemon = await start(t, loopback);
  const id = await submit(daemon, { argv: ["cat"], stdin_open: true });
  let wanted = "";
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 20; i++) {
      const text = `round ${round}, line ${i}\n`;
      wanted += text;
      assert.equal((await send(daemon, id, { text }, `r${round}-${i}`)).status, 200);
    }
    await daemon.kill(); // Some of it was sent, and some not.
    await daemon.start();
    const text = `round ${round}, line 19\n`;
    const again = await send(daemon, id, { text }, `r${round}-19`); // Its answer may be lost.
    assert.equal(again.json.next, wanted.length);
  }
  assert.equal((await send(daemon, id, { end: true })).status, 200);
  assert.equal(await output(daemon, id), wanted);
});

test("input that came before the start, and for a second attempt, is all there", async (t) => {
  const daemon = await start(t, { args: [...loopback.args, "--hold"] });
  const file = path.join(scratch(t), "tried");
  const line = `cat; test -e ${file} || { touch ${file}; exit 1; }`;
  const retry = { max: 1, backoff: 0 };
  const id = await submit(daemon, { shell: line, stdin_open: true, retry });
  assert.equal((await send(daemon, id, { text: "early", end: true })).status, 200);
  assert.equal((await show(daemon, id)).state, "queued");
  assert.equal((await daemon.cli(["release", "--yes"])).code, 0);
  assert.equal((await daemon.cli(["job", "wait", id])).code, 0);
  for (const attempt of ["1", "2"]) {
    const log = await daemon.cli(["job", "logs", "--attempt", attempt, id]);
    assert.equal(log.stdout, "early");
  }
});

test("input to a reader that is gone is taken and goes nowhere", async (t) => {
  const daemon = await start(t, loopback);
  const file = path.join(scratch(t), "go");
  const line = `exec <&-; echo closed; while [ ! -e ${file} ]; do sleep 0.05; done`;
  const id = await submit(daemon, { shell: line, stdin_open: true });
  const stream = await openSse(daemon, `/api/v1/jobs/${id}/logs`);
  assert.match((await stream.next()).data, /closed/);
  stream.close();
  for (let i = 0; i < 30; i++) {
    // More than may wait: it counts as read.
    const answer = await send(daemon, id, { text: "x".repeat(60_000) });
    if (answer.status === 429) i--;
    else assert.equal(answer.status, 200, answer.text);
  }
  writeFileSync(file, "");
  assert.equal(await output(daemon, id), "closed\n");
});

test("input that cannot be taken is refused by name", async (t) => {
  const daemon = await start(t, loopback);
  const closed = await submit(daemon, { argv: ["sleep", "1000"] });
  const open = await submit(daemon, { argv: ["sleep", "1000"], stdin_open: true });
  const refused = async (id, body, status, code, detail) => {
    const answer = await send(daemon, id, body);
    assert.deepEqual([answer.status, answer.json.code], [status, code], answer.text);
    assert.match(answer.json.detail, detail);
  };
  await refused(closed, { text: "x" }, 409, "input_closed", /stdin_open/);
  await refused("run_00000000000000000000000000", { text: "x" }, 404, "not_found", /no run/);
  await refused(open, {}, 400, "missing_field", /"text", "base64" or "end"/);
  await refused(open, { text: "" }, 400, "missing_field", /is missing/);
  await refused(open, { text: "a", base64: "YQ==" }, 400, "bad_field", /exclude each other/);
  await refused(open, { text: 1 }, 400, "bad_field", /must be a string/);
  await refused(open, { base64: "!" }, 400, "bad_field", /not base64/);
  await refused(open, { line: "x" }, 400, "unknown_field", /line/);
  await refused(open, { text: "x".repeat(65_537) }, 413, "body_too_large", /65536/);
  let last;
  for (let i = 0; i < 30; i++) {
    last = await send(daemon, open, { text: "x".repeat(65_536) });
    if (last.status !== 200) break;
  }
  assert.deepEqual([last.status, last.json.code], [429, "too_many"]);
  assert.match(last.json.detail, /has not read/);
  assert.equal((await send(daemon, open, { end: true })).status, 200);
  await refused(open, { text: "x" }, 409, "input_closed", /end .* sent already/);
  await daemon.cli(["stop", "--grace", "0", open]);
  await refused(open, { text: "x" }, 409, "input_closed", /has ended/);
});

test("a followed log answers before there is any output", async (t) => {
  const daemon = await start(t, loopback);
  const id = await submit(daemon, { argv: ["cat"], stdin_open: true });
  const stream = await openSse(daemon, `/api/v1/jobs/${id}/logs`); // Resolves with the head.
  assert.equal(stream.status, 200);
  await send(daemon, id, { text: "now", end: true });
  assert.match((await stream.next()).data, /"now"/);
  stream.close();
});

test("run streams its input, of any size and kind, and so does attach --stdin", async (t) => {
  const daemon = await start(t);
  const bytes = Buffer.alloc(2_500_000, 0);
  for (let i = 0; i < bytes.length; i += 7) bytes[i] = i % 251;
  const poured = await job(t, daemon, ["--stdin", "-", "cat"], { input: bytes });
  assert.equal(poured.code, 0, poured.stderr);
  assert.ok(poured.bytes.equals(bytes));
  const file = path.join(scratch(t), "file");
  writeFileSync(file, bytes);
  const read = await job(t, daemon, ["--stdin", file, "cat"]);
  assert.ok(read.bytes.equals(bytes));

  const id = await detach(daemon, ["--stdin", file, "sh", "-c", "wc -c"]);
  assert.equal((await output(daemon, id)).trim(), String(bytes.length));

  const folder = await job(t, daemon, ["--stdin", "/tmp", "cat"]);
  assert.equal(folder.code, 2);
  assert.match(folder.stderr, /--stdin: \/tmp: Is a directory/);
});

test("a reader that leaves ends the command quietly, and the input of its job", async (t) => {
  const daemon = await start(t, loopback);
  const line = "drover job run --stdin - -- sh -c 'echo first; cat'";
  // The input stays open: without its end the job would wait for ever.
  const piped = ["bash", "-c", `${line} | head -1; exit "\${PIPESTATUS[0]}"`];
  const env = { PATH: `${path.dirname(bin)}:${process.env.PATH}` };
  const end = await begin(t, daemon, [], { words: piped, env, typed: true }).ended;
  assert.deepEqual([end.code, end.stdout, end.stderr], [141, "first\n", ""]);
  const [{ id }] = await jsonLines(daemon, "ps", "--all");
  assert.equal((await daemon.cli(["job", "wait", id])).code, 0);

  const taken = await job(t, daemon, ["--stdin", "-", "head", "-n", "1"], {
    input: "y\n".repeat(500_000),
  });
  assert.deepEqual([taken.code, taken.stdout], [0, "y\n"], taken.stderr);
});

test("attach reads only, unless --stdin is given", async (t) => {
  const daemon = await start(t, loopback);
  const id = await submit(daemon, { argv: ["cat"], stdin_open: true });
  const looking = begin(t, daemon, ["attach", id], { input: "not sent\n" });
  const giving = await begin(t, daemon, ["attach", "--stdin", id], { input: "sent\n" }).ended;
  assert.deepEqual([giving.code, giving.stdout], [0, "sent\n"], giving.stderr);
  assert.deepEqual([(await looking.ended).stdout], ["sent\n"]);
  const none = await submit(daemon, { argv: ["sleep", "1000"] });
  const refused = await begin(t, daemon, ["attach", "--stdin", none]).ended;
  assert.equal(refused.code, 5);
  assert.match(refused.stderr, /takes no input.*\(input_closed\)/);
});

test("keys reach a job with a terminal, sizes too, and Ctrl-] leaves it", async (t) => {
  const daemon = await start(t, loopback);
  const id = await submit(daemon, { argv: ["sh"], pty: { rows: 5, columns: 7 }, env: { PS1: "" } });
  const first = onTerminal(t, daemon, `job attach ${id}`, { rows: 31, columns: 97, typed: true });
  await first.seen("Ctrl-] detaches");
  first.child.stdin.write('stty size; echo "was"-typed\r');
  await first.seen("31 97");
  await first.seen('echo "was"-typed'); // The echo of the keys,
  await first.seen("was-typed"); // and what came of them.
  first.child.stdin.write("\x1d");
  const left = await first.ended;
  assert.equal(left.code, 130);
  assert.match(left.stdout, /detached; run_.* goes on.*drover attach run_/s);
  assert.equal((await show(daemon, id)).state, "running");

  const back = onTerminal(t, daemon, `attach --new ${id}`, { typed: true });
  await back.seen("Ctrl-] detaches");
  back.child.stdin.write("exit 3\r");
  assert.equal((await back.ended).code, 3);
});

/** A shell on a terminal of its own, which notes that terminal and how it is set before and after
 *  a command of the CLI; `pid` is the command's. */
function aroundTerminal(t, daemon, line) {
  const folder = scratch(t);
  const note = (name) => readFileSync(path.join(folder, name), "utf8").trim();
  const script =
    `cd '${folder}'; stty rows 20 columns 60; stty -g >before; tty >tty;` +
    ` sh -c 'echo $$ >pid; exec "$DROVER" ${line}'; stty -g >after; echo shell-over`;
  const words = ["script", "-qefc", script, "/dev/null"];
  const env = { TERM: "xterm", DROVER: daemon.program };
  return { note, ...begin(t, daemon, [], { words, env, typed: true }) };
}

test("a terminal that is resized tells the job, and is given back as it was", async (t) => {
  const daemon = await start(t);
  const job = `trap "stty size" WINCH; echo job-on; while :; do sleep 0.05; done`;
  writeFileSync(path.join(daemon.data, "job"), job);
  const line = `job run --pty -- sh ${path.join(daemon.data, "job")}`;
  for (const signal of ["SIGTERM", "SIGHUP"]) {
    const shell = aroundTerminal(t, daemon, line);
    await shell.seen("job-on");
    execFileSync("stty", ["-F", shell.note("tty"), "rows", "44", "columns", "88"]);
    await shell.seen("44 88");
    const during = execFileSync("stty", ["-F", shell.note("tty"), "-g"], { encoding: "utf8" });
    assert.notEqual(during.trim(), shell.note("before"), "it is raw while the job has it");
    process.kill(Number(shell.note("pid")), signal);
    await shell.seen("shell-over");
    assert.equal(shell.note("after"), shell.note("before"));
    shell.child.stdin.end();
    await shell.ended;
  }
});
