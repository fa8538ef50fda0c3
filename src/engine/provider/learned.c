/* learned.c: see learned.h. A name of a parameter that this build does not know was written by a
 * newer one, and is passed over. */
#include "engine/provider/learned.h"

enum { NAMES_MAX = 1024 };

/* The statements of a table whose column `value` holds the limit. */
struct learned_sql {
    const char *add, *trim, *one, *each, *forget;
};

/* A connection's name has no slash: it is what stands before the first one. The cast is for
 * PostgreSQL, whose substr takes no BIGINT. */
#define LEARNED_SQL(table, value)                                                                  \
    {                                                                                              \
        .add = "INSERT INTO " table " (model, " value ", until_ms) VALUES ($1, $2, $3)"            \
               " ON CONFLICT (model) DO UPDATE SET " value " = excluded." value ","                \
               " until_ms = excluded.until_ms",                                                    \
        .trim =                                                                                    \
            "DELETE FROM " table " WHERE until_ms <= $1 OR model NOT IN (SELECT model FROM " table \
            " ORDER BY until_ms DESC, model LIMIT $2)",                                            \
        .one =                                                                                     \
            "SELECT model, " value ", until_ms FROM " table " WHERE model = $1 AND until_ms > $2", \
        .each = "SELECT model, " value ", until_ms FROM " table                                    \
                " WHERE until_ms > $1 ORDER BY until_ms DESC, model LIMIT $2",                     \
        .forget = "DELETE FROM " table " WHERE substr(model, 1, CAST($2 AS INTEGER)) = $1 || '/'", \
    }

static const struct learned_sql sqls[LEARNED_KIND_COUNT] = {
    [LEARNED_WINDOW] = LEARNED_SQL("learned_windows", "tokens"),
    [LEARNED_REFUSED] = LEARNED_SQL("refused_parameters", "parameters"),
};

static parameter_set names_read(struct bytes names) {
    parameter_set set = 0;
    struct bytes name;
    enum provider_parameter parameter;
    while (bytes_next(&names, ' ', &name)) {
        set |= parameter_find(name, &parameter) ? parameter_of(parameter) : 0;
    }
    return set;
}

/* Texts are borrowed until the next row. False: no row is left. */
static bool limit_read(struct rows *rows, enum learned_kind kind, struct learned_limit *ret_limit) {
    if (!rows_step(rows)) {
        return false;
    }
    *ret_limit = (struct learned_limit){.model = rows_text(rows, 0), .until_ms = rows_int(rows, 2)};
    if (kind == LEARNED_WINDOW) {
        ret_limit->window = rows_int(rows, 1);
    } else {
        ret_limit->refused = names_read(rows_text(rows, 1));
    }
    return true;
}

static parameter_set refused_before(struct tx *tx, struct bytes model) {
    AUTO(rows_release)
    struct rows *rows =
        tx_rows(tx, sqls[LEARNED_REFUSED].one, ARGS(arg_text(model), arg_int(tx_now_ms(tx))));
    struct learned_limit limit = {.refused = 0};
    return limit_read(rows, LEARNED_REFUSED, &limit) ? limit.refused : 0;
}

struct err tx_learned_add(struct tx *tx, enum learned_kind kind,
                          const struct learned_limit *limit) {
    AUTO(text_done) struct text names = text_up_to(NAMES_MAX);
    struct arg value = arg_int(limit->window);
    if (kind == LEARNED_REFUSED) {
        parameters_join(limit->refused | refused_before(tx, limit->model), " ", &names);
        value = arg_text(text_bytes(&names));
    }
    tx_do(tx, sqls[kind].add, ARGS(arg_text(limit->model), value, arg_int(limit->until_ms)));
    tx_do(tx, sqls[kind].trim, ARGS(arg_int(tx_now_ms(tx)), arg_int(LEARNED_MAX)));
    return tx_error(tx);
}

struct err tx_learned_each(struct tx *tx, enum learned_kind kind,
                           struct err (*each)(void *ctx, const struct learned_limit *limit),
                           void *ctx) {
    AUTO(rows_release)
    struct rows *rows =
        tx_rows(tx, sqls[kind].each, ARGS(arg_int(tx_now_ms(tx)), arg_int(LEARNED_MAX)));
    struct learned_limit limit;
    struct err err = ERR_OK;
    while (!err_failed(err) && limit_read(rows, kind, &limit)) {
        err = each(ctx, &limit);
    }
    return err_failed(err) ? err : tx_error(tx);
}

struct err tx_learned_forget(struct tx *tx, struct bytes connection) {
    for (size_t kind = 0; kind < LEARNED_KIND_COUNT; kind++) {
        tx_do(tx, sqls[kind].forget,
              ARGS(arg_text(connection), arg_int((int64_t)connection.len + 1)));
    }
    return tx_error(tx);
}
