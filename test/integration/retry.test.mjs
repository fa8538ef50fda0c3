// retry.test.mjs: a run that ended badly is tried again, as a new run with the same spec.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { call, say, script, textOf, Turns } from "./turns.mjs";

const ALL = { permissions: [{ permission: "allow" }] };
const NO_RUN = "run_00000000000000000000000000";

async function retried(turns, run) {
  const { status, json } = await turns.ask("POST", `/runs/${run}/retry`);
  assert.equal(status, 201, JSON.stringify(json));
  assert.equal(json.retry_of, run);
  return json;
}
async function refused(turns, run) {
  const { status, json } = await turns.ask("POST", `/runs/${run}/retry`);
  return [`${status} ${json.code}`, json.detail];
}

test("a job is tried again with its whole spec", async (t) => {
  const turns = await Turns.open(t);
  const counts = path.join(turns.root, "count");
  const spec = {
    shell: `echo run >>count; read word; echo "$word $A"; exit $(wc -l <count)`,
    cwd: turns.root,
    env: { A: "b" },
    stdin: "given\n",
    label: "again",
    key: "one",
    key_max: 1,
    priority: 3,
    timeout_ms: 60000,
    budget: { wall_ms: 100000 },
  };
  const { json: first } = await turns.ask("POST", "/jobs", spec);
  const end = await turns.jobEnd(first.id);
  assert.deepEqual([end.state, end.exit_code], ["failed", 1]);
  const again = await retried(turns, first.id);
  assert.deepEqual((await turns.jobEnd(again.id)).exit_code, 2);
  const [one, two] = [await turns.get(`/runs/${first.id}`), await turns.get(`/runs/${again.id}`)];
  assert.deepEqual(two.spec, one.spec);
  for (const name of ["label", "key", "key_max", "priority", "timeout_ms"]) {
    assert.equal(two[name], one[name], name);
  }
  assert.equal((await turns.get(`/budgets/run:${again.id}`)).limits.wall_ms, 100000);
  const { text } = await turns.daemon.request("GET", `/api/v1/jobs/${again.id}/logs`);
  assert.equal(text, "given b\n");
  assert.equal(readFileSync(counts, "utf8"), "run\nrun\n");
  const { items } = await turns.get("/runs?kind=job");
  assert.deepEqual(items.map((row) => row.retry_of), [first.id, undefined]);
});

test("what lives, succeeded, or is no run of its own is not tried again", async (t) => {
  const turns = await Turns.open(t);
  assert.deepEqual(await refused(turns, NO_RUN), ["404 not_found", `there is no run '${NO_RUN}'`]);
  const job = async (...argv) => (await turns.ask("POST", "/jobs", { argv })).json.id;
  const lives = await job("sleep", "600");
  assert.equal((await refused(turns, lives))[0], "409 run_alive");
  const good = await job("true");
  await turns.jobEnd(good);
  assert.deepEqual(await refused(turns, good),
    ["409 conflict", "the run succeeded: there is nothing to try again"]);
  const listener = await turns.listen({ root: turns.root, settings: ALL });
  const { message } = await turns.turn(listener, script(
    call("run_command", { command: "false" }), "step:", say("it failed"), "fail: auth"));
  const [command] = message.parts.filter((part) => part.kind === "tool");
  assert.match((await refused(turns, command.run))[1], /^the run belongs to another one, run_/);
  assert.match((await refused(turns, message.run))[1], /turn of no subagent.*regenerate/);
  assert.equal((await turns.get("/runs?kind=job")).items.length, 3);
});

