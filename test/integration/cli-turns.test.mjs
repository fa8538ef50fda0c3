// cli-turns.test.mjs: ask, chat, approve and the commands of runs, where the run is a turn.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { Held } from "./held.mjs";
import { bin, Daemon, plainEnv, run, scratch } from "./lib.mjs";
import { scaled } from "./scale.mjs";
import { sql } from "./sql.mjs";
import { call, say, script } from "./turns.mjs";

async function start(t) {
  const daemon = await new Daemon({ data: scratch(t) }).start();
  t.after(() => daemon.kill());
  return daemon;
}

/** A command beside others; `said` fills, `ended` is its exit code. */
function beside(t, daemon, args, stdio = ["ignore", "pipe", "pipe"]) {
  const child = spawn(bin, args, {
    env: { ...plainEnv, DROVER_DATA: daemon.data },
    stdio,
  });
  t.after(() => child.kill("SIGKILL"));
  const one = { child, out: "", err: "" };
  child.stdout.on("data", (chunk) => (one.out += chunk));
  child.stderr.on("data", (chunk) => (one.err += chunk));
  one.ended = once(child, "close").then(([code]) => code);
  return one;
}

const rows = (text) => text.split("\n").filter(Boolean).map((line) => JSON.parse(line));

/** The runs that live, once there are `count` of them in this state. */
async function live(daemon, state, count = 1) {
  for (;;) {
    const runs = rows((await daemon.cli(["ps", "--json"])).stdout);
    const found = runs.filter((run) => run.state === state);
    if (found.length >= count) return found;
  }
}

/** Returns when `count` commands follow streams. A turn runs before `ask` has read its id, and a
 *  signal would end `ask` without a word of it. */
async function followed(daemon, count = 1) {
  const following = new RegExp(`^drover_http_sse_streams ${count}$`, "m");
  for (let text = ""; !following.test(text); ) {
    const answer = await daemon.request("GET", "/metrics", { local: true });
    assert.equal(answer.status, 200);
    text = answer.text;
  }
}

