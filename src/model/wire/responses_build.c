/* responses_build.c: writes the body of a request to the Responses interface. Nothing is stored at
 * the provider: the whole conversation goes along, its reasoning encrypted.
 */
#include "base/json/json.h"
#include "model/wire/build.h"

static void build_settings(const struct wire_order *order, struct text *body) {
    const struct model_request *request = order->request;
    text_add_str(body, "{\"model\":");
    build_bytes(body, order->model);
    text_add_str(body, ",\"stream\":true,\"store\":false,"
                       "\"include\":[\"reasoning.encrypted_content\"]");
    if (request->output_max > 0) {
        text_add_str(body, ",\"max_output_tokens\":");
        text_add_int(body, request->output_max);
    }
    build_temperature(body, request->temperature_pct);
    const char *effort = build_effort(request->effort);
    if (effort != NULL) {
        text_addf(body, ",\"reasoning\":{\"effort\":\"%s\",\"summary\":\"auto\"}", effort);
    }
    if (request->schema.len > 0) {
        text_add_str(body, ",\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"answer\","
                           "\"schema\":");
        build_schema(body, request->schema);
        text_add_str(body, ",\"strict\":false}}");
    }
}

static void build_choice(const struct model_request *request, struct text *body) {
    if (request->choice_tool.len > 0) {
        text_add_str(body, ",\"tool_choice\":{\"type\":\"function\",\"name\":");
        build_bytes(body, request->choice_tool);
        text_add_char(body, '}');
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
        text_add_str(body, "{\"type\":\"function\",");
        build_tool(body, &request->tools[i], "parameters");
        text_add_str(body, ",\"strict\":false}");
    }
    text_add_char(body, ']');
}

static void build_call(const struct model_part *part, struct text *body) {
    AUTO(text_done) struct text arguments;
    text_init(&arguments, REQUEST_SIZE_MAX);
    build_arguments(&arguments, part->text);
    text_add_str(body, "{\"type\":\"function_call\",\"call_id\":");
    build_bytes(body, part->id);
    text_add_str(body, ",\"name\":");
    build_bytes(body, part->name);
    text_add_str(body, ",\"arguments\":");
    build_bytes(body, (struct bytes){arguments.data, arguments.len});
    text_add_char(body, '}');
}

static void build_input_text(struct text *body, struct bytes text) {
    text_add_str(body, "{\"type\":\"input_text\",\"text\":");
    build_bytes(body, text);
    text_add_char(body, '}');
}

static void build_user(const struct model_part *part, struct bytes tail, struct text *body) {
    text_add_str(body, "{\"role\":\"user\",\"content\":[");
    if (part->kind == MODEL_PART_IMAGE) {
        text_add_str(body, "{\"type\":\"input_image\",\"image_url\":");
        build_data_url(body, part);
        text_add_char(body, '}');
    } else {
        build_input_text(body, part->text);
    }
    if (tail.len > 0) {
        text_add_char(body, ',');
        build_input_text(body, tail);
    }
    text_add_str(body, "]}");
}

static void build_said(const struct model_part *part, struct text *body) {
    text_add_str(body, "{\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":");
    build_bytes(body, part->text);
    text_add_str(body, "}]}");
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
            build_said(part, body);
        }
        break;
    case MODEL_PART_THINKING:
        text_add(body, part->signature.data, part->signature.len);
        break;
    case MODEL_PART_TOOL_CALL:
        build_call(part, body);
        break;
    case MODEL_PART_TOOL_RESULT:
        text_add_str(body, "{\"type\":\"function_call_output\",\"call_id\":");
        build_bytes(body, part->id);
        text_add_str(body, ",\"output\":");
        build_bytes(body, part->text);
        text_add_char(body, '}');
        break;
    }
}

/* Reasoning is given back as the JSON that it came as. It is left out where none came, or where a
 * damaged row holds something else: the whole request would be refused, now and each time. */
static bool shown(const struct model_part *part) {
    bool lost = part->kind == MODEL_PART_THINKING && !json_is_valid(part->signature);
    return build_shown(part, MODEL_KIND_RESPONSES) && !lost;
}

static void build_input(const struct model_request *request, struct text *body) {
    bool first = true;
    struct bytes left = request->tail; /* Until it was said. */
    for (const struct model_message *at = request->first; at != NULL; at = at->next) {
        for (const struct model_part *part = at->first; part != NULL; part = part->next) {
            if (shown(part)) {
                struct bytes tail = part->next == NULL ? build_tail(request, at) : BYTES("");
                build_comma(body, &first);
                build_part(at->role, part, tail, body);
                left = tail.len > 0 ? BYTES("") : left;
            }
        }
    }
    if (left.len > 0) {
        const struct model_part alone = {.kind = MODEL_PART_TEXT, .text = left};
        build_comma(body, &first);
        build_user(&alone, BYTES(""), body);
    }
}

void wire__responses_build(const struct wire_order *order, struct text *body) {
    const struct model_request *request = order->request;
    build_settings(order, body);
    build_tools(request, body);
    if (request->system.len > 0) {
        text_add_str(body, ",\"instructions\":");
        build_bytes(body, request->system);
    }
    text_add_str(body, ",\"input\":[");
    build_input(request, body);
    text_add_str(body, "]}");
}
