/* damage_tables.h: the columns in which the search for damage can tell good from bad.
 *
 * Promise    each table that holds text, JSON, ids, hashes or words of states is listed once. Words
 *            are judged by the functions that read the rows, where these refuse a word.
 */
#ifndef DROVER_ENGINE_SYSTEM_DAMAGE_TABLES_H
#define DROVER_ENGINE_SYSTEM_DAMAGE_TABLES_H

#include "base/base.h"

enum { DAMAGE_KEYS = 3, DAMAGE_COLUMNS_MAX = 16 };

enum damage_kind {
    DAMAGE_TEXT,
    DAMAGE_JSON,
    DAMAGE_ID,   /* With the prefix `prefix`. */
    DAMAGE_HASH, /* SHA-256. */
    DAMAGE_WORD, /* One that `known` accepts; NULL: any of a-z, 0-9 and _. */
};

struct damage_column {
    const char *name; /* NULL: no more. */
    enum damage_kind kind;
    bool may_be_empty; /* "" means none. */
    const char *prefix;
    bool (*known)(struct bytes word);
};

/* Keys are integers, but for the last one where `text_key` is true. */
struct damage_table {
    const char *name;
    const char *page; /* Keys first, then the columns. Parameters: a bound for each key, a limit. */
    const char *last; /* Highest first key; NULL: that is text, or the table is small. */
    int64_t newest;   /* NEWEST: keys that far below the last are skipped. */
    const char *keys[DAMAGE_KEYS];
    bool text_key;
    struct damage_column columns[DAMAGE_COLUMNS_MAX];
    /* Statement that keeps the highest id before a row is deleted (ids.h), so that no later row
     * gets the id; NULL: nothing refers to a deleted row. */
    const char *keep;
    /* Table and column of the rows that end with a row, and have to go first; NULL: none. */
    const char *part_table, *part_column;
};

/* `count` tables, in the order of the search. */
const struct damage_table *damage__tables(size_t *ret_count);

#endif
