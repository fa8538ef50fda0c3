/* change.c: a session is made, shown, changed and removed. */
#include <string.h>

#include "api/base/once.h"
#include "api/session/sessions.h"
#include "base/memory.h"
#include "base/number.h"
#include "engine/system/session_delete.h"

/* --- Make ------------------------------------------------------------------------------------- */

struct create_op {
    struct op op;
    struct once once;
    struct session_new what; /* Its texts stand in `fields`. */
    struct session_fields fields;
};

static void create_free(struct create_op *create) {
    session_fields_done(&create->fields);
    mem_free(create);
}

static struct err create_work(struct tx *tx, void *ctx) {
    struct create_op *create = ctx;
    struct session_row row;
    struct err err = tx_session_create(tx, &create->what, &row);
    if (err.code == ERR_NOT_FOUND) {
        why_set(&create->op.why, "parent: there is no session with that id");
    }
    if (err_failed(err)) {
        return err;
    }
    session_write_json(&row, SESSION_WHOLE, &create->op.answer);
    create->once.about = row.session;
    return op_written(&create->op);
}

static struct err create_run(struct tx *tx, void *ctx) {
    struct create_op *create = ctx;
    return once_run(tx, &create->once, &create->op, create_work, create);
}

static void create_done(struct err result, void *ctx) {
    struct create_op *create = ctx;
    once_tell(&create->once, &create->op, result);
    op_answer(&create->op, result);
    create_free(create);
}

static struct err create_read(struct create_op *create) {
    const struct exchange *exchange = create->op.exchange;
    struct session_fields *fields = &create->fields;
    struct err err = once_read(exchange, &create->once, &create->op.why);
    const json_t *json = exchange_json(exchange);
    if (!err_failed(err) && json != NULL) { /* No body means what {} means. */
        err = session_fields_read(json, SESSION_BODY_NEW, fields, &create->op.why);
    }
    const char *owner = exchange_identity(exchange)->owner;
    create->what = (struct session_new){.owner = {owner, strlen(owner)},
                                        .parent = fields->parent,
                                        .project = fields->project,
                                        .title = fields->title,
                                        .model = fields->model,
                                        .agent = fields->agent,
                                        .root = fields->root,
                                        .instructions = fields->instructions,
                                        .settings = fields->settings,
                                        .metadata = fields->metadata};
    return err;
}

void sessions__create(struct exchange *exchange, void *ctx) {
    const struct sessions_api *api = ctx;
    struct create_op *create = mem_new(sizeof *create);
    op_init(&create->op, exchange, 201);
    session_fields_init(&create->fields);
    struct err err = create_read(create);
    if (err_failed(err)) {
        op_answer(&create->op, err);
        create_free(create);
        return;
    }
    create->what.session = sessions__new_id(api, "ses");
    store_write(api->store, create_run, create_done, create);
}

/* --- Show ------------------------------------------------------------------------------------- */

struct show_op {
    struct op op;
    struct session_key key; /* Borrowed from the exchange. */
    enum run_hold hold;     /* When the request came. */
};

static struct err show_run(struct tx *tx, void *ctx) {
    struct show_op *show = ctx;
    op_restart(&show->op);
    bool found = false;
    struct session_row row;
    struct err err = tx_session_find(tx, &show->key, &found, &row);
    if (!err_failed(err) && !found) {
        return one_absent(&sessions__kind, &show->op.why);
    }
    if (!err_failed(err)) {
        err = tx_session_shown(tx, show->hold, &row);
    }
    if (!err_failed(err)) {
        session_write_json(&row, SESSION_WHOLE, &show->op.answer);
    }
    return err;
}

void sessions__show(struct exchange *exchange, void *ctx) {
    const struct sessions_api *api = ctx;
    struct session_key key;
    if (!sessions__key(exchange, SESSION_OWNER, &key)) {
        return;
    }
    struct show_op *show = mem_new(sizeof *show);
    op_init(&show->op, exchange, 200);
    show->key = key;
    show->hold = dispatch_held(api->dispatch);
    store_read(api->store, show_run, op_done, show);
}

/* --- Change ----------------------------------------------------------------------------------- */

struct change_op {
    struct op op;
    enum run_hold hold;         /* When the request came. */
    struct session_change what; /* Its texts stand in `fields`, and in the exchange. */
    struct session_fields fields;
};

static void change_free(struct change_op *change) {
    session_fields_done(&change->fields);
    mem_free(change);
}

static struct err change_run(struct tx *tx, void *ctx) {
    struct change_op *change = ctx;
    op_restart(&change->op);
    struct session_row row;
    struct err err = tx_session_change(tx, &change->what, &row);
    if (err.code == ERR_NOT_FOUND) {
        return one_absent(&sessions__kind, &change->op.why);
    }
    if (err.code == ERR_CONFLICT) {
        why_set(&change->op.why,
                "the session was changed meanwhile: it has version %lld now, not %lld; read it "
                "again",
                (long long)row.version, (long long)change->what.version);
    }
    if (!err_failed(err)) {
        err = tx_session_shown(tx, change->hold, &row);
    }
    if (err_failed(err)) {
        return err;
    }
    session_write_json(&row, SESSION_WHOLE, &change->op.answer);
    return op_written(&change->op);
}

