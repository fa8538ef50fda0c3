/* rules/turn/turn.h: what a turn does next, and how it ends. Pure: no clock, no I/O.
 *
 *                  ┌──────────────── its tools are done ────────────────┐
 *                  v                                                    │
 *   begins ──> CALL the model ──answer──> START tools ──> WAIT for them ┘
 *                  │    │                     (or for somebody's yes), and CHECK what they wrote
 *                  │    └── no tools, nobody steers: ENDS, with the answer
 *                  └─────── a failure that no retry cured, a stop, a limit: ENDS
 *
 * A turn is a run of kind `turn`. What it has said and done stands in its message; what it does
 * next follows from that alone, so a daemon that comes back asks the same question again.
 */
#ifndef DROVER_RULES_TURN_TURN_H
#define DROVER_RULES_TURN_TURN_H

#include "base/base.h"
#include "base/json/json.h"
#include "rules/run/run.h"

/* --- A message that comes while a turn runs --------------------------------------------------- */

#define TURN_POLICIES(X)                                                                           \
    X(ENQUEUE, "enqueue")                                                                          \
    X(REJECT, "reject")                                                                            \
    X(INTERRUPT, "interrupt")                                                                      \
    X(ROLLBACK, "rollback")                                                                        \
    X(STEER, "steer")

enum turn_policy {
#define X(policy, name) TURN_##policy,
    TURN_POLICIES(X)
#undef X
        TURN_POLICY_COUNT
};
MUST_CHECK bool turn_policy_find(struct bytes name, enum turn_policy *ret_policy);

/* What the session has when the message comes. */
struct turn_session {
    bool busy;  /* A turn of it has not ended, and does not give way to the message: it runs, waits
                 * for somebody, or is queued. */
    bool begun; /* One of them has begun, */
    bool asked; /* and was asked to end already. */
    bool quiet; /* That one takes no messages: it was not begun by one (compaction). */
};
enum turn_decision {
    TURN_DECIDE_QUEUE,  /* A turn of its own, after those that are there. */
    TURN_DECIDE_REFUSE, /* 409, with the turn that runs. */
    TURN_DECIDE_STOP,   /* The one that runs is asked to end; then as QUEUE. */
    TURN_DECIDE_UNDO,   /* The same, and what it was about leaves the prompt. */
    TURN_DECIDE_JOIN,   /* The one that runs takes it with its next call. */
    TURN_DECISION_COUNT
};
enum turn_decision turn_decide(enum turn_policy policy, const struct turn_session *session);
const char *turn_decision_name(enum turn_decision decision);
MUST_CHECK bool turn_decision_find(struct bytes name, enum turn_decision *ret_decision);

/* --- What next -------------------------------------------------------------------------------- */

/* Bounds of one turn; the session's settings may lower them. */
enum {
    TURN_CALLS_MAX = 100,          /* Calls of the model. */
    TURN_CALLS_FOLLOW_UP_MAX = 12, /* Of a turn that a notice began. */
    TURN_MISTAKES_NUDGE = 3,       /* Failed tool calls in a row, before the model gets a hint, */
    TURN_MISTAKES_MORE = 3,        /* and so many more, before it ends. */
    TURN_REPEATS_NUDGE = 3, /* The same call with the same result, in a row, before it is told, */
    TURN_REPEATS_MAX = 6,   /* and before it ends. */
    TURN_TRUNCATED_MAX = 2, /* Answers in a row that were cut off in a call, and it ends. */
    TURN_MISFITS_MAX = 5,   /* Answers that are not what their schema asks for, and it ends. */
    TURN_TOOLS_AT_ONCE = 8,
    TURN_REASON_MAX = 2000,     /* Bytes of a review's. */
    TURN_CHECKS_FAILED_MAX = 3, /* Reported to the model; then nothing is checked any more. */
};

enum turn_check { TURN_CHECK_NONE, TURN_CHECK_RUNS, TURN_CHECK_ENDED /* Nobody has its result. */ };
struct turn_facts {
    enum run_cause stop; /* It was asked to end, and why; CAUSE_NONE: not asked. */
    bool program;        /* A program answers: `ready` are its questions that are answered. */
    bool compacts;       /* It only makes the conversation shorter, until it is told an end. */
    bool answered;       /* The last call of the model came with an answer and no tool call. */
    bool last;           /* That was the call that was told to be the last. */
    bool steered;        /* Messages wait to join. */
    bool owes_object;    /* The answer has a schema. */
    int64_t truncated;  /* Answers in a row that their longest length cut off, the last included. */
    bool full;          /* The message has room for one more answer of a model, and its end. */
    bool tools_used_up; /* No more calls of tools may be made. */
    int64_t calls, calls_max;
    bool wrote; /* A step wrote files, and nothing was checked since. */
    enum turn_check check;
    int64_t failed_checks; /* Those reported to the model. */
    int64_t mistakes;      /* Failed calls of tools in a row, */
    int64_t mistakes_told; /* and how many they were when it was told; 0: it was not. */
    int64_t repeats;       /* How often in a row the same call came. */
    int64_t ready;         /* Cards that may begin now. */
    int64_t running;       /* Cards that have begun. */
    int64_t asking;        /* Cards that wait for somebody's yes, or answer. */
    int64_t reviewing;     /* Cards that a model looks at first. */
};
enum turn_next {
    TURN_NEXT_CALL,      /* The model, */
    TURN_NEXT_LAST_CALL, /* for the last time: without tools, to say what is left to do. */
    TURN_NEXT_START,     /* Tools, or what a model looks at before. */
    TURN_NEXT_WAIT,      /* For tools that run. */
    TURN_NEXT_PARK,      /* For somebody. */
    TURN_NEXT_CHECK,     /* What was written: begins a check, or fetches its result. */
    TURN_NEXT_COMPACT,   /* A model summarises what was said. */
    TURN_NEXT_END,
};
struct turn_step {
    enum turn_next next;
    enum run_state state; /* Of the end. */
    enum run_cause cause;
};
struct turn_step turn_next(const struct turn_facts *facts);

/* --- A model that reviews a call -------------------------------------------------------------- */

/* What came of a review. Only a clear answer decides; whatever else came leaves it to a person. */
enum turn_review { TURN_REVIEW_ALLOWS, TURN_REVIEW_DENIES, TURN_REVIEW_ASKS };
/* `answer`: all that the model said, which *ret_json (owned) is parsed from; *ret_reason is
 * borrowed from there, "" when it gave none. */
MUST_CHECK enum turn_review turn_review(struct bytes answer, json_t **ret_json,
                                        const char **ret_reason);

/* Tokens of the answer that follows one which was cut off after `used`, by a limit that the request
 * named (`asked`; 0: none): more than that one had, as far as the model allows. */
int64_t turn_output_more(int64_t used, int64_t asked, int64_t output_max, int64_t window);

/* Whether the next call should be told that its tool calls fail, or repeat. */
enum turn_nudge { TURN_NUDGE_NONE, TURN_NUDGE_MISTAKES, TURN_NUDGE_REPEATS };
enum turn_nudge turn_nudge(const struct turn_facts *facts);

/* The state of a turn that ends with this cause. */
enum run_state turn_end_state(enum run_cause cause);

#endif
