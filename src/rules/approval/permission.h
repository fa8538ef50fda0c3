/* permission.h: may this tool be called with these arguments? Pure.
 *
 * A rule names tools by glob and subjects by pattern, and says allow, review, ask or deny. What a
 * subject is depends on the tool: a path under the project for files, the URL for fetches, a
 * command as shell words (words.h). The subject "sha256:HEX" is of one call alone, by its digest.
 * Rules stand in the order of what is more particular: settings, project, agent, session.
 *
 *   1. The last rule that matches decides.
 *   2. But a deny that matches is final, wherever it stands: who reads one "deny" need not read on,
 *      and nothing that is granted later, or by somebody with less to say, takes it back.
 *   3. No rule matches: the tool's own default.
 *   4. A call with several subjects (a path as it was written, and where it leads) gets the
 *      strictest answer of them: deny, ask, review, allow. So does a shell text of several
 *      commands, unless the rule is that very text.
 *   5. Earlier versions compared a command as one line, without the borders of its arguments. A
 *      rule that matches by that reading alone only makes an answer stricter; and so does a rule
 *      with escapes but no quotes, which may be an earlier one, where the present reading alone
 *      matches; and one about a part of a call that has more to it (`exact`).
 *
 * Ownership  everything is borrowed for the call.
 * Threads    any.
 */
#ifndef DROVER_RULES_APPROVAL_PERMISSION_H
#define DROVER_RULES_APPROVAL_PERMISSION_H

#include "base/base.h"
#include "base/err.h"
#include "base/glob.h"
#include "base/json/json.h"
#include "base/text.h"

/* From the weakest to the strictest. */
#define PERMISSIONS(X)                                                                             \
    X(ALLOW, "allow")                                                                              \
    X(REVIEW, "review")                                                                            \
    X(ASK, "ask")                                                                                  \
    X(DENY, "deny")

enum permission {
#define X(permission, name) PERMISSION_##permission,
    PERMISSIONS(X)
#undef X
        PERMISSION_COUNT
};

enum {
    PERMISSION_RULES_MAX = 256,                       /* Rules of one list, */
    PERMISSION_JUDGED_MAX = 3 * PERMISSION_RULES_MAX, /* and of those that are joined. */
    PERMISSION_EDITS_MAX = 64,
};

/* How a rule's subject is compared with that of a call. PATH: GLOB_PATH. TEXT: GLOB_WORDS, for a
 * URL, a name, a query. WORDS: a command, as words_add_quoted() writes it. SHELL: text for one. */
#define SUBJECT_KINDS(X)                                                                           \
    X(PATH, "path")                                                                                \
    X(TEXT, "text")                                                                                \
    X(WORDS, "words")                                                                              \
    X(SHELL, "shell")
enum subject_kind {
#define X(kind, name) SUBJECT_##kind,
    SUBJECT_KINDS(X)
#undef X
};
extern const char *const subject_kind_names[]; /* By value; NULL ends them. */
/* Before the digest of a call, in lower-case hexadecimal. */
#define PERMISSION_DIGEST "sha256:"

struct permission_rule {
    struct bytes tool;    /* A glob; empty: every tool. */
    struct bytes subject; /* A pattern; empty: every subject. */
    enum permission permission;
};
struct permission_rules {
    const struct permission_rule *rules;
    size_t count;
    /* Where none matches, a file of the project may be edited: see below. Any, or those that one
     * of these globs matches. */
    bool edits;
    const struct bytes *edited;
    size_t edited_count;
};

struct permission_question {
    struct bytes tool;
    enum subject_kind kind;
    const struct bytes *subjects;
    size_t subject_count; /* 0: the call has none; rules with a subject don't match. */
    bool exact;           /* There is more to the call than its subjects: only its digest allows. */
    struct bytes digest;  /* Hexadecimal; "": not known. */
    enum permission otherwise;
};
struct permission_verdict {
    enum permission permission;
    int rule; /* Its place, or -1: the tool's default. */
    int old;  /* A rule that allowed the call as commands were once read, and does not; or -1. */
};
struct permission_verdict permission_judge(const struct permission_rules *rules,
                                           const struct permission_question *question);

/* Begins an object about a call: {"subjects": […], "match": the kind, "exact"?, "old_rule"?. `old`:
 * rule `old` of the verdict; NULL: none. */
void permission_add_about(const struct permission_question *question,
                          const struct permission_rule *old, struct text *about);

/* Who takes edits is not asked before a file of the project is written or edited, where no rule
 * says otherwise. That holds for paths in the project alone (others are absolute), and for nothing
 * in folders that say what git, drover or another program runs: such an edit is as good as a
 * command. False: the tool's own default holds. */
MUST_CHECK bool permission_edit_is_plain(const struct bytes *subjects, size_t count);
/* Plain, and among those that may be edited. */
MUST_CHECK bool permission_edit_is_free(const struct permission_rules *rules,
                                        const struct bytes *subjects, size_t count);

/* One rule from JSON, {"tool"?, "subject"?, "permission"}; texts are borrowed from the object. */
MUST_CHECK struct err permission_rule_read(const json_t *json, struct permission_rule *ret_rule,
                                           struct why *why);
/* A list of them, as somebody gives it; and "permissions" and "edits" of settings, as far as they
 * are there. ERR_BAD_FIELD. */
MUST_CHECK struct err permission_rules_check(const json_t *list, struct why *why);
MUST_CHECK struct err permission_settings_check(const json_t *settings, struct why *why);

#endif
