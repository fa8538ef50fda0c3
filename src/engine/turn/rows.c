/* rows.c: the rows of turns, and of the calls of tools in their messages (cards). */
#include "engine/turn/cards.h"

#include "base/json/json.h"
#include "base/utf8.h"
#include "engine/base/resource.h"

#define X(trigger, name) name,
static const char *const trigger_names[] = {TURN_TRIGGERS(X) NULL};
#undef X

#define AT(member) offsetof(struct turn_row, member)
static const struct field turn_rows[] = {
    {ROW_ONCE("run", FIELD_INT, AT(run))},
    {ROW_ONCE("session", FIELD_INT, AT(session))},
    {ROW_ONCE("number", FIELD_INT, AT(number))},
    {ROW_ONCE("began_by", FIELD_NAME, AT(trigger)), .names = trigger_names},
    {ROW_ONCE("question", FIELD_INT, AT(question))},
    {ROW_ONCE("answer", FIELD_INT, AT(answer))},
    {ROW_ONCE("model", FIELD_TEXT, AT(model))},
    {ROW_ONCE("calls_max", FIELD_INT, AT(facts.calls_max))},
    {ROW_EACH("begun", FIELD_BOOL, AT(begun))},
    {ROW_EACH("calls", FIELD_INT, AT(facts.calls))},
    {ROW_EACH("step", FIELD_INT, AT(step))},
    {ROW_EACH("call", FIELD_INT, AT(call))},
    {ROW_EACH("from_seq", FIELD_INT, AT(from_seq))},
    {ROW_EACH("mistakes", FIELD_INT, AT(facts.mistakes))},
    {ROW_EACH("mistakes_told", FIELD_INT, AT(facts.mistakes_told))},
    {ROW_EACH("repeats", FIELD_INT, AT(facts.repeats))},
    {ROW_EACH("answered", FIELD_BOOL, AT(facts.answered))},
    {ROW_EACH("last_call", FIELD_BOOL, AT(facts.last))},
    {ROW_EACH("last", FIELD_TEXT, AT(last))},
    {ROW_EACH("wrote", FIELD_BOOL, AT(facts.wrote))},
    {ROW_EACH("check_run", FIELD_INT, AT(check_run))},
    {ROW_EACH("failed_checks", FIELD_INT, AT(facts.failed_checks))},
    {ROW_EACH("granted_output", FIELD_INT, AT(granted.of[AMOUNT_OUTPUT_TOKENS]))},
    {ROW_EACH("granted_tokens", FIELD_INT, AT(granted.of[AMOUNT_TOKENS]))},
    {ROW_EACH("granted_cost", FIELD_INT, AT(granted.of[AMOUNT_COST]))},
    {ROW_EACH("misfits", FIELD_INT, AT(misfits))},
    {ROW_EACH("truncated", FIELD_INT, AT(facts.truncated))},
    {ROW_EACH("output_max", FIELD_INT, AT(output_max))},
    {ROW_EACH("program_child", FIELD_INT, AT(program.child))},
    {ROW_EACH("program_read_to", FIELD_INT, AT(program.read_to))},
    {ROW_EACH("program_asked", FIELD_TEXT, AT(program.asked))},
    {ROW_EACH("program_tries", FIELD_INT, AT(program.tries))},
    {ROW_EACH("program_begun", FIELD_INT, AT(program.begun))},
    {ROW_EACH("program_outcome", FIELD_TEXT, AT(program.outcome))},
    {ROW_ONCE("yields", FIELD_BOOL, AT(yields))},
    {FIELD("schema", FIELD_TEXT, AT(schema)),
     .column = "COALESCE((SELECT answer_schema FROM messages m WHERE m.id = question), '')"},
};
const struct resource turn_resource = {.table = "turns",
                                       .key = "run",
                                       .of_daemon = true,
                                       .fields = {FIELD_ROWS(turn_rows), .use = FIELD_KEPT},
                                       .size = sizeof(struct turn_row)};

