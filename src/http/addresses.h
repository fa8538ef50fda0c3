/* addresses.h: how many connections each address holds.
 *
 * Promise    finding, adding and releasing take constant time; memory is bounded by the number of
 *            connections.
 * Ownership  a slot lives as long as one connection holds it.
 * Threads    one at a time.
 */
#ifndef DROVER_HTTP_ADDRESSES_H
#define DROVER_HTTP_ADDRESSES_H

#include "base/base.h"

struct address {
    uint8_t bytes[16]; /* IPv4 as ::ffff:a.b.c.d; IPv6 by its first 64 bits, since whoever has one
                        * such network has all of it. */
};

struct address_slot {
    struct address_slot *next; /* In its bucket. */
    struct address address;
    unsigned count;
};

enum { ADDRESS_BUCKETS = 256 };
struct addresses {
    struct address_slot *buckets[ADDRESS_BUCKETS]; /* Owned. */
};

/* NULL when that address holds count_max already. */
MUST_CHECK struct address_slot *addresses_take(struct addresses *addresses, struct address address,
                                               unsigned count_max);
void addresses_release(struct addresses *addresses, struct address_slot *slot); /* NULL is fine. */

#endif
