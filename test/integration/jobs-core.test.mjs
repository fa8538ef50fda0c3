// jobs-core.test.mjs: commands outlive the daemon that started them, and their ends always arrive.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { Daemon, bin, scratch } from "./lib.mjs";
import { openSse } from "./sse.mjs";

function daemonFor(t, args = []) {
  const folder = scratch(t);
  const data = path.join(folder, "d");
  const daemon = new Daemon({ data, args: ["--insecure-loopback", ...args] });
  t.after(() => daemon.kill());
  return { daemon, folder };
}

async function start(daemon, body) {
  const answer = await daemon.request("POST", "/api/v1/jobs", { body });
  assert.equal(answer.status, 201, answer.text);
  return answer.json.id;
}

const show = async (daemon, id) => (await daemon.request("GET", `/api/v1/runs/${id}`)).json;

/** The run as it stands after its end, which its stream tells. */
async function ended(daemon, id) {
  const stream = await openSse(daemon, `/api/v1/streams/run:${id}/events`);
  for (let frame; (frame = await stream.next()); ) {
    if (frame.event !== "run_finished") continue;
    stream.close();
    return show(daemon, id);
  }
  return assert.fail(`${id} has no end`);
}

/** Follows a log until `text` was there. */
async function said(daemon, id, text) {
  const stream = await openSse(daemon, `/api/v1/jobs/${id}/logs`, { accept: "text/event-stream" });
  let all = "";
  for (let frame; (frame = await stream.next()); ) {
    if (frame.event !== "output") continue;
    all += JSON.parse(frame.data).text;
    if (all.includes(text)) return stream.close();
  }
  return assert.fail(`${id} never said ${text}: ${all}`);
}

const metric = async (daemon, name) => {
  const { text } = await daemon.request("GET", "/metrics", { local: true });
  return Number(new RegExp(`^drover_${name} (\\d+)$`, "m").exec(text)[1]);
};

