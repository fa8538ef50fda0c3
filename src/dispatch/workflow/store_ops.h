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
/* A place has its own struct, which begins with this one: what its function reads and fills. */
struct workflow_op {
    struct ask ask; /* The way to the store; idle, too, while another op brings it. */
    struct workflow *workflow;
    struct workflow_op *next;
    struct workflow_op *first;      /* Delayed ops that go before it, in the same transaction, */
    struct workflow_op *next_after; /* linked by this; also in workflow->delayed. */
    struct workflow_op *beginning;  /* For `first`: writes the row that this one ends. */
    struct call *call;              /* NULL: it is the workflow's. */
    struct id run, turn; /* Ids of the call at that time: it may go before the op does. */
    int64_t attempt;     /* The same. */
    store_fn fn;
    void (*done)(struct workflow_op *op);   /* NULL: nobody waits for it. */
    void (*forget)(struct workflow_op *op); /* Frees what the place owns beside these; or NULL. */
    struct step_new *begin;  /* Borrowed from the place: the row of its call; NULL: writes none. */
    struct step_end *end;    /* The same: ends that row. */
    struct text bytes, more; /* Owned: what the place borrows from, or what was read. */
    void *owned;             /* The same; NULL: nothing. */
    size_t rows;             /* Rows that it writes, as far as it is lazy. */
    bool lazy;               /* Nobody waits for it: it is delayed, to go with others. */
    bool reads;              /* A read transaction. */
    bool stores;             /* Stores an outcome: counted in workflow->storing. */
    bool away;               /* Is with the store. */
    bool batched;            /* Waits there for other workflows, to share a commit. */
    bool orphan;             /* The call no longer exists, so its result is ignored. */
    bool late;               /* The function found the call, or the run, over. */
    unsigned pushes;         /* Number of times that it was with the store, with this one. */
};

/* The op that writes the row of a step, and of its turn. */
struct begin_op {
    struct workflow_op op;
    struct step_new begin;
    enum step_begun begun;
    bool budgeted;
    struct sha256_hex reuse; /* Room for begin.reuse_key. */
};

/* `size` of the place's struct, which is zeroed but for its op. */
void *workflow__op(struct workflow *workflow, size_t size, store_fn fn,
                   void (*done)(struct workflow_op *op));
void *call__op(struct call *call, size_t size, store_fn fn, void (*done)(struct workflow_op *op));
void workflow__op_free(struct workflow_op *op);
void workflow__op_send(struct workflow_op *op); /* Now, or, if it is lazy, with the next one. */
void call__orphan_ops(struct call *call);
void workflow__drop_delayed(struct workflow *workflow); /* The ops are still the workflow's. */

void workflow__computing_begin(struct workflow *workflow); /* The script has unprocessed input, */
void workflow__computing_end(struct workflow *workflow);   /* and has not any more. */

#endif
