/* input.c: see input.h. */
#include "proc/holder/input.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

void input_init(struct input *input, const struct order *order, int fd) {
    input->fd = fd;
    input->order_fd = order->fd;
    input->order_at = order->input_at;
    input->order_len = order->input_len;
    input->have = input->accepted = 0;
    input->end = order_has(order, ORDER_INPUT_OPEN) ? INT64_MAX : order->input_len;
    input->terminal = order_has(order, ORDER_PTY);
    input->last = '\0';
    input->ring_at = input->ring_len = 0;
}

/* The reader is gone, or was told that there is no more. */
static void let_go(struct input *input) {
    fd_release(&input->fd);
    input->ring_len = 0;
    if (input->have < input->order_len) {
        input->have = input->order_len;
    }
    input->accepted = input->have;
}

/* Where the free part of the ring begins, as one run of bytes. */
static size_t free_run(const struct input *input, char **ret_run) {
    char *ring = (char *)(uintptr_t)input->ring;
    size_t size = sizeof input->ring;
    size_t tail = (input->ring_at + input->ring_len) % size;
    *ret_run = ring + tail;
    size_t until_wrap = size - tail, room = size - input->ring_len;
    return until_wrap < room ? until_wrap : room;
}

static void fill_from_order(struct input *input) {
    while (input->have < input->order_len && input->ring_len < sizeof input->ring) {
        char *run;
        size_t room = free_run(input, &run);
        size_t left = (size_t)(input->order_len - input->have);
        ssize_t got = pread(input->order_fd, run, room < left ? room : left,
                            (off_t)(input->order_at + input->have));
        if (got <= 0) {
            let_go(input); /* Sealed memory that can't be read: there is no more to be had. */
            return;
        }
        input->have += got;
        input->ring_len += (size_t)got;
    }
}

bool input_has_room(const struct input *input) {
    return input->fd < 0 ||
           (input->have >= input->order_len && input->ring_len < sizeof input->ring);
}

bool input_waits(const struct input *input) {
    return input->fd >= 0 &&
           (input->ring_len > 0 || input->have < input->order_len || input->accepted == input->end);
}

static struct bytes skip(struct bytes bytes, int64_t count) {
    size_t len = count < (int64_t)bytes.len ? (size_t)count : bytes.len;
    return (struct bytes){bytes.data + len, bytes.len - len};
}

enum input_answer input_take(struct input *input, int64_t offset, struct bytes bytes) {
    fill_from_order(input);
    if (offset > input->have || (input->have < input->order_len && input->fd >= 0)) {
        return INPUT_GAP;
    }
    bytes = skip(bytes, input->have - offset);
    if (bytes.len > 0 && (int64_t)bytes.len > input->end - input->have) {
        bytes.len = (size_t)(input->end - input->have); /* Nobody will ever ask for the rest. */
    }
    if (input->fd < 0) {
        input->have += (int64_t)bytes.len;
        input->accepted = input->have;
        return INPUT_TAKEN;
    }
    while (bytes.len > 0 && input->ring_len < sizeof input->ring) {
        char *run;
        size_t room = free_run(input, &run);
        size_t len = room < bytes.len ? room : bytes.len;
        memcpy(run, bytes.data, len);
        input->ring_len += len;
        input->have += (int64_t)len;
        bytes = skip(bytes, (int64_t)len);
    }
    return bytes.len > 0 ? INPUT_GAP : INPUT_TAKEN;
}

void input_finish(struct input *input, int64_t offset) {
    if (input->end == INT64_MAX) {
        input->end = offset > input->have ? offset : input->have;
    }
}

/* A terminal ends its input by a character at the start of a line; elsewhere it takes two. */
static void finish_now(struct input *input) {
    if (input->terminal) {
        bool fresh = input->last == '\0' || input->last == '\n' || input->last == '\r';
        ssize_t put = write(input->fd, "\004\004", fresh ? 1 : 2);
        if (put < 0 && errno == EAGAIN) {
            return;
        }
    }
    let_go(input);
}

void input_push(struct input *input) {
    while (input->fd >= 0) {
        fill_from_order(input);
        if (input->ring_len == 0) {
            if (input->accepted >= input->end) {
                finish_now(input);
            }
            return;
        }
        size_t until_wrap = sizeof input->ring - input->ring_at;
        size_t len = until_wrap < input->ring_len ? until_wrap : input->ring_len;
        ssize_t put = write(input->fd, input->ring + input->ring_at, len);
        if (put < 0 && errno == EAGAIN) {
            return;
        }
        if (put <= 0) {
            let_go(input);
            return;
        }
        input->ring_at = (input->ring_at + (size_t)put) % sizeof input->ring;
        input->last = input->ring[(input->ring_at + sizeof input->ring - 1) % sizeof input->ring];
        input->ring_len -= (size_t)put;
        input->accepted += put;
    }
}
