/* request.h: the flags of `drover run` as the body of a start of a workflow.
 *
 * Promise    only what was given is sent (and the root): whatever has a default has it in the
 *            daemon. A value of --arg is JSON where it is JSON (12, true, ["a"], "12"), and else
 *            the text that it is; it stands over a member of --args.
 * Ownership  all borrowed during the call; the body is the caller's.
 * Threads    any; pure.
 * Failure    ERR_USAGE with *why; ERR_BODY_TOO_LARGE.
 */
#ifndef DROVER_CLI_WORKFLOW_REQUEST_H
#define DROVER_CLI_WORKFLOW_REQUEST_H

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"
#include "cli/base/args.h"

extern const struct flag workflow_request_flags[]; /* All of `run`. */

struct workflow_request {
    const struct args *args;
    const char *root;    /* Absolute; NULL: that of the run that is resumed. */
    struct bytes script; /* data NULL: a name, or what an earlier run had. */
    const char *title;   /* The file's name; NULL: it is no file. */
    const char *name;    /* NULL: it is none, or stands in the path. */
};
/* `body` is empty and bounded by the caller. */
MUST_CHECK struct err workflow_request_write(const struct workflow_request *request,
                                             struct text *body, struct why *why);

/* A word that names a workflow names a file: it has a slash, or ends in .js, .mjs or .cjs. The
 * latter counts only where there is such a file. */
enum workflow_word { WORKFLOW_WORD_NAME, WORKFLOW_WORD_MAYBE_FILE, WORKFLOW_WORD_FILE };
enum workflow_word workflow_word_kind(const char *word);

#endif
