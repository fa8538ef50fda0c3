/* ring.c: a list of chunks; each has one buffer and the index of where its events end.
 *
 *   oldest                               newest
 *   ┌──────────┐    ┌──────────┐    ┌──────────────────┐
 *   │ 1 … 40   │ -> │ 41 … 95  │ -> │ 96 … 120 │ room  │
 *   └──────────┘    └──────────┘    └──────────────────┘
 *                     ^ a slice: from after its cursor to the end of the chunk
 *
 * A chunk's buffer never moves and only grows at its end, so slices of it stay good while more is
 * written. Chunks begin small, because most streams are, and double up to 64 kB, which is also the
 * longest piece: more would not make the write of a follower cheaper.
 */
#include "journal/ring.h"

#include "base/memory.h"

enum { CHUNK_MIN = 1 << 10, CHUNK_MAX = 64 << 10, INDEX_FIRST = 8, BUFFER_FIRST = 2048 };

struct ring_chunk {
    struct ring_chunk *newer;  /* Owned by the ring. */
    struct hub_buffer *buffer; /* One reference. */
    uint32_t *ends;            /* Owned. Event first + i ends at ends[i]. */
    int64_t first;
    uint32_t count, ends_size;
};

char *buffer_room(struct hub_buffer **buffer, size_t more) {
    struct hub_buffer *old = *buffer;
    assert(old == NULL || old->refs == 1);
    size_t len = old == NULL ? 0 : old->len;
    if (old == NULL || old->size - len < more) {
        size_t size = old == NULL ? BUFFER_FIRST : old->size * 2;
        size = size < len + more ? len + more : size;
        struct hub_buffer *grown = mem_try_grow(old, sizeof *grown + size);
        if (grown == NULL) {
            return NULL;
        }
        *grown = (struct hub_buffer){.refs = 1, .size = size, .len = len};
        *buffer = grown;
    }
    return (*buffer)->data + len;
}

void hub_buffer_ref(struct hub_buffer *buffer) {
    assert(buffer->refs > 0);
    buffer->refs++;
}

void hub_buffer_unref(struct hub_buffer *buffer) {
    if (buffer == NULL) {
        return;
    }
    assert(buffer->refs > 0);
    if (--buffer->refs == 0) {
        mem_free(buffer);
    }
}

static void ring_drop_oldest(struct ring *ring) {
    struct ring_chunk *chunk = ring->oldest;
    ring->bytes -= sizeof *chunk + sizeof *chunk->buffer + chunk->buffer->size +
                   chunk->ends_size * sizeof *chunk->ends;
    ring->oldest = chunk->newer;
    if (ring->oldest == NULL) {
        ring->newest = NULL;
        assert(ring->bytes == 0);
    } else {
        ring->first = chunk->first + chunk->count;
    }
    hub_buffer_unref(chunk->buffer);
    mem_free(chunk->ends);
    mem_free(chunk);
}

void ring_clear(struct ring *ring) {
    while (ring->oldest != NULL) {
        ring_drop_oldest(ring);
    }
}

/* Twice as large as the last chunk, but a quarter of the bound at most: when one chunk goes, three
 * quarters of what a slow follower may still need stay. False: no memory. */
static bool ring_add_chunk(struct ring *ring, size_t len, size_t bytes_max) {
    size_t size = ring->newest == NULL ? CHUNK_MIN : ring->newest->buffer->size * 2;
    size_t most = bytes_max / 4 < CHUNK_MAX ? bytes_max / 4 : CHUNK_MAX;
    size = size < most ? size : most;
    size = size < len ? len : size;
    struct hub_buffer *buffer = mem_try(sizeof *buffer + size);
    if (buffer == NULL) {
        return false;
    }
    *buffer = (struct hub_buffer){.refs = 1, .size = size};
    struct ring_chunk *chunk = mem_new(sizeof *chunk);
    chunk->buffer = buffer;
    *(ring->newest == NULL ? &ring->oldest : &ring->newest->newer) = chunk;
    ring->newest = chunk;
    ring->bytes += sizeof *chunk + sizeof *buffer + size;
    return true;
}

char *ring_reserve(struct ring *ring, size_t len, size_t bytes_max) {
    assert(len > 0 && len <= UINT32_MAX);
    struct ring_chunk *chunk = ring->newest;
    if ((chunk == NULL || chunk->buffer->size - chunk->buffer->len < len) &&
        !ring_add_chunk(ring, len, bytes_max)) {
        return NULL;
    }
    chunk = ring->newest;
    if (chunk->count == chunk->ends_size) {
        uint32_t size = chunk->ends_size == 0 ? INDEX_FIRST : chunk->ends_size * 2;
        chunk->ends = mem_grow(chunk->ends, size * sizeof *chunk->ends);
        ring->bytes += (size - chunk->ends_size) * sizeof *chunk->ends;
        chunk->ends_size = size;
    }
    while (ring->bytes > bytes_max && ring->oldest != ring->newest) {
        ring_drop_oldest(ring);
    }
    return chunk->buffer->data + chunk->buffer->len;
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
struct hub_piece ring_slice(const struct ring *ring, int64_t after) {
    assert(ring->oldest != NULL);
    assert(after >= ring->first - 1);
    assert(after < ring->last);
    const struct ring_chunk *chunk = ring->newest;
    if (after + 1 < chunk->first) {
        chunk = ring->oldest;
        while (after + 1 >= chunk->first + chunk->count) {
            chunk = chunk->newer;
        }
    }
    int64_t skipped = after + 1 - chunk->first;
    size_t begin = skipped == 0 ? 0 : chunk->ends[skipped - 1];
    hub_buffer_ref(chunk->buffer);
    return (struct hub_piece){
        .buffer = chunk->buffer,
        .bytes = {chunk->buffer->data + begin, chunk->ends[chunk->count - 1] - begin},
        .last_seq = chunk->first + chunk->count - 1};
}
