// workflow-names.test.mjs: names that scripts and users give: aliases of models, args that are a
// text, the last run of a script, types of agents and workflows with a typing error.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { plainEnv, run } from "./lib.mjs";
import { whole, Workflows } from "./workflows.mjs";

const cli = (flows, words) => run(words, { cwd: flows.root,
  env: { ...plainEnv, HOME: flows.home, DROVER_DATA: flows.daemon.data } });
const ok = async (flows, words) => {
  const done = await cli(flows, words);
  assert.equal(done.code, 0, done.stderr);
  return done.stdout;
};
const meta = (name) => `export const meta = { name: "${name}", description: "x" };\n`;

/** A second connection, and aliases of models there. */
async function alias(flows, aliases) {
  const made = await flows.ask("POST", "/providers", { name: "p", kind: "scripted" });
  assert.equal(made.status, 201, made.text);
  const set = await flows.ask("PATCH", "/settings", { model_aliases: aliases });
  assert.equal(set.status, 200, set.text);
  assert.deepEqual(set.json.model_aliases, aliases);
}

const MODELS = `return await parallel([
  ["sonnet"], ["claude-sonnet-4-5-20250929"], ["Opus[1m]"], ["house"], ["haiku"], ["inherit"],
  ["p/exact"], ["gpt-unknown"], [undefined, "short"], [undefined, "lost"], ["p/own", "short"],
].map(([model, agentType], i) =>
  () => agent("say: " + i, { label: String(i), model, agentType })))`;

test("an alias is asked as the setting has it, and else the run's model", async (t) => {
  const flows = await Workflows.open(t);
  await alias(flows, { sonnet: "p/middle", opus: "p/big", house: "p/own" });
  flows.write(".claude/agents/short.md", "---\nname: short\nmodel: opus\n---\nBe short.");
  flows.write(".claude/agents/lost.md", "---\nname: lost\nmodel: haiku\n---\nBe lost.");
  const { events, end } = await flows.run({ script: whole(MODELS) });
  assert.deepEqual(end.result, Array.from({ length: 11 }, (_, i) => String(i)));
  const begun = events.filter(({ type }) => type === "agent_started").map(({ data }) => data);
  begun.sort((a, b) => a.label - b.label);
  const none = "scripted/demo";
  assert.deepEqual(begun.map((one) => [one.model, one.model_asked]), [
    ["p/middle", undefined], ["p/middle", undefined], ["p/big", undefined], ["p/own", undefined],
    [none, "haiku"], [none, undefined], ["p/exact", undefined], [none, "gpt-unknown"],
    ["p/big", undefined], [none, "haiku"], ["p/own", undefined],
  ]);
});

test("check and plan warn of models that have no alias, and of no others", async (t) => {
  const flows = await Workflows.open(t);
  const calls = ["haiku", "sonnet", "claude-sonnet-4-5"].map((model) =>
    `await agent("a", { model: "${model}" });\n`);
  const script = meta("models") + calls.join("");
  const file = flows.write(".drover/workflows/models.js", script);
  const warned = (text) =>
    [...text.matchAll(/"([^"]+)" is no CONNECTION/g)].map(([, name]) => name);
  const noted = (notes) => warned(notes.map(({ detail }) => detail).join("\n"));
  const told = async () => [
    warned(await ok(flows, ["workflow", "check", file])),
    JSON.parse(await ok(flows, ["workflow", "check", "--json", file]))
      .problems.map(({ line }) => line),
    noted((await flows.get(`/workflows/models?root=${flows.root}`)).notes),
    noted((await flows.ask("POST", "/scripts/plan", { script, root: flows.root })).json.notes),
  ];
  const all = ["haiku", "sonnet", "claude-sonnet-4-5"];
  assert.deepEqual(await told(), [all, [2, 3, 4], all, all]);
  await alias(flows, { sonnet: "p/middle" });
  assert.deepEqual(await told(), [["haiku"], [2], ["haiku"], ["haiku"]]);
});

