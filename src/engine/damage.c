/* damage.c: one table says which columns hold text or JSON from outside, one loop reads them. */
#include "engine/damage.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "base/utf8.h"
#include "engine/run_rows.h"

/* Bytes of a text key as a condition shows it: a name that is longer was never taken. */
enum { KEY_SHOWN_MAX = 400, COLUMNS_MAX = 12, SMALL_MAX = 5000 };

enum column_kind { TEXT, JSON, JSON_OR_EMPTY };
struct column {
    const char *name; /* NULL: no more. */
    enum column_kind kind;
};

/* A table whose key is text is small, and read as one page. */
struct table {
    const char *name;
    const char *page; /* Keys first, then the columns. */
    const char *last; /* Highest first key; NULL: the key is text. */
    int64_t newest;   /* NEWEST: keys that far below the last are skipped. */
    const char *keys[DAMAGE_KEYS];
    struct column columns[COLUMNS_MAX];
};

static const struct table tables[] = {
    {.name = "approvals",
     .page = "SELECT id, tool, arguments, about, answer, answered_by FROM approvals "
             "WHERE (id) > ($1) ORDER BY id LIMIT $2",
     .last = "SELECT COALESCE(max(id), 0) FROM approvals",
     .newest = 20000,
     .keys = {"id"},
     .columns = {{"tool", TEXT},
                 {"arguments", JSON},
                 {"about", JSON_OR_EMPTY},
                 {"answer", TEXT},
                 {"answered_by", TEXT}}},
    {.name = "attachments",
     .page = "SELECT id, media FROM attachments WHERE (id) > ($1) ORDER BY id LIMIT $2",
     .last = "SELECT COALESCE(max(id), 0) FROM attachments",
     .newest = 20000,
     .keys = {"id"},
     .columns = {{"media", TEXT}}},
    {.name = "budgets",
     .page = "SELECT id, owner, path FROM budgets WHERE (id) > ($1) ORDER BY id LIMIT "
             "$2",
     .last = "SELECT COALESCE(max(id), 0) FROM budgets",
     .newest = 20000,
     .keys = {"id"},
     .columns = {{"owner", TEXT}, {"path", TEXT}}},
    {.name = "checkpoints",
     .page = "SELECT id, method, summary FROM checkpoints WHERE (id) > ($1) ORDER BY "
             "id LIMIT $2",
     .last = "SELECT COALESCE(max(id), 0) FROM checkpoints",
     .newest = 20000,
     .keys = {"id"},
     .columns = {{"method", TEXT}, {"summary", TEXT}}},
    {.name = "events",
     .page = "SELECT stream, seq, type, data FROM events WHERE (stream, seq) > ($1, "
             "$2) ORDER BY stream, seq LIMIT $3",
     .last = "SELECT COALESCE(max(stream), 0) FROM events",
     .newest = 50,
     .keys = {"stream", "seq"},
     .columns = {{"type", TEXT}, {"data", JSON}}},
    {.name = "idempotency",
     .page = "SELECT id, owner, route, idem_key, answer FROM idempotency WHERE (id) > "
             "($1) ORDER BY id LIMIT $2",
     .last = "SELECT COALESCE(max(id), 0) FROM idempotency",
     .newest = 20000,
     .keys = {"id"},
     .columns = {{"owner", TEXT}, {"route", TEXT}, {"idem_key", TEXT}, {"answer", JSON_OR_EMPTY}}},
    {.name = "inbox",
     .page = "SELECT id, address, cause, payload FROM inbox WHERE (id) > ($1) ORDER BY "
             "id LIMIT $2",
     .last = "SELECT COALESCE(max(id), 0) FROM inbox",
     .newest = 20000,
     .keys = {"id"},
     .columns = {{"address", TEXT}, {"cause", TEXT}, {"payload", JSON}}},
    {.name = "memory",
     .page = "SELECT id, project, topic, title, content, tags, words FROM memory WHERE "
             "(id) > ($1) ORDER BY id LIMIT $2",
     .last = "SELECT COALESCE(max(id), 0) FROM memory",
     .newest = 20000,
     .keys = {"id"},
     .columns = {{"project", TEXT},
                 {"topic", TEXT},
                 {"title", TEXT},
                 {"content", TEXT},
                 {"tags", JSON},
                 {"words", TEXT}}},
    {.name = "messages",
     .page = "SELECT id, client_id, cause, error, metadata FROM messages WHERE (id) > "
             "($1) ORDER BY id LIMIT $2",
     .last = "SELECT COALESCE(max(id), 0) FROM messages",
     .newest = 20000,
     .keys = {"id"},
     .columns = {{"client_id", TEXT}, {"cause", TEXT}, {"error", TEXT}, {"metadata", JSON}}},
    {.name = "parts",
     .page = "SELECT id, name, call, data, text FROM parts WHERE (id) > ($1) ORDER BY "
             "id LIMIT $2",
     .last = "SELECT COALESCE(max(id), 0) FROM parts",
     .newest = 20000,
     .keys = {"id"},
     .columns = {{"name", TEXT}, {"call", TEXT}, {"data", JSON}, {"text", TEXT}}},
    {.name = "providers",
     .page = "SELECT name, base_url, headers, models FROM providers ORDER BY name "
             "LIMIT $1",
     .keys = {"name"},
     .columns = {{"base_url", TEXT}, {"headers", JSON}, {"models", JSON}}},
    {.name = "run_input",
     .page = "SELECT run, from_offset, bytes FROM run_input WHERE (run, from_offset) > "
             "($1, $2) ORDER BY run, from_offset LIMIT $3",
     .last = "SELECT COALESCE(max(run), 0) FROM run_input",
     .newest = 200,
     .keys = {"run", "from_offset"},
     .columns = {{"bytes", TEXT}}},
    {.name = "runs",
     .page = "SELECT id, run_key, label, command, note, result, spec FROM runs WHERE "
             "(id) > ($1) ORDER BY id LIMIT $2",
     .last = "SELECT COALESCE(max(id), 0) FROM runs",
     .newest = 20000,
     .keys = {"id"},
     .columns = {{"run_key", TEXT},
                 {"label", TEXT},
                 {"command", TEXT},
                 {"note", TEXT},
                 {"result", JSON_OR_EMPTY},
                 {"spec", JSON_OR_EMPTY}}},
    {.name = "scripts",
     .page = "SELECT hash, source FROM scripts ORDER BY hash LIMIT $1",
     .keys = {"hash"},
     .columns = {{"source", TEXT}}},
    {.name = "session_roots",
     .page = "SELECT session, path, granted_by FROM session_roots ORDER BY session, "
             "path LIMIT $1",
     .keys = {"session", "path"},
     .columns = {{"granted_by", TEXT}}},
    {.name = "sessions",
     .page = "SELECT id, owner, project, title, model, agent, root, forked_from, "
             "metadata, settings, instructions FROM sessions WHERE (id) > ($1) ORDER "
             "BY id LIMIT $2",
     .last = "SELECT COALESCE(max(id), 0) FROM sessions",
     .newest = 20000,
     .keys = {"id"},
     .columns = {{"owner", TEXT},
                 {"project", TEXT},
                 {"title", TEXT},
                 {"model", TEXT},
                 {"agent", TEXT},
                 {"root", TEXT},
                 {"forked_from", TEXT},
                 {"metadata", JSON},
                 {"settings", JSON_OR_EMPTY},
                 {"instructions", TEXT}}},
    {.name = "settings",
     .page = "SELECT name, value FROM settings ORDER BY name LIMIT $1",
     .keys = {"name"},
     .columns = {{"value", JSON}}},
    {.name = "spans",
     .page = "SELECT run, attempt, step, name, error, input, output FROM spans WHERE "
             "(run, attempt, step) > ($1, $2, $3) ORDER BY run, attempt, step LIMIT $4",
     .last = "SELECT COALESCE(max(run), 0) FROM spans",
     .newest = 200,
     .keys = {"run", "attempt", "step"},
     .columns =
         {{"name", TEXT}, {"error", TEXT}, {"input", JSON_OR_EMPTY}, {"output", JSON_OR_EMPTY}}},
    {.name = "streams",
     .page = "SELECT id, owner, name FROM streams WHERE (id) > ($1) ORDER BY id LIMIT "
             "$2",
     .last = "SELECT COALESCE(max(id), 0) FROM streams",
     .newest = 20000,
     .keys = {"id"},
     .columns = {{"owner", TEXT}, {"name", TEXT}}},
    {.name = "tokens",
     .page = "SELECT id, owner, label FROM tokens WHERE (id) > ($1) ORDER BY id LIMIT "
             "$2",
     .last = "SELECT COALESCE(max(id), 0) FROM tokens",
     .newest = 20000,
     .keys = {"id"},
     .columns = {{"owner", TEXT}, {"label", TEXT}}},
    {.name = "turns",
     .page = "SELECT run, model, last, answer_schema FROM turns WHERE (run) > ($1) "
             "ORDER BY run LIMIT $2",
     .last = "SELECT COALESCE(max(run), 0) FROM turns",
     .newest = 20000,
     .keys = {"run"},
     .columns = {{"model", TEXT}, {"last", TEXT}, {"answer_schema", JSON_OR_EMPTY}}},
    {.name = "usage_totals",
     .page = "SELECT id, session, model, project, agent FROM usage_totals WHERE (id) > "
             "($1) ORDER BY id LIMIT $2",
     .last = "SELECT COALESCE(max(id), 0) FROM usage_totals",
     .newest = 20000,
     .keys = {"id"},
     .columns = {{"session", TEXT}, {"model", TEXT}, {"project", TEXT}, {"agent", TEXT}}},
    {.name = "workflow_refs",
     .page = "SELECT run, done_no, file, note FROM workflow_refs WHERE (run, done_no) "
             "> ($1, $2) ORDER BY run, done_no LIMIT $3",
     .last = "SELECT COALESCE(max(run), 0) FROM workflow_refs",
     .newest = 200,
     .keys = {"run", "done_no"},
     .columns = {{"file", TEXT}, {"note", TEXT}}},
};

