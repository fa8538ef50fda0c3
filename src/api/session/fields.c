/* fields.c: what a body says of a session, checked. */
#include <string.h>

#include "api/session/sessions.h"
#include "base/json/json.h"
#include "tool/check.h"

void session_fields_init(struct session_fields *fields) {
    *fields = (struct session_fields){.version = 0};
    text_init(&fields->settings_text, SESSION_SETTINGS_MAX);
    text_init(&fields->metadata_text, SESSION_METADATA_MAX);
}

void session_fields_done(struct session_fields *fields) {
    text_done(&fields->settings_text);
    text_done(&fields->metadata_text);
}

static struct err refuse(struct why *why, const char *field, const char *what) {
    why_set(why, "%s: %s", field, what);
    return err_make(ERR_BAD_FIELD, "sessions: field");
}

static struct bytes bytes_or_none(const char *text) {
    return text == NULL ? (struct bytes){NULL, 0} : bytes_of(text);
}

bool sessions__line_valid(struct bytes text) {
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

static struct err object_read(const json_t *value, const char *name, struct text *text,
                              struct bytes *ret_json, struct why *why) {
    if (value == NULL) {
        return ERR_OK;
    }
    if (!json_is_object(value)) {
        return refuse(why, name, "must be an object");
    }
    struct err err = json_write(value, text);
    if (err_failed(err) && text->no_memory) {
        return err;
    }
    if (err_failed(err)) {
        why_set(why, "%s: more than %zu bytes as compact JSON", name, text->size_max);
        return err_make(ERR_BAD_FIELD, "sessions: field");
    }
    *ret_json = (struct bytes){text->data, text->len};
    return ERR_OK;
}

static struct err check(const struct session_fields *fields, struct why *why) {
    const struct {
        const char *name;
        struct bytes text;
    } lines[] = {{"title", fields->title},
                 {"model", fields->model},
                 {"agent", fields->agent},
                 {"root", fields->root}};
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        if (!sessions__line_valid(lines[i].text)) {
            return refuse(why, lines[i].name, "no control characters");
        }
    }
    if (fields->root.len > 0 && fields->root.data[0] != '/') {
        return refuse(why, "root", "must be an absolute path");
    }
    if (fields->project.data != NULL && !session_project_valid(fields->project)) {
        why_set(why,
                "project: 1 to %d of a-z, 0-9, '_', '.', '-', beginning with a letter or a digit",
                SESSION_PROJECT_MAX);
        return err_make(ERR_BAD_FIELD, "sessions: project");
    }
    if (fields->parent.data != NULL &&
        !id_valid(fields->parent.data, fields->parent.len, sessions__kind.prefix)) {
        return refuse(why, "parent", "must be the id of a session");
    }
    return ERR_OK;
}

struct err session_settings_check(const json_t *settings, struct why *why) {
    const json_t *checked = json_object_get(settings, "check");
    const json_t *calls = json_object_get(settings, "max_tool_calls");
    if (calls != NULL && (!json_is_integer(calls) || json_integer_value(calls) <= 0)) {
        return refuse(why, "max_tool_calls", "must be a whole number above 0");
    }
    const json_t *edits = json_object_get(settings, "edits");
    const char *word = json_string_value(edits);
    if (edits != NULL &&
        (word == NULL || (strcmp(word, "ask") != 0 && strcmp(word, "allow") != 0))) {
        return refuse(why, "edits", "must be \"ask\" or \"allow\"");
    }
    return checked == NULL ? ERR_OK : check_setting_check(checked, why);
}

struct err session_fields_read(const json_t *json, enum session_body body,
                               struct session_fields *fields, struct why *why) {
    const char *title = NULL, *model = NULL, *agent = NULL, *root = NULL, *instructions = NULL;
    const char *project = NULL, *parent = NULL;
    json_t *settings = NULL, *metadata = NULL;
    enum { COMMON = 7, ALL = COMMON + 2 };
    struct json_field table[ALL] = {
        {.name = "title", .kind = JSON_KIND_TEXT, .max = SESSION_TITLE_MAX, .text = &title},
        {.name = "model", .kind = JSON_KIND_TEXT, .max = SESSION_MODEL_MAX, .text = &model},
        {.name = "agent", .kind = JSON_KIND_TEXT, .max = SESSION_AGENT_MAX, .text = &agent},
        {.name = "root", .kind = JSON_KIND_TEXT, .max = SESSION_ROOT_MAX, .text = &root},
        {.name = "instructions",
         .kind = JSON_KIND_TEXT,
         .max = SESSION_INSTRUCTIONS_MAX,
         .text = &instructions},
        {.name = "settings", .kind = JSON_KIND_ANY, .value = &settings},
        {.name = "metadata", .kind = JSON_KIND_ANY, .value = &metadata},
    };
    if (body == SESSION_BODY_NEW) {
        table[COMMON] = (struct json_field){.name = "project",
                                            .kind = JSON_KIND_TEXT,
                                            .max = SESSION_PROJECT_MAX,
                                            .text = &project};
        table[COMMON + 1] = (struct json_field){
            .name = "parent", .kind = JSON_KIND_TEXT, .max = ID_SIZE, .text = &parent};
    } else {
        table[COMMON] = (struct json_field){.name = "version",
                                            .kind = JSON_KIND_INT,
                                            .min = 1,
                                            .max = INT64_MAX,
                                            .number = &fields->version};
        table[COMMON + 1] = (struct json_field){
            .name = "archived", .kind = JSON_KIND_BOOL, .flag = &fields->archived_value};
    }
    struct err err = json_read_fields(json, table, ALL, why);
    if (err_failed(err)) {
        return err;
    }
    fields->title = bytes_or_none(title);
    fields->model = bytes_or_none(model);
    fields->agent = bytes_or_none(agent);
    fields->root = bytes_or_none(root);
    fields->instructions = bytes_or_none(instructions);
    fields->project = bytes_or_none(project);
    fields->parent = bytes_or_none(parent);
    fields->archived = json_object_get(json, "archived") != NULL ? &fields->archived_value : NULL;
    err = session_settings_check(settings, why);
    if (err_failed(err)) {
        return err;
    }
    err = object_read(settings, "settings", &fields->settings_text, &fields->settings, why);
    if (!err_failed(err)) {
        err = object_read(metadata, "metadata", &fields->metadata_text, &fields->metadata, why);
    }
    return err_failed(err) ? err : check(fields, why);
}
