/* page_damage.c: see page_damage.h. */
#include "store/sqlite/page_damage.h"

void page_damage_init(struct page_damage *damage) {
    int rc = pthread_mutex_init(&damage->lock, NULL /* no attributes */);
    assert(rc == 0);
    atomic_init(&damage->count, 0);
}

void page_damage_done(struct page_damage *damage) {
    int rc = pthread_mutex_destroy(&damage->lock);
    assert(rc == 0);
}

uint32_t page_damage_count(const struct page_damage *damage) {
    return (uint32_t)atomic_load_explicit(&damage->count, memory_order_relaxed);
}

void page_damage_add(struct page_damage *damage, uint32_t number) {
    int rc = pthread_mutex_lock(&damage->lock);
    assert(rc == 0);
    uint32_t count = page_damage_count(damage), at = 0;
    while (at < count && damage->numbers[at] != number) {
        at++;
    }
    if (at == count && count < PAGE_DAMAGE_MAX) {
        damage->numbers[count] = number;
        atomic_store_explicit(&damage->count, count + 1, memory_order_relaxed);
    }
    rc = pthread_mutex_unlock(&damage->lock);
    assert(rc == 0);
}
