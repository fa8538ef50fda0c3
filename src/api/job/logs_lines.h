/* logs_lines.h: cuts a log that comes piece by piece into lines, without what only a terminal
 * needs.
 *
 * Promise    `each` gets every line once, in order, without its line feed, at most SEARCH_LINE_MAX
 *            bytes of it. Of a terminal's output, escape sequences, other control characters and
 *            the carriage return before a line feed are no part of a line; a sequence that never
 *            ends ends with its line.
 * Ownership  embedded: init/done. The bytes of a line are borrowed during `each`.
 * Threads    one at a time.
 */
#ifndef DROVER_API_JOB_LOGS_LINES_H
#define DROVER_API_JOB_LOGS_LINES_H

#include "api/job/logs_search.h"

struct log_lines {
    enum search_text kind;
    unsigned char escape; /* Where in an escape sequence it is. */
    char *line;           /* Owned. */
    size_t len;
    void *ctx;
    struct err (*each)(void *ctx, struct bytes line);
};

void log_lines_init(struct log_lines *lines, enum search_text kind,
                    struct err (*each)(void *ctx, struct bytes line), void *ctx);
void log_lines_done(struct log_lines *lines); /* For AUTO. */
MUST_CHECK struct err log_lines_add(struct log_lines *lines, struct bytes bytes);
/* What text there is of a line is one: the log ends, or has a hole. */
MUST_CHECK struct err log_lines_break(struct log_lines *lines);

#endif
