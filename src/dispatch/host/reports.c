/* reports.c: brings the ends that other hosts report into the rows.
 *
 *   WAITING ──a second──> LOOKING (a read) ──some──> TAKING (a write, a page) ──more──> TAKING
 *      ^ ──────────────────── none, or an error ────────────────── the last page ──┘
 *
 * A look is a read, so a daemon without other hosts writes nothing for them. What the ends ask for
 * comes through the door of every other note. */
#include "engine/host/reports.h"
#include "base/memory.h"
#include "dispatch/host/parts.h"
#include "dispatch/job/inside.h"

enum { LOOK_MS = 1000 };

struct reports {
    struct dispatch *dispatch;
    struct ask ask;
    bool any; /* The store function's, as the next two. */
    struct host_reports_take take;
    struct host_reports_taken taken;
};

static struct err take_tx(struct tx *tx, void *ctx) {
    struct reports *reports = ctx;
    return tx_host_reports_take(tx, &reports->take, &reports->taken);
}

static void reports_begin(void *ctx) {
    struct reports *reports = ctx;
    reports->take = (struct host_reports_take){.limit = HOST_REPORTS_PAGE,
                                               .random = dispatch__random(reports->dispatch),
                                               .bounds = dispatch_bounds(reports->dispatch)};
}

static struct err look_tx(struct tx *tx, void *ctx) {
    struct reports *reports = ctx;
    return tx_host_reports_any(tx, &reports->any);
}

static void look_done(void *ctx);

static void take_done(void *ctx) {
    struct reports *reports = ctx;
    struct dispatch *dispatch = reports->dispatch;
    const struct host_reports_taken *taken = &reports->taken;
    dispatch->stats.reports += (uint64_t)taken->settled;
    dispatch->stats.reports_late += (uint64_t)taken->late;
    if (taken->bare + taken->refused > 0) {
        dispatch__report(dispatch,
                         taken->refused > 0
                             ? "the end of a command that another host reported could not be"
                               " stored: its run has failed"
                             : "the end of a command that another host reported was stored without"
                               " result and output",
                         bytes_of(taken->first.text), taken->why);
    }
    if (taken->more) {
        ask_write(&reports->ask, take_tx, take_done);
    } else {
        ask_read_in(&reports->ask, LOOK_MS, look_tx, look_done);
    }
}

static void look_done(void *ctx) {
    struct reports *reports = ctx;
    if (reports->any) {
        ask_write(&reports->ask, take_tx, take_done);
    } else {
        ask_read_in(&reports->ask, LOOK_MS, look_tx, look_done);
    }
}

static void reports_start(struct dispatch *dispatch) {
    static const struct ask_rules rules = {
        .words = {"take reports of other hosts",
                  "the reports of other hosts could not be taken; it is tried again"},
        .begin = reports_begin};
    bool shared = dispatch->options.bounds.hosts == RUN_HOSTS_SHARED;
    bool held = dispatch->options.hold == RUN_HELD; /* The release recovers again. */
    if (shared && !held && dispatch->reports == NULL && !dispatch->stopping) {
        dispatch->reports = mem_new(sizeof *dispatch->reports);
        dispatch->reports->dispatch = dispatch;
        ask_init(&dispatch->reports->ask, &dispatch->asker, &rules, dispatch->reports);
        ask_read(&dispatch->reports->ask, look_tx, look_done);
    }
}

static void reports_stop(struct dispatch *dispatch) {
    if (dispatch->reports != NULL) {
        ask_stop(&dispatch->reports->ask);
    }
}

const struct dispatch_part reports_part = {
    .steps = {[PART_RECOVER] = reports_start, [PART_STOP] = reports_stop}};
