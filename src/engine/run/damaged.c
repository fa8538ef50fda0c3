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

static struct err end_at_once(struct tx *tx, int64_t id) {
    static const char sql[] =
        "UPDATE runs SET state = $3, gate = $4, cause = $5, stop = $6, not_before_ms = 0,"
        " ended_ms = $2, note = 'its row in the database is damaged' WHERE id = $1";
    const struct arg args[] = {arg_int(id),
                               arg_int(tx_now_ms(tx)),
                               runs__name(run_state_name(RUN_FAILED)),
                               runs__name(run_gate_name(GATE_NONE)),
                               runs__name(run_cause_name(CAUSE_HISTORY_UNREADABLE)),
                               runs__name(run_cause_name(CAUSE_NONE))};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
}

/* The rows beside a run say of which kind it is. */
static struct err guess_kind(struct tx *tx, int64_t id) {
    static const char sql[] = "UPDATE runs SET kind = CASE"
                              " WHEN EXISTS (SELECT 1 FROM turns t WHERE t.run = runs.id) THEN $2"
                              " WHEN EXISTS (SELECT 1 FROM workflows w WHERE w.run = runs.id)"
                              " THEN $3 WHEN step_key <> '' THEN $4 ELSE $5 END WHERE id = $1";
    const struct arg args[] = {
        arg_int(id), runs__name(run_kind_name(KIND_TURN)), runs__name(run_kind_name(KIND_WORKFLOW)),
        runs__name(run_kind_name(KIND_AGENT)), runs__name(run_kind_name(KIND_JOB))};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
}

static struct err find_kind_known(struct tx *tx, int64_t id, bool *ret_known) {
    static const char sql[] = "SELECT kind FROM runs WHERE id = $1";
    const struct arg args[] = {arg_int(id)};
    enum run_kind kind;
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (!err_failed(err)) {
        *ret_known = rows == NULL || run_kind_find(rows_text(rows, 0), &kind);
    }
    return err;
}

/* Texts within their limits stay as they are. Notices are named in the spec, so it is kept whole or
 * not at all. */
static struct err mend_texts(struct tx *tx, int64_t id) {
    static const char sql[] =
        "UPDATE runs SET run_key = substr(run_key, 1, 1000), label = substr(label, 1, 1000),"
        " note = substr(note, 1, 1000), command = substr(command, 1, 1000),"
        " host = substr(host, 1, 1000),"
        " budget = CASE WHEN length(budget) > 1000 THEN '' ELSE budget END,"
        " result = CASE WHEN length(result) > $2 THEN '' ELSE result END,"
        " spec = CASE WHEN length(spec) > $2 THEN '' ELSE spec END WHERE id = $1";
    const struct arg args[] = {arg_int(id), arg_int(RUN_SPEC_MAX)};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
}

static struct err mend(struct tx *tx, int64_t id) {
    bool known = false; /* A list of kinds in SQL would forget the next one. */
    struct err err = find_kind_known(tx, id, &known);
    if (!err_failed(err) && !known) {
        err = guess_kind(tx, id);
    }
    return err_failed(err) ? err : mend_texts(tx, id);
}

struct err runs__end_damaged(struct tx *tx, int64_t id) {
    static const char sql[] =
        "UPDATE runs SET state = CASE WHEN gate <> $9 THEN $4 WHEN state = $5 THEN state"
        " ELSE $6 END, gate = CASE WHEN gate <> $9 THEN $7 ELSE gate END, cause = $10, lane = 0,"
        " stop = $8, stop_grace_ms = $2, not_before_ms = $3"
        " WHERE id = $1 AND ended_ms IS NULL";
    const struct arg args[] = {arg_int(id),
                               arg_int(RUN_STOP_GRACE_MS),
                               arg_int(tx_now_ms(tx)),
                               runs__name(run_state_name(RUN_QUEUED)),
                               runs__name(run_state_name(RUN_WAITING)),
                               runs__name(run_state_name(RUN_RUNNING)),
                               runs__name(run_gate_name(GATE_TIME)),
                               runs__name(run_cause_name(CAUSE_HISTORY_UNREADABLE)),
                               runs__name(run_gate_name(GATE_NONE)),
                               runs__name(run_cause_name(CAUSE_NONE))};
    bool found = false;
    struct run_row row;
    struct err err = tx_exec(tx, sql, args, COUNT_OF(args), NULL /* none: it has ended */);
    if (!err_failed(err)) {
        err = runs__find_id(tx, id, &found, &row);
    }
    if (err.code == ERR_STORE_CORRUPT) {
        err = mend(tx, id);
        err = err_failed(err) ? err : runs__find_id(tx, id, &found, &row);
    }
    if (err.code == ERR_STORE_CORRUPT) {
        return end_at_once(tx, id);
    }
    return err_failed(err) || !found ? err : runs__tell(tx, &row);
}

/* A commit that hands places on may read a row in several lines, and others beside it, so a length
 * that fits an arena once is too long here. Prompts of agents may be that long. */
enum { LINE_BYTES_MAX = 4 << 20 };

/* Row of a line that cannot be read; id 0: none. */
struct damaged_row {
    int64_t id;
    bool too_long; /* Its texts are to be cut before anybody reads it. */
};

static struct err first_row(struct tx *tx, const struct run_ask *ask, bool *ret_found,
                            struct run_row *ret_row, struct damaged_row *ret_damaged) {
    AUTO(rows_release) struct rows *rows = NULL;
    struct run_row row;
    struct err err = tx_first(tx, ask->sql, ask->args, ask->count, &rows);
    *ret_found = !err_failed(err) && rows != NULL;
    *ret_damaged = (struct damaged_row){.id = 0};
    if (!*ret_found) {
        return err; /* Also where the database cannot read the row: nobody knows whose it is. */
    }
    err = runs__borrow(rows, RUN_WHOLE, &row);
    bool too_long =
        !err_failed(err) && row.kind != KIND_AGENT && runs__bytes(&row) > LINE_BYTES_MAX;
    if (err.code == ERR_STORE_CORRUPT || too_long) {
        *ret_damaged =
            (struct damaged_row){.id = rows_int(rows, RUN_COLUMN_ID), .too_long = too_long};
        return ERR_OK;
    }
    return err_failed(err) ? err : runs__read(tx, rows, RUN_WHOLE, ret_row);
}

static struct err end_damaged_part(struct tx *tx, void *ctx) {
    const struct damaged_row *damaged = ctx;
    struct err err = damaged->too_long ? mend(tx, damaged->id) : ERR_OK;
    return err_failed(err) ? err : runs__end_damaged(tx, damaged->id);
}

/* A damaged row leaves the line that it stood in, so the next look finds another. */
struct err runs__first(struct tx *tx, const struct run_ask *ask, bool *ret_found,
                       struct run_row *ret_row) {
    for (int i = 0; i < RUN_ADMIT_MAX; i++) {
        struct damaged_row damaged;
        struct err refused = ERR_OK;
        struct err err = first_row(tx, ask, ret_found, ret_row, &damaged);
        if (err_failed(err) || damaged.id == 0) {
            return err;
        }
        err = tx_try(tx, end_damaged_part, &damaged, &refused);
        if (err_failed(err)) {
            return err;
        }
        if (err_failed(refused)) {
            break; /* Its line waits; the run that ends here has its end nevertheless. */
        }
    }
    *ret_found = false; /* Runs after so many damaged ones are admitted at the next end or start. */
    return ERR_OK;
}
