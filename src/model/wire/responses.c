/* responses.c: OpenAI's Responses interface. Nothing is stored at the provider: the whole
 * conversation goes along, its reasoning encrypted. Each event has its type in its data.
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
 * kept whole as the signature: the next request gives it back as it was. A search of the web that
 * the provider made ("web_search_call") is kept like reasoning: reasoning before it is refused
 * without it.
 */
#include "model/failure.h"
#include "model/wire/wire.h"

/* --- The answer ------------------------------------------------------------------------------- */

static void read_usage(struct answer *answer, const json_t *usage) {
    if (!json_is_object(usage)) {
        return;
    }
    const json_t *input = json_object_get(usage, "input_tokens_details");
    const json_t *output = json_object_get(usage, "output_tokens_details");
    const struct usage_responses_counts counts = {
        .input_tokens = json_int(usage, "input_tokens", -1),
        .output_tokens = json_int(usage, "output_tokens", -1),
        .cached_tokens = json_int(input, "cached_tokens", -1),
        .reasoning_tokens = json_int(output, "reasoning_tokens", -1),
    };
    answer->usage = usage_of_responses(&counts);
    answer->usage.searches = answer->paid_searches; /* Not among the counts: each is an item. */
    answer->counted = true;
}

/* The item as the next request may send it back: without its status, which is refused there. */
static void keep_reasoning(struct answer *answer, const json_t *item) {
    AUTO(text_done) struct text text = text_up_to(ANSWER_SIGNATURE_MAX);
    struct bytes secret = json_bytes(item, "encrypted_content");
    const json_t *summary = json_object_get(item, "summary");
    if (secret.len == 0) {
        return; /* Nothing that another request could use. */
    }
    text_add_str(&text, "{\"type\":\"reasoning\"");
    text_add_member(&text, "id", json_bytes(item, "id"));
    text_add_name(&text, "summary");
    if (!json_is_array(summary)) {
        text_add_str(&text, "[]");
    } else if (err_failed(json_write(summary, &text))) {
        return;
    }
    text_add_member(&text, "encrypted_content", secret);
    text_add_char(&text, '}');
    if (!text_failed(&text)) {
        answer_signature(answer, text_bytes(&text));
    }
}

/* Actions of some later kind come back as they are not accepted in a request ("other"). */
static void keep_search(struct answer *answer, const json_t *item, const json_t *action) {
    static const char *const known[] = {"search", "open_page", "find_in_page", NULL};
    AUTO(text_done) struct text kept = text_up_to(ANSWER_SIGNATURE_MAX);
    unsigned at = 0;
    answer_thinking_done(answer);
    text_add_str(&kept, "{\"type\":\"web_search_call\"");
    text_add_member(&kept, "id", json_bytes(item, "id"));
    text_add_member(&kept, "status", json_bytes(item, "status"));
    text_add_name(&kept, "action");
    if (!bytes_find(json_bytes(action, "type"), known, &at)) {
        text_add_str(&kept, "{\"type\":\"search\",\"query\":\"\"}");
    } else if (err_failed(json_write(action, &kept))) {
        return;
    }
    text_add_char(&kept, '}');
    if (!text_failed(&kept)) {
        answer_signature(answer, text_bytes(&kept));
        answer_thinking_done(answer);
    }
}

/* {"type":"web_search_call","id","status","action":{"type":"search","query","sources"?}}; an action
 * may also open a page ("url"), or look for words in it, which costs nothing. */
static void read_search(struct answer *answer, const json_t *item) {
    AUTO(text_done) struct text input = text_up_to(ANSWER_SIGNATURE_MAX);
    AUTO(text_done) struct text results = text_up_to(ANSWER_SIGNATURE_MAX);
    const json_t *action = json_object_get(item, "action"), *source = NULL;
    static const char *const members[] = {"query", "url", "pattern"};
    size_t at = 0;
    keep_search(answer, item, action);
    text_add_char(&input, '{');
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        if (json_is_string(json_object_get(action, members[i]))) {
            text_add_member(&input, members[i], json_bytes(action, members[i]));
        }
    }
    text_add_char(&input, '}');
    text_add_char(&results, '[');
    json_array_foreach(json_object_get(action, "sources"), at, source) {
        build_next(&results, "{");
        text_add_member(&results, "url", json_bytes(source, "url"));
        text_add_char(&results, '}');
    }
    text_add_char(&results, ']');
    const struct bytes status = json_bytes(item, "status");
    const struct model_search search = {.id = json_bytes(item, "id"),
                                        .input = text_bytes(&input),
                                        .results = text_bytes(&results),
                                        .fault = bytes_is(status, "failed") ? status : BYTES("")};
    answer->paid_searches +=
        search.fault.len == 0 && bytes_is(json_bytes(action, "type"), "search");
    answer_search(answer, &search);
}

