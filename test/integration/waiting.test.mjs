// waiting.test.mjs: all that waits for a person, as one list, in the API, in `drover status` and in
// `drover approve`: what comes, what leaves when it is answered elsewhere, and its bounds.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";
import { call, judge, say, script, Turns } from "./turns.mjs";

const LIMIT = { timeout: scaled(120_000) };
const AT = "/projects/shop/tasks";
const MAKE = call("run_command", { command: "make", args: [] });

const status = (to, more = {}) => call("task_status", { status: to, ...more });
const output = (title, type = "code") =>
  call("task_output", { type, title, content: "x", summary: "short" });
const steps = (...lines) => script(...lines.flatMap((line) => [line, "step:"]), say("so it is"));

async function made(turns, target, body, method = "POST") {
  const answer = await turns.ask(method, target, body);
  assert.ok(answer.status < 300, `${target}: ${answer.text}`);
  return answer.json;
}

async function board(t) {
  const turns = await Turns.open(t);
  await made(turns, "/projects", { name: "shop", root: turns.root, model: "scripted/demo",
    board: { agents: [{ name: "smith", slots: 4 }] } });
  return turns;
}

const waiting = async (turns) => (await turns.get("/waiting")).items;
/** Once there is a row of that kind. */
async function row(turns, kind) {
  let found;
  await until(`${kind} waits`, async () =>
    (found = (await waiting(turns)).find((one) => one.kind === kind)) !== undefined);
  return found;
}
const gone = (turns, id) => until(`${id} waits no more`, async () =>
  (await waiting(turns)).every((one) => one.id !== id));

test("a question, a plan, a result and a failure of a board wait until they are answered", LIMIT,
  async (t) => {
    const turns = await board(t), cli = (...words) => turns.daemon.cli(words);
    assert.deepEqual(await turns.get("/waiting"), { items: [], count: 0, more: false, kinds: {} });
    assert.match((await cli("status")).stdout, /^waiting +nothing waits for you$/m);
    assert.match((await cli("approve")).stderr, /^Nothing waits for you\.$/m);

    await made(turns, AT, { title: "Sign it", description: steps(status("working"),
      status("blocked", { question: "Which key?" })) });
    const question = await row(turns, "question");
    assert.deepEqual([question.name, question.text, question.about, question.by, question.project],
      ["T-1", "Sign it", "Which key?", "smith", "shop"]);
    await made(turns, AT, { title: "Plan it", plan: "required",
      description: steps(status("working"), output("Plan A", "document")) });
    const plan = await row(turns, "plan");
    await made(turns, AT, { title: "Make it",
      description: steps(status("working"), output("it"), status("review")) });
    const review = await row(turns, "review");
    await made(turns, AT, { title: "Try it",
      description: steps(status("working"), status("failed", { detail: "no such luck" })) });
    const failed = await row(turns, "task_failed");
    assert.equal(failed.about, "no such luck");
    assert.deepEqual((await waiting(turns)).map(({ name }) => name), ["T-1", "T-2", "T-3", "T-4"]);

    assert.match((await cli("status")).stdout.replace(/\n +/g, " "), new RegExp("^waiting +1 " +
      "question about a task, 1 plan to approve, 1 result to review, 1 failed task: " +
      "'drover approve' lists what waits for you$", "m"));
    const listed = (await cli("approve")).stdout;
    assert.match(listed,
      /^result to review +shop .* T-3 {2}Make it +drover task show T-3 --project shop$/m);
    const overview = await turns.get("/overview");
    assert.deepEqual(overview.waiting, await turns.get("/waiting"));

    await made(turns, `${AT}/T-1/status`, { status: "pending", answer: "the old one" });
    await gone(turns, question.id);
    assert.equal((await judge(turns, `${AT}/T-3`, true)).status, 200);
    await gone(turns, review.id);
    assert.equal((await judge(turns, `${AT}/T-2`, false, "another one")).status, 200);
    await until("its next plan waits", async () => (await waiting(turns))
      .some(({ id, since_ms }) => id === plan.id && since_ms > plan.since_ms));
    await made(turns, `${AT}/T-4`, { archived: true }, "PATCH");
    await gone(turns, failed.id);
  });

