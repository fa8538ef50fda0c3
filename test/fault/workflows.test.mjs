// Workflows whose daemon is killed: at each commit in turn, and at random times, again and again.
// Afterwards each has the result that it would have had, no agent that had finished was asked for
// again (a provider of the test's own counts), and every branch was taken as before the crash.
//
// runs-with: release, postgres, each
//
// DROVER_FAULTY           the daemon with a fault in it (test/fault/faulty.h)
// DROVER_WORKFLOW_SECONDS so long at commits (10; DROVER_TEST_ALL=1: every commit)
// DROVER_WORKFLOW_KILLS   kills of the shape that breaks naive replay (20; DROVER_TEST_ALL=1: 100)
// DROVER_FAULT_OFFSET     0 to 1: at which commit it begins, to repeat a run
// DROVER_FAULT_ONLY       KIND:N@SHAPE, as a failure tells it
// DROVER_SEED             repeats a run's latencies and kill times
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import {
  existsSync, mkdirSync, readdirSync, realpathSync, rmSync, writeFileSync,
} from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { bin, Random, root, scratch } from "../integration/lib.mjs";
import { kill, read } from "../integration/processes.mjs";
import { scaled } from "../integration/scale.mjs";
import { lives, until } from "./custody.mjs";
import { BRANCHES, Flocks, SHAPES, SWAPS } from "./flocks.mjs";
import { KINDS, points } from "./points.mjs";

const all = Boolean(process.env.DROVER_TEST_ALL);
const postgres = Boolean(process.env.DROVER_DATABASE);
const seed = Number(process.env.DROVER_SEED ?? randomInt(1, 2 ** 31));
const offset = Number(process.env.DROVER_FAULT_OFFSET ?? Math.random());
const SECONDS = Number(process.env.DROVER_WORKFLOW_SECONDS ?? 10);
const few = postgres ? 6 : 20;
const SWAP_KILLS = Number(process.env.DROVER_WORKFLOW_KILLS ?? (all ? 100 : few));
const BRANCH_KILLS = all ? 30 : Math.ceil(few / 4);
const TIMEOUT_MS = scaled(4 * 3_600_000); // All commits take a while.
const FAILURES_MAX = 5; // Then it is time to look.

// --- What they must come to ----------------------------------------------------------------------

/** What Node makes of a script and of what the provider says: nothing of ours is asked. */
async function computed({ script, say }) {
  const body = script.slice(script.indexOf("\n") + 1);
  const agent = async (prompt) => say(prompt).text;
  const parallel = (thunks) => Promise.all(thunks.map((thunk) => thunk()));
  const pipeline = (items, ...stages) =>
    Promise.all(items.map(async (item, i) => {
      let value = item;
      for (const stage of stages) value = await stage(value, item, i);
      return value;
    }));
  const { constructor: AsyncFunction } = async () => {};
  const names = ["agent", "parallel", "pipeline", "phase", "log"];
  const nothing = () => {};
  return new AsyncFunction(...names, body)(agent, parallel, pipeline, nothing, nothing);
}

async function checkShape(shape, flocks, events) {
  const { state, result, agents } = events.at(-1).data;
  assert.equal(state, "succeeded", JSON.stringify(events.at(-1)));
  assert.deepEqual(result, await computed(shape));
  assert.equal(agents.succeeded, shape.agents);
  flocks.check(events);
}

// --- At each commit ------------------------------------------------------------------------------

const faulty = path.resolve(
  root,
  process.env.DROVER_FAULTY ?? "build/release/test/fault/drover-faulty",
);
const SEEN = /^fault: \S+ at /m;

/** Runs a shape on a daemon with a fault; when that kills it, one without takes over. The log is
 *  that of the faulty one. */
