/* settings.c: what holds where nobody says otherwise. */
#include <string.h>

#include "api/provider/providers.h"
#include "base/json/json.h"
#include "base/memory.h"

/* --- The answer ------------------------------------------------------------------------------- */

/* From memory, on the loop: `done` of each change puts it there before it is answered. */
static void settings_write(const struct connections *connections, struct text *text) {
    static const char *const from[] = {[MODEL_FROM_SETTING] = "setting",
                                       [MODEL_FROM_OPTION] = "option",
                                       [MODEL_FROM_CONNECTION] = "connection",
                                       [MODEL_FROM_NOWHERE] = "none"};
    struct default_model model;
    connections_default_model(connections, &model);
    settings_write_json(connections_settings(connections), text);
    text_add_str(text, ",\"model\":");
    text_add_json(text, model.name, strlen(model.name));
    text_addf(text, ",\"model_from\":\"%s\"}", from[model.from]);
}

static void settings_show(struct exchange *exchange, void *ctx) {
    const struct providers_api *api = ctx;
    struct op op;
    op_init(&op, exchange, 200);
    settings_write(api->connections, &op.answer);
    op_answer(&op, ERR_OK);
}

/* --- Change ----------------------------------------------------------------------------------- */

enum {
    SAYS_MODEL,
    SAYS_REVIEW_MODEL,
    SAYS_TITLE_MODEL,
    MODELS, /* The first ones name models. */
    SAYS_INSTRUCTIONS = MODELS,
    SAYS_EFFORT,
    SAYS_WINDOW,
    SAYS_COUNT
};

static const char *const model_fields[MODELS] = {"default_model", "review_model", "title_model"};

static struct bytes *model_at(struct settings *settings, unsigned which) {
    struct bytes *const models[MODELS] = {&settings->default_model, &settings->review_model,
                                          &settings->title_model};
    return models[which];
}

struct change_op {
    struct op op;
    struct providers_api *api;    /* Borrowed. */
    struct settings given;        /* Borrowed from the exchange. */
    bool says[SAYS_COUNT];        /* Whether the body says something of each. */
    bool found[MODELS];           /* Whether each names a connection that needs no row. */
    struct settings_kept *merged; /* Owned: as they were committed. */
};
static struct bytes connection_of(struct bytes model) {
    const char *slash = model.len > 0 ? memchr(model.data, '/', model.len) : NULL;
    return (struct bytes){model.data, slash != NULL ? (size_t)(slash - model.data) : 0};
}

/* A default that no connection can answer would fail every turn, and say so only then. */
static struct err model_check(struct tx *tx, struct change_op *change, unsigned which) {
    struct bytes name = connection_of(*model_at(&change->given, which));
    bool there = name.len == 0 || change->found[which];
    struct provider row;
    struct err err = there ? ERR_OK : tx_provider_find(tx, name, &there, &row);
    if (!err_failed(err) && !there) {
        why_set(&change->op.why,
                "\"%s\": there is no connection \"%.*s\"; GET /api/v1/providers lists those there "
                "are",
                model_fields[which], (int)name.len, name.data);
        return err_make(ERR_BAD_FIELD, "settings: model");
    }
    return err;
}

static void merge(struct change_op *change, struct settings *settings) {
    const struct settings *given = &change->given;
    for (unsigned i = 0; i < MODELS; i++) {
        if (change->says[i]) {
            *model_at(settings, i) = *model_at(&change->given, i);
        }
    }
    if (change->says[SAYS_INSTRUCTIONS]) {
        settings->instructions = given->instructions;
    }
    if (change->says[SAYS_EFFORT]) {
        settings->effort = given->effort;
    }
    if (change->says[SAYS_WINDOW]) {
        settings->window = given->window;
    }
}

static struct err change_run(struct tx *tx, void *ctx) {
    struct change_op *change = ctx;
    struct settings settings;
    op_restart(&change->op);
    struct err err = tx_settings_read(tx, &settings);
    for (unsigned i = 0; i < MODELS && !err_failed(err); i++) {
        err = model_check(tx, change, i);
    }
    if (!err_failed(err)) {
        merge(change, &settings);
        err = tx_settings_write(tx, &settings);
    }
    if (!err_failed(err)) {
        err = tx_settings_read(tx, &settings); /* With its new time. */
    }
    if (!err_failed(err)) {
        settings_kept_put(change->merged, &settings);
    }
    return err;
}

static void change_done(struct err result, void *ctx) {
    struct change_op *change = ctx;
    if (!err_failed(result)) {
        connections_set(change->api->connections, settings_kept_get(change->merged));
        settings_write(change->api->connections, &change->op.answer);
    }
    op_answer(&change->op, result);
    settings_kept_free(change->merged);
    mem_free(change);
}

/* --- The body --------------------------------------------------------------------------------- */

static struct err bad(struct why *why, const char *name, const char *text) {
    why_set(why, "\"%s\" must be %s, or null for none", name, text);
    return err_make(ERR_BAD_FIELD, "settings: body");
}

/* null and "" both mean that it is not set. */
static bool text_of(const json_t *value, size_t len_max, struct bytes *ret_text) {
    if (json_is_null(value)) {
        *ret_text = BYTES("");
        return true;
    }
    size_t len = json_string_length(value);
    if (!json_is_string(value) || len > len_max || strlen(json_string_value(value)) != len) {
        return false;
    }
    *ret_text = (struct bytes){json_string_value(value), len};
    return true;
}

