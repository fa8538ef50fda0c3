/* hub_follower.h: a model of a client: it checks each byte that the hub gives it.
 *
 * The data of an event follows from its stream and seq alone, so a follower knows what must come:
 * the next event, or a snapshot that goes forward. Anything else fails the test at once. The clock
 * of the kit stands still at CLOCK_MS, so the bytes are known to the last.
 */
#ifndef DROVER_TEST_HUB_FOLLOWER_H
#define DROVER_TEST_HUB_FOLLOWER_H

#include "journal_kit.h"

#include <inttypes.h>

enum { CLOCK_MS = 1700000000, FRAME_SIZE = (EVENT_DATA_MAX) + 1024 };

struct follower {
    struct hub_subscriber subscriber;
    struct kit *kit;
    const char *stream;
    unsigned data_size; /* As model_data wants it. */
    bool greedy;        /* Pulls all there is as soon as it is ready. */
    bool ready, gone, expects_snapshot;
    int64_t seq; /* The last event of the copy; -1: not known before the first frame. */
    int64_t floor, head;
    unsigned readies, snapshots, pieces;
    uint64_t events;
};

/* {"n":SEQ,"pad":"…"}: `size` is 0 for short data, else about the longest; each 64th event then. */
static inline size_t model_data(const char *stream, int64_t seq, unsigned size, char *data,
                                size_t data_size) {
    unsigned pad = (unsigned)((uint64_t)(seq * 2654435761 + stream[0] * 40503) % 97);
    if (size > 0) {
        pad = seq % 64 == 0 ? size : pad * 3;
    }
    size_t len = (size_t)snprintf(data, data_size, "{\"n\":%" PRId64 ",\"pad\":\"", seq);
    assert_true(len + pad + 2 < data_size);
    memset(data + len, 'a' + (int)(seq % 26), pad);
    memcpy(data + len + pad, "\"}", 3);
    return len + pad + 2;
}

/* One event in the bytes that the format prescribes, written once more by other means. */
static inline size_t model_frame(enum hub_format format, const char *stream, int64_t seq,
                                 const char *type, const char *data, char *frame) {
    if (format == HUB_SSE) {
        return (size_t)snprintf(frame, FRAME_SIZE, "id: %" PRId64 "\nevent: %s\ndata: %s\n\n", seq,
                                type, data);
    }
    if (format == HUB_POLL) {
        return (size_t)snprintf(frame, FRAME_SIZE,
                                ",{\"seq\":%" PRId64 ",\"at_ms\":%d,\"type\":\"%s\",\"data\":%s}",
                                seq, CLOCK_MS, type, data);
    }
    static char text[FRAME_SIZE];
    size_t len = (size_t)snprintf(text, sizeof text,
                                  "{\"stream\":\"%s\",\"seq\":%" PRId64
                                  ",\"at_ms\":%d,\"type\":\"%s\",\"data\":%s}",
                                  stream, seq, CLOCK_MS, type, data);
    size_t header = 2;
    frame[0] = (char)0x81;
    if (len < 126) {
        frame[1] = (char)len;
    } else if (len < 65536) {
        frame[1] = 126;
        frame[2] = (char)(len >> 8);
        frame[3] = (char)len;
        header = 4;
    } else {
        frame[1] = 127;
        memset(frame + 2, 0, 8);
        frame[7] = (char)(len >> 16);
        frame[8] = (char)(len >> 8);
        frame[9] = (char)len;
        header = 10;
    }
    memcpy(frame + header, text, len);
    return header + len;
}

static inline bool follower_takes(const struct bytes *rest, const char *frame, size_t len) {
    return rest->len >= len && memcmp(rest->data, frame, len) == 0;
}

static inline bool follower_event(struct follower *follower, struct bytes *rest, char *frame) {
    static char data[FRAME_SIZE];
    if (follower->seq < 0 || follower->expects_snapshot) {
        return false;
    }
    (void)model_data(follower->stream, follower->seq + 1, follower->data_size, data, sizeof data);
    size_t len = model_frame(follower->subscriber.format, follower->stream, follower->seq + 1,
                             "tick", data, frame);
    if (!follower_takes(rest, frame, len)) {
        return false;
    }
    follower->seq++;
    follower->events++;
    *rest = (struct bytes){rest->data + len, rest->len - len};
    return true;
}

