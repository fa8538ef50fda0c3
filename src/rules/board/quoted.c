/* quoted.c: see quoted.h. */
#include "rules/board/quoted.h"

#include <string.h>

#include "base/utf8.h"

bool quoted_is_word(struct bytes text) {
    bool word = text.len > 0;
    for (size_t i = 0; word && i < text.len; i++) {
        const char c = text.data[i], lower = (char)(c | 0x20);
        word = (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
               c == '-';
    }
    return word;
}

void quoted_paragraph_begin(struct text *text) {
    if (text->len > 0 && text->data[text->len - 1] != '\n') {
        text_add_char(text, '\n');
    }
}

/* Control characters of a title would be escapes, which say nothing to a reader. */
void quoted_title_add(struct text *text, struct bytes title) {
    text_add_char(text, '"');
    while (title.len > 0) {
        size_t plain = 0, control = 0;
        while (plain < title.len) {
            control = utf8_control_len((struct bytes){title.data + plain, title.len - plain});
            if (control > 0) {
                break;
            }
            plain++;
        }
        text_add_json_piece(text, (struct bytes){title.data, plain});
        text_add_str(text, control > 0 ? " " : "");
        title = (struct bytes){title.data + plain + control, title.len - plain - control};
    }
    text_add_char(text, '"');
}

static size_t longest_run(struct bytes text, char c) {
    size_t longest = 0, run = 0;
    for (size_t i = 0; i < text.len; i++) {
        run = text.data[i] == c ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    return longest;
}

static void fence_add(struct text *text, size_t len) {
    for (size_t i = 0; i < len && !text_failed(text); i++) {
        text_add_char(text, '~');
    }
}

/* A program's arguments end at a NUL, and a terminal obeys other control characters. */
void quoted_block_add(struct text *text, struct bytes block) {
    const size_t run = longest_run(block, '~');
    const size_t fence = run < 3 ? 3 : run + 1;
    quoted_paragraph_begin(text);
    fence_add(text, fence);
    text_add_char(text, '\n');
    for (size_t i = 0; i < block.len && !text_failed(text);) {
        const char c = block.data[i];
        const size_t control = utf8_control_len((struct bytes){block.data + i, block.len - i});
        text_add_char(text, control == 0 || c == '\n' || c == '\t' ? c : ' ');
        i += control > 0 ? control : 1;
    }
    quoted_paragraph_begin(text);
    fence_add(text, fence);
}
