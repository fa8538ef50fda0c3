/* change.c: setting, changing and removing a connection.
 *
 *   body ──> pool: the key's file ──> transaction: the row names it ──> done: in use
 *
 * The file is on the disk before the row that names it is committed. If the row is refused, the new
 * file goes; if it is committed, the old one does. A crash in between leaves one too many: the next
 * start removes it.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/provider/providers.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "engine/provider/learned.h"

struct change_op {
    struct request request;
    struct provider_view given;           /* Borrowed from the exchange. */
    struct bytes name;                    /* Borrowed from the exchange. */
    struct text headers, models;          /* Owned: compact JSON; no bytes: not named. */
    struct key_file_name file;            /* Of the new key; "": none is given. */
    char origin[64];                      /* Of a found one of that name; "": there is none. */
    struct provider *row;                 /* Owned: as it was committed. */
    char old_file[PROVIDER_KEY_FILE_MAX]; /* That no row names then; "": none. */
};

/* --- The body --------------------------------------------------------------------------------- */

static bool text_is_plain(const json_t *value) {
    return json_is_string(value) && strlen(json_string_value(value)) == json_string_length(value);
}

/* Headers are in the database and in answers; what lets somebody in is in neither. */
static bool header_is_secret(const char *name) {
    static const char *const whole[] = {"authorization", "proxy-authorization", "cookie"};
    static const char *const parts[] = {"api-key", "apikey",   "token",
                                        "secret",  "password", "credential"};
    static const char *const ends[] = {"-key", "-auth"};
    bool secret = false;
    for (size_t i = 0; i < COUNT_OF(whole); i++) {
        secret = secret || strcasecmp(name, whole[i]) == 0;
    }
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        secret = secret || strcasestr(name, parts[i]) != NULL;
    }
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        size_t len = strlen(name), end = strlen(ends[i]);
        secret = secret || (len >= end && strcasecmp(name + len - end, ends[i]) == 0);
    }
    return secret;
}

static struct err headers_read(json_t *headers, struct connection_header *rows, size_t *ret_count,
                               struct why *why) {
    const char *name;
    json_t *value;
    if (headers != NULL &&
        (!json_is_object(headers) || json_object_size(headers) > CONNECTION_HEADERS_MAX)) {
        return err_why(why, ERR_BAD_FIELD,
                       "\"headers\" must be an object of at most %d strings, {\"Name\": \"value\"}",
                       CONNECTION_HEADERS_MAX);
    }
    json_object_foreach(headers, name, value) {
        int shown = (int)utf8_cut(bytes_of(name), CONNECTION_NAME_MAX);
        if (header_is_secret(name)) {
            return err_why(
                why, ERR_BAD_FIELD,
                "headers: \"%.*s\" would hold a secret, and headers are shown to whoever may "
                "read; give it as \"key\", which is not",
                shown, name);
        }
        if (!text_is_plain(value)) {
            return err_why(why, ERR_BAD_FIELD,
                           "headers: the value of \"%.*s\" must be a string without \\u0000", shown,
                           name);
        }
        rows[(*ret_count)++] = (struct connection_header){name, json_string_value(value)};
    }
    return ERR_OK;
}

/* Each field by itself, as the model's layer would judge it in a connection that is else fine. */
static struct err given_check(const struct provider_view *given, struct why *why) {
    struct connection_header rows[CONNECTION_HEADERS_MAX];
    size_t count = json_array_size(given->models);
    AUTO(mem_release) const char **models = mem_new_array(count + 1, sizeof *models);
    for (size_t i = 0; i < count; i++) {
        models[i] = json_string_value(json_array_get(given->models, i));
    }
    struct model_connection connection = {
        .name = given->row.name.data != NULL ? given->row.name.data : "x",
        .kind = MODEL_KIND_OPENAI, /* Without a kind the URL is looked at all the same. */
        .base_url = "http://localhost",
        .key = json_string_value(given->key),
        .key_header = given->row.key_header.len > 0 ? given->row.key_header.data : NULL,
        .headers = rows,
        .models = models,
        .model_count = count,
        .numbers = given->row.numbers};
    if (given->row.kind.data != NULL && !model_kind_find(given->row.kind, &connection.kind)) {
        return err_why(why, ERR_BAD_FIELD,
                       "\"kind\" must be openai, responses, anthropic or scripted");
    }
    struct err err = headers_read(given->headers, rows, &connection.header_count, why);
    if (!err_failed(err) && given->row.base_url.data != NULL) {
        /* A scripted one's is refused where they are merged. */
        connection.kind = MODEL_KIND_OPENAI;
        connection.base_url = given->row.base_url.data;
    }
    return err_failed(err) ? err : connections_check(&connection, why);
}

