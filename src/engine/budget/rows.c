/* rows.c: reading and writing nodes, and what is charged to them. */
#include "engine/budget/rows.h"

#include <string.h>

#include "base/memory.h"
#include "engine/base/ids.h"
#include "engine/run/rows.h"

enum column {
    COL_ID,
    COL_OWNER,
    COL_SCOPE,
    COL_PATH,
    COL_RUN,
    COL_MADE,
    COL_MAX,
    COL_SPENT = COL_MAX + AMOUNT_COUNT,
};

static struct err copy(struct tx *tx, struct bytes *io_text) {
    const char *kept =
        io_text->len == 0 ? "" : arena_try_copy(tx_arena(tx), io_text->data, io_text->len);
    if (kept == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "budget: row");
    }
    io_text->data = kept;
    return ERR_OK;
}

struct err budget__read(struct tx *tx, const struct rows *rows, struct budget_row *ret_row) {
    struct budget_row row = {
        .id = rows_int(rows, COL_ID),
        .owner = rows_text(rows, COL_OWNER),
        .scope = rows_text(rows, COL_SCOPE),
        .path = rows_text(rows, COL_PATH),
        .run = rows_int(rows, COL_RUN),
        .made_ms = rows_int(rows, COL_MADE),
    };
    for (int i = 0; i < AMOUNT_COUNT; i++) {
        row.limits.of[i] = rows_null(rows, COL_MAX + i) ? AMOUNT_MAX : rows_int(rows, COL_MAX + i);
        row.spent.of[i] = rows_int(rows, COL_SPENT + i);
    }
    struct bytes *const texts[] = {&row.owner, &row.scope, &row.path};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct err err = copy(tx, texts[i]);
        if (err_failed(err)) {
            return err;
        }
    }
    *ret_row = row;
    return ERR_OK;
}

struct err budget__find(struct tx *tx, const struct budget_key *key, bool *ret_found,
                        struct budget_row *ret_row) {
    static const char sql[] =
        "SELECT " BUDGET_COLUMNS " FROM budgets WHERE owner = $1 AND scope = $2";
    const struct bytes nobody = {"", 0};
    const struct arg args[] = {arg_text(budget_scope_global(key->scope) ? nobody : key->owner),
                               arg_text(key->scope)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (!err_failed(err) && rows != NULL) {
        err = budget__read(tx, rows, ret_row);
    }
    if (!err_failed(err)) {
        *ret_found = rows != NULL;
    }
    return err;
}

static struct arg limit_arg(int64_t limit) {
    return limit >= AMOUNT_MAX ? arg_null() : arg_int(limit);
}

struct err budget__insert(struct tx *tx, struct budget_row *row) {
    static const char id_sql[] = "SELECT " IDS_NEXT("budgets");
    static const char sql[] =
        "INSERT INTO budgets (id, owner, scope, path, run, made_ms, output_tokens_max, tokens_max,"
        " cost_micros_max, agents_max, wall_ms_max)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    const struct run_ask ask = {.sql = id_sql};
    struct err err = runs__int(tx, &ask, &row->id);
    if (err_failed(err)) {
        return err;
    }
    const struct arg args[] = {
        arg_int(row->id),
        arg_text(row->owner),
        arg_text(row->scope),
        arg_text(row->path),
        arg_int(row->run),
        arg_int(row->made_ms),
        limit_arg(row->limits.of[AMOUNT_OUTPUT_TOKENS]),
        limit_arg(row->limits.of[AMOUNT_TOKENS]),
        limit_arg(row->limits.of[AMOUNT_COST]),
        limit_arg(row->limits.of[AMOUNT_AGENTS]),
        limit_arg(row->limits.of[AMOUNT_WALL]),
    };
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
}

struct err budget__remove(struct tx *tx, int64_t id) {
    const struct arg args[] = {arg_int(id)};
    struct err err = tx_exec(tx, "DELETE FROM budget_means WHERE budget = $1", args, COUNT_OF(args),
                             NULL /* any number */);
    if (!err_failed(err)) {
        err = ids__keep(tx, IDS_BUDGETS);
    }
    return err_failed(err) ? err
                           : tx_exec(tx, "DELETE FROM budgets WHERE id = $1", args, COUNT_OF(args),
                                     NULL /* one row, always */);
}

struct err budget__remove_run(struct tx *tx, int64_t run) {
    const struct arg args[] = {arg_int(run)};
    const struct run_ask ask = {.sql = "SELECT id FROM budgets WHERE run = $1 AND run <> 0",
                                .args = args,
                                .count = COUNT_OF(args)};
    int64_t id = 0;
    struct err err = runs__int(tx, &ask, &id);
    return err_failed(err) || id == 0 ? err : budget__remove(tx, id);
}

/* --- What is reserved ------------------------------------------------------------------------- */

/* A sum of integers is of another type in PostgreSQL. Paths under one end with '/', so those below
 * it are what is less than it with '0', the next character. */
#define HELD_SUMS                                                                                  \
    "SELECT CAST(COALESCE(sum(output_tokens_held), 0) AS BIGINT),"                                 \
    " CAST(COALESCE(sum(tokens_held), 0) AS BIGINT),"                                              \
    " CAST(COALESCE(sum(cost_micros_held), 0) AS BIGINT),"                                         \
    " CAST(COALESCE(sum(agents_held), 0) AS BIGINT),"                                              \
    " CAST(COALESCE(sum(wall_ms_held), 0) AS BIGINT)"                                              \
    " FROM runs WHERE charged = 1 AND ended_ms IS NULL"

struct err budget__path_end(struct tx *tx, struct bytes path, struct bytes *ret_end) {
    char *end = arena_try_copy(tx_arena(tx), path.data, path.len);
    if (end == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "budget: path");
    }
    if (path.len > 0 && end[path.len - 1] == '/') { /* Nothing is below a damaged path. */
        end[path.len - 1] = '0';
    }
    *ret_end = (struct bytes){end, path.len};
    return ERR_OK;
}

