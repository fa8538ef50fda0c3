/* sandbox_lack.h: why commands cannot be kept inside here.
 *
 * Threads    any.
 */
#ifndef DROVER_MAIN_REPORT_SANDBOX_LACK_H
#define DROVER_MAIN_REPORT_SANDBOX_LACK_H

#include "cli/system/serve_options.h"

/* A sentence; NULL: they can. Static. */
const char *sandbox_lack(const struct serve_options *serve);

#endif
