/* rows.h: budgets by session. Only the engine includes it.
 *
 * Threads    inside a store function. Texts live in the transaction's arena.
 */
#ifndef DROVER_ENGINE_BUDGET_ROWS_H
#define DROVER_ENGINE_BUDGET_ROWS_H

#include "engine/budget/budget.h"
#include "engine/session/rows.h"

/* The budget of a run that is removed. */
void budget__remove_run(struct tx *tx, int64_t run);
/* Appends budget_changed (engine/base/follow.h). */
void budget__tell_changed(struct tx *tx, int64_t id);
/* "project:NAME/session:ID/", with those in between that it is a subagent of. */
MUST_CHECK struct err budget__session_path(struct tx *tx, const struct session_row *session,
                                           struct bytes *ret_path);
/* JSON array: of each node above the session that has limits, its scope and what is left of them,
 * without what is reserved. */
MUST_CHECK struct err budget__write_left(struct tx *tx, const struct session_row *session,
                                         struct text *text);

#endif
