/* cool.h: whether an agent begins a process now, after its provider has refused or failed. Pure.
 *
 *   OPEN <──model answers, or a turn fails for good─── TRYING
 *    │                                                  ^  │
 *    └──provider error──> COOLING ──time over: one──────┘  │
 *                          ^  ^ └─ provider error          │
 *                          │  └────────────────────────────┘ its process ended, or is not followed
 *                          └─ all others wait
 *
 * So that many turns do not find out one by one that their provider is away: one process tries,
 * and the others begin when it has heard something.
 *
 * Ownership  the state is the caller's; zeroed: OPEN.
 * Threads    any.
 */
#ifndef DROVER_RULES_AGENT_COOL_H
#define DROVER_RULES_AGENT_COOL_H

#include "rules/agent/outcome.h"

enum agent_cool_state { AGENT_OPEN, AGENT_COOLING, AGENT_TRYING, AGENT_COOL_STATES };

enum { AGENT_COOL_LOOK_MS = 2000 /* Between two looks whether the one that tries has words. */ };

struct agent_cool {
    enum agent_cool_state state;
    int64_t until_ms;           /* COOLING; by a clock that only goes on. */
    enum agent_outcome outcome; /* Last failure. */
};

enum agent_cool_event {
    AGENT_COOL_FAILED, /* A provider error, after which its turn waits. */
    AGENT_COOL_BEGAN,  /* A process begins that was allowed to. */
    AGENT_COOL_HEARD,  /* The process that tries has words or a tool of the model, or ended well. */
    AGENT_COOL_LEFT,   /* The process that tries has ended otherwise, or is not followed. */
    AGENT_COOL_SPENT,  /* A turn has failed as often as it may: the next one asks at once. */
    AGENT_COOL_EVENTS
};
/* `until_ms` and `outcome`: for FAILED. */
void agent_cool_take(struct agent_cool *cool, enum agent_cool_event event, int64_t until_ms,
                     enum agent_outcome outcome);
/* 0: a process begins now; else the time after which to ask again. */
int64_t agent_cool_wait_ms(const struct agent_cool *cool, int64_t now_ms);

/* A cool-down as it was stored, by the wall clock, which may have been set since. */
struct agent_cool_stored {
    int64_t until_ms, changed_ms; /* The end, and when that was stored. */
    enum agent_outcome outcome;
};
struct agent_cool_clocks {
    int64_t wall_ms;   /* Now, by the wall clock, */
    int64_t steady_ms; /* and by the one that only goes on. */
};
/* The rest of a cool-down. A clock that was set back makes no agent wait for longer than its whole
 * wait, nor than AGENT_WAIT_NAMED_MS. */
int64_t agent_cool_left_ms(const struct agent_cool_stored *stored, int64_t wall_ms);
/* The state that a new daemon begins with: at most AGENT_WAIT_MAX_MS of the rest. A time that is
 * over leaves one process that tries; OPEN: over for so long that nobody waits for it. */
struct agent_cool agent_cool_restore(const struct agent_cool_stored *stored,
                                     const struct agent_cool_clocks *now);

/* Whether a provider has refused or failed, so that others of the agent would meet the same. */
bool agent_cool_counts(enum agent_outcome outcome);

#endif
