/* offline.h: the rows of a database whose daemon doesn't run, read without becoming its daemon: no
 * claim, no migration, no epoch.
 *
 * Promise    functions see whole commits, each function those of its own snapshot. A daemon may
 *            start meanwhile, and is not in the way.
 * Ownership  the caller owns *ret_look and ends it with store_look_close.
 * Threads    one.
 * Failure    outputs are untouched. ERR_CONFLICT: PostgreSQL, or an older schema, which functions
 *            cannot read; ERR_NEWER_SCHEMA, ERR_OTHER_SCHEMA.
 */
#ifndef DROVER_STORE_OFFLINE_H
#define DROVER_STORE_OFFLINE_H

#include "base/base.h"
#include "base/err.h"
#include "loop/world.h"
#include "store/store.h"

struct store_look;

MUST_CHECK struct err store_look_open(const char *where, const struct world *world,
                                      struct store_look **ret_look, struct why *why);
MUST_CHECK struct err store_look_read(struct store_look *look, store_fn fn, void *ctx);
void store_look_close(struct store_look *look); /* NULL is allowed. */

#endif
