/* op.h: the answer of one request, and what every request may ask for.
 *
 * Promise    the exchange is answered exactly once. The answer's bytes are made inside the store
 *            function, so that the loop only passes them on.
 * Ownership  embedded in a struct request, or in an object of its own. op_answer ends the text, not
 *            the object.
 * Threads    the loop; `answer`, `why` and `run` belong to the store thread while the function
 *            runs. A function may run again, so it begins with op_restart. param_*: any thread.
 */
#ifndef DROVER_API_BASE_OP_H
#define DROVER_API_BASE_OP_H

#include "base/base.h"
#include "base/err.h"
#include "base/id.h"
#include "base/text.h"
#include "http/http.h"
#include "store/store.h"

struct op {
    struct exchange *exchange; /* Borrowed until it is answered. */
    struct text answer;        /* Owned. */
    const char *media;         /* Of the answer; NULL: JSON. */
    struct why why;            /* Empty: the error has no detail of its own. */
    struct id run;             /* The run that a refusal names in `run`; "": none. */
};

enum { OP_ANSWER_MAX = 8 << 20 };

void op_init(struct op *op, struct exchange *exchange);
void op_restart(struct op *op);
/* The last step of a transaction that changes something: an answer that found no memory undoes it,
 * since what was refused must not have happened. */
MUST_CHECK struct err op_written(const struct op *op);
/* Answers with the text and the status of the route, or with the problem, and ends the text. */
void op_answer(struct op *op, struct err result);
/* Refuses at once, before there is an object: fills nothing, answers. */
void op_refuse(struct exchange *exchange, struct err err, const struct why *why);
/* {"NAME":"VALUE","WHEN":now}: the answer to a removal. */
void op_removed(struct op *op, struct tx *tx, const char *name, struct bytes value,
                const char *when);

/* Parameters of the query, by the names in the route's table. Absent: "", the default, false. */
MUST_CHECK bool param_given(const struct exchange *exchange, const char *name);
struct bytes param_text(const struct exchange *exchange, const char *name);
int64_t param_number(const struct exchange *exchange, const char *name);
MUST_CHECK bool param_flag(const struct exchange *exchange, const char *name);

/* The row of a query table by which op_owner knows. `whose`: "Another owner's jobs". */
#define OP_OWNER_PARAM(whose)                                                                      \
    { .name = "owner", .about = whose " (scope admin).", .kind = QUERY_TEXT, .max = OWNER_SIZE - 1 }
/* A table that has no other row. */
#define OP_OWNER_QUERY(whose)                                                                      \
    (const struct query_param[]) {                                                                 \
        OP_OWNER_PARAM(whose), {                                                                   \
            .name = NULL                                                                           \
        }                                                                                          \
    }

/* Whose objects the request is about: the identity's, or for an admin those of `?owner=`, where the
 * route has that. */
MUST_CHECK struct err op_owner(const struct exchange *exchange, struct bytes *ret_owner,
                               struct why *why);

#endif
