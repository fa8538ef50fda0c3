/* group.h: many functions, one durable commit.
 *
 * Promise    each function of a group happened once or answers an error, and an error takes only
 *            its own function back. Notes hold exactly what was committed, in commit order.
 * Threads    one at a time: the writer's.
 * Failure    an error means that nobody can tell what happened, or that somebody else owns the
 *            database: no function of the group may be answered.
 *
 *     source -> BEGIN -> function -> [SAVEPOINT function RELEASE | ROLLBACK TO]* -> COMMIT
 *                            \                    |                                  |
 *                             \                   v  the transaction ended by itself v
 *                              `----------->  each alone: BEGIN function COMMIT | ROLLBACK
 *                                                                                    | has parts
 *                                             BEGIN [SAVEPOINT part …]* COMMIT  <----'
 *
 * The first function of a transaction needs no savepoint: with nothing before it, its error may
 * take the whole transaction back. So a group of one pays for none.
 *
 * Nor do the others, where the driver can tell whether a function that failed has changed anything
 * (driver.h: `changes`): most refuse before they write. One that wrote first takes the group back,
 * which then begins anew with savepoints, as the next GROUP_GUARDED groups do.
 *
 * A function that has parts (tx_try) and failed is run again alone, with a savepoint for each part,
 * so that a part that fails takes only itself back. Savepoints from the first run on were rejected:
 * the end of each run that others wait for has parts, and next to none of them fails.
 */
#ifndef DROVER_STORE_GROUP_H
#define DROVER_STORE_GROUP_H

#include <stdatomic.h>

#include "base/base.h"
#include "base/err.h"
#include "loop/world.h"
#include "store/call.h"
#include "store/notes.h"
#include "store/tx.h"

enum {
    GROUP_FUNCTIONS_MAX = 256,
    GROUP_ADDING_NS = 2 * 1000 * 1000, /* How long a group that runs takes in newly queued ones. */
    GROUP_NOTES_MAX = 4 << 20,         /* Bytes; a group with so many accepts no more. */
    GROUP_GUARDED = 64, /* Functions that get savepoints after one was rolled back. */
};

struct group {
    struct group *next;
    struct calls calls; /* Owned; those that ran, in order, with their results. */
    struct notes notes;
};

/* Any thread reads them; the writer counts. */
struct group_counters {
    atomic_uint_fast64_t groups, functions, reruns, errors;
    atomic_uint_fast64_t commits; /* Number of commits that happened. */
};

/* Where functions come from: NULL when there are none just now. It never waits. */
struct group_source {
    struct call *(*next)(void *ctx);
    void *ctx;
};

struct group_writer {
    struct tx tx;
    unsigned guarded; /* So many more groups use savepoints. */
    struct group_counters counters;
};
void group_writer_init(struct group_writer *writer, struct conn *conn, const struct world *world,
                       int64_t epoch);
void group_writer_done(struct group_writer *writer);

/* `group` is empty before. At least one function must be there. */
MUST_CHECK struct err group_run(struct group_writer *writer, struct group_source source,
                                struct group *group);

#endif
