/* download.h: an answer of any length, which goes to a file or to the terminal as it arrives.
 *
 * Promise    a file gets the bytes as they are; a terminal does not get control characters, which
 *            could drive it. An answer that breaks off is an error.
 * Threads    one. Failure: as client.h; ERR_IO.
 */
#ifndef DROVER_CLI_RUN_DOWNLOAD_H
#define DROVER_CLI_RUN_DOWNLOAD_H

#include <stdio.h>

#include "base/base.h"
#include "base/err.h"
#include "cli/base/api.h"

struct download {
    const char *target; /* Path of the request. */
    const char *media;
    FILE *out; /* Borrowed. */
};
MUST_CHECK struct err download(struct talk *talk, const struct download *what, struct why *why);

#endif