/* --- A row ------------------------------------------------------------------------------------ */

static const char *fault_of(struct bytes bytes, enum column_kind kind) {
    if (!utf8_valid(bytes.data, bytes.len)) {
        return "is not valid UTF-8";
    }
    if (memchr(bytes.data, '\0', bytes.len) != NULL) {
        return "holds a NUL byte";
    }
    bool json = kind == JSON || (kind == JSON_OR_EMPTY && bytes.len > 0);
    return json && !json_is_valid(bytes) ? "is not valid JSON" : NULL;
}

static bool key_is_text(const char *key) {
    return strcmp(key, "name") == 0 || strcmp(key, "hash") == 0 || strcmp(key, "path") == 0;
}

static void add_text_key(struct text *where, const char *key, struct bytes value) {
    if (fault_of(value, TEXT) != NULL || value.len > KEY_SHOWN_MAX) {
        size_t len = value.len < KEY_SHOWN_MAX / 2 ? value.len : KEY_SHOWN_MAX / 2;
        text_addf(where, "hex(substr(CAST(%s AS BLOB), 1, %zu)) = '", key, len);
        for (size_t i = 0; i < len; i++) {
            text_addf(where, "%02X", (unsigned)(unsigned char)value.data[i]);
        }
    } else {
        text_addf(where, "%s = '", key);
        for (size_t i = 0; i < value.len; i++) {
            text_add(where, value.data + i, 1);
            text_add_str(where, value.data[i] == '\'' ? "'" : "");
        }
    }
    text_add_char(where, '\'');
}

