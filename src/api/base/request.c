/* request.c: the steps of a request, in their order. */
#include "api/base/request.h"

#include <string.h>

#include "api/base/page.h"
#include "base/base64.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "engine/run/inside.h"
#include "engine/session/roots.h"
#include "engine/token/token.h"

/* --- The answer ------------------------------------------------------------------------------- */

void op_init(struct op *op, struct exchange *exchange) {
    op->exchange = exchange;
    op->media = NULL;
    op->why.text[0] = '\0';
    op->run.text[0] = '\0';
    op->unmet = op->verdict = NULL;
    text_init(&op->answer, OP_ANSWER_MAX);
}

void op_restart(struct op *op) {
    text_clear(&op->answer);
    op->why.text[0] = '\0';
    op->run.text[0] = '\0';
}

struct err op_written(const struct op *op) {
    return text_failed(&op->answer) ? text_error(&op->answer, "api: answer") : ERR_OK;
}

void op_answer(struct op *op, struct err result) {
    if (err_failed(result)) {
        const struct problem_about about = {
            .run = op->run.text,
            .unmet = op->unmet == NULL ? BYTES("") : text_bytes(op->unmet),
            .verdict = op->verdict == NULL ? BYTES("") : text_bytes(op->verdict)};
        exchange_problem_about(op->exchange, result, op->why.text[0] != '\0' ? &op->why : NULL,
                               &about);
    } else {
        exchange_reply(op->exchange, route_status(exchange_route(op->exchange)),
                       op->media != NULL ? op->media : "application/json", &op->answer);
    }
    text_done(&op->answer);
}

void op_refuse(struct exchange *exchange, struct err err, const struct why *why) {
    assert(err_failed(err));
    exchange_problem(exchange, err, why != NULL && why->text[0] != '\0' ? why : NULL);
}

void op_removed(struct op *op, struct tx *tx, const char *name, struct bytes value,
                const char *when) {
    text_add_char(&op->answer, '{');
    text_add_member(&op->answer, name, value);
    text_add_member_int(&op->answer, when, tx_now_ms(tx));
    text_add_char(&op->answer, '}');
}

/* --- The query -------------------------------------------------------------------------------- */

static bool param_find(const struct exchange *exchange, const char *name, unsigned *ret_at) {
    const struct query_param *table = exchange_route(exchange)->query;
    for (unsigned at = 0; table != NULL && table[at].name != NULL; at++) {
        if (strcmp(table[at].name, name) == 0) {
            *ret_at = at;
            return true;
        }
    }
    return false;
}

static unsigned param_at(const struct exchange *exchange, const char *name) {
    unsigned at = 0;
    bool found = param_find(exchange, name, &at);
    assert(found);
    return at;
}

bool param_given(const struct exchange *exchange, const char *name) {
    return exchange_query_given(exchange, param_at(exchange, name));
}

struct bytes param_text(const struct exchange *exchange, const char *name) {
    return exchange_query_text(exchange, param_at(exchange, name));
}

int64_t param_number(const struct exchange *exchange, const char *name) {
    return exchange_query_int(exchange, param_at(exchange, name));
}

bool param_flag(const struct exchange *exchange, const char *name) {
    return param_number(exchange, name) != 0;
}

struct err op_owner(const struct exchange *exchange, struct bytes *ret_owner, struct why *why) {
    const struct identity *identity = exchange_identity(exchange);
    struct bytes own = bytes_of(identity->owner);
    unsigned at = 0;
    if (!param_find(exchange, "owner", &at) || !exchange_query_given(exchange, at)) {
        *ret_owner = own;
        return ERR_OK;
    }
    struct bytes asked = exchange_query_text(exchange, at);
    if (!bytes_equal(asked, own) && (identity->scopes & SCOPE_ADMIN) == 0) {
        return err_why(why, ERR_FORBIDDEN,
                       "owner: only a token with the scope admin may name another owner");
    }
    if (!token_owner_valid(asked)) {
        return err_why(why, ERR_BAD_QUERY,
                       "owner: not a valid name (1 to %d of a-z, 0-9, '_', '.', '-')",
                       TOKEN_OWNER_MAX);
    }
    *ret_owner = asked;
    return ERR_OK;
}

/* --- The client's environment ----------------------------------------------------------------- */

void request_text(struct request *request, struct text *text, size_t size_max) {
    assert(request->text_count < COUNT_OF(request->texts));
    request->texts[request->text_count++] = text;
    text_init(text, size_max);
}

