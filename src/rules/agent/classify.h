/* classify.h: how the run of a program ended, from all that is known of it. Pure.
 *
 * Exit codes lie: one agent exits with 0 where its provider refused it, another one where it was
 * interrupted. So what the program itself printed as its result (its *typed result*) decides first,
 * then who ended it, then its exit code and what it wrote to stderr. Rules stand in one table, and
 * the first that fits decides; the verdict names it.
 *
 * Ownership  texts of an ending are borrowed for the call; those of a verdict are static.
 * Threads    any.
 */
#ifndef DROVER_RULES_AGENT_CLASSIFY_H
#define DROVER_RULES_AGENT_CLASSIFY_H

#include "rules/agent/outcome.h"

enum agent_exit {
    AGENT_NOT_STARTED,
    AGENT_EXITED,   /* With `code`. */
    AGENT_SIGNALED, /* By `signal`. */
    AGENT_VANISHED, /* Nobody saw its end: its holder was killed, or the machine restarted. */
};
/* The cause of the end. */
enum agent_ender {
    AGENT_ITSELF,
    AGENT_STOPPED,     /* A stop. */
    AGENT_DEADLINE,    /* The time was over. */
    AGENT_GONE,        /* No process was left, and no end was reported (watch.h). */
    AGENT_NO_PROGRESS, /* No output and no work for too long; */
    AGENT_COMPACTING,  /* the same while it made a summary. */
    AGENT_OVER_LIMIT,  /* Memory, processes or requests. */
};
/* State of the task that it worked on. */
enum agent_task { AGENT_NO_TASK, AGENT_TASK_OPEN, AGENT_TASK_ENDED, AGENT_TASK_FAILED };

/* The result as the program printed it. */
struct agent_result {
    bool present;           /* There was one. */
    bool good;              /* The program says that it is done. */
    bool said;              /* There is an answer: words, or a value. */
    int64_t status;         /* HTTP status that its provider gave; 0: it names none. */
    struct bytes kind;      /* Word of its own for the failure; "": none. */
    struct bytes text;      /* Sentence about the failure. */
    int64_t retry_after_ms; /* Wait that its provider named; 0: it names none. */
    struct bytes transport; /* How it reached its model, where it says so; "": it does not. */
};

/* Words on stderr of a program that are about its end: as agent_words_in has them. */
struct agent_stderr {
    const char *words;
    enum agent_outcome outcome;
};

struct agent_ending {
    enum agent_exit exit;
    int code, signal;
    enum agent_ender ender;
    enum agent_task task;
    struct agent_result result;
    bool unread;              /* Output is missing, or could not be read. */
    struct bytes stderr_tail; /* Last bytes that it wrote there, and */
    /* the words that mean something there: of its adapter, and of its definition. */
    const struct agent_stderr *stderr_words;
    size_t stderr_count;
    int64_t ended_ms; /* When that was seen, as wall time; 0: not known; */
    int64_t local_ms; /* the same by the clock of this place, as if it were UTC. */
};

struct agent_verdict {
    enum agent_outcome outcome;
    const char *rule; /* Name of the rule that decided, for traces: "typed-status-401". */
};
struct agent_verdict agent_classify(const struct agent_ending *ending);

/* Whether the words stand in the text as whole tokens: runs of letters and digits, in any case and
 * with anything between them. "rate limit" is in "rate_limit_error", and "auth" is not in "author".
 */
MUST_CHECK bool agent_words_in(struct bytes text, const char *words);

/* For tests: rules by their place; NULL ends them. */
const char *agent_rule_name(unsigned at);

#endif
