/* cards.c: reading and writing cards. */
#include "engine/turn/cards.h"

#include <string.h>

#include "base/hash.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "base/utf8.h"

enum { DATA_MAX = 6 << 20 };

/* --- What a card holds ------------------------------------------------------------------------ */

static struct err keep(struct tx *tx, struct bytes from, struct bytes *ret_text) {
    const char *copy = from.len == 0 ? "" : arena_try_copy(tx_arena(tx), from.data, from.len);
    if (copy == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "cards: text");
    }
    *ret_text = (struct bytes){copy, from.len};
    return ERR_OK;
}

static struct err keep_json(struct tx *tx, const json_t *json, struct bytes *ret_text) {
    AUTO(text_done) struct text text;
    text_init(&text, DATA_MAX);
    if (json == NULL) {
        *ret_text = (struct bytes){"", 0};
        return ERR_OK;
    }
    struct err err = json_write(json, &text);
    return err_failed(err) ? err : keep(tx, (struct bytes){text.data, text.len}, ret_text);
}

/* A card whose data is damaged has no arguments that a tool takes: its call fails, and the turn
 * goes on. An error here would stop the turn for good, and with it the session. */
static struct err read_data(struct tx *tx, struct bytes data, struct card *card) {
    AUTO(json_release) json_t *json = NULL;
    struct err err = json_parse_wrapped(data, &json, NULL);
    if (err.code == ERR_BAD_JSON) {
        card->arguments = BYTES("null");
        card->digest = card->about = card->malformed = (struct bytes){"", 0};
        return ERR_OK;
    }
    if (err_failed(err)) {
        return err;
    }
    const char *digest = json_string_value(json_object_get(json, "digest"));
    card->repeatable = json_is_true(json_object_get(json, "repeatable"));
    err =
        keep(tx, (struct bytes){digest == NULL ? "" : digest, digest == NULL ? 0 : strlen(digest)},
             &card->digest);
    if (!err_failed(err)) {
        err = keep_json(tx, json_object_get(json, "arguments"), &card->arguments);
    }
    if (!err_failed(err)) {
        const json_t *text = json_object_get(json, "arguments_text");
        err = keep(tx, (struct bytes){json_string_value(text), json_string_length(text)},
                   &card->malformed);
    }
    return err_failed(err) ? err : keep_json(tx, json_object_get(json, "about"), &card->about);
}

#define CARD_COLUMNS                                                                               \
    "p.number, p.step, p.state, p.name, p.call, p.run, p.data, r.run, r.attempt, r.ended_ms,"      \
    " r.exit_code, r.started_ms, r.state, r.cause, p.cause, r.host"
#define CARD_TABLES " FROM parts p LEFT JOIN runs r ON r.id = p.run AND p.run <> 0"

static void read_child(const struct rows *rows, struct card *card) {
    card->child_attempt = rows_int(rows, 8);
    card->child_ended = !rows_null(rows, 9);
    card->child_exit = rows_int(rows, 10);
    bool known = run_state_find(rows_text(rows, 12), &card->child_state) &&
                 run_cause_find(rows_text(rows, 13), &card->child_cause);
    bool began = card->child_ended && rows_int(rows, 11) > 0;
    card->child_ms = known && began ? rows_int(rows, 9) - rows_int(rows, 11) : 0;
}

static struct err read_card(struct tx *tx, const struct rows *rows, struct card *ret_card) {
    struct card card = {.number = rows_int(rows, 0),
                        .step = rows_int(rows, 1),
                        .child = rows_int(rows, 5),
                        .child_run = {"", 0},
                        .child_host = {"", 0}};
    if (!part_state_find(rows_text(rows, 2), &card.state)) { /* Damaged: not called again. */
        card.state = PART_STATE_FAILED;
    }
    if (!card_cause_find(rows_text(rows, 14), &card.cause)) {
        card.cause = part_state_open(card.state) ? CARD_DONE : CARD_IO_ERROR;
    }
    if (!rows_null(rows, 7)) {
        read_child(rows, &card);
    }
    struct err err = keep(tx, rows_text(rows, 3), &card.tool);
    if (!err_failed(err)) {
        err = keep(tx, rows_text(rows, 4), &card.call);
    }
    if (!err_failed(err) && !rows_null(rows, 7)) {
        err = keep(tx, rows_text(rows, 7), &card.child_run);
    }
    if (!err_failed(err) && !rows_null(rows, 7)) {
        err = keep(tx, rows_text(rows, 15), &card.child_host);
    }
    if (!err_failed(err)) {
        err = read_data(tx, rows_text(rows, 6), &card);
    }
    if (!err_failed(err)) {
        *ret_card = card;
    }
    return err;
}

