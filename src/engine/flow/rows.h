/* rows.h: rows of flows, as the files of this folder and the table of kinds share them.
 *
 * Threads    inside a store function. Failure: the transaction keeps it.
 */
#ifndef DROVER_ENGINE_FLOW_ROWS_H
#define DROVER_ENGINE_FLOW_ROWS_H

#include "base/text.h"
#include "engine/approval/approvals.h"
#include "engine/flow/flows.h"
#include "engine/run/kinds.h"

/* In `failed`, in the place of a step: what is left can never start. No step has such an id. */
#define FLOW_UNSATISFIABLE "*"
/* The same: the run has expired. */
#define FLOW_EXPIRED "!"

/* A step as its row has it. */
struct flow_had {
    int64_t version, child; /* child 0: none. */
    struct bytes note;
    struct bytes cached;         /* run_… in which it ran; "": in this one. flows__read alone. */
    struct bytes prompt, result; /* To be written; data NULL: they stay as they are. */
    struct bytes files; /* Files of a question that is to be asked: as of struct flow_about. */
};

/* A flow in the hands of one transaction. Texts live in its arena. */
struct flow_state {
    struct run_row run;
    enum flow_stage stage;
    struct bytes rejected, failed, report;
    struct bytes artifact, artifact_fault;
    json_t *description; /* Owned; NULL: the caller has it. */
    /* Owned; its texts are borrowed from the description. Without that, a copy of the caller's,
     * whose steps are in the arena. */
    struct flow flow;
    struct flow_had *had; /* In the arena, by place. */
    struct flow *after;   /* Borrowed: as of struct flow_place; NULL: nobody has them. */
};
/* Number of the last event of its stream: each change of a step that gives it another version has
 * appended one. */
int64_t flows__head(struct tx *tx, const struct run_row *run);
enum flow_how flows__how(enum flow_stage stage, struct bytes failed);
/* Value of a name in a list that NULL ends; false: it is none of them. */
MUST_CHECK bool flows__name_read(struct bytes name, const char *const *names, unsigned *ret_value);
void flows__done(struct flow_state *state); /* For AUTO. Zeros are allowed. */
/* False: there is no such flow that has not ended; or it is damaged, and the transaction failed. */
MUST_CHECK bool flows__load(struct tx *tx, struct bytes run, struct flow_state *ret_state);
MUST_CHECK bool flows__load_place(struct tx *tx, const struct flow_place *place,
                                  struct flow_state *ret_state);
/* The same of a run that may have ended, by its row. */
MUST_CHECK bool flows__read(struct tx *tx, const struct run_row *run, struct flow_state *ret_state);
/* The run has ended, by its row: open steps are cancelled, and stage is over. The same. */
MUST_CHECK bool flows__close(struct tx *tx, const struct run_row *run,
                             struct flow_state *ret_state);
/* A daemon before this one counted by another clock, perhaps one that was ahead. */
void flows__catch_up(struct tx *tx, const struct run_row *run);
/* The next round, and all that follows from it: rows, questions, events, a note. */
void flows__advance(struct tx *tx, struct flow_state *state);
/* Steps whose time has passed, and below which something moved meanwhile, get new time. */
void flows__revive(struct tx *tx, struct flow_state *state, const struct flow_due *due);
/* Children that no step waits for any more are asked to end. */
void flows__sweep(struct tx *tx, const struct flow_state *state, const struct run_bounds *bounds);
/* approved.c. JSON of what the question of this step is about. */
struct bytes flows__about(struct tx *tx, const struct flow_state *state, size_t at);
/* Whether approvers have said yes to this step with other files than these: an array as of struct
 * flow_child. */
MUST_CHECK bool flows__approved_differs(struct tx *tx, const struct flow_state *state, size_t at,
                                        struct bytes files);
/* Whether there are any: an end of a child, and a person, change steps without a sweep. */
MUST_CHECK bool flows__has_orphans(struct tx *tx, int64_t run);
/* Status for clients: a step is blocked while a person, or a place in its batch, is missing. */
#define FLOW_BLOCKED "blocked"
static inline struct bytes flows__status_shown(const struct flow_step *step) {
    const bool blocked = step->phase == FLOW_AT_PERSON ||
                         (step->status == FLOW_PENDING && step->phase == FLOW_AT_READY);
    return bytes_of(blocked ? FLOW_BLOCKED : flow_status_names[step->status]);
}
/* Note of a step for clients; of one that is blocked, the limit that it waits for. */
enum { FLOW_LACK_SIZE = 120 };
struct bytes flows__shown_note(const struct flow_state *state, size_t at,
                               char buffer[FLOW_LACK_SIZE]);
extern const char *const flow_stage_names[]; /* By value; NULL ends them. */

/* rerun.c: PATH of the client that started the run, by its spec; "": it has none. In the arena. */
struct bytes flows__path(struct tx *tx, struct bytes spec);
/* The same: steps of a new run that have results of an ended one. */
struct flow_reused {
    int64_t run;  /* Id of that one; 0: there is none, and the rest is not set. */
    size_t *from; /* In the arena, by place: the step there; FLOW_NONE: it runs. */
    struct bytes
        *cached; /* In the arena, by place of a step that is reused: where it ran, run_…. */
};
static inline bool flows__is_reused(const struct flow_reused *reused, size_t at) {
    return reused->run != 0 && reused->from[at] != FLOW_NONE;
}
/* Steps of `flow` have completed afterwards. ERR_NOT_FOUND, ERR_CONFLICT, ERR_RUN_ALIVE: there is
 * no such ended flow; ERR_BAD_FIELD: a step that is named cannot run again. */
MUST_CHECK struct err flows__reuse(struct tx *tx, const struct flow_new *what, struct flow *flow,
                                   struct flow_reused *ret_reused, struct why *why);
/* As of tx_flow_plan. */
void flows__plan_write(const struct flow *flow, const struct flow_reused *reused,
                       struct text *text);
/* The row of a step that was taken over. */
void flows__reused_insert(struct tx *tx, int64_t run, const struct flow *flow, size_t at,
                          const struct flow_reused *reused);

/* A member "artifact": {"path", "error"}, or null: the file that holds the report. */
void flows__artifact_write(const struct flow_state *state, struct text *text);

/* Operations of the kind (engine/run/kinds.h). */
MUST_CHECK struct err flows__ended(struct tx *tx, const struct run_row *run,
                                   struct run_freed *freed);
MUST_CHECK struct err flows__closed(struct tx *tx, const struct run_row *run);
MUST_CHECK struct err flows__child_ended(struct tx *tx, const struct run_row *child,
                                         struct bytes output);
MUST_CHECK struct err flows__said(struct tx *tx, const struct run_row *run, struct bytes *ret_text);
MUST_CHECK struct err flows__answered(struct tx *tx, const struct approval_row *row);
MUST_CHECK struct err flows__child_asks(struct tx *tx, const struct approval_row *row);
/* A page of the turns of a flow that is removed, but for those below which something lives; how
 * many. */
size_t flows__talks(struct tx *tx, int64_t flow, struct run_talk ret_talks[RUN_TALKS_PAGE]);
/* Session of a turn that a flow has begun; 0: it is no such turn. */
int64_t flows__talk_session(struct tx *tx, int64_t turn);
/* Rows of a run that is removed. */
void flows__forget(struct tx *tx, int64_t run);

#endif
