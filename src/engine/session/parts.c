/* parts.c: the parts of messages: rows, and texts of which a part is read. */
#include "base/utf8.h"
#include "engine/base/ids.h"
#include "engine/base/resource.h"
#include "engine/session/message_rows.h"

enum { DATA_FREE = 2 }; /* An empty object costs no budget. */

#define PART(member) offsetof(struct message_part, member)
static const struct field part_rows[] = {
    {ROW_ONCE("number", FIELD_INT, PART(number))},
    {ROW_READ("message", FIELD_INT, PART(message)), .group = FIELD_INSERTED | FIELD_KEY},
    {ROW_ONCE("step", FIELD_INT, PART(step))},
    {ROW_ONCE("kind", FIELD_NAME, PART(kind)), .names = part_kind_names},
    {ROW_READ("state", FIELD_NAME, PART(state)), .names = part_state_names,
     .group = FIELD_INSERTED | PART_MOVED | PART_RESULT},
    {ROW_ONCE("name", FIELD_TEXT, PART(name))},
    {ROW_ONCE("call", FIELD_TEXT, PART(call))},
    {ROW_READ("run", FIELD_INT, PART(run)), .group = FIELD_INSERTED | PART_MOVED | PART_RESULT},
    {FIELD("run_name", FIELD_TEXT, PART(run_name)),
     .column = "COALESCE((SELECT r.run FROM runs r WHERE r.id = parts.run), '')"},
    {ROW_READ("bytes", FIELD_INT, PART(bytes)), .group = FIELD_INSERTED | PART_RESULT | PART_WORDS},
    {ROW_READ("data_bytes", FIELD_INT, PART(data_bytes)),
     .group = FIELD_INSERTED | PART_DATA | PART_WORDS},
    {ROW_READ("cause", FIELD_TEXT, PART(cause)),
     .group = FIELD_INSERTED | PART_MOVED | PART_RESULT},
    {ROW_READ("data", FIELD_TEXT, PART(data)), .group = FIELD_INSERTED | PART_DATA | PART_WORDS},
    {ROW_READ("text", FIELD_TEXT, PART(text)), .group = FIELD_INSERTED | PART_RESULT | PART_WORDS},
};
const struct resource part_resource = {.table = "parts",
                                       .key = "number",
                                       .of_daemon = true,
                                       .fields = {FIELD_ROWS(part_rows), .use = FIELD_KEPT},
                                       .size = sizeof(struct message_part)};

static struct rows *part_row(struct tx *tx, const char *sql, int64_t message, int64_t number) {
    return tx_row(tx, tx_resource_sql(tx, &part_resource, RESOURCE_WHOLE, sql),
                  ARGS(arg_int(message), arg_int(number)));
}

static void part_read(struct tx *tx, const struct rows *rows, struct message_part *ret_part) {
    *ret_part = (struct message_part){.kind = PART_NOTICE};
    if (!resource_row_fill(&part_resource, RESOURCE_WHOLE, rows, ret_part)) {
        ret_part->state = ret_part->kind == PART_TOOL ? PART_STATE_FAILED : PART_STATE_NONE;
        ret_part->cause = BYTES("damaged");
    }
    tx_resource_copy(tx, &part_resource, ret_part);
}

/* Parts before `whole` come as they are; of that part come the data, if they fit, and `bytes` of
 * the text; of the parts after it neither. */
struct message_parts parts__read(struct tx *tx, int64_t message, size_t budget) {
    int64_t whole = INT64_MAX, bytes = 0, count = 0;
    bool with_data = false;
    struct rows *sizes = tx_rows(tx,
                                 "SELECT number, bytes, data_bytes FROM parts WHERE message = $1"
                                 " ORDER BY number LIMIT $2",
                                 ARGS(arg_int(message), arg_int(MESSAGE_PARTS_MAX)));
    for (; rows_step(sizes); count++) {
        size_t text = (size_t)rows_int(sizes, 1);
        size_t data = rows_int(sizes, 2) <= DATA_FREE ? 0 : (size_t)rows_int(sizes, 2);
        if (whole != INT64_MAX) {
            continue; /* Only counted. */
        }
        if (text <= budget && data <= budget - text) {
            budget -= text + data;
        } else {
            whole = rows_int(sizes, 0);
            with_data = data <= budget;
            bytes = (int64_t)(with_data ? budget - data : budget);
        }
    }
    rows_release(&sizes);
    struct message_parts found = {.parts =
                                      tx_memory(tx, ((size_t)count + 1) * sizeof *found.parts)};
    AUTO(rows_release)
    struct rows *rows = tx_rows(
        tx,
        "SELECT number, message, step, kind, state, name, call, run,"
        " COALESCE((SELECT r.run FROM runs r WHERE r.id = parts.run), ''), bytes, data_bytes,"
        " cause, CASE WHEN number < $2 OR (number = $2 AND $4 = 1) OR data_bytes <= 2"
        " THEN data ELSE '' END, CASE WHEN number < $2 THEN text"
        " WHEN number = $2 AND $3 > 0 THEN substr(text, 1, CAST($3 AS INTEGER)) ELSE '' END"
        " FROM parts WHERE message = $1 ORDER BY number LIMIT $5",
        ARGS(arg_int(message), arg_int(whole), arg_int(bytes), arg_int(with_data ? 1 : 0),
             arg_int(count)));
    while (found.count < (size_t)count && rows_step(rows)) {
        struct message_part *part = &found.parts[found.count++];
        part_read(tx, rows, part);
        if (part->number == whole) { /* The database cut by characters. */
            part->text.len = utf8_cut(part->text, (size_t)bytes);
        }
    }
    return found;
}

#define PART_WHOLE "SELECT * FROM parts WHERE message = $1"

bool parts__next(struct tx *tx, int64_t message, int64_t after, struct message_part *ret_part) {
    AUTO(rows_release)
    struct rows *rows =
        part_row(tx, PART_WHOLE " AND number > $2 ORDER BY number LIMIT 1", message, after);
    if (rows != NULL) {
        part_read(tx, rows, ret_part);
    }
    return rows != NULL && !err_failed(tx_error(tx));
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
    struct rows *rows = part_row(tx, PART_WHOLE " AND number = $2", range->message, range->number);
    if (rows != NULL) {
        struct message_part part;
        part_read(tx, rows, &part);
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

void parts__insert(struct tx *tx, struct message_part *part) {
    if (part->number == 0) {
        part->number =
            tx_number(tx, "SELECT COALESCE(max(number), 0) + 1 FROM parts WHERE message = $1",
                      ARGS(arg_int(part->message)));
    }
    /* A long answer of a program has fewer parts than their numbers say. */
    if (part->number > MESSAGE_PARTS_MAX &&
        tx_number(tx, "SELECT count(*) FROM parts WHERE message = $1",
                  ARGS(arg_int(part->message))) >= MESSAGE_PARTS_MAX) {
        tx_fail(tx, err_make(ERR_TOO_MANY, "parts: insert"));
    }
    part_fill(part);
    tx_row_insert(tx, &part_resource, 0, part);
}

void parts__write(struct tx *tx, enum part_columns columns, const struct message_part *part) {
    struct message_part filled = *part;
    part_fill(&filled);
    tx_row_update(tx, &part_resource, columns, &filled);
}
