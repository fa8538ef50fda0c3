/* ancestors.c: asking every node above a run, as the rules want it told.
 *
 * Only nodes with a limit on something that is wanted cost a sum. Whose ancestors hold what is only
 * looked up where the answer would be to wait: a child must never wait for what its own live
 * ancestor has reserved, since that one may be waiting for the child.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "engine/budget/rows.h"
#include "engine/run/rows.h"

enum { WHY_MAX = 400 };

/* --- What is wanted --------------------------------------------------------------------------- */

static struct err find_mean(struct tx *tx, int64_t budget, struct bytes what,
                            struct budget_mean *ret_mean) {
    static const char sql[] = "SELECT count, output_tokens, tokens, cost_micros, agents, wall_ms"
                              " FROM budget_means WHERE budget = $1 AND what = $2";
    const struct arg args[] = {arg_int(budget), arg_text(what)};
    struct budget_mean mean = {.count = 0};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (!err_failed(err) && rows != NULL) {
        mean.count = rows_int(rows, 0);
        for (int i = 0; i < AMOUNT_COUNT; i++) {
            mean.mean.of[i] = rows_int(rows, 1 + i);
        }
    }
    *ret_mean = mean;
    return err;
}

/* Of the deepest node that has seen such attempts. */
static struct err find_want(struct tx *tx, const struct budget__places *places,
                            const struct budget_ask *ask, struct amounts *ret_want) {
    struct budget_mean mean = {.count = 0};
    struct err err = ERR_OK;
    for (size_t i = places->count; i > 0 && mean.count == 0 && !err_failed(err); i--) {
        err = find_mean(tx, places->rows[i - 1].id, ask->what, &mean);
    }
    *ret_want = budget_want(&mean, &ask->first);
    return err;
}

/* --- Who is before it ------------------------------------------------------------------------- */

static struct err anybody_before(struct tx *tx, const struct run_row *row, int64_t past,
                                 int64_t lane, bool *ret_before) {
    static const char sql[] =
        "SELECT 1 FROM runs WHERE lane = $1 AND lane <> 0 AND ended_ms IS NULL"
        " AND (priority > $2 OR (priority = $2 AND id < $3)) AND id <> $4 LIMIT 1";
    const struct arg args[] = {arg_int(lane), arg_int(row->priority), arg_int(row->id),
                               arg_int(past)};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    int64_t before = 0;
    struct err err = runs__int(tx, &ask, &before);
    if (!err_failed(err)) {
        *ret_before = before != 0;
    }
    return err;
}

/* First in, first out: what is free belongs to who stands in the lane of that limit. */
static struct err ask_lanes(struct tx *tx, const struct run_row *row, int64_t past,
                            struct budget__judgement *judgement) {
    const struct budget__places *places = &judgement->places;
    for (size_t n = 0; n < places->count; n++) {
        for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
            bool before = false;
            if (judgement->want.of[i] == 0 || places->nodes[n].limits.of[i] >= AMOUNT_MAX) {
                continue;
            }
            int64_t lane = budget__lane(places->rows[n].id, (enum amount)i);
            struct err err = anybody_before(tx, row, past, lane, &before);
            if (err_failed(err)) {
                return err;
            }
            if (before) {
                judgement->verdict = BUDGET_WAITS;
                judgement->hit = (struct budget_hit){.node = n, .amount = (enum amount)i};
                return ERR_OK;
            }
        }
    }
    return ERR_OK;
}

/* --- Ancestors -------------------------------------------------------------------------------- */

