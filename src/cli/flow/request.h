/* request.h: a request about a flow: what its operands name, and flags as its body.
 *
 * Promise    only what was given is sent (and the root): a file as its text, so that the daemon
 *            need not be able to read it, any other word as a name, for which the daemon looks.
 *            Words after the flow are its question; --input is JSON, or else such a text.
 * Ownership  struct flow_request is embedded, begun as {.invocation}; the body is its own.
 * Threads    one.
 * Failure    ERR_USAGE with *why; of a file ERR_NOT_FOUND, or an error of the disk.
 */
#ifndef DROVER_CLI_FLOW_REQUEST_H
#define DROVER_CLI_FLOW_REQUEST_H

#include "base/err.h"
#include "base/text.h"
#include "cli/base/api.h"
#include "cli/base/cli.h"

extern const struct flag flow_check_flags[], flow_plan_flags[], flow_run_flags[];

struct flow_request {
    struct invocation *invocation;
    char *script;     /* Owned: text of the file; NULL: the word is a name. */
    struct text body; /* Owned. */
};
void flow_request_done(struct flow_request *request); /* For AUTO. */
MUST_CHECK struct err flow_request_read(struct flow_request *request);

#endif
