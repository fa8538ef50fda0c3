// bugreport.test.mjs: a report has what is needed to find a fault, and no secret of any kind.
//
// runs-with: release
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { Daemon, plainEnv, run, scratch } from "./lib.mjs";
import { until } from "./providers.mjs";

/** A secret for each place, none like another. */
const PLANTED = {
  daemonKey: "sk-daemon-0a1b2c3d4e5f6a7b",
  daemonPlain: "horse battery staple",
  clientToken: "plain-client-value",
  providerKey: "stored-provider-value",
  header: "header-planted-value",
  url: "url-planted-value",
  jobVariable: "job-variable-value",
  argument: "argument-planted-value",
  quoted: 'a "quoted" value',
  prompt: "sk-prompt-99887766554433",
  bearer: "bearer-planted-value",
  note: "ghp_0123456789abcdefghij",
};

const daemonOf = async (t) => {
  const data = path.join(scratch(t), "d");
  const env = {
    OPENAI_API_KEY: PLANTED.daemonKey,
    MY_LLM: PLANTED.daemonPlain,
    MY_PHRASE: PLANTED.quoted,
  };
  const daemon = await new Daemon({ data, args: ["--insecure-loopback"], env }).start();
  t.after(() => daemon.kill());
  return daemon;
};

const post = async (daemon, target, body) => {
  const answer = await daemon.request("POST", `/api/v1/${target}`, { body });
  assert.ok(answer.status < 300, answer.text);
  return answer.json;
};

/** A provider, a job and a turn, each with secrets in it; the id of the turn, which failed. */
async function plant(daemon) {
  await post(daemon, "providers", {
    name: "mine",
    kind: "openai",
    base_url: "http://127.0.0.1:9/v1",
    key: PLANTED.providerKey,
    headers: { "X-Custom": PLANTED.header },
  });
  const job = await post(daemon, "jobs", {
    argv: ["false", "--password", PLANTED.argument, PLANTED.quoted],
    env: { DB_PASS: PLANTED.jobVariable },
    label: "deploy now",
  });
  const session = await post(daemon, "sessions", { instructions: `use ${PLANTED.prompt}` });
  const text = `fail: 400 no ${PLANTED.note} at http://u:${PLANTED.url}@h/?a=${PLANTED.url}\n` +
    `think: my visible words, ${PLANTED.prompt}, Authorization: Bearer ${PLANTED.bearer}`;
  const { run: turn } = await post(daemon, `sessions/${session.id}/messages`, { text });
  for (const id of [job.id, turn]) {
    const state = async () => (await daemon.request("GET", `/api/v1/runs/${id}`)).json.state;
    await until("the run fails", async () => (await state()) === "failed");
  }
  return { job: job.id, turn };
}

const report = async (daemon, ...args) => {
  const env = { GITHUB_TOKEN: PLANTED.clientToken };
  const { code, stdout, stderr } = await daemon.cli(["bugreport", "-o", "-", ...args], { env });
  assert.equal(code, 0, stderr);
  for (const [place, secret] of Object.entries(PLANTED)) {
    const at = stdout.indexOf(secret);
    assert.equal(at, -1, `${place}: ${stdout.slice(Math.max(0, at - 200), at + 60)}`);
  }
  return stdout;
};

test("a report has the failed run, texts where they are asked for, no secret", async (t) => {
  const daemon = await daemonOf(t);
  const { job, turn } = await plant(daemon);
  const text = await report(daemon, turn);
  for (const title of ["versions", "daemon", "readiness", "doctor", "settings", "config.json",
    "providers", "newest runs", "run", "spans of the run", "events of the run",
    "end of the log"]) {
    assert.ok(text.includes(`\n=== ${title} ===\n`), title);
  }
  assert.match(text, /^{"check":"integrity","verdict":"ok",/m);
  assert.ok(text.includes(`{"id":"${turn}","kind":"turn","state":"failed"`));
  assert.match(text, /"note":"the script's line \\"\[\d+ bytes\]\\" is not valid/);
  assert.match(text, /"type":"turn_finished"/);
  assert.match(text, /"base_url":"http:\/\/127\.0\.0\.1:9\/v1"/);
  assert.match(text, /^OPENAI_API_KEY$/m);
  assert.match(text, /^GITHUB_TOKEN$/m);
  assert.ok(!text.includes("visible words") && !text.includes("deploy"), "texts are left out");
  assert.match(text, /\(\d+ texts; \[N bytes\]/);

  const whole = await report(daemon, turn, "--with-texts");
  assert.ok(whole.includes("my visible words, [removed], Authorization: Bearer [removed]"), whole);
  const ofJob = await report(daemon, job, "--with-texts");
  assert.ok(ofJob.includes('"argv":["false","--password","[removed]","[removed]"]'), ofJob);
  const newest = await report(daemon);
  assert.ok(newest.includes(`"id":"${turn}"`), "without RUN: the newest that failed");
  const missing = await post(daemon, "jobs", { argv: ["secret-program"] });
  assert.equal((await daemon.cli(["job", "wait", missing.id])).code, 127);
  const ofMissing = await report(daemon, missing.id);
  assert.match(ofMissing, /"note":"There is no program \[\d+ bytes\]"/);
  assert.ok(!ofMissing.includes("secret-program"), ofMissing);

  const nothing = await daemon.cli(["bugreport", "run_01m87ky3rv7teg5qaaxsmfvsk0", "-o", "-"]);
  assert.equal(nothing.code, 3, nothing.stderr);
});

test("without a daemon the report says so; a file is made once, for its owner alone", async (t) => {
  const data = path.join(scratch(t), "d");
  mkdirSync(path.join(data, "provider-keys"), { recursive: true, mode: 0o700 });
  writeFileSync(path.join(data, "provider-keys", "p.key_1"), "another-stored-value\n");
  const settings = { database: "postgres://me:hunter-pass@db/x", api_key: "config-key-value" };
  writeFileSync(path.join(data, "config.json"), JSON.stringify(settings));
  const lines = ["old line", "log says another-stored-value", "log says config-key-value"];
  writeFileSync(path.join(data, "log"), `${lines.join("\n")}\n`);
  const file = path.join(data, "report.txt");
  const args = ["bugreport", "--data", data, "-o", file];
  const first = await run(args, { env: { ...plainEnv, DROVER_NO_START: "1" } });
  assert.equal(first.code, 0, first.stderr);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const text = readFileSync(file, "utf8");
  assert.match(text, /not available: no daemon serves/);
  assert.match(text, /^log says \[removed\]\nlog says \[removed\]$/m);
  for (const secret of ["another-stored", "hunter-pass", "config-key-value"]) {
    assert.ok(!text.includes(secret), secret);
  }
  const second = await run(args, { env: plainEnv });
  assert.notEqual(second.code, 0);
  assert.match(second.stderr, /report\.txt cannot be created/);
});
