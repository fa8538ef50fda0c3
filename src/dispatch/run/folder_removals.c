/* folder_removals.c: removes the folders of runs that were removed, whoever leads.
 *
 *            a list, page by page (the leader's, then the one of this host)
 *   ASLEEP ──────> READING ──some──> REMOVING some folders (in the pool) ──> REMOVING … ──┐
 *     ^               │ none, or an error                                                 v
 *     └───────────────┴──────────────────────────────── the last page ──────── ACKNOWLEDGING
 *
 * A round comes when retention asks for it (retention.c), each EVERY_MS where other hosts write a
 * list, too, and as soon after a round that left something. A standby works off its own list only.
 *
 * A row of folder_removals (engine/run/folder_removals.h) proves that the run has ended and is
 * gone: so what lives of it here is ended first, a holder and what a dead one has left. A run that
 * is in flight is stopped, and its folders wait for the next round, as do those whose processes the
 * system does not let go of. A run whose folder cannot be removed is tried TRIES_MAX times; then it
 * is left to the daily look (retention.c). Tries are counted for FAILING_MAX runs at once, by this
 * life of the daemon: others stay listed until their tries are counted.
 *
 * Under a hold nothing is removed: the rows may be those of a copy. */
#include "engine/run/folder_removals.h"
#include "base/memory.h"
#include "dispatch/base/folder.h"
#include "dispatch/job/work.h"
#include "dispatch/run/retention.h"

enum {
    EVERY_MS = 10 * 1000,
    TRIES_MAX = 7,
    FAILING_MAX = 64,
    WORK_MAX = 16,   /* Folders that a job of the pool looks at; */
    WORK_TREE = 8,   /* one of which something may live counts as so many. */
    DEATH_MS = 1000, /* Of a killed holder: its lock goes with it. */
    LISTS_MAX = 2,
};

/* A run with a folder that could not be removed. */
struct failing {
    struct id run;
    unsigned tries;
    bool met; /* In this round. */
};

/* The run that the pool is at. */
struct cursor {
    size_t at; /* In the page. */
    int64_t attempt;
    struct err err; /* Of its last folder that stays. */
};

enum outcome { OUTCOME_GONE, OUTCOME_STAYS, OUTCOME_FAILED };

struct removals {
    struct dispatch *dispatch;
    struct timer timer;
    struct ask ask;
    struct pool_job job;
    bool away;                     /* In the store or in the pool, which then has what follows. */
    bool shared;                   /* Other hosts share the database. */
    bool again;                    /* A round was asked for during this one. */
    bool left;                     /* This round leaves something that may go soon. */
    struct bytes lists[LISTS_MAX]; /* Places, of this round; borrowed from the options. */
    size_t list_count, list;
    struct folder_removals listed; /* `attempts` 0: that run stays listed. */
    enum outcome outcomes[FOLDER_REMOVALS_PAGE];
    struct err errs[FOLDER_REMOVALS_PAGE];
    struct cursor cursor; /* The pool's while a job is there. */
    struct failing failing[FAILING_MAX];
    size_t failing_count;
    struct log_change folder_log, store_log;
};

static void round_begin(struct removals *removals);
static void page_ask(struct removals *removals);

static void on_timer(struct timer *timer) {
    round_begin(CONTAINER_OF(timer, struct removals, timer));
}

static void removals_free(void *ctx) {
    struct removals *removals = ctx;
    timer_stop(removals->dispatch->options.loop, &removals->timer);
    removals->dispatch->removals = NULL;
    mem_free(removals);
}

/* Whether an error that stands in `log` is news. */
static bool is_news(const struct removals *removals, struct log_change *log, struct err err) {
    return log_change_take(log, err, world_mono_ns(loop_world(removals->dispatch->options.loop)));
}

static void round_end(struct removals *removals) {
    struct dispatch *dispatch = removals->dispatch;
    if (removals->again) {
        timer_start(dispatch->options.loop, &removals->timer, 0, on_timer);
    } else if (removals->shared || removals->left) {
        timer_start(dispatch->options.loop, &removals->timer, EVERY_MS, on_timer);
    }
}

static void list_next(struct removals *removals) {
    if (++removals->list < removals->list_count) {
        removals->listed = (struct folder_removals){.place = removals->lists[removals->list]};
        page_ask(removals);
        return;
    }
    /* Runs that are not listed any more, and those that are given up, are no longer counted. */
    size_t kept = 0;
    for (size_t i = 0; i < removals->failing_count; i++) {
        struct failing *failing = &removals->failing[i];
        if (failing->met && failing->tries < TRIES_MAX) {
            removals->failing[kept++] = *failing;
        }
    }
    removals->failing_count = kept;
    if (removals->failing_count == 0) {
        removals->folder_log.last = ERR_OK;
    }
    round_end(removals);
}

/* False: the round ended with an error. A server that is away is told by what else is read, and of
 * a standby only the log of the leader is worth a line. */
static bool answered(struct removals *removals) {
    struct err err = removals->ask.err;
    removals->away = false;
    if (is_news(removals, &removals->store_log, err) && !removals->dispatch->options.guest) {
        dispatch__report(removals->dispatch, "the list of removed folders could not be worked off",
                         BYTES(""), err);
    }
    if (err_failed(err)) {
        removals->left = true;
        round_end(removals);
    }
    return !err_failed(err);
}

