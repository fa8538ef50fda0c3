// workflow-contract-starts.mjs: how a workflow starts: by its text, a path or a name; what the
// start answers; where names are looked for; and what may be said to a run that is under way.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";

import { logs, META, told, whole } from "./workflows.mjs";

const as = (name, body) => `${META.replace("flock", name)}\n${body}`;
const refused = async (flows, body, status, code, detail = /./, target = "/workflows") => {
  const answer = await flows.ask("POST", target, body);
  assert.deepEqual([answer.status, answer.json.code], [status, code], answer.text);
  assert.match(answer.json.detail, detail);
  return answer.json;
};
const SLOW = whole("return await agent('delay: 600s\\nsay: late', { label: 'slow' })");
const begun = ({ type }) => type === "agent_started";

const place = (folder, name) => `.${folder}/workflows/${name}.js`;

/** A project of its own, in which workflows are looked for; home is everybody's. */
function project(flows, name, files) {
  const root = path.join(flows.root, name);
  mkdirSync(root, { recursive: true });
  for (const [file, text] of Object.entries(files)) flows.write(path.join(name, file), text);
  return root;
}
const resultOf = async (flows, body) => (await flows.run(body)).end.result;

// --- By its text, a path, a name -----------------------------------------------------------------

const launches = [
  { name: "a start answers at once what it started, and keeps its text in a file",
    async hold(flows) {
      const script = whole("return 1");
      const launched = await flows.launch({ script });
      const { taskId, taskType, workflowName, runId, summary, scriptPath } = launched;
      assert.deepEqual([workflowName, summary], ["flock", "counts sheep"]);
      assert.deepEqual([taskType, taskId], ["local_workflow", runId]);
      assert.equal(readFileSync(scriptPath, "utf8"), script);
      assert.equal(await resultOf(flows, { scriptPath }), 1);
    } },
  { name: "all who start a text at once are told its file",
    async hold(flows) {
      for (let round = 0; round < 12; round++) {
        const script = whole(`return ${round} // at once`);
        const starts = Array.from({ length: 16 }, () => flows.launch({ script }));
        const files = new Set((await Promise.all(starts)).map((launched) => launched.scriptPath));
        assert.deepEqual([files.size, path.isAbsolute([...files][0])], [1, true]);
      }
    } },
  { name: "a run that goes on, and one that was built in, have a file to be edited, too",
    async hold(flows) {
      const script = whole("return args");
      const first = await flows.launch({ script, title: "decoy.js", args: 1 });
      flows.write("decoy.js", whole("return 'another one'"));
      await flows.ended(first.runId);
      const again = await flows.launch({ resumeFromRunId: first.runId });
      assert.equal(readFileSync(again.scriptPath, "utf8"), script);
      const built = await flows.launch({ name: "plan-verify", args: { goal: "delay: 600s" } });
      await flows.ask("POST", `/runs/${built.runId}/stop`);
      assert.ok(path.isAbsolute(built.scriptPath), built.scriptPath);
      assert.match(readFileSync(built.scriptPath, "utf8"), /^export const meta/m);
    } },
  { name: "a meta that no event can hold is refused, with what is too large, by a plan, too",
    async hold(flows) {
      const meta = { name: "long", description: "x".repeat(210_000) };
      const body = { script: `export const meta = ${JSON.stringify(meta)};` };
      await refused(flows, body, 400, "bad_field", /"meta" is too large/);
      await refused(flows, body, 400, "bad_field", /at most 200 kB/, "/scripts/plan");
    } },
  { name: "a path wins over a text and a name",
    async hold(flows) {
      const scriptPath = flows.write("wins/path.js", whole("return 'path'"));
      const body = { scriptPath, script: whole("return 'text'"), name: "no-such-name" };
      assert.equal(await resultOf(flows, body), "path");
    } },
  { name: "meta decides of the name, whatever title and description say",
    async hold(flows) {
      const body = { script: whole("return 1"), title: "other", description: "words" };
      const launched = await flows.launch(body);
      assert.deepEqual([launched.workflowName, launched.summary], ["flock", "counts sheep"]);
    } },
  { name: "a script with a fault is answered as launched, with the error, and never runs",
    async hold(flows) {
      const launched = await flows.launch({ script: whole("return 1 +") });
      assert.match(launched.error, /^\d+:\d+: /);
      assert.deepEqual([launched.runId, launched.taskId], [undefined, undefined]);
    } },
  { name: "a start that names nothing is refused",
    hold: (flows) => refused(flows, { args: {} }, 400, "missing_field", /script/) },
  { name: "a field that nobody knows is refused by name",
    hold: (flows) => refused(flows, { script: META, arg: 1 }, 400, "unknown_field", /arg/) },
  { name: "a script that is no text is refused",
    hold: (flows) => refused(flows, { script: 5 }, 400, "bad_field", /script/) },
  { name: "a name that nobody knows is told, with the places and the nearest names",
    async hold(flows) {
      const files = { [place("drover", "count-sheep")]: as("count-sheep", "") };
      const root = project(flows, "near", files);
      const body = { name: "count-sheeps", root };
      const { detail } = await refused(flows, body, 404, "workflow_not_found", /count-sheep\b/);
      for (const word of ["drover", "claude", "boocode", root, flows.home]) {
        assert.ok(detail.includes(word), detail);
      }
    } },
  { name: "a path that leads nowhere is refused",
    async hold(flows) {
      const answer = await flows.ask("POST", "/workflows", { scriptPath: "/nowhere/at-all.js" });
      assert.ok([400, 404].includes(answer.status), answer.text);
      assert.match(answer.json.detail, /at-all\.js/);
    } },
  { name: "a path that leads out of the root is a wrong path, and says how it leads out",
    async hold(flows) {
      symlinkSync("/etc/passwd", path.join(flows.root, "out.js"));
      for (const scriptPath of ["../../../../etc/passwd", "out.js"]) {
        const how = /leads out of its root, by "\.\." or by a link/;
        await refused(flows, { scriptPath, root: flows.root }, 400, "bad_field", how);
      }
    } },
  { name: "the same key answers the same run",
    async hold(flows) {
      const headers = { "idempotency-key": "one-flock" };
      const body = { script: whole("return 1") };
      const [one, two] = [await flows.start(body, headers), await flows.start(body, headers)];
      assert.equal(one, two);
    } },
  { name: "a name is started by its own address, too",
    async hold(flows) {
      const files = { [place("claude", "by-name")]: as("by-name", "return args") };
      const root = project(flows, "address", files);
      const answer = await flows.ask("POST", "/workflows/by-name/runs", { root, args: [1] });
      assert.equal(answer.status, 201, answer.text);
      assert.deepEqual((await flows.outcome(answer.json.runId)).end.result, [1]);
    } },
];

