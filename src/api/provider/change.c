/* change.c: setting, changing and removing a connection.
 *
 *   body ──> pool: the key's file ──> transaction: the row names it ──> done: in use
 *
 * The file is on the disk before the row that names it is committed. If the row is refused, the new
 * file goes; if it is committed, the old one does. A crash in between leaves one too many: the next
 * start removes it.
 */
#include <string.h>

#include "api/provider/providers.h"
#include "base/memory.h"

enum change { CHANGE_ADD, CHANGE_PATCH };

struct change_op {
    struct op op;
    struct loop_work work;
    struct providers_api *api; /* Borrowed. */
    enum change how;
    struct provider_body body;
    struct bytes name;                    /* Borrowed from the exchange. */
    struct key_file_name file;            /* Of the new key; "": none is given. */
    struct err err;                       /* Of writing it. */
    char origin[64];                      /* Of a found one of that name; "": there is none. */
    struct provider *row;                 /* Owned: as it was committed. */
    char old_file[PROVIDER_KEY_FILE_MAX]; /* That no row names then; "": none. */
};

static void change_free(struct change_op *change) {
    provider_body_done(&change->body);
    provider_free(change->row);
    mem_free(change);
}

static void change_answer(struct change_op *change, struct err err) {
    op_answer(&change->op, err);
    change_free(change);
}

/* --- The transaction -------------------------------------------------------------------------- */

static struct err conflict(struct why *why, struct bytes name) {
    why_set(why, "there is a connection \"%.*s\" already: PATCH changes it, DELETE removes it",
            (int)name.len, name.data);
    return err_make(ERR_CONFLICT, "providers: add");
}

static struct err not_ours(struct why *why, struct bytes name, const char *origin) {
    if (origin[0] == '\0') {
        return providers__absent(why);
    }
    why_set(why,
            "\"%.*s\" was found, not set (%s), so it changes where it comes from; a POST of that "
            "name takes its place",
            (int)name.len, name.data, origin);
    return err_make(ERR_CONFLICT, "providers: found");
}

static struct err row_find(struct tx *tx, struct change_op *change, struct provider *ret_row) {
    bool found = false;
    struct provider row = {.name = change->name};
    struct err err = tx_provider_find(tx, change->name, &found, &row);
    if (err_failed(err)) {
        return err;
    }
    if (change->how == CHANGE_ADD && found) {
        return conflict(&change->op.why, change->name);
    }
    if (change->how == CHANGE_PATCH && !found) {
        return not_ours(&change->op.why, change->name, change->origin);
    }
    if (!found) {
        row = (struct provider){.name = change->name,
                                .headers = BYTES("{}"),
                                .models = BYTES("[]"),
                                .made_ms = tx_now_ms(tx)};
    }
    *ret_row = row;
    return ERR_OK;
}

static void key_merge(struct change_op *change, struct provider *row) {
    if (change->body.key_how == VALUE_ABSENT) {
        return;
    }
    assert(row->key_file.len < sizeof change->old_file);
    if (row->key_file.len > 0) {
        memcpy(change->old_file, row->key_file.data, row->key_file.len);
    }
    change->old_file[row->key_file.len] = '\0';
    row->key_file = bytes_of(change->file.text);
}

static struct err change_run(struct tx *tx, void *ctx) {
    struct change_op *change = ctx;
    struct provider row;
    op_restart(&change->op);
    provider_free(change->row);
    change->row = NULL;
    change->old_file[0] = '\0';
    struct err err = row_find(tx, change, &row);
    if (err_failed(err)) {
        return err;
    }
    key_merge(change, &row);
    row.changed_ms = tx_now_ms(tx);
    err = provider_body_merge(&change->body, &row, &change->op.why);
    if (!err_failed(err)) {
        err = change->how == CHANGE_ADD ? tx_provider_add(tx, &row) : tx_provider_change(tx, &row);
    }
    if (err.code == ERR_TOO_MANY) {
        why_set(&change->op.why, "there are %d connections already; remove some", PROVIDERS_MAX);
    }
    if (err_failed(err)) {
        return err;
    }
    change->row = provider_copy(&row);
    providers__write(change->api->connections, &row, NULL /* set */, &change->op.answer);
    return op_written(&change->op);
}

static void change_done(struct err result, void *ctx) {
    struct change_op *change = ctx;
    struct connections *connections = change->api->connections;
    const char *drop = err_failed(result) ? change->file.text : change->old_file;
    if (!err_failed(result)) {
        bool keep = change->how == CHANGE_PATCH && change->body.key_how == VALUE_ABSENT;
        connections_put(connections, change->row, keep ? CONNECTION_KEY_KEEP : CONNECTION_KEY_SET,
                        change->body.key);
    }
    connections_drop_key(connections, bytes_of(drop));
    change_answer(change, result);
}

/* --- The key's file --------------------------------------------------------------------------- */

static void file_write(struct loop_work *work) {
    struct change_op *change = CONTAINER_OF(work, struct change_op, work);
    struct key_folder folder = connections_folder(change->api->connections);
    change->err = key_file_write(&folder, change->file.text, change->body.key);
}

