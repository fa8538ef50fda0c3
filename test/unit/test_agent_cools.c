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
    ask.until_ms = now_ms + 2000; /* The end has come then. */
    assert_int_equal(runs_do(kit, find_tx, &ask), ERR_NONE);
    assert_false(ask.found);
    ask.agent = "pi";
    assert_int_equal(runs_do(kit, find_tx, &ask), ERR_NONE);
    assert_false(ask.found);
    assert_int_equal(runs_do(kit, clear_tx, &ask), ERR_NONE); /* There is none. */
    assert_int_equal(runs_do(kit, each_tx, &ask), ERR_NONE);
    assert_string_equal(ask.text, "codex rate_limited|claude rate_limited|");
    kit->kit.clock_ms += 2001 + AGENT_WAIT_MAX_MS;
    set(kit, "pi", kit->kit.clock_ms + 1000, AGENT_PROVIDER_ERROR); /* Rows that are over go. */
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

/* Rows as they are written: a turn has one in each of both tables. */
static struct err runs_tx(struct tx *tx, void *ctx) {
    (void)ctx;
    static const struct {
        const char *owner, *kind, *gate, *agent, *step_key;
        int64_t id, process; /* process: of a turn; -1: a turn that has none. */
        bool ended;
    } rows[] = {
        {"ann", "turn", "", "claude", "", 901, 902, false}, /* A turn with its process, */
        {"ann", "job", "", "claude", "", 902, 0, false},
        {"ann", "turn", "", "claude", "turn", 903, 904, false}, /* a step's, whose process waits */
        {"ann", "job", "key", "claude", "", 904, 0, false},     /* for its slot, */
        {"ann", "turn", "key", "claude", "", 905, -1, false},   /* and a queued one. */
        {"ann", "turn", "", "claude", "", 906, 907,
         true},                                          /* A turn that was stopped; its process */
        {"ann", "job", "", "claude", "", 907, 0, false}, /* has its grace. */
        {"ann", "job", "", "", "", 908, 0, false},       /* A command of the turn. */
        {"ann", "agent", "", "explore", "k", 909, 0, false},
        {"ann", "agent", "budget", "explore", "k", 910, 0, false},
        {"ann", "agent", "", "explore", "k", 911, 0, true},
        {"eve", "turn", "", "claude", "", 912, -1, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const int64_t process = rows[i].process;
        char run[40];
        (void)snprintf(run, sizeof run, "run_%026lld", (long long)rows[i].id);
        tx_do(tx,
              "INSERT INTO runs (id, run, owner, kind, parent, state, gate, made_ms, ended_ms,"
              " spec, agent, step_key) VALUES ($1, $2, $3, $4, 0, 'running', $5, 1,"
              " NULLIF($6, 0), '{}', $7, $8)",
              ARGS(arg_int(rows[i].id), arg_str(run), arg_str(rows[i].owner), arg_str(rows[i].kind),
                   arg_str(rows[i].gate), arg_int(rows[i].ended ? 2 : 0), arg_str(rows[i].agent),
                   arg_str(rows[i].step_key)));
        if (process != 0) {
            tx_do(tx,
                  "INSERT INTO turns (run, session, began_by, question, answer, begun, calls,"
                  " calls_max, step, call, from_seq, mistakes, repeats, answered, last_call,"
                  " truncated, output_max, model, last, number, program_child) VALUES ($1, 1,"
                  " 'message', 0, 0, 1, 1, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0, '', '', $1, $2)",
                  ARGS(arg_int(rows[i].id), arg_int(process > 0 ? process : 0)));
        }
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
