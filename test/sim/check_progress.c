/* check_progress.c: progress of workflows, in rows and in frames of owner:NAME.
 *
 * Checked:
 *   - a row that is read for a client has the progress that its steps say, counted here;
 *   - frames `run_progress` of a workflow never go back, until it is removed;
 *   - some time after the last change of a workflow that runs, is paused, or has ended, its last
 *     frame says what the rows of its steps say. A crash takes frames with it, so the follower
 *     reads the rows when it comes again, as a client does. */
#include <stdio.h>
#include <string.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "dispatch/job/dispatch.h"
#include "engine/run/runs.h"
#include "inside.h"
#include "jobs.h"
#include "journal/hub.h"
#include "known.h"
#include "main/work.h"
#include "ops.h"
#include "rows.h"

enum {
    WATCHED_MAX = 256,
    FIGURES = 5,
    LOOK_MS = 2500,   /* A frame comes at most a second after the one before. */
    STALE_MS = 30000, /* Frames that differ from the rows for so long are wrong. */
    READ_MS = 1500,
    FRAME_SIZE = 1024
};

enum { TOLD_DONE, TOLD_TOTAL, TOLD_CACHED, TOLD_WAITING, TOLD_FAILED };
static const char *const figure_names[FIGURES] = {"done", "total", "cached", "waiting", "failed"};

struct figures {
    int64_t of[FIGURES];
};

struct watched {
    char run[ID_SIZE];
    int64_t id;
    unsigned life;        /* In which it was touched last. */
    struct figures told;  /* In that life; of a workflow without steps: nothing. */
    struct figures stale; /* Figures of the rows when a look began to differ. */
    uint64_t stale_ns;    /* 0: the last look did not. */
    struct sim_event look, read;
};

static struct {
    struct watched list[WATCHED_MAX];
    size_t count;
    struct hub_subscriber subscriber; /* The life's. */
} progress;

/* --- The rows --------------------------------------------------------------------------------- */

static void step_count(const char *state, bool ended, bool cached, struct figures *io_figures) {
    const bool failed = strcmp(state, "failed") == 0 || strcmp(state, "timed_out") == 0 ||
                        strcmp(state, "lost") == 0;
    io_figures->of[TOLD_DONE] += ended;
    io_figures->of[TOLD_TOTAL]++;
    io_figures->of[TOLD_CACHED] += cached;
    io_figures->of[TOLD_WAITING] += strcmp(state, "queued") == 0 || strcmp(state, "waiting") == 0;
    io_figures->of[TOLD_FAILED] += failed;
}

/* False: nobody serves, or the workflow is gone. */
static bool rows_count(struct sim *sim, const struct watched *watched, struct figures *ret_all) {
    struct figures all = {.of = {0}};
    struct row_state row;
    if (!row_state_read(sim, watched->run, &row) || !row.found) {
        return false;
    }
    struct sqlite3_stmt *rows =
        rows_open(sim,
                  "SELECT a.state, a.ended_ms IS NOT NULL, a.cached FROM runs a JOIN runs w"
                  " ON w.id = a.parent WHERE w.run = $1 AND a.kind = 'agent'",
                  TEXTS(watched->run));
    while (rows != NULL && stmt_step(sim, rows)) {
        step_count(row_text(rows, 0), row_int(rows, 1) != 0, row_int(rows, 2) != 0, &all);
    }
    *ret_all = all;
    return rows != NULL;
}

/* --- A row that is shown ---------------------------------------------------------------------- */

struct reading {
    struct sim *sim;
    struct watched *watched;
    struct run_bounds bounds;
    struct figures counted;
    char shown[FRAME_SIZE];
    bool found;
};

static struct err reading_tx(struct tx *tx, void *ctx) {
    struct reading *reading = ctx;
    const struct run_key key = {.owner = BYTES(KNOWN_OWNER),
                                .run = bytes_of(reading->watched->run)};
    struct run_row row;
    bool found = false;
    struct err err = tx_run_find_shown(tx, &key, &found, &row);
    reading->found = found && !err_failed(err) && !run_state_final(row.state);
    if (!reading->found) {
        return err;
    }
    err = tx_run_waits_mark(tx, &reading->bounds, &row);
    (void)snprintf(reading->shown, sizeof reading->shown, "%.*s", (int)row.progress.len,
                   row.progress.data);
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx,
                                "SELECT state, ended_ms IS NOT NULL, cached FROM runs"
                                " WHERE parent = $1 AND kind = 'agent'",
                                ARGS(arg_int(row.id)));
    reading->counted = (struct figures){.of = {0}};
    while (rows_step(rows)) {
        char state[32];
        const struct bytes text = rows_text(rows, 0);
        (void)snprintf(state, sizeof state, "%.*s", (int)text.len, text.data);
        step_count(state, rows_int(rows, 1) != 0, rows_int(rows, 2) != 0, &reading->counted);
    }
    return err_failed(err) ? err : tx_error(tx);
}