struct err cards__open(struct tx *tx, int64_t message, struct cards *ret_cards) {
    static const char sql[] = "SELECT " CARD_COLUMNS CARD_TABLES
                              " WHERE p.message = $1 AND " CARDS_OPEN " ORDER BY p.number LIMIT $2";
    const struct arg args[] = {arg_int(message), arg_int(TURN_CARDS_MAX)};
    struct cards cards = {.at = arena_try(tx_arena(tx), TURN_CARDS_MAX * sizeof *cards.at)};
    if (cards.at == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "cards: list");
    }
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    while (rows_more(rows, &err)) {
        err = read_card(tx, rows, &cards.at[cards.count]);
        cards.count++;
    }
    if (!err_failed(err)) {
        *ret_cards = cards;
    }
    return err;
}

struct err cards__find(struct tx *tx, int64_t message, int64_t number, bool *ret_found,
                       struct card *ret_card) {
    static const char sql[] = "SELECT " CARD_COLUMNS CARD_TABLES
                              " WHERE p.message = $1 AND p.number = $2 AND p.kind = 'tool'";
    const struct arg args[] = {arg_int(message), arg_int(number)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (!err_failed(err) && rows != NULL) {
        err = read_card(tx, rows, ret_card);
    }
    if (!err_failed(err)) {
        *ret_found = rows != NULL;
    }
    return err;
}

/* --- Writing ---------------------------------------------------------------------------------- */

static struct err write_data(const struct card *card, struct text *text) {
    text_add_str(text, "{\"arguments\":");
    if (card->malformed.len > 0) {
        text_add_str(text, "null,\"arguments_text\":");
        text_add_json(text, card->malformed.data, card->malformed.len);
    } else {
        json_add_stored(text, card->arguments);
    }
    text_add_str(text, ",\"digest\":");
    text_add_json(text, card->digest.data, card->digest.len);
    text_add_str(text, card->repeatable ? ",\"repeatable\":true" : ",\"repeatable\":false");
    if (card->about.len > 0) {
        text_add_str(text, ",\"about\":");
        json_add_stored(text, card->about);
    }
    text_add_char(text, '}');
    return text_failed(text) ? text_error(text, "cards: data") : ERR_OK;
}

struct err cards__span(struct tx *tx, int64_t message, const struct card *card, int64_t *ret_step) {
    const struct arg args[] = {arg_int(message), arg_int(card->step), arg_int(card->number)};
    const struct run_ask ask = {.sql = "SELECT $2 + count(*) FROM parts WHERE message = $1"
                                       " AND kind = 'tool' AND step = $2 AND number <= $3",
                                .args = args,
                                .count = COUNT_OF(args)};
    return runs__int(tx, &ask, ret_step);
}

struct err cards__review_span(struct tx *tx, int64_t message, const struct card *card,
                              int64_t *ret_step) {
    const struct arg args[] = {arg_int(message), arg_int(card->step), arg_int(card->number)};
    const struct run_ask ask = {.sql = "SELECT $2 + count(*) + COALESCE(sum(CASE WHEN number <= $3"
                                       " THEN 1 ELSE 0 END), 0) FROM parts WHERE message = $1"
                                       " AND kind = 'tool' AND step = $2",
                                .args = args,
                                .count = COUNT_OF(args)};
    return runs__int(tx, &ask, ret_step);
}

/* A row's text holds no NUL; models and tools may say one, as an escape or as a byte of a file. */
static struct err without_nul(struct tx *tx, struct bytes *text) {
    if (text->len == 0 || memchr(text->data, '\0', text->len) == NULL) {
        return ERR_OK;
    }
    char *copy = arena_try_copy(tx_arena(tx), text->data, text->len);
    if (copy == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "cards: text");
    }
    for (size_t i = 0; i < text->len; i++) {
        copy[i] = copy[i] == '\0' ? ' ' : copy[i];
    }
    text->data = copy;
    return ERR_OK;
}

