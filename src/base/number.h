/* number.h: integers from text that came from outside.
 *
 * Promise    the whole text is one decimal integer within the bounds, or it is refused: no blanks,
 *            no '+', no leading zeros, no "-0", nothing after it. So each number has one spelling.
 * Threads    any.
 * Failure    false, and *ret_number is untouched.
 */
#ifndef DROVER_BASE_NUMBER_H
#define DROVER_BASE_NUMBER_H

#include "base/base.h"

/* Both included. */
struct number_bounds {
    int64_t min, max;
};

MUST_CHECK bool number_parse(struct bytes text, struct number_bounds bounds, int64_t *ret_number);

#endif
