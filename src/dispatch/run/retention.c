/* retention.c: takes away runs that ended long ago, and the folders that nobody needs any more.
 *
 *            timer            page
 *   ASLEEP ─────────> PRUNING ────> PRUNING …
 *     ^                  │ no more, or an error
 *     │                  v (folder_removals.c is asked to look for the folders of removed runs)
 *     │               delivered notices (the inbox), then mail that is over, page by page
 *     │                  │ no more, or an error; once a day: ↓
 *     │                  └──────────> LISTING ──> CHECKING (a few names) ──> REMOVING ──> …
 *     └── nothing left ──────────────────────────────┘
 *
 * Rows go first: a folder without a row is removed some day, a row without its folder is a broken
 * promise. The commit that removes a row lists its folders, and folder_removals.c works off that
 * list. The first round of each day looks for folders that no row and no list names; but only for
 * what nobody has touched for a day, so that a daemon that was started with the wrong database by
 * mistake does not take away what belongs to the right one. While the daemon holds, everything
 * stays: somebody wants to look first. */
#include "dispatch/run/retention.h"

#include "base/memory.h"
#include "dispatch/base/folder.h"
#include "dispatch/job/inside.h"
#include "engine/inbox/inbox.h"
#include "engine/mail/mail.h"

enum {
    FIRST_MS = 60 * 1000,
    EVERY_MS = 60 * 60 * 1000,
    SOON_MS = 1000,
    GROWN_SHARE = 16, /* What is kept may pass its bound by this part of it. */
    PAGE = 100,
    CHECK_PAGE = 16, /* Rows come with their specs. */
    NAMES_SIZE_MAX = 8 << 20,
    UNTOUCHED_S = 24 * 60 * 60,
    LOOK_S = 24 * 60 * 60,
};

/* A round goes through the steps in this order. */
enum step { STEP_ASLEEP, STEP_PRUNE, STEP_INBOX, STEP_MAIL, STEP_LIST, STEP_CHECK, STEP_SWEEP };

struct retention {
    struct dispatch *dispatch;
    struct timer timer;
    struct ask ask;
    struct pool_job job;
    enum step step; /* All but ASLEEP: in the store, in the pool, or with the part that sweeps. */
    uint64_t looked_ns; /* Last look for folders without a row; 0: never yet. */
    int64_t grown;      /* Bytes that are kept more than at the last round, */
    int64_t ended;      /* and runs. */
    bool soon;          /* The next round comes soon. */
    uint64_t asked_ns;  /* Start of the prune on its way, */
    uint64_t pruned_ns; /* and of the last that was done; 0: none. */
    /* Written by the store's functions and the pool. */
    bool more;
    struct run_prune prune;
    struct text names;              /* Of folders, each terminated; */
    size_t at;                      /* names before it were checked, */
    size_t next;                    /* and after this page, before it. */
    const char *litter[CHECK_PAGE]; /* Of the page: names without a row. */
    size_t litter_count;
    struct err err;
};

static void retention_go(struct retention *retention, enum step step);

static void retention_free(void *ctx) {
    struct retention *retention = ctx;
    timer_stop(retention->dispatch->options.loop, &retention->timer);
    text_done(&retention->names);
    retention->dispatch->retention = NULL;
    mem_free(retention);
}

static void retention_report(const struct retention *retention, const char *fault, struct err err) {
    if (err_failed(err)) {
        dispatch__report(retention->dispatch, fault, BYTES(""), err);
    }
}

/* --- Rows ------------------------------------------------------------------------------------- */

static struct err prune_tx(struct tx *tx, void *ctx) {
    struct retention *retention = ctx;
    retention->more = false;
    return tx_run_prune(tx, &retention->prune, &retention->more);
}

static void prune_done(void *ctx) {
    struct retention *retention = ctx;
    bool failed = err_failed(retention->ask.err);
    retention_report(retention, "old runs could not be removed", retention->ask.err);
    if (!failed) {
        retention->pruned_ns = retention->asked_ns;
    }
    retention_go(retention, retention->more && !failed ? STEP_PRUNE : STEP_INBOX);
}

static struct err told_tx(struct tx *tx, void *ctx) {
    struct retention *retention = ctx;
    const struct inbox_prune prune = {
        .age_ms = retention->dispatch->options.keep.age_ms, .count = INBOX_KEPT_MAX, .limit = PAGE};
    retention->more = false;
    return tx_inbox_prune(tx, &prune, &retention->more);
}

static void told_done(void *ctx) {
    struct retention *retention = ctx;
    retention_report(retention, "old notices could not be removed", retention->ask.err);
    bool more = retention->more && !err_failed(retention->ask.err);
    retention_go(retention, more ? STEP_INBOX : STEP_MAIL);
}

