/* end_trees.c: ends what dead holders left, many of them at once.
 *
 * To find the processes of one dead holder, everything that lives on the machine is looked at, some
 * four times. When hundreds of holders die together, those looks are shared: a tree that is added
 * during a look waits for the next one, which looks for all that were added meanwhile. Two batches
 * run at once, so that a process that the system does not let us end holds up one of them only. */
#include <stdio.h>

#include "base/memory.h"
#include "dispatch/job/work.h"

enum { BATCHES_MAX = 2, TREE_TRIES = 5 /* Before the end is reported with what is left. */ };

struct batch {
    struct pool_job job;
    struct dispatch *dispatch;
    size_t count;
    struct flight_work *works[TREE_MARKS_MAX]; /* Their flights wait for us. */
};

static void serve(struct dispatch *dispatch);

/* --- In the pool ------------------------------------------------------------------------------ */

static void batch_run(struct pool_job *job) {
    struct batch *batch = CONTAINER_OF(job, struct batch, job);
    struct tree_mark marks[TREE_MARKS_MAX];
    struct tree_end ends[TREE_MARKS_MAX] = {0};
    for (size_t i = 0; i < batch->count; i++) {
        const struct flight_work *work = batch->works[i];
        marks[i] = (struct tree_mark){.name = work->name, .nonce = work->found.nonce};
    }
    struct err err = tree_end(marks, batch->count, TREE_WAIT_MS, ends);
    for (size_t i = 0; i < batch->count; i++) {
        struct flight_work *work = batch->works[i];
        work->tree = ends[i];
        work->err = err;
        int64_t cpu_us = cgroups_cpu_us(batch->dispatch->options.cgroups, work->name);
        work->cpu_us = cpu_us > work->cpu_us ? cpu_us : work->cpu_us;
        /* Behind the walk, which knows a child by its parent: the parent must not go first. */
        work->tree.left += cgroups_end(batch->dispatch->options.cgroups, work->name, TREE_WAIT_MS);
    }
}

/* --- On the loop ------------------------------------------------------------------------------ */

static void cleared(struct flight *flight) {
    struct flight_work *work = flight->work;
    bool closed = work->found.found == SPOOL_CLOSED;
    bool left = err_failed(work->err) || work->tree.left > 0;
    if (left && flight->tries < TREE_TRIES) {
        decide__pause(flight); /* The folder says the same again, and so it is tried again. */
        return;
    }
    flight->dispatch->stats.trees_ended++;
    work->note[0] = '\0';
    if (left) {
        (void)snprintf(work->note, sizeof work->note,
                       "%u processes could not be ended: the system keeps them",
                       work->tree.left); /* Short. */
        dispatch__failed(flight->dispatch, "processes of a command could not be ended",
                         flight__run(flight), work->err);
    }
    if (flight->health == HEALTH_OVERDUE && !left) {
        (void)snprintf(
            work->note, sizeof work->note,
            "its holder, which keeps its time, stood still: it was ended without"); /* Short. */
    }
    if (closed && !left) {
        (void)snprintf(
            work->note, sizeof work->note,
            "the database was restored or copied, and what this run left is gone: it may "
            "have run to its end"); /* Short. */
    }
    settle__begin(flight,
                  (struct attempt){.end = closed          ? ATTEMPT_HOST_GONE
                                          : work->removed ? ATTEMPT_FOLDER_GONE
                                                          : ATTEMPT_GONE,
                                   .why = flight->health == HEALTH_OVERDUE ? ATTEMPT_TIMED_OUT
                                                                           : ATTEMPT_ITSELF});
}

static void batch_done(struct pool_job *job) {
    struct batch *batch = CONTAINER_OF(job, struct batch, job);
    struct dispatch *dispatch = batch->dispatch;
    dispatch->trees_running--;
    for (size_t i = 0; i < batch->count; i++) {
        if (work__back(batch->works[i])) {
            cleared(batch->works[i]->flight);
        }
    }
    mem_free(batch);
    serve(dispatch);
}

static void serve(struct dispatch *dispatch) {
    while (dispatch->trees != NULL && dispatch->trees_running < BATCHES_MAX) {
        struct batch *batch = mem_new(sizeof *batch);
        batch->dispatch = dispatch;
        while (dispatch->trees != NULL && batch->count < TREE_MARKS_MAX) {
            struct flight *flight = dispatch->trees;
            dispatch->trees = flight->next;
            flight->work->away = true;
            batch->works[batch->count++] = flight->work;
        }
        batch->job = (struct pool_job){.kind = POOL_SLOW, .run = batch_run, .done = batch_done};
        dispatch->trees_running++;
        pool_add(&dispatch->pool, &batch->job);
    }
}

/* In no order: none of them waits for long. */
void end_trees__add(struct flight *flight) {
    struct dispatch *dispatch = flight->dispatch;
    flight__enter(flight, FLIGHT_CLEARING);
    timer_stop(dispatch->options.loop, &flight->deadline); /* It is being ended. */
    flight->next = dispatch->trees;
    dispatch->trees = flight;
    serve(dispatch);
}
