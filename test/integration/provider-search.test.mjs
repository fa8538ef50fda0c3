// provider-search.test.mjs: web_search by the provider itself: what it is offered, what it is shown
// again, what people see of it, and what it costs.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { call, say, script, textOf, toolsOf, Turns } from "./turns.mjs";
import { kinds, Wires } from "./wires.mjs";
import { Workflows } from "./workflows.mjs";

const SERVE = ["--insecure-loopback", "--search", "provider"];

/** The tool as each interface wants it; chat completions have none. */
const TOOL = {
  responses: { type: "web_search" },
  anthropic: { type: "web_search_20250305", name: "web_search", max_uses: 8 },
};
const found = (n, secret) => ({
  type: "web_search_result", title: `Sheep ${n}`, url: `https://a.test/${n}`, page_age: null,
  encrypted_content: secret });
const used = (id, query) =>
  ({ type: "server_tool_use", id, name: "web_search", input: { query } });
const result = (id, content) => ({ type: "web_search_tool_result", tool_use_id: id, content });

/** A search as each provider tells of it, and as the next request of the turn gives it back. */
const SEARCH = {
  responses: [{ type: "web_search_call", id: "ws_1", status: "completed",
    action: { type: "search", query: "wool",
      sources: [{ type: "url", url: "https://a.test/1" }] } }],
  anthropic: [used("srvtoolu_1", "wool"),
    result("srvtoolu_1", [found(1, "EqgfC"), found(2, "Er8")])],
};
const RESULTS = {
  responses: [{ url: "https://a.test/1" }],
  anthropic: [1, 2].map((n) => ({ title: `Sheep ${n}`, url: `https://a.test/${n}` })),
};
const recall = { id: "c1", name: "recall", args: { query: "sheep" } };
const isOfSearch = ({ type }) =>
  ["web_search_call", "server_tool_use", "web_search_tool_result"].includes(type);

/** What a request shows again of searches, whatever interface it is of. */
const shown = (body) => {
  const { input, messages = [] } = JSON.parse(body);
  const blocks = messages.flatMap(({ content }) => (Array.isArray(content) ? content : []));
  return (input ?? blocks).filter(isOfSearch);
};
const offered = (body) => (JSON.parse(body).tools ?? [])
  .filter((tool) => JSON.stringify(tool).includes("web_search"));

async function open(t, kind, body = {}, args = SERVE) {
  const turns = await Turns.open(t, { args });
  const wire = await new Wires(kind).start(t);
  const model = await wire.connect(turns);
  const listener = await turns.listen({ model, ...body });
  t.after(() => listener.close());
  return { turns, wire, listener };
}

for (const kind of Object.keys(TOOL)) {
  test(`${kind}: a search in the call is a card, and shown again in its turn`, async (t) => {
    const { turns, wire, listener } = await open(t, kind);
    wire.answers = [
      { thought: "hm", search: SEARCH[kind], text: "Looked.", call: recall }, { text: "Wool." }];
    const { message, end } = await turns.turn(listener, "What is wool?");
    assert.equal(end.state, "succeeded");
    assert.equal(textOf(message), "Looked.Wool.");
    const [first, second] = wire.bodies;
    assert.deepEqual([first, second].map(offered), [[TOOL[kind]], [TOOL[kind]]]);
    if (kind === "responses") {
      assert.deepEqual(JSON.parse(first).include,
        ["reasoning.encrypted_content", "web_search_call.action.sources"]);
    }
    assert.deepEqual([first, second].map(shown), [[], SEARCH[kind]]);
    assert.ok(second.indexOf("c2ln") < second.indexOf("https://a.test/1"), "after the thinking");
    const [card] = toolsOf(message);
    assert.deepEqual([card.name, card.state, card.data.arguments], ["web_search", "succeeded",
      { query: "wool" }]);
    assert.deepEqual(JSON.parse(card.text), RESULTS[kind]);
    const heard = listener.heard.events.filter(({ type, data }) =>
      /^tool_(started|finished)$/.test(type) && data.tool === "web_search");
    assert.deepEqual(heard.map(({ type }) => type), ["tool_started", "tool_finished"]);
    listener.heard.agreesWith(message);
    wire.answers = [{ text: "Yes." }];
    await turns.turn(listener, "Sure?");
    assert.deepEqual(shown(wire.bodies.at(-1)), [], "in no prompt of a later turn");
  });
}

