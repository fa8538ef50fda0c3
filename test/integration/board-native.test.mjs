// board-native.test.mjs: agents of a board that are models: they report by tools of their task.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";
import { call, say, script, textOf, toolsOf, Turns } from "./turns.mjs";

const LIMIT = { timeout: scaled(90_000) };

const status = (to, more = {}) => call("task_status", { status: to, ...more });
const output = (title, content, more = {}) =>
  call("task_output", { type: "code", title, content, summary: "made", ...more });
/** Each call in an answer of its own. */
const steps = (...lines) => script(...lines.flatMap((line) => [line, "step:"]), say("so it is"));

class Board {
  static async open(t, more = {}) {
    const board = new Board();
    board.turns = await Turns.open(t);
    const made = await board.turns.ask("POST", "/projects", { name: "shop",
      root: board.turns.root, model: "scripted/demo", board: { agents: [{ name: "smith" }] },
      ...more });
    assert.equal(made.status, 201, made.text);
    return board;
  }

  async add(title, description, more = {}) {
    const made = await this.turns.ask("POST", "/projects/shop/tasks",
      { title, description, ...more });
    assert.equal(made.status, 201, made.text);
  }

  show = (name) => this.turns.get(`/projects/shop/tasks/${name}?expand=all`);

  async until(name, fits) {
    let task;
    const right = typeof fits === "string" ? (one) => one.status === fits : fits;
    await until(`${name} is ${fits}`, async () => right(task = await this.show(name)));
    return task;
  }

  /** Cards of the calls that a session made, in order. */
  calls = async (session) => (await this.turns.messages(session)).flatMap(toolsOf);
}

test("a model works a task to its review by the tools that its prompt shows", LIMIT, async (t) => {
  const board = await Board.open(t);
  await board.add("Say hello", steps(status("working"),
    call("task_comment", { body: "I begin" }), output("it", "hello"), call("task_show", {}),
    call("task_add", { title: "Found", description: "On the way", priority: 2,
      links: [{ kind: "related", task: "T-1" }] }),
    status("review")));
  const done = await board.until("T-1", "review");
  assert.deepEqual([done.agent, done.attempt_count, done.outputs[0].content, done.outputs[0].agent,
    done.outputs[0].attempt, done.comments[0].author],
  ["smith", 1, "hello", "smith", done.attempt, "smith"]);
  const calls = await board.calls(done.session);
  assert.deepEqual(calls.map(({ name, state }) => [name, state]), ["task_status", "task_comment",
    "task_output", "task_show", "task_add", "task_status"].map((tool) => [tool, "succeeded"]));
  const shown = JSON.parse(calls[3].text);
  assert.deepEqual([shown.name, shown.status, shown.outputs[0].content, shown.comments[0].body],
    ["T-1", "working", "hello", "I begin"]);
  const found = await board.show("T-2");
  assert.deepEqual([found.title, found.description, found.priority, found.depth, found.links],
    ["Found", "On the way", 2, 2, [{ kind: "related", task: "T-1" },
      { kind: "discovered_from", task: "T-1" }]]);
  const [{ parts: [{ text: prompt }] }] = await board.turns.messages(done.session);
  assert.match(prompt, /task_status \{"status": "review"\}/);
});

test("a refused call tells the model why, and it goes on", LIMIT, async (t) => {
  const board = await Board.open(t);
  await board.add("Picky", steps(status("working"), status("review"),
    call("task_add", { title: "x", depends_on: ["T-99"] }), output("it", "plain"),
    status("review"), output("data", "1", { type: "data" }), status("review"), status("working")),
  { must_haves: [{ output: "data" }] });
  const done = await board.until("T-1", "review");
  await board.until("T-1", ({ attempts: [{ ended_ms: end }] }) => end !== null);
  const refused = (await board.calls(done.session)).filter(({ state }) => state !== "succeeded")
    .map(({ name, cause, text }) => [name, cause, JSON.parse(text)]);
  assert.deepEqual(refused.map(([name, cause, { error }]) => [name, cause, error]),
    [["task_status", "refused", "no_output"], ["task_add", "not_found", "not_found"],
      ["task_status", "refused", "must_have"], ["task_status", "refused", "task_edge"]]);
  assert.match(refused[0][2].message, /has no output of this attempt/);
  assert.match(refused[1][2].message, /T-99/);
  const { total } = await board.turns.get("/projects/shop/tasks?total=1");
  assert.equal(total, 1, "a refused task leaves no row");
});

