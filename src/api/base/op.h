/* op.h: one request that needs the store, and its answer.
 *
 * Promise    the exchange is answered exactly once, after the store function's work is durable (or
 *            was refused). The answer's bytes are made inside the store function, so that the loop
 *            only passes them on.
 * Ownership  embedded first in the resource's own object. op_answer ends the text, not the object.
 * Threads    the loop; `answer`, `status` and `why` belong to the store thread while the function
 *            runs. A function may run again, so it begins with op_restart.
 */
#ifndef DROVER_API_BASE_OP_H
#define DROVER_API_BASE_OP_H

#include "base/base.h"
#include "base/err.h"
#include "base/id.h"
#include "base/text.h"
#include "http/http.h"

struct op {
    struct exchange *exchange; /* Borrowed until it is answered. */
    int status;                /* Of success. */
    struct text answer;        /* Owned. */
    struct why why;            /* Empty: the error has no detail of its own. */
    struct id run;             /* The run that a refusal names in `run`; "": none. */
};

enum { OP_ANSWER_MAX = 8 << 20 };

void op_init(struct op *op, struct exchange *exchange, int status);
void op_restart(struct op *op);
/* The last step of a transaction that changes something: an answer that found no memory undoes it,
 * since what was refused must not have happened. */
MUST_CHECK struct err op_written(const struct op *op);
/* Answers with the text, or with the problem, and ends the text. */
void op_answer(struct op *op, struct err result);
/* The store_done of an object that begins with its op (or its page) and owns nothing else: answers,
 * and frees it. */
void op_done(struct err result, void *op);

/* Of ERR_TURN_IN_PROGRESS: names the turn of that session in `run`. Returns `err`, or that of the
 * store. */
struct tx;
struct session_key;
struct message_key;
MUST_CHECK struct err op_name_turn(struct tx *tx, const struct session_key *key, struct err err,
                                   struct op *op);
MUST_CHECK struct err op_name_turn_of(struct tx *tx, const struct message_key *key, struct err err,
                                      struct op *op);

/* Refuses at once, before there is an object: fills nothing, answers. */
void op_refuse(struct exchange *exchange, struct err err, const struct why *why);

/* The row of a query table by which op_owner knows. `whose`: "Another owner's jobs". */
#define OP_OWNER_PARAM(whose)                                                                      \
    { .name = "owner", .about = whose " (scope admin).", .kind = QUERY_TEXT, .max = OWNER_SIZE - 1 }

/* Whose objects the request is about: the identity's, or for an admin those of `?owner=`. */
MUST_CHECK struct err op_owner(const struct exchange *exchange, unsigned query_at,
                               struct bytes *ret_owner, struct why *why);

#endif
