/* change.c: setting, changing and removing a connection.
 *
 *   body ──> pool: the key's file ──> transaction: the row names it ──> done: in use
 *
 * The file is on the disk before the row that names it is committed. If the row is refused, the new
 * file goes; if it is committed, the old one does. A crash in between leaves one too many: the next
 * start removes it.
 */
#include <string.h>
#include <strings.h>

#include "api/provider/providers.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "engine/provider/learned_windows.h"

/* Members of a body. Borrowed from the exchange; NULL: not given. */
struct given {
    const char *name, *kind, *base_url;
    json_t *key, *headers, *models, *window,
        *max_concurrent; /* The key and the numbers may be null. */
};

struct change_op {
    struct request request;
    struct given given;
    struct bytes name;                    /* Borrowed from the exchange. */
    struct text headers, models;          /* Owned: compact JSON; no bytes: not named. */
    struct key_file_name file;            /* Of the new key; "": none is given. */
    char origin[64];                      /* Of a found one of that name; "": there is none. */
    struct provider *row;                 /* Owned: as it was committed. */
    char old_file[PROVIDER_KEY_FILE_MAX]; /* That no row names then; "": none. */
};

/* --- The body --------------------------------------------------------------------------------- */

#define AT(member) .at = offsetof(struct given, member)
#define NUMBER_OR_NULL "{\"type\":[\"integer\",\"null\"]}"
static const struct field given_rows[] = {
    {.name = "name", .kind = FIELD_CHARS, AT(name), .use = FIELD_GIVEN, .required = true},
    {.name = "kind",
     .kind = FIELD_CHARS,
     AT(kind),
     .use = FIELD_GIVEN,
     .required = true,
     .schema = PROVIDER_KINDS},
    {.name = "kind", .kind = FIELD_CHARS, AT(kind), .use = FIELD_CHANGED, .schema = PROVIDER_KINDS},
    {.name = "base_url", .kind = FIELD_CHARS, AT(base_url)},
    {.name = "key", .kind = FIELD_JSON, AT(key), .schema = "{\"type\":[\"string\",\"null\"]}"},
    {.name = "headers", .kind = FIELD_JSON, AT(headers), .schema = PROVIDER_HEADERS},
    {.name = "models", .kind = FIELD_TEXTS, AT(models), .max = CONNECTION_MODELS_MAX},
    {.name = "window", .kind = FIELD_JSON, AT(window), .schema = NUMBER_OR_NULL},
    {.name = "max_concurrent", .kind = FIELD_JSON, AT(max_concurrent), .schema = NUMBER_OR_NULL},
};
const struct field_set providers__fields = {FIELD_ROWS(given_rows),
                                            .use = FIELD_GIVEN | FIELD_CHANGED};

static struct err bad(struct why *why, const char *text) {
    return err_why(why, ERR_BAD_FIELD, "%s", text);
}

static struct err number_check(const json_t *value, const char *name, int64_t max,
                               struct why *why) {
    int64_t number = json_is_integer(value) ? json_integer_value(value) : 0;
    if (value == NULL || json_is_null(value) || (number >= 1 && number <= max)) {
        return ERR_OK;
    }
    return err_why(why, ERR_BAD_FIELD, "\"%s\" must be an integer from 1 to %lld, or null", name,
                   (long long)max);
}

static bool text_is_plain(const json_t *value) {
    return json_is_string(value) && strlen(json_string_value(value)) == json_string_length(value);
}

/* Headers are in the database and in answers; what lets somebody in is in neither. */
static bool header_is_secret(const char *name) {
    static const char *const whole[] = {"authorization", "proxy-authorization", "cookie"};
    static const char *const parts[] = {"api-key", "apikey",   "token",
                                        "secret",  "password", "credential"};
    static const char *const ends[] = {"-key", "-auth"};
    for (size_t i = 0; i < COUNT_OF(whole); i++) {
        if (strcasecmp(name, whole[i]) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (strcasestr(name, parts[i]) != NULL) {
            return true;
        }
    }
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        size_t len = strlen(name), end = strlen(ends[i]);
        if (len >= end && strcasecmp(name + len - end, ends[i]) == 0) {
            return true;
        }
    }
    return false;
}

static struct err headers_read(json_t *headers, struct connection_header *rows, size_t *ret_count,
                               struct why *why) {
    const char *name;
    json_t *value;
    size_t count = 0;
    if (headers == NULL) {
        return ERR_OK;
    }
    if (!json_is_object(headers) || json_object_size(headers) > CONNECTION_HEADERS_MAX) {
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
        rows[count++] = (struct connection_header){name, json_string_value(value)};
    }
    *ret_count = count;
    return ERR_OK;
}