test("a result that an agent judges waits for no person, until that agent does not judge it",
  LIMIT, async (t) => {
    const turns = await board(t);
    const judges = (reviewer) => made(turns, "/projects/shop",
      { board: { agents: [{ name: "smith" }], reviewer, hold: true } }, "PATCH");
    await made(turns, AT, { title: "Make it",
      description: steps(status("working"), output("it"), status("review")) });
    await row(turns, "review");
    await judges("eve");
    assert.deepEqual(await waiting(turns), []);
    await judges("smith"); // Nobody judges what it has made itself.
    assert.equal((await waiting(turns)).length, 1);
  });

test("asks, mail, budgets, failed runs and failed answers wait in the order of their age", LIMIT,
  async (t) => {
    const turns = await board(t), { session } = await turns.listen({ root: turns.root });
    await turns.send(session, script(MAKE, say("so")));
    const ask = await row(turns, "ask");
    assert.deepEqual([ask.name, ask.session, ask.about], ["run_command", session, "leave"]);
    await made(turns, "/mail", { to: "local", title: "Now?", text: "Is it?", project: "shop" });
    const mail = await row(turns, "mail");
    await made(turns, "/jobs", { argv: ["sh", "-c", "exit 3"], label: "nightly" });
    const run = await row(turns, "run_failed");
    assert.deepEqual([run.name, run.text, run.by],
      ["nightly", "The command ended with an exit code other than 0", "job"]);
    await made(turns, "/budgets/project:shop", { per: "day", wall_ms: 50 }, "PATCH");
    const job = { project: "shop", argv: ["sleep", "0.1"] };
    await turns.jobEnd((await made(turns, "/jobs", job)).id);
    await made(turns, "/jobs", job);
    const budget = await row(turns, "budget");
    assert.deepEqual([budget.id, budget.project, budget.runs], ["project:shop", "shop", 1]);
    const { session: other } = await turns.listen({ root: turns.root });
    await turns.send(other, "fail:400");
    const failed = await row(turns, "session_failed");
    assert.equal(failed.id, other);
    assert.deepEqual((await waiting(turns)).map(({ kind }) => kind),
      ["ask", "mail", "run_failed", "budget", "session_failed"]);
    const { kinds, count, more, items } = await turns.get("/waiting?limit=2");
    assert.deepEqual([kinds, count, more, items.map(({ kind }) => kind)],
      [{ ask: 1, mail: 1, budget: 1, run_failed: 1, session_failed: 1 }, 5, true, ["ask", "mail"]]);

    await turns.approve(ask.id, { decision: "deny" });
    await gone(turns, ask.id);
    await made(turns, `/mail/${mail.id}/retract`, {});
    await gone(turns, mail.id);
    await made(turns, "/seen", { run: run.id, seq: run.seq });
    await gone(turns, run.id);
    await made(turns, "/seen", { session: other, seq: failed.seq });
    await gone(turns, other);
    await made(turns, "/budgets/project:shop", { wall_ms: 60000 }, "PATCH");
    await gone(turns, budget.id);
  });

test("a thousand things wait, and a larger limit is refused", LIMIT, async (t) => {
  const turns = await board(t);
  for (let at = 0; at < 2; at++) {
    const { id: run } = await made(turns, "/jobs", { argv: ["sleep", "600"] });
    for (let i = 0; i < 501; i++) {
      await made(turns, "/approvals", { run, step: `${at}.${i}`, question: `Is it ${at}.${i}?` });
    }
  }
  const all = await turns.get("/waiting?limit=1000");
  assert.deepEqual([all.items.length, all.count, all.more], [1000, 1000, true]);
  assert.equal(all.items[0].text, "Is it 0.0?");
  assert.equal((await turns.get("/overview")).waiting.items.length, 100);
  const refused = await turns.ask("GET", "/waiting?limit=1001");
  assert.deepEqual([refused.status, refused.json.code], [400, "bad_query"]);
});
