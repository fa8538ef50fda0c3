/* manual.h: writes the manual pages, from the tables of commands and flags.
 *
 * Promise    writes drover.1, one page for each group of commands (drover-job.1), and one for each
 *            command without a group (drover-ask.1). groff formats them without a warning.
 * Ownership  all is borrowed for the call.
 * Threads    one.
 * Failure    an error of the disk, such as ERR_IO or ERR_NO_PERMISSION, and *why names the file.
 *            Pages that were already written stay.
 */
#ifndef DROVER_CLI_BASE_MANUAL_H
#define DROVER_CLI_BASE_MANUAL_H

#include "base/base.h"
#include "base/err.h"
#include "cli/base/args.h"

/* The folder must exist; existing pages are replaced. */
MUST_CHECK struct err manual_write(const struct command *const *commands, const char *folder,
                                   struct why *why);

#endif