/* A header that says nothing useful is no reason to refuse what it came with. */
const char *request_variable(struct request *request, const char *name) {
    const struct exchange *exchange = request->op.exchange;
    AUTO(json_release) json_t *variables = NULL;
    AUTO(text_done) struct text json = text_up_to(CLIENT_ENVIRONMENT_MAX);
    struct bytes value;
    struct why ignored;
    if (!exchange_identity(exchange)->owns_socket ||
        !exchange_header(exchange, CLIENT_ENVIRONMENT, &value) ||
        value.len > CLIENT_ENVIRONMENT_MAX || !base64_add_decoded(&json, value) ||
        err_failed(json_parse_wrapped(text_bytes(&json), &variables, &ignored))) {
        return NULL;
    }
    const struct bytes given = json_bytes(variables, name);
    if (given.len == 0 || memchr(given.data, '\0', given.len) != NULL) {
        return NULL;
    }
    assert(request->variable_count < COUNT_OF(request->variables));
    struct text *variable = &request->variables[request->variable_count++];
    request_text(request, variable, CLIENT_ENVIRONMENT_MAX);
    text_add(variable, given.data, given.len);
    return variable->data;
}

/* --- The object of the path ------------------------------------------------------------------- */

const struct one_kind session_one = {.prefix = "ses", .noun = "session"};

struct err one_absent(const struct one_kind *kind, struct bytes id, struct why *why) {
    enum { SHOWN_MAX = 100 };
    return err_why(why, kind->code == ERR_NONE ? ERR_NOT_FOUND : kind->code,
                   "there is no %s '%.*s'%s", kind->noun,
                   (int)(id.len < SHOWN_MAX ? id.len : SHOWN_MAX), id.data,
                   kind->absent != NULL ? kind->absent : "");
}

struct err request_absent(struct request *request, struct err err) {
    return err_failed(err) ? err
                           : one_absent(request->kind->one, request->key.id, &request->op.why);
}

/* A daemon that holds gives other bounds than one that was released meanwhile. */
static void bounds_take(struct request *request) {
    if (request->dispatch != NULL) {
        request->bounds = dispatch_bounds(request->dispatch);
    }
}

bool request_prepare(struct request *request, struct exchange *exchange, const struct one_kind *one,
                     const struct request_host *host) {
    struct why why = {.text = ""};
    struct err err = op_owner(exchange, &request->key.owner, &why);
    if (!err_failed(err) && one != NULL) {
        struct bytes id = exchange_param(exchange, 0);
        bool valid = one->prefix != NULL ? id_valid(id.data, id.len, one->prefix) : one->valid(id);
        err = valid ? ERR_OK : one_absent(one, id, &why);
        if (!valid && one->malformed != NULL) {
            why_set(&why, "%s", one->malformed);
        }
        request->key.id = id;
    }
    if (err_failed(err)) {
        op_refuse(exchange, err, &why);
        return false;
    }
    op_init(&request->op, exchange);
    request->api = host->api;
    request->loop = host->loop;
    request->store = host->store;
    request->dispatch = host->dispatch;
    bounds_take(request);
    return true;
}

struct id request_new_id(const struct request *request, const char *prefix) {
    return world_new_id(loop_world(request->loop), prefix);
}

/* --- Idempotency-Key -------------------------------------------------------------------------- */

/* An absent key is fine; a bad one is refused, since its owner counts on it. */
static struct err key_read(struct request *request) {
    const struct exchange *exchange = request->op.exchange;
    struct bytes key = {0};
    if (!exchange_route(exchange)->idempotent_key ||
        !exchange_header(exchange, "idempotency-key", &key)) {
        return ERR_OK;
    }
    if (!idempotency_key_valid(key)) {
        return err_why(&request->op.why, ERR_BAD_REQUEST,
                       "Idempotency-Key: 1 to %d printable ASCII characters", IDEMPOTENCY_KEY_MAX);
    }
    request->room = exchange_room(exchange, &request->room_why);
    request->idempotency = (struct idempotency){
        .owner = request->key.owner, .route = bytes_of(exchange_route(exchange)->path), .key = key};
    return ERR_OK;
}

void request_answer(struct request *request, struct err result) {
    const struct request_kind *kind = request->kind;
    if (result.code == ERR_IDEMPOTENCY_MISMATCH) {
        why_set(&request->op.why, "Idempotency-Key: another request was sent with this key");
    }
    if (result.code == ERR_GONE && request->idempotency.key.len > 0) {
        why_set(&request->op.why, "Idempotency-Key: %s was deleted",
                kind->gone != NULL ? kind->gone : "what the first request with this key made");
    }
    if (!err_failed(result) && request->replayed) {
        exchange_add_header(request->op.exchange, "Idempotent-Replay", "true");
    }
    op_answer(&request->op, result);
    if (kind != NULL && kind->end != NULL) {
        kind->end(request, result);
    }
    for (size_t i = 0; i < request->text_count; i++) {
        text_done(request->texts[i]);
    }
    mem_free(request);
}

