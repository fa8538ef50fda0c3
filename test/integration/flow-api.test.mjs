// flow-api.test.mjs: clients of flows over HTTP: starts and refusals, who approves, long reports,
// and what a run leaves behind.
//
// runs-with: release, postgres/4
import assert from "node:assert/strict";
import path from "node:path";

import { asked, ended, flowOf, started, stepOf, written } from "./flow-kit.mjs";
import { sideBySide } from "./lib.mjs";
import { until } from "./providers.mjs";
import { Turns } from "./turns.mjs";

const test = sideBySide(4);

const flow = (...steps) => `export default { steps: [${steps.join(",\n")}] };\n`;
const code = (id, more = "") => `{ id: "${id}", kind: "code", run: () => "x"${more} }`;

async function tokenOf(turns, owner, ...scopes) {
  const made = await turns.ask("POST", "/tokens", { owner, scopes });
  assert.equal(made.status, 201, made.text);
  return { authorization: `Bearer ${made.json.token}` };
}

const request = (turns, method, target, body, headers) =>
  turns.daemon.request(method, `/api/v1${target}`, { body, headers });
/** The answer to an answer, of the owner of the token. */
const answer = (turns, question, decision, token) =>
  request(turns, "POST", `/approvals/${question.id}`, { decision }, token);

test("only a listed approver approves; the owner of the run may deny", async (t) => {
  const turns = await Turns.open(t);
  written(turns, "asks", `export default { steps: [
    { id: "ok", kind: "approval", prompt: "Well?", approvers: ["ana", "local"] }],
    render: (ctx) => JSON.parse(ctx.results.ok).by };\n`);
  const [ana, bob, eve] = [await tokenOf(turns, "ana", "approve", "read"),
    await tokenOf(turns, "bob", "approve"), await tokenOf(turns, "eve", "approve", "admin")];
  const run = await started(turns, "asks");
  const question = await asked(turns, run);

  const own = await answer(turns, question, "allow");
  assert.deepEqual([own.status, own.json.code], [403, "not_approver"], own.text);
  assert.equal(own.json.detail,
    "the flow names its approvers, and local, the owner of the run, may only deny");
  assert.equal((await answer(turns, question, "allow", bob)).status, 404);
  const admin = await request(turns, "POST", `/approvals/${question.id}?owner=local`,
    { decision: "deny" }, eve);
  assert.deepEqual([admin.status, admin.json.code], [403, "not_approver"], admin.text);
  assert.equal(admin.json.detail, "eve is not among the approvers that the flow names");
  assert.equal(stepOf(await flowOf(turns, run), "ok").phase, "person");

  const shown = await request(turns, "GET", `/approvals/${question.id}`, undefined, ana);
  assert.equal(shown.json.shown, question.shown);
  const asAna = async (target) => (await request(turns, "GET", target, undefined, ana)).json;
  const listed = async () => (await asAna("/approvals")).items;
  assert.deepEqual((await listed()).map(({ id }) => id), [question.id]);
  const yes = await answer(turns, question, "allow", ana);
  assert.deepEqual([yes.status, yes.json.by], [200, "ana"], yes.text);
  assert.equal((await ended(turns, run)).report, "ana");
  assert.deepEqual(await listed(), []);
  const { events } = await asAna("/streams/owner:ana/events");
  assert.deepEqual(events.map(({ type, data }) => `${type} ${data.id} ${data.state}`),
    ["open", "allowed"].map((state) => `approval_changed ${question.id} ${state}`));

  const second = await started(turns, "asks");
  const no = await answer(turns, await asked(turns, second), "deny");
  assert.equal(no.status, 200, no.text);
  assert.equal(stepOf(await ended(turns, second), "ok").cause, "rejected");
});