test("--model takes an alias, in a run, a plan and a turn", async (t) => {
  const flows = await Workflows.open(t);
  await alias(flows, { sonnet: "p/middle" });
  const file = flows.write("one.js", `${meta("one")}return await agent("say: hi");`);
  const modelOf = async (words) => JSON.parse(await ok(flows, [...words, "--json"])).model;
  const words = ["run", file, "--model", "sonnet", "--detach", "--json"];
  const begun = JSON.parse(await ok(flows, words));
  const [agent] = (await flows.ended(begun.id)).filter(({ type }) => type === "agent_started");
  assert.equal(agent.data.model, "p/middle");
  assert.deepEqual((await modelOf(["workflow", "plan", file, "--model", "claude-sonnet-4"])).name,
    "p/middle");
  const asked = JSON.parse(await ok(flows, ["ask", "--model", "sonnet", "--json", "say: hi"]));
  assert.equal((await flows.get(`/runs/${asked.run}`)).spec.model, "p/middle");
  const lost = await cli(flows, ["run", file, "--model", "haiku"]);
  assert.deepEqual([lost.code, lost.stdout], [0, "hi\n"]);
  assert.equal(lost.stderr.match(/model_aliases has no "haiku"/g).length, 1, lost.stderr);
  const unknown = await cli(flows, ["run", file, "--model", "nosuch"]);
  assert.equal(unknown.code, 1, "a name that is no alias is no model");
});

