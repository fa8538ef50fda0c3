// flow-rerun.test.mjs: a flow begins from a run that has ended: what has a result does not run
// again. Each command leaves a line in a log, so that whatever ran is seen.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";
import { Turns } from "./turns.mjs";

const LIMIT = { timeout: scaled(120_000) };

/** plan, draft (fails without the file `ok`), good (a person), which, left or right, end. */
const source = (root, { left = "left", more = "" } = {}) => `
const note = (word) => "echo " + word + " >> ${root}/log; echo " + word;
export default {
  name: "line", description: "",
  steps: [
    { id: "plan", kind: "command", run: (ctx) => note("plan-" + ctx.input.question) },
    { id: "draft", kind: "command", deps: ["plan"],
      command: "test -e ${root}/ok || exit 1; " + note("draft") },
    { id: "good", kind: "approval", deps: ["draft"], prompt: "Good?" },
    { id: "which", kind: "switch", deps: ["good"], defaultBranch: ["right"], cases: [
      { label: "l", condition: (ctx) => ctx.results.good.includes("true"), stepIds: ["left"] }] },
    { id: "left", kind: "command", run: () => note("${left}") },
    { id: "right", kind: "command", command: note("right") },
    { id: "end", kind: "command", deps: ["left", "right"], command: note("end") },
    ${more}
  ],
  render: (ctx) => ["plan", "draft", "left", "end"].map((id) => ctx.results[id]).join(" "),
};
`;

class Line {
  constructor(turns) {
    this.turns = turns;
    this.folder = path.join(turns.root, ".drover/flows");
    mkdirSync(this.folder, { recursive: true });
    this.write();
  }

  write(edits) {
    writeFileSync(path.join(this.folder, "line.js"), source(this.turns.root, edits));
  }

  start(body) {
    return this.turns.ask("POST", "/flows", body);
  }

  async begin(body) {
    const { status, json, text } = await this.start(body);
    assert.equal(status, 201, text);
    return json;
  }

  of(run) {
    return this.turns.get(`/runs/${run}/flow`);
  }

  async ended(run) {
    let flow;
    await until(`${run} has ended`, async () => {
      flow = await this.of(run);
      return flow.stage === "over";
    });
    return flow;
  }

  async allow(run) {
    let found;
    await until(`${run} asks`, async () => {
      found = (await this.turns.get("/approvals")).items.find((one) => one.run === run);
      return found !== undefined;
    });
    await this.turns.ask("POST", `/approvals/${found.id}`, { decision: "allow" });
  }

  /** What ran since the last look. */
  ran() {
    const log = path.join(this.turns.root, "log");
    const lines = existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : [];
    rmSync(log, { force: true });
    return lines.join(" ");
  }

  permit() {
    writeFileSync(path.join(this.turns.root, "ok"), "");
  }

  /** A run of all of it, by its first start. */
  async whole() {
    this.permit();
    const { id } = await this.begin({ name: "line", root: this.turns.root, input: "x" });
    await this.allow(id);
    const flow = await this.ended(id);
    assert.equal(flow.state, "succeeded");
    assert.equal(this.ran(), "plan-x draft left end");
    return flow;
  }
}

const cachedOf = ({ steps }) =>
  steps.filter(({ cached }) => cached !== null).map((step) => step.step_id).join(" ");
const stepOf = (flow, id) => flow.steps.find((step) => step.step_id === id);

test("a run that failed is tried again, over a kill: what has completed does not run again",
  LIMIT, async (t) => {
    const turns = await Turns.open(t);
    const line = new Line(turns);
    const first = (await line.begin({ name: "line", root: turns.root, input: "x" })).id;
    assert.equal((await line.ended(first)).failed_step, "draft");
    assert.equal(line.ran(), "plan-x");
    line.permit();
    rmSync(path.join(line.folder, "line.js")); // The run has its own text of it.
    const retried = await turns.ask("POST", `/runs/${first}/retry`);
    assert.deepEqual([retried.status, retried.json.retry_of], [201, first], retried.text);
    const second = retried.json.id;
    await until("the draft is done", async () =>
      stepOf(await line.of(second), "good").phase === "person");
    await turns.daemon.kill();
    await turns.daemon.start();
    await line.allow(second);
    const flow = await line.ended(second);
    assert.deepEqual([flow.state, flow.report, flow.resumed_from, cachedOf(flow)],
      ["succeeded", "plan-x draft left end", first, "plan"]);
    assert.deepEqual(flow.input, { question: "x" });
    assert.equal(stepOf(flow, "plan").cached, first);
    assert.equal(line.ran(), "draft left end");
    const old = await line.of(first);
    assert.deepEqual([old.state, old.failed_step, cachedOf(old)], ["failed", "draft", ""]);
    const again = await turns.ask("POST", `/runs/${second}/retry`);
    assert.deepEqual([again.status, again.json.code], [409, "conflict"], again.text);
  });

