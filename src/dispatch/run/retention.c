/* retention.c: takes away runs that ended long ago, and the folders that nobody needs any more.
 *
 *            timer            page
 *   ASLEEP ─────────> PRUNING ────> PRUNING …
 *     ^                  │ no more, or an error
 *     │                  v (folder_removals.c is asked to look for the folders of removed runs)
 *     │               what was told (the inbox), page by page
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
#include <string.h>

#include "base/memory.h"
#include "base/number.h"
#include "dispatch/job/inside.h"
#include "dispatch/run/folders.h"
#include "dispatch/run/retention.h"
#include "engine/inbox/inbox.h"

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

/* Attempts of one run. */
struct span {
    struct id run;
    int64_t first, last;
};

struct retention {
    struct dispatch *dispatch;
    struct timer timer;
    struct pool_job job;
    bool away;          /* In the store or in the pool. */
    uint64_t looked_ns; /* For folders without a row; 0: not yet. */
    bool told;          /* The inbox has been looked through, in this round; */
    bool swept;         /* scripts have; */
    bool cleared;       /* folders of removed runs are looked for (folder_removals.c). */
    size_t removals;    /* Of this round, in the pool. */
    int64_t grown;      /* Bytes that are kept more than at the last round, */
    int64_t ended;      /* and runs. */
    bool soon;          /* The next round comes soon. */
    uint64_t asked_ns,
        pruned_ns; /* Of the prune on its way, and the last that was done; 0: none. */
    /* Written by the store's functions and the pool. */
    bool more;
    size_t count;
    struct span gone[PAGE];
    struct run_prune prune;
    struct text names; /* Of folders, each terminated; */
    size_t at;         /* those before it were checked. */
    struct err err;
};

/* --- Folders ---------------------------------------------------------------------------------- */

struct removal {
    struct pool_job job;
    struct dispatch *dispatch;
    struct retention *retention;
    struct span span;
    struct err err;
};

static void retention_next(struct retention *retention);

static void removal_run(struct pool_job *job) {
    struct removal *removal = CONTAINER_OF(job, struct removal, job);
    const struct span *span = &removal->span;
    const struct run_folders folders = {
        .run = {span->run.text, strlen(span->run.text)}, .first = span->first, .last = span->last};
    removal->err = run_folders_remove(removal->dispatch->options.spool, &folders);
}

static void removal_done(struct pool_job *job) {
    struct removal *removal = CONTAINER_OF(job, struct removal, job);
    struct dispatch *dispatch = removal->dispatch;
    struct retention *retention = removal->retention;
    if (err_failed(removal->err)) {
        dispatch__failed(dispatch, "the folder of a run could not be removed",
                         bytes_of(removal->span.run.text), removal->err);
    }
    mem_free(removal);
    dispatch__maybe_stopped(dispatch);
    if (--retention->removals == 0) {
        retention->away = false;
        retention_next(retention);
    }
}

/* --- Rows ------------------------------------------------------------------------------------- */

static struct err prune_tx(struct tx *tx, void *ctx) {
    struct retention *retention = ctx;
    retention->more = false;
    return tx_run_prune(tx, &retention->prune, &retention->more);
}

static void prune_done(struct err err, void *ctx);

static void prune(struct retention *retention) {
    struct dispatch *dispatch = retention->dispatch;
    retention->asked_ns = world_mono_ns(loop_world(dispatch->options.loop));
    uint64_t lived_ns = retention->pruned_ns == 0 ? 0 : retention->asked_ns - retention->pruned_ns;
    retention->prune = (struct run_prune){
        .keep = dispatch->options.keep, .limit = PAGE, .lived_ms = (int64_t)(lived_ns / 1000000)};
    dispatch__write(dispatch, prune_tx, prune_done, retention);
}

static void retention_stop(struct dispatch *dispatch);

static bool stopped(struct retention *retention) {
    if (!retention->dispatch->stopping) {
        return false;
    }
    retention_stop(retention->dispatch);
    return true;
}

/* The store has answered; false: it stops, and nothing more is asked. */
static bool goes_on(struct retention *retention, struct err err, const char *fault) {
    retention->away = false;
    dispatch__answered(retention->dispatch);
    if (stopped(retention)) {
        return false;
    }
    if (err_failed(err)) {
        dispatch__failed(retention->dispatch, fault, (struct bytes){"", 0}, err);
    }
    return true;
}

