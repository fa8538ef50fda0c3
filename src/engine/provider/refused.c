/* refused.c: see refused.h. A name that this build does not know was written by a newer one, and is
 * passed over. */
#include "engine/provider/refused.h"

enum { NAMES_MAX = 1024 };

static parameter_set names_read(struct bytes names) {
    parameter_set set = 0;
    struct bytes name;
    enum provider_parameter parameter;
    while (bytes_next(&names, ' ', &name)) {
        set |= parameter_find(name, &parameter) ? parameter_of(parameter) : 0;
    }
    return set;
}

static parameter_set known_read(struct tx *tx, struct bytes model) {
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx,
                                "SELECT parameters FROM refused_parameters"
                                " WHERE model = $1 AND until_ms > $2",
                                ARGS(arg_text(model), arg_int(tx_now_ms(tx))));
    return rows_step(rows) ? names_read(rows_text(rows, 0)) : 0;
}

struct err tx_refused_learn(struct tx *tx, const struct refused_parameters *refused) {
    AUTO(text_done) struct text names = text_up_to(NAMES_MAX);
    parameters_join(refused->parameters | known_read(tx, refused->model), " ", &names);
    tx_do(tx,
          "INSERT INTO refused_parameters (model, parameters, until_ms) VALUES ($1, $2, $3)"
          " ON CONFLICT (model) DO UPDATE SET parameters = excluded.parameters,"
          " until_ms = excluded.until_ms",
          ARGS(arg_text(refused->model), arg_text(text_bytes(&names)), arg_int(refused->until_ms)));
    tx_do(tx,
          "DELETE FROM refused_parameters WHERE until_ms <= $1 OR model NOT IN (SELECT model FROM"
          " refused_parameters ORDER BY until_ms DESC, model LIMIT $2)",
          ARGS(arg_int(tx_now_ms(tx)), arg_int(REFUSED_PARAMETERS_MAX)));
    return tx_error(tx);
}

struct err tx_refused_each(struct tx *tx,
                           struct err (*each)(void *ctx, const struct refused_parameters *refused),
                           void *ctx) {
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx,
                                "SELECT model, parameters, until_ms FROM refused_parameters"
                                " WHERE until_ms > $1 ORDER BY until_ms DESC, model LIMIT $2",
                                ARGS(arg_int(tx_now_ms(tx)), arg_int(REFUSED_PARAMETERS_MAX)));
    struct err err = ERR_OK;
    while (!err_failed(err) && rows_step(rows)) {
        const struct refused_parameters refused = {.model = rows_text(rows, 0),
                                                   .parameters = names_read(rows_text(rows, 1)),
                                                   .until_ms = rows_int(rows, 2)};
        err = each(ctx, &refused);
    }
    return err_failed(err) ? err : tx_error(tx);
}

struct err tx_refused_forget(struct tx *tx, struct bytes connection) {
    tx_do(tx,
          "DELETE FROM refused_parameters"
          " WHERE substr(model, 1, CAST($2 AS INTEGER)) = $1 || '/'",
          ARGS(arg_text(connection), arg_int((int64_t)connection.len + 1)));
    return tx_error(tx);
}
