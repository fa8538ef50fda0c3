/* rows.c: reading and writing how far a turn is. */
#include "engine/turn/rows.h"

#include <string.h>

#include "base/memory.h"

#define TURN_COLUMNS                                                                               \
    "run, session, began_by, question, answer, calls, calls_max, step, call, from_seq, mistakes,"  \
    " repeats, answered, last_call, model, last, begun, mistakes_told, wrote, check_run,"          \
    " failed_checks, granted_output, granted_tokens, granted_cost,"                                \
    " COALESCE((SELECT answer_schema FROM messages m WHERE m.id = question), ''), misfits,"        \
    " number, truncated, output_max"

static const char *const trigger_names[TURN_TRIGGER_COUNT] = {
#define X(trigger, name) name,
    TURN_TRIGGERS(X)
#undef X
};

bool turns__is_cleared(const struct turn *turn) {
    return turn->answer.status == MESSAGE_REMOVED;
}

bool turns__compacts(const struct turn_row *row) {
    return row->trigger == TRIGGER_COMPACT;
}

static bool trigger_find(struct bytes name, enum turn_trigger *ret_trigger) {
    for (unsigned i = 0; i < TURN_TRIGGER_COUNT; i++) {
        if (strlen(trigger_names[i]) == name.len &&
            memcmp(trigger_names[i], name.data, name.len) == 0) {
            *ret_trigger = (enum turn_trigger)i;
            return true;
        }
    }
    return false;
}

bool turns__trigger_known(struct bytes name) {
    enum turn_trigger trigger;
    return trigger_find(name, &trigger);
}

static struct err copy_text(struct tx *tx, struct bytes *text) {
    const char *copy = text->len == 0 ? "" : arena_try_copy(tx_arena(tx), text->data, text->len);
    if (copy == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "turns: row");
    }
    text->data = copy;
    return ERR_OK;
}

static struct err read_row(struct tx *tx, const struct rows *rows, struct turn_row *ret_row) {
    struct turn_row row = {.run = rows_int(rows, 0),
                           .session = rows_int(rows, 1),
                           .question = rows_int(rows, 3),
                           .answer = rows_int(rows, 4),
                           .calls = rows_int(rows, 5),
                           .calls_max = rows_int(rows, 6),
                           .step = rows_int(rows, 7),
                           .call = rows_int(rows, 8),
                           .from_seq = rows_int(rows, 9),
                           .mistakes = rows_int(rows, 10),
                           .repeats = rows_int(rows, 11),
                           .answered = rows_int(rows, 12) != 0,
                           .last_call = rows_int(rows, 13) != 0,
                           .model = rows_text(rows, 14),
                           .last = rows_text(rows, 15),
                           .begun = rows_int(rows, 16) != 0,
                           .mistakes_told = rows_int(rows, 17),
                           .wrote = rows_int(rows, 18) != 0,
                           .check_run = rows_int(rows, 19),
                           .failed_checks = rows_int(rows, 20)};
    row.granted.of[AMOUNT_OUTPUT_TOKENS] = rows_int(rows, 21);
    row.granted.of[AMOUNT_TOKENS] = rows_int(rows, 22);
    row.granted.of[AMOUNT_COST] = rows_int(rows, 23);
    row.schema = rows_text(rows, 24);
    row.misfits = rows_int(rows, 25);
    row.number = rows_int(rows, 26);
    row.truncated = rows_int(rows, 27);
    row.output_max = rows_int(rows, 28);
    if (!trigger_find(rows_text(rows, 2), &row.trigger)) { /* Damaged: as most turns. */
        row.trigger = TRIGGER_MESSAGE;
    }
    struct err err = copy_text(tx, &row.model);
    if (!err_failed(err)) {
        err = copy_text(tx, &row.last);
    }
    if (!err_failed(err)) {
        err = copy_text(tx, &row.schema);
    }
    if (!err_failed(err)) {
        *ret_row = row;
    }
    return err;
}

