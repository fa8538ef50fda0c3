/* memory_must.c: allocations whose failure ends the program.
 *
 * Their sizes were chosen by our own code and are small. What is on disk is safe at any instant, so
 * dying with one clear sentence is better than a path for failure that nobody ever walks.
 */
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn static void die(size_t size) {
    /* stderr is not buffered: this allocates nothing. */
    (void)fprintf(stderr, "drover: out of memory (%zu bytes wanted); stored data is safe\n", size);
    abort();
}

void *mem_new(size_t size) {
    void *memory = mem_try(size);
    if (memory == NULL) {
        die(size);
    }
    return memset(memory, 0, size);
}

void *mem_new_array(size_t count, size_t size) {
    size_t total;
    if (!size_mul(count, size, &total)) {
        die(SIZE_MAX);
    }
    return mem_new(total);
}

void *mem_grow(void *old, size_t size) {
    void *memory = mem_try_grow(old, size);
    if (memory == NULL) {
        die(size);
    }
    return memory;
}

char *mem_copy(const char *bytes, size_t len) {
    assert(bytes != NULL || len == 0);
    size_t size = SIZE_MAX;
    char *copy = size_add(len, 1, &size) ? mem_try(size) : NULL;
    if (copy == NULL) {
        die(size);
    }
    memcpy(copy, len > 0 ? bytes : "", len);
    copy[len] = '\0';
    return copy;
}

void mem_wipe(char **secret) {
    if (*secret != NULL) {
        explicit_bzero(*secret, strlen(*secret));
    }
    mem_free(*secret);
}
