/* log_frames.c: see log_frames.h. */
#include "store/sqlite/log_frames.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "store/sqlite/page.h"

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
};

enum word_order { WORDS_LITTLE, WORDS_BIG };

struct frame_sum {
    uint32_t first, second;
};

static struct frame_sum sum_read(const uint8_t *bytes) {
    return (struct frame_sum){page_big_at(bytes), page_big_at(bytes + 4)};
}

static struct frame_sum sum_add(struct frame_sum sum, const uint8_t *bytes, size_t len,
                                enum word_order order) {
    uint32_t words[2];
    for (size_t i = 0; i < len; i += sizeof words) {
        memcpy(words, bytes + i, sizeof words);
        sum.first += (order == WORDS_BIG ? be32toh(words[0]) : le32toh(words[0])) + sum.second;
        sum.second += (order == WORDS_BIG ? be32toh(words[1]) : le32toh(words[1])) + sum.first;
    }
    return sum;
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
           (at - LOG_HEADER - FRAME_HEADER) % LOG_FRAME_BYTES == 0;
}

uint64_t log_frame_number(sqlite3_int64 at) {
    return (uint64_t)(at - LOG_HEADER - FRAME_HEADER) / LOG_FRAME_BYTES;
}

/* A short read leaves zeros, which SQLite's VFS promises. The log's header, which tells the order
 * of the words, is not read: no page fits by chance in the other one. */
int log_frame_read(sqlite3_file *log, uint8_t *page, sqlite3_int64 at, bool *ret_fits,
                   uint32_t *ret_number) {
    uint8_t frame[LOG_FRAME_BYTES], before[SUM_BYTES];
    sqlite3_int64 begin = at - FRAME_HEADER;
    sqlite3_int64 before_at = begin == LOG_HEADER ? LOG_SUM : begin - LOG_FRAME_BYTES + FRAME_SUM;
    int rc = log->pMethods->xRead(log, frame, LOG_FRAME_BYTES, begin);
    bool cut = rc == SQLITE_IOERR_SHORT_READ;
    if (rc == SQLITE_OK) {
        rc = log->pMethods->xRead(log, before, SUM_BYTES, before_at);
    }
    if (rc != SQLITE_OK && !cut) {
        return rc;
    }
    memcpy(page, frame + FRAME_HEADER, PAGE_BYTES);
    *ret_number = page_big_at(frame);
    *ret_fits = !cut && *ret_number != 0 &&
                (frame_fits(frame, sum_read(before), WORDS_LITTLE) ||
                 frame_fits(frame, sum_read(before), WORDS_BIG));
    return SQLITE_OK;
}

struct err log_frames_each(const char *path, void (*each)(void *ctx, int64_t frame, uint32_t page),
                           void *ctx, int64_t *ret_commit) {
    static const uint32_t magic = 0x377f0682; /* The last bit is the order of the words. */
    uint8_t header[LOG_HEADER], frame[LOG_FRAME_BYTES];
    size_t len = 0;
    int64_t commit = 0;
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT) {
        return err_from_errno(errno, "log: open");
    }
    struct err err = fd < 0 ? ERR_OK : page_read_at(fd, header, LOG_HEADER, 0, &len);
    bool fits = !err_failed(err) && len == LOG_HEADER;
    enum word_order order = fits && (page_big_at(header) & 1) != 0 ? WORDS_BIG : WORDS_LITTLE;
    struct frame_sum before = {0, 0};
    fits = fits && (page_big_at(header) & ~1U) == magic &&
           page_big_at(header + LOG_PAGE_SIZE) == PAGE_BYTES &&
           sum_is(sum_add(before, header, LOG_SUM, order), header + LOG_SUM);
    if (fits) {
        before = sum_read(header + LOG_SUM);
    }
    for (int64_t number = 1; fits && !err_failed(err); number++) {
        off_t at = LOG_HEADER + (off_t)(number - 1) * LOG_FRAME_BYTES;
        err = page_read_at(fd, frame, LOG_FRAME_BYTES, at, &len);
        fits = !err_failed(err) && len == LOG_FRAME_BYTES && page_big_at(frame) != 0 &&
               memcmp(frame + FRAME_SALTS, header + LOG_SALTS, SUM_BYTES) == 0 &&
               frame_fits(frame, before, order);
        if (fits) {
            before = sum_read(frame + FRAME_SUM);
            commit = page_big_at(frame + FRAME_COMMIT) != 0 ? number : commit;
            each(ctx, number, page_big_at(frame));
        }
    }
    TRY(err);
    *ret_commit = commit;
    return ERR_OK;
}
