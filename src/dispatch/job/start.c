/* start.c: the queue of starts. One takes some 0.3 ms of the loop (fork and exec), so a turn begins
 * as many as fit into a millisecond, and sockets and timers have theirs in between.
 *
 * The first of a queue waits for one turn more. Notes come before the answers of the same commit:
 * without that, a client would wait for fork and exec to hear that its command is stored.
 *
 * A start that fails (no program, no descriptor, no memory) is not our decision alone: the holder
 * may be there already. So it is decided through the spool like every other doubt, and where that
 * says void, the rules know how often and how soon to try again. A start for which no descriptor
 * was free is told apart by its errno (settle.c), since the run is not at fault; it begins a pause,
 * in which further starts are given back without a try (loop/shortage.h). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "dispatch/job/inside.h"

enum {
    TURN_NS = 1000 * 1000,
    LARGE = 8 << 10, /* A spec from here on is read in the pool. */
};

static void enqueue(struct flight *flight) {
    struct dispatch *dispatch = flight->dispatch;
    flight__enter(flight, FLIGHT_QUEUED);
    flight->next = NULL;
    dispatch->starts_wait = dispatch->starts_wait || dispatch->starts == NULL;
    *dispatch->starts_end = flight;
    dispatch->starts_end = &flight->next;
    loop_soon(dispatch->options.loop, &dispatch->start_task);
}

void start__queue(struct flight *flight) {
    flight->ours = true;
    flight->dispatch->stats.queued_starts++;
    enqueue(flight);
}

static struct flight *dequeue(struct dispatch *dispatch) {
    struct flight *flight = dispatch->starts;
    if (flight != NULL) {
        dispatch->starts = flight->next;
        if (dispatch->starts == NULL) {
            dispatch->starts_end = &dispatch->starts;
        }
    }
    return flight;
}

static void order_run(struct pool_job *job) {
    order__make(CONTAINER_OF(job, struct errand, job));
}

static void order_done(struct pool_job *job) {
    struct errand *errand = CONTAINER_OF(job, struct errand, job);
    if (flight__back(errand)) {
        enqueue(errand->flight);
    }
}

static void order_in_pool(struct flight *flight) {
    struct errand *errand = flight->errand;
    flight__enter(flight, FLIGHT_ORDERING);
    errand->away = true;
    errand->job = (struct pool_job){.kind = POOL_QUICK, .run = order_run, .done = order_done};
    pool_add(&flight->dispatch->pool, &errand->job);
}

static void refuse(struct flight *flight, struct err err) {
    struct errand *errand = flight->errand;
    struct shortage *shortage = flight->dispatch->options.shortage;
    if (errand->note[0] == '\0') {
        (void)snprintf(errand->note, sizeof errand->note, "The holder could not be started: %s%s%s",
                       err.step, err.os != 0 ? ": " : "",
                       err.os != 0 ? strerrordesc_np(err.os) : ""); /* Cut at worst. */
    }
    if (shortage_is(err)) {
        errand->exit = (struct spool_exit){.end = EXIT_NOT_STARTED, .os = err.os, .step = "holder"};
        shortage_report(shortage, "start a command", err);
    }
    if (shortage == NULL || !shortage_is(err)) { /* A shortage is told once for all starts. */
        dispatch__failed(flight->dispatch, "a command could not be started", flight__run(flight),
                         err);
    }
    decide__begin(flight);
}

static void begin(struct flight *flight) {
    struct dispatch *dispatch = flight->dispatch;
    struct errand *errand = flight->errand;
    dispatch->stats.queued_starts--;
    flight__learn(flight);
    if (flight->stop) {
        decide__begin(flight);
        return;
    }
    struct err err = errand->err;
    if (!err_failed(err) && shortage_lasts(dispatch->options.shortage)) {
        err = err_from_errno(EMFILE, "holder: wait for a descriptor");
    }
    if (!err_failed(err)) {
        err = holder_start(dispatch->options.holders, fd_take(&errand->order), flight__news(),
                           flight, &flight->holder);
    }
    if (err_failed(err)) {
        refuse(flight, err);
        return;
    }
    dispatch->stats.started++;
    flight->since_ms = world_wall_ms(loop_world(dispatch->options.loop));
    flight__follow(flight, 0);
}

static void serve(struct flight *flight) {
    struct errand *errand = flight->errand;
    bool made = errand->order >= 0 || err_failed(errand->err);
    if (!made && !flight->stop && errand->spec_len > LARGE) {
        order_in_pool(flight);
        return;
    }
    if (!made && !flight->stop) {
        order__make(errand);
    }
    begin(flight);
}

void start__task(struct loop_task *task) {
    struct dispatch *dispatch = CONTAINER_OF(task, struct dispatch, start_task);
    if (dispatch->starts_wait) {
        dispatch->starts_wait = false;
        loop_soon(dispatch->options.loop, task);
        return;
    }
    const struct world *world = loop_world(dispatch->options.loop);
    uint64_t until_ns = world_mono_ns(world) + TURN_NS;
    do {
        struct flight *flight = dequeue(dispatch);
        if (flight == NULL) {
            return;
        }
        serve(flight);
    } while (world_mono_ns(world) < until_ns);
    loop_soon(dispatch->options.loop, task);
}
