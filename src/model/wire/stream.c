/* stream.c: events, one by one, to the reader of the connection's kind. */
#include "model/wire/wire.h"

#include <string.h>

#include "model/failure.h"

#define DONE_MARK "[DONE]"
enum { NO_KEY = -1 };

void stream_init(struct stream *stream, const struct wire *wire, const struct model_watch *watch,
                 void *ctx, uint64_t salt) {
    *stream = (struct stream){.wire = wire,
                              .counts = {-1, -1, -1, -1, -1},
                              .words = text_up_to(ANSWER_TEXT_MAX),
                              .extra = text_up_to(ANSWER_EXTRA_MAX),
                              .spare_key = NO_KEY};
    answer_init(&stream->answer, watch, ctx, salt);
    sse_init(&stream->sse);
}

void stream_done(struct stream *stream) {
    answer_done(&stream->answer);
    text_done(&stream->words);
    text_done(&stream->extra);
    sse_done(&stream->sse);
    json_release(&stream->searches);
}

void stream_clear(struct stream *stream, const char *secret) {
    answer_clear(&stream->answer);
    text_clear(&stream->words);
    text_clear(&stream->extra);
    sse_clear(&stream->sse);
    json_release(&stream->searches);
    *stream = (struct stream){.wire = stream->wire,
                              .secret = secret,
                              .answer = stream->answer,
                              .sse = stream->sse,
                              .counts = {-1, -1, -1, -1, -1},
                              .words = stream->words,
                              .extra = stream->extra,
                              .answer_tool = stream->answer_tool,
                              .spare_key = NO_KEY};
}

static bool stream_found(struct stream *stream, enum sse_found what) {
    if (what == SSE_TOO_LARGE) {
        answer_fail(&stream->answer, MODEL_TOO_LARGE, "one event has more than %d bytes",
                    SSE_EVENT_MAX);
    }
    return what == SSE_EVENT;
}

bool stream_pull(struct stream *stream, struct bytes *rest, struct sse_event *ret_event) {
    if (stream->over || !answer_goes_on(&stream->answer)) {
        rest->len = 0;
        return false;
    }
    return stream_found(stream, sse_pull(&stream->sse, rest, ret_event));
}

struct err stream_parse(struct bytes data, json_t **ret_json) {
    return json_parse(data.data, data.len, JSON_DEPTH_MAX, ret_json, /* why */ NULL);
}

void stream_take_json(struct stream *stream, const char *name, struct err parsed,
                      const json_t *json) {
    struct answer *answer = &stream->answer;
    if (stream->over || !answer_goes_on(answer)) {
        return;
    }
    /* An error after a 200: as an event of that name, or an object that holds one. */
    const json_t *error = json_object_get(json, "error");
    bool is_error = strcmp(name, "error") == 0 || bytes_is(json_bytes(json, "type"), "error") ||
                    json_is_object(error) || json_is_string(error);
    if (err_failed(parsed)) {
        answer_fail(answer, parsed.code == ERR_BAD_JSON ? MODEL_BAD_RESPONSE : MODEL_TOO_LARGE,
                    "an event of the stream is not valid JSON");
    } else if (is_error) {
        fault_of_event(json, stream->secret, &answer->failure);
    } else {
        stream->wire->event(stream, name, json);
    }
}

void stream_take(struct stream *stream, const struct sse_event *event) {
    if (bytes_is(event->data, DONE_MARK)) {
        /* A server of chat completions that sends it has not been cut off, even if it gave no
         * reason to finish. Proxies send it after other streams, too, where it says nothing. */
        if (stream->wire == &wire_openai) {
            if (!stream->answer.stopped) {
                stream_stop(stream, MODEL_STOP_END);
            }
            stream->over = true;
        }
        return;
    }
    AUTO(json_release) json_t *json = NULL;
    struct err parsed = stream_parse(event->data, &json);
    char name[SSE_NAME_MAX + 1];
    memcpy(name, event->name.data, event->name.len);
    name[event->name.len] = '\0';
    stream_take_json(stream, name, parsed, json);
}

void stream_take_whole(struct stream *stream, const struct success *success) {
    const json_t *json = success->json;
    if (!json_is_object(json) || !stream->wire->whole(stream, json)) {
        fault_of_success(success->status, success->body, stream->secret, &stream->answer.failure);
    }
    stream->over = true;
}

/* --- The answer to a schema ------------------------------------------------------------------- */

void stream_words(struct stream *stream, struct bytes words) {
    if (stream->answer_tool) {
        text_add(&stream->words, words.data, words.len);
    } else {
        answer_text(&stream->answer, words);
    }
}

void stream_call(struct stream *stream, int64_t key, struct bytes id, struct bytes name) {
    bool is_answer = stream->answer_tool && answer_tool_is(name);
    if (is_answer && !stream->answered) {
        stream->answered = true;
        stream->answer_key = key;
    } else if (is_answer && key != stream->answer_key) {
        stream->spare_key = key;
    } else if (!stream->answered || (key != stream->answer_key && key != stream->spare_key)) {
        answer_call(&stream->answer, key, id, name);
    }
}

void stream_call_piece(struct stream *stream, int64_t key, struct bytes piece) {
    if (stream->answered && key == stream->answer_key) {
        answer_text(&stream->answer, piece);
    } else if (!stream->answered || key != stream->spare_key) {
        answer_call_piece(&stream->answer, key, piece);
    }
}

void stream_stop(struct stream *stream, enum model_stop stop) {
    struct answer *answer = &stream->answer;
    if (!stream->answered && text_failed(&stream->words)) {
        answer_fail(answer, MODEL_TOO_LARGE, "the answer is too long");
    } else if (!stream->answered) { /* No answer came by the tool. */
        answer_text(answer, text_bytes(&stream->words));
        text_clear(&stream->words);
    } else if (answer->text_len == 0) { /* As of any call, arguments that are left out are none. */
        answer_text(answer, BYTES("{}"));
    }
    if (stream->extra.len > 0) { /* A thinking part of its own. */
        answer_thinking_done(answer);
        answer_signature(answer, text_bytes(&stream->extra));
        answer_thinking_done(answer);
        text_clear(&stream->extra);
    }
    answer_stop(answer, stop);
}

void stream_end(struct stream *stream) {
    struct sse_event event;
    struct answer *answer = &stream->answer;
    if (!stream->over && answer_goes_on(answer) &&
        stream_found(stream, sse_end(&stream->sse, &event)) && !answer->stopped) {
        /* Some leave out the blank line after their last event. One that isn't whole is no
         * nonsense of the provider's: the answer broke off within it. */
        AUTO(json_release) json_t *json = NULL;
        if (bytes_is(event.data, DONE_MARK) || !err_failed(stream_parse(event.data, &json))) {
            stream_take(stream, &event);
        }
    }
    answer_end(answer);
}

const struct wire *wire_of(enum model_kind kind) {
    static const struct wire *const wires[MODEL_KIND_COUNT] = {
        [MODEL_KIND_OPENAI] = &wire_openai,
        [MODEL_KIND_RESPONSES] = &wire_responses,
        [MODEL_KIND_ANTHROPIC] = &wire_anthropic,
    };
    return wires[kind];
}
