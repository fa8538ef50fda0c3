// workflow-from-event.test.mjs: a run goes on from an event of another one: what that had finished
// by then is reused, and all else is asked again.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";

import { Counting } from "./counting.mjs";
import { whole, Workflows } from "./workflows.mjs";

/** Two stages of twenty under one label, and one agent that holds all of their answers. */
const ITEMS = 20;
const AGENTS = 2 * ITEMS + 1;
const SCRIPT = whole(`
const texts = await pipeline(Array.from({ length: ${ITEMS} }, (_, i) => i),
  (i) => agent(\`look \${i}\`, { label: "look" }),
  (text, i) => agent(\`judge \${i}: \${text}\`, { label: "judge" }));
return await agent(\`sum of \${texts.join(", ")}\`, { label: "sum" });`);

/** Answers come in an order of their own: those of even items of a stage first. */
let held = [];
const later = () => new Promise((resolve) => held.push(resolve));
let holds = null;
const provider = new Counting(async (prompt) => {
  if (holds?.(prompt)) await later();
  return { text: `heard ${prompt.length}` };
});

let flows;
let model;
let first;
async function open(t) {
  const folder = mkdtempSync(path.join(tmpdir(), "drv-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const prices = path.join(folder, "prices.json");
  writeFileSync(prices, JSON.stringify({ models: {
    "counting/small": { max_output: 1000, input: 0, output: 2000000 } } }));
  await provider.start(t);
  flows = await Workflows.open(t, { folder, args: ["--prices", prices] });
  model = await flows.connect(provider);
  first = await flows.run({ script: SCRIPT, model, root: undefined, concurrency: 7 });
}

/** Agents that had finished when that event was the newest one. */
const finishedAt = (seq) => first.events.filter(({ type, seq: at }) =>
  type === "agent_finished" && at <= seq).map(({ data }) => data.run);
const head = () => first.events.at(-1).seq;
const random = (max) => Math.floor(Math.random() * (max + 1));

const body = (seq, more) => ({ model, root: undefined, resumeFromRunId: first.run,
  from_seq: seq, ...more });
async function planOf(seq, more) {
  const answer = await flows.ask("POST", "/scripts/plan", body(seq, more));
  assert.equal(answer.status, 200, answer.text);
  return answer.json;
}
const refusal = async (target, more) => {
  const { status, json } = await flows.ask("POST", target, more);
  return [status, json.code];
};

test("a run goes on from an event of another", async (t) => {
  await open(t);
  const it = (name, check) => t.test(name, check);
  await it("asks what was not finished at it, as often as its plan has said", async () => {
    const places = [0, head(), ...Array.from({ length: 8 }, () => random(head()))];
    for (const seq of places) {
      const finished = finishedAt(seq);
      const { rehearsal, from_seq, resume } = await planOf(seq);
      assert.deepEqual([from_seq, resume], [seq, { fit: true, fault: null }]);
      assert.deepEqual([rehearsal.agents, rehearsal.cached], [AGENTS, finished.length],
        `event ${seq} of ${head()}`);
      const announced = rehearsal.agents - rehearsal.cached;
      assert.deepEqual(rehearsal.price, { micros: announced * 2000, unpriced: 0 });
      const sum = (cached) => rehearsal.steps.filter((step) => step.cached === cached)
        .reduce((agents, step) => agents + step.agents, 0);
      assert.deepEqual([sum(true), sum(false)], [finished.length, announced]);

      const before = provider.prompts.length;
      const second = await flows.run(body(seq));
      assert.equal(provider.prompts.length - before, announced, `event ${seq} of ${head()}`);
      assert.deepEqual(second.end.agents,
        { succeeded: announced, cached: finished.length, failed: 0, skipped: 0 });
      assert.equal(second.end.result, first.end.result);
      assert.equal(second.events[0].data.from_seq, seq);
    }
  });

  // A plan does not know what an agent that is asked again will say: it counts all that depends on
  // that. Here it says the same as before, and its judge, if that had finished, is reused.
  await it("asks those of `rerun` as well", async () => {
    const ends = first.events.filter(({ type }) => type === "agent_finished");
    assert.equal(ends.length, AGENTS);
    const rerun = [ends.at(0), ends.at(-1)].map(({ data }) => data.run);
    const moments = [
      { seq: ends.at(0).seq, planned: 0, cached: 0 },
      { seq: ends.at(-1).seq - 1, planned: AGENTS - 3, cached: AGENTS - 2 },
    ];
    for (const { seq, planned, cached } of moments) {
      const { rehearsal } = await planOf(seq, { rerun });
      assert.equal(rehearsal.cached, planned, `event ${seq}`);
      const { end } = await flows.run(body(seq, { rerun }));
      assert.deepEqual([end.agents.cached, end.agents.succeeded], [cached, AGENTS - cached],
        `event ${seq}`);
    }
  });

  await it("reuses the same after a kill", async () => {
    const seq = first.events[Math.floor(first.events.length / 2)].seq;
    const finished = finishedAt(seq);
    holds = () => true;
    const before = provider.prompts.length;
    const run = await flows.start(body(seq));
    while (provider.prompts.length === before) await provider.untilAsked(/./, before + 1);
    await flows.daemon.kill();
    holds = null;
    for (const go of held.splice(0)) go();
    await flows.daemon.start();
    const { end } = await flows.outcome(run);
    assert.equal(end.agents.cached, finished.length);
    assert.equal(end.result, first.end.result);
  });

  await it("is refused where there is no such event, or no such run", async () => {
    const ahead = body(head() + 1);
    assert.deepEqual(await refusal("/workflows", ahead), [400, "cursor_ahead"]);
    const { resume, rehearsal } = await planOf(head() + 1);
    assert.match(resume.fault, new RegExp(`has no event ${head() + 1}; its last one is ${head()}`));
    assert.equal(rehearsal.cached, 0);
    assert.deepEqual(await refusal("/workflows", { script: SCRIPT, model, from_seq: 3 }),
      [400, "bad_field"]);
    assert.deepEqual(await refusal("/workflows", body(-1)), [400, "bad_field"]);
    const named = { ...body(head() + 1), root: flows.root };
    flows.write(".drover/workflows/flock.js", SCRIPT);
    assert.deepEqual(await refusal("/workflows/flock/runs", named), [400, "cursor_ahead"]);
  });

  await it("is planned and started by a shell", async () => {
    const seq = first.events[Math.floor(first.events.length / 2)].seq;
    const words = ["--resume", first.run, "--from-event", `${seq}`];
    const plan = await flows.daemon.cli(["workflow", "plan", ...words]);
    const count = finishedAt(seq).length;
    assert.match(plan.stdout, new RegExp(`cached +${count} of ${AGENTS} agents`), plan.stderr);
    const ran = await flows.daemon.cli(["run", ...words, "--json"]);
    const end = JSON.parse(ran.stdout.trim().split("\n").at(-1));
    assert.equal(end.agents.cached, count, ran.stderr);
    const alone = await flows.daemon.cli(["run", "flock", "--from-event", "3"]);
    assert.deepEqual([alone.code, alone.stderr.includes("--from-event needs --resume RUN")],
      [2, true]);
  });
});
