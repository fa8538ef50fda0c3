/* resource.c: a route, its parameters and its steps, for each row of a descriptor's routes. */
#include "api/base/resource.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"

/* --- A request about a row -------------------------------------------------------------------- */

enum { TEXTS_MAX = 2 << 20 }; /* Bytes of texts that the handler `read` makes of one body. */

struct row_op {
    struct request request;
    struct arena arena; /* Owned: texts that `read` made. */
    struct resource_key key;
    max_align_t row[]; /* The struct of the resource. */
};

static const struct resource_handlers *handlers_of(const struct request *request) {
    return exchange_route(request->op.exchange)->handlers;
}

static const struct resource *resource_of(const struct request *request) {
    return handlers_of(request)->resource;
}

static struct err row_read(struct row_op *op) {
    const struct resource_handlers *handlers = handlers_of(&op->request);
    const struct resource *resource = handlers->resource;
    arena_init(&op->arena, TEXTS_MAX);
    struct err err =
        resource->check != NULL ? resource->check(op->row, &op->request.op.why) : ERR_OK;
    return err_failed(err) || handlers->read == NULL
               ? err
               : handlers->read(&op->request, &op->arena, op->row);
}

static void row_end(void *ctx, struct err result) {
    struct row_op *op = ctx;
    arena_done(&op->arena);
    if (resource_of(&op->request)->routes[RESOURCE_ADD].secret) {
        explicit_bzero(op->row, resource_of(&op->request)->size);
    }
}

/* The handler gets the row that was committed. */
static enum request_next row_done(void *ctx, struct err *io_result) {
    struct row_op *op = ctx;
    const struct resource_handlers *handlers = handlers_of(&op->request);
    if (handlers->changed != NULL && !err_failed(*io_result) && !op->request.replayed) {
        handlers->changed(op->request.api, &op->key, op->row);
    }
    return REQUEST_ANSWER;
}

static void row_answer(struct row_op *op) {
    fields_write(&resource_of(&op->request)->fields, FIELD_LISTED | FIELD_WHOLE, op->row,
                 &op->request.op.answer);
}

/* --- Make ------------------------------------------------------------------------------------- */

static void text_set(const struct field *field, struct bytes text, void *row) {
    void *at = (char *)row + field->at;
    if (field->kind == FIELD_ID) {
        *(struct id *)at = id_copy(text);
    } else {
        *(struct bytes *)at = text;
    }
}

/* Texts that were not given are empty: a column has no unknown text. */
static void texts_fill(const struct resource *resource, void *row) {
    for (size_t i = 0; i < resource->fields.count; i++) {
        const struct field *field = &resource->fields.rows[i];
        struct bytes *text = (void *)((char *)row + field->at);
        const bool is_text = field->kind == FIELD_TEXT || field->kind == FIELD_STORED;
        if (is_text && field->get == NULL && text->data == NULL) {
            *text = BYTES("");
        }
    }
}

static struct err add_read(void *ctx) {
    struct row_op *op = ctx;
    const struct resource *resource = resource_of(&op->request);
    const struct field *owner = resource_column(resource, "owner");
    struct bytes key;
    if (resource->routes[RESOURCE_ADD].secret &&
        exchange_header(op->request.op.exchange, "idempotency-key", &key)) {
        return err_why(&op->request.op.why, ERR_BAD_REQUEST,
                       "Idempotency-Key: not taken here, since a stored answer would hold the "
                       "secret; list the %s to see whether one was made",
                       resource->plural);
    }
    if (owner != NULL && resource_text(resource, owner->name, op->row).data == NULL) {
        text_set(owner, op->request.key.owner, op->row); /* Unless another was given. */
    }
    texts_fill(resource, op->row);
    if (resource->prefix == NULL &&
        !resource->valid(resource_text(resource, resource->key, op->row))) {
        return err_why(&op->request.op.why, ERR_BAD_FIELD, "\"%s\" must have %s", resource->key,
                       resource->naming);
    }
    return row_read(op);
}

static struct err add_start(void *ctx) {
    struct row_op *op = ctx;
    const struct resource *resource = resource_of(&op->request);
    if (resource->prefix != NULL) {
        const struct id id = request_new_id(&op->request, resource->prefix);
        text_set(resource_field(resource, resource->key), bytes_of(id.text), op->row);
    }
    op->key = (struct resource_key){resource_text(resource, "owner", op->row),
                                    resource_text(resource, resource->key, op->row)};
    const struct resource_handlers *handlers = handlers_of(&op->request);
    return handlers->start != NULL ? handlers->start(&op->request, &op->arena, op->row) : ERR_OK;
}

