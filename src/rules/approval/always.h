/* always.h: the rule that an answer leaves behind, so that such a call is not asked about again.
 * Pure.
 *
 *   {"edits": "allow"}         a file of the project is written or edited: every plain one is free
 *   {"edits": ["*.md"]}         the same, of the files that the answer has named
 *   {"permissions": [..., {"tool", "subject", "permission": "allow"}]}
 *                              any other call: with its own subjects, or the one that was named.
 *                              Where they do not say all of the call (`exact`), or are too long,
 *                              and where it has none, the subject is the digest of the call
 *
 * Ownership  all is borrowed during the call.
 * Threads    any.
 * Failure    ERR_BAD_FIELD, with `why`; ERR_OUT_OF_MEMORY. `settings` may hold a part.
 */
#ifndef DROVER_RULES_APPROVAL_ALWAYS_H
#define DROVER_RULES_APPROVAL_ALWAYS_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "rules/approval/permission.h"

struct always_call {
    struct bytes tool;
    struct bytes about;   /* {"subjects": […], "match"?, "exact"?}; "": none. */
    struct bytes digest;  /* Digest of the call, in hexadecimal. */
    struct bytes subject; /* A pattern that the call must match; "": none was named. */
};
MUST_CHECK struct err always_add(const struct always_call *call, json_t *settings, struct why *why);

/* Adds the member "rule" to an object about a call: in words, what that rule would allow where no
 * subject is named. "edits of files in the project's folder", "run_command make test", "run_command
 * with exactly these arguments". */
void always_about_add(struct bytes tool, const struct permission_question *question,
                      struct text *about);

#endif
