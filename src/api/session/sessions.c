/* sessions.c: sessions: list and search, one of them, make, change, remove. */
#include "api/session/sessions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/native.h"
#include "api/session/tree.h"
#include "base/glob.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "base/number.h"
#include "dispatch/base/agent_order.h"
#include "engine/run/inside.h"
#include "engine/system/session_delete.h"
#include "engine/turn/background.h"
#include "engine/turn/submit.h"
#include "rules/approval/permission.h"
#include "rules/provider/no_model.h"
#include "tool/check.h"
#include "tool/git.h"

/* --- List: cursors are MS.ID ------------------------------------------------------------------ */

enum { CURSOR_SIZE = 44 };

static bool cursor_parse(struct bytes text, struct session_cursor *ret_cursor) {
    const struct number_bounds bounds = {0, INT64_MAX};
    const char *dot = text.len == 0 ? NULL : memchr(text.data, '.', text.len);
    size_t at = dot == NULL ? 0 : (size_t)(dot - text.data);
    return dot != NULL &&
           number_parse((struct bytes){text.data, at}, bounds, &ret_cursor->changed_ms) &&
           number_parse((struct bytes){dot + 1, text.len - at - 1}, bounds, &ret_cursor->id) &&
           ret_cursor->id > 0;
}

static bool cursor_valid(struct bytes text) {
    struct session_cursor cursor;
    return cursor_parse(text, &cursor);
}

static struct bytes cursor_write(int64_t changed_ms, int64_t id, char ret_text[CURSOR_SIZE]) {
    int len = snprintf(ret_text, CURSOR_SIZE, "%lld.%lld", (long long)changed_ms, (long long)id);
    assert(len > 0 && len < CURSOR_SIZE);
    return (struct bytes){ret_text, (size_t)len};
}

/* True: the row is to be written. */
static bool row_shown(struct page *page, const struct session_row *row) {
    char text[CURSOR_SIZE];
    return page_row(page, cursor_write(row->changed_ms, row->id, text),
                    page_is(page, "state", bytes_of(session_state_names[row->state])));
}

static struct err session_list_row(void *ctx, const struct session_row *row) {
    struct page *page = ctx;
    if (row_shown(page, row)) {
        fields_write(&session_shown_fields, FIELD_LISTED, row, &page->request.op.answer);
    }
    return ERR_OK;
}

static enum session_found found_row(void *ctx, const struct session_row *row,
                                    const struct session_hit *hit) {
    struct page *page = ctx;
    if (row_shown(page, row)) {
        session_write_found(row, hit, &page->request.op.answer);
    }
    return page->now.state == PAGE_FULL ? SESSION_FOUND_ENOUGH : SESSION_FOUND_TAKEN;
}

static struct err session_list_rows(struct tx *tx, struct page *page,
                                    const struct page_part *part) {
    const struct exchange *exchange = page->request.op.exchange;
    struct bytes q = param_text(exchange, "q");
    struct session_page what = {.owner = page->request.key.owner,
                                .parent = param_text(exchange, "parent"),
                                .fork_of = param_text(exchange, "fork_of"),
                                .project = param_text(exchange, "project"),
                                .agent = param_text(exchange, "agent"),
                                .shelf = param_flag(exchange, "deleted")    ? SHELF_DELETED
                                         : param_flag(exchange, "archived") ? SHELF_ARCHIVED
                                                                            : SHELF_OPEN,
                                .since_ms = param_number(exchange, "since"),
                                .hold = run_bounds_hold(&page->request.bounds),
                                .limit = part->limit};
    struct session_cursor after = {0, 0};
    char text[CURSOR_SIZE];
    bool valid = part->after.len == 0 || cursor_parse(part->after, &what.after);
    assert(valid); /* The kind of page has seen to it. */
    struct err err = q.len > 0 ? tx_session_search(tx, &what, q, found_row, page, &after)
                               : tx_session_each(tx, &what, session_list_row, page);
    if (!err_failed(err) && after.id != 0) {
        page_looked(page, cursor_write(after.changed_ms, after.id, text));
    }
    if (err.code == ERR_NOT_FOUND) {
        const char *name = what.fork_of.len == 0  ? "parent"
                           : what.parent.len == 0 ? "fork_of"
                                                  : "parent, or fork_of";
        const struct bytes one = what.parent.len > 0 ? what.parent : what.fork_of;
        why_set(&page->request.op.why, "%s: there is no session '%.*s'", name, (int)one.len,
                one.data);
    }
    return err;
}

static const struct page_kind list = {
    .valid = cursor_valid,
    .rows = session_list_rows,
};

