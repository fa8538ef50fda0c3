/* Sums of usage in slices: against what the database adds up itself, in one read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runs_kit.h"
#include "share.h"

#include "engine/trace/usage_walk.h"

enum { SESSIONS = USAGE_KEYS_MAX + 700, ROWS = 2 * SESSIONS, DAYS = 300, SHOWN = 20 };

/* --- Plans ------------------------------------------------------------------------------------ */

struct err __real_tx_query(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                           struct rows **ret_rows);
struct err __wrap_tx_query(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                           struct rows **ret_rows);

static void plan_check(struct tx *tx, const char *sql, const struct arg *args, size_t count) {
    char explained[600];
    AUTO(rows_release) struct rows *rows = NULL;
    int len = snprintf(explained, sizeof explained, "EXPLAIN QUERY PLAN %s", sql);
    assert_in_range(len, 1, sizeof explained - 1);
    struct err err = __real_tx_query(tx, explained, args, count, &rows);
    kit_check(err);
    while (rows_step(rows)) {
        struct bytes step = rows_text(rows, 3);
        if (step.len < 6 || memcmp(step.data, "SEARCH", 6) != 0) {
            fail_msg("%.*s: %s", (int)step.len, step.data, sql);
        }
    }
    kit_check(tx_error(tx));
}

/* Every part of a slice is found by an index, in its order. */
struct err __wrap_tx_query(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                           struct rows **ret_rows) {
    if (strstr(sql, "LIMIT $") != NULL && getenv("DROVER_TEST_POSTGRES_DIR") == NULL) {
        plan_check(tx, sql, args, count);
    }
    return __real_tx_query(tx, sql, args, count, ret_rows);
}

/* --- Rows ------------------------------------------------------------------------------------- */

/* Two rows a session, and as many of none; another owner has the same. */
static struct err seed_tx(struct tx *tx, void *ctx) {
    (void)ctx;
    static const char sql[] =
        "INSERT INTO usage_totals (owner, day, hour, workflow, phase, tool, session, model,"
        " category, project, agent, run, tools_tokens, instructions_tokens, history_tokens, calls,"
        " fresh, cache_read, cache_write, output, reasoning, cost_micros, cost_unknown)"
        " WITH RECURSIVE n (at) AS (SELECT 0 UNION ALL SELECT at + 1 FROM n WHERE at < $1)"
        " SELECT o.owner, 19000 + at % 300, at % 24, CASE WHEN at % 5 = 0 THEN 'flow-' || (at % 3)"
        " ELSE '' END, CASE WHEN at % 5 = 0 THEN 'phase-' || (at % 4) ELSE '' END,"
        " CASE WHEN at % 16 = 1 THEN 'tool-' || (at % 6) ELSE '' END, CASE WHEN at % 5 = 0 THEN '' "
        "ELSE"
        " 'ses_' || (at / 2) END, 'model-' || CASE WHEN at % 5 = 0 THEN at ELSE at % 7 END,"
        " CASE WHEN at % 5 = 0 THEN 'agent' ELSE 'turn' END, 'project-' || (at % 11),"
        " CASE WHEN at % 3 = 0 THEN '' ELSE 'agent-' || (at % 3) END,"
        " CASE WHEN at % 5 = 0 THEN 1 + at % 3 ELSE 0 END, at / 2, 1, at % 2,"
        " (at * 7919) % 1009, at, 1, 2, at % 13, 3, 4, at % 2"
        " FROM n, (SELECT 'local' AS owner UNION ALL SELECT 'other') o";
    const struct arg args[] = {arg_int(ROWS - 1)};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* many rows */);
}

/* --- Sums ------------------------------------------------------------------------------------- */

struct sum {
    char key[64];
    int64_t time;
    struct session_usage usage;
};
struct sums {
    struct usage_ask ask;
    struct usage_walk *walk;
    struct sum items[USAGE_ROWS_MAX], total;
    struct usage_total last;
    size_t count;
    unsigned slices;
};

static void sum_keep(void *ctx, const struct usage_total *total) {
    struct sums *sums = ctx;
    struct sum *sum = &sums->items[sums->count++];
    runs_copy_text(total->keys[0].text, sum->key, sizeof sum->key);
    sum->time = total->keys[0].time;
    sum->usage = total->usage;
    sums->last = *total;
}

static struct err slice_tx(struct tx *tx, void *ctx) {
    struct sums *sums = ctx;
    return tx_usage_slice(tx, sums->walk);
}

