// workflow-trace.test.mjs: the spans of a workflow and of all below it, and what it used, by type,
// workflow, phase and tool.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { begin } from "./jobs-cli.mjs";
import { bin } from "./lib.mjs";
import { call, say, script } from "./turns.mjs";
import { Workflows } from "./workflows.mjs";

const TYPE = "---\nname: scout\ndescription: looks\ntools: Read\n---\nLook.\n";
const USED = "usage: fresh=60 cache_read=40 output=5";

/** An agent that is one call, one that has tools, and one that fails. */
async function ran(t) {
  const flows = await Workflows.open(t);
  flows.write(".claude/agents/scout.md", TYPE);
  flows.write("sheep.txt", "one\n");
  const source = (text) => JSON.stringify(text);
  const run = await flows.start({
    script: `export const meta = { name: 'flock', description: 'counts' };
phase('Count');
await agent(${source(script(say("seven"), USED))}, { label: 'plain', phase: 'Count', tools: [] });
phase('Look');
await agent(${source(script(call("read_file", { path: "sheep.txt" }), call("read_file",
    { path: "none" }), say("seen"), USED))},
  { label: 'looker', phase: 'Look', agentType: 'scout' });
return await agent('fail: bad_request no', { label: 'broken', tools: [] });`,
  });
  await flows.outcome(run);
  return { flows, run };
}

const tree = async (flows, run, more = "") => flows.get(`/runs/${run}/spans?below=1${more}`);

test("the tree of a workflow has each agent and each of its steps, once", async (t) => {
  const { flows, run } = await ran(t);
  const { items, sums, total, next } = await tree(flows, run, "&total=1");
  assert.equal(next, null);
  const agents = Object.fromEntries((await flows.agents(run)).map((one) => [one.label, one.id]));
  const shown = items.map((span) => [span.depth, span.kind, span.label, span.phase, span.state]);
  assert.deepEqual(shown, [
    [0, "workflow", "flock", null, "degraded"],
    [1, "agent", "plain", "Count", "succeeded"],
    [2, "model", "plain", "Count", "succeeded"],
    [1, "agent", "looker", "Look", "succeeded"],
    [2, "model", "looker", "Look", "succeeded"],
    [2, "tool", "looker", "Look", "succeeded"],
    [2, "tool", "looker", "Look", "failed"],
    [2, "model", "looker", "Look", "succeeded"],
    [1, "agent", "broken", "Look", "failed"],
    [2, "model", "broken", "Look", "failed"],
  ]);
  assert.deepEqual(items.map((span) => span.parent), [null, run, agents.plain, run, agents.looker,
    agents.looker, agents.looker, agents.looker, run, agents.broken]);
  assert.equal(new Set(items.map((span) => span.id)).size, items.length);
  const [, , plain] = items;
  assert.deepEqual([plain.id, plain.name], [`${agents.plain}.1.1`, "scripted/demo"]);
  assert.deepEqual(plain.tokens,
    { fresh: 60, cache_read: 40, cache_write: 0, output: 5, reasoning: 0 });
  assert.match(plain.input, /^say: seven/);
  assert.equal(plain.output, "seven");
  assert.equal(items[9].error.length > 0, true);

  assert.equal(total, 10);
  const steps = items.filter((span) => span.step !== null);
  const sum = (of) => steps.reduce((all, span) => all + of(span), 0);
  assert.deepEqual({ ...sums, cache: undefined }, {
    count: 6,
    ms: sum((span) => span.ended_ms - span.started_ms),
    tokens: sum(({ tokens }) => tokens === null ? 0
      : tokens.fresh + tokens.cache_read + tokens.cache_write + tokens.output),
    cost_micros: sum((span) => span.cost_micros ?? 0),
    cost_unknown: steps.filter((span) => span.tokens !== null && span.cost_micros === null).length,
    errors: 2,
    cache: undefined,
  });
  assert.ok(sums.cache > 0 && sums.cache < 1);
  const alone = await flows.get(`/runs/${agents.plain}/spans`);
  assert.deepEqual(alone.items.map(({ id, output }) => [id, output]), [[plain.id, "seven"]]);
  const one = await tree(flows, agents.looker);
  assert.deepEqual(one.items.map(({ depth }) => depth), [0, 1, 1, 1, 1]);
});

