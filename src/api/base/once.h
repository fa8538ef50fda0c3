/* once.h: a change that a client may send again under its Idempotency-Key.
 *
 * Promise    the key, the digest of the request and the answer are in the commit of the change: the
 *            same request gets the stored answer again, another one under that key is refused.
 * Ownership  embedded in the resource's object; borrows from the exchange.
 * Threads    once_read, once_answer: the loop. once_run: inside the store function.
 */
#ifndef DROVER_API_BASE_ONCE_H
#define DROVER_API_BASE_ONCE_H

#include "api/base/op.h"
#include "base/base.h"
#include "engine/base/idempotency.h"

struct once {
    struct idempotency idempotency; /* No key: every request is a new one. */
    bool replayed;
    struct bytes about; /* Set by `work`: the session or run that the answer shows. */
    const char *gone;   /* Name of what `about` is, for a refusal; NULL: what the request made. */
    bool more; /* Set by `work`: another transaction goes on, and the answer is not there yet. */
};

/* Reads the header. */
MUST_CHECK struct err once_key_read(const struct exchange *exchange, struct once *ret_once,
                                    struct why *why);
/* Takes the digest of the request, if there is a key. Any thread: the loop is for small bodies. */
void once_digest(const struct exchange *exchange, struct once *once);
/* Both, for a body that is small enough for the loop. */
MUST_CHECK struct err once_read(const struct exchange *exchange, struct once *ret_once,
                                struct why *why);
/* Begins with op_restart. `work` writes op->answer; it is not called when the answer is known. Of a
 * chain of transactions each is run by it, and the last one keeps the answer. */
MUST_CHECK struct err once_run(struct tx *tx, struct once *once, struct op *op, store_fn work,
                               void *ctx);
/* Before op_answer: says in the answer that it is an old one, or why it was refused. */
void once_tell(const struct once *once, struct op *op, struct err result);

#endif
