// workflow-options.test.mjs: options of agent() that say how it works: limits of its tools, a
// budget of its own, and which type of agent it is.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { Provider, until } from "./providers.mjs";
import { scaled } from "./scale.mjs";
import { call, say, script } from "./turns.mjs";
import { logs, whole, Workflows } from "./workflows.mjs";

const ALLOWED = { permissions: [{ permission: "allow" }] };
const write = (file) => call("write_file", { path: file, content: "x" });
const options = (value) => (value === undefined ? "" : `, ${JSON.stringify(value)}`);
const ask = (prompt, more) => `agent(${JSON.stringify(prompt)}${options(more)})`;

/** Runs one agent to its end: what its script got, and the event of its end. */
async function one(flows, prompt, opts, more = {}) {
  const body = `return await ${ask(prompt, { label: "a", ...opts })}`;
  const { end, events } = await flows.run({ script: whole(body), settings: ALLOWED, ...more });
  const of = events.find(({ type }) => type === "agent_finished").data;
  return { end, of, events, result: end.result };
}

const there = (flows, names) => names.filter((name) => existsSync(path.join(flows.root, name)));

// --- Limits of tools -----------------------------------------------------------------------------

test("an agent that has called its last tool is asked for what it has so far", async (t) => {
  const flows = await Workflows.open(t);
  const prompt = script(write("a"), write("b"), write("c"), say("two of three"));
  const { end, of, result } = await one(flows, prompt, { max_tool_calls: 2 });
  assert.equal(result, "two of three");
  assert.deepEqual([of.state, of.cause], ["degraded", "step_limit"]);
  assert.deepEqual([end.state, end.agents.succeeded], ["succeeded", 1]);
  assert.deepEqual(there(flows, ["a", "b", "c"]), ["a", "b"]);
});

test("the run's own limit of tool calls holds for an agent that asks for more", async (t) => {
  const flows = await Workflows.open(t);
  const prompt = script(write("a"), write("b"), say("one of two"));
  const settings = { ...ALLOWED, max_tool_calls: 1 };
  const { of, result } = await one(flows, prompt, { max_tool_calls: 9 }, { settings });
  assert.deepEqual([result, of.cause], ["one of two", "step_limit"]);
  assert.deepEqual(there(flows, ["a", "b"]), ["a"]);
  const bad = { script: whole("return 1"), settings: { max_tool_calls: 0 } };
  assert.equal((await flows.ask("POST", "/workflows", bad)).json.code, "bad_field");
});

test("behind its last round an agent calls no tool, whatever its model says", async (t) => {
  const flows = await Workflows.open(t);
  const prompt = script(write("a"), say("so far"), write("b"), say("never"));
  const { of, result } = await one(flows, prompt, { max_tool_iters: 1 });
  assert.deepEqual([result, of.state, of.cause], ["so far", "degraded", "step_limit"]);
  assert.deepEqual(there(flows, ["a", "b"]), ["a"]);
});

test("one that needs no more rounds than it has ends as ever", async (t) => {
  const flows = await Workflows.open(t);
  const { of, result } = await one(flows, script(write("a"), say("done")), { max_tool_iters: 2 });
  assert.deepEqual([result, of.state, of.cause], ["done", "succeeded", null]);
});

test("an agent at its limit still owes what its schema asks for", async (t) => {
  const flows = await Workflows.open(t);
  const schema = { type: "object", properties: { n: { type: "integer" } }, required: ["n"] };
  const prompt = script(write("a"), say("no object"), "step:", write("b"), say('{"n": "1"}'),
    "step:", say('{"n": 1}'));
  const { of, result } = await one(flows, prompt, { schema, max_tool_iters: 1 });
  assert.deepEqual([result, of.cause], [{ n: 1 }, "step_limit"]);
  const never = script(write("a"), ...Array(9).fill([say("no object"), "step:"]).flat());
  const body = `try { await ${ask(never, { schema, max_tool_iters: 1 })} }
catch (error) { return error.message }`;
  const { end } = await flows.run({ script: whole(body), settings: ALLOWED });
  assert.match(end.result, /5 answers missed the schema/);
  assert.deepEqual(there(flows, ["a", "b"]), ["a"]);
});

