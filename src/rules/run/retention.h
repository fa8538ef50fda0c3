/* retention.h: the clock by which the ages of ended runs are judged. Pure.
 *
 * A wall clock that was set a year ahead by mistake must not take away all runs at the next round.
 * So ages are judged by a clock of their own, kept in the database: it follows the wall clock, but
 * catches up with one that is ahead by at most a day for each hour that a daemon lives. After a
 * night's pause that takes half an hour, which nobody notices; after a jump of a year it takes two
 * weeks, in which only the oldest go, day by day, and somebody may set the clock right. A wall
 * clock that is behind is followed at once: that keeps things longer, and loses nothing.
 */
#ifndef DROVER_RULES_RUN_RETENTION_H
#define DROVER_RULES_RUN_RETENTION_H

#include "base/base.h"

enum { RETAIN_CATCH_UP = 24 }; /* Times as fast as the daemon lives. */

struct retain_clock {
    int64_t judged_ms; /* What it showed last; 0: never, then it begins as the wall clock. */
    int64_t lived_ms;  /* By the daemon since then: 0 at its first look. */
    int64_t wall_ms;
};
int64_t retain_now(const struct retain_clock *clock);

#endif
