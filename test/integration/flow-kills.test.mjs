// flow-kills.test.mjs: a flow with every kind of step is run whole, and then with the daemon killed
// at random events of it, which the printed seed repeats. The report is the same, and each effect
// is there as often as its step promises: once for each try, round and rewind, whatever was killed.
//
// runs-with: release, postgres
//
// DROVER_SEED      repeats a run's kills
// DROVER_TEST_ALL  20 kills in four runs; else 5 in one
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { Random } from "./lib.mjs";
import { scaled } from "./scale.mjs";
import { Turns } from "./turns.mjs";

const seed = Number(process.env.DROVER_SEED ?? randomInt(1, 2 ** 31));
const RUNS = process.env.DROVER_TEST_ALL ? 4 : 1;
const KILLS = 5; // In each run.
const LATER = 20;
const LIMIT = { timeout: scaled(RUNS * 120_000) };

/** Each command leaves a line in the log of its run, so that what ran twice is seen. */
const FLOW = (root) => `const log = (ctx) => "${root}/log-" + ctx.input.question;
const note = (ctx, word) => "echo " + word + " >> " + log(ctx) + "; echo " + word;
export default {
  name: "whole",
  description: "every kind",
  batchConfig: { maxConcurrent: 1, joinRule: "all_done" },
  steps: [
    { id: "count", kind: "code", run: () => "two" },
    { id: "which", kind: "switch", deps: ["count"], defaultBranch: ["never"],
      cases: [{ label: "one", condition: (ctx) => ctx.results.count === "one",
        stepIds: ["neither"] },
        { label: "two", condition: (ctx) => ctx.results.count === "two",
          stepIds: ["left", "right"] }] },
    { id: "never", kind: "command", run: (ctx) => note(ctx, "never") },
    { id: "neither", kind: "command", run: (ctx) => note(ctx, "neither") },
    { id: "left", kind: "command", batch: "pair", run: (ctx) => note(ctx, "left") },
    { id: "right", kind: "command", batch: "pair", run: (ctx) => note(ctx, "right") },
    { id: "flaky", kind: "command", deps: ["batch:pair"], maxRetries: 2, run: (ctx) =>
      note(ctx, "flaky") + "; test $(grep -c flaky " + log(ctx) + ") = 2" },
    { id: "team", kind: "code", deps: ["flaky"], run: async (ctx) => {
      const said = await Promise.all(["east", "west"].map((word) =>
        ctx.dispatch("Explore", "say: " + word)));
      return said.join(" and ");
    } },
    { id: "draft", kind: "agent", deps: ["team"], maxRetries: 1,
      run: (ctx) => "say: " + (ctx.rejected ?? "first") + " draft" },
    { id: "proof", kind: "command", deps: ["draft"], run: (ctx) => note(ctx, "proof") },
    { id: "good", kind: "approval", deps: ["proof"], rewind_to: "draft",
      run: (ctx) => "Is this good: " + ctx.results.draft + "?" },
    { id: "ticks", kind: "command", deps: ["good"],
      run: (ctx) => "echo tick >> " + log(ctx) + "; grep -c tick " + log(ctx),
      loop: { max: 5, until: (ctx) => ctx.results.ticks === "2" } },
    { id: "grows", kind: "code", deps: ["good"], loop: { max: 5,
      until: (ctx) => ctx.results.grows === "xxx" },
      run: (ctx) => (ctx.results.grows ?? "") + "x" },
    { id: "inner", kind: "workflow", deps: ["good"], workflow: "inner",
      run: () => JSON.stringify({ word: "deep" }) },
    { id: "small", kind: "flow", deps: ["good"], flow: "small",
      run: (ctx) => JSON.stringify({ question: ctx.input.question }) },
    { id: "out", kind: "code", when: () => false, run: () => "never" },
  ],
  render: (ctx) => ["count", "which", "never", "left", "right", "flaky", "team", "draft", "proof",
    "ticks", "grows", "inner", "small", "out"].map((id) => id + "=" + ctx.results[id]).join("\\n"),
};
`;
const SMALL = (root) => `export default { name: "small", description: "a child", steps: [
  { id: "line", kind: "command", run: (ctx) =>
    "echo small >> ${root}/log-" + ctx.input.question + "; echo small" }],
  render: (ctx) => "small " + ctx.results.line };
`;
const INNER = `export const meta = { name: "inner", description: "a child" };
const said = await agent("say: " + args.word);
return said + " inside";
`;
const REPORT = ["count=two", "which=branch:two", "never=undefined", "left=left", "right=right",
  "flaky=flaky", "team=east and west", "draft=better draft", "proof=proof", "ticks=2", "grows=xxx",
  "inner=deep inside", "small=small small", "out=undefined"].join("\n");
