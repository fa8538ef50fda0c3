/* rows.c: reading and writing one row of a run, and the end of runs whose rows cannot be read.
 *
 * A row may hold a word that no drover wrote, or a text longer than any that it stores. Such a row
 * must not hold up the runs that share its key, slots, budget or parent, so a function that meets
 * one while it looks for the next run asks the damaged one to end, and goes on:
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

#include <string.h>

#include "base/id.h"
#include "base/memory.h"
#include "engine/base/follow.h"
#include "engine/run/kinds.h"

enum { ROW_BYTES_MAX = 12 << 20 }; /* Below the arena of a transaction. */

static enum resource_form form_of(enum run_form form) {
    return form == RUN_WHOLE ? RESOURCE_WHOLE : RESOURCE_LISTED;
}

const char *runs__sql(struct tx *tx, enum run_form form, const char *text) {
    return tx_resource_sql(tx, &run_resource, form_of(form), text);
}

size_t runs__bytes(const struct run_row *row) {
    return resource_row_bytes(&run_resource, row);
}

/* Longer than any that is stored; what reads a row relies on that. */
static bool too_long(const struct run_row *row) {
    return row->run.len >= ID_SIZE || row->owner.len > UINT8_MAX ||
           runs__bytes(row) > ROW_BYTES_MAX;
}

/* False: one of its words is not known. Such a state is RUN_STATE_COUNT then, such a gate
 * RUN_GATE_COUNT, and such a kind the first. */
static bool row_borrow(const struct rows *rows, enum run_form form, struct run_row *ret_row) {
    *ret_row = (struct run_row){.state = RUN_STATE_COUNT, .gate = RUN_GATE_COUNT};
    return resource_row_fill(&run_resource, form_of(form), rows, ret_row);
}

struct err runs__borrow(const struct rows *rows, enum run_form form, struct run_row *ret_row) {
    struct run_row row;
    if (!row_borrow(rows, form, &row)) {
        return err_make(ERR_STORE_CORRUPT, "runs: a word of a row");
    }
    if (!id_valid(row.run.data, row.run.len, "run")) {
        return err_make(ERR_STORE_CORRUPT, "runs: the id of a row"); /* Names folders. */
    }
    if (too_long(&row)) {
        return err_make(ERR_STORE_CORRUPT, "runs: a text of a row");
    }
    *ret_row = row;
    return ERR_OK;
}

void runs__borrow_shown(const struct rows *rows, enum run_form form, struct run_row *ret_row) {
    const struct bytes none = {"", 0};
    if (!err_failed(runs__borrow(rows, form, ret_row))) {
        return;
    }
    (void)row_borrow(rows, form, ret_row); /* What is not known is decided here. */
    struct run_row *row = ret_row;
    if (row->state == RUN_STATE_COUNT || run_state_final(row->state) != (row->ended_ms != 0)) {
        enum run_state live = row->gate == GATE_NONE ? RUN_RUNNING : RUN_QUEUED;
        row->state = row->ended_ms != 0 ? RUN_FAILED : live;
    }
    if (row->gate == RUN_GATE_COUNT || row->ended_ms != 0) {
        row->gate = row->state == RUN_QUEUED ? GATE_SLOT : GATE_NONE;
    }
    row->cause = CAUSE_HISTORY_UNREADABLE;
    row->stop = CAUSE_NONE;
    if (too_long(row)) {
        row->run.len = row->run.len < ID_SIZE ? row->run.len : ID_SIZE - 1;
        row->key = row->label = row->command = row->shown = row->host = row->spec = row->result =
            none;
        row->budget = row->parent_run = row->project = row->session = none;
    }
    row->note = BYTES("its row in the database is damaged");
}

bool runs__page_full(struct tx *tx) {
    return tx_arena(tx)->used > RUN_ARENA_TURN;
}

static struct err row_copy(struct tx *tx, struct run_row row, struct run_row *ret_row) {
    tx_resource_copy(tx, &run_resource, &row);
    if (!err_failed(tx_error(tx))) {
        *ret_row = row;
    }
    return tx_error(tx);
}

struct err runs__read_shown(struct tx *tx, const struct rows *rows, enum run_form form,
                            struct run_row *ret_row) {
    struct run_row row;
    runs__borrow_shown(rows, form, &row);
    return row_copy(tx, row, ret_row);
}

/* Of an ended run all is decided, so a damaged row of one is read as lists show it: everything
 * that asks whether the run has ended, or removes it, works as for any other. */
static struct err found_read(struct tx *tx, const struct rows *rows, enum run_form form,
                             struct run_row *ret_row) {
    struct run_row row;
    struct err err = runs__borrow(rows, form, &row);
    if (err.code == ERR_STORE_CORRUPT) {
        runs__borrow_shown(rows, form, &row);
        err = row.ended_ms != 0 ? ERR_OK : err;
    }
    return err_failed(err) ? err : row_copy(tx, row, ret_row);
}

