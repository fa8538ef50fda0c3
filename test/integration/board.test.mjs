// board.test.mjs: agents that work through the tasks of a board by themselves.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { killProgram, letGo, open, prompts, session } from "./agents.mjs";
import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";
import { judge, Listener } from "./turns.mjs";

const LIMIT = { timeout: scaled(90_000) };

/** A command of the stand-in: a call, as its prompt shows it. */
const call = (what, body, project = "_", task = "_") => `RUN curl -s --unix-socket ` +
  `"$DROVER_DATA/drover.sock" -H 'content-type: application/json' -d '${JSON.stringify(body)}' ` +
  `http://drover/api/projects/${project}/tasks/${task}/${what}`;
const status = (to, more = {}) => call("status", { status: to, agent: "claude", ...more });
const output = (title, content, type = "code") =>
  call("outputs", { agent: "claude", type, title, content, summary: "made" });
const WORK = [status("working"), output("it", "hello"), status("review")].join("\n");

class Board {
  constructor(turns, project = "shop") {
    Object.assign(this, { turns, project, at: `/projects/${project}/tasks` });
  }

  static async open(t, board = { agents: [{ name: "claude", slots: 2 }] }) {
    const turns = await open(t);
    await turns.ask("POST", "/projects", { name: "shop", root: turns.root, board });
    return new Board(turns);
  }

  add = (title, description, more = {}) =>
    this.turns.ask("POST", this.at, { title, description, ...more });

  show = (name) => this.turns.get(`${this.at}/${name}?expand=all`);

  move = (name, to, more = {}) =>
    this.turns.ask("POST", `${this.at}/${name}/status`, { status: to, ...more });

  judge = (name, accept, ...reasons) =>
    judge(this.turns, `${this.at}/${name}`, accept, ...reasons);

  /** Once the task has that status. */
  async until(name, wanted) {
    let task;
    await until(`${name} is ${wanted}`, async () => {
      task = await this.show(name);
      return task.status === wanted;
    });
    return task;
  }
}

test("an agent takes a task, works, and its result waits for a person", LIMIT, async (t) => {
  const board = await Board.open(t);
  await board.add("Say hello", `Please.\n${WORK}`);
  const done = await board.until("T-1", "review");
  assert.deepEqual([done.agent, done.attempt_count, done.outputs[0].content],
    ["claude", 1, "hello"]);
  const [prompt] = prompts(board.turns)[0];
  assert.match(prompt, /T-1/);
  assert.match(prompt, /Say hello/);
  await board.judge("T-1", true);
  const over = await board.until("T-1", "done");
  assert.deepEqual(over.events.map(({ type }) => type).reverse().filter((type) =>
    type !== "agent_completed"), ["added", "claimed", "working", "review", "done"]);
  await until("its attempt ends", async () =>
    (await board.show("T-1")).attempts[0].outcome === "completed");
});

test("a task waits for those that it depends on, and a rejected one goes back with the reasons",
  LIMIT, async (t) => {
    const board = await Board.open(t);
    await board.add("First", WORK);
    await board.add("Second", WORK, { depends_on: ["T-1"] });
    await board.until("T-1", "review");
    assert.match((await board.show("T-2")).waits, /waits for T-1, which is review/);
    await board.judge("T-1", false, "say it louder");
    await until("it is done again", async () => {
      const { attempt_count: count, status: now } = await board.show("T-1");
      return count === 2 && now === "review";
    });
    assert.match(prompts(board.turns).flat().join("\n"), /say it louder/);
    await board.judge("T-1", true);
    await board.until("T-2", "review");
  });

test("an agent that says nothing is asked again, at most as often as it may be", LIMIT,
  async (t) => {
    const board = await Board.open(t);
    await board.add("Silent", "Nothing.");
    for (let count = 1; count < 3; count++) {
      await until("it pauses", async () => {
        const { status: now, retry_count: tries } = await board.show("T-1");
        return now === "pending" && tries === count;
      });
      await board.turns.ask("PATCH", `${board.at}/T-1`, { not_before_ms: 0 });
    }
    const failed = await board.until("T-1", "failed");
    assert.deepEqual([failed.reason, failed.attempt_count], ["max_retry_count", 3]);
    const { detail: end } = failed.events.find(({ type }) => type === "failed");
    assert.deepEqual([end.reason, end.count], ["max_retry_count", 3]);
    for (const { metadata: { duration_ms: took, ...more }, made_ms: from, ended_ms: to } of
      failed.attempts) {
      assert.equal(took, to - from);
      assert.deepEqual(more, { transport: null, fallback_reason: null, error: null,
        task_status_at_exit: "claimed", counters: { connect: 0, api: 0, lock: 0, monitor: 0 } });
    }
    const [said] = prompts(board.turns);
    assert.match(said[1], /interrupted/);
  });

