/* small.c: see small.h. */
#include "proc/small/small.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"

enum { DIGITS_MAX = 20 };

/* --- Texts in fixed buffers ------------------------------------------------------------------- */

struct line line_in(char *buffer, size_t size) {
    assert(size > 0);
    buffer[0] = '\0';
    return (struct line){.at = buffer, .size = size};
}

void line_add_bytes(struct line *line, struct bytes bytes) {
    if (line->failed || bytes.len >= line->size - line->len) {
        line->failed = true;
        return;
    }
    memcpy(line->at + line->len, bytes.data, bytes.len);
    line->len += bytes.len;
    line->at[line->len] = '\0';
}

void line_add_digits(struct line *line, uint64_t number, unsigned digits) {
    char text[DIGITS_MAX];
    size_t at = DIGITS_MAX;
    do {
        text[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (at > 0 && (number > 0 || DIGITS_MAX - at < digits));
    line_add_bytes(line, (struct bytes){text + at, DIGITS_MAX - at});
}

static void line_add_number(struct line *line, int64_t number) {
    if (number < 0) {
        line_add_bytes(line, BYTES("-"));
    }
    line_add_digits(line, number < 0 ? 0 - (uint64_t)number : (uint64_t)number, 1);
}

static void line_add_form(struct line *line, const char *format, va_list *values) {
    for (const char *at = format; *at != '\0';) {
        size_t plain = strcspn(at, "%");
        line_add_bytes(line, (struct bytes){at, plain});
        at += plain;
        if (strncmp(at, "%s", 2) == 0) {
            line_add_bytes(line, bytes_of(va_arg(*values, const char *)));
            at += 2;
        } else if (strncmp(at, "%d", 2) == 0) {
            line_add_number(line, va_arg(*values, int));
            at += 2;
        } else if (strncmp(at, "%lld", 4) == 0) {
            line_add_number(line, va_arg(*values, long long));
            at += 4;
        } else if (strncmp(at, "%.*s", 4) == 0) {
            size_t len = (size_t)va_arg(*values, int);
            line_add_bytes(line, (struct bytes){va_arg(*values, const char *), len});
            at += 4;
        } else {
            assert(*at == '\0'); /* No other form is known. */
        }
    }
}

void line_addf(struct line *line, const char *format, ...) {
    va_list values;
    va_start(values, format);
    line_add_form(line, format, &values);
    va_end(values);
}

bool line_make(char *buffer, size_t size, const char *format, ...) {
    struct line line = line_in(buffer, size);
    va_list values;
    va_start(values, format);
    line_add_form(&line, format, &values);
    va_end(values);
    return !line.failed;
}

bool name_is_plain(struct bytes name) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    for (size_t i = 0; i < name.len; i++) {
        if (memchr(plain, name.data[i], sizeof plain - 1) == NULL) {
            return false;
        }
    }
    return name.len > 0 && name.data[0] != '.';
}

/* --- Files ------------------------------------------------------------------------------------ */

bool files_read(const char *path, char *text, size_t size) {
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, size - 1);
    if (got < 0) {
        return false;
    }
    text[got] = '\0';
    return true;
}

struct err files_write_at(int fd, struct bytes bytes, int64_t at, const char *step) {
    size_t done = 0;
    while (done < bytes.len) {
        ssize_t put = pwrite(fd, bytes.data + done, bytes.len - done, (off_t)at + (off_t)done);
        if (put <= 0) {
            return err_from_errno(put < 0 ? errno : ENOSPC, step);
        }
        done += (size_t)put;
    }
    return ERR_OK;
}

void files_close_from(int first) {
    if (syscall(SYS_close_range, first, UINT_MAX, 0) == 0) {
        return;
    }
    /* A kernel before 5.9. */
    struct rlimit limit;
    int end = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < INT_MAX
                  ? (int)limit.rlim_cur
                  : 65536;
    for (int fd = first; fd < end; fd++) {
        (void)close(fd); /* Most are none. */
    }
}

void names_start(struct names *names, int folder) {
    names->folder = folder;
    names->len = names->at = 0;
}

const char *names_next(struct names *names) {
    for (;;) {
        if (names->at >= names->len) {
            names->at = 0;
            names->len = syscall(SYS_getdents64, names->folder, names->bytes, sizeof names->bytes);
            if (names->len <= 0) {
                return NULL;
            }
        }
        /* With offsets of 64 bits this is the kernel's; musl 1.2.5 knows no dirent64. */
        const struct dirent *entry = (const void *)(names->bytes + names->at);
        names->at += entry->d_reclen;
        names->type = entry->d_type;
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            return entry->d_name;
        }
    }
}

/* --- Time ------------------------------------------------------------------------------------- */

static int64_t clock_read_ms(clockid_t id) {
    struct timespec now = {0};
    (void)clock_gettime(id, &now); /* Cannot fail for these two. */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_ms(void) {
    return clock_read_ms(CLOCK_MONOTONIC);
}

int64_t clock_wall_ms(void) {
    return clock_read_ms(CLOCK_REALTIME);
}

int64_t clock_after(int64_t now, int64_t wait_ms) {
    int64_t sum;
    return __builtin_add_overflow(now, wait_ms, &sum) ? CLOCK_NEVER : sum;
}

void clock_pause(unsigned ms) {
    (void)poll(/* fds */ NULL, 0, (int)ms); /* Signals are blocked in a holder: it ends in time. */
}
