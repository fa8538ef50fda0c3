/* turn.c: the order of the questions is the rule. */
#include "rules/turn/turn.h"

#define X(policy, name) name,
static const char *const policies[] = {TURN_POLICIES(X) NULL};
#undef X

bool turn_policy_find(struct bytes name, enum turn_policy *ret_policy) {
    return bytes_find(name, policies, ret_policy);
}

static const char *const decisions[TURN_DECISION_COUNT + 1] = {
    [TURN_DECIDE_QUEUE] = "queued",     [TURN_DECIDE_REFUSE] = "refused",
    [TURN_DECIDE_STOP] = "interrupted", [TURN_DECIDE_UNDO] = "rolled_back",
    [TURN_DECIDE_JOIN] = "joined",
};

const char *turn_decision_name(enum turn_decision decision) {
    assert(decision < TURN_DECISION_COUNT);
    return decisions[decision];
}

bool turn_decision_find(struct bytes name, enum turn_decision *ret_decision) {
    return bytes_find(name, decisions, ret_decision);
}

/* One that waits in the queue has said nothing yet: it can be neither stopped with its text kept
 * nor joined. So both ask for one that has begun; a message that finds none waits as any
 * other does. */
enum turn_decision turn_decide(enum turn_policy policy, const struct turn_session *session) {
    bool open = session->begun && !session->asked;
    switch (policy) {
    case TURN_REJECT:
        return session->busy ? TURN_DECIDE_REFUSE : TURN_DECIDE_QUEUE;
    case TURN_INTERRUPT:
        return open ? TURN_DECIDE_STOP : TURN_DECIDE_QUEUE;
    case TURN_ROLLBACK:
        return open ? TURN_DECIDE_UNDO : TURN_DECIDE_QUEUE;
    case TURN_STEER:
        return open && !session->quiet ? TURN_DECIDE_JOIN : TURN_DECIDE_QUEUE;
    case TURN_ENQUEUE:
    case TURN_POLICY_COUNT:
        break;
    }
    return TURN_DECIDE_QUEUE;
}

static struct turn_step end_with(enum run_cause cause) {
    return (struct turn_step){
        .next = TURN_NEXT_END, .state = turn_end_state(cause), .cause = cause};
}

/* Whether what the model said and did so far is the end of it. CAUSE_NONE: it is asked again. */
static enum run_cause end_of(const struct turn_facts *facts) {
    if (facts->last || (facts->answered && !facts->steered)) {
        return facts->truncated > 0 ? CAUSE_TRUNCATED
               : facts->last        ? CAUSE_STEP_LIMIT
                                    : CAUSE_COMPLETED;
    }
    if (facts->truncated >= TURN_TRUNCATED_MAX) {
        return facts->owes_object ? CAUSE_SCHEMA_MISMATCH : CAUSE_TRUNCATED;
    }
    if (facts->mistakes_told > 0 && facts->mistakes >= facts->mistakes_told + TURN_MISTAKES_MORE) {
        return CAUSE_TOOL_MISTAKES;
    }
    return facts->repeats >= TURN_REPEATS_MAX ? CAUSE_NO_PROGRESS : CAUSE_NONE;
}

/* A program decides by itself what it does next, until it has answered; it is only listened to. */
static struct turn_step next_of_program(const struct turn_facts *facts) {
    if (facts->answered && !facts->steered) {
        return end_with(CAUSE_COMPLETED);
    }
    return (struct turn_step){.next = facts->ready + facts->reviewing > 0 ? TURN_NEXT_START
                                      : facts->asking > 0                 ? TURN_NEXT_PARK
                                                                          : TURN_NEXT_CALL};
}

