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
static bool word_find(const struct map *map, unsigned kind, struct bytes word, void *member) {
    return map->names != NULL ? bytes_find(word, map->names[kind], member)
                              : map->words[kind].find(word, member);
}

/* Reads column `at` under the cursor. False: a word is not known. */
static bool value_read(const struct map *map, unsigned kind, const struct rows *rows, int at,
                       void *member) {
    switch (kind) {
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
    default:
        return word_find(map, kind - MAP_WORD, rows_text(rows, at), member);
    }
}

bool map_read_some(const struct map *map, size_t count, const struct rows *rows, void *row) {
    assert(count <= map->count);
    bool known = value_read(map, map->key_kind, rows, 0, (char *)row + map->key_offset);
    for (size_t i = 0; i < count; i++) {
        const struct map_column *column = &map->columns[i];
        known =
            value_read(map, column->kind, rows, (int)i + 1, (char *)row + column->offset) && known;
    }
    return known;
}

bool map_read(const struct map *map, const struct rows *rows, void *row) {
    return map_read_some(map, map->count, rows, row);
}

static bool text_copy(struct tx *tx, unsigned kind, struct bytes *text) {
    if (kind == MAP_TEXT) {
        text->data = text->len == 0 ? "" : arena_try_copy(tx_arena(tx), text->data, text->len);
    }
    return kind != MAP_TEXT || text->data != NULL;
}

struct err map_copy(struct tx *tx, const struct map *map, void *row) {
    bool copied = text_copy(tx, map->key_kind, (void *)((char *)row + map->key_offset));
    for (size_t i = 0; i < map->count && copied; i++) {
        copied =
            text_copy(tx, map->columns[i].kind, (void *)((char *)row + map->columns[i].offset));
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

static bool column_is_of(const struct map_column *column, unsigned use) {
    return (column->use & use) != 0;
}

/* INSERT INTO t (key, a, b) VALUES ($1, $2, $3), or
 * UPDATE t SET a = $2, b = $3 WHERE key = $1 */
static const char *sql_of(struct tx *tx, const struct map *map, unsigned use) {
    struct statements_slot *slot = statements_find(&tx->map_texts, map, use);
    if (slot->value != NULL) {
        return slot->value;
    }
    AUTO(text_done) struct text sql = text_up_to(SQL_MAX);
    bool insert = use == MAP_INSERT;
    int number = 1;
    if (insert) {
        text_addf(&sql, "INSERT INTO %s (%s", map->table, map->key);
    } else {
        text_addf(&sql, "UPDATE %s SET ", map->table);
    }
    for (size_t i = 0; i < map->count; i++) {
        if (column_is_of(&map->columns[i], use)) {
            number++;
            text_add_str(&sql, insert || number > 2 ? ", " : "");
            text_add_str(&sql, map->columns[i].name);
            if (!insert) {
                text_addf(&sql, " = $%d", number);
            }
        }
    }
    if (insert) {
        text_add_str(&sql, ") VALUES ($1");
        for (int i = 2; i <= number; i++) {
            text_addf(&sql, ", $%d", i);
        }
        text_add_str(&sql, ")");
    } else {
        text_addf(&sql, " WHERE %s = $1", map->key);
    }
    assert(!text_failed(&sql)); /* A list too long for a statement is our bug. */
    slot->value = mem_copy(sql.data, sql.len);
    return slot->value;
}

static struct arg arg_of(const struct map *map, unsigned kind, const void *member) {
    int64_t number = kind <= MAP_INT_UNKNOWN ? *(const int64_t *)member : 0;
    switch (kind) {
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
    default:
        return arg_str(map->names != NULL ? map->names[kind - MAP_WORD][*(const unsigned *)member]
                                          : map->words[kind - MAP_WORD].word(member));
    }
}

static void row_write(struct tx *tx, const struct map *map, unsigned use, const void *row) {
    struct arg args[DRIVER_ARGS_MAX];
    size_t count = 1;
    assert(map->count < DRIVER_ARGS_MAX);
    args[0] = arg_of(map, map->key_kind, (const char *)row + map->key_offset);
    for (size_t i = 0; i < map->count; i++) {
        const struct map_column *column = &map->columns[i];
        if (column_is_of(column, use)) {
            args[count++] = arg_of(map, column->kind, (const char *)row + column->offset);
        }
    }
    assert(count > 1);
    struct err err = tx_exec(tx, sql_of(tx, map, use), args, count, NULL /* changes one row */);
    (void)err; /* The transaction keeps it. */
}

void map_insert(struct tx *tx, const struct map *map, const void *row) {
    row_write(tx, map, MAP_INSERT, row);
}

void map_update(struct tx *tx, const struct map *map, unsigned group, const void *row) {
    assert(group >= MAP_SET);
    row_write(tx, map, group, row);
}
