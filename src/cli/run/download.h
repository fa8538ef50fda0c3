/* download.h: an answer of any length, which goes to a file or to the terminal as it arrives.
 *
 * Promise    a file gets the bytes as they are; a terminal does not get control characters, which
 *            could drive it, and may get colours. An answer that breaks off is an error.
 * Threads    one. Failure: as client.h; ERR_IO.
 */
#ifndef DROVER_CLI_RUN_DOWNLOAD_H
#define DROVER_CLI_RUN_DOWNLOAD_H

#include <stdio.h>

#include "base/base.h"
#include "base/err.h"
#include "cli/base/api.h"
#include "cli/terminal/paint.h"

struct download {
    const char *target; /* Path of the request. */
    const char *media;
    FILE *out; /* Borrowed. */
    /* Colour of a line at a terminal, by its first byte; NULL: none has one. Not NULL: `paint` is
     * neither, and lines come in their order. */
    enum colour (*colour)(void *ctx, char first);
    const struct paint *paint;
    void *ctx;
    int64_t *io_bytes; /* Grows by the bytes of the answer; NULL: nobody counts. */
};
/* Colours of a diff; `in_hunk` is a bool, false at first. */
enum colour download_diff_colour(void *in_hunk, char first);
MUST_CHECK struct err download(struct talk *talk, const struct download *what, struct why *why);

#endif
