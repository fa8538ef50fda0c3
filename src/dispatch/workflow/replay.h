/* replay.h: what a worker is told of outcomes, in its first message and behind it.
 *
 * A worker's first message holds its history up to FLOW_HISTORY_MAX. What was settled behind that
 * is told as it was told live, when the script asks for those calls again: each is a call that is
 * DONE from the beginning, so that nobody asks it anew, and `behind`: what it came to is in the
 * store, and read page by page when its turn has come. Meanwhile what is settled live lines up
 * behind, the same way. So neither a daemon nor a worker holds more than a page of it, however much
 * a run has come to.
 *
 * For the files of workflows alone, on the loop; flow__add_outcome also in a store function.
 */
#ifndef DROVER_DISPATCH_WORKFLOW_REPLAY_H
#define DROVER_DISPATCH_WORKFLOW_REPLAY_H

#include "dispatch/workflow/flow.h"

/* Why a script cannot be told something. CAUSE_NONE: it can. */
struct flow_fault {
    enum run_cause cause;
    struct why why;
};

/* worker_message.c */
/* Adds the members of a script as a worker wants it. false: it is none. */
MUST_CHECK bool flow__add_script(struct bytes source, struct bytes file, struct text *text,
                                 struct why *why);
/* ,"total":…,"limits":{…},"history":[ of a worker's first message. */
void flow__add_limits(const struct flows_limits *limits, int64_t total, struct text *text);

/* ,"o":… of an outcome. */
struct flow_said {
    enum run_state state;
    enum run_cause cause;
    struct bytes result, note;
};
void flow__add_said(const struct flow_said *said, struct text *text);
void flow__add_throw(struct text *text, struct bytes message);
MUST_CHECK struct err flow__add_outcome(struct tx *tx, const struct step_row *row,
                                        struct text *text, struct flow_fault *fault);

/* replay_pages.c */
/* A call that was settled behind the history of the next worker; they come in their order. */
void flow__add_behind(struct flow *flow, const char *key, int64_t occurrence, bool nested);
void call__put_behind(struct call *call); /* It is stored: what it came to is read again. */
/* The first of `done` is, and its turn may have come. */
void flow__read_behind(struct flow *flow);
void flow__page_free(struct flow_page *page); /* NULL is allowed. */

#endif
