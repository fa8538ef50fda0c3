// A holder that is killed: its tree is found and ended, a grandchild that forked twice included;
// what was written so far is kept; and the run says that nobody knows more. The same when the
// daemon is killed with it.
//
// And whoever is not ours is never touched: a claim may name a pid that another process has by now.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { bin, plainEnv } from "../integration/lib.mjs";
import { Custody, kill, lives, processesOf, startTime, until } from "./custody.mjs";

async function open(t) {
  const custody = new Custody(t);
  await custody.daemon.start();
  return custody;
}

const deaf = "trap '' HUP INT QUIT TERM";
// Main process, a child that is deaf, and a grandchild of nobody in a session of its own.
const FAMILY =
  `${deaf}; (setsid sh -c 'sleep 600; :' &); sh -c 'sleep 600; :' & ` +
  "echo one; echo two >&2; echo three; sleep 600; :";

/** A job of that line, all of whose processes are there; with the holder that claimed it. */
async function family(custody, more = {}) {
  const id = await custody.shell(FAMILY, more);
  await custody.wrote(id, "three\n");
  await until("the family is complete", () => membersOf(custody, id).length >= 6);
  const name = `${id}.1`;
  return { id, name, holder: custody.claim(name) };
}

const membersOf = (custody, id) => {
  return processesOf(custody.data).filter((one) => one.run?.startsWith(id));
};

async function checkLost(custody, { id }, cause) {
  const run = await custody.ended(id);
  assert.deepEqual([run.state, run.cause, run.attempts], ["lost", cause, 1]);
  assert.equal(run.exit_code, null);
  await custody.nobodyIsLeft();
  assert.equal(await custody.text(id), "one\nthree\n", "what it wrote is kept");
  assert.equal(await custody.text(id, "err"), "two\n");
}

for (const [word, cause] of [["", "holder_killed"], [" that runs once", "outcome_unknown"]]) {
  const more = { once: word !== "" };

  test(`a killed holder of a job${word}: the tree ends, the log is kept`, async (t) => {
    const custody = await open(t);
    const job = await family(custody, more);
    kill(job.holder.pid);
    await checkLost(custody, job, cause);
  });

  test(`a holder of a job${word} killed with its daemon: the next one sees to it`, async (t) => {
    const custody = await open(t);
    const job = await family(custody, more);
    const killed = custody.daemon.kill();
    kill(job.holder.pid);
    await killed;
    await custody.daemon.start();
    await checkLost(custody, job, cause);
  });

  test(`a holder of a job${word} killed while no daemon is there`, async (t) => {
    const custody = await open(t);
    const job = await family(custody, more);
    await custody.daemon.kill();
    kill(job.holder.pid);
    await until("the holder is gone", () => !lives(job.holder.pid));
    await custody.daemon.start();
    await checkLost(custody, job, cause);
  });
}

// --- Who hid from mark and descent ---------------------------------------------------------------

/** Why no command can have a cgroup here, by the doctor; undefined: it can. */
function lackOfCgroups(custody) {
  const { stdout } = spawnSync(bin, ["doctor", "--json", "--data", custody.data], {
    env: plainEnv,
    encoding: "utf8",
  });
  const rows = stdout.trim().split("\n").map((line) => JSON.parse(line));
  const row = rows.find((one) => one.check === "cgroups");
  return row.verdict === "ok" ? undefined : row.detail;
}

/** A job with a process that has no mark, and no parent but the holder. */
async function escape(custody) {
  const file = path.join(custody.folder, "escaped");
  const flee = `setsid sleep 600 & echo $! > ${file}.new; mv ${file}.new ${file}`;
  const id = await custody.shell(`env -i /bin/sh -c '${flee}'; echo three; sleep 600; :`);
  await custody.wrote(id, "three\n");
  const pid = Number(readFileSync(file, "utf8"));
  assert.ok(lives(pid));
  return { id, pid, holder: custody.claim(`${id}.1`).pid };
}

async function checkGone(custody, { id, pid }) {
  const run = await custody.ended(id);
  assert.deepEqual([run.state, run.cause], ["lost", "holder_killed"]);
  assert.ok(!lives(pid), "it was ended before the run was");
}

test("a killed holder: who cleared its environment and forked twice ends too", async (t) => {
  const custody = await open(t);
  const lack = lackOfCgroups(custody);
  if (lack !== undefined) return t.skip(lack);
  const job = await escape(custody);
  kill(job.holder);
  await checkGone(custody, job);
});

test("a killed holder: the time on the processors is known to the cgroup", async (t) => {
  const custody = await open(t);
  const lack = lackOfCgroups(custody);
  if (lack !== undefined) return t.skip(lack);
  const busy = "i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done";
  const id = await custody.shell(`(${busy}); echo three; sleep 600; :`);
  await custody.wrote(id, "three\n");
  kill(custody.claim(`${id}.1`).pid);
  const { state, result } = await custody.ended(id);
  assert.equal(state, "lost");
  assert.ok(result.cpu_us > 5000 && result.cpu_us < 60e6, JSON.stringify(result));
  const { json } = await custody.ask("GET", `/api/v1/runs/${id}/spans`);
  assert.equal(json.items[0].cpu_us, result.cpu_us, JSON.stringify(json));
});