static struct err json_keep(const json_t *json, const char *name, struct text *text,
                            struct why *why) {
    struct err err = json == NULL ? ERR_OK : json_write(json, text);
    if (err_failed(err) && !text->no_memory) {
        return err_why(why, ERR_BODY_TOO_LARGE, "\"%s\" has more than %d bytes as compact JSON",
                       name, PROVIDER_JSON_MAX);
    }
    return err;
}

static struct err change_read(void *ctx) {
    struct change_op *change = ctx;
    const struct provider_view *given = &change->given;
    struct why *why = &change->request.op.why;
    /* The sentence never holds what was sent: it may be a key that was typed wrong. */
    if (given->key != NULL && !json_is_null(given->key) && !text_is_plain(given->key)) {
        return err_why(why, ERR_BAD_FIELD,
                       "\"key\" must be a string without \\u0000, or null for none");
    }
    struct err err = given_check(given, why);
    request_text(&change->request, &change->headers, PROVIDER_JSON_MAX);
    request_text(&change->request, &change->models, PROVIDER_JSON_MAX);
    if (!err_failed(err)) {
        err = json_keep(given->headers, "headers", &change->headers, why);
    }
    return err_failed(err) ? err : json_keep(given->models, "models", &change->models, why);
}

/* --- Before the transaction ------------------------------------------------------------------- */

static struct err change_start(void *ctx) {
    struct change_op *change = ctx;
    const struct providers_api *api = change->request.api;
    bool adds = change->request.kind->one == NULL;
    change->name = adds ? change->given.row.name : change->request.key.id;
    if (json_is_string(change->given.key)) {
        change->file = key_file_name_make(loop_world(api->host.loop), change->name);
    }
    AUTO(mem_release) char *name = mem_copy(change->name.data, change->name.len);
    const struct model_connection *found =
        models_connection_find(connections_models(api->connections), name);
    if (!adds && found != NULL && found->origin != NULL) {
        (void)snprintf(change->origin, sizeof change->origin, "%s", found->origin); /* Cut. */
    }
    return ERR_OK;
}

static struct err change_pool(void *ctx) {
    struct change_op *change = ctx;
    const struct providers_api *api = change->request.api;
    if (change->file.text[0] == '\0') {
        return ERR_OK;
    }
    struct key_folder folder = connections_folder(api->connections);
    struct err err =
        key_file_write(&folder, change->file.text, json_string_value(change->given.key));
    if (err_failed(err)) {
        why_set(&change->request.op.why, "the key could not be stored in the data directory");
    }
    return err;
}

/* --- The transaction -------------------------------------------------------------------------- */

/* A row that is to be changed or removed must have been set. */
static struct err row_find(struct tx *tx, struct change_op *change, struct provider *ret_row) {
    struct why *why = &change->request.op.why;
    bool found = false;
    const struct resource_key key = {.id = change->name};
    struct err err = tx_resource_find(tx, &provider_resource, &key, &found, ret_row);
    if (err_failed(err) || found) {
        return err;
    }
    if (change->origin[0] == '\0') {
        return request_absent(&change->request, ERR_OK);
    }
    return err_why(why, ERR_CONFLICT,
                   "the provider '%.*s' was found (%s), not set: change it where it comes "
                   "from, or set one of that name by POST, which takes its place",
                   (int)change->name.len, change->name.data, change->origin);
}

static void old_file_note(struct change_op *change, struct bytes file) {
    assert(file.len < sizeof change->old_file);
    (void)snprintf(change->old_file, sizeof change->old_file, "%.*s", (int)file.len,
                   file.len > 0 ? file.data : "");
}