static void prune_done(struct err err, void *ctx) {
    struct retention *retention = ctx;
    if (!goes_on(retention, err, "old runs could not be removed")) {
        return;
    }
    if (err_failed(err)) {
        retention->more = false;
    } else {
        retention->pruned_ns = retention->asked_ns;
    }
    retention_next(retention);
}

/* --- What was told ---------------------------------------------------------------------------- */

static struct err told_tx(struct tx *tx, void *ctx) {
    struct retention *retention = ctx;
    const struct inbox_prune prune = {
        .age_ms = retention->dispatch->options.keep.age_ms, .count = INBOX_KEPT_MAX, .limit = PAGE};
    retention->more = false;
    return tx_inbox_prune(tx, &prune, &retention->more);
}

static void told_done(struct err err, void *ctx) {
    struct retention *retention = ctx;
    if (!goes_on(retention, err, "old notices could not be removed")) {
        return;
    }
    retention->told = err_failed(err) || !retention->more;
    retention->more = false; /* Of runs there are none. */
    retention_next(retention);
}

/* --- Litter ----------------------------------------------------------------------------------- */

/* What is not named like a folder of ours is not ours to remove. */
static bool span_of(const char *name, struct span *ret_span) {
    const char *dot = strrchr(name, '.');
    struct span span = {.first = 0};
    size_t len = dot == NULL ? 0 : (size_t)(dot - name);
    if (len == 0 || len >= sizeof span.run.text || !id_valid(name, len, "run") ||
        !number_parse((struct bytes){dot + 1, strlen(dot + 1)},
                      (struct number_bounds){1, INT64_MAX - 1}, &span.first)) {
        return false;
    }
    memcpy(span.run.text, name, len);
    span.last = span.first;
    *ret_span = span;
    return true;
}

