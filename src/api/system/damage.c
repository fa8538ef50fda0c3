/* damage.c: a page of the search for damaged rows. The cursor: the table's number, and the keys. */
#include "api/system/damage.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/base/op.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/number.h"
#include "engine/system/damage.h"

enum {
    QUERY_AFTER,
    CURSOR_NUMBERS = 2 + DAMAGE_KEYS,
    CURSOR_SIZE = 21 * CURSOR_NUMBERS + 2 * (DAMAGE_KEY_MAX + 8),
    ROWS_MAX = 1000, /* Of one store function (store.h). */
};

struct damage_op {
    struct op op; /* First, as op_done wants it. */
    struct system_info *info;
    struct damage_cursor cursor;
    int64_t count; /* Number of items. */
};

static void add_item(void *ctx, const struct damage *damage) {
    struct damage_op *op = ctx;
    struct text *text = &op->op.answer;
    text_add_str(text, op->count++ > 0 ? ",{\"table\":" : "{\"table\":");
    text_add_json(text, damage->table, strlen(damage->table));
    text_add_str(text, ",\"row\":");
    text_add_json(text, damage->where.data, damage->where.len);
    text_add_str(text, ",\"column\":");
    text_add_json(text, damage->column, strlen(damage->column));
    text_add_str(text, ",\"what\":");
    text_add_json(text, damage->what, strlen(damage->what));
    text_add_str(text, ",\"remove\":");
    text_add_json(text, damage->remove.data, damage->remove.len);
    text_add_char(text, '}');
}

static void add_next(const struct damage_cursor *cursor, struct text *text) {
    text_addf(text, "\"%u.%d", cursor->table, cursor->inside ? 1 : 0);
    for (int i = 0; i < DAMAGE_KEYS; i++) {
        text_addf(text, ".%" PRId64, cursor->key[i]);
    }
    text_add_char(text, '.');
    for (size_t i = 0; i < cursor->text_len; i++) {
        text_addf(text, "%02x", (unsigned)(unsigned char)cursor->text[i]);
    }
    text_add_char(text, '"');
}

static struct err look(struct tx *tx, void *ctx) {
    struct damage_op *op = ctx;
    struct damage_cursor cursor = op->cursor;
    struct damage_page sum = {.more = true};
    op_restart(&op->op);
    op->count = 0;
    text_add_str(&op->op.answer, "{\"items\":[");
    struct err err = ERR_OK;
    while (!err_failed(err) && sum.more && sum.rows + DAMAGE_PAGE <= ROWS_MAX &&
           sum.bytes < DAMAGE_PAGE_BYTES && sum.found < DAMAGE_PAGE_FOUND &&
           (sum.rows == 0 || !tx_slice_over(tx))) {
        struct damage_page page;
        err = tx_damage_page(tx, DAMAGE_ALL, &cursor, add_item, op, &page);
        if (!err_failed(err)) {
            sum = (struct damage_page){sum.rows + page.rows, sum.bytes + page.bytes,
                                       sum.found + page.found, page.more};
        }
    }
    text_add_str(&op->op.answer, "],\"next\":");
    if (sum.more) {
        add_next(&cursor, &op->op.answer);
    } else {
        text_add_str(&op->op.answer, "null");
    }
    text_add_char(&op->op.answer, '}');
    return err_failed(err) ? err : op_written(&op->op);
}

static bool cursor_read(struct bytes text, struct damage_cursor *ret_cursor) {
    static const struct number_bounds any = {INT64_MIN, INT64_MAX};
    int64_t numbers[CURSOR_NUMBERS];
    size_t start = 0;
    for (int i = 0; i < CURSOR_NUMBERS; i++) {
        const char *dot = memchr(text.data + start, '.', text.len - start);
        size_t end = dot == NULL ? text.len : (size_t)(dot - text.data);
        if (dot == NULL ||
            !number_parse((struct bytes){text.data + start, end - start}, any, &numbers[i])) {
            return false;
        }
        start = end + 1;
    }
    struct damage_cursor cursor = {.table = (unsigned)numbers[0],
                                   .inside = numbers[1] != 0,
                                   .key = {numbers[2], numbers[3], numbers[4]},
                                   .text_len = (text.len - start) / 2};
    if (numbers[0] < 0 || numbers[0] > INT32_MAX || cursor.text_len > sizeof cursor.text ||
        !hex_parse((struct bytes){text.data + start, text.len - start}, (uint8_t *)cursor.text,
                   cursor.text_len)) {
        return false;
    }
    *ret_cursor = cursor;
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
    store_read_slice(op->info->store, look, op_done, op);
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