/* A damaged trigger is read as that of most turns. */
bool turns__find(struct tx *tx, int64_t run, struct turn_row *ret_row) {
    AUTO(rows_release)
    struct rows *rows = tx_row(
        tx,
        tx_resource_sql(tx, &turn_resource, RESOURCE_WHOLE, "SELECT * FROM turns WHERE run = $1"),
        ARGS(arg_int(run)));
    if (rows == NULL) {
        return false;
    }
    if (!resource_row_fill(&turn_resource, RESOURCE_WHOLE, rows, ret_row)) {
        ret_row->trigger = TRIGGER_MESSAGE;
    }
    tx_resource_copy(tx, &turn_resource, ret_row);
    return !err_failed(tx_error(tx));
}

/* The numbers of turns that were removed are not given again. */
void turns__insert(struct tx *tx, const struct turn_row *row) {
    struct turn_row numbered = *row;
    numbered.number = tx_number(
        tx,
        "SELECT max(last) + 1 FROM (SELECT COALESCE(max(number), 0) AS last FROM turns"
        " WHERE session = $1 UNION ALL SELECT turn_last FROM sessions WHERE id = $1) given",
        ARGS(arg_int(row->session)));
    tx_row_insert(tx, &turn_resource, 0, &numbered);
}

void turns__write(struct tx *tx, const struct turn_row *row) {
    tx_row_update(tx, &turn_resource, FIELD_SET, row);
}

bool turns__is_cleared(const struct turn *turn) {
    return turn->answer.status == MESSAGE_REMOVED;
}

bool turns__compacts(const struct turn_row *row) {
    return row->trigger == TRIGGER_COMPACT;
}

/* --- The whole turn --------------------------------------------------------------------------- */

bool turns__load_rest(struct tx *tx, struct turn *turn) {
    return turns__find(tx, turn->run.id, &turn->row) &&
           sessions__find_id(tx, turn->row.session, &turn->session) &&
           messages__find_id(tx, turn->row.answer, &turn->answer);
}

bool turns__load_run(struct tx *tx, struct bytes run, struct turn *ret_turn) {
    *ret_turn = (struct turn){.run = {.id = 0}};
    return runs__load(tx, run, &ret_turn->run) && turns__load_rest(tx, ret_turn);
}

/* --- Cards: reading --------------------------------------------------------------------------- */

enum { DATA_MAX = 6 << 20 };

static struct bytes member_copy(struct tx *tx, const json_t *json, const char *name) {
    const json_t *member = json_object_get(json, name);
    AUTO(text_done) struct text text = {.size_max = DATA_MAX};
    if (member != NULL) {
        tx_fail(tx, json_write(member, &text));
    }
    return tx_copy_text(tx, &text, "cards: data");
}

/* A damaged state is one that is not called again. A card whose data is damaged has no arguments
 * that a tool takes: its call fails, and the turn goes on. An error here would stop the turn for
 * good, and with it the session. */
#define CARD_SELECT                                                                                \
    "SELECT p.number, p.step, p.state, p.name, p.call, p.run, p.data, r.run, r.attempt,"           \
    " r.ended_ms, r.exit_code, r.started_ms, r.state, r.cause, p.cause, r.host"                    \
    " FROM parts p LEFT JOIN runs r ON r.id = p.run AND p.run <> 0"
static void card_read(struct tx *tx, struct rows *rows, struct card *ret_card) {
    struct card card = {.number = rows_int(rows, 0),
                        .step = rows_int(rows, 1),
                        .tool = rows_copy(rows, 3),
                        .call = rows_copy(rows, 4),
                        .child = {.id = rows_int(rows, 5)},
                        .arguments = BYTES("null"),
                        .about = BYTES(""),
                        .digest = BYTES(""),
                        .malformed = BYTES(""),
                        .extra = BYTES("")};
    if (!part_state_find(rows_text(rows, 2), &card.state)) {
        card.state = PART_STATE_FAILED;
    }
    if (!card_cause_find(rows_text(rows, 14), &card.cause)) {
        card.cause = part_state_open(card.state) ? CARD_DONE : CARD_IO_ERROR;
    }
    if (!rows_null(rows, 7)) {
        card.child.run = rows_copy(rows, 7);
        card.child.attempt = rows_int(rows, 8);
        card.child.ended_ms = rows_null(rows, 9) ? 0 : rows_int(rows, 9);
        card.child.exit_code = rows_int(rows, 10);
        card.child.started_ms = rows_int(rows, 11);
        if (!run_state_find(rows_text(rows, 12), &card.child.state) ||
            !run_cause_find(rows_text(rows, 13), &card.child.cause)) {
            card.child.started_ms = 0; /* Damaged: nothing is known of its time. */
        }
        card.child.host = rows_copy(rows, 15);
    }
    AUTO(json_release) json_t *data = NULL;
    struct err err = json_parse_wrapped(rows_text(rows, 6), &data, NULL);
    if (err_failed(err) && err.code != ERR_BAD_JSON) {
        tx_fail(tx, err);
    }
    if (!err_failed(err)) {
        card.repeatable = json_is_true(json_object_get(data, "repeatable"));
        card.of_program = json_is_true(json_object_get(data, "program"));
        card.digest = tx_copy(tx, json_bytes(data, "digest"));
        card.malformed = tx_copy(tx, json_bytes(data, "arguments_text"));
        card.arguments = member_copy(tx, data, "arguments");
        card.about = member_copy(tx, data, "about");
        card.extra = member_copy(tx, data, "extra");
    }
    *ret_card = card;
}

