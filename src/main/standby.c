/* standby.c: see standby.h. */
#include "main/standby.h"

#include <unistd.h>

#include "base/memory.h"
#include "main/guest.h"
#include "main/stop_signals.h"
#include "store/datadir.h"
#include "store/opening.h"

/* Time that an opening which was cancelled has to end: a connection that is just being made can't
 * be cut short, and nothing of it is worth waiting for. */
enum {
    CANCEL_MS = 2000,
    GUEST_RETRY_MS = 5 * 1000, /* After an error: no free descriptor, a full disk. */
    OPEN_RETRY_MS = 1000,
};

struct standby {
    struct standby_options options;
    struct loop *loop;             /* Owned. */
    struct store_opening *opening; /* Borrowed until `opened`, NULL after. */
    struct guest_rooms *guest;     /* Owned; NULL: nobody is waited for. */
    struct stop_signals signals;
    struct timer patience, guest_retry, open_retry;
    unsigned tries; /* In a row that failed to open the store. */
    bool waited, stopping;
    bool pausing; /* `open_retry` is started. */
    struct err err;
    struct store *store; /* The caller's at the end. */
    struct why why;
};

/* --- The end ---------------------------------------------------------------------------------- */

static void standby_end(struct standby *standby) {
    stop_signals_close(&standby->signals);
    loop_stop(standby->loop);
}

static void guest_gone(void *ctx) {
    struct standby *standby = ctx;
    guest_close(standby->guest);
    standby->guest = NULL;
    if (standby->store != NULL) {
        pulse_move(standby->options.pulse, standby->options.store->loop);
    }
    standby_end(standby);
}

static void opening_over(struct standby *standby) {
    timer_stop(standby->loop, &standby->guest_retry);
    if (standby->guest == NULL) {
        standby_end(standby);
    } else {
        guest_stop(standby->guest, guest_gone, standby);
    }
}

static void cancel_expired(struct timer *timer) {
    const struct standby *standby = CONTAINER_OF(timer, struct standby, patience);
    log_event(standby->options.serve->log, LOG_INFO,
              "stopped while a connection to the database was being made", NULL /* no fields */);
    _exit(0); /* Nothing was promised to anybody yet. */
}

static void signal_came(void *ctx, int number) {
    struct standby *standby = ctx;
    (void)number; /* Both ask for the same. */
    if (standby->stopping) {
        _exit(err_exit_code(ERR_INTERRUPTED));
    }
    standby->stopping = true;
    if (standby->opening != NULL) {
        store_opening_cancel(standby->opening);
        timer_start(standby->loop, &standby->patience, CANCEL_MS, cancel_expired);
    } else if (standby->pausing) {
        timer_stop(standby->loop, &standby->open_retry);
        standby->err = err_make(ERR_INTERRUPTED, "standby: signal");
        opening_over(standby);
    }
}

/* --- The opening ------------------------------------------------------------------------------ */

static void guest_try(struct timer *timer) {
    struct standby *standby = CONTAINER_OF(timer, struct standby, guest_retry);
    struct err err = guest_open(standby->options.serve, standby->loop, &standby->guest);
    if (err_failed(err)) {
        log_event(standby->options.serve->log, LOG_ERROR,
                  "the processes of this host are not looked after while standing by; trying again"
                  " in 5 s",
                  LOG_FIELDS(log_err(err)));
        timer_start(standby->loop, &standby->guest_retry, GUEST_RETRY_MS, guest_try);
    }
}

static void store_waiting(void *ctx) {
    struct standby *standby = ctx;
    standby->tries = 0;
    if (standby->waited) {
        return; /* It stood by before, and could not take over. */
    }
    standby->waited = true;
    /* The socket of an earlier life: nobody listens there, and clients should hear that at once. */
    AUTO(mem_release) char *socket = datadir_path(standby->options.serve->data, "drover.sock");
    (void)unlink(socket); /* Mostly there is none. */
    log_event(standby->options.serve->log, LOG_INFO,
              "standing by: another daemon holds this database", NULL /* no fields */);
    guest_try(&standby->guest_retry);
}

static void leader_stalled(void *ctx, bool ended) {
    const struct standby *standby = ctx;
    log_event(standby->options.serve->log, ended ? LOG_WARN : LOG_ERROR,
              ended ? "the daemon that leads stood still for 15 s: its session with the database"
                      " was ended"
                    : "the daemon that leads stands still, and this daemon's role may not end its"
                      " session: let both use one role, or GRANT pg_signal_backend",
              NULL /* no fields */);
}

static void open_try(struct timer *timer);

/* Whoever stands by is there to outlive things, and takes over when something has just happened to
 * the server: a daemon that leads tries again then, and so does this one. */
static bool may_pass(const struct standby *standby, struct err err) {
    static const enum err_code passing[] = {ERR_STORE_DOWN, ERR_READ_ONLY, ERR_BUSY, ERR_OVERLOADED,
                                            ERR_DISK_FULL};
    bool passes = false;
    for (size_t i = 0; i < COUNT_OF(passing); i++) {
        passes = passes || err.code == passing[i];
    }
    return passes && !standby->stopping && (standby->waited || standby->options.restarts > 0);
}

static void store_opened(void *ctx, struct err err, struct store *store, const struct why *why) {
    struct standby *standby = ctx;
    standby->opening = NULL;
    timer_stop(standby->loop, &standby->patience);
    if (may_pass(standby, err)) {
        if (standby->tries++ == 0) {
            log_event(standby->options.serve->log, LOG_WARN,
                      "the database could not be taken over; trying again each second",
                      LOG_FIELDS(log_text("why", why->text), log_err(err)));
        }
        standby->pausing = true;
        timer_start(standby->loop, &standby->open_retry, OPEN_RETRY_MS, open_try);
        return;
    }
    standby->err = err;
    standby->store = store;
    standby->why = *why;
    if (store != NULL) { /* What the guest ends with may take long, and others stand by. */
        struct loop *loop = standby->guest == NULL ? standby->options.store->loop : standby->loop;
        pulse_start(standby->options.pulse, loop, store);
    }
    opening_over(standby);
}

static void open_try(struct timer *timer) {
    struct standby *standby = CONTAINER_OF(timer, struct standby, open_retry);
    standby->pausing = false;
    const struct store_opening_options with = {.loop = standby->loop,
                                               .store = standby->options.store,
                                               .waiting = store_waiting,
                                               .stalled = leader_stalled,
                                               .opened = store_opened,
                                               .ctx = standby};
    standby->err = store_opening_start(&with, &standby->opening);
    if (err_failed(standby->err)) {
        opening_over(standby);
    }
}

/* --- Beginning -------------------------------------------------------------------------------- */

struct err standby_open_store(const struct standby_options *options, struct store **ret_store,
                              bool *ret_waited, struct why *why) {
    struct standby standby = {.options = *options};
    const struct loop_options of_loop = {.world = options->serve->world};
    struct err err = loop_open(&of_loop, &standby.loop);
    if (!err_failed(err)) {
        stop_signals_open(&standby.signals, standby.loop, signal_came, &standby);
        open_try(&standby.open_retry);
        loop_run(standby.loop);
        err = standby.err;
    }
    loop_close(standby.loop);
    *ret_waited = standby.waited;
    *why = standby.why;
    if (!err_failed(err) && standby.stopping) { /* The lock came together with the signal. */
        pulse_stop(options->pulse);
        store_close(standby.store);
        err = err_make(ERR_INTERRUPTED, "standby: signal");
    }
    if (!err_failed(err)) {
        *ret_store = standby.store;
    }
    return err;
}
