/* damage.c: pages of a walk over all tables. Which columns are judged, and how: damage_tables.c. */
#include "engine/system/damage.h"

#include <inttypes.h>
#include <string.h>

#include "base/hash.h"
#include "base/id.h"
#include "base/json/json.h"
#include "base/text.h"
#include "base/utf8.h"
#include "engine/run/rows.h"

enum {
    WHERE_MAX = 256 << 10,
    KEY_QUOTED_MAX = 64 << 10, /* Bytes of a text key that a condition quotes as a whole. */
    KEY_HEX_MAX = 1024,
};

/* --- A column --------------------------------------------------------------------------------- */

static bool is_code(struct bytes word) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    size_t at = 0;
    while (at < word.len && memchr(letters, word.data[at], sizeof letters - 1) != NULL) {
        at++;
    }
    return at == word.len;
}

static const char *text_fault(struct bytes bytes) {
    if (!utf8_valid(bytes.data, bytes.len)) {
        return "is not valid UTF-8";
    }
    return memchr(bytes.data, '\0', bytes.len) != NULL ? "holds a NUL byte" : NULL;
}

static bool column_holds(const struct damage_column *column, struct bytes bytes) {
    struct sha256 hash;
    if (bytes.len == 0 && column->may_be_empty) {
        return true;
    }
    switch (column->kind) {
    case DAMAGE_TEXT:
        return true;
    case DAMAGE_JSON:
        return json_is_valid(bytes);
    case DAMAGE_ID:
        return id_valid(bytes.data, bytes.len, column->prefix);
    case DAMAGE_HASH:
        return hex_parse(bytes, hash.bytes, sizeof hash.bytes);
    case DAMAGE_WORD:
        return column->known != NULL ? column->known(bytes) : is_code(bytes);
    }
    return true;
}

static const char *column_fault(const struct damage_column *column, struct bytes bytes) {
    static const char *const faults[] = {[DAMAGE_TEXT] = "",
                                         [DAMAGE_JSON] = "is not valid JSON",
                                         [DAMAGE_ID] = "is not a valid id",
                                         [DAMAGE_HASH] = "is not a valid hash",
                                         [DAMAGE_WORD] = "is not a valid word"};
    const char *fault = text_fault(bytes);
    return fault != NULL || column_holds(column, bytes) ? fault : faults[column->kind];
}

/* --- A row ------------------------------------------------------------------------------------ */

/* Bytes that PostgreSQL never holds are found by functions of SQLite. */
static void add_hex_key(struct text *where, const char *key, struct bytes value) {
    bool cut = value.len > KEY_HEX_MAX;
    size_t len = cut ? KEY_HEX_MAX : value.len;
    text_addf(where, cut ? "hex(substr(CAST(%s AS BLOB), 1, %d)) = '" : "hex(CAST(%s AS BLOB)) = '",
              key, (int)KEY_HEX_MAX);
    for (size_t i = 0; i < len; i++) {
        text_addf(where, "%02X", (unsigned)(unsigned char)value.data[i]);
    }
    text_add_char(where, '\'');
    if (cut) {
        text_addf(where, " AND length(CAST(%s AS BLOB)) = %zu", key, value.len);
    }
}

static void add_text_key(struct text *where, const char *key, struct bytes value) {
    if (text_fault(value) != NULL || value.len > KEY_QUOTED_MAX) {
        add_hex_key(where, key, value);
        return;
    }
    text_addf(where, "%s = '", key);
    for (size_t i = 0; i < value.len; i++) {
        text_add(where, value.data + i, 1);
        text_add_str(where, value.data[i] == '\'' ? "'" : "");
    }
    text_add_char(where, '\'');
}

struct scan {
    const struct damage_table *table;
    int keys;       /* Number of the table's keys. */
    int text_at;    /* Index of the text key; -1: there is none. */
    int64_t limit;  /* Rows. */
    bool table_end; /* No row follows. */
    struct damage_page page;
    void (*each)(void *ctx, const struct damage *damage);
    void *ctx;
};

static void row_report(struct scan *scan, const struct rows *rows, const char *column,
                       const char *what) {
    const struct damage_table *table = scan->table;
    AUTO(text_done) struct text where, remove;
    text_init(&where, WHERE_MAX);
    text_init(&remove, 2 * WHERE_MAX);
    for (int i = 0; i < scan->keys; i++) {
        text_add_str(&where, i > 0 ? " AND " : "");
        if (i == scan->text_at) {
            add_text_key(&where, table->keys[i], rows_text(rows, i));
        } else {
            text_addf(&where, "%s = %" PRId64, table->keys[i], rows_int(rows, i));
        }
    }
    if (table->keep != NULL) {
        text_addf(&remove, "%s; ", table->keep);
    }
    if (table->part_table != NULL) {
        text_addf(&remove, "DELETE FROM %s WHERE %s = %" PRId64 "; ", table->part_table,
                  table->part_column, rows_int(rows, 0));
    }
    text_addf(&remove, "DELETE FROM %s WHERE %s;", table->name, where.data);
    const struct damage damage = {.table = table->name,
                                  .column = column,
                                  .what = what,
                                  .where = {where.data, where.len},
                                  .remove = {remove.data, remove.len}};
    scan->page.found++;
    scan->each(scan->ctx, &damage);
}

