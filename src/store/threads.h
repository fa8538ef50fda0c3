/* threads.h: the executor that runs store functions on threads of their own.
 *
 *     loop --store_write--> lane --> writer thread  --+
 *     loop --store_read---> lane --> reader threads --+--> delivery --> loop
 *
 * Promise    functions leave a lane in the order they came. The writer never waits for company; a
 *            lazy function waits for another one at most THREADS_LAZY_NS.
 * Ownership  the caller owns *ret_threads and ends it with threads_stop, which finishes first what
 *            is queued. What it is built on is borrowed until then.
 * Threads    threads_start, _stop, _write, _read: the loop's.
 */
#ifndef DROVER_STORE_THREADS_H
#define DROVER_STORE_THREADS_H

#include <pthread.h>

#include "base/base.h"
#include "base/err.h"
#include "store/checkpoint.h"
#include "store/delivery.h"
#include "store/group.h"
#include "store/reader.h"

enum { THREADS_LAZY_NS = 5 * 1000 * 1000 };

struct threads;
struct threads_options {
    struct group_writer *writer;
    struct reader *readers;
    size_t readers_count;
    struct delivery *delivery;
    struct checkpoint *checkpoint;
    const struct world *world;
};
MUST_CHECK struct err threads_start(const struct threads_options *options,
                                    struct threads **ret_threads);
void threads_stop(struct threads *threads); /* NULL is allowed. */
void threads_write(struct threads *threads, struct call *call);
void threads_read(struct threads *threads, struct call *call);
void threads_read_slice(struct threads *threads, struct call *call);
uint64_t threads_reads(const struct threads *threads); /* How many were run. Any thread. */

/* A thread with every signal blocked: they belong to the loop's thread. */
MUST_CHECK struct err store__thread_start(pthread_t *ret_thread, const char *name,
                                          void *(*run)(void *arg), void *arg);

#endif
