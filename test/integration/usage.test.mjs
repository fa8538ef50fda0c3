// usage.test.mjs: what models took, added up by day, model, session and the rest.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { Provider } from "./providers.mjs";
import { scaled } from "./scale.mjs";
import { call, say, script, textOf, Turns } from "./turns.mjs";
import { shapes } from "./usage-shapes.mjs";
import { framesOf, kinds, Wires } from "./wires.mjs";

const usage = (text) => `usage: ${text}`;

test("calls are added up, once each, and outlive their session", async (t) => {
  const turns = await Turns.open(t);
  const one = await turns.listen({ agent: "writer" });
  const other = await turns.listen({ project: "web", model: "scripted/other" });
  await turns.turn(one, script(say("a"), usage("fresh=60 cache_read=40 output=5")));
  await turns.turn(one, script(say("b"), usage("fresh=100 output=7")));
  await turns.turn(other, script(say("c"), usage("fresh=10 output=3")));
  const days = await turns.get("/usage");
  assert.equal(days.items.length, 1);
  assert.match(days.items[0].day, /^\d{4}-\d\d-\d\d$/);
  const { calls, fresh, cache_read, output } = days.total.usage;
  assert.deepEqual([calls, fresh, cache_read, output], [3, 170, 40, 15]);
  assert.equal(days.total.cache_hit_rate, 0.19);
  const by = async (what, more = "") => {
    const { items } = await turns.get(`/usage?by=${what}${more}`);
    return items.map((row) => [row[what], row.usage.calls]);
  };
  assert.deepEqual(await by("model"), [["scripted/demo", 2], ["scripted/other", 1]]);
  assert.deepEqual(await by("agent"), [["writer", 2], ["", 1]]);
  assert.deepEqual(await by("session"), [[one.session, 2], [other.session, 1]]);
  assert.deepEqual(await by("project"), [["default", 2], ["web", 1]]);
  assert.deepEqual(await by("category"), [["turn", 3]]);
  assert.deepEqual(await by("model", "&project=web&days=2"), [["scripted/other", 1]]);
  const session = await turns.get(`/sessions/${one.session}/usage?by=model`);
  assert.deepEqual([session.total.usage.calls, session.items[0].cache_hit_rate], [2, 0.2]);
  assert.equal((await turns.ask("DELETE", `/sessions/${one.session}`)).status, 200);
  assert.equal((await turns.ask("GET", `/sessions/${one.session}/usage`)).status, 404);
  assert.equal((await turns.get("/usage")).total.usage.calls, 3);
});

test("a cost that nobody knows is shown as unknown, and never as 0", async (t) => {
  const provider = await new Provider().start(t);
  const turns = await Turns.open(t);
  const cli = async (...words) => (await turns.daemon.cli(words)).stdout;
  const own = { name: "p", kind: "openai", base_url: provider.url };
  assert.equal((await turns.ask("POST", "/providers", own)).status, 201);
  const file = path.join(turns.folder, "two.js");
  writeFileSync(file, `export const meta = { name: "two", description: "Two agents." };
await agent("a", { label: "asks", model: "p/strange" });
return agent("b", { label: "plays" });\n`);
  const run = await turns.daemon.cli(["run", file]);
  assert.match(run.stderr, /succeeded: asks .*, unknown cost, /);
  assert.match(run.stderr, /succeeded: plays \d+ tokens, \d/);
  assert.match(run.stderr, /^workflow succeeded: .*, unknown cost,/m);
  const shown = await cli("show", "last");
  assert.match(shown, /two  succeeded.* unknown .*\n[^]*asks.* unknown .*\n/);
  assert.doesNotMatch(shown, /plays.* unknown/);
  const { result, agents } = JSON.parse(await cli("show", "last", "--json"));
  assert.deepEqual([result.cost_micros, result.cost_unknown], [null, 1]);
  const costs = agents.map((agent) => [agent.cost_micros, agent.cost_unknown]);
  assert.deepEqual(costs, [[null, 1], [0, 0]]);
  assert.match(await cli("trace", "last"), /p\/strange .* unknown +succeeded\n[^]*of unknown cost/);
  assert.match(await cli("usage"), /^total .* unknown$/m);
  const models = await cli("usage", "--by", "model");
  assert.match(models, /^p\/strange .* unknown\nscripted\/demo .* 0.0000$/m);
  assert.match(await cli("status"), /^today +2 calls of models, of unknown cost$/m);
  const plan = await cli("workflow", "plan", file);
  assert.match(plan, /^price +unknown for 1 of 2 agents; for the others/m);
});

