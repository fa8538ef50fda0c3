/* cells.c: one walk over characters, and a table of ranges instead of a locale. */
#include "cli/terminal/cells.h"

#include <limits.h>

#include "base/utf8.h"

struct range {
    uint32_t first, last;
};

static const struct range wide[] = {
    {0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0x33FF},   {0x3400, 0x4DBF},
    {0x4E00, 0x9FFF},   {0xA000, 0xA4CF},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},
    {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},   {0x1F300, 0x1F64F},
    {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD},
};
static const struct range none[] = {
    {0x0300, 0x036F}, {0x200B, 0x200F}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xE0100, 0xE01EF},
};

static bool stands_in(const struct range *ranges, size_t count, uint32_t point) {
    for (size_t i = 0; i < count; i++) {
        if (point >= ranges[i].first && point <= ranges[i].last) {
            return true;
        }
    }
    return false;
}

/* Bytes of what stands at `at`: a character, or a colour of ours, which takes no cell. */
static size_t step(struct bytes text, size_t at, int *ret_cells) {
    const unsigned char *bytes = (const unsigned char *)text.data;
    unsigned char lead = bytes[at];
    size_t len = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    uint32_t point = len == 1 ? lead : lead & (0xFFU >> (len + 1));
    *ret_cells = 0;
    if (lead == 0x1B) {
        size_t end = at;
        while (end < text.len && bytes[end] != 'm') {
            end++;
        }
        return end < text.len ? end + 1 - at : text.len - at;
    }
    for (size_t i = 1; i < len && at + i < text.len; i++) {
        point = point << 6 | (bytes[at + i] & 0x3FU);
    }
    *ret_cells = stands_in(none, COUNT_OF(none), point)   ? 0
                 : stands_in(wide, COUNT_OF(wide), point) ? 2
                                                          : 1;
    return at + len <= text.len ? len : text.len - at;
}

/* Bytes of the longest beginning that takes at most `cells`; *ret_cells: how many it takes. */
static size_t measure(struct bytes text, int cells, int *ret_cells) {
    size_t at = 0;
    *ret_cells = 0;
    while (at < text.len) {
        int here = 0;
        size_t len = step(text, at, &here);
        if (*ret_cells + here > cells) {
            break;
        }
        *ret_cells += here;
        at += len;
    }
    return at;
}

int cells_of(struct bytes text) {
    int cells = 0;
    (void)measure(text, INT_MAX, &cells); /* Only the number is asked for. */
    return cells;
}

int cells_add(struct text *text, struct bytes from, int cells) {
    int taken = cells_of(from);
    if (taken <= cells) {
        text_add(text, from.data, from.len);
        return taken;
    }
    if (cells < 1) {
        return 0;
    }
    text_add(text, from.data, measure(from, cells - 1, &taken));
    text_add_str(text, "…");
    return taken + 1;
}

struct bytes cells_line_take(struct bytes *io_rest, int cells) {
    size_t len = 0, blank = 0;
    while (len < io_rest->len) {
        size_t next = len + 1;
        while (next < io_rest->len && utf8_cut(*io_rest, next) <= len) {
            next++;
        }
        if (len > 0 && cells_of((struct bytes){io_rest->data, next}) > cells) {
            break;
        }
        blank = io_rest->data[len] == ' ' ? len : blank;
        len = next;
    }
    len = len < io_rest->len && blank > 0 ? blank : len;
    struct bytes line = {io_rest->data, len};
    io_rest->data += len;
    io_rest->len -= len;
    *io_rest = bytes_trim(*io_rest, " ");
    return line;
}
