/* check_budgets.c: spending is admitted, and what was spent is charged.
 *
 *   always  what a budget has spent never falls, but to begin a day: once it has come, and never
 *           one that was before; where the clock was set back by days, the day goes on for 24 hours
 *           a day begins with nothing spent, and nothing is charged to one that is over
 *           a run that has ended holds no reserve, and a turn without a call and without a review
 *           that is due holds no tokens
 *           where a commit adds to what is reserved, and charges nothing, the sum of what is spent
 *           and reserved is within the limit
 *           a turn that began and ended in one life is charged the time that it ran and did not
 *           wait for a person, whatever the wall clock was set to
 *   end     a budget was charged at least what the calls under it took, by their own reports, or
 *           what was reserved for a call that a crash cut off; those of turns, of titles, of
 *           reviews, and of agents that are one call
 *           no call that said something is free, however it ended
 *           what the next call reserves was learned from calls that ended well: it never falls
 *           below the smallest prompt that any provider was sent
 */
#include <stdio.h>
#include <string.h>

#include "asks.h"
#include "ops.h"
#include "provider.h"
#include "rules/budget/budget.h"

enum { BUDGETS_MAX = 512 };

/* A budget, since it was first seen. */
struct ledger {
    int64_t spent[AMOUNT_COUNT];
    int64_t limits[AMOUNT_COUNT], held[AMOUNT_COUNT]; /* By the latest commit. */
    int64_t last_run; /* Highest id of a run then: who began later is charged here. */
    int64_t made_ms;
    int64_t day_end_ms;
    bool turned; /* A day has ended: what was spent in all is not known any more. */
    bool seen;
    bool opened; /* Its sums are those of before a crash. */
};

static struct ledger ledgers[BUDGETS_MAX];

/* --- The time of turns ------------------------------------------------------------------------ */

/* Commits that tell of a change come a little before or after it is heard of. */
enum { TURNS_MAX = 256, ENDED_MAX = 32, CLOSE_MS = 1000 };

struct turn_time {
    int64_t run; /* id; 0: free. */
    int64_t ran_ms;
    uint64_t since_ns; /* 0: it does not run. */
    bool older;        /* Begun in an earlier life: what it is charged is not known here. */
};

static struct turn_time turns[TURNS_MAX];

/* What ended with the latest commits, and how long it ran. */
struct ended_turn {
    int64_t run, ran_ms;
};
static struct ended_turn ended[ENDED_MAX];
static size_t ended_count;
static bool others_ended; /* Something else may have been charged, too. */

static struct turn_time *turn_find(int64_t run) {
    for (size_t i = 0; i < TURNS_MAX; i++) {
        if (turns[i].run == run) {
            return &turns[i];
        }
    }
    return NULL;
}

static void turn_noted(struct sim *sim, const struct run_row *row, struct turn_time *turn) {
    uint64_t now_ns = sim_now_ns(sim);
    turn->ran_ms += turn->since_ns == 0 ? 0 : (int64_t)((now_ns - turn->since_ns) / 1000000);
    bool person = row->state == RUN_WAITING && row->not_before_ms == 0;
    turn->since_ns = person ? 0 : now_ns;
    if (!run_state_final(row->state)) {
        return;
    }
    others_ended = others_ended || ended_count == ENDED_MAX;
    if (ended_count < ENDED_MAX) {
        ended[ended_count++] = (struct ended_turn){.run = row->id, .ran_ms = turn->ran_ms};
    }
    turn->run = 0;
}

static void budgets_noted(struct sim *sim, const struct run_row *row) {
    struct turn_time *turn = row->kind == KIND_TURN ? turn_find(row->id) : NULL;
    bool begins = turn == NULL && row->kind == KIND_TURN && row->state == RUN_RUNNING;
    if (begins && (turn = turn_find(0)) != NULL) {
        *turn = (struct turn_time){.run = row->id};
    }
    if (turn != NULL && !turn->older) {
        turn_noted(sim, row, turn);
    } else if (row->kind != KIND_TURN || run_state_final(row->state)) {
        others_ended = true;
    }
}

/* Whether the run stands under that budget, both by their ids. */
static bool stands_under(struct sim *sim, int64_t run, int64_t budget) {
    struct ask_number of_run = ask_number(run), of_budget = ask_number(budget);
    static const char sql[] = "SELECT count(*) FROM runs r, budgets b WHERE r.id = $1 AND b.id = $2"
                              " AND substr(r.budget, 1, length(b.path)) = b.path";
    return rows_number(sim, sql, TEXTS(of_run.text, of_budget.text), 0) > 0;
}

/* The ends of a workflow's agents are told to nobody who does not ask. One that has a turn leaves
 * the charge to it; one that ended later than now did so before the clock was set back. */
