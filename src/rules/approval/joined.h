/* joined.h: the rules that hold for a session, read from JSON: those of its project, of the program
 * that is its agent, and its own, in this order (permission.h). Pure.
 *
 * Edits      files that the settings of the project name, and those that the session names; the
 *            latter alone where it says "ask".
 * Unread     a rule, or a list, that cannot be read denies everything. Of each list the first
 *            PERMISSION_RULES_MAX rules are read.
 * Ownership  texts are borrowed from the JSON until permission_joined_done().
 * Threads    any.
 */
#ifndef DROVER_RULES_APPROVAL_JOINED_H
#define DROVER_RULES_APPROVAL_JOINED_H

#include "rules/approval/permission.h"

struct permission_lists {
    const json_t *project; /* Settings of the project; NULL: none, as are the next two. */
    const json_t *agent;   /* A list of rules. */
    const json_t *session; /* Settings of the session. */
};
struct permission_joined {
    struct permission_rule *list; /* Owned, as is the next one. */
    struct bytes *edited;
    struct permission_rules rules;
};
void permission_join(const struct permission_lists *lists, struct permission_joined *ret_joined);
void permission_joined_done(struct permission_joined *joined); /* For AUTO; zeroed is fine. */

#endif