struct err request_session(struct tx *tx, struct request *request, struct session_row *ret_row) {
    const struct session_key key = sessions__key_of(request);
    bool found = false;
    struct err err = tx_session_find(tx, &key, &found, ret_row);
    return found ? err : request_absent(request, err);
}

void sessions__answer(struct request *request, const struct session_row *row) {
    fields_write(&session_shown_fields, FIELD_LISTED | FIELD_WHOLE, row, &request->op.answer);
}

/* --- What a body says, checked ---------------------------------------------------------------- */

static struct err field_bad(struct why *why, const char *field, const char *what) {
    return err_why(why, ERR_BAD_FIELD, "%s: %s", field, what);
}

bool sessions__line_valid(struct bytes text) {
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

struct err session_settings_check(const json_t *settings, struct why *why) {
    const json_t *checked = json_object_get(settings, "check");
    const json_t *calls = json_object_get(settings, "max_tool_calls");
    if (calls != NULL && (!json_is_integer(calls) || json_integer_value(calls) <= 0)) {
        return field_bad(why, "max_tool_calls", "must be a whole number above 0");
    }
    struct err err = permission_settings_check(settings, why);
    return err_failed(err) || checked == NULL ? err : check_setting_check(checked, why);
}

/* Compact JSON of an object; no data where it is not named. */
static struct err object_write(const json_t *value, const char *name, struct text *text,
                               struct bytes *ret_json, struct why *why) {
    if (value == NULL) {
        return ERR_OK;
    }
    if (!json_is_object(value)) {
        return field_bad(why, name, "must be an object");
    }
    struct err err = json_write(value, text);
    if (err_failed(err) && !text->no_memory) {
        return err_why(why, ERR_BAD_FIELD, "%s: more than %zu bytes as compact JSON", name,
                       text->size_max);
    }
    *ret_json = text_bytes(text);
    return err;
}

/* A body that makes or changes a session. */
struct body_op {
    struct request request;
    struct session_given given;
    struct bytes settings, metadata;          /* Texts of the next two. */
    struct text settings_text, metadata_text; /* Owned. */
    const char *path;                         /* PATH of the client; NULL: it sent none. */
    struct text session_path;                 /* Owned: that of the session that is changed. */
    struct text root;                         /* Owned: the folder, terminated. */
    struct text folder;       /* Owned: that of the project, where none is named; "": default. */
    struct agent_order agent; /* Owned: an agent that is a program. */
    struct session_tree tree; /* A working tree of its own. */
    struct native_session native;             /* Owned: what is adopted, */
    struct session_adopted adopted;           /* with borrowed messages. */
    struct session_adopted_message *messages; /* Owned. */
    struct text notice;                       /* Owned. */
    bool lacks_model;                         /* None is named, and none is set up. */
    bool searches;                            /* A change names another agent. */
    union {
        struct session_new create;
        struct session_change change;
    };
};

static struct err body_read(struct body_op *body) {
    const struct session_given *given = &body->given;
    struct why *why = &body->request.op.why;
    const struct {
        const char *name;
        struct bytes text;
    } lines[] = {{"title", given->title},
                 {"model", given->model},
                 {"agent", given->agent},
                 {"root", given->root}};
    request_text(&body->request, &body->settings_text, SESSION_SETTINGS_MAX);
    request_text(&body->request, &body->metadata_text, SESSION_METADATA_MAX);
    struct err err = session_settings_check(given->settings, why);
    if (!err_failed(err)) {
        err = object_write(given->settings, "settings", &body->settings_text, &body->settings, why);
    }
    if (!err_failed(err)) {
        err = object_write(given->metadata, "metadata", &body->metadata_text, &body->metadata, why);
    }
    for (size_t i = 0; i < COUNT_OF(lines) && !err_failed(err); i++) {
        if (!sessions__line_valid(lines[i].text)) {
            err = field_bad(why, lines[i].name, "no control characters");
        }
    }
    if (err_failed(err)) {
        return err;
    }
    if (given->root.len > 0 && given->root.data[0] != '/') {
        return field_bad(why, "root", "must be an absolute path");
    }
    if (given->project.data != NULL && !session_project_valid(given->project)) {
        return err_why(
            why, ERR_BAD_FIELD,
            "project: 1 to %d of a-z, 0-9, '_', '.', '-', beginning with a letter or a digit",
            SESSION_PROJECT_MAX);
    }
    if (given->parent.data != NULL &&
        !id_valid(given->parent.data, given->parent.len, session_one.prefix)) {
        return field_bad(why, "parent", "must be the id of a session");
    }
    return ERR_OK;
}

static void body_end(void *ctx, struct err result) {
    struct body_op *body = ctx;
    agent_order_done(&body->agent);
    native_done(&body->native);
    mem_free(body->messages);
}

/* --- Make ------------------------------------------------------------------------------------- */

static struct err create_read(void *ctx) {
    struct body_op *body = ctx;
    const struct session_given *given = &body->given;
    struct err err = body_read(body);
    body->path = request_variable(&body->request, "PATH");
    request_text(&body->request, &body->root, 4096);
    request_text(&body->request, &body->folder, 4096);
    agent_order_init(&body->agent);
    request_text(&body->request, &body->notice, 400);
    if (!err_failed(err) && given->native.data != NULL &&
        (given->agent.len == 0 || given->root.len == 0)) {
        err = field_bad(&body->request.op.why, "native",
                        "needs the agent that it is of, and as root the folder that it works in");
    }
    if (!err_failed(err) && given->main &&
        (given->agent.len == 0 || given->root.len == 0 || given->native.data != NULL ||
         given->parent.data != NULL)) {
        err = field_bad(&body->request.op.why, "main",
                        "needs \"agent\" and \"root\", and excludes \"native\" and \"parent\"");
    }
    if (!err_failed(err)) {
        err = session_tree_read(given->worktree, &body->tree, &body->request.op.why);
    }
    if (!err_failed(err) && body->tree.wanted &&
        (given->main || given->native.data != NULL || given->parent.data != NULL)) {
        err = field_bad(&body->request.op.why, "worktree",
                        "excludes \"main\", \"native\" and \"parent\"");
    }
    body->create = (struct session_new){.owner = body->request.key.owner,
                                        .parent = given->parent,
                                        .project = given->project,
                                        .title = given->title,
                                        .model = given->model,
                                        .agent = given->agent,
                                        .root = given->root,
                                        .instructions = given->instructions,
                                        .settings = body->settings,
                                        .metadata = body->metadata,
                                        .main = given->main};
    return err;
}

/* Reads the session of the program that goes on. */
static struct err native_adopt(struct body_op *body, const struct agent_definition *what) {
    const struct sessions_api *api = body->request.api;
    struct native_session *native = &body->native;
    const struct native_wish wish = {
        .what = what, .home = api->home, .root = body->root.data, .id = body->given.native};
    TRY(native_read(&wish, native, &body->request.op.why));
    body->messages = mem_new_array(native->count + 1, sizeof body->messages[0]);
    for (size_t i = 0; i < native->count; i++) {
        body->messages[i] = (struct session_adopted_message){
            native->list[i].role, native->list[i].parts, native->list[i].count};
    }
    text_addf(&body->notice, "This goes on with session %.*s of %s. %s",
              (int)body->given.native.len, body->given.native.data, what->program,
              native->cut          ? "Only its newest messages are shown above; the program knows "
                                     "the earlier ones."
              : native->count == 0 ? "It has no messages."
                                   : "Its messages are shown above.");
    body->adopted = (struct session_adopted){.native = body->given.native,
                                             .reader = text_bytes(&native->reader),
                                             .notice = text_bytes(&body->notice),
                                             .messages = body->messages,
                                             .count = native->count};
    body->create.adopted = &body->adopted;
    return ERR_OK;
}

/* Nothing can be started elsewhere, and the turn would fail without that reason. */
static struct err root_check(struct body_op *body) {
    struct stat about;
    return body->root.len == 0 || (stat(body->root.data, &about) == 0 && S_ISDIR(about.st_mode))
               ? ERR_OK
               : err_why(&body->request.op.why, ERR_BAD_FIELD, "root: there is no folder %.200s",
                         body->root.data);
}

static struct err native_take(struct body_op *body) {
    AUTO(json_release) json_t *json = NULL;
    struct agent_definition what;
    struct why *why = &body->request.op.why;
    if (body->given.native.data == NULL) {
        return ERR_OK;
    }
    struct err err = json_parse_wrapped(text_bytes(&body->agent.program), &json, why);
    err = err_failed(err) ? err : agent_definition_read(json, &what, why);
    return err_failed(err) ? err : native_adopt(body, &what);
}

/* A program that is its agent, and its model, stand in the row: what is found later under that name
 * has no effect. A definition that cannot be used refuses the session. */
static struct err program_find_pool(struct body_op *body, bool *ret_found) {
    const struct sessions_api *api = body->request.api;
    const char *path = body->session_path.len > 0 ? body->session_path.data : NULL;
    const struct agent_wish wish = {.name = body->given.agent,
                                    .root = body->root.len > 0 ? body->root.data : NULL,
                                    .home = api->home,
                                    .path = body->path != NULL ? body->path : path,
                                    .rows = api->agents,
                                    .model = body->given.model,
                                    .first = AGENT_PROGRAMS_ONLY};
    agent_order_find(&wish, &body->agent);
    *ret_found = body->agent.kind != AGENT_ORDER_UNKNOWN;
    if (!*ret_found) {
        return ERR_OK;
    }
    if (!agent_order_is_good(&body->agent)) {
        body->request.op.why = body->agent.why;
        return body->agent.err;
    }
    const struct err err = root_check(body);
    return err_failed(err) ? err : native_take(body);
}

/* A session that works in a folder is of the project of that. */
static void folder_find(struct body_op *body) {
    char folder[LIMIT_PATH_MAX];
    if (body->given.project.data == NULL && body->given.parent.len == 0 && body->root.len > 0 &&
        git_project_find(body->root.data, folder) && sessions__line_valid(bytes_of(folder))) {
        text_add_str(&body->folder, folder);
    }
    body->create.folder = text_bytes(&body->folder);
}

/* The session works where its tree will stand; its agent is found in the folder that is there. */
static struct err tree_place(struct body_op *body) {
    if (!body->tree.wanted) {
        return ERR_OK;
    }
    TRY(session_tree_find(&body->tree, body->root.len > 0 ? body->root.data : "",
                          bytes_of(body->create.session.text), body->request.dispatch,
                          &body->request.op.why));
    body->create.root = bytes_of(body->tree.at.root);
    return ERR_OK;
}

static struct err create_pool(void *ctx) {
    struct body_op *body = ctx;
    bool found = false;
    text_add(&body->root, body->given.root.data, body->given.root.len);
    folder_find(body);
    TRY(tree_place(body));
    if (body->given.agent.len == 0) {
        return ERR_OK;
    }
    const struct err err = program_find_pool(body, &found);
    if (found) {
        body->create.program = text_bytes(&body->agent.program);
        body->create.model = text_bytes(&body->agent.model);
        return err;
    }
    /* A mere name, by which usage is shown. */
    return body->given.native.data == NULL
               ? ERR_OK
               : err_why(&body->request.op.why, ERR_BAD_FIELD,
                         "native: there is no agent '%.*s' that is a program; 'drover agent "
                         "ls' lists them",
                         (int)body->given.agent.len, body->given.agent.data);
}

static void create_begin(void *ctx) {
    struct body_op *body = ctx;
    const struct sessions_api *api = body->request.api;
    struct default_model model;
    connections_default_model(api->connections, &model);
    body->create.session = request_new_id(&body->request, "ses");
    world_random(loop_world(body->request.loop), body->adopted.seed, sizeof body->adopted.seed);
    body->lacks_model = body->given.model.len == 0 && model.name[0] == '\0';
    request_go(&body->request, ERR_OK);
}

static struct err create_start(void *ctx) {
    const struct body_op *body = ctx;
    const struct sessions_api *api = body->request.api;
    if (body->given.model.len > 0 || !connections_look(api->connections, create_begin, ctx)) {
        create_begin(ctx);
    }
    return ERR_OK;
}

/* Two writers would fork the history of a session of a program. */
static struct err create_check(struct tx *tx, struct body_op *body) {
    struct session_row row = {.session = BYTES("")};
    bool found = false;
    if (body->create.adopted == NULL) {
        return ERR_OK;
    }
    const struct err err = tx_session_native(tx, body->adopted.native, &found, &row);
    if (err_failed(err) || !found) {
        return err;
    }
    const bool own = bytes_equal(row.owner, body->create.owner);
    return err_why(&body->request.op.why, ERR_CONFLICT,
                   "native: session %.*s goes on in %.*s already; talk there, or remove that first",
                   (int)body->adopted.native.len, body->adopted.native.data,
                   own ? (int)row.session.len : 15, own ? row.session.data : "another session");
}

/* People and runs share a main session, and what is spent there. One that was made inside of a run
 * would be that run's: its budget would hold for everybody who came later. */
static struct err main_check(struct body_op *body) {
    const char *inside = exchange_identity(body->request.op.exchange)->inside;
    if (inside[0] == '\0') {
        return ERR_OK;
    }
    body->request.op.run = id_copy(bytes_of(inside));
    return err_why(&body->request.op.why, ERR_INSIDE_RUN,
                   "the program that sent this is inside of %s, and a run makes no session that "
                   "others share: leave out \"main\"",
                   inside);
}

/* A new session, with all that is remembered of it. */
static struct err create_session(struct tx *tx, struct body_op *body, struct session_row *ret_row) {
    struct err err = tx_session_create(tx, &body->create, ret_row);
    if (!err_failed(err) && body->tree.wanted) {
        err = session_tree_plan(tx, &body->tree, &body->request.bounds, ret_row,
                                &body->request.op.why);
    }
    return err_failed(err)
               ? err
               : tx_inside_mark_session(tx, exchange_identity(body->request.op.exchange)->inside,
                                        ret_row->id);
}

/* Without a model, of its project or of the daemon, the session could take no message. */
static struct err model_check(struct body_op *body, const struct session_row *row) {
    if (!body->lacks_model || row->model.len > 0 || row->program.len > 0) {
        return ERR_OK;
    }
    return body->given.agent.len > 0
               ? err_why(&body->request.op.why, ERR_NO_MODEL,
                         "there is no program '%.*s' ('drover agent ls'), and " NO_MODEL_DETAIL,
                         (int)body->given.agent.len, body->given.agent.data)
               : err_why(&body->request.op.why, ERR_NO_MODEL, NO_MODEL_DETAIL);
}

static struct err create_work(struct tx *tx, void *ctx) {
    struct body_op *body = ctx;
    const struct session_main main = {
        .owner = body->create.owner, .agent = body->create.agent, .root = body->create.root};
    struct session_row row;
    bool found = false;
    struct err err = create_check(tx, body);
    if (!err_failed(err) && body->create.parent.len > 0) {
        err = request_inside(tx, &body->request, body->create.parent);
    }
    if (!err_failed(err) && body->given.main) {
        err = tx_session_main(tx, &main, &found, &row);
    }
    if (!err_failed(err) && !found) {
        err = body->given.main ? main_check(body) : err;
        err = err_failed(err) ? err : create_session(tx, body, &row);
    }
    if (!err_failed(err)) {
        err = model_check(body, &row);
    }
    if (err.code == ERR_NOT_FOUND) {
        why_set(&body->request.op.why, "parent: there is no session '%.*s'",
                (int)body->create.parent.len, body->create.parent.data);
    }
    if (!err_failed(err)) {
        sessions__answer(&body->request, &row);
        body->request.about = row.session;
    }
    return err;
}

static const struct request_kind create = {
    .size = sizeof(struct body_op),
    .writes = true,
    .fields = &session_fields,
    .into = offsetof(struct body_op, given),
    .read = create_read,
    .later = true,
    .start = create_start,
    .pool = create_pool,
    .work = create_work,
    .end = body_end,
};

/* --- Show ------------------------------------------------------------------------------------- */

static struct err session_show(struct tx *tx, struct request *request, struct session_row *row) {
    struct err err = tx_session_shown(tx, run_bounds_hold(&request->bounds), row);
    if (!err_failed(err)) {
        sessions__answer(request, row);
    }
    return err;
}

static struct err session_show_work(struct tx *tx, void *ctx) {
    struct session_row row;
    struct err err = request_session(tx, ctx, &row);
    return err_failed(err) ? err : session_show(tx, ctx, &row);
}

static const struct request_kind show = {.one = &session_one, .work = session_show_work};

/* --- Change ----------------------------------------------------------------------------------- */

/* If-Match: "7". The field of the body says the same. */
static struct err match_read(const struct exchange *exchange, int64_t *version, struct why *why) {
    const struct number_bounds bounds = {1, INT64_MAX};
    struct bytes tag;
    int64_t number = 0;
    if (!exchange_header(exchange, "if-match", &tag)) {
        return ERR_OK;
    }
    if (tag.len < 3 || tag.data[0] != '"' || tag.data[tag.len - 1] != '"' ||
        !number_parse((struct bytes){tag.data + 1, tag.len - 2}, bounds, &number)) {
        return err_why(why, ERR_BAD_REQUEST,
                       "If-Match: must be the session's version in quotes, like \"7\"");
    }
    if (*version != 0 && *version != number) {
        return err_why(why, ERR_BAD_REQUEST, "If-Match and the field version differ");
    }
    *version = number;
    return ERR_OK;
}

/* A flag that may be absent. */
static enum session_edge edge_of(const struct exchange *exchange, const char *name, bool given) {
    const bool named = json_object_get(exchange_json(exchange), name) != NULL;
    return !named ? CHANGE_KEEP : given ? CHANGE_YES : CHANGE_NO;
}

static struct err change_read(void *ctx) {
    struct body_op *body = ctx;
    const struct exchange *exchange = body->request.op.exchange;
    struct session_given *given = &body->given;
    struct err err = body_read(body);
    body->path = request_variable(&body->request, "PATH");
    request_text(&body->request, &body->root, SESSION_ROOT_MAX + 1);
    request_text(&body->request, &body->session_path, CLIENT_ENVIRONMENT_MAX);
    agent_order_init(&body->agent);
    if (!err_failed(err)) {
        err = match_read(exchange, &given->version, &body->request.op.why);
    }
    body->change =
        (struct session_change){.key = sessions__key_of(&body->request),
                                .version = given->version,
                                .title = given->title,
                                .model = given->model,
                                .agent = given->agent,
                                .root = given->root,
                                .instructions = given->instructions,
                                .settings = body->settings,
                                .metadata = body->metadata,
                                .project = given->project,
                                .archive = edge_of(exchange, "archived", given->archived),
                                .remove = edge_of(exchange, "deleted", given->deleted)};
    return err;
}

/* --- Who answers from now on ------------------------------------------------------------------ */

/* Whether the agent that is named is the program that answers already. */
static bool agent_stays(const struct body_op *body, const struct session_row *row) {
    return row->program.len > 0 && bytes_equal(body->given.agent, row->agent);
}

/* Where the agent is looked for. */
static struct err change_look(struct tx *tx, void *ctx) {
    struct body_op *body = ctx;
    struct session_row row;
    op_restart(&body->request.op);
    const struct err err = request_session(tx, &body->request, &row);
    if (err_failed(err)) {
        return err;
    }
    const struct bytes root = body->given.root.data != NULL ? body->given.root : row.root;
    text_clear(&body->root);
    text_clear(&body->session_path);
    text_add(&body->root, root.data, root.len);
    text_add(&body->session_path, row.path.data, row.path.len);
    body->searches = !agent_stays(body, &row);
    if (text_failed(&body->root) || text_failed(&body->session_path)) {
        return text_error(text_failed(&body->root) ? &body->root : &body->session_path,
                          "sessions: places");
    }
    return ERR_OK;
}

static void change_looked(struct err result, void *ctx) {
    struct body_op *body = ctx;
    request_go(&body->request, result);
}

static struct err change_start(void *ctx) {
    struct body_op *body = ctx;
    if (body->given.agent.len > 0) {
        store_read(body->request.store, change_look, change_looked, body);
    } else {
        request_go(&body->request, ERR_OK);
    }
    return ERR_OK;
}

static struct err change_pool(void *ctx) {
    struct body_op *body = ctx;
    bool found = false;
    return body->searches ? program_find_pool(body, &found) : ERR_OK;
}

/* The definition of a program stands in the row, with its model, and its own session belongs to its
 * folder: other names in their places would be of nothing that runs. */
static struct err program_keeps(struct body_op *body, const struct session_row *row) {
    const struct session_given *given = &body->given;
    const struct {
        const char *name;
        struct bytes given, own;
    } kept[] = {{"model", given->model, row->model}, {"root", given->root, row->root}};
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        if (kept[i].given.data != NULL && !bytes_equal(kept[i].given, kept[i].own)) {
            return err_why(&body->request.op.why, ERR_BAD_FIELD,
                           "%s: a program answers in this session, and keeps the %s that it began "
                           "with; begin another session",
                           kept[i].name, kept[i].name);
        }
    }
    return ERR_OK;
}

