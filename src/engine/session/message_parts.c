/* message_parts.c: the parts that messages are made of. */
#include "base/memory.h"
#include "base/utf8.h"
#include "engine/session/message_rows.h"

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

static void part_read(struct rows *rows, int64_t message, struct message_part *ret_part) {
    struct message_part part = {
        .message = message,
        .number = rows_int(rows, COL_NUMBER),
        .step = rows_int(rows, COL_STEP),
        .name = rows_copy(rows, COL_NAME),
        .call = rows_copy(rows, COL_CALL),
        .run = rows_int(rows, COL_RUN),
        .run_name = rows_copy(rows, COL_RUN_NAME),
        .bytes = rows_int(rows, COL_BYTES),
        .data_bytes = rows_int(rows, COL_DATA_BYTES),
        .data = rows_copy(rows, COL_DATA),
        .text = rows_copy(rows, COL_TEXT),
        .cause = rows_copy(rows, COL_CAUSE),
    };
    bool known = part_kind_find(rows_text(rows, COL_KIND), &part.kind);
    part.kind = known ? part.kind : PART_NOTICE;
    if (!part_state_find(rows_text(rows, COL_STATE), &part.state) || !known) {
        part.state = part.kind == PART_TOOL ? PART_STATE_FAILED : PART_STATE_NONE;
        part.cause = BYTES("damaged");
    }
    *ret_part = part;
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* How far a budget of bytes reaches: parts before `whole` come as they are; of that part come the
 * data, if they fit, and `bytes` of the text; of the parts after it neither. */
struct reach {
    int64_t whole, bytes, count;
    bool data;
};

static struct reach reach_find(struct tx *tx, int64_t message, size_t left) {
    struct reach reach = {.whole = INT64_MAX};
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx,
                                "SELECT number, bytes, data_bytes FROM parts WHERE message = $1"
                                " ORDER BY number LIMIT $2",
                                ARGS(arg_int(message), arg_int(MESSAGE_PARTS_MAX)));
    for (; rows_step(rows); reach.count++) {
        if (reach.whole != INT64_MAX) {
            continue; /* Only counted. */
        }
        size_t text = (size_t)rows_int(rows, 1);
        size_t data = rows_int(rows, 2) <= DATA_FREE ? 0 : (size_t)rows_int(rows, 2);
        if (text <= left && data <= left - text) {
            left -= text + data;
        } else {
            reach.whole = rows_int(rows, 0);
            reach.data = data <= left;
            reach.bytes = (int64_t)(reach.data ? left - data : left);
        }
    }
    return reach;
}

struct err parts__read(struct tx *tx, int64_t message, size_t budget,
                       struct message_parts *ret_parts) {
    const struct reach reach = reach_find(tx, message, budget);
    struct message_parts found = {
        .parts = arena_try(tx_arena(tx), ((size_t)reach.count + 1) * sizeof *found.parts)};
    if (found.parts == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "parts: rows");
    }
    AUTO(rows_release)
    struct rows *rows = tx_rows(
        tx,
        "SELECT p.number, p.step, p.kind, p.state, p.name, p.call, p.run, COALESCE(r.run, ''),"
        " p.bytes, p.data_bytes,"
        " CASE WHEN p.number < $2 OR (p.number = $2 AND $4 = 1) OR p.data_bytes <= 2"
        " THEN p.data ELSE '' END,"
        " CASE WHEN p.number < $2 THEN p.text"
        " WHEN p.number = $2 AND $3 > 0 THEN substr(p.text, 1, CAST($3 AS INTEGER)) ELSE '' END,"
        " p.cause FROM parts p LEFT JOIN runs r ON r.id = p.run WHERE p.message = $1"
        " ORDER BY p.number LIMIT $5",
        ARGS(arg_int(message), arg_int(reach.whole), arg_int(reach.bytes),
             arg_int(reach.data ? 1 : 0), arg_int(reach.count)));
    while (found.count < (size_t)reach.count && rows_step(rows)) {
        struct message_part *part = &found.parts[found.count++];
        part_read(rows, message, part);
        if (part->number == reach.whole) { /* It was cut by characters. */
            part->text.len = utf8_cut(part->text, (size_t)reach.bytes);
        }
    }
    *ret_parts = found;
    return tx_error(tx);
}

