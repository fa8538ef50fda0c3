// provider.mjs: a provider of models for real agents. It speaks chat completions, responses and
// messages, and ends as its case says:
//
//   turn       a short text                        401, 429, 500   this status, each time
//   tool       one command, then a short text      truncated       a stream without its end
//   fallback   the same, before any part of it was whole
//   hang       the beginning of a text, and then nothing
//   held       the same, and its end when release() is called
//
// A port that nobody listens on is the refused connection: that of start(false), until listen().
import { once } from "node:events";
import http from "node:http";

export const usage = { input: 100, output: 20 };
// Words of the model, in pieces.
export const words = ["Hello", " from", " the model."];
const messageOf = { 401: "invalid key", 429: "rate limit reached", 500: "internal error" };
// One that changes a file: claude asks only for such.
export const command = "echo from-the-tool | tee said";

export class Provider {
  requests = 0;
  asked = []; // Bodies of requests that it began to answer, without those for a title.
  whole = 0; // Number of those that it answered to the end.
  case = "turn";
  retryAfter = 1; // Seconds that it names with a status that is a failure.
  begun = () => {}; // Called when the first piece of an answer was sent.

  async start(listens = true) {
    this.server = http.createServer((request, answer) => {
      let body = "";
      request.on("data", (piece) => (body += piece));
      request.on("end", () => this.answer(request.url.split("?")[0], body, answer));
    });
    await this.listen();
    this.port = this.server.address().port;
    if (!listens) await this.stop();
    return this;
  }

  /** Again on the same port, after stop(). */
  async listen() {
    this.server.listen(this.port ?? 0, "127.0.0.1");
    await once(this.server, "listening");
  }

  async stop() {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }

  /** Sends the rest of the held answers; resolves when the sockets have taken it. */
  async release() {
    const held = this.held.splice(0).filter(({ answer }) => !answer.destroyed);
    const sent = held.map(({ answer }) => once(answer, "close"));
    held.forEach(({ finish }) => finish());
    await Promise.all(sent);
  }
  held = [];

  answer(path, body, answer) {
    const write = { "/v1/messages": messages, "/v1/responses": responses,
                    "/v1/chat/completions": chat }[path];
    if (!write || !body) {
      answer.writeHead(404).end();
      return;
    }
    this.requests++;
    const status = Number(this.case);
    if (status > 0) {
      const error = { type: "error", message: messageOf[status] };
      answer.writeHead(status, { "content-type": "application/json",
                                 "retry-after": `${this.retryAfter}` });
      answer.end(JSON.stringify({ type: "error", error }));
      return;
    }
    const asked = JSON.parse(body);
    const tools = asked.tools?.length > 0; // Without any, it wants a title.
    const used = JSON.stringify(asked.messages ?? asked.input).includes("from-the-tool");
    if (tools) this.asked.push(JSON.stringify(asked));
    const type = asked.stream ? "text/event-stream" : "application/json";
    answer.writeHead(200, { "content-type": type });
    const whole = !asked.stream || this.case === "held" && !tools ||
      !["hang", "held", "truncated", "fallback"].includes(this.case);
    const end = whole ? "whole" : this.case;
    const rest = write(answer, { tool: this.case === "tool" && tools && !used, end, asked });
    const finish = () => {
      if (tools) this.whole++;
      rest();
    };
    if (whole) finish();
    if (end === "truncated" || end === "fallback") answer.end();
    if (end === "held") this.held.push({ answer, finish });
    if (end === "hang" || end === "held") this.begun();
  }
}

