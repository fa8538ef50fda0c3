/* body.c: what a client says of a connection, field by field. */
#include <string.h>
#include <strings.h>

#include "api/provider/providers.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "base/utf8.h"

static struct err bad(struct why *why, const char *text) {
    why_set(why, "%s", text);
    return err_make(ERR_BAD_FIELD, "providers: body");
}

/* --- Values that may be null ------------------------------------------------------------------ */

static struct err number_read(json_t *value, const char *name, int64_t max,
                              enum body_value *ret_how, int64_t *ret_number, struct why *why) {
    if (value == NULL) {
        return ERR_OK;
    }
    if (json_is_null(value)) {
        *ret_how = VALUE_NULL;
        return ERR_OK;
    }
    if (!json_is_integer(value) || json_integer_value(value) < 1 ||
        json_integer_value(value) > max) {
        why_set(why, "\"%s\" must be an integer from 1 to %lld, or null", name, (long long)max);
        return err_make(ERR_BAD_FIELD, "providers: body");
    }
    *ret_how = VALUE_GIVEN;
    *ret_number = json_integer_value(value);
    return ERR_OK;
}

/* The sentence never holds what was sent: it may be a key that was typed wrong. */
static struct err key_read(json_t *value, struct provider_body *body, struct why *why) {
    if (value == NULL) {
        return ERR_OK;
    }
    if (json_is_null(value)) {
        body->key_how = VALUE_NULL;
        return ERR_OK;
    }
    if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value)) {
        return bad(why, "\"key\" must be a string without \\u0000, or null for none");
    }
    body->key_how = VALUE_GIVEN;
    body->key = json_string_value(value);
    return ERR_OK;
}

/* --- Headers ---------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end) {
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcasecmp(text + len - end_len, end) == 0;
}

/* Headers are in the database and in answers; what lets somebody in is in neither. */
static bool is_secret(const char *name) {
    static const char *const whole[] = {"authorization", "proxy-authorization", "cookie"};
    static const char *const parts[] = {"api-key", "apikey",   "token",
                                        "secret",  "password", "credential"};
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
    return ends_with(name, "-key") || ends_with(name, "-auth");
}

static struct err header_check(const char *name, const json_t *value, struct why *why) {
    int shown = (int)utf8_cut(bytes_of(name), CONNECTION_NAME_MAX);
    if (is_secret(name)) {
        why_set(why,
                "headers: \"%.*s\" would hold a secret, and headers are shown to whoever may read; "
                "give it as \"key\", which is not",
                shown, name);
        return err_make(ERR_BAD_FIELD, "providers: headers");
    }
    if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value)) {
        why_set(why, "headers: the value of \"%.*s\" must be a string without \\u0000", shown,
                name);
        return err_make(ERR_BAD_FIELD, "providers: headers");
    }
    return ERR_OK;
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
        why_set(why, "\"headers\" must be an object of at most %d strings, {\"Name\": \"value\"}",
                CONNECTION_HEADERS_MAX);
        return err_make(ERR_BAD_FIELD, "providers: headers");
    }
    json_object_foreach(headers, name, value) {
        struct err err = header_check(name, value, why);
        if (err_failed(err)) {
            return err;
        }
        rows[count++] = (struct connection_header){name, json_string_value(value)};
    }
    *ret_count = count;
    return ERR_OK;
}

/* --- The whole -------------------------------------------------------------------------------- */

static const char **models_take(json_t *models, size_t *ret_count) {
    size_t count = json_array_size(models);
    const char **rows = mem_new_array(count + 1, sizeof *rows);
    for (size_t i = 0; i < count; i++) {
        rows[i] = json_string_value(json_array_get(models, i));
    }
    *ret_count = count;
    return rows;
}

static struct err kind_read(const char *kind, struct model_connection *probe, struct why *why) {
    /* Without a kind the URL is looked at all the same. */
    probe->kind = MODEL_KIND_OPENAI;
    if (kind == NULL || model_kind_find(bytes_of(kind), &probe->kind)) {
        return ERR_OK;
    }
    return bad(why, "\"kind\" must be openai, responses, anthropic or scripted");
}