test("what subagents, follow-ups and nobody's price cost is told apart", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const text = script(call("spawn_subagent", { input: say("done") }), say("I wait"));
  const { run } = await turns.turn(listener, text);
  await listener.until("turn_finished", (data) => data.run !== run);
  const { items, total } = await turns.get("/usage?by=category");
  const calls = Object.fromEntries(items.map((row) => [row.category, row.usage.calls]));
  assert.deepEqual(calls, { turn: 2, subagent: 1, follow_up: 1 });
  assert.ok(total.usage.cost_micros === null || total.usage.cost_unknown < total.usage.calls);
  const wrong = await turns.ask("GET", "/usage?by=weather");
  assert.deepEqual([wrong.status, wrong.json.code], [400, "bad_field"]);
});

test("the command shows a line for each, and the sum", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  await turns.turn(listener, script(say("a"), usage("fresh=60 cache_read=20 output=5")));
  const shown = await turns.daemon.cli(["usage", "--by", "model"]);
  assert.match(shown.stdout, /^model +CALLS +READ +CACHE +WRITTEN +DOLLARS\n/);
  assert.match(shown.stdout, /scripted\/demo +1 +80 +25% +5/);
  assert.match(shown.stdout, /total +1 +80/);
  const json = JSON.parse((await turns.daemon.cli(["usage", listener.session, "--json"])).stdout);
  assert.equal(json.total.usage.calls, 1);
});

test("each usage event has the call, the session's sums and how full the window is", async (t) => {
  const turns = await Turns.open(t);
  await turns.ask("PATCH", "/settings", { window: 50000 });
  const listener = await turns.listen();
  await turns.turn(listener, script(say("a"), usage("fresh=60 cache_read=40 output=5")));
  await turns.turn(listener, script(say("b"), usage("fresh=100 output=7")));
  const events = listener.heard.events.filter((event) => event.type === "usage");
  const seen = events.map(({ data }) => [
    data.call.output,
    data.session.calls,
    data.session.output,
    data.context_used,
    data.context_window,
  ]);
  assert.deepEqual(seen, [[5, 1, 5, 105, 50000], [7, 2, 12, 107, 50000]]);
  const session = await turns.get(`/sessions/${listener.session}`);
  assert.deepEqual([session.context_used, session.context_window], [107, 50000]);
});

test("an edit estimates again how full the window is, as its next prompt will be", async (t) => {
  const turns = await Turns.open(t);
  await turns.ask("PATCH", "/settings", { window: 50000 });
  const listener = await turns.listen();
  await turns.turn(listener, script(say("a"), usage("fresh=9000 output=5")));
  const [question] = await turns.messages(listener.session);
  const used = async (text) => {
    const edited = await turns.ask("PATCH", `/messages/${question.id}`, { text });
    assert.equal(edited.status, 200, edited.text);
    return (await turns.get(`/sessions/${listener.session}`)).context_used;
  };
  const short = await used("short");
  assert.ok(short > 0 && short < 100, `${short}, and not what the call took`);
  assert.equal(await used("short".padEnd(4005)) - short, 1000); // Four bytes are a token.
  assert.equal(await used("short"), short);
});

