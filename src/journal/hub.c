/* hub.c: opens and closes the hub, takes the notes, and wakes whom they concern.
 *
 * Waking is the part that could hold the loop: a stream may have thousands of followers, and each
 * `ready` ends in a write. So nobody is called while notes arrive. The work is done by a task, in
 * turns of half a millisecond; the rest waits for the next turn, in order, while the loop does its
 * I/O. What is committed meanwhile joins the piece of whoever has not been called yet: the busier
 * the loop, the more events each write carries.
 */
#include "journal/hub.h"

#include "base/memory.h"
#include "journal/hub_parts.h"
#include "journal/note.h"

enum {
    RING_BYTES = 1 << 20,
    TOTAL_BYTES = 64 << 20,
    IDLE_MS = 10 * 1000,
    TURN_NS = 500 * 1000,
    CALLS_PER_STREAM = 64, /* Before the next stream has its turn. */
};

void hub__signal(struct hub *hub) {
    loop_soon(hub->loop, &hub->task);
}

static bool signal_one(struct hub *hub) {
    if (links_empty(&hub->signals)) {
        return false;
    }
    struct hub_subscriber *subscriber =
        CONTAINER_OF(hub->signals.next, struct hub_subscriber, link);
    link_remove(&subscriber->link);
    subscriber_wake(subscriber);
    return true;
}

/* Everything that is read of the stream is read before the call: it may be its last follower. */
static bool wake_one(struct hub *hub) {
    if (links_empty(&hub->wakes)) {
        return false;
    }
    struct hub_stream *stream = CONTAINER_OF(hub->wakes.next, struct hub_stream, in_wakes);
    if (links_empty(&stream->waking)) { /* The last ones left by themselves. */
        link_remove(&stream->in_wakes);
        return true;
    }
    struct hub_subscriber *subscriber =
        CONTAINER_OF(stream->waking.next, struct hub_subscriber, link);
    link_remove(&subscriber->link);
    bool last = links_empty(&stream->waking);
    if (last || ++stream->calls % CALLS_PER_STREAM == 0) {
        link_remove(&stream->in_wakes);
    }
    if (!last && stream->in_wakes.next == NULL) {
        link_add_last(&hub->wakes, &stream->in_wakes);
    }
    hub->stats.wakes++;
    subscriber_wake(subscriber);
    return true;
}

static void take_turn(struct loop_task *task) {
    struct hub *hub = CONTAINER_OF(task, struct hub, task);
    const struct world *world = loop_world(hub->loop);
    uint64_t end_ns = world_mono_ns(world) + TURN_NS;
    /* The clock is looked at after each call: one may write half a megabyte. */
    do {
        loop_breathe(hub->loop);
        bool signalled = signal_one(hub);
        bool woken = wake_one(hub);
        if (!signalled && !woken) {
            return;
        }
    } while (world_mono_ns(world) < end_ns);
    hub__signal(hub);
}

void hub_deliver(void *ctx, struct bytes bytes) {
    struct hub *hub = ctx;
    struct note note;
    bool valid = note_read(bytes, &note);
    assert(valid); /* We wrote it. */
    hub->stats.notes++;
    struct hub_stream *stream = stream_find(hub, note.owner, note.name);
    if (stream == NULL) {
        return;
    }
    if (note.kind == NOTE_PRUNED) {
        stream_heard(stream, -1, note.seq);
        return;
    }
    hub->stats.events++;
    stream_append(stream, &note);
    stream_wake(stream);
}

void hub_flush(void *ctx) {
    struct hub *hub = ctx;
    if (!links_empty(&hub->wakes)) {
        hub__signal(hub);
    }
}

struct err hub_open(const struct hub_options *options, struct hub **ret_hub) {
    struct hub *hub = mem_new(sizeof *hub);
    hub->loop = options->loop;
    hub->ring_bytes_max = options->ring_bytes_max > 0 ? options->ring_bytes_max : RING_BYTES;
    hub->total_bytes_max = options->total_bytes_max > 0 ? options->total_bytes_max : TOTAL_BYTES;
    hub->idle_ms = options->idle_ms > 0 ? options->idle_ms : IDLE_MS;
    hub->snapshots = options->snapshots;
    hub->task.run = take_turn;
    links_init(&hub->wakes);
    links_init(&hub->rings);
    links_init(&hub->signals);
    links_init(&hub->queue);
    links_init(&hub->reading);
    streams_init(hub);
    *ret_hub = hub;
    return ERR_OK;
}

void hub_attach(struct hub *hub, struct store *store) {
    assert(hub->store == NULL);
    hub->store = store;
}

void hub_close(struct hub *hub) {
    if (hub == NULL) {
        return;
    }
    assert(hub->stats.subscribers == 0);
    loop_task_cancel(hub->loop, &hub->task);
    timer_stop(hub->loop, &hub->retry);
    timer_stop(hub->loop, &hub->idle);
    pages_forget(hub);
    streams_done(hub);
    mem_free(hub);
}

const struct snapshot_kinds *hub_snapshots(const struct hub *hub) {
    return &hub->snapshots;
}

void hub_get_stats(const struct hub *hub, struct hub_stats *ret_stats) {
    *ret_stats = hub->stats;
}
