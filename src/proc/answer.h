/* answer.h: a child process whose standard output is its answer, heard on the loop until the end.
 *
 *   IDLE ──answer_start──> HEARING ──end of the output, deadline, or too long──> IDLE: `done`
 *                             └──answer_cancel──> IDLE
 *
 * Promise    `done` comes once, never inside answer_start, and never after answer_cancel. A child
 *            that is late, writes too much or is cancelled is killed by its pidfd, so that a
 *            recycled pid is never hit. Nobody waits for the child: proc/reap.h collects it.
 * Ownership  embedded, zeroed at first. `output` belongs to the answer and is borrowed by `done`.
 *            The descriptor and the pid of the order are taken over, also after a failure.
 * Threads    the loop.
 * Failure    answer_start: nothing is heard, and the child is killed.
 */
#ifndef DROVER_PROC_ANSWER_H
#define DROVER_PROC_ANSWER_H

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"
#include "loop/loop.h"

struct answer_order {
    int fd;  /* Reading end of the pipe that the child writes into. */
    int pid; /* The child, not collected yet. */
    size_t size_max;
    uint64_t deadline_ms;
};

struct answer_watch;
struct answer {
    struct answer_watch *watch; /* Owned by the loop; NULL: IDLE. */
    struct text output;         /* Owned. */
    struct timer deadline;
    void (*done)(struct answer *answer, struct err err); /* Filled in by the owner. */
    struct loop *loop;                                   /* Borrowed. */
};

MUST_CHECK struct err answer_start(struct answer *answer, struct loop *loop,
                                   const struct answer_order *order);
void answer_cancel(struct answer *answer); /* IDLE and zeroed are allowed. Frees the output. */

#endif
