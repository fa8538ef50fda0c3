// usage-shapes.mjs: what each provider says of an answer "ok", as it comes over the wire, and what
// that is in drover's words. Chunks that carry no usage look as each of them sends them, too.

const data = (value) => `data: ${JSON.stringify(value)}\n\n`;
const event = (value) => `event: ${value.type}\n${data(value)}`;
const body = (id, more) => ({ id, object: "chat.completion.chunk", created: 1763700000, ...more });
const choice = (delta, finish_reason = null, more = {}) => ({
  choices: [{ index: 0, delta, logprobs: null, finish_reason, ...more }],
});
const DONE = "data: [DONE]\n\n";

/** With `stream_options.include_usage`: null on every chunk, and the last one has no choice. */
const openai = () => {
  const head = { model: "gpt-5-mini", service_tier: "default", system_fingerprint: "fp_1" };
  const chunk = (more, usage = null) => data(body("chatcmpl-1", { ...head, ...more, usage }));
  return [
    chunk(choice({ role: "assistant", content: "", refusal: null })),
    chunk(choice({ content: "ok" })),
    chunk(choice({}, "stop")),
    chunk({ choices: [] }, {
      prompt_tokens: 2006,
      completion_tokens: 300,
      total_tokens: 2306,
      prompt_tokens_details: { cached_tokens: 1920, audio_tokens: 0 },
      completion_tokens_details: {
        reasoning_tokens: 192,
        audio_tokens: 0,
        accepted_prediction_tokens: 0,
        rejected_prediction_tokens: 0,
      },
    }),
    DONE,
  ];
};

/** The usage comes with the finish. */
const deepseek = () => {
  const chunk = (more) => data(body("d4", { model: "deepseek-chat", ...more }));
  const usage = {
    prompt_tokens: 1000,
    completion_tokens: 120,
    total_tokens: 1120,
    prompt_tokens_details: { cached_tokens: 896 },
    completion_tokens_details: { reasoning_tokens: 80 },
    prompt_cache_hit_tokens: 896,
    prompt_cache_miss_tokens: 104,
  };
  return [
    chunk(choice({ role: "assistant", content: null, reasoning_content: "" })),
    chunk(choice({ content: null, reasoning_content: "let me see" })),
    chunk(choice({ content: "ok", reasoning_content: null })),
    chunk({ ...choice({ content: "" }, "stop"), usage }),
    DONE,
  ];
};

const vllm = () => {
  const chunk = (more) => data(body("chatcmpl-9f", { model: "Qwen/Qwen3-8B", ...more }));
  return [
    chunk(choice({ role: "assistant", content: "" })),
    chunk(choice({ content: "ok" })),
    chunk(choice({ content: "" }, "stop", { stop_reason: null })),
    chunk({
      choices: [],
      usage: {
        prompt_tokens: 31,
        total_tokens: 40,
        completion_tokens: 9,
        prompt_tokens_details: null,
      },
    }),
    DONE,
  ];
};

const ollama = () => {
  const head = { model: "qwen3:4b", system_fingerprint: "fp_ollama" };
  const chunk = (more) => data(body("chatcmpl-7", { ...head, ...more }));
  return [
    chunk(choice({ role: "assistant", content: "ok" })),
    chunk(choice({ role: "assistant", content: "" }, "stop")),
    chunk({ choices: [], usage: { prompt_tokens: 26, completion_tokens: 298, total_tokens: 324 } }),
    DONE,
  ];
};

const llamacpp = () => {
  const chunk = (more) => data(body("chatcmpl-b", { model: "gpt-3.5-turbo", ...more }));
  return [
    chunk(choice({ role: "assistant", content: null })),
    chunk(choice({ content: "ok" })),
    chunk(choice({}, "stop")),
    chunk({
      choices: [],
      usage: { completion_tokens: 9, prompt_tokens: 31, total_tokens: 40 },
      timings: { cache_n: 0, prompt_n: 31, prompt_ms: 120.5, predicted_n: 9, predicted_ms: 300.25 },
    }),
    DONE,
  ];
};

/** Its input leaves out what the cache had and took; the output is the sum so far. */
const anthropic = () => {
  const input = {
    input_tokens: 3,
    cache_creation_input_tokens: 2051,
    cache_read_input_tokens: 188086,
  };
  const message = {
    id: "msg_01",
    type: "message",
    role: "assistant",
    model: "claude-sonnet-4-5",
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: {
      ...input,
      cache_creation: { ephemeral_5m_input_tokens: 2051, ephemeral_1h_input_tokens: 0 },
      output_tokens: 5,
      service_tier: "standard",
    },
  };
  return [
    event({ type: "message_start", message }),
    event({ type: "content_block_start", index: 0, content_block: { type: "text", text: "" } }),
    event({ type: "ping" }),
    event({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "ok" } }),
    event({ type: "content_block_stop", index: 0 }),
    event({
      type: "message_delta",
      delta: { stop_reason: "end_turn", stop_sequence: null },
      usage: { ...input, output_tokens: 503 },
    }),
    event({ type: "message_stop" }),
  ];
};

const responses = () => {
  const response = (status, usage) => ({
    id: "resp_1",
    object: "response",
    status,
    error: null,
    incomplete_details: null,
    model: "gpt-5-mini",
    output: [],
    usage,
  });
  const place = { item_id: "msg_1", output_index: 0, content_index: 0 };
  return [
    event({
      type: "response.created",
      sequence_number: 0,
      response: response("in_progress", null),
    }),
    event({ type: "response.output_text.delta", sequence_number: 1, ...place, delta: "ok" }),
    event({
      type: "response.completed",
      sequence_number: 2,
      response: response("completed", {
        input_tokens: 328,
        input_tokens_details: { cached_tokens: 256 },
        output_tokens: 52,
        output_tokens_details: { reasoning_tokens: 16 },
        total_tokens: 380,
      }),
    }),
  ];
};

const shape = (name, kind, frames, [fresh, cache_read, cache_write, output, reasoning]) => ({
  name,
  kind,
  bytes: frames().join(""),
  usage: { fresh, cache_read, cache_write, output, reasoning },
});

export const shapes = [
  shape("OpenAI", "openai", openai, [86, 1920, 0, 300, 192]),
  shape("OpenAI's Responses", "responses", responses, [72, 256, 0, 52, 16]),
  shape("DeepSeek", "openai", deepseek, [104, 896, 0, 120, 80]),
  shape("Anthropic", "anthropic", anthropic, [3, 188086, 2051, 503, 0]),
  shape("vLLM", "openai", vllm, [31, 0, 0, 9, 0]),
  shape("Ollama", "openai", ollama, [26, 0, 0, 298, 0]),
  shape("llama.cpp", "openai", llamacpp, [31, 0, 0, 9, 0]),
];