async function withFault(shape, fault, folder) {
  const ends = []; // Each point cleans up behind itself: there are hundreds.
  const env = {
    DROVER_FAULT: fault,
    DROVER_FAULT_UNDER: path.join(folder, "d"),
    DROVER_FAULT_FROM: path.join(folder, "armed"),
  };
  mkdirSync(folder, { recursive: true });
  try {
    const life = { after: (end) => ends.push(end) };
    const flocks = await Flocks.open(life, shape.say, { folder, program: faulty, env });
    const { daemon } = flocks;
    let over = false;
    let log;
    const taken = daemon.ended().then(async ({ signal }) => {
      ({ log } = daemon);
      if (over) return;
      assert.equal(signal, "SIGKILL", log);
      daemon.program = bin;
      await flocks.revive();
    });
    const failed = new Promise((_, reject) => taken.catch(reject));
    writeFileSync(env.DROVER_FAULT_FROM, "");
    const run = await Promise.race([flocks.start(shape), failed]);
    const events = await Promise.race([flocks.ended(run), failed]);
    over = true;
    if (log === undefined) await daemon.stop();
    await taken;
    await checkShape(shape, flocks, events);
    return log;
  } finally {
    for (const end of ends.reverse()) await end();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function countCommits(name, folder) {
  const log = await withFault(SHAPES[name], "count", path.join(folder, name));
  return Number(/^fault: sync has (\d+) points$/m.exec(log)[1]);
}

async function sweep(t) {
  assert.ok(existsSync(faulty), `${faulty} is built`);
  const folder = realpathSync(scratch(t));
  const list = [];
  for (const scene of Object.keys(SHAPES)) {
    const total = await countCommits(scene, folder);
    for (const kind of ["sync-kill", "sync-done"]) list.push({ kind: KINDS[kind], scene, total });
  }
  const next = points(list, offset, SECONDS);
  const counts = { tried: 0, hit: 0 };
  const broken = [];
  const tryPoints = async () => {
    for (let point = next(); point && broken.length < FAILURES_MAX; point = next()) {
      const { scene, fault } = point;
      const place = path.join(folder, `p${counts.tried++}`);
      try {
        const log = await withFault(SHAPES[scene], fault, place);
        counts.hit += SEEN.test(log) ? 1 : 0;
      } catch (error) {
        broken.push(`DROVER_FAULT_ONLY=${fault}@${scene}`);
        t.diagnostic(`${broken.at(-1)}: ${error.stack}`);
      }
    }
  };
  await Promise.all([tryPoints(), tryPoints()]);
  const totals = list.map(({ scene, kind, total }) => `${total} ${kind.name}@${scene}`).join(", ");
  t.diagnostic(`${counts.tried} points tried, ${counts.hit} hit, of ${totals}`);
  assert.deepEqual(broken, []);
  assert.ok(counts.hit > 0 || process.env.DROVER_FAULT_ONLY);
}

// The files of a database server are not the daemon's.
if (!postgres) {
  const title = `killed before or behind a commit, a workflow ends as it would (offset ${offset})`;
  test(title, { timeout: TIMEOUT_MS }, sweep);
}

// --- At random times -----------------------------------------------------------------------------

/** An agent whose call 10 kills in a row cut off fails: one life in this many lasts until all
 *  agents that it found open have finished. */
const LIVES_IN_A_ROW = 8;

/** Kills the daemon whenever the provider was asked up to `calls` times more; {flocks, events,
 *  kills}. */
async function killOften(flocks, run, { kills, calls, random }) {
  let killed = 0;
  while (killed < kills && !(await flocks.asked(run, 1 + random.below(calls)))) {
    await pause(random.below(8));
    await flocks.killAndRevive();
    killed++;
    if (killed % LIVES_IN_A_ROW === 0) await flocks.openFinished(run);
  }
  const events = await flocks.ended(run);
  return { events, killed };
}

for (const [name, shape] of Object.entries(SHAPES)) {
  test(`killed at random times, a ${name} of agents ends as it would (seed ${seed})`, async (t) => {
    const random = new Random(seed);
    const flocks = await Flocks.open(t, shape.say);
    const run = await flocks.start(shape);
    const { events, killed } = await killOften(flocks, run, { kills: few / 2, calls: 10, random });
    assert.ok(killed > 0);
    await checkShape(shape, flocks, events);
  });
}

/** Each item has kept the rate that it was given, and no agent is there that came of another. */
function checkSwaps(flocks, events) {
  const { result, state } = events.at(-1).data;
  assert.equal(state, "succeeded");
  flocks.checkCounts(events);
  const rates = result.map(([, rate]) => rate);
  assert.equal(new Set(rates).size, SWAPS.items, `each has a rate of its own: ${rates}`);
  result.forEach(([i, rate, text], place) => {
    assert.equal(i, place);
    assert.equal(text, `heard finish ${i} with ${rate}`);
  });
  const begun = events.filter(({ type }) => type === "agent_started");
  assert.equal(begun.length, SWAPS.agents, "no agent came of an answer that was another item's");
}

test(`equal prompts keep their answers over ${SWAP_KILLS} kills (seed ${seed})`,
  { timeout: TIMEOUT_MS }, async (t) => {
    const random = new Random(seed);
    for (let left = SWAP_KILLS, times = 0; left > 0; times++) {
      const flocks = await Flocks.open(t, SWAPS.say(random));
      const run = await flocks.start(SWAPS);
      const { events, killed } = await killOften(flocks, run, { kills: left, calls: 3, random });
      checkSwaps(flocks, events);
      assert.ok(killed > 0);
      left -= killed;
      t.diagnostic(`workflow ${times}: ${killed} kills, ${flocks.provider.prompts.length} calls`);
      if (left > 0) continue;
      const asked = flocks.provider.prompts.length;
      const second = await flocks.start({ ...SWAPS, more: { resumeFromRunId: run } }, "again");
      const { result } = (await flocks.ended(second)).at(-1).data;
      assert.deepEqual(result, events.at(-1).data.result, "a run that resumes it says the same");
      assert.equal(flocks.provider.prompts.length, asked, "and asks nobody");
    }
  });

for (const [what, { say, ...branch }] of Object.entries(BRANCHES)) {
  const title = `what was decided by ${what} stays decided after a crash (seed ${seed})`;
  test(title, { timeout: TIMEOUT_MS }, async (t) => {
    const random = new Random(seed);
    const flocks = await Flocks.open(t, say(random));
    const run = await flocks.start(branch);
    const options = { kills: BRANCH_KILLS, calls: 4, random };
    const { events, killed } = await killOften(flocks, run, options);
    assert.ok(killed > 0);
    assert.ok(["succeeded", "degraded"].includes(events.at(-1).data.state));
    assert.ok(events.at(-1).data.result.seen.length > 0);
    flocks.check(events);
  });
}

test(`a run that resumes another is killed, and asks for nothing that is known (seed ${seed})`,
  async (t) => {
    const random = new Random(seed);
    const flocks = await Flocks.open(t, (prompt) => ({ text: prompt, ms: 5 }));
    const script = (extra) => SHAPES.pipeline.script.replace("look", `look${extra}`)
      .replace("check ${i}: ${text}", "check ${i}");
    const run = await flocks.start({ script: script("") });
    const first = await flocks.ended(run);
    const more = { resumeFromRunId: run, concurrency: 2 };
    const second = await flocks.start({ script: script(" closely"), more }, "again");
    const options = { kills: 3, calls: 5, random };
    const { events, killed } = await killOften(flocks, second, options);
    assert.ok(killed > 0);
    // The second stage does not hold what the first said, so it and the third are known.
    assert.deepEqual(events.at(-1).data.result, first.at(-1).data.result);
    assert.equal(events.at(-1).data.agents.cached, 40);
    assert.equal(flocks.provider.count(/^check|^tell/), 40);
    flocks.checkStory(events);
  });

// --- Workers and the zygote ----------------------------------------------------------------------

const parentOf = (pid) => {
  const stat = read(`/proc/${pid}/stat`);
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
};
const processes = () => readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number);
const childrenOf = (parent) => processes().filter((pid) => parentOf(pid) === parent);

/** The process that workers are forked from: its one word is the daemon's pid. The checker of
 *  scripts has another one behind it. */
function zygoteOf({ child: { pid } }) {
  return childrenOf(pid).find((one) =>
    read(`/proc/${one}/cmdline`).split("\0").slice(1).join() === `${pid},`);
}
const workersOf = (daemon) => {
  const zygote = zygoteOf(daemon);
  return zygote === undefined ? [] : childrenOf(zygote).filter(lives);
};

const LINE = {
  say: (prompt) => ({ text: `heard ${prompt}`, ms: 10 }),
  script: `${SHAPES.loop.script.split("\n").slice(0, 2).join("\n")}
for (let i = 0; i < 12; i++) see(await agent(\`\${args} step \${i}\`));
return { seen }`,
};
const lineOf = (word) => Array.from({ length: 12 }, (_, i) => `heard ${word} step ${i}`);

/** Kills the one worker, after the provider was asked once more, so many times. */
async function killWorkers(flocks, run, times) {
  for (let killed = 0; killed < times; killed++) {
    assert.equal(await flocks.asked(run, 1), false);
    const [worker] = await until("a worker lives", () => {
      const found = workersOf(flocks.daemon);
      return found.length > 0 && found;
    });
    kill(worker);
    await until("it is gone", () => !lives(worker));
  }
}

test("a worker that is killed is made again, three times, and nobody is asked twice", async (t) => {
  const flocks = await Flocks.open(t, LINE.say);
  const run = await flocks.start({ ...LINE, more: { args: "a" } });
  await killWorkers(flocks, run, 3);
  const events = await flocks.ended(run);
  assert.deepEqual(events.at(-1).data.result, { seen: lineOf("a") });
  assert.equal(flocks.provider.prompts.length, 12);
  flocks.check(events);
});

test("a worker that dies once more ends its run, and says so", async (t) => {
  const flocks = await Flocks.open(t, LINE.say);
  const run = await flocks.start({ ...LINE, more: { args: "a" } });
  await killWorkers(flocks, run, 4);
  const { state, cause } = (await flocks.ended(run)).at(-1).data;
  assert.deepEqual([state, cause], ["failed", "worker_crashed"]);
});

test("a zygote that is killed takes its workers along, and all go on", async (t) => {
  const flocks = await Flocks.open(t, LINE.say);
  const words = ["a", "b", "c", "d", "e"];
  const runs = await Promise.all(
    words.map((args) => flocks.start({ ...LINE, more: { args } }, args)),
  );
  for (let killed = 0; killed < 2; killed++) {
    assert.equal(await flocks.asked(runs[0], 8), false);
    const zygote = await until("a zygote lives", () => zygoteOf(flocks.daemon));
    kill(zygote);
    await until("it is gone", () => !lives(zygote));
  }
  for (const [i, run] of runs.entries()) {
    const events = await flocks.ended(run);
    assert.deepEqual(events.at(-1).data.result, { seen: lineOf(words[i]) });
    flocks.checkStory(events);
  }
  assert.equal(flocks.provider.prompts.length, 12 * words.length, "nobody is asked twice");
});
