/* openai.c: chat completions, as OpenAI, DeepSeek, vLLM, llama.cpp, Ollama and others have them.
 *
 *   data: {"choices": [{"index": 0, "delta": {…}, "finish_reason": null}], "usage": null}
 *
 * delta: content; reasoning_content (or reasoning); refusal; tool_calls [{index, id, type, function
 * {name, arguments}}], id and name first, arguments in pieces, all keyed by index. The last chunk
 * with a choice has finish_reason ("error": the provider behind OpenRouter failed); one without
 * choices may follow with usage; then "[DONE]", which some leave out. Without finish_reason and
 * without [DONE] the stream was cut. An answer that is not streamed has a "message" for the delta.
 *
 * Servers that say reasoning_content want it back, and others refuse a request that has it. So the
 * signature of thinking is the name of that member, or nothing. Before the first call of a tool
 * none wants it, and older ones of DeepSeek refuse it. From then on DeepSeek and Kimi refuse an
 * answer that comes back without: a call about which nothing was thought, or which another model
 * made, says "".
 *
 * Gemini signs what it says, in a member "extra_content" beside the function of a call, or of the
 * whole message: {"google": {"thought_signature": "…"}}. It refuses a history whose calls come back
 * without. The object of a call is kept with that call; that of the message is the signature of a
 * thinking part of its own.
 */
#include <string.h>

#include "model/failure.h"
#include "model/wire/wire.h"

#define EXTRA "extra_content"

/* --- The answer ------------------------------------------------------------------------------- */

static void read_usage(struct answer *answer, const json_t *usage) {
    if (!json_is_object(usage)) {
        return;
    }
    const json_t *prompt = json_object_get(usage, "prompt_tokens_details");
    const json_t *completion = json_object_get(usage, "completion_tokens_details");
    const struct usage_chat_counts counts = {
        .prompt_tokens = json_int(usage, "prompt_tokens", -1),
        .completion_tokens = json_int(usage, "completion_tokens", -1),
        .total_tokens = json_int(usage, "total_tokens", -1),
        .cached_tokens = json_int(prompt, "cached_tokens", -1),
        .reasoning_tokens = json_int(completion, "reasoning_tokens", -1),
        .cache_hit = json_int(usage, "prompt_cache_hit_tokens", -1),
        .cache_miss = json_int(usage, "prompt_cache_miss_tokens", -1),
    };
    answer->usage = usage_of_chat(&counts);
    answer->counted = true;
}

/* Arguments that can only be whole: what is named again, with arguments, is another call. */
static bool is_whole(const struct answer_call *call) {
    const struct bytes arguments = text_bytes(&call->arguments);
    return arguments.len > 1 && arguments.data[arguments.len - 1] == '}' &&
           json_is_valid(arguments);
}

/* Some servers number every call 0, or not at all, and distinguish calls by their ids alone, or by
 * nothing. */
static int64_t call_key_of(const struct stream *stream, const json_t *call, bool named,
                           bool argued) {
    const struct answer *answer = &stream->answer;
    int64_t key = json_int(call, "index", -1), next = (int64_t)answer->call_count;
    if (key < 0) {
        return named ? next : stream->call_key;
    }
    const struct answer_call *known = answer_call_find(answer, key);
    struct bytes id = json_bytes(call, "id");
    bool same = known == NULL || id.len == 0 || known->id == NULL || bytes_is(id, known->id);
    same = same && !(named && argued && known != NULL && is_whole(known));
    same = same && !(named && stream->answered && key == stream->answer_key);
    return !named || same ? key : INT64_C(1000000) + next;
}

/* Signature of the whole message: only the last one is needed, at the end. */
static void read_extra(struct stream *stream, const json_t *extra) {
    if (json_is_object(extra)) {
        text_clear(&stream->extra);
        if (err_failed(json_write(extra, &stream->extra))) {
            answer_fail(&stream->answer, MODEL_TOO_LARGE,
                        "the answer's extra content has more than %d bytes", ANSWER_EXTRA_MAX);
        }
    }
}