struct cards cards__open(struct tx *tx, int64_t message) {
    struct cards cards = {.at = tx_memory(tx, TURN_CARDS_MAX * sizeof *cards.at)};
    AUTO(rows_release)
    struct rows *rows = tx_rows(
        tx, CARD_SELECT " WHERE p.message = $1 AND " CARDS_OPEN " ORDER BY p.number LIMIT $2",
        ARGS(arg_int(message), arg_int(TURN_CARDS_MAX)));
    while (rows_step(rows)) {
        card_read(tx, rows, &cards.at[cards.count++]);
    }
    return cards;
}

bool cards__find(struct tx *tx, int64_t message, int64_t number, struct card *ret_card) {
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx, CARD_SELECT " WHERE p.message = $1 AND p.number = $2 AND p.kind = 'tool'",
               ARGS(arg_int(message), arg_int(number)));
    if (rows != NULL) {
        card_read(tx, rows, ret_card);
    }
    return rows != NULL && !err_failed(tx_error(tx));
}

/* --- Cards: writing --------------------------------------------------------------------------- */

/* A row's text holds no NUL; models and tools may say one, as an escape or as a byte of a file. */
static struct bytes without_nul(struct tx *tx, struct bytes text) {
    if (text.len == 0 || memchr(text.data, '\0', text.len) == NULL) {
        return text;
    }
    char *copy = arena_try_copy(tx_arena(tx), text.data, text.len);
    if (copy == NULL) {
        tx_fail(tx, err_make(ERR_OUT_OF_MEMORY, "cards: text"));
        return BYTES("");
    }
    for (size_t i = 0; i < text.len; i++) {
        copy[i] = copy[i] == '\0' ? ' ' : copy[i];
    }
    return (struct bytes){copy, text.len};
}

/* A text of a model may be longer than a part. Where it is cut is no matter: they are read in
 * order, and put together. */
void cards__add_plain(struct tx *tx, const struct message_part *part) {
    struct bytes rest = without_nul(tx, part->text);
    do {
        struct message_part piece = *part;
        piece.number = 0;
        piece.text = (struct bytes){rest.data, utf8_cut(rest, MESSAGE_TEXT_MAX)};
        rest = (struct bytes){rest.data + piece.text.len, rest.len - piece.text.len};
        parts__insert(tx, &piece);
    } while (rest.len > 0 && !err_failed(tx_error(tx)));
}

void turns__add_text(struct tx *tx, const struct turn *turn, enum part_kind kind,
                     struct bytes text) {
    const struct message_part part = {
        .message = turn->row.answer, .step = turn->row.step, .kind = kind, .text = text};
    cards__add_plain(tx, &part);
}

bool cards__fit(const struct turn_call *call) {
    enum { WORDS_MAX = 1 << 10 }; /* Names and words of a card's data beside these. */
    return call->arguments.len <= TURN_ARGUMENTS_MAX &&
           call->arguments.len + call->about.len + call->digest.len + call->extra.len <=
               MESSAGE_DATA_MAX - WORDS_MAX;
}