test("an agent that may call no tool is one call of a model", async (t) => {
  const flows = await Workflows.open(t);
  for (const opts of [{ max_tool_calls: 0 }, { max_tool_iters: 0 }]) {
    assert.equal((await one(flows, say("plain"), opts)).result, "plain");
  }
  assert.deepEqual((await flows.get("/sessions?archived=1")).items, []);
});

// --- A budget of its own -------------------------------------------------------------------------

const spends = (tokens, ...lines) => script(`usage: output=${tokens}`, ...lines);
/** Its first call takes 30 tokens and writes a file; then there is one more. */
const twice = script(spends(30, write("a")), "step:", spends(5, say("done")));

test("an agent whose own budget is used up is null, and what it took is its run's", async (t) => {
  const flows = await Workflows.open(t);
  const body = `const own = await ${ask(twice, { label: "poor", budget: 10 })};
return [own, await ${ask(twice, { label: "rich", budget: { output_tokens: 500, tokens: null } })}]`;
  const budget = { output_tokens: 1000 };
  const { run, end, events } = await flows.run({ script: whole(body), settings: ALLOWED, budget });
  assert.deepEqual([end.state, end.result], ["degraded", [null, "done"]]);
  const [poor, rich] = events.filter(({ type }) => type === "agent_finished");
  assert.deepEqual([poor.data.state, poor.data.cause], ["failed", "agent_budget"]);
  assert.match(poor.data.note, /output tokens/);
  assert.equal(rich.data.cause, null);
  const spent = async (scope) => (await flows.get(`/budgets/${scope}`)).spent.output_tokens;
  assert.equal(await spent(`run:${poor.data.run}`), 30);
  assert.equal(await spent(`run:${rich.data.run}`), 35);
  assert.equal(await spent(`run:${run}`), 65);
});

test("what its run may spend ends an agent by a throw, whatever it has left itself", async (t) => {
  const flows = await Workflows.open(t);
  const body = `try { return await ${ask(twice, { label: "a", budget: 900 })} }
catch (error) { return error.message }`;
  const budget = { output_tokens: 20 };
  const { end, events } = await flows.run({ script: whole(body), settings: ALLOWED, budget });
  assert.match(end.result, /budget is used up/);
  assert.equal(events.find(({ type }) => type === "agent_finished").data.cause, "budget");
});

test("an agent that is one call of a model makes no second one beyond its budget", async (t) => {
  const flows = await Workflows.open(t);
  const schema = { type: "object", properties: { n: { type: "integer" } }, required: ["n"] };
  const prompt = script(spends(30, say("no object"), "step:", say('{"n": 1}')));
  const bare = { root: undefined };
  const poor = await one(flows, prompt, { schema, budget: { output_tokens: 10 } }, bare);
  assert.deepEqual([poor.result, poor.of.cause], [null, "agent_budget"]);
  const rich = await one(flows, prompt, { schema, budget: { output_tokens: 31 } }, bare);
  assert.deepEqual([rich.result, rich.of.cause], [{ n: 1 }, null]);
  const first = await one(flows, spends(30, say("all the same")), { budget: 10 }, bare);
  assert.deepEqual([first.result, first.of.cause], ["all the same", null]);
});

test("an agent ends when its own time is over; one that may nothing is not asked", async (t) => {
  const flows = await Workflows.open(t);
  for (const root of [flows.root, undefined]) {
    const slow = await one(flows, "delay: 600s", { budget: { wall_ms: 200 } }, { root });
    assert.deepEqual([slow.result, slow.of.cause], [null, "agent_budget"]);
    const none = await one(flows, write("a"), { budget: { tokens: 0 } }, { root });
    assert.deepEqual([none.result, none.of.cause, none.of.tokens], [null, "agent_budget", 0]);
  }
  assert.deepEqual(there(flows, ["a"]), []);
});

