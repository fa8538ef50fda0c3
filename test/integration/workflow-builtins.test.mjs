// workflow-builtins.test.mjs: what the built-in workflows say where some of their agents fail.
//
// runs-with: release
import assert from "node:assert/strict";
import { test } from "node:test";

import { Counting } from "./counting.mjs";
import { Workflows } from "./workflows.mjs";

async function ran(t, name, args, say) {
  const provider = await new Counting(say).start(t);
  const flows = await Workflows.open(t);
  const model = await flows.connect(provider);
  const run = await flows.start({ name, args, model, root: undefined });
  return { provider, ...(await flows.outcome(run)) };
}

test("find-issues fails when no finder answered in a round", async (t) => {
  const { end, provider } = await ran(t, "find-issues", {}, () => ({ status: 400 }));
  assert.equal(end.state, "failed");
  assert.match(end.error.message, /round 1: no finder answered; 0 issues were known before/);
  assert.equal(provider.prompts.length, 3);
});

test("find-issues goes on where one of its finders answered", async (t) => {
  const { end } = await ran(t, "find-issues", {}, (prompt) =>
    prompt.includes("by doubt") ? { text: '{"issues":[]}' } : { status: 400 });
  assert.deepEqual([end.state, end.result], ["degraded", { issues: [], rounds: 2 }]);
});

test("review-code says in its report which reviewers failed", async (t) => {
  const { end } = await ran(t, "review-code", { target: "src" }, (prompt) =>
    /for (security|performance) alone/.test(prompt) ? { status: 400 }
      : prompt.startsWith("Write the report") ? { text: "It can be merged." }
        : { text: '{"findings":[]}' });
  assert.equal(end.state, "degraded");
  assert.equal(end.result.report, "It can be merged.\n\n" +
    "Not reviewed: security (its reviewer failed).\n\n" +
    "Not reviewed: performance (its reviewer failed).");
  assert.deepEqual(end.result.missing, ["security", "performance"]);
});

test("those that take a target take it as path, too, and one of the two", async (t) => {
  const flows = await Workflows.open(t);
  const asks = async (name, args) => {
    const { run } = await flows.run({ name, args, model: "scripted/demo" });
    return (await flows.agents(run)).map(({ prompt }) => prompt).sort().join("\n");
  };
  for (const name of ["bounty-hunt", "find-issues", "multi-review", "review-code"]) {
    const prompts = await asks(name, { target: "src/here" });
    assert.match(prompts, /src\/here/);
    assert.equal(await asks(name, { path: "src/here" }), prompts);
    const both = await flows.ask("POST", "/workflows", { name, args: { path: "a", target: "b" } });
    assert.deepEqual([both.status, both.json.code], [400, "bad_field"]);
  }
  const { stdout, stderr } = await flows.daemon.cli(
    ["run", "--model", "scripted/demo", "--root", flows.root, "--json", "review-code", "src/here"]);
  assert.match(stdout, /"target":"src\/here"/, stderr);
});
