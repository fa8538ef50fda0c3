/* usage.c: sums of what models took. See usage.h. */
#include "api/trace/usage.h"

#include <string.h>
#include <time.h>

#include "api/base/request.h"
#include "engine/session/sessions.h"
#include "engine/trace/usage_walk.h"

#define DAY_S (INT64_C(24) * 3600)

struct usage_op {
    struct request request;
    struct usage_ask ask;    /* Texts are borrowed from the exchange. */
    struct usage_walk *walk; /* Owned. */
    bool any;                /* Whether a row was written. */
};

/* --- The answer ------------------------------------------------------------------------------- */

/* The rate is null where nothing was read. */
static void usage_add(struct text *text, const struct session_usage *usage) {
    int64_t permille = usage_cache_permille(usage);
    text_add_name(text, "usage");
    session_write_usage(usage, text);
    if (permille < 0) {
        text_add_str(text, ",\"cache_hit_rate\":null}");
    } else {
        text_addf(text, ",\"cache_hit_rate\":%lld.%03lld}", (long long)(permille / 1000),
                  (long long)(permille % 1000));
    }
}

static void total_add(void *ctx, const struct usage_total *total) {
    struct usage_op *op = ctx;
    struct text *text = &op->request.op.answer;
    struct bytes key = total->key;
    char day[16] = "";
    if (op->ask.by == USAGE_BY_DAY) {
        struct tm parts;
        time_t at = (time_t)(total->day * DAY_S);
        bool fits =
            gmtime_r(&at, &parts) != NULL && strftime(day, sizeof day, "%Y-%m-%d", &parts) > 0;
        key = bytes_of(fits ? day : "");
    }
    text_add_str(text, op->any ? ",{" : "{");
    op->any = true;
    text_add_member(text, usage_sort_name(op->ask.by), key);
    usage_add(text, &total->usage);
}

static struct err usage_show_work(struct tx *tx, void *ctx) {
    struct usage_op *op = ctx;
    struct request *request = &op->request;
    struct text *text = &request->op.answer;
    if (op->ask.session.len > 0) {
        const struct session_key key = {.owner = op->ask.owner, .session = op->ask.session};
        struct session_row row;
        bool found = false;
        struct err err = tx_session_find(tx, &key, &found, &row);
        if (err_failed(err) || !found) {
            return request_absent(request, err);
        }
    }
    struct err err = tx_usage_slice(tx, op->walk);
    if (err.code == ERR_TOO_EXPENSIVE) {
        why_set(&request->op.why,
                "there are too many rows of usage to add up; ask for fewer days%s",
                op->ask.by == USAGE_BY_SESSION ? ", and not by session" : "");
    }
    request->more = !usage_walk_ended(op->walk);
    if (err_failed(err) || request->more) {
        return err;
    }
    const struct session_usage sum = usage_walk_sum(op->walk);
    op->any = false;
    text_add_str(text, "{\"items\":[");
    usage_walk_each(op->walk, total_add, op);
    text_add_str(text, "],\"total\":{");
    usage_add(text, &sum);
    text_add_char(text, '}');
    return op_written(&request->op);
}

/* A walk of a client that is gone ends with its slice. */
static enum request_next usage_show_done(void *ctx, struct err *io_result) {
    struct usage_op *op = ctx;
    op->request.more = op->request.more && !exchange_is_orphaned(op->request.op.exchange);
    if (!err_failed(*io_result) && op->request.more) {
        usage_walk_accept(op->walk);
    }
    return REQUEST_ANSWER;
}

/* --- The request ------------------------------------------------------------------------------ */

static struct err usage_show_start(void *ctx) {
    struct usage_op *op = ctx;
    const struct exchange *exchange = op->request.op.exchange;
    if (op->request.more) {
        return ERR_OK;
    }
    int64_t days = param_number(exchange, "days");
    op->ask = (struct usage_ask){.owner = op->request.key.owner,
                                 .session = op->request.key.id,
                                 .project = param_text(exchange, "project"),
                                 .by = USAGE_BY_DAY};
    if (param_given(exchange, "by") && !usage_sort_find(param_text(exchange, "by"), &op->ask.by)) {
        return err_why(&op->request.op.why, ERR_BAD_FIELD,
                       "query parameter 'by' must be one of day, model, agent, session, project, "
                       "category");
    }
    if (days > 0) {
        op->ask.from_day = world_wall_ms(loop_world(op->request.loop)) / (DAY_S * 1000) - days + 1;
    }
    op->walk = usage_walk_new(&op->ask);
    return ERR_OK;
}

static void usage_show_end(void *ctx, struct err result) {
    struct usage_op *op = ctx;
    usage_walk_free(op->walk);
}

#define SHOW(one_)                                                                                 \
    {                                                                                              \
        .size = sizeof(struct usage_op), .one = (one_), .start = usage_show_start,                 \
        .work = usage_show_work, .done = usage_show_done, .end = usage_show_end                    \
    }
static const struct request_kind show = SHOW(NULL), show_session = SHOW(&session_one);

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param query[] = {
    OP_OWNER_PARAM("Another owner's"),
    {.name = "by",
     .about = "day (the default), model, agent, session, project or category.",
     .kind = QUERY_TEXT,
     .max = 16},
    {.name = "days",
     .about = "Only so many days, today being the first; absent: all.",
     .kind = QUERY_INT,
     .min = 0,
     .max = USAGE_DAYS_MAX},
    {.name = "project",
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
     .request = &show},
    {.method = "GET",
     .path = "/api/v1/sessions/{id}/usage",
     .summary = "What the calls of one session took",
     .scope = SCOPE_READ,
     .query = query,
     .answer_schema = answer,
     .request = &show_session},
};

struct route_table usage_table(struct request_host *host) {
    return (struct route_table){routes, COUNT_OF(routes), host, request_handle};
}
