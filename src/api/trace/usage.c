/* usage.c: sums of what models took. See usage.h. */
#include "api/trace/usage.h"

#include <string.h>
#include <time.h>

#include "api/base/one.h"
#include "api/base/op.h"
#include "base/memory.h"
#include "engine/session/sessions.h"
#include "engine/trace/usage_walk.h"

enum { QUERY_OWNER, QUERY_BY, QUERY_DAYS, QUERY_PROJECT };

#define DAY_S (INT64_C(24) * 3600)

static const struct one_kind of_session = {.prefix = "ses",
                                           .absent = "there is no session with that id"};

struct usage_op {
    struct op op;
    struct usages *usages;   /* Borrowed. */
    struct usage_ask ask;    /* Texts are borrowed from the exchange. */
    struct usage_walk *walk; /* Owned. */
    bool any;                /* Whether a row was written. */
};

/* --- The answer ------------------------------------------------------------------------------- */

static void add_day(struct text *text, int64_t day) {
    char written[16];
    struct tm parts;
    time_t at = (time_t)(day * DAY_S);
    bool fits =
        gmtime_r(&at, &parts) != NULL && strftime(written, sizeof written, "%Y-%m-%d", &parts) > 0;
    text_addf(text, "\"%s\"", fits ? written : "");
}

/* The rate is null where nothing was read. */
static void add_usage(struct text *text, const struct session_usage *usage) {
    int64_t permille = usage_cache_permille(usage);
    text_add_str(text, "\"usage\":");
    session_write_usage(usage, text);
    if (permille < 0) {
        text_add_str(text, ",\"cache_hit_rate\":null}");
    } else {
        text_addf(text, ",\"cache_hit_rate\":%lld.%03lld}", (long long)(permille / 1000),
                  (long long)(permille % 1000));
    }
}

static void write_row(void *ctx, const struct usage_total *total) {
    struct usage_op *op = ctx;
    struct text *text = &op->op.answer;
    text_addf(text, "%s{\"%s\":", op->any ? "," : "", usage_sort_name(op->ask.by));
    op->any = true;
    if (op->ask.by == USAGE_BY_DAY) {
        add_day(text, total->day);
    } else {
        text_add_json(text, total->key.data, total->key.len);
    }
    text_add_char(text, ',');
    add_usage(text, &total->usage);
}

static struct err find_session(struct tx *tx, struct usage_op *op) {
    const struct session_key key = {.owner = op->ask.owner, .session = op->ask.session};
    struct session_row row;
    bool found = true;
    struct err err = op->ask.session.len == 0 ? ERR_OK : tx_session_find(tx, &key, &found, &row);
    return err_failed(err) || found ? err : one_absent(&of_session, &op->op.why);
}

static void write_answer(struct usage_op *op) {
    const struct session_usage sum = usage_walk_sum(op->walk);
    struct text *text = &op->op.answer;
    op->any = false;
    text_add_str(text, "{\"items\":[");
    usage_walk_each(op->walk, write_row, op);
    text_add_str(text, "],\"total\":{");
    add_usage(text, &sum);
    text_add_char(text, '}');
}

static void walk_explain(struct usage_op *op, struct err err) {
    if (err.code == ERR_TOO_EXPENSIVE) {
        why_set(&op->op.why, "there are too many rows of usage to add up; ask for fewer days%s",
                op->ask.by == USAGE_BY_SESSION ? ", and not by session" : "");
    }
}

static struct err show_run(struct tx *tx, void *ctx) {
    struct usage_op *op = ctx;
    op_restart(&op->op);
    struct err err = find_session(tx, op);
    if (!err_failed(err)) {
        err = tx_usage_slice(tx, op->walk);
        walk_explain(op, err);
    }
    if (err_failed(err) || !usage_walk_ended(op->walk)) {
        return err;
    }
    write_answer(op);
    return op_written(&op->op);
}

