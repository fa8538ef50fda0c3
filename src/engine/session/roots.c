/* roots.c: the rows of extra roots, and the events of their changes. */
#include "engine/session/roots.h"

#include <string.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "engine/run/rows.h"
#include "engine/session/rows.h"

static struct bytes access_of(const struct root_row *root) {
    return root->write ? BYTES("write") : BYTES("read");
}

void root_write_json(const struct root_row *root, struct text *text) {
    text_add_str(text, "{\"path\":");
    text_add_json(text, root->path.data, root->path.len);
    text_addf(text, ",\"access\":\"%s\",\"granted_by\":", root->write ? "write" : "read");
    text_add_json(text, root->by.data, root->by.len);
    text_addf(text, ",\"granted_ms\":%lld}", (long long)root->granted_ms);
}

/* Borrowed from the row under the cursor. */
static struct root_row read_row(const struct rows *rows) {
    struct bytes access = rows_text(rows, 1);
    return (struct root_row){.path = rows_text(rows, 0),
                             .write = access.len == 5 && memcmp(access.data, "write", 5) == 0,
                             .by = rows_text(rows, 2),
                             .granted_ms = rows_int(rows, 3)};
}

struct err tx_roots_write_json(struct tx *tx, int64_t session, struct text *text) {
    static const char sql[] = "SELECT path, access, granted_by, granted_ms FROM session_roots"
                              " WHERE session = $1 ORDER BY path LIMIT $2";
    const struct arg args[] = {arg_int(session), arg_int(SESSION_ROOTS_MAX)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    bool row = !err_failed(err), first = true;
    text_add_char(text, '[');
    while (!err_failed(err) && row) {
        err = rows_next(rows, &row);
        if (!err_failed(err) && row) {
            struct root_row root = read_row(rows);
            text_add_str(text, first ? "" : ",");
            root_write_json(&root, text);
            first = false;
        }
    }
    text_add_char(text, ']');
    return err;
}

/* --- Changes ---------------------------------------------------------------------------------- */

static struct err tell(struct tx *tx, const struct session_row *session, struct bytes type,
                       const struct root_row *root) {
    AUTO(text_done) struct text data;
    text_init(&data, (size_t)16 << 10);
    root_write_json(root, &data);
    return text_failed(&data)
               ? text_error(&data, "roots: event")
               : sessions__event(tx, session, type, (struct bytes){data.data, data.len});
}

static struct err find(struct tx *tx, int64_t session, struct bytes path, bool *ret_found,
                       struct root_row *ret_root) {
    static const char sql[] = "SELECT path, access, granted_by, granted_ms FROM session_roots"
                              " WHERE session = $1 AND path = $2";
    const struct arg args[] = {arg_int(session), arg_text(path)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    *ret_found = !err_failed(err) && rows != NULL;
    if (*ret_found) {
        struct root_row root = read_row(rows);
        struct bytes *const texts[] = {&root.path, &root.by};
        err = sessions__keep(tx, texts, COUNT_OF(texts));
        *ret_root = root;
    }
    return err;
}

static struct err check_count(struct tx *tx, int64_t session) {
    const struct arg args[] = {arg_int(session)};
    const struct run_ask ask = {.sql = "SELECT count(*) FROM session_roots WHERE session = $1",
                                .args = args,
                                .count = COUNT_OF(args)};
    int64_t count = 0;
    struct err err = runs__int(tx, &ask, &count);
    bool full = !err_failed(err) && count >= SESSION_ROOTS_MAX;
    return full ? err_make(ERR_TOO_MANY, "roots: too many") : err;
}

struct err tx_root_put(struct tx *tx, const struct session_row *session,
                       const struct root_row *root) {
    static const char sql[] =
        "INSERT INTO session_roots (session, path, access, granted_by, granted_ms)"
        " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (session, path) DO UPDATE SET"
        " access = excluded.access, granted_by = excluded.granted_by,"
        " granted_ms = excluded.granted_ms";
    const struct arg args[] = {arg_int(session->id), arg_text(root->path),
                               arg_text(access_of(root)), arg_text(root->by),
                               arg_int(root->granted_ms)};
    struct root_row old;
    bool found = false;
    struct err err = find(tx, session->id, root->path, &found, &old);
    if (!err_failed(err) && !found) {
        err = check_count(tx, session->id);
    }
    if (!err_failed(err)) {
        err = tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
    }
    return err_failed(err) ? err : tell(tx, session, BYTES("root_granted"), root);
}

struct err tx_root_remove(struct tx *tx, const struct session_row *session, struct bytes path) {
    const struct arg args[] = {arg_int(session->id), arg_text(path)};
    struct root_row root;
    bool found = false;
    struct err err = find(tx, session->id, path, &found, &root);
    if (!err_failed(err) && !found) {
        err = err_make(ERR_NOT_FOUND, "roots: remove");
    }
    if (!err_failed(err)) {
        err = tx_exec(tx, "DELETE FROM session_roots WHERE session = $1 AND path = $2", args,
                      COUNT_OF(args), NULL /* one row, always */);
    }
    return err_failed(err) ? err : tell(tx, session, BYTES("root_removed"), &root);
}

/* --- By an approval --------------------------------------------------------------------------- */

static struct err tell_model(struct tx *tx, const struct root_row *root, struct bytes *ret_result) {
    AUTO(text_done) struct text text;
    text_init(&text, (size_t)16 << 10);
    text_add_str(&text, "{\"granted\":true,\"path\":");
    text_add_json(&text, root->path.data, root->path.len);
    text_addf(&text, ",\"access\":\"%s\"}", root->write ? "write" : "read");
    const char *copy =
        text_failed(&text) ? NULL : arena_try_copy(tx_arena(tx), text.data, text.len);
    *ret_result = (struct bytes){copy, text.len};
    return copy == NULL ? text_error(&text, "roots: result") : ERR_OK;
}

/* Somebody may have granted more meanwhile: a yes takes nothing away. */
static struct err put_more(struct tx *tx, const struct session_row *session,
                           struct root_row *root) {
    struct root_row old = {.write = false};
    bool found = false;
    struct err err = find(tx, session->id, root->path, &found, &old);
    root->write = root->write || (found && old.write);
    bool same = found && old.write == root->write;
    return err_failed(err) || same ? err : tx_root_put(tx, session, root);
}

struct err roots__grant(struct tx *tx, const struct session_row *session, struct bytes about,
                        struct bytes by, bool *ret_grant, struct bytes *ret_result) {
    AUTO(json_release) json_t *json = NULL;
    *ret_grant = false;
    if (about.len == 0) {
        return ERR_OK;
    }
    struct err err = json_parse_wrapped(about, &json, NULL);
    if (err_failed(err)) {
        return err.code == ERR_BAD_JSON ? err_make(ERR_STORE_CORRUPT, "roots: about") : err;
    }
    const json_t *grant = json_object_get(json, "grant");
    const json_t *path = json_object_get(grant, "path");
    const char *access = json_string_value(json_object_get(grant, "access"));
    if (!json_is_string(path) || access == NULL) {
        return ERR_OK;
    }
    struct root_row root = {.path = {json_string_value(path), json_string_length(path)},
                            .write = strcmp(access, "write") == 0,
                            .by = by,
                            .granted_ms = tx_now_ms(tx)};
    *ret_grant = true;
    err = put_more(tx, session, &root);
    return err_failed(err) ? err : tell_model(tx, &root, ret_result);
}

struct err tx_roots_inherit(struct tx *tx, int64_t from, int64_t to) {
    static const char sql[] =
        "INSERT INTO session_roots (session, path, access, granted_by, granted_ms)"
        " SELECT $2, path, access, granted_by, granted_ms FROM session_roots WHERE session = $1";
    const struct arg args[] = {arg_int(from), arg_int(to)};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* as many as there are */);
}
