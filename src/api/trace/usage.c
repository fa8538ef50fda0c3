/* usage.c: sums of what models took. See usage.h. */
#include "api/trace/usage.h"

#include <string.h>
#include <time.h>

#include "api/base/request.h"
#include "api/run/runs.h"
#include "engine/session/sessions.h"
#include "engine/trace/usage_walk.h"

#define HOUR_S INT64_C(3600)
#define DAY_S (24 * HOUR_S)

struct usage_op {
    struct request request;
    struct usage_ask ask;    /* Texts are borrowed from the exchange. */
    struct bytes run;        /* Run whose usage is asked for; "": of all. */
    struct usage_walk *walk; /* Owned. */
    bool any;                /* Whether a row was written. */
};

/* --- The answer ------------------------------------------------------------------------------- */

/* The rate is null where nothing was read. */
static void sums_add(struct text *text, const struct session_usage *usage) {
    int64_t permille = usage_cache_permille(usage);
    text_add_name(text, "usage");
    fields_write(&session_usage_fields, FIELD_LISTED, usage, text);
    if (permille < 0) {
        text_add_str(text, ",\"cache_hit_rate\":null}");
    } else {
        text_addf(text, ",\"cache_hit_rate\":%lld.%03lld}", (long long)(permille / 1000),
                  (long long)(permille % 1000));
    }
}

/* "2026-01-31" or "2026-01-31T23:00Z". */
static void key_add(struct text *text, enum usage_sort sort, const struct usage_key *key) {
    char moment[32] = "";
    if (usage_sort_is_time(sort)) {
        const bool day = sort == USAGE_BY_DAY;
        const time_t at = (time_t)(key->time * (day ? DAY_S : HOUR_S));
        struct tm parts;
        bool fits =
            gmtime_r(&at, &parts) != NULL &&
            strftime(moment, sizeof moment, day ? "%Y-%m-%d" : "%Y-%m-%dT%H:00Z", &parts) > 0;
        text_add_member(text, usage_sort_name(sort), bytes_of(fits ? moment : ""));
    } else if (sort != USAGE_BY_SEGMENT) {
        text_add_member(text, usage_sort_name(sort), key->text);
    }
}

static struct text *row_begin(struct usage_op *op, const struct usage_total *total) {
    struct text *text = &op->request.op.answer;
    text_add_str(text, op->any ? ",{" : "{");
    op->any = true;
    for (size_t i = 0; i < op->ask.by_count; i++) {
        key_add(text, op->ask.by[i], &total->keys[i]);
    }
    return text;
}

/* A row for each segment that has tokens. */
static void segments_add(struct usage_op *op, const struct usage_total *total) {
    for (unsigned i = 0; i < USAGE_SEGMENT_COUNT; i++) {
        const enum usage_segment segment = (enum usage_segment)i;
        const int64_t tokens = usage_segment_tokens(total, segment);
        if (tokens > 0) {
            struct text *text = row_begin(op, total);
            text_add_member(text, "segment", bytes_of(usage_segment_name(segment)));
            text_add_member_int(text, "tokens", tokens);
            text_add_char(text, '}');
        }
    }
}

static void total_add(void *ctx, const struct usage_total *total) {
    struct usage_op *op = ctx;
    if (usage_asks_segments(&op->ask)) {
        segments_add(op, total);
        return;
    }
    struct text *text = row_begin(op, total);
    if (usage_asks_tools(&op->ask)) {
        text_add_member_int(text, "ms", total->ms);
        text_add_member_int(text, "errors", total->errors);
    }
    sums_add(text, &total->usage);
}

