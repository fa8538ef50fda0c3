/* build.c: pieces of request bodies. */
#include "model/wire/wire.h"

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

void build_tool(struct text *body, const struct model_tool *tool, const char *schema_key) {
    text_add_member(body, "name", tool->name);
    text_add_member(body, "description", tool->description);
    text_add_name(body, schema_key);
    build_schema(body, tool->schema);
}

void build_functions(struct text *body, const struct model_request *request, bool nested) {
    const char *function =
        nested ? "{\"type\":\"function\",\"function\":{" : "{\"type\":\"function\"";
    if (request->tool_count == 0) {
        return;
    }
    text_add_str(body, request->no_calls ? ",\"tool_choice\":\"none\"" : "");
    text_add_str(body, ",\"tools\":[");
    for (size_t i = 0; i < request->tool_count; i++) {
        build_next(body, function);
        build_tool(body, &request->tools[i], "parameters");
        text_add_str(body, nested ? "}}" : ",\"strict\":false}");
    }
    text_add_char(body, ']');
}

struct bytes build_tail(const struct model_request *request, const struct model_message *message) {
    return message == request->question ? request->tail : BYTES("");
}

void build_joined_text(struct text *body, const struct model_message *message, struct bytes tail) {
    AUTO(text_done) struct text joined = text_up_to(2 * (size_t)REQUEST_SIZE_MAX);
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
