/* watch.c: see watch.h. */
#include "rules/agent/watch.h"

#include "base/text.h"

static int64_t window_ms(const struct agent_definition *agent) {
    return agent->no_progress_ms > 0 ? agent->no_progress_ms : AGENT_NO_PROGRESS_MS;
}

static int64_t requests_max(const struct agent_definition *agent) {
    return agent->requests > 0 ? agent->requests : AGENT_REQUESTS;
}

/* --- Windows ---------------------------------------------------------------------------------- */

/* Facts about a window; a rule names those that must hold. */
enum fact {
    UNKNOWN = 1 << 0,
    PROGRESS = 1 << 1,
    NO_PROCESS = 1 << 2,
    GONE_BEFORE = 1 << 3,
    COMPACTING = 1 << 4,
    PATIENCE_OVER = 1 << 5,
    LAST_SILENT = 1 << 6,
};
enum step { STEP_RESET, STEP_LOOK_SOON, STEP_WAIT, STEP_COUNT, STEP_STAY };

static const struct {
    unsigned when;
    enum step step;
    enum agent_watch_verdict verdict;
} rules[] = {
    {UNKNOWN, STEP_STAY, AGENT_WATCH_ON},
    {PROGRESS, STEP_RESET, AGENT_WATCH_ON},
    {NO_PROCESS | GONE_BEFORE, STEP_STAY, AGENT_WATCH_GONE},
    {NO_PROCESS, STEP_LOOK_SOON, AGENT_WATCH_ON},
    {COMPACTING | PATIENCE_OVER, STEP_STAY, AGENT_WATCH_COMPACTING},
    {COMPACTING, STEP_WAIT, AGENT_WATCH_ON},
    {LAST_SILENT, STEP_STAY, AGENT_WATCH_SILENT},
    {0, STEP_COUNT, AGENT_WATCH_ON}, /* Always fits. */
};

static unsigned fact(bool holds, enum fact which) {
    return holds ? (unsigned)which : 0;
}

/* The processors' time of a tree shrinks when a process ends that nobody waited for: something
 * happened then, too. */
static bool is_progress(const struct agent_watch *watch, const struct agent_moment *moment) {
    const struct agent_sample *base = &watch->base, *now = &moment->sample;
    const int64_t cpu_us =
        now->cpu_us > base->cpu_us ? now->cpu_us - base->cpu_us : base->cpu_us - now->cpu_us;
    const int64_t took_ms = moment->now_ms - watch->since_ms;
    const bool busy = now->processes > 0 && cpu_us > took_ms * 10 * AGENT_WATCH_BUSY_PER_CENT;
    return now->output != base->output || busy;
}

static unsigned facts_of(const struct agent_watch *watch, const struct agent_moment *moment) {
    return fact(!moment->sample.known || !watch->base.known, UNKNOWN) |
           fact(is_progress(watch, moment), PROGRESS) |
           fact(moment->sample.processes == 0, NO_PROCESS) | fact(watch->gone, GONE_BEFORE) |
           fact(moment->compacting, COMPACTING) |
           fact(watch->patient >= AGENT_WATCH_PATIENCE, PATIENCE_OVER) |
           fact(watch->silent + 1 >= AGENT_WATCH_WINDOWS, LAST_SILENT);
}

static void window_begin(struct agent_watch *watch, const struct agent_moment *moment) {
    watch->begun = true;
    watch->since_ms = watch->sampled_ms = moment->now_ms;
    watch->base = moment->sample;
    watch->gone = false;
}

static enum agent_watch_verdict window_end(struct agent_watch *watch,
                                           const struct agent_moment *moment) {
    const unsigned facts = facts_of(watch, moment);
    size_t at = 0;
    while ((facts & rules[at].when) != rules[at].when) {
        at++;
        assert(at < COUNT_OF(rules));
    }
    switch (rules[at].step) {
    case STEP_LOOK_SOON: /* The window stays open. */
        watch->gone = true;
        watch->sampled_ms = moment->now_ms;
        return rules[at].verdict;
    case STEP_RESET:
        watch->silent = watch->patient = 0;
        break;
    case STEP_WAIT:
        watch->patient++;
        break;
    case STEP_COUNT:
        watch->silent++;
        break;
    case STEP_STAY:
        break;
    }
    window_begin(watch, moment);
    return rules[at].verdict;
}

enum agent_watch_verdict agent_watch_sample(struct agent_watch *watch,
                                            const struct agent_definition *agent,
                                            const struct agent_moment *moment) {
    if (agent->memory > 0 && moment->sample.known && moment->sample.memory > agent->memory) {
        return AGENT_WATCH_MEMORY;
    }
    if (!watch->begun) {
        window_begin(watch, moment);
        return AGENT_WATCH_ON;
    }
    if (moment->now_ms - watch->since_ms < window_ms(agent)) {
        watch->sampled_ms = moment->now_ms;
        return AGENT_WATCH_ON;
    }
    return window_end(watch, moment);
}

enum agent_watch_verdict agent_watch_requests(const struct agent_definition *agent,
                                              int64_t requests) {
    return requests > requests_max(agent) ? AGENT_WATCH_REQUESTS : AGENT_WATCH_ON;
}

