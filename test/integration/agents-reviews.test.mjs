// agents-reviews.test.mjs: a model looks at what a program asks for, before a person is asked.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";

import { define, killProgram, letGo, open, script, session } from "./agents.mjs";
import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";
import { Listener, say, textOf, toolsOf } from "./turns.mjs";

const decide = (decision) => say(JSON.stringify({ decision, reason: `I ${decision} it` }));
const REVIEWS = {
  fine: [decide("allow")],
  harm: [decide("deny")],
  unclear: [say("Sure, go ahead!")],
  slow: [`delay: ${scaled(1500)}ms`, decide("allow")],
  late: [`delay: ${scaled(4000)}ms`, decide("allow")],
};

async function reviewed(t, model = "scripted/reviewer") {
  const folder = mkdtempSync(path.join(tmpdir(), "drv-script-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, "script.json");
  const models = { reviewer: { turns: Object.entries(REVIEWS).map(([word, lines]) =>
    ({ when: `"request":"ASK me: ${word}"`, steps: [lines] })) } };
  writeFileSync(file, JSON.stringify({ models }));
  const permissions = [{ tool: "Bash", permission: "review" }];
  const turns = await open(t, "claude", { permissions }, { DROVER_SCRIPT: file });
  if (model) await turns.ask("PATCH", "/settings", { review_model: model });
  return turns;
}

const reviewsOf = async (turns, run) =>
  (await turns.get(`/runs/${run}/spans`)).items.filter(({ kind }) => kind === "review");

test("what a model allows goes on, and what it denies is denied with its reason", async (t) => {
  const turns = await reviewed(t);
  for (const [word, state] of [["fine", "succeeded"], ["harm", "denied"]]) {
    const listener = await session(turns);
    const { run, end, message } = await turns.turn(listener, `ASK me: ${word}`);
    assert.deepEqual([end.state, textOf(message)], ["succeeded", "turn 1 of claude"]);
    assert.deepEqual(toolsOf(message).map((tool) => tool.state), [state]);
    const [review] = await reviewsOf(turns, run);
    assert.deepEqual([review.name, review.state], ["scripted/reviewer", "succeeded"]);
    assert.ok(review.tokens.fresh > 0);
    listener.close();
  }
  assert.deepEqual((await turns.get("/approvals?all=1")).items, []);
});

test("a person is asked where the review is unclear, or no model is there for it", async (t) => {
  for (const model of ["scripted/reviewer", null]) {
    const turns = await reviewed(t, model);
    const listener = await session(turns);
    const { run } = await turns.send(listener.session, "ASK me: unclear");
    const asked = await listener.until("approval_asked", (data) => data.run === run);
    assert.deepEqual([asked.tool, asked.arguments], ["Bash", { command: "make test" }]);
    if (model) assert.match(asked.about.review, /no clear answer/);
    assert.equal((await turns.approve(asked.id)).status, 200);
    assert.equal((await listener.ended(run)).state, "succeeded");
    assert.equal((await reviewsOf(turns, run)).length, model ? 1 : 0);
    listener.close();
  }
});

test("a review goes on after the daemon was killed in the middle of it", async (t) => {
  const turns = await reviewed(t);
  const listener = await session(turns);
  const { run } = await turns.send(listener.session, "ASK me: slow");
  await until("it is reviewed", async () => (await reviewsOf(turns, run)).length > 0);
  listener.close();
  await turns.daemon.kill();
  await turns.daemon.start();
  const again = await new Listener(turns, listener.session).open();
  assert.equal((await again.ended(run)).state, "succeeded");
  const message = await turns.answer(listener.session, run);
  assert.deepEqual(toolsOf(message).map((tool) => tool.state), ["succeeded"]);
  assert.deepEqual((await turns.get("/approvals?all=1")).items, []);
  again.close();
});

test("a program that ends while its question is looked at goes on without an answer", async (t) => {
  const turns = await reviewed(t);
  const line = (value) => `echo '${JSON.stringify({ ...value, session_id: "s1" })}'`;
  const init = line({ type: "system", subtype: "init" });
  const command = script(turns, "twice", `${init}
case "$*" in *--resume*) until [ -e go ]; do sleep 0.05; done
${line({ type: "result", subtype: "success", is_error: false, result: "so" })}; exit 0;; esac
${line({ type: "control_request", request_id: "q1", request: { subtype: "can_use_tool",
    tool_name: "Bash", tool_use_id: "toolu_1", input: { command: "make" } } })}
exec sleep 1000`);
  const permissions = [{ tool: "Bash", permission: "review" }];
  define(turns, "twice", { program: "claude", command, permissions });
  const listener = await session(turns, { agent: "twice" });
  const { run } = await turns.send(listener.session, "ASK me: late");
  await until("it is reviewed", async () => (await reviewsOf(turns, run)).length > 0);
  killProgram(turns);
  await until("another process goes on", async () => (await turns.get(`/runs/${run}/spans`)).items
    .some(({ rule }) => rule === "signal"));
  assert.deepEqual((await reviewsOf(turns, run)).map(({ state }) => state), ["cancelled"]);
  // A review that began later has ended, too, when the turn goes on.
  const later = await session(turns);
  assert.equal((await turns.turn(later, "ASK me: late")).end.state, "succeeded");
  letGo(turns);
  assert.equal((await listener.ended(run)).state, "succeeded");
  for (const one of [listener, later]) one.close();
});
