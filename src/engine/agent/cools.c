/* cools.c: see cools.h. An outcome that this build does not know was written by a newer one: the
 * agent cools down nevertheless, as after a provider that failed. */
#include "engine/agent/cools.h"

static struct agent_cool_stored cool_read(const struct rows *rows) {
    struct agent_cool_stored cool = {.until_ms = rows_int(rows, 1),
                                     .changed_ms = rows_int(rows, 3)};
    if (!agent_outcome_find(rows_text(rows, 2), &cool.outcome)) {
        cool.outcome = AGENT_PROVIDER_ERROR;
    }
    return cool;
}

struct err tx_agent_cool_set(struct tx *tx, struct bytes agent, int64_t until_ms,
                             enum agent_outcome outcome) {
    tx_do(tx,
          "INSERT INTO agent_cools (agent, until_ms, outcome, changed_ms) VALUES ($1, $2, $3, $4)"
          " ON CONFLICT (agent) DO UPDATE SET until_ms = excluded.until_ms,"
          " outcome = excluded.outcome, changed_ms = excluded.changed_ms",
          ARGS(arg_text(agent), arg_int(until_ms), arg_str(agent_outcome_name(outcome)),
               arg_int(tx_now_ms(tx))));
    tx_do(tx,
          "DELETE FROM agent_cools WHERE until_ms < $1 OR agent NOT IN (SELECT agent FROM"
          " agent_cools ORDER BY until_ms DESC, agent DESC LIMIT $2)",
          ARGS(arg_int(tx_now_ms(tx) - AGENT_WAIT_MAX_MS), arg_int(AGENT_COOLS_MAX)));
    return tx_error(tx);
}

struct err tx_agent_cool_clear(struct tx *tx, struct bytes agent) {
    tx_do(tx, "DELETE FROM agent_cools WHERE agent = $1", ARGS(arg_text(agent)));
    return tx_error(tx);
}

struct err tx_agent_cools(struct tx *tx,
                          struct err (*each)(void *ctx, const struct agent_cool_row *row),
                          void *ctx) {
    AUTO(rows_release)
    struct rows *rows =
        tx_rows(tx,
                "SELECT agent, until_ms, outcome, changed_ms FROM agent_cools"
                " WHERE until_ms >= $1 ORDER BY until_ms DESC, agent DESC LIMIT $2",
                ARGS(arg_int(tx_now_ms(tx) - AGENT_WAIT_MAX_MS), arg_int(AGENT_COOLS_MAX)));
    struct err err = ERR_OK;
    while (!err_failed(err) && rows_step(rows)) {
        const struct agent_cool_row row = {.agent = rows_text(rows, 0), .cool = cool_read(rows)};
        err = each(ctx, &row);
    }
    return err_failed(err) ? err : tx_error(tx);
}

struct err tx_agent_cool_find(struct tx *tx, struct bytes agent, int64_t now_ms, bool *ret_found,
                              struct agent_cool_stored *ret_cool) {
    AUTO(rows_release)
    struct rows *rows = tx_row(tx,
                               "SELECT agent, until_ms, outcome, changed_ms FROM agent_cools"
                               " WHERE agent = $1 AND until_ms > $2",
                               ARGS(arg_text(agent), arg_int(now_ms)));
    *ret_found = rows != NULL;
    *ret_cool = *ret_found ? cool_read(rows) : (struct agent_cool_stored){.until_ms = 0};
    return tx_error(tx);
}