test("one task at a time for each slot; a task that is cancelled stops its agent", LIMIT,
  async (t) => {
    const board = await Board.open(t, { agents: [{ name: "claude" }] });
    await board.add("Slow", `${status("working")}\nSLOW`);
    await board.add("Next", WORK);
    await board.until("T-1", "working");
    assert.match((await board.show("T-2")).waits, /claude has 1 of 1 tasks/);
    await board.move("T-1", "cancelled");
    await board.until("T-2", "review");
    const cancelled = await board.show("T-1");
    assert.equal(cancelled.status, "cancelled");
    await until("its attempt ends", async () =>
      (await board.show("T-1")).attempts[0].outcome === "stopped");
    const tick = (await board.show("T-1")).events.find(({ type }) => type === "daemon_tick");
    assert.deepEqual([tick.detail.outcome, tick.detail.attempt], ["stopped", cancelled.attempt]);
  });

test("after a kill of the daemon attempts go on, and nothing is done twice", LIMIT, async (t) => {
  const board = await Board.open(t);
  const { daemon } = board.turns;
  const file = path.join(board.turns.root, "count");
  await board.add("Slow", `${status("working")}\nRUN echo x >> count\nSLOW`);
  await board.until("T-1", "working");
  await until("it has begun", async () => existsSync(file));
  await daemon.kill();
  await board.add("Later", WORK).catch(() => {});
  await daemon.start();
  letGo(board.turns);
  await board.turns.ask("PATCH", `${board.at}/T-1`, { description: WORK });
  await until("its first attempt ends", async () =>
    (await board.show("T-1")).attempts.some(({ outcome }) => outcome !== null));
});

test("an agent may speak for itself, and of its own task alone", LIMIT, async (t) => {
  const board = await Board.open(t);
  const say = (file, line) => `${line.replace("curl -s", `curl -s -o ${file}`)}`;
  await board.add("Other", "", { not_before_ms: Date.now() + 3_600_000 });
  await board.add("Hostile", [status("working"),
    say("as-other", call("status", { status: "review", agent: "codex" })),
    say("of-other", call("status", { status: "working", agent: "claude" }, "shop", "T-1")),
    say("as-person", `RUN curl -s --unix-socket "$DROVER_DATA/drover.sock" -X PATCH -H ` +
      `'content-type: application/json' -d '{"title":"x"}' ` +
      `http://drover/api/v1/projects/shop/tasks/T-1`),
    say("done", status("done")),
    say("elsewhere", `RUN curl -s --unix-socket "$DROVER_DATA/drover.sock" -H ` +
      `'content-type: application/json' -d '{"title":"x","priority":9}' ` +
      `http://drover/api/v1/projects/other/tasks`),
    say("own", `RUN curl -s --unix-socket "$DROVER_DATA/drover.sock" -H ` +
      `'content-type: application/json' -d '{"title":"x","assignee":"nobody"}' ` +
      `http://drover/api/v1/projects/shop/tasks`),
    output("it", "x"), status("review")].join("\n"));
  await board.until("T-2", "review");
  const read = (file) => JSON.parse(readFileSync(path.join(board.turns.root, file), "utf8"));
  const code = (file) => read(file).code;
  assert.equal(read("own").depth, 2);
  assert.deepEqual(["as-other", "of-other", "as-person", "done", "elsewhere"].map(code),
    ["not_your_task", "task_edge", "inside_run", "task_edge", "not_your_task"]);
  assert.equal((await board.show("T-1")).title, "Other");
});

