/* damage.c: pages of a walk over all tables, and the columns in which it can tell good from bad. */
#include "engine/system/damage.h"

#include <inttypes.h>
#include <string.h>

#include "base/hash.h"
#include "base/id.h"
#include "base/json/json.h"
#include "base/text.h"
#include "base/utf8.h"
#include "engine/approval/approvals.h"
#include "engine/base/ids.h"
#include "engine/budget/budget.h"
#include "engine/flow/rows.h"
#include "engine/inbox/rows.h"
#include "engine/session/checkpoints.h"
#include "engine/trace/spans.h"
#include "engine/turn/rows.h"
#include "engine/workflow/rows.h"
#include "journal/journal.h"
#include "rules/agent/resource.h"
#include "rules/board/task.h"
#include "rules/changes/point.h"
#include "rules/host/host.h"
#include "rules/inbox/inbox.h"
#include "rules/job/terminal.h"
#include "rules/mail/mail.h"
#include "rules/memory/memory.h"
#include "rules/project/project.h"
#include "rules/provider/provider.h"
#include "rules/token/token.h"
#include "rules/tree/tree.h"
#include "rules/turn/card.h"
#include "rules/workflow/timer.h"

enum {
    COLUMNS_MAX = 18,
    WHERE_MAX = 256 << 10,
    KEY_QUOTED_MAX = 64 << 10, /* Bytes of a text key that a condition quotes as a whole. */
    KEY_HEX_MAX = 1024,
};

/* Statements of a table (tx_sql). */
enum { SQL_PAGE, SQL_LAST };

enum damage_kind {
    DAMAGE_TEXT,
    DAMAGE_JSON,
    DAMAGE_ID,   /* With the prefix `prefix`. */
    DAMAGE_HASH, /* SHA-256. */
    DAMAGE_WORD, /* A word of `names`, or that `known` accepts. */
};

struct damage_column {
    const char *name; /* NULL: no more. */
    enum damage_kind kind;
    bool may_be_empty; /* "" means none. */
    const char *prefix;
    const char *const *names; /* Words of an enum, by which rows are read; NULL: `known` decides. */
    bool (*known)(struct bytes word);
};

/* Keys are integers, but for the last one where `text_key` is true. */
struct damage_table {
    const char *name;
    /* Descriptor, from which columns follow that `columns` does not name; NULL: none. */
    const struct resource *resource;
    int64_t newest; /* NEWEST: first keys that far below the last are skipped; 0: none is. */
    const char *keys[DAMAGE_KEYS];
    bool text_key;
    struct damage_column columns[COLUMNS_MAX];
    /* Statement before a row is deleted: keeps the highest id (ids.h), so that no later row gets
     * the id, or takes back waits_for of others; NULL: nothing refers to a deleted row. */
    const char *keep;
    /* Table and column of the rows that end with a row, and have to go first; NULL: none. */
    const char *part_table, *part_column;
};

#define WAITS_FORGET "UPDATE tasks SET waits_for = 0" /* board/rows.h */

/* --- Words ------------------------------------------------------------------------------------ */

static bool is_code(struct bytes word) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    size_t at = 0;
    while (at < word.len && memchr(letters, word.data[at], sizeof letters - 1) != NULL) {
        at++;
    }
    return at == word.len;
}

/* Name of a run or a mail, which a notice is about. */
static bool noticed_known(struct bytes word) {
    return id_valid(word.data, word.len, "run") || id_valid(word.data, word.len, "mail");
}

/* The state of an agent that a code step asks for; "": it runs. */
static bool flow_call_known(struct bytes word) {
    return word.len == 0 || bytes_is(word, "done") || bytes_is(word, "failed");
}

static bool access_known(struct bytes word) {
    return bytes_is(word, "read") || bytes_is(word, "write");
}

/* A call of a tool ends in a state of cards, any other step in one of runs. */
static bool span_state_known(struct bytes word) {
    unsigned found;
    return bytes_find(word, run_state_names, &found) || bytes_find(word, part_state_names, &found);
}

