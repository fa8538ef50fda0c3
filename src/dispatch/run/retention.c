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

struct tidy {
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
    /* What the store's functions and the pool write. */
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
    struct tidy *tidy;
    struct span span;
    struct err err;
};

static void tidy_on(struct tidy *tidy);

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
    struct tidy *tidy = removal->tidy;
    if (err_failed(removal->err)) {
        dispatch__failed(dispatch, "the folder of a run could not be removed",
                         bytes_of(removal->span.run.text), removal->err);
    }
    mem_free(removal);
    dispatch__maybe_stopped(dispatch);
    if (--tidy->removals == 0) {
        tidy->away = false;
        tidy_on(tidy);
    }
}

static void remove_span(struct tidy *tidy, const struct span *span) {
    struct removal *removal = mem_new(sizeof *removal);
    removal->dispatch = tidy->dispatch;
    removal->tidy = tidy;
    removal->span = *span;
    removal->job = (struct pool_job){.kind = POOL_TIDY, .run = removal_run, .done = removal_done};
    tidy->removals++;
    tidy->away = true;
    pool_add(&tidy->dispatch->pool, &removal->job);
}

/* --- Rows ------------------------------------------------------------------------------------- */

static struct err prune_tx(struct tx *tx, void *ctx) {
    struct tidy *tidy = ctx;
    tidy->more = false;
    return tx_run_prune(tx, &tidy->prune, &tidy->more);
}

static void prune_done(struct err err, void *ctx);

static void prune(struct tidy *tidy) {
    struct dispatch *dispatch = tidy->dispatch;
    tidy->asked_ns = world_mono_ns(loop_world(dispatch->options.loop));
    uint64_t lived_ns = tidy->pruned_ns == 0 ? 0 : tidy->asked_ns - tidy->pruned_ns;
    tidy->prune = (struct run_prune){
        .keep = dispatch->options.keep, .limit = PAGE, .lived_ms = (int64_t)(lived_ns / 1000000)};
    dispatch__write(dispatch, prune_tx, prune_done, tidy);
}

static bool stopped(struct tidy *tidy) {
    if (!tidy->dispatch->stopping) {
        return false;
    }
    retain__stop(tidy->dispatch);
    return true;
}

/* The store has answered; false: it stops, and nothing more is asked. */
static bool goes_on(struct tidy *tidy, struct err err, const char *fault) {
    tidy->away = false;
    dispatch__answered(tidy->dispatch);
    if (stopped(tidy)) {
        return false;
    }
    if (err_failed(err)) {
        dispatch__failed(tidy->dispatch, fault, (struct bytes){"", 0}, err);
    }
    return true;
}

static void prune_done(struct err err, void *ctx) {
    struct tidy *tidy = ctx;
    if (!goes_on(tidy, err, "old runs could not be removed")) {
        return;
    }
    if (err_failed(err)) {
        tidy->more = false;
    } else {
        tidy->pruned_ns = tidy->asked_ns;
    }
    tidy_on(tidy);
}

/* --- What was told ---------------------------------------------------------------------------- */

static struct err told_tx(struct tx *tx, void *ctx) {
    struct tidy *tidy = ctx;
    const struct inbox_prune prune = {
        .age_ms = tidy->dispatch->options.keep.age_ms, .count = INBOX_KEPT_MAX, .limit = PAGE};
    tidy->more = false;
    return tx_inbox_prune(tx, &prune, &tidy->more);
}

static void told_done(struct err err, void *ctx) {
    struct tidy *tidy = ctx;
    if (!goes_on(tidy, err, "old notices could not be removed")) {
        return;
    }
    tidy->told = err_failed(err) || !tidy->more;
    tidy->more = false; /* Of runs there are none. */
    tidy_on(tidy);
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
    struct tidy *tidy = ctx;
    const struct dispatch_options *options = &tidy->dispatch->options;
    struct span span;
    int64_t changed_s = 0;
    if (span_of(name, &span) && !err_failed(spool_changed_s(options->spool, name, &changed_s)) &&
        changed_s < world_wall_ms(loop_world(options->loop)) / 1000 - UNTOUCHED_S) {
        text_add(&tidy->names, name, strlen(name) + 1);
    }
    return ERR_OK; /* Names beyond the bound wait for the next look. */
}

static void list_run(struct pool_job *job) {
    struct tidy *tidy = CONTAINER_OF(job, struct tidy, job);
    tidy->err = spool_each(tidy->dispatch->options.spool, on_folder, tidy);
}

static void list_done(struct pool_job *job) {
    struct tidy *tidy = CONTAINER_OF(job, struct tidy, job);
    struct dispatch *dispatch = tidy->dispatch;
    tidy->away = false;
    dispatch__maybe_stopped(dispatch);
    if (stopped(tidy)) {
        return;
    }
    if (err_failed(tidy->err)) {
        dispatch__failed(dispatch, "the folders of runs could not be listed", (struct bytes){"", 0},
                         tidy->err);
    }
    tidy->looked_ns = world_mono_ns(loop_world(dispatch->options.loop));
    tidy_on(tidy);
}

