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
    bool guarded;  /* Functions behind the first have savepoints. */
};

void group_writer_init(struct group_writer *writer, struct conn *conn, const struct world *world,
                       int64_t epoch) {
    writer->conn = conn;
    writer->world = world;
    tx_init(&writer->tx, conn, world, epoch);
    writer->guarded = 0;
    writer->counters = (struct group_counters){0};
}

void group_writer_done(struct group_writer *writer) {
    tx_done(&writer->tx);
}

static void count(atomic_uint_fast64_t *counter) {
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* The bounds of a group; the first function is always taken. */
static struct call *take(struct progress *progress) {
    const struct group *group = progress->group;
    const struct world *world = progress->writer->world;
    if (group->calls.count > 0 &&
        (group->calls.count >= GROUP_FUNCTIONS_MAX || group->notes.len >= GROUP_NOTES_MAX ||
         world_mono_ns(world) - progress->began_ns > GROUP_ADDING_NS)) {
        return NULL;
    }
    return progress->source.next(progress->source.ctx);
}

/* Runs one function; its notes stay only if it succeeded. */
static struct err run(struct group_writer *writer, struct group *group, struct call *call) {
    size_t mark = notes_mark(&group->notes);
    const struct raised raised = writer->conn->raised;
    writer->tx.notes = &group->notes;
    count(&writer->counters.functions);
    struct err err = tx_run(&writer->tx, call->fn, call->ctx);
    if (err_failed(err)) {
        notes_cut(&group->notes, mark);
        writer->conn->raised = raised;
    }
    return err;
}

/* Whether a part of the function (tx_try) may be what failed. */
static bool wants_care(const struct group_writer *writer, const struct call *call) {
    return writer->tx.tried && !writer->tx.careful && err_failed(call->result) &&
           !store_error_passes(call->result);
}

/* A function's refusal leaves the transaction as it was; only a failed statement can end it. The
 * failure of a function that has parts gives the transaction up, so that each function runs again
 * alone, and this one with a savepoint for each part. */
static bool transaction_gone(struct group_writer *writer, const struct call *call) {
    bool lost = err_failed(writer->tx.err) && writer->conn->driver->transaction_lost(writer->conn);
    return lost || wants_care(writer, call);
}

/* The transaction is open and holds work of others: this function gets a savepoint. Answers whether
 * the transaction is still there. */
static bool run_guarded(struct progress *progress, struct call *call) {
    struct group_writer *writer = progress->writer;
    const struct driver *driver = writer->conn->driver;
    if (err_failed(driver->savepoint(writer->conn))) {
        return false;
    }
    size_t mark = notes_mark(&progress->group->notes);
    call->result = run(writer, progress->group, call);
    if (!err_failed(call->result)) {
        progress->kept++;
        if (!err_failed(driver->release(writer->conn))) {
            return true;
        }
        notes_cut(&progress->group->notes, mark);
        return false;
    }
    return !transaction_gone(writer, call) && !err_failed(driver->rollback_to(writer->conn));
}

/* Changes of a failed function that are left in the transaction, which others share. */
enum left { LEFT_ALL, LEFT_NOTHING, LEFT_DIRT, LEFT_NO_TRANSACTION };

/* Without a savepoint. An error of SQL may have come behind a row that was changed: that counts as
 * dirt, whatever the database says of it. */
static enum left run_bare(struct progress *progress, struct call *call) {
    struct group_writer *writer = progress->writer;
    const struct driver *driver = writer->conn->driver;
    const int64_t before = driver->changes(writer->conn);
    call->result = run(writer, progress->group, call);
    if (!err_failed(call->result)) {
        progress->kept++;
        return LEFT_ALL;
    }
    if (transaction_gone(writer, call)) {
        return LEFT_NO_TRANSACTION;
    }
    return err_failed(writer->tx.err) || driver->changes(writer->conn) != before ? LEFT_DIRT
                                                                                 : LEFT_NOTHING;
}

/* Nothing is in the transaction yet. */
static bool run_first(struct progress *progress, struct call *call) {
    struct group_writer *writer = progress->writer;
    call->result = run(writer, progress->group, call);
    if (!err_failed(call->result)) {
        progress->kept++;
        return true;
    }
    if (transaction_gone(writer, call)) {
        return false;
    }
    writer->conn->driver->rollback(writer->conn);
    progress->open = false;
    return true;
}

enum together { TOGETHER_DONE, TOGETHER_GONE, TOGETHER_STOP };

/* After a BEGIN that failed, each further try would only make everybody wait as long again: for a
 * lock of another process some seconds, for a server that is gone longer. */
static void refuse_from(struct call *call, struct err err) {
    for (; call != NULL; call = call->next) {
        call->result = err;
    }
}

/* Nothing can be done for this group now: all that waits is answered, however long BEGIN took. */
static enum together refuse(struct progress *progress, struct call *call, struct err err) {
    if (err.code == ERR_STORE_LOST) {
        return TOGETHER_STOP;
    }
    struct calls *calls = &progress->group->calls;
    while (calls->count < GROUP_FUNCTIONS_MAX) {
        struct call *next = progress->source.next(progress->source.ctx);
        if (next == NULL) {
            break;
        }
        calls_push(calls, next);
    }
    refuse_from(call, err);
    return TOGETHER_DONE;
}

/* A function without a savepoint has left behind what nobody can take back alone: all of them run
 * again, in a new transaction, with savepoints. */
static bool begin_anew(struct progress *progress) {
    struct group_writer *writer = progress->writer;
    const struct driver *driver = writer->conn->driver;
    driver->rollback(writer->conn);
    notes_cut(&progress->group->notes, 0);
    writer->guarded = GROUP_GUARDED;
    progress->guarded = true;
    progress->kept = 0;
    progress->open = false;
    for (struct call *call = progress->group->calls.first; call != NULL; call = call->next) {
        progress->open = progress->open || !err_failed(driver->begin(writer->conn));
        bool there = progress->open &&
                     (progress->kept > 0 ? run_guarded(progress, call) : run_first(progress, call));
        if (!there) {
            return false;
        }
    }
    return true;
}

/* Answers whether the transaction is still there, and whole. */
static bool run_one(struct progress *progress, struct call *call) {
    if (progress->kept == 0) {
        return run_first(progress, call);
    }
    if (progress->guarded) {
        return run_guarded(progress, call);
    }
    switch (run_bare(progress, call)) {
    case LEFT_ALL:
    case LEFT_NOTHING:
        return true;
    case LEFT_DIRT:
        return begin_anew(progress);
    case LEFT_NO_TRANSACTION:
        break;
    }
    return false;
}

/* Runs what there is in one transaction, up to its COMMIT. TOGETHER_STOP: *ret_err is filled. */
static enum together run_members(struct progress *progress, struct err *ret_err) {
    struct group_writer *writer = progress->writer;
    for (struct call *call = take(progress); call != NULL; call = take(progress)) {
        calls_push(&progress->group->calls, call);
        if (!progress->open) {
            *ret_err = writer->conn->driver->begin(writer->conn);
            if (err_failed(*ret_err)) {
                return refuse(progress, call, *ret_err);
            }
            progress->open = true;
        }
        if (!run_one(progress, call)) {
            return TOGETHER_GONE;
        }
    }
    return TOGETHER_DONE;
}

/* An error of COMMIT itself is not told to anybody in a group: each function will hear its own. */
static enum together run_together(struct progress *progress, struct err *ret_err) {
    struct group_writer *writer = progress->writer;
    enum together together = run_members(progress, ret_err);
    if (together != TOGETHER_DONE || !progress->open) {
        return together;
    }
    switch (writer->conn->driver->commit(writer->conn, ret_err)) {
    case COMMIT_DONE:
        count(&writer->counters.commits);
        return TOGETHER_DONE;
    case COMMIT_NOT:
        return TOGETHER_GONE;
    case COMMIT_UNKNOWN:
        break;
    }
    return TOGETHER_STOP;
}

/* One function in the transaction that was begun for it. An error that it returns is the store's
 * end; its own ends in call->result. */
static struct err run_alone(struct group_writer *writer, struct group *group, struct call *call) {
    const struct driver *driver = writer->conn->driver;
    count(&writer->counters.reruns);
    size_t mark = notes_mark(&group->notes);
    call->result = run(writer, group, call);
    if (err_failed(call->result)) {
        driver->rollback(writer->conn);
        return ERR_OK;
    }
    struct err err = ERR_OK;
    switch (driver->commit(writer->conn, &err)) {
    case COMMIT_DONE:
        count(&writer->counters.commits);
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

/* Again, in a transaction in which each part has a savepoint. */
static struct err run_careful(struct group_writer *writer, struct group *group, struct call *call) {
    struct err err = writer->conn->driver->begin(writer->conn);
    if (err_failed(err)) {
        call->result = err;
        return err.code == ERR_STORE_LOST ? err : ERR_OK;
    }
    writer->tx.careful = true;
    err = run_alone(writer, group, call);
    writer->tx.careful = false;
    return err;
}

static struct err run_each_alone(struct group_writer *writer, struct group *group) {
    writer->conn->driver->rollback(writer->conn);
    notes_cut(&group->notes, 0);
    for (struct call *call = group->calls.first; call != NULL; call = call->next) {
        struct err err = writer->conn->driver->begin(writer->conn);
        if (err_failed(err) && err.code != ERR_STORE_LOST) {
            refuse_from(call, err);
            return ERR_OK;
        }
        if (!err_failed(err)) {
            err = run_alone(writer, group, call);
        }
        if (!err_failed(err) && wants_care(writer, call)) {
            err = run_careful(writer, group, call);
        }
        if (err_failed(err)) {
            return err;
        }
    }
    return ERR_OK;
}

static void count_errors(struct group_writer *writer, const struct group *group) {
    for (const struct call *call = group->calls.first; call != NULL; call = call->next) {
        if (err_failed(call->result)) {
            count(&writer->counters.errors);
        }
    }
}

struct err group_run(struct group_writer *writer, struct group_source source, struct group *group) {
    assert(group->calls.first == NULL);
    assert(group->notes.len == 0);
    struct progress progress = {.writer = writer,
                                .group = group,
                                .source = source,
                                .began_ns = world_mono_ns(writer->world),
                                .guarded =
                                    writer->guarded > 0 || writer->conn->driver->changes == NULL};
    writer->guarded -= writer->guarded > 0;
    tx_set_time(&writer->tx, world_wall_ms(writer->world), progress.began_ns);
    struct err err = ERR_OK;
    switch (run_together(&progress, &err)) {
    case TOGETHER_DONE:
        err = ERR_OK;
        break;
    case TOGETHER_GONE:
        err = run_each_alone(writer, group);
        break;
    case TOGETHER_STOP:
        return err;
    }
    count(&writer->counters.groups);
    count_errors(writer, group);
    return err;
}
