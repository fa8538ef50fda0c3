/* small.h: services of a C library that the small static programs can afford.
 *
 * Why        printf, its locale, opendir and the allocator behind it would be half of a holder.
 * Promise    nothing allocates. A text never passes its buffer and is always terminated; a piece
 *            that does not fit is left out whole, `failed` is set, and nothing is added after it.
 * Threads    any; the programs have one.
 */
#ifndef DROVER_PROC_SMALL_SMALL_H
#define DROVER_PROC_SMALL_SMALL_H

#include <sys/types.h>

#include "base/base.h"
#include "base/err.h"

/* --- Texts in fixed buffers ------------------------------------------------------------------- */

struct line {
    char *at; /* Borrowed. */
    size_t size, len;
    bool failed;
};
struct line line_in(char *buffer, size_t size); /* Empty. */
/* Understands %s, %.*s, %d and %lld, and no other form. */
void line_addf(struct line *line, const char *format, ...) PRINTF_LIKE(2, 3);
void line_add_bytes(struct line *line, struct bytes bytes);
void line_add_digits(struct line *line, uint64_t number, unsigned digits); /* Leading zeros. */
/* The same for a text that is made at once, such as a path. False: it does not fit. */
bool line_make(char *buffer, size_t size, const char *format, ...) PRINTF_LIKE(3, 4);

/* Letters, digits, '_', '-' and '.', the first no '.': a name stands in paths and in JSON without
 * any escaping, and is never hidden. */
MUST_CHECK bool name_is_plain(struct bytes name);

/* --- Files ------------------------------------------------------------------------------------ */

/* The beginning of a file of the kernel's as terminated text. False: errno says why. */
MUST_CHECK bool files_read(const char *path, char *text, size_t size);
/* All of it, or an error. `step` is static text. */
MUST_CHECK struct err files_write_at(int fd, struct bytes bytes, int64_t at, const char *step);
void files_close_from(int first); /* Every descriptor from that one on. */

/* Names in an open folder, without "." and "..". */
struct names {
    int folder; /* Borrowed. */
    long len;   /* Below 0, once names_next has returned NULL: an error, see errno. */
    long at;
    unsigned char type; /* Kind of the last entry: DT_DIR and the like. */
    _Alignas(8) char bytes[4096];
};
void names_start(struct names *names, int folder);
const char *names_next(struct names *names); /* Valid until the next call; NULL: that was all. */

/* --- Time ------------------------------------------------------------------------------------- */

/* A deadline bounds what a command may do. While a laptop sleeps the command does nothing, so that
 * time must not be charged to it: CLOCK_MONOTONIC stands still, CLOCK_BOOTTIME would kill the
 * command at the moment of waking. The monotonic clock is also the one of poll(2). */
#define CLOCK_NEVER INT64_MAX

int64_t clock_ms(void);                            /* For deadlines. */
int64_t clock_wall_ms(void);                       /* For people: milliseconds since 1970. */
int64_t clock_after(int64_t now, int64_t wait_ms); /* Never overflows. */
void clock_pause(unsigned ms);

#endif
