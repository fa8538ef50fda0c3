/* tree.h: the spans of a run and of all runs below it, as one list.
 *
 * Promise    a row for each run, followed by its spans; runs come in the order in which they began,
 *            so a parent comes before its children. The turn of a workflow's agent is no row: its
 *            spans are those of the agent. An agent that is one call of a model has a span that is
 *            read from its run's row, where its usage, prompt and answer are. A timer of a
 *            workflow's script is a span of that workflow.
 * Bounds     a page looks at TRACE_RUNS_MAX runs at most, also where few of them are below the run.
 * Ownership  texts of a row are borrowed until the next one.
 * Threads    inside a store function. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_TRACE_TREE_H
#define DROVER_ENGINE_TRACE_TREE_H

#include "engine/trace/spans.h"

enum { TRACE_RUNS_MAX = 500 };

/* Rows after (id, attempt, step) in the order of the list; 0, 0, -1: from the first. The row of a
 * run itself is (id, 0, 0). */
struct trace_page {
    const struct run_row *top; /* Borrowed: the run that was asked for. */
    int64_t id, attempt, step;
    int64_t limit;
    int64_t changed_since; /* As of struct span_page, of runs and of spans. */
};
/* *ret_id: run after which the next page begins, where this one ended before its limit; 0: the list
 * has ended, or the limit was reached. */
MUST_CHECK struct err tx_trace_each(struct tx *tx, const struct trace_page *page,
                                    struct err (*each)(void *ctx, const struct span_row *row),
                                    void *ctx, int64_t *ret_id);

/* The span of an agent that is one call of a model; none, if it is none, or has not begun. */
MUST_CHECK struct err tx_span_of_agent(struct tx *tx, const struct span_page *page,
                                       struct err (*each)(void *ctx, const struct span_row *row),
                                       void *ctx);

/* The timers that the script of a workflow made, each as a span: attempt 1, its number as the step,
 * the kind `timer`. */
MUST_CHECK struct err tx_span_of_timers(struct tx *tx, const struct span_page *page,
                                        struct err (*each)(void *ctx, const struct span_row *row),
                                        void *ctx);

/* Texts of a span, whole where drover keeps them whole: the prompt and the answer of an agent that
 * is one call, the arguments and the result of a tool, the answer of a model; else the text of the
 * span. */
enum span_side { SPAN_INPUT, SPAN_OUTPUT };
MUST_CHECK struct err tx_span_text(struct tx *tx, const struct span_key *key, enum span_side side,
                                   bool *ret_found, struct bytes *ret_text);

#endif
