/* providers.c: looking at connections, and the table of routes. */
#include "api/provider/providers.h"

#include <string.h>

#include "api/base/page.h"
#include "base/json/json.h"
#include "base/memory.h"

/* --- One of them as JSON ---------------------------------------------------------------------- */

static void write_number(struct text *text, const char *name, int64_t number) {
    text_addf(text, ",\"%s\":", name);
    if (number > 0) {
        text_add_int(text, number);
    } else {
        text_add_str(text, "null");
    }
}

/* What holds, not what was said: only a scripted one has no limit. */
static int64_t concurrent_of(const struct provider *provider) {
    bool scripted = bytes_equal(provider->kind, BYTES("scripted"));
    return provider->max_concurrent > 0 || scripted ? provider->max_concurrent
                                                    : CONNECTION_CONCURRENT_DEFAULT;
}

void providers__write(const struct connections *connections, const struct provider *provider,
                      const char *origin, struct text *text) {
    bool keyed =
        provider->key_file.len > 0 && !connections_key_lost(connections, provider->key_file);
    origin = origin != NULL ? origin : "set";
    text_add_str(text, "{\"name\":");
    text_add_json(text, provider->name.data, provider->name.len);
    text_add_str(text, ",\"kind\":");
    text_add_json(text, provider->kind.data, provider->kind.len);
    text_add_str(text, ",\"base_url\":");
    if (provider->base_url.len > 0) {
        text_add_json(text, provider->base_url.data, provider->base_url.len);
    } else {
        text_add_str(text, "null");
    }
    text_addf(text, ",\"key_set\":%s,\"headers\":", keyed ? "true" : "false");
    json_add_stored(text, provider->headers);
    text_add_str(text, ",\"models\":");
    json_add_stored(text, provider->models);
    write_number(text, "window", provider->window);
    write_number(text, "max_concurrent", concurrent_of(provider));
    text_add_str(text, ",\"origin\":");
    text_add_json(text, origin, strlen(origin));
    write_number(text, "made_ms", provider->made_ms);
    write_number(text, "changed_ms", provider->changed_ms);
    text_add_char(text, '}');
}

/* --- Those that were found -------------------------------------------------------------------- */

/* Written on the loop, where struct models is: few, and small. */
struct found {
    char name[CONNECTION_NAME_MAX + 1];
    struct text json; /* Owned. */
};
enum { FOUND_MAX = 16, FOUND_JSON_MAX = 32 << 10 };
struct founds {
    const struct connections *connections;
    struct found rows[FOUND_MAX]; /* In the order of names. */
    size_t count;
};

/* Nothing of the environment names models or headers. */
static void found_write(const struct connections *connections,
                        const struct model_connection *connection, struct text *text) {
    const struct provider provider = {.name = bytes_of(connection->name),
                                      .kind = bytes_of(model_kind_name(connection->kind)),
                                      .base_url = bytes_of(connection->base_url),
                                      /* Its name is in no row: that there is one is what counts. */
                                      .key_file = bytes_of(connection->key != NULL ? "-" : NULL),
                                      .headers = BYTES("{}"),
                                      .models = BYTES("[]"),
                                      .window = connection->window,
                                      .max_concurrent = connection->max_concurrent};
    providers__write(connections, &provider, connection->origin, text);
}

static void take_found(void *ctx, const struct model_connection *connection) {
    struct founds *founds = ctx;
    if (connection->origin == NULL || founds->count == FOUND_MAX) {
        return;
    }
    struct found *found = &founds->rows[founds->count++];
    size_t len = strnlen(connection->name, sizeof found->name - 1);
    memcpy(found->name, connection->name, len);
    found->name[len] = '\0';
    text_init(&found->json, FOUND_JSON_MAX);
    found_write(founds->connections, connection, &found->json);
}

static void founds_done(struct founds *founds) {
    for (size_t i = 0; i < founds->count; i++) {
        text_done(&founds->rows[i].json);
    }
}

/* --- List ------------------------------------------------------------------------------------- */

struct list_op {
    struct page page;
    struct providers_api *api; /* Borrowed. */
    struct bytes after, q;     /* Borrowed from the exchange. */
    bool total;
    int64_t count; /* Of all pages. */
    struct founds founds;
    size_t found_at; /* While the function runs: the next that was found. */
};

static int order(struct bytes a, struct bytes b) {
    int cmp = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    return cmp != 0 ? cmp : (a.len > b.len) - (a.len < b.len);
}

static bool list_add(struct list_op *list, struct bytes name) {
    if (!page_holds(name, list->q)) {
        return false;
    }
    list->count++;
    return order(name, list->after) > 0 && page_add(&list->page, name);
}

/* Those whose names come before `until` (NULL: all that are left). */
static void list_founds(struct list_op *list, const struct bytes *until) {
    while (list->found_at < list->founds.count) {
        const struct found *found = &list->founds.rows[list->found_at];
        struct bytes name = bytes_of(found->name);
        int place = until == NULL ? -1 : order(name, *until);
        if (place > 0) {
            return;
        }
        list->found_at++;
        /* Of equal names, the row is meant. */
        if (place < 0 && list_add(list, name)) {
            text_add(&list->page.op.answer, found->json.data, found->json.len);
        }
    }
}