static bool agents_are_about(struct sim *sim, int64_t budget) {
    struct ask_number of_budget = ask_number(budget), now = ask_number(sim_wall_ms(sim)),
                      close = ask_number(CLOSE_MS);
    static const char sql[] =
        "SELECT count(*) FROM runs r, budgets b WHERE r.kind = 'agent' AND b.id = $1"
        " AND substr(r.budget, 1, length(b.path)) = b.path"
        " AND (r.charged <> 0 OR (abs(r.ended_ms - $2) <= CAST($3 AS INTEGER)"
        " AND NOT EXISTS (SELECT 1 FROM runs t WHERE t.parent = r.id AND t.kind = 'turn')))";
    return rows_number(sim, sql, TEXTS(of_budget.text, now.text, close.text), 0) > 0;
}

/* A run that began when there was no budget yet is not charged. */
static void check_wall(struct sim *sim, const struct ask_row *row, int64_t charged_ms) {
    int64_t least_ms = 0, most_ms = 0, id = row->number[0];
    for (size_t i = 0; i < ended_count; i++) {
        if (stands_under(sim, ended[i].run, id)) {
            least_ms += ended[i].run > ledgers[id].last_run ? ended[i].ran_ms : 0;
            most_ms += ended[i].ran_ms;
        }
    }
    bool wrong = charged_ms < least_ms - CLOSE_MS || charged_ms > most_ms + CLOSE_MS;
    if (wrong && !agents_are_about(sim, id) && ask_wanted("wall")) {
        sim_fail(sim, "turns under the budget %s ran %lld to %lld ms, and %lld were charged",
                 row->text[1].data, (long long)least_ms, (long long)most_ms, (long long)charged_ms);
    }
}

/* --- Days ------------------------------------------------------------------------------------- */

enum { DAY_CLOSE_MS = 60 * 1000 }; /* A commit may take its time. */

/* The wall clock less the monotonic one, at the last looks: where it was not set, a commit since
 * then knew the time that it is now. */
static int64_t offsets[3];

static void offsets_note(struct sim *sim) {
    offsets[2] = offsets[1];
    offsets[1] = offsets[0];
    offsets[0] = sim_wall_ms(sim) - (int64_t)(sim_now_ns(sim) / 1000000);
}

static bool spent_any(const struct ledger *ledger) {
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        if (ledger->spent[i] > 0) {
            return true;
        }
    }
    return false;
}

/* `grew`, `fell`: what was spent. */
static void day_moved(struct sim *sim, const struct ask_row *row, bool grew, bool fell) {
    const struct ledger *ledger = &ledgers[row->number[0]];
    const int64_t before = ledger->day_end_ms, end = row->number[8], now = sim_wall_ms(sim);
    if (end > before && before > now) {
        sim_fail(sim, "the budget %s began a day %lld ms early", row->text[1].data,
                 (long long)(before - now));
    } else if (end < before && (before - now < BUDGET_DAY_MS || end - now < BUDGET_DAY_MS / 2)) {
        sim_fail(sim, "the day of the budget %s was to end in %lld ms, and now in %lld ms",
                 row->text[1].data, (long long)(before - now), (long long)(end - now));
    } else if (end > before && !grew && !fell && spent_any(ledger)) {
        sim_fail(sim, "the budget %s began a day with what was spent before", row->text[1].data);
    } else if (grew && end < now - DAY_CLOSE_MS) {
        sim_fail(sim, "the budget %s was charged for a day that ended %lld ms before",
                 row->text[1].data, (long long)(now - end));
    }
}

/* A day begins, or is given up, where a person says so. */
static void check_day(struct sim *sim, const struct ask_row *row, bool grew, bool fell) {
    struct ledger *ledger = &ledgers[row->number[0]];
    const bool known = offsets[0] == offsets[1] && offsets[1] == offsets[2] && !ledger->opened;
    const bool both = ledger->day_end_ms != 0 && row->number[8] != 0;
    if (known && both && ask_wanted("days")) {
        day_moved(sim, row, grew, fell);
    }
    ledger->turned = ledger->turned || fell || ledger->day_end_ms != row->number[8];
    ledger->day_end_ms = row->number[8];
}

/* --- After each commit ------------------------------------------------------------------------ */