static void read_call(struct stream *stream, const json_t *call) {
    const json_t *function = json_object_get(call, "function");
    const json_t *arguments = json_object_get(function, "arguments");
    struct bytes called = json_bytes(function, "name"), piece = json_bytes(function, "arguments");
    AUTO(text_done) struct text object = text_up_to(ANSWER_ARGUMENTS_MAX);
    if (json_is_object(arguments)) { /* As some local servers have it, instead of its text. */
        if (err_failed(json_write(arguments, &object))) {
            answer_fail(&stream->answer, MODEL_TOO_LARGE, "the arguments of a call are too long");
        }
        piece = text_bytes(&object);
    }
    stream->call_key = call_key_of(stream, call, called.len > 0, piece.len > 0);
    stream_call(stream, stream->call_key, json_bytes(call, "id"), called);
    stream_call_piece(stream, stream->call_key, piece);
    answer_call_extra(&stream->answer, stream->call_key, json_object_get(call, EXTRA));
}

/* A text, or a list of {"type": "text", "text"} and {"type": "thinking", "thinking": [the same]},
 * as Mistral's models that think have it. */
static void read_content(struct stream *stream, const json_t *content) {
    const json_t *part = NULL, *thought = NULL;
    size_t at = 0, of = 0;
    json_array_foreach(content, at, part) {
        stream_words(stream, json_bytes(part, "text"));
        json_array_foreach(json_object_get(part, "thinking"), of, thought) {
            answer_thinking(&stream->answer, json_bytes(thought, "text"));
        }
    }
    if (json_is_string(content)) {
        stream_words(stream, json_text(content));
    }
}

static void read_choice(struct stream *stream, const json_t *choice, const json_t *delta) {
    struct answer *answer = &stream->answer;
    const json_t *calls = json_object_get(delta, "tool_calls");
    struct bytes thinking = json_bytes(delta, MODEL_REASONING);
    if (thinking.len > 0 && answer->signature.len == 0) {
        answer_signature(answer, BYTES(MODEL_REASONING));
    }
    answer_thinking(answer, thinking.len > 0 ? thinking : json_bytes(delta, "reasoning"));
    read_content(stream, json_object_get(delta, "content"));
    struct bytes refusal = json_bytes(delta, "refusal"),
                 reason = json_bytes(choice, "finish_reason");
    if (refusal.len > 0 && answer_goes_on(answer)) {
        answer_stop(answer, MODEL_STOP_REFUSED);
        answer_text(answer, refusal);
    }
    for (size_t i = 0; i < json_array_size(calls) && answer_goes_on(answer); i++) {
        read_call(stream, json_array_get(calls, i));
    }
    read_extra(stream, json_object_get(delta, EXTRA));
    if (bytes_is(reason, "error") && answer_goes_on(answer)) {
        fault_of_event(choice, stream->secret, &answer->failure);
    }
    if (reason.len > 0 && answer->stop != MODEL_STOP_REFUSED && answer_goes_on(answer)) {
        bool calling = bytes_is(reason, "tool_calls") || bytes_is(reason, "function_call");
        stream_stop(stream, bytes_is(reason, "length")           ? MODEL_STOP_LENGTH
                            : bytes_is(reason, "content_filter") ? MODEL_STOP_REFUSED
                            : calling && answer->call_count > 0  ? MODEL_STOP_TOOLS
                                                                 : MODEL_STOP_END);
    }
}

static void read_event(struct stream *stream, const char *name, const json_t *data) {
    (void)name; /* Chat completions name no events. */
    const json_t *choice = json_array_get(json_object_get(data, "choices"), 0);
    read_usage(&stream->answer, json_object_get(data, "usage"));
    read_choice(stream, choice, json_object_get(choice, "delta"));
}

static bool read_whole(struct stream *stream, const json_t *data) {
    const json_t *choice = json_array_get(json_object_get(data, "choices"), 0);
    const json_t *message = json_object_get(choice, "message");
    if (!json_is_object(message)) {
        return false;
    }
    read_usage(&stream->answer, json_object_get(data, "usage"));
    read_choice(stream, choice, message);
    if (!stream->answer.stopped && answer_goes_on(&stream->answer)) {
        stream_stop(stream, MODEL_STOP_END);
    }
    return true;
}

/* --- The request ------------------------------------------------------------------------------ */