/* Other tasks ask for a main session by its agent and its folder. */
static struct err main_keeps(struct tx *tx, struct body_op *body, const struct session_row *row) {
    const struct session_main what = {.owner = row->owner, .agent = row->agent, .root = row->root};
    struct session_row main;
    bool found = false;
    const struct err err = tx_session_main(tx, &what, &found, &main);
    return err_failed(err) || !found || main.id != row->id
               ? err
               : err_why(&body->request.op.why, ERR_CONFLICT,
                         "agent: this is the main session of '%.64s', which its tasks share, and "
                         "keeps its agent; begin another session, or fork this one",
                         row->agent.data);
}

/* A program begins, another one does, or a model follows a program. A mere name by which usage of a
 * model is shown changes nobody, but a program does not end for one: it may be misspelt. */
static struct err answerer_change(struct tx *tx, struct body_op *body,
                                  const struct session_row *row) {
    struct why *why = &body->request.op.why;
    const struct bytes agent = body->given.agent;
    const bool starts = body->agent.program.len > 0;
    if (agent.len > 0 && !body->searches && !agent_stays(body, row)) {
        return err_why(why, ERR_CONFLICT,
                       "agent: another request let another agent answer meanwhile; send it again");
    }
    if (agent.data == NULL || agent_stays(body, row) || (!starts && row->program.len == 0)) {
        return row->program.len > 0 ? program_keeps(body, row) : ERR_OK;
    }
    if (!starts && agent.len > 0) {
        return err_why(why, ERR_BAD_FIELD,
                       "agent: there is no program '%.*s' ('drover agent ls' lists them); \"\" "
                       "lets a model answer",
                       (int)agent.len, agent.data);
    }
    struct err err = main_keeps(tx, body, row);
    err = err_failed(err) ? err : tx_session_idle(tx, row, why);
    body->change.program = starts ? text_bytes(&body->agent.program) : BYTES("");
    body->change.model = starts ? text_bytes(&body->agent.model) : body->given.model;
    return err;
}

