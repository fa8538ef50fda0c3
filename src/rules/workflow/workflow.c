/* workflow.c: how agents end for their script, and how a workflow ends. */
#include "rules/workflow/workflow.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "rules/turn/turn.h"

bool workflow_lives(const struct run_row *row) {
    return row->state == RUN_RUNNING || row->state == RUN_WAITING;
}

void step_key_add(struct text *text, const struct step_key *key) {
    const size_t head = key->hash.len < STEP_KEY_HEAD ? key->hash.len : STEP_KEY_HEAD;
    char name[STEP_KEY_HEAD + 32] = "";
    if (head > 0) {
        (void)snprintf(name, sizeof name, "%.*s.%lld", (int)head, key->hash.data,
                       (long long)key->occurrence);
    }
    text_add_member_or_null(text, "key", bytes_of(name));
}

/* A deadline of an agent and one of its provider make no difference to the script. */
enum run_state workflow_step_state(enum run_cause cause) {
    return cause == CAUSE_TIMED_OUT ? RUN_TIMED_OUT : turn_end_state(cause);
}

enum step_outcome workflow_step_outcome(enum run_state state, enum run_cause cause) {
    assert(run_state_final(state));
    if (state == RUN_SUCCEEDED || state == RUN_DEGRADED) {
        return STEP_VALUE;
    }
    bool throws = cause == CAUSE_SCHEMA_MISMATCH || cause == CAUSE_BAD_SCHEMA ||
                  cause == CAUSE_AGENT_TYPE_UNKNOWN || cause == CAUSE_BUDGET ||
                  cause == CAUSE_TOTAL_SPENT;
    return throws ? STEP_THROW : STEP_NULL;
}

/* A replay has only what the row keeps of a note, so no more is said the first time. Of a
 * budget many sentences are true, and who performs the step does not hear which one is stored; nor
 * does it where somebody skipped the step. */
struct bytes workflow_step_words(enum run_cause cause, struct bytes note) {
    const char *about = run_cause_about(cause);
    const bool elsewhere = cause == CAUSE_BUDGET || workflow_step_state(cause) == RUN_CANCELLED;
    if (elsewhere || note.len == 0) {
        return bytes_of(about);
    }
    return (struct bytes){note.data, utf8_cut(note, RUN_NOTE_TEXT_MAX)};
}

bool workflow_reuses(const struct workflow_reusable *step, int64_t reuse_max) {
    const bool succeeded = step->state == RUN_SUCCEEDED || step->state == RUN_DEGRADED;
    const bool in_time = reuse_max == WORKFLOW_REUSE_ANY || step->done_no <= reuse_max;
    return step->done_no > 0 && succeeded && step->cause != CAUSE_TRUNCATED && !step->named &&
           in_time;
}

void workflow_count(struct workflow_census *census, const struct workflow_ended *ended) {
    const enum run_state state = ended->state;
    const bool cached = ended->cached;
    assert(run_state_final(state));
    census->truncated += ended->cause == CAUSE_TRUNCATED;
    if (state == RUN_SUCCEEDED || state == RUN_DEGRADED) {
        census->cached += cached;
        census->succeeded += !cached;
    } else if (state == RUN_CANCELLED) {
        census->skipped++;
    } else {
        census->failed++;
    }
}

/* An agent was skipped on purpose; one that failed makes the whole less than what was asked. */
struct workflow_verdict workflow_judge(const struct run_row *row, enum run_cause cause,
                                       const struct workflow_census *census) {
    if (row->stop != CAUSE_NONE) {
        struct run_verdict verdict = run_judge_stopped(row);
        return (struct workflow_verdict){.state = verdict.state, .cause = verdict.cause};
    }
    if (cause == CAUSE_DEADLINE) {
        return (struct workflow_verdict){.state = RUN_TIMED_OUT, .cause = cause};
    }
    if (cause != CAUSE_COMPLETED) {
        return (struct workflow_verdict){.state = RUN_FAILED, .cause = cause};
    }
    if (census->failed > 0) {
        return (struct workflow_verdict){.state = RUN_DEGRADED, .cause = CAUSE_AGENTS_FAILED};
    }
    if (census->calls_failed > 0) {
        return (struct workflow_verdict){.state = RUN_DEGRADED, .cause = CAUSE_ITEMS_FAILED};
    }
    if (census->truncated > 0) {
        return (struct workflow_verdict){.state = RUN_DEGRADED, .cause = CAUSE_TRUNCATED};
    }
    return (struct workflow_verdict){.state = RUN_SUCCEEDED, .cause = CAUSE_COMPLETED};
}

int64_t workflow_at_once(int64_t wanted) {
    if (wanted <= 0) {
        return WORKFLOW_AT_ONCE_DEFAULT;
    }
    return wanted < WORKFLOW_AGENTS_MAX ? wanted : WORKFLOW_AGENTS_MAX;
}

int64_t workflow_commands_at_once(int64_t processors) {
    return processors > 1 ? 2 * processors : 2;
}
