/* providers.c: looking at connections and models, and the table of routes. */
#include "api/provider/providers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "model/known.h"

const struct one_kind providers__one = {.valid = connection_name_valid, .noun = "provider"};

/* --- One of them as JSON ---------------------------------------------------------------------- */

void providers__write(const struct connections *connections, const struct provider *provider,
                      const char *origin, const struct model_failure *away, struct text *text) {
    struct provider_view view = {.row = *provider,
                                 .key_set = provider->key_file.len > 0 &&
                                            !connections_key_lost(connections, provider->key_file),
                                 .origin = origin != NULL ? origin : "set"};
    if (view.key_set) {
        view.key_from = origin == NULL ? "key file" : connections_options(connections)->environment;
    }
    if (away != NULL) {
        view.cause = model_cause_name(away->cause);
        view.detail = away->detail;
        view.resume_at_ms = away->resume_at_ms;
    }
    fields_write(&provider_fields, FIELD_LISTED, &view, text);
}

/* --- Those that were found -------------------------------------------------------------------- */

/* Copied on the loop, where struct models is: few, and small. */
struct found {
    struct provider *row; /* Owned; NULL: none was found. */
    char origin[64];
};
enum { FOUND_MAX = 16 };

/* Nothing of the environment names models or headers. */
static struct found found_make(const struct model_connection *connection) {
    const struct provider row = {.name = bytes_of(connection->name),
                                 .kind = bytes_of(model_kind_name(connection->kind)),
                                 .base_url = bytes_of(connection->base_url),
                                 /* Its name is in no row: that there is one is what counts. */
                                 .key_file = bytes_of(connection->key != NULL ? "-" : NULL),
                                 .headers = BYTES("{}"),
                                 .models = BYTES("[]"),
                                 .numbers = connection->numbers};
    struct found found = {.row = provider_copy(&row)};
    (void)snprintf(found.origin, sizeof found.origin, "%s", connection->origin); /* Fits. */
    return found;
}

/* --- List ------------------------------------------------------------------------------------- */

/* A connection whose calls wait, copied on the loop, as those are. */
struct away {
    char name[CONNECTION_NAME_MAX + 1];
    struct model_failure failure;
};

struct list_op {
    struct page page;
    struct away *aways; /* Owned. */
    size_t away_count;
    struct found founds[FOUND_MAX]; /* In the order of names. */
    size_t found_count;
    /* While the function runs. */
    size_t found_at; /* The next that was found. */
    struct bytes after;
};

static void found_take(void *ctx, const struct model_connection *connection) {
    struct list_op *list = ctx;
    const struct providers_api *api = list->page.request.api;
    struct away away;
    if (models_is_away(connections_models(api->connections), bytes_of(connection->name),
                       &away.failure)) {
        (void)snprintf(away.name, sizeof away.name, "%s", connection->name); /* Bounded. */
        list->aways = mem_grow(list->aways, (list->away_count + 1) * sizeof *list->aways);
        list->aways[list->away_count++] = away;
    }
    if (connection->origin != NULL && list->found_count < FOUND_MAX) {
        list->founds[list->found_count++] = found_make(connection);
    }
}

static void row_list(struct list_op *list, const struct provider *row, const char *origin) {
    const struct providers_api *api = list->page.request.api;
    if (bytes_compare(row->name, list->after) > 0 &&
        page_row(&list->page, row->name, page_holds(&list->page, row->name))) {
        const struct model_failure *failure = NULL;
        for (size_t i = 0; i < list->away_count; i++) {
            failure = bytes_is(row->name, list->aways[i].name) ? &list->aways[i].failure : failure;
        }
        providers__write(api->connections, row, origin, failure, &list->page.request.op.answer);
    }
}

/* Those whose names come before `until` (NULL: all that are left). */
static void founds_list(struct list_op *list, const struct bytes *until) {
    for (; list->found_at < list->found_count; list->found_at++) {
        const struct found *found = &list->founds[list->found_at];
        int place = until == NULL ? -1 : bytes_compare(found->row->name, *until);
        if (place > 0) {
            return;
        }
        if (place < 0) { /* Of equal names, the row is meant. */
            row_list(list, found->row, found->origin);
        }
    }
}

