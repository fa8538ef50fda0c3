/* board.h: the states of a task, and who may move it from which to which. Pure.
 *
 *   pending ──> claimed ──> working ──> review ──> done
 *     ^ ^ ^        │           │ │ └──> blocked │    │     open ──> cancelled
 *     │ │ └────────┴───────────┘ └────> failed  │    │
 *     │ └─── reasons ───────────────────────────┘    │
 *     └─── a person opens it again ──────────────────┴── failed, blocked, cancelled
 *
 * Promise    an edge that is not in the table does not exist: its refusal names both states, who
 *            asked, and the edges that they may take. That a task is done is never inferred: only
 *            its reviewer, or a person, says so, by a verdict. A late verdict is refused: it does
 *            not open a task again.
 * Threads    any; pure.
 */
#ifndef DROVER_RULES_BOARD_BOARD_H
#define DROVER_RULES_BOARD_BOARD_H

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"
#include "rules/run/run.h"

#define TASK_STATUSES(X)                                                                           \
    X(PENDING, "pending")                                                                          \
    X(CLAIMED, "claimed")                                                                          \
    X(WORKING, "working")                                                                          \
    X(REVIEW, "review")                                                                            \
    X(DONE, "done")                                                                                \
    X(FAILED, "failed")                                                                            \
    X(BLOCKED, "blocked")                                                                          \
    X(CANCELLED, "cancelled")
enum task_status {
#define X(status, name) TASK_##status,
    TASK_STATUSES(X)
#undef X
        TASK_STATUS_COUNT
};
extern const char *const task_status_names[]; /* By value; NULL ends them. */
#define TASK_STATUS_WORDS "pending|claimed|working|review|done|failed|blocked|cancelled"

/* Whether an agent has the task now, */
static inline bool task_is_held(enum task_status status) {
    return status == TASK_CLAIMED || status == TASK_WORKING;
}
/* and whether it is over: nothing happens to it any more, unless a person opens it again. */
static inline bool task_is_over(enum task_status status) {
    return status == TASK_DONE || status == TASK_FAILED || status == TASK_CANCELLED;
}

/* The plan of a task. Only a person approves: until then an attempt writes a plan and ends.
 *
 *   missing ──> waiting ──> approved
 *      ^ rejected  │            │
 *      └───────────┴────────────┘ the description or the must-haves were changed
 */
#define TASK_PLANS(X)                                                                              \
    X(NONE, "")                                                                                    \
    X(MISSING, "missing")                                                                          \
    X(WAITING, "waiting")                                                                          \
    X(APPROVED, "approved")
enum task_plan {
#define X(plan, name) TASK_PLAN_##plan,
    TASK_PLANS(X)
#undef X
};
extern const char *const task_plan_names[]; /* By value; NULL ends them. */
/* NONE and APPROVED: the attempt may do the work. */
static inline bool task_plan_allows(enum task_plan plan) {
    return plan == TASK_PLAN_NONE || plan == TASK_PLAN_APPROVED;
}

/* The one who moves a task, as bits of the table. */
enum board_actor {
    BOARD_DAEMON = 1 << 0,
    BOARD_AGENT = 1 << 1,    /* An agent that does not have the task. */
    BOARD_HOLDER = 1 << 2,   /* The agent that has it, during its attempt. */
    BOARD_REVIEWER = 1 << 3, /* The agent that judges it. */
    BOARD_PERSON = 1 << 4,   /* A client with the scope approve, outside of any run. */
};

/* Words that must come with a move. */
enum board_words {
    BOARD_NO_WORDS,
    BOARD_DETAIL,   /* Why it failed. */
    BOARD_QUESTION, /* For a person to answer. */
    BOARD_REASONS,  /* Why the result was rejected. */
};

struct board_move {
    enum task_status from, to;
    enum board_actor actor;
    bool verdict; /* A verdict on a result; no other move takes its edges, and it takes no other. */
};
/* ERR_TASK_EDGE: nobody, or not this actor, may take it. ret_words: what must be said. */
MUST_CHECK struct err board_move_check(const struct board_move *move, enum board_words *ret_words,
                                       struct why *why);
/* Whether it is in the table. */
MUST_CHECK bool board_move_fits(const struct board_move *move);
/* Whether a person may make such a move, by a verdict or without. `holds`: the person has the task.
 * ret_words: what must be said. */
MUST_CHECK bool board_person_may(enum task_status from, enum task_status to, bool holds,
                                 enum board_words *ret_words);

/* A result in review, and who judges it. */
struct board_result {
    struct bytes agent;      /* Wrote it. */
    struct bytes review_run; /* Run of its judge; "": it has none yet; "none": a person judges. */
    int64_t rejections;
};
/* `reviewer`: the agent that judges results of the board; "": none does. */
MUST_CHECK bool board_person_judges(const struct board_result *result, struct bytes reviewer);

/* --- The end of an attempt -------------------------------------------------------------------- */

