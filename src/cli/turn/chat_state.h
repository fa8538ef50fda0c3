/* chat_state.h: the states of a chat, and what each event means in them.
 *
 *            TURN_BEGAN                  ASKED
 *     IDLE ─────────────> ANSWERING ─────────────> ASKING ──┐ ASKED: the next question
 *     │ ^ <────────────── │         <───────────── │   ^ ───┘
 *     │ │    TURN_ENDED   │         SETTLED        │
 *     │ └─────────────────┼────────────────────────┘ TURN_ENDED
 *     │ INTERRUPT on an   │ INTERRUPT: stops the turn
 *     │ empty line        v
 *     └──> LEAVING      (the state stays: the turn's end comes as an event)
 *             │ INTERRUPT, END              any other key: IDLE
 *             v
 *           OVER  <── END (Ctrl-D on an empty line, or the input's end) in each state
 *
 * Promise    what the daemon sends is not asserted on: an event that fits no edge leaves the state
 *            as it is.
 * Threads    any; pure.
 */
#ifndef DROVER_CLI_TURN_CHAT_STATE_H
#define DROVER_CLI_TURN_CHAT_STATE_H

#include "base/base.h"

enum chat_state {
    CHAT_IDLE,      /* Nothing runs; the line becomes a message. */
    CHAT_LEAVING,   /* The same, after Ctrl-C on an empty line: a second one leaves. */
    CHAT_ANSWERING, /* A turn runs; the line becomes a message that is queued. */
    CHAT_ASKING,    /* A turn waits for a person; the line becomes the answer. */
    CHAT_OVER,
    CHAT_STATE_COUNT
};
enum chat_event {
    CHAT_TURN_BEGAN,
    CHAT_TURN_ENDED,
    CHAT_ASKED,     /* At least one question is open. */
    CHAT_SETTLED,   /* No question is open any more. */
    CHAT_ENTER,     /* A line that is not empty. */
    CHAT_INTERRUPT, /* Ctrl-C on an empty line. */
    CHAT_END,
    CHAT_TYPED, /* Any other key. */
    CHAT_EVENT_COUNT
};
/* Actions of the owner. */
enum chat_effect {
    CHAT_NOTHING,
    CHAT_SEND,       /* The line goes to the session as a message, or is a command. */
    CHAT_ANSWER,     /* The line answers the question. */
    CHAT_STOP,       /* The turn is stopped. */
    CHAT_LEAVE_HINT, /* A line says that a second Ctrl-C leaves. */
};
struct chat_step {
    enum chat_state state;
    enum chat_effect effect;
};
struct chat_step chat_state_event(enum chat_state state, enum chat_event event);

#endif