test("one step runs again, or one with all after it; the rest keeps its results", LIMIT,
  async (t) => {
    const turns = await Turns.open(t);
    const line = new Line(turns);
    const whole = await line.whole();
    const rerun = async (more, from = whole.id) => {
      const flow = await line.ended((await line.begin({ resumeFromRunId: from, ...more })).id);
      assert.deepEqual([flow.state, flow.report], ["succeeded", "plan-x draft left end"]);
      return [line.ran(), cachedOf(flow), flow];
    };
    const [none, all, same] = await rerun({});
    assert.deepEqual([none, all], ["", "plan draft good which left end"]);
    const good = stepOf(same, "good");
    assert.equal(good.result, stepOf(whole, "good").result);
    assert.match(good.result, /"approved":true,"by":".+","at_ms":\d+/);
    assert.equal(stepOf(same, "which").result, "branch:l");
    assert.deepEqual([stepOf(same, "right").status, stepOf(same, "right").cached],
      ["excluded", null]);
    const plan = async (more) => {
      const planned = await turns.ask("POST", "/flows/check",
        { resumeFromRunId: same.id, ...more });
      assert.deepEqual([planned.status, planned.json.resumed_from], [200, same.id], planned.text);
      return cachedOf(planned.json);
    };
    assert.equal(await plan({ rerun: ["left"] }), "plan draft good which end");
    assert.equal(await plan({ rerun_from: ["which"] }), "plan draft good");
    const [alone, rest] = await rerun({ rerun: ["left"] }, "last");
    assert.deepEqual([alone, rest], ["left", "plan draft good which end"]);
    const [after, before, flow] = await rerun({ rerun_from: ["which"] }, same.id);
    assert.deepEqual([after, before], ["left end", "plan draft good"]);
    assert.deepEqual([flow.resumed_from, stepOf(flow, "plan").cached], [same.id, whole.id]);
    const { events } = await turns.get(`/streams/run:${flow.id}/events`);
    assert.deepEqual(events[0].data.steps.filter(({ cached }) => cached === whole.id)
      .map(({ step_id: id, status }) => `${id} ${status}`),
    ["plan completed", "draft completed", "good completed"]);
  });

test("an edited step runs with all after it, and nothing else; another input runs everything",
  LIMIT, async (t) => {
    const turns = await Turns.open(t);
    const line = new Line(turns);
    const whole = await line.whole();
    const last = { name: "line", resumeFromRunId: "last", root: turns.root };
    line.write({ left: "edited", more: '{ id: "new", kind: "code", run: () => "n" }' });
    const edited = await line.ended((await line.begin(last)).id);
    assert.deepEqual([line.ran(), cachedOf(edited)], ["edited end", "plan draft good which"]);
    assert.deepEqual([edited.report, edited.resumed_from], ["plan-x draft edited end", whole.id]);
    assert.equal(stepOf(edited, "new").result, "n");
    const { id } = await line.begin({ ...last, input: "y" });
    await line.allow(id);
    const other = await line.ended(id);
    assert.deepEqual([line.ran(), cachedOf(other), other.resumed_from],
      ["plan-y draft edited end", "", edited.id]);
  });