// --- Silence -------------------------------------------------------------------------------------

test("an agent whose model says nothing is begun twice more, and then stuck", async (t) => {
  const flows = await Workflows.open(t, { args: ["--agent-stuck", "1"] });
  const silent = (root) => one(flows, "delay: 600s", {}, { root });
  const [bare, tools] = await Promise.all([silent(undefined), silent(flows.root)]);
  for (const { of, result } of [bare, tools]) {
    assert.deepEqual([result, of.state, of.cause], [null, "failed", "stuck"]);
    assert.match(of.note, /said nothing for too long, three times/);
  }
});

test("a provider that sends comments while its model thinks is not silent", async (t) => {
  const flows = await Workflows.open(t, { args: ["--agent-stuck", "2"] });
  const provider = await new Provider().start(t);
  const model = await flows.connect(provider);
  // Longer than an agent may be silent; each comment comes well within that time.
  const said = (delta, finish_reason = null) =>
    `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason }] })}\n\n`;
  const plain = provider.answer.bind(provider);
  let asked = 0;
  provider.answer = (request, body, answer) => {
    if (request.method === "GET") return void plain(request, body, answer);
    asked++;
    answer.writeHead(200, { "content-type": "text/event-stream" });
    let left = 25;
    const timer = setInterval(() => {
      if (left-- > 0) return void answer.write(left % 2 ? ": ping\n\n" : said({}));
      clearInterval(timer);
      answer.end(`${said({ content: "thought" })}${said({}, "stop")}data: [DONE]\n\n`);
    }, 200);
  };
  const thinks = (root) => one(flows, "think", { model }, { root });
  const [bare, tools] = await Promise.all([thinks(undefined), thinks(flows.root)]);
  assert.deepEqual([bare.result, tools.result, asked], ["thought", "thought", 2]);
  for (const { events } of [bare, tools]) {
    assert.deepEqual(events.filter(({ type }) => type === "agent_restarted"), []);
  }
});

test("an agent is not stuck while its tools work, however long they do", async (t) => {
  const flows = await Workflows.open(t, { args: ["--agent-stuck", "1"] });
  const prompt = script(call("run_command", { command: "sleep", args: ["2.6"] }), say("slept"));
  const { events, result } = await one(flows, prompt, {});
  assert.equal(result, "slept");
  assert.deepEqual(events.filter(({ type }) => type === "agent_restarted"), []);
});

test("a job that an agent left behind ends, and asks nobody", async (t) => {
  const flows = await Workflows.open(t);
  const waits = (name) => `while [ ! -e ${name} ]; do sleep 0.02; done`;
  const shell = (tool, line) => call(tool, { command: "sh", args: ["-c", line] });
  const first = script(shell("run_job", waits("go")), say("it runs"));
  const second = script(shell("run_command", `touch go; ${waits("stop")}`), say("done"));
  const body = `return [await ${ask(first)}, await ${ask(second)}]`;
  const run = await flows.start({ script: whole(body), settings: ALLOWED });
  let owed = [];
  await until("the job's notice is settled", async () => {
    owed = (await flows.get("/inbox?all=1")).items.map(({ state }) => state);
    return owed.length > 0 && owed.every((state) => /gone|acknowledged/.test(state));
  });
  writeFileSync(path.join(flows.root, "stop"), "");
  assert.deepEqual((await flows.outcome(run)).end.result, ["it runs", "done"]);
  assert.deepEqual(owed, ["gone"]);
  const turns = (await flows.get("/runs?kind=turn")).items;
  assert.equal(turns.length, 2, "one for each agent");
});

// --- Types of agents -----------------------------------------------------------------------------

const ALL_TOOLS = ["edit_file", "list_files", "read_file", "run_command", "run_job", "write_file"];

