// wires.mjs: a provider for tests that speaks the three interfaces, and says what it is told to.
import { Provider } from "./providers.mjs";

const event = (data) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
const chunk = (delta, finish = null) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;

const halves = (text) => [text.slice(0, text.length >> 1), text.slice(text.length >> 1)];
const all = (frames) => frames.map(({ bytes }) => bytes).join("");

/** The text of a call's arguments: `raw` as it stands, else `args` as JSON. */
const argsOf = ({ args, raw = JSON.stringify(args) }) => raw;

/** An answer is {text}, {call: {id, name, args | raw}} or both, after {thought} and after the items
 *  or blocks of {search}; with `cut` its longest length ends it, and with `declined` its provider's
 *  filter does, as each provider says so. It comes in frames {mark, bytes}: text and arguments in
 *  two pieces, with the mark "text" or "call" on the first. */
const inHalves = (mark, text, frame) =>
  halves(text).map((half, i) => ({ mark: i === 0 ? mark : "", bytes: frame(half) }));
const plain = (...list) => list.map((bytes) => ({ mark: "", bytes }));

/** Thinking as that kind says it, and as the next request of the turn has to give it back. */
const signature = "c2ln";
const signed = { type: "reasoning", id: "rs", summary: [], encrypted_content: signature };
export const THOUGHTS = {
  openai: (thought) => `"reasoning_content":"${thought}"`,
  responses: () => JSON.stringify(signed),
  anthropic: (thought) => JSON.stringify({ type: "thinking", thinking: thought, signature }),
};

function openai({ thought, text, call, cut, declined }) {
  const frames = [];
  if (thought) frames.push(...plain(chunk({ reasoning_content: thought })));
  if (text) frames.push(...inHalves("text", text, (content) => chunk({ content })));
  if (call) {
    const { name } = call;
    const begun = { index: 0, id: call.id, type: "function", function: { name, arguments: "" } };
    const piece = (args) => chunk({ tool_calls: [{ index: 0, function: { arguments: args } }] });
    frames.push(...plain(chunk({ tool_calls: [begun] })));
    frames.push(...inHalves("call", argsOf(call), piece));
  }
  const reason = declined ? "content_filter" : cut ? "length" : call ? "tool_calls" : "stop";
  return [...frames, ...plain(chunk({}, reason), "data: [DONE]\n\n")];
}

function responses({ thought, search = [], text, call, cut, declined }) {
  const frames = [], status = cut || declined ? "incomplete" : "completed";
  if (thought) {
    const type = "response.reasoning_summary_text.delta";
    const end = { type: "response.output_item.done", output_index: 0, item: signed };
    frames.push(...plain(event({ type, output_index: 0, delta: thought }), event(end)));
  }
  for (const item of search) {
    const started = { ...item, status: "in_progress", action: undefined };
    const one = (word, said) =>
      event({ type: `response.output_item.${word}`, output_index: 0, item: said });
    const type = "response.web_search_call.searching";
    const searching = event({ type, output_index: 0, item_id: item.id });
    frames.push(...plain(one("added", started), searching, one("done", item)));
  }
  const say = (delta) => event({ type: "response.output_text.delta", output_index: 0, delta });
  if (text) frames.push(...inHalves("text", text, say));
  if (call) {
    const place = { output_index: 1 };
    const item = (word, more) => {
      const { name, id: call_id } = call;
      const said = { type: "function_call", call_id, name, ...more };
      return event({ type: `response.output_item.${word}`, ...place, item: said });
    };
    const type = "response.function_call_arguments.delta";
    const args = argsOf(call);
    frames.push(...plain(item("added", { arguments: "" })));
    frames.push(...inHalves("call", args, (delta) => event({ type, ...place, delta })));
    frames.push(...plain(item("done", { arguments: args, status })));
  }
  const response = { id: "r", status, error: null };
  const reason = declined ? "content_filter" : "max_output_tokens";
  if (status === "incomplete") response.incomplete_details = { reason };
  return [...frames, ...plain(event({ type: `response.${status}`, response }))];
}

function anthropic({ thought, search = [], text, call, cut, declined, paused }) {
  const usage = { input_tokens: 1, output_tokens: 1 };
  const made = search.filter(({ type }) => type === "web_search_tool_result").length;
  if (made > 0) usage.server_tool_use = { web_search_requests: made };
  const message = { id: "m", role: "assistant", content: [], usage };
  const frames = plain(event({ type: "message_start", message }));
  const block = (index, content_block, mark, said, frame) => {
    const delta = (piece) => ({ type: "content_block_delta", index, delta: frame(piece) });
    frames.push(...plain(event({ type: "content_block_start", index, content_block })));
    frames.push(...inHalves(mark, said, (piece) => event(delta(piece))));
    frames.push(...plain(event({ type: "content_block_stop", index })));
  };
  if (thought) {
    const delta = (data) => event({ type: "content_block_delta", index: 0, delta: data });
    const content_block = { type: "thinking", thinking: "", signature: "" };
    frames.push(...plain(
      event({ type: "content_block_start", index: 0, content_block }),
      delta({ type: "thinking_delta", thinking: thought }),
      delta({ type: "signature_delta", signature }),
      event({ type: "content_block_stop", index: 0 }),
    ));
  }
  search.forEach((one, index) => {
    const { input, ...begun } = one;
    const frame = (piece) => ({ type: "input_json_delta", partial_json: piece });
    if (input) block(index, { ...begun, input: {} }, "", JSON.stringify(input), frame);
    else {
      frames.push(...plain(event({ type: "content_block_start", index, content_block: one }),
        event({ type: "content_block_stop", index })));
    }
  });
  if (text) {
    const frame = (piece) => ({ type: "text_delta", text: piece });
    block(0, { type: "text", text: "" }, "text", text, frame);
  }
  if (call) {
    const begun = { type: "tool_use", id: call.id, name: call.name, input: {} };
    const frame = (piece) => ({ type: "input_json_delta", partial_json: piece });
    block(1, begun, "call", argsOf(call), frame);
  }
  const stop_reason = declined ? "refusal" : cut ? "max_tokens" : call ? "tool_use"
    : paused ? "pause_turn" : "end_turn";
  const end = { type: "message_delta", delta: { stop_reason }, usage };
  return [...frames, ...plain(event(end), event({ type: "message_stop" }))];
}

const wires = { openai, responses, anthropic };
export const kinds = Object.keys(wires);
/** The frames in which a provider of that kind says it. */
export const framesOf = (kind, answer) => wires[kind](answer);

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
    answer.end(all(framesOf(this.kind, this.answers.shift() ?? { text: "ok" })));
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

/** Never answers a prompt with these words; others at once. */
export class Silent extends Wires {
  unanswered = 0; // Number of calls.

  constructor(words) {
    super("openai");
    this.words = words;
  }

  answer(request, body, answer) {
    if (body.includes(this.words)) this.unanswered++;
    else super.answer(request, body, answer);
  }
}
