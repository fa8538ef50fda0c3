/* build.c: pieces of request bodies. */
#include "model/wire/build.h"

#include <string.h>

void build_bytes(struct text *body, struct bytes text) {
    text_add_json(body, text.data, text.len);
}

void build_comma(struct text *body, bool *first) {
    if (!*first) {
        text_add_char(body, ',');
    }
    *first = false;
}

static struct err parse_object(struct bytes text, json_t **ret_json) {
    AUTO(json_release) json_t *json = NULL;
    struct err err = json_parse(text.data, text.len, JSON_DEPTH_MAX, &json, /* why */ NULL);
    if (!err_failed(err) && !json_is_object(json)) {
        return err_make(ERR_BAD_JSON, "build: object");
    }
    if (!err_failed(err)) {
        *ret_json = json;
        json = NULL;
    }
    return err;
}

void build_schema(struct text *body, struct bytes schema) {
    AUTO(json_release) json_t *json = NULL;
    size_t before = body->len;
    if (!err_failed(parse_object(schema, &json))) {
        if (!err_failed(json_write_canonical(json, body))) {
            return;
        }
        body->len = before; /* Nested too deep: half of it would be worse than nothing. */
    }
    text_add_str(body, "{\"type\":\"object\"}");
}

void build_arguments(struct text *body, struct bytes arguments) {
    AUTO(json_release) json_t *json = NULL;
    if (!err_failed(parse_object(arguments, &json))) {
        text_add(body, arguments.data, arguments.len);
        return;
    }
    text_add_str(body, "{\"invalid_arguments\":");
    build_bytes(body, arguments);
    text_add_char(body, '}');
}

void build_data_url(struct text *body, const struct model_part *image) {
    text_add_str(body, "\"data:");
    text_add(body, image->name.data, image->name.len);
    text_add_str(body, ";base64,");
    text_add(body, image->text.data, image->text.len);
    text_add_char(body, '"');
}

void build_tool(struct text *body, const struct model_tool *tool, const char *schema_key) {
    text_add_str(body, "\"name\":");
    build_bytes(body, tool->name);
    text_add_str(body, ",\"description\":");
    build_bytes(body, tool->description);
    text_addf(body, ",\"%s\":", schema_key);
    build_schema(body, tool->schema);
}

struct bytes build_tail(const struct model_request *request, const struct model_message *message) {
    return message == request->question ? request->tail : BYTES("");
}

void build_joined_text(struct text *body, const struct model_message *message, struct bytes tail) {
    AUTO(text_done) struct text joined;
    text_init(&joined, 2 * (size_t)REQUEST_SIZE_MAX);
    for (const struct model_part *part = message->first; part != NULL; part = part->next) {
        if (part->kind == MODEL_PART_TEXT) {
            text_add(&joined, part->text.data, part->text.len);
        }
    }
    text_add_str(&joined, joined.len > 0 && tail.len > 0 ? "\n\n" : "");
    text_add(&joined, tail.data, tail.len);
    build_bytes(body, (struct bytes){joined.data != NULL ? joined.data : "", joined.len});
}

const char *build_effort(enum model_effort effort) {
    switch (effort) {
    case MODEL_EFFORT_LOW:
        return "low";
    case MODEL_EFFORT_MEDIUM:
        return "medium";
    case MODEL_EFFORT_HIGH:
        return "high";
    default:
        return NULL;
    }
}

void build_temperature(struct text *body, int temperature_pct) {
    if (temperature_pct >= 0) {
        text_addf(body, ",\"temperature\":%d.%02d", temperature_pct / 100, temperature_pct % 100);
    }
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
    switch (part->kind) {
    case MODEL_PART_TEXT:
        return part->text.len > 0;
    case MODEL_PART_THINKING:
        return part->maker == kind;
    default:
        return true;
    }
}