/* Ends the cursor. */
static struct err row_take(struct tx *tx, struct rows *found, enum run_form form, bool *ret_found,
                           struct run_row *ret_row) {
    AUTO(rows_release) struct rows *rows = found;
    struct err err = rows == NULL ? tx_error(tx) : found_read(tx, rows, form, ret_row);
    if (!err_failed(err)) {
        *ret_found = rows != NULL;
    }
    return err;
}

struct err runs__find_id(struct tx *tx, int64_t id, bool *ret_found, struct run_row *ret_row) {
    const char *sql = runs__sql(tx, RUN_WHOLE, "SELECT * FROM runs WHERE id = $1");
    return row_take(tx, tx_row(tx, sql, ARGS(arg_int(id))), RUN_WHOLE, ret_found, ret_row);
}

struct err runs__find_light(struct tx *tx, struct bytes run, bool *ret_found,
                            struct run_row *ret_row) {
    const char *sql = runs__sql(tx, RUN_LIGHT, "SELECT * FROM runs WHERE run = $1");
    return row_take(tx, tx_row(tx, sql, ARGS(arg_text(run))), RUN_LIGHT, ret_found, ret_row);
}

bool runs__find_told(struct tx *tx, int64_t id, struct run_row *ret_row) {
    const char *sql = runs__sql(tx, RUN_LIGHT, "SELECT * FROM runs WHERE id = $1 AND parent = 0");
    AUTO(rows_release) struct rows *rows = tx_row(tx, sql, ARGS(arg_int(id)));
    return rows != NULL && !err_failed(tx_fail(tx, runs__read_shown(tx, rows, RUN_LIGHT, ret_row)));
}

/* NULL also for a run of another owner. */
static struct rows *owned_find(struct tx *tx, const struct run_key *key) {
    const char *sql = runs__sql(tx, RUN_WHOLE, "SELECT * FROM runs WHERE run = $1");
    struct rows *rows = tx_row(tx, sql, ARGS(arg_text(key->run)));
    if (rows != NULL && key->owner.data != NULL &&
        !bytes_equal(rows_text(rows, RUN_COLUMN_OWNER), key->owner)) {
        rows_release(&rows);
    }
    return rows;
}

struct err tx_run_find(struct tx *tx, const struct run_key *key, bool *ret_found,
                       struct run_row *ret_row) {
    return row_take(tx, owned_find(tx, key), RUN_WHOLE, ret_found, ret_row);
}

bool runs__load(struct tx *tx, struct bytes run, struct run_row *ret_row) {
    const struct run_key key = {.run = run};
    bool found = false;
    *ret_row = (struct run_row){.id = 0};
    tx_fail(tx, tx_run_find(tx, &key, &found, ret_row));
    return found;
}

bool runs__load_id(struct tx *tx, int64_t id, struct run_row *ret_row) {
    bool found = false;
    *ret_row = (struct run_row){.run = BYTES("")};
    tx_fail(tx, id == 0 ? ERR_OK : runs__find_id(tx, id, &found, ret_row));
    return found;
}

struct err tx_run_find_shown(struct tx *tx, const struct run_key *key, bool *ret_found,
                             struct run_row *ret_row) {
    AUTO(rows_release) struct rows *rows = owned_find(tx, key);
    struct err err = rows == NULL ? tx_error(tx) : runs__read_shown(tx, rows, RUN_WHOLE, ret_row);
    if (!err_failed(err)) {
        *ret_found = rows != NULL;
    }
    return err;
}

struct err runs__get(struct tx *tx, const struct run_key *key, struct run_row *ret_row) {
    bool found = false;
    struct err err = tx_run_find(tx, key, &found, ret_row);
    return err_failed(err) || found ? err : err_make(ERR_NOT_FOUND, "runs: get");
}

struct run_place runs__place(struct bytes budget_path) {
    const struct bytes project = BYTES("project:"), session = BYTES("session:");
    struct run_place place = {.project = BYTES(""), .session = BYTES("")};
    struct bytes left = budget_path;
    const char *slash = left.len == 0 ? NULL : memchr(left.data, '/', left.len);
    while (slash != NULL) {
        struct bytes part = {left.data, (size_t)(slash - left.data)};
        if (part.len > project.len && memcmp(part.data, project.data, project.len) == 0) {
            place.project = (struct bytes){part.data + project.len, part.len - project.len};
        } else if (part.len > session.len && memcmp(part.data, session.data, session.len) == 0) {
            place.session = (struct bytes){part.data + session.len, part.len - session.len};
        }
        left = (struct bytes){slash + 1, left.len - part.len - 1};
        slash = memchr(left.data, '/', left.len);
    }
    return place;
}

