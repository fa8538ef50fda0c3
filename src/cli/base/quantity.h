/* quantity.h: times and sizes as people write them.
 *
 * Promise    a whole number and its unit, nothing else: "500ms", "30s", "5m", "2h", "7d"; "4096",
 *            "64K", "64M", "1G", "2T" (of 1024, also as "64MB" or "64MiB"). A time without a unit
 *            is in seconds, a size without one in bytes.
 * Threads    any; pure.
 * Failure    false, and the output is untouched: not of that form, or not within the bounds.
 */
#ifndef DROVER_CLI_BASE_QUANTITY_H
#define DROVER_CLI_BASE_QUANTITY_H

#include "base/base.h"
#include "base/number.h"
#include "cli/base/args.h"

/* Bounds and result in milliseconds. */
MUST_CHECK bool quantity_duration(struct bytes text, struct number_bounds bounds, int64_t *ret_ms);
/* Bounds and result in bytes. */
MUST_CHECK bool quantity_size(struct bytes text, struct number_bounds bounds, int64_t *ret_bytes);

/* The value of a flag of that kind in its largest unit that leaves no rest: "5m", "64M", "17". */
struct quantity_text {
    char text[32];
};
struct quantity_text quantity_text(enum flag_kind kind, int64_t value);
/* "1.2 GB", "640 kB": a size for people. */
struct quantity_text quantity_about(int64_t bytes);
/* The end of a noun after its number: "1 call", "2 calls". */
static inline const char *plural(int64_t count) {
    return count == 1 ? "" : "s";
}

#endif
