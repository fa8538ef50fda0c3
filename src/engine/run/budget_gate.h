/* budget_gate.h: admission of runs by the budgets above them, and the lanes of those that wait. For
 * the engine alone.
 *
 * Waiting    a run that waits for a limit stands in its lane, by priority and age. The commit that
 *            gives back or raises a limit lets in the runs that fit; the more it may take on the
 *            rest, by waking the next one, so it goes on after a crash, too.
 * Threads    inside a store function. Texts live in the transaction's arena.
 * Failure    the transaction keeps an error (tx_error), and outputs count for nothing then.
 */
#ifndef DROVER_ENGINE_RUN_BUDGET_GATE_H
#define DROVER_ENGINE_RUN_BUDGET_GATE_H

#include "engine/run/budget_tree.h"

/* --- Lanes ------------------------------------------------------------------------------------ */

enum { BUDGET_LANES = 8 }; /* A node has a lane for each amount, and room. */
static_assert((int)AMOUNT_COUNT <= (int)BUDGET_LANES, "a lane for each amount");
static inline int64_t budget__lane(int64_t budget, enum amount amount) {
    return budget * BUDGET_LANES + (int64_t)amount;
}

enum { BUDGET_ADMIT_MAX = 16 }; /* Runs that one commit lets in, or refuses, besides its own. */
struct budget__opening {
    int64_t left;            /* BUDGET_ADMIT_MAX at first. */
    size_t bytes;            /* Length of the specs that were read. */
    unsigned kinds;          /* Kinds of runs that wait for a slot now: 1 << enum run_kind. */
    struct run_freed *freed; /* Borrowed: what runs leave that are refused. */
};
/* Lets in the runs that fit, from the front, refuses those that never will, and leaves the rest of
 * a long lane to another transaction. */
void budget__open_lane(struct tx *tx, int64_t lane, struct budget__opening *opening);
/* Some of each limit of these nodes, or of one, may be free: to be handed on. */
void budget__free(struct tx *tx, const struct budget__places *places, struct run_freed *freed);
void budget__free_lane(struct tx *tx, int64_t lane, struct run_freed *freed);
/* The first run in the lane, or this one, goes on in a transaction of its own. `freed`: what runs
 * leave that are refused. */
void budget__park(struct tx *tx, int64_t lane, struct run_freed *freed);
/* The same of a line of any kind: its SQL takes the line and a run that is passed over. */
void budget__park_line(struct tx *tx, const char *sql, struct arg line, struct run_freed *freed);
MUST_CHECK struct err budget__park_run(struct tx *tx, struct run_row *row);

/* --- The gate --------------------------------------------------------------------------------- */

/* Admission when an attempt begins, settling when it ends.
 *
 *               judged when a slot is free             its lane opens
 *   SLOT ────────────────┬──> running          BUDGET ───────────────> SLOT, with its reserve
 *                        ├──> BUDGET (a lane)        └──> failed (all is spent by now)
 *                        └──> failed (all is spent)
 *
 * What spends at its start: a job its wall time; an agent and a turn that and one agent, an agent
 * also what its one call does. Workflows and flows spend nothing themselves, the runs below them
 * do. Tokens and cost of turns are asked for by each call (engine/budget/budget.h).
 */

/* Makes the run's own node below where its row stands, which it becomes the end of.
 * ERR_BUDGET_TOO_DEEP. */
MUST_CHECK struct err runs__budget_own(struct tx *tx, const struct amounts *limits,
                                       struct run_row *row);

/* Before a queued run begins. ADMITTED: the row says what it holds; WAITS: gate and lane say where;
 * SPENT: it is asked to stop for its budget. Nothing is written: see runs__budget_apply. `past`:
 * the unwritable run (runs__try) before it in its lane; 0: none. */
enum budget_verdict runs__budget_judge(struct tx *tx, int64_t past, struct run_row *row);
/* Writes what runs__budget_judge said of a run that is queued in the database; one that was refused
 * ends. Answers whether the run begins. */
bool runs__budget_apply(struct tx *tx, enum budget_verdict verdict, struct run_row *row);

/* The end of an attempt: what it took is charged, what it held is given back: it is in `freed`. */
struct run_took {
    int64_t wall_ms;
    bool began;          /* false: nothing of it ran, and nothing is charged. */
    bool refused;        /* A turn that a budget refused before its first step: it is no agent. */
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

/* The row as clients see it: of a run that has begun and waits for a budget the gate and the reason
 * as of now; of each that waits for the next day the end of this one. An agent waits where its turn
 * does. */
void runs__budget_mark(struct tx *tx, struct run_row *io_row);

/* A run at the gate of SLOT, KEY or BUDGET that goes on in a transaction of its own. */
void runs__unpark(struct tx *tx, struct run_row *row, struct run_freed *freed);

#endif
