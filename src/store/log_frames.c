/* log_frames.c: see log_frames.h. */
#include "store/log_frames.h"

#include <string.h>

#include "store/page_sums.h"

enum {
    LOG_HEADER = 32,
    LOG_SUM = 24, /* Of the log's header. */
    FRAME_HEADER = 24,
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

static bool frame_fits(const uint8_t *frame, struct frame_sum before, enum word_order order) {
    struct frame_sum stored = sum_read(frame + FRAME_SUM);
    struct frame_sum (*add)(struct frame_sum, const uint8_t *, size_t) =
        order == WORDS_BIG ? sum_big : sum_little;
    struct frame_sum sum = add(add(before, frame, SUMMED_HEADER), frame + FRAME_HEADER, PAGE_BYTES);
    return sum.first == stored.first && sum.second == stored.second;
}

bool log_frame_is_page(int len, sqlite3_int64 at) {
    return len == PAGE_BYTES && at >= LOG_HEADER + FRAME_HEADER &&
           (at - LOG_HEADER - FRAME_HEADER) % FRAME_BYTES == 0;
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
