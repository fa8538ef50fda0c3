/* rows.c: reading and writing how far a turn is. */
#include "engine/turn/cards.h"

#include <string.h>

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
        if (bytes_is(name, trigger_names[i])) {
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

bool turns__find(struct tx *tx, int64_t run, struct turn_row *ret_row) {
    AUTO(rows_release)
    struct rows *rows = tx_row(
        tx,
        "SELECT run, session, began_by, question, answer, calls, calls_max, step, call, from_seq,"
        " mistakes, repeats, answered, last_call, model, last, begun, mistakes_told, wrote,"
        " check_run, failed_checks, granted_output, granted_tokens, granted_cost,"
        " COALESCE((SELECT answer_schema FROM messages m WHERE m.id = question), ''), misfits,"
        " number, truncated, output_max FROM turns WHERE run = $1",
        ARGS(arg_int(run)));
    if (rows == NULL) {
        return false;
    }
    *ret_row = (struct turn_row){.run = rows_int(rows, 0),
                                 .session = rows_int(rows, 1),
                                 .trigger = TRIGGER_MESSAGE,
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
                                 .model = rows_copy(rows, 14),
                                 .last = rows_copy(rows, 15),
                                 .begun = rows_int(rows, 16) != 0,
                                 .mistakes_told = rows_int(rows, 17),
                                 .wrote = rows_int(rows, 18) != 0,
                                 .check_run = rows_int(rows, 19),
                                 .failed_checks = rows_int(rows, 20),
                                 .schema = rows_copy(rows, 24),
                                 .misfits = rows_int(rows, 25),
                                 .number = rows_int(rows, 26),
                                 .truncated = rows_int(rows, 27),
                                 .output_max = rows_int(rows, 28)};
    ret_row->granted.of[AMOUNT_OUTPUT_TOKENS] = rows_int(rows, 21);
    ret_row->granted.of[AMOUNT_TOKENS] = rows_int(rows, 22);
    ret_row->granted.of[AMOUNT_COST] = rows_int(rows, 23);
    (void)trigger_find(rows_text(rows, 2), &ret_row->trigger); /* Damaged: as most turns. */
    return !err_failed(tx_error(tx));
}

/* Arguments of the columns that change, in the order of both statements below. */
#define TURN_CHANGING(row)                                                                         \
    arg_int((row)->run), arg_int((row)->begun ? 1 : 0), arg_int((row)->calls),                     \
        arg_int((row)->step), arg_int((row)->call), arg_int((row)->from_seq),                      \
        arg_int((row)->mistakes), arg_int((row)->repeats), arg_int((row)->answered ? 1 : 0),       \
        arg_int((row)->last_call ? 1 : 0), arg_text((row)->last), arg_int((row)->mistakes_told),   \
        arg_int((row)->wrote ? 1 : 0), arg_int((row)->check_run), arg_int((row)->failed_checks),   \
        arg_int((row)->granted.of[AMOUNT_OUTPUT_TOKENS]),                                          \
        arg_int((row)->granted.of[AMOUNT_TOKENS]), arg_int((row)->granted.of[AMOUNT_COST]),        \
        arg_int((row)->misfits), arg_int((row)->truncated), arg_int((row)->output_max)

void turns__insert(struct tx *tx, const struct turn_row *row) {
    tx_do(tx,
          "INSERT INTO turns (run, begun, calls, step, call, from_seq, mistakes, repeats, answered,"
          " last_call, last, mistakes_told, wrote, check_run, failed_checks, granted_output,"
          " granted_tokens, granted_cost, misfits, truncated, output_max, session, began_by,"
          " question, calls_max, model, answer, number)"
          " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,"
          " $18, $19, $20, $21, $22, $23, $24, $25, $26, $27,"
          " (SELECT max(last) + 1 FROM (SELECT COALESCE(max(number), 0) AS last FROM turns"
          " WHERE session = $22 UNION ALL SELECT turn_last FROM sessions WHERE id = $22) given))",
          ARGS(TURN_CHANGING(row), arg_int(row->session), arg_str(trigger_names[row->trigger]),
               arg_int(row->question), arg_int(row->calls_max), arg_text(row->model),
               arg_int(row->answer)));
}

void turns__write(struct tx *tx, const struct turn_row *row) {
    tx_do(tx,
          "UPDATE turns SET begun = $2, calls = $3, step = $4, call = $5, from_seq = $6,"
          " mistakes = $7, repeats = $8, answered = $9, last_call = $10, last = $11,"
          " mistakes_told = $12, wrote = $13, check_run = $14, failed_checks = $15,"
          " granted_output = $16, granted_tokens = $17, granted_cost = $18, misfits = $19,"
          " truncated = $20, output_max = $21 WHERE run = $1",
          ARGS(TURN_CHANGING(row)));
}

struct err turns__load_rest(struct tx *tx, struct turn *turn, bool *ret_found) {
    *ret_found = turns__find(tx, turn->run.id, &turn->row);
    struct err err = tx_error(tx);
    if (!err_failed(err) && *ret_found) {
        err = sessions__find_id(tx, turn->row.session, ret_found, &turn->session);
    }
    if (!err_failed(err) && *ret_found) {
        err = messages__find_id(tx, turn->row.answer, ret_found, &turn->answer);
    }
    return err;
}

struct err turns__load_run(struct tx *tx, struct bytes run, bool *ret_found,
                           struct turn *ret_turn) {
    const struct run_key key = {.run = run};
    *ret_turn = (struct turn){.run = {.id = 0}};
    struct err err = tx_run_find(tx, &key, ret_found, &ret_turn->run);
    return err_failed(err) || !*ret_found ? err : turns__load_rest(tx, ret_turn, ret_found);
}

/* Two turns are ended by whoever brings something to them. One whose session was deleted: there is
 * nowhere to put what it says, and of its messages some, or all, may be gone. And one whose
 * conversation was cleared under it: its place is gone; but what a call of the model took is
 * counted first, where one is out. */
static struct err end_homeless(struct tx *tx, struct turn *turn, const struct run_bounds *bounds,
                               bool gone, bool *ret_late) {
    enum run_cause *stop = &turn->run.stop;
    if (gone) {
        turn->row.last = BYTES(""); /* Nobody compares with it any more. */
    } else {
        *stop = *stop == CAUSE_NONE ? CAUSE_CLEARED : *stop;
    }
    *ret_late = gone || turn->row.call == 0;
    return *ret_late ? turns__end(tx, turn, *stop == CAUSE_NONE ? CAUSE_STOPPED : *stop, BYTES(""),
                                  bounds)
                     : ERR_OK;
}

struct err turns__load(struct tx *tx, const struct turn_key *key, bool *ret_late,
                       struct turn *ret_turn) {
    const struct run_key of_run = {.run = key->run};
    struct turn turn = {.run = {.id = 0}};
    bool found = false;
    *ret_late = true;
    struct err err = tx_run_find(tx, &of_run, &found, &turn.run);
    if (err_failed(err) || !found || turn.run.kind != KIND_TURN ||
        (turn.run.state != RUN_RUNNING && turn.run.state != RUN_WAITING) ||
        turn.run.attempt != key->attempt) {
        return err;
    }
    err = turns__load_rest(tx, &turn, &found);
    *ret_late = !found;
    if (!err_failed(err) && (!found || turns__is_cleared(&turn))) {
        err = end_homeless(tx, &turn, &key->bounds, /* gone */ !found, ret_late);
    }
    *ret_turn = turn;
    return err;
}

struct err turns__load_card(struct tx *tx, const struct turn_card_key *of, bool *ret_late,
                            struct turn *ret_turn, struct card *ret_card) {
    bool found = false;
    struct err err = turns__load(tx, of->key, ret_late, ret_turn);
    if (!err_failed(err) && !*ret_late) {
        err = cards__find(tx, ret_turn->row.answer, of->part, &found, ret_card);
        *ret_late = !found || ret_card->state != of->state;
    }
    return err;
}
