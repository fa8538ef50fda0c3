/* dispatch.c: the door through which notes come, and the life of the dispatcher. */
#include "dispatch/job/dispatch.h"

#include "base/memory.h"
#include "dispatch/job/work.h"

enum { RETRY_FIRST_MS = 1000, RETRY_MAX_MS = 10000 }; /* Pauses after errors of the store. */

/* --- Notes ------------------------------------------------------------------------------------ */

void dispatch_after_sleep(struct dispatch *dispatch) {
    wake__after_sleep(dispatch);
    dispatch__parts(dispatch, PART_AFTER_SLEEP);
}

/* An attempt that is in our hands already is nothing new. A run of ours that should stop and is in
 * nobody's hands never began: the folder decides that, and nothing will.
 *
 * The process of an attempt that is away belongs to its own host, and a stop reaches that host by
 * the row. Whoever holds a copy first wants to see it as it was. A release walks it again. */
static void dispatch_perform(struct dispatch *dispatch, const struct run_row *row,
                             struct run_effects effects) {
    struct flight *flight = flight__find(dispatch, row->run, row->attempt);
    bool of_other_host = run_is_of_other_host(row, dispatch->options.bounds.host);
    bool only_seen = run_is_away(row, &dispatch->options.bounds) ||
                     (dispatch->options.hold == RUN_HELD && of_other_host);
    if (flight == NULL && effects.start) {
        flight = flight__new(dispatch, row);
        start__queue(flight);
    } else if (flight == NULL && (effects.adopt || effects.stop) && !only_seen) {
        flight = flight__new(dispatch, row);
        if (dispatch->options.guest) {
            flight->walked = dispatch->guest_walk;
            flight->ours = true; /* A guest writes no row. */
        } else {
            flight->work->of_other_host = of_other_host;
            flight->work->of_other_history = row->epoch < dispatch->history_start;
            flight->ours = row->epoch == store_epoch(dispatch->options.store);
        }
        decide__begin(flight);
    }
    if (flight != NULL && effects.stop) {
        flight__stop(flight, flight__grace_ms(row->stop_grace_ms));
    }
}

void dispatch_run_note(struct dispatch *dispatch, const struct run_row *row) {
    dispatch->stats.ended[row->state] += run_state_final(row->state);
    if (dispatch->stopping) {
        return;
    }
    if (dispatch->options.guest) {
        if (row->state == RUN_RUNNING || row->state == RUN_WAITING) {
            dispatch_perform(dispatch, row,
                             (struct run_effects){.adopt = true, .stop = row->stop != CAUSE_NONE});
        } /* Else the run ended during the read. */
        return;
    }
    if (run_state_final(row->state)) {
        dispatch__parts(dispatch, PART_RUN_ENDED);
    }
    struct run_effects effects =
        run_effects(row, store_epoch(dispatch->options.store), dispatch->options.hold);
    wake__note(dispatch, row, effects.wake); /* Of whatever kind: a wait is a wait. */
    dispatch->stats.refused += row->state == RUN_FAILED && row->cause == CAUSE_BUDGET;
    if (row->kind == KIND_JOB) {
        dispatch_perform(dispatch, row, effects);
    }
}

/* --- Life ------------------------------------------------------------------------------------- */

static void dispatch_on_stopped(struct loop_task *task) {
    struct dispatch *dispatch = CONTAINER_OF(task, struct dispatch, stop_task);
    void (*stopped)(void *ctx) = dispatch->stopped;
    dispatch->stopped = NULL;
    stopped(dispatch->stopped_ctx);
}

struct dispatch *dispatch_open(const struct dispatch_options *options) {
    assert(options->data_dir[0] == '/');
    struct dispatch *dispatch = mem_new(sizeof *dispatch);
    dispatch->options = *options;
    dispatch->asker = (struct asker){.loop = options->loop,
                                     .store = options->store,
                                     .effects = options->effects,
                                     .pause_ms = RETRY_FIRST_MS,
                                     .pause_max_ms = RETRY_MAX_MS,
                                     .ctx = options->ctx,
                                     .failed = options->failed};
    table_init(&dispatch->flights);
    table_init(&dispatch->wakers);
    pool_init(&dispatch->pool, options->loop, options->shortage);
    links_init(&dispatch->starts);
    links_init(&dispatch->trees);
    links_init(&dispatch->parked);
    dispatch->start_task.run = start__task;
    dispatch->stop_task.run = dispatch_on_stopped;
    dispatch->environment = start__environment(options->environment, VARIABLE_COMMAND);
    dispatch->own_environment = start__environment(options->environment, VARIABLE_USES);
    dispatch->agent_environment = start__environment(options->environment, VARIABLE_AGENT);
    dispatch->news = &flight_news;
    dispatch->on_silent = decide__silent;
    dispatch__parts(dispatch, PART_OPEN);
    return dispatch;
}

