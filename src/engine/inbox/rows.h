/* rows.h: the rows of the inbox, between the database and the rules. Only the engine includes
 * it.
 */
#ifndef DROVER_ENGINE_INBOX_ROWS_H
#define DROVER_ENGINE_INBOX_ROWS_H

#include "engine/base/resource.h"
#include "engine/inbox/inbox.h"

/* A whole row, with copies of its texts in the transaction's arena. */
void inbox__read(struct tx *tx, const struct rows *rows, struct inbox_row *ret_row);
MUST_CHECK bool inbox__find(struct tx *tx, const char *where, struct arg arg,
                            struct inbox_row *ret_row);
/* Writes the columns that change, and leaves a note of its receiver. A settled row whose
 * run is gone goes. The transaction keeps every error. */
struct err inbox__write(struct tx *tx, struct inbox_row *row);
/* With the run: its settled notices. What is still owed stays until it is settled. */
void inbox__forget(struct tx *tx, struct bytes run);
/* After a failure, its next state and time. */
void inbox__fail(struct tx *tx, const struct inbox_waits *waits, uint32_t random,
                 struct inbox_row *row);
/* A receiver whose row is too damaged for a note leaves none. The transaction keeps the error. */
struct err inbox__tell(struct tx *tx, const struct inbox_receiver *receiver);

/* Rows of a receiver that may be due: of each state the first `limit` by time, and the last, where
 * a clock that was set back shows. */
struct inbox__candidates {
    struct inbox_candidate at[4 * INBOX_BATCH_MAX];
    size_t count;
};
void inbox__candidates_find(struct tx *tx, const struct inbox_receiver *receiver, int64_t limit,
                            struct inbox__candidates *ret_candidates);

/* Position of a walk over all receivers. False: longer than any receiver that drover stores. */
MUST_CHECK bool inbox__cursor(const struct inbox_receiver *receiver,
                              struct inbox_cursor *ret_cursor);

/* The notice itself: JSON. */
MUST_CHECK struct err inbox__write_notice(const struct inbox_notice *notice, struct bytes delivery,
                                          struct text *text);

#endif