static struct err mail_tx(struct tx *tx, void *ctx) {
    struct retention *retention = ctx;
    const struct mail_prune prune = {
        .age_ms = retention->dispatch->options.keep.age_ms, .count = MAILS_KEPT_MAX, .limit = PAGE};
    retention->more = false;
    return tx_mail_prune(tx, &prune, &retention->more);
}

static void mail_done(void *ctx) {
    struct retention *retention = ctx;
    uint64_t now_ns = world_mono_ns(loop_world(retention->dispatch->options.loop));
    retention_report(retention, "old mail could not be removed", retention->ask.err);
    bool more = retention->more && !err_failed(retention->ask.err);
    retention_go(retention, more                                                ? STEP_MAIL
                            : retention__look_due(retention->looked_ns, now_ns) ? STEP_LIST
                                                                                : STEP_CHECK);
}

/* --- Litter ----------------------------------------------------------------------------------- */

/* A folder that is not named like ours is not ours to remove. */
static struct err on_folder(void *ctx, const char *name) {
    struct retention *retention = ctx;
    const struct dispatch_options *options = &retention->dispatch->options;
    struct id run;
    int64_t attempt = 0, changed_s = 0;
    if (folder_parse(name, &run, &attempt) &&
        !err_failed(spool_changed_s(options->spool, name, &changed_s)) &&
        changed_s < world_wall_ms(loop_world(options->loop)) / 1000 - UNTOUCHED_S) {
        text_add(&retention->names, name, strlen(name) + 1);
    }
    return ERR_OK; /* Names beyond the bound wait for the next look. */
}

static void list_run(struct pool_job *job) {
    struct retention *retention = CONTAINER_OF(job, struct retention, job);
    retention->err = spool_each(retention->dispatch->options.spool, on_folder, retention);
}

static void list_done(struct pool_job *job) {
    struct retention *retention = CONTAINER_OF(job, struct retention, job);
    retention_report(retention, "the folders of runs could not be listed", retention->err);
    retention->err = ERR_OK;
    retention->looked_ns = world_mono_ns(loop_world(retention->dispatch->options.loop));
    retention_go(retention, STEP_CHECK);
}

static struct err check_tx(struct tx *tx, void *ctx) {
    struct retention *retention = ctx;
    retention->litter_count = 0;
    for (size_t at = retention->at; at < retention->next;) {
        const char *name = retention->names.data + at;
        struct id run;
        int64_t attempt = 0;
        struct run_row row;
        bool ours = folder_parse(name, &run, &attempt), found = false;
        assert(ours);
        const struct run_key key = {.run = bytes_of(run.text)};
        struct err err = tx_run_find_shown(tx, &key, &found, &row); /* Also a damaged one. */
        if (err_failed(err)) {
            return err;
        }
        if (!found) {
            retention->litter[retention->litter_count++] = name;
        }
        at += strlen(name) + 1;
    }
    return ERR_OK;
}

/* A stop waits for what is in the pool: so a job removes one folder. */
static void litter_remove(struct pool_job *job) {
    struct retention *retention = CONTAINER_OF(job, struct retention, job);
    retention->err = spool_remove(retention->dispatch->options.spool,
                                  retention->litter[retention->litter_count - 1]);
}

static void litter_removed(struct pool_job *job) {
    struct retention *retention = CONTAINER_OF(job, struct retention, job);
    const char *name = retention->litter[--retention->litter_count];
    if (err_failed(retention->err)) {
        dispatch__report(retention->dispatch, "the folder of a run could not be removed",
                         (struct bytes){name, strcspn(name, ".")}, retention->err);
        retention->err = ERR_OK;
    }
    if (retention->litter_count > 0 && !retention->dispatch->stopping) {
        pool_add(&retention->dispatch->pool, &retention->job);
    } else {
        retention_go(retention, STEP_CHECK);
    }
}

static void check_done(void *ctx) {
    struct retention *retention = ctx;
    retention->at = retention->next;
    if (err_failed(retention->ask.err) || retention->litter_count == 0) {
        retention_go(retention, STEP_CHECK);
    } else {
        pool_begin(&retention->dispatch->pool, &retention->job, POOL_TIDY, litter_remove,
                   litter_removed);
    }
}

/* --- Rounds ----------------------------------------------------------------------------------- */

/* A daemon may live for months. */
bool retention__look_due(uint64_t looked_ns, uint64_t now_ns) {
    return looked_ns == 0 || now_ns - looked_ns >= (uint64_t)LOOK_S * 1000000000;
}

static void on_timer(struct timer *timer) {
    struct retention *retention = CONTAINER_OF(timer, struct retention, timer);
    const struct run_keep *keep = &retention->dispatch->options.keep;
    bool prunes = keep->count > 0 || keep->age_ms > 0 || keep->bytes > 0;
    retention->soon = false;
    retention->grown = retention->ended = 0;
    retention_go(retention, prunes ? STEP_PRUNE : STEP_INBOX);
}

