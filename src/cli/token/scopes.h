/* scopes.h: the flag --scope of commands that give rights: names with commas between.
 *
 * Threads    one.
 * Failure    ERR_USAGE: a name is no scope; the body is not to be sent.
 */
#ifndef DROVER_CLI_TOKEN_SCOPES_H
#define DROVER_CLI_TOKEN_SCOPES_H

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"
#include "cli/base/cli.h"

/* Adds the member `scopes` to a body. */
MUST_CHECK struct err scopes_add(struct invocation *invocation, struct text *body);

#endif
