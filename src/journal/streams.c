/* streams.c: the streams that somebody follows: found by name, forgotten with the last follower.
 *
 * A note of any other stream costs one look into this table and nothing more. The hash is seeded:
 * who may choose names of streams must not be able to choose which of them collide.
 */
#include <string.h>

#include "base/memory.h"
#include "journal/frame.h"
#include "journal/hub_parts.h"
#include "journal/note.h"

enum { SLOTS_FIRST = 64 };

static uint64_t mix(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * 0x9fb21c651e98df25u;
    return hash ^ (hash >> 32);
}

static uint64_t mix_bytes(uint64_t hash, struct bytes bytes) {
    uint64_t word;
    for (; bytes.len >= sizeof word; bytes.data += sizeof word, bytes.len -= sizeof word) {
        memcpy(&word, bytes.data, sizeof word);
        hash = mix(hash, word);
    }
    word = bytes.len;
    for (size_t at = 0; at < bytes.len; at++) {
        word = word << 8 | (uint8_t)bytes.data[at];
    }
    return mix(hash, word);
}

static uint64_t hash_of(const struct hub *hub, struct bytes owner, struct bytes name) {
    return mix_bytes(mix_bytes(hub->seed, owner), name);
}

static struct hub_stream *find(struct hub *hub, uint64_t hash, struct bytes owner,
                               struct bytes name) {
    struct hub_stream *stream = hub->slots[hash & (hub->slot_count - 1)];
    while (stream != NULL && (stream->hash != hash || !bytes_equal(stream->name, name) ||
                              !bytes_equal(stream->owner, owner))) {
        stream = stream->same_slot;
    }
    return stream;
}

struct hub_stream *stream_find(struct hub *hub, struct bytes owner, struct bytes name) {
    if (hub->stats.streams == 0) {
        return NULL;
    }
    return find(hub, hash_of(hub, owner, name), owner, name);
}

void streams_init(struct hub *hub) {
    world_random(loop_world(hub->loop), &hub->seed, sizeof hub->seed);
    hub->slot_count = SLOTS_FIRST;
    hub->slots = mem_new_array(hub->slot_count, sizeof(struct hub_stream *));
}

void streams_done(struct hub *hub) {
    assert(hub->stats.streams == 0);
    mem_free(hub->slots);
}

static void grow_table(struct hub *hub) {
    size_t old_count = hub->slot_count;
    struct hub_stream **old = hub->slots;
    hub->slot_count = old_count * 2;
    hub->slots = mem_new_array(hub->slot_count, sizeof(struct hub_stream *));
    for (size_t at = 0; at < old_count; at++) {
        while (old[at] != NULL) {
            struct hub_stream *stream = old[at];
            old[at] = stream->same_slot;
            struct hub_stream **slot = &hub->slots[stream->hash & (hub->slot_count - 1)];
            stream->same_slot = *slot;
            *slot = stream;
        }
    }
    mem_free(old);
}

static struct hub_stream *make(struct hub *hub, uint64_t hash, struct bytes owner,
                               struct bytes name) {
    struct hub_stream *stream = mem_new(sizeof *stream + owner.len + name.len);
    memcpy(stream->text, owner.data, owner.len);
    memcpy(stream->text + owner.len, name.data, name.len);
    stream->owner = (struct bytes){stream->text, owner.len};
    stream->name = (struct bytes){stream->text + owner.len, name.len};
    stream->hub = hub;
    stream->hash = hash;
    stream->head = stream->last = -1;
    links_init(&stream->waiting);
    links_init(&stream->waking);
    links_init(&stream->pages);
    return stream;
}

struct hub_stream *stream_ref(struct hub *hub, struct bytes owner, struct bytes name) {
    uint64_t hash = hash_of(hub, owner, name);
    struct hub_stream *stream = find(hub, hash, owner, name);
    if (stream == NULL) {
        if (hub->stats.streams == hub->slot_count) {
            grow_table(hub);
        }
        stream = make(hub, hash, owner, name);
        struct hub_stream **slot = &hub->slots[hash & (hub->slot_count - 1)];
        stream->same_slot = *slot;
        *slot = stream;
        hub->stats.streams++;
    }
    stream->refs++;
    return stream;
}

static void count_ring(struct hub *hub, const struct ring *ring, size_t before) {
    hub->stats.ring_bytes += ring->bytes;
    hub->stats.ring_bytes -= before;
}

static void drop_ring(struct hub_stream *stream, struct ring *ring) {
    size_t before = ring->bytes;
    ring_clear(ring);
    count_ring(stream->hub, ring, before);
}

static void drop_all(struct hub_stream *stream) {
    for (enum hub_format format = 0; format < HUB_FORMATS; format++) {
        drop_ring(stream, &stream->rings[format]);
    }
}

static bool holds_memory(const struct hub_stream *stream) {
    size_t bytes = 0;
    for (enum hub_format format = 0; format < HUB_FORMATS; format++) {
        bytes += stream->rings[format].bytes;
    }
    return bytes > 0;
}