test("anthropic: a search without result waits beside a call of ours", async (t) => {
  const { turns, wire, listener } = await open(t, "anthropic");
  const [use, came] = SEARCH.anthropic;
  const { args: input, ...ours } = recall;
  for (const begun of [
    { search: [use], call: recall }, { search: [{ type: "tool_use", ...ours, input }, use] },
  ]) {
    wire.asked = [];
    wire.answers = [begun, { search: [came], call: { ...recall, id: "c2" } }];
    const { message } = await turns.turn(listener, "What is wool?");
    assert.deepEqual(wire.bodies.map(shown), [[], [use], [use, came]]);
    assert.deepEqual(toolsOf(message).map(({ name }) => name), ["recall", "web_search", "recall"]);
  }
});

test("anthropic: after pause_turn it is asked again with what it said", async (t) => {
  const { turns, wire, listener } = await open(t, "anthropic");
  wire.answers = [{ search: SEARCH.anthropic, paused: true }, { text: "Wool." }];
  const { message, end } = await turns.turn(listener, "What is wool?");
  assert.deepEqual([end.state, textOf(message)], ["succeeded", "Wool."]);
  assert.deepEqual(wire.bodies.map(shown), [[], SEARCH.anthropic]);
  assert.equal(JSON.parse(wire.bodies[1]).messages.at(-1).role, "assistant");
});

test("anthropic: a failed search says why; half of one is not shown again", async (t) => {
  const { turns, wire, listener } = await open(t, "anthropic");
  const error = { type: "web_search_tool_result_error", error_code: "max_uses_exceeded" };
  const failed = [used("srvtoolu_2", "goats"), result("srvtoolu_2", error)];
  const cut = [{ type: "text", text: "Let me" }, used("srvtoolu_3", "yak")];
  wire.answers = [{ search: failed, call: recall }, { search: cut, cut: true },
    { text: '{"n":1}' }];
  const schema = { type: "object", properties: { n: { type: "integer" } }, required: ["n"] };
  const { message, end } = await turns.turn(listener, "Goats?", { schema });
  assert.equal(end.state, "succeeded");
  assert.deepEqual(wire.bodies.map(shown), [[], failed, failed]);
  const [card] = toolsOf(message);
  assert.deepEqual([card.state, card.text],
    ["failed", "The provider's search failed: max_uses_exceeded"]);
});

test("a provider that refuses the tool is asked without it, and remembered", async (t) => {
  const { turns, wire, listener } = await open(t, "responses");
  const usual = wire.answer.bind(wire);
  wire.answer = (request, body, answer) => {
    if (!body.includes("web_search")) return usual(request, body, answer);
    wire.asked.push({ url: request.url, body });
    answer.writeHead(400, { "content-type": "application/json" });
    const message = "Hosted tool 'web_search' is not supported with small.";
    answer.end(JSON.stringify({ error: { message, param: "tools", code: null } }));
    return undefined;
  };
  const { end } = await turns.turn(listener, "hi");
  assert.deepEqual([end.state, end.note], ["succeeded",
    "asked without web_search, which the model has refused"]);
  await turns.turn(listener, "hi");
  assert.deepEqual(wire.bodies.map((body) => offered(body).length), [1, 0, 0]);
});

test("responses: an action that no request takes comes back as an empty search", async (t) => {
  const { turns, wire, listener } = await open(t, "responses");
  const [item] = SEARCH.responses;
  wire.answers = [{ search: [{ ...item, action: { type: "other" } }], call: recall }];
  await turns.turn(listener, "What is wool?");
  assert.deepEqual(shown(wire.bodies[1]), [{ ...item, action: { type: "search", query: "" } }]);
});

