/* decide.c: the outcome of an attempt, read from its folder alone.
 *
 * The same path for what an older daemon left, for a holder whose link broke, and for a start that
 * must not be. Who cannot be reached although it lives (its socket was removed, or hangs up) is
 * asked for again, once a second in the end; one that should stop and does not answer
 * (unresponsive.c) is killed, by pid and start time, and its tree with it: no command may live that
 * nobody can stop.
 *
 * The trees of dead holders are ended many at once. To find the processes of one dead holder,
 * everything that lives on the machine is looked at, some four times. When hundreds of holders die
 * together, those looks are shared: a tree that is added during a look waits for the next one,
 * which looks for all that were added meanwhile. Two batches run at once, so that a process that
 * the system does not let us end holds up one of them only. */
#include <stdio.h>

#include "base/memory.h"
#include "dispatch/job/work.h"

enum {
    PAUSE_FIRST_MS = 20,
    PAUSE_MAX_MS = 1000,
    DEATH_MS = 1000, /* A killed holder loses its lock. */
};

/* --- In the pool ------------------------------------------------------------------------------ */

/* A row of another history may have had a folder that was removed since, so a missing one does not
 * mean `void`. A holder that an earlier daemon started here may still be on its way, and could
 * begin after a mere look: so the name is closed. */
static void look(struct flight_work *work) {
    work->err = spool_decide(work->dispatch->options.spool, work->name,
                             work->of_other_history ? SPOOL_CLOSE : SPOOL_DECIDE, work->epoch,
                             &work->found);
}

static void decide_run(struct pool_job *job) {
    struct flight_work *work = CONTAINER_OF(job, struct flight_work, job);
    work__at(work);
    if (work->spec != NULL) {
        facts__read(work);
    }
    if (work->of_other_host) {
        /* A folder that was copied along with the database may have the end. */
        work->err = spool_decide(work->dispatch->options.spool, work->name, SPOOL_LOOK, work->epoch,
                                 &work->found);
        return;
    }
    work->removed = false;
    if (work->adopts) {
        /* A folder that is not there stands for a start that an earlier daemon did not come to,
         * unless a process of it lives: then somebody has removed the folder, and a second start
         * would be a second copy. */
        int64_t changed_s = 0;
        unsigned lives = 0;
        const struct tree_mark mark = {.name = work->name, .nonce = ""};
        struct err err = spool_changed_s(work->dispatch->options.spool, work->name, &changed_s);
        work->removed =
            err.code == ERR_NOT_FOUND && !err_failed(tree_count(&mark, 1, &lives)) && lives > 0;
    }
    look(work); /* Nothing begins there any more. */
    bool alive = !err_failed(work->err) && work->found.found == SPOOL_ALIVE;
    if (work->kill && alive && !work->found.rebooted) {
        process_kill(work->found.pid, work->found.start_time, DEATH_MS);
        look(work);
    }
    if (!err_failed(work->err) && work->found.found == SPOOL_GONE) {
        work->disk = spool_disk(work->dispatch->options.spool, work->name);
    }
}

/* --- On the loop ------------------------------------------------------------------------------ */

static void decide(struct flight *flight);

static void on_timer(struct timer *timer) {
    decide(CONTAINER_OF(timer, struct flight, timer));
}

void decide__pause(struct flight *flight) {
    flight__enter(flight, FLIGHT_PAUSING);
    unsigned doublings = flight->tries < 6 ? flight->tries : 6;
    uint64_t wait_ms = (uint64_t)PAUSE_FIRST_MS << doublings;
    flight->tries++;
    timer_start(flight->dispatch->options.loop, &flight->timer,
                wait_ms < PAUSE_MAX_MS ? wait_ms : PAUSE_MAX_MS, on_timer);
}

/* --- Adopting --------------------------------------------------------------------------------- */

static bool adoption_is_wanted(const struct adoption *adoption) {
    return adoption->flight != NULL && adoption->flight->state == FLIGHT_FOLLOWING;
}

static struct err adoption_tx(struct tx *tx, void *ctx) {
    struct adoption *adoption = ctx;
    const struct run_key key = {.run = bytes_of(adoption->run.text)};
    return tx_run_adopted(tx, &key, adoption->attempt, &adoption->late);
}

static enum ask_verdict adoption_judge(void *ctx, unsigned tries, struct err err) {
    return adoption_is_wanted(ctx) ? ask_usual(tries, EFFECT_TRIES_MAX, err) : ASK_ANSWERED;
}