/* The hash of what a workflow asked; the mark of an agent's turn; "" for all other runs. */
static bool step_key_known(struct bytes word) {
    struct sha256 hash;
    return word.len == 0 || bytes_is(word, STEP_TURN_KEY) ||
           hex_parse(word, hash.bytes, sizeof hash.bytes);
}

/* A message, or the session as a whole. */
static bool fork_known(struct bytes word) {
    return word.len == 0 || id_valid(word.data, word.len, "msg") ||
           id_valid(word.data, word.len, "ses");
}

/* --- Tables ----------------------------------------------------------------------------------- */

#define COLUMN(name_, kind_, ...)                                                                  \
    { .name = (name_), .kind = (kind_), __VA_ARGS__ }
#define TEXT(name_) COLUMN(name_, DAMAGE_TEXT, )
#define JSON(name_) COLUMN(name_, DAMAGE_JSON, )
#define JSON_OR_NONE(name_) COLUMN(name_, DAMAGE_JSON, .may_be_empty = true)
#define HASH(name_) COLUMN(name_, DAMAGE_HASH, )
#define HASH_OR_NONE(name_) COLUMN(name_, DAMAGE_HASH, .may_be_empty = true)
#define ID(name_, prefix_) COLUMN(name_, DAMAGE_ID, .prefix = (prefix_))
#define ID_OR_NONE(name_, prefix_)                                                                 \
    COLUMN(name_, DAMAGE_ID, .prefix = (prefix_), .may_be_empty = true)
#define ENUM(name_, names_) COLUMN(name_, DAMAGE_WORD, .names = (names_))
#define WORD(name_, known_) COLUMN(name_, DAMAGE_WORD, .known = (known_))

/* Most tables have a number as their key, and only grow. */
#define BY_NUMBER(table, key) BY_NUMBERS(table, 20000, key)
#define BY_NUMBERS(table, newest_, ...) .name = (table), .newest = (newest_), .keys = {__VA_ARGS__}
#define BY_TEXT(table, ...) .name = (table), .text_key = true, .keys = {__VA_ARGS__}

