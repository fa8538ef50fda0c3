/* rules/workflow/waiting.h: the wait of an agent of a workflow, by facts about its row. Pure.
 *
 * Promise    one answer for lists, snapshots and terminals. The first fact in the order of enum
 *            step_wait counts: an agent that asks a person is not said to wait for a slot.
 */
#ifndef DROVER_RULES_WORKFLOW_WAITING_H
#define DROVER_RULES_WORKFLOW_WAITING_H

#include "base/base.h"
#include "base/text.h"
#include "rules/run/run.h"

/* Name as clients see it, in the order in which the facts count. */
#define STEP_WAITS(X)                                                                              \
    X(NONE, "")                                                                                    \
    X(HOLD, "hold")                                                                                \
    X(APPROVAL, "approval")                                                                        \
    X(PROVIDER, "provider")                                                                        \
    X(MIDNIGHT, "midnight") /* A budget of a day that is used up. */                               \
    X(BUDGET, "budget")                                                                            \
    X(HOST, "host")                                                                                \
    X(PAUSED, "paused")                                                                            \
    X(SLOT, "slot")

enum step_wait {
#define X(wait, name) STEP_WAIT_##wait,
    STEP_WAITS(X)
#undef X
        STEP_WAIT_COUNT
};

struct step_facts {
    const struct run_row *row;   /* As shown: run_shown, tx_run_waits_mark. */
    struct bytes approval, tool; /* Open question of its turn; "": none. */
    int64_t asked_ms;            /* When it was asked. */
    int64_t parked_ms;           /* Begin of the park until its provider's time; 0: none. */
    struct bytes limit; /* Limit that the dispatcher knows of: "run", "connection"; "": none. */
    struct bytes name;  /* Name of that limit; "": it has none. */
};
enum step_wait step_wait_of(const struct step_facts *facts);
/* Adds the member "waiting": an object, or null. */
void step_wait_add(struct text *text, const struct step_facts *facts);

#endif
