/* rows.c: reading and writing how far a turn is. */
#include "base/words.h"
#include "engine/turn/cards.h"

static const char *const trigger_names[TURN_TRIGGER_COUNT] = {
#define X(trigger, name) name,
    TURN_TRIGGERS(X)
#undef X
};

static const char *trigger_word(const void *member) {
    return trigger_names[*(const enum turn_trigger *)member];
}

static bool trigger_find(struct bytes name, void *member) {
    return word_find(trigger_names, TURN_TRIGGER_COUNT, name, member);
}

bool turns__trigger_known(struct bytes name) {
    enum turn_trigger trigger;
    return trigger_find(name, &trigger);
}

enum { TURN_TRIGGER = MAP_WORD };
#define TURN_MAP(X)                                                                                \
    X("session", session, MAP_INT, MAP_INSERT)                                                     \
    X("number", number, MAP_INT, MAP_INSERT)                                                       \
    X("began_by", trigger, TURN_TRIGGER, MAP_INSERT)                                               \
    X("question", question, MAP_INT, MAP_INSERT)                                                   \
    X("answer", answer, MAP_INT, MAP_INSERT)                                                       \
    X("model", model, MAP_TEXT, MAP_INSERT)                                                        \
    X("calls_max", calls_max, MAP_INT, MAP_INSERT)                                                 \
    X("begun", begun, MAP_BOOL, MAP_INSERT | MAP_SET)                                              \
    X("calls", calls, MAP_INT, MAP_INSERT | MAP_SET)                                               \
    X("step", step, MAP_INT, MAP_INSERT | MAP_SET)                                                 \
    X("call", call, MAP_INT, MAP_INSERT | MAP_SET)                                                 \
    X("from_seq", from_seq, MAP_INT, MAP_INSERT | MAP_SET)                                         \
    X("mistakes", mistakes, MAP_INT, MAP_INSERT | MAP_SET)                                         \
    X("mistakes_told", mistakes_told, MAP_INT, MAP_INSERT | MAP_SET)                               \
    X("repeats", repeats, MAP_INT, MAP_INSERT | MAP_SET)                                           \
    X("answered", answered, MAP_BOOL, MAP_INSERT | MAP_SET)                                        \
    X("last_call", last_call, MAP_BOOL, MAP_INSERT | MAP_SET)                                      \
    X("last", last, MAP_TEXT, MAP_INSERT | MAP_SET)                                                \
    X("wrote", wrote, MAP_BOOL, MAP_INSERT | MAP_SET)                                              \
    X("check_run", check_run, MAP_INT, MAP_INSERT | MAP_SET)                                       \
    X("failed_checks", failed_checks, MAP_INT, MAP_INSERT | MAP_SET)                               \
    X("granted_output", granted.of[AMOUNT_OUTPUT_TOKENS], MAP_INT, MAP_INSERT | MAP_SET)           \
    X("granted_tokens", granted.of[AMOUNT_TOKENS], MAP_INT, MAP_INSERT | MAP_SET)                  \
    X("granted_cost", granted.of[AMOUNT_COST], MAP_INT, MAP_INSERT | MAP_SET)                      \
    X("misfits", misfits, MAP_INT, MAP_INSERT | MAP_SET)                                           \
    X("truncated", truncated, MAP_INT, MAP_INSERT | MAP_SET)                                       \
    X("output_max", output_max, MAP_INT, MAP_INSERT | MAP_SET)                                     \
    X("COALESCE((SELECT answer_schema FROM messages m WHERE m.id = question), '')", schema,        \
      MAP_TEXT, MAP_READ)
#define TURN_COLUMN(name, member, kind, use) {name, kind, use, offsetof(struct turn_row, member)},
static const struct map_column turn_columns[] = {TURN_MAP(TURN_COLUMN)};
static const struct map_words turn_words[] = {{trigger_word, trigger_find}};
static const struct map turn_map = {.table = "turns",
                                    .key = "run",
                                    .key_offset = offsetof(struct turn_row, run),
                                    .columns = turn_columns,
                                    .count = COUNT_OF(turn_columns),
                                    .words = turn_words};

