/* file.c: see file.h. Front matter becomes the JSON that a file of the other kind would hold, and
 * is then read by the same fields. */
#include "agent/file.h"

#include <stdio.h>

#include "base/markdown/front_matter.h"
#include "base/number.h"
#include "base/utf8.h"

#define BLANKS " \t\r\n"

const char *const agent_file_endings[AGENT_FILES] = {".json", ".md"};

/* --- Lines ------------------------------------------------------------------------------------ */

static size_t line_at(struct bytes text, const char *at) {
    size_t line = 1;
    for (const char *c = text.data; c < at; c++) {
        line += *c == '\n';
    }
    return line;
}

/* A name as a file has it where it is a member: in JSON within quotes, else where a line begins. */
static const char *member_find(enum agent_file form, struct bytes text, struct bytes member) {
    const bool json = form == AGENT_FILE_JSON;
    for (size_t at = 0; at + member.len < text.len; at++) {
        const char before = at > 0 ? text.data[at - 1] : '\n';
        const char after = text.data[at + member.len];
        if (memcmp(text.data + at, member.data, member.len) == 0 &&
            (json ? before == '"' && after == '"' : before == '\n' && after == ':')) {
            return text.data + at;
        }
    }
    return NULL;
}

/* Sentences about a field name it first, in quotes: the line of that name goes before them. */
static void line_tell(enum agent_file form, struct bytes text, struct why *why) {
    const char *begin = strchr(why->text, '"');
    const char *end = begin == NULL ? NULL : strchr(begin + 1, '"');
    if (end == NULL || end == begin + 1) {
        return;
    }
    const char *at = member_find(form, text, (struct bytes){begin + 1, (size_t)(end - begin - 1)});
    if (at != NULL) {
        const struct why words = *why;
        why_set(why, "line %zu: %.290s", line_at(text, at), words.text);
    }
}

/* --- Values of front matter ------------------------------------------------------------------- */

static struct bytes unquoted(struct bytes word) {
    word = bytes_trim(word, BLANKS);
    const bool quoted = word.len > 1 && strchr("\"'", word.data[0]) != NULL &&
                        word.data[word.len - 1] == word.data[0];
    return quoted ? (struct bytes){word.data + 1, word.len - 2} : word;
}

static json_t *text_value(struct bytes value) {
    return json_stringn(value.data == NULL ? "" : value.data, value.len);
}

/* Lines of a text that goes on below its key are one. */
static json_t *joined_value(struct bytes value) {
    AUTO(text_done) struct text text = text_up_to(AGENT_DEFINITION_MAX);
    struct bytes line;
    while (bytes_next(&value, '\n', &line)) {
        line = bytes_trim(line, BLANKS);
        text_add_str(&text, text.len > 0 && line.len > 0 ? " " : "");
        text_add(&text, line.data, line.len);
    }
    return text_failed(&text) ? NULL : text_value(text_bytes(&text));
}

/* Where a word of a list ends: at a comma that is not quoted. */
static size_t word_end(struct bytes list) {
    char quote = '\0';
    for (size_t i = 0; i < list.len; i++) {
        const char c = list.data[i];
        if (quote != '\0') {
            quote = c == quote ? '\0' : quote;
        } else if (c == '"' || c == '\'') {
            quote = c;
        } else if (c == ',') {
            return i;
        }
    }
    return list.len;
}

/* "[a, b]", "a, b", or lines "- a". */
static json_t *list_value(struct bytes value) {
    json_t *list = json_array();
    struct bytes line;
    value = bytes_trim(value, BLANKS);
    if (value.len > 0 && value.data[0] == '-' &&
        (value.len == 1 || strchr(BLANKS, value.data[1]) != NULL)) {
        while (bytes_next(&value, '\n', &line)) {
            line = bytes_trim(line, BLANKS);
            if (line.len > 1 && line.data[0] == '-') {
                (void)json_array_append_new(
                    list, text_value(unquoted((struct bytes){line.data + 1, line.len - 1})));
            }
        }
        return list;
    }
    if (value.len > 1 && value.data[0] == '[' && value.data[value.len - 1] == ']') {
        value = (struct bytes){value.data + 1, value.len - 2};
    }
    while (value.len > 0) {
        const size_t end = word_end(value);
        const struct bytes word = unquoted((struct bytes){value.data, end});
        if (word.len > 0) {
            (void)json_array_append_new(list, text_value(word));
        }
        const size_t used = end < value.len ? end + 1 : end;
        value = (struct bytes){value.data + used, value.len - used};
    }
    return list;
}