/** Whether a process lives that carries the mark of this run. */
function lives(id) {
  return readdirSync("/proc").some((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`).includes(`DROVER_RUN=${id}.`);
    } catch {
      return false; // No process, or it has just ended.
    }
  });
}

test("a command outlives two daemons, and its true end arrives once", async (t) => {
  const { daemon, folder } = daemonFor(t);
  await daemon.start();
  const go = path.join(folder, "go");
  const line = `echo one; while [ ! -e ${go} ]; do sleep 0.02; done; echo two; exit 42`;
  const id = await start(daemon, { shell: line });
  await said(daemon, id, "one");
  for (let i = 0; i < 2; i++) {
    await daemon.kill();
    await daemon.start();
  }
  assert.equal((await show(daemon, id)).state, "running");
  while ((await metric(daemon, "jobs_adopted_total")) < 1); // Requests are served before that.
  writeFileSync(go, "");
  const run = await ended(daemon, id);
  assert.deepEqual(
    [run.state, run.cause, run.exit_code, run.attempts],
    ["failed", "exit_code", 42, 1],
  );
  assert.equal(run.result.out, 8);
  assert.equal(await metric(daemon, "jobs_adopted_total"), 1);
  assert.equal(await metric(daemon, "jobs_settled_total"), 1);
});

test("what ended while no daemon was there is settled by the next", async (t) => {
  const { daemon, folder } = daemonFor(t);
  await daemon.start();
  const go = path.join(folder, "go");
  const id = await start(daemon, {
    shell: `echo up; while [ ! -e ${go} ]; do sleep 0.02; done; exit 3`,
    once: true,
  });
  await said(daemon, id, "up");
  await daemon.kill();
  writeFileSync(go, "");
  await daemon.start();
  const run = await ended(daemon, id);
  assert.deepEqual([run.state, run.exit_code, run.attempts], ["failed", 3, 1]);
});

test("a daemon that stops in order leaves its commands alone", async (t) => {
  const { daemon, folder } = daemonFor(t);
  await daemon.start();
  const go = path.join(folder, "go");
  const id = await start(daemon, { shell: `echo up; while [ ! -e ${go} ]; do sleep 0.02; done` });
  await said(daemon, id, "up");
  assert.equal((await daemon.stop()).code, 0);
  assert.ok(lives(id));
  await daemon.start();
  writeFileSync(go, "");
  assert.equal((await ended(daemon, id)).state, "succeeded");
});

test("a stop after a restart ends the whole tree", async (t) => {
  const { daemon } = daemonFor(t);
  await daemon.start();
  const line = `setsid sh -c 'trap "" TERM; echo deep; while :; do sleep 1; done' & wait`;
  const id = await start(daemon, { shell: line });
  await said(daemon, id, "deep");
  await daemon.kill();
  await daemon.start();
  const answer = await daemon.request("POST", `/api/v1/runs/${id}/stop`, {
    body: { grace_ms: 100 },
  });
  assert.equal(answer.status, 200, answer.text);
  const run = await ended(daemon, id);
  assert.deepEqual([run.state, run.cause], ["cancelled", "stopped"]);
  assert.ok(!lives(id));
});

test("a holder that is killed leaves nothing but its log", async (t) => {
  const { daemon } = daemonFor(t);
  await daemon.start();
  const id = await start(daemon, { shell: "setsid sleep 1000 & echo kept; wait", once: true });
  await said(daemon, id, "kept");
  const claim = readFileSync(path.join(daemon.data, "spool", `${id}.1`, "claim"), "utf8");
  process.kill(Number(claim.split(" ")[1]), "SIGKILL");
  const run = await ended(daemon, id);
  assert.deepEqual([run.state, run.cause], ["lost", "outcome_unknown"]);
  assert.ok(!lives(id));
  const log = await daemon.request("GET", `/api/v1/jobs/${id}/logs`);
  assert.ok(log.text.includes("kept"));
});

test("a daemon that holds begins nothing, and a restart without it does", async (t) => {
  const { daemon, folder } = daemonFor(t, ["--hold"]);
  await daemon.start();
  const ran = path.join(folder, "ran");
  const id = await start(daemon, { argv: ["touch", ran] });
  assert.equal((await show(daemon, id)).state, "queued");
  await daemon.stop();
  assert.ok(!existsSync(ran));
  daemon.args = daemon.args.filter((word) => word !== "--hold");
  await daemon.start();
  assert.equal((await ended(daemon, id)).state, "succeeded");
  assert.ok(existsSync(ran));
});

test("more commands than places wait their turn", async (t) => {
  const { daemon } = daemonFor(t, ["--max-jobs", "2"]);
  await daemon.start();
  const ids = [];
  for (let i = 0; i < 8; i++) ids.push(await start(daemon, { argv: ["true"] }));
  for (const id of ids) assert.equal((await ended(daemon, id)).state, "succeeded");
  assert.equal(await metric(daemon, "jobs_started_total"), 8);
});

test("so many of a key run at once, in their order, though the daemon is killed", async (t) => {
  const { daemon, folder } = daemonFor(t);
  await daemon.start();
  const file = path.join(folder, "order");
  const go = path.join(folder, "go");
  const line = (name) =>
    `echo b ${name} >> ${file}; while [ ! -e ${go} ]; do sleep 0.02; done; ` +
    `sleep 0.05; echo e ${name} >> ${file}`;
  const ids = [];
  const add = async (name, more) => ids.push(await start(daemon, { shell: line(name), ...more }));
  for (let i = 0; i < 6; i++) await add(`one${i}`, { key: "one", key_max: 1 });
  await add("one-urgent", { key: "one", key_max: 1, priority: 5 });
  for (let i = 0; i < 8; i++) await add(`two${i}`, { key: "two", key_max: 2 });
  await daemon.kill();
  await daemon.start();
  writeFileSync(go, "");
  for (let i = 0; i < 2; i++) {
    await daemon.kill();
    await daemon.start();
  }
  for (const id of ids) {
    const run = await ended(daemon, id);
    assert.equal(run.state, "succeeded", id);
  }
  const steps = readFileSync(file, "utf8").trim().split("\n");
  assert.equal(steps.length, 2 * ids.length);
  const most = { one: 0, two: 0 };
  const now = { one: 0, two: 0 };
  for (const step of steps) {
    const key = step.slice(2, 5);
    now[key] += step[0] === "b" ? 1 : -1;
    most[key] = Math.max(most[key], now[key]);
  }
  assert.deepEqual(most, { one: 1, two: 2 });
  const begun = steps.filter((step) => step.startsWith("b one")).map((step) => step.slice(2));
  const order = ["one0", "one-urgent", "one1", "one2", "one3", "one4", "one5"];
  assert.deepEqual(begun, order);
});

test("a command gets the limit of descriptors that the daemon was started with", async (t) => {
  const { daemon, folder } = daemonFor(t);
  const program = path.join(folder, "drover");
  writeFileSync(program, `#!/bin/sh\nulimit -Sn 512\nexec ${bin} "$@"\n`, { mode: 0o755 });
  daemon.program = program; // The daemon itself takes all that it may have.
  await daemon.start();
  const id = await start(daemon, { shell: 'test "$(ulimit -Sn)" = 512' });
  assert.equal((await ended(daemon, id)).exit_code, 0);
});

test("a job's result has the processes that were seen, and null where nobody looked", async (t) => {
  const { daemon } = daemonFor(t);
  await daemon.start();
  const ran = async (shell) => {
    const run = await ended(daemon, await start(daemon, { shell }));
    return run.result.processes;
  };
  assert.equal(await ran("sleep 1 & sleep 1 & sleep 1 & wait"), 4);
  assert.equal(await ran("sleep 100 & echo here"), 2); // What it leaves behind is ended with it.
  assert.ok([null, 1].includes(await ran(":"))); // 1: on a machine that took a tenth of a second.
});