test("a budget of its own ends a flow's spending, also when it is tried again", async (t) => {
  const turns = await Turns.open(t);
  const agent = (id, more = "") => `{ id: "${id}", kind: "agent", run: () => "hello"${more} }`;
  written(turns, "spends", `export default { steps: [${agent("a")},
    ${agent("b", ', deps: ["a"]')}], render: (ctx) => Object.keys(ctx.results).join(" ") };\n`);
  const run = await started(turns, "spends", {}, { budget: { agents: 1 } });
  const flow = await ended(turns, run);
  assert.deepEqual([stepOf(flow, "a").status, stepOf(flow, "b").status, flow.state],
    ["completed", "failed", "failed"]);
  const bad = await turns.ask("POST", "/flows",
    { name: "spends", root: turns.root, budget: { x: 1 } });
  assert.deepEqual([bad.status, bad.json.code], [400, "unknown_field"], bad.text);
  const retried = await turns.ask("POST", `/runs/${run}/retry`);
  assert.deepEqual((await turns.get(`/runs/${retried.json.id}`)).spec.budget, { agents: 1 });
  assert.equal((await ended(turns, retried.json.id)).state, "succeeded");
  const free = await turns.ask("POST", "/flows", { resumeFromRunId: run, budget: null });
  assert.equal((await turns.get(`/runs/${free.json.id}`)).spec.budget, undefined);
});

test("a text and a name start a flow, too, and a key starts it once", async (t) => {
  const turns = await Turns.open(t);
  const script = `export default { steps: [
    { id: "a", kind: "code", run: (ctx) => "a" + ctx.input.n }], render: (ctx) => ctx.results.a };`;
  const post = (target, body, headers) =>
    request(turns, "POST", target, { root: turns.root, input: { n: 1 }, ...body }, headers);
  const once = { "idempotency-key": "once" };
  const first = await post("/flows", { script, title: "short.js" }, once);
  assert.deepEqual([first.status, first.json.flow], [201, "short"], first.text);
  const again = await post("/flows", { script, title: "short.js" }, once);
  assert.equal(again.json.id, first.json.id);
  assert.equal((await ended(turns, first.json.id)).report, "a1");
  written(turns, "named", script);
  const named = await post("/flows/named/runs", { label: "mine" });
  assert.equal(named.status, 201, named.text);
  assert.equal((await ended(turns, named.json.id)).report, "a1");
  assert.equal((await turns.get(`/runs/${named.json.id}`)).label, "mine");
});

test("a refusal names the file, and its line where the file cannot be read", async (t) => {
  const turns = await Turns.open(t);
  const bad = [
    ["export default {", /^bad\.js:1:\d+: /],
    ["const x = 1;\n", /^bad\.js:\d+:\d+: no flow/],
    ["throw new Error('mine');\nexport default { steps: [] };", /^bad\.js: Error: mine \(line 1\)/],
    [flow(code("a"), code("a")), /^bad\.js: .*'a'/],
    [flow(code("a", ', deps: ["b"]')), /^bad\.js: step 'a': /],
  ];
  for (const [script, words] of bad) {
    const body = { root: turns.root, script, title: "bad.js" };
    const refused = await turns.ask("POST", "/flows", body);
    assert.deepEqual([refused.status, refused.json.code], [400, "bad_flow"], refused.text);
    assert.match(refused.json.detail, words);
    const verdict = await turns.ask("POST", "/flows/check", body);
    assert.deepEqual([verdict.json.valid, verdict.json.error], [false, refused.json.detail]);
  }
  for (const [target, body] of [["/flows/nobody/runs", {}], ["/flows", { name: "nobody" }],
    ["/flows", { path: "none.js" }]]) {
    const absent = await turns.ask("POST", target, { root: turns.root, ...body });
    assert.deepEqual([absent.status, absent.json.code], [404, "flow_not_found"], absent.text);
  }
  assert.deepEqual((await turns.get("/runs?kind=flow")).items, []);
});

