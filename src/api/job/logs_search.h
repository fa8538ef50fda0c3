/* logs_search.h: the lines of a log that match a pattern, in bounded time and memory.
 *
 * Promise    the log is read once, piece by piece, up to where it ended at the first; kept are the
 *            lines that will be told, and those that may be told before the next match. A pattern
 *            that runs into a limit is ERR_TOO_EXPENSIVE, never "no match"; so is the end of the
 *            time (why says which). A line is cut at SEARCH_LINE_MAX; what was dropped from the log
 *            ends a line, and is not counted.
 * Ownership  everything in the options is borrowed for the call; the answer is the caller's.
 * Threads    any, one call at a time for each; `cancelled` is the only thing that others may touch.
 * Failure    ERR_BAD_PATTERN (why: the position), ERR_TOO_EXPENSIVE, ERR_INTERRUPTED when it was
 *            cancelled, and what `read` answers.
 */
#ifndef DROVER_API_JOB_LOGS_SEARCH_H
#define DROVER_API_JOB_LOGS_SEARCH_H

#include <stdatomic.h>

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"
#include "loop/world.h"
#include "proc/spool/spool.h"

enum {
    SEARCH_LINE_MAX = 64 << 10,
    SEARCH_KEPT_MAX = 4 << 20,   /* Bytes of lines that are sent. */
    SEARCH_ANSWER_MAX = 4 << 20, /* Then further matches are only counted. */
    SEARCH_TIME_MS = 10 * 1000,
};

enum search_text { SEARCH_PLAIN, SEARCH_TERMINAL /* Escape sequences are not text. */ };

struct search_options {
    struct bytes pattern; /* Perl's syntax, UTF-8. */
    int64_t limit, context;
    enum search_text kind;
    const struct world *world;
    uint64_t time_ms;
    const atomic_bool *cancelled; /* NULL: never. */
    void *ctx;
    /* As spool_log_read. */
    struct err (*read)(void *ctx, int64_t offset, char *buffer, size_t size,
                       struct log_read *ret_read);
};

/* {"matches":[{"line","text","before","after"}],"total","truncated"}, and "dropped": {"from","to"}
 * from where the first hole begins to where the last one ends. */
MUST_CHECK struct err log_search(const struct search_options *options, struct text *answer,
                                 struct why *why);

/* --- Lines ------------------------------------------------------------------------------------ */

/* Cuts a log that comes piece by piece into lines, without what only a terminal needs: `each` gets
 * every line once, in order, without its line feed, at most SEARCH_LINE_MAX bytes of it. Of a
 * terminal's output, escape sequences, other control characters and the carriage return before a
 * line feed are no part of a line; a sequence that never ends ends with its line. The bytes of a
 * line are borrowed during `each`. */
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
/* The text there is of a line is one: the log ends, or has a hole. */
MUST_CHECK struct err log_lines_break(struct log_lines *lines);

#endif
