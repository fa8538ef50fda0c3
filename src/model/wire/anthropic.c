/* anthropic.c: Anthropic's messages.
 *
 *   message_start {message {usage}}
 *   content_block_start {index, content_block {type text|thinking|redacted_thinking|tool_use, …}}
 *   content_block_delta {index, delta {type text_delta|thinking_delta|signature_delta|
 *                        input_json_delta, …}}
 *   content_block_stop {index}
 *   message_delta {delta {stop_reason}, usage}     output_tokens is a running total
 *   message_stop                                    the final marker
 *   content_block {type server_tool_use, id, name, input} and {type web_search_tool_result,
 *                  tool_use_id, content}: a search that the provider makes itself
 *   ping, error {error {type, message}}
 *
 * Blocks come one after the other. Thinking without its signature would be refused in the next
 * request, so a signature is kept verbatim; of a redacted block it is "redacted " and its data.
 *
 * Blocks of a search come back in the next request of the turn as they were, encrypted content
 * included. Blocks that follow each other are kept as one signature, a JSON array: a search
 * without its result would be refused. Beside a call of a tool of ours the result comes with the
 * next answer. A stop "pause_turn" wants the same request again, with what was said so far.
 *
 * In a request, results of tools are blocks of a user's message, all results of one answer in the
 * next one; two messages of one role in a row become one. The system text and the end of the
 * conversation are marked for the provider's cache, so that each call reads what the one before has
 * written. The interface has no schema for answers: a tool of ours takes its place
 * (WIRE_ANSWER_TOOL).
 */
#include <stdio.h>

#include "model/wire/wire.h"

#define REDACTED "redacted "
/* Searches of one call, which are billed each. */
#define SEARCHES_MAX "8"

/* --- The answer ------------------------------------------------------------------------------- */

/* Counts that an event does not name stay as they were. */
static void read_usage(struct stream *stream, const json_t *usage) {
    struct usage_messages_counts *counts = &stream->counts;
    if (!json_is_object(usage)) {
        return;
    }
    const struct {
        const char *name;
        int64_t *count;
    } members[] = {{"input_tokens", &counts->input_tokens},
                   {"output_tokens", &counts->output_tokens},
                   {"cache_read_input_tokens", &counts->cache_read_input_tokens},
                   {"cache_creation_input_tokens", &counts->cache_creation_input_tokens}};
    int64_t searches =
        json_int(json_object_get(usage, "server_tool_use"), "web_search_requests", -1);
    counts->web_search_requests = searches >= 0 ? searches : counts->web_search_requests;
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        int64_t said = json_int(usage, members[i].name, -1);
        *members[i].count = said >= 0 ? said : *members[i].count;
    }
    stream->answer.usage = usage_of_messages(counts);
    stream->answer.counted = true;
}

/* --- Searches of the provider ----------------------------------------------------------------- */

/* A JSON array is no base64, as other signatures are. */
static bool is_of_server(struct bytes signature) {
    return signature.len > 0 && signature.data[0] == '[';
}

/* The next block of the provider's own tools, which follow each other in one signature. */
static void serve_begin(struct stream *stream) {
    struct answer *answer = &stream->answer;
    if (!stream->serves) {
        answer_thinking_done(answer);
    }
    answer_signature(answer, stream->serves ? BYTES(",") : BYTES("["));
    stream->serves = true;
}

/* Ends a row of them. */
static void serve_end(struct stream *stream) {
    if (stream->serves) {
        stream->serves = false;
        answer_signature(&stream->answer, BYTES("]"));
        answer_thinking_done(&stream->answer);
    }
}

/* A search at the end that has no result is gone on with after a pause, or beside a call of ours;
 * else it was cut off, and would be refused. */
static void serve_stop(struct stream *stream) {
    const bool open = stream->block == BLOCK_SEARCH || json_object_size(stream->searches) > 0;
    const bool beside = stream->answer.call_count > 0 && stream->stop != MODEL_STOP_LENGTH;
    if (stream->serves && open && !beside && stream->stop != MODEL_STOP_PAUSE) {
        stream->serves = false;
        text_clear(&stream->answer.signature);
    }
    serve_end(stream);
}