int64_t agent_watch_due_ms(const struct agent_watch *watch, const struct agent_definition *agent) {
    if (!watch->begun) {
        return 0;
    }
    int64_t due_ms = watch->since_ms + window_ms(agent);
    if (watch->gone) {
        const int64_t most_ms = window_ms(agent);
        due_ms =
            watch->sampled_ms + (most_ms < AGENT_WATCH_SOON_MS ? most_ms : AGENT_WATCH_SOON_MS);
    }
    if (agent->memory > 0 && watch->sampled_ms + AGENT_WATCH_MEMORY_MS < due_ms) {
        due_ms = watch->sampled_ms + AGENT_WATCH_MEMORY_MS;
    }
    return due_ms;
}

/* --- Verdicts --------------------------------------------------------------------------------- */

static const enum run_cause causes[AGENT_WATCH_VERDICTS] = {
    [AGENT_WATCH_ON] = CAUSE_NONE,
    [AGENT_WATCH_GONE] = CAUSE_STUCK,
    [AGENT_WATCH_SILENT] = CAUSE_TIMED_OUT,
    [AGENT_WATCH_COMPACTING] = CAUSE_COMPACTION_HANGING,
    [AGENT_WATCH_MEMORY] = CAUSE_MEMORY_EXCEEDED,
    [AGENT_WATCH_REQUESTS] = CAUSE_REQUESTS,
    [AGENT_WATCH_PROCESSES] = CAUSE_PROCESSES,
};

enum run_cause agent_watch_cause(enum agent_watch_verdict verdict) {
    assert(verdict < AGENT_WATCH_VERDICTS);
    return causes[verdict];
}

enum agent_watch_verdict agent_watch_of_cause(enum run_cause cause) {
    for (unsigned i = AGENT_WATCH_ON + 1; i < AGENT_WATCH_VERDICTS; i++) {
        if (causes[i] == cause) {
            return (enum agent_watch_verdict)i;
        }
    }
    return AGENT_WATCH_ON;
}

static void time_tell(int64_t ms, struct text *text) {
    if (ms < 10 * 1000) {
        text_addf(text, "%lld ms", (long long)ms);
    } else if (ms < 600 * 1000) {
        text_addf(text, "%lld s", (long long)ms / 1000);
    } else {
        text_addf(text, "%lld min", (long long)ms / 60000);
    }
}

static void size_tell(int64_t bytes, struct text *text) {
    text_addf(text, "%lld MB", (long long)(bytes + (1 << 20) - 1) >> 20);
}

static void sample_tell(const struct agent_sample *sample, struct text *text) {
    if (sample->known) {
        text_addf(text, " (%lld %s, ", (long long)sample->processes,
                  sample->processes == 1 ? "process" : "processes");
        size_tell(sample->memory, text);
        text_add_char(text, ')');
    }
}

static void memory_tell(const struct agent_definition *agent, const struct agent_sample *sample,
                        struct text *text) {
    text_addf(text, "the processes of %s used ", agent->name);
    if (sample->known) {
        size_tell(sample->memory, text);
        text_add_str(text, " of memory, ");
    }
    text_add_str(text, "more than their limit of ");
    size_tell(agent->memory, text);
    text_add_str(text, ": see what they did, or raise memory of its definition");
}

static void requests_tell(const struct agent_definition *agent, int64_t requests,
                          struct text *text) {
    text_addf(text, "%s made ", agent->name);
    if (requests > 0) {
        text_addf(text, "%lld requests to its model, ", (long long)requests);
    }
    text_addf(text,
              "more than its limit of %lld requests: see whether it repeats itself, or raise "
              "requests of its definition",
              (long long)requests_max(agent));
}

void agent_watch_tell(enum agent_watch_verdict verdict, const struct agent_definition *agent,
                      const struct agent_evidence *evidence, struct text *text) {
    const int64_t window = window_ms(agent);
    switch (verdict) {
    case AGENT_WATCH_GONE:
        text_addf(
            text,
            "the processes of %s were gone before it had ended: see what ended them, and send "
            "the message again",
            agent->name);
        break;
    case AGENT_WATCH_SILENT:
        text_addf(text, "%s wrote nothing and used no processor for ", agent->name);
        time_tell(window * AGENT_WATCH_WINDOWS, text);
        sample_tell(&evidence->sample, text);
        text_add_str(text, ": see what it waited for, or raise no_progress_ms of its definition");
        break;
    case AGENT_WATCH_COMPACTING:
        text_addf(text, "%s did not finish the summary of its conversation in ", agent->name);
        time_tell(window * (AGENT_WATCH_PATIENCE + 1), text);
        sample_tell(&evidence->sample, text);
        text_add_str(text, ": begin a new session, or raise no_progress_ms of its definition");
        break;
    case AGENT_WATCH_MEMORY:
        memory_tell(agent, &evidence->sample, text);
        break;
    case AGENT_WATCH_REQUESTS:
        requests_tell(agent, evidence->requests, text);
        break;
    case AGENT_WATCH_PROCESSES:
        text_addf(
            text,
            "%s had more than its limit of %lld processes at once: see what they did, or raise "
            "processes of its definition",
            agent->name, (long long)agent->processes);
        break;
    case AGENT_WATCH_ON:
    case AGENT_WATCH_VERDICTS:
        break;
    }
}
