/* work.h: a call of a tool that a talk performs. For the files of this folder, and for the tool
 * that dispatch/workflow performs.
 *
 *   planned ──> in the pool | on the loop | in the store ──> its errand ──> gone
 */
#ifndef DROVER_DISPATCH_TURN_WORK_H
#define DROVER_DISPATCH_TURN_WORK_H

#include <stdatomic.h>

#include "dispatch/board/must.h"
#include "dispatch/provider/side_call.h"
#include "dispatch/turn/talk.h"
#include "engine/turn/subagents.h"
#include "tool/requests.h"
#include "tool/web/web.h"

enum { WORK_TEXTS = 12 };

struct rows_fresh;
struct talk_work {
    struct talk_work *next;
    struct talk *talk;
    struct pool_job job;
    void (*run)(struct talk_work *work), (*back)(struct talk_work *work); /* For `job`. */
    struct turn_card card; /* Texts are `owned`, each terminated; */
    const char *root, *ports, *settings, *project, *roots, *path, *config_dir; /* as are these. */
    char *owned[WORK_TEXTS];                                                   /* Owned. */
    size_t owned_count;
    atomic_bool cancelled;
    bool away; /* In the pool. */
    struct web_fetch *fetch;
    struct talk_review *review; /* Owned; NULL: none. */
    struct err err;
    struct tool_call call;
    struct tool_result result;
    bool wrote; /* Files of the project. */
    enum work_points { WORK_NO_POINTS, WORK_POINT_BEFORE, WORK_POINT_AFTER } points;
    struct point_wait point;  /* Before it. */
    struct text spec;         /* Owned: of a child that begins. */
    struct rows_fresh *fresh; /* Owned: TOOL_ROWS. */
};

/* A model judges a call before it begins (review.c). */
struct talk_review {
    struct talk_work *work; /* Borrowed: it owns us. */
    struct turn_key key;
    char *model; /* Owned. */
    struct ask ask;
    struct side_call call;
    struct text request, transcript, reason;
    struct turn_review_end end;
};

/* tools.c */
void talk__work(struct talk *talk, const struct turn_plan *plan);
void talk__cancel_works(struct talk *talk);

/* work.c */
MUST_CHECK bool work__is_away(const struct talk_work *work);
void work__free(struct talk_work *work);
/* True: its talk is over, and it is freed, with its talk where nothing else of that is away. */
MUST_CHECK bool work__is_over(struct talk_work *work);
void work__settle(struct talk_work *work); /* Stores its result, or is freed with its talk. */
/* A point around the call. True: of the one before it, work->point is waited for. */
bool work__point(struct talk_work *work, enum point_phase phase);
struct talk_errand *work__errand(struct talk_work *work, enum errand_kind kind);
/* As talk__pool. */
void work__pool(struct talk_work *work, void (*run)(struct talk_work *),
                void (*back)(struct talk_work *));
/* `job` came back. False: nobody waits for it any more, and it is gone. */
MUST_CHECK bool work__is_back(struct talk_work *work);

/* Where it acts. */
struct toolplace;
void work__open_place(const struct talk_work *work, struct toolplace *place);

/* review.c */
void review__begin(struct talk_work *work);
void review__cancel(struct talk_review *review); /* NULL is allowed. */

/* subagent_program.c. Whether the call is spawn_subagent and names a program. */
MUST_CHECK bool subagent__is_program(const struct tool_call *call);
/* In the pool: refuses the look where there is no such program; */
void subagent__look(const struct talk *talk, const struct tool_call *call, struct tool_look *look);
/* and fills what rows_fresh says of the program, or the result. */
void subagent__find(struct talk_work *work);

/* task_tools.c. In the pool: into fresh->content what the file of an output holds; else the result
 * says why not. */
struct rows_call;
void task__read_file(struct talk_work *work);
MUST_CHECK struct err rows__task(struct tx *tx, const struct rows_call *call);

/* --- Calls that are one transaction (row_tools.c) --------------------------------------------- */

/* Each is a function of the store, in the transaction that ends its card, so that a crash leaves
 * both or neither. It may run again: the result was cleared before, and what is new in the world
 * (ids) was chosen before.
 *
 * Threads    the store's writer; the call is only read.
 * Failure    what the model did wrong is a result (failure_result_write); an error is the store's,
 *            and the transaction is tried again. A result that is longer than TOOL_CONTENT_MAX
 *            is no such error: each function cuts what may be long; the rest is too_large. */
typedef struct err (*rows_fn)(struct tx *tx, const struct rows_call *call);

/* The tool that workflows perform: they stand above turns, so turns are given it when they open.
 * Promise    `begin` sets *ret_launch at once and prepares what is asked; then it calls rows__send,
 *            or ends the call itself (work__settle). `commit` is the call's transaction. */
struct workflow_launch;
struct workflow_tool {
    void (*begin)(struct talk_work *work, struct workflow_launch **ret_launch);
    rows_fn commit;
    void (*free)(struct workflow_launch *launch); /* NULL is allowed. */
};

struct rows_fresh {
    struct id session, run, message, answer, memory;
    struct id record;               /* Name for a task, an output or a comment. */
    struct text content;            /* Owned: of an output, from its file. */
    struct task_checking checking;  /* The check of its must-haves. */
    struct must_wait wait;          /* For the end of that check. */
    struct talk_work *work;         /* Borrowed: of `wait`. */
    struct text settings;           /* Owned: of a subagent: what its parent has, narrowed. */
    struct text program, model;     /* Owned: of a subagent that is a program; "": a model. */
    bool settings_wrong;            /* A tool is named that its parent has not. */
    struct workflow_launch *launch; /* Owned: of a workflow; NULL: it is none. */
};
struct rows_call {
    const struct tool_call *call;
    const struct turn_seat *seat;
    const struct rows_fresh *fresh;
    const struct run_bounds *bounds;
    const char *run; /* run_… of the turn. */
    struct tool_result *result;
    struct task_checking *checking; /* Gets the check that the call waits for. */
    int64_t *ret_child; /* run_row.id of what it began, and that has a row of its own; 0: none. */
};

void rows__send(struct talk_work *work);
void rows__begin(struct talk_work *work);

#endif
