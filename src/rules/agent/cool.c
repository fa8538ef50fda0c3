/* cool.c: see cool.h. */
#include "rules/agent/cool.h"

static const enum agent_cool_state next[AGENT_COOL_STATES][AGENT_COOL_EVENTS] = {
    /*                 FAILED         BEGAN          HEARD          LEFT           SPENT */
    [AGENT_OPEN] = {AGENT_COOLING, AGENT_OPEN, AGENT_OPEN, AGENT_OPEN, AGENT_OPEN},
    [AGENT_COOLING] = {AGENT_COOLING, AGENT_TRYING, AGENT_COOLING, AGENT_COOLING, AGENT_OPEN},
    [AGENT_TRYING] = {AGENT_COOLING, AGENT_TRYING, AGENT_OPEN, AGENT_COOLING, AGENT_OPEN},
};

void agent_cool_take(struct agent_cool *cool, enum agent_cool_event event, int64_t until_ms,
                     enum agent_outcome outcome) {
    assert(event < AGENT_COOL_EVENTS);
    cool->state = next[cool->state][event];
    if (event == AGENT_COOL_FAILED) {
        cool->until_ms = until_ms > cool->until_ms ? until_ms : cool->until_ms;
        cool->outcome = outcome;
    }
}

int64_t agent_cool_wait_ms(const struct agent_cool *cool, int64_t now_ms) {
    switch (cool->state) {
    case AGENT_COOLING:
        return cool->until_ms > now_ms ? cool->until_ms - now_ms : 0;
    case AGENT_TRYING:
        return AGENT_COOL_LOOK_MS;
    default:
        return 0;
    }
}

int64_t agent_cool_left_ms(const struct agent_cool_stored *stored, int64_t wall_ms) {
    const int64_t whole_ms = stored->until_ms - stored->changed_ms;
    const int64_t most_ms = whole_ms < AGENT_WAIT_NAMED_MS ? whole_ms : AGENT_WAIT_NAMED_MS;
    const int64_t left_ms = stored->until_ms - wall_ms;
    return left_ms < most_ms ? left_ms : most_ms;
}

struct agent_cool agent_cool_restore(const struct agent_cool_stored *stored,
                                     const struct agent_cool_clocks *now) {
    const int64_t left_ms = agent_cool_left_ms(stored, now->wall_ms);
    if (left_ms < -AGENT_WAIT_MAX_MS) {
        return (struct agent_cool){.state = AGENT_OPEN};
    }
    return (struct agent_cool){
        .state = AGENT_COOLING,
        .until_ms = now->steady_ms + (left_ms < AGENT_WAIT_MAX_MS ? left_ms : AGENT_WAIT_MAX_MS),
        .outcome = stored->outcome};
}

bool agent_cool_counts(enum agent_outcome outcome) {
    return outcome == AGENT_RATE_LIMITED || outcome == AGENT_PROVIDER_ERROR;
}