static void walk_all(struct runs_kit *runs, struct sums *sums) {
    sums->count = sums->slices = 0;
    sums->walk = usage_walk_new(&sums->ask);
    for (;;) {
        assert_int_equal(runs_do(runs, slice_tx, sums), ERR_NONE);
        if (usage_walk_ended(sums->walk)) {
            break;
        }
        sums->slices++;
        usage_walk_accept(sums->walk);
    }
    usage_walk_each(sums->walk, sum_keep, sums);
    sums->total.usage = usage_walk_sum(sums->walk);
    usage_walk_free(sums->walk);
}

static struct session_usage usage_of(const struct rows *rows) {
    return (struct session_usage){.calls = rows_int(rows, 1),
                                  .fresh = rows_int(rows, 2),
                                  .cache_read = rows_int(rows, 3),
                                  .cache_write = rows_int(rows, 4),
                                  .output = rows_int(rows, 5),
                                  .reasoning = rows_int(rows, 6),
                                  .cost_micros = rows_int(rows, 7),
                                  .cost_unknown = rows_int(rows, 8)};
}

#define SUM(column) ", CAST(COALESCE(SUM(" column "), 0) AS BIGINT)"
#define SUMS                                                                                       \
    SUM("calls")                                                                                   \
    SUM("fresh")                                                                                   \
    SUM("cache_read")                                                                              \
    SUM("cache_write") SUM("output") SUM("reasoning") SUM("cost_micros") SUM("cost_unknown")
#define FROM                                                                                       \
    " FROM usage_totals WHERE owner = $1 AND day >= $2 AND ($3 = '' OR session = $3)"              \
    " AND ($4 = '' OR project = $4) AND (tool <> '') = ($5 = 1) AND day <= $6"                     \
    " AND ($7 = 0 OR run = $7)"
#define BY(column) "SELECT " column SUMS FROM " GROUP BY " column " ORDER BY 2 DESC, 1 LIMIT 200"

/* The same by the database. */
static struct err expect_tx(struct tx *tx, void *ctx) {
    static const char *const sql[USAGE_SORT_COUNT] = {
        [USAGE_BY_DAY] = "SELECT day" SUMS FROM " GROUP BY day ORDER BY day DESC LIMIT 200",
        [USAGE_BY_MODEL] = BY("model"),
        [USAGE_BY_AGENT] = BY("agent"),
        [USAGE_BY_SESSION] = BY("session"),
        [USAGE_BY_PROJECT] = BY("project"),
        [USAGE_BY_CATEGORY] = BY("category"),
        [USAGE_BY_HOUR] =
            "SELECT day * 24 + hour" SUMS FROM " GROUP BY day, hour ORDER BY 1 DESC LIMIT 200",
        [USAGE_BY_TOOL] = BY("tool"),
        [USAGE_BY_WORKFLOW] = BY("workflow"),
        [USAGE_BY_PHASE] = BY("phase"),
        [USAGE_BY_SEGMENT] = "SELECT ''" SUMS FROM " GROUP BY owner",
    };
    struct sums *sums = ctx;
    const struct usage_ask *ask = &sums->ask;
    const struct arg args[] = {arg_text(ask->owner),
                               arg_int(ask->from_day),
                               arg_text(ask->session),
                               arg_text(ask->project),
                               arg_int(usage_asks_tools(ask) ? 1 : 0),
                               arg_int(ask->to_day > 0 ? ask->to_day : INT64_MAX),
                               arg_int(ask->run)};
    AUTO(rows_release) struct rows *rows = NULL, *all = NULL;
    sums->count = 0;
    struct err err = tx_query(tx, sql[ask->by[0]], args, COUNT_OF(args), &rows);
    while (rows_step(rows)) {
        struct sum *sum = &sums->items[sums->count++];
        *sum = (struct sum){.usage = usage_of(rows)};
        if (usage_sort_is_time(ask->by[0])) {
            sum->time = rows_int(rows, 0);
        } else {
            runs_copy_text(rows_text(rows, 0), sum->key, sizeof sum->key);
        }
    }
    if (!err_failed(err)) {
        err = tx_first(tx, "SELECT 0" SUMS FROM, args, COUNT_OF(args), &all);
    }
    if (!err_failed(err)) {
        sums->total.usage = usage_of(all);
    }
    return err;
}

enum found { FOUND_NONE, FOUND_SOME };

static void sums_check(struct runs_kit *runs, struct usage_ask ask, enum found found) {
    struct sums *walked = mem_new(sizeof *walked), *expected = mem_new(sizeof *expected);
    walked->ask = expected->ask = ask;
    walk_all(runs, walked);
    assert_int_equal(runs_do(runs, expect_tx, expected), ERR_NONE);
    assert_int_equal(walked->count > 0, found == FOUND_SOME);
    assert_int_equal(walked->count, expected->count);
    for (size_t i = 0; i < walked->count; i++) {
        const struct sum *sum = &walked->items[i], *wanted = &expected->items[i];
        assert_string_equal(sum->key, wanted->key);
        assert_int_equal(sum->time, wanted->time);
        assert_memory_equal(&sum->usage, &wanted->usage, sizeof sum->usage);
    }
    assert_memory_equal(&walked->total, &expected->total, sizeof walked->total);
    mem_free(walked);
    mem_free(expected);
}