static void call_begin(struct stream *stream, const json_t *block) {
    AUTO(text_done) struct text head = text_up_to((size_t)12 * ANSWER_ID_MAX);
    const struct bytes id = json_bytes(block, "id"), name = json_bytes(block, "name");
    if (id.len == 0 || id.len > ANSWER_ID_MAX || name.len > ANSWER_ID_MAX) {
        answer_fail(&stream->answer, MODEL_BAD_RESPONSE, "a search has no id, or a long one");
        return;
    }
    serve_begin(stream);
    text_add_str(&head, "{\"type\":\"server_tool_use\"");
    text_add_member(&head, "id", id);
    text_add_member(&head, "name", name);
    text_add_name(&head, "input");
    answer_signature(&stream->answer, text_bytes(&head));
    stream->input_at = stream->answer.signature.len;
    stream->block = BLOCK_SEARCH;
    (void)snprintf(stream->search_id, sizeof stream->search_id, "%.*s", (int)id.len, id.data);
}

static void call_end(struct stream *stream) {
    struct text *signature = &stream->answer.signature;
    if (!answer_goes_on(&stream->answer)) {
        return;
    }
    if (signature->len == stream->input_at) {
        answer_signature(&stream->answer, BYTES("{}"));
    }
    if (stream->searches == NULL) {
        stream->searches = json_object();
    }
    (void)json_object_set_new(
        stream->searches, stream->search_id,
        json_stringn(signature->data + stream->input_at, signature->len - stream->input_at));
    answer_signature(&stream->answer, BYTES("}"));
}

/* {"tool_use_id","content": [{"title","url","encrypted_content"}] or {"error_code"}} */
static void read_result(struct stream *stream, const json_t *block) {
    AUTO(text_done) struct text whole = text_up_to(ANSWER_SIGNATURE_MAX);
    AUTO(text_done) struct text results = text_up_to(ANSWER_SIGNATURE_MAX);
    const json_t *content = json_object_get(block, "content"), *item = NULL;
    const char *id = json_str(block, "tool_use_id", "");
    const json_t *input = json_object_get(stream->searches, id);
    size_t at = 0;
    serve_begin(stream);
    if (err_failed(json_write(block, &whole))) {
        text_clear(&whole);
    }
    answer_signature(&stream->answer, text_bytes(&whole));
    text_add_char(&results, '[');
    json_array_foreach(content, at, item) {
        build_next(&results, "{");
        text_add_member(&results, "title", json_bytes(item, "title"));
        text_add_member(&results, "url", json_bytes(item, "url"));
        text_add_char(&results, '}');
    }
    text_add_char(&results, ']');
    const struct model_search search = {
        .id = bytes_of(id),
        .input = input != NULL ? json_bytes(stream->searches, id) : BYTES("{}"),
        .results = text_bytes(&results),
        .fault = json_bytes(content, "error_code"),
    };
    stream->answer.paid_searches += search.fault.len == 0;
    answer_search(&stream->answer, &search);
    (void)json_object_del(stream->searches, id);
}

static void begin_block(struct stream *stream, int64_t key, const json_t *block) {
    struct answer *answer = &stream->answer;
    struct bytes type = json_bytes(block, "type");
    stream->block_key = key;
    stream->block = BLOCK_NONE;
    if (bytes_is(type, "server_tool_use")) {
        call_begin(stream, block);
        return;
    }
    if (bytes_is(type, "web_search_tool_result")) {
        read_result(stream, block);
        return;
    }
    serve_end(stream);
    if (bytes_is(type, "text")) {
        stream_words(stream, json_bytes(block, "text"));
    } else if (bytes_is(type, "thinking")) {
        stream->block = BLOCK_THINKING;
        answer_thinking(answer, json_bytes(block, "thinking"));
    } else if (bytes_is(type, "redacted_thinking")) {
        stream->block = BLOCK_THINKING;
        answer_signature(answer, BYTES(REDACTED));
        answer_signature(answer, json_bytes(block, "data"));
    } else if (bytes_is(type, "tool_use")) {
        stream_call(stream, stream->block_key, json_bytes(block, "id"), json_bytes(block, "name"));
    }
}