test("what a chat takes by hand ends with its turn; meanwhile it works one after the other", LIMIT,
  async (t) => {
    const board = await Board.open(t, { agents: [{ name: "claude" }], hold: true });
    for (const title of ["First", "Second"]) await board.add(title, "");
    await board.add("Of another", "", { assignee: "codex" });
    const of = (...args) => call(...args).replace("/api/", "/api/v1/");
    const [one, two, other] = ["T-1", "T-2", "T-3"].map((task) => (what, body) =>
      of(what, { agent: "claude", ...body }, "shop", task));
    const chat = await session(board.turns, { project: "shop" });
    const { run } = await board.turns.send(chat.session, [
      one("claim"), one("outputs", { type: "code", title: "it", content: "hello" }),
      one("status", { status: "review" }),
      other("claim").replace("curl -s", "curl -s -o other"), two("claim"), two("claim"),
      two("status", { status: "working" })].join("\n"));
    assert.equal((await chat.ended(run)).state, "succeeded");
    const refused = JSON.parse(readFileSync(path.join(board.turns.root, "other"), "utf8"));
    assert.deepEqual([refused.code, refused.detail, (await board.show("T-3")).status],
      ["task_held", "T-3 is for the agent 'codex'", "pending"]);
    const [first, second] = [await board.show("T-1"), await board.show("T-2")];
    assert.deepEqual([first.status, first.attempts.length, first.attempts[0].outcome],
      ["review", 1, "review"]);
    assert.deepEqual([second.status, second.reason, second.attempts.length,
      second.attempts[0].outcome, second.attempts[0].run],
    ["pending", "no_status", 1, "completed", run]);
    chat.close();
  });

test("two sessions that one terminal has begun are two agents, and a claim ends with its turn",
  LIMIT, async (t) => {
    const board = await Board.open(t, { agents: [{ name: "claude", slots: 2 }], hold: true });
    const { turns } = board;
    for (const title of ["First", "Second"]) await board.add(title, "");
    const make = (name) => `curl -s --unix-socket "$DROVER_DATA/drover.sock" -H ` +
      `'content-type: application/json' -d '${JSON.stringify({ agent: "claude", project: "shop",
        model: "", root: turns.root })}' ` +
      `http://drover/api/v1/sessions >${name}`;
    const { json: { id: job } } = await turns.ask("POST", "/jobs", { cwd: turns.root,
      shell: `${make("one")}; ${make("two")}; until [ -e over ]; do sleep 0.05; done` });
    const read = readFileSync;
    const made = (name) => JSON.parse(read(path.join(turns.root, name), "utf8")).id;
    await until("both are there", async () => existsSync(path.join(turns.root, "two")) &&
      read(path.join(turns.root, "two"), "utf8").includes("ses_"));
    const [one, two] = await Promise.all(["one", "two"].map((name) =>
      new Listener(turns, made(name)).open()));
    const of = (what, body, task) => call(what, { agent: "claude", ...body }, "shop", task)
      .replace("/api/", "/api/v1/");
    const first = await turns.send(one.session, `${of("claim", {}, "T-1")}\nSLOW`);
    await board.until("T-1", "claimed");
    const file = (name, line) => line.replace("curl -s", `curl -s -o ${name}`);
    const second = await turns.send(two.session, [
      file("ended", of("status", { status: "failed", detail: "x" }, "T-1")),
      file("own", of("status", { status: "working" }, "_").replace("/shop/", "/_/")),
      file("claimed", of("claim", {}, "T-2"))].join("\n"));
    assert.equal((await two.ended(second.run)).state, "succeeded");
    const answer = (name) => JSON.parse(read(path.join(turns.root, name), "utf8"));
    assert.deepEqual([answer("ended").code, answer("own").code, answer("claimed").status],
      ["task_edge", "not_found", "claimed"]);
    assert.deepEqual([(await board.show("T-1")).status, (await board.show("T-2")).status],
      ["claimed", "pending"]);
    letGo(turns);
    assert.equal((await one.ended(first.run)).state, "succeeded");
    const task = await board.show("T-1");
    assert.deepEqual([task.status, task.attempts[0].session, task.attempts[0].run],
      ["pending", one.session, first.run]);
    writeFileSync(path.join(turns.root, "over"), "");
    await turns.jobEnd(job);
    for (const name of ["T-1", "T-2"]) {
      await turns.ask("PATCH", `${board.at}/${name}`, { not_before_ms: 0 });
    }
    const third = await turns.send(one.session, file("again", of("claim", {}, "T-2")));
    assert.equal((await one.ended(third.run)).state, "succeeded");
    assert.equal(answer("again").status, "claimed", "the terminal has ended, and its turn has not");
    one.close();
    two.close();
  });

