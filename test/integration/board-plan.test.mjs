// board-plan.test.mjs: tasks whose agent writes a plan first, which a person approves or rejects.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { open, prompts } from "./agents.mjs";
import { bin } from "./lib.mjs";
import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";
import { call, judge as verdict, say, script, textOf, toolsOf, Turns } from "./turns.mjs";

const LIMIT = { timeout: scaled(90_000) };
const AT = "/projects/shop/tasks";
const T1 = `${AT}/T-1`;

/** Once the task has that status and no attempt that still ends. */
async function settled(turns, status, attempts) {
  let task;
  await until(`T-1 is ${status} after ${attempts}`, async () => {
    task = await turns.get(`${T1}?expand=all`);
    return task.status === status && task.attempt_count === attempts &&
      task.attempts[0].ended_ms !== null;
  });
  return task;
}

async function made(turns, target, body, method = "POST") {
  const answer = await turns.ask(method, target, body);
  assert.ok(answer.status < 300, `${target}: ${answer.text}`);
  return answer.json;
}

async function judge(turns, accept, ...reasons) {
  const answer = await verdict(turns, T1, accept, ...reasons);
  assert.equal(answer.status, 200, answer.text);
}

const status = (to, more = {}) => call("task_status", { status: to, ...more });
const output = (title, content, type) =>
  call("task_output", { type, title, content, summary: "short" });
const steps = (...lines) => script(...lines.flatMap((line) => [line, "step:"]), say("so it is"));

test("a model plans, is rejected, plans again, and works by the plan that was approved", LIMIT,
  async (t) => {
    const turns = await Turns.open(t);
    await made(turns, "/projects", { name: "shop", root: turns.root, model: "scripted/demo",
      board: { agents: [{ name: "smith" }] } });
    await made(turns, AT, { title: "Move it", plan: "required", description: steps(
      status("working"), status("review"), output("Plan A", "first the moon", "document"),
      status("review")) });
    const first = await settled(turns, "blocked", 1);
    assert.deepEqual([first.plan, first.plan_state, first.reason, first.question, first.waits],
      ["required", "waiting", "plan", 'Approve the plan "Plan A"?',
        "waits for: approval of its plan"]);
    assert.deepEqual(first.outputs.map(({ title, plan }) => [title, plan]), [["Plan A", true]]);
    const all = (await turns.messages(first.session)).flatMap(toolsOf).map(({ text }) =>
      JSON.parse(text));
    assert.equal(all[1].error, "plan_missing");
    assert.match(all[2].note, /waits for the approval of a person/);
    assert.equal(all[3].error, "task_edge", "a task that waits for its plan goes to no review");
    const bare = await verdict(turns, T1, false);
    assert.equal(bare.json.code, "missing_field");

    await judge(turns, false, "not the moon");
    const second = await settled(turns, "blocked", 2);
    assert.deepEqual([second.plan_state, second.rejections, second.outputs.length],
      ["waiting", 0, 2]);
    await made(turns, T1, { priority: 9 }, "PATCH");
    await judge(turns, true, "begin with the sun");
    // The script writes its output and reports, now that it may.
    const done = await settled(turns, "review", 3);
    assert.deepEqual([done.plan_state, done.outputs[0].plan, done.outputs.length],
      ["approved", undefined, 3]);
    const asked = (await turns.messages(done.session)).filter(({ role }) => role === "user")
      .map(textOf).join("\n");
    assert.match(asked, /A person approved the plan of this task: work by it/);
    assert.match(asked, /The plan, which a person approved:\n[^]*first the moon/);
    assert.match(asked, /begin with the sun/);
    assert.deepEqual(done.events.filter(({ type }) => type.startsWith("plan_"))
      .map(({ type }) => type), ["plan_approved", "plan_rejected"]);

    await judge(turns, true);
    await made(turns, "/projects/shop", { board: { hold: true } }, "PATCH");
    assert.equal((await made(turns, `${T1}/status`, { status: "pending" })).plan_state, "approved");
    assert.equal((await made(turns, T1, { title: "Other" }, "PATCH")).plan_state, "approved");
    assert.equal((await made(turns, T1, { description: "x" }, "PATCH")).plan_state, "missing");
    assert.equal((await made(turns, T1, { plan: "none" }, "PATCH")).plan_state, null);
  });

