/* asked.c: see asked.h. */
#include "rules/approval/asked.h"

enum { OTHERS_MAX = 16 };

static const struct {
    const char *tool, *subject;
    const char *others[OTHERS_MAX]; /* Members beside which the subject still says it all. */
} tools[] = {
    {"Bash", "command", {"description", "timeout", "run_in_background"}},
    {"Edit", "file_path", {"old_string", "new_string", "replace_all"}},
    {"LS", "path", {"ignore"}},
    {"MultiEdit", "file_path", {"edits"}},
    {"NotebookEdit", "notebook_path", {"cell_id", "cell_type", "edit_mode", "new_source"}},
    {"NotebookRead", "notebook_path", {"cell_id"}},
    {"Read", "file_path", {"limit", "offset", "pages"}},
    {"WebFetch", "url", {"prompt"}},
    {"Write", "file_path", {"content"}},
};

static const struct {
    const char *member;
    enum subject_kind kind;
} members[] = {{"command", SUBJECT_SHELL},
               {"url", SUBJECT_TEXT},
               {"file_path", SUBJECT_PATH},
               {"path", SUBJECT_PATH},
               {"notebook_path", SUBJECT_PATH}};

/* A path with ".." is another one than a glob takes it for. */
static bool leads_up(struct bytes path) {
    struct bytes part;
    while (bytes_next(&path, '/', &part)) {
        if (bytes_is(part, "..")) {
            return true;
        }
    }
    return false;
}

static bool says_all(struct bytes tool, const char *subject, const json_t *arguments) {
    size_t at = 0;
    unsigned other = 0;
    while (at < COUNT_OF(tools) && !bytes_is(tool, tools[at].tool)) {
        at++;
    }
    bool all = at < COUNT_OF(tools) && strcmp(tools[at].subject, subject) == 0;
    for (struct json_member one = json_first(arguments); all && one.value != NULL;
         one = json_next(one)) {
        all = bytes_is(one.key, subject) || bytes_find(one.key, tools[at].others, &other);
    }
    return all;
}

struct asked_call asked_call_read(struct bytes tool, const json_t *arguments) {
    struct asked_call call = {.tool = tool, .exact = true};
    static_assert(COUNT_OF(members) == ASKED_SUBJECTS_MAX, "each may be there");
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        const struct bytes subject = json_bytes(arguments, members[i].member);
        if (subject.len > 0) {
            call.exact = !says_all(tool, members[i].member, arguments) ||
                         (members[i].kind == SUBJECT_PATH && leads_up(subject));
            call.kinds[call.count] = members[i].kind;
            call.subjects[call.count++] = subject;
        }
    }
    return call;
}

struct permission_verdict asked_call_judge(const struct asked_call *call, struct bytes digest,
                                           const struct permission_rules *rules,
                                           struct permission_question *ret_question) {
    struct permission_verdict strictest = {PERMISSION_ALLOW, .rule = -1, .old = -1};
    for (size_t i = 0; i == 0 || i < call->count; i++) {
        const struct permission_question question = {.tool = call->tool,
                                                     .kind = call->count > 0 ? call->kinds[i]
                                                                             : SUBJECT_TEXT,
                                                     .subjects = &call->subjects[i],
                                                     .subject_count = call->count > 0,
                                                     .exact = call->exact,
                                                     .digest = digest,
                                                     .otherwise = PERMISSION_ASK};
        const struct permission_verdict verdict = permission_judge(rules, &question);
        if (i == 0 || verdict.permission > strictest.permission) {
            strictest = verdict;
            *ret_question = question;
        }
    }
    return strictest;
}
