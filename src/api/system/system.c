/* system.c: version of the daemon; and damage, for its admin: rows that cannot be right, folders of
 * attempts that no row knows. */
#include "api/system/system.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/number.h"
#include "engine/run/runs.h"
#include "engine/system/damage.h"
#include "engine/token/token.h"

/* --- Damage: the cursor is the table's number, and the keys ----------------------------------- */

enum {
    CURSOR_NUMBERS = 2 + DAMAGE_KEYS,
    CURSOR_SIZE = 21 * CURSOR_NUMBERS + 2 * (DAMAGE_KEY_MAX + 8),
    ROWS_MAX = 1000, /* Of one store function (store.h). */
};

struct damage_op {
    struct request request;
    struct damage_cursor cursor;
    int64_t count; /* Number of items. */
};

static void add_item(void *ctx, const struct damage *damage) {
    struct damage_op *op = ctx;
    struct text *text = &op->request.op.answer;
    text_add_str(text, op->count++ > 0 ? ",{" : "{");
    text_add_member(text, "table", bytes_of(damage->table));
    text_add_member(text, "row", damage->where);
    text_add_member(text, "column", bytes_of(damage->column));
    text_add_member(text, "what", bytes_of(damage->what));
    text_add_member(text, "remove", damage->remove);
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

/* A search is in nobody's way: it reads as the rest of a long list does. */
static struct err damage_look(struct tx *tx, void *ctx) {
    struct damage_op *op = ctx;
    struct text *text = &op->request.op.answer;
    struct damage_cursor cursor = op->cursor;
    struct damage_page sum = {.more = true};
    struct err err = ERR_OK;
    op->count = 0;
    text_add_str(text, "{\"items\":[");
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
    text_add_str(text, "],\"next\":");
    if (sum.more) {
        add_next(&cursor, text);
    } else {
        text_add_str(text, "null");
    }
    text_add_char(text, '}');
    return err_failed(err) ? err : op_written(&op->request.op);
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
                                   .text_len = (text.len - start) / 2};
    if (numbers[0] < 0 || numbers[0] > INT32_MAX || cursor.text_len > sizeof cursor.text ||
        !hex_parse((struct bytes){text.data + start, text.len - start}, (uint8_t *)cursor.text,
                   cursor.text_len)) {
        return false;
    }
    memcpy(cursor.key, numbers + CURSOR_NUMBERS - DAMAGE_KEYS, sizeof cursor.key);
    *ret_cursor = cursor;
    return true;
}

static struct err damage_start(void *ctx) {
    struct damage_op *op = ctx;
    const struct exchange *exchange = op->request.op.exchange;
    bool given = param_given(exchange, "after");
    return given && !cursor_read(param_text(exchange, "after"), &op->cursor)
               ? err_make(ERR_BAD_CURSOR, "damage: after")
               : ERR_OK;
}

static const struct request_kind damage_list = {
    .size = sizeof(struct damage_op), .slices = true, .start = damage_start, .work = damage_look};

static const struct query_param damage_query[] = {
    {QUERY("after", QUERY_TEXT, "The `next` of the page before."), .max = CURSOR_SIZE},
    {.name = NULL},
};

static const char damage_answer[] =
    "{\"type\":\"object\",\"required\":[\"items\",\"next\"],\"properties\":{\"items\":{\"type\":"
    "\"array\",\"items\":{\"type\":\"object\",\"required\":[\"table\",\"row\",\"column\",\"what\","
    "\"remove\"],\"properties\":{\"table\":" TEXT_SCHEMA ",\"row\":" TEXT_SCHEMA
    ",\"column\":" TEXT_SCHEMA ",\"what\":" TEXT_SCHEMA ",\"remove\":" TEXT_SCHEMA
    "}}},\"next\":" TEXT_OR_NULL "}}";

/* --- Folders ---------------------------------------------------------------------------------- */

/* Names of folders of the spool, each compared with the row of its run. The caller has listed them,
 * so that the daemon reads no disk for it. */
enum { NAMES_MAX = 50, NAME_MAX_BYTES = 64 };
enum { NAMES_SIZE = NAMES_MAX * (NAME_MAX_BYTES + 1) };

struct folders_op {
    struct request request;
    int64_t count; /* Number of items. */
};

struct folder {
    struct bytes name, run;
    int64_t attempt;
};

/* Takes the next name off *io_at. False: it is no name of a folder of ours. */
static bool folder_next(struct bytes names, size_t *io_at, struct folder *ret_folder) {
    static const struct number_bounds attempts = {1, INT64_MAX};
    struct bytes name = {names.data + *io_at, names.len - *io_at};
    const char *comma = memchr(name.data, ',', name.len);
    name.len = comma == NULL ? name.len : (size_t)(comma - name.data);
    *io_at += name.len + 1;
    const char *dot = memchr(name.data, '.', name.len);
    size_t run_len = dot == NULL ? 0 : (size_t)(dot - name.data);
    *ret_folder = (struct folder){.name = name, .run = {name.data, run_len}};
    return run_len > 0 && name.len <= NAME_MAX_BYTES &&
           number_parse((struct bytes){dot + 1, name.len - run_len - 1}, attempts,
                        &ret_folder->attempt);
}

