/* removals.c: removes what lies on this host of runs that were removed, whoever leads.
 *
 *   WAITING ──EVERY_MS──> READING a page ──some──> REMOVING (in the pool) ──> ACKNOWLEDGING ─┐
 *      ^                     │ none, or an error                                            │
 *      └─────────────────────┴────────────────────────────────────── the last page ─────────┘
 *
 * A row of folder_removals with our place (engine/folder_removals.h) proves that the run has ended
 * and is gone: so what lives of it here is ended first, a holder and what a dead one has left. A
 * run that is in flight is stopped, and its folders wait for the next round, as do those whose
 * processes the system does not let go of. A folder that cannot be removed is tried again in
 * TRIES_MAX rounds; then it is litter (retain.c).
 *
 * Under a hold nothing is removed: the rows may be those of a copy. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "dispatch/inside.h"
#include "dispatch/run_folders.h"
#include "engine/folder_removals.h"

enum {
    EVERY_MS = 10 * 1000,
    TRIES_MAX = 6,
    DEATH_MS = 1000, /* Of a killed holder: its lock goes with it. */
};

struct removals {
    struct dispatch *dispatch;
    struct timer timer;
    struct pool_job job;
    bool away; /* In the store or in the pool, which then has all that follows. */
    struct folder_removals listed; /* `attempts` 0: that run stays listed. */
    struct err err;                /* Of the last folder of this page that stays, */
    struct id failed;              /* and its run. */
    bool fails;                    /* Some folder stayed in this round; */
    unsigned tries;                /* in so many rounds before it, in a row, too. */
};

static void on_timer(struct timer *timer);
static void page_ask(struct removals *removals);

static struct bytes id_of(const struct id *id) {
    return (struct bytes){id->text, strlen(id->text)};
}

static struct bytes place_of(const struct removals *removals) {
    return removals->dispatch->options.bounds.host;
}

static void sleep_until_next(struct removals *removals) {
    timer_start(removals->dispatch->options.loop, &removals->timer, EVERY_MS, on_timer);
}

static void removals_free(struct removals *removals) {
    removals->dispatch->removals = NULL;
    mem_free(removals);
}

/* False: the answer is of no use, and what follows from that was done. A server that is away is
 * told by what else is read; the next round begins anew. */
static bool answered(struct removals *removals, struct err err) {
    dispatch__answered(removals->dispatch);
    removals->away = false;
    if (removals->dispatch->stopping) {
        removals_free(removals);
        return false;
    }
    if (err_failed(err)) {
        sleep_until_next(removals);
        return false;
    }
    return true;
}

static void page_next(struct removals *removals) {
    if (!removals->listed.more) {
        sleep_until_next(removals);
        return;
    }
    removals->listed.after = removals->listed.next;
    page_ask(removals);
}

/* --- Acknowledging ---------------------------------------------------------------------------- */

static struct err gone_tx(struct tx *tx, void *ctx) {
    struct removals *removals = ctx;
    return tx_folder_removals_done(tx, &removals->listed);
}

static void gone_done(struct err err, void *ctx) {
    struct removals *removals = ctx;
    if (answered(removals, err)) {
        page_next(removals);
    }
}

/* --- Folders ---------------------------------------------------------------------------------- */

/* True: nothing of the attempt lives. */
static bool tree_is_ended(const struct dispatch *dispatch, const char *name) {
    const struct spool *spool = dispatch->options.spool;
    struct spool_state state;
    struct err err = spool_decide(spool, name, SPOOL_LOOK, 0 /* epoch */, &state);
    if (!err_failed(err) && state.found == SPOOL_ALIVE && !state.rebooted) {
        process_kill(state.pid, state.start_time, DEATH_MS);
        err = spool_decide(spool, name, SPOOL_LOOK, 0 /* epoch */, &state);
    }
    if (err_failed(err) || state.found != SPOOL_GONE || state.rebooted) {
        return err_failed(err) || state.found != SPOOL_ALIVE;
    }
    const struct tree_mark mark = {.name = name, .nonce = state.nonce};
    struct tree_end end = {.left = 1};
    err = tree_end(&mark, 1, TREE_WAIT_MS, &end);
    return cgroups_end(dispatch->options.cgroups, name, TREE_WAIT_MS) == 0 && !err_failed(err) &&
           end.left == 0;
}

