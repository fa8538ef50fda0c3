/* rows.c: reading and writing one row of a run. */
#include "engine/run/rows.h"

#include <string.h>

#include "base/id.h"
#include "base/memory.h"

enum { ROW_BYTES_MAX = 12 << 20 }; /* Below the arena of a transaction. */

enum column {
    COL_ID,
    COL_RUN,
    COL_OWNER,
    COL_KIND,
    COL_PARENT,
    COL_STATE,
    COL_GATE,
    COL_CAUSE,
    COL_STOP,
    COL_STOP_GRACE,
    COL_ATTEMPT,
    COL_VOIDS,
    COL_FAILURES,
    COL_REBOOTS,
    COL_EPOCH,
    COL_PRIORITY,
    COL_KEY_MAX,
    COL_EXIT_CODE,
    COL_ONCE,
    COL_MADE,
    COL_NOT_BEFORE,
    COL_STARTED,
    COL_STEADY,
    COL_ENDED,
    COL_KEY,
    COL_LABEL,
    COL_COMMAND,
    COL_HOST,
    COL_NOTE,
    COL_BUDGET,
    COL_LANE,
    COL_CHARGED,
    COL_HELD,
    COL_PARENT_RUN = COL_HELD + AMOUNT_COUNT,
    COL_UNBEGUN,
    COL_RESULT,
    COL_SPEC,
};

struct arg runs__name(const char *name) {
    return arg_text(bytes_of(name));
}

static struct err read_names(const struct rows *rows, struct run_row *row) {
    bool known = run_kind_find(rows_text(rows, COL_KIND), &row->kind);
    known = run_state_find(rows_text(rows, COL_STATE), &row->state) && known;
    known = run_gate_find(rows_text(rows, COL_GATE), &row->gate) && known;
    known = run_cause_find(rows_text(rows, COL_CAUSE), &row->cause) && known;
    known = run_cause_find(rows_text(rows, COL_STOP), &row->stop) && known;
    return known ? ERR_OK : err_make(ERR_STORE_CORRUPT, "runs: a word of a row");
}

size_t runs__bytes(const struct run_row *row) {
    const size_t lengths[] = {row->owner.len,   row->key.len,   row->label.len, row->note.len,
                              row->command.len, row->host.len,  row->spec.len,  row->parent_run.len,
                              row->budget.len,  row->result.len};
    size_t sum = 0;
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        sum += lengths[i];
    }
    return sum;
}

/* Longer than any that is stored; what reads a row relies on that. */
static bool too_long(const struct run_row *row) {
    return row->run.len >= ID_SIZE || row->owner.len > UINT8_MAX ||
           runs__bytes(row) > ROW_BYTES_MAX;
}

/* All but its words. */
static struct run_row borrow_row(const struct rows *rows, enum run_form form) {
    struct run_row row = {
        .id = rows_int(rows, COL_ID),
        .run = rows_text(rows, COL_RUN),
        .owner = rows_text(rows, COL_OWNER),
        .parent = rows_int(rows, COL_PARENT),
        .stop_grace_ms = rows_int(rows, COL_STOP_GRACE),
        .attempt = rows_int(rows, COL_ATTEMPT),
        .voids = rows_int(rows, COL_VOIDS),
        .failures = rows_int(rows, COL_FAILURES),
        .reboots = rows_int(rows, COL_REBOOTS),
        .epoch = rows_int(rows, COL_EPOCH),
        .priority = rows_int(rows, COL_PRIORITY),
        .key_max = rows_int(rows, COL_KEY_MAX),
        .exit_code = rows_int(rows, COL_EXIT_CODE),
        .once = rows_int(rows, COL_ONCE) != 0,
        .made_ms = rows_int(rows, COL_MADE),
        .not_before_ms = rows_int(rows, COL_NOT_BEFORE),
        .started_ms = rows_int(rows, COL_STARTED),
        .steady_ms = rows_int(rows, COL_STEADY),
        .ended_ms = rows_null(rows, COL_ENDED) ? 0 : rows_int(rows, COL_ENDED),
        .key = rows_text(rows, COL_KEY),
        .label = rows_text(rows, COL_LABEL),
        .command = rows_text(rows, COL_COMMAND),
        .host = rows_text(rows, COL_HOST),
        .note = rows_text(rows, COL_NOTE),
        .budget = rows_text(rows, COL_BUDGET),
        .lane = rows_int(rows, COL_LANE),
        .charged = rows_int(rows, COL_CHARGED) != 0,
        .parent_run = rows_text(rows, COL_PARENT_RUN),
        .unbegun = rows_int(rows, COL_UNBEGUN),
    };
    for (int i = 0; i < AMOUNT_COUNT; i++) {
        row.reserve.of[i] = rows_int(rows, COL_HELD + i);
    }
    if (form == RUN_WHOLE) {
        row.result = rows_text(rows, COL_RESULT);
        row.spec = rows_text(rows, COL_SPEC);
    }
    return row;
}