static void read_delta(struct stream *stream, const json_t *delta) {
    struct answer *answer = &stream->answer;
    struct bytes type = json_bytes(delta, "type");
    if (bytes_is(type, "text_delta")) {
        stream_words(stream, json_bytes(delta, "text"));
    } else if (bytes_is(type, "thinking_delta")) {
        answer_thinking(answer, json_bytes(delta, "thinking"));
    } else if (bytes_is(type, "signature_delta")) {
        answer_signature(answer, json_bytes(delta, "signature"));
    } else if (bytes_is(type, "input_json_delta") && stream->block == BLOCK_SEARCH) {
        answer_signature(answer, json_bytes(delta, "partial_json"));
    } else if (bytes_is(type, "input_json_delta")) {
        stream_call_piece(stream, stream->block_key, json_bytes(delta, "partial_json"));
    }
}

/* A call whose arguments the length cut off gets its content_block_stop all the same. So which call
 * is whole is known only with the reason, after all of them, and answer_end finds it out. */
static enum model_stop stop_of(struct bytes reason) {
    if (bytes_is(reason, "max_tokens") || bytes_is(reason, "model_context_window_exceeded")) {
        return MODEL_STOP_LENGTH;
    }
    if (bytes_is(reason, "pause_turn")) {
        return MODEL_STOP_PAUSE;
    }
    return bytes_is(reason, "refusal") ? MODEL_STOP_REFUSED : MODEL_STOP_END;
}

static void end_block(struct stream *stream) {
    if (stream->block == BLOCK_THINKING) {
        answer_thinking_done(&stream->answer);
    } else if (stream->block == BLOCK_SEARCH) {
        call_end(stream);
    }
    stream->block = BLOCK_NONE;
}

static void end_message(struct stream *stream) {
    serve_stop(stream);
    stream_stop(stream, stream->stop);
    stream->over = true;
}

/* {"type": "message", "content": [blocks], "stop_reason", "usage"}: the same, not streamed. */
static bool read_whole(struct stream *stream, const json_t *data) {
    const json_t *content = json_object_get(data, "content"), *block = NULL;
    size_t at = 0;
    if (!bytes_is(json_bytes(data, "type"), "message") || !json_is_array(content)) {
        return false;
    }
    read_usage(stream, json_object_get(data, "usage"));
    json_array_foreach(content, at, block) {
        AUTO(text_done) struct text input = text_up_to(ANSWER_ARGUMENTS_MAX);
        begin_block(stream, (int64_t)at, block);
        if (json_is_object(json_object_get(block, "input")) &&
            err_failed(json_write(json_object_get(block, "input"), &input))) {
            answer_fail(&stream->answer, MODEL_TOO_LARGE, "the arguments of a call are too long");
        }
        if (stream->block == BLOCK_SEARCH) {
            answer_signature(&stream->answer, text_bytes(&input));
        } else if (input.len > 0) {
            stream_call_piece(stream, stream->block_key, text_bytes(&input));
        } else if (stream->block == BLOCK_THINKING) {
            answer_signature(&stream->answer, json_bytes(block, "signature"));
        }
        end_block(stream);
    }
    stream->stop = stop_of(json_bytes(data, "stop_reason"));
    end_message(stream);
    return true;
}

static void read_event(struct stream *stream, const char *name, const json_t *data) {
    (void)name; /* Each event says its type in its data, too. */
    struct bytes type = json_bytes(data, "type");
    if (bytes_is(type, "content_block_delta")) {
        read_delta(stream, json_object_get(data, "delta"));
    } else if (bytes_is(type, "content_block_start")) {
        begin_block(stream, json_int(data, "index", -1), json_object_get(data, "content_block"));
    } else if (bytes_is(type, "content_block_stop")) {
        end_block(stream);
    } else if (bytes_is(type, "message_start")) {
        read_usage(stream, json_object_get(json_object_get(data, "message"), "usage"));
    } else if (bytes_is(type, "message_delta")) {
        read_usage(stream, json_object_get(data, "usage"));
        stream->stop = stop_of(json_bytes(json_object_get(data, "delta"), "stop_reason"));
    } else if (bytes_is(type, "message_stop")) {
        end_message(stream);
    }
}

/* --- The request ------------------------------------------------------------------------------ */

enum {
    OUTPUT_UNKNOWN = 8192, /* For a model that nobody knows: all take that much. */
    OUTPUT_USUAL_MAX = 32000,
    THINKING_MIN = 1024, /* The least that is accepted. */
};

#define CACHED ",\"cache_control\":{\"type\":\"ephemeral\"}"

