/* Cool-downs of agents as rows, and what agents do now, counted from the rows of runs. */
/* runs-with: sqlite, postgres */
#include "runs_kit.h"

#include "engine/agent/cools.h"
#include "engine/agent/load.h"

struct ask {
    const char *agent;
    int64_t until_ms;
    enum agent_outcome outcome;
    bool found;
    struct agent_cool_stored cool;
    char text[400];
};

static struct err set_tx(struct tx *tx, void *ctx) {
    const struct ask *ask = ctx;
    return tx_agent_cool_set(tx, kit_bytes(ask->agent), ask->until_ms, ask->outcome);
}

static struct err clear_tx(struct tx *tx, void *ctx) {
    const struct ask *ask = ctx;
    return tx_agent_cool_clear(tx, kit_bytes(ask->agent));
}

static struct err find_tx(struct tx *tx, void *ctx) {
    struct ask *ask = ctx;
    return tx_agent_cool_find(tx, kit_bytes(ask->agent), ask->until_ms, &ask->found, &ask->cool);
}

static struct err cool_add(void *ctx, const struct agent_cool_row *row) {
    struct ask *ask = ctx;
    size_t len = strlen(ask->text);
    (void)snprintf(ask->text + len, sizeof ask->text - len, "%.*s %s|", (int)row->agent.len,
                   row->agent.data, agent_outcome_name(row->cool.outcome));
    return ERR_OK;
}

static struct err each_tx(struct tx *tx, void *ctx) {
    struct ask *ask = ctx;
    ask->text[0] = '\0';
    return tx_agent_cools(tx, cool_add, ask);
}

static void set(struct runs_kit *kit, const char *agent, int64_t until_ms,
                enum agent_outcome outcome) {
    struct ask ask = {.agent = agent, .until_ms = until_ms, .outcome = outcome};
    assert_int_equal(runs_do(kit, set_tx, &ask), ERR_NONE);
}

static void a_cool_down_is_a_row_until_it_is_cleared_or_long_over(void **state) {
    struct runs_kit *kit = *state;
    const int64_t now_ms = kit->kit.clock_ms;
    set(kit, "claude", now_ms + 1000, AGENT_PROVIDER_ERROR);
    set(kit, "codex", now_ms + 5000, AGENT_RATE_LIMITED);
    set(kit, "claude", now_ms + 2000, AGENT_RATE_LIMITED); /* In place of the first. */
    struct ask ask = {.agent = "claude", .until_ms = now_ms + 1999};
    assert_int_equal(runs_do(kit, find_tx, &ask), ERR_NONE);
    assert_true(ask.found);
    assert_int_equal(ask.cool.outcome, AGENT_RATE_LIMITED);
    assert_int_equal(ask.cool.until_ms, now_ms + 2000);
    assert_in_range(ask.cool.changed_ms, now_ms, kit->kit.clock_ms);
    ask.until_ms = now_ms + 2000; /* Its time is over then. */
    assert_int_equal(runs_do(kit, find_tx, &ask), ERR_NONE);
    assert_false(ask.found);
    ask.agent = "pi";
    assert_int_equal(runs_do(kit, find_tx, &ask), ERR_NONE);
    assert_false(ask.found);
    assert_int_equal(runs_do(kit, clear_tx, &ask), ERR_NONE); /* There is none. */
    assert_int_equal(runs_do(kit, each_tx, &ask), ERR_NONE);
    assert_string_equal(ask.text, "codex rate_limited|claude rate_limited|");
    kit->kit.clock_ms += 2001 + AGENT_WAIT_MAX_MS;
    set(kit, "pi", kit->kit.clock_ms + 1000, AGENT_PROVIDER_ERROR); /* It removes what is over. */
    assert_int_equal(runs_do(kit, each_tx, &ask), ERR_NONE);
    assert_string_equal(ask.text, "pi provider_error|codex rate_limited|");
    ask.agent = "codex";
    assert_int_equal(runs_do(kit, clear_tx, &ask), ERR_NONE);
    assert_int_equal(runs_do(kit, each_tx, &ask), ERR_NONE);
    assert_string_equal(ask.text, "pi provider_error|");
}

