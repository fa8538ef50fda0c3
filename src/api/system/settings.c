/* settings.c: what holds where nobody says otherwise. */
#include <string.h>

#include "api/provider/providers.h"
#include "api/run/receivers.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "engine/job/spec.h"
#include "http/host.h"
#include "rules/inbox/inbox.h"

/* --- The answer ------------------------------------------------------------------------------- */

static const char *const model_sources[] = {[MODEL_FROM_SETTING] = "setting",
                                            [MODEL_FROM_OPTION] = "option",
                                            [MODEL_FROM_CONNECTION] = "connection",
                                            [MODEL_FROM_NOWHERE] = "none",
                                            NULL};

/* From memory, on the loop: `done` of each change puts it there before it is answered. */
static void settings_write(struct request *request) {
    const struct providers_api *api = request->api;
    struct text *text = &request->op.answer;
    struct default_model model;
    connections_default_model(api->connections, &model);
    settings_write_json(connections_settings(api->connections), text);
    text_add_member_or_null(text, "model", bytes_of(model.name));
    text_add_member(text, "model_from", bytes_of(model_sources[model.from]));
    text_add_char(text, '}');
}

static void show_begin(void *ctx) {
    settings_write(ctx);
    request_go(ctx, ERR_OK);
}

static struct err show_start(void *ctx) {
    const struct request *request = ctx;
    const struct providers_api *api = request->api;
    if (!connections_look(api->connections, show_begin, ctx)) {
        show_begin(ctx);
    }
    return ERR_OK;
}

static const struct request_kind show = {.later = true, .start = show_start};

/* --- Change ----------------------------------------------------------------------------------- */

enum { MODELS = 3 };
static const struct {
    const char *name;
    size_t at; /* In struct settings. */
} models[MODELS] = {{"default_model", offsetof(struct settings, default_model)},
                    {"review_model", offsetof(struct settings, review_model)},
                    {"title_model", offsetof(struct settings, title_model)}};

static struct bytes *model_at(struct settings *settings, unsigned which) {
    return (struct bytes *)((char *)settings + models[which].at);
}

/* A model that is set, and whether its connection needs no row. */
struct named_model {
    const char *setting; /* Static. */
    struct bytes model;
    bool found;
};
enum { NAMED_MAX = MODELS + SETTINGS_ALIASES_MAX };

struct change_op {
    struct request request;
    json_t *models[MODELS], *instructions, *effort, *window, *command, *aliases, *public_url,
        *webhook, *events;                    /* NULL: not named. */
    struct origin_text origin;                /* The origin of `public_url`. */
    struct text argv, alias_text, event_text; /* Owned: `command`, … as JSON. */
    struct settings given;                    /* Borrowed from the exchange. */
    struct named_model named[NAMED_MAX];
    unsigned named_count;
    struct settings_kept *merged; /* Owned: as they were committed. */
};

#define AT(member) offsetof(struct change_op, member)
#define WORDS "{\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"string\"}}"
#define ALIASES "{\"type\":[\"object\",\"null\"],\"additionalProperties\":{\"type\":\"string\"}}"
#define EVENTS                                                                                     \
    "{\"type\":[\"array\",\"null\"],\"items\":{\"enum\":[\"asked\",\"stalled\",\"failed\","        \
    "\"ended\"]}}"
#define EFFORTS "{\"enum\":[\"low\",\"medium\",\"high\",null]}"
static const struct field change_rows[] = {
    {FIELD("default_model", FIELD_JSON, AT(models[0])), .schema = TEXT_OR_NULL},
    {FIELD("review_model", FIELD_JSON, AT(models[1])), .schema = TEXT_OR_NULL},
    {FIELD("title_model", FIELD_JSON, AT(models[2])), .schema = TEXT_OR_NULL},
    {FIELD("instructions", FIELD_JSON, AT(instructions)), .schema = TEXT_OR_NULL},
    {FIELD("effort", FIELD_JSON, AT(effort)), .schema = EFFORTS},
    {FIELD("window", FIELD_JSON, AT(window)), .schema = INT_OR_NULL},
    {FIELD("public_url", FIELD_JSON, AT(public_url)), .schema = TEXT_OR_NULL},
    {FIELD("notify_webhook", FIELD_JSON, AT(webhook)), .schema = TEXT_OR_NULL},
    {FIELD("notify_command", FIELD_JSON, AT(command)), .schema = WORDS},
    {FIELD("notify_on", FIELD_JSON, AT(events)), .schema = EVENTS},
    {FIELD("model_aliases", FIELD_JSON, AT(aliases)), .schema = ALIASES},
    /* Described only: settings_write. */
    {FIELD("changed_ms", FIELD_JSON, 0), .use = FIELD_LISTED, .schema = INT_OR_NULL},
    {FIELD("model", FIELD_JSON, 0), .use = FIELD_LISTED, .schema = TEXT_OR_NULL},
    {FIELD("model_from", FIELD_NAME, 0), .use = FIELD_LISTED, .names = model_sources},
};
static const struct field_set change_fields = {FIELD_ROWS(change_rows),
                                               .use = FIELD_CHANGED | FIELD_LISTED};

