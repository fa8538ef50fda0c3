/* key_watch.h: keys of found connections that are in files (OPENAI_API_KEY_FILE and so on): a file
 * that changed is read again while the daemon runs.
 *
 * Promise    a key that is in the file WATCH_MS before a call is the one that is sent with it. What
 *            waits for the connection goes on with it (models_connection_set). Where the file
 *            cannot be read the key stays, and `failed` gets the sentence once.
 * Ownership  the caller's; options are borrowed for life.
 * Threads    the loop; files are looked at in the pool.
 */
#ifndef DROVER_DISPATCH_PROVIDER_KEY_WATCH_H
#define DROVER_DISPATCH_PROVIDER_KEY_WATCH_H

#include "base/base.h"
#include "loop/loop.h"
#include "model/model.h"

struct key_watch;
struct key_watch_options {
    struct loop *loop;
    struct models *models;
    struct discover_from from;
    void *ctx;
    void (*failed)(void *ctx, const char *name, const struct why *why);
    void (*changed)(void *ctx); /* A connection uses another key. */
};
/* NULL: no key is in a file. */
struct key_watch *key_watch_open(const struct key_watch_options *options);
/* Key of the file as it was read last, for the connection of that name; NULL: it has not changed,
 * or there is none. Borrowed until the loop goes on. `watch` NULL is allowed. */
const char *key_watch_find(const struct key_watch *watch, const char *name);
void key_watch_stop(struct key_watch *watch);  /* Touches models no more. NULL is allowed, */
void key_watch_close(struct key_watch *watch); /* here, too. */

#endif
