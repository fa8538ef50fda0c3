/* rows.h: the rows of the inbox, between the database and the rules. Only the engine includes
 * it.
 */
#ifndef DROVER_ENGINE_INBOX_ROWS_H
#define DROVER_ENGINE_INBOX_ROWS_H

#include "base/json/json.h"
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

/* Inserts a row that is due now, and leaves its note. Sets the rest of what is not its receiver,
 * event, delivery and payload. */
MUST_CHECK struct err inbox__insert(struct tx *tx, struct inbox_row *row);
MUST_CHECK bool inbox__address(const json_t *entry, struct inbox_row *row);

/* Settings of notices (notices.c), as of this commit. */
struct inbox__wishes {
    struct bytes webhook; /* The owner's; "": none. */
    struct bytes origin;  /* Beginning of links; "": none are written. */
    unsigned events;      /* Bits of enum notice_event. */
    int64_t after_ms;
};
void inbox__wishes_read(struct tx *tx, struct bytes owner, struct inbox__wishes *ret_wishes);
/* A notice of the owner has stalled: a notice of its own, unless
 * it would be about another such one, or go the same way. */
void inbox__tell_stalled(struct tx *tx, const struct inbox_row *row);

/* The first members of a notice to a webhook. */
struct inbox__head {
    struct bytes delivery;
    enum notice_event event;
    struct bytes title, project, session; /* "": none. */
    struct bytes origin;                  /* "": no link. */
    const char *page;                     /* Path of the link up to the name: "/inbox/". */
    struct bytes name;
};
void inbox__write_head(const struct inbox__head *head, struct text *text);
/* The notice of an end: JSON. head NULL: for a session, which has only the delivery. */
MUST_CHECK struct err inbox__write_notice(const struct inbox_notice *notice, struct bytes delivery,
                                          const struct inbox__head *head, struct text *text);

#endif
