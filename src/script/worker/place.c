/* place.c: see place.h. */
#include "script/worker/place.h"

#include <string.h>

static struct bytes take_line(struct bytes *text) {
    const char *end = memchr(text->data, '\n', text->len);
    size_t len = end == NULL ? text->len : (size_t)(end - text->data);
    struct bytes line = {text->data, len};
    size_t taken = end == NULL ? len : len + 1;
    *text = (struct bytes){text->data + taken, text->len - taken};
    return line;
}

/* Reads a number backwards from the end, and the colon before it. */
static bool take_number(struct bytes *text, uint32_t *ret_number) {
    size_t at = text->len;
    uint64_t number = 0, scale = 1;
    while (at > 0 && text->data[at - 1] >= '0' && text->data[at - 1] <= '9' &&
           scale < 10000000000U) {
        number += (uint64_t)(text->data[--at] - '0') * scale;
        scale *= 10;
    }
    if (at == text->len || at == 0 || text->data[at - 1] != ':' || number > UINT32_MAX) {
        return false;
    }
    text->len = at - 1;
    *ret_number = (uint32_t)number;
    return true;
}

static bool holds(struct bytes text, const char *word) {
    assert(text.data != NULL);
    return memmem(text.data, text.len, word, strlen(word)) != NULL;
}

bool place_next(struct bytes *stack, struct bytes *ret_line, struct place *ret_place) {
    while (stack->len > 0) {
        struct bytes line = take_line(stack);
        if (line.len == 0 || holds(line, PLACE_PRELUDE) || holds(line, "(native)") ||
            holds(line, "at " PLACE_JSON ":")) {
            continue;
        }
        struct bytes rest = line;
        if (rest.data[rest.len - 1] == ')') {
            rest.len--;
        }
        struct place place = {0, 0};
        if (!take_number(&rest, &place.column) || !take_number(&rest, &place.line)) {
            place = (struct place){0, 0};
        }
        *ret_line = line;
        *ret_place = place;
        return true;
    }
    return false;
}