static void file_written(struct loop_work *work) {
    struct change_op *change = CONTAINER_OF(work, struct change_op, work);
    struct exchange *exchange = change->op.exchange;
    if (err_failed(change->err)) {
        why_set(&change->op.why, "the key could not be stored in the data directory");
        change_answer(change, change->err);
        return;
    }
    store_write(change->api->store, change_run, change_done, change);
    exchange_release_next(exchange);
}

/* --- The request ------------------------------------------------------------------------------ */

static void origin_find(struct change_op *change) {
    AUTO(mem_release) char *name = mem_copy(change->name.data, change->name.len);
    const struct model_connection *found =
        models_connection_find(connections_models(change->api->connections), name);
    if (found != NULL && found->origin != NULL) {
        size_t len = strnlen(found->origin, sizeof change->origin - 1);
        memcpy(change->origin, found->origin, len);
        change->origin[len] = '\0';
    }
}

static void change_begin(struct change_op *change) {
    if (change->body.key_how != VALUE_GIVEN) {
        store_write(change->api->store, change_run, change_done, change);
        return;
    }
    change->file = key_file_name_make(loop_world(change->api->loop), change->name);
    exchange_hold_next(change->op.exchange); /* Changes of one client are made in its order. */
    change->work.run = file_write;
    change->work.done = file_written;
    loop_work(change->api->loop, &change->work);
}

static struct change_op *change_new(struct exchange *exchange, struct providers_api *api,
                                    enum change how) {
    struct change_op *change = mem_new(sizeof *change);
    op_init(&change->op, exchange, how == CHANGE_ADD ? 201 : 200);
    change->api = api;
    change->how = how;
    return change;
}

void providers__add(struct exchange *exchange, void *ctx) {
    struct change_op *change = change_new(exchange, ctx, CHANGE_ADD);
    struct err err =
        provider_body_read(exchange_json(exchange), BODY_OF_NEW, &change->body, &change->op.why);
    if (err_failed(err)) {
        change_answer(change, err);
        return;
    }
    change->name = bytes_of(change->body.name);
    change_begin(change);
}

void providers__patch(struct exchange *exchange, void *ctx) {
    struct bytes name;
    if (!providers__name(exchange, &name)) {
        return;
    }
    struct change_op *change = change_new(exchange, ctx, CHANGE_PATCH);
    change->name = name;
    struct err err =
        provider_body_read(exchange_json(exchange), BODY_OF_CHANGE, &change->body, &change->op.why);
    if (err_failed(err)) {
        change_answer(change, err);
        return;
    }
    origin_find(change);
    change_begin(change);
}

/* --- Remove ----------------------------------------------------------------------------------- */

/* A default that names nothing would fail every turn, and say so only then. */
static struct err default_check(struct tx *tx, struct change_op *change) {
    struct settings settings;
    struct bytes name = change->name;
    struct err err = tx_settings_read(tx, &settings);
    struct bytes model = settings.default_model;
    if (err_failed(err) || model.len <= name.len || model.data[name.len] != '/' ||
        memcmp(model.data, name.data, name.len) != 0 ||
        connections_found(change->api->connections, name) != NULL) {
        return err;
    }
    why_set(&change->op.why, "the setting default_model is \"%.*s\": change that first",
            (int)model.len, model.data);
    return err_make(ERR_CONFLICT, "providers: default");
}

static struct err remove_run(struct tx *tx, void *ctx) {
    struct change_op *change = ctx;
    struct provider row;
    op_restart(&change->op);
    change->old_file[0] = '\0';
    struct err err = row_find(tx, change, &row);
    if (err_failed(err)) {
        return err;
    }
    assert(row.key_file.len < sizeof change->old_file);
    memcpy(change->old_file, row.key_file.data, row.key_file.len);
    change->old_file[row.key_file.len] = '\0';
    bool removed = false;
    err = default_check(tx, change);
    if (!err_failed(err)) {
        err = tx_provider_remove(tx, change->name, &removed);
    }
    text_add_str(&change->op.answer, "{\"name\":");
    text_add_json(&change->op.answer, change->name.data, change->name.len);
    text_addf(&change->op.answer, ",\"removed_ms\":%lld}", (long long)tx_now_ms(tx));
    return err_failed(err) ? err : op_written(&change->op);
}

static void remove_done(struct err result, void *ctx) {
    struct change_op *change = ctx;
    struct connections *connections = change->api->connections;
    if (!err_failed(result)) {
        AUTO(mem_release) char *name = mem_copy(change->name.data, change->name.len);
        connections_remove(connections, name);
        connections_drop_key(connections, bytes_of(change->old_file));
    }
    change_answer(change, result);
}

void providers__remove(struct exchange *exchange, void *ctx) {
    struct bytes name;
    if (!providers__name(exchange, &name)) {
        return;
    }
    struct change_op *change = change_new(exchange, ctx, CHANGE_PATCH); /* It must be there. */
    change->name = name;
    origin_find(change);
    store_write(change->api->store, remove_run, remove_done, change);
}