/* Usage is kept by workflow; that of other runs is in their spans alone. */
static struct err run_find(struct tx *tx, struct usage_op *op) {
    struct why *why = &op->request.op.why;
    bool workflow = false;
    if (op->run.len == 0 || op->ask.run != 0) {
        return ERR_OK;
    }
    const int64_t id = tx_usage_run(tx, op->ask.owner, op->run, &workflow);
    if (id == 0 || err_failed(tx_error(tx))) {
        return id == 0 && !err_failed(tx_error(tx)) ? runs__absent(op->run, why) : tx_error(tx);
    }
    op->ask.run = workflow ? id : 0;
    return workflow ? ERR_OK
                    : err_why(why, ERR_BAD_QUERY,
                              "run: %.*s is no workflow: the sums of GET /runs/{id}/spans?below=1"
                              " have what it used",
                              (int)op->run.len, op->run.data);
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
    TRY(run_find(tx, op));
    op->walk = op->walk == NULL ? usage_walk_new(&op->ask) : op->walk;
    struct err err = tx_usage_slice(tx, op->walk);
    if (err.code == ERR_TOO_EXPENSIVE) {
        why_set(&request->op.why,
                "there are too many rows of usage to add up; ask for fewer days%s",
                op->ask.by[0] == USAGE_BY_SESSION ? ", and not by session" : "");
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
    sums_add(text, &sum);
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

#define USAGE_BY_WORDS                                                                             \
    "day, hour, model, agent, session, project, category, tool, workflow, phase, segment"

/* Reads one word, or two different ones. */
static bool by_read(struct bytes words, struct usage_ask *ask) {
    struct bytes word = BYTES("");
    ask->by_count = 0;
    if (words.len == 0 || words.data[words.len - 1] == ',') {
        return false;
    }
    while (bytes_next(&words, ',', &word)) {
        if (ask->by_count == USAGE_KEYS || !usage_sort_find(word, &ask->by[ask->by_count])) {
            return false;
        }
        ask->by_count++;
    }
    if (ask->by_count == USAGE_KEYS && ask->by[0] == USAGE_BY_SEGMENT) {
        ask->by[0] = ask->by[1]; /* Segments divide the rows of the other dimension. */
        ask->by[1] = USAGE_BY_SEGMENT;
    }
    return ask->by_count == 1 || (ask->by_count == USAGE_KEYS && ask->by[0] != ask->by[1]);
}

/* "2026-01-31" as days since 1970; absent: 0. */
static struct err day_read(struct usage_op *op, const char *name, int64_t *ret_day) {
    enum { DAY_LEN = 10 };
    const struct bytes given = param_text(op->request.op.exchange, name);
    char text[DAY_LEN + 1] = "", again[DAY_LEN + 1] = "";
    struct tm parts = {.tm_year = 0};
    if (!param_given(op->request.op.exchange, name)) {
        return ERR_OK;
    }
    memcpy(text, given.data, given.len < DAY_LEN ? given.len : DAY_LEN);
    const char *end = strptime(text, "%Y-%m-%d", &parts);
    const time_t at = end == NULL ? 0 : timegm(&parts);
    /* A day that its month does not have becomes another one. */
    const bool same = given.len == DAY_LEN && at > 0 && gmtime_r(&at, &parts) != NULL &&
                      strftime(again, sizeof again, "%Y-%m-%d", &parts) == DAY_LEN &&
                      strcmp(text, again) == 0;
    *ret_day = (int64_t)at / DAY_S;
    return same ? ERR_OK
                : err_why(&op->request.op.why, ERR_BAD_QUERY,
                          "query parameter '%s' must be a day after 1970-01-01, as 2026-01-31",
                          name);
}

static struct err days_read(struct usage_op *op) {
    struct usage_ask *ask = &op->ask;
    struct why *why = &op->request.op.why;
    const struct exchange *exchange = op->request.op.exchange;
    const int64_t days = param_number(exchange, "days");
    struct err err = day_read(op, "from", &ask->from_day);
    if (!err_failed(err)) {
        err = day_read(op, "to", &ask->to_day);
    }
    if (err_failed(err)) {
        return err;
    }
    if (days > 0 && (ask->from_day > 0 || ask->to_day > 0)) {
        return err_why(why, ERR_BAD_QUERY, "give either days, or from and to");
    }
    if (ask->to_day > 0 && ask->from_day > ask->to_day) {
        return err_why(why, ERR_BAD_QUERY, "from is a day after to");
    }
    if (days > 0) {
        ask->from_day = world_wall_ms(loop_world(op->request.loop)) / (DAY_S * 1000) - days + 1;
    }
    return ERR_OK;
}

static struct err usage_show_start(void *ctx) {
    struct usage_op *op = ctx;
    const struct exchange *exchange = op->request.op.exchange;
    if (op->request.more) {
        return ERR_OK;
    }
    op->run = param_text(exchange, "run");
    op->ask = (struct usage_ask){.owner = op->request.key.owner,
                                 .session = op->request.key.id,
                                 .project = param_text(exchange, "project"),
                                 .by = {USAGE_BY_DAY},
                                 .by_count = 1};
    if (param_given(exchange, "by") && !by_read(param_text(exchange, "by"), &op->ask)) {
        return err_why(&op->request.op.why, ERR_BAD_FIELD,
                       "query parameter 'by' must be one of " USAGE_BY_WORDS
                       ", or two of them: a,b");
    }
    if (usage_asks_tools(&op->ask) && usage_asks_segments(&op->ask)) {
        return err_why(&op->request.op.why, ERR_BAD_FIELD,
                       "query parameter 'by': calls of tools have no tokens, and so no segments");
    }
    return days_read(op);
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
    {QUERY("by", QUERY_TEXT,
           "Dimension, or two (a,b): day (the default), hour, model, agent, session, project, "
           "category, tool, workflow, phase, segment. With tool calls of tools are counted."),
     .max = 40},
    {QUERY("days", QUERY_INT, "Number of days, today included; absent: all."), .min = 0,
     .max = USAGE_DAYS_MAX},
    {QUERY("from", QUERY_TEXT, "First day (2026-01-31, UTC)."), .max = 10},
    {QUERY("to", QUERY_TEXT, "Last day."), .max = 10},
    {QUERY("run", QUERY_TEXT, "Only of the agents of this workflow."), .max = ID_SIZE},
    {QUERY("project", QUERY_TEXT, "Only of this project."), .max = SESSION_PROJECT_MAX},
    {.name = NULL},
};
static const char answer[] =
    "{\"type\":\"object\",\"required\":[\"items\",\"total\"],\"properties\":{\"items\":{\"type\":"
    "\"array\",\"items\":{\"type\":\"object\"}},\"total\":" OBJECT_SCHEMA "}}";

const struct route usage_routes[] = {
    {ROUTE("GET", "/api/v1/usage", SCOPE_READ, "Show sums of what models used"), .query = query,
     .answer_schema = answer, .request = &show},
    {ROUTE("GET", "/api/v1/sessions/{id}/usage", SCOPE_READ,
           "Show what the models of one session used"),
     .query = query, .answer_schema = answer, .request = &show_session},
    {.method = NULL},
};
