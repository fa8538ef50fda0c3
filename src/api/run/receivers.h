/* receivers.h: webhooks that a notice would never reach, refused when they are named.
 *
 * Promise    a URL with an address or localhost as its host is refused, and the option is named.
 *            A name is judged when it is resolved, at each delivery.
 * Ownership  nothing is kept.
 * Threads    any.
 * Failure    ERR_BAD_FIELD, and *why.
 */
#ifndef DROVER_API_RUN_RECEIVERS_H
#define DROVER_API_RUN_RECEIVERS_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"

struct dispatch;

/* `notify` as job_spec_notify accepted it; NULL: none. */
MUST_CHECK struct err receivers_check(const struct dispatch *dispatch, const json_t *notify,
                                      struct why *why);

/* The check of a URL; `where` names it in the sentence. */
MUST_CHECK struct err receiver_check_url(const struct dispatch *dispatch, const char *where,
                                         const char *url, struct why *why);

#endif
