/* ring.c: a list of chunks; each has one buffer and the index of where its events end.
 *
 *   oldest                               newest
 *   ┌──────────┐    ┌──────────┐    ┌──────────────────┐
 *   │ 1 … 40   │ -> │ 41 … 95  │ -> │ 96 … 120 │ room  │
 *   └──────────┘    └──────────┘    └──────────────────┘
 *                     ^ a slice: from behind its cursor to the end of the chunk
 *
 * A chunk's buffer never moves and only grows at its end, so slices of it stay good while more is
 * written. Chunks begin small, because most streams are, and double up to 64 kB, which is also the
 * longest piece: more would not make the write of a follower cheaper.
 */
#include "journal/ring.h"

#include "base/memory.h"
#include "journal/buffer.h"

enum { CHUNK_MIN = 1 << 10, CHUNK_MAX = 64 << 10, INDEX_FIRST = 8 };

struct ring_chunk {
    struct ring_chunk *newer;  /* Owned by the ring. */
    struct hub_buffer *buffer; /* One reference. */
    uint32_t *ends;            /* Owned. Event first + i ends at ends[i]. */
    int64_t first;
    uint32_t count, ends_size;
};

static size_t chunk_bytes(const struct ring_chunk *chunk) {
    return sizeof *chunk + sizeof *chunk->buffer + chunk->buffer->size +
           chunk->ends_size * sizeof *chunk->ends;
}

static void chunk_free(struct ring_chunk *chunk) {
    hub_buffer_unref(chunk->buffer);
    mem_free(chunk->ends);
    mem_free(chunk);
}

/* Twice the last one, but a quarter of the bound at most: when one chunk goes, three quarters of
 * what a slow follower may still need stay. */
static size_t next_size(const struct ring *ring, size_t len, size_t bytes_max) {
    size_t size = ring_empty(ring) ? CHUNK_MIN : ring->newest->buffer->size * 2;
    size_t most = bytes_max / 4 < CHUNK_MAX ? bytes_max / 4 : CHUNK_MAX;
    size = size < most ? size : most;
    return size < len ? len : size;
}

static struct ring_chunk *chunk_try(size_t size) {
    struct hub_buffer *buffer = buffer_try(size);
    if (buffer == NULL) {
        return NULL;
    }
    struct ring_chunk *chunk = mem_new(sizeof *chunk);
    chunk->buffer = buffer;
    return chunk;
}

static void add_chunk(struct ring *ring, struct ring_chunk *chunk) {
    if (ring_empty(ring)) {
        ring->oldest = chunk;
    } else {
        ring->newest->newer = chunk;
    }
    ring->newest = chunk;
    ring->bytes += chunk_bytes(chunk);
}

static void grow_index(struct ring *ring, struct ring_chunk *chunk) {
    if (chunk->count < chunk->ends_size) {
        return;
    }
    uint32_t size = chunk->ends_size == 0 ? INDEX_FIRST : chunk->ends_size * 2;
    chunk->ends = mem_grow(chunk->ends, size * sizeof *chunk->ends);
    ring->bytes += (size - chunk->ends_size) * sizeof *chunk->ends;
    chunk->ends_size = size;
}

static bool fits(const struct ring *ring, size_t len) {
    return !ring_empty(ring) && ring->newest->buffer->size - ring->newest->buffer->len >= len;
}

char *ring_reserve(struct ring *ring, size_t len, size_t bytes_max) {
    assert(len > 0 && len <= UINT32_MAX);
    if (!fits(ring, len)) {
        struct ring_chunk *chunk = chunk_try(next_size(ring, len, bytes_max));
        if (chunk == NULL) {
            return NULL;
        }
        add_chunk(ring, chunk);
    }
    grow_index(ring, ring->newest);
    while (ring->bytes > bytes_max && ring->oldest != ring->newest) {
        ring_drop_oldest(ring);
    }
    return ring->newest->buffer->data + ring->newest->buffer->len;
}

void ring_commit(struct ring *ring, int64_t seq, size_t len) {
    struct ring_chunk *chunk = ring->newest;
    bool alone = chunk == ring->oldest && chunk->count == 0;
    assert(alone || seq == ring->last + 1); /* A hole here would be a hole for every follower. */
    if (chunk->count == 0) {
        chunk->first = seq;
    }
    if (alone) {
        ring->first = seq;
    }
    chunk->buffer->len += len;
    assert(chunk->buffer->len <= chunk->buffer->size);
    chunk->ends[chunk->count++] = (uint32_t)chunk->buffer->len;
    ring->last = seq;
}

/* Most followers are in the newest chunk, so that is looked at before the list is walked; the list
 * is short (bytes_max / CHUNK_MAX). */
static struct ring_chunk *chunk_of(const struct ring *ring, int64_t seq) {
    if (seq >= ring->newest->first) {
        return ring->newest;
    }
    struct ring_chunk *chunk = ring->oldest;
    while (seq >= chunk->first + chunk->count) {
        chunk = chunk->newer;
    }
    return chunk;
}

struct hub_piece ring_slice(const struct ring *ring, int64_t after) {
    assert(!ring_empty(ring));
    assert(after >= ring->first - 1);
    assert(after < ring->last);
    const struct ring_chunk *chunk = chunk_of(ring, after + 1);
    int64_t skipped = after + 1 - chunk->first;
    size_t begin = skipped == 0 ? 0 : chunk->ends[skipped - 1];
    hub_buffer_ref(chunk->buffer);
    return (struct hub_piece){
        .buffer = chunk->buffer,
        .bytes = {chunk->buffer->data + begin, chunk->ends[chunk->count - 1] - begin},
        .last_seq = chunk->first + chunk->count - 1};
}

void ring_drop_oldest(struct ring *ring) {
    struct ring_chunk *chunk = ring->oldest;
    ring->bytes -= chunk_bytes(chunk);
    ring->oldest = chunk->newer;
    if (ring->oldest == NULL) {
        ring->newest = NULL;
        assert(ring->bytes == 0);
    } else {
        ring->first = chunk->first + chunk->count;
    }
    chunk_free(chunk);
}

void ring_clear(struct ring *ring) {
    while (!ring_empty(ring)) {
        ring_drop_oldest(ring);
    }
}
