/* condense.c: room for the answer of a program that works long.
 *
 * A message holds MESSAGE_PARTS_MAX parts, and a program may say and do any number of things in one
 * turn: nobody but its user ends its work. So before more is stored than there is room for, the
 * oldest parts become fewer. CONDENSED_AT_ONCE neighbours become one text: what was said, and a
 * line for each tool, with the beginning of its result. Its data is {"condensed": number of parts}.
 * Parts keep their numbers; a condensed one has the number of its first.
 *
 *   1 text  2 tool  3 text  …  1990 text   ──>   1 text (1 to 100)  101 text  …  1990 text
 *
 * Whole steps are condensed, since the spans of a step are found by its cards (trace/tree.c). One
 * with a card that is open is left, unless there is no other way: then the oldest cards that run
 * end, as of tools whose end was never seen. */
#include "base/json/json.h"
#include "base/utf8.h"
#include "engine/turn/record.h"

enum {
    CONDENSED_AT_ONCE = 100,
    CONDENSED_TO = 400, /* Parts that are left, where steps are short. */
    ROUNDS_MAX = MESSAGE_PARTS_MAX / TURN_CARDS_MAX,
    ARGUMENTS_SHOWN = 500,
    RESULT_SHOWN = 1000,
    WORDS_SHOWN = 8 << 10, /* Bytes of a text, also of one that is condensed again. */
    /* As bytes; the query below counts characters. */
    TEXT_MAX = CONDENSED_AT_ONCE * (WORDS_SHOWN + 128),
};
static_assert((int)TEXT_MAX < (int)MESSAGE_TEXT_MAX, "a condensed part is one part");

/* A row of the query below. */
struct old_part {
    int64_t number, step, bytes;
    struct bytes kind, state, name, data, text;
};

static void shown_add(struct bytes words, size_t max, bool whole, struct text *text) {
    const size_t len = utf8_cut(words, max);
    text_add(text, words.data, len);
    text_add_str(text, whole && len == words.len ? "" : " [...]");
}

/* "[Bash {"command":"make"}: succeeded: all green]" */
static void tool_add(const struct old_part *part, struct text *text) {
    AUTO(json_release) json_t *data = NULL;
    AUTO(text_done) struct text arguments = text_up_to(MESSAGE_DATA_MAX);
    if (!err_failed(json_parse_wrapped(part->data, &data, NULL)) &&
        json_object_get(data, "arguments") != NULL) {
        (void)err_failed(json_write(json_object_get(data, "arguments"), &arguments));
    }
    text_addf(text, "[%.*s ", (int)part->name.len, part->name.data);
    shown_add(text_bytes(&arguments), ARGUMENTS_SHOWN, !text_failed(&arguments), text);
    text_addf(text, ": %.*s: ", (int)part->state.len, part->state.data);
    shown_add(part->text, RESULT_SHOWN, (int64_t)part->text.len == part->bytes, text);
    text_add_char(text, ']');
}

static void part_add(const struct old_part *part, struct text *text) {
    const bool whole = (int64_t)part->text.len == part->bytes;
    text_add_str(text, text->len > 0 ? "\n\n" : "");
    if (bytes_is(part->kind, "tool")) {
        tool_add(part, text);
    } else if (bytes_is(part->kind, "text")) {
        shown_add(part->text, WORDS_SHOWN, whole, text);
    } else {
        text_addf(text, "[%.*s: ", (int)part->kind.len, part->kind.data);
        shown_add(part->text, RESULT_SHOWN, whole, text);
        text_add_char(text, ']');
    }
}

/* Steps without a card that is open. */
#define STEPS_CLOSED                                                                               \
    "step NOT IN (SELECT o.step FROM parts o WHERE o.message = $1 AND o.kind = 'tool'"             \
    " AND o.state IN " PARTS_OPEN_STATES ")"

/* Condenses the next parts after *io_after, of steps up to that one. Number of parts that there are
 * fewer now; 0: nothing is left to do. */