static struct err provider_list_row(void *ctx, const void *row) {
    const struct provider *provider = row;
    founds_list(ctx, &provider->name);
    row_list(ctx, provider, NULL /* set */);
    return ERR_OK;
}

/* They are few: all are read. */
static struct err provider_list_rows(struct tx *tx, struct page *page,
                                     const struct page_part *part) {
    struct list_op *list = PAGE_OF(page, struct list_op);
    list->found_at = 0;
    list->after = part->after;
    const struct resource_page all = {.after = BYTES(""), .limit = PROVIDERS_MAX};
    struct err err = tx_resource_list(tx, &provider_resource, &all, provider_list_row, list);
    founds_list(list, NULL /* all */);
    return err;
}

static struct err provider_list_read(void *ctx) {
    struct list_op *list = ctx;
    const struct providers_api *api = list->page.request.api;
    models_connection_each(connections_models(api->connections), found_take, list);
    return ERR_OK;
}

static void provider_list_end(void *ctx, struct err result) {
    struct list_op *list = ctx;
    for (size_t i = 0; i < list->found_count; i++) {
        provider_free(list->founds[i].row);
    }
    mem_free(list->aways);
}

static const struct page_kind list = {
    .request = {.size = sizeof(struct list_op),
                .read = provider_list_read,
                .end = provider_list_end},
    .valid = connection_name_valid,
    .rows = provider_list_rows,
};

/* --- One -------------------------------------------------------------------------------------- */

struct show_op {
    struct request request;
    struct found found;
    bool is_away;
    struct model_failure away;
};

static struct err provider_show_start(void *ctx) {
    struct show_op *show = ctx;
    const struct providers_api *api = show->request.api;
    AUTO(mem_release) char *name = mem_copy(show->request.key.id.data, show->request.key.id.len);
    const struct model_connection *found =
        models_connection_find(connections_models(api->connections), name);
    show->is_away =
        models_is_away(connections_models(api->connections), show->request.key.id, &show->away);
    if (found != NULL && found->origin != NULL) {
        show->found = found_make(found);
    }
    return ERR_OK;
}

static struct err provider_show_work(struct tx *tx, void *ctx) {
    struct show_op *show = ctx;
    const struct providers_api *api = show->request.api;
    bool there = false;
    struct provider row;
    const struct resource_key key = {.id = show->request.key.id};
    struct err err = tx_resource_find(tx, &provider_resource, &key, &there, &row);
    if (err_failed(err) || (!there && show->found.row == NULL)) {
        return request_absent(&show->request, err);
    }
    providers__write(api->connections, there ? &row : show->found.row,
                     there ? NULL /* set */ : show->found.origin,
                     show->is_away ? &show->away : NULL, &show->request.op.answer);
    return ERR_OK;
}

static void provider_show_end(void *ctx, struct err result) {
    struct show_op *show = ctx;
    provider_free(show->found.row);
}

static const struct request_kind show = {
    .size = sizeof(struct show_op),
    .one = &providers__one,
    .start = provider_show_start,
    .work = provider_show_work,
    .end = provider_show_end,
};

/* --- Models: what can be asked, of all connections together ----------------------------------- */

/*   loop: providers are asked for their lists ──> each model is copied ──> pool: sorted, written */

/* All lists together; what is more is left out of the last connections. */
enum { MODELS_MAX = 20000 };
static_assert((int)SETTINGS_MODEL_MAX <= (int)PAGE_CURSOR_MAX, "a model's id is a cursor");

struct listed_model {
    char *id; /* Owned: CONNECTION/MODEL. */
    size_t provider_len;
    struct model_info info;
};

struct models_op {
    struct page page;
    struct listed_model *models;
    size_t count, room;
};