async function asked(daemon, ...args) {
  const { code, stdout, stderr } = await daemon.cli(["ask", "--json", ...args]);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

test("a turn is shown, traced and looked on at by the commands of runs", async (t) => {
  const daemon = await start(t);
  const { run, session, text } = await asked(daemon, "think: hm\nsay: It is done.");
  assert.equal(text, "It is done.");
  const show = (await daemon.cli(["show", run])).stdout;
  assert.match(show, /^kind +turn$/m);
  assert.match(show, /^asked +think: hm$/m);
  assert.match(show, new RegExp(`^session +${session}$`, "m"));
  assert.match(show, new RegExp(`^stream +session:${session}$`, "m"));
  assert.doesNotMatch(show, /^(command|key) /m);
  assert.match((await daemon.cli(["trace", run])).stdout, /^1\.1 .* succeeded$/m);
  assert.equal((await daemon.cli(["attach", run])).stdout, "It is done.\n");
  const again = JSON.parse((await daemon.cli(["attach", "--json", run])).stdout);
  assert.deepEqual([again.run, again.state, again.text], [run, "succeeded", "It is done."]);
  const logs = await daemon.cli(["job", "logs", run]);
  assert.equal(logs.code, 5);
  assert.match(logs.stderr, new RegExp(
    `drover attach ${run.slice(0, 16)}'.*session show -m ${session.slice(0, 16)}'`));
});

test("a turn that failed fails those who look on at it, then and later", async (t) => {
  const daemon = await start(t);
  const failed = await daemon.cli(["ask", "--json", "fail: 400"]);
  assert.equal(failed.code, 1);
  const { run } = JSON.parse(failed.stdout);
  const later = await daemon.cli(["attach", run]);
  assert.equal(later.code, 1);
  assert.match(later.stderr, /^drover: the turn failed \(bad_request\): /);
});

test("a turn is stopped, and whoever waits for it is told", {
  timeout: scaled(60_000),
}, async (t) => {
  const daemon = await start(t);
  const { session } = await asked(daemon, "say: hello");
  const asking = beside(t, daemon, ["ask", "-s", session, "delay: 60s\nsay: never"]);
  const [running] = await live(daemon, "running");
  assert.equal(running.stream, `session:${session}`);
  const looking = beside(t, daemon, ["attach", running.id]);
  const waiting = beside(t, daemon, ["ask", "-s", session, "say: behind it"]);
  const [queued] = await live(daemon, "queued");

  const first = await daemon.cli(["stop", queued.id]);
  assert.equal(first.stdout, `${queued.id} cancelled (stopped)\n`);
  assert.equal(await waiting.ended, 1); // It never began, and still it is told.
  assert.match(waiting.err, /^drover: the turn was cancelled \(stopped\)$/m);
  assert.equal(asking.child.exitCode, null);

  const second = await daemon.cli(["stop", running.id]);
  assert.equal(second.stdout, `${running.id} cancelled (stopped)\n`);
  assert.equal(await asking.ended, 1);
  assert.equal(await looking.ended, 1);
  assert.match(looking.err, /^drover: the turn was cancelled \(stopped\)$/m);
});

test("Ctrl-C leaves a turn, says how to come back, and attach does", {
  timeout: scaled(60_000),
}, async (t) => {
  const daemon = await start(t);
  const provider = await new Held((prompt) => ({ prompt, text: "after all" })).start(t);
  const body = { name: "held", kind: "openai", base_url: provider.url };
  await daemon.request("POST", "/api/v1/providers", { body, local: true });
  const asking = beside(t, daemon, ["ask", "--model", "held/small", "held"]);
  const [{ id }] = await live(daemon, "running");
  await followed(daemon);
  asking.child.kill("SIGINT");
  assert.equal(await asking.ended, 130);
  assert.match(asking.err, new RegExp(`'drover attach ${id.slice(0, 16)}' follows it again`));
  await followed(daemon, 0);
  const looking = beside(t, daemon, ["attach", id]);
  await followed(daemon);
  looking.child.kill("SIGINT");
  assert.equal(await looking.ended, 130);
  provider.free("held");
  const back = await daemon.cli(["attach", id]);
  assert.deepEqual([back.code, back.stdout], [0, "after all\n"]);
});

test("ask in a session ends at once where no daemon is", async (t) => {
  const args = ["--data", scratch(t), "ask", "-s", `ses_${"0".repeat(26)}`, "hello"];
  const end = await run([...args.slice(2), ...args.slice(0, 2)]);
  assert.deepEqual([end.code, end.stdout], [9, ""]);
  assert.match(end.stderr, /^drover: [^\n]*\(unreachable\)\n$/);
});

test("commands that follow a turn end when its session is deleted, and say so", {
  timeout: scaled(60_000),
}, async (t) => {
  const daemon = await start(t);
  const { session } = await asked(daemon, "say: hello");
  const asking = beside(t, daemon, ["ask", "-s", session, "say: begun\ndelay: 600s"]);
  const [{ id }] = await live(daemon, "running");
  const looking = beside(t, daemon, ["attach", id]);
  await followed(daemon, 2);
  assert.equal((await daemon.cli(["session", "rm", session])).code, 0);
  for (const follower of [asking, looking]) {
    assert.equal(await follower.ended, 3);
    assert.match(follower.err, new RegExp(`session ${session} was deleted while its turn ran`));
  }
});

const untilEnded = async (daemon, run) => {
  for (let end = null; end === null; ) {
    end = JSON.parse((await daemon.cli(["show", "--json", run])).stdout).ended_ms;
  }
};

/** Removes what a stream told so far, as retention does in time. The daemon is down. */
function pruneAll(daemon, name) {
  const stream = `(SELECT id FROM streams WHERE name = '${name}')`;
  sql(daemon, `DELETE FROM events WHERE stream = ${stream}`,
    `UPDATE streams SET floor = head WHERE name = '${name}'`);
}

test("commands that follow a turn learn of an end whose event was pruned meanwhile", {
  timeout: scaled(60_000),
}, async (t) => {
  const daemon = await start(t);
  const root = scratch(t);
  const words = script(call("write_file", { path: "b", content: "x" }), say("written"));
  const asking = beside(t, daemon, ["ask", "--root", root, words]);
  const [{ id: run, stream }] = await live(daemon, "waiting");
  const following = ["attach", "attach --json", "job wait"].map((command) =>
    beside(t, daemon, [...command.split(" "), run]));
  await followed(daemon, 4);
  const all = [asking, ...following];
  for (const { child } of all) child.kill("SIGSTOP");
  await daemon.kill();
  await daemon.start();
  const [approval] = rows((await daemon.cli(["approve", "--json"])).stdout);
  assert.equal((await daemon.cli(["approve", approval.id])).code, 0);
  await untilEnded(daemon, run);
  await daemon.kill();
  pruneAll(daemon, stream);
  await daemon.start();
  for (const { child } of all) child.kill("SIGCONT");
  for (const one of all) assert.equal(await one.ended, 0, one.err);
  assert.deepEqual(all.map(({ out }) => out).slice(0, 2), ["written\n", "written\n"]);
  const { state, text, usage } = JSON.parse(following[1].out);
  const target = `/api/v1/sessions/${stream.slice("session:".length)}/messages`;
  const [answer] = (await daemon.request("GET", target, { local: true })).json.items;
  const { calls, cost_unknown: _unknown, ...sums } = answer.usage;
  assert.deepEqual([state, text, usage, calls], ["succeeded", "written", sums, 2]);
});

test("who follows a turn is asked what it asked in events that were pruned", {
  timeout: scaled(60_000),
}, async (t) => {
  const daemon = await start(t);
  const { session } = await asked(daemon, "say: hello");
  const asking = beside(t, daemon, ["ask", "-s", session, "delay: 100s"]);
  const [{ id: first, stream }] = await live(daemon, "running");
  const words = script(call("ask_user", { question: "Which herd?" }), say("that one"));
  const waiting = beside(t, daemon, ["ask", "-s", session, words]);
  await followed(daemon, 2);
  waiting.child.kill("SIGSTOP");
  await daemon.kill(); // What it is sent from here on, it does not get.
  await daemon.start();
  await daemon.cli(["stop", first]);
  assert.equal(await asking.ended, 1);
  const [{ id: run }] = await live(daemon, "waiting");
  await daemon.kill();
  pruneAll(daemon, stream);
  await daemon.start();
  waiting.child.kill("SIGCONT");
  const [approval] = rows((await daemon.cli(["approve", "--json"])).stdout);
  assert.equal(approval.run, run);
  while (!waiting.err.includes(`drover approve ${approval.id.slice(0, 16)}\n`)) {
    await once(waiting.child.stderr, "data");
  }
  await daemon.cli(["approve", approval.id, "--answer", "all"]);
  assert.equal(await waiting.ended, 0, waiting.err);
  assert.equal(waiting.out, "that one\n");
});

test("chat --json reads the next line after an end whose event was pruned", {
  timeout: scaled(60_000),
}, async (t) => {
  const daemon = await start(t);
  const chat = beside(t, daemon, ["chat", "--json", "--no-root"], ["pipe", "pipe", "pipe"]);
  const words = call("ask_user", { question: "Which one?" });
  chat.child.stdin.write(`${words}\n`);
  const [{ id: run, stream }] = await live(daemon, "waiting");
  await followed(daemon);
  chat.child.kill("SIGSTOP");
  await daemon.kill();
  await daemon.start();
  const [approval] = rows((await daemon.cli(["approve", "--json"])).stdout);
  assert.equal((await daemon.cli(["approve", approval.id, "--answer", "all"])).code, 0);
  await untilEnded(daemon, run);
  await daemon.kill();
  pruneAll(daemon, stream);
  await daemon.start();
  chat.child.stdin.end("say: and the next\n");
  chat.child.kill("SIGCONT");
  assert.equal(await chat.ended, 0, chat.err);
  const events = rows(chat.out);
  assert.equal(events.filter(({ type }) => type === "snapshot").length, 1);
  assert.equal(events.findLast(({ type }) => type === "delta").data.text, "and the next");
  assert.equal(events.at(-1).type, "turn_finished");
});

test("what waits for leave is listed, and answered from another place", async (t) => {
  const daemon = await start(t);
  const root = scratch(t);
  const words = script(call("write_file", { path: "b.txt", content: "x" }), say("written"));
  assert.match((await daemon.cli(["approve"])).stderr, /^Nothing waits for you\.$/m);
  const asking = beside(t, daemon, ["ask", "--root", root, words]);
  const [{ id: run }] = await live(daemon, "waiting");
  const list = (await daemon.cli(["approve"])).stdout;
  assert.match(list, /^apr_\S+ +ses_\S+\nMay it call write_file\?\n {2}b\.txt \(new file\)\n/);
  const id = /^apr_\S+/m.exec(list)[0];
  const which = await daemon.cli(["approve", "--deny"]);
  assert.equal(which.code, 2);
  assert.match(which.stderr, /which one\?/);
  assert.ok(!existsSync(path.join(root, "b.txt")));
  assert.equal((await daemon.cli(["approve", id])).stdout, `${id} is allowed\n`);
  assert.equal(await asking.ended, 0);
  assert.match(asking.err, new RegExp(`drover approve ${id.slice(0, 16)}\n`));
  assert.equal(asking.out, "written\n");
  assert.equal(readFileSync(path.join(root, "b.txt"), "utf8"), "x");
  // Who looks on from the beginning is not asked again.
  const later = await daemon.cli(["attach", run]);
  assert.deepEqual([later.stdout, later.stderr], ["written\n", ""]);
});

test("wrong use is told in the words of what was used", async (t) => {
  const daemon = await start(t);
  for (const [args, code, says] of [
    [["ask", "-s", "ses_none", "hello"], 3, /no session 'ses_none'.*drover session ls/],
    [["chat", "-s", "ses_none"], 3, /no session 'ses_none'/],
    [["ask", "what", "is", "this"], 2, /'is' is one word too many; quote what belongs together/],
    [["ask", " \t"], 2, /nothing was asked/],
    [["--data", "d", "ps", "-a"], 2, /put --data after the command: drover ps --data d/],
    [["--data", "d", "job", "ls"], 2, /after the command: drover job ls --data d/],
    [["--data", "d"], 2, /no flag '--data'/],
    [["--url=u", "ps"], 2, /put --url after the command: drover ps --url=u/],
    [["ask", "--root", "/none", "hello"], 2, /no folder \/none/],
    [["approve", "apr_none"], 3, /no approval/],
    [["attach", "run_none"], 3, /no run/],
  ]) {
    const result = await daemon.cli(args);
    assert.equal(result.code, code, `${args.join(" ")}: ${result.stderr}`);
    assert.match(result.stderr, says);
    assert.equal(result.stdout, "");
  }
  const latin = await daemon.cli(["ask", "-"], { input: Buffer.from([0x61, 0xe9, 0x62]) });
  assert.equal(latin.code, 2);
  assert.match(latin.stderr, /not valid UTF-8/);
});

test("/FLOW in a chat starts that flow, and the session is notified of its end", async (t) => {
  const daemon = await start(t), root = scratch(t);
  mkdirSync(path.join(root, ".drover/flows"), { recursive: true });
  writeFileSync(path.join(root, ".drover/flows/flock.js"), `export default { name: "flock",
    description: "x", steps: [{ id: "quiet", kind: "command", command: "true" },
      { id: "count", kind: "agent", deps: ["quiet"], run: (ctx) => "say: " +
        ctx.input.question + "[" + ctx.results.quiet + "]" }],
    render: (ctx) => ctx.results.count };\n`);
  const input = "/session\n/flock of sheep\nsay: on\n";
  const { code, stdout, stderr } = await daemon.cli(["chat", "--root", root], { input });
  assert.equal(code, 0, stderr);
  const [, session, run] = /\[(ses_\w+)\]\n\[flow flock: (run_\w+);[^]*\non\n/.exec(stdout) ?? [];
  assert.ok(run, stdout);
  let notices = [];
  while (notices.length === 0) {
    const { json } = await daemon.request("GET", `/api/v1/sessions/${session}/messages`,
      { local: true });
    notices = json.items.filter(({ parts }) => parts[0]?.text.includes(run));
  }
  assert.match(notices.at(-1).parts[0].text, /"kind":"flow".*of sheep\[\]/);
  const { json } = await daemon.request("GET", `/api/v1/runs/${run}/flow`, { local: true });
  assert.deepEqual(json.steps.map((step) => [typeof step.run, typeof step.session, step.result]),
    [["string", "object", ""], ["string", "string", "of sheep[]"]]);
});

test("chat in a pipe answers line by line, and goes on after a failure", async (t) => {
  const daemon = await start(t);
  const input = "say: one\n\nfail: 400\n/nope\n/title Herds\nsay: two\n";
  const { code, stdout, stderr } = await daemon.cli(["chat", "--no-root"], { input });
  assert.equal(code, 0, stderr);
  assert.equal(stdout, "one\n[there is no /nope; /help lists the commands]\ntwo\n");
  assert.match(stderr, /^\[failed: bad_request, /);
  assert.match((await daemon.cli(["session", "ls"])).stdout, / Herds$/m);
});
