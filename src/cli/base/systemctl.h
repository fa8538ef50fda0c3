/* systemctl.h: the service manager of the user, asked through its own program.
 *
 * Promise    `systemctl --user` runs with the given words, without input; what it prints is taken
 *            up to a limit.
 * Ownership  the output is the caller's (text_done).
 * Threads    one.
 * Failure    ERR_NOT_IMPLEMENTED: there is no systemd here, and *why says what to do instead.
 *            ERR_INTERNAL: systemctl refused; *why has its last line.
 */
#ifndef DROVER_CLI_BASE_SYSTEMCTL_H
#define DROVER_CLI_BASE_SYSTEMCTL_H

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"

#define SYSTEMCTL_UNIT "drover.service"

enum { SYSTEMCTL_WORDS_MAX = 6 };

/* `words` ends with NULL. ret_output NULL: not wanted. */
MUST_CHECK struct err systemctl_run(const char *const *words, struct text *ret_output,
                                    struct why *why);
/* Whether the user has a service manager that answers. */
MUST_CHECK struct err systemctl_check(struct why *why);

#endif
