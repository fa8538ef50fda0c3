/* chat.h: the parts of `drover chat` and what they share.
 *
 *   command_chat.c   flags, the session, a pipe: line by line, each answer whole
 *   chat_live.c      a terminal, or --json: one loop over keys, events and signals; also for the
 *                    one turn of `drover ask` and `drover attach`
 *   live.h           the state of that loop and its parts: live_picture.c, live_keyboard.c,
 *                    live_stream.c
 *   answering.c      the question that is open, and its answer
 *   chat_commands.c  lines that begin with a slash; completion
 *   chat_rewind.c    /rewind: what the session did is taken back
 *   chat.c           lines about the chat, requests about its session
 *
 * Each of them calls only those below it.
 *
 * Threads    one.
 */
#ifndef DROVER_CLI_TURN_CHAT_H
#define DROVER_CLI_TURN_CHAT_H

#include <limits.h>

#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/terminal/edit_line.h"
#include "cli/terminal/lines.h"
#include "cli/terminal/paint.h"

/* TERMINAL: a person sits at both ends. LINES: a pipe. JSON: a pipe to a program. */
enum chat_form { CHAT_TERMINAL, CHAT_LINES, CHAT_JSON };

struct chat {
    struct invocation *invocation;
    struct talk *talk; /* Borrowed. */
    enum chat_form form;
    char *session;    /* Owned. */
    char *model;      /* Owned: model of the messages to come; NULL: the session's. */
    const char *root; /* Folder of sessions to come; NULL: none. */
    json_t *images;   /* Owned: of the next message. */
    char *draft;      /* Owned: text that the line is to hold next; NULL: as it is. */
    struct lines lines;
    int64_t seq;            /* Last event of the session's stream that was shown. */
    bool over;              /* A command ended the chat. */
    struct text *above;     /* Borrowed: where lines are shown on a terminal; NULL: stdout. */
    struct paint paint;     /* How the lines above are coloured and wrapped. */
    char project[PATH_MAX]; /* Folder of the current project; "": not needed. */
};

/* A line in brackets, from a command: above the line that is typed, to stdout, or as JSON. */
void chat_say(struct chat *chat, const char *format, ...) PRINTF_LIKE(2, 3);
/* A line about what to do, in a colour on a terminal. */
void chat_note(struct chat *chat, const char *words);
/* Asks about the session; ret_answer NULL: the answer is not read. */
MUST_CHECK struct err chat_ask(struct chat *chat, const char *method, const char *rest,
                               const struct text *body, json_t **ret_answer);
/* Ends the turn, and not the session: its text so far stays. */
MUST_CHECK struct err chat_stop(struct chat *chat);
/* Forgets a Ctrl-C that ended a wait: it ends no other one. */
void chat_interrupt_take(struct chat *chat);
/* Sends a message; *ret_run is owned. `policy` and `client_id` as of session_say. */
MUST_CHECK struct err chat_send(struct chat *chat, const char *text, const char *policy,
                                const char *client_id, char **ret_run);
/* Shows a turn to its end, where no loop does. */
MUST_CHECK struct err chat_watch(struct chat *chat, const char *run);
/* Prints a refusal, and forgets it. */
void chat_complain(struct chat *chat, struct err err);

/* A line that begins with a slash. */
MUST_CHECK struct err chat_command(struct chat *chat, const char *line);
/* Takes back what the session did since a message of the user; `rest`: how many back. Shows a
 * preview, and asks at a terminal; the text of the message becomes the draft. */
MUST_CHECK struct err chat_rewind(struct chat *chat, const char *rest);
/* Completes the word before the cursor: a command, a model after /model, a path. Several ways are
 * listed above. */
void chat_complete(struct chat *chat, struct edit_line *edit);

/* The loop, from a session that is open. `joins`: the session was there before. */
MUST_CHECK struct err chat_live(struct chat *chat, bool joins);

/* The same loop for one turn: it ends with the turn, and shows nothing but that. The line appears
 * while something is asked; before and after that keys are the terminal's own. ERR_INTERRUPTED:
 * Ctrl-C, and the turn goes on. */
struct chat_turn {
    const char *run; /* Borrowed. */
    int64_t until;   /* Number after which nothing of the turn follows; 0: it may go on. */
    json_t *end;     /* Owned, out: event of its end, or the run; NULL: it was not seen. */
};
MUST_CHECK struct err chat_live_turn(struct chat *chat, struct chat_turn *turn);

#endif