test("what a long answer takes is told while it is said, and counted once", async (t) => {
  const turns = await Turns.open(t);
  await turns.ask("PATCH", "/settings", { window: 50000 });
  const listener = await turns.listen();
  const text = script("tokens: 60 at 40/s", usage("fresh=9 output=60"));
  const { run } = await turns.turn(listener, text);
  const events = listener.heard.events.filter((event) => event.type === "usage");
  const last = events.pop().data;
  assert.deepEqual([last.so_far, last.call.output, last.session.calls], [undefined, 60, 1]);
  assert.ok(events.length >= 2, `${events.length} while it spoke`);
  const outputs = events.map(({ data }) => data.call.output);
  assert.deepEqual(outputs, [...outputs].sort((a, b) => a - b));
  for (const { data } of events) {
    assert.deepEqual([data.so_far, data.run, data.call.estimated], [true, run, true]);
    assert.deepEqual([data.session.calls, data.session.output], [1, data.call.output]);
    assert.equal(data.context_used, data.call.fresh + data.call.output);
    assert.equal(data.context_window, 50000);
  }
  assert.equal((await turns.get("/usage")).total.usage.calls, 1);
  const ask = ["ask", "--model", "scripted/demo", "--json", "tokens: 60 at 40/s"];
  const told = JSON.parse((await turns.daemon.cli(ask)).stdout).usage;
  assert.equal(told.output, 60);
});

/** Writes the arguments of its first call letter by letter, until it is told that it is enough. */
class SlowHand extends Wires {
  answer(request, body, answer) {
    if (request.method === "GET" || this.asked.some((one) => one.body !== "")) {
      super.answer(request, body, answer);
      return;
    }
    this.asked.push({ url: request.url, headers: request.headers, body });
    const frames = framesOf(this.kind, { call: { id: "c", name: "list_files", args: {} } });
    const at = frames.findIndex(({ mark }) => mark === "call");
    const write = (list) => list.forEach(({ bytes }) => answer.write(bytes));
    const space = (bytes) => bytes.replace(/(_json|arguments|delta)":"{/, '$1":" ');
    answer.writeHead(200, { "content-type": "text/event-stream" });
    write(frames.slice(0, at));
    const writing = setInterval(() => answer.write(space(frames[at].bytes)), 10);
    this.enough = () => {
      clearInterval(writing);
      write(frames.slice(at));
      answer.end();
    };
  }
}

for (const kind of kinds) {
  test(`so is what a long call of a tool takes, by the words of ${kind}`, async (t) => {
    const turns = await Turns.open(t);
    const provider = await new SlowHand(kind).start(t);
    const listener = await turns.listen({ model: await provider.connect(turns) });
    const { run } = await turns.send(listener.session, "look around");
    const first = await listener.until("usage", (data) => data.so_far);
    const second = await listener.until("usage", (data) => data.so_far);
    assert.ok(first.call.output > 0 && second.call.output > first.call.output);
    provider.enough();
    assert.equal((await listener.ended(run)).state, "succeeded");
  });
}

/** Says the same bytes whatever it is asked. */
class Recorded extends Wires {
  constructor({ kind, bytes }) {
    super(kind);
    this.bytes = bytes;
  }