test("a question blocks the task, and its answer is in the next prompt", LIMIT, async (t) => {
  const board = await Board.open(t);
  await board.add("Ask", steps(status("working"), status("blocked", { detail: "Which one?" })));
  const blocked = await board.until("T-1", ({ status: now, attempts: [one] }) =>
    now === "blocked" && one.ended_ms !== null);
  assert.equal(blocked.question, "Which one?");
  await board.turns.ask("PATCH", "/projects/shop/tasks/T-1",
    { description: steps(status("working"), status("failed", { detail: "neither fits" })) });
  await board.turns.ask("POST", "/projects/shop/tasks/T-1/status",
    { status: "pending", answer: "The blue one." });
  const failed = await board.until("T-1", "failed");
  assert.equal(failed.detail, "neither fits");
  const all = await board.turns.messages(failed.session);
  assert.match(all.filter(({ role }) => role === "user").map(textOf).join(), /The blue one\./);
});

test("a model whose provider is to be asked later gives its task to another agent", LIMIT,
  async (t) => {
    const board = await Board.open(t);
    await board.add("Wanted", script("fail: 429 after 600s"));
    const back = await board.until("T-1", ({ reason }) => reason !== null);
    assert.deepEqual([back.status, back.reason, back.retry_count, back.attempts[0].outcome],
      ["pending", "api_error_retry", 0, "rate_limited"]);
    await board.turns.ask("PATCH", "/projects/shop/tasks/T-1", { not_before_ms: 0,
      description: steps(status("working"), output("it", "x"), status("review")) });
    assert.match((await board.show("T-1")).waits, /smith has 0 of 1 tasks and cools down/);
    await board.turns.ask("PATCH", "/projects/shop",
      { board: { agents: [{ name: "smith" }, { name: "jones" }] } });
    const done = await board.until("T-1", "review");
    assert.deepEqual([done.agent, done.attempt_count], ["jones", 2]);
  });

test("a file is read as read_file reads it", LIMIT, async (t) => {
  const board = await Board.open(t, { settings: { permissions:
    [{ tool: "read_file", subject: "secret.txt", permission: "deny" }] } });
  const { root, folder } = board.turns;
  writeFileSync(path.join(root, "made.txt"), "from a file");
  writeFileSync(path.join(root, "secret.txt"), "hidden");
  writeFileSync(path.join(root, "binary"), Buffer.from([0x66, 0, 0xff]));
  writeFileSync(path.join(folder, "outside.txt"), "outside");
  const file = (name, more = {}) =>
    call("task_output", { type: "data", title: name, content_path: name, ...more });
  await board.add("Files", steps(file(path.join(root, "made.txt")), file("secret.txt"),
    file(path.join(folder, "outside.txt")), file("binary"),
    file("made.txt", { content: "both" }), status("review")));
  const done = await board.until("T-1", "review");
  assert.deepEqual(done.outputs.map(({ content, bytes }) => [content, bytes]),
    [["from a file", 11]]);
  const ends = (await board.calls(done.session)).map(({ state, cause }) => [state, cause]);
  assert.deepEqual(ends, [["succeeded", null], ["denied", "rule"], ["failed", "not_permitted"],
    ["failed", "conflict"], ["failed", "bad_arguments"], ["succeeded", null]]);
});

test("a turn that is no attempt has no such tools; a subagent of one writes, and moves nothing",
  LIMIT, async (t) => {
    const board = await Board.open(t);
    const { turns } = board;
    const listener = await turns.listen({ project: "shop" });
    const { message } = await turns.turn(listener, steps(status("working"), output("it", "x")));
    assert.deepEqual(toolsOf(message).map(({ cause }) => cause), ["tool_unknown", "tool_unknown"]);
    const input = steps(call("task_comment", { body: "from below" }), output("part", "below"),
      status("review"), call("task_add", { title: "x" }));
    await board.add("Big", script(status("working"), "step:", call("spawn_subagent", { input }),
      "step:", "delay: 600s", say("late")));
    const task = await board.until("T-1", ({ outputs }) => outputs.length > 0);
    assert.deepEqual([task.status, task.comments[0].body, task.outputs[0].agent,
      task.outputs[0].attempt], ["working", "from below", "smith", task.attempt]);
    const { items: [child] } = await turns.get(`/sessions?parent=${task.session}`);
    let ends = [];
    await until("the subagent has made its calls", async () => {
      ends = (await board.calls(child.id)).map(({ cause }) => cause);
      return ends.length === 4 && ends[3] !== null;
    });
    assert.deepEqual(ends, [null, null, "tool_unknown", "tool_unknown"]);
    await turns.ask("POST", "/projects/shop/tasks/T-1/status", { status: "cancelled" });
    await board.until("T-1", ({ attempts: [{ outcome }] }) => outcome === "stopped");
  });

