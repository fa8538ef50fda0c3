/* input.c: see input.h. */
#include "proc/holder/input.h"

#include <errno.h>
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

/* The reader is gone, or has got all there is. */
static void input_close(struct input *input) {
    fd_release(&input->fd);
    input->ring_len = 0;
    if (input->have < input->order_len) {
        input->have = input->order_len;
    }
    input->accepted = input->have;
}

/* The free part of the ring, as far as it is one run of bytes. */
static size_t input_free_run(struct input *input, char **ret_run) {
    size_t size = sizeof input->ring;
    size_t tail = (input->ring_at + input->ring_len) % size;
    *ret_run = input->ring + tail;
    size_t until_wrap = size - tail, room = size - input->ring_len;
    return until_wrap < room ? until_wrap : room;
}

static void input_fill_from_order(struct input *input) {
    while (input->have < input->order_len && input->ring_len < sizeof input->ring) {
        char *run;
        size_t room = input_free_run(input, &run);
        size_t left = (size_t)(input->order_len - input->have);
        ssize_t got = pread(input->order_fd, run, room < left ? room : left,
                            (off_t)(input->order_at + input->have));
        if (got <= 0) {
            input_close(input); /* Sealed memory that can't be read: there is no more to be had. */
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

enum input_answer input_take(struct input *input, int64_t offset, struct bytes bytes) {
    input_fill_from_order(input);
    if (offset > input->have || (input->have < input->order_len && input->fd >= 0)) {
        return INPUT_GAP;
    }
    size_t known = bytes.len; /* Bytes that we have already are skipped. */
    if (input->have - offset < (int64_t)known) {
        known = (size_t)(input->have - offset);
    }
    bytes = (struct bytes){bytes.data + known, bytes.len - known};
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
        size_t room = input_free_run(input, &run);
        size_t len = room < bytes.len ? room : bytes.len;
        memcpy(run, bytes.data, len);
        input->ring_len += len;
        input->have += (int64_t)len;
        bytes = (struct bytes){bytes.data + len, bytes.len - len};
    }
    return bytes.len > 0 ? INPUT_GAP : INPUT_TAKEN;
}

void input_finish(struct input *input, int64_t offset) {
    if (input->end == INT64_MAX) {
        input->end = offset > input->have ? offset : input->have;
    }
}

void input_push(struct input *input) {
    while (input->fd >= 0) {
        input_fill_from_order(input);
        if (input->ring_len == 0 && input->accepted < input->end) {
            return;
        }
        if (input->ring_len == 0) {
            /* A terminal ends its input by a character at the start of a line; elsewhere it takes
             * two. */
            bool fresh = input->last == '\0' || input->last == '\n' || input->last == '\r';
            if (input->terminal && input->fd >= 0 &&
                write(input->fd, "\004\004", fresh ? 1 : 2) < 0 && errno == EAGAIN) {
                return;
            }
            input_close(input);
            return;
        }
        size_t until_wrap = sizeof input->ring - input->ring_at;
        size_t len = until_wrap < input->ring_len ? until_wrap : input->ring_len;
        ssize_t put = write(input->fd, input->ring + input->ring_at, len);
        if (put < 0 && errno == EAGAIN) {
            return;
        }
        if (put <= 0) {
            input_close(input);
            return;
        }
        input->last = input->ring[input->ring_at + (size_t)put - 1];
        input->ring_at = (input->ring_at + (size_t)put) % sizeof input->ring;
        input->ring_len -= (size_t)put;
        input->accepted += put;
    }
}
