// third-parties.test.mjs: what providers other than the two that made the interfaces ask for, each
// stood in for by one that refuses what the real one refuses.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { textOf, toolsOf, Turns } from "./turns.mjs";
import { kinds, Wires } from "./wires.mjs";
import { Workflows, whole } from "./workflows.mjs";

const chunk = (delta, finish = null) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
const DONE = "data: [DONE]\n\n";
const recall = (id, more = {}) => ({ index: 0, id, type: "function",
  function: { name: "recall", arguments: '{"query":"sheep"}' }, ...more });

/** Says the chunks that it is given; `refuses(body)` is the sentence of a 400, or nothing. */
class Strict extends Wires {
  refuses = () => undefined;

  constructor(kind = "openai") {
    super(kind);
  }

  answer(request, body, answer) {
    const json = (status, value) => {
      answer.writeHead(status, { "content-type": "application/json" });
      answer.end(JSON.stringify(value));
    };
    const [next] = this.answers;
    const refusal = request.method === "GET" ? undefined : this.refuses(JSON.parse(body));
    if (refusal !== undefined) {
      this.asked.push({ url: request.url, headers: request.headers, body });
      json(400, { error: { message: refusal, type: "invalid_request_error" } });
    } else if (request.method === "GET" || (!Array.isArray(next) && !next?.json)) {
      super.answer(request, body, answer);
    } else {
      this.answers.shift();
      this.asked.push({ url: request.url, headers: request.headers, body });
      if (next.json) {
        json(next.status ?? 200, next.json);
        return;
      }
      answer.writeHead(200, { "content-type": "text/event-stream" });
      answer.end(next.join(""));
    }
  }
}

async function open(t, kind, settings) {
  const turns = await Turns.open(t);
  const wire = await new Strict(kind).start(t);
  const model = await wire.connect(turns);
  const listener = await turns.listen({ model, settings });
  t.after(() => listener.close());
  return { turns, wire, model, listener };
}

const callsOf = (body) => JSON.parse(body).messages.flatMap((one) => one.tool_calls ?? []);

test("gemini: what a call and a message carry comes back with them, and to no other", async (t) => {
  const { turns, wire, listener } = await open(t);
  const signed = (text) => ({ google: { thought_signature: text } });
  // As Gemini does: a call in the history that has lost its signature is refused.
  wire.refuses = ({ messages }) => messages.flatMap((one) => one.tool_calls ?? [])
    .some((one) => !one.extra_content?.google?.thought_signature)
    ? "Function call is missing a thought_signature in functionCall parts." : undefined;
  wire.answers = [
    [chunk({ content: "Let me look.", extra_content: signed("of the message") }),
      chunk({ tool_calls: [recall("c1", { extra_content: signed("first/+=") })] }),
      chunk({}, "tool_calls"), DONE],
    [chunk({ tool_calls: [recall("c2", { extra_content: signed("second") })] }),
      chunk({}, "tool_calls"), DONE],
  ];
  const { message, end } = await turns.turn(listener, "What of sheep?");
  assert.deepEqual([end.state, textOf(message)], ["succeeded", "Let me look.ok"]);
  const last = wire.bodies.at(-1);
  const signatures = ["first/+=", "second"];
  assert.deepEqual(callsOf(last).map((one) => one.extra_content), signatures.map(signed));
  const said = JSON.parse(last).messages.find(({ role }) => role === "assistant");
  assert.deepEqual(said.extra_content, signed("of the message"));

  await turns.daemon.kill();
  await turns.daemon.start();
  const second = await turns.ask("POST", `/sessions/${listener.session}/messages?wait=60`,
    { text: "And now?" });
  assert.equal(second.json.state, "succeeded", second.text);
  assert.deepEqual(callsOf(wire.bodies.at(-1)).map((one) => one.extra_content),
    signatures.map(signed), "after a restart");

  const other = await new Wires("openai").start(t);
  const made = await turns.ask("POST", "/providers",
    { name: "other", kind: "openai", base_url: other.url });
  assert.equal(made.status, 201, made.text);
  const third = await turns.ask("POST", `/sessions/${listener.session}/messages?wait=60`,
    { text: "And you?", model: "other/small" });
  assert.equal(third.json.state, "succeeded", third.text);
  assert.equal(callsOf(other.bodies.at(-1)).length, 2);
  assert.doesNotMatch(other.bodies.at(-1), /extra_content/);
});

