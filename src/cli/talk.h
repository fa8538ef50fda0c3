/* talk.h: what every command that asks the daemon begins with.
 *
 * Ownership  embedded, begun as {.interrupt_fd = -1}; talk_close ends it, also half-opened. Ctrl-C
 *            is taken over from the process, so that a wait can end in order.
 * Threads    one.
 */
#ifndef DROVER_CLI_TALK_H
#define DROVER_CLI_TALK_H

#include "base/base.h"
#include "base/err.h"
#include "base/json.h"
#include "cli/cli.h"
#include "cli/client.h"

struct talk {
    struct client_options options;
    struct client *client; /* Owned. */
    char *data;            /* Owned: the default data directory. */
    int interrupt_fd;      /* Owned. */
};

MUST_CHECK struct err talk_open(struct talk *talk, struct invocation *invocation);
void talk_close(struct talk *talk); /* For AUTO. */

/* One request; the answer as text and, where ret_json is not NULL, parsed (owned). */
MUST_CHECK struct err talk_ask(struct talk *talk, const struct client_request *request,
                               struct text *ret_body, json_t **ret_json, struct why *why);

/* All rows of a list, page by page. `path` has no query. `each` gets one item. */
MUST_CHECK struct err talk_list(struct talk *talk, const char *path,
                                void (*each)(void *ctx, const json_t *item), void *ctx,
                                struct why *why);

/* "2026-11-20 07:01:27Z" */
struct talk_time {
    char text[24];
};
struct talk_time talk_time(int64_t ms);
/* Members of an object; "" and 0 where they are not what was expected. */
const char *talk_text(const json_t *object, const char *key);
int64_t talk_int(const json_t *object, const char *key);
/* Prints the value as one line of JSON. */
void talk_print(const json_t *value);

#endif