static void card_data(struct tx *tx, const struct card *card, struct text *data) {
    text_add_str(data, "{\"arguments\":");
    if (card->malformed.len > 0) {
        text_add_str(data, "null");
        text_add_member(data, "arguments_text", card->malformed);
    } else {
        json_add_stored(data, card->arguments);
    }
    text_add_member(data, "digest", card->digest);
    text_add_member_bool(data, "repeatable", card->repeatable);
    if (card->of_program) {
        text_add_member_bool(data, "program", true);
    }
    if (card->about.len > 0) {
        text_add_name(data, "about");
        json_add_stored(data, card->about);
    }
    if (card->extra.len > 0) {
        text_add_name(data, "extra");
        json_add_stored(data, card->extra);
    }
    text_add_char(data, '}');
    if (text_failed(data)) {
        tx_fail(tx, text_error(data, "cards: data"));
    }
}

void cards__insert(struct tx *tx, int64_t message, struct card *io_card) {
    AUTO(text_done) struct text data = {.size_max = DATA_MAX};
    card_data(tx, io_card, &data);
    io_card->tool = without_nul(tx, io_card->tool);
    io_card->call = without_nul(tx, io_card->call);
    struct message_part part = {.message = message,
                                .step = io_card->step,
                                .kind = PART_TOOL,
                                .state = io_card->state,
                                .cause = bytes_of(card_cause_name(io_card->cause)),
                                .name = io_card->tool,
                                .call = io_card->call,
                                .data = text_bytes(&data),
                                .text = BYTES("")};
    parts__insert(tx, &part);
    io_card->number = part.number;
}

void cards__write(struct tx *tx, int64_t message, const struct card *card, struct bytes result) {
    const struct message_part part = {.message = message,
                                      .number = card->number,
                                      .state = card->state,
                                      .run = card->child.id,
                                      .cause = bytes_of(card_cause_name(card->cause)),
                                      .text = without_nul(tx, result)};
    parts__write(tx, result.data != NULL ? PART_RESULT : PART_MOVED, &part);
}

void cards__move(struct tx *tx, const struct turn *turn, enum part_state state, struct card *card) {
    card->state = state;
    cards__write(tx, turn->row.answer, card, CARD_RESULT_STAYS);
}

void cards__write_data(struct tx *tx, int64_t message, const struct card *card) {
    AUTO(text_done) struct text data = {.size_max = DATA_MAX};
    card_data(tx, card, &data);
    const struct message_part part = {
        .message = message, .number = card->number, .data = text_bytes(&data)};
    parts__write(tx, PART_DATA, &part);
}

struct bytes cards__result(struct tx *tx, int64_t message, int64_t number) {
    return tx_text(tx, "SELECT text FROM parts WHERE message = $1 AND number = $2",
                   ARGS(arg_int(message), arg_int(number)));
}

struct sha256_hex cards__digest(struct tx *tx, int64_t message) {
    struct sha256_stream sha;
    sha256_start(&sha);
    AUTO(rows_release)
    struct rows *rows =
        tx_rows(tx,
                "SELECT name, state, data, text FROM parts WHERE message = $1 AND kind = 'tool'"
                " AND step = (SELECT max(step) FROM parts WHERE message = $1 AND kind = 'tool')"
                " ORDER BY number",
                ARGS(arg_int(message)));
    while (rows_step(rows)) {
        for (int i = 0; i < 4; i++) {
            struct bytes text = rows_text(rows, i);
            uint64_t len = text.len;
            sha256_add(&sha, &len, sizeof len);
            sha256_add(&sha, text.data, text.len);
        }
    }
    const struct sha256 digest = sha256_finish(&sha);
    return sha256_hex(&digest);
}

/* The function may run again: what an earlier try planned is forgotten. */
void turns__plan_begin(struct turn_plan *plan) {
    struct arena arena = plan->arena;
    arena_reset(&arena);
    *plan = (struct turn_plan){.arena = arena};
}

/* A session of the program that knows an answer which is hidden now is left for good: also where
 * other turns followed that one there. */
void programs__forget(struct tx *tx, const struct session_row *session) {
    struct session_row row = *session;
    if (row.native.reader.len > 0) {
        row.native.reader = BYTES("");
        sessions__set_native(tx, &row);
    }
}
