/* end_trees.c: ends what dead holders left, many of them at once.
 *
 * To find the processes of one dead holder, everything that lives on the machine is looked at, some
 * four times. When hundreds of holders die together, those looks are shared: whoever comes while
 * others are looked for waits, and is looked for with all who came meanwhile. Two batches run at
 * once, so that a process that the system does not let us end holds up one of them only. */
#include <stdio.h>

#include "base/memory.h"
#include "dispatch/job/inside.h"

enum { BATCHES_MAX = 2 };

struct batch {
    struct pool_job job;
    struct dispatch *dispatch;
    size_t count;
    struct errand *errands[TREE_MARKS_MAX]; /* Their flights wait for us. */
};

static void serve(struct dispatch *dispatch);

/* --- In the pool ------------------------------------------------------------------------------ */

static void batch_run(struct pool_job *job) {
    struct batch *batch = CONTAINER_OF(job, struct batch, job);
    struct tree_mark marks[TREE_MARKS_MAX];
    struct tree_end ends[TREE_MARKS_MAX] = {0};
    for (size_t i = 0; i < batch->count; i++) {
        const struct errand *errand = batch->errands[i];
        marks[i] = (struct tree_mark){.name = errand->name, .nonce = errand->found.nonce};
    }
    struct err err = tree_end(marks, batch->count, TREE_WAIT_MS, ends);
    for (size_t i = 0; i < batch->count; i++) {
        struct errand *errand = batch->errands[i];
        errand->tree = ends[i];
        errand->err = err;
        int64_t cpu_us = cgroups_cpu_us(batch->dispatch->options.cgroups, errand->name);
        errand->cpu_us = cpu_us > errand->cpu_us ? cpu_us : errand->cpu_us;
        /* Behind the walk, which knows a child by its parent: the parent must not go first. */
        errand->tree.left +=
            cgroups_end(batch->dispatch->options.cgroups, errand->name, TREE_WAIT_MS);
    }
}

/* --- On the loop ------------------------------------------------------------------------------ */

static void cleared(struct flight *flight) {
    struct errand *errand = flight->errand;
    bool closed = errand->found.found == SPOOL_CLOSED;
    bool left = err_failed(errand->err) || errand->tree.left > 0;
    if (left && flight->tries < TREE_TRIES) {
        decide__pause(flight); /* The folder says the same again, and so it is tried again. */
        return;
    }
    flight->dispatch->stats.trees_ended++;
    errand->note[0] = '\0';
    if (left) {
        (void)snprintf(errand->note, sizeof errand->note,
                       "%u processes could not be ended: the system keeps them",
                       errand->tree.left); /* Short. */
        dispatch__failed(flight->dispatch, "processes of a command could not be ended",
                         flight__run(flight), errand->err);
    }
    if (flight->overdue && !left) {
        (void)snprintf(
            errand->note, sizeof errand->note,
            "its holder, which keeps its time, stood still: it was ended without"); /* Short. */
    }
    if (closed && !left) {
        (void)snprintf(
            errand->note, sizeof errand->note,
            "the database was restored or copied, and what this run left is gone: it may "
            "have run to its end"); /* Short. */
    }
    settle__begin(flight,
                  (struct attempt){.end = closed            ? ATTEMPT_HOST_GONE
                                          : errand->removed ? ATTEMPT_FOLDER_GONE
                                                            : ATTEMPT_GONE,
                                   .why = flight->overdue ? ATTEMPT_TIMED_OUT : ATTEMPT_ITSELF});
}

static void batch_done(struct pool_job *job) {
    struct batch *batch = CONTAINER_OF(job, struct batch, job);
    struct dispatch *dispatch = batch->dispatch;
    dispatch->clears_running--;
    for (size_t i = 0; i < batch->count; i++) {
        if (flight__back(batch->errands[i])) {
            cleared(batch->errands[i]->flight);
        }
    }
    mem_free(batch);
    serve(dispatch);
}

static void serve(struct dispatch *dispatch) {
    while (dispatch->clears != NULL && dispatch->clears_running < BATCHES_MAX) {
        struct batch *batch = mem_new(sizeof *batch);
        batch->dispatch = dispatch;
        while (dispatch->clears != NULL && batch->count < TREE_MARKS_MAX) {
            struct flight *flight = dispatch->clears;
            dispatch->clears = flight->next;
            flight->errand->away = true;
            batch->errands[batch->count++] = flight->errand;
        }
        batch->job = (struct pool_job){.kind = POOL_SLOW, .run = batch_run, .done = batch_done};
        dispatch->clears_running++;
        pool_add(&dispatch->pool, &batch->job);
    }
}

/* In no order: none of them waits for long. */
void clear__begin(struct flight *flight) {
    struct dispatch *dispatch = flight->dispatch;
    flight__enter(flight, FLIGHT_CLEARING);
    timer_stop(dispatch->options.loop, &flight->deadline); /* It is being ended. */
    flight->next = dispatch->clears;
    dispatch->clears = flight;
    serve(dispatch);
}