static void take_model(void *ctx, const struct model_listed *listed) {
    struct models_op *op = ctx;
    if (op->count == MODELS_MAX) {
        return;
    }
    if (op->count == op->room) {
        op->room = op->room == 0 ? 64 : op->room * 2;
        op->models = mem_grow(op->models, op->room * sizeof *op->models);
    }
    struct text id;
    text_init(&id, SETTINGS_MODEL_MAX + 1);
    text_addf(&id, "%s/%s", listed->connection, listed->model);
    op->models[op->count++] = (struct listed_model){.id = text_take(&id, NULL /* terminated */),
                                                    .provider_len = strlen(listed->connection),
                                                    .info = listed->info};
}

static int by_id(const void *a, const void *b) {
    return strcmp(((const struct listed_model *)a)->id, ((const struct listed_model *)b)->id);
}

static void ability_add(struct text *text, const char *name, enum model_ability ability) {
    if (ability == ABILITY_UNKNOWN) {
        text_add_member_or_null(text, name, BYTES(""));
    } else {
        text_add_member_bool(text, name, ability == ABILITY_YES);
    }
}

void providers__write_refused(struct text *text, parameter_set refused) {
    text_add_name(text, "refuses");
    text_add_str(text, refused == 0 ? "[" : "[\"");
    parameters_join(refused, "\",\"", text);
    text_add_str(text, refused == 0 ? "]" : "\"]");
}

static void model_write(struct text *text, const struct listed_model *model) {
    static const char *const from[] = {[WINDOW_CONNECTION] = "connection",
                                       [WINDOW_PROVIDER] = "provider",
                                       [WINDOW_PRICES] = "prices",
                                       [WINDOW_DEFAULT] = "default",
                                       [WINDOW_LEARNED] = "learned"};
    const struct model_facts *facts = &model->info.facts;
    text_add_char(text, '{');
    text_add_member(text, "id", bytes_of(model->id));
    text_add_member(text, "provider", (struct bytes){model->id, model->provider_len});
    text_add_member_int_or_null(text, "window", facts->window, facts->window > 0);
    text_add_member(text, "window_from", bytes_of(from[model->info.window_from]));
    text_add_member_int_or_null(text, "max_output", facts->output_max, facts->output_max > 0);
    ability_add(text, "vision", facts->vision);
    ability_add(text, "tools", facts->tools);
    text_add_str(text, ",\"price\":{");
    text_add_member_int_or_null(text, "fresh", facts->price.fresh, facts->price.fresh >= 0);
    text_add_member_int_or_null(text, "cache_read", facts->price.cache_read,
                                facts->price.cache_read >= 0);
    text_add_member_int_or_null(text, "cache_write", facts->price.cache_write,
                                facts->price.cache_write >= 0);
    text_add_member_int_or_null(text, "output", facts->price.output, facts->price.output >= 0);
    text_add_char(text, '}');
    providers__write_refused(text, model->info.refused);
    text_add_char(text, '}');
}

static void all_write(struct loop_work *work) {
    struct models_op *op = CONTAINER_OF(work, struct models_op, page.request.work);
    struct page *page = &op->page;
    (void)page_begin(page); /* All are here: nothing is read. */
    if (op->count > 0) {
        qsort(op->models, op->count, sizeof *op->models, by_id);
    }
    int64_t counted = 0;
    for (size_t i = 0; i < op->count; i++) {
        const char *id = op->models[i].id;
        bool again = i > 0 && strcmp(op->models[i - 1].id, id) == 0;
        if (again || !page_holds(page, bytes_of(id))) {
            continue;
        }
        counted++;
        if (bytes_compare(bytes_of(id), page->after) > 0 && page_add(page, bytes_of(id))) {
            model_write(&page->request.op.answer, &op->models[i]);
        }
    }
    page_end(page, page->total ? counted : PAGE_NO_TOTAL);
}

static void all_written(struct loop_work *work) {
    request_answer(CONTAINER_OF(work, struct request, work), ERR_OK);
}

