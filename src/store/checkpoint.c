/* checkpoint.c: see checkpoint.h. */
#include "store/checkpoint.h"

#include "store/store.h"
#include "store/thread_queue.h"

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
        uv_cond_wait(&checkpoint->wake, &checkpoint->lock);
        return;
    }
    uint64_t now_ns = world_mono_ns(checkpoint->world);
    if (at_ns > now_ns) { /* Whether it was woken or its time is over, the caller looks. */
        (void)uv_cond_timedwait(&checkpoint->wake, &checkpoint->lock, at_ns - now_ns);
    }
}

static bool is_due(const struct checkpoint *checkpoint, uint64_t at_ns) {
    return at_ns != 0 && world_mono_ns(checkpoint->world) >= at_ns;
}

static uint64_t in_seconds(const struct checkpoint *checkpoint, unsigned seconds) {
    return world_mono_ns(checkpoint->world) + (uint64_t)seconds * 1000000000;
}

/* The next two with the lock held, which is released meanwhile. */
static struct err log_copy(struct checkpoint *checkpoint, enum checkpoint_kind kind) {
    checkpoint->running = true;
    uv_mutex_unlock(&checkpoint->lock);
    struct err err = perform(checkpoint, checkpoint->own, kind);
    uv_mutex_lock(&checkpoint->lock);
    checkpoint->running = false;
    uv_cond_signal(&checkpoint->idle);
    return err;
}

/* Most is copied while everybody goes on; what is left takes no time. */
static void log_scrub(struct checkpoint *checkpoint) {
    checkpoint->scrub_at_ns = 0;
    struct err err = log_copy(checkpoint, CHECKPOINT_PASSIVE);
    if (!err_failed(err)) {
        err = log_copy(checkpoint, CHECKPOINT_EMPTY);
    }
    if (!err_failed(err)) {
        checkpoint->scrub_tries = 0;
        atomic_store(&checkpoint->empty, SCRUB_NONE);
        return;
    }
    bool patient = ++checkpoint->scrub_tries % CHECKPOINT_SCRUB_PATIENT == 0;
    checkpoint->scrub_at_ns = in_seconds(checkpoint, CHECKPOINT_SCRUB_TRY_S);
    atomic_store(&checkpoint->empty, patient ? SCRUB_PATIENT : SCRUB_HURRIED);
}

/* Where much is written, the log grows so fast that a copy of it is always wanted: what has a time
 * comes first. While the writer is asked to empty the log, a copy would be in its way. */
static void *thread_main(void *arg) {
    struct checkpoint *checkpoint = arg;
    uv_mutex_lock(&checkpoint->lock);
    while (!checkpoint->ending) {
        if (is_due(checkpoint, checkpoint->mark_at_ns)) {
            checkpoint->mark_at_ns = 0;
            atomic_store(&checkpoint->marked, false);
            uv_mutex_unlock(&checkpoint->lock);
            checkpoint->own->driver->keep(checkpoint->own);
            uv_mutex_lock(&checkpoint->lock);
        } else if (is_due(checkpoint, checkpoint->scrub_at_ns)) {
            log_scrub(checkpoint);
        } else if (checkpoint->wanted && atomic_load(&checkpoint->empty) == SCRUB_NONE) {
            checkpoint->wanted = false;
            (void)log_copy(checkpoint, CHECKPOINT_PASSIVE); /* See Failure. */
            if (atomic_load(&checkpoint->log_bytes) >= CHECKPOINT_RESTART_BYTES) {
                /* A request made meanwhile is dropped: the next PASSIVE would hold the lock that
                 * the writer needs now. */
                checkpoint->wanted = false;
                atomic_store(&checkpoint->restart, true);
            }
        } else {
            wait_for_work(checkpoint);
        }
    }
    uv_mutex_unlock(&checkpoint->lock);
    return NULL;
}

