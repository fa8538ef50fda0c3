/* responses.c: reads OpenAI's Responses interface. Each event has its type in its data.
 *
 *   response.output_item.added {output_index, item {type message|reasoning|function_call, …}}
 *   response.output_text.delta, response.refusal.delta {delta}
 *   response.reasoning_summary_text.delta, response.reasoning_text.delta {delta}
 *   response.function_call_arguments.delta {output_index, delta}
 *   response.output_item.done {output_index, item}
 *   response.completed | incomplete | failed {response {usage, incomplete_details, error}}
 *   error {code, message}
 *
 * The first two of the last are the final marker. A reasoning item with its encrypted content is
 * kept whole as the signature: the next request gives it back as it was.
 */
#include "model/fault.h"
#include "model/wire/wire.h"

static void read_usage(struct answer *answer, const json_t *usage) {
    if (!json_is_object(usage)) {
        return;
    }
    const json_t *input = json_object_get(usage, "input_tokens_details");
    const json_t *output = json_object_get(usage, "output_tokens_details");
    const struct usage_responses_counts counts = {
        .input_tokens = wire_number(usage, "input_tokens"),
        .output_tokens = wire_number(usage, "output_tokens"),
        .cached_tokens = wire_number(input, "cached_tokens"),
        .reasoning_tokens = wire_number(output, "reasoning_tokens"),
    };
    answer->usage = usage_of_responses(&counts);
    answer->counted = true;
}

static void begin_item(struct stream *stream, const json_t *data) {
    const json_t *item = json_object_get(data, "item");
    if (wire_is(wire_bytes(item, "type"), "function_call")) {
        (void)answer_call(&stream->answer, wire_number(data, "output_index"),
                          wire_bytes(item, "call_id"), wire_bytes(item, "name"));
    }
}

/* The item as the next request may send it back: without its status, which is refused there. */
static void keep_reasoning(struct answer *answer, const json_t *item) {
    AUTO(text_done) struct text text;
    text_init(&text, ANSWER_SIGNATURE_MAX);
    struct bytes id = wire_bytes(item, "id"), secret = wire_bytes(item, "encrypted_content");
    const json_t *summary = json_object_get(item, "summary");
    if (secret.len == 0) {
        return; /* Nothing that another request could use. */
    }
    text_add_str(&text, "{\"type\":\"reasoning\",\"id\":");
    text_add_json(&text, id.data, id.len);
    text_add_str(&text, ",\"summary\":");
    if (!json_is_array(summary)) {
        text_add_str(&text, "[]");
    } else if (err_failed(json_write(summary, &text))) {
        return;
    }
    text_add_str(&text, ",\"encrypted_content\":");
    text_add_json(&text, secret.data, secret.len);
    text_add_char(&text, '}');
    if (!text_failed(&text)) {
        (void)answer_signature(answer, (struct bytes){text.data, text.len});
    }
}

static void end_item(struct stream *stream, const json_t *data) {
    struct answer *answer = &stream->answer;
    const json_t *item = json_object_get(data, "item");
    struct bytes type = wire_bytes(item, "type"), status = wire_bytes(item, "status");
    int64_t key = wire_number(data, "output_index");
    if (wire_is(type, "reasoning")) {
        keep_reasoning(answer, item);
        (void)answer_thinking_done(answer); /* The next event asks. */
    } else if (wire_is(type, "function_call") && wire_is(status, "completed")) {
        (void)answer_call_done(answer, key);
    } else if (wire_is(type, "function_call") && wire_is(status, "incomplete")) {
        answer_call_cut(answer, key);
    }
}

static void read_end(struct stream *stream, const json_t *response, enum model_stop stop) {
    read_usage(&stream->answer, json_object_get(response, "usage"));
    if (stream->answer.stop != MODEL_STOP_REFUSED) {
        answer_stop(&stream->answer, stop);
    }
    stream->over = true;
}

static enum model_stop stop_of_incomplete(const json_t *response) {
    struct bytes reason = wire_bytes(json_object_get(response, "incomplete_details"), "reason");
    return wire_is(reason, "content_filter") ? MODEL_STOP_REFUSED : MODEL_STOP_LENGTH;
}

static void read_delta(struct stream *stream, struct bytes type, const json_t *data) {
    struct answer *answer = &stream->answer;
    struct bytes delta = wire_bytes(data, "delta");
    if (wire_is(type, "response.output_text.delta")) {
        (void)answer_text(answer, delta);
    } else if (wire_is(type, "response.reasoning_summary_text.delta") ||
               wire_is(type, "response.reasoning_text.delta")) {
        (void)answer_thinking(answer, delta);
    } else if (wire_is(type, "response.function_call_arguments.delta")) {
        (void)answer_call_piece(answer, wire_number(data, "output_index"), delta);
    } else if (wire_is(type, "response.refusal.delta")) {
        answer_stop(answer, MODEL_STOP_REFUSED);
        (void)answer_text(answer, delta);
    }
}

static void read_event(struct stream *stream, const char *name, const json_t *data) {
    (void)name;
    struct bytes type = wire_bytes(data, "type");
    const json_t *response = json_object_get(data, "response");
    if (wire_is(type, "response.output_item.added")) {
        begin_item(stream, data);
    } else if (wire_is(type, "response.output_item.done")) {
        end_item(stream, data);
    } else if (wire_is(type, "response.completed")) {
        read_end(stream, response, MODEL_STOP_END);
    } else if (wire_is(type, "response.incomplete")) {
        read_end(stream, response, stop_of_incomplete(response));
    } else if (wire_is(type, "response.failed")) {
        read_usage(&stream->answer, json_object_get(response, "usage"));
        fault_of_event(response, stream->secret, &stream->answer.failure);
    } else {
        read_delta(stream, type, data);
    }
}

const struct wire wire_responses = {
    .path = "/responses", .build = wire__responses_build, .event = read_event};