static void all_taken(void *ctx) {
    struct models_op *op = ctx;
    op->page.request.work = (struct loop_work){.run = all_write, .done = all_written};
    loop_work(op->page.request.loop, &op->page.request.work);
}

static bool cursor_valid(struct bytes cursor) {
    return cursor.len > 0;
}

static void models_begin(struct page *page) {
    const struct providers_api *api = page->request.api;
    models_list(connections_models(api->connections), take_model, all_taken,
                PAGE_OF(page, struct models_op));
}

static void models_end(void *ctx, struct err result) {
    struct models_op *op = ctx;
    for (size_t i = 0; i < op->count; i++) {
        mem_free(op->models[i].id);
    }
    mem_free(op->models);
}

static const struct page_kind models_list_kind = {
    .request = {.size = sizeof(struct models_op), .end = models_end},
    .valid = cursor_valid,
    .begin = models_begin,
};

/* --- Keys that a client may compare with those of its environment ----------------------------- */

/* A connection with a key of its own, which somebody set, has no hash here: that was a decision. */
static void key_write(const struct model_connection *connection, const char *salt,
                      struct text *text) {
    const bool found = connection->origin != NULL;
    struct sha256_hex hash = {.text = ""};
    if (found) {
        hash = known_key_hash(salt, connection->key);
    }
    text_add_str(text, text_bytes(text).data[text->len - 1] == '[' ? "{" : ",{");
    text_add_member(text, "name", bytes_of(connection->name));
    text_add_member_or_null(text, "hash", bytes_of(hash.text));
    text_add_char(text, '}');
}

static struct err keys_start(void *ctx) {
    struct request *request = ctx;
    const struct connections *connections =
        ((const struct providers_api *)request->api)->connections;
    const struct identity *identity = exchange_identity(request->op.exchange);
    const char *salt = connections_options(connections)->salt;
    struct text *text = &request->op.answer;
    if (!identity->owns_socket) {
        return err_why(&request->op.why, ERR_FORBIDDEN,
                       "hashes of keys are for the user who owns the daemon's socket");
    }
    text_add_char(text, '{');
    text_add_member_or_null(text, "salt", bytes_of(salt));
    text_add_member(text, "from", bytes_of(connections_options(connections)->environment));
    text_add_str(text, ",\"keys\":[");
    const struct known_provider *known;
    for (size_t i = 0; salt != NULL && (known = known_provider_at(i)) != NULL; i++) {
        const struct model_connection *connection =
            models_connection_find(connections_models(connections), known->name);
        if (connection != NULL && (connection->origin == NULL || connection->key != NULL)) {
            key_write(connection, salt, text);
        }
    }
    text_add_str(text, "]}");
    return ERR_OK;
}

static const struct request_kind keys = {.start = keys_start};

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param list_query[] = {
    PAGE_PARAMS(CONNECTION_NAME_MAX),
    PAGE_Q_PARAM("name"),
    {.name = NULL},
};
static const struct query_param models_query[] = {
    PAGE_PARAMS(SETTINGS_MODEL_MAX),
    PAGE_Q_PARAM("id"),
    {.name = NULL},
};

#define REFUSES "\"refuses\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"

static const char forget_answer[] =
    "{\"type\":\"object\",\"properties\":{\"name\":" TEXT_SCHEMA "}}";

static const char test_answer[] =
    "{\"type\":\"object\",\"required\":[\"name\",\"model\",\"ok\",\"cause\",\"detail\","
    "\"status\",\"first_ms\",\"latency_ms\",\"refuses\"],"
    "\"properties\":{\"name\":" TEXT_SCHEMA ",\"model\":" TEXT_OR_NULL ",\"ok\":" BOOL_SCHEMA
    ",\"cause\":" TEXT_OR_NULL ",\"detail\":" TEXT_OR_NULL ",\"status\":" INT_OR_NULL
    ",\"first_ms\":" INT_OR_NULL ",\"latency_ms\":" INT_OR_NULL "," REFUSES "}}";