struct err checkpoint_start(struct checkpoint *checkpoint, struct conn *writer, struct conn *own) {
    checkpoint->writer = writer;
    checkpoint->next_at = CHECKPOINT_EVERY;
    checkpoint->wait_at = CHECKPOINT_WAIT_BYTES;
    if (own == NULL) {
        return ERR_OK;
    }
    int rc = uv_mutex_init(&checkpoint->lock);
    assert(rc == 0);
    rc = uv_cond_init(&checkpoint->wake);
    assert(rc == 0);
    rc = uv_cond_init(&checkpoint->idle);
    assert(rc == 0);
    if (own->driver->keep != NULL) { /* A crash may have come before a scrub that was wanted. */
        checkpoint->scrub_at_ns = in_seconds(checkpoint, STORE_SCRUB_S);
    }
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
    uv_mutex_lock(&checkpoint->lock);
    checkpoint->ending = true;
    uv_cond_signal(&checkpoint->wake);
    uv_mutex_unlock(&checkpoint->lock);
    int rc = pthread_join(checkpoint->thread, NULL /* no result */);
    assert(rc == 0);
    checkpoint->own = NULL;
}

void checkpoint_scrub(struct checkpoint *checkpoint) {
    if (checkpoint->own == NULL) {
        atomic_store(&checkpoint->empty, SCRUB_HURRIED);
    } else {
        uv_mutex_lock(&checkpoint->lock);
        if (checkpoint->scrub_at_ns == 0) {
            checkpoint->scrub_at_ns = in_seconds(checkpoint, STORE_SCRUB_S);
            uv_cond_signal(&checkpoint->wake);
        }
        uv_mutex_unlock(&checkpoint->lock);
    }
}

/* Where the disk refuses the copy, waiting would not help: the next try is one step later. */
static void bring_down(struct checkpoint *checkpoint, int64_t bytes) {
    struct err err = err_make(ERR_BUSY, "store: checkpoint");
    if (checkpoint->own != NULL) {
        /* A second checkpoint is refused while one goes on, however slowly; ours waits for nobody.
         */
        uv_mutex_lock(&checkpoint->lock);
        checkpoint->wanted = false;
        while (checkpoint->running) {
            uv_cond_wait(&checkpoint->idle, &checkpoint->lock);
        }
        uv_mutex_unlock(&checkpoint->lock);
    }
    atomic_store(&checkpoint->restart, false);
    for (int i = 0; i < CHECKPOINT_WAITS && err.code == ERR_BUSY; i++) {
        err = perform(checkpoint, checkpoint->writer, CHECKPOINT_WAIT);
    }
    bool refused = err_failed(err) && err.code != ERR_BUSY;
    checkpoint->wait_at = refused ? bytes + CHECKPOINT_EVERY : CHECKPOINT_WAIT_BYTES;
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
    uv_mutex_lock(&checkpoint->lock);
    atomic_store(&checkpoint->empty, SCRUB_NONE); /* After a failure, the thread tries again. */
    if (!err_failed(err)) {
        checkpoint->scrub_at_ns = 0;
        checkpoint->scrub_tries = 0;
    }
    uv_cond_signal(&checkpoint->wake);
    uv_mutex_unlock(&checkpoint->lock);
}

void checkpoint_tend(struct checkpoint *checkpoint) {
    const struct driver *driver = checkpoint->writer->driver;
    if (driver->log_bytes == NULL) {
        return;
    }
    bool keeps = checkpoint->own != NULL && driver->keep != NULL;
    if (keeps && !atomic_exchange(&checkpoint->marked, true)) {
        uv_mutex_lock(&checkpoint->lock);
        checkpoint->mark_at_ns = in_seconds(checkpoint, CHECKPOINT_MARK_S);
        uv_cond_signal(&checkpoint->wake);
        uv_mutex_unlock(&checkpoint->lock);
    }
    int64_t bytes = driver->log_bytes(checkpoint->writer);
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
        checkpoint->next_at = CHECKPOINT_EVERY; /* The log restarted. */
        checkpoint->wait_at = CHECKPOINT_WAIT_BYTES;
    }
    if (bytes < checkpoint->next_at) {
        return;
    }
    checkpoint->next_at = bytes + CHECKPOINT_EVERY;
    if (checkpoint->own == NULL) {
        (void)perform(checkpoint, checkpoint->writer, CHECKPOINT_PASSIVE); /* See Failure. */
        return;
    }
    uv_mutex_lock(&checkpoint->lock);
    checkpoint->wanted = true;
    uv_cond_signal(&checkpoint->wake);
    uv_mutex_unlock(&checkpoint->lock);
}
