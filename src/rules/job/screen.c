/* screen.c: finds the sequences of ECMA-48 and DEC that empty or change the screen. */
#include "rules/job/screen.h"

#include <string.h>

enum { ESC = 0x1B };
enum shown { SHOWN_UNKNOWN, SHOWN_MAIN, SHOWN_ALTERNATE };

enum change { CHANGE_NONE, CHANGE_CLEAR, CHANGE_RESET, CHANGE_ENTER, CHANGE_LEAVE };

/* Whether one of the parameters, which semicolons separate, is this number. */
static bool has_parameter(struct bytes parameters, const char *number) {
    struct bytes one;
    while (bytes_next(&parameters, ';', &one)) {
        if (bytes_is(one, number)) {
            return true;
        }
    }
    return false;
}

/* Effect of the sequence that begins at `at` with ESC. One that is cut off does nothing. */
static enum change change_of(struct bytes part, size_t at) {
    size_t end = at + 2;
    if (end > part.len || part.data[at + 1] != '[') {
        return end <= part.len && part.data[at + 1] == 'c' ? CHANGE_RESET : CHANGE_NONE;
    }
    while (end < part.len && part.data[end] >= 0x20 && part.data[end] < 0x40) {
        end++;
    }
    if (end == part.len) {
        return CHANGE_NONE;
    }
    struct bytes inside = {part.data + at + 2, end - at - 2};
    char final = part.data[end];
    if (final == 'J') {
        return bytes_is(inside, "2") || bytes_is(inside, "3") ? CHANGE_CLEAR : CHANGE_NONE;
    }
    if ((final != 'h' && final != 'l') || inside.len == 0 || inside.data[0] != '?') {
        return CHANGE_NONE;
    }
    struct bytes modes = {inside.data + 1, inside.len - 1};
    bool alternate =
        has_parameter(modes, "1049") || has_parameter(modes, "1047") || has_parameter(modes, "47");
    return !alternate ? CHANGE_NONE : final == 'h' ? CHANGE_ENTER : CHANGE_LEAVE;
}

/* The first bytes can be the rest of a character or of a sequence. */
static size_t first_boundary(struct bytes part) {
    for (size_t at = 0; at < part.len; at++) {
        if (part.data[at] == ESC || part.data[at] == '\n') {
            return part.data[at] == ESC ? at : at + 1;
        }
    }
    return 0;
}

size_t screen_begin(struct bytes part) {
    enum shown shown = SHOWN_UNKNOWN;
    size_t begin = first_boundary(part);
    for (size_t at = begin; at < part.len; at++) {
        const char *next = memchr(part.data + at, ESC, part.len - at);
        if (next == NULL) {
            break;
        }
        at = (size_t)(next - part.data);
        switch (change_of(part, at)) {
        case CHANGE_NONE:
            break;
        case CHANGE_CLEAR:
            begin = shown == SHOWN_ALTERNATE ? begin : at;
            break;
        case CHANGE_RESET:
            begin = at;
            shown = SHOWN_MAIN;
            break;
        case CHANGE_ENTER:
            shown = SHOWN_ALTERNATE;
            break;
        case CHANGE_LEAVE:
            begin = shown == SHOWN_UNKNOWN ? at : begin;
            shown = SHOWN_MAIN;
            break;
        }
    }
    return begin;
}
