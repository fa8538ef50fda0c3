/* usage_totals.c: see usage_totals.h. */
#include "engine/usage_totals.h"

#include <string.h>

#define DAY_MS (INT64_C(24) * 3600 * 1000)

static const char *const categories[USAGE_CATEGORY_COUNT] = {
#define X(category, name) name,
    USAGE_CATEGORIES(X)
#undef X
};
static const char *const sorts[USAGE_SORT_COUNT] = {
#define X(sort, name) name,
    USAGE_SORTS(X)
#undef X
};

const char *usage_sort_name(enum usage_sort sort) {
    return sorts[sort];
}

bool usage_sort_find(struct bytes name, enum usage_sort *ret_sort) {
    for (unsigned i = 0; i < USAGE_SORT_COUNT; i++) {
        if (strlen(sorts[i]) == name.len && memcmp(sorts[i], name.data, name.len) == 0) {
            *ret_sort = (enum usage_sort)i;
            return true;
        }
    }
    return false;
}

#define ADD_TO_ROW                                                                                 \
    " ON CONFLICT (owner, day, session, model, category, project) DO UPDATE SET"                   \
    " calls = usage_totals.calls + EXCLUDED.calls,"                                                \
    " fresh = usage_totals.fresh + EXCLUDED.fresh,"                                                \
    " cache_read = usage_totals.cache_read + EXCLUDED.cache_read,"                                 \
    " cache_write = usage_totals.cache_write + EXCLUDED.cache_write,"                              \
    " output = usage_totals.output + EXCLUDED.output,"                                             \
    " reasoning = usage_totals.reasoning + EXCLUDED.reasoning,"                                    \
    " cost_micros = usage_totals.cost_micros + EXCLUDED.cost_micros,"                              \
    " cost_unknown = usage_totals.cost_unknown + EXCLUDED.cost_unknown"

struct err tx_usage_add(struct tx *tx, const struct usage_add *add) {
    static const char sql[] =
        "INSERT INTO usage_totals (owner, day, session, model, category, project, agent, calls,"
        " fresh, cache_read, cache_write, output, reasoning, cost_micros, cost_unknown)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)" ADD_TO_ROW;
    const struct session_row nobody = {
        .owner = add->owner, .session = {"", 0}, .project = add->project, .agent = {"", 0}};
    const struct session_row *session = add->session == NULL ? &nobody : add->session;
    const struct session_usage *usage = &add->usage;
    const char *category = categories[add->category];
    const struct arg args[] = {
        arg_text(session->owner),
        arg_int(tx_now_ms(tx) / DAY_MS),
        arg_text(session->session),
        arg_text(add->model),
        arg_text((struct bytes){category, strlen(category)}),
        arg_text(session->project),
        arg_text(session->agent),
        arg_int(usage->calls),
        arg_int(usage->fresh),
        arg_int(usage->cache_read),
        arg_int(usage->cache_write),
        arg_int(usage->output),
        arg_int(usage->reasoning),
        arg_int(usage->cost_micros),
        arg_int(usage->cost_unknown),
    };
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
}

struct err tx_usage_forget(struct tx *tx, const struct session_row *session, int64_t limit,
                           bool *ret_some) {
    static const char add[] =
        "INSERT INTO usage_totals (owner, day, session, model, category, project, agent, calls,"
        " fresh, cache_read, cache_write, output, reasoning, cost_micros, cost_unknown)"
        " SELECT owner, day, '', model, category, project, '', calls, fresh, cache_read,"
        " cache_write, output, reasoning, cost_micros, cost_unknown FROM usage_totals"
        " WHERE owner = $1 AND session = $2 ORDER BY id LIMIT $3" ADD_TO_ROW;
    static const char remove[] = "DELETE FROM usage_totals WHERE id IN (SELECT id FROM usage_totals"
                                 " WHERE owner = $1 AND session = $2 ORDER BY id LIMIT $3)";
    const struct arg args[] = {arg_text(session->owner), arg_text(session->session),
                               arg_int(limit)};
    int64_t changed = 0;
    struct err err = tx_exec(tx, add, args, COUNT_OF(args), &changed);
    *ret_some = changed > 0;
    return err_failed(err) || changed == 0
               ? err
               : tx_exec(tx, remove, args, COUNT_OF(args), NULL /* as many */);
}

