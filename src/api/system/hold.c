/* hold.c: a daemon that holds begins nothing and sends nothing, so that somebody can look first.
 * Both routes say what waits: the one that asks, and the one that lets it go. */
#include <string.h>

#include "api/base/page.h"
#include "api/run/runs.h"
#include "dispatch/base/failed_starts.h"
#include "engine/inbox/inbox.h"

enum { ROWS_SHOWN = 20, PAGE = 50 /* Jobs that run: with their specs. */ };

struct hold_op {
    struct request request;         /* Runs of its owner are shown. */
    bool held;                      /* When the request came; */
    bool restored;                  /* and why. */
    int64_t missing, missing_at_ms; /* Commits that a start did not find. */
    struct bytes host;
    struct run_forecast sum; /* So far; last: where the walk stands. */
    struct text again;       /* Owned. Rows that begin once more, at most ROWS_SHOWN; */
    int64_t shown;           /* so many. */
    struct run_census runs;
    struct inbox_census inbox;
    struct text queued; /* Owned. Rows that are queued, at most ROWS_SHOWN. */
    int64_t queued_shown, queued_before, slices;
    /* While the function runs. */
    int64_t epoch; /* Of this daemon. */
    int64_t rows;
    int64_t next;
    struct run_forecast page;
    struct text more; /* Owned; of the page. */
};

static void add_run(struct hold_op *hold, struct text *text, int64_t before,
                    const struct run_row *row) {
    if (before > 0) {
        text_add_char(text, ',');
    }
    struct run_row shown = *row;
    run_shown(&shown, hold->epoch, hold->held ? RUN_HELD : RUN_FREE);
    run_write_json(&shown, RUN_LIGHT, text);
}

/* --- Begun elsewhere -------------------------------------------------------------------------- */

static struct err add_again(void *ctx, const struct run_row *row) {
    struct hold_op *hold = ctx;
    bool own = bytes_equal(row->owner, hold->request.key.owner);
    if (own && hold->shown + hold->rows < ROWS_SHOWN) {
        add_run(hold, &hold->more, hold->shown + hold->rows, row);
        hold->rows++;
    }
    return ERR_OK;
}

static struct err forecast_run(struct tx *tx, void *ctx) {
    struct hold_op *hold = ctx;
    hold->rows = 0;
    hold->epoch = tx_epoch(tx);
    text_clear(&hold->more);
    const struct run_forecast_page page = {
        .host = hold->host, .after = hold->sum.last, .limit = PAGE};
    return tx_run_forecast(tx, &page, add_again, hold, &hold->page);
}

static struct err count_run(struct tx *tx, void *ctx);
static void count_done(struct err result, void *ctx);
static void hold_done(struct err result, void *ctx);

static void forecast_done(struct err result, void *ctx) {
    struct hold_op *hold = ctx;
    if (err_failed(result)) {
        hold_done(result, hold);
        return;
    }
    text_add(&hold->again, hold->more.data, hold->more.len);
    hold->shown += hold->rows;
    hold->sum.lost += hold->page.lost;
    hold->sum.again += hold->page.again;
    hold->sum.last = hold->page.last;
    bool more = hold->page.last != 0;
    store_read_slice(hold->request.store, more ? forecast_run : count_run,
                     more ? forecast_done : count_done, hold);
}

/* --- Counts and rows -------------------------------------------------------------------------- */

static struct err count_run(struct tx *tx, void *ctx) {
    struct hold_op *hold = ctx;
    struct err err = tx_run_census(tx, &hold->runs);
    return err_failed(err) ? err : tx_inbox_census(tx, &hold->inbox);
}

static struct err add_queued(void *ctx, const struct run_row *row) {
    struct hold_op *hold = ctx;
    add_run(hold, &hold->more, hold->queued_shown + hold->rows++, row);
    return ERR_OK;
}

/* A slice of the list: other owners may have many runs between those that are shown. */
static struct err queued_run(struct tx *tx, void *ctx) {
    struct hold_op *hold = ctx;
    hold->rows = 0;
    hold->epoch = tx_epoch(tx);
    text_clear(&hold->more);
    const struct run_page page = {.owner = hold->request.key.owner,
                                  .before = hold->queued_before,
                                  .limit = ROWS_SHOWN - hold->queued_shown,
                                  .states = 1U << RUN_QUEUED};
    return tx_run_each(tx, &page, add_queued, hold, &hold->next);
}

static void queued_done(struct err result, void *ctx) {
    struct hold_op *hold = ctx;
    if (err_failed(result)) {
        hold_done(result, hold);
        return;
    }
    text_add(&hold->queued, hold->more.data, hold->more.len);
    hold->queued_shown += hold->rows;
    hold->queued_before = hold->next;
    if (hold->next == 0 || hold->queued_shown == ROWS_SHOWN || ++hold->slices == PAGE_SLICES_MAX) {
        hold_done(ERR_OK, hold);
        return;
    }
    store_read_slice(hold->request.store, queued_run, queued_done, hold);
}

static void count_done(struct err result, void *ctx) {
    struct hold_op *hold = ctx;
    if (err_failed(result)) {
        hold_done(result, hold);
        return;
    }
    store_read_slice(hold->request.store, queued_run, queued_done, hold);
}

/* --- The answer ------------------------------------------------------------------------------- */

static const struct request_kind show, release;

