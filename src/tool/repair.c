/* repair.c: text first, then values.
 *
 * The text is only touched when it does not parse: then the outermost object in it is looked for,
 * and commas that close nothing are taken out. Values are only touched where the schema says a
 * type, and what is there is of another.
 */
#include "tool/repair.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "rules/turn/mend.h"

enum { DEPTH_MAX = 16, NUMBER_MAX = 64 };
#define BLANKS " \t\r\n"

/* --- Text ------------------------------------------------------------------------------------- */

static struct err parse(struct bytes text, json_t **ret_json, struct why *why) {
    return json_parse(text.data, text.len, JSON_DEPTH_MAX, ret_json, why);
}

/* The object that was meant, in a text that is no JSON as it stands. */
static bool parse_repaired(struct bytes raw, json_t **ret_json, struct text *told) {
    struct bytes object = raw;
    bool cut = json_brackets_find(raw, "{", &object) && object.len < raw.len, commas = false;
    bool parsed = cut && !err_failed(parse(object, ret_json, NULL));
    if (!parsed) {
        size_t len = 0;
        AUTO(mem_release) char *copy = commas_drop(object, &len);
        commas = copy != NULL && !err_failed(parse((struct bytes){copy, len}, ret_json, NULL));
    }
    if (parsed || commas) {
        text_add_str(told, cut ? "text around the arguments' JSON was left out\n" : "");
        text_add_str(told, commas ? "commas before a closing bracket were left out\n" : "");
    }
    return parsed || commas;
}

struct err repair_parse(struct bytes raw, json_t **ret_json, struct text *told, struct why *why) {
    struct bytes text = bytes_trim(raw, BLANKS);
    if (text.len == 0) {
        *ret_json = json_object(); /* A call without arguments. */
        return *ret_json == NULL ? err_make(ERR_OUT_OF_MEMORY, "repair: parse") : ERR_OK;
    }
    AUTO(json_release) json_t *json = NULL;
    AUTO(json_release) json_t *inner = NULL;
    struct err err = parse(raw, &json, why);
    if (err_failed(err) && (err.code != ERR_BAD_JSON || !parse_repaired(text, &json, told))) {
        return err;
    }
    const struct bytes quoted = json_text(json);
    if (json_is_string(json) && !err_failed(parse(quoted, &inner, NULL)) && json_is_object(inner)) {
        text_add_str(told, "the arguments were a string; the JSON in it was taken\n");
        *ret_json = json_incref(inner);
    } else {
        *ret_json = json_incref(json);
    }
    return ERR_OK;
}

/* --- Values ----------------------------------------------------------------------------------- */

struct repair {
    struct text *told;
    unsigned depth;
    char path[128]; /* Cut is fine: it is for a sentence. */
    bool no_memory;
};

/* Whether a word is among `names`: one text, or an array of them. */
static bool names_hold(const json_t *names, const char *word) {
    bool holds = json_is_string(names) && strcmp(json_string_value(names), word) == 0;
    for (size_t i = 0; i < json_array_size(names) && !holds; i++) {
        holds = names_hold(json_array_get(names, i), word);
    }
    return holds;
}

static bool wants(const json_t *schema, const char *type) {
    return names_hold(json_object_get(schema, "type"), type);
}

static bool wants_number(const json_t *schema) {
    return wants(schema, "integer") || wants(schema, "number");
}

static bool fits(const json_t *schema, const json_t *value) {
    static const char *const types[] = {
        [JSON_OBJECT] = "object",   [JSON_ARRAY] = "array", [JSON_STRING] = "string",
        [JSON_INTEGER] = "integer", [JSON_REAL] = "number", [JSON_TRUE] = "boolean",
        [JSON_FALSE] = "boolean",   [JSON_NULL] = "null"};
    return json_object_get(schema, "type") == NULL || /* No type is given: any fits. */
           wants(schema, types[json_typeof(value)]) ||
           (json_is_number(value) && wants_number(schema));
}

/* The value of a text, written without its quotes; NULL: nothing that is wanted. */
static json_t *from_text(const json_t *schema, const json_t *value) {
    struct bytes text = bytes_trim(json_text(value), BLANKS);
    bool number = text.len > 0 && text.len < NUMBER_MAX && wants_number(schema);
    bool container = text.len > 1 && (text.data[0] == '{' || text.data[0] == '[');
    if (wants(schema, "boolean") && bytes_equal_nocase(text, BYTES("true"))) {
        return json_true();
    }
    if (wants(schema, "boolean") && bytes_equal_nocase(text, BYTES("false"))) {
        return json_false();
    }
    json_t *json = NULL;
    if ((!number && !container) || err_failed(parse(text, &json, NULL))) {
        return NULL;
    }
    if (!(number && json_is_number(json)) && !(container && fits(schema, json))) {
        json_release(&json);
    }
    return json;
}

