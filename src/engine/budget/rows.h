/* rows.h: the nodes that a run stands under, between the database and the rules. Only the
 * engine includes it.
 *
 * Threads    inside a store function. Texts live in the transaction's arena.
 */
#ifndef DROVER_ENGINE_BUDGET_ROWS_H
#define DROVER_ENGINE_BUDGET_ROWS_H

#include "engine/budget/budget.h"
#include "engine/run/rows.h"
#include "engine/session/rows.h"

enum { BUDGET_PATH_MAX = 1024 }; /* Bytes: BUDGET_PATH_PARTS scopes, and more. */

#define BUDGET_COLUMNS                                                                             \
    "id, owner, scope, path, run, made_ms, output_tokens_max, tokens_max, cost_micros_max,"        \
    " agents_max, wall_ms_max, output_tokens_spent, tokens_spent, cost_micros_spent,"              \
    " agents_spent, wall_ms_spent"

MUST_CHECK struct err budget__read(struct tx *tx, const struct rows *rows,
                                   struct budget_row *ret_row);
MUST_CHECK struct err budget__find(struct tx *tx, const struct budget_key *key, bool *ret_found,
                                   struct budget_row *ret_row);
/* Gives it an id. */
MUST_CHECK struct err budget__insert(struct tx *tx, struct budget_row *row);
/* The budget of a run that is removed. */
MUST_CHECK struct err budget__remove_run(struct tx *tx, int64_t run);
MUST_CHECK struct err budget__remove(struct tx *tx, int64_t id);
/* "project:NAME/session:ID/", with those in between that it is a subagent of. */
MUST_CHECK struct err budget__session_path(struct tx *tx, const struct session_row *session,
                                           struct bytes *ret_path);
/* "project:NAME/" */
MUST_CHECK struct err budget__project_path(struct tx *tx, struct bytes project,
                                           struct bytes *ret_path);
/* The first path that is behind all those under it. */
MUST_CHECK struct err budget__path_end(struct tx *tx, struct bytes path, struct bytes *ret_end);
/* What those that are in flight under it have reserved. */
MUST_CHECK struct err budget__reserved(struct tx *tx, const struct budget_row *row,
                                       struct amounts *ret_reserved);

/* The nodes that exist above a run, from global down; `node` for the rules. */
struct budget__places {
    size_t count;
    struct budget_row rows[BUDGET_NODES_MAX];
    struct budget_node nodes[BUDGET_NODES_MAX];
};
/* Without what is reserved. */
MUST_CHECK struct err budget__load(struct tx *tx, const struct run_row *row,
                                   struct budget__places *ret_places);
bool budget__limited(const struct budget_row *row);
/* A run under that path is under this node. */
bool budget__above(const struct budget_row *row, struct bytes path);

/* --- Asking ----------------------------------------------------------------------------------- */

struct budget__judgement {
    struct budget__places places;
    enum budget_verdict verdict;
    struct amounts grant;
    struct budget_hit hit;
    struct amounts want;
};
/* The whole of an admission, but nothing is written. The row's id need not be in the database yet.
 */
MUST_CHECK struct err budget__judge(struct tx *tx, const struct run_row *row,
                                    const struct budget_ask *ask,
                                    struct budget__judgement *ret_judgement);
/* Why it was not admitted. */
MUST_CHECK struct err budget__why(struct tx *tx, const struct budget__judgement *judgement,
                                  struct bytes *ret_why);

/* JSON array: of each node above the session that has limits, its scope and what is left of them,
 * without what is reserved (remaining.c). */
MUST_CHECK struct err budget__write_left(struct tx *tx, const struct session_row *session,
                                         struct text *text);

/* What a row holds and waits for, written. */
MUST_CHECK struct err budget__write_run(struct tx *tx, const struct run_row *row);

/* Adds to what was spent at each of them, and to what is known of such attempts where `learn`. */
MUST_CHECK struct err budget__charge(struct tx *tx, const struct budget__places *places,
                                     const struct budget_spend *spend);

/* --- Lanes ------------------------------------------------------------------------------------ */

enum { BUDGET_LANES = 8 }; /* Of one node: a lane for each amount, and room. */
static_assert((int)AMOUNT_COUNT <= (int)BUDGET_LANES, "a lane for each amount");
static inline int64_t budget__lane(int64_t budget, enum amount amount) {
    return budget * BUDGET_LANES + (int64_t)amount;
}

enum { BUDGET_ADMIT_MAX = 16 }; /* Runs that one commit lets in, or refuses, besides its own. */
struct budget__opening {
    int64_t left;            /* BUDGET_ADMIT_MAX at first. */
    size_t bytes;            /* Of specs that were read. */
    unsigned kinds;          /* Of runs that wait for a slot now: 1 << enum run_kind. */
    struct run_freed *freed; /* Borrowed: what runs leave that are refused. */
};
/* Lets in who fits, from the front, refuses who never will, and leaves the rest of a long lane to
 * another transaction. */
MUST_CHECK struct err budget__open_lane(struct tx *tx, int64_t lane,
                                        struct budget__opening *opening);
/* Something of each limit of these nodes, or of one, may be free: to be handed on. */
MUST_CHECK struct err budget__free(struct tx *tx, const struct budget__places *places,
                                   struct run_freed *freed);
MUST_CHECK struct err budget__free_lane(struct tx *tx, int64_t lane, struct run_freed *freed);
/* Who is first in the lane, or this run, goes on in a transaction of its own. `freed`: what runs
 * leave that are refused. */
MUST_CHECK struct err budget__park(struct tx *tx, int64_t lane, struct run_freed *freed);
MUST_CHECK struct err budget__park_run(struct tx *tx, int64_t id);

#endif
