/* roots.c: the rows of extra roots, and the events of their changes. */
#include "engine/session/roots.h"

#include "base/json/json.h"
#include "engine/session/rows.h"
#include "rules/project/project.h"

static const char *access_name(const struct root_row *root) {
    return root->write ? "write" : "read";
}

void root_write_json(const struct root_row *root, struct text *text) {
    text_add_char(text, '{');
    text_add_member(text, "path", root->path);
    text_add_member(text, "access", bytes_of(access_name(root)));
    text_add_member(text, "granted_by", root->by);
    text_add_member_int(text, "granted_ms", root->granted_ms);
    text_add_char(text, '}');
}

#define ROOT_SQL "SELECT path, access, granted_by, granted_ms FROM session_roots WHERE session = $1"

/* Borrowed from the row under the cursor. */
static struct root_row row_read(const struct rows *rows) {
    return (struct root_row){.path = rows_text(rows, 0),
                             .write = bytes_is(rows_text(rows, 1), "write"),
                             .by = rows_text(rows, 2),
                             .granted_ms = rows_int(rows, 3)};
}

static bool root_find(struct tx *tx, int64_t session, struct bytes path,
                      struct root_row *ret_root) {
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx, ROOT_SQL " AND path = $2", ARGS(arg_int(session), arg_text(path)));
    if (rows != NULL) {
        *ret_root = row_read(rows);
        ret_root->path = tx_copy(tx, ret_root->path);
        ret_root->by = tx_copy(tx, ret_root->by);
    }
    return rows != NULL;
}

struct err tx_roots_write_json(struct tx *tx, int64_t session, struct text *text) {
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx, ROOT_SQL " ORDER BY path LIMIT $2",
                                ARGS(arg_int(session), arg_int(SESSION_ROOTS_MAX)));
    text_add_char(text, '[');
    for (bool first = true; rows_step(rows); first = false) {
        struct root_row root = row_read(rows);
        text_add_str(text, first ? "" : ",");
        root_write_json(&root, text);
    }
    text_add_char(text, ']');
    return tx_error(tx);
}

struct err tx_roots_write_joined(struct tx *tx, int64_t session, struct bytes project,
                                 struct text *text) {
    AUTO(json_release) json_t *settings = NULL;
    if (project.len == 0 || err_failed(json_parse_wrapped(project, &settings, NULL /* no why */))) {
        return tx_roots_write_json(tx, session, text); /* Unreadable: no folder. */
    }
    const json_t *folders = json_object_get(settings, "folders");
    struct root_row root;
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx, ROOT_SQL " ORDER BY path LIMIT $2",
                                ARGS(arg_int(session), arg_int(SESSION_ROOTS_MAX)));
    const char *comma = "[";
    while (rows_step(rows)) {
        root = row_read(rows);
        const json_t *folder = project_folder_find(settings, root.path);
        root.write = root.write || bytes_is(json_bytes(folder, "access"), "write");
        text_add_str(text, comma);
        root_write_json(&root, text);
        comma = ",";
    }
    rows_release(&rows);
    for (size_t i = 0; i < json_array_size(folders) && i < PROJECT_FOLDERS_MAX; i++) {
        const json_t *folder = json_array_get(folders, i);
        const struct root_row shared = {.path = json_bytes(folder, "path"),
                                        .write = bytes_is(json_bytes(folder, "access"), "write"),
                                        .by = BYTES("")};
        if (shared.path.len > 0 && !root_find(tx, session, shared.path, &root)) {
            text_add_str(text, comma);
            root_write_json(&shared, text);
            comma = ",";
        }
    }
    text_add_str(text, comma[0] == '[' ? "[]" : "]");
    return tx_error(tx);
}

/* --- Changes ---------------------------------------------------------------------------------- */

static struct err root_tell(struct tx *tx, const struct session_row *session, struct bytes type,
                            const struct root_row *root) {
    AUTO(text_done) struct text data = text_up_to((size_t)16 << 10);
    root_write_json(root, &data);
    sessions__event_text(tx, session, type, &data);
    return tx_error(tx);
}

struct err tx_root_put(struct tx *tx, const struct session_row *session,
                       const struct root_row *root) {
    struct root_row old;
    if (!root_find(tx, session->id, root->path, &old) &&
        tx_number(tx, "SELECT count(*) FROM session_roots WHERE session = $1",
                  ARGS(arg_int(session->id))) >= SESSION_ROOTS_MAX) {
        return err_make(ERR_TOO_MANY, "roots: too many");
    }
    tx_do(tx,
          "INSERT INTO session_roots (session, path, access, granted_by, granted_ms)"
          " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (session, path) DO UPDATE SET"
          " access = excluded.access, granted_by = excluded.granted_by,"
          " granted_ms = excluded.granted_ms",
          ARGS(arg_int(session->id), arg_text(root->path), arg_str(access_name(root)),
               arg_text(root->by), arg_int(root->granted_ms)));
    return root_tell(tx, session, BYTES("root_granted"), root);
}

struct err tx_root_remove(struct tx *tx, const struct session_row *session, struct bytes path) {
    struct root_row root;
    if (!root_find(tx, session->id, path, &root)) {
        return err_failed(tx_error(tx)) ? tx_error(tx) : err_make(ERR_NOT_FOUND, "roots: remove");
    }
    tx_do(tx, "DELETE FROM session_roots WHERE session = $1 AND path = $2",
          ARGS(arg_int(session->id), arg_text(path)));
    return root_tell(tx, session, BYTES("root_removed"), &root);
}