static struct err folder_compare(struct tx *tx, struct folders_op *op,
                                 const struct folder *folder) {
    bool found = false;
    struct run_row row = {.attempt = 0};
    const struct run_key key = {.run = folder->run};
    struct err err = tx_run_find_shown(tx, &key, &found, &row); /* Also a damaged one. */
    if (err_failed(err) || (found && row.attempt >= folder->attempt)) {
        return err;
    }
    struct text *text = &op->request.op.answer;
    text_add_str(text, op->count++ > 0 ? ",{" : "{");
    text_add_member(text, "folder", folder->name);
    text_add_member(text, "what", bytes_of(found ? "attempt_unknown" : "run_unknown"));
    text_add_char(text, '}');
    return ERR_OK;
}

static struct err folders_compare(struct tx *tx, void *ctx) {
    struct folders_op *op = ctx;
    struct bytes names = param_text(op->request.op.exchange, "names");
    struct err err = ERR_OK;
    names.len = names.len < NAMES_SIZE ? names.len : NAMES_SIZE;
    op->count = 0;
    text_add_str(&op->request.op.answer, "{\"items\":[");
    for (size_t at = 0; at < names.len && !err_failed(err);) {
        struct folder folder;
        if (folder_next(names, &at, &folder)) {
            err = folder_compare(tx, op, &folder);
        }
    }
    text_add_str(&op->request.op.answer, "]}");
    return err_failed(err) ? err : op_written(&op->request.op);
}

static const struct request_kind damage_folders_list = {
    .size = sizeof(struct folders_op), .slices = true, .work = folders_compare};

static const struct query_param damage_folders_query[] = {
    {QUERY("names", QUERY_TEXT, "Names of folders in DIR/spool, with commas between them."),
     .max = NAMES_SIZE},
    {.name = NULL},
};

static const char damage_folders_answer[] =
    "{\"type\":\"object\",\"required\":[\"items\"],\"properties\":{\"items\":{\"type\":\"array\","
    "\"items\":{\"type\":\"object\",\"required\":[\"folder\",\"what\"],\"properties\":{"
    "\"folder\":" TEXT_SCHEMA ",\"what\":{\"enum\":[\"run_unknown\",\"attempt_unknown\"]}}}}}}";

/* --- Version ---------------------------------------------------------------------------------- */

static struct err version_start(void *ctx) {
    struct request *request = ctx;
    const struct system_info *info = request->api;
    const struct identity *identity = exchange_identity(request->op.exchange);
    struct text *text = &request->op.answer;
    text_add_char(text, '{');
    text_add_member(text, "name", BYTES("drover"));
    text_add_member(text, "version", bytes_of(info->version));
    text_add_member(text, "database", bytes_of(info->database));
    text_add_member_int(text, "epoch", store_epoch(request->store));
    text_add_member(text, "owner", bytes_of(identity->owner));
    text_add_member_bool(text, "held", dispatch_held(request->dispatch) == RUN_HELD);
    text_add_member_int(text, "pid", getpid());
    text_add_member_int(text, "started_ms", info->started_ms);
    text_add_member_or_null(text, "on_demand",
                            bytes_of(info->on_demand != NULL ? info->on_demand : ""));
    text_add_member_int(text, "jobs_max", info->jobs_max);
    text_add_member_int(text, "connections_max", (int64_t)info->connections_max);
    const struct token token = {.scopes = identity->scopes};
    fields_add_one(&token_resource.fields, "scopes", &token, text);
    text_add_member_or_null(text, "inside", bytes_of(identity->inside));
    text_add_char(text, '}');
    return ERR_OK;
}

static const struct request_kind version = {.start = version_start};

static const char version_answer[] =
    "{\"type\":\"object\",\"required\":[\"name\",\"version\",\"database\",\"epoch\",\"held\","
    "\"owner\",\"pid\",\"started_ms\",\"on_demand\",\"jobs_max\",\"connections_max\","
    "\"scopes\",\"inside\"],"
    "\"properties\":{\"name\":" TEXT_SCHEMA ",\"version\":" TEXT_SCHEMA
    ",\"database\":{\"enum\":[\"sqlite\",\"postgres\"]},\"epoch\":" INT_SCHEMA
    ",\"held\":" BOOL_SCHEMA ",\"owner\":" TEXT_SCHEMA ",\"pid\":" INT_SCHEMA
    ",\"started_ms\":" INT_SCHEMA ",\"on_demand\":" TEXT_OR_NULL ",\"jobs_max\":" INT_SCHEMA
    ",\"connections_max\":" INT_SCHEMA ",\"scopes\":{\"type\":\"array\",\"items\":" TEXT_SCHEMA
    "},\"inside\":" TEXT_OR_NULL "}}";

const struct route system_routes[] = {
    {ROUTE("GET", "/api/v1/version", SCOPE_READ,
           "Version of the daemon, and who the token says you are"),
     .answer_schema = version_answer, .request = &version},
    {ROUTE("GET", "/api/v1/damage", SCOPE_ADMIN, "Search the database for damaged rows"),
     .query = damage_query, .answer_schema = damage_answer, .request = &damage_list},
    {ROUTE("GET", "/api/v1/damage/folders", SCOPE_ADMIN,
           "Compare folders of the spool with the database"),
     .query = damage_folders_query, .answer_schema = damage_folders_answer,
     .request = &damage_folders_list},
    {.method = NULL},
};
