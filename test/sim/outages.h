/* outages.h: providers that are away: in half of the seeds, some requests of models begin an
 * outage of the host that they ask, of 20 seconds to three minutes.
 *
 * Promise    which requests begin one, and how it fails, depends on the key of the request
 *            (servers.h). Until it is over, all requests to that host fail alike, so the reply to
 *            another operation may depend on it. None begins once all is healed.
 * Checked    the number of requests during an outage follows from its length; no agent of a
 *            workflow, and no follow-up, ends because its provider is away.
 */
#ifndef DROVER_SIM_OUTAGES_H
#define DROVER_SIM_OUTAGES_H

#include "servers.h"

/* The host is away: the reply is written, and the request counted. */
MUST_CHECK bool outages_answer(struct servers *servers, struct bytes host, uint64_t key,
                               struct server_reply *reply);

#endif