test("a step is blocked while a person or a place in its batch is missing", async (t) => {
  const turns = await Turns.open(t);
  written(turns, "waits", `export default { batchConfig: { maxConcurrent: 1 }, steps: [
    { id: "ok", kind: "approval", prompt: "Well?" },
    { id: "one", kind: "command", command: "sleep 60", batch: "b" },
    { id: "two", kind: "command", command: "echo 2", batch: "b" },
    { id: "later", kind: "code", deps: ["ok"], run: () => "x" }], render: () => "" };\n`);
  const run = await started(turns, "waits");
  const question = await asked(turns, run);
  await until("its command runs", async () =>
    stepOf(await flowOf(turns, run), "one").status === "running");
  const statuses = (await flowOf(turns, run)).steps.map(({ status }) => status);
  assert.deepEqual(statuses, ["blocked", "running", "blocked", "pending"]);
  const { events } = await turns.get(`/streams/run:${run}/events`);
  const told = events.find(({ data }) => data.step_id === "ok" && data.status === "blocked");
  assert.equal(told.data.approval, question.id);
  await turns.ask("POST", `/runs/${run}/stop`, {});
  await ended(turns, run);
});

test("a report of a megabyte is given whole, and each cut has a mark", async (t) => {
  const turns = await Turns.open(t);
  written(turns, "long", `export default { steps: [
    { id: "much", kind: "command", command: "head -c 3000000 /dev/zero | tr '\\\\0' x" }],
    render: (ctx) => "r".repeat(900000) + ctx.results.much.slice(-200) };\n`);
  const run = await started(turns, "long");
  const flow = await ended(turns, run);
  assert.equal(flow.report_cut, undefined);
  assert.equal(flow.report.slice(0, 900000), "r".repeat(900000));
  const job = (await turns.get(`/runs?parent=${run}`)).items[0].id;
  assert.ok(flow.report.endsWith(
    `[… of 3000000 bytes of output, the rest is left out: 'drover logs ${job}' has it …]`));
  const [much] = flow.steps;
  assert.equal(much.result_cut, true);
  assert.equal(much.result, "x".repeat(32 << 10));
  const [whole] = (await turns.get(`/runs/${run}/flow?step=much`)).steps;
  assert.deepEqual([whole.result_cut, whole.result.startsWith("x".repeat(1_000_000))],
    [undefined, true]);
  const { events } = await turns.get(`/streams/run:${run}/events`);
  const { data } = events.find(({ data: { run_status } }) => run_status);
  assert.equal(data.report_cut, true);
  assert.ok(data.report.length > 30_000);
});

test("sessions of its agents are in no list, and leave with the run", async (t) => {
  const turns = await Turns.open(t);
  written(turns, "talks", `export default { steps: [
    { id: "one", kind: "agent", run: () => "say: one" },
    { id: "two", kind: "code", run: (ctx) => ctx.dispatch("Explore", "say: two") }],
    render: (ctx) => ctx.results.one + ctx.results.two };\n`);
  const run = await started(turns, "talks");
  const flow = await ended(turns, run);
  assert.equal(flow.report, "onetwo");
  assert.deepEqual((await turns.get("/sessions")).items, []);
  const rows = (await turns.get("/sessions?archived=1")).items;
  assert.equal(rows.length, 2);
  assert.ok(rows.some(({ id }) => id === flow.steps[0].session), JSON.stringify([rows, flow]));
  const gone = await turns.ask("DELETE", `/runs/${run}`);
  assert.equal(gone.status, 200, gone.text);
  assert.deepEqual((await turns.get("/sessions?archived=1")).items, []);
  assert.deepEqual((await turns.get("/runs")).items, []);

  const second = await started(turns, "talks");
  const [one] = (await ended(turns, second)).steps;
  const alone = await turns.ask("DELETE", `/runs/${one.run}`); // As by age: it ended first.
  assert.equal(alone.status, 200, alone.text);
  const left = (await turns.get("/sessions?archived=1")).items;
  assert.deepEqual(left.map(({ id }) => id === one.session), [false]);
});
