/* page_checksum.c: the checksum of a page (page_sums.h). */
#include <endian.h>
#include <string.h>

#include "store/page_sums.h"

enum { SUMMED_BYTES = PAGE_BYTES - PAGE_SUM_BYTES };

static uint64_t rotate(uint64_t word, unsigned by) {
    return word << by | word >> (64 - by);
}

static uint64_t word_at(const uint8_t *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return le64toh(word);
}

/* Four lanes, so that four multiplications are on their way at once. Each step can be undone, so a
 * change of one word always changes the result. */
uint64_t page_sum(const uint8_t *page, uint32_t number) {
    static const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15), mixer = UINT64_C(0xd6e8feb86659fd93);
    enum { LANES = 4, WORD = 8 };
    uint64_t lanes[LANES] = {number + odd, odd * 3, odd * 5, odd * 7};
    size_t at = 0;
    for (; at + (size_t)LANES * WORD <= SUMMED_BYTES; at += (size_t)LANES * WORD) {
        for (size_t i = 0; i < LANES; i++) {
            lanes[i] = rotate((lanes[i] ^ word_at(page + at + i * WORD)) * odd, 29);
        }
    }
    for (size_t i = 0; at < SUMMED_BYTES; at += WORD, i++) {
        lanes[i] = rotate((lanes[i] ^ word_at(page + at)) * odd, 29);
    }
    uint64_t sum = SUMMED_BYTES;
    for (size_t i = 0; i < LANES; i++) {
        sum = rotate((sum ^ lanes[i]) * mixer, 32);
        sum ^= sum >> 31;
    }
    return sum;
}

uint64_t page_sum_all(const uint8_t *page, uint32_t number) {
    return page_sum(page, number) ^ word_at(page + SUMMED_BYTES) * UINT64_C(0xd6e8feb86659fd93);
}

bool page_sum_fits(const uint8_t *page, uint32_t number) {
    return word_at(page + SUMMED_BYTES) == page_sum(page, number);
}

void page_sum_put(uint8_t *page, uint32_t number) {
    uint64_t sum = htole64(page_sum(page, number));
    memcpy(page + SUMMED_BYTES, &sum, sizeof sum);
}