static void end_item(struct answer *answer, const json_t *item, int64_t key) {
    struct bytes type = json_bytes(item, "type"), status = json_bytes(item, "status");
    if (bytes_is(type, "reasoning")) {
        keep_reasoning(answer, item);
        answer_thinking_done(answer);
    } else if (bytes_is(type, "web_search_call")) {
        read_search(answer, item);
    } else if (bytes_is(type, "function_call") && bytes_is(status, "completed")) {
        answer_call_done(answer, key);
    } else if (bytes_is(type, "function_call") && bytes_is(status, "incomplete")) {
        answer_call_cut(answer, key);
    }
}

/* `completed`: else it is incomplete. */
static void end_response(struct stream *stream, const json_t *response, bool completed) {
    struct answer *answer = &stream->answer;
    struct bytes why = json_bytes(json_object_get(response, "incomplete_details"), "reason");
    bool refused = answer->stop == MODEL_STOP_REFUSED;
    read_usage(answer, json_object_get(response, "usage"));
    if (!refused) {
        stream_stop(stream, completed                         ? MODEL_STOP_END
                            : bytes_is(why, "content_filter") ? MODEL_STOP_REFUSED
                                                              : MODEL_STOP_LENGTH);
    }
    stream->over = true;
}

static void read_item(struct stream *stream, const json_t *item, int64_t key) {
    struct answer *answer = &stream->answer;
    const json_t *part = NULL;
    size_t at = 0;
    json_array_foreach(json_object_get(item, "summary"), at, part) {
        answer_thinking(answer, json_bytes(part, "text"));
    }
    json_array_foreach(json_object_get(item, "content"), at, part) {
        if (bytes_is(json_bytes(part, "type"), "output_text")) {
            stream_words(stream, json_bytes(part, "text"));
        } else if (bytes_is(json_bytes(part, "type"), "refusal")) {
            answer_stop(answer, MODEL_STOP_REFUSED);
            answer_text(answer, json_bytes(part, "refusal"));
        }
    }
    if (bytes_is(json_bytes(item, "type"), "function_call")) {
        stream_call(stream, key, json_bytes(item, "call_id"), json_bytes(item, "name"));
        stream_call_piece(stream, key, json_bytes(item, "arguments"));
    }
    end_item(answer, item, key);
}

/* {"object": "response", "status", "output": [items], "usage", "error": null}: the same, not
 * streamed. */
static bool read_whole(struct stream *stream, const json_t *data) {
    const json_t *output = json_object_get(data, "output"), *item = NULL;
    struct bytes status = json_bytes(data, "status");
    size_t at = 0;
    if (!json_is_array(output) || bytes_is(status, "failed")) {
        return false;
    }
    json_array_foreach(output, at, item) {
        read_item(stream, item, (int64_t)at);
    }
    end_response(stream, data, !bytes_is(status, "incomplete"));
    return true;
}

static void read_event(struct stream *stream, const char *name, const json_t *data) {
    (void)name; /* Each event says its type in its data, too. */
    struct answer *answer = &stream->answer;
    struct bytes type = json_bytes(data, "type"), delta = json_bytes(data, "delta");
    const json_t *response = json_object_get(data, "response");
    const json_t *item = json_object_get(data, "item");
    int64_t key = json_int(data, "output_index", -1);
    if (bytes_is(type, "response.output_text.delta")) {
        stream_words(stream, delta);
    } else if (bytes_is(type, "response.reasoning_summary_text.delta") ||
               bytes_is(type, "response.reasoning_text.delta")) {
        answer_thinking(answer, delta);
    } else if (bytes_is(type, "response.function_call_arguments.delta")) {
        stream_call_piece(stream, key, delta);
    } else if (bytes_is(type, "response.refusal.delta")) {
        answer_stop(answer, MODEL_STOP_REFUSED);
        answer_text(answer, delta);
    } else if (bytes_is(type, "response.output_item.added") &&
               bytes_is(json_bytes(item, "type"), "function_call")) {
        stream_call(stream, key, json_bytes(item, "call_id"), json_bytes(item, "name"));
    } else if (bytes_is(type, "response.output_item.done")) {
        end_item(answer, item, key);
    } else if (bytes_is(type, "response.failed")) {
        read_usage(answer, json_object_get(response, "usage"));
        fault_of_event(response, stream->secret, &answer->failure);
    } else if (bytes_is(type, "response.completed") || bytes_is(type, "response.incomplete")) {
        end_response(stream, response, bytes_is(type, "response.completed"));
    }
}

/* --- The request ------------------------------------------------------------------------------ */

