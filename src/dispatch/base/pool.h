/* pool.h: work on the disk and on other processes, a little at a time.
 *
 * Promise    jobs of a kind begin in the order they came; at most POOL_MAX run at once, of
 *            those that may take seconds (ending a tree) at most POOL_SLOW_MAX, so that other
 *            users of libuv's pool in the daemon never queue behind them.
 * Shortage   a job begins only where descriptors are free. One that finds none goes back to the
 *            head of its queue, and none begins until the pause is over (loop/shortage.h): a file
 *            that cannot be opened would be reported as missing, or as a failed tool.
 * Ownership  a job is embedded in the caller's object and lives until its `done`.
 * Threads    the loop; `run` is in the pool and sees nothing but what is the job's own.
 */
#ifndef DROVER_DISPATCH_BASE_POOL_H
#define DROVER_DISPATCH_BASE_POOL_H

#include "base/base.h"
#include "base/link.h"
#include "loop/loop.h"
#include "loop/shortage.h"

/* In the order in which they are served. */
enum pool_kind { POOL_QUICK, POOL_SLOW, POOL_TIDY, POOL_KINDS };
enum { POOL_MAX = 4, POOL_SLOW_MAX = 2, POOL_TIDY_MAX = 1 };

struct pool;
struct pool_job {
    struct loop_work work; /* Private, as are the next two. */
    struct link link;
    struct pool *pool;
    enum pool_kind kind;
    bool waits, starved; /* Private: it asks for descriptors first, and found none. */
    void (*run)(struct pool_job *job);
    void (*done)(struct pool_job *job);
};

struct pool {
    struct loop *loop; /* Borrowed. */
    struct link queues[POOL_KINDS];
    unsigned running[POOL_KINDS];
    size_t count; /* Waiting or running. */
    bool cancelled;
    struct shortage *shortage; /* Borrowed. */
    struct shortage_waiter waiter;
    struct loop_task again;
};
/* `shortage` NULL: jobs begin whether or not descriptors are free. */
void pool_init(struct pool *pool, struct loop *loop, struct shortage *shortage);
void pool_add(struct pool *pool, struct pool_job *job);
/* The same for a job that is made here. */
void pool_begin(struct pool *pool, struct pool_job *job, enum pool_kind kind,
                void (*run)(struct pool_job *job), void (*done)(struct pool_job *job));
/* Takes back what has not begun: `done` comes soon, without `run`. A job that is added later waits
 * for no descriptor: where none is free, its `done` comes without `run`, too. */
void pool_cancel(struct pool *pool);

#endif
