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
 * Threads    inside a store function. Texts live in the transaction's arena.
 * Failure    the transaction keeps an error (tx_error), and outputs count for nothing then.
 */
#ifndef DROVER_ENGINE_RUN_BUDGET_TREE_H
#define DROVER_ENGINE_RUN_BUDGET_TREE_H

#include "engine/base/resource.h"
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
    int64_t day_end_ms; /* End of the day that `spent` counts; 0: it does not count by the day. */
    bool moved;         /* The day is another one than in the database. */
    /* By tx_budget_find and tx_budget_each: */
    struct amounts reserved;
    int64_t waiting;       /* Runs that wait for one of its limits. */
    struct bytes forecast; /* JSON: when which limit is reached; "": none is. */
};

/* Groups of its columns. */
enum { BUDGET_SET_LIMITS = FIELD_SET, BUDGET_SET_SPENT = FIELD_SET << 1 };
extern const struct resource budget_resource;

/* The row as of now: where its day has ended, nothing is spent (rules/budget/budget.h). Admissions,
 * charges and changes write that, so a day that began is never taken back, whatever the clock is
 * set to. */
struct budget_row budget__read(struct tx *tx, const struct rows *rows);
/* The rows of a statement that selects them ("SELECT * FROM budgets …"), at most `max`; their
 * number. */
size_t budget__rows(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                    size_t max, struct budget_row *ret_rows);
MUST_CHECK bool budget__find_id(struct tx *tx, int64_t id, struct budget_row *ret_row);
/* Writes a day that has moved. */
void budget__write_day(struct tx *tx, struct budget_row *row);
void budget__insert(struct tx *tx, struct budget_row *row); /* Gives it an id. */
/* Path that is `above` with `scope` as its last part. */
struct bytes budget__path(struct tx *tx, struct bytes above, struct bytes scope);
size_t budget__path_parts(struct bytes path);
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
/* The same for an admission: writes days that have moved. */
void budget__load_now(struct tx *tx, const struct run_row *row, struct budget__places *ret_places);
bool budget__limited(const struct budget_row *row);

/* --- Asking and charging ---------------------------------------------------------------------- */

/* Purpose of what is about to be spent: attempts of one kind ("model:NAME") share a mean. `first`
 * names what it spends, and how much where nothing was seen yet; what it leaves out is not asked
 * for. */
struct budget_ask {
    struct bytes what; /* At most BUDGET_WHAT_MAX. */
    struct amounts first;
    int64_t past; /* Run that is unwritable in its lane: passed over. 0: none. */
    bool begun;   /* Spends already: never waits, if need be with no reserve. */
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

#endif
