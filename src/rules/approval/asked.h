/* asked.h: the subject of a call that a program asks about: what a rule can name of it. Pure.
 *
 * Tools that drover knows are those of Claude Code. Of such a one the subject says all that matters
 * while its other members are known, too: a command, a path, an address. Of any other call each
 * member of such a name is a subject for rules that ask or deny, the strictest of which counts, and
 * no rule but one for its digest, or for the whole tool, allows it (`exact`): who knows what the
 * other members do.
 *
 * Ownership  texts are borrowed from the arguments.
 * Threads    any.
 */
#ifndef DROVER_RULES_APPROVAL_ASKED_H
#define DROVER_RULES_APPROVAL_ASKED_H

#include "rules/approval/permission.h"

enum { ASKED_SUBJECTS_MAX = 5 };
struct asked_call {
    struct bytes tool, subjects[ASKED_SUBJECTS_MAX];
    enum subject_kind kinds[ASKED_SUBJECTS_MAX]; /* Each is compared in its own way. */
    size_t count;                                /* 0: none that a rule could name. */
    bool exact;
};
struct asked_call asked_call_read(struct bytes tool, const json_t *arguments);
/* *ret_question: what is asked where the answer is left to a person; of the call, as the digest. */
struct permission_verdict asked_call_judge(const struct asked_call *call, struct bytes digest,
                                           const struct permission_rules *rules,
                                           struct permission_question *ret_question);

#endif