struct err turns__find(struct tx *tx, int64_t run, bool *ret_found, struct turn_row *ret_row) {
    static const char sql[] = "SELECT " TURN_COLUMNS " FROM turns WHERE run = $1";
    const struct arg args[] = {arg_int(run)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (!err_failed(err) && rows != NULL) {
        err = read_row(tx, rows, ret_row);
    }
    if (!err_failed(err)) {
        *ret_found = rows != NULL;
    }
    return err;
}

static void fill(const struct turn_row *row, struct arg *args) {
    const struct arg filled[] = {arg_int(row->run),
                                 arg_int(row->begun ? 1 : 0),
                                 arg_int(row->calls),
                                 arg_int(row->step),
                                 arg_int(row->call),
                                 arg_int(row->from_seq),
                                 arg_int(row->mistakes),
                                 arg_int(row->repeats),
                                 arg_int(row->answered ? 1 : 0),
                                 arg_int(row->last_call ? 1 : 0),
                                 arg_text(row->last),
                                 arg_int(row->mistakes_told),
                                 arg_int(row->wrote ? 1 : 0),
                                 arg_int(row->check_run),
                                 arg_int(row->failed_checks),
                                 arg_int(row->granted.of[AMOUNT_OUTPUT_TOKENS]),
                                 arg_int(row->granted.of[AMOUNT_TOKENS]),
                                 arg_int(row->granted.of[AMOUNT_COST]),
                                 arg_int(row->misfits),
                                 arg_int(row->truncated),
                                 arg_int(row->output_max)};
    memcpy(args, filled, sizeof filled);
}
enum { CHANGING = 21 };

struct err turns__insert(struct tx *tx, const struct turn_row *row) {
    static const char sql[] =
        "INSERT INTO turns (run, begun, calls, step, call, from_seq, mistakes, repeats, answered,"
        " last_call, last, mistakes_told, wrote, check_run, failed_checks, granted_output,"
        " granted_tokens, granted_cost, misfits, truncated, output_max, session, began_by, "
        "question, calls_max, model,"
        " answer, number)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,"
        " $18, $19, $20, $21, $22, $23, $24, $25, $26, $27,"
        " (SELECT max(last) + 1 FROM (SELECT COALESCE(max(number), 0) AS last FROM turns"
        " WHERE session = $22 UNION ALL SELECT turn_last FROM sessions WHERE id = $22) given))";
    struct arg args[CHANGING + 6];
    fill(row, args);
    const char *trigger = trigger_names[row->trigger];
    args[CHANGING] = arg_int(row->session);
    args[CHANGING + 1] = arg_text(bytes_of(trigger));
    args[CHANGING + 2] = arg_int(row->question);
    args[CHANGING + 3] = arg_int(row->calls_max);
    args[CHANGING + 4] = arg_text(row->model);
    args[CHANGING + 5] = arg_int(row->answer);
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
}

struct err turns__write(struct tx *tx, const struct turn_row *row) {
    static const char sql[] =
        "UPDATE turns SET begun = $2, calls = $3, step = $4, call = $5, from_seq = $6,"
        " mistakes = $7, repeats = $8, answered = $9, last_call = $10, last = $11,"
        " mistakes_told = $12, wrote = $13, check_run = $14, failed_checks = $15,"
        " granted_output = $16, granted_tokens = $17, granted_cost = $18, misfits = $19,"
        " truncated = $20, output_max = $21 WHERE run = $1";
    struct arg args[CHANGING];
    fill(row, args);
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
}

struct err turns__load_rest(struct tx *tx, struct turn *turn, bool *ret_found) {
    bool found = false;
    struct err err = turns__find(tx, turn->run.id, &found, &turn->row);
    if (!err_failed(err) && found) {
        err = sessions__find_id(tx, turn->row.session, &found, &turn->session);
    }
    if (!err_failed(err) && found) {
        err = messages__find_id(tx, turn->row.answer, &found, &turn->answer);
    }
    if (!err_failed(err)) {
        *ret_found = found;
    }
    return err;
}

/* Its session was deleted: there is nowhere to put what it says, and whoever brings that ends it.
 * Of its messages some, or all, may be gone, too. */
static struct err end_without_session(struct tx *tx, struct turn *turn,
                                      const struct run_bounds *bounds) {
    enum run_cause cause = turn->run.stop == CAUSE_NONE ? CAUSE_STOPPED : turn->run.stop;
    const struct bytes none = {"", 0};
    turn->row.last = none; /* Nobody compares with it any more. */
    return turns__end(tx, turn, cause, none, bounds);
}

/* The conversation was cleared under it: its place is gone, and whoever brings something to it ends
 * it; but what a call of the model took is counted first, where one is out. */
static struct err end_cleared(struct tx *tx, struct turn *turn, const struct run_bounds *bounds,
                              bool *ret_ended) {
    const struct bytes none = {"", 0};
    if (!turns__is_cleared(turn)) {
        return ERR_OK;
    }
    turn->run.stop = turn->run.stop == CAUSE_NONE ? CAUSE_CLEARED : turn->run.stop;
    if (turn->row.call != 0) {
        return ERR_OK;
    }
    *ret_ended = true;
    return turns__end(tx, turn, turn->run.stop, none, bounds);
}

/* The fence: only the row's own attempt, and only while it lives. */
struct err turns__load(struct tx *tx, const struct turn_key *key, bool *ret_late,
                       struct turn *ret_turn) {
    const struct run_key of_run = {.run = key->run};
    bool found = false, ended = false;
    struct turn turn = {.run = {.id = 0}};
    struct err err = tx_run_find(tx, &of_run, &found, &turn.run);
    if (err_failed(err)) {
        return err;
    }
    bool lives = found && turn.run.kind == KIND_TURN &&
                 (turn.run.state == RUN_RUNNING || turn.run.state == RUN_WAITING) &&
                 turn.run.attempt == key->attempt;
    if (lives) {
        err = turns__load_rest(tx, &turn, &found);
    }
    if (!err_failed(err) && lives && !found) {
        err = end_without_session(tx, &turn, &key->bounds);
    } else if (!err_failed(err) && lives) {
        err = end_cleared(tx, &turn, &key->bounds, &ended);
    }
    if (!err_failed(err)) {
        *ret_late = !lives || !found || ended;
        *ret_turn = turn;
    }
    return err;
}
