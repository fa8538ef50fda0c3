/* always.c: see always.h. */
#include "rules/approval/always.h"

#include "base/glob.h"
#include "base/text.h"
#include "rules/approval/words.h"

enum {
    SUBJECTS_MAX = 8,
};

struct subjects {
    struct bytes of[SUBJECTS_MAX];
    size_t count;
    enum subject_kind kind;
    bool exact;
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

/* The rule has a subject: without one it would be for all calls of the tool. */
static struct err rule_add(const struct always_call *call, struct bytes pattern, json_t *settings,
                           struct why *why) {
    assert(pattern.len > 0);
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
        json_object_set_new(rule, "subject", json_stringn(pattern.data, pattern.len)) == 0 &&
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

/* False: no pattern matches this subject alone. */
static bool pattern_write(struct bytes subject, enum subject_kind kind, struct text *pattern) {
    if (kind == SUBJECT_WORDS) {
        text_add(pattern, subject.data, subject.len);
    } else if (kind == SUBJECT_SHELL) {
        AUTO(shell_text_done) struct shell_text shell;
        shell_text_read(subject, &shell);
        if (shell.count == 1) {
            const struct bytes words = shell_text_words(&shell, 0);
            text_add(pattern, words.data, words.len);
        } else {
            words_add_quoted(pattern, subject);
        }
    } else {
        /* Without a slash it would match files of that name in any folder. */
        const bool top =
            kind == SUBJECT_PATH && subject.len > 0 &&
            (memchr(subject.data, '/', subject.len) == NULL || bytes_begin(subject, BYTES("./")));
        text_add_str(pattern, top ? "./" : "");
        exactly_write(subject, pattern);
    }
    /* A subject that looks like a digest would be taken for the digest of another call. */
    return pattern->len > 0 && !text_failed(pattern) &&
           !bytes_begin(text_bytes(pattern), BYTES(PERMISSION_DIGEST));
}

static struct err digest_add(const struct always_call *call, json_t *settings, struct why *why) {
    AUTO(text_done) struct text pattern = text_up_to(GLOB_PATTERN_MAX);
    if (call->digest.len == 0) {
        return err_why(why, ERR_BAD_FIELD, "scope: no rule can name this call; allow it once");
    }
    text_add_str(&pattern, PERMISSION_DIGEST);
    text_add(&pattern, call->digest.data, call->digest.len);
    return text_failed(&pattern) ? memory_short()
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
    /* An earlier version did not say how rules compare the subjects. */
    ret->exact = !bytes_find(json_bytes(about, "match"), subject_kind_names, &ret->kind) ||
                 json_is_true(json_object_get(about, "exact")) || ret->count == 0;
    return ERR_OK;
}

/* A rule for each subject; one for the digest where a subject has no pattern of its own. */
static struct err calls_add(const struct always_call *call, const struct subjects *subjects,
                            json_t *settings, struct why *why) {
    struct text patterns[SUBJECTS_MAX];
    struct err err = ERR_OK;
    bool exact = subjects->exact;
    if (call->subject.len > 0) {
        return rule_add(call, call->subject, settings, why);
    }
    for (size_t i = 0; i < subjects->count; i++) {
        text_init(&patterns[i], GLOB_PATTERN_MAX);
        exact = exact || !pattern_write(subjects->of[i], subjects->kind, &patterns[i]);
    }
    if (exact) {
        err = digest_add(call, settings, why);
    }
    for (size_t i = 0; i < subjects->count; i++) {
        if (!exact && !err_failed(err)) {
            err = rule_add(call, text_bytes(&patterns[i]), settings, why);
        }
        text_done(&patterns[i]);
    }
    return err;
}

/* Whether the pattern that was named would have allowed the call. */
static struct err named_check(const struct always_call *call, const struct subjects *subjects,
                              bool edit, struct why *why) {
    const struct permission_rule rule = {.subject = call->subject, .permission = PERMISSION_ALLOW};
    const struct permission_rules rules = {.rules = &rule, .count = 1};
    const struct permission_question question = {.kind = edit ? SUBJECT_PATH : subjects->kind,
                                                 .subjects = subjects->of,
                                                 .subject_count = subjects->count,
                                                 .otherwise = PERMISSION_ASK};
    if (!edit && subjects->exact) {
        return err_why(why, ERR_BAD_FIELD,
                       "subject: a rule for this call can only be for exactly its arguments; leave "
                       "the subject out");
    }
    return !bytes_begin(call->subject, BYTES(PERMISSION_DIGEST)) &&
                   permission_judge(&rules, &question).permission == PERMISSION_ALLOW
               ? ERR_OK
               : err_why(why, ERR_BAD_FIELD, "subject: does not match this call");
}

static bool is_edit(struct bytes tool, const struct bytes *subjects, size_t count) {
    return (bytes_is(tool, "write_file") || bytes_is(tool, "edit_file")) &&
           permission_edit_is_plain(subjects, count);
}

void always_about_add(struct bytes tool, const struct permission_question *question,
                      struct text *about) {
    AUTO(text_done) struct text rule = text_up_to(SUBJECTS_MAX * (GLOB_PATTERN_MAX + 2));
    bool exact = question->exact || question->subject_count == 0;
    text_add(&rule, tool.data, tool.len);
    for (size_t i = 0; i < question->subject_count && !exact; i++) {
        AUTO(text_done) struct text pattern = text_up_to(GLOB_PATTERN_MAX);
        exact = !pattern_write(question->subjects[i], question->kind, &pattern);
        text_add_str(&rule, i > 0 ? ", " : " ");
        text_add(&rule, pattern.data, pattern.len);
    }
    if (is_edit(tool, question->subjects, question->subject_count)) {
        text_clear(&rule);
        text_add_str(&rule, "edits of files in the project's folder");
    } else if (exact || text_failed(&rule)) {
        text_clear(&rule);
        text_add(&rule, tool.data, tool.len);
        text_add_str(&rule, " with exactly these arguments");
    }
    text_add_member(about, "rule", text_bytes(&rule));
}

struct err always_add(const struct always_call *call, json_t *settings, struct why *why) {
    AUTO(json_release) json_t *about = NULL;
    struct subjects subjects = {.count = 0};
    struct err err = call->about.len == 0 ? ERR_OK : json_parse_wrapped(call->about, &about, why);
    if (!err_failed(err)) {
        err = subjects_read(about, &subjects, why);
    }
    const bool edit = is_edit(call->tool, subjects.of, subjects.count);
    if (!err_failed(err) && call->subject.len > 0) {
        err = named_check(call, &subjects, edit, why);
    }
    if (err_failed(err)) {
        return err;
    }
    return edit ? edits_add(call, settings, why) : calls_add(call, &subjects, settings, why);
}
