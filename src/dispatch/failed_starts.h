/* failed_starts.h: how many lives of a daemon in a row ended by a crash, and at which runs.
 *
 * Why        a run whose data crash the daemon does so again after each start, and a supervisor
 *            restarts it for ever. After a few such deaths the daemon opens held, and says which
 *            runs it was at, so that somebody can stop one of them.
 * How        the file `drover.starts` of the data directory, written without a sync: it outlives
 *            the process, which is all that it is for.
 *
 *              0  magic (8 bytes)
 *              8  number of lives in a row that began and did not end well (uint32)
 *             12  zero
 *             16  runs at hand at the end of the last three lives, newest first; each is an id and
 *                 zeros (48 bytes)
 *
 *            A file that is no such record counts as none. A life is good once it has led for
 *            FAILED_START_MS, or is told to end; until then each step of a run is noted.
 * Ownership  the caller owns *ret_starts and ends it with failed_starts_close.
 * Threads    failed_starts_at: any. The rest: the loop.
 * Failure    of opening: *ret_starts is untouched. A failed write later is ignored: it is a hint.
 */
#ifndef DROVER_DISPATCH_FAILED_STARTS_H
#define DROVER_DISPATCH_FAILED_STARTS_H

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"

enum { FAILED_START_MS = 60 * 1000, FAILED_STARTS_RUNS = 3 };

struct failed_starts;

/* This life counts from here on. `limit` 0: no number of deaths makes it hold. */
MUST_CHECK struct err failed_starts_open(const char *data_dir, uint32_t limit,
                                         struct failed_starts **ret_starts);
void failed_starts_close(struct failed_starts *starts); /* NULL is allowed. */

/* True: this daemon must open held; until failed_starts_accept. NULL: never. */
MUST_CHECK bool failed_starts_hold(const struct failed_starts *starts);
/* Number of deaths in a row before this life; 0 after failed_starts_accept, and of NULL. */
MUST_CHECK uint32_t failed_starts_count(const struct failed_starts *starts);
/* `"failed_starts":3,"last_runs":["run_…"]`, where the runs are those at hand at the deaths, newest
 * first, each once. NULL: of no deaths. */
void failed_starts_write(const struct failed_starts *starts, struct text *text);

/* A step of that run begins in this thread. NULL, a held and a good life: nothing. */
void failed_starts_at(struct failed_starts *starts, struct bytes run);
/* This life has lasted, or ends in order: no death is counted any more. A hold that is due stays
 * until an end in order. */
enum life_end { LIFE_LASTED, LIFE_ENDS };
void failed_starts_good(struct failed_starts *starts, enum life_end end);
/* The hold was released: this life counts as a first one. */
void failed_starts_accept(struct failed_starts *starts);

#endif
