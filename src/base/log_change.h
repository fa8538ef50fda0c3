/* log_change.h: one line about a condition, until its cause changes.
 *
 * Why        what is tried again each few seconds fails each few seconds: a line for each would
 *            hide all other lines, and no line at all the fault.
 * Promise    the first failure is written, and one of another cause (code, errno and step); at most
 *            one a minute, whatever alternates. A success begins anew. Pure: time is an argument.
 * Ownership  embedded; all zero is a new one.
 * Threads    any one thread at a time.
 */
#ifndef DROVER_BASE_LOG_CHANGE_H
#define DROVER_BASE_LOG_CHANGE_H

#include "base/base.h"
#include "base/err.h"

struct log_change {
    struct err last;  /* Of the last line; none after a success. */
    uint64_t next_ns; /* No line before this moment. */
};

/* True: write a line about `err`. ERR_OK: false. */
MUST_CHECK bool log_change_take(struct log_change *change, struct err err, uint64_t now_ns);

#endif