/* From the parent up; a chain is walked for a thousand runs. */
static struct err ask_above(struct tx *tx, const struct run_row *row,
                            struct budget__places *places) {
    static const char sql[] =
        "WITH RECURSIVE above (id, parent, depth) AS ("
        "SELECT id, parent, 1 FROM runs WHERE id = $1"
        " UNION ALL SELECT r.id, r.parent, a.depth + 1 FROM runs r JOIN above a ON r.id = a.parent"
        " WHERE a.parent <> 0 AND a.depth < 1000)"
        " SELECT r.budget, r.output_tokens_held, r.tokens_held, r.cost_micros_held, r.agents_held,"
        " r.wall_ms_held FROM above a JOIN runs r ON r.id = a.id"
        " WHERE r.charged = 1 AND r.ended_ms IS NULL";
    const struct arg args[] = {arg_int(row->parent)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    bool more = !err_failed(err);
    while (!err_failed(err) && more) {
        err = rows_next(rows, &more);
        if (err_failed(err) || !more) {
            break;
        }
        struct amounts held;
        for (int i = 0; i < AMOUNT_COUNT; i++) {
            held.of[i] = rows_int(rows, 1 + i);
        }
        for (size_t n = 0; n < places->count; n++) {
            if (budget__above(&places->rows[n], rows_text(rows, 0))) {
                amounts_add(&places->nodes[n].above, &held);
            }
        }
    }
    return err;
}

/* --- The judgement ---------------------------------------------------------------------------- */

static bool wanted_here(const struct budget_node *node, const struct amounts *want) {
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        if (want->of[i] > 0 && node->limits.of[i] < AMOUNT_MAX) {
            return true;
        }
    }
    return false;
}

/* What no limit is set on needs no reserve. */
static void unlimited_drop(const struct budget__places *places, struct amounts *grant) {
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        bool limited = false;
        for (size_t n = 0; n < places->count; n++) {
            limited = limited || places->nodes[n].limits.of[i] < AMOUNT_MAX;
        }
        grant->of[i] = limited ? grant->of[i] : 0;
    }
}

static void judge(struct budget__judgement *judgement) {
    judgement->verdict = budget_judge(judgement->places.nodes, judgement->places.count,
                                      &judgement->want, &judgement->grant, &judgement->hit);
}

struct err budget__judge(struct tx *tx, const struct run_row *row, const struct budget_ask *ask,
                         struct budget__judgement *ret_judgement) {
    assert(ask->what.len <= BUDGET_WHAT_MAX);
    struct budget__places *places = &ret_judgement->places;
    ret_judgement->verdict = BUDGET_ADMITTED;
    ret_judgement->grant = amounts_none();
    struct err err = budget__load(tx, row, places);
    if (err_failed(err) || places->count == 0) {
        return err;
    }
    err = find_want(tx, places, ask, &ret_judgement->want);
    for (size_t n = 0; n < places->count && !err_failed(err); n++) {
        if (wanted_here(&places->nodes[n], &ret_judgement->want)) {
            err = budget__reserved(tx, &places->rows[n], &places->nodes[n].reserved);
        }
    }
    if (err_failed(err)) {
        return err;
    }
    judge(ret_judgement);
    if (ret_judgement->verdict == BUDGET_WAITS && row->parent != 0) {
        err = ask_above(tx, row, places);
        judge(ret_judgement);
    }
    if (!err_failed(err) && ret_judgement->verdict == BUDGET_ADMITTED) {
        err = ask_lanes(tx, row, ask->past, ret_judgement);
    }
    unlimited_drop(places, &ret_judgement->grant);
    return err;
}

/* --- In words --------------------------------------------------------------------------------- */