static void adoption_done(void *ctx) {
    struct adoption *adoption = ctx;
    struct flight *flight = adoption_is_wanted(adoption) ? adoption->flight : NULL;
    bool late = adoption->late;
    flight__adoption_free(adoption);
    if (flight != NULL) {
        flight->ours = true;
        if (late) { /* Nobody owns it any more: a process that no row knows may not live. */
            flight__stop(flight, 0);
        }
    }
}

static void adoption_refused(void *ctx, struct err err) {
    struct adoption *adoption = ctx;
    struct dispatch *dispatch = adoption->flight->dispatch;
    dispatch__report(dispatch, "the row of a command that goes on could not be written",
                     flight__run(adoption->flight), err);
    effects_abandon(dispatch->options.effects, &adoption->ask.retry.effect);
    flight__adoption_free(adoption);
}

enum { BATCHES_MAX = 2, TREE_TRIES = 5 /* Before the end is reported with what is left. */ };

struct batch {
    struct pool_job job;
    struct dispatch *dispatch;
    size_t count;
    struct flight_work *works[TREE_MARKS_MAX]; /* Flights of these wait for us. */
};

static void trees_serve(struct dispatch *dispatch);
/* --- The trees of dead holders, in the pool --------------------------------------------------- */

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

static void batch_done(struct pool_job *job) {
    struct batch *batch = CONTAINER_OF(job, struct batch, job);
    struct dispatch *dispatch = batch->dispatch;
    dispatch->trees_running--;
    for (size_t i = 0; i < batch->count; i++) {
        struct flight_work *work = batch->works[i];
        if (!work__back(work)) {
            continue;
        }
        struct flight *flight = work->flight;
        bool closed = work->found.found == SPOOL_CLOSED;
        bool left = err_failed(work->err) || work->tree.left > 0;
        bool overdue = flight->health == HEALTH_OVERDUE;
        if (left && flight->tries < TREE_TRIES) {
            decide__pause(flight); /* The folder says the same again, and so it is tried again. */
            continue;
        }
        dispatch->stats.trees_ended++;
        work->note[0] = '\0';
        if (left) {
            (void)snprintf(work->note, sizeof work->note,
                           "%u processes could not be ended: the system keeps them",
                           work->tree.left); /* Short. */
            dispatch__report(dispatch, "processes of a command could not be ended",
                             flight__run(flight), work->err);
        } else if (closed || overdue) {
            (void)snprintf(
                work->note, sizeof work->note, "%s",
                closed ? "the database was restored or copied, and what this run left is gone: it"
                         " may have run to its end"
                       : "its holder, which keeps its time, stood still: it was ended without");
        }
        settle__begin(flight,
                      (struct attempt){.end = closed          ? ATTEMPT_HOST_GONE
                                              : work->removed ? ATTEMPT_FOLDER_GONE
                                                              : ATTEMPT_GONE,
                                       .why = overdue ? ATTEMPT_TIMED_OUT : ATTEMPT_ITSELF});
    }
    mem_free(batch);
    trees_serve(dispatch);
}

static void trees_serve(struct dispatch *dispatch) {
    while (!links_empty(&dispatch->trees) && dispatch->trees_running < BATCHES_MAX) {
        struct batch *batch = mem_new(sizeof *batch);
        batch->dispatch = dispatch;
        while (!links_empty(&dispatch->trees) && batch->count < TREE_MARKS_MAX) {
            struct flight *flight = CONTAINER_OF(links_take(&dispatch->trees), struct flight, link);
            flight->work->away = true;
            batch->works[batch->count++] = flight->work;
        }
        dispatch->trees_running++;
        pool_begin(&dispatch->pool, &batch->job, POOL_SLOW, batch_run, batch_done);
    }
}

/* In no order: none of them waits for long. */
static void trees_add(struct flight *flight) {
    struct dispatch *dispatch = flight->dispatch;
    flight__enter(flight, FLIGHT_CLEARING);
    timer_stop(dispatch->options.loop, &flight->deadline); /* The tree is being ended. */
    link_add_first(&dispatch->trees, &flight->link);
    trees_serve(dispatch);
}

/* --- Deciding --------------------------------------------------------------------------------- */

