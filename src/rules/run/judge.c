/* judge.c: what becomes of a run when an attempt of its command has ended.
 *
 * Two questions, one after the other. What was it: a start of which nothing came, an end nobody
 * saw, or an end that was seen. And then: is it tried again. What may have run is never tried again
 * by itself where running twice could hurt (`once`), and a run that was asked to stop ends.
 */
#include "rules/run/run.h"

enum {
    VOID_WAIT_MS = 100, /* The second wait after a void start; the first is none. */
    DESCRIPTORS_WAIT_MS = 100,
    DESCRIPTORS_WAIT_MAX_MS = 5000,
};

static int64_t spread(int64_t wait_ms, uint32_t random) {
    return wait_ms + (int64_t)((double)wait_ms / 2 * random / UINT32_MAX);
}

/* Doubling stops at the bound, so no number of failures can overflow it. */
static int64_t doubled(int64_t first_ms, int64_t times) {
    int64_t wait = first_ms;
    for (int64_t i = 0; i < times && wait < RETRY_BACKOFF_MAX_MS; i++) {
        wait *= 2;
    }
    return wait < RETRY_BACKOFF_MAX_MS ? wait : RETRY_BACKOFF_MAX_MS;
}

static struct run_verdict verdict_of(const struct run_row *row, enum run_state state,
                                     enum run_cause cause) {
    return (struct run_verdict){.state = state,
                                .attempt = state,
                                .cause = cause,
                                .voids = 0,
                                .failures = row->failures,
                                .reboots = row->reboots,
                                .unbegun = row->unbegun};
}

struct run_verdict run_judge_stopped(const struct run_row *row) {
    enum run_cause cause = row->stop == CAUSE_NONE ? CAUSE_STOPPED : row->stop;
    enum run_state state = RUN_CANCELLED;
    if (cause == CAUSE_DEADLINE) {
        state = row->state == RUN_QUEUED ? RUN_FAILED : RUN_TIMED_OUT;
    } else if (cause == CAUSE_BUDGET || cause == CAUSE_HISTORY_UNREADABLE) {
        state = RUN_FAILED;
    }
    return verdict_of(row, state, cause);
}

/* Nothing ran, so this is safe also for `once`. */
static struct run_verdict judge_void(const struct run_row *row, uint32_t random) {
    struct run_verdict verdict = verdict_of(row, RUN_FAILED, CAUSE_NOT_STARTED);
    if (row->stop != CAUSE_NONE) {
        verdict = run_judge_stopped(row);
    } else if (row->voids + 1 < RUN_VOIDS_MAX) {
        verdict.state = RUN_QUEUED;
        verdict.wait_ms =
            row->voids > 0 ? spread(doubled(VOID_WAIT_MS, row->voids - 1), random) : 0;
    }
    verdict.voids = row->voids + 1;
    verdict.unbegun++;
    return verdict;
}

/* Descriptors come free when others end, so the run waits for them as for a slot. Starts of other
 * reasons of which nothing came are counted by themselves. */
static struct run_verdict judge_descriptors(const struct run_row *row, uint32_t random) {
    struct run_verdict verdict = verdict_of(row, RUN_FAILED, CAUSE_NO_DESCRIPTORS);
    if (row->stop != CAUSE_NONE) {
        verdict = run_judge_stopped(row);
    } else if (row->unbegun + 1 < RUN_UNBEGUN_MAX) {
        int64_t wait_ms = doubled(DESCRIPTORS_WAIT_MS, row->unbegun);
        wait_ms = wait_ms < DESCRIPTORS_WAIT_MAX_MS ? wait_ms : DESCRIPTORS_WAIT_MAX_MS;
        verdict.state = RUN_QUEUED;
        verdict.wait_ms = spread(wait_ms, random);
    }
    verdict.voids = row->voids;
    verdict.unbegun++;
    return verdict;
}

/* Nobody saw the end. For `once` that is the whole truth, also where somebody had asked it to
 * stop, or its time was over: the command may have done its work before. */