/* Puts what was given into the row, and checks what can only be wrong together. */
static struct err row_merge(struct change_op *change, enum field_use use, struct provider *row) {
    struct why *why = &change->request.op.why;
    struct provider_view merged = {.row = *row};
    TRY(fields_read(&provider_fields, use, exchange_json(change->request.op.exchange), &merged,
                    why));
    *row = merged.row;
    if (merged.key != NULL) {
        old_file_note(change, row->key_file);
        row->key_file = bytes_of(change->file.text);
    }
    row->headers = change->headers.len > 0 ? text_bytes(&change->headers) : row->headers;
    row->models = change->models.len > 0 ? text_bytes(&change->models) : row->models;
    bool scripted = bytes_is(row->kind, model_kind_name(MODEL_KIND_SCRIPTED));
    if (bytes_is(row->name, "scripted") && !scripted) {
        return err_why(why, ERR_BAD_FIELD,
                       "name: \"scripted\" is built in; take another for a provider");
    }
    if (!scripted && row->base_url.len == 0) {
        return err_why(why, ERR_BAD_FIELD,
                       "this kind needs a \"base_url\", such as http://127.0.0.1:8000/v1");
    }
    if (scripted && (row->base_url.len > 0 || row->key_file.len > 0)) {
        return err_why(why, ERR_BAD_FIELD,
                       "a scripted provider asks nobody: it has no \"base_url\" and no \"key\"");
    }
    return ERR_OK;
}

static struct err change_work(struct tx *tx, void *ctx) {
    struct change_op *change = ctx;
    const struct providers_api *api = change->request.api;
    struct why *why = &change->request.op.why;
    bool adds = change->request.kind->one == NULL;
    struct provider row = {.headers = BYTES("{}"), .models = BYTES("[]")};
    provider_free(change->row);
    change->row = NULL;
    change->old_file[0] = '\0';
    struct err err = adds ? ERR_OK : row_find(tx, change, &row);
    if (!err_failed(err)) {
        err = row_merge(change, adds ? FIELD_GIVEN : FIELD_CHANGED, &row);
    }
    if (!err_failed(err)) {
        err = adds ? tx_resource_insert(tx, &provider_resource, &row)
                   : tx_resource_update(tx, &provider_resource, FIELD_SET, &row);
    }
    if (adds && err.code == ERR_CONFLICT) {
        why_set(why, "there is a provider '%.*s' already: PATCH changes it, DELETE removes it",
                (int)change->name.len, change->name.data);
    }
    if (err.code == ERR_TOO_MANY) {
        why_set(why, "there are %d providers already; remove some", PROVIDERS_MAX);
    }
    if (!err_failed(err)) {
        change->row = provider_copy(&row);
        providers__write(api->connections, &row, NULL /* set */, NULL /* a change ends a wait */,
                         &change->request.op.answer);
    }
    return err;
}

static enum request_next change_done(void *ctx, struct err *io_result) {
    struct change_op *change = ctx;
    const struct providers_api *api = change->request.api;
    if (!err_failed(*io_result)) {
        bool keep = change->request.kind->one != NULL && change->given.key == NULL;
        connections_put(api->connections, change->row,
                        keep ? CONNECTION_KEY_KEEP : CONNECTION_KEY_SET,
                        json_string_value(change->given.key));
    }
    connections_drop_key(api->connections,
                         bytes_of(err_failed(*io_result) ? change->file.text : change->old_file));
    return REQUEST_ANSWER;
}

static void change_end(void *ctx, struct err result) {
    struct change_op *change = ctx;
    provider_free(change->row);
}

#define CHANGE                                                                                     \
    .size = sizeof(struct change_op), .writes = true, .fields = &provider_fields,                  \
    .into = offsetof(struct change_op, given), .read = change_read, .start = change_start,         \
    .pool = change_pool, .work = change_work, .done = change_done, .end = change_end
const struct request_kind providers__add = {CHANGE};
const struct request_kind providers__patch = {CHANGE, .one = &providers__one, .use = FIELD_CHANGED};

/* --- Remove ----------------------------------------------------------------------------------- */

/* Whether "CONNECTION/MODEL" is one of that connection. */
static bool is_of(struct bytes model, struct bytes connection) {
    return model.len > connection.len && model.data[connection.len] == '/' &&
           bytes_begin(model, connection);
}

/* Refuses to leave an alias without its model: scripts that name it would fail. */
static struct err aliases_check(struct change_op *change, struct bytes aliases) {
    AUTO(json_release) json_t *json = NULL;
    const char *alias = NULL;
    json_t *model = NULL;
    if (aliases.len == 0 || err_failed(json_parse_wrapped(aliases, &json, NULL /* no why */))) {
        return ERR_OK;
    }
    json_object_foreach(json, alias, model) {
        if (is_of(bytes_of(json_string_value(model)), change->name)) {
            return err_why(&change->request.op.why, ERR_CONFLICT,
                           "the setting model_aliases has \"%.64s\": \"%.200s\": change that first",
                           alias, json_string_value(model));
        }
    }
    return ERR_OK;
}