/* Each field by itself, as the model's room would judge it in a connection that is else fine. */
static struct err given_probe(const struct given *given, struct why *why) {
    struct connection_header rows[CONNECTION_HEADERS_MAX];
    size_t count = json_array_size(given->models);
    AUTO(mem_release) const char **models = mem_new_array(count + 1, sizeof *models);
    for (size_t i = 0; i < count; i++) {
        models[i] = json_string_value(json_array_get(given->models, i));
    }
    struct model_connection connection = {
        .name = given->name != NULL ? given->name : "x",
        .kind = MODEL_KIND_OPENAI, /* Without a kind the URL is looked at all the same. */
        .base_url = "http://localhost",
        .key = json_string_value(given->key),
        .headers = rows,
        .models = models,
        .model_count = count,
        .window = json_integer_value(given->window),
        .max_concurrent = json_integer_value(given->max_concurrent)};
    if (given->kind != NULL && !model_kind_find(bytes_of(given->kind), &connection.kind)) {
        return bad(why, "\"kind\" must be openai, responses, anthropic or scripted");
    }
    struct err err = headers_read(given->headers, rows, &connection.header_count, why);
    if (!err_failed(err) && given->base_url != NULL) {
        connection.kind =
            MODEL_KIND_OPENAI; /* A scripted one's is refused where they are merged. */
        connection.base_url = given->base_url;
    }
    return err_failed(err) ? err : connections_check(&connection, why);
}

static struct err json_keep(const json_t *json, const char *name, struct text *text,
                            struct why *why) {
    text_init(text, PROVIDER_JSON_MAX);
    struct err err = json == NULL ? ERR_OK : json_write(json, text);
    if (err_failed(err) && !text->no_memory) {
        return err_why(why, ERR_BODY_TOO_LARGE, "\"%s\" has more than %d bytes as compact JSON",
                       name, PROVIDER_JSON_MAX);
    }
    return err;
}

