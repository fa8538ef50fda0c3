/* permission.c: rules, a call, and the answer. */
#include "rules/approval/permission.h"

#include <string.h>

static const char *const names[PERMISSION_COUNT] = {
#define X(permission, name) [PERMISSION_##permission] = (name),
    PERMISSIONS(X)
#undef X
};

const char *permission_name(enum permission permission) {
    assert((unsigned)permission < PERMISSION_COUNT);
    return names[permission];
}

bool permission_find(const char *name, enum permission *ret_permission) {
    for (unsigned i = 0; i < PERMISSION_COUNT; i++) {
        if (strcmp(names[i], name) == 0) {
            *ret_permission = (enum permission)i;
            return true;
        }
    }
    return false;
}

static bool applies(const struct permission_rule *rule, const struct permission_question *question,
                    const struct bytes *subject) {
    if (rule->tool.len > 0 && !glob_match(GLOB_WORDS, rule->tool, question->tool)) {
        return false;
    }
    return rule->subject.len == 0 ||
           (subject != NULL && glob_match(question->kind, rule->subject, *subject));
}

static struct permission_verdict judge_subject(const struct permission_rules *rules,
                                               const struct permission_question *question,
                                               const struct bytes *subject) {
    struct permission_verdict verdict = {.permission = question->otherwise, .rule = -1};
    for (size_t i = 0; rules != NULL && i < rules->count; i++) {
        if (!applies(&rules->rules[i], question, subject)) {
            continue;
        }
        verdict = (struct permission_verdict){rules->rules[i].permission, (int)i};
        if (verdict.permission == PERMISSION_DENY) {
            break; /* Final: what stands behind it is not asked. */
        }
    }
    return verdict;
}

struct permission_verdict permission_judge(const struct permission_rules *rules,
                                           const struct permission_question *question) {
    assert(rules == NULL || rules->count <= PERMISSION_RULES_MAX);
    if (question->subject_count == 0) {
        return judge_subject(rules, question, NULL /* no subject */);
    }
    struct permission_verdict strictest = {.permission = PERMISSION_ALLOW, .rule = -1};
    for (size_t i = 0; i < question->subject_count; i++) {
        struct permission_verdict one = judge_subject(rules, question, &question->subjects[i]);
        if (i == 0 || one.permission > strictest.permission) {
            strictest = one;
        }
    }
    return strictest;
}

/* --- Edits ------------------------------------------------------------------------------------ */

static bool is_guarded(struct bytes name) {
    static const char *const guarded[] = {"..", ".git", ".drover", ".claude", ".boocode"};
    for (size_t i = 0; i < COUNT_OF(guarded); i++) {
        if (strlen(guarded[i]) == name.len && memcmp(guarded[i], name.data, name.len) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_plain(struct bytes path) {
    bool plain = path.len > 0 && path.data[0] != '/';
    while (plain && path.len > 0) {
        const char *slash = memchr(path.data, '/', path.len);
        size_t len = slash == NULL ? path.len : (size_t)(slash - path.data);
        size_t step = slash == NULL ? len : len + 1;
        plain = !is_guarded((struct bytes){path.data, len});
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

/* --- Read ------------------------------------------------------------------------------------- */

struct err permission_rule_read(const json_t *json, struct permission_rule *ret_rule,
                                struct why *why) {
    const char *tool = "", *subject = "", *permission = NULL;
    const struct json_field fields[] = {
        {.name = "tool", .kind = JSON_KIND_TEXT, .max = GLOB_PATTERN_MAX, .text = &tool},
        {.name = "subject", .kind = JSON_KIND_TEXT, .max = GLOB_PATTERN_MAX, .text = &subject},
        {.name = "permission",
         .kind = JSON_KIND_TEXT,
         .required = true,
         .min = 1,
         .max = 16,
         .text = &permission},
    };
    struct err err = json_read_fields(json, fields, COUNT_OF(fields), why);
    enum permission found = PERMISSION_DENY;
    if (!err_failed(err) && !permission_find(permission, &found)) {
        why_set(why, "\"permission\" must be one of allow, review, ask, deny, not \"%s\"",
                permission);
        err = err_make(ERR_BAD_FIELD, "permission: rule");
    }
    if (err_failed(err)) {
        return err;
    }
    *ret_rule = (struct permission_rule){
        .tool = {tool, strlen(tool)}, .subject = {subject, strlen(subject)}, .permission = found};
    return ERR_OK;
}
