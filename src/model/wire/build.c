/* build.c: pieces of request bodies. */
#include "model/wire/wire.h"

#include <string.h>

void build_next(struct text *body, const char *begin) {
    text_add_str(body, body->len > 0 && body->data[body->len - 1] == '[' ? "" : ",");
    text_add_str(body, begin);
}

void build_text(struct text *body, const char *type, struct bytes text) {
    build_next(body, "{");
    text_add_member(body, "type", bytes_of(type));
    text_add_member(body, "text", text);
    text_add_char(body, '}');
}

/* NULL: the text is no JSON object. */
static json_t *object_parse(struct bytes text) {
    json_t *json = NULL;
    struct err err = json_parse(text.data, text.len, JSON_DEPTH_MAX, &json, /* why */ NULL);
    if (!err_failed(err) && !json_is_object(json)) {
        json_release(&json);
        return NULL;
    }
    return json;
}

void build_schema(struct text *body, struct bytes schema) {
    AUTO(json_release) json_t *json = object_parse(schema);
    size_t before = body->len;
    if (json != NULL && !err_failed(json_write_canonical(json, body))) {
        return;
    }
    body->len = before; /* Nested too deep: half of it would be worse than nothing. */
    text_add_str(body, "{\"type\":\"object\"}");
}

void build_arguments(struct text *body, struct bytes arguments) {
    AUTO(json_release) json_t *json = object_parse(arguments);
    if (json != NULL) {
        text_add(body, arguments.data, arguments.len);
        return;
    }
    text_add_char(body, '{');
    text_add_member(body, "invalid_arguments", arguments);
    text_add_char(body, '}');
}

void build_arguments_text(struct text *body, struct bytes arguments) {
    AUTO(text_done) struct text object = text_up_to(REQUEST_SIZE_MAX);
    build_arguments(&object, arguments);
    text_add_member(body, "arguments", text_bytes(&object));
}

void build_data_url(struct text *body, const struct model_part *image) {
    text_addf(body, "\"data:%.*s;base64,", (int)image->name.len, image->name.data);
    text_add(body, image->text.data, image->text.len);
    text_add_char(body, '"');
}

/* --- What the model takes --------------------------------------------------------------------- */

bool build_sends(struct wire_order *order, enum provider_parameter parameter) {
    const parameter_set set = parameter_of(parameter);
    const bool refused = (order->refused & set) != 0;
    order->wanted |= refused ? set : 0;
    order->sent |= refused ? 0 : set;
    return !refused;
}

/* A model whose server cannot compile the schema, which `tool` has as it is sent, reads the schema
 * in the description. */
static void build_description(struct text *body, struct wire_order *order,
                              const struct model_tool *tool, const char *schema_key) {
    const bool sends = build_sends(order, PARAMETER_TOOL_SCHEMAS);
    AUTO(text_done) struct text about = text_up_to(2 * (size_t)REQUEST_SIZE_MAX);
    text_add(&about, tool->description.data, tool->description.len);
    if (!sends) {
        text_add_str(&about, about.len > 0 ? "\n\n" : "");
        text_add_str(&about, "The arguments must fit this JSON Schema:\n");
        text_add(&about, tool->schema.data, tool->schema.len);
    }
    const struct bytes schema = sends ? tool->schema : BYTES("{\"type\":\"object\"}");
    text_add_member(body, "name", tool->name);
    text_add_member(body, "description", text_bytes(&about));
    text_add_name(body, schema_key);
    text_add(body, schema.data, schema.len);
}

void build_tool(struct text *body, struct wire_order *order, const struct model_tool *tool,
                const char *schema_key) {
    AUTO(text_done) struct text schema = text_up_to(2 * (size_t)REQUEST_SIZE_MAX);
    struct model_tool sent = *tool;
    build_schema(&schema, tool->schema);
    sent.schema = text_bytes(&schema);
    build_description(body, order, &sent, schema_key);
}