static struct figures figures_of(const json_t *json) {
    struct figures figures = {.of = {0}};
    for (size_t i = 0; i < FIGURES; i++) {
        figures.of[i] = json_integer_value(json_object_get(json, figure_names[i]));
    }
    return figures;
}

static void reading_done(struct err err, void *ctx) {
    struct reading *reading = ctx;
    AUTO(json_release) json_t *json = NULL;
    if (!err_failed(err) && reading->found) {
        const struct err parsed = json_parse_wrapped(bytes_of(reading->shown), &json, NULL);
        const struct figures shown = figures_of(json);
        if (err_failed(parsed) || memcmp(&shown, &reading->counted, sizeof shown) != 0) {
            sim_fail(reading->sim, "the row of %s shows %s, and %lld of its %lld steps are done",
                     reading->watched->run, reading->shown,
                     (long long)reading->counted.of[TOLD_DONE],
                     (long long)reading->counted.of[TOLD_TOTAL]);
        }
    }
    mem_free(reading);
}

static void reading_begin(struct sim *sim, struct sim_event *event) {
    if (sim_life(sim)->ready && !sim_life(sim)->dead) {
        struct reading *reading = mem_new(sizeof *reading);
        *reading = (struct reading){
            .sim = sim,
            .watched = CONTAINER_OF(event, struct watched, read),
            .bounds = dispatch_bounds(work_api(sim_life(sim)->work).host.dispatch)};
        store_read(sim_life(sim)->store, reading_tx, reading_done, reading);
    }
}

/* --- Frames ----------------------------------------------------------------------------------- */

static struct watched *watched_find(struct bytes run) {
    for (size_t i = 0; i < progress.count; i++) {
        if (bytes_is(run, progress.list[i].run)) {
            return &progress.list[i];
        }
    }
    return NULL;
}

static void frame_take(struct sim *sim, struct bytes data) {
    AUTO(json_release) json_t *json = NULL;
    if (err_failed(json_parse_wrapped(data, &json, NULL))) {
        sim_fail(sim, "a frame is no JSON: %.*s", (int)data.len, data.data);
    }
    struct watched *watched = watched_find(json_bytes(json, "id"));
    const struct figures told = figures_of(json_object_get(json, "progress"));
    if (watched == NULL) {
        return;
    }
    struct figures rows;
    if (!rows_count(sim, watched, &rows) || rows.of[TOLD_TOTAL] < watched->told.of[TOLD_TOTAL]) {
        return; /* Being removed, steps first. */
    }
    for (size_t i = 0; i < FIGURES; i++) {
        const bool back = i != TOLD_WAITING && told.of[i] < watched->told.of[i];
        if (back) {
            sim_fail(sim, "%s of %s was %lld, and a frame says %lld", figure_names[i], watched->run,
                     (long long)watched->told.of[i], (long long)told.of[i]);
        }
    }
    watched->told = told;
    watched->stale_ns = 0;
}

/* Frames without a number are the ones. */
static void frames_take(struct sim *sim, struct bytes bytes) {
    static const char head[] = "event: run_progress\ndata: ";
    const char *at = bytes.data, *end = bytes.data + bytes.len;
    while (at < end) {
        const char *blank = memmem(at, (size_t)(end - at), "\n\n", 2);
        assert(blank != NULL);
        if (strncmp(at, head, sizeof head - 1) == 0) {
            at += sizeof head - 1;
            frame_take(sim, (struct bytes){at, (size_t)(blank - at)});
        }
        at = blank + 2;
    }
}