/* Each field by itself, as the model's room would judge it in a connection that is else fine. */
static struct err probe(const struct provider_body *body, json_t *headers, json_t *models,
                        struct why *why) {
    struct connection_header rows[CONNECTION_HEADERS_MAX];
    struct model_connection connection = {.name = body->name != NULL ? body->name : "x",
                                          .base_url = "http://localhost",
                                          .key = body->key,
                                          .headers = rows,
                                          .window = body->window,
                                          .max_concurrent = body->max_concurrent};
    AUTO(mem_release) const char **names = models_take(models, &connection.model_count);
    connection.models = names;
    struct err err = kind_read(body->kind, &connection, why);
    if (!err_failed(err)) {
        err = headers_read(headers, rows, &connection.header_count, why);
    }
    if (!err_failed(err) && body->base_url != NULL) {
        connection.kind =
            MODEL_KIND_OPENAI; /* A scripted one's is refused where they are merged. */
        connection.base_url = body->base_url;
    }
    return err_failed(err) ? err : connections_check(&connection, why);
}

static struct err keep_json(const json_t *json, const char *name, struct text *text,
                            struct why *why) {
    struct err err = json == NULL ? ERR_OK : json_write(json, text);
    if (err_failed(err) && !text->no_memory) {
        why_set(why, "\"%s\" has more than %d bytes as compact JSON", name, PROVIDER_JSON_MAX);
        return err_make(ERR_BODY_TOO_LARGE, "providers: body");
    }
    return err;
}

struct err provider_body_read(const json_t *json, enum provider_body_of of,
                              struct provider_body *ret_body, struct why *why) {
    struct provider_body *body = ret_body;
    json_t *key = NULL, *headers = NULL, *models = NULL, *window = NULL, *concurrent = NULL;
    *body = (struct provider_body){.name = NULL};
    text_init(&body->headers, PROVIDER_JSON_MAX);
    text_init(&body->models, PROVIDER_JSON_MAX);
    const struct json_field fields[] = {
        {.name = "kind",
         .kind = JSON_KIND_TEXT,
         .required = of == BODY_OF_NEW,
         .text = &body->kind},
        {.name = "base_url", .kind = JSON_KIND_TEXT, .text = &body->base_url},
        {.name = "key", .kind = JSON_KIND_ANY, .value = &key},
        {.name = "headers", .kind = JSON_KIND_ANY, .value = &headers},
        {.name = "models", .kind = JSON_KIND_TEXTS, .max = CONNECTION_MODELS_MAX, .value = &models},
        {.name = "window", .kind = JSON_KIND_ANY, .value = &window},
        {.name = "max_concurrent", .kind = JSON_KIND_ANY, .value = &concurrent},
        {.name = "name", .kind = JSON_KIND_TEXT, .required = true, .text = &body->name},
    };
    size_t count = COUNT_OF(fields) - (of == BODY_OF_CHANGE ? 1 : 0); /* A name stays. */
    struct err err = json_read_fields(json, fields, count, why);
    err = err_failed(err) ? err : key_read(key, body, why);
    err = err_failed(err) ? err
                          : number_read(window, "window", SETTINGS_WINDOW_MAX, &body->window_how,
                                        &body->window, why);
    err = err_failed(err) ? err
                          : number_read(concurrent, "max_concurrent", CONNECTION_CONCURRENT_MAX,
                                        &body->concurrent_how, &body->max_concurrent, why);
    err = err_failed(err) ? err : probe(body, headers, models, why);
    err = err_failed(err) ? err : keep_json(headers, "headers", &body->headers, why);
    return err_failed(err) ? err : keep_json(models, "models", &body->models, why);
}

void provider_body_done(struct provider_body *body) {
    text_done(&body->headers);
    text_done(&body->models);
}

/* --- Into the row ----------------------------------------------------------------------------- */

static struct err whole_check(const struct provider *row, struct why *why) {
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

static void put_text(const char *from, struct bytes *to) {
    if (from != NULL) {
        *to = bytes_of(from);
    }
}

static void put_number(enum body_value how, int64_t from, int64_t *to) {
    if (how != VALUE_ABSENT) {
        *to = how == VALUE_GIVEN ? from : 0;
    }
}

static void put_json(const struct text *from, struct bytes *to) {
    if (from->len > 0) {
        *to = (struct bytes){from->data, from->len};
    }
}

struct err provider_body_merge(const struct provider_body *body, struct provider *provider,
                               struct why *why) {
    put_text(body->name, &provider->name);
    put_text(body->kind, &provider->kind);
    put_text(body->base_url, &provider->base_url);
    put_number(body->window_how, body->window, &provider->window);
    put_number(body->concurrent_how, body->max_concurrent, &provider->max_concurrent);
    put_json(&body->headers, &provider->headers);
    put_json(&body->models, &provider->models);
    return whole_check(provider, why);
}