static struct err set_many_tx(struct tx *tx, void *ctx) {
    (void)ctx;
    for (int i = 0; i < AGENT_COOLS_MAX + 2; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "a%d", i);
        tx_fail(tx, tx_agent_cool_set(tx, kit_bytes(name), tx_now_ms(tx) + i, AGENT_RATE_LIMITED));
    }
    return tx_error(tx);
}

static struct err cool_count(void *ctx, const struct agent_cool_row *row) {
    assert_false(bytes_is(row->agent, "a0") || bytes_is(row->agent, "a1"));
    ++*(int *)ctx;
    return ERR_OK;
}

static struct err count_tx(struct tx *tx, void *ctx) {
    *(int *)ctx = 0;
    return tx_agent_cools(tx, cool_count, ctx);
}

static void those_that_end_first_make_room(void **state) {
    struct runs_kit *kit = *state;
    int count = 0;
    assert_int_equal(runs_do(kit, set_many_tx, NULL), ERR_NONE);
    assert_int_equal(runs_do(kit, count_tx, &count), ERR_NONE);
    assert_int_equal(count, AGENT_COOLS_MAX);
}

/* --- Load ------------------------------------------------------------------------------------- */

static struct err runs_tx(struct tx *tx, void *ctx) {
    (void)ctx;
    static const struct {
        const char *owner, *kind, *gate, *agent;
        int64_t id, parent;
        bool ended;
    } rows[] = {
        {"ann", "turn", "", "claude", 901, 0, false},  /* With a process, */
        {"ann", "job", "", "claude", 902, 901, false}, /* this one. */
        {"ann", "turn", "", "claude", 903, 0, false},  /* Its process waits for its slot. */
        {"ann", "job", "key", "claude", 904, 903, false},
        {"ann", "turn", "key", "claude", 905, 0, false}, /* After another one of its session. */
        {"ann", "turn", "", "claude", 906, 0, true},     /* It was stopped, */
        {"ann", "job", "", "claude", 907, 906, false},   /* and its process has its grace. */
        {"ann", "job", "", "", 908, 901, false},         /* A command of the turn. */
        {"ann", "agent", "", "explore", 909, 0, false},
        {"ann", "agent", "budget", "explore", 910, 0, false},
        {"ann", "agent", "", "explore", 911, 0, true},
        {"eve", "turn", "", "claude", 912, 0, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char run[40];
        (void)snprintf(run, sizeof run, "run_%026lld", (long long)rows[i].id);
        tx_do(
            tx,
            "INSERT INTO runs (id, run, owner, kind, parent, state, gate, made_ms, ended_ms,"
            " spec, agent) VALUES ($1, $2, $3, $4, $5, 'running', $6, 1, NULLIF($7, 0), '{}', $8)",
            ARGS(arg_int(rows[i].id), arg_str(run), arg_str(rows[i].owner), arg_str(rows[i].kind),
                 arg_int(rows[i].parent), arg_str(rows[i].gate), arg_int(rows[i].ended ? 2 : 0),
                 arg_str(rows[i].agent)));
    }
    return tx_error(tx);
}

static struct err load_add(void *ctx, const struct agent_load *load) {
    struct ask *ask = ctx;
    size_t len = strlen(ask->text);
    (void)snprintf(ask->text + len, sizeof ask->text - len, "%.*s %lld %lld %lld %lld|",
                   (int)load->agent.len, load->agent.data, (long long)load->processes,
                   (long long)load->turns_waiting, (long long)load->steps,
                   (long long)load->steps_waiting);
    return ERR_OK;
}

static struct err loads_tx(struct tx *tx, void *ctx) {
    struct ask *ask = ctx;
    ask->text[0] = '\0';
    return tx_agent_loads(tx, BYTES("ann"), load_add, ask);
}

static void processes_take_slots_and_turns_without_one_wait(void **state) {
    struct runs_kit *kit = *state;
    struct ask ask = {.agent = ""};
    assert_int_equal(runs_do(kit, runs_tx, NULL), ERR_NONE);
    assert_int_equal(runs_do(kit, loads_tx, &ask), ERR_NONE);
    assert_string_equal(ask.text, "claude 2 2 0 0|explore 0 0 1 1|");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_cool_down_is_a_row_until_it_is_cleared_or_long_over,
                                        runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(those_that_end_first_make_room, runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(processes_take_slots_and_turns_without_one_wait, runs_begin,
                                        runs_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
