/* always.c: see always.h. */
#include "rules/approval/always.h"

#include "base/glob.h"
#include "base/text.h"
#include "rules/approval/permission.h"

enum {
    SUBJECTS_MAX = 8,
    /* A program leaves a longer subject out of `about`; a rule without one would allow every call
     * of the tool. */
    ARGUMENTS_MAX = 32 << 10,
};

struct subjects {
    struct bytes of[SUBJECTS_MAX];
    size_t count;
};

static struct err memory_short(void) {
    return err_make(ERR_OUT_OF_MEMORY, "always: rule");
}

/* The list of that name, which is made where there is none. NULL: no memory. */
static json_t *list_of(json_t *settings, const char *name) {
    json_t *list = json_object_get(settings, name);
    if (!json_is_array(list)) {
        list = json_array();
        list = json_object_set_new(settings, name, list) == 0 ? list : NULL;
    }
    return list;
}

static struct err edits_add(const struct always_call *call, json_t *settings, struct why *why) {
    if (call->subject.len == 0) {
        return json_object_set_new(settings, "edits", json_string("allow")) == 0 ? ERR_OK
                                                                                 : memory_short();
    }
    if (bytes_is(json_bytes(settings, "edits"), "allow")) {
        return ERR_OK;
    }
    json_t *list = list_of(settings, "edits");
    if (list != NULL && json_has_text(list, call->subject)) {
        return ERR_OK;
    }
    if (json_array_size(list) >= PERMISSION_EDITS_MAX) {
        return err_why(why, ERR_BAD_FIELD, "subject: \"edits\" has %d already; remove some",
                       PERMISSION_EDITS_MAX);
    }
    return list != NULL && json_array_append_new(
                               list, json_stringn(call->subject.data, call->subject.len)) == 0
               ? ERR_OK
               : memory_short();
}

/* A pattern that only this text matches: the name of a tool of a program may be any text, too. */
static void exactly_write(struct bytes of, struct text *pattern) {
    for (size_t i = 0; i < of.len; i++) {
        text_add_str(pattern, memchr("?*[]\\!", of.data[i], 6) != NULL ? "\\" : "");
        text_add_char(pattern, of.data[i]);
    }
}

static struct err rule_add(const struct always_call *call, struct bytes pattern, json_t *settings,
                           struct why *why) {
    AUTO(text_done) struct text tool = text_up_to(GLOB_PATTERN_MAX);
    exactly_write(call->tool, &tool);
    if (tool.len == 0 || text_failed(&tool)) { /* Without a name it would be for all tools. */
        return err_why(why, ERR_BAD_FIELD, "scope: no rule can name this tool; allow it once");
    }
    json_t *list = list_of(settings, "permissions");
    json_t *rule = json_object();
    const bool made =
        list != NULL && rule != NULL &&
        json_object_set_new(rule, "tool", json_stringn(tool.data, tool.len)) == 0 &&
        (pattern.len == 0 ||
         json_object_set_new(rule, "subject", json_stringn(pattern.data, pattern.len)) == 0) &&
        json_object_set_new(rule, "permission", json_string("allow")) == 0;
    if (!made || json_array_size(list) >= PERMISSION_RULES_MAX) {
        json_decref(rule);
        return !made ? memory_short()
                     : err_why(why, ERR_BAD_FIELD,
                               "scope: the settings have %d permissions already; remove some",
                               PERMISSION_RULES_MAX);
    }
    return json_array_append_new(list, rule) == 0 ? ERR_OK : memory_short();
}

static struct err subject_add(const struct always_call *call, struct bytes subject,
                              json_t *settings, struct why *why) {
    AUTO(text_done) struct text pattern = text_up_to(GLOB_PATTERN_MAX);
    exactly_write(subject, &pattern);
    if (subject.len == 0) { /* Such a rule would be for all subjects. */
        return err_why(why, ERR_BAD_FIELD, "scope: no rule can name this call; allow it once");
    }
    return text_failed(&pattern) ? err_why(why, ERR_BAD_FIELD,
                                           "scope: the call is too long for a rule; allow it "
                                           "once, or name a subject")
                                 : rule_add(call, text_bytes(&pattern), settings, why);
}

static struct err subjects_read(const json_t *about, struct subjects *ret, struct why *why) {
    const json_t *list = json_object_get(about, "subjects");
    ret->count = json_array_size(list);
    if (ret->count > SUBJECTS_MAX) {
        return err_why(why, ERR_BAD_FIELD, "scope: the call is about too much for a rule");
    }
    for (size_t i = 0; i < ret->count; i++) {
        const json_t *text = json_array_get(list, i);
        ret->of[i] = (struct bytes){json_string_value(text), json_string_length(text)};
    }
    return ERR_OK;
}

static struct err calls_add(const struct always_call *call, const struct subjects *subjects,
                            json_t *settings, struct why *why) {
    if (call->subject.len > 0) {
        return rule_add(call, call->subject, settings, why);
    }
    if (subjects->count == 0) {
        return call->arguments.len > ARGUMENTS_MAX
                   ? err_why(why, ERR_BAD_FIELD, "scope: the call is too long for a rule")
                   : rule_add(call, BYTES(""), settings, why);
    }
    struct err err = ERR_OK;
    for (size_t i = 0; i < subjects->count && !err_failed(err); i++) {
        err = subject_add(call, subjects->of[i], settings, why);
    }
    return err;
}

struct err always_add(const struct always_call *call, json_t *settings, struct why *why) {
    AUTO(json_release) json_t *about = NULL;
    struct subjects subjects = {.count = 0};
    struct err err = call->about.len == 0 ? ERR_OK : json_parse_wrapped(call->about, &about, why);
    if (!err_failed(err)) {
        err = subjects_read(about, &subjects, why);
    }
    if (err_failed(err)) {
        return err;
    }
    const bool edit = (bytes_is(call->tool, "write_file") || bytes_is(call->tool, "edit_file")) &&
                      permission_edit_is_plain(subjects.of, subjects.count);
    bool covers = call->subject.len == 0 || subjects.count > 0;
    for (size_t i = 0; i < subjects.count && call->subject.len > 0; i++) {
        covers = covers && (glob_match(GLOB_PATH, call->subject, subjects.of[i]) ||
                            (!edit && glob_match(GLOB_WORDS, call->subject, subjects.of[i])));
    }
    if (!covers) {
        return err_why(why, ERR_BAD_FIELD, "subject: does not match this call");
    }
    return edit ? edits_add(call, settings, why) : calls_add(call, &subjects, settings, why);
}