test("a session hears of its job that was tried again", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root, settings: ALL });
  const args = ["-c", "test -e go && echo built"];
  const text = script(call("run_job", { command: "sh", args }), "step:", say("it runs"));
  const { run, message } = await turns.turn(listener, text);
  const [{ run: job }] = message.parts.filter((part) => part.kind === "tool");
  const first = await listener.until("turn_finished", (data) => data.run !== run);
  writeFileSync(path.join(turns.root, "go"), "");
  const again = await retried(turns, job);
  const second = await listener.until("turn_finished", (data) => data.run !== first.run);
  const notices = (await turns.messages(listener.session)).filter(({ role }) => role === "notice");
  assert.deepEqual(notices.map((one) => one.run), [first.run, second.run]);
  assert.match(textOf(notices[1]), new RegExp(`"run":"${again.id}".*"output":"built`));
  const { items } = await turns.get(`/sessions/${listener.session}/background`);
  assert.deepEqual(items.map((row) => [row.id, row.retry_of, row.delivery]),
    [[again.id, job, "delivered"], [job, undefined, "delivered"]]);
});

test("a subagent answers again, and its parent hears of that", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const { json: child } = await turns.ask("POST", `/sessions/${listener.session}/subagents`, {
    input: script(say("no"), "fail: auth"),
  });
  const first = await listener.until("turn_finished");
  assert.equal((await turns.get(`/runs/${child.id}`)).state, "failed");
  const again = await retried(turns, child.id);
  await listener.until("turn_finished", (data) => data.run !== first.run);
  const { items } = await turns.get(`/sessions/${listener.session}/background`);
  assert.deepEqual(items.map((row) => [row.id, row.subagent, row.retry_of, row.delivery]), [
    [again.id, child.subagent, child.id, "delivered"],
    [child.id, child.subagent, undefined, "delivered"],
  ]);
  const answers = (await turns.messages(child.subagent)).filter((one) => one.role === "assistant");
  assert.deepEqual(answers.map((one) => [one.run, one.variant, one.active]),
    [[child.id, 0, false], [again.id, 1, true]]);
});

/** The end of a workflow, by its stream. */
async function flowEnd(turns, run) {
  for (let after = 0, done = false; !done; ) {
    const page = await turns.get(`/streams/run:${run}/events?after=${after}&wait=20`);
    after = page.events.at(-1)?.seq ?? after;
    done = page.done;
  }
}

test("a workflow takes over the results that it has", async (t) => {
  const turns = await Turns.open(t);
  const source = `export const meta = { name: "twice", description: "none" };
    const one = await agent("say: one", { tools: [] });
    return { one, two: await agent("say: two\\nfail: auth", { tools: [] }) };`;
  const { json: begun } = await turns.ask("POST", "/workflows", {
    script: source, root: turns.root, project: "web", label: "two steps",
  });
  await flowEnd(turns, begun.runId);
  const old = await turns.get(`/runs/${begun.runId}`);
  assert.notEqual(old.state, "succeeded");
  const again = await retried(turns, begun.runId);
  assert.equal(again.kind, "workflow");
  await flowEnd(turns, again.id);
  const { spec } = await turns.get(`/runs/${again.id}`);
  assert.deepEqual([spec.resumed_from, spec.project], [begun.runId, "web"]);
  const { items } = await turns.get(`/runs/${again.id}/agents`);
  assert.deepEqual(items.map((step) => step.cached), [true, false]);
  assert.match((await refused(turns, items[1].id))[1],
    new RegExp(`tried again with its workflow: retry ${again.id}`));
  const { stdout } = await turns.daemon.cli(["retry", "--json", again.id]);
  assert.equal(JSON.parse(stdout).retry_of, again.id);
});

test("a retry that is sent twice under one key begins one run", async (t) => {
  const turns = await Turns.open(t);
  const { json: job } = await turns.ask("POST", "/jobs", { argv: ["false"] });
  await turns.jobEnd(job.id);
  const headers = { "idempotency-key": "once" };
  const send = () => turns.daemon.request("POST", `/api/v1/runs/${job.id}/retry`, { headers });
  const [one, two] = [await send(), await send()];
  assert.deepEqual([one.status, two.status, one.json.id], [201, 201, two.json.id]);
  assert.equal((await turns.get("/jobs")).items.length, 2);
});
