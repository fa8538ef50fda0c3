// jobs-cli.test.mjs: the commands of runs and jobs, as a user or a script types them.
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { test } from "node:test";

import { begin, detach, event, gate, job, jsonLines } from "./jobs-cli.mjs";
import { onTerminal, show, start } from "./jobs-cli.mjs";
import { bin, Random, scratch } from "./lib.mjs";
import { scaled } from "./scale.mjs";

const codeAndWords = async (command) => {
  const { code, stderr } = await command.ended;
  return [code, stderr];
};

test("run follows stdout and stderr apart, and ends with the command's exit code", async (t) => {
  const daemon = await start(t);
  const end = await job(t, daemon, ["--", "sh", "-c", "echo out; echo err >&2; exit 3"]);
  assert.deepEqual([end.code, end.stdout, end.stderr], [3, "out\n", "err\n"]);
  const fine = await job(t, daemon, ["true"]);
  assert.deepEqual([fine.code, fine.stdout, fine.stderr], [0, "", ""]);
});

test("detach prints the id exactly, and show tells what became of it", async (t) => {
  const daemon = await start(t);
  const result = await daemon.cli(["job", "run", "--detach", "--json", "--", "sh", "-c", "exit 4"]);
  assert.match(result.stdout, /^\{"id": "run_[0-9a-z]{26}"\}\n$/);
  assert.equal(result.stderr, "");
  const { id } = JSON.parse(result.stdout);
  const waited = await daemon.cli(["job", "wait", id]);
  assert.deepEqual([waited.code, waited.stdout], [4, `${id} failed (exit code 4)\n`]);
  const shown = await show(daemon, id);
  assert.deepEqual(
    [shown.id, shown.state, shown.cause, shown.exit_code, shown.attempts],
    [id, "failed", "exit_code", 4, 1],
  );
  const text = (await daemon.cli(["show", id])).stdout;
  assert.match(text, /^state +failed \(exit code 4\): The command ended with/m);
  assert.match(text, /^command +sh -c 'exit 4'$/m);
  assert.match((await daemon.cli(["job", "run", "-d", "true"])).stdout, /^run_[0-9a-z]{26}\n$/);
});

test("wait takes several jobs, and ends as the first that did not succeed", async (t) => {
  const daemon = await start(t);
  const ids = [];
  for (const code of [0, 5, 6]) {
    const { stdout } = await daemon.cli(["job", "run", "-d", "--shell", `exit ${code}`]);
    ids.push(stdout.trim());
  }
  const waited = await daemon.cli(["job", "wait", ...ids, "run_none"]);
  assert.equal(waited.code, 5);
  assert.match(waited.stdout, new RegExp(`^${ids[0]} .*\n${ids[1]} .*\n${ids[2]} .*\n$`));
  assert.match(waited.stderr, /^drover: run_none: /);
  assert.equal((await daemon.cli(["job", "wait", ids[0], ids[0]])).code, 0);
});

