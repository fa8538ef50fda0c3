// The daemon is killed with SIGKILL again and again under jobs that stand under budgets: one for
// all, one that is so tight that some of its jobs must wait and some fail, one without a limit,
// one of each third job's own, and none. Afterwards every budget has spent exactly what its jobs
// took, as their own results say, nothing is reserved any more, and nobody waits; and at most of
// the kills something was reserved.
//
// runs-with: release, postgres, each
//
// DROVER_BUDGET_KILLS    how many kills (50; on PostgreSQL 10; with DROVER_TEST_ALL=1: 500)
// DROVER_BUDGET_SECONDS  fewer if they take longer (25; DROVER_TEST_ALL=1: as long as it takes)
// DROVER_SEED            repeats a run's jobs and kill times
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { Random } from "../integration/lib.mjs";
import { Custody, until } from "./custody.mjs";

const whole = Boolean(process.env.DROVER_TEST_ALL);
const usual = whole ? 500 : process.env.DROVER_DATABASE ? 10 : 50;
const kills = Number(process.env.DROVER_BUDGET_KILLS ?? usual);
const seconds = whole ? Infinity : Number(process.env.DROVER_BUDGET_SECONDS ?? 25);
const seed = Number(process.env.DROVER_SEED ?? randomInt(1, 2 ** 31));
const LIVE = 24; // Jobs that the client keeps going.
const PROJECTS = [undefined, "tight", "free"];

/** Asks until it is answered: the daemon dies now and then. */
function answered(custody, method, target, options) {
  return until(`${method} ${target}`, () =>
    custody.ask(method, target, options).catch(() => null),
  );
}

async function budget(custody, scope) {
  const answer = await answered(custody, "GET", `/api/v1/budgets/${scope}`);
  assert.equal(answer.status, 200, `${scope}: ${answer.text}`);
  return answer.json;
}

async function limit(custody, scope, limits) {
  const answer = await answered(custody, "PATCH", `/api/v1/budgets/${scope}`, { body: limits });
  assert.equal(answer.status, 200, answer.text);
}

// --- Jobs ----------------------------------------------------------------------------------------

function plan(random, number) {
  const ms = random.below(5) === 0 ? 0 : random.below(900);
  return {
    project: PROJECTS[random.below(PROJECTS.length)],
    own: number % 3 === 0,
    body: { argv: ["sleep", String(ms / 1000)], label: `job ${number}` },
  };
}

async function handIn(custody, job, number) {
  const headers = { "idempotency-key": `${seed}/${number}` };
  const body = {
    ...job.body,
    ...(job.project ? { project: job.project } : {}),
    ...(job.own ? { budget: { wall_ms: 60_000 } } : {}),
  };
  const answer = await answered(custody, "POST", "/api/v1/jobs", { body, headers });
  assert.equal(answer.status, 201, answer.text);
  return { ...job, id: answer.json.id };
}

const live = async (custody) =>
  (await answered(custody, "GET", "/api/v1/jobs?live=1&limit=200")).json.items;

/** Keeps jobs going until `over`, and the tight budget just above what it has spent. */
async function keepBusy(custody, random, life) {
  const jobs = [];
  while (!life.over) {
    const room = LIVE - (await live(custody)).length;
    for (let i = 0; i < room; i++) {
      jobs.push(await handIn(custody, plan(random, jobs.length), jobs.length));
    }
    const { spent } = await budget(custody, "project:tight");
    await limit(custody, "project:tight", { wall_ms: spent.wall_ms + random.below(3000) });
    await pause(50);
  }
  return jobs;
}

// --- Kills ---------------------------------------------------------------------------------------

async function killOften(custody, random) {
  const { daemon } = custody;
  const stopAt = Date.now() + seconds * 1000;
  const seen = { killed: 0, looked: 0, reserved: 0, waiting: 0 };
  while (seen.killed < kills && Date.now() < stopAt) {
    await pause(random.below(400));
    const { reserved, waiting } = await budget(custody, "global");
    const tight = await budget(custody, "project:tight");
    seen.looked++;
    seen.reserved += reserved.wall_ms > 0;
    seen.waiting += waiting + tight.waiting > 0;
    await daemon.kill();
    seen.killed++;
    if (random.below(6) === 0) {
      await daemon.startAndKillWithin(random.below(40));
      seen.killed++;
    }
    await daemon.start();
  }
  return seen;
}

// --- The end -------------------------------------------------------------------------------------

async function allEnd(custody) {
  await limit(custody, "project:tight", { wall_ms: null });
  await until("every job has ended", async () => (await live(custody)).length === 0);
}

/** What a job took, by its own result; of one that a budget refused nothing ran: at most starts of
 *  which nothing came, since the daemon was killed in the middle. */
async function took(custody, job) {
  const run = await custody.show(job.id);
  if (run.cause === "budget") {
    assert.equal(run.exit_code, null, JSON.stringify(run));
    assert.equal(run.result, null, JSON.stringify(run));
    assert.match(run.note,
      /^The budget (project:tight|global) is used up \(wall time: [\dhms .]+ of .* spent\)$/);
    return 0;
  }
  assert.equal(run.state, "succeeded", JSON.stringify(run));
  return run.result.duration_ms;
}

async function checkSpent(custody, scope, expected) {
  const { spent, reserved, waiting } = await budget(custody, scope);
  assert.equal(spent.wall_ms, expected, `${scope} has spent what its jobs took`);
  assert.deepEqual([reserved.wall_ms, waiting], [0, 0], `${scope}: nothing is reserved`);
}

async function checkAll(custody, jobs) {
  const sums = new Map([["global", 0], ["project:tight", 0], ["project:free", 0]]);
  let refused = 0;
  for (const job of jobs) {
    const ms = await took(custody, job);
    const scopes = ["global", ...(job.project ? [`project:${job.project}`] : [])];
    scopes.forEach((scope) => sums.set(scope, sums.get(scope) + ms));
    if (job.own) await checkSpent(custody, `run:${job.id}`, ms);
    refused += ms === 0;
  }
  for (const [scope, sum] of sums) await checkSpent(custody, scope, sum);
  return { sum: sums.get("global"), refused };
}

test(`budgets are exact after ${kills} kills (DROVER_SEED=${seed})`, async (t) => {
  const random = new Random(seed);
  const custody = new Custody(t);
  await custody.daemon.start();
  await limit(custody, "global", { wall_ms: 10 ** 9 });
  await limit(custody, "project:tight", { wall_ms: 2000 });
  await limit(custody, "project:free", { wall_ms: null });
  const life = { over: false };
  const busy = keepBusy(custody, new Random(seed + 1), life);
  busy.catch(() => {});
  const seen = await Promise.race([killOften(custody, random), busy]);
  life.over = true;
  const jobs = await busy;
  await allEnd(custody);
  const { sum, refused } = await checkAll(custody, jobs);
  t.diagnostic(
    `${seen.killed} kills, ${jobs.length} jobs, ${refused} of them refused or over at once; ` +
      `${sum} ms spent; reserved at ${seen.reserved} and waited for at ${seen.waiting} ` +
      `of ${seen.looked} kills`,
  );
  assert.ok(seen.reserved * 2 >= seen.looked, "something was reserved at most kills");
  assert.ok(seen.killed >= kills || seconds !== Infinity);
});