/* --- The transaction -------------------------------------------------------------------------- */

static struct err request_work(struct tx *tx, struct request *request) {
    const struct request_kind *kind = request->kind;
    struct err err = kind->work(tx, request);
    if (!err_failed(err)) {
        return kind->writes ? op_written(&request->op) : ERR_OK;
    }
    bool absent = err.code == ERR_NOT_FOUND || err.code == ERR_MESSAGE_NOT_FOUND;
    if (absent && kind->one != NULL && request->op.why.text[0] == '\0') {
        return one_absent(kind->one, request->key.id, &request->op.why);
    }
    return err;
}

struct err request_inside(struct tx *tx, struct request *request, struct bytes id) {
    const struct identity *identity = exchange_identity(request->op.exchange);
    const struct inside_change change = {
        .inside = identity->inside, .owner = request->key.owner, .id = id};
    if (identity->inside[0] == '\0') {
        return ERR_OK;
    }
    struct err err = tx_inside_check(tx, &change, &request->op.why);
    if (err.code == ERR_INSIDE_RUN) {
        request->op.run = id_copy(bytes_of(identity->inside));
    }
    return err;
}

static struct err request_tx(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    op_restart(&request->op);
    request->replayed = request->more = false;
    request->about = BYTES("");
    const struct identity *identity = exchange_identity(request->op.exchange);
    if (identity->by_run_token) {
        struct err ended = tx_inside_lives(tx, identity->inside, &request->op.why);
        if (err_failed(ended)) {
            return ended;
        }
    }
    if (exchange_route(request->op.exchange)->inside == INSIDE_BELOW) {
        struct err refused = request_inside(tx, request, request->key.id);
        if (err_failed(refused)) {
            return refused;
        }
    }
    if (request->idempotency.key.len == 0) {
        return request_work(tx, request);
    }
    struct idempotency_answer kept = {0};
    TRY(tx_idempotency_find(tx, &request->idempotency, &request->replayed, &kept));
    if (request->replayed) {
        json_add_stored(&request->op.answer, kept.body);
        return ERR_OK;
    }
    if (err_failed(request->room)) {
        request->op.why = request->room_why;
        return request->room;
    }
    struct err err = request_work(tx, request);
    if (err_failed(err) || request->more) {
        return err;
    }
    kept.status = route_status(exchange_route(request->op.exchange));
    kept.body = text_bytes(&request->op.answer);
    kept.about = request->about;
    return tx_idempotency_keep(tx, &request->idempotency, &kept);
}

static void request_start(struct request *request, struct err err);

static void after_run(struct loop_work *work) {
    struct request *request = CONTAINER_OF(work, struct request, work);
    request->err = request->kind->after(request);
}

static void after_done(struct loop_work *work) {
    struct request *request = CONTAINER_OF(work, struct request, work);
    request_answer(request, request->err);
}

void request_after(struct request *request) {
    request->work = (struct loop_work){.run = after_run, .done = after_done};
    loop_work(request->loop, &request->work);
}

static void request_done(struct err result, void *ctx) {
    struct request *request = ctx;
    const struct request_kind *kind = request->kind;
    if (kind->done != NULL && kind->done(request, &result) == REQUEST_LATER) {
        return;
    }
    if (!err_failed(result) && request->more) {
        request_start(request, ERR_OK);
    } else if (!err_failed(result) && kind->after != NULL) {
        request_after(request);
    } else {
        request_answer(request, result);
    }
}

static void request_store(struct request *request, struct err err) {
    const struct request_kind *kind = request->kind;
    if (err_failed(err)) {
        request_answer(request, err);
    } else if (kind->work == NULL) {
        request_done(ERR_OK, request);
    } else if (kind->writes) {
        store_write(request->store, request_tx, request_done, request);
    } else if (kind->slices || request->more) {
        store_read_slice(request->store, request_tx, request_done, request);
    } else {
        store_read(request->store, request_tx, request_done, request);
    }
}

static void request_pool(struct loop_work *work) {
    struct request *request = CONTAINER_OF(work, struct request, work);
    request->err = request->kind->pool(request);
}

static void request_pool_done(struct loop_work *work) {
    struct request *request = CONTAINER_OF(work, struct request, work);
    struct exchange *exchange = request->op.exchange;
    /* In the store's queue first. An answer lets the next request begin, too. */
    bool stored = !err_failed(request->err) && request->kind->work != NULL;
    if (!stored) {
        exchange_release_next(exchange);
    }
    request_store(request, request->err);
    if (stored) {
        exchange_release_next(exchange);
    }
}

