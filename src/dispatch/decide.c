/* decide.c: what became of an attempt, told by its folder alone.
 *
 * The same path for what an older daemon left, for a holder whose link broke, and for a start that
 * must not be. Who cannot be reached although it lives (its socket was removed) is asked for again;
 * one that should stop is killed in the end, by pid and start time, and its tree with it: no
 * command may live that nobody can stop. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "dispatch/inside.h"

enum {
    PAUSE_FIRST_MS = 20,
    PAUSE_MAX_MS = 1000,
    UNREACHABLE_TRIES = 12, /* Some nine seconds: more than the grace of a stop. */
};

/* --- In the pool ------------------------------------------------------------------------------ */

/* The descriptor names the process before its start time is compared, so it cannot be another. */
static void holder_kill(const struct spool_state *found) {
    AUTO(fd_release) int fd = (int)syscall(SYS_pidfd_open, found->pid, 0U);
    uint64_t start_time = 0;
    if (fd >= 0 && process_start_time(found->pid, &start_time) && start_time == found->start_time) {
        (void)syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0U); /* Else it has just ended. */
    }
}

static void decide_run(struct pool_job *job) {
    struct errand *errand = CONTAINER_OF(job, struct errand, job);
    if (errand->spec != NULL) {
        order__read(errand);
    }
    if (errand->foreign) {
        return;
    }
    if (errand->kill) {
        holder_kill(&errand->found);
        errand->kill = false;
    }
    errand->err = spool_decide(errand->dispatch->options.spool, errand->name, SPOOL_DECIDE,
                               errand->epoch, &errand->found);
}

static void clear_run(struct pool_job *job) {
    struct errand *errand = CONTAINER_OF(job, struct errand, job);
    struct tree_mark mark = {.name = errand->name, .nonce = errand->found.nonce};
    errand->tree = (struct tree_end){0};
    errand->err = tree_end(&mark, TREE_WAIT_MS, &errand->tree);
}

/* --- On the loop ------------------------------------------------------------------------------ */

static void decide(struct flight *flight);

static void on_timer(struct timer *timer) {
    decide(CONTAINER_OF(timer, struct flight, timer));
}

static void pause_before_next(struct flight *flight) {
    flight__enter(flight, FLIGHT_PAUSING);
    unsigned doublings = flight->tries < 6 ? flight->tries : 6;
    uint64_t wait_ms = (uint64_t)PAUSE_FIRST_MS << doublings;
    flight->tries++;
    timer_start(flight->dispatch->options.loop, &flight->timer,
                wait_ms < PAUSE_MAX_MS ? wait_ms : PAUSE_MAX_MS, on_timer);
}

static void follow_again(struct flight *flight) {
    struct dispatch *dispatch = flight->dispatch;
    struct err err = holder_adopt(dispatch->options.holders, flight->name, flight__news(), flight,
                                  &flight->holder);
    if (err_failed(err)) {
        struct errand *errand = flight->errand;
        errand->kill =
            flight->stop && flight->tries >= UNREACHABLE_TRIES && !errand->found.rebooted;
        pause_before_next(flight);
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

static void cleared(struct pool_job *job) {
    struct errand *errand = CONTAINER_OF(job, struct errand, job);
    struct flight *flight = errand->flight;
    if (!flight__back(errand)) {
        return;
    }
    bool left = err_failed(errand->err) || errand->tree.left > 0;
    if (left && flight->tries < TREE_TRIES) {
        pause_before_next(flight); /* The folder says the same again, and so it is tried again. */
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
    settle__begin(flight, (struct attempt){.end = ATTEMPT_GONE});
}

static void clear(struct flight *flight) {
    struct errand *errand = flight->errand;
    if (errand->found.rebooted) { /* Then nothing of it can live. */
        errand->note[0] = '\0';
        settle__begin(flight, (struct attempt){.end = ATTEMPT_REBOOTED});
        return;
    }
    flight__enter(flight, FLIGHT_CLEARING);
    errand->away = true;
    errand->job = (struct pool_job){.kind = POOL_SLOW, .run = clear_run, .done = cleared};
    pool_add(&flight->dispatch->pool, &errand->job);
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
        clear(flight);
        break;
    case SPOOL_VOID:
    case SPOOL_NONE: /* Not with SPOOL_DECIDE. */
        settle__begin(flight, (struct attempt){.end = ATTEMPT_VOID});
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
        pause_before_next(flight);
    } else {
        judge(flight);
    }
}

static void decide(struct flight *flight) {
    struct errand *errand = flight__errand(flight);
    flight__enter(flight, FLIGHT_DECIDING);
    errand->away = true;
    errand->job = (struct pool_job){.kind = POOL_QUICK, .run = decide_run, .done = decided};
    pool_add(&flight->dispatch->pool, &errand->job);
}

void decide__begin(struct flight *flight) {
    flight->tries = 0;
    decide(flight);
}