function messages(answer, { tool, end, asked }) {
  if (!asked.stream) {
    return () => answer.end(JSON.stringify({
      id: "msg_1", type: "message", role: "assistant", model: asked.model,
      content: [{ type: "text", text: words.join("") }], stop_reason: "end_turn",
      usage: { input_tokens: usage.input, output_tokens: usage.output },
    }));
  }
  const send = (type, rest) =>
    answer.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`);
  const say = (text) =>
    send("content_block_delta", { index: 1, delta: { type: "text_delta", text } });
  send("message_start", { message: {
    id: `msg_${tool ? 1 : 2}`, type: "message", role: "assistant", model: asked.model, content: [],
    usage: { input_tokens: usage.input, cache_read_input_tokens: 10, output_tokens: 1 },
  } });
  if (tool) {
    const block = { type: "tool_use", id: "toolu_1", name: "Bash", input: {} };
    send("content_block_start", { index: 0, content_block: block });
    send("content_block_delta", { index: 0, delta: {
      type: "input_json_delta",
      partial_json: JSON.stringify({ command, description: "says a word" }) } });
  } else {
    if (end !== "fallback") {
      send("content_block_start", { index: 0, content_block: { type: "thinking", thinking: "" } });
      send("content_block_delta",
        { index: 0, delta: { type: "thinking_delta", thinking: "A greeting." } });
      send("content_block_delta",
        { index: 0, delta: { type: "signature_delta", signature: "c2lnbmF0dXJl" } });
      send("content_block_stop", { index: 0 });
    }
    send("content_block_start", { index: 1, content_block: { type: "text", text: "" } });
    say(words[0]);
  }
  return () => {
    if (!tool) words.slice(1).forEach(say);
    send("content_block_stop", { index: tool ? 0 : 1 });
    send("message_delta", {
      delta: { stop_reason: tool ? "tool_use" : "end_turn" },
      usage: { output_tokens: usage.output } });
    send("message_stop", {});
    answer.end();
  };
}

function responses(answer, { tool }) {
  const send = (type, rest) =>
    answer.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`);
  const say = (delta) =>
    send("response.output_text.delta", { item_id: "msg_1", output_index: 1, delta });
  const id = `resp_${tool ? 1 : 2}`;
  send("response.created", { response: { id, status: "in_progress" } });
  const item = tool
    ? { type: "function_call", id: "fc_1", call_id: "call_1", name: "exec_command",
        arguments: JSON.stringify({ cmd: command }) }
    : { type: "message", id: "msg_1", role: "assistant",
        content: [{ type: "output_text", text: words.join("") }] };
  if (!tool) {
    const reasoning = { type: "reasoning", id: "rs_1", encrypted_content: null,
                        summary: [{ type: "summary_text", text: "A greeting." }] };
    send("response.output_item.done", { output_index: 0, item: reasoning });
    send("response.output_item.added", { output_index: 1, item: { ...item, content: [] } });
    say(words[0]);
  }
  return () => {
    if (!tool) words.slice(1).forEach(say);
    send("response.output_item.done", { output_index: 1, item });
    send("response.completed", { response: { id, status: "completed", usage: {
      input_tokens: usage.input, input_tokens_details: { cached_tokens: 10 },
      output_tokens: usage.output, output_tokens_details: { reasoning_tokens: 5 },
      total_tokens: usage.input + usage.output } } });
    answer.end();
  };
}

function chat(answer, { tool, asked }) {
  const send = (delta, finish = null) => answer.write(`data: ${JSON.stringify({
    id: "chat_1", object: "chat.completion.chunk", model: asked.model,
    choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`);
  if (tool) {
    send({ role: "assistant", tool_calls: [{ index: 0, id: "call_1", type: "function", function: {
      name: "bash", arguments: JSON.stringify({ command, description: "says a word" }) } }] });
  } else {
    send({ role: "assistant", reasoning_content: "A greeting." });
    send({ content: words[0] });
  }
  return () => {
    if (!tool) words.slice(1).forEach((content) => send({ content }));
    send({}, tool ? "tool_calls" : "stop");
    answer.write(`data: ${JSON.stringify({ id: "chat_1", choices: [], usage: {
      prompt_tokens: usage.input, completion_tokens: usage.output,
      total_tokens: usage.input + usage.output,
      prompt_tokens_details: { cached_tokens: 10 } } })}\n\n`);
    answer.end("data: [DONE]\n\n");
  };
}