test("each end has its exit code", async (t) => {
  const daemon = await start(t);
  for (const [args, code, says] of [
    [["sh", "-c", "kill -9 $$"], 137, /^drover: run_\w{12}: failed \(signal 9\)$/m],
    [["--label", "slow", "--timeout", "300ms", "sleep", "1000"], 124,
      /^drover: slow: timed_out \(deadline\)$/m],
    [["/does/not/exist"], 127, /no program '\/does\/not\/exist', or not the interpreter/],
    [["no-such-program"], 127, /no program 'no-such-program' in the daemon's PATH: \//],
    [["true && true"], 127, /drover job run --shell "true && true"/],
    [["--cwd", "/does/not/exist", "true"], 126, /failed \(not started\)/],
    [["/etc/passwd"], 126, /failed \(not started\)/],
  ]) {
    const end = await job(t, daemon, args);
    assert.equal(end.code, code, `${args.join(" ")}: ${end.stderr}`);
    assert.match(end.stderr, says);
  }
  const { stdout } = await daemon.cli(["job", "run", "-d", "no-such-program"]);
  const waited = await daemon.cli(["job", "wait", stdout.trim()]);
  assert.equal(waited.code, 127);
  assert.match(waited.stderr, /^drover: There is no program 'no-such-program' in the daemon's /);
  const stopped = begin(t, daemon, ["job", "run", "sh", "-c", "echo on; sleep 1000"]);
  await stopped.seen("on");
  const [{ id }] = await jsonLines(daemon, "ps");
  const stop = await daemon.cli(["stop", "--grace", "1s", id]);
  assert.deepEqual([stop.code, stop.stdout], [0, `${id} cancelled (stopped)\n`]);
  assert.equal((await stopped.ended).code, 125);
});

test("the caller's folder, variables, input and a shell line reach the command", async (t) => {
  const daemon = await start(t);
  const cwd = scratch(t);
  const here = await job(t, daemon, ["pwd"], { cwd });
  assert.equal(here.stdout, `${cwd}\n`);
  const env = await job(t, daemon, ["-e", "A=1", "-e", "B", "sh", "-c", "echo $A $B ${C:-none}"], {
    env: { B: "two", C: "three" },
  });
  assert.equal(env.stdout, "1 two none\n");
  const given = await job(t, daemon, ["--stdin", "-", "cat"], { input: "given\n" });
  assert.equal(given.stdout, "given\n");
  writeFileSync(path.join(cwd, "input"), "from a file");
  const file = await job(t, daemon, ["--stdin", "input", "wc", "-c"], { cwd });
  assert.equal(file.stdout.trim(), "11");
  assert.equal((await job(t, daemon, ["cat"])).stdout, "", "without --stdin there is no input");
  const line = await job(t, daemon, ["--shell", "--", "echo a b | tr a-z A-Z"]);
  assert.equal(line.stdout, "A B\n");
});

test("bytes arrive as they are, also those that are no text", {
  timeout: scaled(120_000),
}, async (t) => {
  const daemon = await start(t);
  const file = path.join(scratch(t), "bytes");
  const random = new Random(7);
  const bytes = Buffer.from(Array.from({ length: 2_000_000 }, () => random.below(256)));
  writeFileSync(file, bytes);
  assert.ok((await job(t, daemon, ["cat", file])).bytes.equals(bytes), "followed");
  const [{ id }] = await jsonLines(daemon, "job", "ls");
  const logs = await begin(t, daemon, ["job", "logs", id]).ended;
  assert.ok(logs.bytes.equals(bytes), "read afterwards");
  const pieces = await jsonLines(daemon, "job", "logs", id);
  const joined = pieces.map(({ base64, text }) =>
    base64 ? Buffer.from(base64, "base64") : Buffer.from(text),
  );
  assert.ok(Buffer.concat(joined).equals(bytes), "as JSON");
  assert.equal(pieces.at(-1).next, bytes.length);
  const tail = ["job", "logs", "--stream", "out", "--from", "1999990", id];
  const rest = await begin(t, daemon, tail).ended;
  assert.ok(rest.bytes.equals(bytes.subarray(1999990)), "from an offset");
});

test("a daemon that is killed meanwhile costs neither output nor exit code", async (t) => {
  const daemon = await start(t);
  const go = path.join(scratch(t), "go");
  const script = `echo one; echo first >&2; ${gate(go)}; echo two; echo second >&2;
    ${gate(`${go}2`)}; echo three; exit 5`;
  const following = begin(t, daemon, ["job", "run", "--", "sh", "-c", script]);
  await following.when((all) => all.includes("one") && all.includes("first"));
  await daemon.kill();
  writeFileSync(go, ""); // It writes on while nobody listens.
  await following.seen("trying again");
  await daemon.start();
  await following.when((all) => all.includes("two") && all.includes("second"));
  await daemon.stop(); // An orderly end says `closing` instead.
  writeFileSync(`${go}2`, "");
  await daemon.start();
  const end = await following.ended;
  assert.equal(end.code, 5);
  assert.equal(end.stdout, "one\ntwo\nthree\n");
  assert.deepEqual(
    end.stderr.split("\n").filter((line) => line !== "" && !line.startsWith("drover: ")),
    ["first", "second"],
  );
});

test("Ctrl-C detaches and says how to come back; attach shows it all", async (t) => {
  const daemon = await start(t);
  const go = path.join(scratch(t), "go");
  const script = `echo one; ${gate(go)}; echo two; exit 6`;
  const following = begin(t, daemon, ["job", "run", "--label", "two-lines", "sh", "-c", script]);
  await following.seen("one");
  following.child.kill("SIGINT");
  const left = await following.ended;
  assert.equal(left.code, 130);
  const [, id] = /'drover attach ([\w-]+)' follows it again/.exec(left.stderr);
  assert.equal(id, "two-lines", "the label is what somebody types");

  const attached = begin(t, daemon, ["attach", id]);
  const newer = begin(t, daemon, ["job", "attach", "--new", id]);
  await attached.seen("one");
  writeFileSync(go, "");
  const end = await attached.ended;
  assert.deepEqual([end.code, end.stdout], [6, "one\ntwo\n"]);
  const rest = await newer.ended;
  assert.equal(rest.code, 6);
  assert.ok(["two\n", ""].includes(rest.stdout), rest.stdout);
  // Over, it can still be looked at.
  assert.equal((await daemon.cli(["attach", id])).stdout, "one\ntwo\n");
});

test("each attempt is followed, and has a log of its own", async (t) => {
  const daemon = await start(t);
  const file = path.join(scratch(t), "count");
  const script = `echo x >> '${file}'; n=$(wc -l < '${file}'); echo attempt $n; [ $n = 3 ]`;
  const end = await job(t, daemon, ["--retry", "5", "--backoff", "10ms", "--", "sh", "-c", script]);
  assert.deepEqual([end.code, end.stdout], [0, "attempt 1\nattempt 2\nattempt 3\n"]);
  const [{ id, attempts }] = await jsonLines(daemon, "job", "ls");
  assert.equal(attempts, 3);
  assert.equal((await daemon.cli(["job", "logs", id])).stdout, "attempt 3\n");
  assert.equal((await daemon.cli(["job", "logs", "--attempt", "1", id])).stdout, "attempt 1\n");
  assert.equal((await daemon.cli(["job", "logs", "--attempt", "4", id])).code, 3);
});

test("logs show both streams or one, as it is or as it comes", async (t) => {
  const daemon = await start(t);
  const go = path.join(scratch(t), "go");
  const script = `echo out; echo err >&2; ${gate(go)}; echo late`;
  const id = await detach(daemon, ["--", "sh", "-c", script]);
  const following = begin(t, daemon, ["job", "logs", "-f", id]);
  await following.when((all) => all.includes("out") && all.includes("err"));
  const both = await daemon.cli(["job", "logs", id]);
  assert.deepEqual([both.stdout, both.stderr], ["out\n", "err\n"]);
  const one = await daemon.cli(["job", "logs", "--stream", "err", id]);
  assert.deepEqual([one.stdout, one.stderr], ["err\n", ""]);
  assert.equal((await daemon.cli(["job", "logs", "--from", "1", id])).code, 2);
  const [piece] = await jsonLines(daemon, "job", "logs", "--stream", "out", "--from", "1", id);
  assert.deepEqual(piece, { stream: "out", attempt: 1, offset: 1, next: 4, text: "ut\n" });
  writeFileSync(go, "");
  const end = await following.ended;
  assert.deepEqual([end.code, end.stdout, end.stderr], [0, "out\nlate\n", "err\n"]);
});

test("what was dropped of a long output is said where it is missing", async (t) => {
  const daemon = await start(t);
  const id = await detach(daemon, ["--output", "64K", "--", "seq", "1", "200000"]);
  assert.equal((await daemon.cli(["job", "wait", id])).code, 0);
  const logs = await daemon.cli(["job", "logs", id]);
  assert.match(logs.stderr, /drover: \d+ bytes of out are not kept: from \d+ to \d+\n/);
  assert.match(logs.stdout, /^1\n2\n3\n/);
  assert.match(logs.stdout, /199999\n200000\n$/);
  const pieces = await jsonLines(daemon, "job", "logs", id);
  const holes = pieces.filter((piece) => piece.dropped);
  assert.ok(holes.length >= 1);
  let next = 0;
  for (const piece of pieces) {
    assert.equal(piece.dropped?.from ?? piece.offset, next);
    next = piece.dropped?.to ?? piece.next;
  }
  assert.equal(next, (await show(daemon, id)).result.out);
});

test("as JSON, run prints pieces and at the end the run", async (t) => {
  const daemon = await start(t);
  const end = await job(t, daemon, ["--json", "--", "sh", "-c", "printf 'a\\377'; exit 2"]);
  const lines = end.stdout.trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(lines[0], { stream: "out", attempt: 1, offset: 0, next: 2, base64: "Yf8=" });
  assert.deepEqual([lines.at(-1).state, lines.at(-1).exit_code, end.code], ["failed", 2, 2]);
});

test("ls, ps, wait, stop and rm know each other's runs", async (t) => {
  const daemon = await start(t);
  const short = await detach(daemon, ["--label", "short", "true"]);
  assert.equal((await daemon.cli(["job", "wait", short])).code, 0);
  const long = await detach(daemon, ["--", "sleep", "1000"]);
  await event(daemon, long, "run_started");
  const lives = new RegExp(`^RUN .*\\n${long} +job +running .* sleep 1000\\n$`);
  assert.match((await daemon.cli(["ps"])).stdout, lives);
  const all = (await daemon.cli(["ps", "--all"])).stdout.split("\n");
  assert.match(all[1], new RegExp(`^${long} `));
  assert.match(all[2], new RegExp(`^${short} +job +succeeded .* short$`));
  assert.equal((await jsonLines(daemon, "ps", "--kind", "workflow")).length, 0);
  const ids = async (...args) => (await jsonLines(daemon, ...args)).map((row) => row.id);
  assert.deepEqual(await ids("job", "ls"), [long, short]);
  assert.deepEqual(await ids("job", "ls", "--live"), [long]);
  assert.deepEqual(await ids("job", "ls", "--state", "succeeded"), [short]);
  assert.deepEqual(await ids("job", "ls", "--limit", "1"), [long]);

  assert.equal((await daemon.cli(["job", "rm", long])).code, 5);
  const waiting = begin(t, daemon, ["job", "wait", "--json", long]);
  const asked = await daemon.cli(["job", "stop", "--no-wait", long]);
  assert.equal(asked.code, 0, asked.stderr);
  const end = await waiting.ended;
  assert.deepEqual([end.code, JSON.parse(end.stdout).state], [125, "cancelled"]);
  assert.equal((await daemon.cli(["stop", long])).code, 5);
  assert.equal((await daemon.cli(["job", "rm", long])).stdout, `${long} is removed\n`);
  for (const command of ["show", "attach", "stop", "job wait", "job logs", "job rm"]) {
    const gone = await daemon.cli([...command.split(" "), long]);
    assert.deepEqual([gone.code, gone.stdout], [3, ""], command);
    assert.match(gone.stderr, /not_found/);
  }
});

test("Ctrl-C is 0 where it leaves a log, and 130 where it interrupts a wait", async (t) => {
  const daemon = await start(t);
  const id = await detach(daemon, ["sh", "-c", "echo on; sleep 1000"]);
  const follower = begin(t, daemon, ["job", "logs", "-f", id]);
  await follower.seen("on");
  follower.child.kill("SIGINT");
  assert.deepEqual(await codeAndWords(follower), [0, ""]);

  // A server that accepts and stays silent: the submit, the wait and the stop are all open.
  const asked = [];
  const server = http.createServer((request) => asked.shift()?.(request.url));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => (server.closeAllConnections(), server.close()));
  const url = `http://127.0.0.1:${server.address().port}`;
  const words = [["job run", "true"], ["job wait", id], ["stop", id], ["inbox ls"]];
  for (const [name, ...operands] of words) {
    const arrived = new Promise((resolve) => asked.push(resolve));
    const command = begin(t, daemon, [...name.split(" "), "--url", url, ...operands]);
    await arrived;
    command.child.kill("SIGINT");
    const end = await command.ended;
    assert.deepEqual([end.code, end.signal], [130, null], name);
    assert.match(end.stderr, /\(interrupted\)\n$/, name);
  }
});

test("wait waits for a daemon that is away when it begins", async (t) => {
  const daemon = await start(t);
  const id = await detach(daemon, ["sh", "-c", "exit 7"]);
  await daemon.kill();
  const waiting = begin(t, daemon, ["job", "wait", id]);
  await waiting.seen("trying again");
  await daemon.start();
  assert.equal((await waiting.ended).code, 7);
});

test("rm removes all that it can, and names what it cannot", async (t) => {
  const daemon = await start(t);
  const ids = [await detach(daemon, ["true"]), await detach(daemon, ["true"])];
  for (const id of ids) await daemon.cli(["job", "wait", id]);
  const end = await daemon.cli(["job", "rm", ids[0], "run_x", ids[1]]);
  assert.deepEqual([end.code, end.stdout], [3, ids.map((id) => `${id} is removed\n`).join("")]);
  assert.match(end.stderr, /^drover: run_x: .*\(not_found\)\n$/);
});

test("stop ends all that it can, and names what it cannot", async (t) => {
  const daemon = await start(t);
  const ids = [await detach(daemon, ["sleep", "60"]), await detach(daemon, ["sleep", "60"])];
  const end = await daemon.cli(["stop", ids[0], "run_x", ids[1]]);
  assert.equal(end.code, 3, end.stderr);
  assert.match(end.stdout, new RegExp(`^${ids[0]} .*\n${ids[1]} .*\n$`));
  assert.match(end.stderr, /^drover: run_x: .*\(not_found\)\n$/);
  const one = await daemon.cli(["stop", "nosuch"]);
  assert.deepEqual([one.code, one.stdout], [3, ""]);
});

test("ps --watch adds a line for each change in a pipe, and misses no short run", async (t) => {
  const daemon = await start(t);
  const first = await detach(daemon, ["--", "sleep", "1000"]);
  const watch = begin(t, daemon, ["ps", "--watch"]);
  const lines = begin(t, daemon, ["ps", "--watch", "--json"]);
  await watch.seen(first);
  await lines.seen(first);
  const short = [];
  for (let i = 0; i < 3; i++) short.push(await detach(daemon, ["true"]));
  for (const id of short)
    await watch.when((all) => new RegExp(`${id} +job +succeeded`).test(all));
  await daemon.cli(["stop", first]);
  await watch.when((all) => new RegExp(`${first} +job +cancelled`).test(all));
  await lines.when((all) => all.includes('"state":"cancelled"'));
  for (const { child, ended } of [watch, lines]) {
    child.kill("SIGINT");
    const end = await ended;
    assert.deepEqual([end.code, end.stderr], [0, ""]);
    const rows = end.stdout.split("\n").filter((line) => line.includes(short[0]));
    const over = rows.filter((line) => line.includes("succeeded"));
    assert.equal(over.length, 1, "each end is told once");
  }
});

test("ps --watch takes the filters of ps, and tells of runs that come into a state", async (t) => {
  const daemon = await start(t);
  const old = await detach(daemon, ["--label", "old", "false"]);
  await daemon.cli(["job", "wait", old]);
  const states = ["--state=failed,cancelled", "--state", "timed_out,running"];
  const watch = begin(t, daemon, ["ps", "--watch", ...states]);
  const recent = begin(t, daemon, ["ps", "-w", "--since", "1h", "--search", "PICK", "--json"]);
  const first = await detach(daemon, ["--label", "pick-first", "sleep", "1000"]);
  await Promise.all([watch.seen(first), recent.seen(first)]);
  const [good, bad] = [await detach(daemon, ["true"]), await detach(daemon, ["false"])];
  const late = await detach(daemon, ["--label", "pick-late", "--timeout", "1s", "sleep", "1000"]);
  await watch.when((all) => new RegExp(`${bad} +job +failed`).test(all));
  await watch.when((all) => new RegExp(`${late} +job +timed_out`).test(all));
  await recent.when((all) => all.includes('"state":"timed_out"'));
  await daemon.cli(["stop", first]);
  await watch.when((all) => new RegExp(`${first} +job +cancelled`).test(all));
  await recent.when((all) => all.includes('"state":"cancelled"'));
  for (const { child } of [watch, recent]) child.kill("SIGINT");
  const text = (await watch.ended).stdout;
  assert.doesNotMatch(text, new RegExp(`succeeded|${old}`));
  assert.doesNotMatch(text, new RegExp(`${good} +job +(queued|succeeded)`));
  const picked = (await recent.ended).stdout.trim().split("\n").map((line) => JSON.parse(line).id);
  assert.deepEqual([...new Set(picked)].sort(), [first, late].sort());

  const drawn = onTerminal(t, daemon, "ps --watch --state failed");
  await drawn.when((all) => all.includes("old") && !all.includes("pick-late"));
});

test("search shows lines as grep does", async (t) => {
  const daemon = await start(t);
  const id = await detach(daemon, ["--", "seq", "1", "30"]);
  await daemon.cli(["job", "wait", id]);
  assert.equal((await daemon.cli(["job", "search", id, "^.5$"])).stdout, "15:15\n25:25\n");
  assert.equal((await daemon.cli(["job", "search", id, "x"])).code, 1);
  assert.equal(
    (await daemon.cli(["job", "search", "-C", "1", id, "^(1|30)$"])).stdout,
    "1:1\n2-2\n--\n29-29\n30:30\n",
  );
  const cut = await daemon.cli(["job", "search", "--limit", "2", id, "1"]);
  assert.equal(cut.stdout.split("\n").length, 3);
  assert.match(cut.stderr, /2 of \d+ matches are shown/);
  const [answer] = await jsonLines(daemon, "job", "search", id, "^7$");
  assert.deepEqual(answer.matches, [{ line: 7, text: "7", before: [], after: [] }]);
  const bad = await daemon.cli(["job", "search", id, "("]);
  assert.equal(bad.code, 2, bad.stderr);
});

test("wrong use is said in one sentence, before anything is started", async (t) => {
  const daemon = await start(t);
  for (const [args, says] of [
    [["job", "run"], /something is missing: drover job run/],
    [["job", "run", "--shell", "a", "b"], /--shell takes one word/],
    [["job", "run", "--timeout", "soon", "true"], /--timeout: 'soon' is not a time/],
    [["job", "run", "--memory", "much", "true"], /--memory: 'much' is not a size/],
    [["job", "run", "-e", "NOT_SET_ANYWHERE", "true"], /NOT_SET_ANYWHERE is not set here/],
    [["job", "run", "--stdin", "/does/not/exist", "cat"], /--stdin: .*No such file/],
    [["job", "run", "--retry-on", "lost", "true"], /--retry-on needs --retry/],
    [["job", "run", "--once", "--retry", "1", "true"], /once/],
    [["job", "run", "--notify", "ftp://x", "true"], /notify/],
    [["job", "runn", "true"], /did you mean 'drover job run'/],
    [["ps", "--kind", "cow"], /not one of job\|turn/],
  ]) {
    const result = await daemon.cli(args);
    assert.equal(result.code, 2, `${args.join(" ")}: ${result.stderr}`);
    assert.match(result.stderr, says);
    assert.equal(result.stderr.trim().split("\n").length, 1, result.stderr);
    assert.equal(result.stdout, "");
  }
  assert.deepEqual(await jsonLines(daemon, "job", "ls"), []);
});

test("a job may have a terminal", async (t) => {
  const daemon = await start(t);
  const script = "test -t 1 && echo yes; echo err >&2";
  const end = await job(t, daemon, ["--pty", "--", "sh", "-c", script]);
  assert.deepEqual([end.code, end.stdout.replaceAll("\r", ""), end.stderr], [0, "yes\nerr\n", ""]);
  const [{ id }] = await jsonLines(daemon, "job", "ls");
  assert.match((await daemon.cli(["job", "logs", id])).stdout, /^yes\r?\nerr\r?\n$/);
  assert.match((await daemon.cli(["job", "search", id, "yes"])).stdout, /^1:yes\n$/);
});

test("on a terminal there are colours, sizes and a picture that is drawn anew", async (t) => {
  const daemon = await start(t);
  assert.equal((await job(t, daemon, ["false"])).code, 1);
  const red = await onTerminal(t, daemon, "ps --all").ended;
  assert.match(red.stdout, /\u001b\[31mfailed/);
  const plain = await onTerminal(t, daemon, "ps --all", { env: { NO_COLOR: "1" } }).ended;
  assert.doesNotMatch(plain.stdout, /\u001b/);
  const dumb = await onTerminal(t, daemon, "ps --all", { env: { TERM: "dumb" } }).ended;
  assert.doesNotMatch(dumb.stdout, /\u001b/);
  assert.doesNotMatch((await daemon.cli(["ps", "--all"])).stdout, /\u001b/);

  const size = { rows: 33, columns: 99 };
  const told = await onTerminal(t, daemon, "job run --pty -- stty size", size).ended;
  assert.match(told.stdout, /33 99/);

  const id = await detach(daemon, ["--label", "picture", "sleep", "1000"]);
  const watch = onTerminal(t, daemon, "ps --watch");
  const pictures = (all, has) =>
    all
      .split("\u001b[J") // The end of each picture.
      .slice(0, -1)
      .filter((part) => /LABEL/.test(part) && part.includes("picture") === has);
  await watch.when((all) => pictures(all, true).length >= 2);
  await daemon.cli(["stop", id]);
  await watch.when((all) => pictures(all, false).length >= 1);
});

test("release shows what would start, and does it when told to", async (t) => {
  const daemon = await start(t, { args: ["--hold"] });
  const file = path.join(scratch(t), "ran");
  const id = await detach(daemon, ["--", "touch", file]);
  assert.equal((await show(daemon, id)).state, "queued");
  const looked = await daemon.cli(["release"]);
  assert.equal(looked.code, 0, looked.stderr);
  assert.match(looked.stdout, /^It would start 1 run and send 0 notices/);
  assert.match(looked.stdout, new RegExp(`\\n${id} .* touch `));
  assert.match(looked.stdout, /Nothing was released/);
  const no = await onTerminal(t, daemon, "release", { input: "n\n", columns: 60 }).ended;
  assert.match(no.stdout, /Let it begin\? \[y\/N\]/);
  const [head, row] = no.stdout.split(/\r?\n/).filter((line) => /^run/i.test(line));
  assert.match(head, /^RUN +KIND +STATE +CREATED +WHAT$/);
  assert.match(row, new RegExp(`^${id.slice(0, 16)}  job +queued +(now|\\d+ s ago) +touch `));
  assert.ok(row.length <= 60, row);
  assert.equal((await show(daemon, id)).state, "queued");
  assert.equal((await jsonLines(daemon, "release"))[0].held, true);
  assert.ok(!existsSync(file));

  assert.match((await daemon.cli(["release", "--yes"])).stdout, /Released\.\n$/);
  assert.equal((await daemon.cli(["job", "wait", id])).code, 0);
  assert.ok(existsSync(file));
  assert.match((await daemon.cli(["release"])).stdout, /does not hold/);
});

test("a session is told of a job, too", async (t) => {
  const daemon = await start(t);
  const made = await daemon.request("POST", "/api/v1/sessions", { body: {}, local: true });
  assert.equal(made.status, 201, made.text);
  const id = await detach(daemon, ["--notify", made.json.id, "true"]);
  assert.equal((await daemon.cli(["job", "wait", id])).code, 0);
  let rows = [];
  while (rows[0]?.state !== "acknowledged") rows = await jsonLines(daemon, "inbox", "ls", "--all");
  assert.deepEqual(
    rows.map(({ run, receiver, address }) => [run, receiver, address]),
    [[id, "session", made.json.id]],
  );
});

test("the inbox lists what is not delivered, tries again, and gives up on demand", async (t) => {
  let answers = 500;
  const got = [];
  const receiver = http.createServer((request, answer) => {
    let body = "";
    request.on("data", (chunk) => (body += chunk));
    request.on("end", () => {
      got.push(body);
      answer.writeHead(answers).end();
    });
  });
  receiver.listen(0, "127.0.0.1");
  await once(receiver, "listening");
  t.after(() => receiver.close());
  const url = `http://127.0.0.1:${receiver.address().port}/hook`;
  const daemon = await start(t, { args: ["--webhook-allow", "127.0.0.1"] });
  const id = await detach(daemon, ["--notify", url, "echo", "told"]);
  assert.equal((await daemon.cli(["job", "wait", id])).code, 0);
  while (got.length === 0) await once(receiver, "request");
  let rows = [];
  while (!rows.length || rows[0].failures === 0) rows = await jsonLines(daemon, "inbox", "ls");
  assert.deepEqual([rows[0].run, rows[0].state, rows[0].address], [id, "pending", url]);
  const text = (await daemon.cli(["inbox", "ls"])).stdout;
  assert.match(text, new RegExp(`^DELIVERY .*\\n${rows[0].id} +${id} +pending `));
  const shown = (await daemon.cli(["inbox", "show", rows[0].id])).stdout;
  assert.match(shown, /^failures +[1-9]/m);
  assert.match(shown, /^notice +\{.*told/m);
  answers = 200;
  const retried = await daemon.cli(["inbox", "retry", rows[0].id]);
  assert.ok(retried.code === 0 || retried.code === 5, retried.stderr); // 5: its own try was first.
  for (let left = rows; left.length > 0; ) left = await jsonLines(daemon, "inbox", "ls");
  assert.equal((await jsonLines(daemon, "inbox", "ls", "--all"))[0].state, "acknowledged");

  answers = 500;
  const other = await detach(daemon, ["--notify", url, "true"]);
  await daemon.cli(["job", "wait", other]);
  const [{ id: delivery }] = await jsonLines(daemon, "inbox", "ls");
  assert.equal((await daemon.cli(["inbox", "drop", delivery])).stdout, `${delivery} is dropped\n`);
  assert.deepEqual(await jsonLines(daemon, "inbox", "ls"), []);
  assert.equal((await daemon.cli(["inbox", "drop", delivery])).code, 5);
  assert.equal((await daemon.cli(["inbox", "show", "dlv_x"])).code, 3);
});

test("without a daemon each of them says so at once", async (t) => {
  const data = scratch(t);
  for (const line of ["ps", "job run true", "show run_x", "release", "inbox ls"]) {
    const end = await begin(t, { data }, line.split(" ")).ended;
    assert.equal(end.code, 9, `${line}: ${end.stderr}`);
    assert.match(end.stderr, /no daemon serves/);
  }
});