/* A commit that begins the next day can also end the counting by days. */
static bool day_is_over(struct sim *sim, const struct ledger *ledger) {
    return ledger->day_end_ms != 0 && sim_wall_ms(sim) >= ledger->day_end_ms;
}

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
        ledger->opened = true;
        ledger->last_run = rows_number(sim, "SELECT coalesce(max(id), 0) FROM runs", NULL, 0);
    }
    bool fell = false, grew = false;
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        fell = fell || row->number[2 + i] < ledger->spent[i];
        grew = grew || row->number[2 + i] > ledger->spent[i];
    }
    const int64_t day_end_ms = row->number[8];
    const bool same_day = day_end_ms == ledger->day_end_ms;
    const bool over = day_is_over(sim, ledger);
    bool exact = !ledger->opened && !others_ended && ended_count > 0 && same_day && !fell;
    check_day(sim, row, grew, fell);
    if (exact) {
        check_wall(sim, row, row->number[2 + AMOUNT_WALL] - ledger->spent[AMOUNT_WALL]);
    }
    ledger->opened = false;
    const bool begins = !same_day && (day_end_ms != 0 || over);
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        int64_t spent = row->number[2 + i];
        if (spent < ledger->spent[i] && !begins) {
            sim_fail(sim, "the budget %.*s had spent %lld %s, and has spent %lld now",
                     (int)row->text[1].len, row->text[1].data, (long long)ledger->spent[i],
                     amount_name((enum amount)i), (long long)spent);
        }
        ledger->spent[i] = spent;
    }
}

/* --- Reserves --------------------------------------------------------------------------------- */

/* Columns: run, state, sum of its reserves. */
static void ended_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    (void)ctx;
    if (ask_wanted("reserves")) {
        sim_fail(sim, "%s is %s, and holds a reserve of %lld", row->text[0].data, row->text[1].data,
                 (long long)row->number[2]);
    }
}

/* Columns: id, number of the amount, limit, spent, reserved. */
static void held_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    int64_t id = row->number[0], limit = row->number[2], spent = row->number[3];
    enum amount amount = (enum amount)row->number[1];
    (void)ctx;
    if (id < 0 || id >= BUDGETS_MAX) {
        return;
    }
    struct ledger *ledger = &ledgers[id];
    bool same = ledger->seen && !ledger->opened && ledger->limits[amount] == limit &&
                ledger->spent[amount] == spent;
    if (same && row->number[4] > ledger->held[amount] && limit >= 0 &&
        spent + row->number[4] > limit && ask_wanted("reserves")) {
        sim_fail(sim,
                 "of the budget %lld, %lld %s are spent and %lld reserved, and its limit is %lld",
                 (long long)id, (long long)spent, amount_name(amount), (long long)row->number[4],
                 (long long)limit);
    }
    ledger->limits[amount] = limit;
    ledger->held[amount] = row->number[4];
}

/* A literal for each amount: what all that is in flight under a budget holds. */
#define HELD_SQL(number, name)                                                                     \
    "SELECT b.id, " number ", coalesce(b." name "_max, -1), b." name "_spent,"                     \
    " (SELECT coalesce(sum(r." name "_held), 0) FROM runs r WHERE r.charged = 1"                   \
    "  AND r.ended_ms IS NULL AND (b.owner = '' OR r.owner = b.owner)"                             \
    "  AND substr(r.budget, 1, length(b.path)) = b.path) FROM budgets b"

/* Before spent_take, which forgets what was spent before this commit. */
static void reserves_look(struct sim *sim) {
    static const char *const held[AMOUNT_COUNT] = {
        [AMOUNT_OUTPUT_TOKENS] = HELD_SQL("0", "output_tokens"),
        [AMOUNT_TOKENS] = HELD_SQL("1", "tokens"),
        [AMOUNT_COST] = HELD_SQL("2", "cost_micros"),
        [AMOUNT_AGENTS] = HELD_SQL("3", "agents"),
        [AMOUNT_WALL] = HELD_SQL("4", "wall_ms"),
    };
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        ask_each(sim, held[i], NULL, held_take, NULL);
    }
    ask_each(sim,
             "SELECT run, state, output_tokens_held + tokens_held + cost_micros_held + agents_held"
             " + wall_ms_held FROM runs WHERE ended_ms IS NOT NULL AND (charged <> 0"
             " OR output_tokens_held + tokens_held + cost_micros_held + agents_held"
             " + wall_ms_held <> 0)",
             NULL, ended_take, NULL);
    ask_each(sim,
             "SELECT r.run, 'without a call', r.output_tokens_held + r.tokens_held"
             " + r.cost_micros_held FROM runs r JOIN turns t ON t.run = r.id WHERE t.call = 0"
             " AND NOT EXISTS (SELECT 1 FROM parts p WHERE p.message = t.answer"
             " AND p.state = 'reviewing')"
             " AND r.output_tokens_held + r.tokens_held + r.cost_micros_held <> 0",
             NULL, ended_take, NULL);
}

static void budgets_look(struct sim *sim) {
    offsets_note(sim);
    reserves_look(sim);
    ask_each(sim,
             "SELECT id, scope, output_tokens_spent, tokens_spent, cost_micros_spent,"
             " agents_spent, wall_ms_spent, made_ms, day_end_ms FROM budgets",
             NULL, spent_take, NULL);
    ended_count = 0;
    others_ended = false;
}

