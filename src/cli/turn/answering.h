/* answering.h: the question that is open, and the line in which it is answered.
 *
 * Promise    a question takes the line over: the message that was being typed is kept apart, and
 *            comes back as it was. What is typed at the question is for it alone, and goes with it:
 *            an answer never becomes a message. A line that answers nothing is emptied, and the
 *            choices are repeated. A line that could not be sent stays until an event says that the
 *            daemon has it. An answer of another client in between is no failure.
 * Ownership  embedded; what it points to is borrowed. End by answering_done.
 * Threads    one.
 */
#ifndef DROVER_CLI_TURN_ANSWERING_H
#define DROVER_CLI_TURN_ANSWERING_H

#include "cli/terminal/edit_line.h"
#include "cli/turn/chat.h"
#include "cli/turn/conversation.h"

struct answering {
    struct chat *chat;
    struct conversation *conversation;
    struct edit_line *edit;
    struct text draft; /* Owned: the message that was being typed when the question came. */
    char *id;          /* Owned: the question that the line is for; NULL: none was shown yet. */
    char *doubt;       /* Owned: answer that could not be sent, or whose reply was lost; or NULL. */
};
void answering_done(struct answering *answering); /* For AUTO; zeroed is fine. */

/* The line becomes the answer's, and the message's again. */
void answering_begin(struct answering *answering);
void answering_end(struct answering *answering);

/* Shows the question. */
void answering_show(struct answering *answering);
/* Sends the line as its answer. */
MUST_CHECK struct err answering_take(struct answering *answering, struct bytes line);
/* The question `id` is answered. Before answering_end. */
void answering_settle(struct answering *answering, const char *id);

#endif
