/* store_ops.h: transactions of a workflow with the store; for the files of this folder alone.
 *
 *   NEW ──send──> with the store ──answer──> `done`
 *     └─ lazy: DELAYED ─^  ^────retry────┘
 *
 * Promise    `done` comes once, after a function of the store that went well, and the op is freed
 *            after it: workflow->ops and workflow->storing do not have it any more. An error is
 *            retried, for as long as one may go better; after that the run ends. What an agent
 *            answered is dropped for no error.
 * Order      ops of a workflow are performed in the order in which they are sent.
 * Ownership  an op is its workflow's. Its call may go first: the op is an orphan then, and its
 *            result is ignored.
 */
#ifndef DROVER_DISPATCH_WORKFLOW_STORE_OPS_H
#define DROVER_DISPATCH_WORKFLOW_STORE_OPS_H

#include "base/hash.h"
#include "base/text.h"
#include "dispatch/base/ask.h"
#include "engine/workflow/steps.h"
#include "engine/workflow/timers.h"
#include "engine/workflow/workflows.h"
#include "loop/loop.h"
#include "store/store.h"

enum {
    WORKFLOW_DELAY_MS = 5,     /* Maximum delay of a lazy op before it is flushed alone. */
    WORKFLOW_DELAY_MAX = 16,   /* Lazy ops that are flushed together, */
    WORKFLOW_DELAY_ROWS = 400, /* and their rows, as one function of the store has its limit. */
};

struct call;
struct workflow;
struct workflow_op {
    struct workflow *workflow;
    struct workflow_op *next;
    struct workflow_op *first;      /* Delayed ops that go before it, in the same transaction, */
    struct workflow_op *next_after; /* linked by this; also in workflow->delayed. */
    struct workflow_op *beginning;  /* For `first`: writes the row that this one ends. */
    struct call *call;              /* NULL: it is the workflow's. */
    struct id run, turn; /* Ids of the call at that time: it may go before the op does. */
    int64_t attempt;     /* The same. */
    store_fn fn;
    void (*done)(struct workflow_op *op); /* NULL: nobody waits for it. */
    struct timer timer;                   /* Before the next try. */
    struct retry retry;
    bool lazy;       /* Nobody waits for it: it is delayed, to go with others. */
    bool reads;      /* A read transaction. */
    bool begins;     /* Writes the row of its call. */
    bool ends;       /* Ends that row. */
    bool stores;     /* Stores an outcome: counted in workflow->storing. */
    bool away;       /* Is with the store. */
    bool batched;    /* Waits there for other workflows, to share a commit. */
    unsigned pushes; /* Number of times that it was with the store, with this one. */
    bool orphan;     /* The call no longer exists, so its result is ignored. */
    /* All that the functions read and fill; each of them has its own. */
    bool late, budgeted;
    struct step_again asks_again;
    int64_t after;              /* done_no before the first of `page`. */
    struct workflow_page *page; /* Owned; NULL: none. */
    struct talk_new *talk;      /* Owned; NULL: of `begin`, which has none. */
    struct step_talked talked;
    struct usage used; /* By a step that has ended. */
    enum step_begun begun;
    struct step_new begin;
    struct step_end end;
    struct step_cached cached;
    struct run_new new_job;
    struct step_job job;
    struct workflow_ref ref;
    struct timer_new timer_new;
    struct timer_made timer_made;
    struct timer_end timer_end;
    enum timer_ended timer_ended;
    struct script_search *search; /* Owned: `ref` borrows from it. */
    struct provider_wait wait;
    struct step_spent spent; /* When it began. */
    struct workflow_end whole;
    struct step_took *took;      /* Owned: of `whole`. */
    struct workflow_line *lines; /* Owned. */
    size_t line_count;
    struct steps_queued queued; /* The steps are owned, and borrow from `bytes`. */
    struct text spec;           /* Owned: of the row that it writes. */
    struct sha256_hex reuse;    /* Room for step_new.reuse_key of that row. */
    struct text bytes;          /* Owned: what the others borrow from, or what was read. */
    struct text note;           /* Owned: of the turn that it read. */
    bool owes_object;           /* The agent of that turn does. */
};

struct workflow_op *workflow__op(struct workflow *workflow, store_fn fn,
                                 void (*done)(struct workflow_op *op));
struct workflow_op *call__op(struct call *call, store_fn fn, void (*done)(struct workflow_op *op));
void workflow__op_free(struct workflow_op *op);
void workflow__op_send(struct workflow_op *op); /* Now, or, if it is lazy, with the next one. */
void call__orphan_ops(struct call *call);
void workflow__drop_delayed(struct workflow *workflow); /* The ops are still the workflow's. */

void workflow__computing_begin(struct workflow *workflow); /* The script has unprocessed input, */
void workflow__computing_end(struct workflow *workflow);   /* and has not any more. */

#endif
