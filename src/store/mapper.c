/* mapper.c: see mapper.h.
 *
 * Statements are known by the address of their text (statements.h), so a text that is built must
 * live as long as its connection, and be found again: struct tx, which lives as long, keeps it
 * under the address of the map and the columns that are meant.
 */
#include "store/mapper.h"

#include <string.h>

#include "base/text.h"
#include "store/tx.h"

enum { SQL_MAX = 4096 };

/* --- Reading ---------------------------------------------------------------------------------- */

/* An enum is as wide as an unsigned, and compatible with it. */
static bool word_find(const struct map *map, const struct map_column *column, struct bytes word,
                      void *member) {
    unsigned kind = column->kind - MAP_WORD;
    return map->names != NULL ? bytes_find(word, map->names[kind], member)
                              : map->words[kind].find(word, member);
}

static bool id_read(struct bytes text, struct id *ret_id) {
    bool fits = text.len < sizeof ret_id->text;
    *ret_id = fits ? id_copy(text) : (struct id){""};
    return fits;
}

/* Reads column `at` under the cursor. False: a word is not known, or an id is too long. */
bool map_column_read(const struct map *map, const struct map_column *column,
                     const struct rows *rows, int at, void *row) {
    void *member = (char *)row + column->offset;
    switch (column->kind) {
    case MAP_INT:
        *(int64_t *)member = rows_int(rows, at);
        return true;
    case MAP_INT_OR_NULL:
        *(int64_t *)member = rows_null(rows, at) ? 0 : rows_int(rows, at);
        return true;
    case MAP_INT_UNKNOWN:
        *(int64_t *)member = rows_null(rows, at) ? -1 : rows_int(rows, at);
        return true;
    case MAP_BOOL:
        *(bool *)member = rows_int(rows, at) != 0;
        return true;
    case MAP_TEXT:
        *(struct bytes *)member = rows_text(rows, at);
        return true;
    case MAP_ID:
        return id_read(rows_text(rows, at), member);
    case MAP_BITS:
        *(unsigned *)member = (unsigned)rows_int(rows, at);
        return true;
    default:
        return word_find(map, column, rows_text(rows, at), member);
    }
}

static struct map_column key_of(const struct map *map) {
    return (struct map_column){map->key, map->key_kind, MAP_INSERT, map->key_offset};
}

bool map_read_some(const struct map *map, size_t count, const struct rows *rows, void *row) {
    assert(count <= map->count);
    const struct map_column key = key_of(map);
    bool known = map_column_read(map, &key, rows, 0, row);
    for (size_t i = 0; i < count; i++) {
        known = map_column_read(map, &map->columns[i], rows, (int)i + 1, row) && known;
    }
    return known;
}

bool map_read(const struct map *map, const struct rows *rows, void *row) {
    return map_read_some(map, map->count, rows, row);
}

bool map_column_copy(struct tx *tx, const struct map_column *column, void *row) {
    struct bytes *text = (void *)((char *)row + column->offset);
    if (column->kind == MAP_TEXT) {
        text->data = text->len == 0 ? "" : arena_try_copy(tx_arena(tx), text->data, text->len);
    }
    return column->kind != MAP_TEXT || text->data != NULL;
}

struct err map_copy(struct tx *tx, const struct map *map, void *row) {
    const struct map_column key = key_of(map);
    bool copied = map_column_copy(tx, &key, row);
    for (size_t i = 0; i < map->count && copied; i++) {
        copied = map_column_copy(tx, &map->columns[i], row);
    }
    return copied ? ERR_OK : err_make(ERR_OUT_OF_MEMORY, "store: row");
}

size_t map_bytes(const struct map *map, const void *row) {
    size_t sum = 0;
    for (size_t i = 0; i < map->count; i++) {
        const void *member = (const char *)row + map->columns[i].offset;
        sum += map->columns[i].kind == MAP_TEXT ? ((const struct bytes *)member)->len : 0;
    }
    return sum;
}

/* --- Statements ------------------------------------------------------------------------------- */

