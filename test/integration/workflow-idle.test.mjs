// workflow-idle.test.mjs: where more scripts wait than processes may live for them, those that wait
// longest lose theirs, and nobody can tell: not by a result, nor by what agents are asked.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it, test } from "node:test";

import { Counting } from "./counting.mjs";
import { until } from "./providers.mjs";
import flow from "./workflow-contract-flow.mjs";
import { holdRow } from "./workflow-contract.mjs";
import { logs, whole, Workflows } from "./workflows.mjs";

const AT_ONCE = 16;
/** Rows that this file leaves to workflow-contract.test.mjs. */
const OTHERS = [
  // Holds only where half a second is a long time for everything else.
  "no item waits for another between stages",
  // A limit of the daemon: it counts the same when nothing waits.
  "after 1,000 agents another one throws",
];

const metric = async (flows, name) => {
  const { text } = await flows.daemon.request("GET", "/metrics");
  return Number(new RegExp(`^drover_${name} (\\d+)$`, "m").exec(text)[1]);
};
const dropped = (flows) => metric(flows, "workflow_workers_dropped_total");

/** Answers prompts of `held` when the test opens the gate. */
class Gated extends Counting {
  opened = new Promise((open) => (this.open = open));

  async speak(answer, what) {
    if (/ held /.test(what.text)) await this.opened;
    return super.speak(answer, what);
  }
}

async function gated(t, args) {
  const provider = new Gated();
  await provider.start(t);
  const flows = await Workflows.open(t, { args });
  return { provider, flows, model: await flows.connect(provider) };
}

// --- The contract --------------------------------------------------------------------------------

describe("with one process for all scripts", { concurrency: AT_ONCE }, () => {
  let flows;
  const ends = [];
  before(async () => {
    const suite = { after: (end) => ends.push(end) };
    flows = await Workflows.open(suite, { args: ["--workers-max", "1"] });
  });
  after(async () => {
    const lost = await dropped(flows);
    for (const end of ends) await end();
    assert.ok(lost > 10, `${lost} lost their processes`);
  });

  for (const row of flow.filter(({ name }) => !OTHERS.includes(name))) {
    it(row.name, () => row.hold?.(flows) ?? holdRow(row, flows));
  }
});

// --- Agents --------------------------------------------------------------------------------------

/** Stages with the same prompts, a race, what was spent, lines: what a replay could take for
 * something else. */
const SHAPE = whole(`
phase('pipe');
const seen = [];
const piped = await pipeline([0, 1, 2, 3],
  (i) => agent(\`\${args} look at \${i}\`),
  () => agent(\`\${args} the same\`),
  async (text, i) => {
    const got = await agent(\`\${args} judge \${i} by \${text}\`);
    seen.push(i);
    log(\`\${i} is judged\`);
    return got;
  });
phase('race');
const first = await Promise.race([agent(\`\${args} left\`), agent(\`\${args} right\`)]);
const spent = budget.spent();
const last = await agent(\`\${args} behind \${first}\`);
return { spent, told: { piped, seen, first, last } }`);

test("no agent is asked twice, however often its script loses its process", async (t) => {
  const { provider, flows, model } = await gated(t, ["--workers-max", "2"]);
  provider.say = (prompt) => ({ text: `heard ${prompt}`, ms: 1 + (prompt.length * 7) % 13 });
  const words = Array.from({ length: 12 }, (_, i) => `w${i}`);
  const outcomes = await Promise.all(
    words.map((args) => flows.run({ script: SHAPE, model, args, total: 10_000, concurrency: 8 })),
  );
  for (const [i, { end, events }] of outcomes.entries()) {
    const word = words[i];
    assert.equal(end.state, "succeeded", JSON.stringify(end));
    const judged = (n) => `heard ${word} judge ${n} by heard ${word} the same`;
    const { piped, seen, first, last } = end.result.told;
    assert.deepEqual(piped, [0, 1, 2, 3].map(judged));
    assert.deepEqual([...seen].sort(), [0, 1, 2, 3]);
    assert.deepEqual(logs(events), seen.map((n) => `${n} is judged`));
    assert.equal(last, `heard ${word} behind ${first}`);
    assert.ok([13, 14].includes(end.result.spent), `${end.result.spent} tokens`);
    assert.equal(provider.count(`${word} the same`), 4);
  }
  const others = provider.prompts.filter((prompt) => !/^w\d+ the same$/.test(prompt));
  assert.equal(new Set(others).size, others.length, "each was asked once");
  assert.equal(others.length, words.length * 11);
  const again = await Promise.all(
    outcomes.map(({ run }, i) => flows.run({
      script: SHAPE, model, args: words[i], total: 10_000, concurrency: 8, resumeFromRunId: run,
    })),
  );
  const tales = (ends) => ends.map(({ end }) => end.result.told);
  assert.deepEqual(tales(again), tales(outcomes));
  assert.deepEqual(new Set(again.map(({ end }) => end.agents.cached)), new Set([15]));
  assert.equal(provider.prompts.length, words.length * 15, "what is done is not asked again");
  assert.ok((await dropped(flows)) > words.length);
  assert.equal(await metric(flows, "workflow_crashes_total"), 0, "none of them counts as a crash");
});

