// workflow-thrown.test.mjs: errors inside the functions of parallel() and pipeline(). Each makes
// its item null; the log says why, and the run counts them.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { Counting } from "./counting.mjs";
import { say } from "./turns.mjs";
import { logs, whole, Workflows } from "./workflows.mjs";

// Two agents, then a misspelt member in each item; a second call with a good item, and the same
// error again; a third one, whose agent itself fails.
const BODY = `const found = await pipeline(["a", "b"],
  (name) => agent(${JSON.stringify(say("x"))}, { label: name }),
  (text) => text.parts.map((part) => part.length));
const fail = (words) => { throw new Error(words); };
const again = await parallel([() => "good", () => fail("no luck"), () => fail("no luck")]);
const missed = await parallel([() => agent("x", { agentType: "nobody-has-it" })]);
return { found, again, missed };`;

test("an error in parallel() or pipeline() is logged with its place, and counted", async (t) => {
  const flows = await Workflows.open(t);
  const { run, end, events } = await flows.run({ script: whole(BODY) });
  const lost = { found: [null, null], again: ["good", null, null], missed: [null] };
  assert.deepEqual(end.result, lost);
  const said = logs(events);
  assert.equal(said.length, 2, said.join("\n"));
  assert.match(said[0], /^error in pipeline\(\), 2 times: TypeError: .*map.* at \S+:4:\d+$/);
  assert.match(said[1], /^error in parallel\(\), 2 times: Error: no luck at \S+:5:\d+$/);
  assert.deepEqual([end.items_failed, end.calls_failed], [4, 1]);
  const { result } = await flows.get(`/runs/${run}`);
  assert.deepEqual([result.items_failed, result.calls_failed], [4, 1]);

  // Without a failed agent, too, the run is degraded: every item of a call is lost.
  const typo = await flows.run({
    script: whole(`return await parallel([() => args.files.length])`), args: {} });
  assert.deepEqual([typo.end.state, typo.end.cause], ["degraded", "items_failed"]);
  const shown = await flows.daemon.cli(["show", typo.run]);
  assert.match(shown.stdout, /1 item lost to an error/);

  // A filter that throws for some items is none of that.
  const some = await flows.run({
    script: whole(`return await parallel([() => 1, () => { throw new Error("odd"); }])`) });
  assert.deepEqual([some.end.state, some.end.items_failed], ["succeeded", 1]);
});

test("a replay repeats neither the lines nor the counts, and many kinds are bounded", async (t) => {
  const gate = {};
  const open = new Promise((resolve) => { gate.resolve = resolve; });
  const provider = await new Counting(() => open.then(() => ({ text: "done" }))).start(t);
  const flows = await Workflows.open(t);
  const model = await flows.connect(provider);
  const script = whole(`const fail = (words) => { throw new Error(words); };
await parallel([() => fail("before")]);
const wide = await parallel(Array.from({ length: 50 }, (_, i) => () => fail("kind " + i)));
await agent("slow");
await parallel([() => fail("before")]);
return wide.length;`);
  const run = await flows.start({ script, model });
  await provider.untilAsked("slow", 1);
  await flows.daemon.kill();
  await flows.daemon.start();
  await provider.untilAsked("slow", 2);
  gate.resolve();
  const { end, events } = await flows.outcome(run);
  const said = logs(events);
  assert.match(said[0], /^error in parallel\(\): Error: before at /);
  assert.equal(said.length, 22, said.join("\n"));
  assert.match(said[20], /^error in parallel\(\), 2 times in all: Error: before at /);
  assert.match(said[21], /31 more items/);
  assert.deepEqual([end.items_failed, end.calls_failed], [52, 3]);
});
