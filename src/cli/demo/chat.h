/* chat.h: a short conversation, put together from the events of its session.
 *
 * Promise    the text of an answer is what each follower of the session has: a piece is added when
 *            its event comes, and the pieces of an answer that broke off are dropped.
 * Ownership  embedded; zeroed is empty; chat_done ends it.
 * Threads    any; pure.
 */
#ifndef DROVER_CLI_DEMO_CHAT_H
#define DROVER_CLI_DEMO_CHAT_H

#include "base/base.h"
#include "base/json/json.h"
#include "base/text.h"

enum { CHAT_MAX = 8, CHAT_TEXT_MAX = 16 << 10 };

struct chat_exchange {
    char *question;     /* Owned. */
    struct text answer; /* Owned. */
    bool begun, over;
    unsigned broken; /* Number of times that the answer broke off, and began again. */
};

struct chat {
    struct chat_exchange exchanges[CHAT_MAX]; /* In the order of the questions. */
    size_t count;
    size_t current; /* The one that is answered now; `count`: none. */
};

void chat_done(struct chat *chat); /* For AUTO. */
void chat_hear(struct chat *chat, struct bytes type, const json_t *data);
/* All of the first `asked` questions were answered. */
bool chat_is_over(const struct chat *chat, size_t asked);

#endif