/* --- Added up --------------------------------------------------------------------------------- */

/* PostgreSQL adds big integers up to a numeric, which is not what we read. */
#define SUM(column) "CAST(COALESCE(SUM(" column "), 0) AS BIGINT)"
#define SUMS                                                                                       \
    SUM("calls")                                                                                   \
    ", " SUM("fresh") ", " SUM("cache_read") ", " SUM("cache_write") ", " SUM("output") ", " SUM(  \
        "reasoning") ", " SUM("cost_micros") ", " SUM("cost_unknown")
#define FROM                                                                                       \
    " FROM usage_totals WHERE owner = $1 AND day >= $2 AND ($3 = '' OR session = $3)"              \
    " AND ($4 = '' OR project = $4)"
#define BY(column)                                                                                 \
    "SELECT " column ", " SUMS FROM " GROUP BY " column " ORDER BY 2 DESC, 1 LIMIT 200"

static struct session_usage read_sums(const struct rows *rows, int from) {
    return (struct session_usage){.calls = rows_int(rows, from),
                                  .fresh = rows_int(rows, from + 1),
                                  .cache_read = rows_int(rows, from + 2),
                                  .cache_write = rows_int(rows, from + 3),
                                  .output = rows_int(rows, from + 4),
                                  .reasoning = rows_int(rows, from + 5),
                                  .cost_micros = rows_int(rows, from + 6),
                                  .cost_unknown = rows_int(rows, from + 7)};
}

enum { ARGS = 4 };

static void fill(const struct usage_ask *ask, struct arg args[ARGS]) {
    args[0] = arg_text(ask->owner);
    args[1] = arg_int(ask->from_day);
    args[2] = arg_text(ask->session);
    args[3] = arg_text(ask->project);
}

struct err tx_usage_each(struct tx *tx, const struct usage_ask *ask,
                         struct err (*each)(void *ctx, const struct usage_total *total),
                         void *ctx) {
    static const char *const sql[USAGE_SORT_COUNT] = {
        [USAGE_BY_DAY] = "SELECT day, " SUMS FROM " GROUP BY day ORDER BY day DESC LIMIT 200",
        [USAGE_BY_MODEL] = BY("model"),
        [USAGE_BY_AGENT] = BY("agent"),
        [USAGE_BY_SESSION] = BY("session"),
        [USAGE_BY_PROJECT] = BY("project"),
        [USAGE_BY_CATEGORY] = BY("category"),
    };
    struct arg args[ARGS];
    AUTO(rows_release) struct rows *rows = NULL;
    fill(ask, args);
    struct err err = tx_query(tx, sql[ask->by], args, ARGS, &rows);
    bool found = !err_failed(err);
    while (!err_failed(err) && found) {
        err = rows_next(rows, &found);
        if (!err_failed(err) && found) {
            bool day = ask->by == USAGE_BY_DAY;
            const struct usage_total total = {.key = day ? BYTES("") : rows_text(rows, 0),
                                              .day = day ? rows_int(rows, 0) : 0,
                                              .usage = read_sums(rows, 1)};
            err = each(ctx, &total);
        }
    }
    return err;
}

struct err tx_usage_sum(struct tx *tx, const struct usage_ask *ask,
                        struct session_usage *ret_usage) {
    struct arg args[ARGS];
    AUTO(rows_release) struct rows *rows = NULL;
    fill(ask, args);
    struct err err = tx_first(tx, "SELECT " SUMS FROM, args, ARGS, &rows);
    if (!err_failed(err) && rows != NULL) {
        *ret_usage = read_sums(rows, 0);
    }
    return err;
}

int64_t usage_cache_permille(const struct session_usage *usage) {
    int64_t read = usage->fresh + usage->cache_read + usage->cache_write;
    return read <= 0 ? -1 : usage->cache_read * 1000 / read;
}