enum thinks { THINKS_NOT, THINKS };

/* A model that thinks may not be made to call. */
static void build_tool_choice(struct wire_order *order, enum thinks thinks, struct text *body) {
    const struct model_request *request = order->request;
    const bool answers = request->schema.len > 0, only = request->no_calls;
    if ((answers && thinks == THINKS) || (!answers && !only) ||
        !build_sends(order, PARAMETER_TOOL_CHOICE)) {
        return;
    }
    text_add_str(body, !answers ? ",\"tool_choice\":{\"type\":\"none\"}"
                       : only || (request->tool_count == 0 && !build_searches(order))
                           ? ",\"tool_choice\":{\"type\":\"tool\",\"name\":\"" WIRE_ANSWER_TOOL
                             "\"}"
                           : ",\"tool_choice\":{\"type\":\"any\"}");
}

static void build_settings(struct wire_order *order, struct text *body) {
    const struct model_request *request = order->request;
    static const int64_t budgets[] = {[MODEL_EFFORT_DEFAULT] = 0,
                                      [MODEL_EFFORT_LOW] = 2048,
                                      [MODEL_EFFORT_MEDIUM] = 8192,
                                      [MODEL_EFFORT_HIGH] = 24576};
    int64_t known = order->facts.output_max, output_max = request->output_max;
    if (output_max <= 0) {
        output_max = known <= 0                 ? OUTPUT_UNKNOWN
                     : known < OUTPUT_USUAL_MAX ? known
                                                : OUTPUT_USUAL_MAX;
    }
    /* The tokens of thinking are part of the longest answer; 0: it does not think. */
    int64_t budget = budgets[request->effort];
    budget = budget < output_max / 2 ? budget : output_max / 2;
    budget = budget >= THINKING_MIN && build_sends(order, PARAMETER_EFFORT) ? budget : 0;
    text_add_member(body, "model", order->model);
    text_add_str(body, ",\"stream\":true");
    text_add_member_int(body, "max_tokens", output_max);
    if (budget > 0) {
        text_add_str(body, ",\"thinking\":{\"type\":\"enabled\"");
        text_add_member_int(body, "budget_tokens", budget);
        text_add_char(body, '}');
    }
    if (request->system.len > 0) {
        text_add_str(body, ",\"system\":[{\"type\":\"text\"");
        text_add_member(body, "text", request->system);
        text_add_str(body, CACHED "}]");
    }
    const bool searches = build_searches(order);
    const size_t count =
        request->tool_count > 0 && build_sends(order, PARAMETER_TOOLS) ? request->tool_count : 0;
    if (count == 0 && request->schema.len == 0 && !searches) {
        return;
    }
    build_tool_choice(order, budget > 0 ? THINKS : THINKS_NOT, body);
    text_add_str(body, ",\"tools\":[");
    for (size_t i = 0; i < count; i++) {
        build_next(body, "{");
        build_tool(body, order, &request->tools[i], "input_schema");
        text_add_char(body, '}');
    }
    if (request->schema.len > 0) {
        order->answer_tool = true;
        build_next(body, "{");
        build_answer_tool(body, order, "input_schema");
        text_add_char(body, '}');
    }
    if (searches) {
        build_next(body, "{\"type\":\"web_search_20250305\",\"name\":\"web_search\","
                         "\"max_uses\":" SEARCHES_MAX "}");
    }
    text_add_char(body, ']');
}

