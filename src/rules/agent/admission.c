/* admission.c: see admission.h. */
#include "rules/agent/admission.h"

#include "base/text.h"

/* Facts about a session; a rule names those that must hold. */
enum fact {
    HAS_OWNER = 1 << 0,
    WORKS = 1 << 1,
    COMPACTED = 1 << 2,
};

static const struct {
    unsigned when;
    enum agent_admission then;
} rules[] = {
    {HAS_OWNER, AGENT_OWNED},
    {WORKS, AGENT_WORKING},
    {COMPACTED, AGENT_COMPACTED},
    {0, AGENT_FREE}, /* Always fits. */
};

/* Written after our own last process, and less than `span_ms` ago. */
static unsigned recent(const struct agent_found_at *at, int64_t when_ms, int64_t span_ms,
                       enum fact which) {
    const bool holds =
        when_ms > at->own_ms && when_ms <= at->now_ms && at->now_ms - when_ms < span_ms;
    return holds ? (unsigned)which : 0;
}

enum agent_admission agent_admit(const struct agent_found *found, const struct agent_found_at *at) {
    const unsigned facts = (found->owner != 0 ? (unsigned)HAS_OWNER : 0) |
                           recent(at, found->worked_ms, AGENT_WORKS_MS, WORKS) |
                           recent(at, found->compacted_ms, AGENT_COMPACTED_MS, COMPACTED);
    size_t row = 0;
    while ((facts & rules[row].when) != rules[row].when) {
        row++;
        assert(row < COUNT_OF(rules));
    }
    return rules[row].then;
}

void agent_admission_tell(enum agent_admission admission, const char *program,
                          const struct agent_found *found, struct text *text) {
    switch (admission) {
    case AGENT_OWNED:
        text_addf(text, "another process (pid %lld) uses this session of %s",
                  (long long)found->owner, program);
        break;
    case AGENT_WORKING:
        text_addf(text, "another process works in this session of %s", program);
        break;
    case AGENT_COMPACTED:
        text_addf(text, "another process made a summary of this session of %s less than %d s ago",
                  program, AGENT_COMPACTED_MS / 1000);
        break;
    case AGENT_FREE:
    case AGENT_ADMISSIONS:
        break;
    }
}
