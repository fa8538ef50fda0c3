/* message.h: the one message of a command that then ends: ask, agent run, agent test.
 *
 * Threads    one.
 * Failure    ERR_USAGE: there are no words. As session.h.
 */
#ifndef DROVER_CLI_TURN_MESSAGE_H
#define DROVER_CLI_TURN_MESSAGE_H

#include "cli/base/cli.h"
#include "cli/session/session.h"
#include "cli/terminal/lines.h"

/* Appends the words: the operand; with "-", or without one (NULL) in a pipe, the input. `noun` is
 * what they are for the user: "question". */
struct message_words {
    const char *operand, *noun;
    struct lines *lines;
};
MUST_CHECK struct err message_read(const struct message_words *words, struct text *message,
                                   struct why *why);

/* A session is made for the message, or one is there, with a budget of its own, and the message is
 * sent there. The budget is there before the message, so it holds for all that the agent does. */
struct message_order {
    struct session_wish wish;
    const char *session; /* Id of an existing session; NULL: the wish's. */
    const char *text;
    const struct text *budget; /* Limits, a JSON object; NULL: none. */
};
struct message_sent {
    char *session, *run; /* Owned. */
    int64_t after;       /* Number in the session's stream after which the turn begins. */
};
MUST_CHECK struct err message_send(struct talk *talk, const struct message_order *order,
                                   struct message_sent *ret_sent, struct why *why);
void message_sent_done(struct message_sent *sent); /* For AUTO; zeroed is allowed. */

#endif