static struct err add_work(struct tx *tx, void *ctx) {
    struct row_op *op = ctx;
    const struct resource *resource = resource_of(&op->request);
    struct err err = tx_resource_insert(tx, resource, op->row);
    if (err.code == ERR_TOO_MANY) {
        why_set(&op->request.op.why, "there are %lld %s already; remove some",
                (long long)resource->rows_max, resource->plural);
    } else if (err.code == ERR_CONFLICT) {
        why_set(&op->request.op.why, "there is a %s '%.*s' already", resource->name,
                (int)op->key.id.len, op->key.id.data);
    }
    op->request.about = resource->prefix != NULL ? op->key.id : BYTES("");
    row_answer(op);
    return err;
}

/* --- Show, change, remove --------------------------------------------------------------------- */

static struct err row_find(struct tx *tx, struct row_op *op) {
    bool found = false;
    op->key = (struct resource_key){op->request.key.owner, op->request.key.id};
    struct err err = tx_resource_find(tx, resource_of(&op->request), &op->key, &found, op->row);
    return err_failed(err) || !found ? request_absent(&op->request, err) : ERR_OK;
}

static struct err resource_show_work(struct tx *tx, void *ctx) {
    struct row_op *op = ctx;
    struct err err = row_find(tx, op);
    if (!err_failed(err)) {
        row_answer(op);
    }
    return err;
}

/* Members that are not given stay as they are. */
static struct err resource_change_work(struct tx *tx, void *ctx) {
    struct row_op *op = ctx;
    const struct resource *resource = resource_of(&op->request);
    struct err err = row_find(tx, op);
    if (!err_failed(err)) {
        err = fields_read(&resource->fields, FIELD_CHANGED, exchange_json(op->request.op.exchange),
                          op->row, &op->request.op.why);
    }
    if (!err_failed(err)) {
        arena_done(&op->arena); /* A function may run again. */
        err = row_read(op);
    }
    if (!err_failed(err)) {
        err = tx_resource_update(tx, resource, FIELD_SET, op->row);
    }
    if (!err_failed(err)) {
        row_answer(op);
    }
    return err;
}

static struct err resource_remove_work(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    const struct resource *resource = resource_of(request);
    const struct resource_key key = {request->key.owner, request->key.id};
    op_removed(&request->op, tx, resource->key, key.id, "removed_ms");
    return tx_resource_remove(tx, resource, &key, &request->op.why);
}

static enum request_next resource_remove_done(void *ctx, struct err *io_result) {
    struct request *request = ctx;
    const struct resource_handlers *handlers = handlers_of(request);
    const struct resource_key key = {request->key.owner, request->key.id};
    if (handlers->changed != NULL && !err_failed(*io_result)) {
        handlers->changed(request->api, &key, NULL /* removed */);
    }
    return REQUEST_ANSWER;
}

/* --- List ------------------------------------------------------------------------------------- */

static struct bytes value_word(const struct field *field, const void *row) {
    return fields_value(field, row).text;
}

bool resource_row_fits(const struct page *page, const struct resource *resource, const void *row) {
    const struct exchange *exchange = page->request.op.exchange;
    bool searched = false, holds = false, fits = true;
    for (size_t i = 0; i < resource->fields.count && fits; i++) {
        const struct field *field = &resource->fields.rows[i];
        const bool asked = field->filter_about != NULL;
        switch (field->filter) {
        case FIELD_ANY_OF:
            fits = page_is(page, field->name, value_word(field, row));
            break;
        case FIELD_HAS:
            fits = param_text(exchange, field->name).len == 0 ||
                   field_list_has(field, param_text(exchange, field->name), row);
            break;
        case FIELD_EQUAL: /* Where no statement has it. */
            fits = !asked || param_text(exchange, field->name).len == 0 ||
                   bytes_equal(param_text(exchange, field->name), value_word(field, row));
            break;
        case FIELD_SINCE:
            fits = page_since(page, fields_value(field, row).number);
            break;
        case FIELD_SEARCH:
            searched = true;
            holds = holds || page_holds(page, value_word(field, row));
            break;
        case FIELD_UNFILTERED:
        case FIELD_EQUAL_OR_NONE:
            break;
        }
    }
    return fits && (holds || !searched);
}

struct err resource_list_row(void *ctx, const void *row) {
    struct page *page = ctx;
    const struct resource *resource = resource_of(&page->request);
    const struct field *number = resource_column(resource, "id");
    const bool fits = resource_row_fits(page, resource, row);
    const bool shown = number != NULL
                           ? page_row_number(page, fields_value(number, row).number, fits)
                           : page_row(page, resource_text(resource, resource->key, row), fits);
    if (shown) {
        fields_write(&resource->fields, FIELD_LISTED, row, &page->request.op.answer);
    }
    return ERR_OK;
}

