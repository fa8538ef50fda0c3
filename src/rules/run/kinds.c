/* kinds.c: in what the kinds of runs differ, as far as that is constant. A new kind is a row here;
 * what it does in transactions stands in engine/system/run_kinds.c, who performs it in main/work.c.
 */
#include "rules/budget/budget.h"
#include "rules/run/run.h"

const char *const run_kind_names[RUN_KIND_COUNT + 1] = {"job",      "turn", "agent",
                                                        "workflow", "flow", "title"};

const struct run_kind_rules run_kind_rules[RUN_KIND_COUNT] = {
    [KIND_JOB] = {.slots = RUN_SLOTS_JOBS,
                  .first = {.of = {[AMOUNT_WALL] = BUDGET_FIRST_WALL_MS}},
                  .traits = RUN_HAS_PROCESS},
    [KIND_TURN] = {.first = {.of = {[AMOUNT_AGENTS] = 1, [AMOUNT_WALL] = BUDGET_FIRST_WALL_MS}},
                   .traits = RUN_IN_SESSION | RUN_RESERVES_CALLS | RUN_ASKS},
    [KIND_AGENT] = {.first = {.of = {[AMOUNT_OUTPUT_TOKENS] = 1000,
                                     [AMOUNT_TOKENS] = 8000,
                                     [AMOUNT_COST] = 10000,
                                     [AMOUNT_AGENTS] = 1,
                                     [AMOUNT_WALL] = BUDGET_FIRST_WALL_MS}},
                    .traits = RUN_IS_STEP},
    [KIND_WORKFLOW] = {.slots = RUN_SLOTS_WORKFLOWS, .traits = RUN_HAS_STEPS},
    [KIND_FLOW] = {.slots = RUN_SLOTS_WORKFLOWS,
                   .traits = RUN_TELLS_END | RUN_NESTS | RUN_HAS_GRAPH},
    /* A title is one short call, always alike; engine/turn/titles.c charges what it took. */
    [KIND_TITLE] =
        {.first =
             {.of = {[AMOUNT_OUTPUT_TOKENS] = 100, [AMOUNT_TOKENS] = 1500, [AMOUNT_COST] = 1000}},
         .traits = RUN_IS_ALIKE | RUN_IS_SILENT},
};

bool run_kind_is(enum run_kind kind, unsigned traits) {
    assert(kind < RUN_KIND_COUNT);
    return (run_kind_rules[kind].traits & traits) != 0;
}

const char *run_kind_name(enum run_kind kind) {
    assert(kind < RUN_KIND_COUNT);
    return run_kind_names[kind];
}

bool run_kind_find(struct bytes name, enum run_kind *ret_kind) {
    return bytes_find(name, run_kind_names, ret_kind);
}
