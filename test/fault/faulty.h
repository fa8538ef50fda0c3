/* faulty.h: the one fault that a faulty daemon has.
 *
 * The whole daemon, linked with calls of ours in front of the C library's, SQLite's and its own
 * allocator's. From the environment:
 *
 *   DROVER_FAULT=KIND:N[:TIMES]  the N-th call of that kind fails, and TIMES - 1 after it (0: all)
 *   DROVER_FAULT_UNDER=FOLDER    calls on files count only below this folder; without links in it
 *   DROVER_FAULT_FROM=FILE       nothing counts before that file is there
 *
 * KIND is `alloc` (an allocation whose failure must be handled), `sqlite-alloc`, or CALL-HOW:
 *
 *   CALL  write sync truncate open read map rename unlink; rename is link as well
 *         start: on the way to a holder: its order, its link (what is read and written there, too),
 *         its process, a connection to it
 *         any: all of these, as they come
 *   HOW   io    EIO; of map ENOMEM
 *         full  ENOSPC, and of a write the first half is done
 *         ro    EROFS
 *         kill  SIGKILL before the call
 *         torn  SIGKILL after half of a write
 *         done  SIGKILL after the call, before its result is seen
 *
 * The first fault says `fault: KIND:N at PATH in THREAD` on stderr. With DROVER_FAULT=count nothing
 * fails, and the end of the program says `fault: CALL has N points` of each.
 *
 * Threads    any.
 */
#ifndef DROVER_TEST_FAULT_FAULTY_H
#define DROVER_TEST_FAULT_FAULTY_H

#include "base/base.h"

enum faulty_call {
    FAULTY_ALLOC,
    FAULTY_SQLITE_ALLOC,
    FAULTY_WRITE,
    FAULTY_SYNC,
    FAULTY_TRUNCATE,
    FAULTY_OPEN,
    FAULTY_READ,
    FAULTY_MAP,
    FAULTY_RENAME,
    FAULTY_UNLINK,
    FAULTY_START,
    FAULTY_ANY, /* Not a call: a plan that counts all but the allocations. */
    FAULTY_CALLS
};

enum faulty_how {
    FAULTY_NOT,
    FAULTY_IO,
    FAULTY_FULL,
    FAULTY_RO,
    FAULTY_KILL,
    FAULTY_TORN,
    FAULTY_DONE,
    FAULTY_HOWS
};

/* Counts a call; FAULTY_NOT: it shall go well. FAULTY_KILL does not come back. */
enum faulty_how faulty_turn(enum faulty_call call, const char *path);
bool faulty_wants(enum faulty_call call); /* Else the call need not be looked at. */
bool faulty_below(const char *path);      /* Is it a file that counts? */
_Noreturn void faulty_die(void);

#endif