/* In the order of their names, which is that of the search. */
static const struct damage_table tables[] = {
    {BY_TEXT("agent_cools", "agent"), .columns = {WORD("outcome", is_code)}},
    {BY_TEXT("agents", "name"), .resource = &agent_resource, .columns = {JSON("definition")}},
    {BY_NUMBER("approvals", "id"), .resource = &approval_resource,
     .columns = {ID("approval", "apr"), HASH_OR_NONE("digest"), JSON("arguments")}},
    {BY_TEXT("approvers", "approval", "owner")},
    {BY_NUMBER("attachments", "id"), .keep = IDS_KEEP("attachments"),
     .columns = {ID("attachment", "att"), TEXT("owner"), HASH("hash"), TEXT("media")}},
    {BY_TEXT("budget_means", "budget", "what")},
    {BY_NUMBER("budgets", "id"), .keep = IDS_KEEP("budgets"), .resource = &budget_resource,
     .columns = {WORD("scope", budget_scope_valid)}},
    {BY_NUMBER("checkpoints", "id"), .resource = &checkpoint_resource,
     .columns = {WORD("method", is_code)}},
    {BY_NUMBERS("events", 50, "stream", "seq"), .columns = {TEXT("type"), JSON("data")}},
    {BY_NUMBERS("flow_calls", 200, "run", "place", "version", "number"),
     .columns = {TEXT("agent"), TEXT("task"), ID_OR_NONE("session", "ses"),
                 WORD("state", flow_call_known), TEXT("result")}},
    {BY_NUMBERS("flow_steps", 200, "run", "place"),
     .columns = {TEXT("name"), ENUM("status", flow_status_names), ENUM("phase", flow_phase_names),
                 ENUM("cause", flow_cause_names), ID_OR_NONE("latest", "run"),
                 ID_OR_NONE("session", "ses"), ID_OR_NONE("approval", "apr"), TEXT("note"),
                 TEXT("prompt"), TEXT("result"), ID_OR_NONE("cached", "run")}},
    {BY_NUMBER("flows", "run"),
     .columns = {TEXT("name"), TEXT("file"), TEXT("source"), JSON_OR_NONE("description"),
                 JSON("input"), TEXT("model"), TEXT("root"), ENUM("stage", flow_stage_names),
                 TEXT("rejected"), TEXT("failed"), TEXT("report"), TEXT("artifact"),
                 TEXT("artifact_fault"), ID_OR_NONE("resumed_from", "run")}},
    {BY_NUMBER("host_reports", "id"), .columns = {TEXT("place"), ID("run", "run"), JSON("report")}},
    {BY_NUMBER("hosts", "id"), .resource = &host_resource,
     .columns = {ENUM("role", host_role_names)}},
    {BY_NUMBER("idempotency", "id"), .columns = {TEXT("owner"), TEXT("route"), TEXT("idem_key"),
                                                 HASH("digest"), JSON_OR_NONE("answer")}},
    {BY_NUMBER("inbox", "id"), .resource = &delivery_resource,
     .columns = {WORD("run", noticed_known), ID_OR_NONE("turn", "run"), JSON("payload")}},
    {BY_TEXT("learned_windows", "model")},
    {BY_NUMBER("mail", "id"), .resource = &mail_resource,
     .columns = {ID_OR_NONE("in_reply_to", "mail"), ID_OR_NONE("session", "ses"),
                 ID_OR_NONE("from_session", "ses"), ID_OR_NONE("turn", "run"),
                 ID_OR_NONE("message", "msg"), ID_OR_NONE("delivery", "dlv")}},
    {BY_TEXT("mail_attempts", "turn"), .columns = {ID("mail", "mail")}},
    {BY_NUMBER("memory", "id"), .resource = &memory_resource},
    {BY_NUMBER("messages", "id"), .keep = IDS_KEEP("messages"), .resource = &message_resource,
     .columns = {ID("message", "msg"), HASH_OR_NONE("client_digest"), JSON("metadata"),
                 JSON_OR_NONE("answer_schema"), TEXT("model")}},
    {BY_NUMBER("parts", "id"), .resource = &part_resource,
     .columns = {ENUM("cause", card_cause_names), JSON("data")}},
    {BY_NUMBER("points", "id"), .resource = &point_resource,
     .columns = {TEXT("tree"), TEXT("call"), TEXT("path")}},
    {BY_NUMBER("projects", "id"), .resource = &project_resource},
    {BY_TEXT("providers", "name"), .resource = &provider_resource,
     .columns = {WORD("kind", is_code), JSON("headers"), JSON("models")}},
    {BY_TEXT("refused_parameters", "model"), .columns = {TEXT("parameters")}},
    {BY_NUMBER("rewinds", "id"), .resource = &rewind_resource,
     .columns = {JSON("files"), TEXT("note")}},
    {BY_NUMBERS("run_input", 200, "run", "from_offset"), .columns = {TEXT("bytes")}},
    {BY_NUMBER("runs", "id"), .keep = IDS_KEEP("runs"), .resource = &run_resource,
     .columns = {ID("run", "run"), JSON_OR_NONE("shown"), WORD("step_key", step_key_known),
                 JSON_OR_NONE("spec"), TEXT("phase"), TEXT("agent")}},
    {BY_TEXT("script_removals", "hash")},
    {BY_TEXT("scripts", "hash"), .columns = {TEXT("source")}},
    {BY_TEXT("session_roots", "session", "path"),
     .columns = {WORD("access", access_known), TEXT("granted_by")}},
    {BY_NUMBER("sessions", "id"), .keep = IDS_KEEP("sessions"), .resource = &session_resource,
     .columns = {ID("session", "ses"), WORD("forked_from", fork_known), JSON("metadata")}},
    {BY_TEXT("settings", "name"), .columns = {JSON("value")}},
    {BY_NUMBERS("spans", 200, "run", "attempt", "step"), .resource = &span_resource,
     .columns = {ENUM("kind", span_kind_names), WORD("state", span_state_known),
                 WORD("cause", is_code), JSON_OR_NONE("input"), JSON_OR_NONE("output")}},
    {BY_NUMBER("streams", "id"),
     .keep = "UPDATE nodes SET batch = batch + 8" /* store/commit_mark.h */, .part_table = "events",
     .part_column = "stream", .columns = {TEXT("owner"), WORD("name", stream_name_valid)}},
    {BY_NUMBER("task_attempts", "id"), .resource = &task_attempt_resource,
     .columns = {ID("task", "tsk"), ID_OR_NONE("session", "ses"), ID_OR_NONE("run", "run"),
                 WORD("outcome", is_code)}},
    {BY_NUMBER("task_comments", "id"), .resource = &task_comment_resource,
     .columns = {ID("task", "tsk")}},
    {BY_NUMBER("task_events", "id"),
     .columns = {ID("task", "tsk"), TEXT("agent"), WORD("type", is_code), JSON("detail")}},
    {BY_NUMBERS("task_needs", 200, "task", "needs"), .keep = WAITS_FORGET,
     .columns = {TEXT("waived_by"), TEXT("waived_because")}},
    {BY_NUMBER("task_outputs", "id"), .resource = &task_output_resource,
     .columns = {ID("task", "tsk"), ID_OR_NONE("attempt", "try"), HASH("hash")}},
    {BY_NUMBER("task_reviews", "id"), .resource = &task_review_resource,
     .columns = {ID("task", "tsk"), ID_OR_NONE("attempt", "try")}},
    {BY_NUMBER("tasks", "id"), .keep = WAITS_FORGET, .resource = &task_resource,
     .columns = {ID_OR_NONE("attempt", "try"), ID_OR_NONE("session", "ses"),
                 ID_OR_NONE("run", "run"), ID_OR_NONE("review_run", "run"),
                 JSON_OR_NONE("prints")}},
    {BY_NUMBER("terminals", "id"), .resource = &terminal_resource,
     .columns = {ID("run", "run"), JSON_OR_NONE("env"), TEXT("path")}},
    {BY_NUMBER("tokens", "id"), .resource = &token_resource, .columns = {HASH("hash")}},
    {BY_NUMBER("trees", "id"), .resource = &tree_resource, .columns = {TEXT("host")}},
    {BY_NUMBER("turns", "run"), .keep = IDS_KEEP_TURN("1 = 1"), .resource = &turn_resource},
    {BY_NUMBER("usage_totals", "id"),
     .columns = {TEXT("owner"), ID_OR_NONE("session", "ses"), TEXT("model"),
                 WORD("category", is_code), TEXT("project"), TEXT("agent"), TEXT("workflow"),
                 TEXT("phase"), TEXT("tool")}},
    {BY_NUMBERS("workflow_refs", 200, "run", "done_no"),
     .columns = {HASH("step_key"), HASH_OR_NONE("script"), TEXT("file"), TEXT("note")}},
    {BY_NUMBERS("workflow_timers", 200, "run", "number"),
     .columns = {HASH("step_key"), ENUM("kind", timer_kind_names), ENUM("state", timer_state_names),
                 TEXT("file")}},
    {BY_NUMBER("viewed", "id"), .resource = &viewed_resource},
    {BY_NUMBER("workflows", "run"), .columns = {HASH("script")}},
    {BY_NUMBER("worlds", "id"), .resource = &world_resource,
     .columns = {TEXT("host"), TEXT("repository"), JSON_OR_NONE("left_out")}},
};

