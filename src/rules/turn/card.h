/* rules/turn/card.h: what a call of a tool ended with. Pure: no clock, no I/O.
 *
 * The cause decides the state, so the two cannot contradict each other, and it decides whether the
 * call counts as a mistake of the model. `denied` means that somebody, or a rule of somebody's,
 * said no to a call that could have been made; what the model got wrong is `failed`. Only the
 * latter may end a turn as `tool_mistakes`.
 */
#ifndef DROVER_RULES_TURN_CARD_H
#define DROVER_RULES_TURN_CARD_H

#include "base/base.h"
#include "base/err.h"
#include "rules/run/run.h"
#include "rules/session/session.h"

/* Cause, its name in rows, events, the API and the docs, the state, what it says of the model. */
#define CARD_CAUSES(X)                                                                             \
    X(DONE, "", SUCCEEDED, GOOD)                                                                   \
    X(BAD_ARGUMENTS, "bad_arguments", FAILED, MISTAKE)                                             \
    X(TOOL_UNKNOWN, "tool_unknown", FAILED, MISTAKE)                                               \
    X(NO_MATCH, "no_match", FAILED, MISTAKE)                                                       \
    X(AMBIGUOUS_MATCH, "ambiguous_match", FAILED, MISTAKE)                                         \
    X(NOT_FOUND, "not_found", FAILED, MISTAKE)                                                     \
    X(NOT_PERMITTED, "not_permitted", FAILED, MISTAKE)                                             \
    X(CONFLICT, "conflict", FAILED, MISTAKE)                                                       \
    X(TOO_LARGE, "too_large", FAILED, MISTAKE)                                                     \
    X(TOO_EXPENSIVE, "too_expensive", FAILED, MISTAKE)                                             \
    X(FETCH_FAILED, "fetch_failed", FAILED, MISTAKE)                                               \
    X(NOT_STARTED, "not_started", FAILED, MISTAKE)                                                 \
    X(TIMED_OUT, "timed_out", FAILED, MISTAKE)                                                     \
    X(NOT_FINISHED, "not_finished", FAILED, MISTAKE)                                               \
    X(REFUSED, "refused", FAILED, MISTAKE)                                                         \
    X(EXIT_CODE, "exit_code", FAILED, MISTAKE)                                                     \
    X(RUN_FAILED, "run_failed", FAILED, MISTAKE)                                                   \
    X(DISK_FULL, "disk_full", FAILED, NEITHER)                                                     \
    X(IO_ERROR, "io_error", FAILED, MISTAKE)                                                       \
    X(NO_MEMORY, "no_memory", FAILED, NEITHER)                                                     \
    X(TOO_MANY, "too_many", FAILED, NEITHER)                                                       \
    X(TRUNCATED, "truncated", FAILED, NEITHER)                                                     \
    X(TOOL_LIMIT, "tool_limit", FAILED, NEITHER)                                                   \
    X(RULE, "rule", DENIED, NEITHER)                                                               \
    X(PERSON, "person", DENIED, NEITHER)                                                           \
    X(REVIEW, "review", DENIED, NEITHER)                                                           \
    X(STOPPED, "stopped", CANCELLED, NEITHER)                                                      \
    X(TURN_ENDED, "turn_ended", CANCELLED, NEITHER)                                                \
    X(FORKED, "forked", CANCELLED, NEITHER) /* The call goes on in the other session only. */      \
    X(DAEMON_RESTARTED, "daemon_restarted", OUTCOME_UNKNOWN, NEITHER)                              \
    X(RUN_LOST, "run_lost", OUTCOME_UNKNOWN, NEITHER)

enum card_cause {
#define X(cause, name, state, mark) CARD_##cause,
    CARD_CAUSES(X)
#undef X
        CARD_CAUSE_COUNT
};

/* GOOD: a success, which ends a row of mistakes. NEITHER: the row is as long as it was. */
enum card_mark { CARD_MARK_GOOD, CARD_MARK_MISTAKE, CARD_MARK_NEITHER };

extern const char *const card_cause_names[]; /* By value; NULL ends them. */
const char *card_cause_name(enum card_cause cause);
MUST_CHECK bool card_cause_find(struct bytes name, enum card_cause *ret_cause);
enum part_state card_cause_state(enum card_cause cause);
enum card_mark card_cause_mark(enum card_cause cause);

/* Of a tool that could not do it; never CARD_DONE. */
enum card_cause card_cause_of_error(enum err_code code);

/* Of a call that is a run of its own. A command that came to its end was a call that worked,
 * whatever its exit code says; a job is what it came to. */
enum card_run { CARD_RUN_COMMAND, CARD_RUN_JOB };
enum card_cause card_cause_of_run(enum card_run kind, enum run_state state, enum run_cause cause);

#endif