test("a kill of the daemon in the middle repeats no output", LIMIT, async (t) => {
  const board = await Board.open(t);
  const titles = Array.from({ length: 30 }, (_, i) => `part ${i}`);
  await board.add("Long", steps(status("working"), ...titles.map((title) => output(title, "x")),
    status("review")));
  for (const count of [4, 15]) {
    await board.until("T-1", ({ outputs }) => outputs.length >= count);
    await board.turns.daemon.kill();
    await board.turns.daemon.start();
  }
  const done = await board.until("T-1", "review");
  assert.deepEqual(done.outputs.map(({ title }) => title).reverse(), titles);
  assert.equal(done.attempt_count, 1);
});

test("a long task is shown cut, and as much of it as fits", LIMIT, async (t) => {
  const board = await Board.open(t);
  const long = "ü\"".repeat(3_000);
  const { root } = board.turns;
  writeFileSync(path.join(root, "long"), long.repeat(100));
  const file = call("task_output", { type: "data", title: "it", content_path: "long" });
  writeFileSync(path.join(root, "huge"), "x".repeat(1024 * 1024 + 1));
  const huge = call("task_output", { type: "data", title: "it", content_path: "huge" });
  await board.add("Much", steps(...Array(12).fill(file), huge,
    call("task_comment", { body: long }), call("task_show", {}), status("review")));
  const done = await board.until("T-1", "review");
  assert.equal(done.outputs.length, 12);
  const calls = await board.calls(done.session);
  assert.equal(calls[12].cause, "conflict");
  const shown = JSON.parse(calls[14].text);
  assert.ok(calls[14].text.length > 20_000 && Buffer.byteLength(calls[14].text) <= 65_536);
  assert.deepEqual([shown.outputs[0].cut, shown.more_outputs, shown.comments.length],
    [true, true, 1]);
});

test("an output is read in pieces, by the agent of its task and by the one that judges it", LIMIT,
  async (t) => {
    const board = await Board.open(t, { board: { hold: true, agents: [{ name: "smith" }] } });
    await board.add("Read it", "");
    const content = Buffer.from("ü\"".repeat(40_000));
    const { json: { id } } = await board.turns.ask("POST", "/projects/shop/tasks/T-1/outputs",
      { type: "data", title: "it", content: content.toString(), summary: "all of it" });
    const shows = [{ output: id }, { output: id, offset: 32_767 }, { output: id, offset: 119_999 },
      { output: "out_none" }].map((input) => call("task_show", input));
    await board.turns.ask("PATCH", "/projects/shop/tasks/T-1", { description: steps(
      status("working"), output("mine", "x"), ...shows, status("review")) });
    await board.turns.ask("PATCH", "/projects/shop", { board: { agents: [{ name: "smith" }],
      reviewer: "judge" } });
    await board.until("T-1", "done");
    for (const agent of ["smith", "judge"]) {
      const { items: [session] } = await board.turns.get(`/sessions?agent=${agent}`);
      const calls = await board.calls(session.id);
      const shown = calls.filter(({ name }) => name === "task_show")
        .map(({ text }) => JSON.parse(text));
      assert.deepEqual(shown.slice(0, 3).map((one) => [one.offset, one.next_offset, one.bytes]),
        [[0, 32_768, 120_000], [32_766, 65_534, 120_000], [119_999, undefined, 120_000]], agent);
      for (const { offset, next_offset: next, content: piece } of shown.slice(0, 3)) {
        assert.equal(piece, content.subarray(offset, next).toString());
      }
      assert.match(shown[3].message, /T-1 has no output 'out_none'/);
      const judges = agent === "judge";
      assert.equal(calls.filter(({ name, state }) => name === "task_output" &&
        state === "succeeded").length, judges ? 0 : 1, "a reviewer only reads");
    }
  });
