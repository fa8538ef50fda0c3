/* checkpoint.c: see checkpoint.h. */
#include "store/checkpoint.h"

#include <errno.h>
#include <time.h>

#include "store/threads.h"

static void lock(struct checkpoint *checkpoint) {
    int rc = pthread_mutex_lock(&checkpoint->lock);
    assert(rc == 0);
}

static void unlock(struct checkpoint *checkpoint) {
    int rc = pthread_mutex_unlock(&checkpoint->lock);
    assert(rc == 0);
}

static struct err perform(struct checkpoint *checkpoint, struct conn *conn,
                          enum checkpoint_kind kind) {
    if (conn->driver->keep != NULL) {
        atomic_store(&checkpoint->marked, false);
        conn->driver->keep(conn);
    }
    struct err err = conn->driver->checkpoint(conn, kind);
    if (!err_failed(err)) {
        atomic_fetch_add_explicit(&checkpoint->done, 1, memory_order_relaxed);
    }
    return err;
}

/* With the lock held, which is released while it waits. True: there was a commit, a second ago. */
static bool wait_for_mark(struct checkpoint *checkpoint) {
    if (!atomic_load(&checkpoint->marked)) {
        (void)pthread_cond_wait(&checkpoint->wake, &checkpoint->lock); /* Cannot fail. */
        return false;
    }
    uint64_t now_ns = world_mono_ns(checkpoint->world);
    const struct timespec until = {.tv_sec = (time_t)(now_ns / 1000000000) + CHECKPOINT_MARK_S,
                                   .tv_nsec = (long)(now_ns % 1000000000)};
    return pthread_cond_timedwait(&checkpoint->wake, &checkpoint->lock, &until) == ETIMEDOUT;
}

static void *thread_main(void *arg) {
    struct checkpoint *checkpoint = arg;
    lock(checkpoint);
    while (!checkpoint->ending) {
        if (!checkpoint->wanted) {
            if (wait_for_mark(checkpoint)) {
                atomic_store(&checkpoint->marked, false);
                unlock(checkpoint);
                checkpoint->own->driver->keep(checkpoint->own);
                lock(checkpoint);
            }
            continue;
        }
        checkpoint->wanted = false;
        checkpoint->running = true;
        unlock(checkpoint);
        (void)perform(checkpoint, checkpoint->own, CHECKPOINT_PASSIVE); /* See Failure. */
        lock(checkpoint);
        checkpoint->running = false;
        (void)pthread_cond_signal(&checkpoint->idle); /* Cannot fail. */
        if (atomic_load(&checkpoint->log_bytes) >= CHECKPOINT_RESTART_BYTES) {
            /* What was asked meanwhile is dropped: the next PASSIVE would hold the lock that the
             * writer needs now. */
            checkpoint->wanted = false;
            atomic_store(&checkpoint->restart, true);
        }
    }
    unlock(checkpoint);
    return NULL;
}

struct err checkpoint_start(struct checkpoint *checkpoint, struct conn *writer, struct conn *own) {
    checkpoint->writer = writer;
    checkpoint->next_at = CHECKPOINT_EVERY;
    checkpoint->wait_at = CHECKPOINT_WAIT_BYTES;
    if (own == NULL) {
        return ERR_OK;
    }
    int rc = pthread_mutex_init(&checkpoint->lock, NULL /* no attributes */);
    assert(rc == 0);
    pthread_condattr_t attributes;
    rc = pthread_condattr_init(&attributes);
    assert(rc == 0);
    rc = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    assert(rc == 0);
    rc = pthread_cond_init(&checkpoint->wake, &attributes);
    assert(rc == 0);
    (void)pthread_condattr_destroy(&attributes); /* Cannot fail. */
    rc = pthread_cond_init(&checkpoint->idle, NULL /* no attributes */);
    assert(rc == 0);
    struct err err = store__thread_start(&checkpoint->thread, "store-log", thread_main, checkpoint);
    if (!err_failed(err)) {
        checkpoint->own = own;
    }
    return err;
}

void checkpoint_stop(struct checkpoint *checkpoint) {
    if (checkpoint->own == NULL) {
        return;
    }
    lock(checkpoint);
    checkpoint->ending = true;
    (void)pthread_cond_signal(&checkpoint->wake); /* Cannot fail. */
    unlock(checkpoint);
    int rc = pthread_join(checkpoint->thread, NULL /* no result */);
    assert(rc == 0);
    checkpoint->own = NULL;
}

static void ask(struct checkpoint *checkpoint) {
    if (checkpoint->own == NULL) {
        (void)perform(checkpoint, checkpoint->writer, CHECKPOINT_PASSIVE); /* See Failure. */
        return;
    }
    lock(checkpoint);
    checkpoint->wanted = true;
    (void)pthread_cond_signal(&checkpoint->wake); /* Cannot fail. */
    unlock(checkpoint);
}

static void mark_note(struct checkpoint *checkpoint) {
    bool asks = checkpoint->own != NULL && checkpoint->own->driver->keep != NULL;
    if (asks && !atomic_exchange(&checkpoint->marked, true)) {
        lock(checkpoint);
        (void)pthread_cond_signal(&checkpoint->wake); /* Cannot fail. */
        unlock(checkpoint);
    }
}

/* A second checkpoint is refused while one goes on, however slowly; ours waits for nobody. */
static void quiet_thread(struct checkpoint *checkpoint) {
    if (checkpoint->own == NULL) {
        return;
    }
    lock(checkpoint);
    checkpoint->wanted = false;
    while (checkpoint->running) {
        (void)pthread_cond_wait(&checkpoint->idle, &checkpoint->lock); /* Cannot fail. */
    }
    unlock(checkpoint);
}

/* Where the disk refuses the copy, waiting would not help: the next try is one step later. */
static void bring_down(struct checkpoint *checkpoint, int64_t bytes) {
    struct err err = err_make(ERR_BUSY, "store: checkpoint");
    quiet_thread(checkpoint);
    atomic_store(&checkpoint->restart, false);
    for (int i = 0; i < CHECKPOINT_WAITS && err.code == ERR_BUSY; i++) {
        err = perform(checkpoint, checkpoint->writer, CHECKPOINT_WAIT);
    }
    bool refused = err_failed(err) && err.code != ERR_BUSY;
    checkpoint->wait_at = refused ? bytes + CHECKPOINT_EVERY : CHECKPOINT_WAIT_BYTES;
}

void checkpoint_tend(struct checkpoint *checkpoint) {
    if (checkpoint->writer->driver->log_bytes == NULL) {
        return;
    }
    mark_note(checkpoint);
    int64_t bytes = checkpoint->writer->driver->log_bytes(checkpoint->writer);
    atomic_store_explicit(&checkpoint->log_bytes, bytes, memory_order_relaxed);
    if (bytes >= checkpoint->wait_at) {
        bring_down(checkpoint, bytes);
        return;
    }
    if (atomic_load_explicit(&checkpoint->restart, memory_order_relaxed)) {
        /* Asked once: a reader may stand in the way, and then the next PASSIVE asks again. */
        atomic_store(&checkpoint->restart, false);
        (void)perform(checkpoint, checkpoint->writer, CHECKPOINT_RESTART); /* See Failure. */
        return;
    }
    if (bytes < checkpoint->next_at - CHECKPOINT_EVERY) {
        checkpoint->next_at = CHECKPOINT_EVERY; /* The log began anew. */
        checkpoint->wait_at = CHECKPOINT_WAIT_BYTES;
    }
    if (bytes >= checkpoint->next_at) {
        checkpoint->next_at = bytes + CHECKPOINT_EVERY;
        ask(checkpoint);
    }
}
