/* damaged.c: the end of runs whose rows cannot be read.
 *
 * A row may hold a word that no drover wrote, or a text longer than any that it stores. Such a row
 * must not hold up the runs that share its key, slots, budget or parent, so whoever meets one while
 * it looks for the next run asks the damaged one to end, and goes on:
 *
 *   damaged ──words that are known, stop = history_unreadable──> queued at gate TIME, due now;
 *      │                                                         or running, if it had begun
 *      └──its id or owner is damaged──> failed, in this commit
 *
 * The first way is that of every other run that is stopped: its process is found and ended, its
 * followers and receivers are notified, what it holds goes to others. So texts that are too long
 * are cut first, and an unknown kind is found from the rows beside it: neither begins anything,
 * since the row asks for its end alone. The second way notifies nobody: the row does not say whose
 * stream it is. Mending the words with a guess of what they were was rejected: a run might be
 * started twice.
 */
#include "engine/run/rows.h"

static struct arg state_arg(enum run_state state) {
    return arg_str(run_state_name(state));
}

/* The rows beside a run say of which kind it is. A list of kinds in SQL would forget the next one.
 * Texts within their limits stay as they are; notices are named in the spec, so it is kept whole or
 * not at all. */
static void row_mend(struct tx *tx, int64_t id) {
    enum run_kind kind;
    AUTO(rows_release)
    struct rows *rows = tx_row(tx, "SELECT kind FROM runs WHERE id = $1", ARGS(arg_int(id)));
    bool known = rows == NULL || run_kind_find(rows_text(rows, 0), &kind);
    rows_release(&rows);
    if (!known) {
        tx_do(tx,
              "UPDATE runs SET kind = CASE"
              " WHEN EXISTS (SELECT 1 FROM turns t WHERE t.run = runs.id) THEN $2"
              " WHEN EXISTS (SELECT 1 FROM workflows w WHERE w.run = runs.id)"
              " THEN $3 WHEN step_key <> '' THEN $4 ELSE $5 END WHERE id = $1",
              ARGS(arg_int(id), arg_str(run_kind_name(KIND_TURN)),
                   arg_str(run_kind_name(KIND_WORKFLOW)), arg_str(run_kind_name(KIND_AGENT)),
                   arg_str(run_kind_name(KIND_JOB))));
    }
    tx_do(tx,
          "UPDATE runs SET run_key = substr(run_key, 1, 1000), label = substr(label, 1, 1000),"
          " note = substr(note, 1, 1000), command = substr(command, 1, 1000), shown = '',"
          " host = substr(host, 1, 1000),"
          " budget = CASE WHEN length(budget) > 1000 THEN '' ELSE budget END,"
          " result = CASE WHEN length(result) > $2 THEN '' ELSE result END,"
          " spec = CASE WHEN length(spec) > $2 THEN '' ELSE spec END WHERE id = $1",
          ARGS(arg_int(id), arg_int(RUN_SPEC_MAX)));
}

struct err runs__end_damaged(struct tx *tx, int64_t id) {
    const struct arg unreadable = arg_str(run_cause_name(CAUSE_HISTORY_UNREADABLE));
    const struct arg none = arg_str(run_gate_name(GATE_NONE));
    bool found = false;
    struct run_row row;
    tx_do(tx,
          "UPDATE runs SET state = CASE WHEN gate <> $9 THEN $4 WHEN state = $5 THEN state"
          " ELSE $6 END, gate = CASE WHEN gate <> $9 THEN $7 ELSE gate END, cause = $10, lane = 0,"
          " stop = $8, stop_grace_ms = $2, not_before_ms = $3"
          " WHERE id = $1 AND ended_ms IS NULL",
          ARGS(arg_int(id), arg_int(RUN_STOP_GRACE_MS), arg_int(tx_now_ms(tx)),
               state_arg(RUN_QUEUED), state_arg(RUN_WAITING), state_arg(RUN_RUNNING),
               arg_str(run_gate_name(GATE_TIME)), unreadable, none,
               arg_str(run_cause_name(CAUSE_NONE))));
    struct err err = runs__find_id(tx, id, &found, &row);
    if (err.code == ERR_STORE_CORRUPT) {
        row_mend(tx, id);
        err = runs__find_id(tx, id, &found, &row);
    }
    if (err.code == ERR_STORE_CORRUPT) {
        tx_do(tx,
              "UPDATE runs SET state = $3, gate = $4, cause = $5, stop = $6, not_before_ms = 0,"
              " ended_ms = $2, note = 'its row in the database is damaged' WHERE id = $1",
              ARGS(arg_int(id), arg_int(tx_now_ms(tx)), state_arg(RUN_FAILED), none, unreadable,
                   arg_str(run_cause_name(CAUSE_NONE))));
        return tx_error(tx);
    }
    return err_failed(err) || !found ? err : runs__tell(tx, &row);
}

/* A commit that hands places on may read a row in several lines, and others beside it, so a length
 * that fits an arena once is too long here. Prompts of agents may be that long. */
enum { LINE_BYTES_MAX = 4 << 20 };

/* Row of a line that cannot be read. */
struct damaged_row {
    int64_t id;
    bool too_long; /* Its texts are to be cut before anybody reads it. */
};

static struct err damaged_end_part(struct tx *tx, void *ctx) {
    const struct damaged_row *damaged = ctx;
    if (damaged->too_long) {
        row_mend(tx, damaged->id);
    }
    return runs__end_damaged(tx, damaged->id);
}

/* A damaged row leaves the line that it stood in, so the next look finds another; runs after many
 * of them are admitted at the next end or start. A row that the database itself cannot read fails
 * the transaction: nobody knows whose it is. */
bool runs__first(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                 struct run_row *ret_row) {
    for (int i = 0; i < RUN_ADMIT_MAX; i++) {
        struct err refused = ERR_OK;
        AUTO(rows_release) struct rows *rows = tx_row(tx, sql, args, count);
        if (rows == NULL) {
            return false;
        }
        struct damaged_row damaged = {.id = rows_int(rows, RUN_COLUMN_ID)};
        struct err err = runs__borrow(rows, RUN_WHOLE, ret_row);
        damaged.too_long = !err_failed(err) && ret_row->kind != KIND_AGENT &&
                           runs__bytes(ret_row) > LINE_BYTES_MAX;
        if (!err_failed(err) && !damaged.too_long) {
            return !err_failed(tx_fail(tx, map_copy(tx, &runs__map, ret_row)));
        }
        rows_release(&rows);
        /* Where its end is refused, its line waits, and the run that ends here has its own. */
        if (err_failed(tx_try(tx, damaged_end_part, &damaged, &refused)) || err_failed(refused)) {
            return false;
        }
    }
    return false;
}
