/* budget_tree.h: the budgets that a run stands under, and the runs that wait for them. Only the
 * engine includes it.
 *
 * The tree   global > project > session > run > run …: a node is named by its scope
 *            ("global", "project:web", "session:ses_…", "run:run_…"). A subagent's session stands
 *            below that of its parent. Where a run stands is its row's `budget`, a path: the scopes
 *            below global, each closed by '/', at most BUDGET_PATH_PARTS of them.
 *            A node need not exist: only those that do count, and only their limits hold back. A
 *            node is of its owner; global is of nobody and above all.
 * Promise    what is reserved is never stored as a sum: it is the sum over rows of runs that have
 *            not ended. So it cannot leak, whenever the daemon is killed. An attempt that was
 *            admitted is charged to the nodes that exist when it ends; one that began before there
 *            was any node above it is charged to none.
 * Waiting    a run that waits for a limit stands in its lane, by priority and age. The commit that
 *            gives back or raises a limit lets in the runs that fit; the more it may take on the
 *            rest, by waking the next one, so it goes on after a crash, too.
 * Threads    inside a store function. Texts live in the transaction's arena.
 * Failure    the transaction keeps an error (tx_error), and outputs count for nothing then.
 */
#ifndef DROVER_ENGINE_RUN_BUDGET_TREE_H
#define DROVER_ENGINE_RUN_BUDGET_TREE_H

#include "engine/run/rows.h"
#include "rules/budget/budget.h"

enum {
    BUDGET_PATH_PARTS = BUDGET_NODES_MAX - 1,
    BUDGET_PATH_MAX = 1024, /* Bytes: BUDGET_PATH_PARTS scopes, and more. */
    BUDGET_WHAT_MAX = 100,  /* Bytes of what kind of thing is spent on. */
    BUDGET_MEANS_MAX = 200, /* Kinds that one node remembers. */
};

/* --- Nodes ------------------------------------------------------------------------------------ */

struct budget_row {
    int64_t id; /* Inside the database. */
    struct bytes owner, scope, path;
    int64_t run; /* id of the run that it is the budget of; 0: it is not one run's. */
    int64_t made_ms;
    struct amounts limits; /* AMOUNT_MAX: none. */
    struct amounts spent;
    /* By tx_budget_find and tx_budget_each: */
    struct amounts reserved;
    int64_t waiting; /* Runs that wait for one of its limits. */
};

/* Columns of struct budget_row, after `id` (store/mapper.h). */
enum budget_columns { BUDGET_SET_LIMITS = MAP_SET, BUDGET_SET_SPENT = MAP_SET << 1 };
#define BUDGET_MAP(X)                                                                              \
    X("owner", owner, MAP_TEXT, MAP_INSERT)                                                        \
    X("scope", scope, MAP_TEXT, MAP_INSERT)                                                        \
    X("path", path, MAP_TEXT, MAP_INSERT)                                                          \
    X("run", run, MAP_INT, MAP_INSERT)                                                             \
    X("made_ms", made_ms, MAP_INT, MAP_INSERT)                                                     \
    X("output_tokens_max", limits.of[AMOUNT_OUTPUT_TOKENS], MAP_INT,                               \
      MAP_INSERT | BUDGET_SET_LIMITS)                                                              \
    X("tokens_max", limits.of[AMOUNT_TOKENS], MAP_INT, MAP_INSERT | BUDGET_SET_LIMITS)             \
    X("cost_micros_max", limits.of[AMOUNT_COST], MAP_INT, MAP_INSERT | BUDGET_SET_LIMITS)          \
    X("agents_max", limits.of[AMOUNT_AGENTS], MAP_INT, MAP_INSERT | BUDGET_SET_LIMITS)             \
    X("wall_ms_max", limits.of[AMOUNT_WALL], MAP_INT, MAP_INSERT | BUDGET_SET_LIMITS)              \
    X("output_tokens_spent", spent.of[AMOUNT_OUTPUT_TOKENS], MAP_INT, BUDGET_SET_SPENT)            \
    X("tokens_spent", spent.of[AMOUNT_TOKENS], MAP_INT, BUDGET_SET_SPENT)                          \
    X("cost_micros_spent", spent.of[AMOUNT_COST], MAP_INT, BUDGET_SET_SPENT)                       \
    X("agents_spent", spent.of[AMOUNT_AGENTS], MAP_INT, BUDGET_SET_SPENT)                          \
    X("wall_ms_spent", spent.of[AMOUNT_WALL], MAP_INT, BUDGET_SET_SPENT)
#define BUDGET_COLUMNS "id" BUDGET_MAP(MAP_NAMES)
extern const struct map budget__map;

struct budget_row budget__read(struct tx *tx, const struct rows *rows);
void budget__insert(struct tx *tx, struct budget_row *row); /* Gives it an id. */
/* Path that is `above` with `scope` as its last part. */
struct bytes budget__path(struct tx *tx, struct bytes above, struct bytes scope);
struct bytes budget__project_path(struct tx *tx, struct bytes project); /* "project:NAME/" */
/* The first path after all those below that one. */
struct bytes budget__path_end(struct tx *tx, struct bytes path);
/* Sum of what runs under it have reserved. */
struct amounts budget__reserved(struct tx *tx, const struct budget_row *row);

/* The nodes that exist above a run, from global down; `node` for the rules. */
struct budget__places {
    size_t count;
    struct budget_row rows[BUDGET_NODES_MAX];
    struct budget_node nodes[BUDGET_NODES_MAX];
};
/* Without what is reserved. */
void budget__load(struct tx *tx, const struct run_row *row, struct budget__places *ret_places);
bool budget__limited(const struct budget_row *row);

/* --- Asking and charging ---------------------------------------------------------------------- */

/* Purpose of what is about to be spent: attempts of one kind ("model:NAME") share a mean. `first`
 * names what it spends, and how much where nothing was seen yet; what it leaves out is not asked
 * for. */
struct budget_ask {
    struct bytes what; /* At most BUDGET_WHAT_MAX. */
    struct amounts first;
    int64_t past; /* Run that is unwritable in its lane: passed over. 0: none. */
};
struct budget__judgement {
    struct budget__places places;
    enum budget_verdict verdict;
    struct amounts grant;
    struct budget_hit hit;
    struct amounts want;
};
/* The whole of an admission, but nothing is written. The row's id need not be in the database yet.
 */
void budget__judge(struct tx *tx, const struct run_row *row, const struct budget_ask *ask,
                   struct budget__judgement *ret_judgement);
/* Sentence for a run that was not admitted. */
struct bytes budget__why(struct tx *tx, const struct budget__judgement *judgement);
/* Writes what the row holds and waits for. */
void budget__write_run(struct tx *tx, const struct run_row *row);

struct budget_spend {
    struct bytes what;
    struct amounts granted; /* From the step's row: given back. */
    struct amounts spent; /* Amounts that it took; of a step that was cut off, the granted ones. */
    bool learn;           /* Whether it says something about the next one: not if cut off. */
};
/* Adds to what was spent at each of them, and to what is known of such attempts where `learn`. */
void budget__charge(struct tx *tx, const struct budget__places *places,
                    const struct budget_spend *spend);

/* --- Lanes (lanes.c) -------------------------------------------------------------------------- */

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

/* --- The gate (budget_gate.c) ----------------------------------------------------------------- */

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

/* A run at the gate of SLOT, KEY or BUDGET that goes on in a transaction of its own. */
void runs__unpark(struct tx *tx, struct run_row *row, struct run_freed *freed);

#endif
