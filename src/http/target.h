/* target.h: takes the target of a request line apart, and reads its query by the route's table.
 *
 * Promise    what comes out is unambiguous: no dot segment, no empty segment but a last one, no
 *            encoded slash, backslash or NUL, and valid UTF-8 after decoding. A path means the same
 *            to us as to any proxy in front of us, or it is refused. Every value of a query is
 *            within its bounds; a parameter that is not in the table, or comes twice, is refused by
 *            name. Flags are 0 or 1.
 * Ownership  results point into the raw bytes or into `scratch`, and live as long as both.
 * Threads    any; pure.
 * Failure    ERR_BAD_REQUEST for a target or path, ERR_BAD_QUERY for the query; `why` says what.
 */
#ifndef DROVER_HTTP_TARGET_H
#define DROVER_HTTP_TARGET_H

#include "base/base.h"
#include "base/err.h"
#include "http/http.h"

enum { TARGET_SEGMENTS_MAX = 16, TARGET_PAIRS_MAX = 32 };

struct target_pair {
    struct bytes name, value;
};

struct target {
    struct bytes authority; /* Of an absolute-form target; data NULL: none. */
    struct bytes path;      /* As sent, from the first slash, without the query. */
    bool asterisk;          /* "*": no segments. */
    unsigned segment_count, pair_count;
    struct bytes segments[TARGET_SEGMENTS_MAX]; /* Decoded. "/" has none, "/a/" has "a" and "". */
    struct target_pair pairs[TARGET_PAIRS_MAX]; /* Decoded, in order. */
};

/* `scratch` has room for raw.len bytes. Of a failed parse *ret_target may not be read. */
MUST_CHECK struct err target_parse(struct bytes raw, char *scratch, struct target *ret_target,
                                   struct why *why);

struct query_value {
    bool given;
    int64_t number; /* INT, FLAG: the default when not given. */
    struct bytes text;
};
MUST_CHECK struct err query_read(const struct query_param *table, const struct target *target,
                                 struct query_value ret_values[QUERY_PARAMS_MAX], struct why *why);

#endif