bool build_searches(struct wire_order *order) {
    return order->request->searches && build_sends(order, PARAMETER_WEB_SEARCH);
}

enum build_means build_means(struct wire_order *order) {
    const struct model_request *request = order->request;
    if (request->schema.len == 0) {
        return BUILD_WORDS;
    }
    const bool tools = request->tool_count > 0 && (order->refused & PARAMETER_SET(TOOLS)) == 0;
    if (tools && !order->beside_tools) {
        return BUILD_TOOL;
    }
    return build_sends(order, PARAMETER_JSON_SCHEMA)   ? BUILD_SCHEMA
           : tools                                     ? BUILD_TOOL
           : build_sends(order, PARAMETER_JSON_OBJECT) ? BUILD_OBJECT
                                                       : BUILD_PROMPT;
}

/* --- The answer to a schema ------------------------------------------------------------------- */

/* Whether only an object fits, and it says so; *ret_plain: it says it by its properties alone. */
static bool is_of_object(const json_t *schema, bool *ret_plain) {
    const json_t *type = json_object_get(schema, "type");
    *ret_plain = type == NULL && json_object_get(schema, "properties") != NULL;
    return *ret_plain || (json_is_string(type) && strcmp(json_string_value(type), "object") == 0);
}

/* Definitions stay where references look for them: at the root. */
static json_t *schema_wrap(json_t *schema) {
    static const char *const definitions[] = {"$defs", "definitions"};
    json_t *all = json_object(), *members = json_object(), *required = json_array();
    json_t *inner = json_copy(schema);
    for (size_t i = 0; i < COUNT_OF(definitions); i++) {
        json_t *found = json_object_get(inner, definitions[i]);
        if (found != NULL) {
            (void)json_object_set(all, definitions[i], found);
            (void)json_object_del(inner, definitions[i]);
        }
    }
    (void)json_object_set_new(members, "answer", inner);
    (void)json_array_append_new(required, json_string("answer"));
    (void)json_object_set_new(all, "type", json_string("object"));
    (void)json_object_set_new(all, "properties", members);
    (void)json_object_set_new(all, "required", required);
    return all; /* Where memory is short a part is missing: the answer is checked anyway. */
}

void build_answer_schema(struct text *body, struct bytes schema) {
    AUTO(json_release) json_t *json = object_parse(schema);
    AUTO(json_release) json_t *better = NULL;
    bool plain = false;
    size_t before = body->len;
    if (json != NULL && is_of_object(json, &plain)) {
        better = json_incref(json);
        if (plain) {
            (void)json_object_set_new(better, "type", json_string("object"));
        }
    } else if (json != NULL) {
        better = schema_wrap(json);
    }
    if (better == NULL || err_failed(json_write_canonical(better, body))) {
        body->len = before; /* Nested too deep: half of it would be worse than nothing. */
        text_add_str(body, "{\"type\":\"object\"}");
    }
}

void build_instructions(struct text *system, const struct model_request *request,
                        enum build_means means) {
    text_add(system, request->system.data, request->system.len);
    if (means == BUILD_OBJECT || means == BUILD_PROMPT) {
        text_add_str(system, system->len > 0 ? "\n\n" : "");
        text_add_str(system, "Answer with one JSON object and nothing around it: no words, no "
                             "fence. It must fit this JSON Schema:\n");
        build_answer_schema(system, request->schema);
    }
}

void build_answer_tool(struct text *body, struct wire_order *order, const char *schema_key) {
    AUTO(text_done) struct text schema = text_up_to(2 * (size_t)REQUEST_SIZE_MAX);
    build_answer_schema(&schema, order->request->schema);
    const struct model_tool tool = {
        .name = BYTES(WIRE_ANSWER_TOOL),
        .description = BYTES("Gives the final answer. Call it once, when you are done; what you "
                             "write elsewhere is not read."),
        .schema = text_bytes(&schema)};
    build_description(body, order, &tool, schema_key);
}

/* --- Tools ------------------------------------------------------------------------------------ */

