// The end of a job is decided once. The daemon is killed at each call between the commit that takes
// a job in and the end of its command, the daemon after it while it recovers, and the holder at
// each of its own calls, alone or together with the daemon. Whatever happens, the command ran at
// most once, one attempt at most was claimed by a holder, and the job's end says the truth:
// `succeeded` ran, `lost` may have run, and a start of which nothing came is begun again.
//
// runs-with: release
//
// DROVER_FAULTY            the daemon with a fault in it (test/fault/faulty.h)
// DROVER_FAULTY_HOLDER     the holder with a fault in it (test/fault/faulty_holder.c)
// DROVER_CUSTODY_SECONDS   so long for each of the five (DROVER_TEST_ALL=1: every point)
// DROVER_FAULT_OFFSET      0 to 1: where the stride begins, to repeat a run
import assert from "node:assert/strict";
import {
  copyFileSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync,
} from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { bin, root } from "../integration/lib.mjs";
import { scaled } from "../integration/scale.mjs";
import { Custody, processesOf, until } from "./custody.mjs";
import { strides } from "./points.mjs";

const build = (name) => path.resolve(root, "build/release/test/fault", name);
const faulty = process.env.DROVER_FAULTY ?? build("drover-faulty");
const faultyHolder = process.env.DROVER_FAULTY_HOLDER ?? build("holder-faulty");
const offset = Number(process.env.DROVER_FAULT_OFFSET ?? Math.random());
const seconds = process.env.DROVER_TEST_ALL
  ? Infinity
  : Number(process.env.DROVER_CUSTODY_SECONDS ?? 5);
const TIMEOUT_MS = scaled(3_600_000);

// --- One job and what must be true of it ---------------------------------------------------------

/** A job that leaves a line for each time it ran. */
class Witness {
  constructor(custody, name, once, rest = "echo hello") {
    Object.assign(this, { custody, name, once });
    this.file = path.join(custody.folder, `ran-${name}`);
    this.body = { shell: `echo $DROVER_ATTEMPT >> ${this.file}; ${rest}`, once };
  }

  /** False: the daemon died over it. Asked again, the key makes it the same job. */
  async handIn() {
    const headers = { "idempotency-key": this.name };
    const { custody, body } = this;
    const answer = await custody.ask("POST", "/api/v1/jobs", { body, headers }).catch(() => null);
    if (answer === null) return false;
    assert.equal(answer.status, 201, answer.text);
    assert.ok(this.id === undefined || this.id === answer.json.id, "the key names one job");
    this.id = answer.json.id;
    return true;
  }

  ran() {
    return existsSync(this.file) ? readFileSync(this.file, "utf8").split("\n").slice(0, -1) : [];
  }

  async check() {
    const run = await this.custody.ended(this.id);
    await until("its processes have ended", () => {
      return !processesOf(this.custody.data).some((one) => one.run?.startsWith(this.id));
    });
    const what = `${this.name}: ${JSON.stringify(run)}, ran ${JSON.stringify(this.ran())}`;
    const claimed = this.custody.attempts(this.id);
    assert.ok(this.ran().length <= 1, `at most once: ${what}`);
    assert.deepEqual(claimed, [run.attempt], `only the last one was claimed: ${what}`);
    if (run.state === "succeeded") {
      assert.deepEqual(this.ran(), [String(run.attempt)], what);
      assert.equal(await this.custody.text(this.id), "hello\n", what);
    } else {
      assert.equal(run.state, "lost", what);
      assert.equal(run.cause, this.once ? "outcome_unknown" : "holder_killed", what);
    }
    return run;
  }
}

/** Calls `tryOne(n, once)` for numbers of the stride until the time is over; what came of them. */
async function forPoints(total, tryOne) {
  const stopAt = Date.now() + seconds * 1000;
  const seen = { points: 0 };
  for (const n of strides(total, offset)) {
    if (Date.now() >= stopAt) break;
    for (const once of [true, false]) {
      const word = await tryOne(n, once);
      seen[word] = (seen[word] ?? 0) + 1;
    }
    seen.points++;
  }
  return `${seen.points} of ${total} points (offset ${offset}): ${JSON.stringify(seen)}`;
}