static struct bytes connection_of(struct bytes model) {
    const char *slash = model.len > 0 ? memchr(model.data, '/', model.len) : NULL;
    return (struct bytes){model.data, slash != NULL ? (size_t)(slash - model.data) : 0};
}

static struct err bad(struct change_op *change, const char *name, const char *text) {
    return err_why(&change->request.op.why, ERR_BAD_FIELD, "\"%s\" must be %s, or null for none",
                   name, text);
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
    return model.len == 0 || (connection_name_valid(name) && rest > 0 && rest <= MODEL_NAME_MAX);
}

/* The words of a command, without NUL, as they are stored. */
static struct err command_take(struct change_op *change) {
    const json_t *argv = change->command;
    bool fits = json_is_array(argv) && json_array_size(argv) > 0 &&
                json_array_size(argv) <= SETTINGS_COMMAND_WORDS;
    for (size_t i = 0; fits && i < json_array_size(argv); i++) {
        struct bytes word;
        fits = text_of(json_array_get(argv, i), SETTINGS_COMMAND_MAX, &word) &&
               (i > 0 || word.len > 0);
    }
    request_text(&change->request, &change->argv, SETTINGS_COMMAND_MAX);
    if (fits && !err_failed(json_write(argv, &change->argv)) && !text_failed(&change->argv)) {
        change->given.notify_command = text_bytes(&change->argv);
        return ERR_OK;
    }
    return bad(change, "notify_command", "an array of 1 to 32 strings, at most 4096 bytes");
}

/* Where notices go, and which. */
static struct err notices_take(struct change_op *change) {
    struct settings *given = &change->given;
    const json_t *events = change->events;
    if (change->webhook != NULL &&
        (!text_of(change->webhook, SETTINGS_URL_MAX, &given->notify_webhook) ||
         (given->notify_webhook.len > 0 && !job_spec_url_valid(given->notify_webhook.data)))) {
        return bad(change, "notify_webhook",
                   "an address that begins with http:// or https://, without a user and password");
    }
    if (events == NULL || json_is_null(events)) {
        return ERR_OK;
    }
    request_text(&change->request, &change->event_text, SETTINGS_COMMAND_MAX);
    if (!json_is_array(events) || json_array_size(events) > NOTICE_EVENTS ||
        err_failed(json_write(events, &change->event_text)) ||
        notice_events_read(text_bytes(&change->event_text)) == 0) {
        return bad(change, "notify_on", "an array of asked, stalled, failed and ended, each once");
    }
    given->notify_on = text_bytes(&change->event_text);
    return ERR_OK;
}

static bool alias_fits(struct bytes alias) {
    bool fits = alias.len > 0 && alias.len <= SETTINGS_ALIAS_MAX;
    for (size_t i = 0; fits && i < alias.len; i++) {
        fits = (unsigned char)alias.data[i] > ' ' && alias.data[i] != '/' && alias.data[i] != 0x7f;
    }
    return fits;
}

static void model_named(struct change_op *change, const char *setting, struct bytes model) {
    if (model.len > 0) {
        change->named[change->named_count++] = (struct named_model){setting, model, false};
    }
}