/* Lists that are followed show no runs inside others: a step costs no event there. */
static void row_changed(struct tx *tx, const struct run_row *row) {
    tx_fail(tx, runs__tell(tx, row));
    if (row->parent == 0) {
        tx_row_changed(tx, FOLLOW_RUN, row->id);
    }
}

void runs__insert(struct tx *tx, const struct run_row *row) {
    const struct run_place place = runs__place(row->budget);
    struct run_row placed = *row;
    placed.project = place.project;
    placed.session = place.session.len > 0 ? place.session : row->session;
    tx_row_insert(tx, &run_resource, 0, &placed);
    row_changed(tx, row);
}

void runs__set_session(struct tx *tx, int64_t id, struct bytes session) {
    tx_do(tx, "UPDATE runs SET session = $2 WHERE id = $1", ARGS(arg_int(id), arg_text(session)));
    tx_row_changed(tx, FOLLOW_RUN, id);
}

void runs__set_agent(struct tx *tx, int64_t id, struct bytes agent) {
    if (agent.len > 0) {
        tx_do(tx, "UPDATE runs SET agent = $2 WHERE id = $1", ARGS(arg_int(id), arg_text(agent)));
    }
}

void runs__set_retry_of(struct tx *tx, const struct run_row *again, struct run_row *io_row) {
    io_row->retry_of = again->run;
    tx_do(tx, "UPDATE runs SET retry_of = $2 WHERE id = $1",
          ARGS(arg_int(io_row->id), arg_text(again->run)));
}

void runs__set_priority(struct tx *tx, int64_t id, int64_t priority) {
    tx_do(tx, "UPDATE runs SET priority = $2 WHERE id = $1", ARGS(arg_int(id), arg_int(priority)));
}

struct err runs__write(struct tx *tx, enum run_state from, const struct run_row *row) {
    assert(from == row->state ? !run_state_final(from) : run_edge_legal(from, row->state));
    assert((row->state == RUN_QUEUED) == (row->gate != GATE_NONE));
    assert(run_state_final(row->state) == (row->ended_ms != 0));
    tx_row_update(tx, &run_resource, RUN_PROGRESS, row);
    row_changed(tx, row);
    return tx_error(tx);
}

/* --- Damaged rows ----------------------------------------------------------------------------- */

static struct arg state_arg(enum run_state state) {
    return arg_str(run_state_name(state));
}

/* By the rows beside it (run_kind_ops.found), in the order of kinds; without any it is a job. */
static enum run_kind kind_guess(struct tx *tx, int64_t id) {
    for (size_t i = 0; i < COUNT_OF(run_kinds); i++) {
        const char *found = run_kinds[i].found;
        if (found != NULL && tx_number(tx, found, ARGS(arg_int(id))) != 0) {
            return (enum run_kind)i;
        }
    }
    return KIND_JOB;
}

/* Texts within their limits stay as they are; notices are named in the spec, so it is kept whole or
 * not at all. */
static void row_mend(struct tx *tx, int64_t id) {
    enum run_kind kind;
    AUTO(rows_release)
    struct rows *rows = tx_row(tx, "SELECT kind FROM runs WHERE id = $1", ARGS(arg_int(id)));
    bool known = rows == NULL || run_kind_find(rows_text(rows, 0), &kind);
    rows_release(&rows);
    if (!known) {
        tx_do(tx, "UPDATE runs SET kind = $2 WHERE id = $1",
              ARGS(arg_int(id), arg_str(run_kind_name(kind_guess(tx, id)))));
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
    if (!err_failed(err) && found) {
        row_changed(tx, &row);
    }
    return err_failed(err) ? err : tx_error(tx);
}

/* A commit that hands places on may read a row in several lines, and others beside it, so a length
 * that fits an arena once is too long here. Prompts of agents may be that long. */
enum { LINE_BYTES_MAX = 4 << 20 };

/* Row of a line that cannot be read. */
struct damaged_row {
    int64_t id;
    bool too_long; /* The texts are to be cut before anybody reads the row. */
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
        AUTO(rows_release)
        struct rows *rows = tx_row(tx, runs__sql(tx, RUN_WHOLE, sql), args, count);
        if (rows == NULL) {
            return false;
        }
        struct damaged_row damaged = {.id = rows_int(rows, RUN_COLUMN_ID)};
        struct err err = runs__borrow(rows, RUN_WHOLE, ret_row);
        damaged.too_long = !err_failed(err) && !run_kind_is(ret_row->kind, RUN_IS_STEP) &&
                           runs__bytes(ret_row) > LINE_BYTES_MAX;
        if (!err_failed(err) && !damaged.too_long) {
            tx_resource_copy(tx, &run_resource, ret_row);
            return !err_failed(tx_error(tx));
        }
        rows_release(&rows);
        /* Where its end is refused, its line waits, and the run that ends here has its own. */
        if (err_failed(tx_try(tx, damaged_end_part, &damaged, &refused)) || err_failed(refused)) {
            return false;
        }
    }
    return false;
}
