/* rows.h: the rows of the inbox, between the database and the rules. Only the engine includes
 * it.
 */
#ifndef DROVER_ENGINE_INBOX_ROWS_H
#define DROVER_ENGINE_INBOX_ROWS_H

#include "engine/inbox/inbox.h"
#include "store/mapper.h"

/* Columns of struct inbox_row, after `id` (store/mapper.h); `payload` comes last, for lists without
 * it. */
enum inbox_words { INBOX_WORD_KIND = MAP_WORD, INBOX_WORD_STATE };
enum inbox_columns { INBOX_PROGRESS = MAP_SET }; /* Written by inbox__write. */
#define INBOX_LIGHT_MAP(X)                                                                         \
    X("delivery", delivery, MAP_TEXT, MAP_READ)                                                    \
    X("owner", owner, MAP_TEXT, MAP_READ)                                                          \
    X("run", run, MAP_TEXT, MAP_READ)                                                              \
    X("receiver", kind, INBOX_WORD_KIND, MAP_READ)                                                 \
    X("address", address, MAP_TEXT, MAP_READ)                                                      \
    X("state", state, INBOX_WORD_STATE, INBOX_PROGRESS)                                            \
    X("cause", cause, MAP_TEXT, INBOX_PROGRESS)                                                    \
    X("failures", failures, MAP_INT, INBOX_PROGRESS)                                               \
    X("made_ms", made_ms, MAP_INT, MAP_READ)                                                       \
    X("not_before_ms", not_before_ms, MAP_INT, INBOX_PROGRESS)                                     \
    X("settled_ms", settled_ms, MAP_INT_OR_NULL, INBOX_PROGRESS)                                   \
    X("turn", turn, MAP_TEXT, INBOX_PROGRESS)
#define INBOX_COLUMNS_LIGHT "id" INBOX_LIGHT_MAP(MAP_NAMES)
#define INBOX_COLUMNS INBOX_COLUMNS_LIGHT ", payload"
extern const struct map inbox__map;

extern const char *const receiver_kind_names[]; /* By value; NULL ends them. */
MUST_CHECK bool receiver_kind_find(struct bytes name, enum receiver_kind *ret_kind);

#define INBOX_DAMAGED "the notice is damaged in the database"
/* Borrows the texts from the row under the cursor. A row with unknown words reads as held, or as
 * gone where it is settled, with INBOX_DAMAGED as its cause. */
void inbox__borrow(const struct rows *rows, enum inbox_form form, struct inbox_row *ret_row);
/* A whole row, with copies of its texts in the transaction's arena. */
void inbox__read(struct tx *tx, const struct rows *rows, struct inbox_row *ret_row);
/* Writes what changes, and leaves a note of its receiver. A row that is settled and whose run is
 * gone goes. The transaction keeps every error. */
struct err inbox__write(struct tx *tx, const struct inbox_row *row);
/* With the run: its settled notices. What is still owed stays until it is settled. */
MUST_CHECK struct err inbox__forget(struct tx *tx, struct bytes run);
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
