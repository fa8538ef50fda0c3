/* logs_way.h: the two ways in which GET …/logs answers; jobs__logs chooses.
 *
 * Ownership  both take what `target` owns, and answer the exchange.
 * Threads    the loop.
 */
#ifndef DROVER_API_JOB_LOGS_WAY_H
#define DROVER_API_JOB_LOGS_WAY_H

#include "api/job/logs.h"

/* logs_read.c, logs_follow.c */
void logs__range(struct exchange *exchange, struct runs_api *api, const struct log_target *target);
void logs__follow(struct exchange *exchange, struct runs_api *api, const struct log_target *target);

#endif