/* --- Columns of a table ----------------------------------------------------------------------- */

struct column_walk {
    const struct damage_table *table;
    size_t own, field; /* Next of its own columns, and of the fields of its descriptor. */
};

static bool column_is_named(const struct damage_table *table, const char *name) {
    bool named = false;
    for (int i = 0; i < DAMAGE_KEYS && table->keys[i] != NULL; i++) {
        named = named || strcmp(table->keys[i], name) == 0;
    }
    for (int i = 0; i < COLUMNS_MAX && table->columns[i].name != NULL; i++) {
        named = named || strcmp(table->columns[i].name, name) == 0;
    }
    return named;
}

/* False: the field has no column of text. */
static bool column_of_field(const struct resource *resource, const struct field *field,
                            struct damage_column *ret) {
    const bool key = resource->key != NULL && strcmp(field->name, resource->key) == 0;
    *ret = (struct damage_column){.name = field->column, .names = field->names};
    switch (field->kind) {
    case FIELD_TEXT:
    case FIELD_ID:
        ret->kind = key && resource->prefix != NULL  ? DAMAGE_ID
                    : key && resource->valid != NULL ? DAMAGE_WORD
                                                     : DAMAGE_TEXT;
        ret->prefix = resource->prefix;
        ret->names = NULL;
        ret->known = resource->valid;
        return true;
    case FIELD_NAME:
        ret->kind = DAMAGE_WORD;
        ret->may_be_empty = field->empty != FIELD_EMPTY_SHOWN;
        return true;
    case FIELD_STORED:
    case FIELD_LIST:
    case FIELD_MEMBERS:
        ret->kind = DAMAGE_JSON;
        ret->may_be_empty = !field->required;
        return true;
    default:
        return false;
    }
}