static struct err list_row(void *ctx, const struct provider *provider) {
    struct list_op *list = ctx;
    list_founds(list, &provider->name);
    if (list_add(list, provider->name)) {
        providers__write(list->api->connections, provider, NULL /* set */, &list->page.op.answer);
    }
    return ERR_OK;
}

static struct err list_run(struct tx *tx, void *ctx) {
    struct list_op *list = ctx;
    (void)page_begin(&list->page); /* They are few: all are read, and counted. */
    list->found_at = 0;
    list->count = 0;
    struct err err = tx_provider_each(tx, BYTES(""), PROVIDERS_MAX, list_row, list);
    list_founds(list, NULL /* all */);
    page_end(&list->page, list->total ? list->count : PAGE_NO_TOTAL);
    return err;
}

static void list_done(struct err result, void *ctx) {
    struct list_op *list = ctx;
    op_answer(&list->page.op, result);
    founds_done(&list->founds);
    mem_free(list);
}

bool providers__name_fits(struct bytes name) {
    if (name.len == 0 || name.len > CONNECTION_NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        bool alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!alnum && (i == 0 || (c != '_' && c != '.' && c != '-'))) {
            return false;
        }
    }
    return true;
}

static void providers_list(struct exchange *exchange, void *ctx) {
    static const struct page_form form = {.valid = providers__name_fits, .of = PAGE_OF_ALL};
    struct providers_api *api = ctx;
    struct page_ask ask;
    if (!page_read(exchange, &form, &ask)) {
        return;
    }
    struct list_op *list = mem_new(sizeof *list);
    page_init(&list->page, exchange, ask.limit);
    list->api = api;
    list->after = ask.after;
    list->total = ask.total;
    list->q = page_word(exchange, PROVIDERS_Q);
    list->founds.connections = api->connections;
    models_connection_each(connections_models(api->connections), take_found, &list->founds);
    store_read(api->store, list_run, list_done, list);
}

/* --- One -------------------------------------------------------------------------------------- */

struct err providers__absent(struct why *why) {
    why_set(why, "there is no connection of that name");
    return err_make(ERR_NOT_FOUND, "providers: find");
}

bool providers__name(struct exchange *exchange, struct bytes *ret_name) {
    struct bytes name = exchange_param(exchange, 0);
    struct why why;
    if (!providers__name_fits(name)) {
        op_refuse(exchange, providers__absent(&why), &why);
        return false;
    }
    *ret_name = name;
    return true;
}

struct show_op {
    struct op op;
    struct providers_api *api; /* Borrowed. */
    struct bytes name;         /* Borrowed from the exchange. */
    struct text found;         /* Owned; no bytes: none was found under that name. */
};

static struct err show_run(struct tx *tx, void *ctx) {
    struct show_op *show = ctx;
    bool there = false;
    struct provider row;
    op_restart(&show->op);
    struct err err = tx_provider_find(tx, show->name, &there, &row);
    if (err_failed(err)) {
        return err;
    }
    if (there) {
        providers__write(show->api->connections, &row, NULL /* set */, &show->op.answer);
    } else if (show->found.len > 0) {
        text_add(&show->op.answer, show->found.data, show->found.len);
    } else {
        return providers__absent(&show->op.why);
    }
    return ERR_OK;
}

static void show_done(struct err result, void *ctx) {
    struct show_op *show = ctx;
    op_answer(&show->op, result);
    text_done(&show->found);
    mem_free(show);
}

static void providers_show(struct exchange *exchange, void *ctx) {
    struct providers_api *api = ctx;
    struct bytes name;
    if (!providers__name(exchange, &name)) {
        return;
    }
    struct show_op *show = mem_new(sizeof *show);
    op_init(&show->op, exchange, 200);
    show->api = api;
    show->name = name;
    text_init(&show->found, FOUND_JSON_MAX);
    AUTO(mem_release) char *text = mem_copy(name.data, name.len);
    const struct model_connection *found =
        models_connection_find(connections_models(api->connections), text);
    if (found != NULL && found->origin != NULL) {
        found_write(api->connections, found, &show->found);
    }
    store_read(api->store, show_run, show_done, show);
}

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param list_query[] = {
    [PAGE_AFTER] = PAGE_AFTER_PARAM(CONNECTION_NAME_MAX),
    PAGE_PARAMS,
    [PROVIDERS_Q] = PAGE_Q_PARAM("name"),
    {.name = NULL},
};
static const struct query_param models_query[] = {
    [PAGE_AFTER] = PAGE_AFTER_PARAM(SETTINGS_MODEL_MAX),
    PAGE_PARAMS,
    [PROVIDERS_Q] = PAGE_Q_PARAM("id"),
    {.name = NULL},
};

#define KINDS "{\"enum\":[\"openai\",\"responses\",\"anthropic\",\"scripted\"]}"
#define TEXTS "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"
#define HEADERS "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}"
#define NUMBER "{\"type\":[\"integer\",\"null\"]}"
#define TEXT "{\"type\":[\"string\",\"null\"]}"

