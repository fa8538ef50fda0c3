/* learned_windows.c: one row for each model, by the name under which it is asked. */
#include "engine/provider/learned_windows.h"

struct err tx_window_learn(struct tx *tx, const struct learned_window *window) {
    tx_do(tx,
          "INSERT INTO learned_windows (model, tokens, until_ms) VALUES ($1, $2, $3)"
          " ON CONFLICT (model) DO UPDATE SET tokens = excluded.tokens,"
          " until_ms = excluded.until_ms",
          ARGS(arg_text(window->model), arg_int(window->window), arg_int(window->until_ms)));
    tx_do(tx,
          "DELETE FROM learned_windows WHERE until_ms <= $1 OR model NOT IN (SELECT model FROM"
          " learned_windows ORDER BY until_ms DESC, model LIMIT $2)",
          ARGS(arg_int(tx_now_ms(tx)), arg_int(LEARNED_WINDOWS_MAX)));
    return tx_error(tx);
}

struct err tx_window_each(struct tx *tx,
                          struct err (*each)(void *ctx, const struct learned_window *window),
                          void *ctx) {
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx,
                                "SELECT model, tokens, until_ms FROM learned_windows"
                                " WHERE until_ms > $1 ORDER BY until_ms DESC, model LIMIT $2",
                                ARGS(arg_int(tx_now_ms(tx)), arg_int(LEARNED_WINDOWS_MAX)));
    struct err err = ERR_OK;
    while (!err_failed(err) && rows_step(rows)) {
        const struct learned_window window = {.model = rows_text(rows, 0),
                                              .window = rows_int(rows, 1),
                                              .until_ms = rows_int(rows, 2)};
        err = each(ctx, &window);
    }
    return err_failed(err) ? err : tx_error(tx);
}

/* A connection's name has no slash: it is what stands before the first one. The cast is for
 * PostgreSQL, whose substr takes no BIGINT. */
struct err tx_window_forget(struct tx *tx, struct bytes connection) {
    tx_do(tx,
          "DELETE FROM learned_windows"
          " WHERE substr(model, 1, CAST($2 AS INTEGER)) = $1 || '/'",
          ARGS(arg_text(connection), arg_int((int64_t)connection.len + 1)));
    return tx_error(tx);
}
