/* plain.c: a walk over bytes that drops control characters. */
#include "cli/terminal/plain.h"

#include <stdio.h>
#include <string.h>

static bool is_c1(const char *text, size_t left) {
    return left > 1 && (unsigned char)text[0] == 0xC2 && (unsigned char)text[1] >= 0x80 &&
           (unsigned char)text[1] < 0xA0;
}

void plain_print(struct bytes text) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (is_c1(text.data + i, text.len - i)) {
            i++;
        } else if ((c >= 0x20 && c != 0x7F) || c == '\n' || c == '\t') {
            fputc(c, stdout);
        }
    }
}

void plain_line(struct text *line, const char *text) {
    text_init(line, 4096);
    bool blank = false;
    for (size_t i = 0, len = strlen(text); i < len; i++) {
        bool c1 = is_c1(text + i, len - i);
        bool control = c1 || (unsigned char)text[i] < 0x20 || text[i] == 0x7f;
        if (!control || !blank) {
            text_add_char(line, control ? ' ' : text[i]);
        }
        i += c1 ? 1 : 0;
        blank = control;
    }
}

void plain_add(struct text *to, const char *text) {
    AUTO(text_done) struct text line = {0};
    plain_line(&line, text);
    text_add(to, text_bytes(&line).data, line.len);
}

void plain_print_line(const char *text) {
    AUTO(text_done) struct text line = {0};
    plain_line(&line, text);
    fwrite(text_bytes(&line).data, 1, line.len, stdout);
}
