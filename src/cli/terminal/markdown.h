/* markdown.h: Markdown as a terminal shows it, line by line as the text grows.
 *
 *   # Heading        bold            **bold** *italic* `code`   bold, italic, cyan
 *   - item           • item          [text](address)            text (address)
 *   > quote          │ quote         ``` … ```                  a block of code in cyan
 *
 * Promise    a line depends on the lines before it only by whether a block of code is open, so a
 *            line that has come whole is never drawn again. A mark without its other half on the
 *            line is shown as it is. Control characters do not pass. Without colours the text is
 *            shown as it was written. A line is wrapped between words, unless it is code or a row
 *            of a table.
 * Threads    any; pure but for markdown_print, which writes to stdout.
 */
#ifndef DROVER_CLI_TERMINAL_MARKDOWN_H
#define DROVER_CLI_TERMINAL_MARKDOWN_H

#include "base/base.h"
#include "base/text.h"
#include "cli/terminal/paint.h"

struct markdown {
    struct paint paint;
    size_t fence; /* Length of the fence of the block of code that is open; 0: none is. */
    char fence_mark;
};

/* Adds one line, without its end. `markdown` is as it is after that line. */
void markdown_line(struct markdown *markdown, struct bytes line, struct text *out);
/* Prints a text as it was written: wrapped at a terminal, plain (plain.h) elsewhere. */
void markdown_print(struct bytes text);

#endif