struct err runs__borrow(const struct rows *rows, enum run_form form, struct run_row *ret_row) {
    struct run_row row = borrow_row(rows, form);
    struct err err = read_names(rows, &row);
    if (!err_failed(err) && !id_valid(row.run.data, row.run.len, "run")) {
        err =
            err_make(ERR_STORE_CORRUPT, "runs: the id of a row"); /* Folders are named after it. */
    }
    if (!err_failed(err) && too_long(&row)) {
        err = err_make(ERR_STORE_CORRUPT, "runs: a text of a row");
    }
    if (!err_failed(err)) {
        *ret_row = row;
    }
    return err;
}

static void show_damaged(const struct rows *rows, struct run_row *row) {
    const struct bytes none = {"", 0};
    enum run_state live = rows_text(rows, COL_GATE).len > 0 ? RUN_QUEUED : RUN_RUNNING;
    if (!run_kind_find(rows_text(rows, COL_KIND), &row->kind)) {
        row->kind = KIND_JOB;
    }
    bool state_known = run_state_find(rows_text(rows, COL_STATE), &row->state);
    if (!state_known || run_state_final(row->state) != (row->ended_ms != 0)) {
        row->state = row->ended_ms != 0 ? RUN_FAILED : live;
    }
    if (!run_gate_find(rows_text(rows, COL_GATE), &row->gate) || row->ended_ms != 0) {
        row->gate = row->state == RUN_QUEUED ? GATE_SLOT : GATE_NONE;
    }
    row->cause = CAUSE_HISTORY_UNREADABLE;
    row->stop = CAUSE_NONE;
    if (too_long(row)) {
        row->run.len = row->run.len < ID_SIZE ? row->run.len : ID_SIZE - 1;
        row->key = row->label = row->command = row->host = row->spec = row->result = none;
        row->budget = row->parent_run = none;
    }
    row->note = BYTES("its row in the database is damaged");
}

void runs__borrow_shown(const struct rows *rows, enum run_form form, struct run_row *ret_row) {
    if (err_failed(runs__borrow(rows, form, ret_row))) {
        *ret_row = borrow_row(rows, form);
        show_damaged(rows, ret_row);
    }
}

bool runs__page_full(struct tx *tx) {
    return tx_arena(tx)->used > RUN_ARENA_TURN;
}

static struct err row_copy(struct tx *tx, struct run_row row, struct run_row *ret_row) {
    struct bytes *const texts[] = {&row.run,     &row.owner, &row.key,       &row.label,
                                   &row.command, &row.host,  &row.budget,    &row.note,
                                   &row.result,  &row.spec,  &row.parent_run};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        const char *copy =
            texts[i]->len == 0 ? "" : arena_try_copy(tx_arena(tx), texts[i]->data, texts[i]->len);
        if (copy == NULL) {
            return err_make(ERR_OUT_OF_MEMORY, "runs: row");
        }
        texts[i]->data = copy;
    }
    *ret_row = row;
    return ERR_OK;
}

struct err runs__read(struct tx *tx, const struct rows *rows, enum run_form form,
                      struct run_row *ret_row) {
    struct run_row row;
    struct err err = runs__borrow(rows, form, &row);
    return err_failed(err) ? err : row_copy(tx, row, ret_row);
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

struct err runs__find_id(struct tx *tx, int64_t id, bool *ret_found, struct run_row *ret_row) {
    static const char sql[] = "SELECT " RUN_COLUMNS " FROM runs WHERE id = $1";
    const struct arg args[] = {arg_int(id)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (!err_failed(err) && rows != NULL) {
        err = found_read(tx, rows, RUN_WHOLE, ret_row);
    }
    if (!err_failed(err)) {
        *ret_found = rows != NULL;
    }
    return err;
}

/* Outputs are set also where nothing was found; *ret_rows is the caller's. */
static struct err row_find(struct tx *tx, const struct run_key *key, bool *ret_found,
                           struct rows **ret_rows) {
    static const char sql[] = "SELECT " RUN_COLUMNS " FROM runs WHERE run = $1";
    const struct arg args[] = {arg_text(key->run)};
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), ret_rows);
    if (err_failed(err)) {
        return err;
    }
    *ret_found = *ret_rows != NULL;
    if (*ret_found && key->owner.data != NULL) {
        struct bytes owner = rows_text(*ret_rows, COL_OWNER);
        *ret_found = bytes_equal(owner, key->owner);
    }
    return ERR_OK;
}

struct err tx_run_find(struct tx *tx, const struct run_key *key, bool *ret_found,
                       struct run_row *ret_row) {
    bool found = false;
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = row_find(tx, key, &found, &rows);
    if (!err_failed(err) && found) {
        err = found_read(tx, rows, RUN_WHOLE, ret_row);
    }
    if (!err_failed(err)) {
        *ret_found = found;
    }
    return err;
}