/* --- Acknowledging ---------------------------------------------------------------------------- */

static struct err gone_tx(struct tx *tx, void *ctx) {
    struct removals *removals = ctx;
    return tx_folder_removals_done(tx, &removals->listed);
}

static void gone_done(void *ctx) {
    struct removals *removals = ctx;
    if (!answered(removals)) {
        return;
    }
    if (removals->listed.more) {
        removals->listed.after = removals->listed.next;
        page_ask(removals);
    } else {
        list_next(removals);
    }
}

/* --- Folders ---------------------------------------------------------------------------------- */

/* Ends what lives of an attempt, and removes its folder. OUTCOME_STAYS: the whole run stays. Where
 * the folder cannot be looked at, nobody knows what lives: the error is kept in the cursor. */
static enum outcome folder_remove(struct removals *removals, const char *name, unsigned *io_work) {
    const struct dispatch_options *options = &removals->dispatch->options;
    struct spool_state state;
    struct err err = spool_decide(options->spool, name, SPOOL_LOOK, 0 /* epoch */, &state);
    if (!err_failed(err) && state.found == SPOOL_ALIVE && !state.rebooted) {
        *io_work += WORK_TREE;
        process_kill(state.pid, state.start_time, DEATH_MS);
        err = spool_decide(options->spool, name, SPOOL_LOOK, 0 /* epoch */, &state);
    }
    if (!err_failed(err) && state.found == SPOOL_GONE && !state.rebooted) {
        const struct tree_mark mark = {.name = name, .nonce = state.nonce};
        struct tree_end end = {.left = 1};
        *io_work += WORK_TREE;
        bool ended = !err_failed(tree_end(&mark, 1, TREE_WAIT_MS, &end)) && end.left == 0;
        if (cgroups_end(options->cgroups, name, TREE_WAIT_MS) != 0 || !ended) {
            return OUTCOME_STAYS;
        }
    } else if (!err_failed(err) && state.found == SPOOL_ALIVE) {
        return OUTCOME_STAYS;
    }
    if (!err_failed(err)) {
        err = spool_remove(options->spool, name);
    }
    if (err.code == ERR_BUSY) {
        return OUTCOME_STAYS;
    }
    removals->cursor.err = err_failed(err) ? err : removals->cursor.err;
    return err_failed(removals->cursor.err) ? OUTCOME_FAILED : OUTCOME_GONE;
}

/* A stop waits for what is in the pool: so a job looks at a few folders. */
static void remove_run(struct pool_job *job) {
    struct removals *removals = CONTAINER_OF(job, struct removals, job);
    struct cursor *cursor = &removals->cursor;
    for (unsigned work = 0; work < WORK_MAX && cursor->at < removals->listed.count; work++) {
        const struct folder_removal *removal = &removals->listed.page[cursor->at];
        int64_t last = removal->attempts < RUN_FOLDERS_MAX ? removal->attempts : RUN_FOLDERS_MAX;
        enum outcome outcome = OUTCOME_STAYS; /* Of a run in flight. */
        if (last > 0) {
            const struct folder folder = folder_named(bytes_of(removal->run.text), cursor->attempt);
            outcome = folder_remove(removals, folder.name, &work);
        }
        if (outcome == OUTCOME_STAYS || cursor->attempt >= last) {
            removals->outcomes[cursor->at] = outcome;
            removals->errs[cursor->at] = cursor->err;
            *cursor = (struct cursor){.at = cursor->at + 1, .attempt = 1};
        } else {
            cursor->attempt++;
        }
    }
}

/* True: that was its last try. A run that both lists have is counted once in a round. No tries are
 * counted beyond FAILING_MAX runs. */
static bool try_count(struct removals *removals, const struct id *run) {
    size_t at = 0;
    while (at < removals->failing_count && strcmp(removals->failing[at].run.text, run->text) != 0) {
        at++;
    }
    if (at == FAILING_MAX) {
        return false;
    }
    struct failing *failing = &removals->failing[at];
    if (at == removals->failing_count) {
        *failing = (struct failing){.run = *run};
        removals->failing_count++;
    }
    failing->tries += !failing->met;
    failing->met = true;
    return failing->tries >= TRIES_MAX;
}

/* Which rows may go. */
static void page_judge(struct removals *removals) {
    struct dispatch *dispatch = removals->dispatch;
    const struct id *given_up = NULL, *failed = NULL;
    struct err err = ERR_OK;
    for (size_t i = 0; i < removals->listed.count; i++) {
        struct folder_removal *removal = &removals->listed.page[i];
        bool gone = removals->outcomes[i] == OUTCOME_GONE;
        if (removals->outcomes[i] == OUTCOME_FAILED) {
            gone = try_count(removals, &removal->run);
            failed = &removal->run;
            given_up = gone ? failed : given_up;
            err = removals->errs[i];
        }
        removals->left |= !gone;
        removal->attempts = gone ? removal->attempts : 0;
    }
    if (given_up != NULL) {
        dispatch__report(dispatch,
                         "the folder of a run could not be removed; it stays without a row",
                         bytes_of(given_up->text), err);
    } else if (failed != NULL && is_news(removals, &removals->folder_log, err)) {
        dispatch__report(dispatch, "the folder of a run could not be removed; it is tried again",
                         bytes_of(failed->text), err);
    }
}