test("filters and pages of the tree", async (t) => {
  const { flows, run } = await ran(t);
  const kinds = async (more) =>
    (await tree(flows, run, more)).items.map(({ kind, label }) => `${kind} ${label}`);
  assert.deepEqual(await kinds("&kind=tool"), ["tool looker", "tool looker"]);
  assert.deepEqual(await kinds("&kind=tool,agent&state=failed"), ["tool looker", "agent broken"]);
  assert.deepEqual(await kinds("&q=PLAIN"), ["agent plain", "model plain"]);
  assert.deepEqual(await kinds("&min_ms=100000"), []);
  assert.equal((await tree(flows, run, "&kind=model")).sums.count, 4);
  assert.equal((await tree(flows, run, "&kind=agent")).sums.count, 3);
  const whole = (await tree(flows, run)).items.map(({ id }) => id);
  const paged = [];
  let first = true;
  for (let after = ""; after !== null; first = false) {
    const page = await tree(flows, run, `&limit=3${after === "" ? "" : `&after=${after}`}`);
    assert.equal("sums" in page, first);
    paged.push(...page.items.map(({ id }) => id));
    after = page.next;
  }
  assert.deepEqual(paged, whole);
  const wrong = await flows.ask("GET", `/runs/${run}/spans?below=1&after=1.0`);
  assert.deepEqual([wrong.status, wrong.json.code], [400, "bad_cursor"]);
});

test("a poll of the tree gets what began or ended since, without sums", async (t) => {
  const { flows, run } = await ran(t);
  const { items } = await tree(flows, run);
  for (const { started_ms, ended_ms } of items) {
    for (const since of [started_ms, ended_ms, ended_ms + 1]) {
      const changed = items.filter((span) => span.started_ms >= since || span.ended_ms >= since);
      const page = await tree(flows, run, `&changed_since=${since}`);
      assert.deepEqual(page.items, changed);
      assert.equal("sums" in page, false);
    }
  }
  const paged = [];
  for (let after = "", page; after !== null; after = page.next) {
    page = await tree(flows, run, `&limit=1&changed_since=1${after ? `&after=${after}` : ""}`);
    paged.push(...page.items);
  }
  assert.deepEqual(paged, items);
});

test("somebody else's tree does not exist", async (t) => {
  const flows = await Workflows.open(t, { args: [] });
  flows.headers = await flows.token("ann", "read", "run");
  const run = await flows.start({ script: `export const meta = { name: 'flock', description: 'x' };
return await agent("say: secret", { tools: [] });` });
  await flows.ended(run);
  const { items } = await tree(flows, run);
  assert.deepEqual(items.map(({ kind }) => kind), ["workflow", "agent", "model"]);
  flows.headers = await flows.token("bob", "read", "run");
  for (const one of [run, items[1].run]) {
    for (const rest of ["?below=1", "?below=1&kind=model", "", "/1.1?side=output"]) {
      const answer = await flows.ask("GET", `/runs/${one}/spans${rest}`);
      assert.deepEqual([answer.status, answer.json.code], [404, "not_found"], rest);
    }
  }
});

test("drover trace draws the tree, and its filters hold", async (t) => {
  const { flows, run } = await ran(t);
  const trace = async (...args) => (await begin(t, flows.daemon, ["trace", run, ...args]).ended)
    .stdout.trimEnd().split("\n");
  const lines = await trace();
  assert.match(lines[1], /^ +workflow +flock /);
  assert.match(lines[2], /^ +agent +plain \[Count\] /);
  assert.match(lines[3], /^1\.1 +model +scripted\/demo .*60\+40c\/5 /);
  assert.match(lines[4], /^ +agent +looker \[Look\] /);
  assert.match(lines.at(-1), /^6 steps, .*tokens in/);
  const tools = await trace("--kind", "tool", "--state", "failed");
  assert.match(tools[1], /^1\.3 +tool +read_file .*failed \(not found\)/);
  assert.equal(tools.length, 2);
});

