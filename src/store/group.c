/* group.c: see group.h. */
#include "store/group.h"

/* Progress of one group. */
struct progress {
    struct group_writer *writer;
    struct group *group;
    struct group_source source;
    uint64_t began_ns;
    unsigned kept; /* Functions in the open transaction that succeeded. */
    bool open;     /* A transaction is open. */
    bool guarded;  /* Functions after the first have savepoints. */
};

void group_writer_init(struct group_writer *writer, struct conn *conn, const struct world *world,
                       int64_t epoch) {
    tx_init(&writer->tx, conn, world, epoch);
    writer->guarded = 0;
    writer->counters = (struct group_counters){0};
}

void group_writer_done(struct group_writer *writer) {
    tx_done(&writer->tx);
}

static void counter_add(atomic_uint_fast64_t *counter) {
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* Runs one function; its notes stay only if it succeeded. */
static struct err call_run(struct group_writer *writer, struct group *group, struct call *call) {
    size_t mark = notes_mark(&group->notes);
    struct conn *conn = writer->tx.conn;
    const struct raised raised = conn->raised;
    writer->tx.notes = &group->notes;
    counter_add(&writer->counters.functions);
    struct err err = tx_run(&writer->tx, call->fn, call->ctx);
    if (err_failed(err)) {
        notes_cut(&group->notes, mark);
        conn->raised = raised;
    }
    return err;
}

/* Whether a part of the function (tx_try) may be what failed. */
static bool wants_care(const struct group_writer *writer, const struct call *call) {
    return writer->tx.tried && !writer->tx.careful && err_failed(call->result) &&
           !store_error_passes(call->result);
}

/* --- Together --------------------------------------------------------------------------------- */

/* The open transaction after a function. */
enum left {
    LEFT_WHOLE, /* Holds all that functions which succeeded did, and nothing else. */
    LEFT_DIRTY, /* Holds changes of a function that failed, which nobody can take back alone. */
    LEFT_GONE,
};

/* A function gets a savepoint where the transaction holds work of others, and the group is guarded.
 * Where it holds nothing yet, the whole of it may be taken back. */
static enum left call_join(struct progress *progress, struct call *call) {
    struct group_writer *writer = progress->writer;
    struct notes *notes = &progress->group->notes;
    struct conn *conn = writer->tx.conn;
    const struct driver *driver = conn->driver;
    bool first = progress->kept == 0, guarded = !first && progress->guarded;
    size_t mark = notes_mark(notes);
    if (guarded && err_failed(driver->savepoint(conn))) {
        return LEFT_GONE;
    }
    const int64_t before = first || guarded ? 0 : driver->changes(conn);
    call->result = call_run(writer, progress->group, call);
    if (!err_failed(call->result)) {
        progress->kept++;
        if (guarded && err_failed(driver->release(conn))) {
            notes_cut(notes, mark);
            return LEFT_GONE;
        }
        return LEFT_WHOLE;
    }
    /* A function's refusal leaves the transaction as it was; only a failed statement can end it.
     * The failure of a function that has parts gives the transaction up, so that each function runs
     * again alone, and this one with a savepoint for each part. */
    if ((err_failed(writer->tx.err) && driver->transaction_lost(conn)) ||
        wants_care(writer, call)) {
        return LEFT_GONE;
    }
    if (first) {
        driver->rollback(conn);
        progress->open = false;
        return LEFT_WHOLE;
    }
    if (guarded) {
        return err_failed(driver->rollback_to(conn)) ? LEFT_GONE : LEFT_WHOLE;
    }
    /* An error of SQL may have come after a row that was changed: that counts as dirt, whatever
     * the database says of it. */
    bool dirty = err_failed(writer->tx.err) || driver->changes(conn) != before;
    return dirty ? LEFT_DIRTY : LEFT_WHOLE;
}

/* All of them run again, in a new transaction, with savepoints. */
static enum left group_restart(struct progress *progress) {
    struct group_writer *writer = progress->writer;
    struct conn *conn = writer->tx.conn;
    conn->driver->rollback(conn);
    notes_cut(&progress->group->notes, 0);
    writer->guarded = GROUP_GUARDED;
    progress->guarded = true;
    progress->kept = 0;
    progress->open = false;
    enum left left = LEFT_WHOLE;
    for (struct call *call = progress->group->calls.first; call != NULL && left == LEFT_WHOLE;
         call = call->next) {
        progress->open = progress->open || !err_failed(conn->driver->begin(conn));
        left = progress->open ? call_join(progress, call) : LEFT_GONE;
    }
    return left;
}

/* The bounds of a group; the first function is always taken. */
static struct call *call_take(struct progress *progress) {
    const struct group *group = progress->group;
    if (group->calls.count > 0 &&
        (group->calls.count >= GROUP_FUNCTIONS_MAX || group->notes.len >= GROUP_NOTES_MAX ||
         world_mono_ns(progress->writer->tx.world) - progress->began_ns > GROUP_ADDING_NS)) {
        return NULL;
    }
    return progress->source.next(progress->source.ctx);
}

/* After a BEGIN that failed, each further try would only make everybody wait as long again: for a
 * lock of another process some seconds, for a server that is gone longer. */
static void refuse_from(struct call *call, struct err err) {
    for (; call != NULL; call = call->next) {
        call->result = err;
    }
}

enum together { TOGETHER_DONE, TOGETHER_GONE, TOGETHER_STOP };

/* Runs what there is in one transaction, COMMIT included. TOGETHER_STOP: *ret_err is filled. An
 * error of COMMIT itself reaches nobody: each function will get its own, alone. */
static enum together run_together(struct progress *progress, struct err *ret_err) {
    struct group_writer *writer = progress->writer;
    struct conn *conn = writer->tx.conn;
    struct calls *calls = &progress->group->calls;
    for (struct call *call = call_take(progress); call != NULL; call = call_take(progress)) {
        calls_push(calls, call);
        if (!progress->open) {
            *ret_err = conn->driver->begin(conn);
            if (ret_err->code == ERR_STORE_LOST) {
                return TOGETHER_STOP;
            }
            progress->open = !err_failed(*ret_err);
        }
        if (!progress->open) {
            /* Nothing can be done now: all that waits is answered, however long BEGIN took. */
            while (calls->count < GROUP_FUNCTIONS_MAX) {
                struct call *next = progress->source.next(progress->source.ctx);
                if (next == NULL) {
                    break;
                }
                calls_push(calls, next);
            }
            refuse_from(call, *ret_err);
            return TOGETHER_DONE;
        }
        enum left left = call_join(progress, call);
        left = left == LEFT_DIRTY ? group_restart(progress) : left;
        if (left != LEFT_WHOLE) {
            return TOGETHER_GONE;
        }
    }
    if (!progress->open) {
        return TOGETHER_DONE;
    }
    switch (conn->driver->commit(conn, ret_err)) {
    case COMMIT_DONE:
        counter_add(&writer->counters.commits);
        return TOGETHER_DONE;
    case COMMIT_NOT:
        return TOGETHER_GONE;
    case COMMIT_UNKNOWN:
        break;
    }
    return TOGETHER_STOP;
}

/* --- Alone ------------------------------------------------------------------------------------ */

/* One function in the transaction that was begun for it. An error that it returns is the store's
 * end; its own ends in call->result. */
static struct err run_alone(struct group_writer *writer, struct group *group, struct call *call) {
    struct conn *conn = writer->tx.conn;
    counter_add(&writer->counters.reruns);
    size_t mark = notes_mark(&group->notes);
    call->result = call_run(writer, group, call);
    if (err_failed(call->result)) {
        conn->driver->rollback(conn);
        return ERR_OK;
    }
    struct err err = ERR_OK;
    switch (conn->driver->commit(conn, &err)) {
    case COMMIT_DONE:
        counter_add(&writer->counters.commits);
        break;
    case COMMIT_NOT:
        call->result = err;
        notes_cut(&group->notes, mark);
        break;
    case COMMIT_UNKNOWN:
        return err;
    }
    return ERR_OK;
}

static struct err run_each_alone(struct group_writer *writer, struct group *group) {
    struct conn *conn = writer->tx.conn;
    conn->driver->rollback(conn);
    notes_cut(&group->notes, 0);
    struct err err = ERR_OK;
    for (struct call *call = group->calls.first; call != NULL && !err_failed(err);
         call = call->next) {
        err = conn->driver->begin(conn);
        if (err_failed(err) && err.code != ERR_STORE_LOST) {
            refuse_from(call, err);
            return ERR_OK;
        }
        err = err_failed(err) ? err : run_alone(writer, group, call);
        if (err_failed(err) || !wants_care(writer, call)) {
            continue;
        }
        /* Again, in a transaction in which each part has a savepoint. */
        err = conn->driver->begin(conn);
        if (err_failed(err)) {
            call->result = err;
            err = err.code == ERR_STORE_LOST ? err : ERR_OK;
            continue;
        }
        writer->tx.careful = true;
        err = run_alone(writer, group, call);
        writer->tx.careful = false;
    }
    return err;
}

struct err group_run(struct group_writer *writer, struct group_source source, struct group *group) {
    assert(group->calls.first == NULL);
    assert(group->notes.len == 0);
    const struct world *world = writer->tx.world;
    struct progress progress = {.writer = writer,
                                .group = group,
                                .source = source,
                                .began_ns = world_mono_ns(world),
                                .guarded = writer->guarded > 0 ||
                                           writer->tx.conn->driver->changes == NULL};
    writer->guarded -= writer->guarded > 0;
    tx_set_time(&writer->tx, world_wall_ms(world), progress.began_ns);
    struct err err = ERR_OK;
    enum together together = run_together(&progress, &err);
    if (together == TOGETHER_STOP) {
        return err;
    }
    err = together == TOGETHER_GONE ? run_each_alone(writer, group) : ERR_OK;
    counter_add(&writer->counters.groups);
    for (const struct call *call = group->calls.first; call != NULL; call = call->next) {
        if (err_failed(call->result)) {
            counter_add(&writer->counters.errors);
        }
    }
    return err;
}