test("a program's plan outlives a kill; the program approves nothing, and a person does", LIMIT,
  async (t) => {
    const turns = await open(t);
    await made(turns, "/projects", { name: "shop", root: turns.root,
      board: { agents: [{ name: "claude" }] } });
    const file = (name) => path.join(turns.root, name);
    const post = (rest, body, base = "/api/v1/projects/_/tasks/_") =>
      `curl -s -m 60 --unix-socket "$DROVER_DATA/drover.sock" -H 'content-type: application/json'` +
      ` -d '${JSON.stringify(body)}' 'http://drover${base}/${rest}'`;
    const attempt = "try_01arz3ndektsv4rrffq69g5fav";
    const tries = [post("review", { attempt, accept: true }), post("review", { attempt,
      accept: false, reasons: ["x"] }), post("status", { status: "pending", answer: "approved" }),
    `${bin} task review T-1 --project shop --accept`];
    const plan = `${bin} task output --type document --title Plan </dev/null`;
    writeFileSync(file("plan.sh"), `
      add() { ${bin} task add "$1" --project shop --for nobody >/dev/null; }
      if [ -e tried ]; then
        add Late
        echo result | ${bin} task output --type code --title It
        exec ${bin} task status review
      fi
      add Early
      echo "first the moon" | ${bin} task output --type document --title Plan 2>planned
      ${tries.map((one, at) => `(${one}) >try-${at} 2>&1`).join("\n")}
      touch tried`);
    await made(turns, AT, { title: "Plan it", plan: "required", description: "RUN sh plan.sh" });
    await until("it has tried", async () => existsSync(file("tried")));
    for (const at of tries.keys()) {
      assert.match(readFileSync(file(`try-${at}`), "utf8"), /task_edge|inside_run/, tries[at]);
    }
    assert.match(readFileSync(file("planned"), "utf8"), /waits for the approval of a person/);
    assert.match(prompts(turns)[0][0], /### First a plan/);
    await made(turns, "/mail", { to: "claude", project: "shop", title: "approved",
      text: "The plan is approved." });
    await turns.daemon.kill();
    await turns.daemon.start();
    const blocked = await settled(turns, "blocked", 1);
    assert.deepEqual([blocked.plan_state, blocked.outputs.at(-1).plan], ["waiting", true]);
    await judge(turns, true);
    const done = await settled(turns, "review", 2);
    assert.equal(done.plan_state, "approved");
    assert.match(prompts(turns).flat().join("\n"), /A person approved the plan of this task/);
    // What waits for an approval is not done by way of another task.
    const { items } = await turns.get(AT);
    assert.deepEqual(items.filter(({ name }) => name !== "T-1").map(({ title, plan, plan_state }) =>
      [title, plan, plan_state]), [["Late", "none", null], ["Early", "required", "missing"]]);
  });

test("a verdict is about the plan that was seen, and a plan is as long as prompts can show", LIMIT,
  async (t) => {
    const turns = await Turns.open(t);
    await made(turns, "/projects", { name: "shop", root: turns.root });
    await made(turns, AT, { title: "Move it", plan: "required" });
    const plan = (content) => turns.ask("POST", `${T1}/outputs`,
      { type: "document", title: "Plan", content });
    const claim = async () => (await made(turns, `${T1}/claim`, {})).attempt;
    const first = await claim();
    const long = await plan("x".repeat(16 * 1024 + 1));
    assert.deepEqual([long.status, long.json.code, (await turns.get(T1)).status],
      [400, "bad_field", "claimed"]);
    assert.match(long.json.detail, /at most 16384 bytes/);
    assert.equal((await plan("first the moon")).status, 201);
    await made(turns, `${T1}/review`, { accept: false, reasons: ["no"], attempt: first });
    const second = await claim();
    assert.equal((await plan("first the sun")).status, 201);
    for (const accept of [true, false]) {
      const late = await turns.ask("POST", `${T1}/review`,
        { accept, reasons: ["x"], attempt: first });
      assert.deepEqual([late.status, late.json.code], [409, "conflict"]);
      assert.match(late.json.detail, new RegExp(`another attempt by now, ${second}`));
    }
    assert.equal((await turns.get(T1)).plan_state, "waiting");
    // Without the demand there is nothing to approve, and the task goes on.
    await made(turns, T1, { plan: "none" }, "PATCH");
    const free = await made(turns, `${T1}/review`, { accept: true, attempt: second });
    assert.deepEqual([free.status, free.plan_state, free.question], ["pending", null, null]);
  });