static struct err aliases_take(struct change_op *change) {
    bool fits = json_is_object(change->aliases) &&
                json_object_size(change->aliases) <= SETTINGS_ALIASES_MAX;
    for (void *at = json_object_iter(change->aliases); at != NULL && fits;
         at = json_object_iter_next(change->aliases, at)) {
        struct bytes model;
        fits = alias_fits((struct bytes){json_object_iter_key(at), json_object_iter_key_len(at)}) &&
               text_of(json_object_iter_value(at), SETTINGS_MODEL_MAX, &model) && model.len > 0 &&
               model_fits(model);
        if (fits) {
            model_named(change, "model_aliases", model);
        }
    }
    request_text(&change->request, &change->alias_text, SETTINGS_ALIASES_SIZE_MAX);
    if (fits && json_object_size(change->aliases) == 0) {
        return ERR_OK; /* An empty object takes the setting back. */
    }
    if (fits && !err_failed(json_write(change->aliases, &change->alias_text)) &&
        !text_failed(&change->alias_text)) {
        change->given.model_aliases = text_bytes(&change->alias_text);
        return ERR_OK;
    }
    return bad(change, "model_aliases",
               "an object of at most 16 names without \"/\", each with CONNECTION/MODEL");
}

static struct err models_take(struct change_op *change) {
    struct settings *given = &change->given;
    for (unsigned i = 0; i < MODELS; i++) {
        struct bytes *model = model_at(given, i);
        if (change->models[i] != NULL &&
            (!text_of(change->models[i], SETTINGS_MODEL_MAX, model) || !model_fits(*model))) {
            return bad(change, models[i].name, "CONNECTION/MODEL");
        }
        model_named(change, models[i].name, *model);
    }
    return change->aliases == NULL || json_is_null(change->aliases) ? ERR_OK : aliases_take(change);
}

/* Kept as the origin that browsers name. */
static struct err public_url_take(struct change_op *change) {
    struct bytes *url = &change->given.public_url;
    if (change->public_url == NULL) {
        return ERR_OK;
    }
    if (!text_of(change->public_url, ORIGIN_SIZE, url) ||
        (url->len > 0 && !origin_parse(*url, &change->origin))) {
        return bad(change, "public_url",
                   "an http or https URL without a path, as https://drover.example");
    }
    *url = bytes_of(change->origin.text);
    return ERR_OK;
}

static struct err change_read(void *ctx) {
    struct change_op *change = ctx;
    struct settings *given = &change->given;
    struct err err = models_take(change);
    err = err_failed(err) ? err : public_url_take(change);
    err = err_failed(err) ? err : notices_take(change);
    if (err_failed(err)) {
        return err;
    }
    if (change->instructions != NULL &&
        !text_of(change->instructions, SETTINGS_INSTRUCTIONS_MAX, &given->instructions)) {
        return bad(change, "instructions", "a string of at most 65536 bytes without \\u0000");
    }
    if (change->effort != NULL &&
        (!text_of(change->effort, 16, &given->effort) ||
         (given->effort.len > 0 && !settings_effort_valid(given->effort)))) {
        return bad(change, "effort", "low, medium or high");
    }
    if (change->command != NULL && !json_is_null(change->command)) {
        TRY(command_take(change));
    }
    if (change->window == NULL || json_is_null(change->window)) {
        return ERR_OK;
    }
    given->window = json_integer_value(change->window);
    return json_is_integer(change->window) && given->window >= SETTINGS_WINDOW_MIN &&
                   given->window <= SETTINGS_WINDOW_MAX
               ? ERR_OK
               : bad(change, "window", "an integer from 1024 to 100000000 (tokens)");
}

/* A connection that was found is there without having been set. */
static void change_looked(void *ctx) {
    struct change_op *change = ctx;
    const struct providers_api *api = change->request.api;
    for (unsigned i = 0; i < change->named_count; i++) {
        struct bytes name = connection_of(change->named[i].model);
        AUTO(mem_release) char *text = mem_copy(name.data, name.len);
        const struct model_connection *there =
            models_connection_find(connections_models(api->connections), text);
        change->named[i].found = there != NULL && there->origin != NULL;
    }
    request_go(&change->request, ERR_OK);
}