/** CPU time of all threads of the process, in ms. */
function cpu(pid) {
  const of = (id) => readFileSync(`/proc/${pid}/task/${id}/schedstat`, "utf8").split(" ")[0];
  return readdirSync(`/proc/${pid}/task`).reduce((sum, id) => sum + Number(of(id)) / 1e6, 0);
}

/** All pages of the tree: {rows, largest, cpu}: the largest page in bytes, CPU of the daemon. */
async function pages(flows, run) {
  const { pid } = flows.daemon.child;
  const before = cpu(pid);
  const rows = [];
  let largest = 0;
  for (let after = ""; after !== null;) {
    const page = await flows.ask("GET", `/runs/${run}/spans?below=1&limit=200${after}`);
    assert.equal(page.status, 200, page.text);
    rows.push(...page.json.items.map(({ kind, label }) => `${kind} ${label}`));
    largest = Math.max(largest, page.text.length);
    after = page.json.next && `&after=${page.json.next}`;
  }
  return { rows, largest, cpu: cpu(pid) - before };
}

/** Runs that number of agents, with prompts and answers as long as a span shows, and reads their
 *  tree; peak_kb: the memory that `drover trace` took. */
async function fan(t, flows, agents) {
  const run = await flows.start({ script: `export const meta = { name: 'fan', description: 'x' };
const ask = (i) => agent("say: " + "x".repeat(4090) + i, { label: "a" + i, tools: [] });
await Promise.all([...Array(${agents}).keys()].map(ask));` });
  await flows.outcome(run);
  const reads = [await pages(flows, run), await pages(flows, run)];
  const { rows, largest } = reads[0];
  const words = ["python3", new URL("peak.py", import.meta.url).pathname, bin, "trace", run];
  const { code, stdout, stderr } = await begin(t, flows.daemon, [], { words }).ended;
  assert.equal(code, 0, stderr);
  const lines = stdout.trimEnd().split("\n");
  assert.equal(lines.length, 1 + rows.length + 2 + 1); // A header, the sums, the memory.
  assert.match(lines.at(-2), new RegExp(`^${agents} steps, `));
  return { rows, largest, cpu: Math.min(...reads.map((read) => read.cpu)),
    peak_kb: Number(lines.at(-1)) };
}

test("the tree of a thousand agents is read in pages, in a time linear in them", async (t) => {
  const flows = await Workflows.open(t);
  const [few, many] = [await fan(t, flows, 250), await fan(t, flows, 1000)];
  const labels = Array.from({ length: 1000 }, (_, i) => `a${i}`);
  const wanted = labels.flatMap((label) => [`agent ${label}`, `model ${label}`]);
  assert.deepEqual([...many.rows].sort(), ["workflow fan", ...wanted].sort());
  const parted = many.rows.slice(1).filter((row, i, all) => row.startsWith("model") &&
    all[i - 1] !== row.replace("model", "agent"));
  assert.deepEqual(parted, [], "each step follows its agent");
  t.diagnostic(`250 agents: ${JSON.stringify({ ...few, rows: few.rows.length })}`);
  t.diagnostic(`1000 agents: ${JSON.stringify({ ...many, rows: many.rows.length })}`);
  assert.ok(many.largest < 1.1 * 2 ** 20, `a page of ${many.largest} bytes`);
  // Four times as many: a linear time is 4 times as long, a quadratic one 16 times.
  assert.ok(many.cpu < 8 * few.cpu, `${few.cpu} ms and ${many.cpu} ms`);
  if (readFileSync(bin).includes("__asan_init")) return; // A sanitizer keeps what was freed.
  // The rows take 6 MB more, their texts would take 14 MB besides.
  assert.ok(many.peak_kb - few.peak_kb < 10 * 1024, `${few.peak_kb} kB and ${many.peak_kb} kB`);
});

