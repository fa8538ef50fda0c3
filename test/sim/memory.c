/* memory.c: the allocator behind base/memory.h, with an end for all at once.
 *
 * While a life runs, each block hangs in a list of its host; a crash frees the list. Who stands
 * outside of the daemon (the disk, the processes, the model) leaves the life for as long as it
 * allocates.
 */
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#include "inside.h"

struct memory;

struct block {
    struct block *prev, *next; /* NULL: of nobody. */
    size_t size;
    struct memory *owner; /* Keeps the alignment of what follows, too. */
};

struct memory {
    struct block blocks; /* Head of a ring. */
    bool living;
    size_t count;
};

struct memories {
    struct memory of[SIM_HOSTS_MAX]; /* Of the daemon of each host. */
    unsigned acting;                 /* Host whose daemon runs now. */
    unsigned left;                   /* Depth of memory_leave. */
};

static struct memories *memories(void) {
    static struct memories all;
    return &all;
}

static struct memory *memory(void) {
    return &memories()->of[memories()->acting];
}

static void block_link(struct block *block) {
    struct memory *all = memory();
    if (!all->living || memories()->left > 0) {
        block->prev = block->next = NULL;
        return;
    }
    block->prev = all->blocks.prev;
    block->next = &all->blocks;
    block->owner = all;
    all->blocks.prev->next = block;
    all->blocks.prev = block;
    all->count++;
}

static void block_unlink(struct block *block) {
    if (block->next != NULL) {
        block->prev->next = block->next;
        block->next->prev = block->prev;
        block->owner->count--;
    }
}

void memory_use(unsigned host) {
    assert(host < SIM_HOSTS_MAX);
    memories()->acting = host;
}

void memory_begin(void) {
    struct memory *all = memory();
    assert(!all->living);
    all->living = true;
    all->blocks.prev = all->blocks.next = &all->blocks;
    all->count = 0;
}

void memory_end(void) {
    struct memory *all = memory();
    assert(all->living && memories()->left == 0);
    while (all->blocks.next != &all->blocks) {
        struct block *block = all->blocks.next;
        block_unlink(block);
        free(block);
    }
    all->living = false;
}

size_t memory_count(void) {
    return memory()->count;
}

void memory_leave(void) {
    memories()->left++;
}

void memory_return(void) {
    assert(memories()->left > 0);
    memories()->left--;
}

/* --- base/memory.h ---------------------------------------------------------------------------- */

void *mem_try(size_t size) {
    struct block *block = malloc(sizeof *block + size);
    if (block == NULL) {
        return NULL;
    }
    block->size = size;
    block_link(block);
    return block + 1;
}

/* The block stays with whom it was. */
void *mem_try_grow(void *old, size_t size) {
    if (old == NULL) {
        return mem_try(size);
    }
    struct block *block = (struct block *)old - 1;
    bool linked = block->next != NULL;
    struct block *grown = realloc(block, sizeof *block + size);
    if (grown == NULL) {
        return NULL;
    }
    grown->size = size;
    if (linked) {
        grown->prev->next = grown;
        grown->next->prev = grown;
    }
    return grown + 1;
}

void mem_free(void *memory_or_null) {
    if (memory_or_null != NULL) {
        struct block *block = (struct block *)memory_or_null - 1;
        block_unlink(block);
        free(block);
    }
}

void mem_release(void *pointer_to_pointer) {
    void **pointer = pointer_to_pointer;
    mem_free(*pointer);
    *pointer = NULL;
}

/* --- Outside ---------------------------------------------------------------------------------- */

void *sim_new(size_t size) {
    void *fresh = calloc(1, size > 0 ? size : 1);
    assert(fresh != NULL);
    return fresh;
}

void *sim_grow(void *old, size_t size) {
    void *grown = realloc(old, size > 0 ? size : 1);
    assert(grown != NULL);
    return grown;
}

void sim_free(void *old) {
    free(old);
}

char *sim_copy(const char *text) {
    char *copy = strdup(text);
    assert(copy != NULL);
    return copy;
}
