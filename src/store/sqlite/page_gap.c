/* page_gap.c: see the header. */
#include "store/sqlite/page_gap.h"

#include <string.h>

enum {
    FILE_HEADER = 100,
    LARGEST_ROOT = 52, /* Of the file's header; 0: no auto_vacuum. */
    ROW_COUNT = 3,
    CONTENT = 5,
    LEAF_HEADER = 8,
    INNER_HEADER = 12,
};

static size_t number_at(const uint8_t *bytes) {
    return (size_t)bytes[0] << 8 | bytes[1];
}

static size_t header_size(uint8_t kind) {
    switch (kind) {
    case 2:
    case 5:
        return INNER_HEADER;
    case 10:
    case 13:
        return LEAF_HEADER;
    default:
        return 0;
    }
}

void page_gap_clear(uint8_t *page, uint32_t number, size_t usable) {
    const size_t from = number == 1 ? FILE_HEADER : 0;
    const uint8_t *head = page + from;
    const size_t size = header_size(head[0]);
    if (size == 0) {
        return;
    }
    size_t begin = from + size + 2 * number_at(head + ROW_COUNT);
    size_t end = number_at(head + CONTENT);
    if (begin < end && end <= usable) {
        memset(page + begin, 0, end - begin);
    }
}

bool page_gap_possible(const uint8_t *header) {
    static const uint8_t none[4] = {0};
    return memcmp(header + LARGEST_ROOT, none, sizeof none) == 0;
}