/* A damaged trigger is read as that of most turns. */
bool turns__find(struct tx *tx, int64_t run, struct turn_row *ret_row) {
    AUTO(rows_release)
    struct rows *rows = tx_row(tx, "SELECT run" TURN_MAP(MAP_NAMES) " FROM turns WHERE run = $1",
                               ARGS(arg_int(run)));
    if (rows == NULL) {
        return false;
    }
    if (!map_read(&turn_map, rows, ret_row)) {
        ret_row->trigger = TRIGGER_MESSAGE;
    }
    tx_fail(tx, map_copy(tx, &turn_map, ret_row));
    return !err_failed(tx_error(tx));
}

/* The numbers of turns that were removed are not given again. */
void turns__insert(struct tx *tx, const struct turn_row *row) {
    struct turn_row numbered = *row;
    numbered.number = tx_number(
        tx,
        "SELECT max(last) + 1 FROM (SELECT COALESCE(max(number), 0) AS last FROM turns"
        " WHERE session = $1 UNION ALL SELECT turn_last FROM sessions WHERE id = $1) given",
        ARGS(arg_int(row->session)), 1);
    map_insert(tx, &turn_map, &numbered);
}

void turns__write(struct tx *tx, const struct turn_row *row) {
    map_update(tx, &turn_map, MAP_SET, row);
}

bool turns__is_cleared(const struct turn *turn) {
    return turn->answer.status == MESSAGE_REMOVED;
}

bool turns__compacts(const struct turn_row *row) {
    return row->trigger == TRIGGER_COMPACT;
}

/* --- The whole turn --------------------------------------------------------------------------- */

struct err turns__load_rest(struct tx *tx, struct turn *turn, bool *ret_found) {
    *ret_found = turns__find(tx, turn->run.id, &turn->row);
    struct err err = tx_error(tx);
    if (*ret_found) {
        err = sessions__find_id(tx, turn->row.session, ret_found, &turn->session);
    }
    if (*ret_found && !err_failed(err)) {
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
bool turns__load(struct tx *tx, const struct turn_key *key, struct turn *ret_turn) {
    const struct run_key of_run = {.run = key->run};
    struct run_row *run = &ret_turn->run;
    bool found = false;
    *ret_turn = (struct turn){.run = {.id = 0}};
    tx_fail(tx, tx_run_find(tx, &of_run, &found, run));
    if (!found || run->kind != KIND_TURN || run->attempt != key->attempt ||
        (run->state != RUN_RUNNING && run->state != RUN_WAITING)) {
        return false;
    }
    tx_fail(tx, turns__load_rest(tx, ret_turn, &found));
    if (err_failed(tx_error(tx))) {
        return false;
    }
    if (!found) {
        ret_turn->row.last = BYTES(""); /* Nobody compares with it any more. */
    } else if (!turns__is_cleared(ret_turn)) {
        return true;
    } else {
        run->stop = run->stop == CAUSE_NONE ? CAUSE_CLEARED : run->stop;
        if (ret_turn->row.call != 0) {
            return true;
        }
    }
    tx_fail(tx, turns__end(tx, ret_turn, run->stop == CAUSE_NONE ? CAUSE_STOPPED : run->stop,
                           BYTES(""), &key->bounds));
    return false;
}

bool turns__open(struct tx *tx, const struct turn_key *key, struct turn_plan *plan,
                 struct turn *ret_turn) {
    turns__plan_begin(plan);
    plan->late = !turns__load(tx, key, ret_turn);
    return !plan->late;
}

bool turns__load_card(struct tx *tx, const struct turn_card_key *of, struct turn *ret_turn,
                      struct card *ret_card) {
    return turns__load(tx, of->key, ret_turn) &&
           cards__find(tx, ret_turn->row.answer, of->part, ret_card) &&
           ret_card->state == of->state;
}

bool turns__open_card(struct tx *tx, const struct turn_card_key *of, struct turn_plan *plan,
                      struct turn *ret_turn, struct card *ret_card) {
    turns__plan_begin(plan);
    plan->late = !turns__load_card(tx, of, ret_turn, ret_card);
    return !plan->late;
}
