/* orphans.c: ends what lives here for attempts that the rows have given up.
 *
 *   LISTING (in the pool) ──> CHECKING a few names (in the store) ──> CHECKING … ──> over
 *      ^ └──an error──┐              ^ └──an error──┐                      │
 *      ├─── WAITING <─┘              └─── WAITING <─┘                      │
 *      └────────────────────────────── WAITING once, LATE_MS <─────────────┘
 *
 * A run of this host may be abandoned while no daemon of it lives; a later attempt may run
 * elsewhere by then. So each daemon that shares its database with other hosts looks through its
 * spool, when it knows its flights: what lives of an attempt whose run has ended or is at
 * another one is ended by a flight of its own, whose end comes too late to change anything. That is
 * a holder that lives, and what a dead one has left: its tree is known by its mark or its cgroup.
 * A run that the rows do not know is left alone: they may be those of the wrong database.
 *
 * A holder that an earlier daemon started may still be on its way, and claim its folder after the
 * look: so there is a second one, LATE_MS later.
 *
 * An error ends nothing: the same step is tried again, as long as effects.h says that it may go
 * better. A folder that could not be looked at keeps no other waiting: all are listed again after
 * the others were checked. */
#include "base/memory.h"
#include "dispatch/base/folder.h"
#include "dispatch/host/parts.h"
#include "dispatch/job/flight.h"
#include "engine/run/local.h"
#include "proc/tree.h"

enum {
    NAMES_SIZE_MAX = 1 << 20, /* Of holders that live, and as much of dead ones. */
    CHECK_PAGE = 16,          /* Rows come with their specs. */
    MARKS_MAX = 1024,         /* Of dead holders, looked for at once. */
    LATE_MS = 30 * 1000,      /* A holder that claims later is not expected. */
    LOOKS = 2,
};

struct orphans {
    struct dispatch *dispatch;
    struct pool_job job;
    struct timer timer;
    struct ask ask;
    struct retry retry;
    unsigned looks;    /* Lists of which all names were checked. */
    bool away;         /* In the pool. */
    bool listed;       /* All names are there. */
    struct text names; /* Each ends with a zero. The pool's while it lists. */
    struct text dead;  /* The same, of dead holders, each with its nonce after it. */
    struct err err;
    struct err skipped; /* Of the last folder that could not be looked at. */
    size_t at, next;    /* Names before `at` are checked; `next`: the same after this page. */
    size_t count;
    struct run_here asked[CHECK_PAGE];
    bool moved[CHECK_PAGE];
};

static void orphans_check(struct orphans *orphans);

static void orphans_free(void *ctx) {
    struct orphans *orphans = ctx;
    orphans->dispatch->orphans = NULL;
    timer_stop(orphans->dispatch->options.loop, &orphans->timer);
    ask_drop(&orphans->ask);
    retry_done(&orphans->retry);
    text_done(&orphans->names);
    text_done(&orphans->dead);
    mem_free(orphans);
}

static void orphans_list(struct orphans *orphans);

static void on_timer(struct timer *timer) {
    struct orphans *orphans = CONTAINER_OF(timer, struct orphans, timer);
    if (orphans->listed) {
        orphans_check(orphans);
    } else {
        orphans_list(orphans);
    }
}

static void orphans_failed(struct orphans *orphans, struct err err) {
    static const struct retry_words words = {
        .effect = "end what was given up while no daemon was here",
        .again = "what was given up while no daemon was here could not be looked for; it is tried"
                 " again"};
    struct dispatch *dispatch = orphans->dispatch;
    bool hopeless = effect_is_hopeless(orphans->retry.tries + 1, err);
    uint64_t wait_ms = retry_failed(&orphans->retry, &dispatch->asker, &words, BYTES(""), err);
    if (hopeless) {
        effects_abandon(dispatch->options.effects, &orphans->retry.effect);
        orphans_free(orphans);
    } else {
        timer_start(dispatch->options.loop, &orphans->timer, wait_ms, on_timer);
    }
}

/* A folder that was skipped is what has failed, until a list has all of them. */
static void orphans_passed(struct orphans *orphans) {
    if (!err_failed(orphans->skipped)) {
        retry_done(&orphans->retry);
    }
}

/* --- Listing ---------------------------------------------------------------------------------- */

/* Of a holder of another boot nothing lives. Names beyond the bounds wait for the next start. */
static struct err on_folder(void *ctx, const char *name) {
    struct orphans *orphans = ctx;
    struct run_here here;
    struct spool_state state;
    if (!folder_parse(name, &here.run, &here.attempt)) {
        return ERR_OK;
    }
    struct err err =
        spool_decide(orphans->dispatch->options.spool, name, SPOOL_LOOK, 0 /* epoch */, &state);
    if (err_failed(err)) {
        orphans->skipped = err;
        return ERR_OK;
    }
    size_t size = strlen(name) + 1, nonce_size = strlen(state.nonce) + 1;
    if (state.found == SPOOL_ALIVE && orphans->names.len + size <= NAMES_SIZE_MAX) {
        text_add(&orphans->names, name, size);
    } else if (state.found == SPOOL_GONE && !state.rebooted &&
               orphans->dead.len + size + nonce_size <= NAMES_SIZE_MAX) {
        text_add(&orphans->dead, name, size);
        text_add(&orphans->dead, state.nonce, nonce_size);
    }
    return ERR_OK;
}

/* Dead holders of which something lives join the names. A cgroup is removed when its holder ends,
 * or by the next daemon where it is empty. */
