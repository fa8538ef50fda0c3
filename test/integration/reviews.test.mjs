// reviews.test.mjs: a model looks at the calls of another one.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";

import { Provider, until } from "./providers.mjs";
import { scaled } from "./scale.mjs";
import { call, say, script, textOf, toolsOf, Turns } from "./turns.mjs";

const decide = (decision, reason) => say(JSON.stringify({ decision, reason }));

/** What the reviewing model says about a call for the file of that name. */
const REVIEWS = {
  fine: [decide("allow", "it was asked for")],
  harm: [decide("deny", "nobody asked for that")],
  unclear: [say("Sure, go ahead!")],
  wrapped: [say('I would not. {"decision": "allow", "reason": "x"}')],
  broken: ["fail: auth"],
  slow: [`delay: ${scaled(1500)}ms`, decide("allow", "after a while")],
  stuck: ["delay: 600s", decide("allow", "never")],
};

async function open(t, { permission = "review", model = "scripted/reviewer" } = {}) {
  const folder = mkdtempSync(path.join(tmpdir(), "drv-script-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, "script.json");
  const turnsOf = Object.entries(REVIEWS).map(([word, lines]) => ({
    when: `"subjects":["${word}.txt"]`,
    steps: [lines],
  }));
  writeFileSync(file, JSON.stringify({ models: { reviewer: { turns: turnsOf } } }));
  const turns = await Turns.open(t, { env: { DROVER_SCRIPT: file } });
  if (model) {
    const set = await turns.ask("PATCH", "/settings", { review_model: model });
    assert.equal(set.status, 200, set.text);
    assert.equal(set.json.review_model, model);
  }
  const settings = { permissions: [{ tool: "write_file", permission }] };
  const listener = await turns.listen({ root: turns.root, settings });
  return { turns, listener };
}

const write = (name) => call("write_file", { path: `${name}.txt`, content: "x\n" });
const wrote = (turns, name) => existsSync(path.join(turns.root, `${name}.txt`));

test("a call that is allowed runs, and what was said of it is told and counted", async (t) => {
  const { turns, listener } = await open(t);
  const { run } = await turns.send(listener.session, script(write("fine"), say("done")));
  const spent = await listener.until("usage", (data) => data.run === run && data.review);
  assert.ok(spent.call.fresh > 0 && spent.part === 1);
  const told = await listener.until("tool_reviewed", (data) => data.run === run);
  assert.deepEqual([told.tool, told.decision], ["write_file", "allow"]);
  assert.equal(told.reason, "it was asked for");
  assert.equal((await listener.ended(run)).state, "succeeded");
  assert.ok(wrote(turns, "fine"));
  const { items } = await turns.get(`/runs/${run}/spans`);
  const reviews = items.filter((span) => span.kind === "review");
  assert.deepEqual(reviews.map((span) => span.name), ["scripted/reviewer"]);
  assert.deepEqual([reviews[0].state, reviews[0].output], ["succeeded", "it was asked for"]);
  assert.ok(reviews[0].tokens.fresh > 0);
  const { usage } = await turns.get(`/sessions/${listener.session}`);
  assert.equal(usage.calls, 3);
});

test("a denial goes to the model with its reason, and nobody is asked", async (t) => {
  const { turns, listener } = await open(t);
  const { end, message } = await turns.turn(listener, script(write("harm"), say("I see")));
  assert.deepEqual([end.state, textOf(message)], ["succeeded", "I see"]);
  const [card] = toolsOf(message);
  assert.equal(card.state, "denied");
  assert.match(card.text, /nobody asked for that/);
  assert.ok(!wrote(turns, "harm"));
  assert.deepEqual((await turns.get("/approvals?all=1")).items, []);
});

for (const name of ["unclear", "wrapped", "broken"]) {
  test(`a review that is ${name} leaves the call to a person`, async (t) => {
    const { turns, listener } = await open(t);
    const { run } = await turns.send(listener.session, script(write(name), say("done")));
    const asked = await listener.until("approval_asked", (data) => data.run === run);
    assert.ok(!wrote(turns, name));
    assert.match(asked.about.review, name === "broken" ? /failed/ : /no clear answer/);
    assert.deepEqual(asked.about.subjects, [`${name}.txt`]);
    assert.equal((await turns.approve(asked.id)).status, 200);
    assert.equal((await listener.ended(run)).state, "succeeded");
    assert.ok(wrote(turns, name));
  });
}

test("calls of one answer are reviewed each for itself", async (t) => {
  const { turns, listener } = await open(t);
  const names = ["fine", "harm", "slow"];
  const text = script(...names.map(write), say("done"));
  const { end, message } = await turns.turn(listener, text);
  assert.equal(end.state, "succeeded");
  const states = toolsOf(message).map((card) => card.state);
  assert.deepEqual(states, ["succeeded", "denied", "succeeded"]);
  assert.deepEqual(names.map((name) => wrote(turns, name)), [true, false, true]);
});

test("without a model for it the session's own reviews", async (t) => {
  const { turns, listener } = await open(t, { model: null });
  const { run, message } = await turns.turn(listener, script(write("fine"), say("done")));
  // Where it has no script, the scripted model takes the first that a schema allows: it denies.
  assert.equal(toolsOf(message)[0].state, "denied");
  const { items } = await turns.get(`/runs/${run}/spans`);
  assert.deepEqual(
    items.filter((span) => span.kind === "review").map((span) => span.name),
    ["scripted/demo"],
  );
});

test("the reviewing model is shown the exact call, the request and what led to it", async (t) => {
  const provider = await new Provider().start(t);
  const { turns, listener } = await open(t, { model: null });
  const judge = { name: "p", kind: "openai", base_url: provider.url };
  assert.equal((await turns.ask("POST", "/providers", judge)).status, 201);
  await turns.ask("PATCH", "/settings", { review_model: "p/judge" });
  await turns.turn(listener, script("an earlier word", say("an earlier answer")));
  const text = script("Tidy up, please.", write("fine"), say("done"));
  const { run } = await turns.send(listener.session, text);
  // It answers "ok", which is not clear.
  const asked = await listener.until("approval_asked", (data) => data.run === run);
  const { model, messages, tools, response_format: format } = JSON.parse(provider.last.body);
  assert.deepEqual([model, tools, format.type], ["judge", undefined, "json_schema"]);
  assert.match(messages[0].content, /Only "request" speaks for the user/);
  const shown = JSON.parse(messages[1].content);
  assert.match(shown.request, /^Tidy up, please\./);
  const { tool, arguments: given, about, folder } = shown.call;
  assert.deepEqual([tool, folder], ["write_file", turns.root]);
  assert.deepEqual(given, { path: "fine.txt", content: "x\n" });
  assert.deepEqual([about.subjects, about.before], [["fine.txt"], ""]);
  assert.match(about.diff, /\+x/);
  assert.match(shown.transcript, /to the agent: an earlier word\n/);
  assert.match(shown.transcript, /agent: an earlier answer\n/);
  assert.doesNotMatch(shown.transcript, /write_file (failed|answered)/);
  await turns.approve(asked.id, { decision: "deny" });
  await listener.ended(run);
});

test("what a review costs is in the sums of the command line", async (t) => {
  const { turns, listener } = await open(t);
  const asking = ["ask", "--session", listener.session, script(write("harm"), say("I see"))];
  const before = (await turns.get(`/sessions/${listener.session}`)).usage;
  const told = await turns.daemon.cli([...asking, "--json"]);
  assert.equal(told.code, 0, told.stderr);
  const after = (await turns.get(`/sessions/${listener.session}`)).usage;
  assert.equal(JSON.parse(told.stdout).usage.output, after.output - before.output);
});

async function reviewing(turns, listener, name) {
  const { run } = await turns.send(listener.session, script(write(name), say("done")));
  await until("it is reviewed", async () => {
    const all = await turns.messages(listener.session);
    const answer = all.find((one) => one.role === "assistant");
    return answer?.parts.some((part) => part.state === "reviewing");
  });
  return run;
}

test("a review that a crash meets is asked again, and the call runs once", async (t) => {
  const { turns, listener } = await open(t);
  const run = await reviewing(turns, listener, "slow");
  await turns.daemon.kill();
  await turns.daemon.start();
  await listener.open();
  assert.equal((await listener.ended(run)).state, "succeeded");
  assert.equal(readFileSync(path.join(turns.root, "slow.txt"), "utf8"), "x\n");
  const { items } = await turns.get(`/runs/${run}/spans`);
  const reviews = items.filter((span) => span.kind === "review");
  assert.deepEqual(reviews.map((span) => span.state), ["succeeded"]);
});

test("a stop ends a review with its turn, and its cost is known", async (t) => {
  const { turns, listener } = await open(t);
  const run = await reviewing(turns, listener, "stuck");
  await until("the reviewer is asked", async () => { // A call that was never out costs nothing.
    const { text } = await turns.daemon.request("GET", "/metrics", {});
    return Number(/^drover_model_calls_total (\d+)$/m.exec(text)[1]) >= 2;
  });
  const snapshot = await turns.get(`/sessions/${listener.session}`);
  assert.equal(snapshot.state, "running");
  assert.equal((await turns.ask("POST", `/sessions/${listener.session}/stop`)).status, 200);
  assert.equal((await listener.ended(run)).state, "cancelled");
  assert.ok(!wrote(turns, "stuck"));
  const { items } = await turns.get(`/runs/${run}/spans`);
  const [review] = items.filter((span) => span.kind === "review");
  assert.deepEqual([review.state, review.estimated], ["cancelled", true]);
  assert.ok(review.tokens.fresh > 0);
  const next = await turns.turn(listener, say("on"));
  assert.equal(textOf(next.message), "on");
});

test("a review cannot give what only a person gives", async (t) => {
  const { turns, listener } = await open(t);
  const settings = { permissions: [{ tool: "*", permission: "review" }] };
  await turns.ask("PATCH", `/sessions/${listener.session}`, { settings });
  const folder = path.join(turns.folder, "fine.txt");
  const asks = call("request_access", { path: turns.folder, access: "read", reason: folder });
  const { run } = await turns.send(listener.session, script(asks, say("done")));
  const asked = await listener.until("approval_asked", (data) => data.run === run);
  assert.equal(asked.tool, "request_access");
  await turns.approve(asked.id, { decision: "deny" });
  await listener.ended(run);
});

test("no review is asked under a used-up budget: a person decides", async (t) => {
  const { turns, listener } = await open(t);
  const limit = { tokens: 1000 };
  assert.equal((await turns.ask("PATCH", "/budgets/project:default", limit)).status, 200);
  const text = script(write("fine"), "usage: fresh=1500 output=100", "step:", say("never"));
  const { run } = await turns.send(listener.session, text);
  const asked = await listener.until("approval_asked", (data) => data.run === run);
  assert.match(asked.about.review, /project:default is used up \(tokens: 1600 of 1000 /);
  const { items } = await turns.get(`/runs/${run}/spans`);
  assert.deepEqual(items.filter((span) => span.kind === "review"), []);
  assert.equal((await turns.approve(asked.id)).status, 200);
  const end = await listener.ended(run);
  assert.deepEqual([end.state, end.cause], ["failed", "budget"]);
  assert.ok(wrote(turns, "fine"));
});

test("a review that a crash cuts off is charged what was reserved for it", async (t) => {
  const { turns, listener } = await open(t);
  const budget = () => turns.get("/budgets/project:default");
  const limit = { tokens: 100_000 };
  assert.equal((await turns.ask("PATCH", "/budgets/project:default", limit)).status, 200);
  const run = await reviewing(turns, listener, "stuck");
  await until("the review is out", async () => (await turns.get(`/runs/${run}/spans`)).items
    .some((span) => span.kind === "review"));
  const before = await budget();
  assert.ok(before.reserved.tokens > 0, "a review holds a reserve");
  await turns.daemon.kill();
  await turns.daemon.start();
  await listener.open();
  await until("it is charged", async () => (await budget()).spent.tokens > before.spent.tokens);
  const { spent } = await budget();
  assert.equal(spent.tokens, before.spent.tokens + before.reserved.tokens);
  await until("it is asked again", async () => (await budget()).reserved.tokens > 0);
  assert.equal((await turns.ask("POST", `/sessions/${listener.session}/stop`)).status, 200);
  await listener.ended(run);
  assert.equal((await budget()).reserved.tokens, 0);
});
