/* check_budgets.c: spending is admitted, and what was spent is charged.
 *
 *   always  what a budget has spent never falls
 *   end     a budget was charged at least what the calls under it took, by their own reports
 *           no call that said something is free, however it ended
 *           what the next call reserves was learned from calls that ended well: it never falls
 *           below the smallest prompt that any provider was sent
 */
#include <stdio.h>

#include "asks.h"
#include "ops.h"
#include "provider.h"
#include "rules/amounts.h"

enum { BUDGETS_MAX = 512 };

/* A budget, since it was first seen. */
struct ledger {
    int64_t spent[AMOUNT_COUNT];
    int64_t last_run; /* Highest id of a run then: who began later is charged here. */
    int64_t made_ms;
    bool seen;
};

static struct ledger ledgers[BUDGETS_MAX];

/* Columns: id, path, what was spent of each amount. */
static void spent_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    (void)ctx;
    int64_t id = row->number[0];
    if (id < 0 || id >= BUDGETS_MAX) {
        return;
    }
    struct ledger *ledger = &ledgers[id];
    if (ledger->seen && ledger->made_ms != row->number[7]) {
        if (ask_wanted("ids")) {
            sim_fail(sim, "the id %lld of a budget names another one now: %s", (long long)id,
                     row->text[1].data);
        }
        *ledger = (struct ledger){.seen = false};
    }
    if (!ledger->seen) {
        ledger->seen = true;
        ledger->made_ms = row->number[7];
        ledger->last_run = rows_number(sim, "SELECT coalesce(max(id), 0) FROM runs", NULL, 0);
    }
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        int64_t spent = row->number[2 + i];
        if (spent < ledger->spent[i]) {
            sim_fail(sim, "the budget %.*s had spent %lld %s, and has spent %lld now",
                     (int)row->text[1].len, row->text[1].data, (long long)ledger->spent[i],
                     amount_name((enum amount)i), (long long)spent);
        }
        ledger->spent[i] = spent;
    }
}

static void budgets_look(struct sim *sim) {
    ask_each(sim,
             "SELECT id, scope, output_tokens_spent, tokens_spent, cost_micros_spent,"
             " agents_spent, wall_ms_spent, made_ms FROM budgets",
             NULL, spent_take, NULL);
}

/* --- The end ---------------------------------------------------------------------------------- */

/* Columns: id, scope, path, tokens spent, output spent. */
static void charged_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    (void)ctx;
    int64_t id = row->number[0];
    if (id < 0 || id >= BUDGETS_MAX || !ledgers[id].seen) {
        return;
    }
    struct ask_number from = ask_number(ledgers[id].last_run), budget = ask_number(id);
    static const char reported[] =
        "SELECT coalesce(sum(coalesce(s.fresh, 0) + coalesce(s.cache_read, 0) +"
        " coalesce(s.cache_write, 0) + coalesce(s.output_tokens, 0)), 0)"
        " FROM spans s JOIN runs r ON r.id = s.run"
        " WHERE s.kind = 'model' AND s.ended_ms IS NOT NULL AND r.kind = 'turn' AND r.id > $1"
        " AND (SELECT substr(r.budget, 1, length(b.path)) = b.path FROM budgets b WHERE b.id = $2)";
    int64_t took = rows_number(sim, reported, TEXTS(from.text, budget.text), 0);
    if (took > row->number[3] && ask_wanted("charged")) {
        sim_fail(sim, "calls under the budget %.*s took %lld tokens, and %lld were charged",
                 (int)row->text[1].len, row->text[1].data, (long long)took,
                 (long long)row->number[3]);
    }
}

/* Columns: run, step, state, bytes that were said. */
static void free_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    (void)ctx;
    if (!ask_wanted("free")) {
        return;
    }
    sim_fail(sim, "step %s of %s (%s) said %s bytes, and cost nothing", row->text[1].data,
             row->text[0].data, row->text[2].data, row->text[3].data);
}

/* Columns: what, mean of its tokens. */
static void mean_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    (void)ctx;
    int64_t least = servers_in_use()->least_input / 2;
    if (least > 0 && row->number[1] < least && ask_wanted("mean")) {
        sim_fail(sim, "calls of %s reserve %lld tokens, and no prompt had less than %lld",
                 row->text[0].data, (long long)row->number[1], (long long)least);
    }
}

static void budgets_check(struct sim *sim) {
    ask_each(sim, "SELECT id, scope, path, tokens_spent, output_tokens_spent FROM budgets", NULL,
             charged_take, NULL);
    ask_each(sim,
             "SELECT r.run, s.step, s.state, p.bytes FROM spans s JOIN runs r ON r.id = s.run"
             " JOIN turns t ON t.run = s.run JOIN parts p ON p.message = t.answer"
             " AND p.step = s.step WHERE s.kind = 'model' AND s.ended_ms IS NOT NULL"
             " AND p.kind IN ('text', 'thinking') AND p.bytes > 8"
             /* One that a crash cut off costs its reserve. */
             " AND s.state <> 'lost'"
             " AND coalesce(s.output_tokens, 0) = 0",
             NULL, free_take, NULL);
    ask_each(sim, "SELECT what, tokens FROM budget_means WHERE what LIKE 'model:%' AND count > 0",
             NULL, mean_take, NULL);
}

static bool budgets_rest(struct sim *sim, bool must) {
    (void)must;
    budgets_check(sim);
    return true;
}

static void budgets_begin(struct sim *sim) {
    (void)sim;
    for (size_t i = 0; i < BUDGETS_MAX; i++) {
        ledgers[i] = (struct ledger){.seen = false};
    }
}

static void budgets_opened(struct sim *sim) {
    (void)sim;
    /* Nothing acknowledged may be lost, so what was spent does not fall over a crash either; but a
     * commit that nobody heard of may be undone. */
    for (size_t i = 0; i < BUDGETS_MAX; i++) {
        for (unsigned j = 0; j < AMOUNT_COUNT; j++) {
            ledgers[i].spent[j] = 0;
        }
    }
}

const struct sim_part part_budgets = {.name = "budgets",
                                      .begin = budgets_begin,
                                      .opened = budgets_opened,
                                      .look = budgets_look,
                                      .heal = budgets_check, /* Later they are all removed. */
                                      .rest = budgets_rest};
