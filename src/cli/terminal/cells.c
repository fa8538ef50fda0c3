/* cells.c: one walk over characters, and a table of ranges instead of a locale. */
#include "cli/terminal/cells.h"

#include <limits.h>
#include <string.h>

struct range {
    uint32_t first, last;
};

static const struct range wide[] = {
    {0x1100, 0x115F},   {0x231A, 0x231B},   {0x23E9, 0x23EC},   {0x23F0, 0x23F0},
    {0x23F3, 0x23F3},   {0x25FD, 0x25FE},   {0x2614, 0x2615},   {0x2648, 0x2653},
    {0x267F, 0x267F},   {0x2693, 0x2693},   {0x26A1, 0x26A1},   {0x26AA, 0x26AB},
    {0x26BD, 0x26BE},   {0x26C4, 0x26C5},   {0x26CE, 0x26CE},   {0x26D4, 0x26D4},
    {0x26EA, 0x26EA},   {0x26F2, 0x26F3},   {0x26F5, 0x26F5},   {0x26FA, 0x26FA},
    {0x26FD, 0x26FD},   {0x2705, 0x2705},   {0x270A, 0x270B},   {0x2728, 0x2728},
    {0x274C, 0x274C},   {0x274E, 0x274E},   {0x2753, 0x2755},   {0x2757, 0x2757},
    {0x2795, 0x2797},   {0x27B0, 0x27B0},   {0x27BF, 0x27BF},   {0x2B1B, 0x2B1C},
    {0x2B50, 0x2B50},   {0x2B55, 0x2B55},   {0x2E80, 0x303E},   {0x3041, 0x33FF},
    {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xA000, 0xA4CF},   {0xA960, 0xA97C},
    {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE10, 0xFE19},   {0xFE30, 0xFE6F},
    {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},   {0x1F004, 0x1F004}, {0x1F0CF, 0x1F0CF},
    {0x1F18E, 0x1F18E}, {0x1F191, 0x1F19A}, {0x1F200, 0x1F320}, {0x1F32D, 0x1F335},
    {0x1F337, 0x1F37C}, {0x1F37E, 0x1F393}, {0x1F3A0, 0x1F3CA}, {0x1F3CF, 0x1F3D3},
    {0x1F3E0, 0x1F3F0}, {0x1F3F4, 0x1F3F4}, {0x1F3F8, 0x1F43E}, {0x1F440, 0x1F440},
    {0x1F442, 0x1F4FC}, {0x1F4FF, 0x1F53D}, {0x1F54B, 0x1F54E}, {0x1F550, 0x1F567},
    {0x1F57A, 0x1F57A}, {0x1F595, 0x1F596}, {0x1F5A4, 0x1F5A4}, {0x1F5FB, 0x1F64F},
    {0x1F680, 0x1F6C5}, {0x1F6CC, 0x1F6CC}, {0x1F6D0, 0x1F6D2}, {0x1F6D5, 0x1F6D7},
    {0x1F6DC, 0x1F6DF}, {0x1F6EB, 0x1F6EC}, {0x1F6F4, 0x1F6FC}, {0x1F7E0, 0x1F7EB},
    {0x1F90C, 0x1F93A}, {0x1F93C, 0x1F945}, {0x1F947, 0x1FAFF}, {0x20000, 0x3FFFD},
};
static const struct range none[] = {
    {0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD},   {0x0610, 0x061A}, {0x064B, 0x065F},
    {0x0670, 0x0670}, {0x06D6, 0x06DC}, {0x0900, 0x0902},   {0x093A, 0x093A}, {0x093C, 0x093C},
    {0x0941, 0x0948}, {0x094D, 0x094D}, {0x0E31, 0x0E31},   {0x0E34, 0x0E3A}, {0x0E47, 0x0E4E},
    {0x1160, 0x11FF}, {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF},   {0x200B, 0x200F}, {0x202A, 0x202E},
    {0x2060, 0x2064}, {0x20D0, 0x20FF}, {0x302A, 0x302D},   {0x3099, 0x309A}, {0xFE00, 0xFE0F},
    {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF}, {0xE0100, 0xE01EF},
};

static bool stands_in(const struct range *ranges, size_t count, uint32_t point) {
    for (size_t i = 0; i < count; i++) {
        if (point >= ranges[i].first && point <= ranges[i].last) {
            return true;
        }
    }
    return false;
}

size_t cells_step(struct bytes text, size_t at, int *ret_cells) {
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
        size_t len = cells_step(text, at, &here);
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
    size_t len = 0, blank = 0, step = 0;
    for (int used = 0, here = 0; len < io_rest->len; len += step, used += here) {
        const bool is_blank = io_rest->data[len] == ' ';
        step = cells_step(*io_rest, len, &here);
        if (used > 0 && used + here > cells) {
            len = is_blank ? len : blank > 0 ? blank : len;
            break;
        }
        blank = is_blank ? len : blank;
    }
    struct bytes line = {io_rest->data, len};
    io_rest->data += len;
    io_rest->len -= len;
    *io_rest = bytes_trim(*io_rest, " ");
    return line;
}

