/* usage_totals.c: see usage_totals.h. */
#include "engine/trace/usage_totals.h"

#include <string.h>

#define DAY_MS (INT64_C(24) * 3600 * 1000)

static const char *const categories[USAGE_CATEGORY_COUNT] = {
#define X(category, name) name,
    USAGE_CATEGORIES(X)
#undef X
};
static const char *const sorts[USAGE_SORT_COUNT + 1] = {
#define X(sort, name) name,
    USAGE_SORTS(X)
#undef X
};

const char *usage_sort_name(enum usage_sort sort) {
    return sorts[sort];
}

bool usage_sort_find(struct bytes name, enum usage_sort *ret_sort) {
    return bytes_find(name, sorts, ret_sort);
}

#define COLUMNS                                                                                    \
    "owner, day, session, model, category, project, agent, calls, fresh, cache_read, cache_write," \
    " output, reasoning, cost_micros, cost_unknown"
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

struct session_usage usage_read(const struct rows *rows, int from) {
    struct session_usage usage;
    int64_t numbers[SESSION_USAGE_NUMBERS];
    for (int i = 0; i < (int)SESSION_USAGE_NUMBERS; i++) {
        numbers[i] = rows_int(rows, from + i);
    }
    memcpy(&usage, numbers, sizeof usage);
    return usage;
}

void usage_args(const struct session_usage *usage, struct arg ret_args[SESSION_USAGE_NUMBERS]) {
    int64_t numbers[SESSION_USAGE_NUMBERS];
    memcpy(numbers, usage, sizeof numbers);
    for (size_t i = 0; i < SESSION_USAGE_NUMBERS; i++) {
        ret_args[i] = arg_int(numbers[i]);
    }
}

struct err tx_usage_add(struct tx *tx, const struct usage_add *add) {
    const struct session_row nobody = {.owner = add->owner, .project = add->project};
    const struct session_row *session = add->session == NULL ? &nobody : add->session;
    struct arg args[7 + SESSION_USAGE_NUMBERS] = {
        arg_text(session->owner), arg_int(tx_now_ms(tx) / DAY_MS),    arg_text(session->session),
        arg_text(add->model),     arg_str(categories[add->category]), arg_text(session->project),
        arg_text(session->agent),
    };
    usage_args(&add->usage, &args[7]);
    tx_do(tx,
          "INSERT INTO usage_totals (" COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10,"
          " $11, $12, $13, $14, $15)" ADD_TO_ROW,
          args, COUNT_OF(args));
    return tx_error(tx);
}

struct err tx_usage_forget(struct tx *tx, const struct session_row *session, int64_t limit,
                           bool *ret_some) {
    static const char add[] =
        "INSERT INTO usage_totals (" COLUMNS ") SELECT owner, day, '', model, category, project,"
        " '', calls, fresh, cache_read, cache_write, output, reasoning, cost_micros, cost_unknown"
        " FROM usage_totals WHERE owner = $1 AND session = $2 ORDER BY id LIMIT $3" ADD_TO_ROW;
    static const char remove[] = "DELETE FROM usage_totals WHERE id IN (SELECT id FROM usage_totals"
                                 " WHERE owner = $1 AND session = $2 ORDER BY id LIMIT $3)";
    const struct arg args[] = {arg_text(session->owner), arg_text(session->session),
                               arg_int(limit)};
    *ret_some = tx_change(tx, add, args, COUNT_OF(args)) > 0;
    if (*ret_some) {
        tx_do(tx, remove, args, COUNT_OF(args));
    }
    return tx_error(tx);
}

int64_t usage_cache_permille(const struct session_usage *usage) {
    int64_t read = usage->fresh + usage->cache_read + usage->cache_write;
    return read <= 0 ? -1 : usage->cache_read * 1000 / read;
}
