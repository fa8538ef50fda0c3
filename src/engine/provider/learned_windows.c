/* learned_windows.c: one row for each model, by the name under which it is asked. */
#include "engine/provider/learned_windows.h"

static struct err drop_old(struct tx *tx) {
    static const char sql[] =
        "DELETE FROM learned_windows WHERE until_ms <= $1 OR model NOT IN (SELECT model FROM"
        " learned_windows ORDER BY until_ms DESC, model LIMIT $2)";
    const struct arg args[] = {arg_int(tx_now_ms(tx)), arg_int(LEARNED_WINDOWS_MAX)};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* as many as there are */);
}

struct err tx_window_learn(struct tx *tx, const struct learned_window *window) {
    static const char sql[] =
        "INSERT INTO learned_windows (model, tokens, until_ms) VALUES ($1, $2, $3)"
        " ON CONFLICT (model) DO UPDATE SET tokens = excluded.tokens, until_ms = excluded.until_ms";
    const struct arg args[] = {arg_text(window->model), arg_int(window->window),
                               arg_int(window->until_ms)};
    struct err err = tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
    return err_failed(err) ? err : drop_old(tx);
}

struct err tx_window_each(struct tx *tx,
                          struct err (*each)(void *ctx, const struct learned_window *window),
                          void *ctx) {
    static const char sql[] = "SELECT model, tokens, until_ms FROM learned_windows"
                              " WHERE until_ms > $1 ORDER BY until_ms DESC, model LIMIT $2";
    const struct arg args[] = {arg_int(tx_now_ms(tx)), arg_int(LEARNED_WINDOWS_MAX)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    while (rows_more(rows, &err)) {
        const struct learned_window window = {.model = rows_text(rows, 0),
                                              .window = rows_int(rows, 1),
                                              .until_ms = rows_int(rows, 2)};
        err = each(ctx, &window);
    }
    return err;
}

/* A name of a connection has no slash: what stands before the first one is it. The cast is for
 * PostgreSQL, whose substr takes no BIGINT. */
struct err tx_window_forget(struct tx *tx, struct bytes connection) {
    static const char sql[] = "DELETE FROM learned_windows"
                              " WHERE substr(model, 1, CAST($2 AS INTEGER)) = $1 || '/'";
    const struct arg args[] = {arg_text(connection), arg_int((int64_t)connection.len + 1)};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* as many as there are */);
}