static struct usage_ask ask_by(enum usage_sort by) {
    return (struct usage_ask){.owner = BYTES("local"),
                              .session = BYTES(""),
                              .project = BYTES(""),
                              .by = {by},
                              .by_count = 1};
}

static void sums_in_slices_are_those_of_one_read(void **state) {
    struct runs_kit *runs = *state;
    sums_check(runs, ask_by(USAGE_BY_DAY), FOUND_NONE);
    assert_int_equal(runs_once(runs, seed_tx, NULL /* no context */).code, ERR_NONE);
    struct share share = share_taken();
    for (unsigned by = share.first; by < USAGE_SORT_COUNT; by += share.step) {
        struct usage_ask ask = ask_by(by);
        sums_check(runs, ask, FOUND_SOME);
        ask.from_day = 19000 + DAYS - SHOWN;
        sums_check(runs, ask, FOUND_SOME);
        ask.to_day = ask.from_day + SHOWN / 2;
        sums_check(runs, ask, FOUND_SOME);
        ask.project = BYTES("project-3");
        sums_check(runs, ask, FOUND_SOME);
        ask = ask_by(by);
        ask.run = 2;
        sums_check(runs, ask, FOUND_SOME);
        ask = ask_by(by);
        ask.session = BYTES("ses_8");
        sums_check(runs, ask, FOUND_SOME);
        ask.session = BYTES("ses_none");
        sums_check(runs, ask, FOUND_NONE);
    }
}

static void two_dimensions_add_up_to_one(void **state) {
    struct runs_kit *runs = *state;
    struct sums *one = mem_new(sizeof *one), *two = mem_new(sizeof *two);
    int64_t calls = 0;
    assert_int_equal(runs_once(runs, seed_tx, NULL /* no context */).code, ERR_NONE);
    one->ask = two->ask = ask_by(USAGE_BY_CATEGORY);
    two->ask.by[1] = USAGE_BY_WORKFLOW;
    two->ask.by_count = 2;
    walk_all(runs, one);
    walk_all(runs, two);
    assert_int_equal(one->count, 2);
    assert_int_equal(two->count, 4); /* Agents of three workflows; turns are of none. */
    for (size_t i = 0; i < two->count; i++) {
        calls += two->items[i].usage.calls;
    }
    assert_int_equal(calls, one->total.usage.calls);
    assert_memory_equal(&one->total, &two->total, sizeof one->total);
    mem_free(one);
    mem_free(two);
}

static struct err parts_tx(struct tx *tx, void *ctx) {
    static const char sql[] =
        "SELECT CAST(SUM(tools_tokens) AS BIGINT), CAST(SUM(instructions_tokens) AS BIGINT),"
        " CAST(SUM(history_tokens) AS BIGINT), CAST(SUM(fresh + cache_read + cache_write) AS"
        " BIGINT), CAST(SUM(output) AS BIGINT), CAST(SUM(reasoning) AS BIGINT)"
        " FROM usage_totals WHERE owner = 'local' AND tool = ''";
    const bool found = tx_numbers(tx, sql, NO_ARGS, ctx, USAGE_SEGMENT_COUNT);
    assert_true(found);
    return tx_error(tx);
}

/* No token stands in two segments: `other` and `output` are what the others leave. */
static void segments_add_up_to_all_tokens(void **state) {
    struct runs_kit *runs = *state;
    struct sums *sums = mem_new(sizeof *sums);
    int64_t wanted[USAGE_SEGMENT_COUNT];
    assert_int_equal(runs_once(runs, seed_tx, NULL /* no context */).code, ERR_NONE);
    assert_int_equal(runs_do(runs, parts_tx, wanted), ERR_NONE);
    wanted[USAGE_SEGMENT_OTHER] -= wanted[USAGE_SEGMENT_TOOLS] +
                                   wanted[USAGE_SEGMENT_INSTRUCTIONS] +
                                   wanted[USAGE_SEGMENT_HISTORY];
    wanted[USAGE_SEGMENT_OUTPUT] -= wanted[USAGE_SEGMENT_REASONING];
    sums->ask = ask_by(USAGE_BY_SEGMENT);
    walk_all(runs, sums);
    assert_int_equal(sums->count, 1);
    for (unsigned i = 0; i < USAGE_SEGMENT_COUNT; i++) {
        assert_true(wanted[i] > 0);
        assert_int_equal(usage_segment_tokens(&sums->last, (enum usage_segment)i), wanted[i]);
    }
    mem_free(sums);
}