static void retention_swept(void *ctx) {
    retention_go(ctx, STEP_ASLEEP);
}

/* Each step is over before the next is asked for. */
static void retention_go(struct retention *retention, enum step step) {
    struct dispatch *dispatch = retention->dispatch;
    uint64_t now_ns = world_mono_ns(loop_world(dispatch->options.loop));
    if (dispatch->stopping) {
        retention_free(retention);
        dispatch__end_stop(dispatch);
        return;
    }
    step = dispatch->options.hold == RUN_HELD ? STEP_ASLEEP : step;
    if (step == STEP_INBOX && retention->step != STEP_INBOX) { /* The runs are removed. */
        removals__look(dispatch);
    }
    if (step == STEP_CHECK && retention->at >= retention->names.len) {
        step = STEP_SWEEP; /* After the runs that had the scripts. */
    }
    retention->step = step;
    switch (step) {
    case STEP_PRUNE: {
        uint64_t lived_ns = retention->pruned_ns == 0 ? 0 : now_ns - retention->pruned_ns;
        retention->asked_ns = now_ns;
        retention->prune = (struct run_prune){.keep = dispatch->options.keep,
                                              .limit = PAGE,
                                              .lived_ms = (int64_t)(lived_ns / 1000000)};
        ask_write(&retention->ask, prune_tx, prune_done);
        break;
    }
    case STEP_INBOX:
        ask_write(&retention->ask, told_tx, told_done);
        break;
    case STEP_MAIL:
        ask_write(&retention->ask, mail_tx, mail_done);
        break;
    case STEP_LIST:
        pool_begin(&dispatch->pool, &retention->job, POOL_TIDY, list_run, list_done);
        break;
    case STEP_CHECK:
        for (size_t i = 0; i < CHECK_PAGE && retention->next < retention->names.len; i++) {
            retention->next += strlen(retention->names.data + retention->next) + 1;
        }
        ask_read(&retention->ask, check_tx, check_done);
        break;
    case STEP_SWEEP:
        for (const struct dispatch_part *const *at = dispatch->options.parts; *at != NULL; at++) {
            if ((*at)->sweep != NULL) { /* One part at most sweeps. */
                (*at)->sweep(dispatch, retention_swept, retention);
                return;
            }
        }
        retention_swept(retention);
        break;
    case STEP_ASLEEP:
        text_done(&retention->names);
        text_init(&retention->names, NAMES_SIZE_MAX);
        retention->at = retention->next = 0;
        timer_start(dispatch->options.loop, &retention->timer, retention->soon ? SOON_MS : EVERY_MS,
                    on_timer);
        break;
    }
}

static void retention_open(struct dispatch *dispatch) {
    static const struct ask_rules rules = {.judge = ask_any, .dropped = retention_free};
    struct retention *retention = mem_new(sizeof *retention);
    retention->dispatch = dispatch;
    ask_init(&retention->ask, &dispatch->asker, &rules, retention);
    text_init(&retention->names, NAMES_SIZE_MAX);
    dispatch->retention = retention;
    timer_start(dispatch->options.loop, &retention->timer, FIRST_MS, on_timer);
}

/* Not at once: a round now and then does for many ends. */
void retention_wake(struct dispatch *dispatch) {
    struct retention *retention = dispatch->retention;
    if (retention != NULL && !retention->soon) {
        retention->soon = true;
        if (retention->step == STEP_ASLEEP) {
            timer_start(dispatch->options.loop, &retention->timer, SOON_MS, on_timer);
        }
    }
}

static void retention_grew(struct dispatch *dispatch, int64_t bytes) {
    struct retention *retention = dispatch->retention;
    int64_t most = dispatch->options.keep.bytes;
    retention->grown += bytes;
    if (most > 0 && retention->grown >= most / GROWN_SHARE) {
        retention_wake(dispatch);
    }
}

static void retention_run_ended(struct dispatch *dispatch) {
    struct retention *retention = dispatch->retention;
    int64_t most = dispatch->options.keep.count;
    retention->ended++;
    if (most > 0 && retention->ended > most / GROWN_SHARE) {
        retention_wake(dispatch);
    }
}

static void retention_stop(struct dispatch *dispatch) {
    struct retention *retention = dispatch->retention;
    if (retention != NULL && retention->step == STEP_ASLEEP) {
        retention_free(retention); /* Else the step that is away ends it. */
    }
}

const struct dispatch_part retention_part = {.steps = {[PART_OPEN] = retention_open,
                                                       [PART_RUN_ENDED] = retention_run_ended,
                                                       [PART_STOP] = retention_stop,
                                                       [PART_CLOSE] = retention_stop},
                                             .attempt_ended = retention_grew};
