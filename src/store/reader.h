/* reader.h: runs functions that only read, each in a snapshot of its own.
 *
 * Promise    a function sees whole commits only, and the same ones from its first row to its last.
 *            Its snapshot ends with it: an open one would keep the log from being begun anew.
 * Ownership  embedded: init/done; the connection is borrowed.
 * Threads    one at a time.
 */
#ifndef DROVER_STORE_READER_H
#define DROVER_STORE_READER_H

#include "base/base.h"
#include "loop/world.h"
#include "store/call.h"
#include "store/tx.h"

struct reader {
    struct conn *conn;         /* Borrowed for life, as is the next. */
    const struct world *world; /* The clock. */
    struct tx tx;
};
void reader_init(struct reader *reader, struct conn *conn, const struct world *world,
                 int64_t epoch);
void reader_done(struct reader *reader);
void reader_run(struct reader *reader, struct call *call); /* The result is in the call. */

#endif
