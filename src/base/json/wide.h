/* wide.h: json_parse (json.h) for what an engine of JavaScript wrote.
 *
 * Promise    as json_parse, but an integer beyond 64 bits is the real nearest to it: there it was a
 *            double, which JSON.stringify writes without an exponent up to 1e21. From clients such
 *            an integer is refused, since nobody knows whether they can do without its last digits.
 * Ownership, threads, failure: as json_parse.
 */
#ifndef DROVER_BASE_JSON_WIDE_H
#define DROVER_BASE_JSON_WIDE_H

#include "base/json/json.h"

MUST_CHECK struct err json_parse_wide(const char *bytes, size_t len, unsigned depth_max,
                                      json_t **ret_json, struct why *why);

#endif
