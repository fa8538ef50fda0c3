/* permission.c: rules, a call, and the answer. */
#include "rules/approval/permission.h"

#define X(permission, name) name,
static const char *const names[] = {PERMISSIONS(X) NULL};
#undef X

/* The last rule that matches, or the first deny: that is final, and what follows is not asked. */
static struct permission_verdict judge_subject(const struct permission_rules *rules,
                                               const struct permission_question *question,
                                               const struct bytes *subject) {
    struct permission_verdict verdict = {.permission = question->otherwise, .rule = -1};
    for (size_t i = 0; rules != NULL && i < rules->count; i++) {
        const struct permission_rule *rule = &rules->rules[i];
        if ((rule->tool.len == 0 || glob_match(GLOB_WORDS, rule->tool, question->tool)) &&
            (rule->subject.len == 0 ||
             (subject != NULL && glob_match(question->kind, rule->subject, *subject)))) {
            verdict = (struct permission_verdict){rule->permission, (int)i};
        }
        if (verdict.rule == (int)i && verdict.permission == PERMISSION_DENY) {
            break;
        }
    }
    return verdict;
}

struct permission_verdict permission_judge(const struct permission_rules *rules,
                                           const struct permission_question *question) {
    assert(rules == NULL || rules->count <= PERMISSION_JUDGED_MAX);
    struct permission_verdict strictest =
        judge_subject(rules, question, question->subject_count > 0 ? question->subjects : NULL);
    for (size_t i = 1; i < question->subject_count; i++) {
        struct permission_verdict one = judge_subject(rules, question, &question->subjects[i]);
        strictest = one.permission > strictest.permission ? one : strictest;
    }
    return strictest;
}

/* --- Edits ------------------------------------------------------------------------------------ */

static bool is_plain(struct bytes path) {
    static const char *const guarded[] = {"..", ".git", ".drover", ".claude", ".boocode", NULL};
    bool plain = path.len > 0 && path.data[0] != '/';
    while (plain && path.len > 0) {
        const char *slash = memchr(path.data, '/', path.len);
        const size_t len = slash == NULL ? path.len : (size_t)(slash - path.data);
        const size_t step = slash == NULL ? len : len + 1;
        unsigned at = 0;
        plain = !bytes_find((struct bytes){path.data, len}, guarded, &at);
        path = (struct bytes){path.data + step, path.len - step};
    }
    return plain;
}

bool permission_edit_is_plain(const struct bytes *subjects, size_t count) {
    bool plain = count > 0;
    for (size_t i = 0; i < count && plain; i++) {
        plain = is_plain(subjects[i]);
    }
    return plain;
}

bool permission_edit_is_free(const struct permission_rules *rules, const struct bytes *subjects,
                             size_t count) {
    bool free = permission_edit_is_plain(subjects, count);
    for (size_t i = 0; i < count && free && !rules->edits; i++) {
        free = false;
        for (size_t at = 0; at < rules->edited_count && !free; at++) {
            free = glob_match(GLOB_PATH, rules->edited[at], subjects[i]);
        }
    }
    return free;
}

/* --- Read ------------------------------------------------------------------------------------- */

struct err permission_rule_read(const json_t *json, struct permission_rule *ret_rule,
                                struct why *why) {
    const char *tool = "", *subject = "", *word = NULL;
    const struct json_field fields[] = {
        {.name = "tool", .kind = JSON_KIND_TEXT, .max = GLOB_PATTERN_MAX, .text = &tool},
        {.name = "subject", .kind = JSON_KIND_TEXT, .max = GLOB_PATTERN_MAX, .text = &subject},
        {"permission", JSON_KIND_TEXT, .required = true, .min = 1, .max = 16, .text = &word},
    };
    enum permission permission = PERMISSION_DENY;
    struct err err = json_read_fields(json, fields, COUNT_OF(fields), why);
    if (err_failed(err)) {
        return err;
    }
    if (!bytes_find(bytes_of(word), names, &permission)) {
        return err_why(why, ERR_BAD_FIELD,
                       "\"permission\" must be one of allow, review, ask, deny, not \"%s\"", word);
    }
    *ret_rule = (struct permission_rule){
        .tool = bytes_of(tool), .subject = bytes_of(subject), .permission = permission};
    return ERR_OK;
}

struct err permission_rules_check(const json_t *list, struct why *why) {
    struct permission_rule rule;
    if (!json_is_array(list) || json_array_size(list) > PERMISSION_RULES_MAX) {
        return err_why(why, ERR_BAD_FIELD, "\"permissions\" must be a list of at most %d rules",
                       PERMISSION_RULES_MAX);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct why part = {""};
        if (err_failed(permission_rule_read(json_array_get(list, i), &rule, &part))) {
            return err_why(why, ERR_BAD_FIELD, "\"permissions\": rule %zu: %.250s", i + 1,
                           part.text);
        }
    }
    return ERR_OK;
}

struct err permission_settings_check(const json_t *settings, struct why *why) {
    const json_t *rules = json_object_get(settings, "permissions");
    const json_t *edits = json_object_get(settings, "edits");
    const struct bytes word = json_text(edits);
    bool globs = json_is_array(edits) && json_array_size(edits) <= PERMISSION_EDITS_MAX;
    for (size_t i = 0; i < json_array_size(edits) && globs; i++) {
        const size_t len = json_string_length(json_array_get(edits, i));
        globs = len > 0 && len <= GLOB_PATTERN_MAX;
    }
    if (edits != NULL && !globs && !bytes_is(word, "ask") && !bytes_is(word, "allow")) {
        return err_why(why, ERR_BAD_FIELD,
                       "edits: must be \"ask\", \"allow\", or at most %d globs of files",
                       PERMISSION_EDITS_MAX);
    }
    return rules == NULL ? ERR_OK : permission_rules_check(rules, why);
}
