/* line.h: a line of a program, read as it comes, in bounded memory.
 *
 * A line of JSON of up to `max` bytes is kept as it is. Of a longer one, up to LINE_TIMES times
 * that, a smaller one with the same members is kept:
 *
 *   a string beyond half of `max`     its beginning, and a mark with the number of bytes left out
 *   strings after three quarters      their first bytes, and the mark
 *   values after seven eighths        left out, but for the members of the line itself
 *
 * So an answer of 8 MB, or a picture in the result of a tool, is a line that can be read. Text that
 * is no JSON comes in parts of `max` bytes, and none of it is left out. Bytes that are no UTF-8
 * become U+FFFD, each of them.
 *
 * Ownership  the line that was read is borrowed until the next change.
 * Threads    one at a time.
 */
#ifndef DROVER_AGENT_LINE_H
#define DROVER_AGENT_LINE_H

#include "agent/program.h"

enum { LINE_TIMES = 64 };

struct program_line {
    enum program_text_kind kind;
    size_t max;
    char *raw;  /* Owned: the bytes as they came, while they are at most `max`; */
    char *kept; /* owned: what was made of them. NULL: not needed yet. */
    size_t raw_len, kept_len;
    int64_t eaten;    /* Bytes of this line, and its end, that were fed. */
    int64_t left_out; /* Bytes of it that are not kept. */
    bool shrinks;     /* The line is longer than `max`, or has bytes that are no UTF-8. */
    bool full;        /* The line cannot be made small enough. */
    char pending[4];  /* The beginning of a character. */
    size_t pending_len;
    /* Where in the JSON it is. */
    bool in_string;
    char escape[6]; /* The beginning of an escape; */
    size_t escape_len;
    size_t string_len;   /* bytes of this string that are kept, */
    int64_t string_lost; /* and that are not. */
    int64_t depth;
    int64_t skip_depth; /* The rest of the brackets at that depth is left out; 0: nothing is. */
};

/* The object must be zeroed. */
void program_line_init(struct program_line *line, enum program_text_kind kind, size_t max);
void program_line_done(struct program_line *line);
/* The next line begins. */
void program_line_clear(struct program_line *line);

/* State after the bytes so far: the beginning of a line; a line, or a part of one; one that can't
 * be read: it is too long, and its rest is to be skipped (SKIPPED), or has ended (LOST). */
enum program_line_state { LINE_BEGUN, LINE_READ, LINE_LOST, LINE_SKIPPED };
/* Number of bytes that were taken, up to the end of a line at most. *ret_text, *ret_form: of a line
 * that was read. */
size_t program_line_feed(struct program_line *line, struct bytes bytes,
                         enum program_line_state *ret_state, struct bytes *ret_text,
                         enum program_line_form *ret_form);
/* A last line without an end. */
enum program_line_state program_line_end(struct program_line *line, struct bytes *ret_text,
                                         enum program_line_form *ret_form);

#endif
