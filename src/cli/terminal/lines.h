/* lines.h: standard input line by line, without a wait that Ctrl-C cannot end.
 *
 * Ownership  embedded; lines_done ends it. A line is borrowed until the next call.
 * Threads    one.
 */
#ifndef DROVER_CLI_TERMINAL_LINES_H
#define DROVER_CLI_TERMINAL_LINES_H

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"

enum { LINES_LINE_MAX = 1 << 20 };

struct lines {
    int fd, interrupt_fd; /* Borrowed. */
    struct text text;     /* Owned: what was read and not handed out. */
    size_t at;
    bool over;
};

void lines_init(struct lines *lines, int fd, int interrupt_fd);
void lines_done(struct lines *lines);
/* *ret_line.data NULL: the input is over. The line break is not part of a line. */
MUST_CHECK struct err lines_next(struct lines *lines, struct bytes *ret_line);
/* Everything up to the end, at most LINES_LINE_MAX bytes; borrowed until lines_done. */
MUST_CHECK struct err lines_rest(struct lines *lines, struct bytes *ret_bytes);

#endif