/* --- The end ---------------------------------------------------------------------------------- */

/* Columns: id, scope, path, tokens spent, output spent. */
static void charged_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    (void)ctx;
    int64_t id = row->number[0];
    if (id < 0 || id >= BUDGETS_MAX || !ledgers[id].seen || ledgers[id].turned) {
        return;
    }
    struct ask_number from = ask_number(ledgers[id].last_run), budget = ask_number(id);
    /* A reserve is written where any budget limits tokens: so this one was charged it, too. */
    static const char reported[] =
        "SELECT coalesce(sum(CASE WHEN s.state = 'lost' THEN coalesce(s.reserve_tokens, 0)"
        " ELSE coalesce(s.fresh, 0) + coalesce(s.cache_read, 0) +"
        " coalesce(s.cache_write, 0) + coalesce(s.output_tokens, 0) END), 0)"
        " FROM spans s JOIN runs r ON r.id = s.run"
        " WHERE s.kind IN ('model', 'review')"
        " AND (s.state <> 'lost' OR r.id NOT IN (SELECT t.run FROM turns t JOIN sessions x"
        "  ON x.id = t.session WHERE x.program <> ''))" /* A program goes on, and reports itself. */
        " AND s.ended_ms IS NOT NULL AND r.kind IN ('turn', 'title') AND r.id > $1"
        " AND (SELECT substr(r.budget, 1, length(b.path)) = b.path FROM budgets b WHERE b.id = $2)";
    /* An agent may be asked before the budget is there, and be written after: it is charged to
     * none. Only workflows that are newer than the budget have no such agent. */
    static const char of_agents[] =
        "SELECT coalesce(sum(r.tokens), 0) FROM runs r WHERE r.kind = 'agent' AND r.parent > $1"
        " AND r.ended_ms IS NOT NULL AND r.cached = 0"
        " AND NOT EXISTS (SELECT 1 FROM runs t WHERE t.parent = r.id AND t.kind = 'turn')"
        " AND (SELECT substr(r.budget, 1, length(b.path)) = b.path FROM budgets b WHERE b.id = $2)";
    int64_t took = rows_number(sim, reported, TEXTS(from.text, budget.text), 0) +
                   rows_number(sim, of_agents, TEXTS(from.text, budget.text), 0);
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
             /* Programs report their usage at their end, or never (check_agents.c). */
             " AND t.session NOT IN (SELECT id FROM sessions WHERE program <> '')"
             " AND coalesce(s.output_tokens, 0) = 0",
             NULL, free_take, NULL);
    ask_each(sim,
             "SELECT what, tokens FROM budget_means WHERE count > 0"
             " AND ((what LIKE 'model:%' AND what NOT LIKE 'model:agent/%'"
             " AND what NOT LIKE 'model:worker/%')"
             " OR what LIKE 'review:%')",
             NULL, mean_take, NULL);
}

static bool budgets_rest(struct sim *sim, bool must) {
    (void)must;
    budgets_check(sim);
    return true;
}

/* Over a crash the wall clock is all there is: who ran then is left alone. */
static void forget_turns(void) {
    memset(turns, 0, sizeof turns);
    ended_count = 0;
    others_ended = false;
}

static void budgets_begin(struct sim *sim) {
    (void)sim;
    forget_turns();
    for (size_t i = 0; i < BUDGETS_MAX; i++) {
        ledgers[i] = (struct ledger){.seen = false};
    }
}

/* Column: id. */
static void older_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct turn_time *turn = turn_find(0);
    (void)sim;
    (void)ctx;
    if (turn != NULL) {
        *turn = (struct turn_time){.run = row->number[0], .older = true};
    }
}

static void budgets_opened(struct sim *sim) {
    forget_turns();
    ask_each(sim, "SELECT id FROM runs WHERE kind = 'turn' AND started_ms > 0 AND ended_ms IS NULL",
             NULL, older_take, NULL);
    /* Nothing acknowledged may be lost, so what was spent does not fall over a crash either; but a
     * commit that nobody heard of may be undone. */
    for (size_t i = 0; i < BUDGETS_MAX; i++) {
        ledgers[i].opened = true;
        for (unsigned j = 0; j < AMOUNT_COUNT; j++) {
            ledgers[i].spent[j] = 0;
        }
    }
}

const struct sim_part part_budgets = {.name = "budgets",
                                      .begin = budgets_begin,
                                      .opened = budgets_opened,
                                      .look = budgets_look,
                                      .noted = budgets_noted,
                                      .heal = budgets_check, /* Later they are all removed. */
                                      .rest = budgets_rest};
