// refusals.test.mjs: providers that refuse parameters, each in its own words: which requests are
// repeated without them, how often, and where that is shown.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { Wires, framesOf } from "./wires.mjs";
import { Workflows, whole } from "./workflows.mjs";

const openai = (message, param = null, code = null) =>
  ({ error: { message, type: "invalid_request_error", param, code } });
const anthropic = (message) =>
  ({ type: "error", error: { type: "invalid_request_error", message }, request_id: "req_1" });
const extra = (name) =>
  ({ type: "extra_forbidden", loc: ["body", name], msg: "Extra inputs are not permitted" });

/** What each of them refuses, as [status, body]; undefined: it takes the request. */
const refusing = {
  "deepseek-like": ({ response_format, tool_choice, thinking }) => {
    const says = (message) => [400, openai(message, null, "invalid_request_error")];
    if (response_format?.type === "json_schema") {
      return says("This response_format type is unavailable now");
    }
    return tool_choice ? says("deepseek-reasoner does not support this tool_choice") : thinking;
  },
  "ollama-like": ({ reasoning_effort: effort }) => {
    if (!effort) return undefined;
    const message = `think value "${effort}" is not supported for this model`;
    return [400, { error: { message, type: "api_error", param: null, code: null } }];
  },
  "vllm-like": ({ reasoning_effort: effort, messages }) => {
    const says = (message) =>
      [400, { object: "error", message, type: "BadRequestError", param: null, code: 400 }];
    if (effort) return [422, { detail: [extra("reasoning_effort")] }];
    const roles = messages.map(({ role }) => role);
    if (roles.includes("system")) return says("System role not supported");
    return roles[0] === "user" ? undefined
      : says("Conversation roles must alternate user/assistant/user/assistant/...");
  },
  "o-series-like": ({ max_tokens, messages, temperature, parallel_tool_calls }) => {
    const parameter = (name, more = "") =>
      [400, openai(`Unsupported parameter: '${name}' is not supported with this model.${more}`,
        name, "unsupported_parameter")];
    if (max_tokens) return parameter("max_tokens", " Use 'max_completion_tokens' instead.");
    if (temperature !== undefined) return parameter("temperature");
    if (parallel_tool_calls !== undefined) return parameter("parallel_tool_calls");
    if (messages[0].role !== "system") return undefined;
    const place = "messages[0].role";
    return [400, openai(`Unsupported value: '${place}' does not support 'system' with this model.`,
      place, "unsupported_value")];
  },
  "anthropic-like": ({ thinking, tool_choice }) => {
    if (thinking && ["any", "tool"].includes(tool_choice?.type)) {
      return [400, anthropic("Thinking may not be enabled when tool_choice forces tool use.")];
    }
    return thinking && [400, anthropic("thinking: Extra inputs are not permitted")];
  },
};

/** Answers a schema by the tool for it, where it is offered one, else by a fence. */
class Refusing extends Wires {
  constructor(name) {
    super(name === "anthropic-like" ? "anthropic" : "openai");
    this.name = name;
    this.models = [{ id: "m" }];
  }

  answer(request, text, answer) {
    if (request.method === "GET") {
      super.answer(request, text, answer);
      return;
    }
    const body = JSON.parse(text);
    this.asked.push({ url: request.url, body: text });
    const refused = refusing[this.name](body);
    if (refused) {
      answer.writeHead(refused[0], { "content-type": "application/json" });
      answer.end(JSON.stringify(refused[1]));
      return;
    }
    const names = (body.tools ?? []).map((tool) => tool.name ?? tool.function.name);
    const tooled = names.includes("final_answer");
    assert.ok(!tooled || !body.response_format, "no format stands beside tools");
    const asked = tooled || body.response_format || text.includes("JSON Schema");
    const said = tooled ? { call: { id: "c", name: "final_answer", args: { sheep: 3 } } }
      : { text: asked ? '```json\n{"sheep": 3}\n```' : "ok" };
    answer.writeHead(200, { "content-type": "text/event-stream" });
    answer.end(framesOf(this.kind, said).map(({ bytes }) => bytes).join(""));
  }

  /** The requests since the last look, and what the last of them was. */
  look() {
    const bodies = this.bodies.map((body) => JSON.parse(body));
    this.asked = [];
    return { count: bodies.length, last: bodies.at(-1) };
  }

  async connect(flows) {
    const base_url = this.kind === "anthropic" ? this.url.replace(/\/v1$/, "") : this.url;
    const { name, kind } = this;
    const made = await flows.ask("POST", "/providers", { name, kind, base_url });
    assert.equal(made.status, 201, made.text);
    this.asked = []; // Its list of models.
    return `${this.name}/m`;
  }
}

const AGENT = whole(`
  const properties = { sheep: { type: "integer" } };
  const schema = { type: "object", properties, required: ["sheep"] };
  const tools = args.tools ? {} : { tools: [] };
  return await agent("count", { schema, effort: "low", ...tools });`);

/** Requests of the first turn and of the second; of an agent with a schema, without tools and with
 *  some; what the model is known to refuse then. */
