/* frames.c: see frames.h. */
#include "script/worker/frames.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "script/protocol.h"

enum { FIRST_SIZE = 4 << 10, AHEAD_SIZE = 4 << 10 };

void frames_init(struct frames *frames, int fd) {
    *frames = (struct frames){.fd = fd, .ahead = mem_new(AHEAD_SIZE)};
}

static void put(struct frames *frames, const char *data, size_t len) {
    /* Held by the limits on what a message may hold, and by sending when there is much. */
    assert(len <= SCRIPT_FRAME_MAX && frames->len + len <= SCRIPT_HEADER_SIZE + SCRIPT_FRAME_MAX);
    if (frames->len + len > frames->size) {
        size_t size = frames->size == 0 ? FIRST_SIZE : frames->size;
        while (size < frames->len + len) {
            size *= 2;
        }
        frames->data = mem_grow(frames->data, size);
        frames->size = size;
    }
    memcpy(frames->data + frames->len, data, len);
    frames->len += len;
}

void frames_open(struct frames *frames) {
    frames->opened = frames->len;
    if (frames->len == 0) {
        static const char header[SCRIPT_HEADER_SIZE] = {0};
        put(frames, header, sizeof header);
        put(frames, "[", 1);
    } else {
        put(frames, ",", 1);
    }
}

void frames_undo(struct frames *frames) {
    frames->len = frames->opened;
}

void frames_add(struct frames *frames, struct bytes piece) {
    put(frames, piece.data, piece.len);
}

void frames_add_string(struct frames *frames, struct bytes text) {
    frames_add(frames, BYTES("\""));
    frames_add_string_inside(frames, text);
    frames_add(frames, BYTES("\""));
}

void frames_add_string_inside(struct frames *frames, struct bytes text) {
    static const char digits[] = "0123456789abcdef";
    size_t plain = 0; /* Where what needs no escape began. */
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c >= ' ' && c != '"' && c != '\\') {
            continue;
        }
        put(frames, text.data + plain, i - plain);
        plain = i + 1;
        if (c < ' ') {
            put(frames, (char[]){'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]}, 6);
        } else {
            put(frames, (char[]){'\\', (char)c}, 2);
        }
    }
    put(frames, text.data + plain, text.len - plain);
}

void frames_add_number(struct frames *frames, uint32_t number) {
    char text[10];
    size_t at = sizeof text;
    do {
        text[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    frames_add(frames, (struct bytes){text + at, sizeof text - at});
}

void frames_send(struct frames *frames, enum frames_when when) {
    if (frames->len == 0 || (when == FRAMES_WHEN_MUCH && frames->len < SCRIPT_TOGETHER_MAX)) {
        return;
    }
    put(frames, "]", 1);
    size_t len = frames->len - SCRIPT_HEADER_SIZE;
    for (size_t i = 0; i < SCRIPT_HEADER_SIZE; i++) {
        frames->data[i] = (char)(len >> (8 * i) & 0xff);
    }
    for (size_t sent = 0; sent < frames->len;) {
        ssize_t wrote = write(frames->fd, frames->data + sent, frames->len - sent);
        if (wrote == 0 || (wrote < 0 && errno != EINTR)) {
            _exit(SCRIPT_EXIT_OK);
        }
        sent += wrote > 0 ? (size_t)wrote : 0;
    }
    frames->len = 0;
}

void frames_shrink(struct frames *frames) {
    assert(frames->len == 0);
    if (frames->size > SCRIPT_TOGETHER_MAX) {
        mem_free(frames->data);
        frames->data = NULL;
        frames->size = 0;
    }
}

static size_t read_some(int fd, char *data, size_t size) {
    ssize_t got;
    do {
        got = read(fd, data, size);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) {
        _exit(SCRIPT_EXIT_OK);
    }
    return (size_t)got;
}

/* A small frame comes with its header by one call; a large one goes straight to its place. */
void frames_read(struct frames *frames, char *data, size_t len) {
    while (len > 0) {
        if (frames->ahead_len == 0 && len >= AHEAD_SIZE) {
            size_t got = read_some(frames->fd, data, len);
            data += got;
            len -= got;
            continue;
        }
        if (frames->ahead_len == 0) {
            frames->ahead_len = read_some(frames->fd, frames->ahead, AHEAD_SIZE);
            frames->ahead_at = 0;
        }
        size_t part = len < frames->ahead_len ? len : frames->ahead_len;
        memcpy(data, frames->ahead + frames->ahead_at, part);
        frames->ahead_at += part;
        frames->ahead_len -= part;
        data += part;
        len -= part;
    }
}

uint32_t frames_next(struct frames *frames) {
    unsigned char header[SCRIPT_HEADER_SIZE];
    frames_read(frames, (char *)header, sizeof header);
    uint32_t len = 0;
    for (size_t i = 0; i < sizeof header; i++) {
        len |= (uint32_t)header[i] << (8 * i);
    }
    if (len > SCRIPT_ORDER_MAX) {
        _exit(SCRIPT_EXIT_NONSENSE);
    }
    return len;
}
