// wires.mjs: a provider for tests that speaks the three interfaces, and says what it is told to.
import { Provider } from "./providers.mjs";

const event = (data) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
const chunk = (delta, finish = null) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;

const asked = ({ name, args }) => ({ name, arguments: JSON.stringify(args) });

/** An answer is {text} or {call: {id, name, args}}. */
function openai({ text, call }) {
  const said = call
    ? { tool_calls: [{ index: 0, id: call.id, type: "function", function: asked(call) }] }
    : { content: text };
  return `${chunk(said)}${chunk({}, call ? "tool_calls" : "stop")}data: [DONE]\n\n`;
}

function responses({ text, call }) {
  const response = { id: "r", status: "completed", error: null };
  const item = (event, more) => ({
    type: `response.output_item.${event}`,
    output_index: 0,
    item: { type: "function_call", call_id: call.id, ...asked(call), ...more },
  });
  const said = call
    ? event(item("added", { arguments: "" })) + event(item("done", { status: "completed" }))
    : event({ type: "response.output_text.delta", delta: text });
  return said + event({ type: "response.completed", response });
}

function anthropic({ text, call }) {
  const usage = { input_tokens: 1, output_tokens: 1 };
  const blocks = [];
  if (text !== undefined) {
    blocks.push([{ type: "text", text: "" }, { type: "text_delta", text }]);
  }
  if (call) {
    const json = { type: "input_json_delta", partial_json: JSON.stringify(call.args) };
    blocks.push([{ type: "tool_use", id: call.id, name: call.name, input: {} }, json]);
  }
  return [
    { type: "message_start", message: { id: "m", role: "assistant", content: [], usage } },
    ...blocks.flatMap(([block, delta], index) => [
      { type: "content_block_start", index, content_block: block },
      { type: "content_block_delta", index, delta },
      { type: "content_block_stop", index },
    ]),
    { type: "message_delta", delta: { stop_reason: call ? "tool_use" : "end_turn" }, usage },
    { type: "message_stop" },
  ].map(event).join("");
}

const wires = { openai, responses, anthropic };
export const kinds = Object.keys(wires);

export class Wires extends Provider {
  /** What it says next, once each; behind the last: "ok". */
  answers = [];

  constructor(kind) {
    super();
    this.kind = kind;
  }

  /** What it was asked, without the listing of its models. */
  get bodies() {
    return this.asked.filter((one) => one.body !== "").map((one) => one.body);
  }

  answer(request, body, answer) {
    if (request.method === "GET") {
      super.answer(request, body, answer);
      return;
    }
    this.asked.push({ url: request.url, headers: request.headers, body });
    answer.writeHead(200, { "content-type": "text/event-stream" });
    answer.end(wires[this.kind](this.answers.shift() ?? { text: "ok" }));
  }

  /** A connection of this kind, and the model to name. */
  async connect(turns) {
    const base_url = this.kind === "anthropic" ? this.url.replace(/\/v1$/, "") : this.url;
    const body = { name: "test", kind: this.kind, base_url };
    const made = await turns.ask("POST", "/providers", body);
    if (made.status !== 201) throw new Error(made.text);
    return "test/small";
  }
}
