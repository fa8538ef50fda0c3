/* log_frames.c: see log_frames.h. */
#include "store/sqlite/log_frames.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "store/sqlite/page_sums.h"

enum {
    LOG_HEADER = 32,
    LOG_PAGE_SIZE = 8, /* Of the log's header, as are the next two. */
    LOG_SALTS = 16,
    LOG_SUM = 24,
    FRAME_HEADER = 24,
    FRAME_COMMIT = 4, /* Size of the database; 0: the commit goes on. */
    FRAME_SALTS = 8,
    FRAME_SUM = 16,
    SUM_BYTES = 8,
    SUMMED_HEADER = 8, /* The first bytes of the frame's header. */
    FRAME_BYTES = FRAME_HEADER + PAGE_BYTES,
};

enum word_order { WORDS_LITTLE, WORDS_BIG };

struct frame_sum {
    uint32_t first, second;
};

static uint32_t big_at(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static uint32_t little_at(const uint8_t *bytes) {
    return (uint32_t)bytes[3] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[1] << 8 | bytes[0];
}

static struct frame_sum sum_read(const uint8_t *bytes) {
    return (struct frame_sum){big_at(bytes), big_at(bytes + 4)};
}

static struct frame_sum sum_little(struct frame_sum sum, const uint8_t *bytes, size_t len) {
    for (size_t i = 0; i < len; i += SUM_BYTES) {
        sum.first += little_at(bytes + i) + sum.second;
        sum.second += little_at(bytes + i + 4) + sum.first;
    }
    return sum;
}

static struct frame_sum sum_big(struct frame_sum sum, const uint8_t *bytes, size_t len) {
    for (size_t i = 0; i < len; i += SUM_BYTES) {
        sum.first += big_at(bytes + i) + sum.second;
        sum.second += big_at(bytes + i + 4) + sum.first;
    }
    return sum;
}

static struct frame_sum sum_add(struct frame_sum sum, const uint8_t *bytes, size_t len,
                                enum word_order order) {
    return order == WORDS_BIG ? sum_big(sum, bytes, len) : sum_little(sum, bytes, len);
}

static bool sum_is(struct frame_sum sum, const uint8_t *stored) {
    struct frame_sum wanted = sum_read(stored);
    return sum.first == wanted.first && sum.second == wanted.second;
}

static bool frame_fits(const uint8_t *frame, struct frame_sum before, enum word_order order) {
    struct frame_sum sum = sum_add(before, frame, SUMMED_HEADER, order);
    return sum_is(sum_add(sum, frame + FRAME_HEADER, PAGE_BYTES, order), frame + FRAME_SUM);
}

bool log_frame_is_page(int len, sqlite3_int64 at) {
    return len == PAGE_BYTES && at >= LOG_HEADER + FRAME_HEADER &&
           (at - LOG_HEADER - FRAME_HEADER) % FRAME_BYTES == 0;
}

uint64_t log_frame_number(sqlite3_int64 at) {
    return (uint64_t)(at - LOG_HEADER - FRAME_HEADER) / FRAME_BYTES;
}

/* A short read leaves zeros, which SQLite's VFS promises. The log's header, which tells the order
 * of the words, is not read: no page fits by chance in the other one. */
int log_frame_read(sqlite3_file *log, uint8_t *page, sqlite3_int64 at, bool *ret_fits,
                   uint32_t *ret_number) {
    uint8_t frame[FRAME_BYTES], before[SUM_BYTES];
    sqlite3_int64 begin = at - FRAME_HEADER;
    sqlite3_int64 before_at = begin == LOG_HEADER ? LOG_SUM : begin - FRAME_BYTES + FRAME_SUM;
    int rc = log->pMethods->xRead(log, frame, FRAME_BYTES, begin);
    bool cut = rc == SQLITE_IOERR_SHORT_READ;
    if (rc == SQLITE_OK) {
        rc = log->pMethods->xRead(log, before, SUM_BYTES, before_at);
    }
    if (rc != SQLITE_OK && !cut) {
        return rc;
    }
    memcpy(page, frame + FRAME_HEADER, PAGE_BYTES);
    *ret_number = big_at(frame);
    *ret_fits = !cut && *ret_number != 0 &&
                (frame_fits(frame, sum_read(before), WORDS_LITTLE) ||
                 frame_fits(frame, sum_read(before), WORDS_BIG));
    return SQLITE_OK;
}

/* --- A whole log ------------------------------------------------------------------------------ */

static struct err bytes_read(int fd, uint8_t *bytes, size_t size, off_t at, bool *ret_whole) {
    size_t len = 0;
    for (ssize_t got = 1; got > 0 && len < size; len += (size_t)got) {
        got = pread(fd, bytes + len, size - len, at + (off_t)len);
        if (got < 0) {
            return err_from_errno(errno, "log: read");
        }
    }
    *ret_whole = len == size;
    return ERR_OK;
}

static bool header_fits(const uint8_t *header, enum word_order *ret_order) {
    static const uint32_t magic = 0x377f0682;
    *ret_order = (big_at(header) & 1) != 0 ? WORDS_BIG : WORDS_LITTLE;
    return (big_at(header) & ~1U) == magic && big_at(header + LOG_PAGE_SIZE) == PAGE_BYTES &&
           sum_is(sum_add((struct frame_sum){0, 0}, header, LOG_SUM, *ret_order), header + LOG_SUM);
}

struct err log_frames_each(const char *path, void (*each)(void *ctx, int64_t frame, uint32_t page),
                           void *ctx, int64_t *ret_commit) {
    uint8_t header[LOG_HEADER], frame[FRAME_BYTES];
    enum word_order order = WORDS_LITTLE;
    bool whole = false;
    int64_t commit = 0;
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT) {
        return err_from_errno(errno, "log: open");
    }
    struct err err = fd < 0 ? ERR_OK : bytes_read(fd, header, LOG_HEADER, 0, &whole);
    bool fits = whole && header_fits(header, &order);
    struct frame_sum before = fits ? sum_read(header + LOG_SUM) : (struct frame_sum){0, 0};
    for (int64_t number = 1; fits && !err_failed(err); number++) {
        off_t at = LOG_HEADER + (off_t)(number - 1) * FRAME_BYTES;
        err = bytes_read(fd, frame, FRAME_BYTES, at, &whole);
        fits = !err_failed(err) && whole && big_at(frame) != 0 &&
               memcmp(frame + FRAME_SALTS, header + LOG_SALTS, SUM_BYTES) == 0 &&
               frame_fits(frame, before, order);
        if (fits) {
            before = sum_read(frame + FRAME_SUM);
            commit = big_at(frame + FRAME_COMMIT) != 0 ? number : commit;
            each(ctx, number, big_at(frame));
        }
    }
    if (!err_failed(err)) {
        *ret_commit = commit;
    }
    return err;
}
