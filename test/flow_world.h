/* flow_world.h: random flows, and a plain model of what each of their steps comes to.
 *
 *   seed ──invent──> plans of steps ──write──> the description that a worker would make of a file
 *                        └──judge──> a final status for each step, whatever the order of answers
 *
 * Promise    knows nothing of how rules/flow decides: a step's end follows from its plan and from
 *            the ends of those before it. A seed gives the same world in every process.
 * Time       plans with times pass or fail by the clock: who plays them says in `fault` which.
 */
#ifndef DROVER_TEST_FLOW_WORLD_H
#define DROVER_TEST_FLOW_WORLD_H

#include "base/text.h"
#include "rules/flow/flow.h"

enum { WORLD_STEPS = 24, WORLD_BATCHES = 3, WORLD_CALLS = 3 };

/* Why a step that begins does not complete. */
enum world_fault {
    WORLD_FINE,
    WORLD_THROWS, /* The function `run`, or a condition of the cases. */
    WORLD_CHILD,  /* The child, at each try. */
    WORLD_LOOP,   /* `until` is false in every round. */
    WORLD_PERSON, /* Says no, or nothing. */
    WORLD_TIME,
};
struct world_plan {
    enum flow_kind kind;
    enum flow_trigger trigger;
    bool deps[WORLD_STEPS], batch_deps[WORLD_BATCHES];
    size_t batch;            /* WORLD_BATCHES: none. */
    size_t switched, branch; /* WORLD_STEPS: none. */
    size_t cases, chosen;    /* Branch `cases` is the default, or none. */
    bool has_default, has_when, unwanted_first, unwanted, has_run;
    enum world_fault fault;
    int64_t retries, failures; /* failures: of children before one succeeds; at most `retries`. */
    int64_t loop_max, good;    /* loop_max 0: no loop. good: number of its last round. */
    size_t rewind_to;          /* APPROVAL; WORLD_STEPS: none. */
    int64_t denials;           /* Before somebody says yes. */
    size_t calls;              /* CODE: agents that it asks for. */
    bool asks_form, refuses;   /* APPROVAL. refuses: silence is a rejection. */
    int64_t timeout_ms;        /* 0: none of its own. */
    bool overtaken;            /* The time of its batch was over before its own end. */
    bool kept;                 /* Completed in an earlier run, whatever its dependencies do now. */
};
/* The name that `output` returns for the file of the report. */
enum world_output {
    WORLD_NO_OUTPUT,   /* No such function, */
    WORLD_OUTPUT_NULL, /* or one that wants no file. */
    WORLD_OUTPUT_NAMES,
    WORLD_OUTPUT_OUTSIDE, /* Out of the root. */
    WORLD_OUTPUT_THROWS,
};
struct flow_world {
    uint64_t seed, dice;
    struct world_plan plans[WORLD_STEPS];
    size_t count;
    enum flow_failing failing;
    enum flow_trigger join;
    int64_t batch_at_once, batch_timeout_ms; /* batch_timeout_ms 0: none. */
    bool renders, render_throws;
    enum world_output output;
    /* By the model: */
    enum flow_status finals[WORLD_STEPS];
    bool by_when[WORLD_STEPS]; /* Skipped by its own `when`. */
};

enum {
    WORLD_TIMES = 1 << 0, /* Steps and batches have times. */
    WORLD_NESTS = 1 << 1, /* Steps that begin the flow, or the workflow, of these names. */
    WORLD_FILES = 1 << 2, /* Some reports become files. */
};
#define WORLD_NESTED "fold"
#define WORLD_WORKFLOW "child-1"
void world_invent(struct flow_world *world, uint64_t seed, size_t steps_max, unsigned with);
uint64_t world_dice(struct flow_world *world, uint64_t sides);
void world_write(const struct flow_world *world, struct text *text);
/* Fills `finals` and `by_when`; whether the run fails by a step. */
bool world_judge(struct flow_world *world);
/* Whether everybody behind the step can do without it. */
bool world_tolerates(const struct flow_world *world, size_t at);

/* A child that is a run of its own file. */
static inline bool world_has_file(const struct world_plan *plan) {
    return plan->kind == FLOW_KIND_FLOW || plan->kind == FLOW_KIND_WORKFLOW;
}

static inline bool world_has_child(const struct world_plan *plan) {
    return plan->kind == FLOW_KIND_AGENT || plan->kind == FLOW_KIND_COMMAND || world_has_file(plan);
}

#endif