struct err budget__why(struct tx *tx, const struct budget__judgement *judgement,
                       struct bytes *ret_why) {
    const struct budget_hit *hit = &judgement->hit;
    const struct budget_row *row = &judgement->places.rows[hit->node];
    const struct budget_node *node = &judgement->places.nodes[hit->node];
    const char *name = amount_name(hit->amount);
    int scope = (int)row->scope.len;
    int64_t limit = node->limits.of[hit->amount], spent = node->spent.of[hit->amount];
    char text[WHY_MAX];
    int len = 0;
    if (judgement->verdict == BUDGET_SPENT && hit->above) {
        len = snprintf(text, sizeof text,
                       "The budget %.*s has nothing left for it: of %s %" PRId64 ", %" PRId64
                       " are spent and the runs above it have reserved %" PRId64,
                       scope, row->scope.data, name, limit, spent, node->above.of[hit->amount]);
    } else if (judgement->verdict == BUDGET_SPENT) {
        len = snprintf(text, sizeof text,
                       "The budget %.*s is used up: of %s %" PRId64 ", %" PRId64 " are spent",
                       scope, row->scope.data, name, limit, spent);
    } else {
        len = snprintf(text, sizeof text,
                       "It waits for the budget %.*s: of %s %" PRId64 ", %" PRId64
                       " are spent and others have reserved %" PRId64,
                       scope, row->scope.data, name, limit, spent, node->reserved.of[hit->amount]);
    }
    assert(len > 0 && (size_t)len < sizeof text);
    const char *kept = arena_try_copy(tx_arena(tx), text, (size_t)len);
    if (kept == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "budget: why");
    }
    *ret_why = (struct bytes){kept, (size_t)len};
    return ERR_OK;
}

/* --- Charging --------------------------------------------------------------------------------- */

static struct err add_spent(struct tx *tx, const struct budget_row *row,
                            const struct amounts *spent) {
    static const char sql[] =
        "UPDATE budgets SET output_tokens_spent = $2, tokens_spent = $3, cost_micros_spent = $4,"
        " agents_spent = $5, wall_ms_spent = $6 WHERE id = $1";
    struct amounts sum = row->spent; /* Within the transaction nobody else writes it. */
    amounts_add(&sum, spent);
    const struct arg args[] = {
        arg_int(row->id),
        arg_int(sum.of[AMOUNT_OUTPUT_TOKENS]),
        arg_int(sum.of[AMOUNT_TOKENS]),
        arg_int(sum.of[AMOUNT_COST]),
        arg_int(sum.of[AMOUNT_AGENTS]),
        arg_int(sum.of[AMOUNT_WALL]),
    };
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
}

static struct err learn(struct tx *tx, int64_t budget, const struct budget_spend *spend) {
    static const char insert_sql[] =
        "INSERT INTO budget_means (budget, what, count, output_tokens, tokens, cost_micros, agents,"
        " wall_ms) SELECT $1, $2, $3, $4, $5, $6, $7, $8"
        " WHERE (SELECT count(*) FROM budget_means WHERE budget = $1) < $9";
    static const char update_sql[] =
        "UPDATE budget_means SET count = $3, output_tokens = $4, tokens = $5, cost_micros = $6,"
        " agents = $7, wall_ms = $8 WHERE budget = $1 AND what = $2";
    struct budget_mean mean;
    struct err err = find_mean(tx, budget, spend->what, &mean);
    if (err_failed(err)) {
        return err;
    }
    bool known = mean.count > 0;
    budget_learn(&mean, &spend->spent);
    const struct arg args[] = {
        arg_int(budget),
        arg_text(spend->what),
        arg_int(mean.count),
        arg_int(mean.mean.of[AMOUNT_OUTPUT_TOKENS]),
        arg_int(mean.mean.of[AMOUNT_TOKENS]),
        arg_int(mean.mean.of[AMOUNT_COST]),
        arg_int(mean.mean.of[AMOUNT_AGENTS]),
        arg_int(mean.mean.of[AMOUNT_WALL]),
        arg_int(BUDGET_MEANS_MAX),
    };
    return known ? tx_exec(tx, update_sql, args, COUNT_OF(args) - 1, NULL /* one row, always */)
                 : tx_exec(tx, insert_sql, args, COUNT_OF(args), NULL /* one row, or none */);
}

struct err budget__charge(struct tx *tx, const struct budget__places *places,
                          const struct budget_spend *spend) {
    struct err err = ERR_OK;
    bool any = amounts_any(&spend->spent);
    for (size_t n = 0; n < places->count && !err_failed(err); n++) {
        err = any ? add_spent(tx, &places->rows[n], &spend->spent) : ERR_OK;
        if (!err_failed(err) && spend->learn && budget__limited(&places->rows[n])) {
            err = learn(tx, places->rows[n].id, spend);
        }
    }
    return err;
}