struct err resource_list_rows(struct tx *tx, struct page *page, const struct page_part *part) {
    const struct resource *resource = resource_of(&page->request);
    const struct exchange *exchange = page->request.op.exchange;
    struct resource_page what = {.owner = page->request.key.owner,
                                 .after = part->after,
                                 .before = part->from,
                                 .limit = part->limit,
                                 .unsettled =
                                     resource->settled != NULL && !param_flag(exchange, "all")};
    for (size_t i = 0; i < resource->fields.count; i++) {
        const struct field *field = &resource->fields.rows[i];
        if (field->filter == FIELD_ANY_OF && param_text(exchange, field->name).len > 0) {
            what.unsettled = false;
        }
        const bool equal = field->filter == FIELD_EQUAL;
        if ((equal && param_text(exchange, field->name).len > 0) ||
            (field->filter == FIELD_EQUAL_OR_NONE && param_given(exchange, field->name))) {
            assert(what.filter_count < RESOURCE_FILTERS_MAX);
            what.filters[what.filter_count++] =
                (struct resource_filter){field, param_text(exchange, field->name)};
        }
    }
    return tx_resource_list(tx, resource, &what, resource_list_row, page);
}

/* --- Routes ----------------------------------------------------------------------------------- */

enum { RESOURCES_MAX = 16 };

/* All that the routes of a resource point to. */
struct served {
    char one_path[128], owner_about[128], words[256];
    struct one_kind one;
    struct request_kind add, show, change, remove;
    struct page_kind list;
    struct query_param list_query[QUERY_PARAMS_MAX + 1], owner_query[2];
};
struct resource_routes {
    size_t count, served_count;
    struct route routes[RESOURCE_ROUTES * RESOURCES_MAX];
    struct served served[RESOURCES_MAX];
};

static void param_add(struct query_param *query, const struct query_param param) {
    size_t at = 0;
    while (query[at].name != NULL) {
        at++;
    }
    assert(at < QUERY_PARAMS_MAX);
    query[at] = param;
}

/* A parameter has its words with commas, a flag with bars. */
static const char *words_make(const struct field *field, struct served *served) {
    const char *choices = field->filter_flag.choices;
    assert(strlen(choices) < sizeof served->words &&
           served->words[0] == '\0'); /* A resource has a single such filter. */
    for (size_t i = 0; choices[i] != '\0'; i++) {
        served->words[i] = (char)(choices[i] == '|' ? ',' : choices[i]);
    }
    return served->words;
}

static void filters_add(const struct resource *resource, struct served *served) {
    for (size_t i = 0; i < resource->fields.count; i++) {
        const struct field *field = &resource->fields.rows[i];
        struct query_param param = {.name = field->name,
                                    .about = field->filter_about,
                                    .kind = QUERY_TEXT,
                                    .max = field->max > 0 ? field->max : PAGE_WORD_MAX};
        if (field->filter == FIELD_SEARCH) {
            param.name = "q";
            param.max = PAGE_WORD_MAX;
        } else if (field->filter == FIELD_SINCE) {
            param.name = "since";
            param.kind = QUERY_INT;
            param.max = INT64_C(1) << 53;
        } else if (field->filter == FIELD_HAS) {
            param.max = field->each_max;
        } else if (field->filter == FIELD_ANY_OF) {
            param.max = PAGE_WORD_MAX;
            param.words = words_make(field, served);
        }
        if (field->filter_about != NULL) {
            param_add(served->list_query, param);
        }
    }
}

static void query_make(const struct resource_handlers *handlers, struct served *served) {
    static const struct query_param page[] = {PAGE_PARAMS(PAGE_CURSOR_MAX), {.name = NULL}};
    const struct resource *resource = handlers->resource;
    for (const struct query_param *param = page; param->name != NULL; param++) {
        param_add(served->list_query, *param);
    }
    if (resource_column(resource, "id") != NULL) {
        served->list_query[0].max = PAGE_NUMBER; /* `after` */
    } else if (resource->prefix != NULL) {
        served->list_query[0].max = ID_SIZE;
    }
    if (resource_is_owned(resource)) {
        (void)snprintf(served->owner_about, sizeof served->owner_about,
                       "Another owner's %s (scope admin).", resource->plural);
        served->owner_query[0] = (struct query_param)OP_OWNER_PARAM("");
        served->owner_query[0].about = served->owner_about;
        param_add(served->list_query, served->owner_query[0]);
    }
    if (resource->settled != NULL) {
        param_add(served->list_query,
                  (const struct query_param){QUERY("all", QUERY_FLAG, "Include settled rows.")});
    }
    filters_add(resource, served);
    for (const struct query_param *param = handlers->query; param != NULL && param->name != NULL;
         param++) {
        param_add(served->list_query, *param);
    }
}