/* A default that names nothing would fail every turn, and say so only then; with the daemon's
 * option it would refuse the next start. */
static struct err default_check(struct tx *tx, struct change_op *change) {
    const struct providers_api *api = change->request.api;
    struct settings settings;
    struct err err = tx_settings_read(tx, &settings);
    if (err_failed(err) || connections_found(api->connections, change->name) != NULL) {
        return err;
    }
    if (is_of(settings.default_model, change->name)) {
        return err_why(&change->request.op.why, ERR_CONFLICT,
                       "the setting default_model is \"%.*s\": change that first",
                       (int)settings.default_model.len, settings.default_model.data);
    }
    const char *option = connections_options(api->connections)->model;
    if (option != NULL && is_of(bytes_of(option), change->name)) {
        return err_why(&change->request.op.why, ERR_CONFLICT,
                       "the daemon was started with --model %.100s: start it with another first",
                       option);
    }
    return aliases_check(change, settings.model_aliases);
}

static struct err remove_work(struct tx *tx, void *ctx) {
    struct change_op *change = ctx;
    const struct resource_key key = {.id = change->name};
    struct provider row;
    change->old_file[0] = '\0';
    TRY(row_find(tx, change, &row));
    old_file_note(change, row.key_file);
    struct err err = default_check(tx, change);
    if (!err_failed(err)) {
        err = tx_resource_remove(tx, &provider_resource, &key, &change->request.op.why);
    }
    op_removed(&change->request.op, tx, "name", change->name, "removed_ms");
    return err;
}

static enum request_next remove_done(void *ctx, struct err *io_result) {
    struct change_op *change = ctx;
    const struct providers_api *api = change->request.api;
    if (!err_failed(*io_result)) {
        AUTO(mem_release) char *name = mem_copy(change->name.data, change->name.len);
        connections_remove(api->connections, name);
        connections_drop_key(api->connections, bytes_of(change->old_file));
    }
    return REQUEST_ANSWER;
}

const struct request_kind providers__remove = {
    .size = sizeof(struct change_op),
    .writes = true,
    .one = &providers__one,
    .start = change_start,
    .work = remove_work,
    .done = remove_done,
    .end = change_end,
};

/* --- Forgetting what models of a connection have shown ---------------------------------------- */

static struct err forget_start(void *ctx) {
    struct request *request = ctx;
    const struct providers_api *api = request->api;
    AUTO(mem_release) char *name = mem_copy(request->key.id.data, request->key.id.len);
    return models_connection_find(connections_models(api->connections), name) != NULL
               ? ERR_OK
               : request_absent(request, ERR_OK);
}

static struct err forget_work(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    text_add_char(&request->op.answer, '{');
    text_add_member(&request->op.answer, "name", request->key.id);
    text_add_char(&request->op.answer, '}');
    return tx_learned_forget(tx, request->key.id);
}

static enum request_next forget_done(void *ctx, struct err *io_result) {
    struct request *request = ctx;
    const struct providers_api *api = request->api;
    if (!err_failed(*io_result)) {
        models_forget(connections_models(api->connections), request->key.id);
    }
    return REQUEST_ANSWER;
}

/* Beside what is forgotten, the wait for the provider ends, and that of notices which it held. */
static struct err reset_work(struct tx *tx, void *ctx) {
    struct err err = forget_work(tx, ctx);
    return err_failed(err) ? err : tx_provider_cured(tx);
}

static enum request_next reset_done(void *ctx, struct err *io_result) {
    struct request *request = ctx;
    const struct providers_api *api = request->api;
    if (!err_failed(*io_result)) {
        models_reset(connections_models(api->connections), request->key.id);
    }
    return REQUEST_ANSWER;
}

const struct request_kind providers__reset = {
    .writes = true,
    .one = &providers__one,
    .start = forget_start,
    .work = reset_work,
    .done = reset_done,
};

const struct request_kind providers__forget = {
    .writes = true,
    .one = &providers__one,
    .start = forget_start,
    .work = forget_work,
    .done = forget_done,
};
