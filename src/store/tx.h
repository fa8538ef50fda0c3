/* tx.h: what a store function holds while it runs. Only store/ includes it.
 *
 * Promise    after the first SQL error every further call through `tx` answers that same error and
 *            touches nothing: a function that goes on by mistake cannot write outside its
 *            transaction, and cannot succeed.
 * Ownership  embedded in whoever runs functions on one connection: init/done.
 * Threads    one at a time.
 */
#ifndef DROVER_STORE_TX_H
#define DROVER_STORE_TX_H

#include "base/base.h"
#include "base/memory.h"
#include "loop/world.h"
#include "store/call.h"
#include "store/clocks.h"
#include "store/driver.h"
#include "store/notes.h"
#include "store/statements.h"
#include "store/store.h"

struct row_mark {
    unsigned kind;
    int64_t id;
};

struct tx {
    struct conn *conn;         /* Borrowed for life. */
    struct arena arena;        /* Emptied before each function. */
    struct notes *notes;       /* Borrowed from the group; NULL while reading. */
    struct err err;            /* The first SQL error of the function. */
    const struct world *world; /* Borrowed for life. */
    uint64_t began_ns;         /* By the monotonic clock. */
    uint64_t slice_ns;         /* Time after which tx_slice_over says so. */
    int64_t now_ms, steady_ms, epoch;
    int64_t steady_base_ms; /* Added to the monotonic clock to give `steady_ms`. */
    struct clocks clocks;   /* Both clocks, since the store was opened. */
    unsigned rows_open;
    bool scrubs;    /* A function has called tx_scrub since this was last taken. */
    bool tried;     /* The function has called tx_try. */
    bool careful;   /* Parts have savepoints, and each statement is answered before the next. */
    unsigned parts; /* Savepoints of parts that are open. */
    const store_row_fn *rows_changed; /* Borrowed for life; NULL: marks are not kept. */
    struct row_mark *marks;           /* Rows that the function has marked; in the arena. */
    size_t marks_count, marks_size;
    struct statements sql_texts; /* Statements that tx_sql has built, by address and use. Owned. */
};

void tx_init(struct tx *tx, struct conn *conn, const struct world *world, int64_t epoch);
/* Sets the time that functions see from here on. */
void tx_set_time(struct tx *tx, int64_t wall_ms, uint64_t mono_ns);
void tx_done(struct tx *tx);

/* Whether a function of the group asked for it. One that was taken back costs a needless scrub. */
bool tx_scrub_take(struct tx *tx);

/* Runs one function, and answers its error or the first SQL error, whatever it returned. */
MUST_CHECK struct err tx_run(struct tx *tx, store_fn fn, void *ctx);

/* Runs a function that only reads, in a snapshot of its own: it sees whole commits, and the same
 * ones from its first row to its last. The snapshot ends with it: an open one would keep the log
 * from restarting. The result is in the call. */
void tx_read(struct tx *tx, struct call *call);

#endif