static void remove_done(struct pool_job *job) {
    struct removals *removals = CONTAINER_OF(job, struct removals, job);
    struct dispatch *dispatch = removals->dispatch;
    if (dispatch->stopping) {
        removals_free(removals);
        dispatch__end_stop(dispatch);
    } else if (removals->cursor.at < removals->listed.count) {
        pool_add(&dispatch->pool, &removals->job);
    } else {
        page_judge(removals);
        ask_write(&removals->ask, gone_tx, gone_done);
    }
}

/* --- Pages ------------------------------------------------------------------------------------ */

static struct err page_tx(struct tx *tx, void *ctx) {
    struct removals *removals = ctx;
    return tx_folder_removals_find(tx, &removals->listed);
}

static void page_done(void *ctx) {
    struct removals *removals = ctx;
    struct dispatch *dispatch = removals->dispatch;
    if (!answered(removals)) {
        return;
    }
    if (removals->listed.count == 0 || dispatch->options.hold == RUN_HELD) {
        list_next(removals);
        return;
    }
    for (size_t i = 0; i < removals->listed.count; i++) {
        struct folder_removal *removal = &removals->listed.page[i];
        /* True: some of its attempts are in flight, and were asked to end. */
        struct table_node *node = table_find(&dispatch->flights, bytes_of(removal->run.text));
        bool flies = node != NULL;
        for (; node != NULL; node = table_find_next(node)) {
            flight__stop(CONTAINER_OF(node, struct flight, node), 0 /* grace_ms */);
        }
        removal->attempts = flies ? 0 : removal->attempts;
    }
    removals->away = true;
    removals->cursor = (struct cursor){.attempt = 1};
    pool_begin(&dispatch->pool, &removals->job, POOL_TIDY, remove_run, remove_done);
}

static void page_ask(struct removals *removals) {
    removals->away = true;
    ask_read(&removals->ask, page_tx, page_done);
}

static void round_begin(struct removals *removals) {
    const struct dispatch_options *options = &removals->dispatch->options;
    removals->again = removals->left = false;
    for (size_t i = 0; i < removals->failing_count; i++) {
        removals->failing[i].met = false;
    }
    removals->list_count = removals->list = 0;
    if (!options->guest) {
        removals->lists[removals->list_count++] = BYTES("");
    }
    if (removals->shared && options->bounds.host.len > 0) {
        removals->lists[removals->list_count++] = options->bounds.host;
    }
    if (removals->list_count == 0) {
        return;
    }
    removals->listed = (struct folder_removals){.place = removals->lists[0]};
    page_ask(removals);
}

/* --- Removed by a client ---------------------------------------------------------------------- */

struct err run_folders_remove(const struct spool *spool, const struct run_folders *folders) {
    struct err last = ERR_OK;
    if (!id_valid(folders->run.data, folders->run.len, "run")) {
        return err_make(ERR_STORE_CORRUPT, "runs: the id that names a folder");
    }
    for (int64_t i = 0; i < RUN_FOLDERS_MAX && i <= folders->last - folders->first; i++) {
        const struct folder folder = folder_named(folders->run, folders->first + i);
        struct err err = spool_remove(spool, folder.name);
        last = err_failed(err) ? err : last;
    }
    return last;
}

/* --- Life ------------------------------------------------------------------------------------- */

static void removals_start(struct dispatch *dispatch) {
    static const struct ask_rules rules = {.judge = ask_any, .dropped = removals_free};
    struct removals *removals = dispatch->removals;
    if (dispatch->stopping) {
        return;
    }
    if (removals == NULL) {
        removals = dispatch->removals = mem_new(sizeof *removals);
        removals->dispatch = dispatch;
        ask_init(&removals->ask, &dispatch->asker, &rules, removals);
    }
    if (dispatch__shares_hosts(dispatch) && !removals->shared) {
        removals->shared = true;
        if (!removals->away) {
            timer_start(dispatch->options.loop, &removals->timer, EVERY_MS, on_timer);
        }
    }
}

void removals__look(struct dispatch *dispatch) {
    struct removals *removals = dispatch->removals;
    if (removals == NULL || removals->away) {
        if (removals != NULL) {
            removals->again = true;
        }
        return;
    }
    timer_start(dispatch->options.loop, &removals->timer, 0, on_timer);
}

static void removals_stop(struct dispatch *dispatch) {
    struct removals *removals = dispatch->removals;
    if (removals != NULL && !removals->away) {
        removals_free(removals); /* Else the step that is away ends it. */
    }
}

const struct dispatch_part removals_part = {.steps = {[PART_OPEN] = removals_start,
                                                      [PART_RECOVER] = removals_start,
                                                      [PART_STOP] = removals_stop,
                                                      [PART_CLOSE] = removals_stop}};
