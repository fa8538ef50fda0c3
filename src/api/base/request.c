/* request.c: the steps of a request about one object, in their order. */
#include "api/base/request.h"

#include <string.h>

#include "base/memory.h"

void request_answer(struct request *request, struct err result) {
    if (request->kind->once) {
        once_tell(&request->once, &request->op, result);
    }
    op_answer(&request->op, result);
    if (request->kind->end != NULL) {
        request->kind->end(request);
    }
    mem_free(request);
}

/* --- The transaction -------------------------------------------------------------------------- */

static struct err request_work(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    struct err err = request->kind->work(tx, request);
    return err_failed(err) || !request->kind->writes ? err : op_written(&request->op);
}

static struct err request_tx(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    if (request->kind->once) {
        return once_run(tx, &request->once, &request->op, request_work, request);
    }
    op_restart(&request->op);
    return request_work(tx, request);
}

static void request_start(struct request *request);

static void request_done(struct err result, void *ctx) {
    struct request *request = ctx;
    enum request_next next = REQUEST_ANSWER;
    if (request->kind->done != NULL) {
        next = request->kind->done(request, &result);
    }
    if (next == REQUEST_AGAIN) {
        request_start(request);
    } else if (next == REQUEST_ANSWER) {
        request_answer(request, result);
    }
}

static void request_start(struct request *request) {
    const struct request_kind *kind = request->kind;
    struct err err = request->err;
    if (!err_failed(err) && kind->start != NULL) {
        err = kind->start(request);
    }
    if (err_failed(err)) {
        request_answer(request, err);
    } else if (kind->writes) {
        store_write(request->store, request_tx, request_done, request);
    } else {
        store_read(request->store, request_tx, request_done, request);
    }
}

/* --- The body --------------------------------------------------------------------------------- */

static void request_read(struct request *request) {
    const struct request_kind *kind = request->kind;
    struct err err = ERR_OK;
    if (kind->once) {
        once_digest(request->op.exchange, &request->once);
    }
    if (kind->fields != NULL) {
        err = fields_read(kind->fields, kind->use, exchange_json(request->op.exchange),
                          (char *)request + kind->into, &request->op.why);
    }
    if (!err_failed(err) && kind->read != NULL) {
        err = kind->read(request);
    }
    request->err = err;
}

static void request_in_pool(struct loop_work *work) {
    request_read(CONTAINER_OF(work, struct request, reading));
}

static void request_read_done(struct loop_work *work) {
    struct request *request = CONTAINER_OF(work, struct request, reading);
    exchange_release_next(request->op.exchange);
    request_start(request);
}

void request_take(struct exchange *exchange, const struct request_kind *kind,
                  struct request_host host) {
    struct one_key key = {.owner = bytes_of(exchange_identity(exchange)->owner)};
    assert(kind->size >= sizeof(struct request));
    if (kind->one != NULL && !one_read(exchange, kind->one, kind->owner_at, &key)) {
        return;
    }
    struct request *request = mem_new(kind->size);
    op_init(&request->op, exchange, kind->status == 0 ? 200 : kind->status);
    request->kind = kind;
    request->api = host.api;
    request->loop = host.loop;
    request->store = host.store;
    request->key = key;
    if (kind->once) {
        request->err = once_key_read(exchange, &request->once, &request->op.why);
        request->once.idempotency.owner = key.owner;
        request->once.gone = kind->gone;
    }
    if (err_failed(request->err)) {
        request_start(request);
    } else if (exchange_body(exchange).len <= BODY_INLINE_MAX) {
        request_read(request);
        request_start(request);
    } else {
        exchange_hold_next(exchange); /* Requests of one client take effect in its order. */
        request->reading.run = request_in_pool;
        request->reading.done = request_read_done;
        loop_work(request->loop, &request->reading);
    }
}