static struct err on_folder(void *ctx, const char *name) {
    struct retention *retention = ctx;
    const struct dispatch_options *options = &retention->dispatch->options;
    struct span span;
    int64_t changed_s = 0;
    if (span_of(name, &span) && !err_failed(spool_changed_s(options->spool, name, &changed_s)) &&
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
    struct dispatch *dispatch = retention->dispatch;
    retention->away = false;
    dispatch__maybe_stopped(dispatch);
    if (stopped(retention)) {
        return;
    }
    if (err_failed(retention->err)) {
        dispatch__failed(dispatch, "the folders of runs could not be listed", (struct bytes){"", 0},
                         retention->err);
    }
    retention->looked_ns = world_mono_ns(loop_world(dispatch->options.loop));
    retention_next(retention);
}

static struct err check_tx(struct tx *tx, void *ctx) {
    struct retention *retention = ctx;
    size_t at = retention->at;
    retention->count = 0;
    for (size_t i = 0; i < CHECK_PAGE && at < retention->names.len; i++) {
        const char *name = retention->names.data + at;
        struct span *span = &retention->gone[retention->count];
        at += strlen(name) + 1;
        bool ours = span_of(name, span), found = false;
        assert(ours);
        struct run_row row;
        struct run_key key = {.run = {span->run.text, strlen(span->run.text)}};
        struct err err = tx_run_find_shown(tx, &key, &found, &row); /* Also a damaged one. */
        if (err_failed(err)) {
            return err;
        }
        retention->count += !found;
    }
    return ERR_OK;
}

static void check_done(struct err err, void *ctx) {
    struct retention *retention = ctx;
    struct dispatch *dispatch = retention->dispatch;
    retention->away = false;
    dispatch__answered(dispatch);
    if (stopped(retention)) {
        return;
    }
    for (size_t i = 0; i < CHECK_PAGE && retention->at < retention->names.len; i++) {
        retention->at += strlen(retention->names.data + retention->at) + 1;
    }
    for (size_t i = 0; !err_failed(err) && i < retention->count; i++) {
        struct removal *removal = mem_new(sizeof *removal);
        removal->dispatch = retention->dispatch;
        removal->retention = retention;
        removal->span = retention->gone[i];
        removal->job =
            (struct pool_job){.kind = POOL_TIDY, .run = removal_run, .done = removal_done};
        retention->removals++;
        retention->away = true;
        pool_add(&retention->dispatch->pool, &removal->job);
    }
    if (err_failed(err) || retention->count == 0) {
        retention_next(retention);
    }
}

/* --- Rounds ----------------------------------------------------------------------------------- */

static void on_timer(struct timer *timer) {
    struct retention *retention = CONTAINER_OF(timer, struct retention, timer);
    retention->more = true;
    retention->soon = retention->told = retention->swept = retention->cleared = false;
    retention->grown = retention->ended = 0;
    retention_next(retention);
}

static void sleep_until_next(struct retention *retention) {
    text_done(&retention->names);
    text_init(&retention->names, NAMES_SIZE_MAX);
    retention->at = 0;
    timer_start(retention->dispatch->options.loop, &retention->timer,
                retention->soon ? SOON_MS : EVERY_MS, on_timer);
}

static void retention_swept(void *ctx) {
    struct retention *retention = ctx;
    retention->away = false;
    retention_next(retention);
}

/* One part at most sweeps. */
static void retention_sweep(struct retention *retention) {
    const struct dispatch_part *const *at = retention->dispatch->options.parts;
    while (*at != NULL && (*at)->sweep == NULL) {
        at++;
    }
    if (*at == NULL) {
        retention_swept(retention);
    } else {
        (*at)->sweep(retention->dispatch, retention_swept, retention);
    }
}

/* A daemon may live for months. */
bool retention__look_due(uint64_t looked_ns, uint64_t now_ns) {
    return looked_ns == 0 || now_ns - looked_ns >= (uint64_t)LOOK_S * 1000000000;
}

/* Each step is over before the next is asked for. */
static void retention_next(struct retention *retention) {
    struct dispatch *dispatch = retention->dispatch;
    const struct run_keep *keep = &dispatch->options.keep;
    if (stopped(retention)) {
        return;
    }
    if (dispatch->options.hold == RUN_HELD) {
        sleep_until_next(retention);
        return;
    }
    retention->away = true;
    bool prunes = retention->more && (keep->count > 0 || keep->age_ms > 0 || keep->bytes > 0);
    if (!prunes && !retention->cleared) {
        retention->cleared = true;
        removals__look(dispatch);
    }
    if (prunes) {
        prune(retention);
    } else if (!retention->told) {
        dispatch__write(dispatch, told_tx, told_done, retention);
    } else if (retention__look_due(retention->looked_ns,
                                   world_mono_ns(loop_world(dispatch->options.loop)))) {
        retention->job = (struct pool_job){.kind = POOL_TIDY, .run = list_run, .done = list_done};
        pool_add(&dispatch->pool, &retention->job);
    } else if (retention->at < retention->names.len) {
        dispatch__read(dispatch, check_tx, check_done, retention);
    } else if (!retention->swept) { /* Behind the runs that had them. */
        retention->swept = true;
        retention_sweep(retention);
    } else {
        retention->away = false;
        sleep_until_next(retention);
    }
}

static void retention_open(struct dispatch *dispatch) {
    struct retention *retention = mem_new(sizeof *retention);
    retention->dispatch = dispatch;
    text_init(&retention->names, NAMES_SIZE_MAX);
    dispatch->retention = retention;
    timer_start(dispatch->options.loop, &retention->timer, FIRST_MS, on_timer);
}

/* Not at once: a round now and then does for many ends. */
static void come_soon(struct retention *retention) {
    if (retention->soon) {
        return;
    }
    retention->soon = true;
    if (!retention->away) {
        timer_start(retention->dispatch->options.loop, &retention->timer, SOON_MS, on_timer);
    }
}

void retention_wake(struct dispatch *dispatch) {
    if (dispatch->retention != NULL) {
        come_soon(dispatch->retention);
    }
}

static void retention_grew(struct dispatch *dispatch, int64_t bytes) {
    struct retention *retention = dispatch->retention;
    int64_t most = dispatch->options.keep.bytes;
    retention->grown += bytes;
    if (most > 0 && retention->grown >= most / GROWN_SHARE) {
        come_soon(retention);
    }
}

static void retention_run_ended(struct dispatch *dispatch) {
    struct retention *retention = dispatch->retention;
    int64_t most = dispatch->options.keep.count;
    retention->ended++;
    if (most > 0 && retention->ended > most / GROWN_SHARE) {
        come_soon(retention);
    }
}

static void retention_stop(struct dispatch *dispatch) {
    struct retention *retention = dispatch->retention;
    if (retention == NULL || retention->away) {
        return; /* Who comes back ends it. */
    }
    timer_stop(dispatch->options.loop, &retention->timer);
    text_done(&retention->names);
    mem_free(retention);
    dispatch->retention = NULL;
}

const struct dispatch_part retention_part = {.open = retention_open,
                                             .run_ended = retention_run_ended,
                                             .attempt_ended = retention_grew,
                                             .stop = retention_stop,
                                             .close = retention_stop};
