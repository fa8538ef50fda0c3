/* flight.c: one attempt in our hands. The states: flight.h. */
#include <stdio.h>

#include "base/fd.h"
#include "base/memory.h"
#include "dispatch/job/work.h"

#define TO(state) (1U << FLIGHT_##state)
static const unsigned edges[FLIGHT_STATES] = {
    [FLIGHT_NEW] = TO(QUEUED) | TO(DECIDING),
    [FLIGHT_QUEUED] = TO(ORDERING) | TO(FOLLOWING) | TO(DECIDING),
    [FLIGHT_ORDERING] = TO(QUEUED),
    [FLIGHT_FOLLOWING] = TO(DECIDING) | TO(PAUSING) | TO(READING) | TO(SETTLING),
    [FLIGHT_DECIDING] = TO(FOLLOWING) | TO(PAUSING) | TO(CLEARING) | TO(READING) | TO(SETTLING),
    [FLIGHT_PAUSING] = TO(DECIDING),
    [FLIGHT_CLEARING] = TO(PAUSING) | TO(READING) | TO(SETTLING),
    [FLIGHT_READING] = TO(SETTLING),
    [FLIGHT_SETTLING] = TO(REPORTED),
    [FLIGHT_REPORTED] = TO(DECIDING),
};
#undef TO

void flight__enter(struct flight *flight, enum flight_state state) {
    assert((edges[flight->state] & (1U << state)) != 0);
    flight->state = state;
}

struct flight *flight__new(struct dispatch *dispatch, const struct run_row *row) {
    struct flight *flight = mem_new(sizeof *flight);
    flight->folder = folder_named(row->run, row->attempt);
    flight->node.name = (struct bytes){flight->folder.name, row->run.len};
    flight->dispatch = dispatch;
    flight->attempt = row->attempt;
    flight->since_ms = row->started_ms;
    flight->grace_ms = FLIGHT_NOT_STOPPED;
    links_init(&flight->watches);
    table_add(&dispatch->flights, &flight->node);
    struct flight_work *work = flight__work(flight);
    work->spec = mem_copy(row->spec.data, row->spec.len);
    work->spec_len = row->spec.len;
    return flight;
}

struct flight_work *flight__work(struct flight *flight) {
    if (flight->work == NULL) {
        struct flight_work *work = mem_new(sizeof *work);
        work->flight = flight;
        work->dispatch = flight->dispatch;
        work->order = -1;
        work->epoch = store_epoch(flight->dispatch->options.store);
        memcpy(work->name, flight->folder.name, sizeof work->name);
        work->facts = flight->facts;
        text_init(&work->result, RUN_RESULT_MAX);
        text_init(&work->output, (size_t)16 << 10);
        flight->work = work;
    }
    return flight->work;
}

void work__at(const struct flight_work *work) {
    struct bytes run = {work->name, strcspn(work->name, ".")};
    effects_at(work->dispatch->options.effects, run);
}

void flight__work_drop(struct flight *flight) {
    struct flight_work *work = flight->work;
    if (work == NULL) {
        return;
    }
    assert(!work->away);
    flight->work = NULL;
    ask_drop(&work->ask);
    fd_release(&work->order);
    mem_free(work->spec);
    text_done(&work->result);
    text_done(&work->output);
    mem_free(work);
}

void flight__learn(struct flight *flight) {
    if (!flight->facts.read && flight->work->facts.read) {
        flight->facts = flight->work->facts;
    }
}

void flight__grown(struct flight *flight, enum log_stream stream, int64_t size) {
    if (size > flight->sizes[stream]) {
        flight->sizes[stream] = size;
        log_watch__grown(flight, stream);
    }
}

void work__begin(struct flight_work *work, void (*run)(struct pool_job *job),
                 void (*done)(struct pool_job *job)) {
    work->away = true;
    pool_begin(&work->dispatch->pool, &work->job, POOL_QUICK, run, done);
}

unsigned flight__grace_ms(int64_t grace_ms) {
    return grace_ms < 0 ? 0 : grace_ms > INT32_MAX ? INT32_MAX : (unsigned)grace_ms;
}

void flight__adoption_free(void *ctx) {
    struct adoption *adoption = ctx;
    if (adoption->flight != NULL) {
        adoption->flight->adoption = NULL;
    }
    ask_drop(&adoption->ask);
    mem_free(adoption);
}

static void adoption_forget(struct flight *flight) {
    struct adoption *adoption = flight->adoption;
    if (adoption != NULL && adoption->ask.state == ASK_AWAY) {
        adoption->flight = NULL;
    } else if (adoption != NULL) {
        flight__adoption_free(adoption);
    }
}

bool work__back(struct flight_work *work) {
    struct dispatch *dispatch = work->dispatch;
    work->away = false;
    if (!dispatch->stopping) {
        flight__learn(work->flight);
        return true;
    }
    flight__free(work->flight);
    dispatch__end_stop(dispatch);
    return false;
}

void flight__free(struct flight *flight) {
    struct dispatch *dispatch = flight->dispatch;
    table_remove(&dispatch->flights, &flight->node);
    link_remove(&flight->link);
    timer_stop(dispatch->options.loop, &flight->timer);
    timer_stop(dispatch->options.loop, &flight->answer);
    timer_stop(dispatch->options.loop, &flight->deadline);
    effect_done(&flight->effect);
    holder_close(flight->holder);
    flight__work_drop(flight);
    input__drop(flight);
    adoption_forget(flight);
    dispatch->stats.disk_full -= flight->full;
    log_watch__all(dispatch, &flight->watches);
    mem_free(flight);
}

void flight__follow(struct flight *flight, int64_t accepted) {
    flight__enter(flight, FLIGHT_FOLLOWING);
    flight->tries = 0;
    flight->followed_ns = world_mono_ns(loop_world(flight->dispatch->options.loop));
    flight__work_drop(flight);
    unresponsive__watch_deadline(flight);
    input__follow(flight, accepted);
    if (flight__is_stopped(flight)) {
        holder_stop(flight->holder, flight->grace_ms);
    }
}

/* Where nothing has begun, nothing will: whoever looks at the flight next decides through the
 * spool. Where the end is known already, it comes too late. */
void flight__stop(struct flight *flight, unsigned grace_ms) {
    if (grace_ms >= flight->grace_ms) {
        return;
    }
    flight->grace_ms = grace_ms;
    unresponsive__watch_stop(flight);
    if (flight->state == FLIGHT_FOLLOWING) {
        holder_stop(flight->holder, grace_ms);
    }
}