/* OpenAI's own server refuses members that others need, and the other way round. */
static bool is_openai_itself(const char *base_url) {
    struct bytes host = connection_authority(base_url);
    return memmem(host.data, host.len, "openai.com", 10) != NULL ||
           memmem(host.data, host.len, "openai.azure.com", 16) != NULL;
}

static void build_settings(struct wire_order *order, enum build_means means, struct text *body) {
    const struct model_request *request = order->request;
    const char *effort = model_effort_name(request->effort);
    text_add_member(body, "model", order->model);
    text_add_str(body, ",\"stream\":true");
    if (build_sends(order, PARAMETER_STREAM_OPTIONS)) {
        text_add_str(body, ",\"stream_options\":{\"include_usage\":true}");
    }
    if (request->output_max > 0 && build_sends(order, PARAMETER_MAX_TOKENS)) {
        text_add_member_int(body, "max_tokens", request->output_max);
    } else if (request->output_max > 0 && build_sends(order, PARAMETER_MAX_COMPLETION_TOKENS)) {
        text_add_member_int(body, "max_completion_tokens", request->output_max);
    }
    if (effort != NULL && build_sends(order, PARAMETER_EFFORT)) {
        text_add_member(body, "reasoning_effort", bytes_of(effort));
    }
    if (means == BUILD_SCHEMA) {
        text_add_str(body, ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":"
                           "{\"name\":\"answer\",\"schema\":");
        build_answer_schema(body, request->schema);
        text_add_str(body, "}}");
    } else if (means == BUILD_OBJECT) {
        text_add_str(body, ",\"response_format\":{\"type\":\"json_object\"}");
    }
    build_functions(body, order, means, /* nested */ true);
}

/* A single text is a plain string, which every server understands. */
static void build_user(const struct model_message *message, struct bytes head, struct bytes tail,
                       struct text *body) {
    text_add_str(body, "{\"role\":\"user\",\"content\":");
    if (!build_has(message, MODEL_PART_IMAGE)) {
        build_joined_text(body, head, message, tail);
        text_add_char(body, '}');
        return;
    }
    text_add_char(body, '[');
    if (head.len > 0) {
        build_text(body, "text", head);
    }
    for (const struct model_part *part = message->first; part != NULL; part = part->next) {
        if (part->kind == MODEL_PART_IMAGE) {
            build_next(body, "{\"type\":\"image_url\",\"image_url\":{\"url\":");
            build_data_url(body, part);
            text_add_str(body, "}}");
        } else if (part->kind == MODEL_PART_TEXT && part->text.len > 0) {
            build_text(body, "text", part->text);
        }
    }
    if (tail.len > 0) {
        build_text(body, "text", tail);
    }
    text_add_str(body, "]}");
}

/* A signature of the message: of several, the last one. A damaged row may hold anything. */
static void build_extra(const struct model_message *message, struct text *body) {
    struct bytes extra = BYTES("");
    for (const struct model_part *part = message->first; part != NULL; part = part->next) {
        const bool is_extra = part->kind == MODEL_PART_THINKING &&
                              build_shown(part, MODEL_KIND_OPENAI) && part->signature.len > 0 &&
                              part->signature.data[0] == '{' && json_is_valid(part->signature);
        extra = is_extra ? part->signature : extra;
    }
    if (extra.len > 0) {
        text_add_name(body, EXTRA);
        text_add(body, extra.data, extra.len);
    }
}

/* Reasoning of the server itself; NULL: none. */
static const struct model_part *reasoning_of(const struct model_message *message) {
    const struct model_part *part = message->first;
    while (part != NULL &&
           !(part->kind == MODEL_PART_THINKING && build_shown(part, MODEL_KIND_OPENAI) &&
             model_thinking_lasts(part->signature))) {
        part = part->next;
    }
    return part;
}

