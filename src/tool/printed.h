/* printed.h: calls that a model wrote into its answer as text, instead of making them.
 *
 * Known    <tool_call>{"name": …, "arguments": {…}}</tool_call>, also without its end where the
 *          answer ends; <function=NAME>{…}</function>; <|python_tag|>{…}; a fenced block whose
 *          whole content is such an object. The arguments may be called arguments, parameters or
 *          input, and be a string that holds JSON.
 * Promise  only names that `known` knows are calls: an example in an answer about something else
 *          stays text. What was a call is cut out of `text`, with its markup; the rest keeps its
 *          bytes. Linear in the answer.
 * Bounds   PRINTED_CALLS_MAX; what is beyond stays text.
 * Threads  any.
 */
#ifndef DROVER_TOOL_PRINTED_H
#define DROVER_TOOL_PRINTED_H

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"

enum { PRINTED_CALLS_MAX = 16 };

struct printed_call {
    char *name;      /* Owned, terminated. */
    char *arguments; /* Owned, terminated: JSON as it stood there. */
};
struct printed {
    size_t count;
    struct printed_call calls[PRINTED_CALLS_MAX];
    struct text text; /* Owned: the answer without them. */
};
void printed_done(struct printed *printed); /* For AUTO; zeroed is allowed. */

/* Cheap: whether there is any mark of a call. */
MUST_CHECK bool printed_may(struct bytes answer);

struct printed_names {
    bool (*known)(void *ctx, struct bytes name);
    void *ctx;
};
MUST_CHECK struct err printed_read(struct bytes answer, const struct printed_names *names,
                                   struct printed *ret_printed);

#endif
