/* once.c: a change that may be sent again. */
#include "api/base/once.h"

#include "base/json/json.h"

#include <string.h>

/* An absent key is fine; a bad one is refused, since its owner counts on it. */
struct err once_key_read(const struct exchange *exchange, struct once *ret_once, struct why *why) {
    struct bytes key = {0};
    *ret_once = (struct once){.replayed = false};
    if (!exchange_header(exchange, "idempotency-key", &key)) {
        return ERR_OK;
    }
    if (!idempotency_key_valid(key)) {
        why_set(why, "Idempotency-Key: 1 to %d printable ASCII characters", IDEMPOTENCY_KEY_MAX);
        return err_make(ERR_BAD_REQUEST, "api: key");
    }
    ret_once->idempotency =
        (struct idempotency){.owner = bytes_of(exchange_identity(exchange)->owner),
                             .route = bytes_of(exchange_route(exchange)->path),
                             .key = key};
    return ERR_OK;
}

void once_digest(const struct exchange *exchange, struct once *once) {
    if (once->idempotency.key.len > 0) {
        const struct idempotency_request request = {.method = exchange_method(exchange),
                                                    .target = exchange_target(exchange),
                                                    .body = exchange_body(exchange)};
        once->idempotency.digest = idempotency_digest(&request);
    }
}

struct err once_read(const struct exchange *exchange, struct once *ret_once, struct why *why) {
    struct err err = once_key_read(exchange, ret_once, why);
    if (!err_failed(err)) {
        once_digest(exchange, ret_once);
    }
    return err;
}

static struct err run_kept(struct tx *tx, struct once *once, struct op *op, store_fn work,
                           void *ctx) {
    struct idempotency_answer kept = {0};
    bool found = false;
    struct err err = tx_idempotency_find(tx, &once->idempotency, &found, &kept);
    if (err_failed(err)) {
        return err;
    }
    once->replayed = found;
    if (found) {
        json_add_stored(&op->answer, kept.body);
        return ERR_OK;
    }
    err = work(tx, ctx);
    if (err_failed(err) || once->more) {
        return err;
    }
    kept.status = op->status;
    kept.body = (struct bytes){op->answer.data, op->answer.len};
    kept.about = once->about;
    return tx_idempotency_keep(tx, &once->idempotency, &kept);
}

struct err once_run(struct tx *tx, struct once *once, struct op *op, store_fn work, void *ctx) {
    op_restart(op);
    once->replayed = once->more = false;
    once->about = BYTES("");
    return once->idempotency.key.len > 0 ? run_kept(tx, once, op, work, ctx) : work(tx, ctx);
}

void once_tell(const struct once *once, struct op *op, struct err result) {
    if (result.code == ERR_IDEMPOTENCY_MISMATCH) {
        why_set(&op->why, "Idempotency-Key: another request was sent with this key");
    }
    if (result.code == ERR_GONE) {
        why_set(&op->why, "Idempotency-Key: %s was deleted",
                once->gone != NULL ? once->gone : "what the first request with this key made");
    }
    if (!err_failed(result) && once->replayed) {
        exchange_add_header(op->exchange, "Idempotent-Replay", "true");
    }
}