static void leave_rings(struct hub_stream *stream) {
    if (stream->in_rings.next != NULL && !holds_memory(stream)) {
        link_remove(&stream->in_rings);
    }
}

static void forget(struct hub_stream *stream) {
    struct hub *hub = stream->hub;
    assert(links_empty(&stream->waiting));
    assert(links_empty(&stream->waking));
    assert(!holds_memory(stream)); /* The last follower of each format took its ring along. */
    if (stream->in_wakes.next != NULL) {
        link_remove(&stream->in_wakes);
    }
    struct hub_stream **at = &hub->slots[stream->hash & (hub->slot_count - 1)];
    while (*at != stream) {
        at = &(*at)->same_slot;
    }
    *at = stream->same_slot;
    hub->stats.streams--;
    mem_free(stream);
}

void stream_unref(struct hub_stream *stream) {
    assert(stream->refs > 0);
    if (--stream->refs == 0) {
        forget(stream);
    }
}

void stream_left(struct hub_stream *stream, enum hub_format format) {
    assert(stream->followers[format] > 0);
    if (--stream->followers[format] == 0) {
        drop_ring(stream, &stream->rings[format]);
        leave_rings(stream);
    }
}

void stream_heard(struct hub_stream *stream, int64_t head, int64_t floor) {
    if (head > stream->head) {
        stream->head = head;
    }
    if (floor > stream->floor) {
        stream->floor = floor;
    }
}

void stream_wake(struct hub_stream *stream) {
    if (links_empty(&stream->waiting)) {
        return;
    }
    links_move(&stream->waking, &stream->waiting);
    if (stream->in_wakes.next == NULL) {
        link_add_last(&stream->hub->wakes, &stream->in_wakes);
    }
}

static void drop_rings(struct hub_stream *stream) {
    drop_all(stream);
    leave_rings(stream);
    stream->hub->stats.rings_dropped++;
}

/* After a burst, a quiet daemon is small again. Who is behind reads the store. */
void streams_age(struct timer *timer) {
    struct hub *hub = CONTAINER_OF(timer, struct hub, idle);
    hub->aging = false;
    hub->age++;
    while (!links_empty(&hub->rings)) {
        struct hub_stream *oldest = CONTAINER_OF(hub->rings.next, struct hub_stream, in_rings);
        if (oldest->age + 1 >= hub->age) {
            hub->aging = true;
            timer_start(hub->loop, &hub->idle, hub->idle_ms, streams_age);
            return;
        }
        drop_rings(oldest);
    }
}

static void use_rings(struct hub_stream *stream) {
    struct hub *hub = stream->hub;
    link_add_last(&hub->rings, &stream->in_rings);
    stream->age = hub->age;
    if (!hub->aging) {
        hub->aging = true;
        timer_start(hub->loop, &hub->idle, hub->idle_ms, streams_age);
    }
}

/* Over the total, whoever was written to longest ago gives first. The stream that is being written
 * stands last, and keeps the chunk that is being written. */
static void shrink_others(struct hub *hub) {
    while (hub->stats.ring_bytes > hub->total_bytes_max) {
        struct hub_stream *stream = CONTAINER_OF(hub->rings.next, struct hub_stream, in_rings);
        if (&stream->in_rings == hub->rings.prev) {
            break;
        }
        drop_all(stream);
        leave_rings(stream);
        hub->stats.rings_dropped++;
    }
}

static size_t ring_bound(const struct hub *hub) {
    return hub->ring_bytes_max < hub->total_bytes_max ? hub->ring_bytes_max : hub->total_bytes_max;
}

static void append_in(struct hub_stream *stream, enum hub_format format,
                      const struct frame *frame) {
    struct ring *ring = &stream->rings[format];
    size_t before = ring->bytes;
    size_t len = frame_len(format, frame);
    char *at = ring_reserve(ring, len, ring_bound(stream->hub));
    if (at == NULL) {
        /* No memory for it: its followers read it from the store, where it is. */
        ring_clear(ring);
    } else {
        char *end = frame_write(format, frame, at);
        assert((size_t)(end - at) == len);
        ring_commit(ring, frame->seq, len);
    }
    count_ring(stream->hub, ring, before);
}

void stream_append(struct hub_stream *stream, const struct note *note) {
    const struct frame frame = {.name = note->name,
                                .type = note->type,
                                .data = note->data,
                                .seq = note->seq,
                                .at_ms = note->at_ms};
    for (enum hub_format format = 0; format < HUB_FORMATS; format++) {
        if (stream->followers[format] > 0) {
            append_in(stream, format, &frame);
        }
    }
    stream_heard(stream, note->seq, 0);
    if (note->kind == NOTE_LAST) {
        stream->last = note->seq;
    }
    if (stream->in_rings.next != NULL) {
        link_remove(&stream->in_rings);
    }
    if (holds_memory(stream)) {
        use_rings(stream);
        shrink_others(stream->hub);
    }
}