test("a holder killed with its daemon: who hid is found by the next one", async (t) => {
  const custody = await open(t);
  const lack = lackOfCgroups(custody);
  if (lack !== undefined) return t.skip(lack);
  const job = await escape(custody);
  await custody.daemon.kill();
  kill(job.holder);
  await custody.daemon.start();
  await checkGone(custody, job);
});

test("a lost attempt is tried again where that was asked for, and only one counts", async (t) => {
  const custody = await open(t);
  const retry = { max: 1, on: ["lost"], backoff: 1 };
  const line = `[ $DROVER_ATTEMPT = 2 ] && { echo second; exit 4; }; ${FAMILY}`;
  const id = await custody.start({ shell: line, retry });
  await custody.wrote(id, "three\n");
  kill(custody.claim(`${id}.1`).pid);
  const run = await custody.ended(id);
  assert.deepEqual([run.state, run.cause, run.attempts], ["failed", "exit_code", 2]);
  assert.equal(await custody.text(id), "second\n");
  await custody.nobodyIsLeft();
});

test("many holders killed at once leave nobody", async (t) => {
  const custody = await open(t);
  const ids = await Promise.all(
    Array.from({ length: 40 }, () => custody.shell("(setsid sleep 600 &); echo up; sleep 600")),
  );
  for (const id of ids) await custody.wrote(id, "up\n");
  ids.forEach((id) => kill(custody.claim(`${id}.1`).pid));
  for (const id of ids) assert.equal((await custody.ended(id)).cause, "holder_killed");
  await custody.nobodyIsLeft();
});

// --- Identity ------------------------------------------------------------------------------------

/** Somebody who has nothing to do with it. */
async function stranger(t, env = {}) {
  const child = spawn("sleep", ["600"], { env: { ...plainEnv, ...env }, stdio: "ignore" });
  t.after(() => child.kill("SIGKILL"));
  await once(child, "spawn");
  return child;
}

/** The claim of an attempt whose holder is gone, with the stranger's pid in it. */
function forge(custody, job, { pid, start = job.holder.startTime }) {
  const [go, , , ...rest] = job.holder.line.split(" ");
  writeFileSync(path.join(custody.spool(job.name), "claim"), [go, pid, start, ...rest].join(" "));
}

/** A job that ran under a holder which is gone, and no daemon. */
async function orphaned(custody) {
  const job = await family(custody);
  await custody.daemon.kill();
  kill(job.holder.pid);
  await custody.endAll();
  return job;
}

/** Holds the lock of that attempt, as a living holder would. */
async function lockHolder(t, custody, job) {
  const lock = path.join(custody.spool(job.name), "lock");
  const words = ["--no-fork", lock, "sh", "-c", "echo held; exec sleep 600"];
  const child = spawn("flock", words, { env: plainEnv, stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  await once(child.stdout, "data");
  return child;
}

test("a recycled pid in a claim is not signalled", async (t) => {
  const custody = await open(t);
  const job = await orphaned(custody);
  const other = await stranger(t);
  forge(custody, job, { pid: other.pid });
  await custody.daemon.start();
  await checkLost(custody, job, "holder_killed");
  assert.ok(lives(other.pid), "the stranger lives");
});

// Nobody answers at its socket, so the daemon gives up asking after some seconds, and kills.
test("a holder that nobody reaches is killed at a stop, and not who has its pid", async (t) => {
  const custody = await open(t);
  const jobs = [await family(custody), await family(custody)];
  await custody.daemon.kill();
  jobs.forEach((job) => kill(job.holder.pid));
  await custody.endAll();
  const other = await stranger(t);
  const lockers = [await lockHolder(t, custody, jobs[0]), await lockHolder(t, custody, jobs[1])];
  forge(custody, jobs[0], { pid: lockers[0].pid, start: startTime(lockers[0].pid) });
  forge(custody, jobs[1], { pid: other.pid });
  await custody.daemon.start();
  await Promise.all(jobs.map((job) => custody.stop(job.id, 0)));
  const reached = await custody.ended(jobs[0].id);
  assert.deepEqual([reached.state, reached.cause], ["cancelled", "stopped"]);
  assert.ok(!lives(lockers[0].pid), "the holder is killed");
  await pause(2000); // The other's turn to be killed comes once a second by now.
  assert.equal((await custody.show(jobs[1].id)).state, "running");
  assert.ok(lives(other.pid) && lives(lockers[1].pid), "nobody else is touched");
  lockers[1].kill("SIGKILL");
  assert.equal((await custody.ended(jobs[1].id)).state, "cancelled");
  assert.ok(lives(other.pid), "the stranger lives");
});

test("a process with the mark of another attempt, or a part of the mark, lives on", async (t) => {
  const custody = await open(t);
  const job = await family(custody);
  const nonce = job.holder.line.trim().split(" ")[4];
  const others = [
    await stranger(t, { DROVER_RUN: `${job.name}.${"0".repeat(32)}` }),
    await stranger(t, { DROVER_RUN: `${job.id}.2.${nonce}` }),
    await stranger(t, { DROVER_RUN: `${job.name}.${nonce}0` }),
    await stranger(t, { OTHER_DROVER_RUN: `${job.name}.${nonce}` }),
    await stranger(t, { TEXT: `x DROVER_RUN=${job.name}.${nonce}` }),
  ];
  kill(job.holder.pid);
  await checkLost(custody, job, "holder_killed");
  others.forEach((other, i) => assert.ok(lives(other.pid), `stranger ${i} lives`));
});
