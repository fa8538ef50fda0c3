/* budget_gate.h: runs at the gate of budgets: admission when an attempt begins, settling when it
 * ends. Only the engine includes it.
 *
 *               judged when a slot is free             its lane opens
 *   SLOT ────────────────┬──> running          BUDGET ───────────────> SLOT, with its reserve
 *                        ├──> BUDGET (a lane)        └──> failed (all is spent by now)
 *                        └──> failed (all is spent)
 *
 * What spends at its start: a job its wall time; an agent and a turn that and one agent, an agent
 * also what its one call does. Workflows and flows spend nothing themselves, the runs below them
 * do. Tokens and cost of turns are asked for by each call (engine/budget/budget.h).
 *
 * Threads    inside a store function.
 */
#ifndef DROVER_ENGINE_RUN_BUDGET_GATE_H
#define DROVER_ENGINE_RUN_BUDGET_GATE_H

#include "engine/run/budget_tree.h"

/* Makes the run's own node below where its row stands, which it becomes the end of.
 * ERR_BUDGET_TOO_DEEP. */
MUST_CHECK struct err runs__budget_own(struct tx *tx, const struct amounts *limits,
                                       struct run_row *row);

/* Before a queued run begins. ADMITTED: the row says what it holds; WAITS: gate and lane say where;
 * SPENT: it is asked to stop for its budget. Nothing is written: see runs__budget_apply. `past`:
 * the unwritable run (runs__try) before it in its lane; 0: none. */
enum budget_verdict runs__budget_judge(struct tx *tx, int64_t past, struct run_row *row);
/* Writes what runs__budget_judge said of a run that is queued in the database; one that was refused
 * ends. Answers whether it may begin. */
bool runs__budget_apply(struct tx *tx, enum budget_verdict verdict, struct run_row *row);

/* The end of an attempt: what it took is charged, what it held is given back: it is in `freed`. */
struct run_took {
    int64_t wall_ms;
    bool began;          /* false: nothing of it ran, and nothing is charged. */
    bool completed;      /* The attempt's usage says something about the next one. */
    struct amounts used; /* Beside these: tokens and cost of an agent's one call. */
};
void runs__budget_settle(struct tx *tx, const struct run_took *took, struct run_row *row,
                         struct run_freed *freed);

/* Tokens and cost of one more attempt: *ret_want as such attempts took them of late; *ret_grant the
 * part of it that budgets admit now, beside all that is held. Nothing is written. */
void runs__budget_more(struct tx *tx, const struct run_row *row, struct amounts *ret_want,
                       struct amounts *ret_grant);

/* A run that leaves its gate for another reason: gives back what it holds, and hands over what it
 * was to go on with. Cheap where there is nothing of this. */
void runs__budget_leave(struct tx *tx, struct run_row *row, struct run_freed *freed);

/* At the gate of SLOT: the first in line goes on in a transaction of its own (`freed`:
 * what runs leave that are refused), */
void runs__park_slot(struct tx *tx, enum run_kind kind, struct run_freed *freed);
/* and so this one does now, or one at the gate of KEY or BUDGET. */
void runs__unpark(struct tx *tx, struct run_row *row, struct run_freed *freed);

#endif
