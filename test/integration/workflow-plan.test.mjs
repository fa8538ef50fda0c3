// workflow-plan.test.mjs: what a run would do is told, and nothing is done.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";

import { Counting } from "./counting.mjs";
import { begin } from "./jobs-cli.mjs";
import { until } from "./providers.mjs";
import { Workflows } from "./workflows.mjs";

const META = `export const meta = { name: "review", description: "Reviews.", mood: "calm",
  phases: [{ title: "Find" }, { title: "Tell" }],
  args: { type: "object", required: ["target"], properties: { target: { type: "string" } } } };\n`;
const SCRIPT = `${META}return await agent(\`look at \${args.target}\`);`;

async function open(t, ...args) {
  const provider = await new Counting().start(t);
  const flows = await Workflows.open(t, { args });
  const model = await flows.connect(provider);
  const plan = async (body) => {
    const answer = await flows.ask("POST", "/scripts/plan", body);
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
  };
  /** Nobody was asked, and there is no run. */
  const nothing = async () => {
    assert.deepEqual(provider.prompts, []);
    assert.deepEqual((await flows.get("/runs")).items, []);
    assert.ok(!existsSync(path.join(flows.folder, "d", "scripts")), "no script is kept");
  };
  return { flows, model, plan, nothing };
}

test("a plan says what holds for every run, and what nobody knows", async (t) => {
  const { flows, model, plan, nothing } = await open(t, "--agents", "3",
    "--workflow-max-runs", "2", "--workflow-default-budget", "cost=1.50");
  const { root } = flows;
  const file = flows.write(".drover/workflows/review.js", SCRIPT);
  const whole = await plan({ name: "review", root, model, args: { target: "src" },
    timeout_ms: 60000, settings: { tools: ["read_file", "run_workflow"] } });
  assert.equal(whole.valid, true);
  assert.deepEqual([whole.name, whole.description, whole.file, whole.origin, whole.form],
    ["review", "Reviews.", file, "project", "body"]);
  assert.deepEqual(whole.phases, [{ title: "Find" }, { title: "Tell" }]);
  assert.equal(whole.meta.mood, "calm");
  assert.deepEqual([whole.args.given, whole.args.fit, whole.args.fault], [true, true, null]);
  assert.deepEqual(whole.model,
    { name: model, from: "asked", connection: "counting", connected: true });
  assert.deepEqual(whole.tools, ["read_file"], "an agent starts no workflow");
  const { at_once, agents, timeout_ms, agent_timeout_ms, runs } = whole.limits;
  assert.deepEqual([at_once, agents, timeout_ms, agent_timeout_ms, runs],
    [3, 1000, 60000, 1800000, 2]);
  assert.deepEqual([whole.budget, whole.budget_default, whole.total],
    [{ cost_micros: 1500000 }, true, null]);
  assert.match(whole.unknown[0], /^how many agents/);
  await nothing();
});

const FLEET = `export const meta = { name: "fleet", description: "Many." };
const ITEM = { type: "object",
  properties: { name: { type: "string" }, next: { $ref: "#/$defs/n" } } };
const LIST = { type: "object", $defs: { n: { enum: ["stay", "go"] } },
  properties: { items: { type: "array", items: ITEM } } };
phase("Find");
const found = await parallel([1, 2, 3].map((n) => () => agent("find " + n,
  { label: "finder", schema: LIST })));
const items = found.flatMap((one) => one.items);
if (items.length !== 6 || items.some((one) => one.next !== "stay")) throw Error("odd answers");
const nobody = await agent("x", { label: "none", capabilities: ["flying"] });
if (nobody !== null) throw Error("somebody flies");
phase("Check");
await pipeline(items, (item) => agent("check " + item.name, { label: "check", model: "m/dear" }),
  (text) => agent("doubt " + text, { phase: "Doubt" }));
await workflow("inner", { more: 2 });
log("done");
return items.length;`;
const INNER = `export const meta = { name: "inner", description: "Inside." };
await parallel([1, 2].map((n) => () => agent("inside " + n, { label: "inside " + n })));`;

const row = ({ wave, phase, label, agents }) => [wave, phase, label, agents];