static void build_settings(struct wire_order *order, struct text *body) {
    const struct model_request *request = order->request;
    const enum build_means means = build_means(order);
    const char *effort = model_effort_name(request->effort);
    AUTO(text_done) struct text system = text_up_to((size_t)REQUEST_SIZE_MAX * 2);
    build_instructions(&system, request, means);
    text_add_member(body, "model", order->model);
    text_add_str(body, ",\"stream\":true,\"store\":false");
    if (build_sends(order, PARAMETER_ENCRYPTED)) {
        text_add_str(body, ",\"include\":[\"reasoning.encrypted_content\"");
        text_add_str(body, build_searches(order) ? ",\"web_search_call.action.sources\"]" : "]");
    }
    if (request->output_max > 0) {
        text_add_member_int(body, "max_output_tokens", request->output_max);
    }
    if (effort != NULL && build_sends(order, PARAMETER_EFFORT)) {
        text_addf(body, ",\"reasoning\":{\"effort\":\"%s\"%s}", effort,
                  build_sends(order, PARAMETER_SUMMARY) ? ",\"summary\":\"auto\"" : "");
    }
    if (means == BUILD_SCHEMA) {
        text_add_str(body, ",\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"answer\","
                           "\"schema\":");
        build_answer_schema(body, request->schema);
        text_add_str(body, ",\"strict\":false}}");
    } else if (means == BUILD_OBJECT) {
        text_add_str(body, ",\"text\":{\"format\":{\"type\":\"json_object\"}}");
    }
    build_functions(body, order, means, /* nested */ false);
    if (system.len > 0) {
        text_add_member(body, "instructions", text_bytes(&system));
    }
}

static void build_user(const struct model_part *part, struct bytes tail, struct text *body) {
    build_next(body, "{\"role\":\"user\",\"content\":[");
    if (part->kind == MODEL_PART_IMAGE) {
        text_add_str(body, "{\"type\":\"input_image\",\"image_url\":");
        build_data_url(body, part);
        text_add_char(body, '}');
    } else {
        build_text(body, "input_text", part->text);
    }
    if (tail.len > 0) {
        build_text(body, "input_text", tail);
    }
    text_add_str(body, "]}");
}

/* Each part is an item of its own: so the order of text, reasoning and calls stays. */
static void build_part(enum model_role role, const struct model_part *part, struct bytes tail,
                       struct text *body) {
    switch (part->kind) {
    case MODEL_PART_TEXT:
    case MODEL_PART_IMAGE:
        if (role == MODEL_USER) {
            build_user(part, tail, body);
        } else {
            build_next(body, "{\"role\":\"assistant\",\"content\":[");
            build_text(body, "output_text", part->text);
            text_add_str(body, "]}");
        }
        break;
    case MODEL_PART_THINKING:
        build_next(body, "");
        text_add(body, part->signature.data, part->signature.len);
        break;
    case MODEL_PART_TOOL_CALL:
        build_next(body, "{\"type\":\"function_call\"");
        text_add_member(body, "call_id", part->id);
        text_add_member(body, "name", part->name);
        build_arguments_text(body, part->text);
        text_add_char(body, '}');
        break;
    case MODEL_PART_TOOL_RESULT:
        build_next(body, "{\"type\":\"function_call_output\"");
        text_add_member(body, "call_id", part->id);
        text_add_member(body, "output", part->text);
        text_add_char(body, '}');
        break;
    }
}

static void build(struct wire_order *order, struct text *body) {
    const struct model_request *request = order->request;
    struct bytes left = request->tail; /* Until it was written. */
    text_add_char(body, '{');
    build_settings(order, body);
    text_add_str(body, ",\"input\":[");
    for (const struct model_message *at = request->first; at != NULL; at = at->next) {
        for (const struct model_part *part = at->first; part != NULL; part = part->next) {
            /* Reasoning is given back as the JSON that it came as. It is left out where none came,
             * or where a damaged row holds something else: the whole request would be refused, now
             * and each time. */
            bool lost = part->kind == MODEL_PART_THINKING && !json_is_valid(part->signature);
            if (build_shown(part, MODEL_KIND_RESPONSES) && !lost) {
                struct bytes tail = part->next == NULL ? build_tail(request, at) : BYTES("");
                build_part(at->role, part, tail, body);
                left = tail.len > 0 ? BYTES("") : left;
            }
        }
    }
    if (left.len > 0) {
        const struct model_part alone = {.kind = MODEL_PART_TEXT, .text = left};
        build_user(&alone, BYTES(""), body);
    }
    text_add_str(body, "]}");
}

const struct wire wire_responses = {
    .path = "/responses", .build = build, .event = read_event, .whole = read_whole};