/* A turn goes on in the project that it was begun in. */
static struct err move_check(struct tx *tx, struct body_op *body, const struct session_row *row) {
    const struct bytes project = body->given.project;
    return project.data == NULL || bytes_equal(project, row->project)
               ? ERR_OK
               : tx_session_idle(tx, row, &body->request.op.why);
}

/* A chain: turns with much below them take a commit of their own. */
static struct err change_work(struct tx *tx, void *ctx) {
    struct body_op *body = ctx;
    struct session_row row;
    bool found = false;
    body->change.program = (struct bytes){NULL, 0};
    body->change.model = body->given.model;
    struct err err = tx_session_find(tx, &body->change.key, &found, &row);
    if (!err_failed(err) && found) { /* Else it is refused with the change. */
        err = answerer_change(tx, body, &row);
        err = err_failed(err) ? err : move_check(tx, body, &row);
    }
    if (err_failed(err)) {
        return err;
    }
    err = tx_session_change(tx, &body->change, &row);
    if (err.code == ERR_CONFLICT) {
        why_set(&body->request.op.why,
                "the session was changed meanwhile: it has version %lld now, not %lld; read it "
                "again",
                (long long)row.version, (long long)body->change.version);
    }
    if (!err_failed(err) && body->change.remove == CHANGE_YES) {
        body->change.version = 0; /* A further link finds another one. */
        err = tx_session_quiet(tx, &row, &body->request.bounds, &body->request.more);
    }
    return err_failed(err) ? err : session_show(tx, &body->request, &row);
}

