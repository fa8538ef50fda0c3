/* arena.c: a list of blocks, the newest first; memory is cut off the first one that has room.
 *
 * A block is at least 4 kB and grows with what is there, up to 64 kB. A reset after a round that
 * needed several blocks replaces them by one that would have held them all: the second round of the
 * same work allocates once, and every later one not at all.
 */
#include "base/memory.h"

#include <stdalign.h>
#include <string.h>

enum { BLOCK_MIN = 4096, BLOCK_MAX = 65536 };

struct arena_block {
    struct arena_block *next; /* Owned. */
    size_t used, size;        /* Of `data`. */
    alignas(max_align_t) char data[];
};

void arena_init(struct arena *arena, size_t size_max) {
    *arena = (struct arena){.size_max = size_max};
}

static void blocks_free(struct arena *arena) {
    struct arena_block *block = arena->blocks;
    while (block != NULL) {
        struct arena_block *next = block->next;
        mem_free(block);
        block = next;
    }
    arena->blocks = NULL;
}

void arena_done(struct arena *arena) {
    blocks_free(arena);
    arena_init(arena, arena->size_max);
}

/* Without blocks, `size` is what the next first block shall have. */
void arena_reset(struct arena *arena) {
    if (arena->blocks != NULL && arena->blocks->next == NULL) {
        arena->blocks->used = 0;
    } else if (arena->blocks != NULL) {
        blocks_free(arena);
        arena->size = arena->used;
    }
    arena->used = 0;
}

/* A new block becomes the first; the others stay in the list after it. */
static struct arena_block *block_add(struct arena *arena, size_t size) {
    size_t wish = arena->size > BLOCK_MIN ? arena->size : BLOCK_MIN, total;
    wish = arena->blocks != NULL && wish > BLOCK_MAX ? BLOCK_MAX : wish;
    if (!size_add(wish > size ? wish : size, sizeof(struct arena_block), &total)) {
        return NULL;
    }
    struct arena_block *block = mem_try(total);
    if (block == NULL) {
        return NULL;
    }
    block->next = arena->blocks;
    block->used = 0;
    block->size = total - sizeof *block;
    arena->size = block->next == NULL ? block->size : arena->size + block->size;
    arena->blocks = block;
    return block;
}

void *arena_try(struct arena *arena, size_t size) {
    enum { ALIGN = alignof(max_align_t), LOOKS_MAX = 8 };
    size_t rounded, used_after;
    if (!size_add(size > 0 ? size : 1, ALIGN - 1, &rounded)) {
        return NULL;
    }
    rounded -= rounded % ALIGN;
    if (!size_add(arena->used, rounded, &used_after) || used_after > arena->size_max) {
        return NULL;
    }
    /* The first few blocks only: a long list of full ones must not make each request slow. */
    struct arena_block *block = arena->blocks;
    int looks = 0;
    while (block != NULL && looks < LOOKS_MAX && block->size - block->used < rounded) {
        block = block->next;
        looks++;
    }
    if (block == NULL || looks == LOOKS_MAX) {
        block = block_add(arena, rounded);
    }
    if (block == NULL) {
        return NULL;
    }
    void *memory = block->data + block->used;
    block->used += rounded;
    arena->used = used_after;
    return memory;
}

char *arena_try_copy(struct arena *arena, const char *bytes, size_t len) {
    assert(bytes != NULL || len == 0);
    size_t size;
    char *copy = size_add(len, 1, &size) ? arena_try(arena, size) : NULL;
    if (copy != NULL) {
        memcpy(copy, len > 0 ? bytes : "", len);
        copy[len] = '\0';
    }
    return copy;
}
