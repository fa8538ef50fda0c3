/* outages.h: providers that are away: in half of the seeds, some requests of models begin an
 * outage of the host that they ask, of 20 seconds to three minutes.
 *
 * Promise    which requests begin one, and how it fails, depends on the key of the request
 *            (servers.h). Until it is over, all requests to that host fail alike, so the reply to
 *            another operation may depend on it. None begins once all is healed.
 * Checked    the number of requests during an outage follows from its length; no agent of a
 *            workflow, and no follow-up, ends because its provider is away. A connection begins no
 *            call beyond its limit, and an answer 429 leaves no limit as it was.
 */
#ifndef DROVER_SIM_OUTAGES_H
#define DROVER_SIM_OUTAGES_H

#include "servers.h"

/* The host is away: the reply is written, and the request counted. */
MUST_CHECK bool outages_answer(struct servers *servers, struct bytes host, uint64_t key,
                               struct server_reply *reply);

/* Headers of a connection: its requests carry its name. */
#define OUTAGES_HEADER_NAME "x-connection"
#define OUTAGES_HEADER(connection) "{\"" OUTAGES_HEADER_NAME "\":\"" connection "\"}"
/* A connection was changed: answers to its earlier requests say nothing about it. */
void outages_changed(const char *connection);
/* The daemon has read an answer with the status 429. */
void outages_refused(const struct fetch_call *call, struct bytes body);

#endif
