/* page_damage.h: which pages of a database turned out to be damaged.
 *
 * Ownership  embedded; it outlives each connection that counts in it (page_sums.h).
 * Threads    any.
 */
#ifndef DROVER_STORE_SQLITE_PAGE_DAMAGE_H
#define DROVER_STORE_SQLITE_PAGE_DAMAGE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/base.h"

enum { PAGE_DAMAGE_MAX = 1000 };

/* Damaged pages that were read since the start, each counted once. */
struct page_damage {
    pthread_mutex_t lock; /* Guards the numbers. */
    uint32_t numbers[PAGE_DAMAGE_MAX];
    atomic_uint_fast32_t count; /* At most PAGE_DAMAGE_MAX. */
};
void page_damage_init(struct page_damage *damage);
void page_damage_done(struct page_damage *damage);
void page_damage_add(struct page_damage *damage, uint32_t number); /* 0: an unknown one. */
uint32_t page_damage_count(const struct page_damage *damage);

#endif