/** An agent that judges: the stand-in answers with the verdict that stands in the task. */
test("another agent judges: a rejection goes back with its reasons, an acceptance ends it", LIMIT,
  async (t) => {
    const turns = await open(t, ["claude", "codex"]);
    await turns.ask("POST", "/projects", { name: "shop", root: turns.root,
      board: { agents: [{ name: "claude" }], reviewer: "codex" } });
    const board = new Board(turns);
    await board.add("Judged", `${WORK}\nVERDICT(reject: too short)`);
    await until("it was sent back", async () => (await board.show("T-1")).rejections === 1);
    const { reviews } = await board.show("T-1");
    assert.deepEqual([reviews[0].accept, reviews[0].reasons, reviews[0].reviewer],
      [false, ["too short"], "codex"]);
    await board.turns.ask("PATCH", `${board.at}/T-1`, { description: `${WORK}\nVERDICT(accept)` });
    const done = await board.until("T-1", "done");
    assert.equal(done.events.find(({ type }) => type === "done").agent, "codex");
    await board.add("Unjudged", `${WORK}\nVERDICT(nothing)`);
    const left = await board.until("T-2", "review");
    await until("its reviewer has failed", async () =>
      (await board.show("T-2")).events.some(({ type }) => type === "review_failed"));
    assert.equal((await board.show(left.name)).status, "review");
  });

test("a reviewer is shown the content, and reads the whole of it", LIMIT, async (t) => {
  const turns = await open(t, ["claude", "codex"]);
  await turns.ask("POST", "/projects", { name: "shop", root: turns.root,
    board: { agents: [{ name: "claude" }], reviewer: "codex" } });
  const board = new Board(turns), lie = "all of it is here", end = "the end of it";
  const bare = 'curl -s --unix-socket "$DROVER_DATA/drover.sock" ' +
    "http://drover/api/projects/_/tasks/_";
  const read = `RUN id=$(${bare}'?expand=all' | grep -o '"id":"out_[^"]*' | cut -c7-); ` +
    `${bare}/outputs/$id >whole`;
  await board.add("Judged", [status("working"), call("outputs", { agent: "claude", type: "data",
    title: "it", content: `begin ${"x".repeat(40 << 10)}${end}`, summary: lie }), read,
  status("review"), "VERDICT(accept)"].join("\n"));
  await board.until("T-1", "done");
  const [, prompt] = prompts(turns).flat().find((one) => one.includes("# Review of task"))
    .split("## Outputs");
  for (const words of ["begin xxx", "What its author says about it", lie,
    "The first 32768 bytes of its content", "/outputs/out_"]) {
    assert.ok(prompt.includes(words), words);
  }
  assert.ok(!prompt.includes(end));
  assert.ok(JSON.parse(readFileSync(path.join(turns.root, "whole"), "utf8")).content.endsWith(end));
});

test("of two verdicts at once the second is refused with the first, and a late one opens nothing",
  LIMIT, async (t) => {
    const board = await Board.open(t, { hold: true, agents: [] });
    const { turns } = board, ask = (...args) => turns.ask("POST", ...args);
    const worked = async (name) => {
      await board.add(name, "");
      const { json: { attempt } } = await ask(`${board.at}/${name}/claim`, {});
      await ask(`${board.at}/${name}/outputs`, { type: "code", title: "it", content: "x" });
      for (const to of ["working", "review"]) await board.move(name, to);
      return attempt;
    };
    for (let i = 1; i <= 5; i++) {
      const name = `T-${i}`, attempt = await worked(name);
      const judged = (accept, more) => ask(`${board.at}/${name}/review`,
        { attempt, accept, ...(accept ? {} : { reasons: ["no test"] }), ...more });
      const both = await Promise.all([judged(true), judged(false)]);
      assert.deepEqual(both.map((one) => one.status).sort(), [200, 409], both[1].text);
      const [first, second] = both[0].status === 200 ? both : [both[1], both[0]];
      const { reviews, status: now } = await board.show(name);
      assert.deepEqual([reviews.length, now], [1, first.json.status]);
      assert.deepEqual([second.json.code, second.json.verdict], ["conflict", reviews[0]]);
    }
    // A result that was accepted stays so, whatever is said late.
    const attempt = await worked("T-6");
    await board.judge("T-6", true);
    const before = await board.show("T-6");
    for (const [target, body, code] of [
      ["review", { attempt, accept: false, reasons: ["no"] }, "conflict"],
      ["review", { attempt, accept: false, reasons: ["no"], status: "review" }, "conflict"],
      ["review", { accept: false, reasons: ["no"] }, "missing_field"],
      ["status", { status: "pending", reasons: ["no"] }, "unknown_field"],
      ["outputs", { type: "code", title: "more", content: "x" }, "conflict"]]) {
      const late = await ask(`${board.at}/T-6/${target}`, body);
      assert.equal(late.json.code, code, `${target}: ${late.text}`);
    }
    assert.deepEqual(await board.show("T-6"), before);
    const cli = await turns.daemon.cli(["task", "review", "shop/T-6", "--reject", "no", "--json"]);
    assert.equal(cli.code, 5);
    assert.equal(JSON.parse(cli.stderr).error.verdict.accept, true);
    // A verdict is given by a review, which names what it judges.
    await worked("T-7");
    const done = await board.move("T-7", "done");
    assert.deepEqual([done.json.code, (await board.show("T-7")).status], ["task_edge", "review"]);
    assert.equal((await board.move("T-6", "pending")).json.status, "pending");
  });

