/* agent_progress.h: tells followers of run:ID what the agents of a workflow are doing.
 *
 * Promise    a frame agent_progress {"id","agents","at_ms"} (hub_say), at most once a second of
 *            each workflow, with the agents whose figures have changed. Each fifth frame
 *            (AGENT_PROGRESS_WHOLE), and the first one after a time without followers, has all
 *            that work. All figures are in memory, of this life of the daemon. Where nobody
 *            follows, nothing is computed.
 * Threads    the loop. For the files of this folder alone.
 */
#ifndef DROVER_DISPATCH_WORKFLOW_AGENT_PROGRESS_H
#define DROVER_DISPATCH_WORKFLOW_AGENT_PROGRESS_H

#include "base/base.h"
#include "base/link.h"
#include "base/text.h"

enum { AGENT_PROGRESS_MS = 1000, AGENT_PROGRESS_WHOLE = 5, AGENT_TOOL_MAX = 64 };

/* Figures of a busy agent. */
struct agent_pulse {
    int64_t step;              /* Number of its call of a model. */
    char tool[AGENT_TOOL_MAX]; /* Name of the running tool; "": none. */
    int64_t tokens;            /* Output so far. */
    int64_t cost_micros;       /* -1: not known. */
    int64_t alive_ms;          /* Last sign of life, by workflows__mono_ms; -1: none is awaited. */
    bool arguments_streaming;  /* The model writes the arguments of a call. */
    bool in_line;              /* The connection of its model has no place. */
};
struct agent_told {
    struct agent_pulse pulse; /* As the latest frame had it. */
    int64_t tokens_s;
    int64_t turn_tokens, tokens_before; /* Tokens of its turn: latest count; earlier counts. */
    int64_t at_ms;                      /* 0: none had it. */
};
struct workflow_pulse {
    struct link link; /* In workflows->pulsing. */
    unsigned ticks;   /* Number of ticks in a row with a follower. */
};

struct workflow;
struct workflows;
void workflow__pulse(struct workflow *workflow); /* An agent of it works. */
void workflows__stop_pulses(struct workflows *workflows);

#endif