#define ABILITY "{\"type\":[\"boolean\",\"null\"]}"
static const char keys_answer[] =
    "{\"type\":\"object\",\"properties\":{\"salt\":" TEXT_OR_NULL ",\"from\":" TEXT_SCHEMA
    ",\"keys\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
    "\"name\":" TEXT_SCHEMA ",\"hash\":" TEXT_OR_NULL "}}}}}";
static const char models_answer[] = PAGE_SCHEMA(
    "{\"type\":\"object\",\"required\":[\"id\",\"provider\",\"window\",\"window_from\","
    "\"max_output\",\"vision\",\"tools\",\"price\",\"refuses\"],"
    "\"properties\":{\"id\":" TEXT_SCHEMA ",\"provider\":" TEXT_SCHEMA ",\"window\":" INT_OR_NULL
    ",\"window_from\":{\"enum\":[\"connection\",\"provider\",\"prices\","
    "\"default\",\"learned\"]},\"max_output\":" INT_OR_NULL ",\"vision\":" ABILITY
    ",\"tools\":" ABILITY ",\"price\":{\"type\":\"object\",\"properties\":{\"fresh\":" INT_OR_NULL
    ",\"cache_read\":" INT_OR_NULL ",\"cache_write\":" INT_OR_NULL ",\"output\":" INT_OR_NULL
    "}}," REFUSES "}}");

const struct route providers_routes[] = {
    {ROUTE("GET", "/api/v1/providers", SCOPE_READ, "List the connections to providers of models"),
     .query = list_query, .answer = {.fields = &provider_fields, .use = FIELD_LISTED, .page = true},
     .page = &list},
    {ROUTE("POST", "/api/v1/providers", SCOPE_ADMIN, "Add a connection; its key is never shown"),
     .has_body = true, .body = {.fields = &provider_fields, .use = FIELD_GIVEN},
     .answer = {.fields = &provider_fields, .use = FIELD_LISTED}, .answer_status = 201,
     .request = &providers__add},
    {ROUTE("GET", "/api/v1/providers/{name}", SCOPE_READ, "Show a connection"),
     .answer = {.fields = &provider_fields, .use = FIELD_LISTED}, .request = &show},
    {ROUTE("PATCH", "/api/v1/providers/{name}", SCOPE_ADMIN,
           "Change the named fields of a connection"),
     .has_body = true, .body = {.fields = &provider_fields, .use = FIELD_CHANGED},
     .answer = {.fields = &provider_fields, .use = FIELD_LISTED}, .request = &providers__patch},
    {ROUTE("DELETE", "/api/v1/providers/{name}", SCOPE_ADMIN, "Remove a connection that was set"),
     .answer_schema = REMOVED_NAME_SCHEMA, .request = &providers__remove},
    {ROUTE("DELETE", "/api/v1/providers/{name}/windows", SCOPE_ADMIN,
           "Forget the learned windows of its models, and what these refused"),
     .answer_schema = forget_answer, .request = &providers__forget},
    {ROUTE("POST", "/api/v1/providers/{name}/reset", SCOPE_ADMIN,
           "End the wait for its provider, and forget what was learned of its models"),
     .answer_schema = forget_answer, .request = &providers__reset},
    {ROUTE("POST", "/api/v1/providers/{name}/test", SCOPE_RUN,
           "Ask a model of the connection for one word"),
     .inside = INSIDE_NEVER, /* A call of a model that no budget of the run pays. */
     .has_body = true, .body_optional = true,
     .body = {.fields = &providers__test_fields, .use = FIELD_GIVEN}, .answer_schema = test_answer,
     .request = &providers__test},
    {ROUTE("GET", "/api/v1/environment-keys", SCOPE_READ,
           "Show salted hashes of the keys that a command gave to the daemon it started"),
     .answer_schema = keys_answer, .request = &keys},
    {ROUTE("GET", "/api/v1/models", SCOPE_READ, "List the models that can be asked"),
     .query = models_query, .answer_schema = models_answer, .page = &models_list_kind},
    {.method = NULL},
};
