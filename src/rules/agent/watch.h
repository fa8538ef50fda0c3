/* watch.h: supervision of a program while it runs: whether it makes progress, and whether it stays
 * within its limits. Pure.
 *
 * The shell takes samples of the process tree and of the output. The time between them is divided
 * into windows. At the end of a window without progress the first rule that fits decides:
 *
 *   in the window                                then
 *   nobody could look                            nothing is known: a new window
 *   output grew, or processors were used         progress: all counters are reset
 *   no process is left, for the first time       another look soon, since an end may be on its way
 *   no process is left, again                    GONE
 *   it makes a summary of its conversation       wait uncounted, AGENT_WATCH_PATIENCE windows long
 *   the same after that                          COMPACTING
 *   silence                                      counted
 *   silence, AGENT_WATCH_WINDOWS in a row        SILENT
 *
 * Limits are judged at each sample; requests, which are read from the output, at any time.
 *
 * Ownership  the state is the caller's, and zeroed before the first sample of a process.
 * Threads    any.
 */
#ifndef DROVER_RULES_AGENT_WATCH_H
#define DROVER_RULES_AGENT_WATCH_H

#include "base/base.h"
#include "rules/agent/definition.h"
#include "rules/run/run.h"

enum {
    AGENT_WATCH_WINDOWS = 3,
    AGENT_WATCH_PATIENCE = 3,
    AGENT_WATCH_SOON_MS = 2000,   /* Between two looks at a tree without processes, and */
    AGENT_WATCH_MEMORY_MS = 2000, /* between two looks at its memory. */
    /* Share of a processor that is no silence. While its provider said nothing for eleven minutes,
     * OpenCode used 1.7 per cent of one (3.3 in the first minute, 2.6 in a later one), Codex 0.6
     * (1.5), Claude Code 0.5 (1.4), and Pi 0.0 (0.3): docs/agents.md. */
    AGENT_WATCH_BUSY_PER_CENT = 5,
};

/* A look at the processes and the output. */
struct agent_sample {
    bool known; /* The processes are here, and could be looked at. */
    int64_t processes, cpu_us, memory;
    int64_t output; /* Bytes that it has written since it began. */
};

struct agent_watch {
    bool begun;               /* There was a sample; */
    int64_t since_ms;         /* when this window began, */
    int64_t sampled_ms;       /* and when the last sample was taken. */
    struct agent_sample base; /* The sample at the begin of this window. */
    bool gone;                /* The last sample found no process. */
    int64_t silent, patient;  /* Windows in a row. */
};

enum agent_watch_verdict {
    AGENT_WATCH_ON, /* Nothing is wrong. */
    AGENT_WATCH_GONE,
    AGENT_WATCH_SILENT,
    AGENT_WATCH_COMPACTING,
    AGENT_WATCH_MEMORY,
    AGENT_WATCH_REQUESTS,
    AGENT_WATCH_PROCESSES, /* Counted by the holder of the processes, not here. */
    AGENT_WATCH_VERDICTS
};

struct agent_moment {
    int64_t now_ms; /* By a clock that only goes on. */
    struct agent_sample sample;
    bool compacting; /* The program says that it makes a summary. */
};
enum agent_watch_verdict agent_watch_sample(struct agent_watch *watch,
                                            const struct agent_definition *agent,
                                            const struct agent_moment *moment);
enum agent_watch_verdict agent_watch_requests(const struct agent_definition *agent,
                                              int64_t requests);
/* When the next sample is due; at once before the first one. */
int64_t agent_watch_due_ms(const struct agent_watch *watch, const struct agent_definition *agent);

/* Cause for which the process is asked to end; CAUSE_NONE: it goes on. Its row keeps that cause. */
enum run_cause agent_watch_cause(enum agent_watch_verdict verdict);
/* The verdict for which a process was asked to end; AGENT_WATCH_ON: for none. */
enum agent_watch_verdict agent_watch_of_cause(enum run_cause cause);

/* Facts that a verdict rests on; zeroed: they are not known any more. */
struct agent_evidence {
    struct agent_sample sample;
    int64_t requests;
};
/* A sentence for the user: what happened, the facts, and what to do. */
struct text;
void agent_watch_tell(enum agent_watch_verdict verdict, const struct agent_definition *agent,
                      const struct agent_evidence *evidence, struct text *text);

#endif
