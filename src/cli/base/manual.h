/* manual.h: the manual pages, made from the tables that the parser reads.
 *
 * Promise    drover.1, and a page for each group of commands and for each command of one word, as
 *            roff that groff formats without a warning, on any terminal.
 * Ownership  all borrowed during the call.
 * Threads    one.
 * Failure    ERR_IO, ERR_NO_PERMISSION and their like, and *why names the file; pages that were
 *            written before stay.
 */
#ifndef DROVER_CLI_BASE_MANUAL_H
#define DROVER_CLI_BASE_MANUAL_H

#include "base/base.h"
#include "base/err.h"
#include "cli/base/args.h"

/* Writes the pages into a folder that exists; a page that is there is replaced. */
MUST_CHECK struct err manual_write(const struct command *const *commands, const char *folder,
                                   struct why *why);

#endif
