/* idempotency.h: a request that is sent again gets the answer of the first, and has no effect.
 *
 * Promise    the row of a key is written in the commit of the effect, with the 2xx answer. A key is
 *            unique per (owner, route template), so nobody ever gets a stranger's answer. Refusals
 *            are not stored: the same key may try again.
 * Protocol   inside the store function: tx_idempotency_find first; when it finds, hand out that
 *            answer and do nothing; otherwise do the work, then tx_idempotency_keep.
 * Kept       24 hours; tx_idempotency_prune removes older rows, a bounded number at a time.
 * Threads    tx_…: inside a store function. The rest: any.
 */
#ifndef DROVER_ENGINE_BASE_IDEMPOTENCY_H
#define DROVER_ENGINE_BASE_IDEMPOTENCY_H

#include "base/base.h"
#include "base/err.h"
#include "base/hash.h"
#include "store/store.h"

enum {
    IDEMPOTENCY_KEY_MAX = 255,
    IDEMPOTENCY_KEPT_MS = 24 * 60 * 60 * 1000,
};

/* What a key stands for; borrowed for the life of the request. */
struct idempotency {
    struct bytes owner, route, key; /* An empty key: the client gave none. */
    struct sha256_hex digest;
};

struct idempotency_request {
    struct bytes method, target, body;
};

/* 1 to 255 printable ASCII characters. */
MUST_CHECK bool idempotency_key_valid(struct bytes key);
/* SHA-256 of method, path with query, and body, each preceded by its length. */
struct sha256_hex idempotency_digest(const struct idempotency_request *request);

struct idempotency_answer {
    int status;
    struct bytes body;  /* From the transaction's arena. */
    struct bytes about; /* Id of the session, run or terminal that the body shows; no data: none. */
};

/* ERR_IDEMPOTENCY_MISMATCH: the key was used for another request. ERR_GONE: what the answer showed
 * was deleted. */
MUST_CHECK struct err tx_idempotency_find(struct tx *tx, const struct idempotency *idempotency,
                                          bool *ret_found, struct idempotency_answer *ret_answer);
MUST_CHECK struct err tx_idempotency_keep(struct tx *tx, const struct idempotency *idempotency,
                                          const struct idempotency_answer *answer);
/* Empties the answers about an object that is deleted; their keys stay used. False: there is
 * none. */
bool tx_idempotency_forget(struct tx *tx, struct bytes about);
/* Removes at most `count_max` rows made before `before_ms`. *ret_more: call again. */
MUST_CHECK struct err tx_idempotency_prune(struct tx *tx, int64_t before_ms, int64_t count_max,
                                           bool *ret_more);

#endif
