/* message_parts.c: what messages are made of. */
#include "engine/session/message_rows.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "engine/run/rows.h"

enum { DATA_FREE = 2 }; /* An empty object costs no budget. */

enum column {
    COL_NUMBER,
    COL_STEP,
    COL_KIND,
    COL_STATE,
    COL_NAME,
    COL_CALL,
    COL_RUN,
    COL_RUN_NAME,
    COL_BYTES,
    COL_DATA_BYTES,
    COL_DATA,
    COL_TEXT,
    COL_CAUSE,
};

static struct err read_part(struct tx *tx, const struct rows *rows, struct message_part *part) {
    struct message_part read = {
        .message = part->message,
        .number = rows_int(rows, COL_NUMBER),
        .step = rows_int(rows, COL_STEP),
        .name = rows_text(rows, COL_NAME),
        .call = rows_text(rows, COL_CALL),
        .run = rows_int(rows, COL_RUN),
        .run_name = rows_text(rows, COL_RUN_NAME),
        .bytes = rows_int(rows, COL_BYTES),
        .data_bytes = rows_int(rows, COL_DATA_BYTES),
        .data = rows_text(rows, COL_DATA),
        .text = rows_text(rows, COL_TEXT),
        .cause = rows_text(rows, COL_CAUSE),
    };
    bool known = part_kind_find(rows_text(rows, COL_KIND), &read.kind);
    read.kind = known ? read.kind : PART_NOTICE;
    if (!part_state_find(rows_text(rows, COL_STATE), &read.state) || !known) {
        read.state = read.kind == PART_TOOL ? PART_STATE_FAILED : PART_STATE_NONE;
        read.cause = BYTES("damaged");
    }
    struct bytes *const texts[] = {&read.name, &read.call, &read.run_name,
                                   &read.data, &read.text, &read.cause};
    struct err err = sessions__keep(tx, texts, COUNT_OF(texts));
    if (!err_failed(err)) {
        *part = read;
    }
    return err;
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* How far a budget reaches: parts below `whole` come as they are; of that number the data, if it
 * fits, and so many bytes of the text; of the others neither. */
struct reach {
    int64_t whole, bytes, count;
    bool data;
};

static void reach_add(struct reach *reach, size_t *left, int64_t number, const int64_t bytes[2]) {
    reach->count++;
    if (reach->whole != 0) {
        return;
    }
    size_t text = (size_t)bytes[0], data = bytes[1] <= DATA_FREE ? 0 : (size_t)bytes[1];
    if (text <= *left && data <= *left - text) {
        *left -= text + data;
        return;
    }
    reach->whole = number;
    reach->data = data <= *left;
    *left -= reach->data ? data : 0;
    reach->bytes = (int64_t)*left;
}

static struct err reach_find(struct tx *tx, int64_t message, size_t budget,
                             struct reach *ret_reach) {
    static const char sql[] = "SELECT number, bytes, data_bytes FROM parts WHERE message = $1"
                              " ORDER BY number LIMIT $2";
    const struct arg args[] = {arg_int(message), arg_int(MESSAGE_PARTS_MAX)};
    struct reach reach = {.whole = 0};
    size_t left = budget;
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    bool more = true;
    while (!err_failed(err)) {
        err = rows_next(rows, &more);
        if (err_failed(err) || !more) {
            break;
        }
        const int64_t bytes[2] = {rows_int(rows, 1), rows_int(rows, 2)};
        reach_add(&reach, &left, rows_int(rows, 0), bytes);
    }
    if (!err_failed(err)) {
        reach.whole = reach.whole == 0 ? INT64_MAX : reach.whole;
        *ret_reach = reach;
    }
    return err;
}

struct err parts__read(struct tx *tx, int64_t message, size_t budget,
                       struct message_parts *ret_parts) {
    static const char sql[] =
        "SELECT p.number, p.step, p.kind, p.state, p.name, p.call, p.run, COALESCE(r.run, ''),"
        " p.bytes, p.data_bytes,"
        " CASE WHEN p.number < $2 OR (p.number = $2 AND $4 = 1) OR p.data_bytes <= 2"
        " THEN p.data ELSE '' END,"
        " CASE WHEN p.number < $2 THEN p.text"
        " WHEN p.number = $2 AND $3 > 0 THEN substr(p.text, 1, CAST($3 AS INTEGER)) ELSE '' END, "
        "p.cause"
        " FROM parts p LEFT JOIN runs r ON r.id = p.run WHERE p.message = $1 ORDER BY p.number"
        " LIMIT $5";
    struct reach reach;
    struct err err = reach_find(tx, message, budget, &reach);
    if (err_failed(err)) {
        return err;
    }
    struct message_parts found = {
        .parts = arena_try(tx_arena(tx), ((size_t)reach.count + 1) * sizeof *found.parts)};
    if (found.parts == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "parts: rows");
    }
    const struct arg args[] = {arg_int(message), arg_int(reach.whole), arg_int(reach.bytes),
                               arg_int(reach.data ? 1 : 0), arg_int(reach.count)};
    AUTO(rows_release) struct rows *rows = NULL;
    err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    bool more = true;
    while (!err_failed(err) && found.count < (size_t)reach.count) {
        err = rows_next(rows, &more);
        if (err_failed(err) || !more) {
            break;
        }
        struct message_part *part = &found.parts[found.count++];
        part->message = message;
        err = read_part(tx, rows, part);
        if (!err_failed(err) && part->number == reach.whole) { /* It was cut by characters. */
            part->text.len = utf8_cut(part->text, (size_t)reach.bytes);
        }
    }
    if (!err_failed(err)) {
        *ret_parts = found;
    }
    return err;
}