static void change_done(struct err result, void *ctx) {
    struct change_op *change = ctx;
    op_answer(&change->op, result);
    change_free(change);
}

/* If-Match: "7". The field of the body says the same. */
static struct err match_read(const struct exchange *exchange, int64_t *version, struct why *why) {
    struct bytes tag;
    struct number_bounds bounds = {1, INT64_MAX};
    int64_t number = 0;
    if (!exchange_header(exchange, "if-match", &tag)) {
        return ERR_OK;
    }
    if (tag.len < 3 || tag.data[0] != '"' || tag.data[tag.len - 1] != '"' ||
        !number_parse((struct bytes){tag.data + 1, tag.len - 2}, bounds, &number)) {
        why_set(why, "If-Match: must be the session's version in quotes, like \"7\"");
        return err_make(ERR_BAD_REQUEST, "sessions: match");
    }
    if (*version != 0 && *version != number) {
        why_set(why, "If-Match and the field version differ");
        return err_make(ERR_BAD_REQUEST, "sessions: match");
    }
    *version = number;
    return ERR_OK;
}

static struct err change_read(struct change_op *change) {
    const struct exchange *exchange = change->op.exchange;
    struct session_fields *fields = &change->fields;
    struct err err =
        session_fields_read(exchange_json(exchange), SESSION_BODY_CHANGE, fields, &change->op.why);
    if (!err_failed(err)) {
        err = match_read(exchange, &fields->version, &change->op.why);
    }
    struct session_change *what = &change->what;
    what->version = fields->version;
    what->title = fields->title;
    what->model = fields->model;
    what->agent = fields->agent;
    what->root = fields->root;
    what->instructions = fields->instructions;
    what->settings = fields->settings;
    what->metadata = fields->metadata;
    if (fields->archived != NULL) {
        what->archive = *fields->archived ? SESSION_ARCHIVE : SESSION_UNARCHIVE;
    }
    return err;
}

void sessions__change(struct exchange *exchange, void *ctx) {
    const struct sessions_api *api = ctx;
    struct session_key key;
    if (!sessions__key(exchange, SESSION_OWNER, &key)) {
        return;
    }
    struct change_op *change = mem_new(sizeof *change);
    op_init(&change->op, exchange, 200);
    session_fields_init(&change->fields);
    change->what.key = key;
    change->hold = dispatch_held(api->dispatch);
    struct err err = change_read(change);
    if (err_failed(err)) {
        op_answer(&change->op, err);
        change_free(change);
        return;
    }
    store_write(api->store, change_run, change_done, change);
}

/* --- Remove ----------------------------------------------------------------------------------- */

/* A chain: subagents' sessions, and turns with much below them, take a commit of their own. A crash
 * in between has removed some of these; the client sends it again. */
struct remove_op {
    struct op op;
    const struct sessions_api *api;
    struct session_delete what; /* Its key is borrowed from the exchange. */
    bool more;
};

static struct err remove_run(struct tx *tx, void *ctx) {
    struct remove_op *remove = ctx;
    op_restart(&remove->op);
    remove->more = false;
    struct err err = tx_session_delete(tx, &remove->what, &remove->more);
    if (err.code == ERR_NOT_FOUND) {
        return one_absent(&sessions__kind, &remove->op.why);
    }
    if (err_failed(err)) {
        return err;
    }
    text_add_str(&remove->op.answer, "{\"id\":");
    text_add_json(&remove->op.answer, remove->what.key.session.data, remove->what.key.session.len);
    text_addf(&remove->op.answer, ",\"removed_ms\":%lld}", (long long)tx_now_ms(tx));
    return op_written(&remove->op);
}

static void remove_done(struct err result, void *ctx) {
    struct remove_op *remove = ctx;
    const struct sessions_api *api = remove->api;
    if (!err_failed(result) && remove->more) {
        remove->what.bounds = dispatch_bounds(api->dispatch);
        store_write(api->store, remove_run, remove_done, remove);
        return;
    }
    op_answer(&remove->op, result);
    mem_free(remove);
    if (!err_failed(result)) { /* After the answer: it is out of sight. */
        chores_purge(api->chores);
    }
}

void sessions__remove(struct exchange *exchange, void *ctx) {
    const struct sessions_api *api = ctx;
    struct session_key key;
    if (!sessions__key(exchange, SESSION_OWNER, &key)) {
        return;
    }
    struct remove_op *remove = mem_new(sizeof *remove);
    op_init(&remove->op, exchange, 200);
    remove->api = api;
    remove->what.key = key;
    remove->what.jobs = exchange_query_int(exchange, SESSION_STOP_JOBS) != 0;
    remove->what.bounds = dispatch_bounds(api->dispatch);
    store_write(api->store, remove_run, remove_done, remove);
}
