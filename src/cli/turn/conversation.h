/* conversation.h: the events of a session as lines to show above the line that is being typed.
 *
 * Promise    what is whole goes to `above` and is never drawn again; the line of text that is still
 *            growing stays apart (conversation_line). Questions that are open and messages that are
 *            queued are known from the events alone, also those that other clients answer or send.
 *            An answer that broke off and is given again stands there once: what is the same is not
 *            shown a second time, and a line says where another answer begins.
 * Ownership  embedded: conversation_init, conversation_done.
 * Threads    any; pure.
 */
#ifndef DROVER_CLI_TURN_CONVERSATION_H
#define DROVER_CLI_TURN_CONVERSATION_H

#include "base/base.h"
#include "base/json/json.h"
#include "base/text.h"
#include "cli/terminal/markdown.h"
#include "cli/turn/chat_state.h"

/* Kind of the growing line. */
enum conversation_channel { CHANNEL_NONE, CHANNEL_TEXT, CHANNEL_THINKING, CHANNEL_COUNT };

/* The answer of this step.
 *
 *   SAID ── output_discarded ──> REPEATED ── it goes on where it broke off, or differs ──> SAID
 */
enum conversation_answer { ANSWER_SAID, ANSWER_REPEATED };

struct conversation {
    const char
        *run; /* Borrowed: the one turn that is shown, whose end its owner tells; NULL: all. */
    struct markdown markdown;
    enum conversation_channel channel;
    struct text line; /* Owned: the growing line, as it was written. */
    enum conversation_answer answer;
    struct said {
        struct text text; /* Owned: what the answer said on this channel, as it was shown. */
        size_t again;     /* REPEATED: bytes of it that were said again. */
    } said[CHANNEL_COUNT];
    struct text cause; /* Owned: why the answer broke off. */
    int64_t part;      /* Number of the card whose call began last; 0: none. */
    int64_t allowed;   /* Number of the card whose question was answered last; 0: none. */
    json_t *asked;     /* Owned: approvals that are open, the oldest first. */
    json_t *queued;    /* Owned: user messages whose turn has not begun. */
    char *answered;    /* Owned: id of the approval that was answered here last; NULL: none. */
};
void conversation_init(struct conversation *conversation, struct paint paint);
void conversation_done(struct conversation *conversation);

/* Takes an event, and adds its lines to `above`. CHAT_EVENT_COUNT: the chat's state does not change
 * by it. */
enum chat_event conversation_event(struct conversation *conversation, struct bytes type,
                                   const json_t *data, struct text *above);
/* Begins with a snapshot: the last messages, what runs, what is asked, what is queued. */
enum chat_event conversation_snapshot(struct conversation *conversation, const json_t *snapshot,
                                      struct text *above);
/* The question to answer now; NULL: none. Borrowed until the next event. */
json_t *conversation_asked(const struct conversation *conversation);
/* Adds the growing line as it is shown. */
void conversation_line(const struct conversation *conversation, struct text *out);

#endif
