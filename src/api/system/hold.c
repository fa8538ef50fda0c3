/* hold.c: a daemon that holds begins nothing and sends nothing, so that somebody can look first.
 * Both routes say what waits: the one that asks, and the one that lets it go. */
#include "api/base/page.h"
#include "api/run/runs.h"
#include "dispatch/base/failed_starts.h"
#include "engine/inbox/inbox.h"

enum { ROWS_SHOWN = 20, PAGE = 50 /* Jobs that run: with their specs. */ };

/* Reads of one request, each in slices:
 *
 *   held ──> FORECAST ──> COUNTS ──> QUEUED ──> answered; a release lets the runs begin
 *   not held ────────────────^
 */
enum hold_phase {
    HOLD_FORECAST, /* Runs that were begun elsewhere, and begin once more. */
    HOLD_COUNTS,
    HOLD_QUEUED, /* The first runs that are queued. */
};

/* Rows that the answer shows, at most ROWS_SHOWN. */
struct hold_rows {
    struct text text; /* Owned. */
    int64_t count;
};

struct hold_op {
    struct request request;         /* Runs of its owner are shown. */
    bool held, restored;            /* When the request came. */
    int64_t missing, missing_at_ms; /* Commits that a start did not find. */
    struct bytes host;
    enum hold_phase phase;
    struct run_forecast sum; /* So far; last: where the walk stands. */
    struct run_census runs;
    struct inbox_census inbox;
    struct hold_rows again, queued;
    int64_t queued_before, slices;
    /* One slice, while the function runs. */
    int64_t epoch; /* The daemon's. */
    int64_t next;
    struct run_forecast page;
    struct hold_rows more;
};

static struct hold_rows *hold_rows_of(struct hold_op *hold) {
    return hold->phase == HOLD_FORECAST ? &hold->again : &hold->queued;
}

static struct err hold_row(void *ctx, const struct run_row *row) {
    struct hold_op *hold = ctx;
    int64_t count = hold_rows_of(hold)->count + hold->more.count;
    if (!bytes_equal(row->owner, hold->request.key.owner) || count == ROWS_SHOWN) {
        return ERR_OK;
    }
    text_add_str(&hold->more.text, count > 0 ? "," : "");
    struct run_row shown = *row;
    run_shown(&shown, hold->epoch, hold->held ? RUN_HELD : RUN_FREE);
    run_write_json(&shown, RUN_LIGHT, &hold->more.text);
    hold->more.count++;
    return ERR_OK;
}

/* Other owners may have many runs between those that are shown, so that slices have a limit. */
static struct err hold_work(struct tx *tx, void *ctx) {
    struct hold_op *hold = ctx;
    const struct run_forecast_page forecast = {
        .host = hold->host, .after = hold->sum.last, .limit = PAGE};
    const struct run_page queued = {.owner = hold->request.key.owner,
                                    .before = hold->queued_before,
                                    .limit = ROWS_SHOWN - hold->queued.count,
                                    .states = 1U << RUN_QUEUED};
    struct err err = ERR_OK;
    hold->epoch = tx_epoch(tx);
    hold->more.count = 0;
    text_clear(&hold->more.text);
    hold->request.more = true;
    switch (hold->phase) {
    case HOLD_FORECAST:
        return tx_run_forecast(tx, &forecast, hold_row, hold, &hold->page);
    case HOLD_COUNTS:
        err = tx_run_census(tx, &hold->runs);
        return err_failed(err) ? err : tx_inbox_census(tx, &hold->inbox);
    case HOLD_QUEUED:
        err = tx_run_each(tx, &queued, hold_row, hold, &hold->next);
        hold->request.more = hold->next != 0 && hold->slices + 1 < PAGE_SLICES_MAX &&
                             hold->queued.count + hold->more.count < ROWS_SHOWN;
    }
    return err;
}

static const struct request_kind release;

static void hold_answer_write(struct hold_op *hold) {
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
    text_add(text, hold->again.text.data, hold->again.text.len);
    text_add_str(text, "],\"runs\":[");
    text_add(text, hold->queued.text.data, hold->queued.text.len);
    text_add_str(text, "]}}");
}

