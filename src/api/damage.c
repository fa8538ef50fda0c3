/* damage.c: a page of the search for damaged rows. The cursor: the table's number, and the keys. */
#include "api/damage.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/op.h"
#include "base/memory.h"
#include "base/number.h"
#include "engine/damage.h"

enum { QUERY_AFTER, CURSOR_SIZE = 100, PAGES_MAX = 8, ITEMS_MAX = 500, CURSOR_PARTS = 5 };

struct damage_op {
    struct op op; /* First, as op_done wants it. */
    struct system_info *info;
    struct damage_cursor cursor;
    unsigned count;
};

static void add_item(void *ctx, const struct damage *damage) {
    struct damage_op *op = ctx;
    struct text *text = &op->op.answer;
    text_add_str(text, op->count++ > 0 ? ",{\"table\":" : "{\"table\":");
    text_add_json(text, damage->table, strlen(damage->table));
    text_add_str(text, ",\"row\":");
    text_add_json(text, damage->where, strlen(damage->where));
    text_add_str(text, ",\"column\":");
    text_add_json(text, damage->column, strlen(damage->column));
    text_add_str(text, ",\"what\":");
    text_add_json(text, damage->what, strlen(damage->what));
    AUTO(text_done) struct text remove;
    text_init(&remove, 2 * (size_t)DAMAGE_WHERE_MAX);
    text_addf(&remove, "DELETE FROM %s WHERE %s;", damage->table, damage->where);
    text_add_str(text, ",\"remove\":");
    text_add_json(text, remove.data, remove.len);
    text_add_char(text, '}');
}

static void add_next(const struct damage_cursor *cursor, struct text *text) {
    text_addf(text, "\"%u.%d", cursor->table, cursor->inside ? 1 : 0);
    for (int i = 0; i < DAMAGE_KEYS; i++) {
        text_addf(text, ".%" PRId64, cursor->key[i]);
    }
    text_add_char(text, '"');
}

static struct err look(struct tx *tx, void *ctx) {
    struct damage_op *op = ctx;
    struct damage_cursor cursor = op->cursor;
    bool more = true;
    op_restart(&op->op);
    op->count = 0;
    text_add_str(&op->op.answer, "{\"items\":[");
    struct err err = ERR_OK;
    for (int i = 0; i < PAGES_MAX && more && op->count < ITEMS_MAX && !err_failed(err); i++) {
        err = tx_damage_page(tx, DAMAGE_ALL, &cursor, add_item, op, &more);
    }
    text_add_str(&op->op.answer, "],\"next\":");
    if (more) {
        add_next(&cursor, &op->op.answer);
    } else {
        text_add_str(&op->op.answer, "null");
    }
    text_add_char(&op->op.answer, '}');
    return err_failed(err) ? err : op_written(&op->op);
}

static bool cursor_read(struct bytes text, struct damage_cursor *ret_cursor) {
    static const struct number_bounds any = {INT64_MIN, INT64_MAX};
    int64_t parts[CURSOR_PARTS] = {0};
    int count = 0;
    for (size_t start = 0; start <= text.len; count++) {
        const char *dot = memchr(text.data + start, '.', text.len - start);
        size_t end = dot == NULL ? text.len : (size_t)(dot - text.data);
        if (count == CURSOR_PARTS ||
            !number_parse((struct bytes){text.data + start, end - start}, any, &parts[count])) {
            return false;
        }
        start = end + 1;
    }
    if (count != CURSOR_PARTS || parts[0] < 0 || parts[0] > INT32_MAX) {
        return false;
    }
    *ret_cursor = (struct damage_cursor){.table = (unsigned)parts[0],
                                         .inside = parts[1] != 0,
                                         .key = {parts[2], parts[3], parts[4]}};
    return true;
}

void damage_list(struct exchange *exchange, void *ctx) {
    struct damage_cursor cursor = {0};
    if (exchange_query_given(exchange, QUERY_AFTER) &&
        !cursor_read(exchange_query_text(exchange, QUERY_AFTER), &cursor)) {
        op_refuse(exchange, err_make(ERR_BAD_CURSOR, "damage: after"), NULL);
        return;
    }
    struct damage_op *op = mem_new(sizeof *op);
    op_init(&op->op, exchange, 200);
    op->info = ctx;
    op->cursor = cursor;
    store_read(op->info->store, look, op_done, op);
}

const struct query_param damage_query[] = {
    [QUERY_AFTER] = {.name = "after",
                     .about = "The `next` of the page before.",
                     .kind = QUERY_TEXT,
                     .max = CURSOR_SIZE},
    {.name = NULL},
};

#define TEXT_SCHEMA "{\"type\":\"string\"}"

const char damage_answer[] =
    "{\"type\":\"object\",\"required\":[\"items\",\"next\"],\"properties\":{\"items\":{\"type\":"
    "\"array\",\"items\":{\"type\":\"object\",\"required\":[\"table\",\"row\",\"column\",\"what\","
    "\"remove\"],\"properties\":{\"table\":" TEXT_SCHEMA ",\"row\":" TEXT_SCHEMA
    ",\"column\":" TEXT_SCHEMA ",\"what\":" TEXT_SCHEMA ",\"remove\":" TEXT_SCHEMA
    "}}},\"next\":{\"type\":[\"string\",\"null\"]}}}";