static void flight_clear(struct flight *flight) {
    if (flight->work->found.rebooted) { /* Then nothing of it can live. */
        flight->work->note[0] = '\0';
        settle__begin(flight, (struct attempt){.end = ATTEMPT_REBOOTED});
    } else {
        trees_add(flight);
    }
}

static void flight_follow_again(struct flight *flight) {
    static const struct ask_rules rules = {.words = {.effect = "adopt a command"},
                                           .judge = adoption_judge,
                                           .refused = adoption_refused,
                                           .dropped = flight__adoption_free};
    struct dispatch *dispatch = flight->dispatch;
    unresponsive__watch_deadline(flight); /* The holder may never be reached. */
    /* A holder that could not be killed is not spoken to again, but asked for. */
    if (flight->health != HEALTH_GOOD ||
        err_failed(holder_adopt(dispatch->options.holders, flight->folder.name, dispatch->news,
                                flight, &flight->holder))) {
        decide__pause(flight);
        return;
    }
    flight__follow(flight, INPUT_UNKNOWN);
    dispatch->stats.adopted += !flight->ours;
    if (!flight->ours && flight->adoption == NULL) {
        struct adoption *adoption = mem_new(sizeof *adoption);
        adoption->run = id_copy(flight__run(flight));
        adoption->flight = flight;
        adoption->attempt = flight->attempt;
        flight->adoption = adoption;
        ask_init(&adoption->ask, &dispatch->asker, &rules, adoption);
        ask_write(&adoption->ask, adoption_tx, adoption_done);
    }
}

static void flight_judge(struct flight *flight) {
    struct flight_work *work = flight->work;
    switch (work->found.found) {
    case SPOOL_ALIVE:
        flight_follow_again(flight);
        break;
    case SPOOL_ENDED:
        settle__exit(flight, &work->found.exit);
        break;
    case SPOOL_GONE:
    case SPOOL_CLOSED:
        flight_clear(flight);
        break;
    case SPOOL_VOID:
    case SPOOL_STRANGE:
    case SPOOL_NONE: /* Only with SPOOL_LOOK. */
        /* The folder's word counts, unless somebody has taken it away: where a claim was told to us
         * and is not there, or where there is no folder, the command may have run. */
        /* A holder that told us why it could not begin did not. */
        if (flight->claimed || work->removed ||
            (work->found.found == SPOOL_STRANGE &&
             !(!work->ended && work->exit.end == EXIT_NOT_STARTED && work->exit.os != 0))) {
            work->removed = true;
            flight_clear(flight);
        } else {
            settle__begin(flight, (struct attempt){.end = ATTEMPT_VOID});
        }
        break;
    }
}

static void decided(struct pool_job *job) {
    struct flight_work *work = CONTAINER_OF(job, struct flight_work, job);
    struct flight *flight = work->flight;
    if (!work__back(work)) {
        return;
    }
    if (work->of_other_host && (err_failed(work->err) || work->found.found != SPOOL_ENDED)) {
        settle__begin(flight, (struct attempt){.end = ATTEMPT_HOST_GONE});
    } else if (err_failed(work->err)) {
        if (flight->tries == 0) {
            dispatch__report(flight->dispatch, "the folder of an attempt could not be read",
                             flight__run(flight), work->err);
        }
        effect_begin(flight->dispatch->options.effects, &flight->effect,
                     "read the folder of an attempt");
        effect_failed(&flight->effect, work->err);
        decide__pause(flight);
    } else {
        effect_done(&flight->effect);
        flight_judge(flight);
    }
}

static void decide(struct flight *flight) {
    struct flight_work *work = flight__work(flight);
    flight__enter(flight, FLIGHT_DECIDING);
    work->kill = flight->health != HEALTH_GOOD;
    work->adopts = !flight->ours || flight->dispatch->options.guest;
    work__begin(work, decide_run, decided);
}

void decide__begin(struct flight *flight) {
    flight->tries = 0;
    decide(flight);
}

void decide__silent(struct flight *flight) {
    if (flight->state == FLIGHT_FOLLOWING) {
        holder_close(flight->holder);
        flight->holder = NULL;
        decide__begin(flight);
    } else if (flight->state == FLIGHT_PAUSING) {
        timer_stop(flight->dispatch->options.loop, &flight->timer);
        decide(flight);
    }
}

void decide__later(struct flight *flight) {
    flight->tries = flight->breaks;
    decide__pause(flight);
}
