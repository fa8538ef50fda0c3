/* outcome.h: how the run of an agent that is a program has ended, and what follows. Pure.
 *
 * The table says for each outcome what is done about it. An attempt that is followed by another one
 * counts under its outcome, and is tried again at most as often as the table says. The count is
 * reset where an attempt ends otherwise than the one before, or has made progress: a whole message
 * or the result of a tool is stored since it began. A turn has AGENT_ATTEMPTS_MAX attempts in all.
 *
 * Threads    any.
 */
#ifndef DROVER_RULES_AGENT_OUTCOME_H
#define DROVER_RULES_AGENT_OUTCOME_H

#include "base/base.h"
#include "rules/run/run.h"

enum agent_remedy {
    AGENT_SUCCEEDS, /* The run has ended well. */
    AGENT_FAILS,    /* The run has failed; the sentence says what to do. */
    AGENT_RESUMES,  /* The same session of the program goes on: "you were interrupted". */
    AGENT_RETRIES,  /* The same, after a wait that doubles. */
};

/* Name in rows, the API and the docs; remedy; attempts after the first; cause of a run that ends
 * with it; a sentence about it with what to do, in which %s is the program. */
#define AGENT_OUTCOMES(X)                                                                          \
    X(COMPLETED, "completed", SUCCEEDS, 0, COMPLETED, "")                                          \
    X(FAILED, "agent_failed", FAILS, 0, AGENT_FAILED,                                              \
      "%s says that it failed: correct what it names, and send the message again")                 \
    X(AUTH_FAILED, "auth_failed", FAILS, 0, AUTH_FAILED,                                           \
      "%s has no login that its provider takes: run it once in a terminal and log in, or give it " \
      "a key")                                                                                     \
    X(RATE_LIMITED, "rate_limited", RETRIES, 3, RATE_LIMITED,                                      \
      "the provider of %s refuses more for now: wait, or use another account or model")            \
    X(QUOTA, "quota", FAILS, 0, QUOTA,                                                             \
      "the account of %s has no credit or quota left: add some, or use another account or model")  \
    X(PROVIDER_ERROR, "provider_error", RETRIES, 3, PROVIDER_ERROR,                                \
      "the provider of %s failed: send the message again later")                                   \
    X(PROVIDER_UNREACHABLE, "provider_unreachable", RETRIES, 3, PROVIDER_UNREACHABLE,              \
      "%s could not reach its provider: check the network, and the address that it uses")          \
    X(CONTEXT_OVERFLOW, "context_overflow", RESUMES, 1, CONTEXT_OVERFLOW,                          \
      "the conversation of %s is longer than its model takes: clear it, or begin a new session")   \
    X(SESSION_BUSY, "session_busy", RETRIES, 3, SESSION_BUSY,                                      \
      "another process uses the session of %s: end that one, and send the message again")          \
    X(GATEWAY_TIMEOUT, "gateway_timeout", RESUMES, 3, GATEWAY_TIMEOUT,                             \
      "%s ended before it was done: run it in a terminal to see why")                              \
    X(FALLBACK_USED, "fallback_used", FAILS, 0, FALLBACK_USED,                                     \
      "%s answered without its gateway: start that, and send the message again")                   \
    X(NO_RESULT, "no_result", FAILS, 0, NO_RESULT,                                                 \
      "%s ended without an answer: run it in a terminal to see why")                               \
    X(CRASHED, "crashed", RESUMES, 1, CRASHED, "%s crashed: run it in a terminal to see why")      \
    X(KILLED, "killed", RESUMES, 1, SIGNAL,                                                        \
      "%s was killed: see what ended it, and send the message again")                              \
    X(STUCK, "stuck", RESUMES, 1, STUCK, "%s made no progress: see what it waited for")            \
    X(TIMED_OUT, "timed_out", FAILS, 0, DEADLINE,                                                  \
      "the time of %s was over: give it less to do, or raise deadline_ms of its definition")       \
    X(COMPACTION_HANGING, "compaction_hanging", FAILS, 0, COMPACTION_HANGING,                      \
      "%s did not finish the summary of its conversation: begin a new session")                    \
    X(SPAWN_FAILED, "spawn_failed", FAILS, 0, NOT_STARTED,                                         \
      "%s could not be started: 'drover agent ls' shows what is missing")                          \
    X(UNKNOWN, "outcome_unknown", FAILS, 0, OUTCOME_UNKNOWN,                                       \
      "%s may or may not have done its work: look first")

enum agent_outcome {
#define X(outcome, name, remedy, more, cause, sentence) AGENT_##outcome,
    AGENT_OUTCOMES(X)
#undef X
        AGENT_OUTCOME_COUNT
};

const char *agent_outcome_name(enum agent_outcome outcome);
MUST_CHECK bool agent_outcome_find(struct bytes name, enum agent_outcome *ret_outcome);
/* Cause of a run that ends with it. */
enum run_cause agent_outcome_cause(enum agent_outcome outcome);
struct text;
void agent_outcome_tell(enum agent_outcome outcome, const char *program, struct text *text);

/* The step after the n-th attempt in a row with that outcome (from 1): the remedy, or AGENT_FAILS
 * where there were enough of them; and the wait before the next attempt. `retry_after_ms`: that the
 * provider named; 0: it named none. */
enum {
    AGENT_WAIT_FIRST_MS = 60 * 1000,
    AGENT_WAIT_MAX_MS = 15 * 60 * 1000,
    AGENT_WAIT_NAMED_MS = 24 * 3600 * 1000, /* The longest wait that a provider may name. */
    AGENT_YIELD_MS = 60 * 1000, /* The longest time that a turn which yields waits for one. */
};
struct agent_next {
    enum agent_remedy remedy;
    int64_t wait_ms;
};
struct agent_next agent_next(enum agent_outcome outcome, int64_t count, int64_t retry_after_ms);
/* Whether a turn whose work another agent may do ends, instead of waiting for the provider. */
bool agent_yields(int64_t waited_ms, int64_t wait_ms);
/* Whether a program that ends so has sent what it was asked to its provider: it has read that. */
bool agent_outcome_asked(enum agent_outcome outcome);
/* Limit of further attempts in a row with that outcome. */
int64_t agent_outcome_retries(enum agent_outcome outcome);

/* Limit of attempts of one turn; and of those that follow a PROVIDER_ERROR before which the program
 * has tried again by itself: its tries and ours would multiply. */
enum { AGENT_ATTEMPTS_MAX = 20, AGENT_RETRIED_MORE = 1 };

/* Attempts of a turn, the one that has ended now included. */
struct agent_past {
    struct bytes before; /* Outcome of the attempt before; "": there was none. */
    int64_t tries;       /* Attempts in a row that ended so. */
    int64_t attempts;    /* All of the turn. */
    bool progress;       /* The attempt that has ended now made progress. */
    bool retried;        /* In it the program had asked its provider again by itself. */
    bool yields;         /* Another agent may do the work of the turn. */
    int64_t named_ms;    /* Wait that the provider has named; 0: it named none. */
};
struct agent_sequel {
    enum agent_remedy remedy;
    int64_t tries;        /* Attempts in a row with this outcome. */
    enum run_cause cause; /* FAILS: of the turn. */
    int64_t yields_ms;    /* FAILS, since the wait would be this long; 0: for another reason. */
};
/* `can_resume`: the session of the program can go on, or will be begun: it has said nothing yet. */
struct agent_sequel agent_sequel(const struct agent_past *past, enum agent_outcome outcome,
                                 bool can_resume);

#endif
