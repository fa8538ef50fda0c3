/* openai_build.c: writes the body of a chat completion. */
#include <string.h>

#include "model/wire/build.h"

/* OpenAI's own server refuses members that others need, and the other way round. */
static bool is_openai_itself(const char *base_url) {
    struct bytes host = connection_authority(base_url);
    return memmem(host.data, host.len, "openai.com", 10) != NULL ||
           memmem(host.data, host.len, "openai.azure.com", 16) != NULL;
}

static void build_settings(const struct wire_order *order, struct text *body) {
    const struct model_request *request = order->request;
    text_add_str(body, "{\"model\":");
    build_bytes(body, order->model);
    text_add_str(body, ",\"stream\":true,\"stream_options\":{\"include_usage\":true}");
    if (request->output_max > 0) {
        text_addf(body, ",\"%s\":",
                  is_openai_itself(order->base_url) ? "max_completion_tokens" : "max_tokens");
        text_add_int(body, request->output_max);
    }
    build_temperature(body, request->temperature_pct);
    const char *effort = build_effort(request->effort);
    if (effort != NULL) {
        text_addf(body, ",\"reasoning_effort\":\"%s\"", effort);
    }
    if (request->schema.len > 0) {
        text_add_str(body, ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":"
                           "{\"name\":\"answer\",\"schema\":");
        build_schema(body, request->schema);
        text_add_str(body, "}}");
    }
}

static void build_choice(const struct model_request *request, struct text *body) {
    if (request->choice_tool.len > 0) {
        text_add_str(body, ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":");
        build_bytes(body, request->choice_tool);
        text_add_str(body, "}}");
    } else if (request->choice == MODEL_CHOICE_NONE) {
        text_add_str(body, ",\"tool_choice\":\"none\"");
    } else if (request->choice == MODEL_CHOICE_REQUIRED) {
        text_add_str(body, ",\"tool_choice\":\"required\"");
    }
}

static void build_tools(const struct model_request *request, struct text *body) {
    if (request->tool_count == 0) {
        return;
    }
    build_choice(request, body);
    text_add_str(body, ",\"tools\":[");
    for (size_t i = 0; i < request->tool_count; i++) {
        text_add_str(body, i > 0 ? "," : "");
        text_add_str(body, "{\"type\":\"function\",\"function\":{");
        build_tool(body, &request->tools[i], "parameters");
        text_add_str(body, "}}");
    }
    text_add_char(body, ']');
}

/* One text is a plain string, which every server understands. */
static void build_user(const struct model_message *message, struct bytes tail, struct text *body) {
    text_add_str(body, "{\"role\":\"user\",\"content\":");
    if (!build_has(message, MODEL_PART_IMAGE)) {
        build_joined_text(body, message, tail);
        text_add_char(body, '}');
        return;
    }
    bool first = true;
    text_add_char(body, '[');
    for (const struct model_part *part = message->first; part != NULL; part = part->next) {
        if (part->kind == MODEL_PART_IMAGE) {
            build_comma(body, &first);
            text_add_str(body, "{\"type\":\"image_url\",\"image_url\":{\"url\":");
            build_data_url(body, part);
            text_add_str(body, "}}");
        } else if (part->kind == MODEL_PART_TEXT && part->text.len > 0) {
            build_comma(body, &first);
            text_add_str(body, "{\"type\":\"text\",\"text\":");
            build_bytes(body, part->text);
            text_add_char(body, '}');
        }
    }
    if (tail.len > 0) {
        text_add_str(body, ",{\"type\":\"text\",\"text\":");
        build_bytes(body, tail);
        text_add_char(body, '}');
    }
    text_add_str(body, "]}");
}

static void build_calls(const struct model_message *message, struct text *body) {
    bool first = true;
    text_add_str(body, ",\"tool_calls\":[");
    for (const struct model_part *part = message->first; part != NULL; part = part->next) {
        if (part->kind != MODEL_PART_TOOL_CALL) {
            continue;
        }
        AUTO(text_done) struct text arguments;
        text_init(&arguments, REQUEST_SIZE_MAX);
        build_arguments(&arguments, part->text);
        build_comma(body, &first);
        text_add_str(body, "{\"id\":");
        build_bytes(body, part->id);
        text_add_str(body, ",\"type\":\"function\",\"function\":{\"name\":");
        build_bytes(body, part->name);
        text_add_str(body, ",\"arguments\":");
        build_bytes(body, (struct bytes){arguments.data, arguments.len});
        text_add_str(body, "}}");
    }
    text_add_char(body, ']');
}

/* DeepSeek wants its reasoning back with the calls that came of it, and others refuse a member that
 * they don't know: it goes to those who said it (openai.c). */
static void build_reasoning(const struct model_message *message, struct text *body) {
    for (const struct model_part *part = message->first; part != NULL; part = part->next) {
        if (part->kind == MODEL_PART_THINKING && build_shown(part, MODEL_KIND_OPENAI) &&
            wire_is(part->signature, WIRE_REASONING)) {
            text_add_str(body, ",\"" WIRE_REASONING "\":");
            build_bytes(body, part->text);
            return;
        }
    }
}

static void build_assistant(const struct wire_order *order, const struct model_message *message,
                            struct text *body) {
    bool calls = build_has(message, MODEL_PART_TOOL_CALL);
    text_add_str(body, "{\"role\":\"assistant\",\"content\":");
    if (build_has(message, MODEL_PART_TEXT)) {
        build_joined_text(body, message, BYTES(""));
    } else {
        text_add_str(body, "null");
    }
    if (calls) {
        if (!is_openai_itself(order->base_url)) {
            build_reasoning(message, body);
        }
        build_calls(message, body);
    }
    text_add_char(body, '}');
}

static void build_results(const struct model_message *message, struct text *body, bool *first) {
    for (const struct model_part *part = message->first; part != NULL; part = part->next) {
        if (part->kind == MODEL_PART_TOOL_RESULT) {
            build_comma(body, first);
            text_add_str(body, "{\"role\":\"tool\",\"tool_call_id\":");
            build_bytes(body, part->id);
            text_add_str(body, ",\"content\":");
            build_bytes(body, part->text);
            text_add_char(body, '}');
        }
    }
}

static void build_message(const struct wire_order *order, const struct model_message *message,
                          struct text *body, bool *first) {
    struct bytes tail = build_tail(order->request, message);
    bool says = build_has(message, MODEL_PART_TEXT) || build_has(message, MODEL_PART_TOOL_CALL) ||
                build_has(message, MODEL_PART_IMAGE) || tail.len > 0;
    if (message->role == MODEL_TOOL) {
        build_results(message, body, first);
    } else if (says) {
        build_comma(body, first);
        if (message->role == MODEL_USER) {
            build_user(message, tail, body);
        } else {
            build_assistant(order, message, body);
        }
    }
}

void wire__openai_build(const struct wire_order *order, struct text *body) {
    const struct model_request *request = order->request;
    build_settings(order, body);
    build_tools(request, body);
    text_add_str(body, ",\"messages\":[");
    bool first = true;
    if (request->system.len > 0) {
        build_comma(body, &first);
        text_add_str(body, "{\"role\":\"system\",\"content\":");
        build_bytes(body, request->system);
        text_add_char(body, '}');
    }
    for (const struct model_message *at = request->first; at != NULL; at = at->next) {
        build_message(order, at, body, &first);
    }
    text_add_str(body, "]}");
}
