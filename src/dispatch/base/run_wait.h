/* run_wait.h: how a dispatcher learns that a run went on, and that it ended.
 *
 *   IDLE ──run_wait_start──> UNREAD ──> READING ──its row──> FOLLOWING ──the end──> IDLE
 *    ^ └──run_wait_expect──────┴── a note ─┴───────────────────^
 *    └──run_wait_cancel, from each
 *
 * Each commit that writes a run leaves a note of it, once, and the run may have ended before the
 * wait. So a wait stands in the table first, and its row is read after that: an end is in the row,
 * or its note is still to come. A note that comes while the row is read is newer than what is read,
 * so the answer is dropped then. A run that the owner is about to write has no row yet: its notes
 * are all to come, and run_wait_expect reads nothing.
 *
 * Nothing of a wait is stored. What has to happen after a restart is in the rows of the owner,
 * which starts its waits again; the step of a flow has its child in a column, and needs none.
 *
 * Promise    on_end comes once, unless the wait is cancelled, and never inside run_wait_start;
 *            on_change comes never after it. The wait is IDLE by then: the owner may start it
 *            again, or be gone when the callback returns. `status` is as of the last callback.
 * Limits     RUN_WAIT_READS rows are read at once. A read that fails is tried again (ask.h).
 * Ownership  a wait is embedded in its owner, zeroed at first, with its callbacks filled in;
 *            run_wait_cancel before the owner goes. Any number of waits for one run is fine.
 * Threads    the loop.
 */
#ifndef DROVER_DISPATCH_BASE_RUN_WAIT_H
#define DROVER_DISPATCH_BASE_RUN_WAIT_H

#include "base/id.h"
#include "base/link.h"
#include "dispatch/base/ask.h"
#include "dispatch/base/table.h"
#include "rules/run/run.h"

enum { RUN_WAIT_READS = 64 };

/* The members of a row that its notes have, too. */
struct run_status {
    bool found; /* false: the run was removed, after its end; all other members are zero. */
    enum run_state state;
    enum run_cause cause;
    int64_t attempt, not_before_ms;
};
struct run_waits {
    struct table table; /* Waits that are not IDLE, by their run. */
    struct link unread;
    uint64_t notes; /* Number of notes so far. */
    struct asker asker;
    struct ask ask;
    /* Rows that are read. */
    struct run_read {
        struct id run;
        struct run_status status;
    } reads[RUN_WAIT_READS];
    size_t read_count; /* 0: nothing is being read, or reported. */
};

enum run_wait_state { RUN_WAIT_IDLE, RUN_WAIT_UNREAD, RUN_WAIT_READING, RUN_WAIT_FOLLOWING };
struct run_wait {
    void (*on_change)(struct run_wait *wait); /* The run goes on. NULL: not wanted. */
    void (*on_end)(struct run_wait *wait);
    struct id run; /* As of the last start. */
    struct run_status status;
    /* Private. */
    struct run_waits *waits;
    enum run_wait_state state;
    struct table_node node;
    struct link unread;
    uint64_t notes; /* Number of the last note that the wait has had, or is too young for. */
};
/* A wait that is not IDLE is cancelled first. */
void run_wait_start(struct run_waits *waits, struct run_wait *wait, struct bytes run);
/* The same for a run that is not written yet. */
void run_wait_expect(struct run_waits *waits, struct run_wait *wait, struct bytes run);
void run_wait_cancel(struct run_wait *wait); /* IDLE is allowed. */

void run_waits_init(struct run_waits *waits, const struct asker *asker);
void run_waits_note(struct run_waits *waits, const struct run_row *row); /* A run was written. */
/* As `end` of a performer. Answers of the store may still come, without effect. */
void run_waits_stop(void *waits);
void run_waits_done(struct run_waits *waits); /* Zeroed is allowed. All waits are IDLE. */

#endif
