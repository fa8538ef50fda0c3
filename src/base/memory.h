/* memory.h: who may run out of memory, and what then.
 *
 * Promise    mem_new and friends never return NULL: sizes that our own code chose are small, and a
 *            daemon that cannot have them had better die loudly than limp (its data is safe).
 *            mem_try and mem_try_grow are for sizes that came from outside: bounded by the caller
 *            first, and NULL is an answer that must be handled.
 * Ownership  the caller owns what it gets, and ends it with mem_free (NULL is allowed).
 * Threads    any; an arena belongs to one thread at a time.
 */
#ifndef DROVER_BASE_MEMORY_H
#define DROVER_BASE_MEMORY_H

#include "base/base.h"

MUST_CHECK void *mem_new(size_t size); /* Zeroed. */
MUST_CHECK void *mem_new_array(size_t count, size_t size);
MUST_CHECK void *mem_grow(void *old, size_t size);
MUST_CHECK char *mem_copy(const char *bytes, size_t len); /* Terminated. */
MUST_CHECK void *mem_try(size_t size);                    /* Not zeroed. NULL when there is none. */
MUST_CHECK void *mem_try_grow(void *old, size_t size);    /* On NULL, `old` is still owned. */
void mem_free(void *memory);
/* For a process that lives long: what is freed goes back to the system. Before the first thread. */
void mem_give_back(void);
/* The pages of what is written next come by one call, where it is much: each by itself is an
 * exception, and on some virtual machines a megabyte of them takes 4 ms. */
void mem_will_write(void *at, size_t len);
void mem_release(void *pointer_to_pointer); /* For AUTO. */
void mem_wipe(char **secret);               /* A text that is overwritten first. For AUTO. */

/* Checked arithmetic for sizes: false, and *ret_sum untouched, when the result does not fit. */
MUST_CHECK static inline bool size_add(size_t a, size_t b, size_t *ret_sum) {
    size_t sum;
    bool fits = !__builtin_add_overflow(a, b, &sum);
    *ret_sum = fits ? sum : *ret_sum;
    return fits;
}
MUST_CHECK static inline bool size_mul(size_t a, size_t b, size_t *ret_product) {
    size_t product;
    bool fits = !__builtin_mul_overflow(a, b, &product);
    *ret_product = fits ? product : *ret_product;
    return fits;
}

/* An arena hands out memory that all ends at once. Its size is bounded by `size_max`; beyond it,
 * arena_try answers NULL. Embedded: init/done. arena_reset keeps what the same use will need again.
 */
struct arena_block;
struct arena {
    struct arena_block *blocks; /* Owned. */
    size_t used;                /* Handed out since the last reset. */
    size_t size;                /* Of all blocks. */
    size_t size_max;            /* Bound of `used`. */
};
void arena_init(struct arena *arena, size_t size_max);
void arena_done(struct arena *arena);
void arena_reset(struct arena *arena);
MUST_CHECK void *arena_try(struct arena *arena, size_t size);
MUST_CHECK char *arena_try_copy(struct arena *arena, const char *bytes,
                                size_t len); /* Terminated. */

#endif
