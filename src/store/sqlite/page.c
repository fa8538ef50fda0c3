/* page.c: see page.h. */
#include "store/sqlite/page.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
    HEADER_PAGE_SIZE =
        16, /* Offset in the file's header, like the next two. Two bytes, big endian. */
    HEADER_RESERVED = 20,
    HEADER_LARGEST_ROOT = 52, /* 0: no auto_vacuum. */
    ROW_COUNT = 3,
    CONTENT = 5,
    LEAF_HEADER = 8,
    INNER_HEADER = 12,
};

uint32_t page_big_at(const uint8_t *bytes) {
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return be32toh(word);
}

struct err page_read_at(int fd, uint8_t *bytes, size_t size, off_t at, size_t *ret_len) {
    size_t len = 0;
    for (ssize_t got = 1; got > 0 && len < size; len += (size_t)got) {
        got = pread(fd, bytes + len, size - len, at + (off_t)len);
        if (got < 0) {
            return err_from_errno(errno, "scan: read");
        }
    }
    *ret_len = len;
    return ERR_OK;
}

/* --- Checksums -------------------------------------------------------------------------------- */

static uint64_t rotate(uint64_t word, unsigned by) {
    return word << by | word >> (64 - by);
}

static uint64_t word_at(const uint8_t *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return le64toh(word);
}

static const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15), mixer = UINT64_C(0xd6e8feb86659fd93);

/* Eight lanes of two words each, so that as many steps are on their way at once: a read of a page
 * should cost next to nothing more. A change of one word always changes its lane. Words that change
 * places, and patterns in them, would make up for each other without the multiplication. */
uint64_t page_sum(const uint8_t *page, uint32_t number) {
    enum { LANES = 8, WORD = 8, PAIR = 2 * WORD, ROUND = LANES * PAIR };
    uint64_t lanes[LANES] = {number + odd, odd * 3,  odd * 5,  odd * 7,
                             odd * 9,      odd * 11, odd * 13, odd * 15};
    size_t at = 0;
    for (; at + ROUND <= PAGE_SUMMED_BYTES; at += ROUND) {
        for (size_t i = 0; i < LANES; i++) {
            const uint8_t *pair = page + at + i * PAIR;
            lanes[i] = rotate((lanes[i] ^ word_at(pair)) * odd, 29) + word_at(pair + WORD);
        }
    }
    for (size_t i = 0; at < PAGE_SUMMED_BYTES; at += WORD, i++) {
        lanes[i % LANES] = rotate((lanes[i % LANES] ^ word_at(page + at)) * odd, 29);
    }
    /* Each step can be undone, so a change of one lane always changes the result. */
    uint64_t sum = PAGE_SUMMED_BYTES;
    for (size_t i = 0; i < LANES; i++) {
        sum = rotate((sum ^ lanes[i]) * mixer, 32);
        sum ^= sum >> 31;
    }
    return sum;
}

uint64_t page_sum_all(const uint8_t *page, uint32_t number) {
    return page_sum(page, number) ^ word_at(page + PAGE_SUMMED_BYTES) * mixer;
}

bool page_sum_fits(const uint8_t *page, uint32_t number) {
    return word_at(page + PAGE_SUMMED_BYTES) == page_sum(page, number);
}

void page_sum_put(uint8_t *page, uint32_t number) {
    uint64_t sum = htole64(page_sum(page, number));
    memcpy(page + PAGE_SUMMED_BYTES, &sum, sizeof sum);
}

bool page_header_has_sums(const uint8_t *header) {
    return header[HEADER_PAGE_SIZE] == PAGE_BYTES >> 8 && header[HEADER_PAGE_SIZE + 1] == 0 &&
           header[HEADER_RESERVED] == PAGE_SUM_BYTES;
}

void page_header_set_sums(uint8_t *header) {
    header[HEADER_PAGE_SIZE] = PAGE_BYTES >> 8;
    header[HEADER_PAGE_SIZE + 1] = 0;
    header[HEADER_RESERVED] = PAGE_SUM_BYTES;
}

bool page_first_has_sums(const uint8_t *page) {
    uint8_t copy[PAGE_BYTES];
    memcpy(copy, page, sizeof copy);
    page_header_set_sums(copy);
    return page_header_has_sums(page) || page_sum_fits(copy, 1);
}

/* --- Gaps ------------------------------------------------------------------------------------- */

static size_t number_at(const uint8_t *bytes) {
    return (size_t)bytes[0] << 8 | bytes[1];
}

void page_gap_clear(uint8_t *page, uint32_t number, size_t usable) {
    const size_t from = number == 1 ? PAGE_HEADER_BYTES : 0;
    const uint8_t *head = page + from;
    bool inner = head[0] == 2 || head[0] == 5, leaf = head[0] == 10 || head[0] == 13;
    if (!inner && !leaf) {
        return;
    }
    size_t size = inner ? INNER_HEADER : LEAF_HEADER;
    size_t begin = from + size + 2 * number_at(head + ROW_COUNT);
    size_t end = number_at(head + CONTENT);
    if (begin < end && end <= usable) {
        memset(page + begin, 0, end - begin);
    }
}

bool page_gap_possible(const uint8_t *header) {
    return page_big_at(header + HEADER_LARGEST_ROOT) == 0;
}
