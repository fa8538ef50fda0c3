/* agents_load.h: agents and their cool-downs after a start, as the database has them.
 *
 * Ownership  the rows and the turns are borrowed until `done`.
 * Threads    the loop; rows are read on a thread of the store.
 */
#ifndef DROVER_MAIN_AGENTS_LOAD_H
#define DROVER_MAIN_AGENTS_LOAD_H

#include "agent/rows.h"
#include "dispatch/turn/turns.h"
#include "store/store.h"

/* `done` gets the error of the store, if there was one. Never called inside. */
void agents_load(struct store *store, struct agent_rows *agents, struct turns *turns,
                 void (*done)(void *ctx, struct err err), void *ctx);

#endif