test("it is offered only where it was chosen, and where no rule limits it", async (t) => {
  const turns = await Turns.open(t, { args: SERVE });
  const plain = await Turns.open(t);
  const tried = async (of, kind, settings = {}) => {
    const wire = await new Wires(kind).start(t);
    const name = `c${tried.count = (tried.count ?? 0) + 1}`;
    const base_url = kind === "anthropic" ? wire.url.replace(/\/v1$/, "") : wire.url;
    assert.equal((await of.ask("POST", "/providers", { name, kind, base_url })).status, 201);
    const listener = await of.listen({ model: `${name}/small`, settings });
    await of.turn(listener, "hi");
    listener.close();
    return offered(wire.bodies.at(-1)).length;
  };
  const rule = (permission, more) => ({ tool: "web_*", permission, ...more });
  assert.equal(await tried(plain, "anthropic"), 0, "not by default: it costs money");
  assert.deepEqual(await Promise.all(kinds.map((kind) => tried(turns, kind))), [0, 1, 1]);
  for (const [permissions, count] of [
    [[rule("deny", { subject: "*secret*" }), rule("allow")], 0], [[rule("ask")], 0],
    [[rule("ask"), { tool: "web_search", permission: "allow" }], 1],
  ]) {
    assert.equal(await tried(turns, "responses", { permissions }), count);
  }
  assert.equal(await tried(turns, "responses", { tools: ["web_fetch"] }), 0);
  assert.equal(await tried(turns, "responses", { tools: ["web_search"] }), 1);
  const listener = await turns.listen();
  const { message } = await turns.turn(listener,
    script(call("web_search", { query: "sheep" }), say("so")));
  listener.close();
  assert.deepEqual(toolsOf(message).map(({ cause }) => cause), ["tool_unknown"]);
});

test("agents of a workflow search so, too; each search has a price", async (t) => {
  const flows = await Workflows.open(t, { args: SERVE.slice(1) });
  const wire = await new Wires("anthropic").start(t);
  const base_url = wire.url.replace(/\/v1$/, "");
  const made = await flows.ask("POST", "/providers", { name: "kept", kind: "anthropic", base_url });
  assert.equal(made.status, 201, made.text);
  const file = flows.write("look.js", `export const meta = { name: 'look', description: 'x' };
return [await agent('look', { model: 'kept/claude-sonnet-4-5', tools: ['WebSearch'] }),
  await agent('count', { model: 'kept/claude-sonnet-4-5', tools: ['WebSearch'],
    schema: { type: 'object', properties: { n: { type: 'integer' } } } })];`);
  wire.answers = [{ search: SEARCH.anthropic, text: "Wool." },
    { call: { id: "c", name: "final_answer", args: { n: 3 } } }];
  const launched = await flows.launch({ scriptPath: file });
  assert.equal("warning" in launched, false);
  const { end, run } = await flows.outcome(launched.runId);
  assert.deepEqual(end.result, ["Wool.", { n: 3 }]);
  const [first, second] = wire.bodies.map((body) => JSON.parse(body));
  assert.deepEqual(first.tools, [TOOL.anthropic]);
  assert.deepEqual(second.tools.map(({ name }) => name), ["final_answer", "web_search"]);
  assert.deepEqual(second.tool_choice, { type: "any" }, "it may search first");
  const { items } = await flows.get(`/runs/${run}/spans?below=1&kind=model`);
  assert.deepEqual(items.map((one) => one.cost_micros), [10018, 18], "a search costs a cent");
  const silent = flows.write("none.js", `export const meta = { name: 'none', description: 'x' };
return 'WebSearch';`);
  const warned = await flows.launch({ scriptPath: silent, model: "scripted/demo" });
  assert.match(warned.warning, /provider of the model has no web search .* with web_fetch only$/);
});
