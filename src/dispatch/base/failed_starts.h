/* failed_starts.h: number of starts in a row that ended in a crash, and the runs at hand then.
 *
 * Why        a run whose data crash the daemon does so again after each start, and a supervisor
 *            restarts the daemon for ever. After a few such crashes the daemon opens held, and
 *            names the runs that were at hand, so that one of them can be stopped.
 * How        the file `drover.starts` of the data directory, written without a sync: the record
 *            must survive the process, not the machine.
 *
 *              0  magic (8 bytes)
 *              8  number of starts in a row that failed (uint32)
 *             12  zero
 *             16  runs at hand at the last three crashes, newest first; each is an id and zeros
 *                 (48 bytes)
 *
 *            A file that is no such record counts as none. A start has succeeded once the daemon
 *            has led for FAILED_START_MS, or was asked to end; until then each step of a run is
 *            noted.
 * Ownership  the caller owns *ret_starts and ends it with failed_starts_close.
 * Threads    failed_starts_at: any. The rest: the loop.
 * Failure    of opening: *ret_starts is untouched. A failed write later is ignored: the record is a
 *            hint.
 */
#ifndef DROVER_DISPATCH_BASE_FAILED_STARTS_H
#define DROVER_DISPATCH_BASE_FAILED_STARTS_H

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"

enum { FAILED_START_MS = 60 * 1000, FAILED_STARTS_RUNS = 3 };

struct failed_starts;

/* This start counts as failed from here on. `limit` 0: no number of crashes leads to a hold. */
MUST_CHECK struct err failed_starts_open(const char *data_dir, uint32_t limit,
                                         struct failed_starts **ret_starts);
void failed_starts_close(struct failed_starts *starts); /* NULL is allowed. */

/* True: the daemon must open held; until failed_starts_accept. NULL: never. */
MUST_CHECK bool failed_starts_hold(const struct failed_starts *starts);
/* Number of failed starts in a row before this one; 0 after failed_starts_accept, and of NULL. */
MUST_CHECK uint32_t failed_starts_count(const struct failed_starts *starts);
/* `"failed_starts":3,"last_runs":["run_…"]`: the runs at hand at the crashes, newest first, each
 * once. NULL: of no crash. */
void failed_starts_write(const struct failed_starts *starts, struct text *text);
/* The same runs, with commas between. */
void failed_starts_name(const struct failed_starts *starts, struct text *text);

/* A step of that run begins in this thread. NULL, held, or a start that has succeeded: nothing. */
void failed_starts_at(struct failed_starts *starts, struct bytes run);
/* The start has succeeded, or the daemon ends in order: no crash is counted any more. A hold that
 * is due stays until an end in order. */
enum life_end { LIFE_LASTED, LIFE_ENDS };
void failed_starts_good(struct failed_starts *starts, enum life_end end);
/* The hold was released: this start counts as a first one. */
void failed_starts_accept(struct failed_starts *starts);

#endif