#define PART_WHOLE                                                                                 \
    "SELECT p.number, p.step, p.kind, p.state, p.name, p.call, p.run, COALESCE(r.run, ''),"        \
    " p.bytes, p.data_bytes, p.data, p.text, p.cause FROM parts p LEFT JOIN runs r ON r.id = "     \
    "p.run"                                                                                        \
    " WHERE p.message = $1"
static const char at_sql[] = PART_WHOLE " AND p.number = $2";
static const char next_sql[] = PART_WHOLE " AND p.number > $2 ORDER BY p.number LIMIT 1";

static struct err read_one(struct tx *tx, const char *sql, struct message_part *part,
                           bool *ret_found) {
    const struct arg args[] = {arg_int(part->message), arg_int(part->number)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (!err_failed(err) && rows != NULL) {
        err = read_part(tx, rows, part);
    }
    if (!err_failed(err)) {
        *ret_found = rows != NULL;
    }
    return err;
}

struct err parts__find(struct tx *tx, int64_t message, int64_t number, bool *ret_found,
                       struct message_part *ret_part) {
    struct message_part part = {.message = message, .number = number};
    struct err err = read_one(tx, at_sql, &part, ret_found);
    if (!err_failed(err)) {
        *ret_part = part;
    }
    return err;
}

struct err parts__next(struct tx *tx, int64_t message, int64_t after, bool *ret_found,
                       struct message_part *ret_part) {
    struct message_part part = {.message = message, .number = after};
    struct err err = read_one(tx, next_sql, &part, ret_found);
    if (!err_failed(err)) {
        *ret_part = part;
    }
    return err;
}

/* --- Writing ---------------------------------------------------------------------------------- */

static struct err next_number(struct tx *tx, int64_t message, int64_t *ret_number) {
    const struct arg args[] = {arg_int(message)};
    const struct run_ask ask = {.sql = "SELECT COALESCE(max(number), 0) + 1 FROM parts"
                                       " WHERE message = $1",
                                .args = args,
                                .count = COUNT_OF(args),
                                .missing = 1};
    return runs__int(tx, &ask, ret_number);
}

static void fill(struct message_part *part) {
    const struct bytes none = {"", 0};
    part->name = part->name.data == NULL ? none : part->name;
    part->call = part->call.data == NULL ? none : part->call;
    part->cause = part->cause.data == NULL ? none : part->cause;
    part->data = part->data.data == NULL ? BYTES("{}") : part->data;
    part->text = part->text.data == NULL ? none : part->text;
    part->bytes = (int64_t)part->text.len;
    part->data_bytes = (int64_t)part->data.len;
    assert(part->bytes <= MESSAGE_TEXT_MAX && part->data_bytes <= MESSAGE_DATA_MAX);
}

struct err parts__insert(struct tx *tx, struct message_part *part) {
    static const char sql[] =
        "INSERT INTO parts (message, number, step, kind, state, name, call, run, bytes, data_bytes,"
        " data, text, cause) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    struct err err = ERR_OK;
    int64_t number = part->number;
    if (number == 0) {
        err = next_number(tx, part->message, &number);
    }
    if (!err_failed(err) && number > MESSAGE_PARTS_MAX) {
        err = err_make(ERR_TOO_MANY, "parts: insert");
    }
    if (err_failed(err)) {
        return err;
    }
    part->number = number;
    fill(part);
    const struct arg args[] = {
        arg_int(part->message),
        arg_int(part->number),
        arg_int(part->step),
        runs__name(part_kind_name(part->kind)),
        runs__name(part_state_name(part->state)),
        arg_text(part->name),
        arg_text(part->call),
        arg_int(part->run),
        arg_int(part->bytes),
        arg_int(part->data_bytes),
        arg_text(part->data),
        arg_text(part->text),
        arg_text(part->cause),
    };
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
}

struct err parts__write(struct tx *tx, const struct message_part *part) {
    static const char sql[] = "UPDATE parts SET state = $3, name = $4, run = $5, bytes = $6,"
                              " data_bytes = $7, data = $8, text = $9, cause = $10"
                              " WHERE message = $1 AND number = $2";
    struct message_part filled = *part;
    fill(&filled);
    const struct arg args[] = {
        arg_int(filled.message),
        arg_int(filled.number),
        runs__name(part_state_name(filled.state)),
        arg_text(filled.name),
        arg_int(filled.run),
        arg_int(filled.bytes),
        arg_int(filled.data_bytes),
        arg_text(filled.data),
        arg_text(filled.text),
        arg_text(filled.cause),
    };
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
}

/* As much of `text` as fits in `room` bytes, in whole characters. */
static struct bytes fitting(struct bytes text, size_t room) {
    return (struct bytes){text.data, text.len <= room ? text.len : utf8_cut(text, room)};
}

struct err parts__append(struct tx *tx, const struct part_append *what, bool *ret_cut) {
    static const char sql[] = "UPDATE parts SET text = text || $3, bytes = bytes + $4"
                              " WHERE message = $1 AND number = $2";
    const struct arg which[] = {arg_int(what->message), arg_int(what->number)};
    const struct run_ask ask = {.sql = "SELECT bytes FROM parts WHERE message = $1 AND number = $2",
                                .args = which,
                                .count = COUNT_OF(which),
                                .missing = MESSAGE_TEXT_MAX};
    int64_t bytes = MESSAGE_TEXT_MAX;
    struct err err = runs__int(tx, &ask, &bytes);
    if (err_failed(err)) {
        return err;
    }
    struct bytes text = fitting(what->text, (size_t)(MESSAGE_TEXT_MAX - bytes));
    const struct arg args[] = {arg_int(what->message), arg_int(what->number), arg_text(text),
                               arg_int((int64_t)text.len)};
    if (text.len > 0) {
        err = tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, or none */);
    }
    if (!err_failed(err)) {
        *ret_cut = text.len < what->text.len;
    }
    return err;
}