/* Whether the row may go. */
static bool folders_remove(struct removals *removals, const struct folder_removal *removal) {
    const struct dispatch *dispatch = removals->dispatch;
    int64_t last = removal->attempts < RUN_FOLDERS_MAX ? removal->attempts : RUN_FOLDERS_MAX;
    bool whole = true;
    for (int64_t attempt = 1; attempt <= last; attempt++) {
        char name[PROTOCOL_NAME_MAX];
        int len = snprintf(name, sizeof name, "%s.%" PRId64, removal->run.text, attempt);
        assert(len > 0 && (size_t)len < sizeof name);
        if (!tree_is_ended(dispatch, name)) {
            return false;
        }
        struct err err = spool_remove(dispatch->options.spool, name);
        if (err.code == ERR_BUSY) {
            return false;
        }
        if (err_failed(err)) {
            removals->err = err;
            removals->failed = removal->run;
            whole = false;
        }
    }
    return whole || removals->tries >= TRIES_MAX;
}

static void remove_run(struct pool_job *job) {
    struct removals *removals = CONTAINER_OF(job, struct removals, job);
    for (size_t i = 0; i < removals->listed.count; i++) {
        struct folder_removal *removal = &removals->listed.page[i];
        removal->attempts = folders_remove(removals, removal) ? removal->attempts : 0;
    }
}

static void remove_done(struct pool_job *job) {
    struct removals *removals = CONTAINER_OF(job, struct removals, job);
    struct dispatch *dispatch = removals->dispatch;
    if (dispatch->stopping) {
        removals_free(removals);
        dispatch__maybe_stopped(dispatch);
        return;
    }
    bool first = !removals->fails && removals->tries == 0;
    removals->fails |= err_failed(removals->err);
    if (err_failed(removals->err) && (first || removals->tries >= TRIES_MAX)) {
        dispatch__failed(dispatch, "the folder of a run could not be removed",
                         id_of(&removals->failed), removals->err);
    }
    dispatch__write(dispatch, gone_tx, gone_done, removals);
}

/* --- Pages ------------------------------------------------------------------------------------ */

/* True: some of its attempts are in flight, and were asked to end. */
static bool run_is_stopped(struct dispatch *dispatch, const struct id *run) {
    struct table_node *node = table_find(&dispatch->flights, id_of(run));
    bool flies = node != NULL;
    for (; node != NULL; node = table_find_next(node)) {
        flight__stop(CONTAINER_OF(node, struct flight, node), 0 /* grace_ms */);
    }
    return flies;
}

static struct err page_tx(struct tx *tx, void *ctx) {
    struct removals *removals = ctx;
    return tx_folder_removals_find(tx, &removals->listed);
}

static void page_done(struct err err, void *ctx) {
    struct removals *removals = ctx;
    struct dispatch *dispatch = removals->dispatch;
    if (!answered(removals, err)) {
        return;
    }
    if (removals->listed.count == 0 || dispatch->options.hold == RUN_HELD) {
        sleep_until_next(removals);
        return;
    }
    removals->err = ERR_OK;
    for (size_t i = 0; i < removals->listed.count; i++) {
        struct folder_removal *removal = &removals->listed.page[i];
        removal->attempts = run_is_stopped(dispatch, &removal->run) ? 0 : removal->attempts;
    }
    removals->away = true;
    removals->job = (struct pool_job){.kind = POOL_TIDY, .run = remove_run, .done = remove_done};
    pool_add(&dispatch->pool, &removals->job);
}

static void page_ask(struct removals *removals) {
    removals->away = true;
    dispatch__read(removals->dispatch, page_tx, page_done, removals);
}

static void on_timer(struct timer *timer) {
    struct removals *removals = CONTAINER_OF(timer, struct removals, timer);
    removals->listed = (struct folder_removals){.place = place_of(removals)};
    removals->tries = removals->fails && removals->tries < TRIES_MAX ? removals->tries + 1 : 0;
    removals->fails = false;
    page_ask(removals);
}

/* --- Life ------------------------------------------------------------------------------------- */

void removals__start(struct dispatch *dispatch) {
    bool shared = dispatch->options.guest || dispatch->options.bounds.hosts == RUN_HOSTS_SHARED;
    if (shared && dispatch->removals == NULL && !dispatch->stopping) {
        dispatch->removals = mem_new(sizeof *dispatch->removals);
        dispatch->removals->dispatch = dispatch;
        sleep_until_next(dispatch->removals);
    }
}

void removals__stop(struct dispatch *dispatch) {
    struct removals *removals = dispatch->removals;
    if (removals == NULL || removals->away) {
        return; /* The step that is away ends it. */
    }
    timer_stop(dispatch->options.loop, &removals->timer);
    removals_free(removals);
}