#define GIVEN_PROPERTIES                                                                           \
    "\"kind\":" KINDS ",\"base_url\":{\"type\":\"string\"},\"key\":" TEXT ",\"headers\":" HEADERS  \
    ",\"models\":" TEXTS ",\"window\":" NUMBER ",\"max_concurrent\":" NUMBER

static const char add_body[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"name\",\"kind\"],"
    "\"properties\":{\"name\":{\"type\":\"string\"}," GIVEN_PROPERTIES "}}";
static const char patch_body[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{" GIVEN_PROPERTIES "}}";

#define PROVIDER                                                                                   \
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"kind\":" KINDS          \
    ",\"base_url\":" TEXT ",\"key_set\":{\"type\":\"boolean\"},\"headers\":" HEADERS               \
    ",\"models\":" TEXTS ",\"window\":" NUMBER ",\"max_concurrent\":" NUMBER                       \
    ",\"origin\":{\"type\":\"string\"},\"made_ms\":" NUMBER ",\"changed_ms\":" NUMBER "}}"
static const char provider_answer[] = PROVIDER;
static const char list_answer[] = PAGE_SCHEMA(PROVIDER);
static const char remove_answer[] =
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},"
    "\"removed_ms\":{\"type\":\"integer\"}}}";

static const char forget_answer[] =
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"}}}";

static const char test_body[] = "{\"type\":\"object\",\"additionalProperties\":false,"
                                "\"properties\":{\"model\":{\"type\":\"string\"}}}";
static const char test_answer[] =
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"model\":" TEXT
    ",\"ok\":{\"type\":\"boolean\"},\"cause\":" TEXT ",\"detail\":" TEXT ",\"status\":" NUMBER
    ",\"first_ms\":" NUMBER ",\"latency_ms\":{\"type\":\"integer\"}}}";

#define ABILITY "{\"type\":[\"boolean\",\"null\"]}"
static const char models_answer[] = PAGE_SCHEMA(
    "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"},\"provider\":{\"type\":"
    "\"string\"},\"window\":{\"type\":\"integer\"},\"window_from\":{\"enum\":[\"connection\","
    "\"provider\",\"prices\",\"default\",\"learned\"]},\"max_output\":" NUMBER
    ",\"vision\":" ABILITY ",\"tools\":" ABILITY
    ",\"price\":{\"type\":\"object\",\"properties\":{\"fresh\":" NUMBER ",\"cache_read\":" NUMBER
    ",\"cache_write\":" NUMBER ",\"output\":" NUMBER "}}}}");

static const struct route routes[] = {
    {.method = "GET",
     .path = "/api/v1/providers",
     .summary = "List the connections to providers of models",
     .scope = SCOPE_READ,
     .query = list_query,
     .answer_schema = list_answer,
     .answer_status = 200,
     .handle = providers_list},
    {.method = "POST",
     .path = "/api/v1/providers",
     .summary = "Set a connection; its key is shown to nobody",
     .scope = SCOPE_ADMIN,
     .has_body = true,
     .body_schema = add_body,
     .answer_schema = provider_answer,
     .answer_status = 201,
     .handle = providers__add},
    {.method = "GET",
     .path = "/api/v1/providers/{name}",
     .summary = "Show a connection",
     .scope = SCOPE_READ,
     .answer_schema = provider_answer,
     .answer_status = 200,
     .handle = providers_show},
    {.method = "PATCH",
     .path = "/api/v1/providers/{name}",
     .summary = "Change what is named of a connection",
     .scope = SCOPE_ADMIN,
     .has_body = true,
     .body_schema = patch_body,
     .answer_schema = provider_answer,
     .answer_status = 200,
     .handle = providers__patch},
    {.method = "DELETE",
     .path = "/api/v1/providers/{name}",
     .summary = "Remove a connection that was set",
     .scope = SCOPE_ADMIN,
     .answer_schema = remove_answer,
     .answer_status = 200,
     .handle = providers__remove},
    {.method = "DELETE",
     .path = "/api/v1/providers/{name}/windows",
     .summary = "Forget the learned windows of its models",
     .scope = SCOPE_ADMIN,
     .answer_schema = forget_answer,
     .answer_status = 200,
     .handle = providers__forget},
    {.method = "POST",
     .path = "/api/v1/providers/{name}/test",
     .summary = "Ask a model of the connection for one word",
     .scope = SCOPE_RUN,
     .has_body = true,
     .body_optional = true,
     .body_schema = test_body,
     .answer_schema = test_answer,
     .answer_status = 200,
     .handle = providers__test},
    {.method = "GET",
     .path = "/api/v1/models",
     .summary = "List the models that can be asked",
     .scope = SCOPE_READ,
     .query = models_query,
     .answer_schema = models_answer,
     .answer_status = 200,
     .handle = providers__models},
};

struct route_table providers_table(struct providers_api *api) {
    return (struct route_table){.routes = routes, .count = COUNT_OF(routes), .ctx = api};
}