static bool has_calls(const struct model_request *request) {
    for (const struct model_message *at = request->first; at != NULL; at = at->next) {
        if (at->role == MODEL_ASSISTANT && build_has(at, MODEL_PART_TOOL_CALL)) {
            return true;
        }
    }
    return false;
}

/* No tool may be called, but the one for the answer. A model that refuses the parameter is offered
 * no other tool, unless it refuses a history of calls without tools, too: what it calls then is
 * refused. True: the others are left out. */
static bool build_choice(struct text *body, struct wire_order *order, enum build_means means,
                         bool nested) {
    if (!build_sends(order, PARAMETER_TOOLS)) {
        return true;
    }
    if (!order->request->no_calls) {
        return false;
    }
    if (!build_sends(order, PARAMETER_TOOL_CHOICE)) {
        return means == BUILD_TOOL || !has_calls(order->request) ||
               build_sends(order, PARAMETER_CALLS_ALONE);
    }
    text_add_str(body, means != BUILD_TOOL ? ",\"tool_choice\":\"none\""
                       : nested ? ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":"
                                  "\"" WIRE_ANSWER_TOOL "\"}}"
                                : ",\"tool_choice\":{\"type\":\"function\",\"name\":"
                                  "\"" WIRE_ANSWER_TOOL "\"}");
    return false;
}

void build_functions(struct text *body, struct wire_order *order, enum build_means means,
                     bool nested) {
    const struct model_request *request = order->request;
    const char *function =
        nested ? "{\"type\":\"function\",\"function\":{" : "{\"type\":\"function\"";
    const char *end = nested ? "}}" : ",\"strict\":false}";
    order->answer_tool = means == BUILD_TOOL;
    const bool left_out = request->tool_count > 0 && build_choice(body, order, means, nested);
    const size_t count = left_out ? 0 : request->tool_count;
    const bool searches = !nested && build_searches(order);
    if (count == 0 && !order->answer_tool && !searches) {
        return;
    }
    text_add_str(body, ",\"tools\":[");
    for (size_t i = 0; i < count; i++) {
        build_next(body, function);
        build_tool(body, order, &request->tools[i], "parameters");
        text_add_str(body, end);
    }
    if (order->answer_tool) {
        build_next(body, function);
        build_answer_tool(body, order, "parameters");
        text_add_str(body, end);
    }
    if (searches) {
        build_next(body, "{\"type\":\"web_search\"}");
    }
    text_add_char(body, ']');
}

/* --- Messages --------------------------------------------------------------------------------- */

struct bytes build_tail(const struct model_request *request, const struct model_message *message) {
    return message == request->question ? request->tail : BYTES("");
}

void build_joined_text(struct text *body, struct bytes head, const struct model_message *message,
                       struct bytes tail) {
    AUTO(text_done) struct text joined = text_up_to(2 * (size_t)REQUEST_SIZE_MAX);
    text_add(&joined, head.data, head.len);
    text_add_str(&joined, head.len > 0 ? "\n\n" : "");
    for (const struct model_part *part = message->first; part != NULL; part = part->next) {
        if (part->kind == MODEL_PART_TEXT) {
            text_add(&joined, part->text.data, part->text.len);
        }
    }
    text_add_str(&joined, joined.len > 0 && tail.len > 0 ? "\n\n" : "");
    text_add(&joined, tail.data, tail.len);
    text_add_json(body, joined.data != NULL ? joined.data : "", joined.len);
}

bool build_has(const struct model_message *message, enum model_part_kind kind) {
    for (const struct model_part *part = message->first; part != NULL; part = part->next) {
        if (part->kind == kind && (kind != MODEL_PART_TEXT || part->text.len > 0)) {
            return true;
        }
    }
    return false;
}

bool build_shown(const struct model_part *part, enum model_kind kind) {
    return part->kind == MODEL_PART_TEXT       ? part->text.len > 0
           : part->kind == MODEL_PART_THINKING ? part->maker == kind
                                               : true;
}