struct err runs__find_light(struct tx *tx, struct bytes run, bool *ret_found,
                            struct run_row *ret_row) {
    static const char sql[] = "SELECT " RUN_COLUMNS_LIGHT " FROM runs WHERE run = $1";
    const struct arg args[] = {arg_text(run)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (!err_failed(err) && rows != NULL) {
        err = found_read(tx, rows, RUN_LIGHT, ret_row);
    }
    if (!err_failed(err)) {
        *ret_found = rows != NULL;
    }
    return err;
}

struct err tx_run_find_shown(struct tx *tx, const struct run_key *key, bool *ret_found,
                             struct run_row *ret_row) {
    bool found = false;
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = row_find(tx, key, &found, &rows);
    if (!err_failed(err) && found) {
        err = runs__read_shown(tx, rows, RUN_WHOLE, ret_row);
    }
    if (!err_failed(err)) {
        *ret_found = found;
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

struct err runs__insert(struct tx *tx, const struct run_row *row) {
    static const char sql[] =
        "INSERT INTO runs (" RUN_STORED ", project, session, root)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, '', '', 0, $8, 0, 0, 0, $9, $10, $11, -1, $12, $13,"
        " $22, $14, $15, NULL, $16, $17, $18, $19, '', $20, 0, 0, 0, 0, 0, 0, 0, '', $21,"
        " $23, COALESCE(NULLIF($24, ''), (SELECT p.session FROM runs p WHERE p.id = $5), ''),"
        " " RUN_ROOT_OF("$5") ")";
    const struct run_place place = runs__place(row->budget);
    const struct arg args[] = {
        arg_int(row->id),
        arg_text(row->run),
        arg_text(row->owner),
        runs__name(run_kind_name(row->kind)),
        arg_int(row->parent),
        runs__name(run_state_name(row->state)),
        runs__name(run_gate_name(row->gate)),
        arg_int(row->attempt),
        arg_int(row->epoch),
        arg_int(row->priority),
        arg_int(row->key_max),
        arg_int(row->once ? 1 : 0),
        arg_int(row->made_ms),
        arg_int(row->started_ms),
        arg_int(row->steady_ms),
        arg_text(row->key),
        arg_text(row->label),
        arg_text(row->command),
        arg_text(row->host),
        arg_text(row->budget),
        arg_text(row->spec),
        arg_int(row->not_before_ms),
        arg_text(place.project),
        arg_text(place.session),
    };
    struct err err = tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
    return err_failed(err) ? err : runs__tell(tx, row);
}

struct err runs__set_session(struct tx *tx, int64_t id, struct bytes session) {
    const struct arg args[] = {arg_int(id), arg_text(session)};
    return tx_exec(tx, "UPDATE runs SET session = $2 WHERE id = $1", args, COUNT_OF(args),
                   NULL /* one row, always */);
}

struct err runs__write(struct tx *tx, enum run_state from, const struct run_row *row) {
    static const char sql[] =
        "UPDATE runs SET state = $2, gate = $3, cause = $4, stop = $5, stop_grace_ms = $6,"
        " attempt = $7, voids = $8, failures = $9, reboots = $10, epoch = $11, exit_code = $12,"
        " not_before_ms = $13, started_ms = $14, ended_ms = $15, host = $16, note = $17,"
        " result = $18, steady_ms = $19, unbegun = $20 WHERE id = $1";
    assert(from == row->state ? !run_state_final(from) : run_edge_legal(from, row->state));
    assert((row->state == RUN_QUEUED) == (row->gate != GATE_NONE));
    assert(run_state_final(row->state) == (row->ended_ms != 0));
    const struct arg args[] = {
        arg_int(row->id),
        runs__name(run_state_name(row->state)),
        runs__name(run_gate_name(row->gate)),
        runs__name(run_cause_name(row->cause)),
        runs__name(run_cause_name(row->stop)),
        arg_int(row->stop_grace_ms),
        arg_int(row->attempt),
        arg_int(row->voids),
        arg_int(row->failures),
        arg_int(row->reboots),
        arg_int(row->epoch),
        arg_int(row->exit_code),
        arg_int(row->not_before_ms),
        arg_int(row->started_ms),
        row->ended_ms == 0 ? arg_null() : arg_int(row->ended_ms),
        arg_text(row->host),
        arg_text(row->note),
        arg_text(row->result),
        arg_int(row->steady_ms),
        arg_int(row->unbegun),
    };
    struct err err = tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
    return err_failed(err) ? err : runs__tell(tx, row);
}

struct err runs__int(struct tx *tx, const struct run_ask *ask, int64_t *ret_number) {
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, ask->sql, ask->args, ask->count, &rows);
    if (!err_failed(err)) {
        *ret_number = rows != NULL && !rows_null(rows, 0) ? rows_int(rows, 0) : ask->missing;
    }
    return err;
}
