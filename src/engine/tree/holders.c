/* holders.c: see holders.h. */
#include "engine/tree/holders.h"

static struct err use_refuse(struct bytes run, struct why *why) {
    return err_why(why, ERR_IN_USE, "%.*s is working in it: wait for its end, or stop it",
                   (int)run.len, run.data);
}

struct err tx_tree_idle(struct tx *tx, const struct tree_row *row, struct why *why) {
    static const char *const held[] = {
        [TREE_OF_SESSION] = NULL,
        [TREE_OF_TASK] = "SELECT task FROM tasks WHERE task = $1 AND open_attempt <> 0",
        [TREE_OF_AGENT] = "SELECT run FROM runs WHERE run = $1 AND ended_ms IS NULL"};
    const struct bytes turn =
        tx_text(tx,
                "SELECT r.run FROM runs r JOIN turns t ON t.run = r.id"
                " JOIN sessions s ON s.id = t.session WHERE r.ended_ms IS NULL"
                " AND (s.session = $1 OR substr(s.root || '/', 1, length($2) + 1) = $2 || '/')"
                " ORDER BY r.id LIMIT 1",
                ARGS(arg_text(row->holder), arg_text(row->texts[TREE_PATH])));
    if (turn.len > 0) {
        return use_refuse(turn, why);
    }
    const struct bytes holder = held[row->kind] == NULL
                                    ? BYTES("")
                                    : tx_text(tx, held[row->kind], ARGS(arg_text(row->holder)));
    return holder.len > 0 ? use_refuse(holder, why) : tx_error(tx);
}

int64_t tx_tree_ended_ms(struct tx *tx, const struct tree_row *row) {
    static const char *const ended[] = {
        [TREE_OF_SESSION] =
            "SELECT CASE WHEN archived_ms IS NULL THEN -1 ELSE archived_ms END FROM sessions"
            " WHERE session = $1", /* A deleted one is archived, too. */
        [TREE_OF_TASK] =
            "SELECT CASE WHEN status IN ('done', 'failed', 'cancelled') AND open_attempt = 0"
            " THEN changed_ms ELSE -1 END FROM tasks WHERE task = $1",
        [TREE_OF_AGENT] =
            "SELECT CASE WHEN ended_ms IS NULL THEN -1 ELSE ended_ms END FROM runs WHERE run = $1"};
    const int64_t at_ms = tx_number(tx, ended[row->kind], ARGS(arg_text(row->holder)));
    /* Without its row, the holder was deleted. */
    return at_ms < 0 ? 0 : at_ms > 0 ? at_ms : row->changed_ms;
}

bool tx_tree_over_next(struct tx *tx, const struct trees_over *over, struct tree_row *ret_row) {
    int64_t after = over->after;
    for (bool more = true; more;) {
        AUTO(rows_release)
        struct rows *rows =
            tx_resource_rows(tx, &tree_resource,
                             "host = $1 AND id > $2 AND state <> 'gone' AND ($3 = '' OR owner = $3)"
                             " AND ($4 = '' OR project = $4) ORDER BY id LIMIT 1",
                             ARGS(arg_text(over->host), arg_int(after), arg_text(over->owner),
                                  arg_text(over->project)));
        more = rows_step(rows) && resource_row_read(&tree_resource, rows, ret_row);
        if (more) {
            tx_resource_copy(tx, &tree_resource, ret_row);
            rows_release(&rows);
            after = ret_row->number;
            const int64_t ended_ms = tx_tree_ended_ms(tx, ret_row);
            const bool kept = ret_row->kept && ret_row->changed_ms >= ended_ms; /* This end. */
            if (ended_ms > 0 && (over->before_ms == 0 || ended_ms < over->before_ms) &&
                !(over->unkept && kept)) {
                return !err_failed(tx_error(tx));
            }
        }
    }
    return false;
}
