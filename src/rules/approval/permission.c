/* permission.c: rules, a call, and the answer. */
#include "rules/approval/permission.h"

#include "rules/approval/words.h"

#define X(permission, name) name,
static const char *const names[] = {PERMISSIONS(X) NULL};
#undef X
#define X(kind, name) name,
const char *const subject_kind_names[] = {SUBJECT_KINDS(X) NULL};
#undef X

/* A subject of a call; of shell text, one of its commands. */
struct permission_view {
    const struct permission_question *question;
    struct bytes text;        /* The subject; .data NULL: there is none. */
    struct bytes words, line; /* A command as words, "": none; and as earlier rules read it. */
};
enum reading { READ_NOT, READ_STRICTER, READ_HOLDS };

static bool has_one_of(struct bytes pattern, const char *set) {
    size_t at = 0;
    while (at < pattern.len && strchr(set, pattern.data[at]) == NULL) {
        at++;
    }
    return at < pattern.len;
}

/* A whole shell text: a pattern of one word that is the text, as a yes writes it; or the text as
 * it stands, where that is no pattern with quotes, which would mean another text. */
static bool whole_read(struct bytes pattern, struct bytes text) {
    return words_are_text(pattern, text) ||
           (bytes_equal(pattern, text) && glob_match(GLOB_WORDS, pattern, text) &&
            (!has_one_of(pattern, "\\'\"") || !words_are_pattern(pattern)));
}

static enum reading command_read(struct bytes pattern, const struct permission_view *view) {
    const bool shell = view->question->kind == SUBJECT_SHELL;
    /* A yes has once written an escape where it writes quotes today. */
    const bool of_now = !has_one_of(pattern, "\\") || has_one_of(pattern, "'\"");
    const bool now = view->words.len > 0 && words_match(pattern, view->words);
    const bool before = glob_match(GLOB_WORDS, pattern, view->line) ||
                        (shell && glob_match(GLOB_WORDS, pattern, view->text));
    return (now && (before || of_now)) || (shell && whole_read(pattern, view->text)) ? READ_HOLDS
           : now || before                                                           ? READ_STRICTER
                                                                                     : READ_NOT;
}

static enum reading subject_read(struct bytes pattern, const struct permission_view *view) {
    const struct permission_question *question = view->question;
    const struct bytes mark = BYTES(PERMISSION_DIGEST);
    enum reading reading = READ_HOLDS;
    if (pattern.len == 0) {
        return READ_HOLDS;
    }
    if (bytes_begin(pattern, mark) && question->digest.len > 0 &&
        bytes_equal((struct bytes){pattern.data + mark.len, pattern.len - mark.len},
                    question->digest)) {
        return READ_HOLDS;
    }
    if (view->text.data == NULL) {
        return READ_NOT;
    }
    if (question->kind == SUBJECT_WORDS || question->kind == SUBJECT_SHELL) {
        reading = command_read(pattern, view);
    } else {
        const enum glob_kind glob = question->kind == SUBJECT_PATH ? GLOB_PATH : GLOB_WORDS;
        reading = glob_match(glob, pattern, view->text) ? READ_HOLDS : READ_NOT;
    }
    return reading == READ_HOLDS && question->exact ? READ_STRICTER : reading;
}

/* The last rule that matches, or the first deny: that is final, and what follows is not asked. */
static struct permission_verdict view_judge(const struct permission_rules *rules,
                                            const struct permission_view *view) {
    const struct permission_question *question = view->question;
    struct permission_verdict verdict = {question->otherwise, .rule = -1, .old = -1};
    for (size_t i = 0; rules != NULL && i < rules->count; i++) {
        const struct permission_rule *rule = &rules->rules[i];
        if (rule->tool.len > 0 && !glob_match(GLOB_WORDS, rule->tool, question->tool)) {
            continue;
        }
        const enum reading reading = subject_read(rule->subject, view);
        if (reading == READ_HOLDS ||
            (reading == READ_STRICTER && rule->permission > verdict.permission)) {
            verdict.permission = rule->permission;
            verdict.rule = (int)i;
        } else if (reading == READ_STRICTER && rule->permission == PERMISSION_ALLOW &&
                   !question->exact) {
            verdict.old = (int)i;
        }
        if (verdict.rule == (int)i && verdict.permission == PERMISSION_DENY) {
            break;
        }
    }
    verdict.old = verdict.permission == PERMISSION_ALLOW ? -1 : verdict.old;
    return verdict;
}

static struct permission_verdict stricter(struct permission_verdict a,
                                          struct permission_verdict b) {
    return b.permission > a.permission ? b : a;
}

/* Each command of a shell text; the whole of one that has more of a shell. */
static struct permission_verdict shell_judge(const struct permission_rules *rules,
                                             const struct permission_view *whole) {
    AUTO(shell_text_done) struct shell_text shell;
    struct permission_view view = *whole;
    shell_text_read(whole->text, &shell);
    view.line = whole->text;
    if (shell.count > 0) {
        view.words = shell_text_words(&shell, 0);
        view.line = shell.parts[0].line;
    }
    struct permission_verdict strictest = view_judge(rules, &view);
    for (size_t i = 1; i < shell.count; i++) {
        view.words = shell_text_words(&shell, i);
        view.line = shell.parts[i].line;
        strictest = stricter(strictest, view_judge(rules, &view));
    }
    return strictest;
}

static struct permission_verdict subject_judge(const struct permission_rules *rules,
                                               const struct permission_question *question,
                                               struct bytes subject) {
    struct permission_view view = {.question = question, .text = subject};
    if (question->kind == SUBJECT_SHELL) {
        return shell_judge(rules, &view);
    }
    AUTO(text_done) struct text line = text_up_to(subject.len);
    if (question->kind == SUBJECT_WORDS) {
        words_add_line(&line, subject);
        view.words = subject;
        view.line = text_bytes(&line);
    }
    return view_judge(rules, &view);
}

struct permission_verdict permission_judge(const struct permission_rules *rules,
                                           const struct permission_question *question) {
    assert(rules == NULL || rules->count <= PERMISSION_JUDGED_MAX);
    if (question->subject_count == 0) {
        return view_judge(rules, &(struct permission_view){.question = question});
    }
    struct permission_verdict strictest = subject_judge(rules, question, question->subjects[0]);
    for (size_t i = 1; i < question->subject_count; i++) {
        strictest = stricter(strictest, subject_judge(rules, question, question->subjects[i]));
    }
    return strictest;
}

void permission_add_about(const struct permission_question *question,
                          const struct permission_rule *old, struct text *about) {
    text_add_str(about, "{\"subjects\":[");
    for (size_t i = 0; i < question->subject_count; i++) {
        text_add_str(about, i > 0 ? "," : "");
        text_add_json(about, question->subjects[i].data, question->subjects[i].len);
    }
    text_add_char(about, ']');
    text_add_member(about, "match", bytes_of(subject_kind_names[question->kind]));
    text_add_str(about, question->exact || question->subject_count == 0 ? ",\"exact\":true" : "");
    if (old != NULL) {
        text_add_member(about, "old_rule", old->subject);
    }
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
    TRY(json_read_fields(json, fields, COUNT_OF(fields), why));
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
