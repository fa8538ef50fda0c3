/* append.c: one event from outside, made durable. The hot path.
 *
 * One object per request; type, name and owner are borrowed from the exchange until the answer.
 * What takes time in proportion to the body (its digest, its compact form) is done at once for a
 * small one, and in the pool for a large one.
 */
#include <string.h>

#include "api/base/op.h"
#include "api/stream/streams.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "engine/base/idempotency.h"
#include "journal/journal.h"

struct append_op {
    struct op op;
    struct loop_work work;
    struct err err;          /* Of the preparation. */
    struct streams *streams; /* Borrowed. */
    struct append append;
    struct idempotency idempotency;
    bool replayed;
    struct text data; /* Owned: compact JSON. */
};

static void append_free(struct append_op *append) {
    text_done(&append->data);
    mem_free(append);
}

/* --- The transaction -------------------------------------------------------------------------- */

static struct err append_work(struct tx *tx, struct append_op *append) {
    struct appended appended = {0};
    struct err err = tx_append(tx, &append->append, &appended);
    if (err_failed(err)) {
        return err;
    }
    struct text *answer = &append->op.answer;
    text_add_str(answer, "{\"stream\":");
    text_add_json(answer, append->append.stream.data, append->append.stream.len);
    text_add_str(answer, ",\"seq\":");
    text_add_int(answer, appended.seq);
    text_add_str(answer, ",\"at_ms\":");
    text_add_int(answer, appended.at_ms);
    text_add_char(answer, '}');
    return op_written(&append->op);
}

static struct err append_once(struct tx *tx, struct append_op *append) {
    struct idempotency_answer kept = {0};
    bool found = false;
    struct err err = tx_idempotency_find(tx, &append->idempotency, &found, &kept);
    if (err_failed(err)) {
        return err;
    }
    append->replayed = found;
    if (found) {
        json_add_stored(&append->op.answer, kept.body);
        return ERR_OK;
    }
    err = append_work(tx, append);
    if (err_failed(err)) {
        return err;
    }
    kept.status = append->op.status;
    kept.body = (struct bytes){append->op.answer.data, append->op.answer.len};
    return tx_idempotency_keep(tx, &append->idempotency, &kept);
}

static struct err append_run(struct tx *tx, void *ctx) {
    struct append_op *append = ctx;
    op_restart(&append->op);
    return append->idempotency.key.len > 0 ? append_once(tx, append) : append_work(tx, append);
}

static void append_done(struct err result, void *ctx) {
    struct append_op *append = ctx;
    if (result.code == ERR_IDEMPOTENCY_MISMATCH) {
        why_set(&append->op.why, "Idempotency-Key: another request was sent with this key");
    }
    if (!err_failed(result) && append->replayed) {
        exchange_add_header(append->op.exchange, "Idempotent-Replay", "true");
    }
    op_answer(&append->op, result);
    append_free(append);
}

/* --- The body --------------------------------------------------------------------------------- */

static struct err data_write(struct append_op *append, const json_t *value) {
    if (value == NULL) {
        append->append.data = BYTES("null");
        return ERR_OK;
    }
    text_init(&append->data, EVENT_DATA_MAX);
    struct err err = json_write(value, &append->data);
    if (err_failed(err) && append->data.no_memory) {
        return err;
    }
    if (err_failed(err)) {
        why_set(&append->op.why, "data: more than %d bytes as compact JSON", EVENT_DATA_MAX);
        return err_make(ERR_BODY_TOO_LARGE, "append: data");
    }
    append->append.data = (struct bytes){append->data.data, append->data.len};
    return ERR_OK;
}

static struct err body_read(struct append_op *append) {
    struct why *why = &append->op.why;
    const char *type = NULL;
    json_t *data = NULL;
    const struct json_field fields[] = {
        {.name = "type", .kind = JSON_KIND_TEXT, .required = true, .text = &type},
        {.name = "data", .kind = JSON_KIND_ANY, .value = &data},
    };
    struct err err =
        json_read_fields(exchange_json(append->op.exchange), fields, COUNT_OF(fields), why);
    if (err_failed(err)) {
        return err;
    }
    append->append.type = bytes_of(type);
    if (!event_type_valid(append->append.type)) {
        why_set(why,
                "type: 1 to %d of a-z, 0-9, '_', '.', '-', beginning with a letter; "
                "snapshot, done and closing are reserved",
                EVENT_TYPE_MAX);
        return err_make(ERR_BAD_FIELD, "append: type");
    }
    return data_write(append, data);
}

/* --- The request ------------------------------------------------------------------------------ */

/* An absent key is fine; a bad one is refused, since its owner counts on it. */
static struct err key_read(const struct exchange *exchange, struct append_op *append) {
    struct bytes key = {0};
    if (!exchange_header(exchange, "idempotency-key", &key)) {
        return ERR_OK;
    }
    if (!idempotency_key_valid(key)) {
        why_set(&append->op.why, "Idempotency-Key: 1 to %d printable ASCII characters",
                IDEMPOTENCY_KEY_MAX);
        return err_make(ERR_BAD_REQUEST, "append: key");
    }
    const char *route = exchange_route(exchange)->path;
    append->idempotency = (struct idempotency){
        .owner = append->append.owner, .route = {route, strlen(route)}, .key = key};
    return ERR_OK;
}

/* Any thread, one at a time: the exchange's bytes are only read. */
static void prepare(struct append_op *append) {
    const struct exchange *exchange = append->op.exchange;
    if (append->idempotency.key.len > 0) {
        struct idempotency_request request = {.method = exchange_method(exchange),
                                              .target = exchange_target(exchange),
                                              .body = exchange_body(exchange)};
        append->idempotency.digest = idempotency_digest(&request);
    }
    append->err = body_read(append);
}

static void prepared(struct append_op *append) {
    if (err_failed(append->err)) {
        op_answer(&append->op, append->err);
        append_free(append);
        return;
    }
    store_write(append->streams->store, append_run, append_done, append);
}

static void prepare_in_pool(struct loop_work *work) {
    prepare(CONTAINER_OF(work, struct append_op, work));
}

static void prepared_in_pool(struct loop_work *work) {
    struct append_op *append = CONTAINER_OF(work, struct append_op, work);
    exchange_release_next(append->op.exchange);
    prepared(append);
}

void streams__append(struct exchange *exchange, void *ctx) {
    struct bytes name;
    if (!streams__name(exchange, STREAMS_USE_WRITE, &name)) {
        return;
    }
    const struct identity *identity = exchange_identity(exchange);
    struct append_op *append = mem_new(sizeof *append);
    op_init(&append->op, exchange, 201);
    append->streams = ctx;
    append->append.owner = bytes_of(identity->owner);
    append->append.stream = name;
    append->err = key_read(exchange, append);
    if (err_failed(append->err)) {
        prepared(append);
    } else if (exchange_body(exchange).len <= BODY_INLINE_MAX) {
        prepare(append);
        prepared(append);
    } else {
        exchange_hold_next(exchange); /* Events of one client keep its order. */
        append->work.run = prepare_in_pool;
        append->work.done = prepared_in_pool;
        loop_work(append->streams->loop, &append->work);
    }
}