test("the whole input and output of a step are read by range", async (t) => {
  const flows = await Workflows.open(t);
  const long = "é".repeat(5000);
  const lines = Array.from({ length: 900 }, (_, n) => `line ${n}`);
  flows.write("long.txt", lines.join("\n"));
  const body = JSON.stringify(script(call("read_file", { path: "long.txt" }), say("done")));
  const run = await flows.start({ script: `export const meta = { name: 'long', description: 'x' };
return [await agent(${body}, { label: 'reader' }),
  await agent(${JSON.stringify(say(long))}, { label: 'writer', tools: [] })];` });
  await flows.outcome(run);
  const { items } = await tree(flows, run);
  const of = async (label, kind, side, more = "") => {
    const span = items.find((one) => one.label === label && one.kind === kind);
    return flows.get(`/runs/${span.run}/spans/${span.attempt}.${span.step}?side=${side}${more}`);
  };
  const tool = items.find(({ kind }) => kind === "tool");
  assert.ok(!tool.output.includes("line 899"));
  const output = await of("reader", "tool", "output");
  assert.match(output.text, /line 899/);
  assert.equal((await of("reader", "tool", "input")).text, '{"path":"long.txt"}');
  assert.equal((await of("reader", "model", "output")).text, "");
  const whole = await of("writer", "model", "output");
  assert.deepEqual([whole.text, whole.bytes], [long, 10000]);
  assert.equal((await of("writer", "model", "input")).text, say(long));
  const part = await of("writer", "model", "output", "&offset=1&limit=5");
  assert.deepEqual(part, { text: "éé", offset: 2, next: 6, bytes: 10000 });
  const absent = await flows.ask("GET", `/runs/${run}/spans/1.9?side=input`);
  assert.deepEqual([absent.status, absent.json.code], [404, "not_found"]);
  const wrong = await flows.ask("GET", `/runs/${run}/spans/1.1?side=top`);
  assert.deepEqual([wrong.status, wrong.json.code], [400, "bad_query"]);
});

test("usage of agents has their type, workflow and phase, and calls of tools count", async (t) => {
  const { flows } = await ran(t);
  const by = async (what) => (await flows.get(`/usage?by=${what}`)).items;
  const calls = (items, ...names) =>
    items.map((row) => [...names.map((name) => row[name]), row.usage.calls]).sort();
  assert.deepEqual(calls(await by("category,agent"), "category", "agent"),
    [["agent", "", 2], ["agent", "scout", 2]].sort());
  assert.deepEqual(calls(await by("workflow"), "workflow"), [["flock", 4]]);
  assert.deepEqual(calls(await by("phase"), "phase"), [["Count", 1], ["Look", 3]]);
  const [hour] = await by("hour");
  assert.match(hour.hour, /^\d{4}-\d\d-\d\dT\d\d:00Z$/);
  const [tool, ...others] = await by("tool");
  assert.deepEqual([tool.tool, tool.usage.calls, tool.errors, others], ["read_file", 2, 1, []]);
  assert.ok(Number.isInteger(tool.ms));
  assert.deepEqual(calls(await by("tool,phase"), "tool", "phase"), [["read_file", "Look", 2]]);
  for (const wrong of ["day,day", "day,model,agent", "day,", "weather"]) {
    const answer = await flows.ask("GET", `/usage?by=${wrong}`);
    assert.deepEqual([answer.status, answer.json.code], [400, "bad_field"], wrong);
  }
  const { stdout } = await begin(t, flows.daemon, ["usage", "--by", "agent,phase"]).ended;
  assert.match(stdout, /^scout Look +2 /m);
  assert.match(stdout, /^- Count +1 /m);
  const tools = await begin(t, flows.daemon, ["usage", "--by", "tool"]).ended;
  assert.match(tools.stdout, /^tool +CALLS +ERRORS +TOOK\nread_file +2 +1 +\d+ms\n$/);
});