test("a plan plays the script with stand-ins: its waves, phases and agents are told", async (t) => {
  const prices = path.join(mkdtempSync(path.join(tmpdir(), "drover-prices-")), "prices.json");
  t.after(() => rmSync(path.dirname(prices), { recursive: true }));
  writeFileSync(prices, JSON.stringify({ models: {
    "counting/small": { max_output: 1000, input: 0, output: 2000000 } } }));
  const { flows, model, plan, nothing } = await open(t, "--agents", "4", "--prices", prices);
  flows.write(".drover/workflows/inner.js", INNER);
  const { rehearsal } = await plan({ script: FLEET, root: flows.root, model });
  assert.deepEqual([rehearsal.ended, rehearsal.fault], ["finished", null]);
  assert.deepEqual(rehearsal.steps.map(row), [
    [1, "Find", "finder", 3],
    [2, "Find", "none", 1],
    [3, "Check", "check", 6],
    [4, "Doubt", null, 6],
    [5, null, "inside 1", 1],
    [5, null, "inside 2", 1],
  ]);
  assert.deepEqual(rehearsal.steps.map((step) => step.schema),
    [true, false, false, false, false, false]);
  assert.deepEqual(rehearsal.steps.map((step) => step.model),
    [null, null, "m/dear", null, null, null]);
  assert.deepEqual([rehearsal.agents, rehearsal.at_once, rehearsal.unlisted], [18, 4, 0]);
  // Twelve of the priced model say a thousand tokens each; nobody knows 'm'.
  assert.deepEqual(rehearsal.price, { micros: 12 * 2000, unpriced: 6 });
  await nothing();
});

test("a plan tells why a script does not come to its end with stand-ins", async (t) => {
  const { flows, plan, nothing } = await open(t);
  const told = async (body, more) => (await plan({ script: `${META}${body}`,
    args: { target: "x" }, ...more })).rehearsal;
  const parsed = await told('const a = await agent("a");\nreturn JSON.parse(a);');
  assert.deepEqual([parsed.ended, parsed.agents], ["failed", 1]);
  assert.match(parsed.fault, /^line 5: /);
  const endless = await told('for (;;) await agent("on");');
  assert.deepEqual([endless.ended, endless.agents, endless.unlisted], ["failed", 1000, 800]);
  assert.match(endless.fault, /agent cap reached/);
  const spends = await told('while (budget.remaining() > 0) await agent("on");', { total: 9500 });
  assert.deepEqual([spends.ended, spends.agents], ["finished", 10]);
  const lost = await told('await workflow("nowhere");');
  assert.match(lost.fault, /nowhere/);
  const quiet = await told("await new Promise(() => {});");
  assert.equal(quiet.ended, "failed");
  const misfit = await plan({ script: SCRIPT });
  assert.equal(misfit.rehearsal, null, "what does not begin is not played");
  const many = Array.from({ length: 20 }, () => told('return await agent("a");'));
  const crowd = await Promise.all(many);
  const played = crowd.filter((one) => one.ended === "finished");
  const cut = crowd.filter((one) => one.ended === "cut");
  assert.ok(played.length >= 8, "as many as may at once, and those behind them");
  assert.equal(played.length + cut.length, crowd.length);
  for (const one of cut) assert.match(one.fault, /ask again/);
  await nothing();
  await flows.daemon.stop();
});

test("a daemon ends while a plan is played", async (t) => {
  const { flows } = await open(t);
  const script = `${META}for (;;) ;`;
  const asked = flows.ask("POST", "/scripts/plan", { script, args: { target: "x" } })
    .catch((error) => ({ status: 0, error }));
  const metrics = async () => (await flows.daemon.request("GET", "/metrics")).text;
  await until("a script's process", async () => /^drover_script_workers 1$/m.test(await metrics()));
  assert.equal((await flows.daemon.stop()).code, 0);
  await asked;
});

test("a plan of a text has no tools without a root, and says whose model it is", async (t) => {
  const { plan, nothing } = await open(t);
  const told = await plan({ script: SCRIPT, concurrency: 7 });
  assert.deepEqual([told.origin, told.root, told.tools], ["text", null, []]);
  assert.deepEqual([told.args.given, told.args.fit], [false, false]);
  assert.match(told.args.fault, /target/);
  assert.deepEqual([told.model.name, told.model.from], ["scripted/demo", "option"]);
  assert.deepEqual([told.limits.at_once, told.limits.runs, told.budget], [7, null, null]);
  const absent = await plan({ script: SCRIPT, model: "nowhere/big" });
  assert.deepEqual([absent.model.connection, absent.model.connected], ["nowhere", false]);
  await nothing();
});