static bool column_next(struct column_walk *walk, struct damage_column *ret) {
    const struct damage_table *table = walk->table;
    if (walk->own < COLUMNS_MAX && table->columns[walk->own].name != NULL) {
        *ret = table->columns[walk->own++];
        return true;
    }
    const struct resource *resource = table->resource;
    while (resource != NULL && walk->field < resource->fields.count) {
        const struct field *field = &resource->fields.rows[walk->field++];
        if (field->column != NULL && !resource_is_expression(field) &&
            !column_is_named(table, field->column) && column_of_field(resource, field, ret)) {
            return true;
        }
    }
    return false;
}

/* --- A column --------------------------------------------------------------------------------- */

static const char *text_fault(struct bytes bytes) {
    if (!utf8_valid(bytes.data, bytes.len)) {
        return "is not valid UTF-8";
    }
    return memchr(bytes.data, '\0', bytes.len) != NULL ? "holds a NUL byte" : NULL;
}

static bool column_holds(const struct damage_column *column, struct bytes bytes) {
    struct sha256 hash;
    unsigned found = 0;
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
        return column->names != NULL ? bytes_find(bytes, column->names, &found)
                                     : column->known(bytes);
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
    int keys;    /* Number of the table's keys. */
    int text_at; /* Index of the text key; -1: there is none. */
    struct damage_page page;
    void (*each)(void *ctx, const struct damage *damage);
    void *ctx;
};

static void row_report(struct scan *scan, const struct rows *rows, const char *column,
                       const char *what) {
    const struct damage_table *table = scan->table;
    AUTO(text_done) struct text where = text_up_to(WHERE_MAX);
    AUTO(text_done) struct text remove = text_up_to((size_t)2 * WHERE_MAX);
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
                                  .where = text_bytes(&where),
                                  .remove = text_bytes(&remove)};
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
    struct column_walk walk = {.table = table};
    struct damage_column column;
    for (int at = scan->keys; column_next(&walk, &column); at++) {
        if (rows_null(rows, at)) {
            continue;
        }
        scan->page.bytes += (int64_t)rows_text(rows, at).len;
        what = column_fault(&column, rows_text(rows, at));
        if (what != NULL) {
            row_report(scan, rows, column.name, what);
        }
    }
}

/* --- A page ----------------------------------------------------------------------------------- */

/* Gives their number. */
static int keys_add(const struct damage_table *table, struct text *sql) {
    int count = 0;
    for (; count < DAMAGE_KEYS && table->keys[count] != NULL; count++) {
        text_addf(sql, "%s%s", count > 0 ? ", " : "", table->keys[count]);
    }
    return count;
}

