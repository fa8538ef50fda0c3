/* say.h: sessions are made, given images, and spoken to.
 *
 * Promise    what is said has an id of its own, so that asking again, because an answer got lost,
 *            says it once.
 * Ownership  what *ret_id and *ret_run get is the caller's: mem_free.
 * Threads    one.
 */
#ifndef DROVER_CLI_SESSION_SAY_H
#define DROVER_CLI_SESSION_SAY_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "cli/base/api.h"

/* Creates a session; *ret_id is owned (mem_free). */
struct session_wish {
    const char *model, *root, *title; /* NULL: none. */
};
MUST_CHECK struct err session_make(struct talk *talk, const struct session_wish *wish,
                                   char **ret_id, struct why *why);
/* Where no provider is set up a script answers: whoever names no model is told so, on stderr. */
void session_tell_scripted(struct talk *talk);
/* Gives it an image; *ret_id is owned. */
MUST_CHECK struct err session_attach(struct talk *talk, const char *session, const char *path,
                                     char **ret_id, struct why *why);
/* Says something in it; *ret_run is owned. `policy` NULL: enqueue. */
struct session_say {
    const char *session, *text, *model, *policy;
    const json_t *schema; /* Of the answer; NULL: words. */
    const json_t *images; /* Array of what session_attach gave; NULL: none. */
};
MUST_CHECK struct err session_say(struct talk *talk, const struct session_say *say, char **ret_run,
                                  struct why *why);
/* Where the session's stream begins and ends now: a turn that runs is behind its floor. */
struct session_ends {
    int64_t floor, head;
};
MUST_CHECK struct err session_ends(struct talk *talk, const char *session,
                                   struct session_ends *ret_ends, struct why *why);

#endif
