/* verbs.h: what a client may ask, line by line.
 *
 * Promise    unknown words are skipped. False: this is not our protocol; close the client.
 */
#ifndef DROVER_PROC_HOLDER_VERBS_H
#define DROVER_PROC_HOLDER_VERBS_H

#include "base/base.h"

struct client;
struct custody;

/* Without its line feed. */
MUST_CHECK bool verbs_line(struct custody *custody, struct client *client, struct bytes line);

/* Raw bytes of an `input`: at most client->payload_left. */
void verbs_payload(struct custody *custody, struct client *client, struct bytes bytes);

#endif
