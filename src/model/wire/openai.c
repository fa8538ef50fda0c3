/* openai.c: reads chat completions, as OpenAI, DeepSeek, vLLM, llama.cpp, Ollama and others stream
 * them.
 *
 *   data: {"choices": [{"index": 0, "delta": {…}, "finish_reason": null}], "usage": null}
 *
 * delta: content; reasoning_content (or reasoning); refusal; tool_calls [{index, id, type, function
 * {name, arguments}}], id and name first, arguments in pieces, all keyed by index. The last chunk
 * with a choice has finish_reason; one without choices may follow with usage; then "[DONE]", which
 * some leave out. Without finish_reason and without [DONE] the stream was cut.
 *
 * Servers that say reasoning_content want it back, and others refuse a request that has it. So the
 * signature of thinking is the name of that member, or nothing.
 */
#include "model/wire/wire.h"

static void read_usage(struct answer *answer, const json_t *usage) {
    if (!json_is_object(usage)) {
        return;
    }
    const json_t *prompt = json_object_get(usage, "prompt_tokens_details");
    const json_t *completion = json_object_get(usage, "completion_tokens_details");
    const struct usage_chat_counts counts = {
        .prompt_tokens = wire_number(usage, "prompt_tokens"),
        .completion_tokens = wire_number(usage, "completion_tokens"),
        .total_tokens = wire_number(usage, "total_tokens"),
        .cached_tokens = wire_number(prompt, "cached_tokens"),
        .reasoning_tokens = wire_number(completion, "reasoning_tokens"),
        .cache_hit = wire_number(usage, "prompt_cache_hit_tokens"),
        .cache_miss = wire_number(usage, "prompt_cache_miss_tokens"),
    };
    answer->usage = usage_of_chat(&counts);
    answer->counted = true;
}

/* Some number every call 0, or not at all, and tell them apart by their ids alone. */
static int64_t key_of(const struct stream *stream, const json_t *call, bool named) {
    int64_t key = wire_number(call, "index");
    int64_t next = (int64_t)stream->answer.call_count;
    if (key < 0) {
        return named ? next : stream->call_key;
    }
    if (!named || !answer_call_known(&stream->answer, key)) {
        return key;
    }
    const struct answer_call *known = &stream->answer.calls[0];
    for (size_t i = 0; i < stream->answer.call_count; i++) {
        known = stream->answer.calls[i].key == key ? &stream->answer.calls[i] : known;
    }
    struct bytes id = wire_bytes(call, "id");
    bool same = id.len == 0 || known->id == NULL || wire_is(id, known->id);
    return same ? key : INT64_C(1000000) + next;
}

static bool read_call(struct stream *stream, const json_t *call) {
    struct answer *answer = &stream->answer;
    const json_t *function = json_object_get(call, "function");
    struct bytes id = wire_bytes(call, "id"), name = wire_bytes(function, "name");
    stream->call_key = key_of(stream, call, name.len > 0);
    return answer_call(answer, stream->call_key, id, name) &&
           answer_call_piece(answer, stream->call_key, wire_bytes(function, "arguments"));
}

static bool read_delta(struct stream *stream, const json_t *delta) {
    struct answer *answer = &stream->answer;
    struct bytes thinking = wire_bytes(delta, WIRE_REASONING);
    if (thinking.len > 0 && answer->signature.len == 0 &&
        !answer_signature(answer, BYTES(WIRE_REASONING))) {
        return false;
    }
    thinking = thinking.len > 0 ? thinking : wire_bytes(delta, "reasoning");
    if (!answer_thinking(answer, thinking) || !answer_text(answer, wire_bytes(delta, "content"))) {
        return false;
    }
    struct bytes refusal = wire_bytes(delta, "refusal");
    if (refusal.len > 0) {
        answer_stop(answer, MODEL_STOP_REFUSED);
        (void)answer_text(answer, refusal); /* The next step asks. */
    }
    const json_t *calls = json_object_get(delta, "tool_calls");
    for (size_t i = 0; i < json_array_size(calls) && answer_goes_on(answer); i++) {
        if (!read_call(stream, json_array_get(calls, i))) {
            return false;
        }
    }
    return answer_goes_on(answer);
}

static void read_finish(struct answer *answer, struct bytes reason) {
    if (reason.len == 0 || answer->stop == MODEL_STOP_REFUSED) {
        return;
    }
    if (wire_is(reason, "length")) {
        answer_stop(answer, MODEL_STOP_LENGTH);
    } else if (wire_is(reason, "content_filter")) {
        answer_stop(answer, MODEL_STOP_REFUSED);
    } else if (wire_is(reason, "tool_calls") || wire_is(reason, "function_call")) {
        answer_stop(answer, answer->call_count > 0 ? MODEL_STOP_TOOLS : MODEL_STOP_END);
    } else {
        answer_stop(answer, MODEL_STOP_END);
    }
}

static void read_event(struct stream *stream, const char *name, const json_t *data) {
    (void)name; /* Chat completions name no events. */
    const json_t *choice = json_array_get(json_object_get(data, "choices"), 0);
    read_usage(&stream->answer, json_object_get(data, "usage"));
    if (read_delta(stream, json_object_get(choice, "delta"))) {
        read_finish(&stream->answer, wire_bytes(choice, "finish_reason"));
    }
}

const struct wire wire_openai = {
    .path = "/chat/completions", .build = wire__openai_build, .event = read_event};