// --- The daemon is killed ------------------------------------------------------------------------

/** The daemon with that fault, which counts from the moment that `arm` is called. */
function plant(custody, fault, from) {
  custody.daemon.program = faulty;
  const env = { DROVER_FAULT: fault, DROVER_FAULT_UNDER: custody.data };
  custody.daemon.env = { ...custody.clean, ...env, ...(from ? { DROVER_FAULT_FROM: from } : {}) };
  return () => writeFileSync(from, "");
}

function heal(custody) {
  custody.daemon.program = bin;
  custody.daemon.env = custody.clean;
}

/** How many calls there are while a job runs, or (without one) while a daemon starts. */
async function countCalls(custody, withJob) {
  const from = path.join(custody.folder, "count");
  const arm = plant(custody, "count", from);
  if (!withJob) arm();
  await custody.daemon.start();
  if (withJob) {
    arm();
    const job = new Witness(custody, "counted", true);
    await job.handIn();
    await job.check();
  }
  await custody.daemon.stop();
  rmSync(from);
  heal(custody);
  return Number(/^fault: any has (\d+) points$/m.exec(custody.daemon.log)[1]);
}

async function killDaemon(custody, { fault, once, recovery }) {
  const job = new Witness(custody, `${fault}-${once}`, once);
  const from = path.join(custody.folder, `from-${job.name}`);
  const arm = plant(custody, fault, from);
  await custody.daemon.start();
  arm();
  if (await job.handIn()) await Promise.race([job.check().catch(() => {}), custody.daemon.exited]);
  await custody.daemon.kill();
  await custody.daemon.closed;
  const hit = /^fault: \S+ at /m.test(custody.daemon.log);
  if (recovery) await killRecovery(custody, recovery);
  heal(custody);
  await custody.daemon.start();
  await job.handIn();
  const run = await job.check();
  await custody.daemon.kill();
  const word = run.state === "lost" ? "lost" : run.attempt > 1 ? "again" : "first";
  return hit ? word : "missed";
}

async function killRecovery(custody, n) {
  plant(custody, `any-kill:${n}`);
  custody.daemon.spawn();
  // It dies, or gets through its start.
  const ready = new Promise((resolve) => custody.daemon.child.stdout.once("data", resolve));
  await Promise.race([custody.daemon.exited, ready]);
  await custody.daemon.kill();
}

function makeCustody(t) {
  for (const file of [faulty, faultyHolder]) assert.ok(existsSync(file), `${file} is built`);
  const custody = new Custody(t);
  custody.clean = custody.daemon.env;
  return custody;
}

for (const recovers of ["", ", and the next one while it recovers"]) {
  const title = `a daemon killed at any call${recovers}: the command runs once`;
  test(title, { timeout: TIMEOUT_MS }, async (t) => {
    const custody = makeCustody(t);
    const total = await countCalls(custody, true);
    const starting = await countCalls(custody, false);
    let next = 0;
    const said = await forPoints(total, (n, once) => {
      const recovery = recovers && 1 + ((next += 7) % starting);
      return killDaemon(custody, { fault: `any-kill:${n}`, once, recovery });
    });
    t.diagnostic(said);
  });
}

test("a daemon killed right after a step of a start: the command runs once", async (t) => {
  const custody = makeCustody(t);
  for (let n = 1; n <= 12; n++) {
    await killDaemon(custody, { fault: `start-done:${n}`, once: n % 2 === 0 });
  }
});

// --- The holder is killed ------------------------------------------------------------------------

/** Puts the holder with a fault where the daemon will start it. */
function putHolder(custody, plan) {
  const libexec = path.join(custody.data, "libexec");
  const file = path.join(libexec, readdirSync(libexec)[0], "holder");
  copyFileSync(faultyHolder, `${file}.new`);
  renameSync(`${file}.new`, file);
  rmSync(`${file}.hit`, { force: true });
  writeFileSync(`${file}.fault`, plan);
  const clear = () => rmSync(`${file}.fault`, { force: true });
  return { hit: () => existsSync(`${file}.hit`), clear };
}

