/* evaluator.h: the worker that evaluates the functions of a flow's file, seen from the loop.
 *
 *   evaluator_open ──> (the file is described) ──> evaluations ──> evaluator_close
 *                └──────────── it cannot be read ──> `ended`
 *
 * The protocol is that of script/protocol.h. A short frame is parsed on the loop, a long one in the
 * pool, while the worker waits.
 *
 * Promise    each evaluation gets one answer, or `ended` is the answer to all of them. Nothing is
 *            called inside a call of these functions, and nothing after `ended` or evaluator_close.
 * Ownership  the evaluator is the caller's until evaluator_close, also after `ended`. Values are
 *            borrowed for the call.
 * Threads    the loop.
 */
#ifndef DROVER_DISPATCH_FLOW_EVALUATOR_H
#define DROVER_DISPATCH_FLOW_EVALUATOR_H

#include "base/json/json.h"
#include "dispatch/base/pool.h"
#include "loop/loop.h"
#include "script/script.h"

enum evaluator_end {
    EVALUATOR_REFUSED, /* The file: it would fail again. */
    EVALUATOR_STUCK,   /* A function computed for too long, or needed too much memory. */
    EVALUATOR_CRASHED, /* Another worker may get further. */
};
/* Returned by a function. A long one was written in the pool. */
struct evaluator_value {
    const json_t *json;
    struct text *text; /* A text as it is, else JSON; failed: longer than may be. May be taken. */
    bool read_results;
};
struct evaluator_watch {
    void (*described)(void *ctx, json_t *flow); /* NULL: the caller knows it. */
    void (*value)(void *ctx, int64_t id, const struct evaluator_value *value);
    void (*threw)(void *ctx, int64_t id, struct bytes sentence);
    /* A code step asks for an agent: evaluator_answer. */
    void (*asks)(void *ctx, int64_t id, int64_t call, struct bytes agent, struct bytes task);
    void (*ended)(void *ctx, enum evaluator_end end, struct bytes sentence);
};
struct evaluator_options {
    struct loop *loop;
    struct scripts *scripts;
    struct pool *pool;
    struct script_bounds bounds;
    uint64_t memory_mb;
    struct bytes script, file; /* script: as the reader prepared it. */
    struct bytes input;        /* JSON; "": none. */
    struct bytes model;        /* "": the default. */
    const struct evaluator_watch *watch;
    void *ctx;
};
struct evaluator;
struct evaluator *evaluator_open(const struct evaluator_options *options);
void evaluator_close(struct evaluator *evaluator); /* NULL is allowed. */

/* Results that evaluations read from here on, as they are sent: they may be megabytes, so a thread
 * of the store writes them. `has` false: a step has none. */
void evaluator_results_add(struct text *results, struct bytes step, struct bytes result, bool has);
void evaluator_results_end(struct text *results, struct bytes rejected);
void evaluator_know(struct evaluator *evaluator, struct text *results); /* Takes it over. */
/* Whether all that it was sent is done, but for agents that it asked for. */
MUST_CHECK bool evaluator_is_quiet(const struct evaluator *evaluator);
struct evaluation {
    int64_t id;       /* The caller's. */
    const char *what; /* "when", "case", "run", "until", "render", "output". */
    struct bytes step;
    int64_t number; /* "case": of the case. */
};
void evaluator_ask(struct evaluator *evaluator, const struct evaluation *what);
enum evaluator_outcome { EVALUATOR_SAID, EVALUATOR_FAILED };
void evaluator_answer(struct evaluator *evaluator, int64_t id, int64_t call,
                      enum evaluator_outcome outcome, struct bytes text);
void evaluator_drop(struct evaluator *evaluator, int64_t id);

#endif