enum {
    BOARD_RETRIES_MAX = 3,          /* Attempts that ended without a word, before it fails. */
    BOARD_ATTEMPTS_DEFAULT = 5,     /* Attempts of all kinds but those that were refused. */
    BOARD_REFUSALS_MAX = 500,       /* Refused attempts, before a person is asked. */
    BOARD_REJECTIONS_MAX = 3,       /* After them, a person judges. */
    BOARD_REVIEW_TRIES_MAX = 5,     /* Turns about one result, while the provider refuses. */
    BOARD_PAUSE_FIRST_MS = 5000,    /* Before the next attempt, doubled with each, */
    BOARD_PAUSE_MAX_MS = 5 * 60000, /* up to this. */
};

/* Attempts that ended for one kind of cause, counted on the task from one to the next. */
#define BOARD_COUNTERS(X)                                                                          \
    X(CONNECT, "connect") /* The provider could not be reached. */                                 \
    X(API, "api")         /* The provider refused or failed, or its quota is used up. */           \
    X(LOCK, "lock")       /* Another process uses the session of the program. */                   \
    X(MONITOR, "monitor") /* No progress, or its time was over. */
enum board_counter {
#define X(counter, name) BOARD_COUNT_##counter,
    BOARD_COUNTERS(X)
#undef X
        BOARD_COUNTER_COUNT
};
extern const char *const board_counter_names[];
/* BOARD_COUNTER_COUNT: the cause has none. */
enum board_counter board_counter_of(enum run_cause cause);
/* Attempts that were refused: a provider, or a session in use, ended them, which passes. They are
 * no tries of max_attempts, so that no outage fails a task, however long it is. */
int64_t board_refusals(const int64_t counters[static BOARD_COUNTER_COUNT]);

/* Reasons of an edge that the daemon takes: names in events and in `reason`. */
#define BOARD_REASONS_(X)                                                                          \
    X(NONE, "", "")                                                                                \
    X(API_ERROR, "api_error_retry", "Its provider failed")                                         \
    X(INTERRUPTED, "interrupted", "Its attempt was interrupted")                                   \
    X(NO_STATUS, "no_status", "Its agent ended without a word about the task")                     \
    X(MAX_RETRIES, "max_retry_count", "It was tried again too often")                              \
    X(MAX_ATTEMPTS, "max_attempts", "All of its attempts are used")                                \
    X(FALLBACK, "unexpected_fallback", "Another model than the one that was named answered")       \
    X(STUCK, "session_stuck", "Its agent made no progress for too long")                           \
    X(REVIVAL, "revive_failed", "Its session could not be brought back")                           \
    X(COMPACTING, "compact_hanging", "Its agent hung while it made a summary")                     \
    X(MONITOR, "max_monitor_timeouts", "Its agent was asked too often how it stands")              \
    X(AUTH_FAILED, "auth_failed", "Its provider did not accept the key")                           \
    X(NOT_STARTED, "not_started", "Its agent could not be started")                                \
    X(BUDGET, "budget", "A budget is used up")                                                     \
    X(STOPPED, "stopped", "Somebody stopped it")                                                   \
    X(PLAN, "plan", "Its plan waits for an approval")                                              \
    X(DONE_ALREADY, "task_already_done", "It was done already")
enum board_reason {
#define X(reason, name, about) BOARD_BECAUSE_##reason,
    BOARD_REASONS_(X)
#undef X
        BOARD_REASON_COUNT
};
extern const char *const board_reason_names[];  /* By value; NULL ends them. */
extern const char *const board_reason_abouts[]; /* The same as sentences. */

struct board_attempt_end {
    enum task_status status; /* Status of the task, read again at the end. */
    enum run_state state;
    enum run_cause cause;
    int64_t retry_count;            /* Before this end. */
    int64_t attempts, attempts_max; /* Since the task was opened, with this one; */
    int64_t refusals;               /* and those before this one that were refused. */
};
struct board_verdict {
    enum task_status to; /* The status that it has: nothing is moved. */
    enum board_reason reason;
    int64_t retry_count;
    int64_t pause_ms;     /* PENDING: before the next attempt. */
    const char *question; /* BLOCKED: what a person is asked. */
};
struct board_verdict board_attempt_judge(const struct board_attempt_end *end);
/* The event of an attempt's end. "daemon_tick": the daemon ended it, or never began it, since it
 * watched, was asked to, or had to. "agent_completed": its agent ended by itself, well or not. */
const char *board_end_event(enum run_cause cause);
/* Facts about the reason of the daemon's edge, as members of an event's detail. */
struct board_facts {
    enum board_reason reason;
    struct bytes note;      /* Why the attempt ended; "": unknown. */
    struct bytes transport; /* As of struct task_metadata. */
    int64_t retry_count;
    int64_t same;        /* Attempts since the task was opened that ended like this one. */
    int64_t duration_ms; /* Duration of the attempt. */
};
void board_facts_write(const struct board_facts *facts, struct text *members);
/* The provider refused, which passes. */
bool board_cause_cools(enum run_cause cause);
/* The pause before the next try, after that many. */
int64_t board_pause_ms(int64_t tries);

#endif