static const struct request_kind change = {
    .size = sizeof(struct body_op),
    .writes = true,
    .one = &session_one,
    .fields = &session_fields,
    .use = FIELD_CHANGED,
    .into = offsetof(struct body_op, given),
    .read = change_read,
    .later = true,
    .start = change_start,
    .pool = change_pool,
    .work = change_work,
    .end = body_end,
};

/* --- Remove ----------------------------------------------------------------------------------- */

/* A chain: subagents' sessions, and turns with much below them, take a commit of their own. */
static struct err session_remove_work(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    const struct session_delete what = {.key = sessions__key_of(request),
                                        .jobs = param_flag(request->op.exchange, "stop_jobs"),
                                        .bounds = request->bounds};
    struct err err = tx_session_delete(tx, &what, &request->more);
    op_removed(&request->op, tx, "id", request->key.id, "removed_ms");
    return err;
}

/* After the answer: it is out of sight. */
static void session_remove_end(void *ctx, struct err result) {
    const struct request *request = ctx;
    const struct sessions_api *api = request->api;
    if (!err_failed(result)) {
        chores_purge(api->chores);
    }
}

static const struct request_kind removal = {
    .writes = true, .one = &session_one, .work = session_remove_work, .end = session_remove_end};

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param list_query[] = {
    PAGE_PARAMS(CURSOR_SIZE),
    OP_OWNER_PARAM("Another owner's sessions"),
    {QUERY("q", QUERY_TEXT,
           "Only those whose title or messages hold this text; a page may then "
           "have fewer rows than there are, and a `next` all the same."),
     .max = SESSION_SEARCH_MAX},
    {QUERY("archived", QUERY_FLAG, "List archived sessions instead of the others.")},
    {QUERY("deleted", QUERY_FLAG, "List deleted sessions, which can be restored, instead.")},
    {QUERY("project", QUERY_TEXT, "Only those of this project."), .max = SESSION_PROJECT_MAX},
    {QUERY("agent", QUERY_TEXT, "Only those of this agent."), .max = PAGE_WORD_MAX},
    {QUERY("parent", QUERY_TEXT, "The sessions of this session's subagents."), .max = ID_SIZE},
    {QUERY("fork_of", QUERY_TEXT, "The forks of this session."), .max = ID_SIZE},
    PAGE_STATE_PARAM("idle,running,waiting,compacting"),
    PAGE_SINCE_PARAM("changed"),
    {.name = NULL},
};

