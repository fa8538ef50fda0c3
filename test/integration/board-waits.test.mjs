// board-waits.test.mjs: a provider that makes an attempt or a review wait returns its task to the
// board: no outage fails a task, and agents cool down for as long as their provider names.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { define, open, script } from "./agents.mjs";
import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";

const LIMIT = { timeout: scaled(90_000) };
const HOURS = 2 * 3600;
const TASKS = "/projects/shop/tasks";

const call = (what, body) => `RUN curl -s --unix-socket "$DROVER_DATA/drover.sock" ` +
  `-H 'content-type: application/json' -d '${JSON.stringify(body)}' ` +
  `http://drover/api/projects/_/tasks/_/${what}`;
const WORK = [call("status", { status: "working", agent: "claude" }),
  call("outputs", { agent: "claude", type: "code", title: "it", content: "x", summary: "made" }),
  call("status", { status: "review", agent: "claude" })].join("\n");

/** A board with those agents; "limited" and "poor" are refused for hours, each time. */
async function openBoard(t, agents, more = {}) {
  const turns = await open(t);
  const words = `429 Too many requests. Please try again in ${HOURS}s.`;
  for (const name of ["limited", "poor"]) {
    define(turns, name, { program: "codex", command: script(turns, name,
      `echo '${JSON.stringify({ type: "turn.failed", error: { message: words } })}'; exit 1`) });
  }
  const made = await turns.ask("POST", "/projects", { name: "shop", root: turns.root,
    board: { agents: agents.map((name) => ({ name })), ...more } });
  assert.equal(made.status, 201, made.text);
  return turns;
}

const show = (turns, name = "T-1") => turns.get(`${TASKS}/${name}?expand=all`);

async function once(turns, what, fits) {
  let task;
  await until(what, async () => fits(task = await show(turns)));
  return task;
}

const cooling = async (turns, name) => (await turns.get(`/agents/${name}`)).cooling_until_ms;

test("an agent whose provider names a time in hours cools down for all of it, over a restart",
  LIMIT, async (t) => {
    const turns = await openBoard(t, ["limited", "claude"]);
    const before = Date.now();
    await turns.ask("POST", TASKS, { title: "Work", description: WORK });
    const task = await once(turns, "the other agent has done it", ({ status, attempts }) =>
      status === "review" && attempts[0].ended_ms !== null);
    const [second, first] = task.attempts;
    assert.deepEqual([first.agent, first.outcome, second.agent, task.retry_count],
      ["limited", "rate_limited", "claude", 0]);
    const [back] = task.events.filter(({ type }) => type === "pending");
    assert.deepEqual([back.detail.from, back.detail.reason], ["claimed", "api_error_retry"]);
    const until1 = await cooling(turns, "limited");
    assert.ok(Math.abs(until1 - before - HOURS * 1000) < scaled(30_000), `${until1 - before}`);
    await turns.daemon.kill();
    await turns.daemon.start();
    await turns.ask("POST", TASKS, { title: "More", assignee: "limited" });
    await until("it says why it waits", async () =>
      /limited has 0 of 1 tasks and cools down/.test((await show(turns, "T-2")).waits));
    assert.equal(await cooling(turns, "limited"), until1);
  });

test("an outage of all its agents fails no task, however few attempts it has", LIMIT, async (t) => {
  const turns = await openBoard(t, ["limited", "poor"]);
  await turns.ask("POST", TASKS, { title: "Work", description: WORK, max_attempts: 1 });
  const task = await once(turns, "both were refused", ({ attempts }) =>
    attempts.length === 2 && attempts[0].ended_ms !== null);
  assert.deepEqual([task.status, task.reason, task.retry_count],
    ["pending", "api_error_retry", 0]);
  // An attempt of another kind is its last one.
  await turns.ask("PATCH", `${TASKS}/T-1`, { description: "says nothing", not_before_ms: 0 });
  await turns.ask("PATCH", "/projects/shop", { board: { agents: [{ name: "claude" }] } });
  const failed = await once(turns, "it fails", ({ status }) => status === "failed");
  assert.deepEqual([failed.reason, failed.attempt_count], ["max_attempts", 3]);
});

test("a review whose provider refuses for hours ends, and the result waits", LIMIT, async (t) => {
  const turns = await openBoard(t, ["claude"], { reviewer: "limited" });
  await turns.ask("POST", TASKS, { title: "Work", description: WORK });
  const task = await once(turns, "the review has failed", ({ events }) =>
    events.some(({ type }) => type === "review_failed"));
  assert.deepEqual([task.status, task.review_run, task.rejections], ["review", null, 0]);
  assert.ok(await cooling(turns, "limited") > Date.now() + HOURS * 500);
});

test("edges that drover takes say what it knows", LIMIT, async (t) => {
  const turns = await openBoard(t, ["embeds", "lasts"]);
  const lines = { text: "say", transport: "via", result: "done" };
  const agent = (name, command, more = {}) => define(turns, name,
    { program: "json_lines", lines, command: script(turns, name, command), ...more });
  agent("embeds", `echo '{"say":"x","via":"embedded","done":true}'`);
  agent("lasts", "exec sleep 600", { deadline_ms: 1000 });
  for (const name of ["embeds", "lasts"]) {
    await turns.ask("POST", TASKS, { title: "Work", assignee: name });
  }
  const edge = async (name, reason) => {
    let found;
    await until(`${name} is given back`, async () => (found = (await show(turns, name)).events
      .find(({ type, detail }) => ["failed", "pending"].includes(type) &&
        detail.reason === reason)));
    return found;
  };
  const { type, detail: fell } = await edge("T-1", "unexpected_fallback");
  assert.deepEqual([type, fell.transport, Number.isInteger(fell.duration_ms)],
    ["failed", "embedded", true]);
  assert.match(fell.fallback_reason, /without its gateway/);
  const { metadata } = (await show(turns)).attempts[0];
  assert.deepEqual([metadata.transport, metadata.fallback_reason],
    ["embedded", fell.fallback_reason]);
  const { detail: late } = await edge("T-2", "max_monitor_timeouts");
  assert.deepEqual([late.count, late.elapsed_seconds >= 1, late.diagnostics.length > 0],
    [1, true, true]);
});
