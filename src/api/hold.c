/* hold.c: a daemon that holds begins nothing and sends nothing, so that somebody can look first.
 * Both routes say what waits: the one that asks, and the one that lets it go. */
#include <string.h>

#include "api/op.h"
#include "api/runs.h"
#include "base/memory.h"
#include "engine/inbox.h"

enum { HOLD_OWNER };
enum { ROWS_SHOWN = 20 };

struct hold_op {
    struct op op;
    struct runs_api *api;
    struct bytes owner; /* Of the runs that are shown; borrowed from the exchange. */
    bool release;
    bool held;    /* When the request came. */
    int64_t rows; /* While the function runs. */
};

static struct err add_row(void *ctx, const struct run_row *row) {
    struct hold_op *hold = ctx;
    if (hold->rows++ > 0) {
        text_add_char(&hold->op.answer, ',');
    }
    run_write_json(row, RUN_LIGHT, &hold->op.answer);
    return ERR_OK;
}

static struct err add_counts(struct tx *tx, struct hold_op *hold) {
    struct run_census runs = {.oldest_queued_ms = 0};
    struct inbox_census inbox = {.pending = 0};
    struct err err = tx_run_census(tx, &runs);
    if (!err_failed(err)) {
        err = tx_inbox_census(tx, &inbox);
    }
    text_addf(&hold->op.answer, "\"queued\":%lld,\"running\":%lld,\"deliveries\":%lld",
              (long long)runs.states[RUN_QUEUED],
              (long long)(runs.states[RUN_RUNNING] + runs.states[RUN_WAITING]),
              (long long)(inbox.pending + inbox.stalled));
    return err;
}

/* One read, so that counts and rows agree. */
static struct err hold_run(struct tx *tx, void *ctx) {
    struct hold_op *hold = ctx;
    op_restart(&hold->op);
    hold->rows = 0;
    struct text *text = &hold->op.answer;
    text_addf(text, "{\"held\":%s,\"would_start\":{",
              hold->held && !hold->release ? "true" : "false");
    struct err err = add_counts(tx, hold);
    text_add_str(text, ",\"runs\":[");
    const struct run_page page = {
        .owner = hold->owner, .limit = ROWS_SHOWN, .by_state = true, .state = RUN_QUEUED};
    if (!err_failed(err)) {
        err = tx_run_each(tx, &page, add_row, hold);
    }
    text_add_str(text, "]}}");
    return err;
}

static void hold_done(struct err result, void *ctx) {
    struct hold_op *hold = ctx;
    if (!err_failed(result) && hold->release) {
        dispatch_release(hold->api->dispatch);
    }
    op_answer(&hold->op, result);
    mem_free(hold);
}

static struct hold_op *hold_new(struct exchange *exchange, struct runs_api *api) {
    struct why why = {.text = ""};
    struct bytes owner;
    struct err err = op_owner(exchange, HOLD_OWNER, &owner, &why);
    if (err_failed(err)) {
        op_refuse(exchange, err, &why);
        return NULL;
    }
    struct hold_op *hold = mem_new(sizeof *hold);
    op_init(&hold->op, exchange, 200);
    hold->api = api;
    hold->owner = owner;
    hold->held = dispatch_held(api->dispatch) == RUN_HELD;
    return hold;
}

static void show(struct exchange *exchange, void *ctx) {
    struct runs_api *api = ctx;
    struct hold_op *hold = hold_new(exchange, api);
    if (hold != NULL) {
        store_read(api->store, hold_run, hold_done, hold);
    }
}

/* What would start is read before it does. */
static void release(struct exchange *exchange, void *ctx) {
    struct runs_api *api = ctx;
    struct hold_op *hold = hold_new(exchange, api);
    if (hold != NULL) {
        hold->release = true;
        store_read(api->store, hold_run, hold_done, hold);
    }
}

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param hold_query[] = {
    [HOLD_OWNER] = {.name = "owner",
                    .about = "Whose queued runs are shown; the counts are of all owners.",
                    .kind = QUERY_TEXT,
                    .max = 64},
    {.name = NULL},
};

static const char hold_answer[] =
    "{\"type\":\"object\",\"required\":[\"held\",\"would_start\"],\"properties\":{"
    "\"held\":{\"type\":\"boolean\"},\"would_start\":{\"type\":\"object\",\"properties\":{"
    "\"queued\":{\"type\":\"integer\"},\"running\":{\"type\":\"integer\"},"
    "\"deliveries\":{\"type\":\"integer\"},"
    "\"runs\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}}}}}}";

static const struct route routes[] = {
    {.method = "GET",
     .path = "/api/v1/system/hold",
     .summary = "Whether the daemon holds, and what would start",
     .scope = SCOPE_ADMIN,
     .query = hold_query,
     .answer_schema = hold_answer,
     .answer_status = 200,
     .handle = show},
    {.method = "POST",
     .path = "/api/v1/system/release",
     .summary = "End the hold; the answer says what starts",
     .scope = SCOPE_ADMIN,
     .query = hold_query,
     .answer_schema = hold_answer,
     .answer_status = 200,
     .handle = release},
};

struct route_table hold_table(struct runs_api *api) {
    return (struct route_table){.routes = routes, .count = COUNT_OF(routes), .ctx = api};
}