  answer(request, body, answer) {
    if (request.method === "GET") {
      super.answer(request, body, answer);
      return;
    }
    answer.writeHead(200, { "content-type": "text/event-stream" });
    answer.end(this.bytes);
  }
}

for (const shape of shapes) {
  test(`what ${shape.name} says it took is that, once, everywhere`, async (t) => {
    const turns = await Turns.open(t);
    const provider = await new Recorded(shape).start(t);
    const listener = await turns.listen({ model: await provider.connect(turns) });
    const { run, message } = await turns.turn(listener, "hello");
    assert.equal(textOf(message), "ok");
    const only = (usage) =>
      Object.fromEntries(Object.keys(shape.usage).map((name) => [name, usage[name]]));
    const event = listener.heard.events.filter((one) => one.type === "usage").at(-1).data;
    assert.deepEqual([only(event.call), event.call.estimated], [shape.usage, false]);
    const { fresh, cache_read, cache_write, output } = shape.usage;
    assert.equal(event.context_used, fresh + cache_read + cache_write + output);
    const [span] = (await turns.get(`/runs/${run}/spans`)).items;
    assert.deepEqual([only(span.tokens), span.estimated], [shape.usage, false]);
    const session = await turns.get(`/sessions/${listener.session}`);
    assert.deepEqual(only(session.usage), shape.usage);
    const { total } = await turns.get("/usage");
    assert.deepEqual([only(total.usage), total.usage.calls], [shape.usage, 1]);
  });
}

const workflow = (body) => `export const meta = {name: "w", description: "x"};\n${body}`;

/** Starts it; its run. */
async function launch(turns, body) {
  const { status, json, text } = await turns.ask("POST", "/workflows", body);
  assert.deepEqual([status, json.error], [201, undefined], text);
  return json.runId;
}

/** Follows a run's events from the first, to one of that type. */
async function untilTold(turns, run, type, fits = () => true) {
  for (let after = 0; ; ) {
    const page = await turns.get(`/streams/run:${run}/events?after=${after}&wait=30`);
    for (const event of page.events) {
      if (event.type === type && fits(event.data)) return event.data;
      after = event.seq;
    }
  }
}

test("agents of workflows are counted with their model and the project", async (t) => {
  const turns = await Turns.open(t);
  const plain = workflow(`
    await agent("say: a\\nusage: fresh=60 cache_read=40 output=5");
    await agent("fail: 400\\nsay: never");
    return agent("say: b\\nusage: fresh=10 output=2", {model: "scripted/other"});`);
  const schema = `{type: "object", required: ["n"], properties: {n: {type: "integer"}}}`;
  const missed = "say: {}\\nusage: fresh=7 output=1\\nstep:\\n";
  const fits = `say: {\\"n\\": 1}\\nusage: fresh=8 output=1`;
  const web = workflow(`return agent("${missed}${fits}", {schema: ${schema}});`);
  const first = { script: plain, model: "scripted/demo" };
  const states = [];
  for (const body of [first, { script: web, project: "web" }]) {
    const run = await launch(turns, body);
    states.push((await untilTold(turns, run, "workflow_finished")).state);
  }
  assert.deepEqual(states, ["degraded", "succeeded"]);
  const by = async (what) => {
    const { items } = await turns.get(`/usage?by=${what}`);
    return items.map((row) => [row[what], row.usage.calls, row.usage.fresh, row.usage.output]);
  };
  assert.deepEqual(await by("category"), [["agent", 5, 85, 9]]);
  assert.deepEqual(await by("model"), [["scripted/demo", 4, 75, 7], ["scripted/other", 1, 10, 2]]);
  assert.deepEqual(await by("project"), [["default", 3, 70, 7], ["web", 2, 15, 2]]);
  assert.deepEqual(await by("session"), [["", 5, 85, 9]]);
  const { stdout } = await turns.daemon.cli(["usage", "--by", "category", "--project", "web"]);
  assert.match(stdout, /\nagent +2 +15 /);
});

test("an agent with tools is counted as one without, in the same project", async (t) => {
  const turns = await Turns.open(t);
  const body = { script: workflow(`return agent("say: a\\nusage: fresh=6 output=1");`) };
  const run = await launch(turns, { ...body, root: turns.root, project: "web" });
  await untilTold(turns, run, "workflow_finished");
  const { items } = await turns.get("/usage?by=category&project=web");
  assert.deepEqual(items.map((row) => [row.category, row.usage.calls]), [["agent", 1]]);
});

/** {SEGMENT: tokens} of rows, and their sum. */
function segmentsOf({ items }) {
  const tokens = Object.fromEntries(items.map((row) => [row.segment, row.tokens]));
  return { tokens, sum: items.reduce((sum, row) => sum + row.tokens, 0) };
}

test("tokens are divided into segments as the spans divide them, and add up", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const said = usage("fresh=600 cache_read=300 output=50 reasoning=20");
  const { run } = await turns.turn(listener, script(say("a"), said));
  const [{ prompt }] = (await turns.get(`/runs/${run}/spans`)).items;
  const all = segmentsOf(await turns.get("/usage?by=segment"));
  assert.deepEqual(all.tokens, {
    tools: prompt.tools.tokens,
    instructions: prompt.instructions.tokens,
    history: prompt.history.tokens,
    output: 30,
    reasoning: 20,
  });
  assert.equal(all.sum, 950);
  const { items } = await turns.get(`/sessions/${listener.session}/usage?by=segment,day`);
  assert.deepEqual(segmentsOf({ items }), all);
  assert.match(items[0].day, /^\d{4}-\d\d-\d\d$/);
  const shown = await turns.daemon.cli(["usage", "--by", "segment"]);
  assert.match(shown.stdout, /^segment +TOKENS\n[^]*\noutput +30\nreasoning +20\n$/);
  assert.equal((await turns.ask("DELETE", `/sessions/${listener.session}`)).status, 200);
  assert.deepEqual(segmentsOf(await turns.get("/usage?by=segment")), all);
  const none = await turns.ask("GET", "/usage?by=tool,segment");
  assert.deepEqual([none.status, none.json.code], [400, "bad_field"]);
});

