/* plain.c: a walk over bytes that drops control characters. */
#include "cli/terminal/plain.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "cli/terminal/cells.h"
#include "cli/terminal/paint.h"

enum { PLAIN_LINE_MAX = 4096, NOTE_MAX = 256 << 10 };

void plain_print(struct bytes text) {
    for (size_t i = 0; i < text.len;) {
        size_t control = utf8_control_len((struct bytes){text.data + i, text.len - i});
        if (control == 0 || text.data[i] == '\n' || text.data[i] == '\t') {
            fputc(text.data[i], stdout);
        }
        i += control > 0 ? control : 1;
    }
}

void plain_note(const char *format, ...) {
    struct terminal_size size = {0};
    va_list args;
    (void)fflush(stdout); /* Earlier output stands above; a failure shows again at the end. */
    va_start(args, format);
    if (terminal_size(STDERR_FILENO, &size) && size.columns > 1) {
        AUTO(text_done) struct text lines = text_up_to(NOTE_MAX);
        AUTO(mem_release) char *whole = mem_new_array(NOTE_MAX, 1);
        (void)vsnprintf(whole, NOTE_MAX, format, args); /* A longer one is cut. */
        text_add_str(&lines, whole);
        cells_wrap_words(&lines, 0, size.columns - 1);
        fputs(text_bytes(&lines).data, stderr);
    } else {
        vfprintf(stderr, format, args);
    }
    va_end(args);
}

void plain_line(struct text *line, const char *text) {
    struct bytes left = bytes_of(text);
    left.len = utf8_cut(left, PLAIN_LINE_MAX);
    text_init(line, PLAIN_LINE_MAX);
    for (bool blank = false; left.len > 0;) {
        size_t control = utf8_control_len(left), step = control > 0 ? control : 1;
        if (control == 0 || !blank) {
            text_add_char(line, control > 0 ? ' ' : left.data[0]);
        }
        blank = control > 0;
        left = (struct bytes){left.data + step, left.len - step};
    }
}

void plain_add(struct text *to, const char *text) {
    AUTO(text_done) struct text line = {0};
    plain_line(&line, text);
    text_add(to, text_bytes(&line).data, line.len);
}

void plain_add_line(struct bytes text, struct text *to) {
    while (text.len > 0) {
        size_t control = utf8_control_len(text), step = control > 0 ? control : 1;
        if (text.data[0] == '\t') {
            text_add_str(to, "    ");
        } else if (text.data[0] == '\n') {
            text_add_char(to, ' ');
        } else if (control == 0) {
            text_add_char(to, text.data[0]);
        }
        text = (struct bytes){text.data + step, text.len - step};
    }
}

void plain_print_line(const char *text) {
    AUTO(text_done) struct text line = {0};
    plain_line(&line, text);
    fwrite(text_bytes(&line).data, 1, line.len, stdout);
}
