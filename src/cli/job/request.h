/* request.h: the flags of `drover job run` as the body of POST /api/v1/jobs.
 *
 * Promise    only what was given is sent (and the folder): whatever has a default has it in the
 *            daemon. What the user typed wrong is told by the name it was typed under.
 * Ownership  all borrowed during the call.
 * Threads    any; pure.
 * Failure    ERR_USAGE with *why; ERR_BODY_TOO_LARGE.
 */
#ifndef DROVER_CLI_JOB_REQUEST_H
#define DROVER_CLI_JOB_REQUEST_H

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"
#include "cli/base/args.h"
#include "cli/base/config.h"
#include "cli/terminal/paint.h"

extern const struct flag job_request_flags[]; /* All of `job run`. */

struct job_request {
    const struct args *args;
    const struct config_env *env;
    const char *here;   /* The caller's folder, absolute. */
    struct bytes input; /* data NULL: none. */
    bool input_open;    /* Input follows in messages of its own. */
    bool on_terminal;   /* Then `size` is the terminal's. */
    struct terminal_size size;
};
/* `body` is empty and bounded by the caller. */
MUST_CHECK struct err job_request_write(const struct job_request *request, struct text *body,
                                        struct why *why);

#endif
