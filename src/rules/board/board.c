/* board.c: the table of edges, and what follows from the end of an attempt. */
#include "rules/board/board.h"

#include <stdio.h>

const char *const task_status_names[] = {
#define X(status, name) name,
    TASK_STATUSES(X)
#undef X
        NULL};

const char *const task_plan_names[] = {
#define X(plan, name) name,
    TASK_PLANS(X)
#undef X
        NULL};

const char *const board_reason_names[] = {
#define X(reason, name, about) name,
    BOARD_REASONS_(X)
#undef X
        NULL};

const char *const board_reason_abouts[] = {
#define X(reason, name, about) about,
    BOARD_REASONS_(X)
#undef X
        NULL};

const char *const board_counter_names[] = {
#define X(counter, name) name,
    BOARD_COUNTERS(X)
#undef X
};

/* --- Edges ------------------------------------------------------------------------------------ */

#define FROM(status) (1U << TASK_##status)
#define OPEN (FROM(PENDING) | FROM(CLAIMED) | FROM(WORKING) | FROM(REVIEW) | FROM(BLOCKED))

static const struct edge {
    unsigned from; /* Bits of enum task_status. */
    enum task_status to;
    unsigned actors; /* Bits of enum board_actor. */
    enum board_words words;
} edges[] = {
    {FROM(PENDING), TASK_CLAIMED, BOARD_DAEMON | BOARD_AGENT | BOARD_PERSON, BOARD_NO_WORDS},
    {FROM(CLAIMED), TASK_WORKING, BOARD_HOLDER, BOARD_NO_WORDS},
    {FROM(WORKING), TASK_REVIEW, BOARD_HOLDER, BOARD_NO_WORDS},
    {FROM(WORKING), TASK_FAILED, BOARD_HOLDER | BOARD_DAEMON, BOARD_DETAIL},
    {FROM(CLAIMED), TASK_FAILED, BOARD_DAEMON, BOARD_DETAIL},
    {FROM(WORKING), TASK_BLOCKED, BOARD_HOLDER | BOARD_DAEMON | BOARD_PERSON, BOARD_QUESTION},
    {FROM(CLAIMED), TASK_BLOCKED, BOARD_DAEMON, BOARD_QUESTION},
    {FROM(CLAIMED) | FROM(WORKING), TASK_PENDING, BOARD_DAEMON, BOARD_NO_WORDS},
    {OPEN, TASK_CANCELLED, BOARD_PERSON, BOARD_NO_WORDS},
    {FROM(REVIEW), TASK_DONE, BOARD_REVIEWER | BOARD_PERSON, BOARD_NO_WORDS},
    {FROM(REVIEW), TASK_PENDING, BOARD_REVIEWER | BOARD_PERSON, BOARD_REASONS},
    {FROM(FAILED) | FROM(CANCELLED) | FROM(BLOCKED) | FROM(DONE), TASK_PENDING, BOARD_PERSON,
     BOARD_NO_WORDS},
};

/* An edge that a reviewer may take is a verdict, also where a person takes it. */
static const struct edge *edge_find(const struct board_move *move) {
    for (size_t i = 0; i < COUNT_OF(edges); i++) {
        const bool is_verdict = (edges[i].actors & BOARD_REVIEWER) != 0;
        if ((edges[i].from & 1U << move->from) != 0 && edges[i].to == move->to &&
            (edges[i].actors & move->actor) != 0 && is_verdict == move->verdict) {
            return &edges[i];
        }
    }
    return NULL;
}

bool board_move_fits(const struct board_move *move) {
    return edge_find(move) != NULL;
}

bool board_person_may(enum task_status from, enum task_status to, bool holds,
                      enum board_words *ret_words) {
    const unsigned actors = BOARD_PERSON | (holds ? BOARD_HOLDER : 0U);
    for (size_t i = 0; i < COUNT_OF(edges); i++) {
        if ((edges[i].from & 1U << from) != 0 && edges[i].to == to &&
            (edges[i].actors & actors) != 0) {
            *ret_words = edges[i].words;
            return true;
        }
    }
    return false;
}

static const char *actor_name(enum board_actor actor) {
    switch (actor) {
    case BOARD_DAEMON:
        return "the daemon";
    case BOARD_AGENT:
        return "an agent that does not have the task";
    case BOARD_HOLDER:
        return "the agent that has the task";
    case BOARD_REVIEWER:
        return "the reviewer";
    case BOARD_PERSON:
        return "a person";
    }
    return "nobody";
}

/* "pending, cancelled": where the actor may move it from there, by such a move. */
static void allowed_write(const struct board_move *move, struct text *text) {
    for (unsigned to = 0; to < TASK_STATUS_COUNT; to++) {
        const struct board_move other = {move->from, (enum task_status)to, move->actor,
                                         move->verdict};
        if (board_move_fits(&other)) {
            text_addf(text, "%s%s", text->len > 0 ? ", " : "", task_status_names[to]);
        }
    }
}

