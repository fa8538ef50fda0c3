/* memory.c: every allocation of this program passes through mem_try and mem_try_grow.
 *
 * Both are called across translation units only (the functions that abort live in memory_must.c,
 * the arena in arena.c), so that a test can put itself in between with -Wl,--wrap=mem_try and fail
 * the n-th allocation. Calling them from this file would bypass that seam.
 */
#include "base/memory.h"

#include <stdlib.h>

void *mem_try(size_t size) {
    /* malloc(0) may answer NULL, which callers would take for exhaustion. */
    return malloc(size > 0 ? size : 1);
}

void *mem_try_grow(void *old, size_t size) {
    return realloc(old, size > 0 ? size : 1);
}

void mem_free(void *memory) {
    free(memory);
}

void mem_release(void *pointer_to_pointer) {
    void **pointer = pointer_to_pointer;
    free(*pointer);
    *pointer = NULL;
}