/* JSON, or lines "NAME: value" below the key, of which a value may be JSON. NULL: `why` says. */
static json_t *json_value(struct bytes value, struct why *why) {
    AUTO(json_release) json_t *object = NULL;
    struct bytes line;
    value = bytes_trim(value, BLANKS);
    if (value.len > 0 && strchr("{[", value.data[0]) != NULL) {
        const struct err err = json_parse(value.data, value.len, JSON_DEPTH_MAX, &object, why);
        return err_failed(err) ? NULL : json_incref(object);
    }
    object = json_object();
    while (bytes_next(&value, '\n', &line)) {
        line = bytes_trim(line, BLANKS);
        const char *colon = line.len == 0 ? NULL : memchr(line.data, ':', line.len);
        if (line.len == 0 || line.data[0] == '#') {
            continue;
        }
        if (colon == NULL) {
            why_set(why, "\"%.*s\" must be NAME: VALUE", (int)(line.len < 60 ? line.len : 60),
                    line.data);
            return NULL;
        }
        const struct bytes name = unquoted((struct bytes){line.data, (size_t)(colon - line.data)});
        const struct bytes word = bytes_trim(
            (struct bytes){colon + 1, line.len - (size_t)(colon + 1 - line.data)}, BLANKS);
        AUTO(json_release) json_t *part = NULL;
        if (word.len > 0 && word.data[0] == '{') {
            if (err_failed(json_parse(word.data, word.len, JSON_DEPTH_MAX, &part, why))) {
                return NULL;
            }
        } else {
            part = text_value(unquoted(word));
        }
        (void)json_object_setn(object, name.data, name.len, part); /* NULL is refused. */
    }
    return json_incref(object);
}

static json_t *field_value(const struct field *field, struct bytes value, struct why *why) {
    int64_t number = 0;
    switch (field->kind) {
    case FIELD_TEXTS:
        return list_value(value);
    case FIELD_JSON:
        return json_value(value, why);
    case FIELD_INT:
        if (!number_parse(bytes_trim(value, BLANKS), (struct number_bounds){INT64_MIN, INT64_MAX},
                          &number)) {
            why_set(why, "\"%s\" must be an integer", field->name);
            return NULL;
        }
        return json_integer(number);
    default:
        return joined_value(value);
    }
}

static const struct field *field_find(struct bytes name) {
    for (size_t i = 0; i < agent_fields.count; i++) {
        if (bytes_is(name, agent_fields.rows[i].name)) {
            return &agent_fields.rows[i];
        }
    }
    return NULL;
}

/* --- Files ------------------------------------------------------------------------------------ */

static struct err markdown_parse(struct bytes text, json_t **ret_json, struct why *why) {
    AUTO(json_release) json_t *json = json_object();
    struct bytes key, value;
    struct front front;
    front_read(text, &front);
    if (front_value(&front, "program").data == NULL) {
        return err_make(ERR_NOT_FOUND, "agents: no program");
    }
    if (front.broken) {
        return err_why(why, ERR_BAD_FIELD,
                       "what stands between its lines of \"---\" is not read here: write each key "
                       "at the beginning of a line, and end it with \"---\"");
    }
    for (struct bytes rest = front.lines; front_next(&rest, &key, &value);) {
        const struct field *field = field_find(key);
        const size_t line = line_at(text, key.data);
        const int shown = (int)(key.len < 60 ? key.len : 60);
        struct why part = {""};
        if (field == NULL) {
            return err_why(why, ERR_UNKNOWN_FIELD, "line %zu: unknown field \"%.*s\"", line, shown,
                           key.data);
        }
        if (json_object_get(json, field->name) != NULL) {
            return err_why(why, ERR_BAD_FIELD, "line %zu: \"%s\" stands there twice", line,
                           field->name);
        }
        json_t *read = field_value(field, value, &part);
        if (read == NULL || json_object_set_new(json, field->name, read) != 0) {
            return err_why(why, ERR_BAD_FIELD, "line %zu: %.290s", line,
                           part.text[0] != '\0' ? part.text : "it is not text in UTF-8");
        }
    }
    const struct bytes body = bytes_trim(front.rest, BLANKS);
    if (body.len > 0 && json_object_set_new(json, "instructions", text_value(body)) != 0) {
        return err_why(why, ERR_BAD_FIELD, "its text is not in UTF-8");
    }
    *ret_json = json_incref(json);
    return ERR_OK;
}

static struct err json_file_parse(struct bytes text, json_t **ret_json, struct why *why) {
    AUTO(json_release) json_t *json = NULL;
    struct err err =
        json_parse(text.data == NULL ? "" : text.data, text.len, JSON_DEPTH_MAX, &json, why);
    if (!err_failed(err) && !json_is_object(json)) {
        err = err_why(why, ERR_BAD_FIELD, "line 1: it must be a JSON object, not %s",
                      json_kind_of(json));
    }
    if (!err_failed(err)) {
        *ret_json = json_incref(json);
    }
    return err;
}

struct err agent_file_read(enum agent_file form, const char *name, struct bytes text,
                           json_t **ret_json, struct agent_definition *ret_what, struct why *why) {
    AUTO(json_release) json_t *json = NULL;
    TRY(form == AGENT_FILE_JSON ? json_file_parse(text, &json, why)
                                : markdown_parse(text, &json, why));
    if (!utf8_valid(name, strlen(name))) {
        return err_why(why, ERR_BAD_FIELD, "the name of the file is not text in UTF-8");
    }
    const char *given = json_str(json, "name", name);
    if (strcmp(given, name) != 0) {
        why_set(why, "\"name\" is \"%.64s\", and the file is named %.64s%s", given, name,
                agent_file_endings[form]);
        line_tell(form, text, why);
        return err_make(ERR_BAD_FIELD, "agents: name");
    }
    if (json_object_get(json, "name") == NULL) {
        (void)json_object_set_new(json, "name", json_string(name)); /* NULL is refused. */
    }
    struct err err = agent_definition_read(json, ret_what, why);
    if (err_failed(err)) {
        line_tell(form, text, why);
        return err;
    }
    *ret_json = json_incref(json);
    return ERR_OK;
}
