/* markup.c: see markup.h. */
#include "rules/provider/markup.h"

#include <string.h>

void markup_tail_add(struct markup_tail *tail, struct bytes piece) {
    if (piece.len > MARKUP_TAIL_MAX) {
        piece = (struct bytes){piece.data + piece.len - MARKUP_TAIL_MAX, MARKUP_TAIL_MAX};
    }
    const size_t room = MARKUP_TAIL_MAX - piece.len;
    const size_t kept = tail->len < room ? tail->len : room;
    if (piece.len > 0) {
        memmove(tail->bytes, tail->bytes + tail->len - kept, kept);
        memcpy(tail->bytes + kept, piece.data, piece.len);
        tail->len = kept + piece.len;
    }
}

bool markup_tail_is_call(const struct markup_tail *tail) {
    static const char *const ends[] = {
        "<|tool_calls_section_end|>", "<|tool_call_end|>", /* Kimi. */
        "<｜tool▁calls▁end｜>", /* DeepSeek, with wide bars and low blocks. */
    };
    size_t len = tail->len;
    while (len > 0 && memchr(" \t\r\n", tail->bytes[len - 1], 4) != NULL) {
        len--;
    }
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        const size_t size = strlen(ends[i]);
        if (len >= size && memcmp(tail->bytes + len - size, ends[i], size) == 0) {
            return true;
        }
    }
    return false;
}
