/* ask.h: what the commands of sessions ask the daemon.
 *
 * Ownership  *ret_answer is the caller's.
 * Threads    one.
 */
#ifndef DROVER_CLI_SESSION_ASK_H
#define DROVER_CLI_SESSION_ASK_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "cli/base/api.h"

struct session_request {
    const char *method;
    const char *rest;        /* Behind the id: "/fork"; NULL: nothing. */
    const struct text *body; /* NULL: none. */
};
/* Opens the conversation, and asks about the session that the first operand names. */
MUST_CHECK struct err session_ask(struct talk *talk, struct invocation *invocation,
                                  const struct session_request *request, json_t **ret_answer);

/* What was said becomes a summary for the model; waits until it is one. *ret_run: as it ended. */
MUST_CHECK struct err session_compact(struct talk *talk, const char *session, json_t **ret_run,
                                      struct why *why);

/* All its messages go; a turn that speaks ends. */
MUST_CHECK struct err session_clear(struct talk *talk, const char *session, struct why *why);

/* Prints a text that came from a model or a file. Neither is trusted with our terminal: of what
 * controls it, only lines and tabs pass. */
void session_put(const char *text, size_t len);
void session_print(const char *text); /* All of it. */
/* A text as one line: its line breaks and control characters become blanks. */
void session_line(struct text *line, const char *text);

#endif