static void answer_write(struct hold_op *hold) {
    const struct runs_api *api = hold->request.api;
    struct text *text = &hold->request.op.answer;
    const struct run_census *runs = &hold->runs;
    int64_t live = runs->states[RUN_RUNNING] + runs->states[RUN_WAITING] - hold->sum.lost;
    text_add_char(text, '{');
    text_add_member_bool(text, "held", hold->held && hold->request.kind != &release);
    text_add_member_bool(text, "restored", hold->restored);
    text_add_char(text, ',');
    failed_starts_write(api->starts, text);
    text_add_member_int(text, "missing", hold->missing);
    text_add_member_int(text, "missing_at_ms", hold->missing_at_ms);
    text_add_str(text, ",\"would_start\":{");
    text_add_member_int(text, "queued", runs->states[RUN_QUEUED]);
    text_add_member_int(text, "running", live > 0 ? live : 0);
    text_add_member_int(text, "deliveries", hold->inbox.pending + hold->inbox.stalled);
    text_add_member_int(text, "lost", hold->sum.lost);
    text_add_member_int(text, "again", hold->sum.again);
    text_add_str(text, ",\"again_runs\":[");
    text_add(text, hold->again.data, hold->again.len);
    text_add_str(text, "],\"runs\":[");
    text_add(text, hold->queued.data, hold->queued.len);
    text_add_str(text, "]}}");
}

/* The release comes after the list was read: it names the runs that would start. */
static void hold_done(struct err result, void *ctx) {
    struct hold_op *hold = ctx;
    const struct runs_api *api = hold->request.api;
    const struct text *const texts[] = {&hold->again, &hold->more, &hold->queued};
    for (size_t i = 0; i < COUNT_OF(texts) && !err_failed(result); i++) {
        result = text_failed(texts[i]) ? text_error(texts[i], "hold: runs") : ERR_OK;
    }
    if (!err_failed(result)) {
        answer_write(hold);
    }
    if (!err_failed(result) && hold->request.kind == &release) {
        dispatch_release(api->dispatch);
    }
    request_answer(&hold->request, result);
}

/* A daemon that holds is asked what would start; one that does not, how many runs live. */
static struct err hold_start(void *ctx) {
    struct hold_op *hold = ctx;
    const struct runs_api *api = hold->request.api;
    const struct run_bounds bounds = dispatch_bounds(api->dispatch);
    hold->held = dispatch_held(api->dispatch) == RUN_HELD;
    hold->restored = hold->held && dispatch_is_restored(api->dispatch);
    hold->missing = store_missing(api->store);
    hold->missing_at_ms = store_missing_at_ms(api->store);
    /* A release gives up nothing of a host that looks after it. */
    hold->host = bounds.hosts == RUN_HOST_ONE ? bounds.host : BYTES("");
    text_init(&hold->again, OP_ANSWER_MAX / 2);
    text_init(&hold->more, OP_ANSWER_MAX / 2);
    text_init(&hold->queued, OP_ANSWER_MAX / 2);
    store_read(api->store, hold->held ? forecast_run : count_run,
               hold->held ? forecast_done : count_done, hold);
    return ERR_OK;
}

static void hold_end(void *ctx, struct err result) {
    struct hold_op *hold = ctx;
    text_done(&hold->again);
    text_done(&hold->more);
    text_done(&hold->queued);
}

static const struct request_kind show = {
    .size = sizeof(struct hold_op), .later = true, .start = hold_start, .end = hold_end};
static const struct request_kind release = {
    .size = sizeof(struct hold_op), .later = true, .start = hold_start, .end = hold_end};

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param hold_query[] = {
    {.name = "owner",
     .about = "Whose runs are shown; the counts are of all owners.",
     .kind = QUERY_TEXT,
     .max = 64},
    {.name = NULL},
};

static const char hold_answer[] =
    "{\"type\":\"object\",\"required\":[\"held\",\"would_start\"],\"properties\":{"
    "\"held\":{\"type\":\"boolean\"},\"restored\":{\"type\":\"boolean\"},"
    "\"failed_starts\":{\"type\":\"integer\"},"
    "\"missing\":{\"type\":\"integer\"},\"missing_at_ms\":{\"type\":\"integer\"},"
    "\"last_runs\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
    "\"would_start\":{\"type\":\"object\",\"properties\":{"
    "\"queued\":{\"type\":\"integer\"},\"running\":{\"type\":\"integer\"},"
    "\"deliveries\":{\"type\":\"integer\"},\"lost\":{\"type\":\"integer\"},"
    "\"again\":{\"type\":\"integer\"},"
    "\"again_runs\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}},"
    "\"runs\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}}}}}}";

static const struct route routes[] = {
    {.method = "GET",
     .path = "/api/v1/system/hold",
     .summary = "Whether the daemon holds, and what would start",
     .scope = SCOPE_ADMIN,
     .query = hold_query,
     .answer_schema = hold_answer,
     .request = &show},
    {.method = "POST",
     .path = "/api/v1/system/release",
     .summary = "End the hold; the answer says what starts",
     .scope = SCOPE_ADMIN,
     .query = hold_query,
     .answer_schema = hold_answer,
     .request = &release},
};

struct route_table hold_table(struct runs_api *api) {
    return (struct route_table){
        .routes = routes, .count = COUNT_OF(routes), .ctx = api, .handle = runs__handle};
}