/* The release comes after the list was read: it names the runs that would start. */
static enum request_next hold_done(void *ctx, struct err *io_result) {
    struct hold_op *hold = ctx;
    struct hold_rows *rows = hold_rows_of(hold);
    if (err_failed(*io_result)) {
        return REQUEST_ANSWER;
    }
    if (text_failed(&hold->more.text)) {
        *io_result = text_error(&hold->more.text, "hold: runs");
        return REQUEST_ANSWER;
    }
    text_add(&rows->text, hold->more.text.data, hold->more.text.len);
    rows->count += hold->more.count;
    switch (hold->phase) {
    case HOLD_FORECAST:
        hold->sum.lost += hold->page.lost;
        hold->sum.again += hold->page.again;
        hold->sum.last = hold->page.last;
        hold->phase = hold->page.last != 0 ? HOLD_FORECAST : HOLD_COUNTS;
        break;
    case HOLD_COUNTS:
        hold->phase = HOLD_QUEUED;
        break;
    case HOLD_QUEUED:
        hold->queued_before = hold->next;
        hold->slices++;
    }
    if (text_failed(&rows->text)) {
        *io_result = text_error(&rows->text, "hold: runs");
    } else if (!hold->request.more) {
        hold_answer_write(hold);
        if (hold->request.kind == &release) {
            dispatch_release(hold->request.dispatch);
        }
    }
    return REQUEST_ANSWER;
}

/* A daemon that holds is asked what would start; one that does not, how many runs live. */
static struct err hold_start(void *ctx) {
    struct hold_op *hold = ctx;
    struct request *request = &hold->request;
    if (request->more) {
        return ERR_OK;
    }
    hold->held = dispatch_held(request->dispatch) == RUN_HELD;
    hold->restored = hold->held && dispatch_is_restored(request->dispatch);
    hold->missing = store_missing(request->store);
    hold->missing_at_ms = store_missing_at_ms(request->store);
    hold->phase = hold->held ? HOLD_FORECAST : HOLD_COUNTS;
    /* A release gives up nothing of a host that looks after it. */
    hold->host = request->bounds.hosts == RUN_HOST_ONE ? request->bounds.host : BYTES("");
    request_text(request, &hold->again.text, OP_ANSWER_MAX / 2);
    request_text(request, &hold->more.text, OP_ANSWER_MAX / 2);
    request_text(request, &hold->queued.text, OP_ANSWER_MAX / 2);
    return ERR_OK;
}

#define HOLD                                                                                       \
    { .size = sizeof(struct hold_op), .start = hold_start, .work = hold_work, .done = hold_done }
static const struct request_kind show = HOLD, release = HOLD;

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param hold_query[] = {
    {QUERY("owner", QUERY_TEXT, "Whose runs are shown; the counts are of all owners."), .max = 64},
    {.name = NULL},
};

static const char hold_answer[] =
    "{\"type\":\"object\",\"required\":[\"held\",\"restored\",\"failed_starts\",\"missing\","
    "\"missing_at_ms\",\"last_runs\",\"would_start\"],\"properties\":{"
    "\"held\":" BOOL_SCHEMA ",\"restored\":" BOOL_SCHEMA ",\"failed_starts\":" INT_SCHEMA
    ",\"missing\":" INT_SCHEMA ",\"missing_at_ms\":" INT_SCHEMA
    ",\"last_runs\":{\"type\":\"array\",\"items\":" TEXT_SCHEMA
    "},\"would_start\":{\"type\":\"object\",\"required\":[\"queued\",\"running\",\"deliveries\","
    "\"lost\",\"again\",\"again_runs\",\"runs\"],\"properties\":{\"queued\":" INT_SCHEMA
    ",\"running\":" INT_SCHEMA ",\"deliveries\":" INT_SCHEMA ",\"lost\":" INT_SCHEMA
    ",\"again\":" INT_SCHEMA ",\"again_runs\":{\"type\":\"array\",\"items\":" OBJECT_SCHEMA
    "},\"runs\":{\"type\":\"array\",\"items\":" OBJECT_SCHEMA "}}}}}";

const struct route hold_routes[] = {
    {ROUTE("GET", "/api/v1/system/hold", SCOPE_ADMIN,
           "Whether the daemon holds, and what would start"),
     .query = hold_query, .answer_schema = hold_answer, .request = &show},
    {ROUTE("POST", "/api/v1/system/release", SCOPE_ADMIN,
           "End the hold; the answer says what starts"),
     .query = hold_query, .answer_schema = hold_answer, .request = &release},
    {.method = NULL},
};
