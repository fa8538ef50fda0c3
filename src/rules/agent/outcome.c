/* outcome.c: see outcome.h. */
#include "rules/agent/outcome.h"

#include "base/text.h"

static const struct {
    const char *name;
    enum agent_remedy remedy;
    int64_t more;
    enum run_cause cause;
    const char *sentence;
} outcomes[] = {
#define X(outcome, name, remedy, more, cause, sentence)                                            \
    [AGENT_##outcome] = {name, AGENT_##remedy, more, CAUSE_##cause, sentence},
    AGENT_OUTCOMES(X)
#undef X
};

const char *agent_outcome_name(enum agent_outcome outcome) {
    assert(outcome < AGENT_OUTCOME_COUNT);
    return outcomes[outcome].name;
}

bool agent_outcome_find(struct bytes name, enum agent_outcome *ret_outcome) {
    for (unsigned i = 0; i < AGENT_OUTCOME_COUNT; i++) {
        if (bytes_is(name, outcomes[i].name)) {
            *ret_outcome = (enum agent_outcome)i;
            return true;
        }
    }
    return false;
}

enum run_cause agent_outcome_cause(enum agent_outcome outcome) {
    assert(outcome < AGENT_OUTCOME_COUNT);
    return outcomes[outcome].cause;
}

void agent_outcome_tell(enum agent_outcome outcome, const char *program, struct text *text) {
    const char *sentence = outcomes[outcome].sentence;
    const char *mark = strstr(sentence, "%s");
    if (mark == NULL) {
        text_add_str(text, sentence);
    } else {
        text_add(text, sentence, (size_t)(mark - sentence));
        text_add_str(text, program);
        text_add_str(text, mark + 2);
    }
}

bool agent_outcome_asked(enum agent_outcome outcome) {
    switch (outcome) {
    case AGENT_COMPLETED:
    case AGENT_FALLBACK_USED:
    case AGENT_AUTH_FAILED:
    case AGENT_RATE_LIMITED:
    case AGENT_QUOTA:
    case AGENT_PROVIDER_ERROR:
    case AGENT_CONTEXT_OVERFLOW:
        return true;
    default:
        return false;
    }
}

int64_t agent_outcome_retries(enum agent_outcome outcome) {
    assert(outcome < AGENT_OUTCOME_COUNT);
    return outcomes[outcome].more;
}

static bool goes_on(enum agent_remedy remedy) {
    return remedy == AGENT_RESUMES || remedy == AGENT_RETRIES;
}

struct agent_next agent_next(enum agent_outcome outcome, int64_t count, int64_t retry_after_ms) {
    assert(outcome < AGENT_OUTCOME_COUNT);
    assert(count > 0);
    struct agent_next next = {.remedy = outcomes[outcome].remedy};
    if (goes_on(next.remedy) && count > outcomes[outcome].more) {
        next.remedy = AGENT_FAILS;
    } else if (next.remedy == AGENT_RETRIES) {
        next.wait_ms = AGENT_WAIT_FIRST_MS;
        for (int64_t i = 1; i < count && next.wait_ms < AGENT_WAIT_MAX_MS; i++) {
            next.wait_ms *= 2;
        }
        next.wait_ms = next.wait_ms > AGENT_WAIT_MAX_MS ? AGENT_WAIT_MAX_MS : next.wait_ms;
        next.wait_ms = retry_after_ms > 0 ? retry_after_ms : next.wait_ms;
        next.wait_ms = next.wait_ms > AGENT_WAIT_NAMED_MS ? AGENT_WAIT_NAMED_MS : next.wait_ms;
    }
    return next;
}

bool agent_yields(int64_t waited_ms, int64_t wait_ms) {
    return waited_ms + wait_ms > AGENT_YIELD_MS;
}

/* The wait after which a turn that yields would go on; 0: it waits. Waits before it were as long,
 * at most, where they are the agent's own, and mostly where the provider names them. */
static int64_t yields_ms(const struct agent_past *past, enum agent_outcome outcome, int64_t tries) {
    const bool is_of_provider = outcome == AGENT_RATE_LIMITED || outcome == AGENT_PROVIDER_ERROR ||
                                outcome == AGENT_PROVIDER_UNREACHABLE;
    const int64_t wait_ms = agent_next(outcome, tries, past->named_ms).wait_ms;
    return past->yields && is_of_provider && agent_yields((tries - 1) * wait_ms, wait_ms) ? wait_ms
                                                                                          : 0;
}

struct agent_sequel agent_sequel(const struct agent_past *past, enum agent_outcome outcome,
                                 bool can_resume) {
    const bool again = bytes_is(past->before, agent_outcome_name(outcome)) && !past->progress;
    struct agent_sequel sequel = {.tries = again ? past->tries + 1 : 1,
                                  .cause = agent_outcome_cause(outcome)};
    const bool all = past->attempts >= AGENT_ATTEMPTS_MAX;
    sequel.remedy = agent_next(outcome, sequel.tries, 0).remedy;
    if (!goes_on(outcomes[outcome].remedy)) {
        const bool revival = bytes_is(past->before, agent_outcome_name(AGENT_STUCK));
        if (outcome == AGENT_SPAWN_FAILED && revival) {
            sequel.cause = CAUSE_REVIVE_FAILED;
        }
        return sequel;
    }
    const bool multiplies = past->retried && outcome == AGENT_PROVIDER_ERROR;
    const bool spent =
        sequel.remedy == AGENT_FAILS || (multiplies && sequel.tries > AGENT_RETRIED_MORE);
    sequel.yields_ms = spent ? 0 : yields_ms(past, outcome, sequel.tries);
    if (!spent && can_resume && !all && sequel.yields_ms == 0) {
        return sequel;
    }
    sequel.remedy = AGENT_FAILS;
    if (all || (outcome == AGENT_GATEWAY_TIMEOUT && spent)) {
        sequel.cause = CAUSE_MAX_RETRY_COUNT;
    } else if (outcome == AGENT_STUCK && !spent) {
        sequel.cause = CAUSE_REVIVE_FAILED;
    }
    return sequel;
}