test("the yes of named approvers holds for the same file once, and for nothing else", LIMIT,
  async (t) => {
    const turns = await Turns.open(t);
    const file = path.join(turns.root, ".drover/flows/ship.js");
    const write = (word) => writeFileSync(file, `const word = "${word}";
      export default { steps: [
        { id: "sure", kind: "approval", prompt: "Ship?", approvers: ["ana"] },
        { id: "ship", kind: "command", deps: ["sure"], run: () => "test -e ${turns.root}/ok && "
          + "echo " + word + " >> ${turns.root}/log" }] };`);
    const line = new Line(turns);
    const made = await turns.ask("POST", "/tokens", { owner: "ana", scopes: ["read", "approve"] });
    const ana = { authorization: `Bearer ${made.json.token}` };
    const asAna = (method, target, body) =>
      turns.daemon.request(method, `/api/v1${target}`, { body, headers: ana });
    const open = async () => (await asAna("GET", "/approvals")).json.items;
    const agree = async (run) => {
      await until(`ana is asked about ${run}`, async () =>
        (await open()).some((one) => one.run === run));
      const [{ id }] = await open();
      const yes = await asAna("POST", `/approvals/${id}`, { decision: "allow" });
      assert.equal(yes.status, 200, yes.text);
      assert.deepEqual(await open(), []);
      return line.ended(run);
    };
    write("one");
    const begin = async (more) =>
      (await line.begin({ name: "ship", root: turns.root, ...more })).id;
    const failed = await agree(await begin({}));
    assert.deepEqual([failed.failed_step, line.ran()], ["ship", ""]);
    line.permit();
    const whole = await agree(await begin({ resumeFromRunId: failed.id }));
    assert.deepEqual([whole.state, cachedOf(whole), line.ran()], ["succeeded", "", "one"]);
    const twice = await begin({ resumeFromRunId: whole.id, rerun: ["ship"] });
    assert.equal(cachedOf(await agree(twice)), "");
    assert.equal(line.ran(), "one");
    const gone = await turns.ask("DELETE", `/runs/${whole.id}`);
    assert.equal(gone.status, 200, gone.text);
    assert.equal(cachedOf(await agree(await begin({ resumeFromRunId: failed.id }))), "");
    assert.equal(line.ran(), "one");
    write("two");
    assert.equal(cachedOf(await agree(await begin({ resumeFromRunId: twice }))), "");
    assert.equal(line.ran(), "two");
  });

test("a start from a run that cannot be is refused with its reason, and nothing begins", LIMIT,
  async (t) => {
    const turns = await Turns.open(t);
    const line = new Line(turns);
    const refused = async (body, status, code, words) => {
      const answer = await line.start(body);
      assert.deepEqual([answer.status, answer.json.code], [status, code], answer.text);
      assert.match(answer.json.detail, words);
    };
    const named = { name: "line", root: turns.root };
    await refused({ ...named, resumeFromRunId: "last" }, 404, "not_found", /no run of 'line' has/);
    const { id } = await line.whole();
    await refused({ resumeFromRunId: "run_none" }, 404, "not_found", /there is no run 'run_none'/);
    await refused({ ...named, rerun: ["plan"] }, 400, "bad_field", /"resumeFromRunId"/);
    await refused({}, 400, "bad_field", /"name", "path" or "script"/);
    const from = { resumeFromRunId: id };
    await refused({ ...from, rerun: ["plan", "paln"] }, 400, "bad_field",
      /"rerun"\[1\]: the flow has no step 'paln'/);
    await refused({ ...from, rerun: ["which"] }, 400, "bad_field",
      /'which' is a switch.*rerun_from/);
    await refused({ ...from, input: "y", rerun: ["plan"] }, 400, "bad_field",
      /with another "input" .* every step runs/);
    writeFileSync(path.join(line.folder, "line.js"), `export default { name: "line",
      description: "", steps: [{ id: "plan", kind: "code", run: () => 1 }] };`);
    await refused({ ...named, ...from, rerun_from: ["end"] }, 400, "bad_field",
      /the flow has no step 'end' any more/);
    line.write();
    const job = await turns.ask("POST", "/jobs", { argv: ["sleep", "600"] });
    await refused({ resumeFromRunId: job.json.id }, 409, "conflict", /is not a flow, but a job/);
    assert.equal((await turns.get("/runs?kind=flow")).items.length, 1);
    const open = (await line.begin({ ...from, rerun: ["good"] })).id;
    await refused({ resumeFromRunId: open }, 409, "run_alive", /has not ended: it is running/);
    const eve = await turns.ask("POST", "/tokens", { owner: "eve", scopes: ["read", "run"] });
    turns.headers = { authorization: `Bearer ${eve.json.token}` };
    await refused(from, 404, "not_found", /there is no run/);
  });