static const struct query_param remove_query[] = {
    OP_OWNER_PARAM("Another owner's session"),
    {QUERY("stop_jobs", QUERY_FLAG,
           "Jobs and workflows that its turns started are asked to end, too.")},
    {.name = NULL},
};

static const struct query_param export_query[] = {
    OP_OWNER_PARAM("Another owner's session"),
    {QUERY("format", QUERY_TEXT, "json or markdown; absent: json."), .max = 8},
    {.name = NULL},
};

static const struct query_param messages_query[] = {
    PAGE_PARAMS(PAGE_NUMBER),
    OP_OWNER_PARAM("Another owner's session"),
    {QUERY("order", QUERY_TEXT, "newest (first) or oldest; absent: newest."), .max = 6},
    {QUERY("around", QUERY_TEXT,
           "The page that has this message in its middle, with `previous` and `position`."),
     .max = ID_SIZE},
    PAGE_WORDS_PARAM("status", "Only those of this status, or of several (a,b).",
                     "queued,running,completed,interrupted,failed,rolled_back,steering,joined,"
                     "delivered"),
    PAGE_WORDS_PARAM("role", "Only those of this role.", "user,assistant,system,notice"),
    PAGE_SINCE_PARAM("made"),
    PAGE_Q_PARAM("text"),
    {.name = NULL},
};

