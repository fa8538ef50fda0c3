/* reports.c: brings the ends that other hosts report into the rows.
 *
 *   WAITING ──a second──> LOOKING (a read) ──some──> TAKING (a write, a page) ──more──> TAKING
 *      ^ ──────────────────── none, or an error ────────────────── the last page ──┘
 *
 * A look is a read, so a daemon without other hosts writes nothing for them. What the ends ask for
 * comes through the door of every other note. */
#include <string.h>

#include "base/memory.h"
#include "dispatch/host/parts.h"
#include "dispatch/job/inside.h"
#include "engine/host/reports.h"

enum { LOOK_MS = 1000 };

static void reports_look(struct timer *timer);

struct reports {
    struct dispatch *dispatch;
    struct timer timer;
    unsigned tries; /* In a row that failed. */
    struct effect effect;
    bool any; /* The store function's, as the next two. */
    struct host_reports_take take;
    struct host_reports_taken taken;
};

static void reports_wait(struct reports *reports, uint64_t wait_ms) {
    timer_start(reports->dispatch->options.loop, &reports->timer, wait_ms, reports_look);
}

static struct err look_tx(struct tx *tx, void *ctx) {
    struct reports *reports = ctx;
    return tx_host_reports_any(tx, &reports->any);
}

static struct err take_tx(struct tx *tx, void *ctx) {
    struct reports *reports = ctx;
    return tx_host_reports_take(tx, &reports->take, &reports->taken);
}

/* False: the answer is of no use, and what follows from that was done. */
static bool reports_answered(struct reports *reports, struct err err) {
    struct dispatch *dispatch = reports->dispatch;
    if (!dispatch__goes_on(dispatch)) {
        return false;
    }
    if (err_failed(err)) {
        if (reports->tries == 0) {
            dispatch__failed(dispatch,
                             "the reports of other hosts could not be taken; it is tried again",
                             (struct bytes){"", 0}, err);
        }
        dispatch->stats.store_retries++;
        effect_begin(dispatch->options.effects, &reports->effect, "take reports of other hosts");
        effect_failed(&reports->effect, err);
        reports_wait(reports, dispatch__wait_ms(++reports->tries));
        return false;
    }
    reports->tries = 0;
    effect_done(&reports->effect);
    return true;
}

static void take_page(struct reports *reports);

static void take_done(struct err err, void *ctx) {
    struct reports *reports = ctx;
    struct dispatch *dispatch = reports->dispatch;
    if (!reports_answered(reports, err)) {
        return;
    }
    const struct host_reports_taken *taken = &reports->taken;
    dispatch->stats.reports += (uint64_t)taken->settled;
    dispatch->stats.reports_late += (uint64_t)taken->late;
    if (taken->bare + taken->refused > 0) {
        dispatch__failed(dispatch,
                         taken->refused > 0
                             ? "the end of a command that another host reported could not be"
                               " stored: its run has failed"
                             : "the end of a command that another host reported was stored without"
                               " result and output",
                         bytes_of(taken->first.text), taken->why);
    }
    if (taken->more) {
        take_page(reports);
    } else {
        reports_wait(reports, LOOK_MS);
    }
}

static void take_page(struct reports *reports) {
    struct dispatch *dispatch = reports->dispatch;
    reports->take = (struct host_reports_take){.limit = HOST_REPORTS_PAGE,
                                               .random = dispatch__random(dispatch),
                                               .bounds = dispatch_bounds(dispatch)};
    dispatch__write(dispatch, take_tx, take_done, reports);
}

static void look_done(struct err err, void *ctx) {
    struct reports *reports = ctx;
    if (!reports_answered(reports, err)) {
        return;
    }
    if (reports->any) {
        take_page(reports);
    } else {
        reports_wait(reports, LOOK_MS);
    }
}

static void reports_look(struct timer *timer) {
    struct reports *reports = CONTAINER_OF(timer, struct reports, timer);
    dispatch__read(reports->dispatch, look_tx, look_done, reports);
}

static void reports_start(struct dispatch *dispatch) {
    bool shared = dispatch->options.bounds.hosts == RUN_HOSTS_SHARED;
    bool held = dispatch->options.hold == RUN_HELD; /* The release recovers again. */
    if (shared && !held && dispatch->reports == NULL && !dispatch->stopping) {
        dispatch->reports = mem_new(sizeof *dispatch->reports);
        dispatch->reports->dispatch = dispatch;
        reports_look(&dispatch->reports->timer);
    }
}

static void reports_stop(struct dispatch *dispatch) {
    if (dispatch->reports != NULL) {
        timer_stop(dispatch->options.loop, &dispatch->reports->timer);
    }
}

static void reports_close(struct dispatch *dispatch) {
    mem_free(dispatch->reports);
}

const struct dispatch_part reports_part = {
    .recover = reports_start, .stop = reports_stop, .close = reports_close};