// --- Stopped and skipped -------------------------------------------------------------------------

const HELD = whole("return await agent(`${args} held on`, { label: 'held' })");

test("a run without a process is stopped, and hears of an agent that is skipped", async (t) => {
  const { provider, flows, model } = await gated(t, ["--workers-max", "1"]);
  const start = (args) => flows.start({ script: HELD, model, args });
  const runs = [await start("stop"), await start("skip"), await start("wait"), await start("last")];
  await until("all are asked", () => provider.prompts.length === runs.length);
  await until("three lost their processes", async () => (await dropped(flows)) >= 3);
  assert.equal(await metric(flows, "script_workers"), 1);
  assert.equal((await flows.ask("POST", `/runs/${runs[0]}/stop`, {})).status, 200);
  assert.equal((await flows.outcome(runs[0])).end.state, "cancelled");
  const [agent] = await flows.agents(runs[1]);
  assert.equal((await flows.ask("POST", `/runs/${agent.id}/skip`, {})).status, 200);
  const skipped = (await flows.outcome(runs[1])).end;
  assert.deepEqual([skipped.state, skipped.result, skipped.agents.skipped], ["succeeded", null, 1]);
  provider.open();
  assert.equal((await flows.outcome(runs[2])).end.result, "heard wait held on");
  assert.equal((await flows.outcome(runs[3])).end.result, "heard last held on");
  assert.equal(provider.prompts.length, runs.length, "nobody is asked twice");
});

// --- What it costs -------------------------------------------------------------------------------

const FIRST = 300; // With them, caches of the database fill.
const MANY = 300;
const KEPT = 20;
const ROUNDS = 3; // What was held for a moment only stays in the heap: it counts in one of them.
const COST_KB = 20;

const privateKb = ({ child: { pid } }) => {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const parts = [...rollup.matchAll(/^Private_\w+: +(\d+)/gm)];
  return parts.reduce((sum, [, kb]) => sum + Number(kb), 0);
};

test(`a run without a process costs the daemon at most ${COST_KB} kB`, async (t) => {
  if (readFileSync(process.env.DROVER_BIN ?? "build/drover").includes("__asan_init")) {
    t.skip("a sanitizer keeps what was freed");
    return;
  }
  const { provider, flows } = await gated(t, ["--workers-max", `${KEPT}`]);
  const line = { name: "line", kind: "openai", base_url: provider.url, max_concurrent: 1 };
  assert.equal((await flows.ask("POST", "/providers", line)).status, 201);
  // All but one wait for their turn, so that what an answer under way costs is not counted.
  const body = { script: HELD, model: "line/small", args: "all", root: undefined };
  const start = async (count) => {
    for (let i = 0; i < count; i += 20) {
      await Promise.all(Array.from({ length: 20 }, () => flows.start(body)));
    }
  };
  const idle = (count) =>
    until(`${count} lost theirs`, async () => (await dropped(flows)) >= count);
  let runs = FIRST;
  await start(runs);
  await idle(runs - KEPT);
  let each = Infinity;
  for (let round = 0; round < ROUNDS && each > COST_KB; round++) {
    const before = privateKb(flows.daemon);
    await start(MANY);
    runs += MANY;
    await idle(runs - KEPT);
    each = (privateKb(flows.daemon) - before) / MANY;
    t.diagnostic(`${each.toFixed(1)} kB each`);
  }
  assert.ok(each <= COST_KB, `${each} kB`);
});
