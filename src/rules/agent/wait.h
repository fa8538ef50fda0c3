/* wait.h: when a provider may be asked again, where a program prints that. Pure.
 *
 *   Please try again in 11.054s.                      also 20ms, 6m0s, 3 days 2 hours
 *   or try again at 5:39 PM.                          today, by the clock of this place
 *   or try again at Nov 26th, 2026 5:39 PM.
 *
 * The first form is the provider's own, which programs hand on; the others are of Codex.
 *
 * Threads    any.
 */
#ifndef DROVER_RULES_AGENT_WAIT_H
#define DROVER_RULES_AGENT_WAIT_H

#include "base/base.h"

/* From now on, at most AGENT_WAIT_NAMED_MS; 0: the sentence names no time, or one that has passed.
 * `local_ms`: the clock of this place, as if it were UTC; 0: not known, and no time of a clock is
 * understood. */
int64_t agent_wait_of_words(struct bytes sentence, int64_t local_ms);

/* Wait before the n-th retry (from 1) of Claude Code, in milliseconds: `delay_ms` where its
 * provider named it; 0: it is one of Claude Code's own. Those double from half a second to 32
 * seconds, and up to a quarter is added by chance; by newer versions also to the wait of a header
 * (7 s become 7,388 ms). */
int64_t agent_wait_of_retry(int64_t attempt, int64_t delay_ms);

#endif