static void row_where(const struct table *table, const struct rows *rows, struct damage *damage) {
    AUTO(text_done) struct text where;
    text_init(&where, sizeof damage->where - 1);
    for (int i = 0; i < DAMAGE_KEYS && table->keys[i] != NULL; i++) {
        text_add_str(&where, i > 0 ? " AND " : "");
        if (key_is_text(table->keys[i])) {
            add_text_key(&where, table->keys[i], rows_text(rows, i));
        } else {
            text_addf(&where, "%s = %" PRId64, table->keys[i], rows_int(rows, i));
        }
    }
    (void)snprintf(damage->where, sizeof damage->where, "%s", where.data == NULL ? "" : where.data);
}

struct scan {
    const struct table *table;
    int keys;      /* Number of the table's keys. */
    int64_t bytes; /* Sum of the texts that were read. */
    void (*each)(void *ctx, const struct damage *damage);
    void *ctx;
};

static void row_check(struct scan *scan, const struct rows *rows) {
    const struct table *table = scan->table;
    struct damage damage = {.table = table->name};
    for (int i = 0; i < scan->keys; i++) {
        if (key_is_text(table->keys[i]) &&
            (damage.what = fault_of(rows_text(rows, i), TEXT)) != NULL) {
            damage.column = table->keys[i];
            row_where(table, rows, &damage);
            scan->each(scan->ctx, &damage);
        }
    }
    for (int i = 0; i < COLUMNS_MAX && table->columns[i].name != NULL; i++) {
        int at = scan->keys + i;
        if (rows_null(rows, at)) {
            continue;
        }
        scan->bytes += (int64_t)rows_text(rows, at).len;
        damage.what = fault_of(rows_text(rows, at), table->columns[i].kind);
        if (damage.what != NULL) {
            damage.column = table->columns[i].name;
            row_where(table, rows, &damage);
            scan->each(scan->ctx, &damage);
        }
    }
}