/** A definition, in the project or in the home. */
function define(folder, name, front, body) {
  const file = path.join(folder, ".claude/agents", name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `---\n${front}\n---\n${body}\n`);
  return file;
}

async function withProvider(t) {
  const flows = await Workflows.open(t);
  const provider = await new Provider().start(t);
  await flows.connect(provider, "kept");
  const asked = () => provider.asked.filter(({ body }) => body !== "").map(({ body }) => {
    const { messages, tools = [] } = JSON.parse(body);
    return { system: messages[0].content, tools: tools.map((one) => one.function.name).sort() };
  });
  return { flows, provider, asked };
}

test("an agent of a type is told what it is, and has its model and no tools but its", async (t) => {
  const { flows, asked } = await withProvider(t);
  define(flows.root, "any.md", "name: reviewer\nmodel: kept/small\ntools: Read, Write, Bash(git:*)",
    "You are a careful reviewer.");
  define(flows.root, "lister.md", "model: kept/small\ntools:\n  - Glob\n  - mcp__x__y", "List.");
  define(flows.root, "all.md", "name: all\nmodel: kept/small\ndisallowedTools: Bash, Edit", "Do.");
  const settings = { tools: ["edit_file", "list_files", "read_file", "run_command"] };
  const ofType = (agentType, more) => one(flows, "say: mine", { agentType, ...more }, { settings });
  assert.equal((await ofType("reviewer")).result, "ok");
  await ofType("lister");
  await ofType("all");
  await ofType("all", { tools: ["read_file", "edit_file"] });
  assert.deepEqual(asked().map(({ tools }) => tools),
    [["read_file"], ["list_files"], ["list_files", "read_file"], ["read_file"]]);
  assert.match(asked()[0].system, /^You are a careful reviewer\.\n\n[^]*an agent of a workflow/);
  assert.equal((await ofType("reviewer", { model: "scripted/demo" })).result, "mine");
  assert.equal(asked().length, 4);
});