void cells_wrap(struct bytes text, int columns, struct text *out) {
    int used = 0, here = 0;
    for (size_t at = 0, len = 0; at < text.len; at += len) {
        len = cells_step(text, at, &here);
        if (text.data[at] == '\n') {
            used = here = 0;
        } else if (used + here > columns && used > 0) {
            text_add_char(out, '\n');
            used = 0;
        }
        text_add(out, text.data + at, len);
        used += here;
    }
}

/* --- Words ------------------------------------------------------------------------------------ */

/* Whether "• ", "- " or "> " stands at `at`: a character that begins no word, and a blank. */
static bool is_mark(struct bytes line, size_t at, size_t len) {
    const unsigned char lead = (unsigned char)line.data[at];
    const bool word = lead < 0x80 ? memchr("-*+>?", lead, 5) == NULL : lead < 0xE2;
    return !word && at + len < line.len && line.data[at + len] == ' ';
}

/* Length of the line's indent and of the mark after it, "  1. "; *ret_hang: the indent of the rows
 * that follow, which stand below the text of the first one, or deeper where it has no mark. */
static size_t lead_len(struct bytes line, int *ret_hang) {
    int here = 0, hang = 0;
    size_t at = 0, digits = 0;
    while (at < line.len && (line.data[at] == ' ' || line.data[at] == 0x1B)) {
        at += cells_step(line, at, &here);
        hang += here;
    }
    *ret_hang = hang > 0 ? hang + 2 : 0;
    if (at == line.len) {
        return 0;
    }
    const size_t len = cells_step(line, at, &here);
    if (is_mark(line, at, len)) {
        *ret_hang = hang + here + 1;
        return at + len + 1;
    }
    while (at + digits < line.len && line.data[at + digits] >= '0' &&
           line.data[at + digits] <= '9') {
        digits++;
    }
    if (digits > 0 && digits < 4 && at + digits + 1 < line.len && line.data[at + digits] == '.' &&
        line.data[at + digits + 1] == ' ') {
        *ret_hang = hang + (int)digits + 2;
        return at + digits + 2;
    }
    return at;
}

struct rows_shape {
    size_t lead;
    int hang, columns;
};

/* Adds the line in rows; its first `lead` bytes stay together, and rows after the first have `hang`
 * blanks before them. */
static void rows_add(struct bytes line, const struct rows_shape *shape, struct text *out) {
    struct bytes rest = {line.data + shape->lead, line.len - shape->lead};
    text_add(out, line.data, shape->lead);
    for (int room = shape->columns - cells_of((struct bytes){line.data, shape->lead}); rest.len > 0;
         room = shape->columns - shape->hang) {
        const struct bytes row = cells_line_take(&rest, room);
        text_add(out, row.data, row.len);
        if (rest.len > 0) {
            text_addf(out, "\n%*s", shape->hang, "");
        }
    }
}

/* `key_cells` 0: the line's own beginning says how deep its rows stand. */
static void line_wrap(struct bytes line, int key_cells, int columns, struct text *out) {
    struct rows_shape shape = {.columns = columns, .hang = key_cells};
    const size_t key_len = (size_t)key_cells;
    if (key_cells == 0) {
        shape.lead = lead_len(line, &shape.hang);
    } else if (line.len > key_len && line.data[key_len - 1] == ' ') {
        shape.lead = key_len;
    } else {
        shape.hang = 0;
    }
    if (shape.hang > columns / 2) {
        shape.lead = 0;
        shape.hang = 0;
    }
    rows_add(line, &shape, out);
}

void cells_wrap_values(struct text *io_text, size_t begin, const struct cells_shape *shape) {
    AUTO(text_done) struct text whole = text_up_to(io_text->size_max);
    if (shape->columns <= 0 || io_text->len <= begin) {
        return;
    }
    text_add(&whole, io_text->data + begin, io_text->len - begin);
    const bool ended = io_text->data[io_text->len - 1] == '\n';
    struct bytes rest = text_bytes(&whole), line;
    text_cut(io_text, begin);
    for (bool more = false; bytes_next(&rest, '\n', &line); more = true) {
        text_add_str(io_text, more ? "\n" : "");
        if (cells_of(line) <= shape->columns) {
            text_add(io_text, line.data, line.len);
        } else {
            line_wrap(line, shape->key, shape->columns, io_text);
        }
    }
    text_add_str(io_text, ended ? "\n" : "");
}

void cells_wrap_words(struct text *io_text, size_t begin, int columns) {
    cells_wrap_values(io_text, begin, &(struct cells_shape){.columns = columns});
}

int cells_lines(struct bytes text) {
    struct bytes line;
    int lines = 0;
    while (bytes_next(&text, '\n', &line)) {
        lines++;
    }
    return lines;
}
