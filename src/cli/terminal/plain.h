/* plain.h: text that came from a model, a script or a file, shown on a terminal.
 *
 * Promise    the text is not trusted with the terminal: control characters do not pass. U+0080 to
 *            U+009F do not either, which are to a terminal what ESC and a letter are.
 * Threads    any; plain_print and plain_print_line write to stdout, plain_note to stderr.
 */
#ifndef DROVER_CLI_TERMINAL_PLAIN_H
#define DROVER_CLI_TERMINAL_PLAIN_H

#include "base/base.h"
#include "base/text.h"

/* Prints the text; line breaks and tabs pass. */
void plain_print(struct bytes text);
/* Prints lines for a person to stderr; at a terminal they are wrapped between words. */
void plain_note(const char *format, ...) PRINTF_LIKE(1, 2);
/* Initialises `line`, and adds the text as one line: runs of control characters become a blank. */
void plain_line(struct text *line, const char *text);
/* Adds the same to a text that was begun. */
void plain_add(struct text *to, const char *text);
/* Adds the text without control characters, tabs as four blanks and line breaks as one. */
void plain_add_line(struct bytes text, struct text *to);
/* Prints the text as one line, without its end. */
void plain_print_line(const char *text);

#endif