static bool model_fits(struct bytes model) {
    struct bytes name = connection_of(model);
    size_t rest = model.len > name.len ? model.len - name.len - 1 : 0;
    for (size_t i = name.len; i < model.len; i++) {
        if ((unsigned char)model.data[i] <= ' ' || model.data[i] == 0x7f) {
            return false;
        }
    }
    return model.len == 0 || (providers__name_fits(name) && rest > 0 && rest <= MODEL_NAME_MAX);
}

static struct err texts_read(struct change_op *change, json_t *const values[SAYS_COUNT]) {
    struct why *why = &change->op.why;
    struct settings *given = &change->given;
    for (unsigned i = 0; i < MODELS; i++) {
        struct bytes *model = model_at(given, i);
        if (values[i] != NULL &&
            (!text_of(values[i], SETTINGS_MODEL_MAX, model) || !model_fits(*model))) {
            return bad(why, model_fields[i], "CONNECTION/MODEL");
        }
    }
    if (values[SAYS_INSTRUCTIONS] != NULL &&
        !text_of(values[SAYS_INSTRUCTIONS], SETTINGS_INSTRUCTIONS_MAX, &given->instructions)) {
        return bad(why, "instructions", "a string of at most 65536 bytes without \\u0000");
    }
    if (values[SAYS_EFFORT] != NULL &&
        (!text_of(values[SAYS_EFFORT], 16, &given->effort) ||
         (given->effort.len > 0 && !settings_effort_valid(given->effort)))) {
        return bad(why, "effort", "low, medium or high");
    }
    return ERR_OK;
}

static struct err window_read(struct change_op *change, const json_t *value) {
    if (value == NULL || json_is_null(value)) {
        return ERR_OK;
    }
    if (!json_is_integer(value) || json_integer_value(value) < SETTINGS_WINDOW_MIN ||
        json_integer_value(value) > SETTINGS_WINDOW_MAX) {
        return bad(&change->op.why, "window", "an integer from 1024 to 100000000 (tokens)");
    }
    change->given.window = json_integer_value(value);
    return ERR_OK;
}

static struct err body_read(struct change_op *change) {
    json_t *values[SAYS_COUNT] = {NULL};
    const struct json_field fields[] = {
        {.name = "default_model", .kind = JSON_KIND_ANY, .value = &values[SAYS_MODEL]},
        {.name = "instructions", .kind = JSON_KIND_ANY, .value = &values[SAYS_INSTRUCTIONS]},
        {.name = "effort", .kind = JSON_KIND_ANY, .value = &values[SAYS_EFFORT]},
        {.name = "window", .kind = JSON_KIND_ANY, .value = &values[SAYS_WINDOW]},
        {.name = "review_model", .kind = JSON_KIND_ANY, .value = &values[SAYS_REVIEW_MODEL]},
        {.name = "title_model", .kind = JSON_KIND_ANY, .value = &values[SAYS_TITLE_MODEL]},
    };
    struct err err = json_read_fields(exchange_json(change->op.exchange), fields, COUNT_OF(fields),
                                      &change->op.why);
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        change->says[i] = values[i] != NULL;
    }
    err = err_failed(err) ? err : texts_read(change, values);
    return err_failed(err) ? err : window_read(change, values[SAYS_WINDOW]);
}

/* Its connection is there without having been set. */
static bool is_found(const struct providers_api *api, struct bytes model) {
    struct bytes name = connection_of(model);
    AUTO(mem_release) char *text = mem_copy(name.len > 0 ? name.data : "", name.len);
    const struct model_connection *there =
        models_connection_find(connections_models(api->connections), text);
    return there != NULL && there->origin != NULL;
}

static void settings_patch(struct exchange *exchange, void *ctx) {
    struct change_op *change = mem_new(sizeof *change);
    op_init(&change->op, exchange, 200);
    change->api = ctx;
    change->merged = settings_kept_new();
    struct err err = body_read(change);
    if (err_failed(err)) {
        change_done(err, change);
        return;
    }
    for (unsigned i = 0; i < MODELS; i++) {
        change->found[i] = is_found(change->api, *model_at(&change->given, i));
    }
    store_write(change->api->store, change_run, change_done, change);
}

/* --- The table -------------------------------------------------------------------------------- */

#define TEXT "{\"type\":[\"string\",\"null\"]}"
#define NUMBER "{\"type\":[\"integer\",\"null\"]}"
#define PROPERTIES                                                                                 \
    "\"default_model\":" TEXT ",\"review_model\":" TEXT ",\"title_model\":" TEXT                   \
    ",\"instructions\":" TEXT                                                                      \
    ",\"effort\":{\"enum\":[\"low\",\"medium\",\"high\",null]},\"window\":" NUMBER

static const char patch_body[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{" PROPERTIES "}}";
static const char answer[] =
    "{\"type\":\"object\",\"properties\":{" PROPERTIES ",\"changed_ms\":" NUMBER
    ",\"model\":{\"type\":\"string\"},\"model_from\":{\"enum\":[\"setting\",\"option\","
    "\"connection\",\"none\"]}}}";

static const struct route routes[] = {
    {.method = "GET",
     .path = "/api/v1/settings",
     .summary = "Show the settings of the daemon",
     .scope = SCOPE_READ,
     .answer_schema = answer,
     .answer_status = 200,
     .handle = settings_show},
    {.method = "PATCH",
     .path = "/api/v1/settings",
     .summary = "Change settings; null takes one back",
     .scope = SCOPE_ADMIN,
     .has_body = true,
     .body_schema = patch_body,
     .answer_schema = answer,
     .answer_status = 200,
     .handle = settings_patch},
};

struct route_table settings_table(struct providers_api *api) {
    return (struct route_table){.routes = routes, .count = COUNT_OF(routes), .ctx = api};
}