// --- Where names are looked for ------------------------------------------------------------------

const places = [
  ...["drover", "claude", "boocode"].map((folder) => ({
    name: `a workflow is found in .${folder}/workflows`,
    async hold(flows) {
      const files = { [place(folder, "w")]: as("w", `return '${folder}'`) };
      const root = project(flows, `in-${folder}`, files);
      assert.equal(await resultOf(flows, { name: "w", root }), folder);
    },
  })),
  { name: "of one name .drover wins over .claude, and that over .boocode",
    async hold(flows) {
      const files = (...folders) =>
        Object.fromEntries(folders.map((one) => [place(one, "w"), as("w", `return '${one}'`)]));
      const three = project(flows, "three", files("boocode", "claude", "drover"));
      const two = project(flows, "two", files("boocode", "claude"));
      assert.equal(await resultOf(flows, { name: "w", root: three }), "drover");
      assert.equal(await resultOf(flows, { name: "w", root: two }), "claude");
    } },
  { name: "a home's workflow is found, and a project's of that name beats it",
    async hold(flows) {
      const home = path.join(flows.home, place("claude", "both"));
      mkdirSync(path.dirname(home), { recursive: true });
      writeFileSync(home, as("both", "return 'home'"));
      const files = { [place("boocode", "both")]: as("both", "return 'project'") };
      const root = project(flows, "beats", files);
      const empty = project(flows, "empty", {});
      assert.equal(await resultOf(flows, { name: "both", root }), "project");
      assert.equal(await resultOf(flows, { name: "both", root: empty }), "home");
    } },
  { name: "meta names a workflow, and not its file",
    async hold(flows) {
      const files = { [place("claude", "file")]: as("by-meta", "return 1") };
      const root = project(flows, "meta-name", files);
      assert.equal(await resultOf(flows, { name: "by-meta", root }), 1);
    } },
  { name: "a link out of the place is not followed",
    async hold(flows) {
      const outside = flows.write("outside/out.js", as("out", "return 1"));
      const root = project(flows, "links", { [place("claude", "in")]: as("in", "return 1") });
      symlinkSync(outside, path.join(root, place("claude", "out")));
      assert.match((await flows.launch({ name: "out", root })).error, /link/);
      assert.equal(await resultOf(flows, { name: "in", root }), 1);
    } },
  { name: "a file that changed is read again, and a run under way keeps its text",
    async hold(flows) {
      const script = (n) => as("edited", `await agent('delay: 100ms\\nsay: x'); return ${n}`);
      const root = project(flows, "edits", { [place("claude", "edited")]: script(1) });
      const first = await flows.start({ name: "edited", root });
      writeFileSync(path.join(root, place("claude", "edited")), script(2));
      assert.equal(await resultOf(flows, { name: "edited", root }), 2);
      assert.equal((await flows.outcome(first)).end.result, 1);
    } },
  { name: "a new file is found without a restart",
    async hold(flows) {
      const root = project(flows, "grows", {});
      await refused(flows, { name: "fresh", root }, 404, "workflow_not_found");
      flows.write(path.join("grows", place("drover", "fresh")), as("fresh", "return 1"));
      assert.equal(await resultOf(flows, { name: "fresh", root }), 1);
    } },
];

