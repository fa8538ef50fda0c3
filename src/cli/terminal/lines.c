/* lines.c: poll(2) over the input and the interrupt. */
#include "cli/terminal/lines.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { READ_SIZE = 64 << 10 };

void lines_init(struct lines *lines, int fd, int interrupt_fd) {
    *lines = (struct lines){.fd = fd, .interrupt_fd = interrupt_fd};
    text_init(&lines->text, LINES_LINE_MAX + READ_SIZE);
}

void lines_done(struct lines *lines) {
    text_done(&lines->text);
}

static struct err more_read(struct lines *lines) {
    struct pollfd polls[] = {{.fd = lines->fd, .events = POLLIN},
                             {.fd = lines->interrupt_fd, .events = POLLIN}};
    if (poll(polls, COUNT_OF(polls), -1 /* until something comes */) < 0) {
        return errno == EINTR ? ERR_OK : err_from_errno(errno, "input: poll");
    }
    if ((polls[1].revents & POLLIN) != 0) {
        return err_make(ERR_INTERRUPTED, "input: wait");
    }
    char bytes[READ_SIZE];
    ssize_t len = read(lines->fd, bytes, sizeof bytes);
    if (len < 0) {
        return errno == EINTR || errno == EAGAIN ? ERR_OK : err_from_errno(errno, "input: read");
    }
    lines->over = len == 0;
    text_add(&lines->text, bytes, (size_t)len);
    return text_failed(&lines->text) ? err_make(ERR_BODY_TOO_LARGE, "input: line") : ERR_OK;
}

struct err lines_next(struct lines *lines, struct bytes *ret_line) {
    size_t seen = 0;
    for (;;) {
        size_t left = lines->text.len - lines->at;
        const char *begin = left > 0 ? lines->text.data + lines->at : NULL;
        const char *end = left > seen ? memchr(begin + seen, '\n', left - seen) : NULL;
        if (end != NULL || lines->over) {
            /* Without a line break: the rest, or NULL where there is none. */
            size_t len = end != NULL ? (size_t)(end - begin) : left;
            lines->at += len + (end != NULL);
            *ret_line = (struct bytes){begin, len};
            return ERR_OK;
        }
        seen = left;
        if (lines->at > 0) {
            /* The rest moves to the front, so that a long input needs no more room than a
             * line. */
            lines->text.len = left;
            memmove(lines->text.data, lines->text.data + lines->at, left);
            lines->at = 0;
        }
        TRY(more_read(lines));
    }
}

struct err lines_rest(struct lines *lines, struct bytes *ret_bytes) {
    struct err err = ERR_OK;
    while (!err_failed(err) && !lines->over) {
        err = more_read(lines);
    }
    if (!err_failed(err)) {
        *ret_bytes = text_bytes(&lines->text);
    }
    return err;
}