static struct run_verdict judge_unseen(const struct run_row *row, const struct attempt *attempt) {
    enum attempt_end end = attempt->end;
    if (row->once) {
        return verdict_of(row, RUN_LOST, CAUSE_OUTCOME_UNKNOWN);
    }
    if (row->stop != CAUSE_NONE) {
        return run_judge_stopped(row);
    }
    if (end == ATTEMPT_GONE && attempt->why == ATTEMPT_TIMED_OUT) {
        return verdict_of(row, RUN_TIMED_OUT, CAUSE_DEADLINE);
    }
    if (end == ATTEMPT_REBOOTED && row->reboots < RUN_REBOOTS_MAX) {
        struct run_verdict verdict = verdict_of(row, RUN_LOST, CAUSE_MACHINE_RESTARTED);
        verdict.state = RUN_QUEUED;
        verdict.reboots++;
        return verdict;
    }
    return verdict_of(row, RUN_LOST,
                      end == ATTEMPT_REBOOTED      ? CAUSE_MACHINE_RESTARTED
                      : end == ATTEMPT_GONE        ? CAUSE_HOLDER_KILLED
                      : end == ATTEMPT_FOLDER_GONE ? CAUSE_OUTPUT_GONE
                                                   : CAUSE_HOST_GONE);
}

/* `why` is the holder's word: who ended it. A command that ended by itself before the stop reached
 * it is what it is, whoever had asked. */
static struct run_verdict judge_seen(const struct run_row *row, const struct attempt *attempt) {
    if (attempt->why == ATTEMPT_STOPPED ||
        (attempt->end == ATTEMPT_NOT_STARTED && row->stop != CAUSE_NONE)) {
        return run_judge_stopped(row);
    }
    if (attempt->end == ATTEMPT_NOT_STARTED) {
        return verdict_of(row, RUN_FAILED, CAUSE_NOT_STARTED);
    }
    if (attempt->why == ATTEMPT_TIMED_OUT) {
        return verdict_of(row, RUN_TIMED_OUT, CAUSE_DEADLINE);
    }
    if (attempt->why == ATTEMPT_PROCESSES) {
        return verdict_of(row, RUN_FAILED, CAUSE_PROCESSES);
    }
    if (attempt->end == ATTEMPT_SIGNALED) {
        return verdict_of(row, RUN_FAILED, CAUSE_SIGNAL);
    }
    bool good = attempt->code == 0;
    return verdict_of(row, good ? RUN_SUCCEEDED : RUN_FAILED,
                      good ? CAUSE_COMPLETED : CAUSE_EXIT_CODE);
}

static bool named(const struct retry_policy *policy, enum run_state state) {
    unsigned bit = state == RUN_FAILED      ? RETRY_FAILED
                   : state == RUN_TIMED_OUT ? RETRY_TIMED_OUT
                   : state == RUN_LOST      ? RETRY_LOST
                                            : 0U;
    return (policy->on & bit) != 0;
}

static void maybe_again(const struct run_row *row, const struct retry_policy *policy,
                        uint32_t random, struct run_verdict *verdict) {
    if (row->once || row->stop != CAUSE_NONE || !named(policy, verdict->state) ||
        row->failures >= policy->max) {
        return;
    }
    verdict->state = RUN_QUEUED;
    verdict->failures = row->failures + 1;
    verdict->wait_ms = spread(doubled(policy->backoff_ms, row->failures), random);
}

struct run_verdict run_judge(const struct run_row *row, const struct retry_policy *policy,
                             const struct attempt *attempt, uint32_t random) {
    assert(row->state == RUN_RUNNING || row->state == RUN_WAITING);
    if (attempt->end == ATTEMPT_VOID) {
        return judge_void(row, random);
    }
    if (attempt->end == ATTEMPT_NO_DESCRIPTORS) {
        return judge_descriptors(row, random);
    }
    bool unseen = attempt->end == ATTEMPT_GONE || attempt->end == ATTEMPT_FOLDER_GONE ||
                  attempt->end == ATTEMPT_REBOOTED || attempt->end == ATTEMPT_HOST_GONE;
    struct run_verdict verdict = unseen ? judge_unseen(row, attempt) : judge_seen(row, attempt);
    verdict.unbegun += attempt->end == ATTEMPT_NOT_STARTED;
    maybe_again(row, policy, random, &verdict);
    return verdict;
}
