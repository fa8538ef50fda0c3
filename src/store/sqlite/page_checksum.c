/* page_checksum.c: the checksum of a page (page_sums.h). */
#include <endian.h>
#include <string.h>

#include "store/sqlite/page_sums.h"

enum { SUMMED_BYTES = PAGE_BYTES - PAGE_SUM_BYTES };

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
    for (; at + ROUND <= SUMMED_BYTES; at += ROUND) {
        for (size_t i = 0; i < LANES; i++) {
            const uint8_t *pair = page + at + i * PAIR;
            lanes[i] = rotate((lanes[i] ^ word_at(pair)) * odd, 29) + word_at(pair + WORD);
        }
    }
    for (size_t i = 0; at < SUMMED_BYTES; at += WORD, i++) {
        lanes[i % LANES] = rotate((lanes[i % LANES] ^ word_at(page + at)) * odd, 29);
    }
    /* Each step can be undone, so a change of one lane always changes the result. */
    uint64_t sum = SUMMED_BYTES;
    for (size_t i = 0; i < LANES; i++) {
        sum = rotate((sum ^ lanes[i]) * mixer, 32);
        sum ^= sum >> 31;
    }
    return sum;
}

uint64_t page_sum_all(const uint8_t *page, uint32_t number) {
    return page_sum(page, number) ^ word_at(page + SUMMED_BYTES) * mixer;
}

bool page_sum_fits(const uint8_t *page, uint32_t number) {
    return word_at(page + SUMMED_BYTES) == page_sum(page, number);
}

void page_sum_put(uint8_t *page, uint32_t number) {
    uint64_t sum = htole64(page_sum(page, number));
    memcpy(page + SUMMED_BYTES, &sum, sizeof sum);
}
