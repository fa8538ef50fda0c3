// 200 jobs of mixed length, some of which leave grandchildren in sessions of their own that are
// deaf to SIGTERM, while the daemon is killed again and again and once replaced by another build.
// At the end every job has one terminal state and its true exit code, ran once, and every byte of
// its output is there once; every webhook has arrived with a stable id; and nothing lives any more.
//
// The other build is a copy of this one whose embedded holder differs in a byte that no kernel
// reads, so that it has a folder of its own in libexec, as an upgrade has.
//
// runs-with: release, postgres, each
//
// DROVER_CUSTODY_KILLS    how many kills (50; on PostgreSQL 10)
// DROVER_CUSTODY_SECONDS  fewer if they take longer (15; DROVER_TEST_ALL=1: as long as it takes)
// DROVER_SEED             repeats a run's jobs and kill times
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { otherBuild } from "../integration/builds.mjs";
import { Random } from "../integration/lib.mjs";
import { scaled } from "../integration/scale.mjs";
import { Custody, until, worker } from "./custody.mjs";

const JOBS = 200;
const CLIENTS = 4;
const usual = process.env.DROVER_DATABASE && !process.env.DROVER_TEST_ALL ? 10 : 50;
const kills = Number(process.env.DROVER_CUSTODY_KILLS ?? usual);
const seconds = process.env.DROVER_TEST_ALL
  ? Infinity
  : Number(process.env.DROVER_CUSTODY_SECONDS ?? 15);
const seed = Number(process.env.DROVER_SEED ?? randomInt(1, 2 ** 31));
const ENDS = [0, 0, 0, 1, 7, 255, -9, -15];
const TERMINAL = ["succeeded", "failed"];

// --- The jobs and what they must leave -----------------------------------------------------------

/** Job `number`, its length from 0 to 8 s. */
function planJob(random, number) {
  const length_ms = random.below(3) === 0 ? 0 : random.below(8000);
  const lines = random.below(4) === 0 ? random.below(2000) : random.below(40);
  return {
    number,
    lines,
    every_ms: lines === 0 ? 0 : Math.floor(length_ms / lines),
    end: ENDS[random.below(ENDS.length)],
    child: random.below(4) === 0,
    once: random.below(4) === 0,
    after_ms: Math.floor((number / JOBS) * seconds_of_work() * 1000),
  };
}

// Jobs are handed in during the first part of the kills, so that those hit starts as well as ends.
const seconds_of_work = () => Math.min(seconds, kills * 0.4) * 0.7;

const PAD = "abcdefghijklmnopqrstuvwxyz".repeat(3);

/** See custody_worker.c. */
function expected(job, every = 1) {
  let text = "";
  for (let n = 0; n < job.lines; n += every) {
    text += `${job.number}:${n}:${PAD.slice(0, (job.number * 7 + n * 13) % 60)}\n`;
  }
  return text;
}

function bodyOf(job, starts, hook) {
  const numbers = [job.number, job.lines, job.every_ms, job.end].map(String);
  return {
    argv: [worker, starts, ...numbers, ...(job.child ? ["child"] : [])],
    once: job.once,
    notify: [{ webhook: `${hook}/${job.number}` }],
    label: `job ${job.number}`,
  };
}

// --- The receiver --------------------------------------------------------------------------------

/** Keeps what it hears; now and then it fails, or hears and says nothing. */
async function receiver(t, random) {
  const heard = new Map(); // number → [{delivery, run, state}]
  const server = http.createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const mood = random.below(8);
      if (mood === 0) return request.socket.destroy();
      response.statusCode = mood === 1 ? 500 : 200;
      if (mood !== 1) note(heard, request, JSON.parse(Buffer.concat(chunks).toString()));
      response.end();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { heard, url: `http://127.0.0.1:${server.address().port}` };
}

function note(heard, request, notice) {
  const number = Number(request.url.slice(1));
  const delivery = request.headers["drover-delivery"];
  heard.set(number, [...(heard.get(number) ?? []), { ...notice, delivery }]);
}

// --- Clients -------------------------------------------------------------------------------------

/** Asks until it is answered: the daemon dies now and then. The key makes it one job. */
async function handIn(custody, job, body, key) {
  await until(`job ${job.number} is accepted`, async () => {
    const headers = { "idempotency-key": key };
    const answer = await custody.ask("POST", "/api/v1/jobs", { body, headers }).catch(() => null);
    if (answer === null) return false;
    assert.equal(answer.status, 201, answer.text);
    assert.ok(job.id === undefined || job.id === answer.json.id);
    job.id = answer.json.id;
    return true;
  });
}

async function client(custody, jobs, starts, hook) {
  const began = Date.now();
  for (const job of jobs) {
    await pause(Math.max(0, began + job.after_ms - Date.now()));
    await handIn(custody, job, bodyOf(job, starts, hook), `${seed}/${job.number}`);
  }
}