static json_t *repair_value(struct repair *repair, const json_t *schema, json_t *value);

/* A list of the one value, if that would be right in one. */
static json_t *to_list(struct repair *repair, const json_t *schema, json_t *value) {
    const json_t *items = json_object_get(schema, "items");
    if (!wants(schema, "array") || json_is_null(value) || json_is_array(value)) {
        return NULL;
    }
    json_t *better = items == NULL ? NULL : repair_value(repair, items, value);
    json_t *item = better != NULL ? better : json_incref(value);
    json_t *list = items == NULL || fits(items, item) ? json_array() : NULL;
    if (list != NULL && json_array_append(list, item) != 0) {
        json_release(&list);
        repair->no_memory = true;
    }
    json_decref(item);
    return list;
}

static json_t *convert(struct repair *repair, const json_t *schema, json_t *value) {
    json_t *better = json_is_string(value) ? from_text(schema, value) : NULL;
    const char *what = json_is_boolean(better)  ? "text was taken as true or false"
                       : json_is_number(better) ? "text was taken as a number"
                                                : "the JSON in the text was taken";
    if (better == NULL && wants(schema, "string") && !wants(schema, "array")) {
        AUTO(text_done) struct text text = text_up_to(NUMBER_MAX);
        bool plain = json_is_string(value) || json_is_number(value) || json_is_boolean(value);
        what = "the value was taken as text";
        if (plain && !err_failed(json_write(value, &text))) {
            better = json_stringn(text.data, text.len);
        }
    } else if (better == NULL) {
        what = "the value was taken as a list of one";
        better = to_list(repair, schema, value);
    }
    if (better != NULL) {
        text_addf(repair->told, "%s: %s\n", repair->path, what);
    }
    return better;
}

static bool refuses_null(const json_t *property) {
    const json_t *choices = json_object_get(property, "enum");
    for (size_t i = 0; i < json_array_size(choices); i++) {
        if (json_is_null(json_array_get(choices, i))) {
            return false;
        }
    }
    return choices != NULL || !fits(property, json_null());
}

/* Repairs a member or an item: `name` is its step of the path. */
static json_t *repair_at(struct repair *repair, const json_t *schema, json_t *value,
                         const char *name) {
    size_t len = strlen(repair->path);
    (void)snprintf(repair->path + len, sizeof repair->path - len, "/%.40s", name);
    json_t *better = repair_value(repair, schema, value);
    repair->path[len] = '\0';
    return better;
}

static void repair_members(struct repair *repair, const json_t *schema, json_t *object) {
    const json_t *properties = json_object_get(schema, "properties");
    for (struct json_member at = json_first(properties); at.value != NULL; at = json_next(at)) {
        const char *name = at.key.data;
        json_t *value = json_object_get(object, name);
        if (json_is_null(value) && refuses_null(at.value) &&
            !names_hold(json_object_get(schema, "required"), name)) {
            text_addf(repair->told, "%s/%.40s: null was taken as absent\n", repair->path, name);
            (void)json_object_del(object, name); /* It is there. */
            continue;
        }
        json_t *better = value == NULL ? NULL : repair_at(repair, at.value, value, name);
        if (better != NULL && json_object_set_new(object, name, better) != 0) {
            repair->no_memory = true;
        }
    }
}

static void repair_items(struct repair *repair, const json_t *schema, json_t *list) {
    const json_t *items = json_object_get(schema, "items");
    for (size_t i = 0; items != NULL && i < json_array_size(list); i++) {
        char number[24];
        (void)snprintf(number, sizeof number, "%zu", i);
        json_t *better = repair_at(repair, items, json_array_get(list, i), number);
        if (better != NULL && json_array_set_new(list, i, better) != 0) {
            repair->no_memory = true;
        }
    }
}

/* A new value to take instead, or NULL: this one stays, though what is in it may have changed. */
static json_t *repair_value(struct repair *repair, const json_t *schema, json_t *value) {
    if (repair->depth == DEPTH_MAX || !json_is_object(schema)) {
        return NULL;
    }
    repair->depth++;
    json_t *better = fits(schema, value) ? NULL : convert(repair, schema, value);
    json_t *now = better != NULL ? better : value;
    if (json_is_object(now)) {
        repair_members(repair, schema, now);
    } else if (json_is_array(now)) {
        repair_items(repair, schema, now);
    }
    repair->depth--;
    return better;
}

struct err repair_values(const struct json_schema *schema, json_t **json, struct text *told) {
    struct repair repair = {.told = told};
    json_t *better = repair_value(&repair, json_schema_source(schema), *json);
    if (better != NULL) {
        json_decref(*json);
        *json = better;
    }
    return repair.no_memory ? err_make(ERR_OUT_OF_MEMORY, "repair: values") : ERR_OK;
}