test("a plan of a script that is none says where, and an unknown name is not found", async (t) => {
  const { flows, plan, nothing } = await open(t);
  const broken = await plan({ script: `${META}return await agent("a" +);` });
  assert.deepEqual([broken.valid, Object.keys(broken)], [false, ["valid", "error", "file"]]);
  assert.match(broken.error, /^4:\d+: /);
  const unknown = await flows.ask("POST", "/scripts/plan", { name: "reviwe" });
  assert.deepEqual([unknown.status, unknown.json.code], [404, "workflow_not_found"]);
  const odd = await flows.ask("POST", "/scripts/plan", { script: SCRIPT, colour: 1 });
  assert.equal(odd.status, 400);
  await nothing();
});

test("a plan says why a run cannot be resumed, as its start would", async (t) => {
  const { flows, plan } = await open(t);
  const script = `${META}return await agent("delay: 600s");`;
  const args = { target: "x" };
  const run = await flows.start({ script, args, root: undefined });
  const lives = await plan({ resumeFromRunId: run });
  assert.deepEqual([lives.valid, lives.resume.fit, lives.resumed_from], [true, false, run]);
  assert.match(lives.resume.fault, /has not ended: it is running/);
  const shell = await begin(t, flows.daemon, ["workflow", "plan", "--resume", run]).ended;
  assert.equal(shell.code, 2, shell.stderr);
  assert.match(shell.stdout, /^resumes +.*has not ended/m);
  await flows.ask("POST", `/runs/${run}/stop`);
  await flows.ended(run);
  assert.deepEqual((await plan({ resumeFromRunId: run })).resume, { fit: true, fault: null });
  const rerun = await plan({ resumeFromRunId: run, rerun: [run] });
  assert.deepEqual([rerun.resume.fit, rerun.args.fit], [false, true]);
  assert.match(rerun.resume.fault, /is not an agent of that run/);
  assert.equal((await plan({ script, args })).resume, null);
});

test("a shell shows the plan of a file and of a name", async (t) => {
  const { flows, model, nothing } = await open(t);
  const file = flows.write("flow.js", SCRIPT);
  const cli = (...words) => begin(t, flows.daemon, ["workflow", "plan", ...words]).ended;
  const { code, stdout, stderr } = await cli(file, "--arg", "target=src", "--model", model,
    "--budget-tokens", "500");
  assert.equal(code, 0, stderr);
  for (const line of [/^rehearsed +1 agent, at most 1 at once/m, /^ +1 +1 without a label$/m,
    /^price +unknown, as the prices/m, /^workflow +review$/m,
    /^args +they fit/m, /^model +counting\/small$/m, /^tools +\w+, /m,
    /^agents +at most \d+ at once, 1000 in all; each at most 30m00s$/m,
    /^budget +none$/m, /^budget\.total 500 output tokens$/m, /^not known +how many agents/m]) {
    assert.match(stdout, line);
  }
  const misfit = await cli("deep-research", "--json");
  assert.equal(misfit.code, 2);
  const { name, origin, args } = JSON.parse(misfit.stdout);
  assert.deepEqual([name, origin, args.fit], ["deep-research", "built-in", false]);
  const unplayed = await cli("deep-research");
  assert.equal(unplayed.code, 2, unplayed.stderr);
  assert.match(unplayed.stdout, /^args +"args" are not what deep-research asks for/m);
  assert.doesNotMatch(unplayed.stdout, /^rehearsed/m);
  const broken = await cli(flows.write("broken.js", `${META}return (;`));
  assert.equal(broken.code, 2);
  assert.match(broken.stderr, /^drover: .*broken\.js:4:\d+: /);
  const odd = await cli(flows.write("odd\x1b[31m.js", ""));
  assert.equal(odd.code, 2);
  assert.match(odd.stderr, /^drover: .*odd.*\.js:1:1: /);
  assert.ok(!odd.stderr.includes("\x1b"), JSON.stringify(odd.stderr));
  await nothing();
});

