/* asked.h: the subject of a call that a program asks about: what a rule can name of it. Pure.
 *
 * Tools that drover knows are those of Claude Code. Of such a one the subject says all that matters
 * while its other members are known, too: a command, a path, an address. Of any other call a
 * member of such a name is the subject for rules that ask or deny, and no rule but one for its
 * digest, or for the whole tool, allows it (`exact`): who knows what the other members do.
 *
 * Ownership  texts are borrowed from the arguments.
 * Threads    any.
 */
#ifndef DROVER_RULES_APPROVAL_ASKED_H
#define DROVER_RULES_APPROVAL_ASKED_H

#include "rules/approval/permission.h"

struct asked_call {
    enum subject_kind kind;
    struct bytes subject; /* "": none. */
    bool exact;
};
struct asked_call asked_call_read(struct bytes tool, const json_t *arguments);

#endif