/* SELECT a, b, c FROM t WHERE (a, b) > ($1, $2) ORDER BY a, b LIMIT $3: keys, then columns. */
static void page_write(const void *ctx, struct text *sql) {
    const struct damage_table *table = ctx;
    static const char bounds[] = "$1, $2, $3, $4";
    text_add_str(sql, "SELECT ");
    keys_add(table, sql);
    struct column_walk walk = {.table = table};
    struct damage_column column;
    while (column_next(&walk, &column)) {
        text_addf(sql, ", %s", column.name);
    }
    text_addf(sql, " FROM %s WHERE (", table->name);
    const int count = keys_add(table, sql);
    text_addf(sql, ") %s (%.*s) ORDER BY ", table->text_key ? ">=" : ">", 4 * count - 2, bounds);
    keys_add(table, sql);
    text_addf(sql, " LIMIT $%d", count + 1);
}

static void last_write(const void *ctx, struct text *sql) {
    const struct damage_table *table = ctx;
    text_addf(sql, "SELECT COALESCE(max(%s), 0) FROM %s", table->keys[0], table->name);
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

struct err tx_damage_page(struct tx *tx, enum damage_scope scope, struct damage_cursor *io_cursor,
                          void (*each)(void *ctx, const struct damage *damage), void *ctx,
                          struct damage_page *ret_page) {
    struct damage_cursor cursor = *io_cursor;
    if (cursor.table >= COUNT_OF(tables)) { /* From a client. */
        *ret_page = (struct damage_page){.more = false};
        return ERR_OK;
    }
    const struct damage_table *table = &tables[cursor.table];
    struct scan scan = {.table = table, .text_at = -1, .each = each, .ctx = ctx};
    while (scan.keys < DAMAGE_KEYS && table->keys[scan.keys] != NULL) {
        scan.keys++;
    }
    if (table->text_key) {
        scan.text_at = scan.keys - 1;
    }
    if (!cursor.inside) {
        cursor = (struct damage_cursor){.table = cursor.table,
                                        .inside = true,
                                        .key = {INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN}};
        static_assert(DAMAGE_KEYS == 4, "as many bounds");
        if (table->newest > 0 && scope == DAMAGE_NEWEST) {
            const char *last = tx_sql(tx, table, SQL_LAST, last_write, table);
            cursor.key[0] = tx_number(tx, last, NO_ARGS) - table->newest;
        }
    }
    struct arg args[DAMAGE_KEYS + 1];
    for (int i = 0; i < scan.keys; i++) {
        const struct bytes text = {cursor.text, cursor.text_len};
        args[i] = i == scan.text_at ? arg_text(text) : arg_int(cursor.key[i]);
    }
    args[scan.keys] = arg_int(DAMAGE_PAGE);
    AUTO(rows_release)
    struct rows *rows =
        tx_rows(tx, tx_sql(tx, table, SQL_PAGE, page_write, table), args, (size_t)scan.keys + 1);
    struct damage_page *page = &scan.page;
    bool row = true;
    while (row && page->rows < DAMAGE_PAGE && page->bytes < DAMAGE_PAGE_BYTES &&
           page->found < DAMAGE_PAGE_FOUND) {
        row = rows_step(rows);
        if (row) {
            page->rows++;
            row_check(&scan, rows);
            cursor_move(&scan, rows, &cursor);
        }
    }
    TRY(tx_error(tx));
    cursor.rows += page->rows;
    cursor.bytes += page->bytes;
    bool enough = scope == DAMAGE_NEWEST &&
                  (cursor.rows >= DAMAGE_NEWEST_ROWS || cursor.bytes >= DAMAGE_NEWEST_BYTES);
    if (!row || enough) {
        cursor = (struct damage_cursor){.table = cursor.table + 1};
    }
    page->more = cursor.table < COUNT_OF(tables);
    *io_cursor = cursor;
    *ret_page = *page;
    return ERR_OK;
}