struct err budget__reserved(struct tx *tx, const struct budget_row *row,
                            struct amounts *ret_reserved) {
    static const char all_sql[] = HELD_SUMS;
    static const char sql[] = HELD_SUMS " AND owner = $1 AND budget >= $2 AND budget < $3";
    struct bytes end = {"", 0};
    bool global = row->path.len == 0;
    struct err err = global ? ERR_OK : budget__path_end(tx, row->path, &end);
    if (err_failed(err)) {
        return err;
    }
    const struct arg args[] = {arg_text(row->owner), arg_text(row->path), arg_text(end)};
    AUTO(rows_release) struct rows *rows = NULL;
    err = global ? tx_first(tx, all_sql, NULL /* no argument */, 0, &rows)
                 : tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (err_failed(err)) {
        return err;
    }
    assert(rows != NULL); /* Sums always come as one row. */
    for (int i = 0; i < AMOUNT_COUNT; i++) {
        ret_reserved->of[i] = rows_int(rows, i);
    }
    return ERR_OK;
}

struct err budget__write_run(struct tx *tx, const struct run_row *row) {
    map_update(tx, &runs__map, RUN_BUDGET, row);
    return tx_error(tx);
}

/* --- The nodes above a run -------------------------------------------------------------------- */

bool budget__limited(const struct budget_row *row) {
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        if (row->limits.of[i] < AMOUNT_MAX) {
            return true;
        }
    }
    return false;
}

bool budget__above(const struct budget_row *row, struct bytes path) {
    return row->path.len <= path.len &&
           (row->path.len == 0 || memcmp(row->path.data, path.data, row->path.len) == 0);
}

/* Each prefix of the path that ends with a scope; those that are not there are the whole again. */
static void prefixes(struct bytes path, struct arg *ret_args) {
    size_t count = 0;
    for (size_t i = 0; i < path.len && count < BUDGET_PATH_PARTS; i++) {
        if (path.data[i] == '/') {
            ret_args[count++] = arg_text((struct bytes){path.data, i + 1});
        }
    }
    while (count < BUDGET_PATH_PARTS) {
        ret_args[count++] = arg_text(path);
    }
}

struct err budget__load(struct tx *tx, const struct run_row *row,
                        struct budget__places *ret_places) {
    static const char global_sql[] =
        "SELECT " BUDGET_COLUMNS " FROM budgets WHERE owner = '' AND path = ''";
    static const char sql[] = "SELECT " BUDGET_COLUMNS " FROM budgets WHERE owner IN ('', $1)"
                              " AND path IN ('', $2, $3, $4, $5, $6, $7, $8) ORDER BY path";
    static_assert(BUDGET_PATH_PARTS == 7, "as many as the statement has");
    struct arg args[1 + BUDGET_PATH_PARTS] = {arg_text(row->owner)};
    prefixes(row->budget, args + 1);
    bool global = row->budget.len == 0;
    ret_places->count = 0;
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = global ? tx_query(tx, global_sql, NULL /* no argument */, 0, &rows)
                            : tx_query(tx, sql, args, COUNT_OF(args), &rows);
    bool more = !err_failed(err);
    while (!err_failed(err) && more && ret_places->count < BUDGET_NODES_MAX) {
        err = rows_next(rows, &more);
        if (err_failed(err) || !more) {
            break;
        }
        struct budget_row *found = &ret_places->rows[ret_places->count];
        err = budget__read(tx, rows, found);
        ret_places->nodes[ret_places->count++] =
            (struct budget_node){.limits = found->limits, .spent = found->spent};
    }
    return err;
}
