/* threads.c: see threads.h. */
#include "store/threads.h"

#include <signal.h>
#include <stdatomic.h>

#include "base/memory.h"
#include "store/lane.h"

enum { STACK_BYTES = 1 << 20 };

struct reader_thread {
    struct threads *threads; /* Borrowed. */
    struct reader *reader;   /* Borrowed. */
    pthread_t thread;
};

struct threads {
    struct threads_options on; /* Borrowed, all of it. */
    struct lane writes, reads;
    struct calls taken; /* The writer's: out of the lane, not yet in a group. */
    atomic_uint_fast64_t reads_run;
    pthread_t writer;
    bool writer_started;
    struct reader_thread *readers; /* Owned. */
    size_t readers_started;
};

struct err store__thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *arg),
                               void *arg) {
    pthread_attr_t attributes;
    int rc = pthread_attr_init(&attributes);
    assert(rc == 0);
    rc = pthread_attr_setstacksize(&attributes, STACK_BYTES);
    assert(rc == 0);
    sigset_t all, before;
    (void)sigfillset(&all); /* Neither this nor setting a mask can fail. */
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(ret_thread, &attributes, run, arg);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes); /* Cannot fail. */
    if (rc != 0) {
        return err_from_errno(rc, "store: thread");
    }
    (void)pthread_setname_np(*ret_thread, name); /* For humans only. */
    return ERR_OK;
}

/* --- The writer ------------------------------------------------------------------------------- */

static struct call *next_write(void *ctx) {
    struct threads *threads = ctx;
    if (threads->taken.first == NULL) {
        lane_take_all(&threads->writes, &threads->taken);
    }
    return calls_pop(&threads->taken);
}

static bool wait_for_writes(struct threads *threads) {
    return threads->taken.first != NULL ||
           lane_wait_all(&threads->writes, threads->on.world, THREADS_LAZY_NS, &threads->taken);
}

static void *writer_main(void *arg) {
    struct threads *threads = arg;
    struct group_source source = {.next = next_write, .ctx = threads};
    while (wait_for_writes(threads)) {
        struct group *group = delivery_group(threads->on.delivery);
        struct err err = group_run(threads->on.writer, source, group);
        if (err_failed(err)) {
            delivery_lost(threads->on.delivery, group, err);
            break;
        }
        delivery_group_finished(threads->on.delivery, group);
        if (tx_scrub_take(&threads->on.writer->tx)) {
            checkpoint_scrub(threads->on.checkpoint);
        }
        checkpoint_tend(threads->on.checkpoint);
    }
    return NULL;
}

/* --- Readers ---------------------------------------------------------------------------------- */

static void *reader_main(void *arg) {
    struct reader_thread *self = arg;
    struct threads *threads = self->threads;
    struct call *call = NULL;
    while (lane_wait_one(&threads->reads, &call)) {
        bool slice = call->slice;
        reader_run(self->reader, call);
        if (slice) {
            lane_slice_ended(&threads->reads);
        }
        atomic_fetch_add_explicit(&threads->reads_run, 1, memory_order_relaxed);
        delivery_read_finished(threads->on.delivery, call);
    }
    return NULL;
}

static struct err start_readers(struct threads *threads) {
    for (size_t i = 0; i < threads->on.readers_count; i++) {
        struct reader_thread *self = &threads->readers[i];
        self->threads = threads;
        self->reader = &threads->on.readers[i];
        struct err err = store__thread_start(&self->thread, "store-reader", reader_main, self);
        if (err_failed(err)) {
            return err;
        }
        threads->readers_started++;
    }
    return ERR_OK;
}

/* --- All -------------------------------------------------------------------------------------- */

struct err threads_start(const struct threads_options *options, struct threads **ret_threads) {
    struct threads *threads = mem_new(sizeof *threads);
    threads->on = *options;
    threads->readers = mem_new_array(options->readers_count, sizeof *threads->readers);
    lane_init(&threads->writes);
    lane_init(&threads->reads);
    /* A reader is left to short reads, however many long ones there are. */
    lane_bound_slices(&threads->reads,
                      options->readers_count > 1 ? (unsigned)options->readers_count - 1 : 0);
    struct err err = store__thread_start(&threads->writer, "store-writer", writer_main, threads);
    threads->writer_started = !err_failed(err);
    if (!err_failed(err)) {
        err = start_readers(threads);
    }
    if (err_failed(err)) {
        threads_stop(threads);
        return err;
    }
    *ret_threads = threads;
    return ERR_OK;
}

static void join(pthread_t thread) {
    int rc = pthread_join(thread, NULL /* no result */);
    assert(rc == 0);
}

void threads_stop(struct threads *threads) {
    if (threads == NULL) {
        return;
    }
    lane_end(&threads->writes);
    lane_end(&threads->reads);
    if (threads->writer_started) {
        join(threads->writer);
    }
    for (size_t i = 0; i < threads->readers_started; i++) {
        join(threads->readers[i].thread);
    }
    /* A writer that lost its store leaves behind what it did not come to. */
    for (struct call *call = calls_pop(&threads->taken); call != NULL;
         call = calls_pop(&threads->taken)) {
        mem_free(call);
    }
    lane_done(&threads->writes);
    lane_done(&threads->reads);
    mem_free(threads->readers);
    mem_free(threads);
}

void threads_write(struct threads *threads, struct call *call) {
    lane_push(&threads->writes, call);
}

void threads_read(struct threads *threads, struct call *call) {
    lane_push(&threads->reads, call);
}

void threads_read_slice(struct threads *threads, struct call *call) {
    lane_push_slice(&threads->reads, call);
}

uint64_t threads_reads(const struct threads *threads) {
    return atomic_load_explicit(&threads->reads_run, memory_order_relaxed);
}