test("check and plan find names that nobody has, where a run would miss them", async (t) => {
  const { flows, plan } = await open(t);
  flows.write(".claude/agents/reviewer.md", "---\nname: reviewer\n---\nReview.\n");
  mkdirSync(path.join(flows.root, ".git"));
  const file = flows.write("names.js", `export const meta = { name: "n", description: "d" };
await agent("a", { agentType: "reviewer", model: "counting/small" });
await agent("b", { agentType: "reviever" });
await agent("c", { model: "nowhere/small" });
agent("d", { agentType: "kit:reviewer", schema: { type: "object", requried: ["x"] } });
await parallel([() => args.files.length]);
`);
  const wanted = [
    /^unknown_agent_type 3:\d+ there is no agent type "reviever"; did you mean reviewer/,
    /^unknown_connection 4:\d+ there is no provider "nowhere": an agent with this model fails$/,
    /^not_awaited 5:1 nothing awaits this agent\(\): write "await agent\(…\)"$/,
    /^unknown_agent_type 5:\d+ there is no agent type "kit:reviewer"; "reviewer" is used instead$/,
    /^bad_schema 5:\d+ agent\(\) throws on this schema: #\/requried: .*did you mean "required"\?$/,
  ];
  const found = (notes) => notes.map(({ code, line, column, detail }) =>
    `${code} ${line}:${column} ${detail}`);
  const agrees = (lines) => {
    assert.equal(lines.length, wanted.length, lines.join("\n"));
    wanted.forEach((pattern, i) => assert.match(lines[i], pattern));
  };
  agrees(found((await plan({ scriptPath: file, root: flows.root })).notes));

  const checked = await flows.daemon.cli(["workflow", "check", "--json", "names.js"],
    { cwd: flows.root });
  assert.equal(checked.code, 2, checked.stderr);
  agrees(found(JSON.parse(checked.stdout).problems));
  // Without a folder nobody knows which types there are: nothing is said of them.
  const body = { script: readFileSync(file, "utf8") };
  const answer = await flows.ask("POST", "/scripts/check", body);
  const codes = answer.json.problems.map(({ code }) => code);
  assert.deepEqual(codes, ["unknown_connection", "not_awaited", "bad_schema"]);

  // A rehearsal that fails, or loses each item of a call, is a plan that fails.
  const planned = await flows.daemon.cli(["workflow", "plan", "names.js"], { cwd: flows.root });
  assert.equal(planned.code, 1, planned.stdout);
  assert.match(planned.stdout, /error in parallel\(\): TypeError: .* at names\.js:6:\d+/);
  const throws = flows.write("throws.js", `export const meta = { name: "t", description: "d" };
throw new Error("never");`);
  const failed = await flows.daemon.cli(["workflow", "plan", throws], { cwd: flows.root });
  assert.equal(failed.code, 1, failed.stdout);
  assert.match(failed.stdout, /with these answers it fails: line 2: never/);
});

test("a plan of a run that resumes another marks what is cached", async (t) => {
  const { flows, model, plan } = await open(t);
  const body = (last) => ({ model, root: flows.root, script: `${META}
const seen = await parallel([1, 2, 2].map((n) => () => agent("look at " + n, { label: "look" })));
return await agent("tell " + seen.join() + "${last}", { label: "tell" });`,
  args: { target: "x" } });
  const { run } = await flows.run(body(""));
  const steps = ({ rehearsal }) => rehearsal.steps.map(({ label, agents, cached }) =>
    `${agents} ${label}${cached ? " cached" : ""}`);
  const again = await plan({ ...body(""), resumeFromRunId: run });
  assert.deepEqual(steps(again), ["3 look cached", "1 tell cached"], again.rehearsal.fault);
  assert.deepEqual([again.rehearsal.agents, again.rehearsal.cached], [4, 4]);
  // The prompt of the last one has the results of the others: with stand-ins it would be new.
  const edited = await plan({ ...body("!"), resumeFromRunId: run });
  assert.deepEqual(steps(edited), ["3 look cached", "1 tell"]);
  assert.equal(edited.rehearsal.price.unpriced, 1);
  const first = (await flows.agents(run))[0].id;
  const rerun = await plan({ ...body("!"), resumeFromRunId: run, rerun: [first] });
  assert.deepEqual(steps(rerun), ["1 look", "2 look cached", "1 tell"]);
  const file = flows.write("again.js", body("").script);
  const planned = await flows.daemon.cli(["workflow", "plan", file, "--resume", run]);
  assert.match(planned.stdout, /3 x look \(cached\)/, planned.stderr);
  assert.match(planned.stdout, /cached +4 of 4 agents, whose results are those of run_/);
});