const char *tx_sql(struct tx *tx, const void *address, unsigned use,
                   void (*write)(const void *ctx, struct text *sql), const void *ctx) {
    struct statements_slot *slot = statements_find(&tx->map_texts, address, use);
    if (slot->value == NULL) {
        AUTO(text_done) struct text sql = text_up_to(SQL_MAX);
        write(ctx, &sql);
        assert(!text_failed(&sql) || sql.no_memory); /* Too long: our bug. */
        if (text_failed(&sql)) {
            tx_fail(tx, err_make(ERR_OUT_OF_MEMORY, "store: statement"));
            return "";
        }
        slot->value = mem_copy(sql.data, sql.len);
    }
    return slot->value;
}

struct map_use_of {
    const struct map *map;
    unsigned use;
};

/* INSERT INTO t (key, a, b) VALUES ($1, $2, $3), or
 * UPDATE t SET a = $2, b = $3 WHERE key = $1 AND more = $4 */
static void sql_write(const void *ctx, struct text *sql) {
    const struct map_use_of *what = ctx;
    const struct map *map = what->map;
    bool insert = what->use == MAP_INSERT;
    int number = 1;
    if (insert) {
        text_addf(sql, "INSERT INTO %s (%s", map->table, map->key);
    } else {
        text_addf(sql, "UPDATE %s SET ", map->table);
    }
    for (size_t i = 0; i < map->count; i++) {
        if ((map->columns[i].use & what->use) != 0) {
            number++;
            text_add_str(sql, insert || number > 2 ? ", " : "");
            text_add_str(sql, map->columns[i].name);
            if (!insert) {
                text_addf(sql, " = $%d", number);
            }
        }
    }
    if (insert) {
        text_add_str(sql, ") VALUES ($1");
        for (int i = 2; i <= number; i++) {
            text_addf(sql, ", $%d", i);
        }
        text_add_str(sql, ")");
    } else {
        text_addf(sql, " WHERE %s = $1", map->key);
        for (size_t i = 0; i < map->keys; i++) {
            text_addf(sql, " AND %s = $%d", map->columns[i].name, ++number);
        }
    }
}

struct arg map_column_arg(const struct map *map, const struct map_column *column, const void *row) {
    const void *member = (const char *)row + column->offset;
    int64_t number = column->kind <= MAP_INT_UNKNOWN ? *(const int64_t *)member : 0;
    switch (column->kind) {
    case MAP_INT:
        return arg_int(number);
    case MAP_INT_OR_NULL:
        return number == 0 ? arg_null() : arg_int(number);
    case MAP_INT_UNKNOWN:
        return number == -1 ? arg_null() : arg_int(number);
    case MAP_BOOL:
        return arg_int(*(const bool *)member ? 1 : 0);
    case MAP_TEXT:
        return arg_text(*(const struct bytes *)member);
    case MAP_ID:
        return arg_str(((const struct id *)member)->text);
    case MAP_BITS:
        return arg_int(*(const unsigned *)member);
    default:
        return arg_str(map->names != NULL
                           ? map->names[column->kind - MAP_WORD][*(const unsigned *)member]
                           : map->words[column->kind - MAP_WORD].word(member));
    }
}

static void row_write(struct tx *tx, const struct map *map, unsigned use, const void *row) {
    const struct map_use_of what = {map, use};
    const struct map_column key = key_of(map);
    struct arg args[DRIVER_ARGS_MAX];
    size_t count = 1;
    assert(map->count < DRIVER_ARGS_MAX);
    args[0] = map_column_arg(map, &key, row);
    for (size_t i = 0; i < map->count; i++) {
        if ((map->columns[i].use & use) != 0) {
            args[count++] = map_column_arg(map, &map->columns[i], row);
        }
    }
    assert(count > 1);
    for (size_t i = 0; i < map->keys && use != MAP_INSERT; i++) {
        args[count++] = map_column_arg(map, &map->columns[i], row);
    }
    struct err err = tx_exec(tx, tx_sql(tx, map, use, sql_write, &what), args, count,
                             NULL /* changes one row */);
    (void)err; /* The transaction keeps it. */
}

void map_insert(struct tx *tx, const struct map *map, const void *row) {
    row_write(tx, map, MAP_INSERT, row);
}

void map_update(struct tx *tx, const struct map *map, unsigned group, const void *row) {
    assert(group >= MAP_SET);
    row_write(tx, map, group, row);
}
