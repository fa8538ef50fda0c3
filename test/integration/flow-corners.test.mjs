// flow-corners.test.mjs: what would have held a flow up, or told its functions something else than
// what is.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { asked, ended, flowOf, started, stepOf, written } from "./flow-kit.mjs";
import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";
import { sql } from "./sql.mjs";
import { Turns } from "./turns.mjs";

const LIMIT = { timeout: scaled(120_000) };
const flow = (steps) => `export default { steps: [${steps}] };\n`;

test("a question that could not be asked is refused at the start; any words can be asked", LIMIT,
  async (t) => {
    const turns = await Turns.open(t);
    const approval = (more) => flow(`{ id: "p", kind: "approval", ${more} }`);
    const form = (schema) => approval(`prompt: "q", schema: ${schema}`);
    const refused = async (source, words) => {
      written(turns, "bad", source);
      const answer = await turns.ask("POST", "/flows", { name: "bad", root: turns.root });
      assert.deepEqual([answer.status, answer.json.code], [400, "bad_flow"], answer.text);
      assert.match(answer.json.detail, words);
    };
    await refused(form('{ type: "object", properties: { a: { type: "string", '
      + 'description: "z".repeat(100000) } } }'), /step 'p': .* more than 48 kB/);
    await refused(form("{}"), /step 'p': schema: its type must be "object"/);
    written(turns, "words", approval('run: () => "\\u0001".repeat(20000)'));
    const run = await started(turns, "words", "x");
    const { id, arguments: { question } } = await asked(turns, run);
    assert.match(question, /\n\n\(cut after \d+ of 20000 bytes: the run's page has the whole/);
    await turns.ask("POST", `/approvals/${id}`, { decision: "deny" });
    assert.equal((await ended(turns, run)).state, "failed");
  });

test("a switch without cases chooses its default", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  written(turns, "plain", flow(`
    { id: "which", kind: "switch", defaultBranch: ["next"] },
    { id: "next", kind: "code", run: () => "went on" }`));
  const flowRun = await ended(turns, await started(turns, "plain", "x"));
  assert.deepEqual([flowRun.state, stepOf(flowRun, "next").result], ["succeeded", "went on"]);
});

test("code that waits for an agent holds no other step up", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  written(turns, "code", flow(`
    { id: "team", kind: "code",
      run: (ctx) => ctx.dispatch("Explore", "delay: 600s\\nsay: never") },
    { id: "other", kind: "command", command: "echo hi" }`));
  const run = await started(turns, "code", "x");
  await until("the other step is done", async () =>
    stepOf(await flowOf(turns, run), "other").status === "completed");
  assert.equal(stepOf(await flowOf(turns, run), "team").status, "running");
});

test("a round that wrote nothing has a result, which is no text", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  written(turns, "poll", flow(`{ id: "poll", kind: "command",
    command: "test -e found && echo ready; touch found",
    loop: { max: 3, until: (ctx) => ctx.results.poll.includes("ready") } }`));
  const flowRun = await ended(turns, await started(turns, "poll", "x"));
  assert.deepEqual([flowRun.state, stepOf(flowRun, "poll").result], ["succeeded", "ready"]);
});

test("a rejection by time has no reason, whatever a person said before", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  written(turns, "late", flow(`
    { id: "draft", kind: "code", run: (ctx) => "because " + ctx.rejected },
    { id: "good", kind: "approval", deps: ["draft"], prompt: "?", rewind_to: "draft",
      timeoutMs: 3000, on_timeout: "reject" }`));
  const run = await started(turns, "late", "x");
  const { id } = await asked(turns, run);
  await turns.ask("POST", `/approvals/${id}`, { decision: "deny", reason: "dull" });
  const drafted = (words) => until(words, async () =>
    stepOf(await flowOf(turns, run), "draft").result === words);
  await drafted("because dull");
  await drafted("because undefined");
});

test("a workflow that sleeps longer than the time of its step has not timed out", LIMIT,
  async (t) => {
    const turns = await Turns.open(t);
    const folder = path.join(turns.root, ".drover/workflows");
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, "nap.js"),
      'export const meta = { name: "nap", description: "sleeps", timers: true };\n'
      + 'await sleep(4000);\nreturn "rested";\n');
    written(turns, "naps",
      flow('{ id: "nap", kind: "workflow", workflow: "nap", timeoutMs: 1000 }'));
    const over = await ended(turns, await started(turns, "naps", "x"));
    assert.deepEqual([over.state, stepOf(over, "nap").result], ["succeeded", "rested"]);
  });

test("time without a daemon is no time of a function of the file", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  written(turns, "code", flow(`{ id: "sums", kind: "code", timeoutMs: 60_000, run: () => {
    let sum = 0;
    for (let i = 0; i < 2e7; i++) sum += i;
    return "ok";
  } }`));
  const run = await started(turns, "code", "x");
  await until("it runs", async () => stepOf(await flowOf(turns, run), "sums").status === "running");
  await turns.daemon.kill();
  // As two hours later.
  sql(turns.daemon, "UPDATE flow_steps SET began_ms = began_ms - 7200000,"
    + " changed_ms = changed_ms - 7200000 WHERE status = 'running'");
  await turns.daemon.start();
  assert.equal(stepOf(await ended(turns, run), "sums").status, "completed");
});

test("a run that is tried again tells the same receivers of its end, and has the same time", LIMIT,
  async (t) => {
    const args = ["--insecure-loopback", "--webhook-allow", "127.0.0.1:9"];
    const turns = await Turns.open(t, { args });
    written(turns, "bad", flow('{ id: "bad", kind: "command", command: "exit 3" }'));
    const notify = [{ webhook: "http://127.0.0.1:9/end" }];
    const run = await started(turns, "bad", "x", { notify, timeout_ms: 60_000 });
    await ended(turns, run);
    const again = await turns.ask("POST", `/runs/${run}/retry`);
    assert.equal(again.status, 201, again.text);
    assert.deepEqual((await turns.get(`/runs/${again.json.id}`)).spec.notify, notify);
    assert.equal((await ended(turns, again.json.id)).timeout_ms, 60_000);
  });

test("built-in flows tell a folder without git, and a base that is not there", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  mkdirSync(path.join(turns.root, "lib"));
  for (const name of ["lib/a", "lib/b", "top"]) writeFileSync(path.join(turns.root, name), "");
  const run = await started(turns, "analyse-repository", {});
  await until("its parts are known", async () =>
    stepOf(await flowOf(turns, run), "parts").status === "completed");
  assert.equal(stepOf(await flowOf(turns, run), "parts").result, "lib\n.");
  const review = await ended(turns, await started(turns, "review-branch", { base: "nowhere" }));
  assert.deepEqual([review.state, review.failed_step], ["failed", "diff"]);
});