/* A walk of a client that is gone ends with its slice. */
static void show_done(struct err result, void *ctx) {
    struct usage_op *op = ctx;
    bool wanted = !exchange_is_orphaned(op->op.exchange);
    if (!err_failed(result) && wanted && !usage_walk_ended(op->walk)) {
        usage_walk_accept(op->walk);
        store_read_slice(op->usages->store, show_run, show_done, op);
        return;
    }
    usage_walk_free(op->walk);
    op_done(result, op);
}

/* --- The request ------------------------------------------------------------------------------ */

static struct err query_read(const struct exchange *exchange, const struct usages *usages,
                             struct usage_ask *ask, struct why *why) {
    int64_t days = exchange_query_int(exchange, QUERY_DAYS);
    ask->by = USAGE_BY_DAY;
    if (exchange_query_given(exchange, QUERY_BY) &&
        !usage_sort_find(exchange_query_text(exchange, QUERY_BY), &ask->by)) {
        why_set(why, "query parameter 'by' must be one of day, model, agent, session, project, "
                     "category");
        return err_make(ERR_BAD_FIELD, "usage: by");
    }
    if (days > 0) {
        ask->from_day = world_wall_ms(loop_world(usages->loop)) / (DAY_S * 1000) - days + 1;
    }
    ask->project = exchange_query_given(exchange, QUERY_PROJECT)
                       ? exchange_query_text(exchange, QUERY_PROJECT)
                       : BYTES("");
    return op_owner(exchange, QUERY_OWNER, &ask->owner, why);
}

static void begin(struct exchange *exchange, struct usages *usages, struct bytes session) {
    struct why why = {.text = ""};
    struct usage_ask ask = {.session = session};
    struct err err = query_read(exchange, usages, &ask, &why);
    if (err_failed(err)) {
        op_refuse(exchange, err, &why);
        return;
    }
    struct usage_op *op = mem_new(sizeof *op);
    op_init(&op->op, exchange, 200);
    op->usages = usages;
    op->ask = ask;
    op->walk = usage_walk_new(&ask);
    store_read(usages->store, show_run, show_done, op);
}

static void show(struct exchange *exchange, void *ctx) {
    begin(exchange, ctx, BYTES(""));
}

static void show_session(struct exchange *exchange, void *ctx) {
    struct one_key key;
    if (one_read(exchange, &of_session, QUERY_OWNER, &key)) {
        begin(exchange, ctx, key.id);
    }
}

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param query[] = {
    [QUERY_OWNER] = OP_OWNER_PARAM("Another owner's"),
    [QUERY_BY] = {.name = "by",
                  .about = "day (the default), model, agent, session, project or category.",
                  .kind = QUERY_TEXT,
                  .max = 16},
    [QUERY_DAYS] = {.name = "days",
                    .about = "Only so many days, today being the first; absent: all.",
                    .kind = QUERY_INT,
                    .min = 0,
                    .max = USAGE_DAYS_MAX},
    [QUERY_PROJECT] = {.name = "project",
                       .about = "Only of this project.",
                       .kind = QUERY_TEXT,
                       .max = SESSION_PROJECT_MAX},
    {.name = NULL},
};
static const char answer[] =
    "{\"type\":\"object\",\"required\":[\"items\",\"total\"],\"properties\":{\"items\":{"
    "\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"usage\"]}},"
    "\"total\":{\"type\":\"object\"}}}";

static const struct route routes[] = {
    {.method = "GET",
     .path = "/api/v1/usage",
     .summary = "What calls of models took, added up",
     .scope = SCOPE_READ,
     .query = query,
     .answer_schema = answer,
     .answer_status = 200,
     .handle = show},
    {.method = "GET",
     .path = "/api/v1/sessions/{id}/usage",
     .summary = "What the calls of one session took",
     .scope = SCOPE_READ,
     .query = query,
     .answer_schema = answer,
     .answer_status = 200,
     .handle = show_session},
};

struct route_table usage_table(struct usages *usages) {
    return (struct route_table){.routes = routes, .count = COUNT_OF(routes), .ctx = usages};
}
