/* What becomes of an agent whose row goes to the store together with the work of another one. */
#include "journal_kit.h"

#include "dispatch/workflow/agent.h"
#include "dispatch/workflow/history.h"
#include "loop/loop_uv.h"

struct held {
    struct kit *kit;
    struct workflows workflows;
    struct workflow workflow;
    unsigned failures; /* Of the row, still to come. */
    bool row_done, other_done;
    struct step_new begin;
    /* Of the agent, when its row was written. */
    enum call_state state;
    enum call_row row;
    bool told, kept;
};

static int open_held(void **state) {
    static const struct workflow_machine machine = {.tick = call__on_tick, .pump = workflow__pump};
    struct held *held = mem_new(sizeof *held);
    struct workflow *workflow = &held->workflow;
    held->kit = kit_new(STORE_INLINE, NULL /* usual sizes */);
    held->workflows.machine = &machine;
    held->workflows.options.loop = held->kit->loop;
    held->workflows.options.store = held->kit->store;
    held->workflows.asker = (struct asker){.loop = held->kit->loop,
                                           .store = held->kit->store,
                                           .pause_ms = WORKFLOW_RETRY_FIRST_MS,
                                           .pause_max_ms = WORKFLOW_RETRY_MAX_MS};
    pool_init(&held->workflows.pool, held->kit->loop, NULL /* no shortage */);
    links_init(&held->workflows.computing);
    workflow->workflows = &held->workflows;
    workflow->state = WORKFLOW_LIVE;
    workflow->node.name = BYTES("run_workflow");
    workflow->owner = mem_copy("ann", 3);
    for (size_t i = 0; i < COUNT_OF(workflow->by_state); i++) {
        links_init(&workflow->by_state[i]);
    }
    table_init(&workflow->calls);
    *state = held;
    return 0;
}

static void drain(struct held *held) {
    bool more = true;
    while (more) {
        more = store_turn(held->kit->store);
    }
}

static int close_held(void **state) {
    struct held *held = *state;
    struct workflow *workflow = &held->workflow;
    drain(held);
    workflow__drop_delayed(workflow);
    while (workflow->ops != NULL) {
        workflow__op_free(workflow->ops);
    }
    table_done(&workflow->calls);
    mem_free(workflow->owner);
    kit_free(held->kit);
    mem_free(held);
    return 0;
}

static struct held *held_of(const struct workflow_op *op) {
    return CONTAINER_OF(op->workflow, struct held, workflow);
}

static struct err row_tx(struct tx *tx, void *ctx) {
    struct held *held = held_of(ctx);
    (void)tx;
    if (held->failures == 0) {
        return ERR_OK;
    }
    held->failures--;
    return err_make(ERR_DISK_FULL, "test: the row");
}

static struct err other_tx(struct tx *tx, void *ctx) {
    (void)tx;
    (void)ctx; /* It always goes well. */
    return ERR_OK;
}

/* The agent's own end was answered before: there was no row. A check that failed here would leave
 * the store in the middle of its answers. */
static void row_done(struct workflow_op *op) {
    struct held *held = held_of(op);
    const struct call *call = op->call;
    held->row_done = true;
    held->state = call->state;
    held->row = call->row;
    held->told = !links_empty(&held->workflow.by_state[CALL_DONE]);
    held->kept = call->result.len > 0;
}

static void other_done(struct workflow_op *op) {
    held_of(op)->other_done = true;
}

static struct call *call_that_said_something(struct workflow *workflow) {
    struct call *call = call__new(workflow, "c0ffee", 1);
    call->run = (struct id){"run_agent"};
    call->model = mem_copy("m", 1);
    call->cause = CAUSE_COMPLETED;
    call__enter(call, CALL_IN_LINE);
    call__enter(call, CALL_ENDED);
    text_add_str(&call->result, "\"words\"");
    return call;
}

/* The row of an agent is held, and the end of another one takes it along; the agent's own end
 * stands behind both in the store. They fail, and the store performs that end before it sees the
 * row again. */
static void the_end_of_an_agent_waits_for_its_row_that_failed_with_another_end(void **state) {
    struct held *held = *state;
    struct workflow *workflow = &held->workflow;
    struct call *call = call_that_said_something(workflow);
    struct workflow_op *row = workflow__op(workflow, sizeof(struct begin_op), row_tx, row_done);
    row->call = call;
    row->begin = &held->begin;
    row->lazy = true;
    held->failures = 1;
    workflow__op_send(row);
    workflow__op_send(workflow__op(workflow, sizeof(struct workflow_op), other_tx, other_done));
    call__store(call);
    drain(held);
    assert_true(held->row_done);
    assert_int_equal(held->state, CALL_ENDED);
    assert_int_equal(held->row, ROW_RETRYING); /* The answer to the row stores the end again. */
    assert_false(held->told);
    assert_true(held->kept);
    assert_true(held->other_done);
    call__free(call);
}

static void answer_run(struct call *call) {
    (void)call; /* Checks nothing. */
}

static void answer_done(struct call *call) {
    struct held *held = CONTAINER_OF(call->workflow, struct held, workflow);
    held->kept = true;
}

/* The pool reads the call meanwhile, so it is neither delivered nor freed. */
static void an_agent_that_others_end_while_the_pool_has_it_ends_when_that_is_back(void **state) {
    struct held *held = *state;
    struct workflow *workflow = &held->workflow;
    struct call *call = call__new(workflow, "c0ffee", 1);
    const struct run_row row = {.state = RUN_CANCELLED, .cause = CAUSE_STOPPED, .attempt = 1};
    call->number = 1;
    call__enter(call, CALL_IN_LINE);
    call__enter(call, CALL_BEGUN);
    call__enter(call, CALL_CHECKING);
    call__pool(call, answer_run, answer_done);
    call__on_note(call, &row);
    assert_int_equal(call->state, CALL_CHECKING);
    while (call__in_pool(call)) {
        (void)uv_run(loop_uv(held->kit->loop), UV_RUN_ONCE);
    }
    assert_false(held->kept);
    assert_int_equal(call->state, CALL_DONE);
    assert_int_equal(call->cause, CAUSE_STOPPED);
    call__free(call);
}

#define HELD_TEST(test) cmocka_unit_test_setup_teardown(test, open_held, close_held)

int main(void) {
    const struct CMUnitTest tests[] = {
        HELD_TEST(the_end_of_an_agent_waits_for_its_row_that_failed_with_another_end),
        HELD_TEST(an_agent_that_others_end_while_the_pool_has_it_ends_when_that_is_back),
    };
    return cmocka_run_group_tests_name("workflow_held", tests, NULL /* no group fixture */, NULL);
}