const expected = {
  "deepseek-like": { turns: [1, 1], agents: [2, 1], refuses: ["json_schema"] },
  "ollama-like": { turns: [2, 1], agents: [1, 1], refuses: ["reasoning_effort"] },
  "vllm-like": {
    turns: [4, 1], agents: [1, 1], refuses: ["reasoning_effort", "system_role", "developer_role"],
  },
  "o-series-like": { turns: [2, 1], agents: [1, 1], refuses: ["system_role"] },
  "anthropic-like": { turns: [2, 1], agents: [1, 1], refuses: ["reasoning_effort"] },
};

async function turn(flows, model) {
  const body = { model, settings: { effort: "low" }, root: flows.root };
  const session = await flows.ask("POST", "/sessions", body);
  assert.equal(session.status, 201, session.text);
  const said = await flows.ask("POST", `/sessions/${session.json.id}/messages?wait=60`,
    { text: "hi" });
  assert.deepEqual([said.json.state, said.json.text], ["succeeded", "ok"], said.text);
  return said.json.run;
}

async function schemaAgent(flows, model, tools) {
  const { run, end } = await flows.run({ script: AGENT, model, args: { tools } });
  assert.deepEqual(end.result, { sheep: 3 });
  return (await flows.agents(run))[0].note ?? "";
}

const refuses = async (flows, model) =>
  (await flows.get("/models")).items.find(({ id }) => id === model).refuses;

test("each provider is asked again without what it refuses, and no more than that", async (t) => {
  const flows = await Workflows.open(t);
  await flows.ask("PATCH", "/settings", { title_model: "scripted/demo" });
  const providers = [];
  for (const [name, wanted] of Object.entries(expected)) {
    const provider = await new Refusing(name).start(t);
    const model = await provider.connect(flows);
    const counts = { turns: [], agents: [] };
    providers.push([provider, model]);
    for (let i = 0; i < 2; i++) {
      await turn(flows, model);
      counts.turns.push(provider.look().count);
    }
    for (const tools of [false, true]) {
      const note = await schemaAgent(flows, model, tools);
      const { count, last } = provider.look();
      counts.agents.push(count);
      const fenced = provider.kind === "openai" && !tools;
      assert.equal(note.includes("the JSON in a fence was taken"), fenced, note);
      // What was left out of this request is in the note, and nothing else.
      const effort = wanted.refuses.includes("reasoning_effort");
      assert.equal(note.includes("asked without reasoning_effort"), effort, note);
      assert.ok(!effort || !JSON.stringify(last).includes('"low"'));
    }
    assert.deepEqual(counts, { turns: wanted.turns, agents: wanted.agents }, name);
    assert.deepEqual(await refuses(flows, model), wanted.refuses, name);
  }

  // A test of the connection finds out about the limit of an answer, and says so.
  const [oSeries, model] = providers[3];
  const tested = await flows.ask("POST", "/providers/o-series-like/test", { model: "m" });
  assert.deepEqual([tested.json.ok, tested.json.refuses], [true, ["max_tokens"]], tested.text);
  const { count, last } = oSeries.look();
  assert.deepEqual([count, last.max_tokens, last.max_completion_tokens], [2, undefined, 256]);
  const cli = await flows.daemon.cli(["provider", "test", "o-series-like"]);
  assert.match(cli.stdout, /^it is called without what it refuses: max_tokens$/m);
  assert.match((await flows.daemon.cli(["models"])).stdout, /refuses max_tokens, system_role$/m);

  const file = flows.write("count.js", AGENT);
  const ran = await flows.daemon.cli(["run", file, "-m", "ollama-like/m", "--args", "{}"]);
  assert.match(ran.stdout + ran.stderr,
    /asked without reasoning_effort, which the model has refused; the JSON in a fence was taken/);

  // A restart keeps all of it; to forget it takes a word, or another address.
  await flows.daemon.kill();
  await flows.daemon.start();
  for (const [provider, its] of providers) {
    provider.look();
    await turn(flows, its);
    assert.equal(provider.look().count, 1, its);
  }
  await flows.daemon.cli(["provider", "forget", "o-series-like"]);
  assert.deepEqual(await refuses(flows, model), []);
  oSeries.look();
  await turn(flows, model);
  assert.equal(oSeries.look().count, 2);
});

test("what is refused whatever is left out is a bad request, after a few requests", async (t) => {
  const flows = await Workflows.open(t);
  const provider = await new Refusing("stubborn").start(t);
  refusing.stubborn = () => [400, openai("stream_options, system role and reasoning_effort: no")];
  const model = await provider.connect(flows);
  const session = await flows.ask("POST", "/sessions", { model, root: flows.root });
  const said = await flows.ask("POST", `/sessions/${session.json.id}/messages?wait=60`,
    { text: "hi" });
  assert.deepEqual([said.json.state, said.json.cause], ["failed", "bad_request"], said.text);
  assert.equal(provider.look().count, 4); // Each of them, and the other role.
  assert.deepEqual(await refuses(flows, model), []);
});
