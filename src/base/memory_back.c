/* memory_back.c: what glibc's allocator keeps of what was freed. A file of its own, since the
 * holder and the workers of scripts have another library. */
#include <malloc.h>

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