static void on_ready(struct hub_subscriber *subscriber) {
    struct sim *sim = sim_current();
    struct hub_piece piece;
    enum hub_pull pull;
    while ((pull = hub_pull(sim_life(sim)->hub, subscriber, &piece)) == HUB_PIECE) {
        frames_take(sim, piece.bytes);
        hub_buffer_unref(piece.buffer);
    }
    if (pull != HUB_WAIT) {
        sim_fail(sim, "a follower of owner:" KNOWN_OWNER " is cut off: %s",
                 err_name(subscriber->err.code));
    }
}

/* --- Frames against the rows ------------------------------------------------------------------ */

static void figures_write(const struct figures *figures, char *ret_text) {
    size_t len = 0;
    for (size_t i = 0; i < FIGURES; i++) {
        len += (size_t)snprintf(&ret_text[len], FRAME_SIZE - len, "%s%lld %s", i == 0 ? "" : ", ",
                                (long long)figures->of[i], figure_names[i]);
    }
}

static void look(struct sim *sim, struct sim_event *event) {
    struct watched *watched = CONTAINER_OF(event, struct watched, look);
    struct figures rows;
    if (!rows_count(sim, watched, &rows) || jobs_held(sim) || /* Nobody performs it then. */
        rows.of[TOLD_TOTAL] < watched->told.of[TOLD_TOTAL] || /* Being removed. */
        memcmp(&rows, &watched->told, sizeof rows) == 0) {
        watched->stale_ns = 0;
        return;
    }
    if (watched->stale_ns == 0 || memcmp(&rows, &watched->stale, sizeof rows) != 0 ||
        sim->now_ns < sim->still_ns + STALE_MS * UINT64_C(1000000)) {
        watched->stale = rows;
        watched->stale_ns = sim_now_ns(sim);
    } else if (sim_now_ns(sim) - watched->stale_ns > STALE_MS * UINT64_C(1000000)) {
        char counted[FRAME_SIZE], told[FRAME_SIZE];
        figures_write(&rows, counted);
        figures_write(&watched->told, told);
        sim_fail(sim, "the steps of %s are %s, and its last frame says %s", watched->run, counted,
                 told);
    }
    sim_plan(sim, event, LOOK_MS, look);
}

static void noted(struct sim *sim, const struct run_row *row) {
    struct watched *watched = NULL;
    if (row->kind == KIND_WORKFLOW && row->parent == 0 && bytes_is(row->owner, KNOWN_OWNER)) {
        watched = watched_find(row->run);
        if (watched == NULL && progress.count < WATCHED_MAX) {
            watched = &progress.list[progress.count++];
            (void)snprintf(watched->run, sizeof watched->run, "%.*s", (int)row->run.len,
                           row->run.data);
            watched->id = row->id;
        }
    }
    for (size_t i = 0; row->kind == KIND_AGENT && watched == NULL && i < progress.count; i++) {
        watched = progress.list[i].id == row->parent ? &progress.list[i] : NULL;
    }
    if (watched == NULL) {
        return;
    }
    sim_plan(sim, &watched->look, LOOK_MS, look);
    if (sim_chance(sim, "progress", 25)) {
        sim_plan(sim, &watched->read, sim_choose(sim, "read", READ_MS), reading_begin);
    }
}

/* --- The part --------------------------------------------------------------------------------- */

static void opened(struct sim *sim) {
    const struct hub_subscribe what = {
        .owner = BYTES(KNOWN_OWNER), .name = BYTES("owner:" KNOWN_OWNER), .after = -1};
    progress.subscriber = (struct hub_subscriber){.ready = on_ready, .format = HUB_SSE};
    hub_subscribe(sim_life(sim)->hub, &what, &progress.subscriber);
    for (size_t i = 0; i < progress.count; i++) {
        (void)rows_count(sim, &progress.list[i], &progress.list[i].told);
        progress.list[i].stale_ns = 0;
    }
}

static void stopping(struct sim *sim) {
    hub_unsubscribe(sim_life(sim)->hub, &progress.subscriber);
}

static void begin(struct sim *sim) {
    (void)sim;
    memset(&progress, 0, sizeof progress);
}

/* Each look comes to an end: the last frame is right, or the seed fails. */
static bool rest(struct sim *sim, bool must) {
    bool all = true;
    (void)sim;
    (void)must;
    for (size_t i = 0; i < progress.count; i++) {
        all = all && !progress.list[i].look.planned;
    }
    return all;
}

const struct sim_part part_progress = {.name = "progress",
                                       .begin = begin,
                                       .opened = opened,
                                       .stopping = stopping,
                                       .noted = noted,
                                       .rest = rest};
