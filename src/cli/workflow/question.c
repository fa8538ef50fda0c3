/* question.c: from a typed line to the answer's body. */
#include "cli/workflow/question.h"

#include <unistd.h>

#include "base/utf8.h"
#include "cli/terminal/raw_terminal.h"
#include "cli/turn/question.h"

enum { LINE_MAX_BYTES = 2000 };

/* --- Answers ---------------------------------------------------------------------------------- */

const char question_hint_unread[] =
    "nothing was answered yet: all of it is shown above now; read it, then answer again";

const char *question_answer_write(const json_t *approval, bool cut, struct bytes line,
                                  struct text *body) {
    const size_t before = body->len;
    const enum question_choice choice = question_read(approval, line, body);
    if (choice == QUESTION_DENIED || (choice == QUESTION_ANSWERED && !cut)) {
        return NULL;
    }
    text_cut(body, before); /* "Always" would change the settings of a session. */
    return choice == QUESTION_ANSWERED        ? question_hint_unread
           : bytes_trim(line, " \t").len == 0 ? "type an answer first"
                                              : "answer y, n, or n and a reason";
}

/* --- Typing ----------------------------------------------------------------------------------- */

void question_input_init(struct question_input *input) {
    *input = (struct question_input){.terminal = {.raw = false}};
    text_init(&input->line, LINE_MAX_BYTES);
}

void question_input_done(struct question_input *input) {
    question_input_end(input);
    text_done(&input->line);
}

void question_input_begin(struct question_input *input) {
    /* In the background the shell has set up its terminal since. */
    input->terminal.raw =
        !raw_terminal_background() && raw_terminal_begin(&input->terminal, RAW_KEYS_POLLED);
}

void question_input_end(struct question_input *input) {
    text_clear(&input->line);
    raw_terminal_end(&input->terminal);
}

bool question_input_take(struct question_input *input, struct bytes typed) {
    struct text *line = &input->line;
    for (size_t at = 0; at < typed.len; at++) {
        const unsigned char byte = (unsigned char)typed.data[at];
        if (byte == '\n' || byte == '\r') {
            return true;
        }
        if (byte == 0x1b) { /* An arrow or another key that sends several bytes. */
            return false;
        }
        if (byte == 0x15) { /* Ctrl-U */
            text_clear(line);
        } else if (byte == 0x7f || byte == 0x08) {
            text_cut(line, line->len > 0 ? utf8_cut(text_bytes(line), line->len - 1) : 0);
        } else if (byte >= 0x20 && line->len < LINE_MAX_BYTES - 1) {
            text_add_char(line, (char)byte);
        }
    }
    return false;
}

enum question_typed question_input_read(struct question_input *input) {
    char buffer[256];
    ssize_t got = input->terminal.raw ? read(STDIN_FILENO, buffer, sizeof buffer) : 0;
    if (got <= 0) {
        return QUESTION_NOTHING;
    }
    bool whole = question_input_take(input, (struct bytes){buffer, (size_t)got});
    return whole ? QUESTION_LINE : QUESTION_TYPED;
}
