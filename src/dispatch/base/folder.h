/* folder.h: the name of the spool folder of an attempt: RUN.ATTEMPT.
 *
 * Threads    any.
 */
#ifndef DROVER_DISPATCH_BASE_FOLDER_H
#define DROVER_DISPATCH_BASE_FOLDER_H

#include "base/base.h"
#include "base/id.h"
#include "proc/spool/protocol.h"

struct folder {
    char name[PROTOCOL_NAME_MAX];
};
struct folder folder_named(struct bytes run, int64_t attempt); /* An id fits. */
/* False: not named like a folder of ours. */
MUST_CHECK bool folder_parse(const char *name, struct id *ret_run, int64_t *ret_attempt);

#endif
