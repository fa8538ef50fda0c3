/* custody_steps.h: what the loop of one command asks of its decisions: inside of custody only. */
#ifndef DROVER_PROC_HOLDER_CUSTODY_STEPS_H
#define DROVER_PROC_HOLDER_CUSTODY_STEPS_H

#include "proc/holder/custody.h"

enum { CUSTODY_RETRY_MS = 1000, CUSTODY_COUNT_FIRST_MS = 100 };

void custody_reap(struct custody *custody);                 /* After SIGCHLD. */
void custody_advance(struct custody *custody, int64_t now); /* What time has brought. */
bool custody_is_settled(const struct custody *custody, int64_t now);
int64_t custody_next(const struct custody *custody); /* When to advance at the latest. */

#endif
