/* mapper.h: a row struct and its columns, declared once as a list.
 *
 * Promise    the columns of a SELECT, an INSERT and an UPDATE are written from the list, and
 *            members are bound to columns by name: a column that joins the list is read and
 *            written, and no statement counts positions.
 * Cost       nothing but a loop over the list. The columns of a SELECT are part of its literal. The
 *            text of an INSERT or UPDATE is built once for each connection, and found again by the
 *            address of its map.
 * Ownership  a row that was read borrows its texts from the cursor, until the next row; map_copy
 *            moves them into the transaction's arena.
 * Threads    inside a store function. Lists and maps are constant.
 * Failure    as the statements of store.h. A text that a list does not know as a word leaves its
 *            member as it was, and map_read says so.
 *
 * A list, with the key first in each statement and not in the list:
 *
 *     struct pet_row {
 *         int64_t id;
 *         struct bytes name;
 *         enum pet_state state;
 *         int64_t fed_ms, died_ms;
 *     };
 *     enum { PET_STATE = MAP_WORD };
 *     enum { PET_FED = MAP_SET }; // Groups of columns that are updated together: MAP_SET << n.
 *     #define PET_MAP(X)                                          \
 *         X("name", name, MAP_TEXT, MAP_INSERT)                   \
 *         X("state", state, PET_STATE, MAP_INSERT | PET_FED)      \
 *         X("fed_ms", fed_ms, MAP_INT, MAP_INSERT | PET_FED)      \
 *         X("died_ms", died_ms, MAP_INT_OR_NULL, MAP_INSERT)
 *     #define PET_COLUMNS "id" PET_MAP(MAP_NAMES)
 *
 * and in one file:
 *
 *     #define PET_COLUMN(name, member, kind, use)                 \
 *         {name, kind, use, offsetof(struct pet_row, member)},
 *     static const struct map_column pet_columns[] = {PET_MAP(PET_COLUMN)};
 *     static const char *const pet_states[] = {"fed", "hungry", NULL};
 *     static const char *const *const pet_names[] = {pet_states};
 *     static const struct map pet_map = {MAP_OF("pets", pet_columns, "id", struct pet_row, id),
 *                                        .names = pet_names};
 *
 *     AUTO(rows_release) struct rows *rows =
 *         tx_row(tx, "SELECT " PET_COLUMNS " FROM pets WHERE name = $1", ARGS(arg_text(name)));
 *     if (rows != NULL && map_read(&pet_map, rows, &pet)) …
 *     map_insert(tx, &pet_map, &pet);
 *     map_update(tx, &pet_map, PET_FED, &pet);
 *
 * A name may be an expression, of a column that is read only (MAP_READ).
 */
#ifndef DROVER_STORE_MAPPER_H
#define DROVER_STORE_MAPPER_H

#include <stddef.h>

#include "base/id.h"
#include "store/store.h"

enum map_kind {
    MAP_INT,         /* int64_t */
    MAP_INT_OR_NULL, /* int64_t; 0 is NULL. */
    MAP_INT_UNKNOWN, /* int64_t; -1 is NULL. */
    MAP_BOOL,        /* bool, as 0 or 1. */
    MAP_TEXT,        /* struct bytes; without data: the empty text. */
    MAP_ID,          /* struct id. */
    MAP_BITS,        /* unsigned. */
    MAP_WORD, /* An enum, as names[kind - MAP_WORD] has it. Kinds from here on: the user's. */
};
enum map_use {
    MAP_READ = 0,
    MAP_INSERT = 1,
    MAP_SET = 2, /* The first group of columns that are updated together; the next: MAP_SET << 1. */
};
struct map_column {
    const char *name;
    unsigned kind; /* enum map_kind */
    unsigned use;  /* enum map_use */
    size_t offset;
};
struct map_words {
    const char *(*word)(const void *member);
    bool (*find)(struct bytes word, void *member);
};
struct map {
    const char *table, *key;
    size_t key_offset;
    unsigned key_kind; /* MAP_INT, MAP_TEXT */
    size_t keys;       /* Columns at the head of the list that are a part of the key, too. */
    const struct map_column *columns;
    size_t count;
    const struct map_words *words; /* Words that no list of names has; NULL: none. */
    /* Names of each kind of word, by value; NULL ends them. NULL: `words` has them. */
    const char *const *const *names;
};
/* Members of a map; table and name of the key are NULL where no statement is written from it. */
#define MAP_OF(table_, columns_, key_, type_, member_)                                             \
    .table = (table_), .columns = (columns_), .count = COUNT_OF(columns_), .key = (key_),          \
    .key_offset = offsetof(type_, member_)
/* Names of a list in a SELECT, after the key. */
#define MAP_NAMES(name, member, kind, use) ", " name

/* Reads the row under the cursor: the key, and the first `count` columns of the map. False: a word
 * is not known. */
MUST_CHECK bool map_read_some(const struct map *map, size_t count, const struct rows *rows,
                              void *row);
MUST_CHECK bool map_read(const struct map *map, const struct rows *rows, void *row);
/* Copies all texts of the row into the arena, also a key. */
MUST_CHECK struct err map_copy(struct tx *tx, const struct map *map, void *row);
size_t map_bytes(const struct map *map, const void *row); /* Sum of the lengths of all texts. */
/* For a column alone, in position `at` of the selected columns; of the map only names and words are
 * read. */
MUST_CHECK bool map_column_read(const struct map *map, const struct map_column *column,
                                const struct rows *rows, int at, void *row);
MUST_CHECK struct arg map_column_arg(const struct map *map, const struct map_column *column,
                                     const void *row);
MUST_CHECK bool map_column_copy(struct tx *tx, const struct map_column *column, void *row);
/* A statement that `write` makes once for each connection, found again by (address, use); "" after
 * an error, which the transaction keeps. */
MUST_CHECK const char *tx_sql(struct tx *tx, const void *address, unsigned use,
                              void (*write)(const void *ctx, struct text *sql), const void *ctx);
/* The transaction keeps an error (tx_error). */
void map_insert(struct tx *tx, const struct map *map, const void *row);
void map_update(struct tx *tx, const struct map *map, unsigned group, const void *row);

#endif