static void kinds_make(const struct resource_handlers *handlers, struct served *served) {
    const struct resource *resource = handlers->resource;
    const size_t size = offsetof(struct row_op, row) + resource->size;
    served->one = (struct one_kind){.prefix = resource->prefix,
                                    .valid = resource->valid,
                                    .noun = resource->name,
                                    .absent = handlers->absent};
    served->add = (struct request_kind){.size = size,
                                        .writes = true,
                                        .fields = &resource->fields,
                                        .into = offsetof(struct row_op, row),
                                        .read = add_read,
                                        .start = add_start,
                                        .work = add_work,
                                        .done = row_done,
                                        .end = row_end};
    served->show = (struct request_kind){
        .size = size, .one = &served->one, .work = resource_show_work, .end = row_end};
    served->change = (struct request_kind){.size = size,
                                           .writes = true,
                                           .one = &served->one,
                                           .work = resource_change_work,
                                           .done = row_done,
                                           .end = row_end};
    served->remove = (struct request_kind){.writes = true,
                                           .one = &served->one,
                                           .work = resource_remove_work,
                                           .done = resource_remove_done};
    served->list =
        (struct page_kind){.resource = resource_column(resource, "id") == NULL ? resource : NULL,
                           .rows = handlers->rows != NULL ? handlers->rows : resource_list_rows};
}

static struct route route_of(const struct resource_handlers *handlers, const struct served *served,
                             enum resource_route_kind kind) {
    static const char *const methods[] = {"GET", "POST", "GET", "PATCH", "DELETE"};
    const struct resource *resource = handlers->resource;
    const struct request_kind *const requests[] = {NULL, &served->add, &served->show,
                                                   &served->change, &served->remove};
    const bool has_body = kind == RESOURCE_ADD || kind == RESOURCE_CHANGE;
    struct route route = {
        .method = methods[kind],
        .path = kind == RESOURCE_LIST || kind == RESOURCE_ADD ? resource->path : served->one_path,
        .summary = resource->routes[kind].summary,
        .scope = resource->routes[kind].scope,
        .query = kind == RESOURCE_LIST                 ? served->list_query
                 : served->owner_query[0].name != NULL ? served->owner_query
                                                       : NULL,
        .has_body = has_body,
        .idempotent_key = kind == RESOURCE_ADD && !resource->routes[kind].secret,
        .answer = {.fields = &resource->fields, .use = FIELD_LISTED | FIELD_WHOLE},
        .answer_status = kind == RESOURCE_ADD ? 201 : 200,
        .request = requests[kind],
        .page = kind == RESOURCE_LIST ? &served->list : NULL,
        .handlers = handlers};
    if (has_body) {
        route.body = (struct field_shape){
            .fields = &resource->fields, .use = kind == RESOURCE_ADD ? FIELD_GIVEN : FIELD_CHANGED};
    }
    if (kind == RESOURCE_LIST) {
        route.answer.page = true;
        route.answer.use = FIELD_LISTED;
        route.answer.more = handlers->more;
    } else if (kind == RESOURCE_REMOVE) {
        route.answer = (struct field_shape){.fields = NULL};
        route.answer_schema = resource->prefix != NULL ? REMOVED_SCHEMA : REMOVED_NAME_SCHEMA;
    }
    return route;
}

static void served_make(struct resource_routes *routes, const struct resource_served *what) {
    struct served *served = &routes->served[routes->served_count++];
    const struct resource_handlers *handlers = what->handlers;
    (void)snprintf(served->one_path, sizeof served->one_path, "%s/{%s}", handlers->resource->path,
                   handlers->resource->key);
    query_make(handlers, served);
    kinds_make(handlers, served);
    for (unsigned kind = 0; kind < RESOURCE_ROUTES; kind++) {
        if (handlers->resource->routes[kind].summary != NULL) {
            struct route *route = &routes->routes[routes->count++];
            *route = route_of(handlers, served, kind);
            route->ctx = what->host;
        }
    }
}

struct resource_routes *resource_routes_new(const struct resource_served *served, size_t count) {
    struct resource_routes *routes = mem_new(sizeof *routes);
    assert(count <= COUNT_OF(routes->served));
    for (size_t i = 0; i < count; i++) {
        served_make(routes, &served[i]);
    }
    return routes;
}

void resource_routes_free(struct resource_routes *routes) {
    mem_free(routes);
}

struct route_table resource_routes_table(const struct resource_routes *routes) {
    return (struct route_table){
        .routes = routes->routes, .count = routes->count, .handle = request_handle};
}