test("usage of one workflow has its agents, and no others", async (t) => {
  const turns = await Turns.open(t);
  const asks = '"say: a\\nusage: fresh=40 output=2"';
  const body = {
    script: workflow(`await agent(${asks}); return agent(${asks});`),
    root: turns.root,
  };
  const plain = { script: workflow(`return agent("say: c\\nusage: fresh=900 output=1");`) };
  const runs = [await launch(turns, body), await launch(turns, plain)];
  for (const run of runs) await untilTold(turns, run, "workflow_finished");
  const { total } = await turns.get(`/usage?run=${runs[0]}`);
  assert.deepEqual([total.usage.calls, total.usage.fresh, total.usage.output], [2, 80, 4]);
  const { tokens, sum } = segmentsOf(await turns.get(`/usage?run=${runs[1]}&by=segment`));
  assert.deepEqual([sum, tokens.output, tokens.other], [901, 1, undefined]); // All is measured.
  const shown = await turns.daemon.cli(["usage", "--run", runs[0], "--by", "workflow"]);
  assert.match(shown.stdout, /\nw +2 +80 /);
  const job = (await turns.ask("POST", "/jobs", { argv: ["true"] })).json.id;
  const wrong = await turns.ask("GET", `/usage?run=${job}`);
  assert.deepEqual([wrong.status, wrong.json.code], [400, "bad_query"]);
  assert.match(wrong.json.detail, /is no workflow.*spans/);
  const none = await turns.ask("GET", "/usage?run=run_00000000000000000000000000");
  assert.deepEqual([none.status, none.json.code], [404, "not_found"]);
});

test("days are named from the first to the last", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  await turns.turn(listener, script(say("a"), usage("fresh=60 output=5")));
  const [{ day }] = (await turns.get("/usage")).items;
  const near = (days) => new Date(Date.parse(day) + days * 86400000).toISOString().slice(0, 10);
  const calls = async (query) => (await turns.get(`/usage?${query}`)).total.usage.calls;
  assert.equal(await calls(`from=${day}&to=${day}`), 1);
  assert.equal(await calls(`from=${near(-3)}`), 1);
  assert.equal(await calls(`to=${near(3)}`), 1);
  assert.equal(await calls(`to=${near(-1)}`), 0);
  assert.equal(await calls(`from=${near(1)}`), 0);
  const shown = await turns.daemon.cli(["usage", "--from", day, "--to", near(1)]);
  assert.match(shown.stdout, new RegExp(`\n${day} +1 +60 `));
  for (const query of [`from=${day}&days=2`, "from=2026-02-30", "to=yesterday", "to=2026-1-01",
    `from=${day}&to=${near(-1)}`]) {
    const wrong = await turns.ask("GET", `/usage?${query}`);
    assert.deepEqual([wrong.status, wrong.json.code], [400, "bad_query"], query);
  }
});

test("a call that a crash cut off is not counted, and no other is counted twice", async (t) => {
  const turns = await Turns.open(t);
  const run = await launch(turns, {
    script: workflow(`
      await agent("say: a\\nusage: fresh=10 output=1");
      return agent("delay: ${scaled(1500)}ms\\nsay: b\\nusage: fresh=20 output=2",
        {label: "slow"});`),
  });
  await untilTold(turns, run, "agent_started", (data) => data.label === "slow");
  await turns.daemon.kill();
  await turns.daemon.start();
  await untilTold(turns, run, "workflow_finished");
  const { calls, fresh, output } = (await turns.get("/usage")).total.usage;
  assert.deepEqual([calls, fresh, output], [2, 30, 3]);
});

test("a workflow's project is a name", async (t) => {
  const turns = await Turns.open(t);
  const body = { script: workflow("return 1;"), project: "A B" };
  const { status, json } = await turns.ask("POST", "/workflows", body);
  assert.deepEqual([status, json.code], [400, "bad_field"]);
  assert.match(json.detail, /"project": 'A B' is not a name/);
});
