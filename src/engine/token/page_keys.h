/* page_keys.h: the life of keys of web pages: their last use is stored, and keys end that were not
 * used for TOKEN_UNUSED_MAX_MS.
 *
 * Promise    a use is stored at most once in TOKEN_USE_STEP_MS for each key, one transaction at a
 *            time: a use that comes meanwhile is stored with the next request. Each hour expired
 *            keys are removed, with the event of a removal, and `revoked` is called for each.
 * Ownership  embedded, zeroed; it and the store must live until the store has ended.
 * Threads    the loop.
 * Failure    a transaction that failed is tried again: with the next use after an hour; at the next
 *            round.
 */
#ifndef DROVER_ENGINE_TOKEN_PAGE_KEYS_H
#define DROVER_ENGINE_TOKEN_PAGE_KEYS_H

#include "base/base.h"
#include "base/id.h"
#include "engine/token/token.h"
#include "loop/loop.h"
#include "store/store.h"

struct page_keys_options {
    struct loop *loop; /* Borrowed, as are the next two. */
    struct store *store;
    struct token_table *table;
    void (*revoked)(void *ctx, const char *id); /* The table has it no more. */
    void *ctx;
};

struct page_keys {
    struct page_keys_options on;
    struct timer timer;
    bool writes; /* A transaction is under way, for `id`. */
    struct id id;
};

void page_keys_start(struct page_keys *keys, const struct page_keys_options *options);
void page_keys_stop(struct page_keys *keys); /* Never started is fine. */
/* A key whose `use_due` is set was used. */
void page_keys_use(struct page_keys *keys, const char *id);

#endif
