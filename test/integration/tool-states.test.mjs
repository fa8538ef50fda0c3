// tool-states.test.mjs: what a call of a tool ended with is one state and one cause, and both are
// the same in messages, events, traces, exports and in the prompt's sense of a mistake.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { plainEnv, run as cli } from "./lib.mjs";
import { call, say, script, textOf, toolsOf, Turns } from "./turns.mjs";

const ends = (message) => toolsOf(message).map(({ state, cause }) => [state, cause]);

/** Each line is an answer of its own. */
const steps = (...lines) => script(...lines).replaceAll("\ncall:", "\nstep:\ncall:");
const FREE = { permissions: [{ tool: "*", permission: "allow" }] };
const edit = (old_text, more = {}) =>
  call("edit_file", { path: "a.txt", old_text, new_text: "x", ...more });

test("each failure has a cause, the same wherever it is shown", async (t) => {
  const turns = await Turns.open(t);
  writeFileSync(path.join(turns.root, "a.txt"), "one\nsame\nsame\n");
  mkdirSync(path.join(turns.root, "folder"));
  const listener = await turns.listen({ root: turns.root, settings: FREE });
  const calls = [
    [edit("nowhere"), "no_match"],
    [edit("same"), "ambiguous_match"],
    [call("read_file", { path: "none" }), "not_found"],
    [call("list_files", {}), null],
    [call("read_file", { path: "/etc/hostname" }), "not_permitted"],
    [call("read_file", { wrong: 1 }), "bad_arguments"],
    [call("list_files", {}), null],
    [call("no_such_tool", {}), "tool_unknown"],
    [call("read_file", { path: "folder" }), "conflict"],
    [edit("one", { path: "missing.txt" }), "not_found"],
    [call("list_files", {}), null],
  ];
  const { run, end, message } = await turns.turn(
    listener, steps(...calls.map(([line]) => line), say("done")),
  );
  assert.equal(end.state, "succeeded");
  const expected = calls.map(([, cause]) => [cause === null ? "succeeded" : "failed", cause]);
  assert.deepEqual(ends(message), expected);
  const told = listener.heard.events.filter(({ type }) => type === "tool_finished");
  assert.deepEqual(told.map(({ data }) => [data.state, data.cause]), expected);
  // A call that was refused before it began took no time.
  const took = toolsOf(message).map(({ ms }) => ms ?? null);
  assert.deepEqual(told.map(({ data }) => data.ms), took);
  assert.ok(took.filter((ms) => ms !== null).length >= 8, `${took}`);
  const { items } = await turns.get(`/runs/${run}/spans`);
  const spans = items.filter(({ kind }) => kind === "tool");
  assert.deepEqual(
    spans.map(({ state, cause }) => [state, cause]),
    expected.map(([state, cause]) => [state, cause ?? "completed"]),
  );
  const { text } = await turns.ask("GET", `/sessions/${listener.session}/export?format=markdown`);
  assert.match(text, /### edit_file \(failed: no_match\)/);
  assert.match(text, /### list_files \(succeeded\)/);
  const env = { ...plainEnv, DROVER_DATA: path.join(turns.folder, "d") };
  const traced = await cli(["trace", run], { env });
  assert.match(traced.stdout, /edit_file.*failed \(ambiguous match\)/, traced.stderr);
});

test("only a rule, a person or a review denies, and no denial is a mistake", async (t) => {
  const turns = await Turns.open(t);
  const permissions = [
    { tool: "run_command", permission: "deny" },
    { tool: "write_file", permission: "ask" },
  ];
  const listener = await turns.listen({ root: turns.root, settings: { permissions } });
  const write = (i) => call("write_file", { path: `${i}.txt`, content: "x" });
  const six = [0, 1, 2, 3, 4, 5, 6].map(write);
  const ruled = call("run_command", { command: "true" });
  const { run } = await turns.send(listener.session, steps(ruled, ...six, say("I give up")));
  for (const i of six.keys()) {
    const asked = await listener.until("approval_asked", (data) => data.run === run);
    await turns.approve(asked.id, { decision: "deny", reason: i === 0 ? "not there" : "" });
  }
  const end = await listener.ended(run);
  const message = await turns.answer(listener.session, run);
  assert.deepEqual([end.state, textOf(message)], ["succeeded", "I give up"]);
  assert.deepEqual(ends(message), [["denied", "rule"], ...six.map(() => ["denied", "person"])]);
  assert.match(toolsOf(message)[1].text, /denied this call: not there/);
  assert.deepEqual(message.parts.filter(({ kind }) => kind === "notice"), []);
  const { items } = await turns.get(`/runs/${run}/spans`);
  const spans = items.filter(({ kind }) => kind === "tool");
  assert.deepEqual(spans.map(({ state, cause }) => [state, cause]), ends(message));
});

test("failed calls end the turn still, and a denial between them is no success", async (t) => {
  const turns = await Turns.open(t);
  const permissions = [{ tool: "run_command", permission: "deny" }];
  const listener = await turns.listen({ root: turns.root, settings: { permissions } });
  const bad = (i) => call("read_file", { path: `none-${i}` });
  const ruled = call("run_command", { command: "true" });
  const { end, message } = await turns.turn(
    listener, steps(bad(0), bad(1), ruled, bad(2), bad(3), ruled, bad(4), bad(5), say("never")),
  );
  assert.deepEqual([end.state, end.cause], ["failed", "tool_mistakes"]);
  assert.equal(ends(message).filter(([state]) => state === "failed").length, 6);
});

test("what a stop cut off is cancelled", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root, settings: FREE });
  const slow = call("run_command", { command: "sleep", args: ["60"] });
  const { run } = await turns.send(listener.session, script(slow, say("never")));
  await listener.until("tool_started", (data) => data.run === run);
  assert.equal((await turns.ask("POST", `/sessions/${listener.session}/stop`)).status, 200);
  await listener.ended(run);
  assert.deepEqual(ends(await turns.answer(listener.session, run)), [["cancelled", "stopped"]]);
});