test("tools are named by our names and those that types take, and by no others", async (t) => {
  const { flows, asked } = await withProvider(t);
  const source = (file) => readFileSync(new URL(`../../src/tool/${file}`, import.meta.url), "utf8");
  const named = (text, pattern) =>
    [...new Set([...text.matchAll(pattern)].map(([, name]) => name))];
  // Those of a task are for attempts alone: an agent of a workflow is none.
  const ours = named(source("catalogue.c"), /\[TOOL_(?!TASK_)\w+\] = \{"(\w+)"/g);
  const theirs = named(source("agent_types.c"), /\{"(\w+)", TOOL_/g);
  assert.ok(ours.length >= 20 && theirs.length >= 10);
  const model = "kept/small";
  await one(flows, "all of them", { model, tools: [...ours, ...theirs] });
  await one(flows, "theirs", { model, tools: ["Read", "Glob", "Bash"] });
  await one(flows, "a star", { model, tools: ["*"] }, { settings: { tools: ["read_file"] } });
  assert.deepEqual(asked().slice(1).map(({ tools }) => tools),
    [["list_files", "read_file", "run_command", "run_job"], ["read_file"]]);
  const none = ["read-file", "Task", "Bash(git:*)", "__proto__", ""];
  const script = whole(`const said = [];
for (const name of ${JSON.stringify(none)}) {
  try {
    await agent("x", { tools: ["read_file", name] });
  } catch (error) {
    said.push(String(error));
  }
}
return said;`);
  assert.deepEqual((await flows.run({ script, model })).end.result,
    none.map((name) => `TypeError: agent(): opts.tools: there is no tool ${JSON.stringify(name)}`));
});

test("tools of a type that nobody knows are left out, and one line and check say so", async (t) => {
  const { flows } = await withProvider(t);
  const tools = "tools:\n  - Read # it\n  - Raed\n  - Bash(git:*)";
  define(flows.root, "any.md", `name: reviewer\nmodel: kept/small\n${tools}`, "You review.");
  const words = 'agent type "reviewer" names unknown tools, which are left out: ' +
    '"Raed" (did you mean "Read"?), "Bash(git:*)"';
  const script = whole(`await agent("a", { agentType: "reviewer" });
return await agent("b", { agentType: "reviewer" });`);
  assert.deepEqual(logs((await flows.run({ script })).events), [words]);
  mkdirSync(path.join(flows.root, ".git"));
  flows.write("review.js", script);
  const checked = await flows.daemon.cli(["workflow", "check", "--json", "review.js"],
    { cwd: flows.root });
  assert.equal(checked.code, 0, checked.stderr);
  const { problems } = JSON.parse(checked.stdout);
  assert.deepEqual(problems.map(({ code, severity, detail }) => [code, severity, detail]),
    [["unknown_tool", "warning", words]]);
});

test("check names the file of a type that cannot be used", async (t) => {
  const { flows } = await withProvider(t);
  define(flows.root, "any.md", "name: reviewer\nisolation: cloud", "You review.");
  mkdirSync(path.join(flows.root, ".git"));
  flows.write("review.js", whole(`return await agent("a", { agentType: "reviewer" });`));
  const checked = await flows.daemon.cli(["workflow", "check", "--json", "review.js"],
    { cwd: flows.root });
  const { problems } = JSON.parse(checked.stdout);
  assert.deepEqual(problems.map(({ code, severity }) => [code, severity]),
    [["bad_agent_type", "warning"]]);
  assert.match(problems[0].detail, /any\.md is invalid: "isolation" must be worktree or none/);
});

test("every agent is told that its last words are the result, or how an object is", async (t) => {
  const { flows, asked } = await withProvider(t);
  define(flows.root, "any.md", "name: reviewer\ntools: Read", "You are a careful reviewer.");
  const model = "kept/small";
  const schema = { type: "object" };
  const told = async (options) => {
    await one(flows, "x", { model, ...options }, { timeout_ms: scaled(10_000) });
    return asked().at(-1).system;
  };
  const words = /an agent of a workflow.*Your last words are the result as they stand/;
  const object = /an agent of a workflow.*The result is one object that fits the schema/;
  for (const [form, options] of [[words, {}], [object, { schema }]]) {
    assert.match(await told({ ...options, tools: [] }), new RegExp(`^You are ${form.source}`));
    assert.match(await told(options),
      new RegExp(`^You are a careful assistant\\.[^]*\n\nYou are ${form.source}`));
    assert.match(await told({ ...options, agentType: "reviewer" }),
      new RegExp(`^You are a careful reviewer\\.\n\nYou are ${form.source}`));
  }
  const set = await flows.ask("PATCH", "/settings", { instructions: "Speak softly." });
  assert.equal(set.status, 200, set.text);
  assert.match(await told({}), new RegExp(`^Speak softly\\.\n\nYou are ${words.source}`));
});

test("types are found in the project, then in the home, and three are built in", async (t) => {
  const { flows, asked } = await withProvider(t);
  const model = "kept/small";
  define(flows.home, "guide.md", "name: guide", "From home.");
  define(flows.home, "other.md", "name: other\ntools: mcp__x__y", "Also from home.");
  define(flows.root, "guide.md", "name: guide", "From the project.");
  await one(flows, "x", { model, agentType: "guide" });
  await one(flows, "x", { model, agentType: "guide" }, { root: undefined });
  await one(flows, "x", { model, agentType: "other" });
  assert.deepEqual(asked().map(({ system }) => system.split("\n")[0]),
    ["From the project.", "From home.", "Also from home."]);
  assert.deepEqual(asked()[2].tools, [], "it knows no tool of ours");
  await one(flows, "x", { model, agentType: "general-purpose" });
  await one(flows, "x", { model, agentType: "Explore" });
  const offered = asked().slice(3).map(({ tools }) => ALL_TOOLS.filter((o) => tools.includes(o)));
  assert.deepEqual(offered, [ALL_TOOLS, ["list_files", "read_file"]]);
});

test("a type that nobody defined rejects, and says which are near it", async (t) => {
  const { flows } = await withProvider(t);
  define(flows.root, "reviewer.md", "name: reviewer", "x");
  define(flows.root, "huge.md", "name: huge", "x".repeat(50_000));
  const outside = define(flows.folder, "evil.md", "name: evil", "You are out.");
  symlinkSync(outside, path.join(flows.root, ".claude/agents/evil.md"));
  const told = async (agentType, more = {}) => {
    const body = `try { return await ${ask("say: a", { agentType })} }
catch (error) { return error.name + ": " + error.message }`;
    const { end, events } = await flows.run({ script: whole(body), ...more });
    const { data } = events.find(({ type }) => type === "agent_finished");
    assert.deepEqual([data.state, data.cause], ["failed", "agent_type_unknown"]);
    return end.result;
  };
  const unknown = await told("reviwer");
  assert.match(unknown, /^Error: there is no agent type "reviwer"; did you mean reviewer\?/);
  assert.ok(unknown.includes(`${flows.root}/.{drover,claude}/agents`), unknown);
  assert.ok(unknown.includes(`${flows.home}/.{drover,claude}/agents, built-in`), unknown);
  assert.match(await told("evil"), /there is no agent type "evil"/);
  assert.match(await told("huge"), /more than 48 kB/);
  assert.match(await told("reviewer", { root: undefined }), /there is no agent type "reviewer"/);
});

test("PLUGIN:NAME falls back to NAME, for types and workflows, and says so", async (t) => {
  const { flows } = await withProvider(t);
  define(flows.root, "reviewer.md", "name: reviewer", "x");
  const { result, of } = await one(flows, "say: mine", { agentType: "kit:reviewer" });
  assert.equal(result, "mine");
  assert.match(of.note, /no agent type "kit:reviewer"; "reviewer" is used instead/);
  flows.write(".drover/workflows/inner.js", `
export const meta = { name: "inner", description: "d" };
return "inside";`);
  const script = whole('return [await workflow("kit:inner"), await workflow("kit:inner", 2)];');
  const outer = await flows.run({ script });
  assert.deepEqual(outer.end.result, ["inside", "inside"]);
  const words = 'there is no workflow "kit:inner"; "inner" is used instead';
  assert.deepEqual(logs(outer.events), [words]);
  const { notes } = (await flows.ask("POST", "/scripts/plan", { script, root: flows.root })).json;
  assert.deepEqual(notes.map(({ code, detail }) => [code, detail]), [["unknown_workflow", words]]);
  const started = await flows.launch({ name: "kit:inner" });
  assert.ok(started.warning.includes(words), started.warning);
  assert.equal((await flows.outcome(started.runId)).end.result, "inside");
});

test("a daemon that comes back asks an agent of a type as what it is", async (t) => {
  const { flows, provider, asked } = await withProvider(t);
  define(flows.home, "guide.md", "name: guide\nmodel: kept/small", "You guide.");
  provider.answer = (request, body) => void provider.asked.push({ body }); // And says nothing.
  const body = `return await ${ask("x", { agentType: "guide" })}`;
  const run = await flows.start({ script: whole(body), root: undefined });
  await until("the provider is asked", () => provider.asked.some(({ body }) => body !== ""));
  await flows.daemon.kill();
  delete provider.answer;
  const seen = provider.asked.length;
  await flows.daemon.start();
  const { end } = await flows.outcome(run);
  assert.deepEqual([end.result, end.agents.succeeded], ["ok", 1]);
  const again = JSON.parse(provider.asked.slice(seen).at(-1).body);
  assert.match(again.messages[0].content, /^You guide\./);
  assert.equal(new Set(asked().map(({ system }) => system)).size, 1);
});