/* --- A page ----------------------------------------------------------------------------------- */

static struct err cursor_enter(struct tx *tx, enum damage_scope scope,
                               struct damage_cursor *cursor) {
    const struct table *table = &tables[cursor->table];
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

static struct err page_read(struct tx *tx, struct scan *scan, struct damage_cursor *cursor,
                            int64_t *ret_count) {
    struct arg args[DAMAGE_KEYS + 1];
    bool small = scan->table->last == NULL;
    size_t count = 0;
    for (int i = 0; i < scan->keys && !small; i++) {
        args[count++] = arg_int(cursor->key[i]);
    }
    args[count++] = arg_int(small ? SMALL_MAX : DAMAGE_PAGE);
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, scan->table->page, args, count, &rows);
    bool row = !err_failed(err);
    *ret_count = 0;
    while (!err_failed(err) && row) {
        err = rows_next(rows, &row);
        if (err_failed(err) || !row) {
            break;
        }
        ++*ret_count;
        row_check(scan, rows);
        for (int i = 0; i < scan->keys && !small; i++) {
            cursor->key[i] = rows_int(rows, i);
        }
    }
    return err;
}

struct err tx_damage_page(struct tx *tx, enum damage_scope scope, struct damage_cursor *io_cursor,
                          void (*each)(void *ctx, const struct damage *damage), void *ctx,
                          bool *ret_more) {
    struct damage_cursor cursor = *io_cursor;
    if (cursor.table >= COUNT_OF(tables)) { /* It came from a client. */
        *ret_more = false;
        return ERR_OK;
    }
    struct err err = cursor.inside ? ERR_OK : cursor_enter(tx, scope, &cursor);
    struct scan scan = {.table = &tables[cursor.table], .each = each, .ctx = ctx};
    while (scan.keys < DAMAGE_KEYS && scan.table->keys[scan.keys] != NULL) {
        scan.keys++;
    }
    int64_t count = 0;
    if (!err_failed(err)) {
        err = page_read(tx, &scan, &cursor, &count);
    }
    if (err_failed(err)) {
        return err;
    }
    cursor.rows += count;
    cursor.bytes += scan.bytes;
    bool enough = scope == DAMAGE_NEWEST &&
                  (cursor.rows >= DAMAGE_NEWEST_ROWS || cursor.bytes >= DAMAGE_NEWEST_BYTES);
    if (scan.table->last == NULL || count < DAMAGE_PAGE || enough) {
        cursor = (struct damage_cursor){.table = cursor.table + 1};
    }
    *io_cursor = cursor;
    *ret_more = cursor.table < COUNT_OF(tables);
    return ERR_OK;
}