test("a hold that is over, and an agent that comes to the board, begin what waits", LIMIT,
  async (t) => {
    const board = await Board.open(t, { hold: true, agents: [] });
    await board.add("Waits", WORK);
    const set = (settings) => board.turns.ask("PATCH", "/projects/shop", { board: settings });
    const [listed] = (await board.turns.get(board.at)).items;
    assert.deepEqual([(await board.show("T-1")).waits, listed.waits],
      ["the board is on hold", "the board is on hold"]);
    await set({ hold: false, agents: [{ name: "claude" }] });
    await board.until("T-1", "review");
  });

test("a provider that makes an attempt wait for long gives its task to another agent", LIMIT,
  async (t) => {
    const turns = await open(t, ["claude", "codex"]);
    await turns.ask("POST", "/projects", { name: "shop", root: turns.root,
      board: { agents: [{ name: "claude" }] } });
    const board = new Board(turns);
    await board.add("Wanted", "FAIL429 NAMES(600)");
    await until("it went back", async () => (await board.show("T-1")).reason !== null);
    const back = await board.show("T-1");
    assert.deepEqual([back.status, back.reason, back.retry_count, back.attempts[0].outcome],
      ["pending", "api_error_retry", 0, "rate_limited"]);
    const { transport, error, counters } = back.attempts[0].metadata;
    assert.deepEqual([transport, counters], [null, { connect: 0, api: 1, lock: 0, monitor: 0 }]);
    assert.match(error, /refuses more for now/);
    const { cooling_until_ms: until_ms, cooling_cause: cause } = await turns.get("/agents/claude");
    assert.equal(cause, "rate_limited");
    assert.ok(until_ms > back.attempts[0].ended_ms + 500_000, "as long as its provider named");

    const work = WORK.replaceAll('"claude"', '"codex"');
    await turns.ask("PATCH", `${board.at}/T-1`, { description: work, not_before_ms: 0 });
    assert.match((await board.show("T-1")).waits, /claude has 0 of 1 tasks and cools down/);
    await turns.ask("PATCH", "/projects/shop",
      { board: { agents: [{ name: "claude" }, { name: "codex" }] } });
    const done = await board.until("T-1", "review");
    assert.deepEqual([done.agent, done.attempt_count], ["codex", 2]);
    await until("its attempt ends", async () =>
      (await board.show("T-1")).attempts[0].ended_ms !== null);
    assert.equal((await board.show("T-1")).attempts[0].metadata.counters.api, 1);
  });

test("an attempt that would wait for the cool-down of its agent ends, too", LIMIT, async (t) => {
  const board = await Board.open(t);
  await board.add("Slow", `${status("working")}\nSLOW`);
  await board.until("T-1", "working");
  await board.add("Refused", "FAIL429 NAMES(600)");
  await until("it went back", async () => (await board.show("T-2")).reason !== null);
  killProgram(board.turns);
  const back = await board.until("T-1", "pending");
  assert.deepEqual([back.reason, back.retry_count, back.attempts[0].outcome],
    ["api_error_retry", 0, "rate_limited"]);
});
