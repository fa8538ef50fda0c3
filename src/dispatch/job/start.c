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

#include "base/fd.h"
#include "dispatch/job/work.h"

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

static void order_run(struct pool_job *job) {
    order__make(CONTAINER_OF(job, struct flight_work, job));
}

static void order_done(struct pool_job *job) {
    struct flight_work *work = CONTAINER_OF(job, struct flight_work, job);
    if (work__back(work)) {
        enqueue(work->flight);
    }
}

static void refuse(struct flight *flight, struct err err) {
    struct flight_work *work = flight->work;
    struct shortage *shortage = flight->dispatch->options.shortage;
    if (work->note[0] == '\0') {
        (void)snprintf(work->note, sizeof work->note, "The holder could not be started: %s%s%s",
                       err.step, err.os != 0 ? ": " : "",
                       err.os != 0 ? strerrordesc_np(err.os) : ""); /* Cut at worst. */
    }
    if (shortage_is(err)) {
        work->exit = (struct spool_exit){.end = EXIT_NOT_STARTED, .os = err.os, .step = "holder"};
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
    struct flight_work *work = flight->work;
    dispatch->stats.queued_starts--;
    flight__learn(flight);
    if (flight__is_stopped(flight)) {
        decide__begin(flight);
        return;
    }
    struct err err = work->err;
    if (!err_failed(err) && shortage_lasts(dispatch->options.shortage)) {
        err = err_from_errno(EMFILE, "holder: wait for a descriptor");
    }
    if (!err_failed(err)) {
        err = holder_start(dispatch->options.holders, fd_take(&work->order), flight__news(), flight,
                           &flight->holder);
    }
    if (err_failed(err)) {
        refuse(flight, err);
        return;
    }
    dispatch->stats.started++;
    flight->since_ms = world_wall_ms(loop_world(dispatch->options.loop));
    flight__follow(flight, 0);
}

void start__task(struct loop_task *task) {
    struct dispatch *dispatch = CONTAINER_OF(task, struct dispatch, start_task);
    const struct world *world = loop_world(dispatch->options.loop);
    uint64_t until_ns = world_mono_ns(world) + TURN_NS;
    if (dispatch->starts_wait) {
        dispatch->starts_wait = false;
        loop_soon(dispatch->options.loop, task);
        return;
    }
    do {
        struct flight *flight = dispatch->starts;
        if (flight == NULL) {
            return;
        }
        dispatch->starts = flight->next;
        if (dispatch->starts == NULL) {
            dispatch->starts_end = &dispatch->starts;
        }
        struct flight_work *work = flight->work;
        bool wanted = work->order < 0 && !err_failed(work->err) && !flight__is_stopped(flight);
        if (wanted && work->spec_len > LARGE) {
            flight__enter(flight, FLIGHT_ORDERING);
            work__begin(work, order_run, order_done);
            continue;
        }
        if (wanted) {
            order__make(work);
        }
        begin(flight);
    } while (world_mono_ns(world) < until_ns);
    loop_soon(dispatch->options.loop, task);
}