static struct err check_tx(struct tx *tx, void *ctx) {
    struct tidy *tidy = ctx;
    size_t at = tidy->at;
    tidy->count = 0;
    for (size_t i = 0; i < CHECK_PAGE && at < tidy->names.len; i++) {
        const char *name = tidy->names.data + at;
        struct span *span = &tidy->gone[tidy->count];
        at += strlen(name) + 1;
        bool ours = span_of(name, span), found = false;
        assert(ours);
        struct run_row row;
        struct run_key key = {.run = {span->run.text, strlen(span->run.text)}};
        struct err err = tx_run_find_shown(tx, &key, &found, &row); /* Also a damaged one. */
        if (err_failed(err)) {
            return err;
        }
        tidy->count += !found;
    }
    return ERR_OK;
}

static void check_done(struct err err, void *ctx) {
    struct tidy *tidy = ctx;
    struct dispatch *dispatch = tidy->dispatch;
    tidy->away = false;
    dispatch__answered(dispatch);
    if (stopped(tidy)) {
        return;
    }
    for (size_t i = 0; i < CHECK_PAGE && tidy->at < tidy->names.len; i++) {
        tidy->at += strlen(tidy->names.data + tidy->at) + 1;
    }
    for (size_t i = 0; !err_failed(err) && i < tidy->count; i++) {
        remove_span(tidy, &tidy->gone[i]);
    }
    if (err_failed(err) || tidy->count == 0) {
        tidy_on(tidy);
    }
}

/* --- Rounds ----------------------------------------------------------------------------------- */

static void on_timer(struct timer *timer) {
    struct tidy *tidy = CONTAINER_OF(timer, struct tidy, timer);
    tidy->more = true;
    tidy->soon = tidy->told = tidy->swept = tidy->cleared = false;
    tidy->grown = tidy->ended = 0;
    tidy_on(tidy);
}

static void sleep_until_next(struct tidy *tidy) {
    text_done(&tidy->names);
    text_init(&tidy->names, NAMES_SIZE_MAX);
    tidy->at = 0;
    timer_start(tidy->dispatch->options.loop, &tidy->timer, tidy->soon ? SOON_MS : EVERY_MS,
                on_timer);
}

static void scripts_swept(void *ctx) {
    struct tidy *tidy = ctx;
    tidy->away = false;
    tidy_on(tidy);
}

/* A daemon may live for months. */
bool retain__look_due(uint64_t looked_ns, uint64_t now_ns) {
    return looked_ns == 0 || now_ns - looked_ns >= (uint64_t)LOOK_S * 1000000000;
}

/* Each step is over before the next is asked for. */
static void tidy_on(struct tidy *tidy) {
    struct dispatch *dispatch = tidy->dispatch;
    const struct run_keep *keep = &dispatch->options.keep;
    if (stopped(tidy)) {
        return;
    }
    if (dispatch->options.hold == RUN_HELD) {
        sleep_until_next(tidy);
        return;
    }
    tidy->away = true;
    bool prunes = tidy->more && (keep->count > 0 || keep->age_ms > 0 || keep->bytes > 0);
    if (!prunes && !tidy->cleared) {
        tidy->cleared = true;
        removals__look(dispatch);
    }
    if (prunes) {
        prune(tidy);
    } else if (!tidy->told) {
        dispatch__write(dispatch, told_tx, told_done, tidy);
    } else if (retain__look_due(tidy->looked_ns,
                                world_mono_ns(loop_world(dispatch->options.loop)))) {
        tidy->job = (struct pool_job){.kind = POOL_TIDY, .run = list_run, .done = list_done};
        pool_add(&dispatch->pool, &tidy->job);
    } else if (tidy->at < tidy->names.len) {
        dispatch__read(dispatch, check_tx, check_done, tidy);
    } else if (!tidy->swept) { /* Behind the runs that had them. */
        tidy->swept = true;
        retain__sweep_scripts(dispatch, scripts_swept, tidy);
    } else {
        tidy->away = false;
        sleep_until_next(tidy);
    }
}

void retain__start(struct dispatch *dispatch) {
    struct tidy *tidy = mem_new(sizeof *tidy);
    tidy->dispatch = dispatch;
    text_init(&tidy->names, NAMES_SIZE_MAX);
    dispatch->tidy = tidy;
    timer_start(dispatch->options.loop, &tidy->timer, FIRST_MS, on_timer);
}

/* Not at once: a round now and then does for many ends. */
static void come_soon(struct tidy *tidy) {
    if (tidy->soon) {
        return;
    }
    tidy->soon = true;
    if (!tidy->away) {
        timer_start(tidy->dispatch->options.loop, &tidy->timer, SOON_MS, on_timer);
    }
}

void dispatch_tidy(struct dispatch *dispatch) {
    if (dispatch->tidy != NULL) {
        come_soon(dispatch->tidy);
    }
}

void retain__grew(struct dispatch *dispatch, int64_t bytes) {
    struct tidy *tidy = dispatch->tidy;
    int64_t most = dispatch->options.keep.bytes;
    tidy->grown += bytes;
    if (most > 0 && tidy->grown >= most / GROWN_SHARE) {
        come_soon(tidy);
    }
}

void retain__ended(struct dispatch *dispatch) {
    struct tidy *tidy = dispatch->tidy;
    int64_t most = dispatch->options.keep.count;
    tidy->ended++;
    if (most > 0 && tidy->ended > most / GROWN_SHARE) {
        come_soon(tidy);
    }
}

void retain__stop(struct dispatch *dispatch) {
    struct tidy *tidy = dispatch->tidy;
    if (tidy == NULL || tidy->away) {
        return; /* Who comes back ends it. */
    }
    timer_stop(dispatch->options.loop, &tidy->timer);
    text_done(&tidy->names);
    mem_free(tidy);
    dispatch->tidy = NULL;
}