/* A text of a model may be longer than a part. Where it is cut is no matter: they are read in
 * order, and put together. */
struct err cards__add_plain(struct tx *tx, const struct message_part *part) {
    struct bytes rest = part->text;
    struct err err = without_nul(tx, &rest);
    if (err_failed(err)) {
        return err;
    }
    do {
        struct message_part piece = *part;
        piece.number = 0;
        piece.text = (struct bytes){rest.data, utf8_cut(rest, MESSAGE_TEXT_MAX)};
        rest = (struct bytes){rest.data + piece.text.len, rest.len - piece.text.len};
        err = parts__insert(tx, &piece);
    } while (rest.len > 0 && !err_failed(err));
    return err;
}

struct err cards__insert(struct tx *tx, int64_t message, struct card *io_card) {
    AUTO(text_done) struct text data;
    text_init(&data, DATA_MAX);
    struct err err = write_data(io_card, &data);
    if (!err_failed(err)) {
        err = without_nul(tx, &io_card->tool);
    }
    if (!err_failed(err)) {
        err = without_nul(tx, &io_card->call);
    }
    if (err_failed(err)) {
        return err;
    }
    const char *cause = card_cause_name(io_card->cause);
    struct message_part part = {.message = message,
                                .step = io_card->step,
                                .kind = PART_TOOL,
                                .state = io_card->state,
                                .cause = {cause, strlen(cause)},
                                .name = io_card->tool,
                                .call = io_card->call,
                                .data = {data.data, data.len},
                                .text = {"", 0}};
    err = parts__insert(tx, &part);
    io_card->number = part.number;
    return err;
}

struct err cards__write(struct tx *tx, int64_t message, const struct card *card,
                        struct bytes result) {
    struct err err = without_nul(tx, &result);
    if (err_failed(err)) {
        return err;
    }
    static const char with[] = "UPDATE parts SET state = $3, run = $4, cause = $5, text = $6,"
                               " bytes = $7"
                               " WHERE message = $1 AND number = $2";
    static const char without[] =
        "UPDATE parts SET state = $3, run = $4, cause = $5 WHERE message = $1 AND number = $2";
    const struct arg args[] = {arg_int(message),
                               arg_int(card->number),
                               runs__name(part_state_name(card->state)),
                               arg_int(card->child),
                               runs__name(card_cause_name(card->cause)),
                               arg_text(result),
                               arg_int((int64_t)result.len)};
    bool has = result.data != NULL;
    return tx_exec(tx, has ? with : without, args, has ? 7 : 5, NULL /* one row, always */);
}

struct err cards__digest(struct tx *tx, int64_t message, struct sha256_hex *ret_digest) {
    static const char sql[] =
        "SELECT name, state, data, text FROM parts WHERE message = $1 AND kind = 'tool'"
        " AND step = (SELECT max(step) FROM parts WHERE message = $1 AND kind = 'tool')"
        " ORDER BY number";
    const struct arg args[] = {arg_int(message)};
    struct sha256_stream sha;
    sha256_start(&sha);
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    while (rows_more(rows, &err)) {
        for (int i = 0; i < 4; i++) {
            struct bytes text = rows_text(rows, i);
            uint64_t len = text.len;
            sha256_add(&sha, &len, sizeof len);
            sha256_add(&sha, text.data, text.len);
        }
    }
    struct sha256 digest = sha256_finish(&sha);
    if (!err_failed(err)) {
        *ret_digest = sha256_hex(&digest);
    }
    return err;
}