static void build_assistant(struct wire_order *order, const struct model_message *message,
                            struct text *body) {
    const bool calls = build_has(message, MODEL_PART_TOOL_CALL);
    const struct model_part *reasoning = reasoning_of(message);
    order->called = order->called || calls;
    text_add_str(body, "{\"role\":\"assistant\",\"content\":");
    if (build_has(message, MODEL_PART_TEXT)) {
        build_joined_text(body, BYTES(""), message, BYTES(""));
    } else {
        text_add_str(body, "null");
    }
    if (order->reasons && order->called && (calls || reasoning != NULL)) {
        text_add_member(body, MODEL_REASONING, reasoning != NULL ? reasoning->text : BYTES(""));
    }
    build_extra(message, body);
    text_add_str(body, calls ? ",\"tool_calls\":[" : "");
    for (const struct model_part *part = message->first; part != NULL; part = part->next) {
        if (part->kind == MODEL_PART_TOOL_CALL) {
            build_next(body, "{");
            text_add_member(body, "id", part->id);
            text_add_str(body, ",\"type\":\"function\",\"function\":{");
            text_add_member(body, "name", part->name);
            build_arguments_text(body, part->text);
            text_add_char(body, '}');
            if (json_is_valid(part->signature)) {
                text_add_name(body, EXTRA);
                text_add(body, part->signature.data, part->signature.len);
            }
            text_add_char(body, '}');
        }
    }
    text_add_str(body, calls ? "]}" : "}");
}

/* Some models have no role for instructions: these begin the first message of a user then, since
 * roles must alternate there. *ret_head: what is left for that. */
static void build_system(struct wire_order *order, struct bytes system, struct bytes *ret_head,
                         struct text *body) {
    const char *role = system.len == 0                           ? NULL
                       : build_sends(order, PARAMETER_SYSTEM)    ? "system"
                       : build_sends(order, PARAMETER_DEVELOPER) ? "developer"
                                                                 : NULL;
    *ret_head = role == NULL ? system : BYTES("");
    if (role != NULL) {
        text_add_str(body, "{");
        text_add_member(body, "role", bytes_of(role));
        text_add_member(body, "content", system);
        text_add_char(body, '}');
    }
}

/* Mistral refuses a user's message right after a tool's result: as it is after a turn that was
 * stopped or failed there, for good, and where a message joins a turn. Learned as a parameter is
 * (decisions/056), since any other model would read words that it never said. */
static void build_bridge(struct wire_order *order, struct text *body) {
    if (!build_sends(order, PARAMETER_USER_AFTER_TOOL)) {
        build_next(body, "{\"role\":\"assistant\"");
        text_add_member(body, "content", BYTES("[The next message of the user follows.]"));
        text_add_char(body, '}');
    }
}

static void build(struct wire_order *order, struct text *body) {
    const struct model_request *request = order->request;
    const enum build_means means = build_means(order);
    AUTO(text_done) struct text system = text_up_to((size_t)REQUEST_SIZE_MAX * 2);
    struct bytes head;
    build_instructions(&system, request, means);
    text_add_char(body, '{');
    build_settings(order, means, body);
    text_add_str(body, ",\"messages\":[");
    build_system(order, text_bytes(&system), &head, body);
    bool after_tool = false;
    order->called = order->reasons = false;
    for (const struct model_message *at = request->first;
         at != NULL && !order->reasons && !is_openai_itself(order->base_url); at = at->next) {
        order->reasons = reasoning_of(at) != NULL;
    }
    for (const struct model_message *at = request->first; at != NULL; at = at->next) {
        struct bytes tail = build_tail(request, at);
        if (at->role == MODEL_TOOL) {
            for (const struct model_part *part = at->first; part != NULL; part = part->next) {
                if (part->kind == MODEL_PART_TOOL_RESULT) {
                    build_next(body, "{\"role\":\"tool\"");
                    text_add_member(body, "tool_call_id", part->id);
                    text_add_member(body, "content", part->text);
                    text_add_char(body, '}');
                    after_tool = true;
                }
            }
        } else if (build_has(at, MODEL_PART_TEXT) || build_has(at, MODEL_PART_TOOL_CALL) ||
                   build_has(at, MODEL_PART_IMAGE) || tail.len > 0) {
            if (after_tool && at->role == MODEL_USER) {
                build_bridge(order, body);
            }
            after_tool = false;
            build_next(body, "");
            if (at->role == MODEL_USER) {
                build_user(at, head, tail, body);
                head = BYTES("");
            } else {
                build_assistant(order, at, body);
            }
        }
    }
    text_add_str(body, "]}");
}

const struct wire wire_openai = {
    .path = "/chat/completions", .build = build, .event = read_event, .whole = read_whole};
