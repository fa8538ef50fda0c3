/* anthropic.c: reads Anthropic's messages.
 *
 *   message_start {message {usage}}
 *   content_block_start {index, content_block {type text|thinking|redacted_thinking|tool_use, …}}
 *   content_block_delta {index, delta {type text_delta|thinking_delta|signature_delta|
 *                        input_json_delta, …}}
 *   content_block_stop {index}
 *   message_delta {delta {stop_reason}, usage}     output_tokens is a running total
 *   message_stop                                    the final marker
 *   ping, error {error {type, message}}
 *
 * Where a schema was asked for the answer is a call of our tool. Words around it are not the
 * answer, and nobody hears them; without such a call the words are all that there is, and are told
 * at the end.
 *
 * Blocks come one after the other. Thinking without its signature would be refused in the next
 * request, so a signature is kept verbatim; of a redacted block it is "redacted " and its data.
 */
#include "model/wire/wire.h"

static void set_if_said(int64_t *count, int64_t said) {
    *count = said >= 0 ? said : *count;
}

static void read_usage(struct stream *stream, const json_t *usage) {
    if (!json_is_object(usage)) {
        return;
    }
    struct usage_messages_counts *counts = &stream->counts;
    set_if_said(&counts->input_tokens, wire_number(usage, "input_tokens"));
    set_if_said(&counts->output_tokens, wire_number(usage, "output_tokens"));
    set_if_said(&counts->cache_read_input_tokens, wire_number(usage, "cache_read_input_tokens"));
    set_if_said(&counts->cache_creation_input_tokens,
                wire_number(usage, "cache_creation_input_tokens"));
    stream->answer.usage = usage_of_messages(counts);
    stream->answer.counted = true;
}

static void take_words(struct stream *stream, struct bytes words) {
    if (stream->answer_tool) {
        text_add(&stream->words, words.data, words.len);
    } else {
        (void)answer_text(&stream->answer, words); /* The next event asks. */
    }
}

/* No answer came by the tool. */
static void tell_words(struct stream *stream) {
    if (text_failed(&stream->words)) {
        answer_fail(&stream->answer, MODEL_TOO_LARGE, "the answer is too long");
    } else if (stream->words.len > 0) {
        (void)answer_text(&stream->answer, (struct bytes){stream->words.data, stream->words.len});
    }
    text_clear(&stream->words);
}

static void begin_block(struct stream *stream, const json_t *data) {
    struct answer *answer = &stream->answer;
    const json_t *block = json_object_get(data, "content_block");
    struct bytes type = wire_bytes(block, "type");
    stream->block_key = wire_number(data, "index");
    stream->block = BLOCK_NONE;
    if (wire_is(type, "text")) {
        stream->block = BLOCK_TEXT;
        take_words(stream, wire_bytes(block, "text"));
    } else if (wire_is(type, "thinking")) {
        stream->block = BLOCK_THINKING;
        (void)answer_thinking(answer, wire_bytes(block, "thinking"));
    } else if (wire_is(type, "redacted_thinking")) {
        stream->block = BLOCK_THINKING;
        (void)(answer_signature(answer, BYTES("redacted ")) &&
               answer_signature(answer, wire_bytes(block, "data")));
    } else if (wire_is(type, "tool_use")) {
        struct bytes name = wire_bytes(block, "name");
        if (wire_is(name, WIRE_ANSWER_TOOL)) {
            stream->block = BLOCK_ANSWER;
            stream->answered = true;
            return;
        }
        stream->block = BLOCK_CALL;
        (void)answer_call(answer, stream->block_key, wire_bytes(block, "id"), name);
    }
}

static void read_delta(struct stream *stream, const json_t *delta) {
    struct answer *answer = &stream->answer;
    struct bytes type = wire_bytes(delta, "type");
    if (wire_is(type, "text_delta")) {
        take_words(stream, wire_bytes(delta, "text"));
    } else if (wire_is(type, "thinking_delta")) {
        (void)answer_thinking(answer, wire_bytes(delta, "thinking"));
    } else if (wire_is(type, "signature_delta")) {
        (void)answer_signature(answer, wire_bytes(delta, "signature"));
    } else if (wire_is(type, "input_json_delta")) {
        struct bytes piece = wire_bytes(delta, "partial_json");
        (void)(stream->block == BLOCK_ANSWER ? answer_text(answer, piece)
                                             : answer_call_piece(answer, stream->block_key, piece));
    }
}

static void end_block(struct stream *stream) {
    if (stream->block == BLOCK_THINKING) {
        (void)answer_thinking_done(&stream->answer);
    }
    stream->block = BLOCK_NONE;
}

/* A call whose arguments the length cut off gets its content_block_stop all the same. So which call
 * is whole is known only with the reason, behind all of them, and answer_end tells it. */
static enum model_stop stop_of(struct bytes reason) {
    if (wire_is(reason, "max_tokens") || wire_is(reason, "model_context_window_exceeded")) {
        return MODEL_STOP_LENGTH;
    }
    return wire_is(reason, "refusal") ? MODEL_STOP_REFUSED : MODEL_STOP_END;
}

static void read_event(struct stream *stream, const char *name, const json_t *data) {
    (void)name; /* Each event says its type in its data, too. */
    struct bytes type = wire_bytes(data, "type");
    if (wire_is(type, "content_block_delta")) {
        read_delta(stream, json_object_get(data, "delta"));
    } else if (wire_is(type, "content_block_start")) {
        begin_block(stream, data);
    } else if (wire_is(type, "content_block_stop")) {
        end_block(stream);
    } else if (wire_is(type, "message_start")) {
        read_usage(stream, json_object_get(json_object_get(data, "message"), "usage"));
    } else if (wire_is(type, "message_delta")) {
        read_usage(stream, json_object_get(data, "usage"));
        stream->stop = stop_of(wire_bytes(json_object_get(data, "delta"), "stop_reason"));
    } else if (wire_is(type, "message_stop")) {
        if (!stream->answered) {
            tell_words(stream);
        }
        answer_stop(&stream->answer, stream->stop);
        stream->over = true;
    }
}

const struct wire wire_anthropic = {
    .path = "/v1/messages", .build = wire__anthropic_build, .event = read_event};
