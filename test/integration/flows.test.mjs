// flows.test.mjs: flows are run by the shipped binary: whole, over kills, and badly.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { asked, ended, flowOf, started, stepOf, written } from "./flow-kit.mjs";
import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";
import { Turns } from "./turns.mjs";

const LIMIT = { timeout: scaled(120_000) };

/** Each command leaves a line, so that what ran twice is seen. */
const FLOW = (log) => `const note = (word) => "echo " + word + " >> ${log}; echo " + word;
export default {
  name: "whole",
  description: "every kind",
  batchConfig: { maxConcurrent: 1, joinRule: "all_done" },
  steps: [
    { id: "count", kind: "code", run: (ctx) => "two of " + ctx.input.question },
    { id: "which", kind: "switch", deps: ["count"], defaultBranch: ["never"],
      cases: [{ label: "two", condition: (ctx) => ctx.results.count.startsWith("two"),
        stepIds: ["one", "two"] }] },
    { id: "never", kind: "code", run: () => { throw new Error("not this branch"); } },
    { id: "one", kind: "command", batch: "pair", run: () => note("one") },
    { id: "two", kind: "command", batch: "pair", run: () => "sleep 1; " + note("two") },
    { id: "team", kind: "code", deps: ["batch:pair"], run: async (ctx) => {
      const said = await Promise.all(["left", "right"].map((word) =>
        ctx.dispatch("Explore", "delay: 1s\\nsay: " + word)));
      return said.join(" and ");
    } },
    { id: "draft", kind: "agent", deps: ["team"], model: "scripted/demo", maxRetries: 1,
      run: (ctx) => "say: " + (ctx.rejected ?? "first") + " draft" },
    { id: "good", kind: "approval", deps: ["draft"], rewind_to: "draft",
      run: (ctx) => "Is this good: " + ctx.results.draft + "?" },
    { id: "loop", kind: "code", deps: ["good"], loop: { max: 5,
      until: (ctx) => ctx.results.loop === "xxx" }, run: (ctx) => (ctx.results.loop ?? "") + "x" },
    { id: "out", kind: "code", when: () => false, run: () => "never" },
  ],
  render: (ctx) => ["count", "which", "one", "two", "team", "draft", "loop", "out"]
    .map((id) => id + "=" + ctx.results[id]).join("\\n"),
};
`;
const REPORT = ["count=two of sheep", "which=branch:two", "one=one", "two=two",
  "team=left and right", "draft=better draft", "loop=xxx", "out=undefined"].join("\n");

test("every kind of step, a rejection and a loop: the report is as its author expects", LIMIT,
  async (t) => {
    const turns = await Turns.open(t);
    const log = path.join(turns.root, "log");
    written(turns, "whole", FLOW(log));
    const run = await started(turns, "whole", "sheep");
    const first = await asked(turns, run);
    assert.match(JSON.stringify(first), /Is this good: first draft\?/);
    await turns.ask("POST", `/approvals/${first.id}`, { decision: "deny", reason: "better" });
    await until("the draft is written again", async () =>
      stepOf(await flowOf(turns, run), "draft").result === "better draft");
    const second = await asked(turns, run);
    await turns.ask("POST", `/approvals/${second.id}`, { decision: "allow" });
    const flow = await ended(turns, run);
    assert.equal(flow.report, REPORT);
    assert.deepEqual(["never", "out", "loop", "draft"].map((id) => {
      const { status, cause, rounds } = stepOf(flow, id);
      return [status, cause, rounds];
    }), [["excluded", "not_chosen", 0], ["excluded", "when", 0], ["completed", null, 2],
      ["completed", null, 0]]);
    assert.equal(flow.rewinds, 1);
    assert.equal(readFileSync(log, "utf8"), "one\ntwo\n");
    assert.equal((await turns.get(`/runs/${run}`)).state, "succeeded");
  });