/* Each look at the clock takes as long as a slice may. */
static uint64_t slow_mono_ns(void *ctx) {
    struct kit *kit = ctx;
    kit->counted_ms += STORE_SLICE_NS / 1000000;
    return (uint64_t)kit->counted_ms * 1000000;
}

static void a_slice_ends_by_its_rows_and_by_its_time(void **state) {
    struct runs_kit *runs = *state;
    struct sums *sums = mem_new(sizeof *sums);
    assert_int_equal(runs_once(runs, seed_tx, NULL /* no context */).code, ERR_NONE);
    sums->ask = ask_by(USAGE_BY_DAY);
    walk_all(runs, sums);
    unsigned slices = sums->slices;
    assert_in_range(slices, ROWS / USAGE_SLICE_ROWS, ROWS);
    runs->kit.world.mono_ns = slow_mono_ns;
    walk_all(runs, sums);
    assert_in_range(sums->slices, 2 * slices, ROWS);
    mem_free(sums);
}

static void a_walk_with_rows_left_after_its_last_slice_has_no_sum(void **state) {
    struct runs_kit *runs = *state;
    struct sums *sums = mem_new(sizeof *sums);
    assert_int_equal(runs_once(runs, seed_tx, NULL /* no context */).code, ERR_NONE);
    runs->kit.world.mono_ns = slow_mono_ns; /* So each walk has the same slices. */
    struct share share = share_taken();
    for (unsigned by = share.first; by < USAGE_SORT_COUNT; by += share.step) {
        sums->ask = ask_by(by);
        walk_all(runs, sums);
        sums->ask.slices_max = sums->slices;
        walk_all(runs, sums); /* Enough. */
        sums->ask.slices_max--;
        sums->walk = usage_walk_new(&sums->ask);
        for (unsigned slice = 0; slice < sums->ask.slices_max; slice++) {
            assert_int_equal(runs_do(runs, slice_tx, sums), ERR_NONE);
            assert_false(usage_walk_ended(sums->walk));
            usage_walk_accept(sums->walk);
        }
        assert_int_equal(runs_do(runs, slice_tx, sums), ERR_TOO_EXPENSIVE);
        assert_int_equal(runs_do(runs, slice_tx, sums), ERR_TOO_EXPENSIVE); /* Run again. */
        usage_walk_free(sums->walk);
    }
    mem_free(sums);
}

static struct err models_tx(struct tx *tx, void *ctx) {
    (void)ctx;
    static const char sql[] =
        "INSERT INTO usage_totals (owner, day, session, model, category, project, agent, calls,"
        " fresh, cache_read, cache_write, output, reasoning, cost_micros, cost_unknown)"
        " WITH RECURSIVE n (at) AS (SELECT 0 UNION ALL SELECT at + 1 FROM n WHERE at < $1)"
        " SELECT 'local', CASE WHEN at < 50 THEN 2 ELSE 3 END, '', 'm' || at, 'turn', '', '',"
        " CASE WHEN at < 50 THEN 100 ELSE 1 END, 1, 0, 0, 0, 0, 0, 0 FROM n";
    const struct arg args[] = {arg_int(USAGE_KEYS_MAX + 49)};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* many rows */);
}

static void of_too_many_models_those_used_last_have_items_and_all_are_in_the_total(void **state) {
    struct runs_kit *runs = *state;
    struct sums *sums = mem_new(sizeof *sums);
    assert_int_equal(runs_once(runs, models_tx, NULL /* no context */).code, ERR_NONE);
    sums->ask = ask_by(USAGE_BY_MODEL);
    walk_all(runs, sums);
    assert_int_equal(sums->count, USAGE_ROWS_MAX);
    assert_int_equal(sums->items[0].usage.calls, 1);
    assert_int_equal(sums->total.usage.calls, USAGE_KEYS_MAX + 50 * 100);
    mem_free(sums);
}

#define RUNS_TEST(name) cmocka_unit_test_setup_teardown(name, runs_begin, runs_end)

int main(void) {
    const struct CMUnitTest tests[] = {
        RUNS_TEST(sums_in_slices_are_those_of_one_read),
        RUNS_TEST(two_dimensions_add_up_to_one),
        RUNS_TEST(segments_add_up_to_all_tokens),
        RUNS_TEST(a_slice_ends_by_its_rows_and_by_its_time),
        RUNS_TEST(a_walk_with_rows_left_after_its_last_slice_has_no_sum),
        RUNS_TEST(of_too_many_models_those_used_last_have_items_and_all_are_in_the_total),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