/* --- By an approval --------------------------------------------------------------------------- */

struct err roots__grant(struct tx *tx, const struct session_row *session,
                        const struct root_grant *what, bool *ret_grant, struct bytes *ret_result) {
    AUTO(json_release) json_t *json = NULL;
    *ret_grant = false;
    if (what->about.len == 0) {
        return ERR_OK;
    }
    struct err err = json_parse_wrapped(what->about, &json, NULL);
    if (err_failed(err)) {
        return err.code == ERR_BAD_JSON ? err_make(ERR_STORE_CORRUPT, "roots: about") : err;
    }
    const json_t *grant = json_object_get(json, "grant");
    const json_t *path = json_object_get(grant, "path");
    if (!json_is_string(path) || !json_is_string(json_object_get(grant, "access"))) {
        return ERR_OK;
    }
    struct root_row old = {.write = false};
    struct root_row root = {.path = json_bytes(grant, "path"),
                            .write = bytes_is(json_bytes(grant, "access"), "write"),
                            .by = what->by,
                            .granted_ms = tx_now_ms(tx)};
    *ret_grant = true;
    /* Somebody may have granted more meanwhile: a yes takes nothing away. */
    bool found = root_find(tx, session->id, root.path, &old);
    root.write = root.write || (found && old.write);
    if (!what->to_project && (!found || old.write != root.write)) {
        err = tx_root_put(tx, session, &root);
    }
    AUTO(text_done) struct text text = text_up_to((size_t)16 << 10);
    text_add_str(&text, "{\"granted\":true");
    text_add_member(&text, "path", root.path);
    text_add_member(&text, "access", bytes_of(access_name(&root)));
    text_add_char(&text, '}');
    *ret_result = tx_copy_text(tx, &text, "roots: result");
    return err_failed(err) ? err : tx_error(tx);
}

/* --- Whose a folder is ------------------------------------------------------------------------ */

/* As rows have it: a path by another way to the same folder may lead out of it by a link. */
#define FOLDERS_WHERE(condition_)                                                                  \
    "(SELECT root FROM projects WHERE owner = $1 AND " condition_                                  \
    " UNION ALL SELECT root FROM sessions WHERE owner = $1 AND " condition_ ") AS folders"

static struct bytes folder_bare(struct bytes folder) {
    while (folder.len > 1 && folder.data[folder.len - 1] == '/') {
        folder.len--;
    }
    return folder;
}

struct err tx_folder_check(struct tx *tx, struct bytes owner, struct bytes folder) {
    const int64_t found =
        tx_number(tx,
                  "SELECT count(*) FROM (SELECT 1 FROM " FOLDERS_WHERE("root = $2") " LIMIT 1)"
                                                                                    " AS found",
                  ARGS(arg_text(owner), arg_text(folder_bare(folder))));
    return found > 0 || err_failed(tx_error(tx)) ? tx_error(tx)
                                                 : err_make(ERR_FORBIDDEN, "roots: folder");
}

struct err tx_folder_above(struct tx *tx, struct bytes owner, struct bytes folder,
                           struct bytes *ret_above) {
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx,
               "SELECT root FROM " FOLDERS_WHERE(
                   "root <> '' AND (root IN ($2, '/') OR substr($2, 1, length(root) + 1) = root || "
                   "'/')") " ORDER BY length(root) LIMIT 1",
               ARGS(arg_text(owner), arg_text(folder_bare(folder))));
    if (rows != NULL) {
        *ret_above = tx_copy(tx, rows_text(rows, 0));
    }
    return rows != NULL || err_failed(tx_error(tx)) ? tx_error(tx)
                                                    : err_make(ERR_FORBIDDEN, "roots: above");
}

struct err tx_folder_each(struct tx *tx, struct bytes owner,
                          void (*each)(void *ctx, struct bytes folder), void *ctx) {
    AUTO(rows_release)
    struct rows *rows = tx_rows(
        tx,
        "SELECT root FROM (SELECT root, changed_ms FROM projects WHERE owner = $1 UNION ALL"
        " SELECT root, changed_ms FROM (SELECT root, changed_ms FROM sessions WHERE owner = $1"
        " AND parent = 0 AND archived_ms IS NULL AND hidden = 0"
        " ORDER BY changed_ms DESC LIMIT $2) AS recent) AS folders"
        " WHERE root <> '' GROUP BY root ORDER BY max(changed_ms) DESC, root LIMIT $2",
        ARGS(arg_text(owner), arg_int(FOLDERS_LISTED_MAX)));
    while (rows_step(rows)) {
        each(ctx, rows_text(rows, 0));
    }
    return tx_error(tx);
}

struct err tx_roots_inherit(struct tx *tx, int64_t from, int64_t to) {
    tx_do(tx,
          "INSERT INTO session_roots (session, path, access, granted_by, granted_ms)"
          " SELECT $2, path, access, granted_by, granted_ms FROM session_roots WHERE session = $1",
          ARGS(arg_int(from), arg_int(to)));
    return tx_error(tx);
}
