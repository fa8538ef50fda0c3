/* memory_back.c: what glibc's allocator keeps of what was freed, and pages of what is used next. A
 * file of its own, since the holder and the workers of scripts have another library. */
#include <malloc.h>
#include <sys/mman.h>

#include "base/memory.h"

/* Left alone, glibc raises the first bound to the largest block that was ever freed, up to 32 MB,
 * and the second to twice that, in each thread's arena: after one run with prompts of a megabyte
 * 100 MB stay with us. A bound that is set stays. Lower ones gave nothing more back, and each block
 * above the first costs two system calls. */
void mem_give_back(void) {
    enum { MAPPED_MIN = 256 << 10, TOP_MAX = 1 << 20 };
    (void)mallopt(M_MMAP_THRESHOLD, MAPPED_MIN); /* Sanitizers refuse: then it is as it was. */
    (void)mallopt(M_TRIM_THRESHOLD, TOP_MAX);
}

void mem_will_write(void *at, size_t len) {
    enum { PAGE = 4096, MIN = 32 << 10 };
    const size_t before = (uintptr_t)at % PAGE;
    if (len >= MIN) { /* Where it is refused, they come one by one. */
        (void)madvise((char *)at - before, before + len, MADV_POPULATE_WRITE);
    }
}