struct err board_move_check(const struct board_move *move, enum board_words *ret_words,
                            struct why *why) {
    AUTO(text_done) struct text allowed = text_up_to(200);
    const struct edge *edge = edge_find(move);
    if (edge != NULL) {
        *ret_words = edge->words;
        return ERR_OK;
    }
    const struct board_move judged = {move->from, move->to, move->actor, true};
    if (board_move_fits(&judged)) {
        return err_why(why, ERR_TASK_EDGE,
                       "a result is accepted or rejected by a verdict, which names the attempt: "
                       "'drover task review', or POST …/review");
    }
    allowed_write(move, &allowed);
    return err_why(why, ERR_TASK_EDGE, "a task that is %s is not made %s by %s; from there: %s",
                   task_status_names[move->from], task_status_names[move->to],
                   actor_name(move->actor),
                   allowed.len > 0 ? text_bytes(&allowed).data : "nothing");
}

/* --- The end of an attempt -------------------------------------------------------------------- */

enum remedy { AGAIN, COOLS, BLOCKS, FAILS };

/* The meaning of an attempt that ended without a final status of its task. */
static const struct sequel {
    enum run_cause cause;
    enum remedy remedy;
    enum board_reason reason;
    const char *question;
} sequels[] = {
    {CAUSE_COMPLETED, AGAIN, BOARD_BECAUSE_NO_STATUS, NULL},
    {CAUSE_RATE_LIMITED, COOLS, BOARD_BECAUSE_API_ERROR, NULL},
    {CAUSE_PROVIDER_ERROR, COOLS, BOARD_BECAUSE_API_ERROR, NULL},
    {CAUSE_PROVIDER_UNREACHABLE, COOLS, BOARD_BECAUSE_API_ERROR, NULL},
    {CAUSE_SESSION_BUSY, COOLS, BOARD_BECAUSE_API_ERROR, NULL},
    {CAUSE_QUOTA, COOLS, BOARD_BECAUSE_API_ERROR, NULL},
    {CAUSE_AUTH_FAILED, BLOCKS, BOARD_BECAUSE_AUTH_FAILED,
     "The agent has no login that its provider takes. Log in, or name another agent; then open "
     "the task again."},
    {CAUSE_NOT_STARTED, BLOCKS, BOARD_BECAUSE_NOT_STARTED,
     "The agent could not be started: 'drover agent ls' shows what is missing. Then open the task "
     "again."},
    {CAUSE_BUDGET, BLOCKS, BOARD_BECAUSE_BUDGET,
     "A budget is used up. Raise it, then open the task again."},
    {CAUSE_STOPPED, BLOCKS, BOARD_BECAUSE_STOPPED,
     "Somebody stopped the attempt. What is to be done otherwise? Then open the task again."},
    {CAUSE_FALLBACK_USED, FAILS, BOARD_BECAUSE_FALLBACK, NULL},
    {CAUSE_STUCK, AGAIN, BOARD_BECAUSE_STUCK, NULL},
    {CAUSE_REVIVE_FAILED, AGAIN, BOARD_BECAUSE_REVIVAL, NULL},
    {CAUSE_COMPACTION_HANGING, AGAIN, BOARD_BECAUSE_COMPACTING, NULL},
    {CAUSE_DEADLINE, AGAIN, BOARD_BECAUSE_MONITOR, NULL},
};

static struct sequel sequel_of(enum run_cause cause) {
    for (size_t i = 0; i < COUNT_OF(sequels); i++) {
        if (sequels[i].cause == cause) {
            return sequels[i];
        }
    }
    return (struct sequel){cause, AGAIN, BOARD_BECAUSE_INTERRUPTED, NULL};
}

enum board_counter board_counter_of(enum run_cause cause) {
    switch (cause) {
    case CAUSE_PROVIDER_UNREACHABLE:
        return BOARD_COUNT_CONNECT;
    case CAUSE_RATE_LIMITED:
    case CAUSE_PROVIDER_ERROR:
    case CAUSE_QUOTA:
        return BOARD_COUNT_API;
    case CAUSE_SESSION_BUSY:
        return BOARD_COUNT_LOCK;
    case CAUSE_STUCK:
    case CAUSE_REVIVE_FAILED:
    case CAUSE_DEADLINE:
        return BOARD_COUNT_MONITOR;
    default:
        return BOARD_COUNTER_COUNT;
    }
}

int64_t board_refusals(const int64_t counters[static BOARD_COUNTER_COUNT]) {
    return counters[BOARD_COUNT_CONNECT] + counters[BOARD_COUNT_API] + counters[BOARD_COUNT_LOCK];
}