static int64_t group_condense(struct tx *tx, int64_t message, int64_t step_last,
                              int64_t *io_after) {
    AUTO(text_done) struct text text = text_up_to(TEXT_MAX), data = text_up_to(100);
    struct message_part part = {.message = message, .kind = PART_TEXT};
    int64_t count = 0, last = 0;
    struct rows *rows = tx_rows(
        tx,
        "SELECT number, step, kind, state, substr(name, 1, 100), bytes,"
        " CASE WHEN data_bytes <= 65536 THEN data ELSE '{}' END, substr(text, 1, 8192) FROM parts"
        " WHERE message = $1 AND number > $2 AND step <= $3 AND " STEPS_CLOSED
        " ORDER BY number LIMIT $4",
        ARGS(arg_int(message), arg_int(*io_after), arg_int(step_last), arg_int(CONDENSED_AT_ONCE)));
    for (; rows_step(rows); count++) {
        const struct old_part old = {.number = rows_int(rows, 0),
                                     .step = rows_int(rows, 1),
                                     .kind = rows_text(rows, 2),
                                     .state = rows_text(rows, 3),
                                     .name = rows_text(rows, 4),
                                     .bytes = rows_int(rows, 5),
                                     .data = rows_text(rows, 6),
                                     .text = rows_text(rows, 7)};
        part.number = count == 0 ? old.number : part.number;
        part.step = count == 0 ? old.step : part.step;
        last = old.number;
        part_add(&old, &text);
    }
    rows_release(&rows);
    *io_after = part.number;
    if (count < 2 || err_failed(tx_error(tx))) {
        return 0;
    }
    tx_do(tx,
          "DELETE FROM parts WHERE message = $1 AND number >= $2 AND number <= $3"
          " AND step <= $4 AND " STEPS_CLOSED,
          ARGS(arg_int(message), arg_int(part.number), arg_int(last), arg_int(step_last)));
    text_addf(&data, "{\"condensed\":%lld}", (long long)count);
    part.text = text_bytes(&text);
    part.data = text_bytes(&data);
    parts__insert(tx, &part);
    return count - 1;
}

static int64_t parts_count(struct tx *tx, int64_t message) {
    return tx_number(tx, "SELECT count(*) FROM parts WHERE message = $1", ARGS(arg_int(message)));
}

/* The steps before the newest CONDENSED_TO parts, and the one that these begin in. Texts that are
 * condensed already come again once they are half of what may be left. */
static void steps_condense(struct tx *tx, int64_t message) {
    static const char condensed[] =
        "SELECT count(*), COALESCE(max(number), 0) FROM parts WHERE message = $1"
        " AND data LIKE '{\"condensed\":%'";
    int64_t of[2]; /* Number of those, and number of the last one. */
    tx_numbers(tx, condensed, ARGS(arg_int(message)), of, COUNT_OF(of));
    int64_t after = of[0] > CONDENSED_TO / 2 ? 0 : of[1];
    const int64_t step_last =
        tx_number(tx,
                  "SELECT min(step) FROM (SELECT step FROM parts WHERE message = $1"
                  " ORDER BY number DESC LIMIT $2) newest",
                  ARGS(arg_int(message), arg_int(CONDENSED_TO)));
    while (group_condense(tx, message, step_last, &after) > 0) {
    }
}

static void tools_lose(struct tx *tx, struct turn *turn) {
    const struct cards cards = cards__open(tx, turn->row.answer);
    for (size_t i = 0; i < cards.count; i++) {
        struct card *card = &cards.at[i];
        if (card->state == PART_STATE_RUNNING) {
            turns__end_card(tx, turn, card, CARD_RUN_LOST,
                            BYTES("The program never showed the end of this."));
        }
    }
}

void programs__make_room(struct tx *tx, struct turn *turn) {
    const int64_t full = MESSAGE_PARTS_MAX - TURN_PARTS_MAX;
    const int64_t message = turn->row.answer;
    int64_t count = parts_count(tx, message);
    for (int i = 0; count > full && i <= ROUNDS_MAX; i++) {
        if (i > 0) {
            tools_lose(tx, turn);
        }
        steps_condense(tx, message);
        count = parts_count(tx, message);
    }
}