static struct err change_read(void *ctx) {
    struct change_op *change = ctx;
    const struct given *given = &change->given;
    struct why *why = &change->request.op.why;
    /* The sentence never holds what was sent: it may be a key that was typed wrong. */
    if (given->key != NULL && !json_is_null(given->key) && !text_is_plain(given->key)) {
        return bad(why, "\"key\" must be a string without \\u0000, or null for none");
    }
    struct err err = number_check(given->window, "window", SETTINGS_WINDOW_MAX, why);
    if (!err_failed(err)) {
        err = number_check(given->max_concurrent, "max_concurrent", CONNECTION_CONCURRENT_MAX, why);
    }
    if (!err_failed(err)) {
        err = given_probe(given, why);
    }
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
    change->name = adds ? bytes_of(change->given.name) : change->request.key.id;
    if (json_is_string(change->given.key)) {
        change->file = key_file_name_make(loop_world(api->loop), change->name);
    }
    AUTO(mem_release) char *name = mem_copy(change->name.data, change->name.len);
    const struct model_connection *found =
        models_connection_find(connections_models(api->connections), name);
    if (!adds && found != NULL && found->origin != NULL) {
        size_t len = strnlen(found->origin, sizeof change->origin - 1);
        memcpy(change->origin, found->origin, len);
        change->origin[len] = '\0';
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
    struct err err = tx_provider_find(tx, change->name, &found, ret_row);
    if (err_failed(err) || found) {
        return err;
    }
    if (change->origin[0] == '\0') {
        return request_absent(&change->request, ERR_OK);
    }
    return err_why(
        why, ERR_CONFLICT,
        "\"%.*s\" was found, not set (%s), so it changes where it comes from; a POST of that "
        "name takes its place",
        (int)change->name.len, change->name.data, change->origin);
}

static void old_file_note(struct change_op *change, const struct provider *row) {
    assert(row->key_file.len < sizeof change->old_file);
    if (row->key_file.len > 0) {
        memcpy(change->old_file, row->key_file.data, row->key_file.len);
    }
    change->old_file[row->key_file.len] = '\0';
}

static void number_put(const json_t *from, int64_t *to) {
    if (from != NULL) {
        *to = json_integer_value(from); /* Of null: 0. */
    }
}

/* Puts what was given into the row, and checks what can only be wrong together. */
static struct err row_merge(struct change_op *change, struct provider *row) {
    const struct given *given = &change->given;
    struct why *why = &change->request.op.why;
    if (given->key != NULL) {
        old_file_note(change, row);
        row->key_file = bytes_of(change->file.text);
    }
    row->kind = given->kind != NULL ? bytes_of(given->kind) : row->kind;
    row->base_url = given->base_url != NULL ? bytes_of(given->base_url) : row->base_url;
    row->headers = change->headers.len > 0 ? text_bytes(&change->headers) : row->headers;
    row->models = change->models.len > 0 ? text_bytes(&change->models) : row->models;
    number_put(given->window, &row->window);
    number_put(given->max_concurrent, &row->max_concurrent);
    bool scripted = bytes_is(row->kind, model_kind_name(MODEL_KIND_SCRIPTED));
    if (bytes_is(row->name, "scripted") && !scripted) {
        return bad(why, "name: \"scripted\" is built in; take another for a provider");
    }
    if (!scripted && row->base_url.len == 0) {
        return bad(why, "this kind needs a \"base_url\", such as http://127.0.0.1:8000/v1");
    }
    if (scripted && (row->base_url.len > 0 || row->key_file.len > 0)) {
        return bad(why, "a scripted connection asks nobody: it has no \"base_url\" and no \"key\"");
    }
    return ERR_OK;
}

static struct err change_work(struct tx *tx, void *ctx) {
    struct change_op *change = ctx;
    const struct providers_api *api = change->request.api;
    struct why *why = &change->request.op.why;
    bool adds = change->request.kind->one == NULL, found = false;
    struct provider row = {.name = change->name};
    provider_free(change->row);
    change->row = NULL;
    change->old_file[0] = '\0';
    struct err err =
        adds ? tx_provider_find(tx, change->name, &found, &row) : row_find(tx, change, &row);
    if (!err_failed(err) && found) {
        return err_why(
            why, ERR_CONFLICT,
            "there is a connection \"%.*s\" already: PATCH changes it, DELETE removes it",
            (int)change->name.len, change->name.data);
    }
    if (err_failed(err)) {
        return err;
    }
    if (adds) {
        row = (struct provider){.name = change->name,
                                .headers = BYTES("{}"),
                                .models = BYTES("[]"),
                                .made_ms = tx_now_ms(tx)};
    }
    row.changed_ms = tx_now_ms(tx);
    err = row_merge(change, &row);
    if (!err_failed(err)) {
        err = adds ? tx_provider_add(tx, &row) : tx_provider_change(tx, &row);
    }
    if (err.code == ERR_TOO_MANY) {
        why_set(why, "there are %d connections already; remove some", PROVIDERS_MAX);
    }
    if (!err_failed(err)) {
        change->row = provider_copy(&row);
        providers__write(api->connections, &row, NULL /* set */, &change->request.op.answer);
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
    text_done(&change->headers);
    text_done(&change->models);
    provider_free(change->row);
}

#define CHANGE                                                                                     \
    .size = sizeof(struct change_op), .writes = true, .fields = &providers__fields,                \
    .into = offsetof(struct change_op, given), .read = change_read, .start = change_start,         \
    .pool = change_pool, .work = change_work, .done = change_done, .end = change_end
const struct request_kind providers__add = {CHANGE};
const struct request_kind providers__patch = {CHANGE, .one = &providers__one, .use = FIELD_CHANGED};

/* --- Remove ----------------------------------------------------------------------------------- */

/* A default that names nothing would fail every turn, and say so only then. */
static struct err default_check(struct tx *tx, struct change_op *change) {
    const struct providers_api *api = change->request.api;
    struct settings settings;
    struct bytes name = change->name;
    struct err err = tx_settings_read(tx, &settings);
    struct bytes model = settings.default_model;
    if (err_failed(err) || model.len <= name.len || model.data[name.len] != '/' ||
        !bytes_begin(model, name) || connections_found(api->connections, name) != NULL) {
        return err;
    }
    return err_why(&change->request.op.why, ERR_CONFLICT,
                   "the setting default_model is \"%.*s\": change that first", (int)model.len,
                   model.data);
}

static struct err remove_work(struct tx *tx, void *ctx) {
    struct change_op *change = ctx;
    struct provider row;
    bool removed = false;
    change->old_file[0] = '\0';
    struct err err = row_find(tx, change, &row);
    if (err_failed(err)) {
        return err;
    }
    old_file_note(change, &row);
    err = default_check(tx, change);
    if (!err_failed(err)) {
        err = tx_provider_remove(tx, change->name, &removed);
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

/* --- Forgetting the learned windows of a connection that was set or found --------------------- */

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
    return tx_window_forget(tx, request->key.id);
}

static enum request_next forget_done(void *ctx, struct err *io_result) {
    struct request *request = ctx;
    const struct providers_api *api = request->api;
    if (!err_failed(*io_result)) {
        models_forget(connections_models(api->connections), request->key.id);
    }
    return REQUEST_ANSWER;
}

const struct request_kind providers__forget = {
    .writes = true,
    .one = &providers__one,
    .start = forget_start,
    .work = forget_work,
    .done = forget_done,
};