/* Without its closing brace: the last one of all gets the mark for the cache. */
static void build_block(const struct model_part *part, struct text *body) {
    static const struct bytes redacted = BYTES_INIT(REDACTED);
    switch (part->kind) {
    case MODEL_PART_TEXT:
        text_add_str(body, "{\"type\":\"text\"");
        text_add_member(body, "text", part->text);
        break;
    case MODEL_PART_THINKING:
        if (is_of_server(part->signature)) { /* Without the brackets, and the last brace. */
            text_add(body, part->signature.data + 1, part->signature.len - 3);
        } else if (bytes_begin(part->signature, redacted) && part->signature.len > redacted.len) {
            text_add_str(body, "{\"type\":\"redacted_thinking\"");
            text_add_member(body, "data",
                            (struct bytes){part->signature.data + redacted.len,
                                           part->signature.len - redacted.len});
        } else {
            text_add_str(body, "{\"type\":\"thinking\"");
            text_add_member(body, "thinking", part->text);
            text_add_member(body, "signature", part->signature);
        }
        break;
    case MODEL_PART_TOOL_CALL:
        text_add_str(body, "{\"type\":\"tool_use\"");
        text_add_member(body, "id", part->id);
        text_add_member(body, "name", part->name);
        text_add_name(body, "input");
        build_arguments(body, part->text);
        break;
    case MODEL_PART_TOOL_RESULT:
        text_add_str(body, "{\"type\":\"tool_result\"");
        text_add_member(body, "tool_use_id", part->id);
        text_add_str(body, part->is_error ? ",\"is_error\":true" : "");
        text_add_member(body, "content", part->text);
        break;
    case MODEL_PART_IMAGE:
        text_add_str(body, "{\"type\":\"image\",\"source\":{\"type\":\"base64\"");
        text_add_member(body, "media_type", part->name);
        text_add_str(body, ",\"data\":\"");
        text_add(body, part->text.data, part->text.len);
        text_add_str(body, "\"}");
        break;
    }
}

struct messages {
    struct text *body;
    const struct model_part *open; /* The block that still lacks its brace; NULL: none yet. */
    bool user;                     /* The block is in a message of a user. */
    bool marked;                   /* The block has the mark of the cache. */
};

static void add_block(struct messages *messages, const struct model_part *part, bool of_user) {
    struct text *body = messages->body;
    if (messages->open == NULL || of_user != messages->user) {
        text_add_str(body, messages->open != NULL ? "}]}," : "");
        text_addf(body, "{\"role\":\"%s\",\"content\":[", of_user ? "user" : "assistant");
    } else {
        text_add_str(body, "},");
    }
    build_block(part, body);
    messages->open = part;
    messages->user = of_user;
    messages->marked = false;
}

/* Thinking cannot be marked. */
static void mark_open(struct messages *messages) {
    if (messages->open != NULL && messages->open->kind != MODEL_PART_THINKING &&
        !messages->marked) {
        text_add_str(messages->body, CACHED);
        messages->marked = true;
    }
}

/* Blocks of a search are refused where the tool is not offered, as thinking without a signature is;
 * a damaged row may hold anything. */
static bool is_kept(struct wire_order *order, struct bytes signature) {
    return is_of_server(signature)
               ? signature.len > 4 && build_searches(order) && json_is_valid(signature)
               : signature.len > 0;
}

/* Marked are, beside the system text, the question and what was asked before it, both without the
 * tail, which no other turn has, and the end: four marks, as many as the interface takes. */
static void build_messages(struct wire_order *order, struct text *body) {
    const struct model_request *request = order->request;
    /* Last message of a user before the question: up to there the prompt of the turn before was the
     * same. */
    const struct model_message *before = NULL;
    for (const struct model_message *at = request->question != NULL ? request->first : NULL;
         at != NULL && at != request->question; at = at->next) {
        before = at->role == MODEL_USER ? at : before;
    }
    const struct model_part tail = {.kind = MODEL_PART_TEXT, .text = request->tail};
    struct messages messages = {.body = body};
    for (const struct model_message *at = request->first; at != NULL; at = at->next) {
        for (const struct model_part *part = at->first; part != NULL; part = part->next) {
            bool is_lost = part->kind == MODEL_PART_THINKING && !is_kept(order, part->signature);
            if (build_shown(part, MODEL_KIND_ANTHROPIC) && !is_lost) {
                add_block(&messages, part, at->role != MODEL_ASSISTANT);
            }
        }
        if (at == before || at == request->question) {
            mark_open(&messages);
        }
        if (at == request->question && tail.text.len > 0) {
            add_block(&messages, &tail, true /* a user's */);
        }
    }
    if (messages.open != &tail) {
        mark_open(&messages);
    }
    text_add_str(body, messages.open != NULL ? "}]}" : "");
}

static void build(struct wire_order *order, struct text *body) {
    text_add_char(body, '{');
    build_settings(order, body);
    text_add_str(body, ",\"messages\":[");
    build_messages(order, body);
    text_add_str(body, "]}");
}

const struct wire wire_anthropic = {
    .path = "/v1/messages", .build = build, .event = read_event, .whole = read_whole};
