/* folders.c: folders for a form that asks for one: those that the owner knows, or those directly
 * below one.
 *
 * Who may read any folder by its name (request_check_folder) sees what the daemon's user sees. Any
 * other client sees the folders of its own projects and sessions, and what is below them. */
#include <string.h>

#include "api/session/sessions.h"
#include "engine/session/roots.h"
#include "tool/folders.h"

struct folders_op {
    struct request request;
    struct text path;  /* Owned: without slashes at its end; "": none is named. */
    struct text above; /* Owned: the highest folder that the client may read; "": any. */
};

static bool path_named(const struct folders_op *folders) {
    return folders->path.len > 0;
}

static struct err folders_read(void *ctx) {
    struct folders_op *folders = ctx;
    struct request *request = &folders->request;
    struct bytes path = param_text(request->op.exchange, "path");
    request_text(request, &folders->path, FOLDER_PATH_MAX + 1);
    request_text(request, &folders->above, FOLDER_PATH_MAX + 1);
    if (path.len > 0 && !folder_path_valid(path)) {
        return err_why(&request->op.why, ERR_BAD_QUERY,
                       "path: must be an absolute path, as plain text, without '.', '..' and '//'");
    }
    while (path.len > 1 && path.data[path.len - 1] == '/') {
        path.len--;
    }
    text_add(&folders->path, path.data, path.len);
    return ERR_OK;
}

/* --- Known ones ------------------------------------------------------------------------------- */

struct known_list {
    struct text *answer;
    struct bytes home; /* "": none, or it was written. */
    bool some;
};

static void known_write(void *ctx, struct bytes path) {
    struct known_list *list = ctx;
    text_add_str(list->answer, list->some ? ",{" : "{");
    text_add_member(list->answer, "name", path);
    text_add_member(list->answer, "path", path);
    text_add_char(list->answer, '}');
    list->some = true;
    if (bytes_equal(path, list->home)) {
        list->home = BYTES("");
    }
}

static struct err known_work(struct tx *tx, struct folders_op *folders) {
    struct request *request = &folders->request;
    const struct sessions_api *api = request->api;
    const bool any = request_reads_all(request) && api->home != NULL;
    struct known_list list = {.answer = &request->op.answer,
                              .home = any ? bytes_of(api->home) : BYTES("")};
    text_add_str(list.answer, "{\"path\":null,\"parent\":null,\"items\":[");
    struct err err = tx_folder_each(tx, bytes_of(exchange_identity(request->op.exchange)->owner),
                                    known_write, &list);
    if (list.home.len > 0) {
        known_write(&list, list.home);
    }
    text_add_str(list.answer, "],\"whole\":true}");
    return err;
}

static struct err folders_work(struct tx *tx, void *ctx) {
    struct folders_op *folders = ctx;
    struct request *request = &folders->request;
    const struct bytes owner = bytes_of(exchange_identity(request->op.exchange)->owner);
    struct bytes above = BYTES("");
    if (!path_named(folders)) {
        return known_work(tx, folders);
    }
    if (request_reads_all(request)) {
        return ERR_OK;
    }
    const struct err err = tx_folder_above(tx, owner, text_bytes(&folders->path), &above);
    text_clear(&folders->above); /* The transaction may run again. */
    text_add(&folders->above, above.data, above.len);
    return err.code != ERR_FORBIDDEN
               ? err
               : err_why(&request->op.why, ERR_FORBIDDEN,
                         "path: no session and no project of '%.*s' has the folder %.200s or one "
                         "above it; a token with the scope run reads any",
                         (int)owner.len, owner.data, folders->path.data);
}

/* --- Those below one -------------------------------------------------------------------------- */

/* The folder above, where the client may read that. */
static struct bytes parent_of(const struct folders_op *folders) {
    const struct bytes path = text_bytes(&folders->path);
    const char *slash = memrchr(path.data, '/', path.len);
    const size_t len = (size_t)(slash - path.data);
    const bool top = path.len == 1 || bytes_equal(path, text_bytes(&folders->above));
    return top ? BYTES("") : (struct bytes){path.data, len == 0 ? 1 : len};
}

static void names_write(const struct folders_op *folders, const struct folder_names *names,
                        struct text *answer) {
    const struct bytes path = text_bytes(&folders->path);
    AUTO(text_done) struct text below = text_up_to(FOLDER_PATH_MAX + 257);
    text_add_char(answer, '{');
    text_add_member(answer, "path", path);
    text_add_member_or_null(answer, "parent", parent_of(folders));
    text_add_str(answer, ",\"items\":[");
    for (size_t i = 0; i < names->count; i++) {
        text_clear(&below);
        text_addf(&below, "%s/%s", path.len == 1 ? "" : folders->path.data, names->names[i]);
        text_add_str(answer, i == 0 ? "{" : ",{");
        text_add_member_str(answer, "name", names->names[i]);
        text_add_member(answer, "path", text_bytes(&below));
        text_add_char(answer, '}');
    }
    text_add_char(answer, ']');
    text_add_member_bool(answer, "whole", names->whole);
    text_add_char(answer, '}');
}

static struct err folders_pool(void *ctx) {
    struct folders_op *folders = ctx;
    struct request *request = &folders->request;
    const struct sessions_api *api = request->api;
    const struct exchange *exchange = request->op.exchange;
    if (!path_named(folders)) {
        return ERR_OK;
    }
    const struct folder_wish wish = {
        .path = folders->path.data,
        .above = folders->above.len > 0 ? folders->above.data : NULL,
        .closed = api->data_dir,
        .limit = (size_t)param_number(exchange, "limit"),
        .hidden = param_flag(exchange, "hidden"),
    };
    struct folder_names names;
    TRY(folder_names_read(&wish, &names, &request->op.why));
    names_write(folders, &names, &request->op.answer);
    folder_names_done(&names);
    return ERR_OK;
}

static const struct request_kind folders = {
    .size = sizeof(struct folders_op),
    .read = folders_read,
    .work = folders_work,
    .after = folders_pool,
};

static const struct query_param folders_query[] = {
    {QUERY("path", QUERY_TEXT,
           "Folder whose folders are listed, absolute. Absent: those of the owner's projects and "
           "sessions, the last used first, and the home of the daemon's user."),
     .max = FOLDER_PATH_MAX},
    {QUERY("limit", QUERY_INT, "At most that many."), .min = 1, .max = FOLDER_NAMES_MAX,
     .absent = FOLDER_NAMES_MAX},
    {QUERY("hidden", QUERY_FLAG, "Also those whose names begin with a dot.")},
    {.name = NULL},
};

#define FOLDER_SCHEMA                                                                              \
    "{\"type\":\"object\",\"required\":[\"name\",\"path\"],\"properties\":{\"name\":" TEXT_SCHEMA  \
    ",\"path\":" TEXT_SCHEMA "}}"

const struct route folders_routes[] = {
    {ROUTE("GET", "/api/v1/folders", SCOPE_READ,
           "List the folders below one, for a form that asks for a folder"),
     .query = folders_query,
     .answer_schema =
         "{\"type\":\"object\",\"required\":[\"path\",\"parent\",\"items\",\"whole\"],"
         "\"properties\":{\"path\":" TEXT_OR_NULL ",\"parent\":" TEXT_OR_NULL
         ",\"items\":{\"type\":\"array\",\"items\":" FOLDER_SCHEMA "},\"whole\":" BOOL_SCHEMA "}}",
     .request = &folders},
    {.method = NULL},
};