void dispatch_stop(void *room, void (*stopped)(void *ctx), void *ctx) {
    struct dispatch *dispatch = room;
    assert(!dispatch->stopping);
    dispatch->stopping = dispatch->asker.stopping = true;
    dispatch->stopped = stopped;
    dispatch->stopped_ctx = ctx;
    loop_task_cancel(dispatch->options.loop, &dispatch->start_task);
    pool_cancel(&dispatch->pool);
    recover__stop(dispatch);
    dispatch__parts(dispatch, PART_STOP);
    wake__stop(dispatch);
    for (struct table_node *node = table_next(&dispatch->flights, NULL), *next; node != NULL;
         node = next) {
        struct flight *flight = CONTAINER_OF(node, struct flight, node);
        const struct flight_work *work = flight->work;
        next = table_next(&dispatch->flights, node);
        if (work == NULL || !(work->away || work->ask.state == ASK_AWAY)) {
            flight__free(flight);
        } else { /* What is in the pool or in the store comes back, and goes then. */
            timer_stop(dispatch->options.loop, &flight->timer);
        }
    }
    dispatch__end_stop(dispatch);
}

static void environment_free(char **environment) {
    for (char **at = environment; *at != NULL; at++) {
        mem_free(*at);
    }
    mem_free(environment);
}

void dispatch_close(struct dispatch *dispatch) {
    if (dispatch == NULL) {
        return;
    }
    assert(dispatch->asker.away == 0);
    assert(dispatch->flights.count == 0);
    assert(dispatch->wakers.count == 0);
    dispatch__parts(dispatch, PART_CLOSE);
    table_done(&dispatch->flights);
    table_done(&dispatch->wakers);
    mem_free(dispatch->recovery);
    mem_free(dispatch->reports);
    mem_free(dispatch->host_watch);
    mem_free(dispatch->budget_looks);
    environment_free(dispatch->environment);
    environment_free(dispatch->own_environment);
    environment_free(dispatch->agent_environment);
    mem_free(dispatch);
}

/* --- The daemon's port ------------------------------------------------------------------------ */

void dispatch_set_address(struct dispatch *dispatch, const char *address) {
    /* An origin fits. */
    (void)snprintf(dispatch->address, sizeof dispatch->address, "%s", address);
}

/* --- Asked from above ------------------------------------------------------------------------- */

const struct dispatch_options *dispatch_options(const struct dispatch *dispatch) {
    return &dispatch->options;
}

enum run_hold dispatch_held(const struct dispatch *dispatch) {
    return dispatch->options.hold;
}

void dispatch_hold(struct dispatch *dispatch) {
    dispatch->options.hold = RUN_HELD;
    dispatch->restored = true;
}

bool dispatch_is_restored(const struct dispatch *dispatch) {
    return dispatch->restored;
}

void dispatch_set_history_start(struct dispatch *dispatch, int64_t below_epoch) {
    dispatch->history_start = below_epoch;
}

void dispatch_release(struct dispatch *dispatch) {
    if (dispatch->options.hold == RUN_HELD) {
        dispatch->options.hold = RUN_FREE;
        recover__again(dispatch);
        if (dispatch->options.released != NULL) {
            dispatch->options.released(dispatch->options.ctx);
        }
    }
}

struct err dispatch_resize(struct dispatch *dispatch, struct bytes run, unsigned rows,
                           unsigned columns) {
    struct table_node *node = table_find(&dispatch->flights, run);
    for (; node != NULL; node = table_find_next(node)) {
        const struct flight *flight = CONTAINER_OF(node, struct flight, node);
        if (flight->state == FLIGHT_FOLLOWING) {
            holder_resize(flight->holder, rows, columns);
            return ERR_OK;
        }
    }
    return err_make(ERR_NOT_FOUND, "dispatch: resize");
}

void dispatch_get_stats(const struct dispatch *dispatch, struct dispatch_stats *ret_stats) {
    *ret_stats = dispatch->stats;
    ret_stats->store_retries = dispatch->asker.retries;
    ret_stats->live = dispatch->flights.count;
}
