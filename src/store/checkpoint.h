/* checkpoint.h: keeps the write-ahead log short without making the writer wait.
 *
 * Promise    a thread of its own copies the log into the database (PASSIVE) each time it has grown
 *            by CHECKPOINT_EVERY; readers and writer go on meanwhile. Since a log that is written
 *            all the time is never quite copied, above CHECKPOINT_RESTART_BYTES the thread asks the
 *            writer, which does the little rest between two groups: the next commit then begins the
 *            log anew.
 *            A reader that stays in one transaction, or a thread that does not get its turn, lets
 *            the log grow. Above CHECKPOINT_WAIT_BYTES the writer itself brings it down between two
 *            groups, and waits for who is in the way; what is queued waits with it, since a disk
 *            that is full of log serves nobody. It waits CHECKPOINT_WAITS times as long as the
 *            driver does, then lets one group pass and begins again.
 *            A scrub empties the log, so that nothing that was deleted stays in it: the thread
 *            tries, and asks the writer where that one is in the way, each CHECKPOINT_SCRUB_TRY_S
 *            until it is done. Where there is always a reader, no moment is free: each
 *            CHECKPOINT_SCRUB_PATIENT tries the writer waits a little for those that read then.
 *            The same thread makes the mark of the last commit durable (commit_mark.h), each second
 *            in which there was one, and before each checkpoint.
 * Ownership  embedded: start/stop; the connections are borrowed.
 * Threads    checkpoint_tend, checkpoint_scrub: the writer's. start, stop: the one that opened
 *            the store.
 * Failure    a checkpoint that fails is tried again when the log has grown: nothing is lost by it,
 *            the log holds everything.
 */
#ifndef DROVER_STORE_CHECKPOINT_H
#define DROVER_STORE_CHECKPOINT_H

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "base/base.h"
#include "base/err.h"
#include "store/driver.h"

enum {
    CHECKPOINT_MARK_S = 1,
    CHECKPOINT_SCRUB_TRY_S = 1,
    CHECKPOINT_SCRUB_PATIENT = 10, /* Tries. */
    CHECKPOINT_EVERY = 8 << 20,
    CHECKPOINT_RESTART_BYTES = 16 << 20,
    CHECKPOINT_WAIT_BYTES = 64 << 20,
    CHECKPOINT_WAITS = 6,
};

/* What the thread asks of the writer, which answers by SCRUB_NONE when it has tried. */
enum scrub_request { SCRUB_NONE, SCRUB_HURRIED, SCRUB_PATIENT };

struct checkpoint {
    const struct world *world; /* Borrowed; filled by the caller where the driver has `keep`. */
    struct conn *writer;       /* Borrowed. */
    struct conn *own;          /* Borrowed; NULL: no thread, the writer's connection does it all. */
    int64_t next_at;           /* Writer's thread: how long the log may grow before the next one, */
    int64_t wait_at;           /* and before it does that one itself. */
    atomic_int_fast64_t log_bytes;
    atomic_bool restart; /* Requests of the thread to the writer: the next commit begins anew; */
    atomic_int empty;    /* enum scrub_request. */
    atomic_bool marked;  /* There was a commit since the mark was made durable. */
    atomic_uint_fast64_t done;

    pthread_t thread;
    uv_mutex_t lock; /* Guards what follows. */
    uv_cond_t wake, idle;
    bool wanted, running, ending;
    uint64_t mark_at_ns, scrub_at_ns; /* When the next is due; 0: none is wanted. */
    unsigned scrub_tries;             /* Number of those that failed in a row. */
};

MUST_CHECK struct err checkpoint_start(struct checkpoint *checkpoint, struct conn *writer,
                                       struct conn *own);
void checkpoint_stop(struct checkpoint *checkpoint); /* Never started (zeroed) is allowed. */
void checkpoint_tend(struct checkpoint *checkpoint); /* After each group. */
/* Before checkpoint_tend: what was deleted goes from the log, STORE_SCRUB_S later. */
void checkpoint_scrub(struct checkpoint *checkpoint);

#endif
