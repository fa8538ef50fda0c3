/* tokens_load.h: the tokens of the database, put into the table before anybody is served.
 *
 * Promise    `done` comes once, never inside the call; with success every token is in the table.
 * Ownership  store and table are borrowed until `done`.
 * Threads    the loop.
 * Failure    what was read before stays in the table: the daemon ends then.
 */
#ifndef DROVER_MAIN_TOKENS_LOAD_H
#define DROVER_MAIN_TOKENS_LOAD_H

#include "base/base.h"
#include "base/err.h"
#include "engine/token/token.h"
#include "store/store.h"

void tokens_load(struct store *store, struct token_table *table,
                 void (*done)(void *ctx, struct err err), void *ctx);

#endif
