/* checkpoint.c: see checkpoint.h. */
#include "store/checkpoint.h"

#include <time.h>

#include "store/store.h"
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

/* With the lock held, which is released while it waits: for the first of what is due, or for
 * whoever wants something. */
static void wait_for_work(struct checkpoint *checkpoint) {
    uint64_t mark = checkpoint->mark_at_ns, scrub = checkpoint->scrub_at_ns;
    uint64_t at_ns = mark == 0 || (scrub != 0 && scrub < mark) ? scrub : mark;
    if (at_ns == 0) {
        (void)pthread_cond_wait(&checkpoint->wake, &checkpoint->lock); /* Cannot fail. */
        return;
    }
    const struct timespec until = {.tv_sec = (time_t)(at_ns / 1000000000),
                                   .tv_nsec = (long)(at_ns % 1000000000)};
    /* Whether it was woken or its time is over, the caller looks at the clock. */
    (void)pthread_cond_timedwait(&checkpoint->wake, &checkpoint->lock, &until);
}

static bool is_due(const struct checkpoint *checkpoint, uint64_t at_ns) {
    return at_ns != 0 && world_mono_ns(checkpoint->world) >= at_ns;
}

static uint64_t in_seconds(const struct checkpoint *checkpoint, unsigned seconds) {
    return world_mono_ns(checkpoint->world) + (uint64_t)seconds * 1000000000;
}

/* The next four with the lock held, which is released meanwhile. */
static void mark_keep(struct checkpoint *checkpoint) {
    checkpoint->mark_at_ns = 0;
    atomic_store(&checkpoint->marked, false);
    unlock(checkpoint);
    checkpoint->own->driver->keep(checkpoint->own);
    lock(checkpoint);
}

static struct err log_copy(struct checkpoint *checkpoint, enum checkpoint_kind kind) {
    checkpoint->running = true;
    unlock(checkpoint);
    struct err err = perform(checkpoint, checkpoint->own, kind);
    lock(checkpoint);
    checkpoint->running = false;
    (void)pthread_cond_signal(&checkpoint->idle); /* Cannot fail. */
    return err;
}

static void scrub_end(struct checkpoint *checkpoint) {
    checkpoint->scrub_tries = 0;
    atomic_store(&checkpoint->empty, SCRUB_NONE);
}

/* Most is copied while everybody goes on; what is left takes no time. */
static void log_scrub(struct checkpoint *checkpoint) {
    checkpoint->scrub_at_ns = 0;
    struct err err = log_copy(checkpoint, CHECKPOINT_PASSIVE);
    if (!err_failed(err)) {
        err = log_copy(checkpoint, CHECKPOINT_EMPTY);
    }
    if (!err_failed(err)) {
        scrub_end(checkpoint);
        return;
    }
    bool patient = ++checkpoint->scrub_tries % CHECKPOINT_SCRUB_PATIENT == 0;
    checkpoint->scrub_at_ns = in_seconds(checkpoint, CHECKPOINT_SCRUB_TRY_S);
    atomic_store(&checkpoint->empty, patient ? SCRUB_PATIENT : SCRUB_HURRIED);
}

static void log_shorten(struct checkpoint *checkpoint) {
    checkpoint->wanted = false;
    (void)log_copy(checkpoint, CHECKPOINT_PASSIVE); /* See Failure. */
    if (atomic_load(&checkpoint->log_bytes) >= CHECKPOINT_RESTART_BYTES) {
        /* A request made meanwhile is dropped: the next PASSIVE would hold the lock that the
         * writer needs now. */
        checkpoint->wanted = false;
        atomic_store(&checkpoint->restart, true);
    }
}

/* Where much is written, the log grows so fast that a copy of it is always wanted: what has a time
 * comes first. While the writer is asked to empty the log, a copy would be in its way. */
static void *thread_main(void *arg) {
    struct checkpoint *checkpoint = arg;
    lock(checkpoint);
    while (!checkpoint->ending) {
        if (is_due(checkpoint, checkpoint->mark_at_ns)) {
            mark_keep(checkpoint);
        } else if (is_due(checkpoint, checkpoint->scrub_at_ns)) {
            log_scrub(checkpoint);
        } else if (checkpoint->wanted && atomic_load(&checkpoint->empty) == SCRUB_NONE) {
            log_shorten(checkpoint);
        } else {
            wait_for_work(checkpoint);
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
    if (own->driver->keep != NULL) { /* A crash may have come before a scrub that was wanted. */
        checkpoint->scrub_at_ns = in_seconds(checkpoint, STORE_SCRUB_S);
    }
    rc = pthread_cond_init(&checkpoint->idle, NULL /* no attributes */);
    assert(rc == 0);
    checkpoint->own = own;
    struct err err = store__thread_start(&checkpoint->thread, "store-log", thread_main, checkpoint);
    if (err_failed(err)) {
        checkpoint->own = NULL; /* Nothing is to be joined. */
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
        checkpoint->mark_at_ns = in_seconds(checkpoint, CHECKPOINT_MARK_S);
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

void checkpoint_scrub(struct checkpoint *checkpoint) {
    if (checkpoint->own == NULL) {
        atomic_store(&checkpoint->empty, SCRUB_HURRIED);
        return;
    }
    lock(checkpoint);
    if (checkpoint->scrub_at_ns == 0) {
        checkpoint->scrub_at_ns = in_seconds(checkpoint, STORE_SCRUB_S);
        (void)pthread_cond_signal(&checkpoint->wake); /* Cannot fail. */
    }
    unlock(checkpoint);
}

/* Between two groups: only a reader can be in the way now, or the thread itself. */
static void empty_log(struct checkpoint *checkpoint, int request) {
    bool patient = request == SCRUB_PATIENT;
    struct err err =
        perform(checkpoint, checkpoint->writer, patient ? CHECKPOINT_EMPTY_WAIT : CHECKPOINT_EMPTY);
    if (checkpoint->own == NULL) {
        atomic_store(&checkpoint->empty, SCRUB_NONE);
        return;
    }
    lock(checkpoint);
    if (err_failed(err)) {
        atomic_store(&checkpoint->empty, SCRUB_NONE); /* The thread tries again. */
    } else {
        checkpoint->scrub_at_ns = 0;
        scrub_end(checkpoint);
    }
    (void)pthread_cond_signal(&checkpoint->wake); /* Cannot fail. */
    unlock(checkpoint);
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
    int request = atomic_load(&checkpoint->empty);
    if (request != SCRUB_NONE) {
        empty_log(checkpoint, request);
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