bool board_cause_cools(enum run_cause cause) {
    return sequel_of(cause).remedy == COOLS;
}

bool board_person_judges(const struct board_result *result, struct bytes reviewer) {
    return reviewer.len == 0 || result->rejections >= BOARD_REJECTIONS_MAX ||
           bytes_equal(result->agent, reviewer) || bytes_is(result->review_run, "none");
}

const char *board_end_event(enum run_cause cause) {
    switch (cause) {
    case CAUSE_NOT_STARTED:
    case CAUSE_NO_DESCRIPTORS:
    case CAUSE_BUDGET:
    case CAUSE_STOPPED:
    case CAUSE_PARENT_ENDED:
    case CAUSE_CALLED_OFF:
    case CAUSE_DEADLINE:
    case CAUSE_STUCK:
    case CAUSE_REVIVE_FAILED:
    case CAUSE_COMPACTION_HANGING:
    case CAUSE_MEMORY_EXCEEDED:
    case CAUSE_PROCESSES:
    case CAUSE_REQUESTS:
        return "daemon_tick";
    default:
        return "agent_completed";
    }
}

void board_facts_write(const struct board_facts *facts, struct text *members) {
    switch (facts->reason) {
    case BOARD_BECAUSE_MAX_RETRIES:
        text_add_member_int(members, "count", facts->retry_count);
        return;
    case BOARD_BECAUSE_FALLBACK:
        text_add_member_or_null(members, "transport", facts->transport);
        text_add_member_or_null(members, "fallback_reason", facts->note);
        text_add_member_int(members, "duration_ms", facts->duration_ms);
        return;
    case BOARD_BECAUSE_STUCK:
    case BOARD_BECAUSE_REVIVAL:
        text_add_member_int(members, "stuck_count", facts->same);
        break;
    case BOARD_BECAUSE_COMPACTING:
        text_add_member_int(members, "compact_wait_count", facts->same);
        break;
    case BOARD_BECAUSE_MONITOR:
        text_add_member_int(members, "count", facts->same);
        text_add_member_int(members, "elapsed_seconds", facts->duration_ms / 1000);
        break;
    default:
        return;
    }
    text_add_member_or_null(members, "diagnostics", facts->note);
}

int64_t board_pause_ms(int64_t tries) {
    int64_t pause_ms = BOARD_PAUSE_FIRST_MS;
    for (int64_t i = 1; i < tries && pause_ms < BOARD_PAUSE_MAX_MS; i++) {
        pause_ms *= 2;
    }
    return pause_ms < BOARD_PAUSE_MAX_MS ? pause_ms : BOARD_PAUSE_MAX_MS;
}

static const char refused_question[] =
    "The provider of its agent refused or failed all the time. See to it, or name another agent; "
    "then open the task again.";

struct board_verdict board_attempt_judge(const struct board_attempt_end *end) {
    const struct sequel sequel = sequel_of(end->cause);
    struct board_verdict verdict = {
        .to = end->status, .reason = sequel.reason, .retry_count = end->retry_count};
    if (!task_is_held(end->status)) {
        verdict.reason =
            sequel.remedy == FAILS ? sequel.reason : BOARD_BECAUSE_DONE_ALREADY; /* An event. */
        return verdict;
    }
    verdict.question = sequel.question;
    verdict.retry_count += sequel.remedy == AGAIN ? 1 : 0;
    const bool is_refused = sequel.remedy == COOLS;
    const int64_t refusals = end->refusals + (is_refused ? 1 : 0);
    if (sequel.remedy == FAILS || sequel.remedy == BLOCKS) {
        verdict.to = sequel.remedy == FAILS ? TASK_FAILED : TASK_BLOCKED;
    } else if (is_refused && refusals >= BOARD_REFUSALS_MAX) {
        verdict.to = TASK_BLOCKED;
        verdict.question = refused_question;
    } else if (is_refused) {
        verdict.to = TASK_PENDING;
        verdict.pause_ms = board_pause_ms(refusals);
    } else if (verdict.retry_count >= BOARD_RETRIES_MAX) {
        /* The last end says more than the number, where it has a name of its own. */
        const bool plain =
            sequel.reason == BOARD_BECAUSE_INTERRUPTED || sequel.reason == BOARD_BECAUSE_NO_STATUS;
        verdict.to = TASK_FAILED;
        verdict.reason = plain ? BOARD_BECAUSE_MAX_RETRIES : sequel.reason;
    } else if (end->attempts - refusals >= end->attempts_max) {
        verdict.to = TASK_FAILED;
        verdict.reason = BOARD_BECAUSE_MAX_ATTEMPTS;
    } else {
        verdict.to = TASK_PENDING;
        verdict.pause_ms = board_pause_ms(end->attempts - refusals);
    }
    return verdict;
}
