/* decide.c: what became of an attempt, told by its folder alone.
 *
 * The same path for what an older daemon left, for a holder whose link broke, and for a start that
 * must not be. Who cannot be reached although it lives (its socket was removed, or hangs up) is
 * asked for again, once a second in the end; one that should stop and is deaf (unresponsive.c) is
 * killed, by pid and start time, and its tree with it: no command may live that nobody can stop. */
#include <stdio.h>

#include "dispatch/job/inside.h"

enum {
    PAUSE_FIRST_MS = 20,
    PAUSE_MAX_MS = 1000,
    DEATH_MS = 1000, /* Of a killed holder: its lock goes with it. */
};

/* --- In the pool ------------------------------------------------------------------------------ */

/* A doubted row may be older than its folder, which was removed since: that is no `void`. A holder
 * that an earlier daemon of this place started may still be on its way, and could begin after a
 * mere look: so the name is closed. */
static void look(struct errand *errand) {
    errand->err =
        spool_decide(errand->dispatch->options.spool, errand->name,
                     errand->doubted ? SPOOL_CLOSE : SPOOL_DECIDE, errand->epoch, &errand->found);
}

/* A folder that is not there stands for a start that an earlier daemon did not come to, unless a
 * process of it lives: then somebody has removed the folder, and a second start would be a second
 * copy. */
static bool lives_without_folder(const struct errand *errand) {
    int64_t changed_s = 0;
    bool lives = false;
    const struct tree_mark mark = {.name = errand->name, .nonce = ""};
    struct err err = spool_changed_s(errand->dispatch->options.spool, errand->name, &changed_s);
    return err.code == ERR_NOT_FOUND && !err_failed(tree_find(&mark, 1, &lives)) && lives;
}

static void decide_run(struct pool_job *job) {
    struct errand *errand = CONTAINER_OF(job, struct errand, job);
    errand__at(errand);
    if (errand->spec != NULL) {
        order__read(errand);
    }
    if (errand->foreign) {
        return;
    }
    errand->removed = errand->adopts && lives_without_folder(errand);
    look(errand); /* Nothing begins there any more. */
    bool lives = !err_failed(errand->err) && errand->found.found == SPOOL_ALIVE;
    if (errand->kill && lives && !errand->found.rebooted) {
        process_kill(errand->found.pid, errand->found.start_time, DEATH_MS);
        look(errand);
    }
    if (!err_failed(errand->err) && errand->found.found == SPOOL_GONE) {
        errand->disk = spool_disk(errand->dispatch->options.spool, errand->name);
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

static void follow_again(struct flight *flight) {
    struct dispatch *dispatch = flight->dispatch;
    overdue__watch(flight); /* It may never be reached. */
    if (flight->deaf ||     /* Who could not be killed is not spoken to again, but asked for. */
        err_failed(holder_adopt(dispatch->options.holders, flight->name, flight__news(), flight,
                                &flight->holder))) {
        decide__pause(flight);
        return;
    }
    flight__follow(flight, INPUT_UNKNOWN);
    if (!flight->ours) {
        dispatch->stats.adopted++;
        if (flight->adoption == NULL) {
            adopt__write(flight);
        }
    }
}

static void clear(struct flight *flight) {
    struct errand *errand = flight->errand;
    if (errand->found.rebooted) { /* Then nothing of it can live. */
        errand->note[0] = '\0';
        settle__begin(flight, (struct attempt){.end = ATTEMPT_REBOOTED});
        return;
    }
    clear__begin(flight);
}

/* A holder that told us why it could not begin did not. */
static bool refused(const struct errand *errand) {
    return !errand->ended && errand->exit.end == EXIT_NOT_STARTED && errand->exit.os != 0;
}

/* The folder's word counts, unless somebody has taken it away: where a claim was told to us and is
 * not there, or where there is no folder, the command may have run. */
static void judge_unclaimed(struct flight *flight) {
    struct errand *errand = flight->errand;
    bool strange = errand->found.found == SPOOL_STRANGE;
    if (flight->claimed || errand->removed || (strange && !refused(errand))) {
        errand->removed = true;
        clear(flight);
    } else {
        settle__begin(flight, (struct attempt){.end = ATTEMPT_VOID});
    }
}

static void judge(struct flight *flight) {
    struct errand *errand = flight->errand;
    switch (errand->found.found) {
    case SPOOL_ALIVE:
        follow_again(flight);
        break;
    case SPOOL_ENDED:
        settle__exit(flight, &errand->found.exit);
        break;
    case SPOOL_GONE:
    case SPOOL_CLOSED:
        clear(flight);
        break;
    case SPOOL_VOID:
    case SPOOL_STRANGE:
    case SPOOL_NONE: /* Only with SPOOL_LOOK. */
        judge_unclaimed(flight);
        break;
    }
}

static void decided(struct pool_job *job) {
    struct errand *errand = CONTAINER_OF(job, struct errand, job);
    struct flight *flight = errand->flight;
    if (!flight__back(errand)) {
        return;
    }
    if (errand->foreign) {
        settle__begin(flight, (struct attempt){.end = ATTEMPT_HOST_GONE});
    } else if (err_failed(errand->err)) {
        if (flight->tries == 0) {
            dispatch__failed(flight->dispatch, "the folder of an attempt could not be read",
                             flight__run(flight), errand->err);
        }
        effect_begin(flight->dispatch->options.effects, &flight->effect,
                     "read the folder of an attempt");
        effect_failed(&flight->effect, errand->err);
        decide__pause(flight);
    } else {
        effect_done(&flight->effect);
        judge(flight);
    }
}

static void decide(struct flight *flight) {
    struct errand *errand = flight__errand(flight);
    flight__enter(flight, FLIGHT_DECIDING);
    errand->away = true;
    errand->kill = flight->deaf;
    errand->adopts = !flight->ours || flight->dispatch->options.guest;
    errand->job = (struct pool_job){.kind = POOL_QUICK, .run = decide_run, .done = decided};
    pool_add(&flight->dispatch->pool, &errand->job);
}

void decide__begin(struct flight *flight) {
    flight->tries = 0;
    decide(flight);
}

void decide__now(struct flight *flight) {
    timer_stop(flight->dispatch->options.loop, &flight->timer);
    decide(flight);
}

void decide__later(struct flight *flight) {
    flight->tries = flight->breaks;
    decide__pause(flight);
}
