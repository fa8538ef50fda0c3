/* chat.h: what the files of drover chat share.
 *
 * Ownership  as told below; the whole is command_chat.c's.
 * Threads    one.
 */
#ifndef DROVER_CLI_SESSION_CHAT_H
#define DROVER_CLI_SESSION_CHAT_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/terminal/edit_line.h"
#include "cli/terminal/lines.h"

struct chat {
    struct invocation *invocation;
    struct talk *talk;
    struct lines lines;
    struct edit_line edit;
    bool seen;     /* A person sits at both ends. */
    char *session; /* Owned. */
    char *model;   /* Owned: of the messages to come; NULL: the session's. */
    char *root;    /* Owned: of sessions to come; NULL: none. */
    int64_t seq;
    bool over;
    json_t *images; /* Owned: of the next message. */
};

/* Shows a turn until it ends; Ctrl-C stops it. */
MUST_CHECK struct err chat_watch(struct chat *chat, const char *run);

/* Somebody comes to a session that is there: what was said last, and what goes on (chat_join.c). */
MUST_CHECK struct err chat_join(struct chat *chat);

/* Commands about what was said (chat_history.c); `rest` is what stands behind the word. */
MUST_CHECK struct err chat_clear(struct chat *chat, const char *rest);
MUST_CHECK struct err chat_edit(struct chat *chat, const char *rest);
MUST_CHECK struct err chat_queue(struct chat *chat, const char *rest);
MUST_CHECK struct err chat_retry(struct chat *chat, const char *rest);

#endif