/** Kills and starts again; in the middle with the other build. */
async function killOften(daemon, random, other) {
  const stopAt = Date.now() + seconds * 1000;
  let killed = 0;
  for (; killed < kills && Date.now() < stopAt; killed++) {
    if (random.below(8) === 0) {
      await daemon.kill();
      await daemon.startAndKillWithin(random.below(30));
      killed++;
    } else {
      await pause(random.below(600));
      await daemon.kill();
    }
    if (killed > kills / 2 || Date.now() > stopAt - seconds * 500) daemon.program = other;
    await daemon.start();
  }
  if (daemon.program !== other) {
    await daemon.kill();
    daemon.program = other;
    await daemon.start();
  }
  return killed;
}

// --- The end -------------------------------------------------------------------------------------

function checkState(job, run) {
  const what = `job ${job.number}: ${JSON.stringify(run)}`;
  assert.ok(TERMINAL.includes(run.state), what);
  assert.equal(run.state, job.end === 0 ? "succeeded" : "failed", what);
  assert.equal(run.cause, job.end === 0 ? "completed" : job.end > 0 ? "exit_code" : "signal", what);
  assert.equal(run.exit_code, job.end >= 0 ? job.end : null, what);
  if (job.end < 0) assert.equal(run.result.signal, -job.end, what);
}

async function checkEvents(custody, job) {
  const stream = `/api/v1/streams/${encodeURIComponent(`run:${job.id}`)}/events?limit=1000`;
  const { json } = await custody.ask("GET", stream);
  const ends = json.events.filter((event) => event.type === "run_finished");
  assert.equal(ends.length, 1, `job ${job.number} ended once`);
}

function checkNotices(job, notices, run) {
  assert.equal(new Set(notices.map((one) => one.delivery)).size, 1, "a delivery keeps its id");
  for (const one of notices) {
    assert.deepEqual([one.run, one.state, one.cause], [job.id, run.state, run.cause]);
    assert.equal(one.exit_code, run.exit_code);
  }
}

async function checkJob(custody, job, started, notices) {
  const run = await custody.show(job.id);
  checkState(job, run);
  await checkEvents(custody, job);
  assert.deepEqual(started, [run.attempt], `job ${job.number} ran once, in its last attempt`);
  assert.equal(await custody.text(job.id), expected(job), `the output of job ${job.number}`);
  assert.equal(await custody.text(job.id, "err"), expected(job, 10));
  checkNotices(job, notices, run);
}

/** number → the attempts that began its command. */
function startsIn(file) {
  const starts = new Map();
  for (const line of readFileSync(file, "utf8").trim().split("\n")) {
    const [number, attempt] = line.split(" ").map(Number);
    starts.set(number, [...(starts.get(number) ?? []), attempt]);
  }
  return starts;
}

const title = `${kills} kills under ${JOBS} jobs lose nothing and run nothing twice (seed ${seed})`;
test(title, { timeout: scaled(900_000) }, async (t) => {
  assert.ok(existsSync(worker), `${worker} is built`);
  const random = new Random(seed);
  const jobs = Array.from({ length: JOBS }, (_, i) => planJob(random, i));
  const hook = await receiver(t, new Random(seed + 1));
  const waits = ["--webhook-wait", "50", "--webhook-wait-max", "200"];
  const custody = new Custody(t, {
    args: ["--webhook-allow", "127.0.0.1", "--webhook-wait-stalled", "200", ...waits],
  });
  const starts = path.join(custody.folder, "starts");
  await custody.daemon.start();
  const killing = killOften(custody.daemon, random, otherBuild(custody.folder));
  const clients = Array.from({ length: CLIENTS }, (_, i) => {
    return client(custody, jobs.filter((job) => job.number % CLIENTS === i), starts, hook.url);
  });
  const [killed] = await Promise.all([killing, ...clients]);
  await until("every notice has arrived", () => hook.heard.size === JOBS);

  const { json } = await custody.ask("GET", "/api/v1/runs?live=1&limit=200");
  assert.deepEqual(json.items, [], "no run is left open");
  const started = startsIn(starts);
  for (const job of jobs) {
    await checkJob(custody, job, started.get(job.number), hook.heard.get(job.number));
  }
  await custody.nobodyIsLeft();
  const libexec = path.join(custody.data, "libexec");
  const holders = readdirSync(libexec).filter((hash) => existsSync(`${libexec}/${hash}/holder`));
  assert.equal(holders.length, 2, "two builds ran");
  const repeats = [...hook.heard.values()].reduce((sum, notices) => sum + notices.length - 1, 0);
  const voids = [...started.values()].filter(([attempt]) => attempt > 1).length;
  t.diagnostic(
    `seed ${seed}: ${killed} kills, ${JOBS} jobs, ${voids} of them with starts of which nothing ` +
      `came, ${repeats} notices repeated`,
  );
});