void request_go(struct request *request, struct err err) {
    if (err_failed(err) || request->kind->pool == NULL) {
        request_store(request, err);
        return;
    }
    exchange_hold_next(request->op.exchange);
    request->work = (struct loop_work){.run = request_pool, .done = request_pool_done};
    loop_work(request->loop, &request->work);
}

static void request_start(struct request *request, struct err err) {
    const struct request_kind *kind = request->kind;
    bounds_take(request);
    if (!err_failed(err) && kind->start != NULL) {
        err = kind->start(request);
    }
    if (err_failed(err) || !kind->later) {
        request_go(request, err);
    }
}

/* --- The folder ------------------------------------------------------------------------------- */

struct bytes request_root(const void *request) {
    return param_text(((const struct request *)request)->op.exchange, "root");
}

static struct err folder_tx(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    const struct bytes owner = bytes_of(exchange_identity(request->op.exchange)->owner);
    const struct bytes folder = request->kind->folder(request);
    struct err err = tx_folder_check(tx, owner, folder);
    return err.code != ERR_FORBIDDEN
               ? err
               : err_why(&request->op.why, ERR_FORBIDDEN,
                         "root: no session and no project of '%.*s' has the folder %.*s; a token "
                         "with the scope run reads any",
                         (int)owner.len, owner.data, folder.len < 200 ? (int)folder.len : 200,
                         folder.data);
}

bool request_reads_all(const struct request *request) {
    const struct identity *identity = exchange_identity(request->op.exchange);
    return bytes_is(bytes_of(identity->owner), "local") ||
           (identity->scopes & (SCOPE_RUN | SCOPE_ADMIN)) != 0;
}

void request_check_folder(struct request *request, void (*checked)(struct err err, void *request)) {
    if (request->kind->folder == NULL || request->kind->folder(request).len == 0 ||
        request_reads_all(request)) {
        checked(ERR_OK, request);
    } else {
        store_read(request->store, folder_tx, checked, request);
    }
}

static void on_folder_checked(struct err err, void *ctx) {
    request_start(ctx, err);
}

static void request_begin(struct request *request, struct err err) {
    if (err_failed(err)) {
        request_start(request, err);
    } else {
        request_check_folder(request, on_folder_checked);
    }
}

/* --- The body --------------------------------------------------------------------------------- */

static void request_read(struct loop_work *work) {
    struct request *request = CONTAINER_OF(work, struct request, work);
    const struct request_kind *kind = request->kind;
    const struct exchange *exchange = request->op.exchange;
    struct err err = ERR_OK;
    if (request->idempotency.key.len > 0) {
        const struct idempotency_request digested = {.method = exchange_method(exchange),
                                                     .target = exchange_target(exchange),
                                                     .body = exchange_body(exchange)};
        request->idempotency.digest = idempotency_digest(&digested);
    }
    if (kind->fields != NULL) {
        err = fields_read(kind->fields, kind->use == 0 ? FIELD_GIVEN : kind->use,
                          exchange_json(exchange), (char *)request + kind->into, &request->op.why);
    }
    if (!err_failed(err) && kind->read != NULL) {
        err = kind->read(request);
    }
    request->err = err;
}

static void request_read_done(struct loop_work *work) {
    struct request *request = CONTAINER_OF(work, struct request, work);
    exchange_release_next(request->op.exchange);
    request_begin(request, request->err);
}

void request_take(struct exchange *exchange, struct request_host host) {
    const struct route *route = exchange_route(exchange);
    if (route->page != NULL) {
        page_serve(exchange, route->page, &host);
        return;
    }
    const struct request_kind *kind = route->request;
    struct request *request = mem_new(kind->size > 0 ? kind->size : sizeof *request);
    assert(kind->size == 0 || kind->size >= sizeof *request);
    assert(route->inside != INSIDE_BELOW || (kind->one != NULL && kind->work != NULL));
    if (!request_prepare(request, exchange, kind->one, &host)) {
        mem_free(request);
        return;
    }
    request->kind = kind;
    struct err err = key_read(request);
    if (err_failed(err)) {
        request_start(request, err);
    } else if (exchange_body(exchange).len <= BODY_INLINE_MAX) {
        request_read(&request->work);
        request_begin(request, request->err);
    } else {
        exchange_hold_next(exchange); /* Requests of one client take effect in its order. */
        request->work = (struct loop_work){.run = request_read, .done = request_read_done};
        loop_work(request->loop, &request->work);
    }
}

void request_handle(struct exchange *exchange, void *ctx) {
    const struct request_host *host = ctx;
    request_take(exchange, (struct request_host){ctx, host->loop, host->store, host->dispatch});
}

struct route_table request_routes(const struct route *routes, struct request_host *host) {
    struct route_table table = {.routes = routes, .ctx = host, .handle = request_handle};
    while (routes[table.count].method != NULL) {
        table.count++;
    }
    return table;
}