#define POSITION_SCHEMA                                                                            \
    ",\"previous\":" TEXT_OR_NULL ",\"position\":{\"type\":\"object\",\"properties\":{"            \
    "\"before\":" INT_SCHEMA ",\"total\":" INT_SCHEMA ",\"more\":" BOOL_SCHEMA "}}"
#define WHOLE                                                                                      \
    { .fields = &session_shown_fields, .use = FIELD_LISTED | FIELD_WHOLE }
static const char export_answer[] =
    "{\"type\":\"object\",\"required\":[\"session\",\"messages\"],\"properties\":{"
    "\"session\":" OBJECT_SCHEMA ",\"messages\":{\"type\":\"array\",\"items\":" MESSAGE_SCHEMA
    "}}}";

const struct route sessions_routes[] = {
    {ROUTE("POST", "/api/v1/sessions", SCOPE_RUN,
           "Make a session; the answer means that it is on disk"),
     .inside = INSIDE_ALWAYS, .has_body = true, .body_optional = true, .idempotent_key = true,
     .body = {.fields = &session_fields, .use = FIELD_GIVEN}, .body_max = SESSION_BODY_MAX,
     .answer = WHOLE, .answer_status = 201, .request = &create},
    {ROUTE("GET", "/api/v1/sessions", SCOPE_READ,
           "List the sessions, the one changed last first; or search them"),
     .query = list_query,
     .answer = {.fields = &session_shown_fields,
                .use = FIELD_LISTED,
                .more = &session_found_fields,
                .page = true},
     .page = &list},
    {ROUTE("GET", "/api/v1/sessions/{id}", SCOPE_READ, "Show a session"), .query = SESSION_QUERY,
     .answer = WHOLE, .request = &show},
    {ROUTE("PATCH", "/api/v1/sessions/{id}", SCOPE_RUN,
           "Change a session; with If-Match or `version` only as it was read"),
     .inside = INSIDE_BELOW, .query = SESSION_QUERY, .has_body = true,
     .body = {.fields = &session_fields, .use = FIELD_CHANGED}, .body_max = SESSION_BODY_MAX,
     .answer = WHOLE, .request = &change},
    {ROUTE("DELETE", "/api/v1/sessions/{id}", SCOPE_RUN,
           "Stop a session's turns, and remove it with all its messages"),
     .inside = INSIDE_BELOW, .query = remove_query, .answer_schema = REMOVED_SCHEMA,
     .request = &removal},
    {ROUTE("POST", "/api/v1/sessions/{id}/fork", SCOPE_RUN,
           "Make a session with copies of the messages up to one of them"),
     .inside = INSIDE_BELOW, .query = SESSION_QUERY, .has_body = true, .body_optional = true,
     .body = {.fields = &sessions__fork_fields, .use = FIELD_GIVEN}, .answer = WHOLE,
     .answer_status = 201, .request = &sessions__fork},
    {ROUTE("POST", "/api/v1/sessions/{id}/subagents", SCOPE_RUN,
           "Start a subagent of a session, which is notified of its end"),
     .inside = INSIDE_BELOW, .begins_run = true, .query = SESSION_QUERY, .has_body = true,
     .idempotent_key = true, .body_max = (size_t)2 << 20,
     .body = {.fields = &sessions__spawn_fields, .use = FIELD_GIVEN},
     .answer = {.fields = &run_fields, .use = FIELD_LISTED, .more = &background_fields},
     .answer_status = 201, .request = &sessions__spawn},
    {ROUTE("GET", "/api/v1/sessions/{id}/export", SCOPE_READ,
           "Read a session with all its messages, whole, as a file"),
     .query = export_query, .answer_schema = export_answer, .request = &sessions__export},
    {ROUTE("GET", "/api/v1/sessions/{id}/messages", SCOPE_READ, "List the messages of a session"),
     .query = messages_query, .answer_schema = PAGE_SCHEMA_WITH(POSITION_SCHEMA, MESSAGE_SCHEMA),
     .page = &sessions__messages},
    {.method = NULL},
};