async function killHolder(custody, { n, how, once }) {
  const job = new Witness(custody, `${n}-${how}-${once}`, once);
  if (!custody.daemon.running) await custody.daemon.start();
  const planted = putHolder(custody, `${n} ${how}`);
  const handed = await job.handIn();
  if (how === "both") {
    if (handed) await Promise.race([job.check().catch(() => {}), custody.daemon.exited]);
    await custody.daemon.kill();
    await custody.daemon.start();
    await job.handIn();
  }
  const run = await job.check();
  planted.clear();
  if (!planted.hit()) return "missed";
  return run.state === "lost" ? "lost" : run.attempt > 1 ? "again" : "first";
}

const SIDE_BY_SIDE = 3;
const HOLDER_CALLS_FIRST = 30; // Twice that many are made before the command runs.
const HOLDER_CALLS = 160; // Of a short command; what is beyond is missed, and then nothing happens.

for (const how of ["alone", "both"]) {
  const whom = how === "alone" ? "a holder" : "a holder and its daemon";
  test(`${whom} killed at any call: the command runs once`, { timeout: TIMEOUT_MS }, async (t) => {
    const custody = makeCustody(t);
    await custody.daemon.start();
    t.diagnostic(await forPoints(HOLDER_CALLS, (n, once) => killHolder(custody, { n, how, once })));
  });
}

// Two decide at once: the next daemon finds a start without a claim while its holder is on its way.
test("a holder that comes to its claim late finds what the next daemon decided", async (t) => {
  const wakes = async (custody, n) => {
    const job = new Witness(custody, `wakes-${n}`, n % 2 === 0);
    await custody.daemon.start();
    const planted = putHolder(custody, `${n} pause`);
    const handed = await job.handIn();
    await until("the daemon is killed, or nobody is hit", async () => {
      return !custody.daemon.running || (handed && job.ran().length > 0 && !planted.hit());
    });
    await custody.daemon.kill();
    planted.clear();
    await custody.daemon.start();
    await job.handIn();
    await custody.ended(job.id);
    await custody.nobodyIsLeft(); // Now the late one has come and gone, too.
    const run = await job.check();
    assert.equal(run.state, "succeeded", "nobody was killed but the daemon");
    await custody.daemon.kill();
    return run.attempt > 1 ? "again" : planted.hit() ? "first" : "missed";
  };
  // Each waits most of its time, so some go side by side.
  const strands = await Promise.all(
    Array.from({ length: SIDE_BY_SIDE }, async (_, strand) => {
      const custody = makeCustody(t);
      const own = (n) => 1 + ((n + strand * 17) % HOLDER_CALLS_FIRST);
      return forPoints(HOLDER_CALLS_FIRST, (n, once) => wakes(custody, 2 * own(n) + Number(once)));
    }),
  );
  strands.forEach((said) => t.diagnostic(said));
});

// The command's process is there before its program is, and carries no mark yet.
test("a command whose holder dies before its program begins is not forgotten", async (t) => {
  const custody = makeCustody(t);
  await custody.daemon.start();
  for (let n = 1, missed = false; !missed; n++) {
    const job = new Witness(custody, `late-${n}`, n % 2 === 0, "exec sleep 600");
    const planted = putHolder(custody, `${n} late`);
    await job.handIn();
    const over = async () => (await custody.show(job.id)).ended_ms !== null;
    await until("it runs, or is over", async () => job.ran().length > 0 || (await over()));
    missed = !planted.hit();
    planted.clear();
    if (!(await over())) await custody.stop(job.id, 0);
    const run = await custody.ended(job.id);
    await custody.nobodyIsLeft();
    assert.ok(job.ran().length <= 1, JSON.stringify(run));
  }
});
