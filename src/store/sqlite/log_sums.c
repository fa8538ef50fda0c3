/* log_sums.c: see log_sums.h. */
#include "store/sqlite/log_sums.h"

#include "store/sqlite/page_sums.h"

void log_sums_put(struct log_sums *sums, uint64_t frame, const uint8_t *page) {
    if (frame < LOG_SUMS_FRAMES) {
        atomic_store_explicit(&sums->sums[frame], page_sum_all(page, (uint32_t)frame),
                              memory_order_relaxed);
    }
}

bool log_sums_fit(const struct log_sums *sums, uint64_t frame, const uint8_t *page) {
    if (frame >= LOG_SUMS_FRAMES) {
        return false;
    }
    uint64_t sum = atomic_load_explicit(&sums->sums[frame], memory_order_relaxed);
    return sum != 0 && sum == page_sum_all(page, (uint32_t)frame);
}