test("mistral: a session goes on after a failure behind a tool's result", async (t) => {
  const { turns, wire, listener, model } = await open(t);
  const rolesOf = (body) => JSON.parse(body).messages.map(({ role }) => role);
  wire.refuses = ({ messages }) => messages.some(({ role }, i) =>
    role === "user" && messages[i - 1]?.role === "tool")
    ? "Unexpected role 'user' after role 'tool'" : undefined;
  wire.answers = [[chunk({ tool_calls: [recall("c1")] }), chunk({}, "tool_calls"), DONE],
    { status: 401, json: { error: { message: "no" } } }];
  const { end } = await turns.turn(listener, "What of sheep?");
  assert.equal(end.state, "failed", "behind the result of its tool");
  for (const asked of [2, 1]) { // The refusal is learned.
    wire.asked = [];
    const next = await turns.turn(listener, "Go on.");
    assert.equal(next.end.state, "succeeded");
    assert.equal(wire.bodies.length, asked);
    assert.deepEqual(rolesOf(wire.bodies.at(-1)).slice(0, 6),
      ["system", "user", "assistant", "tool", "assistant", "user"]);
  }
  const { items } = await turns.get("/models");
  assert.deepEqual(items.find(({ id }) => id === model).refuses, ["user_after_tool"]);
});

for (const kind of kinds) {
  test(`${kind}: at the limit of tools they are shown, and none may be called`, async (t) => {
    const { turns, wire, listener } = await open(t, kind, { max_tool_calls: 1 });
    const call = { id: "c1", name: "recall", args: { query: "sheep" } };
    const unable = [];
    // As Bedrock, Anthropic and Mistral do; the second time without tool_choice, as Bedrock does.
    wire.refuses = ({ tools, tool_choice: choice, messages, input }) => {
      const history = JSON.stringify(messages ?? input);
      if (!tools && /"(tool_use|tool_calls|function_call)"/.test(history)) {
        return "Requests which include `tool_use` or `tool_result` blocks must define tools.";
      }
      return choice && unable.includes("tool_choice") ? "tool_choice: not supported" : undefined;
    };
    for (const asked of [2, 4, 2]) {
      wire.asked = [];
      wire.answers = [{ call }, { text: "so far" }];
      const { message, end } = await turns.turn(listener, "What of sheep?");
      assert.deepEqual([end.state, end.cause, textOf(message)],
        ["degraded", "step_limit", "so far"]);
      const [first, last] = [wire.bodies[0], wire.bodies.at(-1)].map((body) => JSON.parse(body));
      assert.deepEqual(last.tools, first.tools);
      const none = kind === "anthropic" ? { type: "none" } : "none";
      assert.deepEqual(last.tool_choice, unable.length > 0 ? undefined : none);
      // Anthropic's interface has no other way than to go on without the choice.
      assert.equal(wire.bodies.length, kind === "anthropic" && asked === 4 ? 3 : asked);
      unable.push("tool_choice");
    }
  });
}

test("a model without tools is asked for them once, and each agent says what to do", async (t) => {
  const flows = await Workflows.open(t);
  const wire = await new Strict("openai").start(t);
  const model = await wire.connect(flows);
  wire.refuses = ({ tools }) =>
    tools && "registry.ollama.ai/library/gemma3:4b does not support tools";
  const script = whole(`
    const failed = [];
    for (let i = 0; i < 10; i++) failed.push(await agent("look " + i, { tools: ["read_file"] }));
    return [failed, await agent("think", { tools: [] })];`);
  const { run, end } = await flows.run({ script, model });
  assert.deepEqual(end.result, [Array(10).fill(null), "ok"]);
  assert.equal(wire.bodies.length, 2, "one refusal, and the agent that goes without");
  const agents = await flows.agents(run);
  for (const one of agents.slice(0, 10)) {
    const said = JSON.stringify(one);
    assert.match(said, /test\/small takes no tools: choose another model, or ask without/);
  }
  const { items } = await flows.get("/models");
  assert.deepEqual(items.find(({ id }) => id === model).refuses, ["tools"]);
});

test("azure: a query of the base URL goes after each path, the key into its header", async (t) => {
  const turns = await Turns.open(t);
  const wire = await new Wires("openai").start(t);
  const base_url = `${wire.url.replace(/\/v1$/, "")}/openai/deployments/d/?api-version=2024-10-21`;
  const body = { name: "azure", kind: "openai", base_url, key: "a-long-secret", models: ["d"] };
  const made = await turns.ask("POST", "/providers", body);
  assert.deepEqual([made.status, made.json.key_header], [201, null], made.text);
  const set = await turns.daemon.cli(["provider", "set", "azure", "--key-header", "api-key"]);
  assert.equal(set.code, 0, set.stderr);
  assert.equal((await turns.get("/providers/azure")).key_header, "api-key");
  const tested = await turns.ask("POST", "/providers/azure/test", { model: "d" });
  assert.equal(tested.json.ok, true, tested.text);
  const { url, headers } = wire.asked.at(-1);
  assert.equal(url, "/openai/deployments/d/chat/completions?api-version=2024-10-21");
  assert.deepEqual([headers["api-key"], headers.authorization], ["a-long-secret", undefined]);
  for (const [field, value] of [["base_url", `${base_url}&api-key=x`], ["key_header", "no colon:"],
    ["key_header", "Host"]]) {
    const refused = await turns.ask("PATCH", "/providers/azure", { [field]: value });
    assert.deepEqual([refused.status, refused.json.code], [400, "bad_field"], refused.text);
  }
});