/* A snapshot never goes back, but where it was asked for. */
static inline void follower_snapshot(struct follower *follower, struct bytes *rest, char *frame) {
    const char *numbers = memmem(rest->data, rest->len, "{\"floor\":", 9);
    if (numbers == NULL) {
        fail_msg("after %" PRId64 " came: %.*s", follower->seq, (int)(rest->len % 200), rest->data);
    }
    char data[64] = "";
    const char *end = memchr(numbers, '}', rest->len - (size_t)(numbers - rest->data));
    assert_non_null(end);
    memcpy(data, numbers, (size_t)(end - numbers) + 1);
    int64_t floor = strtoll(data + 9, NULL, 10);
    int64_t head = strtoll(strchr(data, ',') + 8, NULL, 10);
    size_t len =
        model_frame(follower->subscriber.format, follower->stream, floor, "snapshot", data, frame);
    assert_true(follower_takes(rest, frame, len));
    assert_true(head >= floor);
    assert_true(follower->expects_snapshot || floor > follower->seq);
    follower->expects_snapshot = false;
    follower->seq = follower->floor = floor;
    follower->head = head;
    follower->snapshots++;
    *rest = (struct bytes){rest->data + len, rest->len - len};
}

static inline void follower_read(struct follower *follower, const struct hub_piece *piece) {
    static char frame[FRAME_SIZE];
    struct bytes rest = piece->bytes;
    assert_true(rest.len > 0);
    while (rest.len > 0) {
        if (!follower_event(follower, &rest, frame)) {
            follower_snapshot(follower, &rest, frame);
        }
    }
    assert_int_equal(piece->last_seq, follower->seq);
    assert_int_equal(follower->subscriber.cursor, follower->seq);
    follower->pieces++;
}

/* One pull. From the end, the copy begins where the hub says that the end was. */
static inline enum hub_pull follower_pull(struct follower *follower) {
    if (follower->seq < 0 && !follower->expects_snapshot && follower->ready) {
        follower->seq = follower->subscriber.cursor;
    }
    struct hub_piece piece = {0};
    enum hub_pull pull = hub_pull(follower->kit->hub, &follower->subscriber, &piece);
    if (pull == HUB_PIECE) {
        follower_read(follower, &piece);
        hub_buffer_unref(piece.buffer);
    } else {
        follower->gone = pull == HUB_GONE;
    }
    return pull;
}

static inline void follower_pull_all(struct follower *follower) {
    while (follower_pull(follower) == HUB_PIECE) {
    }
    if (!follower->gone) {
        follower->ready = false;
    }
}

static inline void follower_ready(struct hub_subscriber *subscriber) {
    struct follower *follower = CONTAINER_OF(subscriber, struct follower, subscriber);
    assert_false(follower->ready); /* Once for each HUB_WAIT. */
    follower->ready = true;
    follower->readies++;
    if (follower->greedy) {
        follower_pull_all(follower);
    }
}

static inline void follow(struct kit *kit, struct follower *follower, const char *stream,
                          int64_t after) {
    follower->kit = kit;
    follower->stream = stream;
    follower->subscriber.ready = follower_ready;
    follower->seq = after;
    follower->ready = follower->gone = false;
    const struct hub_subscribe what = {.owner = BYTES("ann"),
                                       .name = kit_bytes(stream),
                                       .after = after,
                                       .snapshot = follower->expects_snapshot};
    unsigned readies = follower->readies;
    hub_subscribe(kit->hub, &what, &follower->subscriber);
    assert_int_equal(follower->readies, readies); /* Never inside the call. */
}

static inline void unfollow(struct follower *follower) {
    hub_unsubscribe(follower->kit->hub, &follower->subscriber);
}

/* --- Writing what the model expects -------------------------------------------------------- */

struct model_append {
    struct kit_call call;
    const char *stream;
    int64_t next; /* The seq that the first event will get. */
    unsigned times, data_size;
};

static inline struct err model_append_tx(struct tx *tx, void *ctx) {
    const struct model_append *append = ctx;
    struct err err = ERR_OK;
    size_t size = append->data_size == 0 ? 256 : FRAME_SIZE;
    for (unsigned i = 0; i < append->times && !err_failed(err); i++) {
        char *data = arena_try(tx_arena(tx), size);
        if (data == NULL) {
            return err_make(ERR_OUT_OF_MEMORY, "test");
        }
        size_t len = model_data(append->stream, append->next + i, append->data_size, data, size);
        struct append what = {.owner = BYTES("ann"),
                              .stream = kit_bytes(append->stream),
                              .type = BYTES("tick"),
                              .data = {data, len}};
        struct appended appended;
        err = tx_append(tx, &what, &appended);
        assert(err_failed(err) || appended.seq == append->next + i);
    }
    return err;
}

/* Appends `times` events of the model in one commit. */
static inline void model_append(struct kit *kit, const char *stream, int64_t next, unsigned times) {
    struct model_append append = {.stream = stream, .next = next, .times = times};
    kit_check(kit_write(kit, model_append_tx, &append.call));
}

#endif
