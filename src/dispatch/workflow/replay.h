/* replay.h: outcomes as a worker gets them, and steps that began before it.
 *
 * A worker's first message holds the history up to FLOW_HISTORY_MAX. What was settled after that is
 * delivered as it was live, when the script asks for those calls again: each is a call that is DONE
 * from the beginning, so that nobody performs it again, and `unloaded`: its result is in the store,
 * and read page by page when it is the next to be delivered. Meanwhile, outcomes that are settled
 * live are appended the same way. So neither a daemon nor a worker holds more than a page, however
 * long the history is.
 *
 * For the files of this folder alone, on the loop; flow__add_outcome and prior__new also in a store
 * function.
 */
#ifndef DROVER_DISPATCH_WORKFLOW_REPLAY_H
#define DROVER_DISPATCH_WORKFLOW_REPLAY_H

#include "dispatch/workflow/flow.h"

enum {
    FLOW_PAGE_STEPS = 256,
    FLOW_PAGE_BYTES = 1 << 20,
};

/* Why a script cannot get an outcome. CAUSE_NONE: it can. */
struct flow_fault {
    enum run_cause cause;
    struct why why;
};

/* --- worker_message.c: members of messages (script/protocol.h) -------------------------------- */

/* `before`, then the value as a JSON string; NULL: null. */
void flow__add_text(struct text *text, const char *before, const char *value);
void flow__add_bytes(struct text *text, const char *before, struct bytes value);
/* Adds the members of a script as a worker wants it. false: it is none. */
MUST_CHECK bool flow__add_script(struct bytes source, struct bytes file, struct text *text,
                                 struct why *why);
/* ,"total":…,"limits":{…},"history":[ of a worker's first message. */
void flow__add_limits(const struct flows_limits *limits, int64_t total, struct text *text);

/* ,"o":… of an outcome. */
struct flow_result {
    enum run_state state;
    enum run_cause cause;
    struct bytes result, note;
};
void flow__add_result(const struct flow_result *result, struct text *text);
void flow__add_throw(struct text *text, struct bytes message);
MUST_CHECK struct err flow__add_outcome(struct tx *tx, const struct step_row *row,
                                        struct text *text, struct flow_fault *fault);
MUST_CHECK bool flow__message_is(const json_t *message, const char *type);

/* --- replay.c --------------------------------------------------------------------------------- */

/* A call that was settled after the history of the next worker; they come in their order. */
void flow__add_unloaded(struct flow *flow, struct bytes key, int64_t occurrence, bool nested);
void call__unload(struct call *call); /* It is stored: the result is read again. */
/* The first of `done` is unloaded, and may be the next to be delivered. */
void flow__load_page(struct flow *flow);
void flow__page_free(struct flow_page *page); /* NULL is allowed. */

/* A step of an earlier worker, or of the run that is resumed, by key and occurrence. */
struct prior {
    struct table_node node;
    char name[CALL_NAME];
    struct id run;
    int64_t attempt, done_no, started_ms, steady_ms, epoch;
    int64_t resume_at_ms; /* End of the wait for its provider that a restart cut off; 0: none. */
    enum run_state state;
    bool stop;
    bool parked;      /* A budget admitted it while its run was paused: nobody was asked. */
    struct id turn;   /* Of its agent; "": it was one call. */
    json_t *worktree; /* Owned: as its row has it; NULL: none. */
};
struct prior *prior__new(const struct step_row *row);
void prior__free(struct prior *prior);
int64_t prior__elapsed_ms(const struct flow *flow, const struct prior *prior);
void flow__free_open(struct flow *flow);
void flow__free_priors(struct flow *flow); /* The reusable ones, too. */
void flow__note_prior(struct flow *flow, const struct run_row *row);

#endif
