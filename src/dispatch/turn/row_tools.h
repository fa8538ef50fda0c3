/* row_tools.h: tools that are one transaction: for row_tools.c, and for the one that workflows
 * perform.
 *
 * Each is a function of the store, in the transaction that ends its card, so that a crash leaves
 * both or neither. It may run again: the result was cleared before, and what is new in the world
 * (ids) was chosen before.
 *
 * Threads    the store's writer; the call is only read.
 * Failure    what the model did wrong is a result (failure_result_write); an error is the store's,
 *            and the transaction is tried again. A result that is longer than TOOL_CONTENT_MAX
 *            is no such error: each function cuts what may be long; what it did not is too_large.
 */
#ifndef DROVER_DISPATCH_TURN_ROW_TOOLS_H
#define DROVER_DISPATCH_TURN_ROW_TOOLS_H

#include "base/base.h"
#include "base/err.h"
#include "base/id.h"
#include "base/text.h"
#include "engine/turn/subagents.h"
#include "tool/requests.h"

struct talk_work;
struct rows_call;
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
    struct text settings;           /* Owned: of a subagent: what its parent has, narrowed. */
    bool settings_wrong;            /* It names a tool that its parent has not. */
    struct workflow_launch *launch; /* Owned: of a workflow; NULL: it is none. */
};
struct rows_call {
    const struct tool_call *call;
    const struct turn_seat *seat;
    const struct rows_fresh *fresh;
    const struct run_bounds *bounds;
    struct tool_result *result;
    int64_t *ret_child; /* run_row.id of what it began, and that has a row of its own; 0: none. */
};

/* row_tools.c: the transaction. */
void rows__send(struct talk_work *work);

#endif
