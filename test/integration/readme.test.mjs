// readme.test.mjs: the README's commands do what the README says, typed as they stand there.
//
// Each test names the blocks of a heading, so that one which is added to the README without a test
// fails here.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { bin, Daemon, root, scratch } from "./lib.mjs";
import { keptPort } from "./ports.mjs";
import { scaled } from "./scale.mjs";

const readme = readFileSync(path.join(root, "README.md"), "utf8");

/** The shell blocks below the heading, in order. */
function blocks(heading, count) {
  const section = readme.split(`\n## ${heading}\n`)[1].split("\n## ")[0];
  const found = [...section.matchAll(/```sh\n(.*?)```/gs)].map((match) => match[1]);
  assert.equal(found.length, count, `blocks below "${heading}"`);
  return found;
}

/** The line without its comment, which stands behind two blanks and never inside quotes. */
const plain = (line) => line.replace(/(^| +)# .*$/, "");

/** Runs what a user would type, one shell for all; what waits or follows ends after a second. */
function type(daemon, text, { port, before = "", after = "" } = {}) {
  const typed = text
    .split("\n")
    .map(plain)
    .join("\n")
    .replaceAll("wait=30", "wait=1")
    .replaceAll("http://127.0.0.1:7433", daemon.url)
    .replaceAll("./data", daemon.data)
    .replaceAll("scripts/receiver.py", path.join(root, "scripts/receiver.py"))
    .replaceAll("build/drover", bin)
    .replaceAll(/\b9000\b/g, String(port))
    .replaceAll(/curl -sN ((?:.*\\\n)*.*)$/gm, "timeout 1 curl -sN $1 || [ $? = 124 ]");
  const script = `export DROVER_DATA='${daemon.data}'\n${before}\n${typed}\n${after}`;
  return new Promise((resolve) =>
    execFile("sh", ["-euc", script], { env: daemon.env }, (error, stdout, stderr) =>
      resolve({ code: error ? error.code : 0, stdout, stderr }),
    ),
  );
}

test("the quick start works as it is written", { timeout: scaled(60_000) }, async (t) => {
  const [serve, curl, cli, token] = blocks("Quick start", 4);
  assert.match(serve, /build\/drover serve --data \.\/data --listen 127\.0\.0\.1:7433/);
  const daemon = new Daemon({ data: scratch(t), args: ["--insecure-loopback"] });
  t.after(() => daemon.kill());
  await daemon.start();

  const first = await type(daemon, curl);
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stdout, /^\{"stream":"notes","seq":1,"at_ms":\d+\}/);
  assert.match(first.stdout, /"events":\[\{"seq":1,.*"data":\{"text":"hello"\}\}\],"head":1/);
  assert.match(first.stdout, /id: 1\nevent: note\ndata: \{"text":"hello"\}/);

  const second = await type(daemon, cli);
  assert.equal(second.code, 0, second.stderr);
  assert.match(second.stdout, /hello again/);

  const third = await type(daemon, token);
  assert.equal(third.code, 0, third.stderr);
  assert.match(third.stdout, /\S{20,}/);
});

test("a job runs, outlives the daemon and is stopped as it is written", {
  timeout: scaled(120_000),
}, async (t) => {
  const [run, kill, serve, back, curl, webhook, budget] = blocks("Run a job", 7);
  const args = ["--insecure-loopback", "--webhook-allow", "127.0.0.1"];
  assert.ok(serve.includes(`--listen 127.0.0.1:7433 ${args.join(" ")}`), serve);
  const daemon = new Daemon({ data: scratch(t), args });
  t.after(() => daemon.kill());
  await daemon.start();

  // The first command ends with the exit code of its job, which ends a shell with -e.
  const [home, first, ...rest] = run.split("\n");
  assert.equal(home, "export DROVER_DATA=./data");
  const code = await type(daemon, first);
  assert.equal(code.code, 3, code.stderr);
  assert.equal(code.stdout, "at work\n");
  const life = await type(daemon, rest.join("\n"));
  assert.equal(life.code, 0, life.stderr);
  assert.match(life.stdout, /^run_\S+ +job +running .*\d{4}\n/ms); // ps, then the date.
  assert.match(life.stdout, /^state +succeeded/m);
  assert.match(life.stdout, /^run_\S+ is removed$/m);

  // The daemon is killed by the README's own command; the job has begun to write by then.
  const begun = `until [ -s ${daemon.data}/spool/"$id".1/out.head ]; do sleep 0.05; done\n$1`;
  const killed = await type(daemon, kill.replace(/^(kill .*)$/m, begun), {
    after: 'printf "id=%s\\n" "$id"',
  });
  assert.equal(killed.code, 0, killed.stderr);
  assert.match(killed.stdout, /^1\n/);
  const id = /^id=(run_\S+)$/m.exec(killed.stdout)[1];
  await daemon.ended();
  assert.ok(!existsSync(`${daemon.data}/spool/${id}.1/exit.json`), "the job goes on");

  await daemon.start();
  const found = await type(daemon, back, { before: `id=${id}` });
  assert.equal(found.code, 0, found.stderr);
  const lines = Array.from({ length: 40 }, (_, n) => `${n + 1}\n`).join("");
  assert.ok(found.stdout.startsWith(lines), found.stdout);
  assert.match(found.stdout, /^it ended with 3$/m);
  assert.match(found.stdout, /^run_\S+ cancelled \(stopped\)$/m);

  // A user is slower than a shell: the job that was just asked for has ended when he looks.
  const ended = 'build/drover job wait "$id" >/dev/null || [ $? = 3 ]';
  const http = await type(daemon, curl.replace(/^(id=.*)$/m, `$1\n${ended}`));
  assert.equal(http.code, 0, http.stderr);
  assert.match(http.stdout, /^\{"id":"run_[^"]+","kind":"job","state":"running"/);
  assert.match(http.stdout, /event: done\ndata: \{"state":"failed",.*"exit_code":3/);
  assert.match(http.stdout, /"code":"conflict"\}\s*\{"id":"run_[^"]+",[^\n]*"state":"failed"/);

  const taken = await type(daemon, webhook, {
    port: await keptPort(),
    after: `until ${bin} inbox ls --all --json | grep -q '"acknowledged"'; do sleep 0.1; done`,
  });
  assert.equal(taken.code, 0, taken.stderr);
  assert.match(taken.stdout, /^taken dlv_\S+ run_\S+ failed exit_code 3$/m);
  assert.doesNotMatch(taken.stdout, /^forged/m);

  const spent = await type(daemon, budget);
  assert.equal(spent.code, 0, spent.stderr);
  assert.match(spent.stdout, /^done$/m);
  assert.match(spent.stdout, /^project:nightly +0 {2}wall_ms 1\.\d+s of 2h 00m$/m);
});

test("a model without a key answers as it is written", { timeout: scaled(60_000) }, async (t) => {
  const [talk] = blocks("Talk with a model", 1);
  const daemon = new Daemon({ data: scratch(t) });
  t.after(() => daemon.kill());
  await daemon.start();
  const { code, stdout, stderr } = await type(daemon, talk);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^This is the scripted model: .* What can you do\?$/m);
  assert.match(stdout, /^I have read it\.$/m);
  assert.match(stdout, /^SESSION +STATE +CHANGED +TITLE$/m);
  assert.match(stdout, /^\[read_file succeeded\]$/m);
});