struct turn_step turn_next(const struct turn_facts *facts) {
    if (facts->stop != CAUSE_NONE) {
        return end_with(facts->stop);
    }
    if (facts->program && !facts->compacts) {
        return next_of_program(facts);
    }
    if (facts->compacts) {
        return (struct turn_step){.next = TURN_NEXT_COMPACT};
    }
    /* Nothing is asked of the model while a tool of its last answer is open: providers refuse a
     * call without its result. */
    if (facts->ready + facts->reviewing > 0) {
        return (struct turn_step){.next = TURN_NEXT_START};
    }
    if (facts->running + facts->asking > 0) {
        return (struct turn_step){.next = facts->running > 0 ? TURN_NEXT_WAIT : TURN_NEXT_PARK};
    }
    const enum run_cause end = end_of(facts);
    if (end != CAUSE_NONE) {
        return end_with(end);
    }
    /* A check comes before the model is asked again, and never instead: it ends no turn. */
    if (facts->check == TURN_CHECK_RUNS) {
        return (struct turn_step){.next = TURN_NEXT_WAIT};
    }
    if (facts->check == TURN_CHECK_ENDED ||
        (facts->wrote && facts->failed_checks < TURN_CHECKS_FAILED_MAX)) {
        return (struct turn_step){.next = TURN_NEXT_CHECK};
    }
    const bool last = facts->full || facts->tools_used_up || facts->calls + 1 >= facts->calls_max;
    return (struct turn_step){.next = last ? TURN_NEXT_LAST_CALL : TURN_NEXT_CALL};
}

/* Strictly one object and nothing around it: of "I would deny this, {…"allow"…}" nobody knows what
 * it means. */
enum turn_review turn_review(struct bytes answer, json_t **ret_json, const char **ret_reason) {
    const char *decision = "", *reason = "";
    const struct json_field fields[] = {
        {.name = "decision", .kind = JSON_KIND_TEXT, .required = true, .text = &decision},
        {.name = "reason", .kind = JSON_KIND_TEXT, .max = TURN_REASON_MAX, .text = &reason},
    };
    struct why why;
    *ret_json = NULL;
    *ret_reason = "";
    if (answer.len == 0 ||
        err_failed(json_parse(answer.data, answer.len, JSON_DEPTH_MAX, ret_json, NULL)) ||
        err_failed(json_read_fields(*ret_json, fields, COUNT_OF(fields), &why))) {
        return TURN_REVIEW_ASKS;
    }
    *ret_reason = reason;
    return strcmp(decision, "allow") == 0  ? TURN_REVIEW_ALLOWS
           : strcmp(decision, "deny") == 0 ? TURN_REVIEW_DENIES
                                           : TURN_REVIEW_ASKS;
}

enum turn_nudge turn_nudge(const struct turn_facts *facts) {
    /* One answer may bring several that fail: it is told at the next chance, once. */
    if (facts->mistakes >= TURN_MISTAKES_NUDGE && facts->mistakes_told == 0) {
        return TURN_NUDGE_MISTAKES;
    }
    return facts->repeats == TURN_REPEATS_NUDGE ? TURN_NUDGE_REPEATS : TURN_NUDGE_NONE;
}

int64_t turn_output_more(int64_t used, int64_t asked, int64_t output_max, int64_t window) {
    enum { AT_LEAST = 16384 }; /* Above what is asked for where a model's limit is not known. */
    int64_t most = output_max > 0 ? output_max : window > 0 ? window / 2 : INT64_MAX;
    int64_t had = used > asked ? used : asked;
    int64_t more = had > INT64_MAX / 2 ? INT64_MAX : 2 * had;
    more = more < AT_LEAST ? AT_LEAST : more;
    return more < most ? more : most;
}

/* At a limit of steps it has said what is left to do: less than was asked, and no failure. So has
 * one whose last answer was cut off. */
enum run_state turn_end_state(enum run_cause cause) {
    switch (cause) {
    case CAUSE_COMPLETED:
        return RUN_SUCCEEDED;
    case CAUSE_STEP_LIMIT:
    case CAUSE_TRUNCATED:
        return RUN_DEGRADED;
    case CAUSE_STOPPED:
    case CAUSE_INTERRUPTED:
    case CAUSE_ROLLED_BACK:
    case CAUSE_CLEARED:
    case CAUSE_CALLED_OFF:
    case CAUSE_PARENT_ENDED:
        return RUN_CANCELLED;
    case CAUSE_DEADLINE:
        return RUN_TIMED_OUT;
    default:
        return RUN_FAILED;
    }
}