static void row_check(struct scan *scan, const struct rows *rows) {
    const struct damage_table *table = scan->table;
    const char *what = NULL;
    if (scan->text_at >= 0) {
        scan->page.bytes += (int64_t)rows_text(rows, scan->text_at).len;
        what = text_fault(rows_text(rows, scan->text_at));
    }
    if (what != NULL) {
        row_report(scan, rows, table->keys[scan->text_at], what);
    }
    for (int i = 0; i < DAMAGE_COLUMNS_MAX && table->columns[i].name != NULL; i++) {
        int at = scan->keys + i;
        if (rows_null(rows, at)) {
            continue;
        }
        scan->page.bytes += (int64_t)rows_text(rows, at).len;
        what = column_fault(&table->columns[i], rows_text(rows, at));
        if (what != NULL) {
            row_report(scan, rows, table->columns[i].name, what);
        }
    }
}

/* --- A page ----------------------------------------------------------------------------------- */

static struct err cursor_enter(struct tx *tx, enum damage_scope scope,
                               const struct damage_table *table, struct damage_cursor *cursor) {
    *cursor = (struct damage_cursor){.table = cursor->table, .inside = true};
    for (int i = 0; i < DAMAGE_KEYS; i++) {
        cursor->key[i] = INT64_MIN;
    }
    if (table->last == NULL || scope == DAMAGE_ALL) {
        return ERR_OK;
    }
    const struct run_ask ask = {.sql = table->last};
    int64_t last = 0;
    struct err err = runs__int(tx, &ask, &last);
    cursor->key[0] = last - table->newest;
    return err;
}

/* The bound of the text is the first text after it, so that rows from the bound on follow: no text
 * is before "", where a walk begins. */
static void cursor_move(const struct scan *scan, const struct rows *rows,
                        struct damage_cursor *cursor) {
    for (int i = 0; i < scan->keys; i++) {
        if (i != scan->text_at) {
            cursor->key[i] = rows_int(rows, i);
            continue;
        }
        struct bytes text = rows_text(rows, i);
        bool whole = text.len <= DAMAGE_KEY_MAX;
        const char *end = whole ? "\x01" : "\xf4\x8f\xbf\xbf"; /* The last character of all. */
        size_t len = whole ? text.len : utf8_cut(text, DAMAGE_KEY_MAX);
        memcpy(cursor->text, text.data, len);
        memcpy(cursor->text + len, end, strlen(end));
        cursor->text_len = len + strlen(end);
    }
}

static bool page_full(const struct scan *scan) {
    return scan->page.rows == scan->limit || scan->page.bytes >= DAMAGE_PAGE_BYTES ||
           scan->page.found >= DAMAGE_PAGE_FOUND;
}

static struct err page_read(struct tx *tx, struct scan *scan, struct damage_cursor *cursor) {
    struct arg args[DAMAGE_KEYS + 1];
    size_t count = 0;
    for (int i = 0; i < scan->keys; i++) {
        const struct bytes text = {cursor->text, cursor->text_len};
        args[count++] = i == scan->text_at ? arg_text(text) : arg_int(cursor->key[i]);
    }
    args[count++] = arg_int(scan->limit);
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, scan->table->page, args, count, &rows);
    while (!err_failed(err) && !scan->table_end && !page_full(scan)) {
        bool row = false;
        err = rows_next(rows, &row);
        if (!err_failed(err) && row) {
            scan->page.rows++;
            row_check(scan, rows);
            cursor_move(scan, rows, cursor);
        }
        scan->table_end = !row;
    }
    return err;
}

struct err tx_damage_page(struct tx *tx, enum damage_scope scope, struct damage_cursor *io_cursor,
                          void (*each)(void *ctx, const struct damage *damage), void *ctx,
                          struct damage_page *ret_page) {
    size_t count = 0;
    const struct damage_table *tables = damage__tables(&count);
    struct damage_cursor cursor = *io_cursor;
    if (cursor.table >= count) { /* From a client. */
        *ret_page = (struct damage_page){.more = false};
        return ERR_OK;
    }
    struct scan scan = {.table = &tables[cursor.table],
                        .text_at = -1,
                        .limit = DAMAGE_PAGE,
                        .each = each,
                        .ctx = ctx};
    while (scan.keys < DAMAGE_KEYS && scan.table->keys[scan.keys] != NULL) {
        scan.keys++;
    }
    if (scan.table->text_key) {
        scan.text_at = scan.keys - 1;
    }
    struct err err = cursor.inside ? ERR_OK : cursor_enter(tx, scope, scan.table, &cursor);
    if (!err_failed(err)) {
        err = page_read(tx, &scan, &cursor);
    }
    if (err_failed(err)) {
        return err;
    }
    cursor.rows += scan.page.rows;
    cursor.bytes += scan.page.bytes;
    bool enough = scope == DAMAGE_NEWEST &&
                  (cursor.rows >= DAMAGE_NEWEST_ROWS || cursor.bytes >= DAMAGE_NEWEST_BYTES);
    if (scan.table_end || enough) {
        cursor = (struct damage_cursor){.table = cursor.table + 1};
    }
    scan.page.more = cursor.table < count;
    *io_cursor = cursor;
    *ret_page = scan.page;
    return ERR_OK;
}