// --- args that meta speaks of --------------------------------------------------------------------

const WANTS = "export const meta = { name: 'wants', description: 'd', args: { type: 'object', " +
  "required: ['n'], properties: { n: { type: 'integer' } } } };\nreturn args.n";

const wanted = [
  { name: "args that fit what meta says are taken", script: WANTS, more: { args: { n: 5 } },
    result: 5 },
  { name: "args that do not fit what meta says are refused before anything runs",
    async hold(flows) {
      await refused(flows, { script: WANTS, args: { n: "x" } }, 400, "bad_field", /args.*n\b/);
      await refused(flows, { script: WANTS }, 400, "bad_field", /args/);
    } },
];

// --- A run under way -----------------------------------------------------------------------------

const underWay = [
  { name: "a workflow that is stopped is cancelled, and its agents with it",
    async hold(flows) {
      const run = await flows.start({ script: SLOW });
      await flows.until(run, begun);
      const answer = await flows.ask("POST", `/runs/${run}/stop`, {});
      assert.ok(answer.status < 300, answer.text);
      const { end, events } = await flows.outcome(run);
      assert.deepEqual([end.state, end.cause], ["cancelled", "stopped"]);
      const agent = events.find(({ type }) => type === "agent_finished").data;
      assert.equal(agent.state, "cancelled");
    } },
  { name: "an agent that is skipped gives null, and the script goes on",
    async hold(flows) {
      const script = whole("const text = await agent('delay: 600s', { label: 'slow' });\n" +
        "return [text, await agent('say: b', { label: 'b' })]");
      const run = await flows.start({ script });
      const { data } = (await flows.until(run, begun)).at(-1);
      const answer = await flows.ask("POST", `/runs/${data.run}/skip`, {});
      assert.ok(answer.status < 300, answer.text);
      const { end, events } = await flows.outcome(run);
      assert.deepEqual(end.result, [null, "b"]);
      assert.match(told(events)[1], /^end slow \((skipped|stopped)\)$/);
      assert.equal(end.agents.skipped, 1);
      const late = await flows.ask("POST", `/runs/${data.run}/skip`, {});
      assert.deepEqual([late.status, late.json.code], [409, "step_ended"], late.text);
    } },
  { name: "an agent that is stopped gives null, too",
    async hold(flows) {
      const run = await flows.start({ script: SLOW });
      const { data } = (await flows.until(run, begun)).at(-1);
      const answer = await flows.ask("POST", `/runs/${data.run}/stop`, {});
      assert.ok(answer.status < 300, answer.text);
      const { end } = await flows.outcome(run);
      assert.deepEqual([end.result, end.agents.skipped], [null, 1]);
    } },
  { name: "a run whose time is over is timed out, and its agents end with it",
    async hold(flows) {
      const { end, events } = await flows.run({ script: SLOW, timeout_ms: 2000 });
      assert.equal(end.state, "timed_out");
      assert.equal(events.filter(({ type }) => type === "agent_finished").length, 1);
    } },
  { name: "a run is listed among the runs, with its kind and its name",
    async hold(flows) {
      const { run } = await flows.run({ script: whole("return 1") });
      const { items } = await flows.get("/runs?kind=workflow&limit=200");
      const found = items.find((one) => one.id === run);
      assert.deepEqual([found.kind, found.label, found.state], ["workflow", "flock", "succeeded"]);
    } },
  { name: "a run's agents are listed with what they were asked and what they took",
    async hold(flows) {
      const script = whole("phase('p'); await agent('say: a', { label: 'a' });\n" +
        "await agent('fail: auth', { label: 'b' }); return 1");
      const { run } = await flows.run({ script });
      const agents = await flows.agents(run);
      const seen = agents.map((one) => [one.label, one.phase, one.state, one.cause, one.prompt]);
      assert.deepEqual(seen, [
        ["a", "p", "succeeded", "completed", "say: a"],
        ["b", "p", "failed", "auth_failed", "fail: auth"],
      ]);
      assert.deepEqual(agents.map((one) => one.done_no), [1, 2]);
      const whole_ = await flows.agents(run, "&whole=1");
      assert.equal(whole_[0].result, "a");
    } },
  { name: "two runs of one script know nothing of each other",
    async hold(flows) {
      const script = whole("globalThis.count = (globalThis.count ?? 0) + 1; log(args);\n" +
        "await agent('say: x'); return [globalThis.count, args]");
      const runs = await Promise.all([1, 2, 3].map((args) => flows.run({ script, args })));
      assert.deepEqual(runs.map(({ end }) => end.result), [[1, 1], [1, 2], [1, 3]]);
      assert.deepEqual(runs.map(({ events }) => logs(events)), [["1"], ["2"], ["3"]]);
    } },
];

export default [...launches, ...places, ...wanted, ...underWay];
