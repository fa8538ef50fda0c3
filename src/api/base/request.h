/* request.h: a request about one object, as a row: which steps it has, and the resource's functions
 * for those that are its own.
 *
 *   key        the owner, and the id of the path, are read; else it is refused
 *   read       the body becomes a struct by the fields; `read` checks what they mean. A large body
 *              is read in the pool, and later requests of the connection wait until it was
 *   start      the last step before the transaction: what only the loop knows
 *   work       the transaction. Under an Idempotency-Key the stored answer takes its place
 *   done       after the commit: what others must hear, or another transaction
 *   end        what the object owns is freed
 *
 * Promise    the exchange is answered exactly once; an error of a step is the answer, and the steps
 *            after it are left out, but `done` sees it too, once there was a transaction.
 * Ownership  the object begins with a struct request and is the pipeline's: it is zeroed at first
 *            and freed after the answer. Texts are borrowed from the exchange until then.
 * Threads    the loop; `read` any thread, one at a time; `work` the store's.
 */
#ifndef DROVER_API_BASE_REQUEST_H
#define DROVER_API_BASE_REQUEST_H

#include "api/base/once.h"
#include "api/base/one.h"
#include "base/base.h"
#include "base/fields/fields.h"
#include "http/http.h"
#include "loop/loop.h"
#include "store/store.h"

enum request_next {
    REQUEST_ANSWER, /* Answer with the result. */
    REQUEST_AGAIN,  /* Run `start` and the transaction again. */
    REQUEST_LATER,  /* `done` has begun something that calls request_answer. */
};

struct request_kind {
    size_t size; /* Size of the object. */
    int status;  /* Status of success; 0: 200. */
    bool writes; /* Whether the transaction changes anything. */
    bool once;   /* Whether an Idempotency-Key is honoured. */
    /* Object that the path names; NULL: none, and the owner is the caller. */
    const struct one_kind *one;
    unsigned owner_at; /* Position of `owner` in the route's query, with `one`. */
    /* Body: fields, and the offset of the struct that they fill; NULL: `read` reads it itself. */
    const struct field_set *fields;
    enum field_use use;
    size_t into;
    const char *gone; /* Answer to a repeated request whose object was deleted; NULL: as once.h. */
    /* Steps. NULL: left out, but for `work`. */
    struct err (*read)(void *request);
    struct err (*start)(void *request);
    struct err (*work)(struct tx *tx, void *request);
    enum request_next (*done)(void *request, struct err *io_result);
    void (*end)(void *request);
};

struct request {
    struct op op;
    const struct request_kind *kind;
    void *api; /* Borrowed: what the routes of the resource share. */
    struct loop *loop;
    struct store *store;
    struct one_key key; /* Owner, and with `one` the id. */
    struct once once;
    struct loop_work reading;
    struct err err; /* Error of `read`. */
};

/* `loop` may be NULL where there is no body. */
struct request_host {
    void *api;
    struct loop *loop;
    struct store *store;
};
void request_take(struct exchange *exchange, const struct request_kind *kind,
                  struct request_host host);
/* For `done` that said REQUEST_LATER. */
void request_answer(struct request *request, struct err result);

#endif