static struct err add_living(struct orphans *orphans) {
    const struct cgroups *cgroups = orphans->dispatch->options.cgroups;
    struct tree_mark marks[MARKS_MAX];
    unsigned lives[MARKS_MAX];
    struct err err = ERR_OK;
    for (size_t at = 0; at < orphans->dead.len && !err_failed(err);) {
        size_t count = 0;
        while (count < MARKS_MAX && at < orphans->dead.len) {
            struct tree_mark *mark = &marks[count++];
            mark->name = orphans->dead.data + at;
            at += strlen(mark->name) + 1;
            mark->nonce = orphans->dead.data + at;
            at += strlen(mark->nonce) + 1;
        }
        err = tree_count(marks, count, lives);
        for (size_t i = 0; !err_failed(err) && i < count; i++) {
            size_t size = strlen(marks[i].name) + 1;
            bool left = lives[i] > 0 || cgroups_cpu_us(cgroups, marks[i].name) >= 0;
            if (left && orphans->names.len + size <= NAMES_SIZE_MAX) {
                text_add(&orphans->names, marks[i].name, size);
            }
        }
    }
    return err;
}

static void list_run(struct pool_job *job) {
    struct orphans *orphans = CONTAINER_OF(job, struct orphans, job);
    text_clear(&orphans->names);
    text_clear(&orphans->dead);
    orphans->skipped = ERR_OK;
    orphans->err = spool_each(orphans->dispatch->options.spool, on_folder, orphans);
    if (!err_failed(orphans->err)) {
        orphans->err = add_living(orphans);
    }
}

static void list_done(struct pool_job *job) {
    struct orphans *orphans = CONTAINER_OF(job, struct orphans, job);
    struct dispatch *dispatch = orphans->dispatch;
    orphans->away = false;
    if (dispatch->stopping) {
        orphans_free(orphans);
        dispatch__end_stop(dispatch);
        return;
    }
    if (err_failed(orphans->err)) {
        orphans_failed(orphans, orphans->err);
        return;
    }
    orphans_passed(orphans);
    orphans->listed = true;
    orphans_check(orphans);
}

static void orphans_list(struct orphans *orphans) {
    orphans->away = true;
    pool_begin(&orphans->dispatch->pool, &orphans->job, POOL_TIDY, list_run, list_done);
}

/* --- Checking --------------------------------------------------------------------------------- */

static struct err check_tx(struct tx *tx, void *ctx) {
    struct orphans *orphans = ctx;
    return tx_run_here_moved(tx, orphans->asked, orphans->count, orphans->moved);
}

static void check_done(void *ctx) {
    struct orphans *orphans = ctx;
    struct dispatch *dispatch = orphans->dispatch;
    if (err_failed(orphans->ask.err)) {
        orphans_failed(orphans, orphans->ask.err);
        return;
    }
    orphans_passed(orphans);
    orphans->at = orphans->next;
    for (size_t i = 0; i < orphans->count; i++) {
        const struct run_here *here = &orphans->asked[i];
        const struct run_row row = {.run = bytes_of(here->run.text), .attempt = here->attempt};
        if (orphans->moved[i] && flight__find(dispatch, row.run, row.attempt) == NULL) {
            struct flight *flight = flight__new(dispatch, &row);
            flight->ours = true; /* No row is to say that it is followed. */
            flight__stop(flight, 0);
            decide__begin(flight);
        }
    }
    orphans_check(orphans);
}

static void orphans_check(struct orphans *orphans) {
    struct dispatch *dispatch = orphans->dispatch;
    orphans->count = 0;
    orphans->next = orphans->at;
    while (orphans->count < CHECK_PAGE && orphans->next < orphans->names.len) {
        const char *name = orphans->names.data + orphans->next;
        struct run_here *here = &orphans->asked[orphans->count];
        orphans->next += strlen(name) + 1;
        bool ours = folder_parse(name, &here->run, &here->attempt);
        assert(ours); /* It was when it was listed. */
        orphans->count += flight__find(dispatch, bytes_of(here->run.text), here->attempt) == NULL;
    }
    if (orphans->count > 0) {
        ask_read(&orphans->ask, check_tx, check_done);
        return;
    }
    orphans->listed = false;
    orphans->at = 0;
    if (err_failed(orphans->skipped)) {
        orphans_failed(orphans, orphans->skipped);
    } else if (++orphans->looks < LOOKS) {
        timer_start(dispatch->options.loop, &orphans->timer, LATE_MS, on_timer);
    } else {
        orphans_free(orphans);
    }
}

static void orphans_look(struct dispatch *dispatch) {
    bool held =
        dispatch->options.hold == RUN_HELD; /* Rows of a copy may be older than the spool. */
    if (!dispatch__shares_hosts(dispatch) || held || dispatch->orphans_looked) {
        return;
    }
    dispatch->orphans_looked = true;
    static const struct ask_rules rules = {.judge = ask_any, .dropped = orphans_free};
    struct orphans *orphans = mem_new(sizeof *orphans);
    ask_init(&orphans->ask, &dispatch->asker, &rules, orphans);
    orphans->dispatch = dispatch;
    dispatch->orphans = orphans;
    text_init(&orphans->names, NAMES_SIZE_MAX);
    text_init(&orphans->dead, NAMES_SIZE_MAX);
    orphans_list(orphans);
}

static void orphans_stop(struct dispatch *dispatch) {
    struct orphans *orphans = dispatch->orphans;
    if (orphans != NULL && !orphans->away && orphans->ask.state != ASK_AWAY) {
        orphans_free(orphans); /* Else the step that is away ends it. */
    }
}

const struct dispatch_part orphans_part = {
    .steps = {[PART_RECOVERED] = orphans_look, [PART_STOP] = orphans_stop}};
