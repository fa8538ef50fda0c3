/* one.h: one object of somebody's, named by the id in the path.
 *
 * Promise    what is not an id of that kind, what does not exist, and what belongs to another owner
 *            are answered alike: 404, in the words of the kind.
 * Ownership  keys are borrowed from the exchange, until it is answered.
 * Threads    one_read: the loop. one_absent: any.
 */
#ifndef DROVER_API_BASE_ONE_H
#define DROVER_API_BASE_ONE_H

#include "api/base/op.h"
#include "base/base.h"
#include "http/http.h"

struct one_kind {
    const char *prefix; /* Of its ids. */
    const char *absent; /* "there is no run with that id" */
    enum err_code code; /* ERR_NONE: ERR_NOT_FOUND. */
};
struct one_key {
    struct bytes owner, id;
};

/* From the first parameter of the path; `owner_at`: the position of `owner` in the route's query.
 * The answer was given when it is false. */
MUST_CHECK bool one_read(struct exchange *exchange, const struct one_kind *kind, unsigned owner_at,
                         struct one_key *ret_key);
/* The error of the kind, in words. */
MUST_CHECK struct err one_absent(const struct one_kind *kind, struct why *why);

#endif