/** `proof` twice, since its draft was rejected once; `flaky` twice, since its first try fails. */
const LINES = ["left", "right", "flaky", "flaky", "proof", "proof", "tick", "tick", "small"];
/** Its children: two agents of code, and two drafts; seven commands that succeed, and one try. */
const BELOW = {
  "turn succeeded": 4, "job succeeded": 7, "job failed": 1, "workflow succeeded": 1,
  "workflow: agent succeeded": 1, "workflow: agent: turn succeeded": 1, "flow succeeded": 1,
  "flow: job succeeded": 1,
};

function written(turns, kind, name, source) {
  const folder = path.join(turns.root, ".drover", kind);
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, `${name}.js`), source);
}

/** A rejection, then a yes; an answer that a kill cut off is given again. */
async function answer(turns, run) {
  const open = (await turns.get("/approvals")).items.find((one) => one.run === run);
  if (!open) return;
  const { rewinds } = await turns.get(`/runs/${run}/flow`);
  const said = await turns.approve(open.id,
    rewinds === 0 ? { decision: "deny", reason: "better" } : { decision: "allow" });
  assert.ok(said.status < 300, said.text);
}

/** Follows the flow to its end, and kills the daemon at these points: after a number of its events,
 *  and a number of requests later, since much happens between two events. Gives the number of its
 *  events. */
async function followed(turns, run, points) {
  const left = [...points].sort((a, b) => a.events - b.events);
  for (let after = 0, count = 0; ; ) {
    const page = await turns.get(`/streams/run:${run}/events?after=${after}&wait=20`);
    after = page.events.at(-1)?.seq ?? after;
    count += page.events.length;
    const over = page.events.some(({ data }) => data.run_status !== undefined);
    for (; left.length > 0 && (over || left[0].events <= count); left.shift()) {
      for (let i = 0; i < left[0].later; i++) await turns.get("/approvals");
      await turns.daemon.kill();
      await turns.daemon.start();
    }
    if (over) return count;
    await answer(turns, run);
  }
}

/** Kinds of the runs below it, and how each ended: {"job succeeded": 7, …}. */
async function below(turns, run) {
  const counts = {};
  const { items } = await turns.get(`/runs?parent=${run}&limit=100`);
  for (const { id, kind, state } of items) {
    counts[`${kind} ${state}`] = (counts[`${kind} ${state}`] ?? 0) + 1;
    for (const [words, count] of Object.entries(await below(turns, id)))
      counts[`${kind}: ${words}`] = (counts[`${kind}: ${words}`] ?? 0) + count;
  }
  return counts;
}

async function played(turns, name, points) {
  const started = await turns.ask("POST", "/flows",
    { name: "whole", root: turns.root, input: name, model: "scripted/demo" });
  assert.equal(started.status, 201, started.text);
  const run = started.json.id;
  const events = await followed(turns, run, points);
  const flow = await turns.get(`/runs/${run}/flow`);
  assert.equal(flow.report, REPORT);
  assert.deepEqual([flow.state, flow.rewinds], ["succeeded", 1]);
  const lines = readFileSync(path.join(turns.root, `log-${name}`), "utf8").trim().split("\n");
  assert.deepEqual(lines.sort(), [...LINES].sort());
  assert.deepEqual(await below(turns, run), BELOW);
  return events;
}

test("killed at random moments, a flow ends as it does without", LIMIT, async (t) => {
  // Nothing answers for the default model: all that a flow begins asks the model of its start.
  const nobody = { OPENAI_API_KEY: "none", OPENAI_BASE_URL: "http://127.0.0.1:9" };
  const turns = await Turns.open(t, { env: { DROVER_MODEL: "openai/none", ...nobody } });
  const random = new Random(seed);
  written(turns, "flows", "whole", FLOW(turns.root));
  written(turns, "flows", "small", SMALL(turns.root));
  written(turns, "workflows", "inner", INNER);
  const events = await played(turns, "whole", []);
  for (let i = 0; i < RUNS; i++) {
    const points = Array.from({ length: KILLS },
      () => ({ events: 1 + random.below(events), later: random.below(LATER) }));
    const words = points.map((one) => `${one.events}+${one.later}`).join(", ");
    t.diagnostic(`seed ${seed}: killed after ${words} of ${events} events`);
    await played(turns, `killed-${i}`, points);
  }
});