#define PART_WHOLE                                                                                 \
    "SELECT p.number, p.step, p.kind, p.state, p.name, p.call, p.run, COALESCE(r.run, ''),"        \
    " p.bytes, p.data_bytes, p.data, p.text, p.cause FROM parts p"                                 \
    " LEFT JOIN runs r ON r.id = p.run WHERE p.message = $1"

struct err parts__next(struct tx *tx, int64_t message, int64_t after, bool *ret_found,
                       struct message_part *ret_part) {
    AUTO(rows_release)
    struct rows *rows = tx_row(tx, PART_WHOLE " AND p.number > $2 ORDER BY p.number LIMIT 1",
                               ARGS(arg_int(message), arg_int(after)));
    *ret_found = rows != NULL;
    if (rows != NULL) {
        part_read(rows, message, ret_part);
    }
    return tx_error(tx);
}

/* Where the character at or before `at` begins. */
static size_t character_start(struct bytes text, size_t at) {
    while (at > 0 && at < text.len && ((unsigned char)text.data[at] & 0xc0) == 0x80) {
        at--;
    }
    return at;
}

struct err tx_part_text(struct tx *tx, const struct part_range *range, bool *ret_found,
                        struct part_text *ret_text) {
    struct part_text text = {.bytes = 0};
    AUTO(rows_release)
    struct rows *rows = tx_row(tx, PART_WHOLE " AND p.number = $2",
                               ARGS(arg_int(range->message), arg_int(range->number)));
    if (rows != NULL) {
        struct message_part part;
        part_read(rows, range->message, &part);
        size_t len = part.text.len;
        size_t from = range->offset < (int64_t)len ? (size_t)range->offset : len;
        from = character_start(part.text, from);
        size_t room = range->limit < (int64_t)(len - from) ? (size_t)range->limit : len - from;
        size_t to = character_start(part.text, from + room);
        text = (struct part_text){.text = {part.text.data + from, to - from},
                                  .offset = (int64_t)from,
                                  .bytes = part.bytes};
    }
    *ret_found = rows != NULL;
    *ret_text = text;
    return tx_error(tx);
}

/* --- Writing ---------------------------------------------------------------------------------- */

static void part_fill(struct message_part *part) {
    part->name = part->name.data == NULL ? BYTES("") : part->name;
    part->call = part->call.data == NULL ? BYTES("") : part->call;
    part->cause = part->cause.data == NULL ? BYTES("") : part->cause;
    part->data = part->data.data == NULL ? BYTES("{}") : part->data;
    part->text = part->text.data == NULL ? BYTES("") : part->text;
    part->bytes = (int64_t)part->text.len;
    part->data_bytes = (int64_t)part->data.len;
    assert(part->bytes <= MESSAGE_TEXT_MAX && part->data_bytes <= MESSAGE_DATA_MAX);
}

struct err parts__insert(struct tx *tx, struct message_part *part) {
    int64_t number = part->number;
    if (number == 0) {
        number = tx_number(tx, "SELECT COALESCE(max(number), 0) + 1 FROM parts WHERE message = $1",
                           ARGS(arg_int(part->message)), 1);
    }
    if (number > MESSAGE_PARTS_MAX) {
        return err_make(ERR_TOO_MANY, "parts: insert");
    }
    part->number = number;
    part_fill(part);
    tx_do(tx,
          "INSERT INTO parts (message, number, step, kind, state, name, call, run, bytes,"
          " data_bytes, data, text, cause)"
          " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
          ARGS(arg_int(part->message), arg_int(part->number), arg_int(part->step),
               arg_str(part_kind_name(part->kind)), arg_str(part_state_name(part->state)),
               arg_text(part->name), arg_text(part->call), arg_int(part->run), arg_int(part->bytes),
               arg_int(part->data_bytes), arg_text(part->data), arg_text(part->text),
               arg_text(part->cause)));
    return tx_error(tx);
}

struct err parts__write(struct tx *tx, const struct message_part *part) {
    struct message_part filled = *part;
    part_fill(&filled);
    tx_do(tx,
          "UPDATE parts SET state = $3, name = $4, run = $5, bytes = $6, data_bytes = $7,"
          " data = $8, text = $9, cause = $10 WHERE message = $1 AND number = $2",
          ARGS(arg_int(filled.message), arg_int(filled.number),
               arg_str(part_state_name(filled.state)), arg_text(filled.name), arg_int(filled.run),
               arg_int(filled.bytes), arg_int(filled.data_bytes), arg_text(filled.data),
               arg_text(filled.text), arg_text(filled.cause)));
    return tx_error(tx);
}