test("aliases are checked, shown and taken back", async (t) => {
  const flows = await Workflows.open(t);
  const set = (value) => cli(flows, ["config", "set", "model_aliases", value]);
  for (const [value, words] of [
    ["sonnet", /JSON object is needed/], ["[]", /at most 16 names/],
    ['{"a/b": "p/m"}', /at most 16/],
    ['{"a": "m"}', /CONNECTION\/MODEL/], ['{"a": 1}', /CONNECTION\/MODEL/],
    ['{"a": "nobody/m"}', /"model_aliases": there is no provider 'nobody'/],
  ]) {
    const { code, stderr } = await set(value);
    assert.equal(code, 2, stderr);
    assert.match(stderr, words);
  }
  const aliases = { sonnet: "scripted/demo", haiku: "scripted/demo" };
  assert.equal((await set(JSON.stringify(aliases))).code, 0);
  assert.deepEqual(JSON.parse(await ok(flows, ["config", "get", "model_aliases"])), aliases);
  assert.match(await ok(flows, ["config", "get"]), /^model_aliases +\{/m);
  await flows.daemon.kill();
  await flows.daemon.start();
  assert.deepEqual((await flows.get("/settings")).model_aliases, aliases);
  await ok(flows, ["config", "set", "model_aliases", "--reset"]);
  assert.equal((await flows.get("/settings")).model_aliases, null);
});

test("args that do not begin as JSON are a text, and so is what follows --", async (t) => {
  const flows = await Workflows.open(t);
  const file = flows.write("guard.js", `${meta("guard")}
let input = args;
if (typeof input === "string") {
  try { input = JSON.parse(input); } catch { input = { q: input }; }
}
return [typeof args, input];`);
  const cases = [
    [["--args", "why is it so?"], ["string", { q: "why is it so?" }]],
    [["--args", "3 reasons: {a}"], ["string", { q: "3 reasons: {a}" }]],
    [["--args", "true or false"], ["string", { q: "true or false" }]],
    [["--args", '{"q": [1]}'], ["object", { q: [1] }]],
    [["--args", '"{\\"q\\": 1}"'], ["string", { q: 1 }]],
    [["--", "fix", "--all", "of it"], ["string", { q: "fix --all of it" }]],
    [["--", '{"q": 2}'], ["string", { q: 2 }]],
    [[], ["undefined", null]],
  ];
  for (const [words, wanted] of cases) {
    const stdout = await ok(flows, ["run", file, ...words]);
    assert.deepEqual(JSON.parse(stdout), wanted, words.join(" "));
  }
  const broken = await cli(flows, ["run", file, "--args", '{"q": ']);
  assert.equal(broken.code, 2);
});

test("--resume last is the newest ended run of the script that is started", async (t) => {
  const flows = await Workflows.open(t);
  const script = (name) => `${meta(name)}return await agent(args ?? "say: hi");`;
  flows.write(".drover/workflows/a.js", script("a"));
  const file = flows.write("b.js", script("b"));
  const start = async (...words) => {
    const stdout = await ok(flows, ["run", ...words, "--detach", "--json"]);
    return JSON.parse(stdout).id;
  };
  const none = await cli(flows, ["run", "a", "--resume", "last"]);
  assert.equal(none.code, 3);
  assert.match(none.stderr, /nothing to resume: no run of 'a' has ended/);
  const first = await start("a");
  await flows.ended(first);
  const other = await start(file, "--label", "a");
  await flows.ended(other);
  const hung = await start("a", "--args", "delay: 60s\nsay: x");
  await flows.until(hung, ({ type }) => type === "agent_started");
  const resumed = async (...words) => {
    const id = await start(...words, "--resume", "last");
    const { end } = await flows.outcome(id);
    return [(await flows.get(`/runs/${id}`)).spec.resumed_from, end.result, end.agents.cached];
  };
  assert.deepEqual(await resumed("a"), [first, "hi", 1], "neither a living one nor another's");
  assert.deepEqual(await resumed(file), [other, "hi", 1], "by the name in the file");
  await flows.ask("POST", `/runs/${hung}/stop`);
  await flows.ended(hung);
  const [from] = await resumed("a", "--args", "say: hi");
  assert.notEqual(from, hung, "the newest by its start");
  const plan = await ok(flows, ["workflow", "plan", "a", "--resume", "last", "--json"]);
  assert.match(JSON.parse(plan).resumed_from, /^run_/);
});

test("--resume last is a run of the same owner", async (t) => {
  const flows = await Workflows.open(t, { args: [] });
  const headers = {};
  for (const owner of ["ann", "bob"]) headers[owner] = await flows.token(owner, "read", "run");
  const body = { script: `${meta("shared")}return await agent("say: hi");`, root: flows.root };
  const start = async (owner, more) => {
    flows.headers = headers[owner];
    const answer = await flows.ask("POST", "/workflows", { ...body, ...more });
    if (answer.status === 201) await flows.ended(answer.json.runId);
    return answer;
  };
  const last = async (owner) => start(owner, { resumeFromRunId: "last" });
  const { runId: own } = (await start("bob")).json;
  assert.equal((await start("ann")).status, 201); // Newer, and the script is the same.
  const { runId: resumed } = (await last("bob")).json;
  assert.equal((await flows.get(`/runs/${resumed}`)).spec.resumed_from, own);
  headers.eve = await flows.token("eve", "read", "run");
  const none = await last("eve");
  assert.equal(none.status, 404, none.text);
  assert.match(none.json.detail, /nothing to resume: no run of 'shared' has ended/);
});

test("a workflow and a type of agent that are not there name the nearest", async (t) => {
  const flows = await Workflows.open(t);
  flows.write(".claude/agents/reviewer.md", "---\nname: reviewer\n---\nReview.");
  flows.write(".claude/workflows/release.js", `${meta("release")}return 1;`);
  const { end } = await flows.run({ script: whole(`const seen = [];
const calls = [];
for (const name of ["relaese", "ship:release", "zzz"]) calls.push(() => workflow(name));
for (const agentType of ["reviewr", "kit:reviewer", "explore"]) {
  calls.push(() => agent("say: x", { agentType }));
}
for (const call of calls) {
  try { await call(); seen.push("found"); } catch (error) { seen.push(error.message); }
}
return seen;`) });
  const wanted = [/did you mean release\?/, /^found$/, /'zzz'\. Searched/,
    /did you mean reviewer\?/, /^found$/, /did you mean Explore\?/];
  wanted.forEach((words, i) => assert.match(end.result[i], words));
});
