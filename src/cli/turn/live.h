/* live.h: the state of the loop of a chat (chat_live.c), and the parts that work on it.
 *
 *   live_picture.c   the growing line, queued messages, the prompt and what stands above them
 *   live_keyboard.c  who has the keyboard: the line, or the terminal; suspend and resize
 *   live_stream.c    events of the session, and its connection
 *
 * Threads    one.
 */
#ifndef DROVER_CLI_TURN_LIVE_H
#define DROVER_CLI_TURN_LIVE_H

#include "cli/stream/feed.h"
#include "cli/terminal/live_view.h"
#include "cli/terminal/raw_terminal.h"
#include "cli/turn/answering.h"
#include "cli/turn/chat.h"
#include "cli/turn/chat_state.h"
#include "cli/turn/conversation.h"

/* A message that was sent, and whose answer was lost. */
struct doubt {
    char *text; /* Owned; NULL: none is in doubt. */
    struct id client;
};

struct live {
    struct chat *chat;
    struct chat_turn *turn; /* Borrowed: the one turn to show; NULL: the session. */
    enum chat_state state;
    struct conversation conversation;
    struct edit_line edit;
    struct answering answering;
    struct doubt doubt;
    char *history;         /* Owned: path of the file; NULL: none. */
    json_t *awaited;       /* Owned: ids of runs whose messages were sent here, until they end. */
    struct live_view view; /* Owned. */
    struct raw_terminal terminal;
    struct feed feed; /* Owned: the stream of the session. */
    bool joins;       /* The stream is to begin with the session as it is. */
    int signal_fd;    /* Owned: SIGWINCH, SIGCONT. */
};

static inline bool live_is_terminal(const struct live *live) {
    return live->chat->form == CHAT_TERMINAL;
}

/* Draws what stands above, and the picture. `picture` false: only what stands above, and the
 * cursor below it. Nothing without a terminal. */
void live_draw(struct live *live, bool picture);
/* Writes to standard output at once. */
void live_write(const struct text *out);

/* Gives the keyboard to the line or to the terminal, as the state wants it. */
MUST_CHECK struct err live_keyboard_update(struct live *live);
/* Whether a single turn is shown by a background job: it asks nothing, until it is brought to the
 * foreground. */
MUST_CHECK bool live_turn_in_background(const struct live *live);
/* Gives the keyboard back to the terminal. */
void live_keyboard_end(struct live *live);
/* Reads what the descriptor of terminal_signals_open tells. */
void live_signals_take(struct live *live);
/* Stops the whole job, as Ctrl-Z does for other programs. */
void live_suspend(struct live *live);

/* Takes one event of the state machine (chat_state.h); its effect is the caller's. */
enum chat_effect live_event(struct live *live, enum chat_event event);

/* Opens the stream of the session; an outage is waited out. */
MUST_CHECK struct err live_stream_open(struct live *live);
/* Forgets the message that was in doubt. */
void live_doubt_end(struct live *live);

#endif