/* A server of this machine is there once it has listed its models. */
static struct err change_start(void *ctx) {
    struct change_op *change = ctx;
    const struct providers_api *api = change->request.api;
    bool names = false;
    const struct bytes webhook = change->given.notify_webhook;
    TRY(webhook.len == 0 ? ERR_OK
                         : receiver_check_url(change->request.dispatch, "\"notify_webhook\"",
                                              webhook.data, &change->request.op.why));
    change->merged = settings_kept_new();
    for (unsigned i = 0; i < change->named_count; i++) {
        struct bytes name = connection_of(change->named[i].model);
        AUTO(mem_release) char *text = mem_copy(name.data, name.len);
        names =
            names || (models_remedy(text) != NULL &&
                      models_connection_find(connections_models(api->connections), text) == NULL);
    }
    if (names) {
        models_list(connections_models(api->connections), NULL /* none is read */, change_looked,
                    change);
    } else {
        change_looked(change);
    }
    return ERR_OK;
}

/* A default that no connection can answer would fail every turn, and say so only then. */
static struct err model_check(struct tx *tx, struct change_op *change,
                              const struct named_model *named) {
    struct bytes name = connection_of(named->model);
    bool there = named->found;
    struct provider row;
    const struct resource_key key = {.id = name};
    struct err err = there ? ERR_OK : tx_resource_find(tx, &provider_resource, &key, &there, &row);
    if (!err_failed(err) && !there) {
        return err_why(
            &change->request.op.why, ERR_BAD_FIELD,
            "\"%s\": there is no provider '%.*s'; 'drover provider ls' lists those there are",
            named->setting, (int)name.len, name.data);
    }
    return err;
}

static struct err change_work(struct tx *tx, void *ctx) {
    struct change_op *change = ctx;
    const struct settings *given = &change->given;
    struct settings settings;
    struct err err = tx_settings_read(tx, &settings);
    for (unsigned i = 0; i < change->named_count && !err_failed(err); i++) {
        err = model_check(tx, change, &change->named[i]);
    }
    if (err_failed(err)) {
        return err;
    }
    for (unsigned i = 0; i < MODELS; i++) {
        if (change->models[i] != NULL) {
            *model_at(&settings, i) = *model_at(&change->given, i);
        }
    }
    settings.model_aliases =
        change->aliases != NULL ? given->model_aliases : settings.model_aliases;
    settings.instructions =
        change->instructions != NULL ? given->instructions : settings.instructions;
    settings.effort = change->effort != NULL ? given->effort : settings.effort;
    settings.public_url = change->public_url != NULL ? given->public_url : settings.public_url;
    settings.notify_command =
        change->command != NULL ? given->notify_command : settings.notify_command;
    settings.notify_webhook =
        change->webhook != NULL ? given->notify_webhook : settings.notify_webhook;
    settings.notify_on = change->events != NULL ? given->notify_on : settings.notify_on;
    settings.window = change->window != NULL ? given->window : settings.window;
    err = tx_settings_write(tx, &settings);
    if (!err_failed(err)) {
        err = tx_settings_read(tx, &settings); /* With its new time. */
    }
    if (!err_failed(err)) {
        settings_kept_put(change->merged, &settings);
    }
    return err;
}

static enum request_next change_done(void *ctx, struct err *io_result) {
    struct change_op *change = ctx;
    const struct providers_api *api = change->request.api;
    if (!err_failed(*io_result)) {
        connections_set(api->connections, settings_kept_get(change->merged));
        settings_write(&change->request);
    }
    return REQUEST_ANSWER;
}

static void change_end(void *ctx, struct err result) {
    struct change_op *change = ctx;
    settings_kept_free(change->merged);
}

static const struct request_kind change = {
    .size = sizeof(struct change_op),
    .writes = true,
    .fields = &change_fields,
    .use = FIELD_CHANGED,
    .read = change_read,
    .later = true,
    .start = change_start,
    .work = change_work,
    .done = change_done,
    .end = change_end,
};

/* --- The table -------------------------------------------------------------------------------- */

const struct route settings_routes[] = {
    {ROUTE("GET", "/api/v1/settings", SCOPE_READ, "Show the settings of the daemon"),
     .answer = {.fields = &change_fields, .use = FIELD_LISTED}, .request = &show},
    {ROUTE("PATCH", "/api/v1/settings", SCOPE_ADMIN, "Change settings; null restores a default"),
     .has_body = true, .body = {.fields = &change_fields, .use = FIELD_CHANGED},
     .answer = {.fields = &change_fields, .use = FIELD_LISTED}, .request = &change},
    {.method = NULL},
};
