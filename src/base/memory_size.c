/* memory_size.c: sums and products of sizes that say when they do not fit. Apart from the
 * allocator, which a test may replace. */
#include "base/memory.h"

bool size_add(size_t a, size_t b, size_t *ret_sum) {
    size_t sum;
    if (__builtin_add_overflow(a, b, &sum)) {
        return false;
    }
    *ret_sum = sum;
    return true;
}

bool size_mul(size_t a, size_t b, size_t *ret_product) {
    size_t product;
    if (__builtin_mul_overflow(a, b, &product)) {
        return false;
    }
    *ret_product = product;
    return true;
}