test("killed at each stage, a flow ends with the same report, and nothing is done twice", LIMIT,
  async (t) => {
    const turns = await Turns.open(t);
    const log = path.join(turns.root, "log");
    written(turns, "whole", FLOW(log));
    const run = await started(turns, "whole", "sheep");
    const kill = async () => {
      await turns.daemon.kill();
      await turns.daemon.start();
    };
    const at = (id, fits) => until(`${id} is there`, async () =>
      fits(stepOf(await flowOf(turns, run), id)));
    await at("two", ({ status }) => status === "running");
    await kill();
    await at("team", ({ status }) => status === "running");
    await kill();
    await at("draft", ({ status }) => status !== "pending");
    await kill();
    const first = await asked(turns, run);
    await turns.ask("POST", `/approvals/${first.id}`, { decision: "deny", reason: "better" });
    await kill();
    await until("the draft is written again", async () =>
      stepOf(await flowOf(turns, run), "draft").result === "better draft");
    const second = await asked(turns, run);
    await turns.ask("POST", `/approvals/${second.id}`, { decision: "allow" });
    await kill();
    const flow = await ended(turns, run);
    assert.equal(flow.report, REPORT);
    assert.equal(readFileSync(log, "utf8"), "one\ntwo\n");
    const { items } = await turns.get(`/runs?parent=${run}&limit=100`);
    assert.deepEqual(items.map(({ kind }) => kind).sort(),
      ["job", "job", "turn", "turn", "turn", "turn"]);
  });

test("a failing step fails the run with its words, and a stop ends all below it", LIMIT,
  async (t) => {
    const turns = await Turns.open(t);
    written(turns, "bad", `export default { name: "bad", description: "", steps: [
      { id: "slow", kind: "command", command: "sleep 600" },
      { id: "throws", kind: "code", run: (ctx) => ctx.input.none.member },
      { id: "after", kind: "code", deps: ["throws"], run: () => "" }],
      render: (ctx) => "what there is: " + Object.keys(ctx.results).length };\n`);
    const bad = await started(turns, "bad", "x");
    const flow = await ended(turns, bad);
    assert.deepEqual(flow.steps.map(({ status }) => status), ["cancelled", "failed", "skipped"]);
    assert.deepEqual([flow.failed_step, flow.report], ["throws", "what there is: 0"]);
    const row = await turns.get(`/runs/${bad}`);
    assert.deepEqual([row.state, row.cause], ["failed", "step_failed"]);
    assert.match(row.note, /^step 'throws' threw: TypeError: /);
    written(turns, "long", `export default { name: "long", description: "", steps: [
      { id: "slow", kind: "command", command: "sleep 600" }], render: () => "" };\n`);
    const long = await started(turns, "long", "x");
    await until("its command runs", async () =>
      (await turns.get(`/runs?parent=${long}`)).items[0]?.state === "running");
    await turns.ask("POST", `/runs/${long}/stop`, {});
    const stopped = await ended(turns, long);
    assert.equal(stopped.steps[0].status, "cancelled");
    assert.equal(stopped.state, "cancelled");
    await until("nothing of them runs", async () =>
      (await turns.get("/runs?live=1")).items.length === 0);
  });

test("a file that cannot be run is refused with its place; nothing begins", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  const step = (more) => `{ id: "a", kind: "code", run: () => 1, ${more} }`;
  const bad = {
    circle: [`{ id: "a", kind: "code", deps: ["b"], run: () => 1 },
      { id: "b", kind: "code", deps: ["a"], run: () => 1 }`, /wait for each other: a -> b -> a/],
    kind: [step('kind: "codes"'), /step 'a': "kind" must be/],
    deps: [step('deps: ["z"]'), /step 'a': "deps" names 'z'/],
    word: [step('batsh: "x"'), /did you mean "batch"/],
  };
  for (const [name, [steps, words]] of Object.entries(bad)) {
    written(turns, name, `export default { name: "${name}", description: "", steps: [${steps}] };`);
    const answer = await turns.ask("POST", "/flows", { name, root: turns.root });
    assert.deepEqual([answer.status, answer.json.code], [400, "bad_flow"], answer.text);
    assert.match(answer.json.detail, words);
  }
  written(turns, "spins", "while (true) {}\nexport default { steps: [] };");
  const spins = await turns.ask("POST", "/flows", { name: "spins", root: turns.root });
  assert.deepEqual([spins.status, spins.json.code], [400, "bad_flow"], spins.text);
  assert.equal((await turns.get("/runs?kind=flow")).items.length, 0);
});