struct err parts__remove_from(struct tx *tx, int64_t message, int64_t number) {
    const struct arg args[] = {arg_int(message), arg_int(number)};
    return tx_exec(tx, "DELETE FROM parts WHERE message = $1 AND number >= $2", args,
                   COUNT_OF(args), NULL /* however many */);
}

/* --- By range --------------------------------------------------------------------------------- */

/* Where the character at or before `at` begins. */
static size_t boundary(struct bytes text, size_t at) {
    while (at > 0 && at < text.len && ((unsigned char)text.data[at] & 0xc0) == 0x80) {
        at--;
    }
    return at;
}

struct err tx_part_text(struct tx *tx, const struct part_range *range, bool *ret_found,
                        struct part_text *ret_text) {
    bool found = false;
    struct message_part part;
    struct err err = parts__find(tx, range->message, range->number, &found, &part);
    if (err_failed(err)) {
        return err;
    }
    struct part_text text = {.bytes = part.bytes};
    if (found) {
        size_t len = part.text.len;
        size_t from = range->offset < (int64_t)len ? (size_t)range->offset : len;
        from = boundary(part.text, from);
        size_t room = range->limit < (int64_t)(len - from) ? (size_t)range->limit : len - from;
        size_t to = boundary(part.text, from + room);
        text.text = (struct bytes){part.text.data + from, to - from};
        text.offset = (int64_t)from;
    }
    *ret_found = found;
    *ret_text = text;
    return ERR_OK;
}
