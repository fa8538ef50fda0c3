/* Steps of flows: what is refused, and random flows against a plain model of their contract. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../flow_world.h"
#include "rules/flow/flow.h"

#define F "{\"function\":true}"

/* --- What is refused -------------------------------------------------------------------------- */

static void flow_is(const char *steps, const char *sentence) {
    AUTO(text_done) struct text json = text_up_to(64 << 10);
    AUTO(json_release) json_t *root = NULL;
    AUTO(flow_free) struct flow flow = {0};
    struct why why = {""};
    if (strstr(steps, "\"steps\"") != NULL || steps[1] == '}') {
        text_add_str(&json, steps);
    } else {
        text_addf(&json, "{\"steps\":[%s]}", steps);
    }
    assert_false(err_failed(json_parse_wrapped(text_bytes(&json), &root, NULL)));
    const struct err err = flow_read(root, &flow, &why);
    assert_string_equal(why.text, sentence);
    assert_int_equal((int)err.code, sentence[0] == '\0' ? (int)ERR_OK.code : (int)ERR_BAD_FLOW);
}

/* Among 500 ids, several have the same place by their hash. */
static void each_of_500_ids_is_found(void **state) {
    (void)state;
    AUTO(json_release) json_t *root = json_pack("{s:[]}", "steps");
    AUTO(flow_free) struct flow flow = {0};
    struct why why = {""};
    json_t *steps = json_object_get(root, "steps");
    for (int i = 0; i < FLOW_STEPS_MAX; i++) {
        char id[20], before[20];
        (void)snprintf(id, sizeof id, "s%d", i);
        (void)snprintf(before, sizeof before, "s%d", i - 1);
        json_array_append_new(steps,
                              json_pack("{s:s, s:s, s:{s:b}, s:[s*]}", "id", id, "kind", "code",
                                        "run", "function", 1, "deps", i > 0 ? before : NULL));
    }
    assert_false(err_failed(flow_read(root, &flow, &why)));
    for (size_t i = 0; i < FLOW_STEPS_MAX; i++) {
        assert_int_equal(flow_find(&flow, flow.steps[i].id), i);
        assert_int_equal(flow.steps[i].dep_count, i > 0 ? 1 : 0);
        assert_true(i == 0 || flow.steps[i].deps[0].at == i - 1);
    }
    assert_int_equal(flow_find(&flow, BYTES("s500")), FLOW_NONE);
    json_object_set_new(json_array_get(steps, 499), "id", json_string("s17"));
    flow_free(&flow);
    assert_true(err_failed(flow_read(root, &flow, &why)));
    assert_string_equal(why.text, "step 's17': its \"id\" stands twice");
}

static void a_flow_has(const char *members, const char *sentence) {
    AUTO(text_done) struct text json = text_up_to(1000);
    AUTO(json_release) json_t *root = NULL;
    struct why why = {""};
    text_addf(&json, "{\"steps\":[],%s}", members);
    assert_false(err_failed(json_parse_wrapped(text_bytes(&json), &root, NULL)));
    assert_int_equal(err_failed(flow_check_members(root, &why)), sentence[0] != '\0');
    assert_string_equal(why.text, sentence);
}

static void members_of_a_flow_that_it_has_not_are_refused(void **state) {
    (void)state;
    a_flow_has("\"name\":\"a\",\"render\":" F ",\"output\":" F ",\"fail_fast\":false", "");
    a_flow_has("\"rendr\":" F, "a flow has no \"rendr\"; did you mean \"render\"?");
    a_flow_has("\"render\":5", "\"render\" of the flow must be a function");
    a_flow_has("\"description\":" F, "\"description\" of the flow must be a text");
}

/* Reads steps and lets them begin. */
static struct flow_end first_round(const char *steps, json_t **ret_root, struct flow *ret_flow) {
    AUTO(text_done) struct text json = text_up_to(64 << 10);
    struct why why = {""};
    text_addf(&json, "{\"steps\":[%s]}", steps);
    assert_false(err_failed(json_parse_wrapped(text_bytes(&json), ret_root, NULL)));
    assert_false(err_failed(flow_read(*ret_root, ret_flow, &why)));
    return flow_round(ret_flow);
}

static void steps_that_are_not_wanted_satisfy_every_rule(void **state) {
    AUTO(json_release) json_t *root = NULL;
    AUTO(flow_free) struct flow flow = {0};
    (void)state;
    (void)first_round("{\"id\":\"a\",\"kind\":\"code\",\"run\":" F ",\"when\":" F "},"
                      "{\"id\":\"b\",\"kind\":\"code\",\"run\":" F ",\"deps\":[\"a\"],"
                      "\"trigger_rule\":\"none_failed_min_one_success\"}",
                      &root, &flow);
    assert_int_equal(flow_trigger_met(&flow, 1), FLOW_WAITS);
    flow_exclude(&flow, 0);
    assert_int_equal(flow_trigger_met(&flow, 1), FLOW_MET);
}

static void a_child_that_waits_for_a_person_gives_its_place_back(void **state) {
    AUTO(json_release) json_t *root = NULL;
    AUTO(flow_free) struct flow flow = {0};
    (void)state;
    (void)first_round("{\"id\":\"a\",\"kind\":\"command\",\"command\":\"a\"},"
                      "{\"id\":\"b\",\"kind\":\"command\",\"command\":\"b\",\"when\":" F "}",
                      &root, &flow);
    flow.at_once = 1;
    assert_true(flow_answered(&flow, 1,
                              &(struct flow_answer){.version = flow.steps[1].version,
                                                    .phase = FLOW_AT_WHEN,
                                                    .said = FLOW_SAID_YES}));
    (void)flow_round(&flow);
    assert_int_equal(flow.steps[1].phase, FLOW_AT_READY);
    assert_int_equal(flow_lack(&flow, 1), FLOW_LACKS_PLACE);
    flow.steps[0].asks = true;
    (void)flow_round(&flow);
    assert_int_equal(flow.steps[1].phase, FLOW_AT_CHILD);
}

static void a_switch_that_throws_fails_the_run_whatever_waits_for_it(void **state) {
    AUTO(json_release) json_t *root = NULL;
    AUTO(flow_free) struct flow flow = {0};
    (void)state;
    (void)first_round("{\"id\":\"s\",\"kind\":\"switch\"},"
                      "{\"id\":\"b\",\"kind\":\"code\",\"run\":" F ",\"deps\":[\"s\"],"
                      "\"trigger_rule\":\"all_done\"}",
                      &root, &flow);
    assert_int_equal(flow.steps[0].phase, FLOW_AT_CASES);
    assert_true(flow_answered(&flow, 0,
                              &(struct flow_answer){.version = flow.steps[0].version,
                                                    .phase = FLOW_AT_CASES,
                                                    .said = FLOW_SAID_THREW}));
    const struct flow_end end = flow_round(&flow);
    assert_int_equal(end.how, FLOW_FAILS);
    assert_int_equal(end.step, 0);
}

static void a_flow_that_cannot_be_run_is_refused_with_its_place(void **state) {
    (void)state;
    flow_is("{\"id\":\"a\",\"kind\":\"code\",\"run\":" F "}", "");
    flow_is("{}", "a flow needs \"steps\": a list of 1 to 500 steps");
    flow_is("{\"id\":\"a b\",\"kind\":\"code\"}",
            "step 1: it needs an \"id\" of 1 to 100 letters, digits, '_', '-' or '.'");
    flow_is("{\"id\":\"a\",\"kind\":\"agnt\",\"run\":" F "}",
            "step 'a': \"kind\" must be agent, code, approval, switch, command, workflow or flow");
    flow_is("{\"id\":\"a\",\"kind\":\"code\"}", "step 'a': it needs a function \"run\"");
    flow_is("{\"id\":\"a\",\"kind\":\"code\",\"run\":true}",
            "step 'a': \"run\" must be a function");
    flow_is("{\"id\":\"a\",\"kind\":\"agent\",\"run\":" F ",\"maxRetrys\":1}",
            "step 'a': a step of the kind agent has no \"maxRetrys\"; did you mean "
            "\"maxRetries\"?");
    flow_is("{\"id\":\"a\",\"kind\":\"agent\",\"run\":" F ",\"maxRetries\":11}",
            "step 'a': \"maxRetries\" must be 0 to 10, not 11");
    flow_is("{\"id\":\"a\",\"kind\":\"code\",\"run\":" F "},{\"id\":\"a\",\"kind\":\"code\"}",
            "step 'a': its \"id\" stands twice");
    flow_is("{\"id\":\"a\",\"kind\":\"code\",\"run\":" F ",\"deps\":[\"b\"]}",
            "step 'a': \"deps\" names 'b', and there is no such step");
    flow_is("{\"id\":\"a\",\"kind\":\"code\",\"run\":" F ",\"deps\":[\"batch:b\"]}",
            "step 'a': \"deps\" names 'batch:b', and there is no such batch");
    flow_is("{\"id\":\"a\",\"kind\":\"code\",\"run\":" F ",\"deps\":[\"b\"]},"
            "{\"id\":\"b\",\"kind\":\"code\",\"run\":" F ",\"deps\":[\"c\"]},"
            "{\"id\":\"c\",\"kind\":\"code\",\"run\":" F ",\"deps\":[\"b\"]}",
            "steps wait for each other: b -> c -> b");
    flow_is("{\"id\":\"a\",\"kind\":\"code\",\"run\":" F ",\"batch\":\"g\",\"deps\":[\"batch:g\"]}",
            "steps wait for each other: a -> a");
    flow_is("{\"id\":\"s\",\"kind\":\"switch\",\"deps\":[\"a\"],\"cases\":[{\"label\":\"x\","
            "\"condition\":" F ",\"stepIds\":[\"a\"]}]},"
            "{\"id\":\"a\",\"kind\":\"code\",\"run\":" F "}",
            "steps wait for each other: s -> a -> s");
    flow_is("{\"id\":\"s\",\"kind\":\"switch\",\"cases\":["
            "{\"label\":\"x\",\"condition\":" F ",\"stepIds\":[]},"
            "{\"label\":\"x\",\"condition\":" F ",\"stepIds\":[]}]}",
            "step 's': two cases have the label 'x'");
    flow_is("{\"id\":\"s\",\"kind\":\"switch\",\"cases\":["
            "{\"label\":\"x\",\"condition\":" F ",\"stepIds\":[\"a\"]}],"
            "\"defaultBranch\":[\"a\"]},{\"id\":\"a\",\"kind\":\"code\",\"run\":" F "}",
            "step 'a': it stands in two branches");
    flow_is("{\"id\":\"a\",\"kind\":\"approval\",\"prompt\":\"Go?\",\"rewind_to\":\"a\"}",
            "step 'a': \"rewind_to\" must name a step that it comes after");
    flow_is("{\"id\":\"a\",\"kind\":\"approval\",\"prompt\":\"Go?\",\"on_timeout\":\"approve\"}",
            "step 'a': \"on_timeout\" must be fail or reject: silence is no yes");
    flow_is("{\"steps\":[{\"id\":\"a\",\"kind\":\"code\",\"run\":" F "}],\"batchConfig\":{}}",
            "\"batchConfig\" needs \"maxConcurrent\", a number from 1 to 500; \"timeoutMs\" and "
            "\"joinRule\" (a trigger rule) may be left out");
}

/* --- Random flows ----------------------------------------------------------------------------- */

enum { AT_ONCE = 3, SECOND_MS = 1000 };

/* --- The run: answers in a random order ------------------------------------------------------- */

struct playing {
    struct flow_world *world;
    struct flow *flow;
    int64_t denied[WORLD_STEPS]; /* Answers of people up to now. */
};

static enum flow_said person_says(struct playing *playing, size_t at) {
    const struct world_plan *plan = &playing->world->plans[at];
    const bool no = plan->fault == WORLD_PERSON || playing->denied[at] < plan->denials;
    playing->denied[at] += no ? 1 : 0;
    return no ? FLOW_SAID_NO : FLOW_SAID_YES;
}

static struct flow_answer answer_of(struct playing *playing, size_t at) {
    const struct flow_step *step = &playing->flow->steps[at];
    const struct world_plan *plan = &playing->world->plans[at];
    const int64_t failures = plan->fault == WORLD_CHILD ? plan->retries + 1 : plan->failures;
    struct flow_answer answer = {
        .version = step->version, .phase = step->phase, .chosen = plan->chosen};
    if (step->phase == FLOW_AT_WHEN) {
        answer.said = plan->unwanted ? FLOW_SAID_NO : FLOW_SAID_YES;
    } else if (step->phase == FLOW_AT_PERSON) {
        answer.said = person_says(playing, at);
    } else if (step->phase == FLOW_AT_CHILD) {
        answer.said = step->tries < failures ? FLOW_SAID_FAILED : FLOW_SAID_VALUE;
    } else if (step->phase == FLOW_AT_OUTPUT) {
        answer.said = FLOW_SAID_VALUE;
    } else if (step->phase == FLOW_AT_UNTIL) {
        answer.said = step->rounds + 1 >= plan->good ? FLOW_SAID_YES : FLOW_SAID_NO;
    } else {
        answer.said = plan->fault == WORLD_THROWS ? FLOW_SAID_THREW : FLOW_SAID_VALUE;
    }
    return answer;
}

/* Never more than the limits, and never what the model does not let begin. */
static void assert_lawful(const struct flow_world *world, const struct flow *flow) {
    size_t agents = 0, batched[WORLD_BATCHES + 1] = {0};
    for (size_t i = 0; i < flow->count; i++) {
        const struct flow_step *step = &flow->steps[i];
        if (step->status == FLOW_RUNNING) {
            agents += world_has_child(&world->plans[i]) ? 1 : 0;
            batched[world->plans[i].batch]++;
            assert_true(world->finals[i] == FLOW_COMPLETED || world->finals[i] == FLOW_FAILED);
        } else if (!flow_status_is_open(step->status) && step->status != FLOW_CANCELLED) {
            assert_int_equal(step->status, world->finals[i]);
        }
    }
    assert_true(agents <= AT_ONCE);
    for (size_t b = 0; b < WORLD_BATCHES; b++) {
        assert_true(batched[b] <= (size_t)world->batch_at_once);
    }
}

/* A pause passes, or somebody answers. */
static void step_go_on(struct playing *playing, size_t at) {
    struct flow *flow = playing->flow;
    if (flow->steps[at].phase == FLOW_AT_PAUSE) {
        flow->now_ms =
            flow->steps[at].due_ms > flow->now_ms ? flow->steps[at].due_ms : flow->now_ms;
        flow_tick(flow);
    } else {
        const struct flow_answer answer = answer_of(playing, at);
        assert_true(flow_answered(flow, at, &answer));
    }
}

static struct flow_end world_run(struct flow_world *world, struct flow *flow) {
    struct playing playing = {.world = world, .flow = flow};
    struct flow_end end = flow_round(flow);
    for (size_t turn = 0; end.how == FLOW_GOES_ON && turn < 1000 * WORLD_STEPS; turn++) {
        size_t asked[WORLD_STEPS], count = 0;
        assert_lawful(world, flow);
        for (size_t i = 0; i < flow->count; i++) {
            const enum flow_phase phase = flow->steps[i].phase;
            if (flow_status_is_open(flow->steps[i].status) && phase != FLOW_AT_NEW &&
                phase != FLOW_AT_READY) {
                asked[count++] = i;
            }
        }
        assert_true(count > 0); /* Nobody waits for nothing. */
        step_go_on(&playing, asked[world_dice(world, count)]);
        end = flow_round(flow);
    }
    assert_lawful(world, flow);
    return end;
}

static void assert_ended(const struct flow_world *world, const struct flow *flow,
                         const struct flow_end *end, bool fails, const char *text) {
    assert_int_equal(end->how, fails ? FLOW_FAILS : FLOW_SUCCEEDS);
    for (size_t i = 0; i < world->count; i++) {
        assert_false(flow_status_is_open(flow->steps[i].status));
        if (flow->steps[i].status != world->finals[i] &&
            !(flow->steps[i].status == FLOW_CANCELLED && fails &&
              world->failing == FLOW_FAILS_FAST)) {
            fail_msg("seed %llu: s%zu is %s, not %s\n%s", (unsigned long long)world->seed, i,
                     flow_status_names[flow->steps[i].status], flow_status_names[world->finals[i]],
                     text);
        }
    }
    if (fails) {
        assert_int_equal(world->finals[end->step], FLOW_FAILED);
        assert_false(world_tolerates(world, end->step));
    }
}

static void flow_prepare(const struct flow_world *world, struct flow *flow) {
    flow->at_once = AT_ONCE;
    flow->step_timeout_ms = 0; /* Pauses of some are no time of others. */
    flow->now_ms = SECOND_MS;
    for (size_t i = 0; i < world->count; i++) {
        if (world->plans[i].unwanted_first) {
            flow_exclude(flow, i);
        }
    }
}

/* A run that begins from one that has ended comes to the same end, whatever it runs again. */
static void world_check_again(struct flow_world *world, const json_t *json,
                              const struct flow *before, bool fails, const char *text) {
    AUTO(flow_free) struct flow flow = {0};
    struct flow_rerun rerun = {.before = before};
    size_t from[FLOW_STEPS_MAX];
    struct why why = {""};
    assert_false(err_failed(flow_read(json, &flow, &why)));
    flow_prepare(world, &flow);
    if (world_dice(world, 2) == 0) {
        rerun.again[world_dice(world, world->count)] = (enum flow_again)world_dice(world, 3);
    }
    flow_reuse(&flow, &rerun, from);
    for (size_t i = 0; i < flow.count; i++) {
        if (from[i] != FLOW_NONE) {
            flow_take_over(&flow, i, &before->steps[from[i]]);
        }
    }
    const struct flow_end end = world_run(world, &flow);
    assert_ended(world, &flow, &end, fails, text);
}

static void world_check(uint64_t seed) {
    AUTO(text_done) struct text text = text_up_to(256 << 10);
    AUTO(json_release) json_t *json = NULL;
    AUTO(flow_free) struct flow flow = {0};
    struct flow_world world;
    struct why why = {""};
    world_invent(&world, seed, WORLD_STEPS, 0);
    world_write(&world, &text);
    assert_false(err_failed(json_parse_wrapped(text_bytes(&text), &json, NULL)));
    if (err_failed(flow_read(json, &flow, &why))) {
        fail_msg("seed %llu: %s\n%s", (unsigned long long)seed, why.text, text_bytes(&text).data);
    }
    flow_prepare(&world, &flow);
    const bool fails = world_judge(&world);
    const struct flow_end end = world_run(&world, &flow);
    assert_ended(&world, &flow, &end, fails, text_bytes(&text).data);
    world_check_again(&world, json, &flow, fails, text_bytes(&text).data);
}

static void random_flows_end_as_the_model_says(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 10000; seed++) {
        world_check(seed);
    }
}

/* --- Retries, loops, times, and the way back -------------------------------------------------- */

static void flow_of(const char *json, json_t **ret_root, struct flow *ret_flow) {
    struct why why = {""};
    assert_false(err_failed(json_parse_wrapped(bytes_of(json), ret_root, NULL)));
    if (err_failed(flow_read(*ret_root, ret_flow, &why))) {
        fail_msg("%s", why.text);
    }
    ret_flow->now_ms = 1000;
}

static void answer(struct flow *flow, size_t at, enum flow_phase phase, enum flow_said said) {
    const struct flow_answer what = {
        .version = flow->steps[at].version, .phase = phase, .said = said};
    assert_true(flow_answered(flow, at, &what));
    (void)flow_round(flow); /* The caller looks at the steps. */
}

static void assert_at(const struct flow *flow, size_t at, enum flow_status status,
                      enum flow_phase phase) {
    assert_string_equal(flow_status_names[flow->steps[at].status], flow_status_names[status]);
    assert_string_equal(flow_phase_names[flow->steps[at].phase], flow_phase_names[phase]);
}

static void an_agent_is_tried_again_after_a_pause_until_no_try_is_left(void **state) {
    (void)state;
    AUTO(json_release) json_t *root = NULL;
    AUTO(flow_free) struct flow flow = {0};
    flow_of("{\"steps\":[{\"id\":\"a\",\"kind\":\"agent\",\"maxRetries\":2,\"run\":" F "}]}", &root,
            &flow);
    assert_int_equal(flow_round(&flow).how, FLOW_GOES_ON);
    answer(&flow, 0, FLOW_AT_RUN, FLOW_SAID_VALUE);
    answer(&flow, 0, FLOW_AT_CHILD, FLOW_SAID_FAILED);
    assert_at(&flow, 0, FLOW_RUNNING, FLOW_AT_PAUSE);
    assert_int_equal(flow_due_ms(&flow), 2000);
    flow_tick(&flow);
    assert_at(&flow, 0, FLOW_RUNNING, FLOW_AT_PAUSE); /* Not before its time. */
    flow.now_ms = 2000;
    flow_tick(&flow);
    assert_at(&flow, 0, FLOW_RUNNING, FLOW_AT_CHILD); /* With the prompt that it had. */
    flow.now_ms += flow.step_timeout_ms;
    flow_tick(&flow);
    assert_at(&flow, 0, FLOW_RUNNING, FLOW_AT_ENDING); /* The old child first. */
    answer(&flow, 0, FLOW_AT_ENDING, FLOW_SAID_FAILED);
    flow.now_ms = flow_due_ms(&flow);
    flow_tick(&flow);
    flow.now_ms = flow_due_ms(&flow);
    flow_tick(&flow);
    assert_at(&flow, 0, FLOW_TIMED_OUT, FLOW_AT_OVER);
    assert_int_equal(flow_round(&flow).how, FLOW_FAILS);
}

static void a_loop_ends_by_its_function_or_fails_at_its_limit(void **state) {
    (void)state;
    for (int64_t good = 1; good <= 3; good++) {
        AUTO(json_release) json_t *root = NULL;
        AUTO(flow_free) struct flow flow = {0};
        flow_of("{\"steps\":[{\"id\":\"a\",\"kind\":\"agent\",\"run\":" F ",\"loop\":{\"max\":2,"
                "\"until\":" F "}}]}",
                &root, &flow);
        (void)flow_round(&flow); /* Begins. */
        for (int64_t round = 1; round <= 2 && round <= good; round++) {
            answer(&flow, 0, FLOW_AT_RUN, FLOW_SAID_VALUE);
            answer(&flow, 0, FLOW_AT_CHILD, FLOW_SAID_VALUE);
            answer(&flow, 0, FLOW_AT_UNTIL, round == good ? FLOW_SAID_YES : FLOW_SAID_NO);
        }
        assert_at(&flow, 0, good <= 2 ? FLOW_COMPLETED : FLOW_FAILED, FLOW_AT_OVER);
        assert_int_equal(flow.steps[0].cause, good <= 2 ? FLOW_BECAUSE_NONE : FLOW_BECAUSE_LOOP);
    }
}

static void a_rejection_goes_back_to_a_step_and_all_behind_it(void **state) {
    (void)state;
    AUTO(json_release) json_t *root = NULL;
    AUTO(flow_free) struct flow flow = {0};
    flow_of("{\"steps\":[{\"id\":\"plan\",\"kind\":\"code\",\"run\":" F "},"
            "{\"id\":\"write\",\"kind\":\"agent\",\"deps\":[\"plan\"],\"run\":" F "},"
            "{\"id\":\"aside\",\"kind\":\"agent\",\"deps\":[\"plan\"],\"run\":" F "},"
            "{\"id\":\"ok\",\"kind\":\"approval\",\"prompt\":\"Good?\",\"deps\":[\"write\"],"
            "\"rewind_to\":\"write\",\"timeoutMs\":5000,\"on_timeout\":\"reject\"}]}",
            &root, &flow);
    (void)flow_round(&flow); /* Begins. */
    answer(&flow, 0, FLOW_AT_RUN, FLOW_SAID_VALUE);
    answer(&flow, 2, FLOW_AT_RUN, FLOW_SAID_VALUE);
    for (int64_t back = 1; back <= FLOW_REWINDS_MAX + 1; back++) {
        answer(&flow, 1, FLOW_AT_RUN, FLOW_SAID_VALUE);
        answer(&flow, 1, FLOW_AT_CHILD, FLOW_SAID_VALUE);
        assert_at(&flow, 3, FLOW_RUNNING, FLOW_AT_PERSON);
        if (back == 1) { /* Silence counts as a rejection, as its file says. */
            assert_int_equal(flow_due_ms(&flow), 6000);
            flow.now_ms = 6000;
            flow_tick(&flow);
            (void)flow_round(&flow); /* Begins again. */
        } else {
            answer(&flow, 3, FLOW_AT_PERSON, FLOW_SAID_NO);
        }
        assert_at(&flow, 0, FLOW_COMPLETED, FLOW_AT_OVER);
        if (back <= FLOW_REWINDS_MAX) {
            assert_at(&flow, 1, FLOW_RUNNING, FLOW_AT_RUN);
            assert_at(&flow, 2, FLOW_RUNNING, FLOW_AT_CHILD);
            assert_at(&flow, 3, FLOW_PENDING, FLOW_AT_NEW);
        }
    }
    assert_at(&flow, 3, FLOW_FAILED, FLOW_AT_OVER);
    assert_int_equal(flow.steps[3].cause, FLOW_BECAUSE_REWINDS);
    assert_at(&flow, 2, FLOW_CANCELLED, FLOW_AT_OVER);
}

static void a_batch_has_a_time_of_its_own(void **state) {
    (void)state;
    AUTO(json_release) json_t *root = NULL;
    AUTO(flow_free) struct flow flow = {0};
    flow_of("{\"batchConfig\":{\"maxConcurrent\":1,\"timeoutMs\":5000,\"joinRule\":\"all_done\"},"
            "\"steps\":[{\"id\":\"a\",\"kind\":\"agent\",\"batch\":\"g\",\"run\":" F "},"
            "{\"id\":\"b\",\"kind\":\"agent\",\"batch\":\"g\",\"run\":" F "},"
            "{\"id\":\"c\",\"kind\":\"agent\",\"deps\":[\"batch:g\"],\"run\":" F "}]}",
            &root, &flow);
    (void)flow_round(&flow); /* Begins. */
    assert_at(&flow, 0, FLOW_RUNNING, FLOW_AT_RUN);
    assert_at(&flow, 1, FLOW_PENDING, FLOW_AT_READY);
    flow.now_ms = flow_due_ms(&flow);
    assert_int_equal(flow.now_ms, 6000);
    flow_tick(&flow);
    assert_at(&flow, 0, FLOW_TIMED_OUT, FLOW_AT_OVER);
    assert_at(&flow, 1, FLOW_TIMED_OUT, FLOW_AT_OVER);
    assert_int_equal(flow_round(&flow).how, FLOW_GOES_ON); /* c can do without. */
    assert_at(&flow, 2, FLOW_RUNNING, FLOW_AT_RUN);
}

static void the_time_of_a_run_cancels_what_is_open_and_no_end_before_it(void **state) {
    (void)state;
    for (int64_t late = 0; late <= 1; late++) {
        AUTO(json_release) json_t *root = NULL;
        AUTO(flow_free) struct flow flow = {0};
        flow_of("{\"steps\":[{\"id\":\"a\",\"kind\":\"code\",\"run\":" F "},"
                "{\"id\":\"b\",\"kind\":\"approval\",\"prompt\":\"?\"}]}",
                &root, &flow);
        flow.deadline_ms = 5000;
        (void)flow_round(&flow); /* Begins. */
        answer(&flow, 0, FLOW_AT_RUN, FLOW_SAID_VALUE);
        assert_int_equal(flow_due_ms(&flow), 5000);
        flow.now_ms = 5000 - 1 + late;
        if (late == 0) { /* The last answer came in time, and is heard after it. */
            const struct flow_answer yes = {
                .version = flow.steps[1].version, .phase = FLOW_AT_PERSON, .said = FLOW_SAID_YES};
            assert_true(flow_answered(&flow, 1, &yes));
            flow.now_ms = 6000;
        }
        assert_int_equal(flow_round(&flow).how, late == 0 ? FLOW_SUCCEEDS : FLOW_EXPIRES);
        assert_at(&flow, 0, FLOW_COMPLETED, FLOW_AT_OVER);
        assert_at(&flow, 1, late == 0 ? FLOW_COMPLETED : FLOW_CANCELLED, FLOW_AT_OVER);
    }
}

static void an_answer_that_nobody_waits_for_changes_nothing(void **state) {
    (void)state;
    AUTO(json_release) json_t *root = NULL;
    AUTO(flow_free) struct flow flow = {0};
    flow_of("{\"steps\":[{\"id\":\"a\",\"kind\":\"code\",\"run\":" F "}]}", &root, &flow);
    (void)flow_round(&flow); /* Begins. */
    const int64_t version = flow.steps[0].version;
    const struct flow_answer other = {
        .version = version, .phase = FLOW_AT_WHEN, .said = FLOW_SAID_NO};
    const struct flow_answer old = {
        .version = version - 1, .phase = FLOW_AT_RUN, .said = FLOW_SAID_VALUE};
    assert_false(flow_answered(&flow, 0, &other));
    assert_false(flow_answered(&flow, 0, &old));
    answer(&flow, 0, FLOW_AT_RUN, FLOW_SAID_VALUE);
    const struct flow_answer twice = {
        .version = version, .phase = FLOW_AT_RUN, .said = FLOW_SAID_THREW};
    assert_false(flow_answered(&flow, 0, &twice));
    assert_at(&flow, 0, FLOW_COMPLETED, FLOW_AT_OVER);
}

/* --- A run that begins from another one ------------------------------------------------------- */

#define RUN(digest) "\"run\":{\"function\":true,\"digest\":\"" digest "\"}"
#define STEP(id, run, more) "{\"id\":\"" id "\",\"kind\":\"code\"," run more "}"
#define AFTER(ids) ",\"deps\":[" ids "]"
#define SWITCH                                                                                     \
    "{\"id\":\"which\",\"kind\":\"switch\",\"deps\":[\"plan\"],\"cases\":[{\"label\":\"l\","       \
    "\"condition\":" F ",\"stepIds\":[\"left\"]}],\"defaultBranch\":[\"right\"]}"
#define PLAN STEP("plan", RUN("1"), "")
#define DRAFT(run, more) STEP("draft", run, AFTER("\"plan\"") more)
#define CHECK STEP("check", RUN("1"), AFTER("\"draft\""))
#define BRANCHES                                                                                   \
    SWITCH "," STEP("left", RUN("1"), ",\"batch\":\"g\"") "," STEP("right", RUN("1"), "")
#define REST STEP("end", RUN("1"), AFTER("\"batch:g\""))
#define FLOW(steps) "{\"steps\":[" steps "]}"
static const char first_file[] = FLOW(PLAN "," DRAFT(RUN("1"), "") "," CHECK "," BRANCHES "," REST);

struct again {
    const char *file;     /* NULL: the same one. */
    const char *id;       /* Step that had ended otherwise, or is wanted again. */
    enum flow_status was; /* EXCLUDED: by `when`, at the start of the new run. */
    enum flow_again again;
    const char *reused;
};

/* A run of first_file has ended, with all completed but the branch on the right. */
static void assert_reuses(const struct again *what) {
    AUTO(json_release) json_t *old = NULL;
    AUTO(json_release) json_t *new = NULL;
    AUTO(flow_free) struct flow before = {0};
    AUTO(flow_free) struct flow flow = {0};
    AUTO(text_done) struct text reused = text_up_to(1000);
    struct flow_rerun rerun = {.before = &before};
    size_t from[FLOW_STEPS_MAX];
    flow_of(first_file, &old, &before);
    flow_of(what->file != NULL ? what->file : first_file, &new, &flow);
    for (size_t i = 0; i < before.count; i++) {
        before.steps[i].status = FLOW_COMPLETED;
    }
    before.steps[flow_find(&before, BYTES("right"))].status = FLOW_EXCLUDED;
    before.steps[flow_find(&before, BYTES("right"))].cause = FLOW_BECAUSE_NOT_CHOSEN;
    if (what->id != NULL && what->was == FLOW_EXCLUDED) {
        flow_exclude(&flow, flow_find(&flow, bytes_of(what->id)));
    } else if (what->id != NULL) {
        struct flow_step *step = &before.steps[flow_find(&before, bytes_of(what->id))];
        step->status = what->was;
        step->cause = what->was == FLOW_SKIPPED ? FLOW_BECAUSE_WHEN : FLOW_BECAUSE_NONE;
        rerun.again[flow_find(&flow, bytes_of(what->id))] = what->again;
    }
    flow_reuse(&flow, &rerun, from);
    for (size_t i = 0; i < flow.count; i++) {
        if (from[i] != FLOW_NONE) {
            text_addf(&reused, "%s%.*s", reused.len > 0 ? " " : "", (int)flow.steps[i].id.len,
                      flow.steps[i].id.data);
        }
    }
    assert_string_equal(text_bytes(&reused).data, what->reused);
}

static void a_new_run_reuses_what_has_completed_and_nothing_after_what_has_changed(void **state) {
    (void)state;
    static const struct again cases[] = {
        {NULL, NULL, 0, 0, "plan draft check which left end"},
        /* How it ended: */
        {NULL, "draft", FLOW_FAILED, 0, "plan which left end"},
        {NULL, "draft", FLOW_CANCELLED, 0, "plan which left end"},
        {NULL, "draft", FLOW_SKIPPED, 0, "plan check which left end"},
        {NULL, "draft", FLOW_EXCLUDED, 0, "plan which left end"},
        {NULL, "plan", FLOW_TIMED_OUT, 0, ""},
        /* Wanted again: */
        {NULL, "draft", FLOW_COMPLETED, FLOW_ALONE_AGAIN, "plan check which left end"},
        {NULL, "draft", FLOW_COMPLETED, FLOW_AGAIN, "plan which left end"},
        {NULL, "plan", FLOW_COMPLETED, FLOW_ALONE_AGAIN, "draft check which left end"},
        {NULL, "which", FLOW_COMPLETED, FLOW_AGAIN, "plan draft check"},
        /* Edited: a function, a member, a label, a batch, a branch. */
        {FLOW(PLAN "," DRAFT(RUN("2"), "") "," CHECK "," BRANCHES "," REST), NULL, 0, 0,
         "plan which left end"},
        {FLOW(PLAN "," DRAFT(RUN("1"), ",\"timeoutMs\":9") "," CHECK "," BRANCHES "," REST), NULL,
         0, 0, "plan which left end"},
        {FLOW(REST "," CHECK "," DRAFT(RUN("1"), ",\"label\":\"x\"") "," BRANCHES "," PLAN), NULL,
         0, 0, "end check draft which left plan"},
        {FLOW(PLAN "," DRAFT(RUN("1"), "") "," CHECK "," BRANCHES "," REST
                                           "," STEP("new", RUN("1"), ",\"batch\":\"g\"")),
         NULL, 0, 0, "plan draft check which left"},
        {FLOW(PLAN "," SWITCH "," STEP("left", RUN("1"), "") "," STEP(
             "right", RUN("1"), "") "," STEP("other", RUN("1"), ",\"batch\":\"g\"") "," REST),
         NULL, 0, 0, "plan which"},
        {FLOW(PLAN "," STEP("left", RUN("1"), ",\"batch\":\"g\"") "," REST), NULL, 0, 0, "plan"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_reuses(&cases[i]);
    }
}

#define ASKS(more)                                                                                 \
    FLOW(PLAN "," DRAFT(                                                                           \
        RUN("1"), "") ",{\"id\":\"yes\",\"kind\":\"approval\",\"prompt\":\"?\"" AFTER("\"draft\"") \
             more "}," STEP("go", RUN("1"), AFTER("\"yes\"")))

/* A yes was for what the steps before had said; that of named approvers also for those after. */
static void an_approval_is_asked_again_when_its_yes_was_for_something_else(void **state) {
    (void)state;
    static const char file[] = ASKS("");
    static const char named[] = ASKS(",\"approvers\":[\"ana\"]");
    static const struct {
        const char *id;
        bool reused[4];
        bool approvers, edited;
    } cases[] = {{"plan", {false, true, false, false}, false, false},
                 {"draft", {true, false, false, false}, false, false},
                 {"yes", {true, true, false, true}, false, false},
                 {"go", {true, true, true, false}, false, false},
                 {NULL, {true, true, true, true}, false, true},
                 {"plan", {false, true, false, false}, true, false},
                 {"go", {true, true, false, false}, true, false},
                 {NULL, {true, true, true, true}, true, false},
                 {NULL, {true, true, false, false}, true, true}};
    for (size_t c = 0; c < COUNT_OF(cases); c++) {
        AUTO(json_release) json_t *json = NULL;
        AUTO(flow_free) struct flow flow = {0};
        size_t from[FLOW_STEPS_MAX];
        flow_of(cases[c].approvers ? named : file, &json, &flow);
        AUTO(json_release) json_t *old = NULL;
        AUTO(flow_free) struct flow before = {0};
        flow_of(cases[c].approvers ? named : file, &old, &before);
        struct flow_rerun rerun = {.before = &before, .edited = cases[c].edited};
        for (size_t i = 0; i < before.count; i++) {
            before.steps[i].status = FLOW_COMPLETED;
        }
        if (cases[c].id != NULL) {
            rerun.again[flow_find(&flow, bytes_of(cases[c].id))] = FLOW_ALONE_AGAIN;
        }
        flow_reuse(&flow, &rerun, from);
        for (size_t i = 0; i < flow.count; i++) {
            assert_int_equal(from[i] != FLOW_NONE, cases[c].reused[i]);
        }
    }
}

/* The name of a step beside the approval is no way around it: what the yes was for runs again. */
static void named_approvers_are_asked_again_by_any_way_to_a_step_after_them(void **state) {
    (void)state;
    static const char file[] = FLOW(
        "{\"id\":\"yes\",\"kind\":\"approval\",\"prompt\":\"?\",\"approvers\":[\"ana\"]}," STEP(
            "build", RUN("1"), "") "," STEP("ship", RUN("1"), AFTER("\"yes\",\"build\"")));
    static const struct {
        enum flow_again again;
        enum flow_status was; /* FAILED: what came after it did without it. */
        bool reused[3];
    } cases[] = {{FLOW_AGAIN, FLOW_COMPLETED, {false, false, false}},
                 {FLOW_ALONE_AGAIN, FLOW_COMPLETED, {true, false, true}},
                 {FLOW_NOT_AGAIN, FLOW_FAILED, {false, false, false}}};
    for (size_t c = 0; c < COUNT_OF(cases); c++) {
        AUTO(json_release) json_t *json = NULL;
        AUTO(json_release) json_t *old = NULL;
        AUTO(flow_free) struct flow flow = {0};
        AUTO(flow_free) struct flow before = {0};
        size_t from[FLOW_STEPS_MAX];
        flow_of(file, &json, &flow);
        flow_of(file, &old, &before);
        struct flow_rerun rerun = {.before = &before};
        for (size_t i = 0; i < before.count; i++) {
            before.steps[i].status = FLOW_COMPLETED;
        }
        before.steps[1].status = cases[c].was;
        rerun.again[1] = cases[c].again;
        flow_reuse(&flow, &rerun, from);
        for (size_t i = 0; i < flow.count; i++) {
            assert_int_equal(from[i] != FLOW_NONE, cases[c].reused[i]);
        }
    }
}

/* sure, of approvers; ship and tell after it; good, whose no goes back to ship. */
#define SURE                                                                                       \
    "{\"steps\":[{\"id\":\"sure\",\"kind\":\"approval\",\"prompt\":\"?\",\"approvers\":[\"ana\"]}" \
    ","                                                                                            \
    "{\"id\":\"ship\",\"kind\":\"command\",\"command\":\"x\",\"deps\":[\"sure\"],\"maxRetries\":"  \
    "1},"                                                                                          \
    "{\"id\":\"tell\",\"kind\":\"command\",\"command\":\"x\",\"deps\":[\"sure\"]},"                \
    "{\"id\":\"good\",\"kind\":\"approval\",\"prompt\":\"?\",\"deps\":[\"ship\"],"                 \
    "\"rewind_to\":\"ship\"}]}"

static void approvers_say_yes(struct flow *flow) {
    assert_at(flow, 0, FLOW_RUNNING, FLOW_AT_FILES);
    answer(flow, 0, FLOW_AT_FILES, FLOW_SAID_VALUE);
    assert_at(flow, 0, FLOW_RUNNING, FLOW_AT_PERSON);
    answer(flow, 0, FLOW_AT_PERSON, FLOW_SAID_YES);
    assert_at(flow, 1, FLOW_RUNNING, FLOW_AT_CHILD);
}

static void each_beginning_of_a_step_after_approvers_has_a_yes_of_its_own(void **state) {
    (void)state;
    AUTO(json_release) json_t *root = NULL;
    AUTO(flow_free) struct flow flow = {0};
    flow_of(SURE, &root, &flow);
    (void)flow_round(&flow); /* Begins. */
    approvers_say_yes(&flow);
    answer(&flow, 1, FLOW_AT_CHILD, FLOW_SAID_GONE); /* A crash is no retry. */
    assert_at(&flow, 1, FLOW_RUNNING, FLOW_AT_CHILD);
    answer(&flow, 1, FLOW_AT_CHILD, FLOW_SAID_FAILED);
    assert_at(&flow, 1, FLOW_PENDING, FLOW_AT_NEW);
    assert_at(&flow, 2, FLOW_RUNNING, FLOW_AT_CHILD); /* Under the first yes. */
    approvers_say_yes(&flow);
    assert_true(flow_ask_again(&flow, 1)); /* A file differs. */
    (void)flow_round(&flow);
    approvers_say_yes(&flow);
    assert_int_equal(flow.steps[1].tries, 1);
    answer(&flow, 2, FLOW_AT_CHILD, FLOW_SAID_VALUE);
    answer(&flow, 2, FLOW_AT_OUTPUT, FLOW_SAID_VALUE);
    answer(&flow, 1, FLOW_AT_CHILD, FLOW_SAID_VALUE);
    answer(&flow, 1, FLOW_AT_OUTPUT, FLOW_SAID_VALUE);
    assert_false(flow_ask_again(&flow, 3)); /* Nobody has approved that. */
    answer(&flow, 3, FLOW_AT_PERSON, FLOW_SAID_NO);
    approvers_say_yes(&flow);
    answer(&flow, 1, FLOW_AT_CHILD, FLOW_SAID_FAILED);
    approvers_say_yes(&flow);
    answer(&flow, 1, FLOW_AT_CHILD, FLOW_SAID_FAILED); /* No try is left. */
    assert_at(&flow, 1, FLOW_FAILED, FLOW_AT_OVER);
}

/* sure, of approvers; code; ship and tell, which act; and what comes after. */
#define FAR                                                                                        \
    "{\"steps\":[{\"id\":\"sure\",\"kind\":\"approval\",\"prompt\":\"?\",\"approvers\":[\"ana\"]}" \
    "," STEP("how", RUN("1"),                                                                      \
             AFTER("\"sure\"")) ","                                                                \
                                "{\"id\":\"ship\",\"kind\":\"command\",\"command\":\"x\","         \
                                "\"deps\":[\"how\"],\"maxRetries\":1},"                            \
                                "{\"id\":\"tell\",\"kind\":\"command\",\"command\":\"x\","         \
                                "\"deps\":[\"how\"]},"                                             \
                                "{\"id\":\"last\",\"kind\":\"command\",\"command\":\"x\","         \
                                "\"deps\":[\"ship\"]}]}"

static void a_yes_of_approvers_is_for_the_first_steps_that_act(void **state) {
    (void)state;
    AUTO(json_release) json_t *root = NULL;
    AUTO(flow_free) struct flow flow = {0};
    flow_of(FAR, &root, &flow);
    static const bool guarded[] = {false, true, true, true, false};
    for (size_t i = 0; i < COUNT_OF(guarded); i++) {
        assert_int_equal(flow_is_for_approvers(&flow, i, 0), guarded[i]);
        assert_false(flow_is_for_approvers(&flow, i, 1)); /* Code has no approvers. */
    }
    (void)flow_round(&flow);
    for (size_t asked = 0; asked < 2; asked++) {
        answer(&flow, 0, FLOW_AT_FILES, FLOW_SAID_VALUE);
        answer(&flow, 0, FLOW_AT_PERSON, FLOW_SAID_YES);
        assert_at(&flow, 1, FLOW_RUNNING, FLOW_AT_RUN);
        answer(&flow, 1, FLOW_AT_RUN, FLOW_SAID_VALUE);
        assert_at(&flow, 2, FLOW_RUNNING, FLOW_AT_CHILD);
        assert_at(&flow, 3, FLOW_RUNNING, FLOW_AT_CHILD); /* Not disturbed. */
        answer(&flow, 2, FLOW_AT_CHILD, asked == 0 ? FLOW_SAID_FAILED : FLOW_SAID_VALUE);
    }
    answer(&flow, 2, FLOW_AT_OUTPUT, FLOW_SAID_VALUE);
    assert_false(flow_ask_again(&flow, 4)); /* Step 4 is behind ship. */
    assert_at(&flow, 4, FLOW_RUNNING, FLOW_AT_CHILD);
}

/* A step that has begun used the yes, however it ended; one that has not may still have it. */
static void a_new_run_has_the_yes_of_approvers_only_if_nothing_began_under_it(void **state) {
    (void)state;
    static const struct {
        enum flow_status ship;
        int64_t began_ms;
        bool reused;
    } cases[] = {{FLOW_FAILED, 7, false},   {FLOW_CANCELLED, 7, false}, {FLOW_TIMED_OUT, 7, false},
                 {FLOW_CANCELLED, 0, true}, {FLOW_SKIPPED, 0, true},    {FLOW_COMPLETED, 0, true}};
    for (size_t c = 0; c < COUNT_OF(cases); c++) {
        AUTO(json_release) json_t *json = NULL;
        AUTO(json_release) json_t *old = NULL;
        AUTO(flow_free) struct flow flow = {0};
        AUTO(flow_free) struct flow before = {0};
        size_t from[FLOW_STEPS_MAX];
        flow_of(SURE, &json, &flow);
        flow_of(SURE, &old, &before);
        const struct flow_rerun rerun = {.before = &before};
        before.steps[0].status = before.steps[2].status = FLOW_COMPLETED;
        before.steps[1].status = cases[c].ship;
        before.steps[1].began_ms = cases[c].began_ms;
        flow_reuse(&flow, &rerun, from);
        assert_int_equal(from[0] != FLOW_NONE, cases[c].reused);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_beginning_of_a_step_after_approvers_has_a_yes_of_its_own),
        cmocka_unit_test(a_yes_of_approvers_is_for_the_first_steps_that_act),
        cmocka_unit_test(a_new_run_has_the_yes_of_approvers_only_if_nothing_began_under_it),
        cmocka_unit_test(named_approvers_are_asked_again_by_any_way_to_a_step_after_them),
        cmocka_unit_test(an_approval_is_asked_again_when_its_yes_was_for_something_else),
        cmocka_unit_test(each_of_500_ids_is_found),
        cmocka_unit_test(members_of_a_flow_that_it_has_not_are_refused),
        cmocka_unit_test(steps_that_are_not_wanted_satisfy_every_rule),
        cmocka_unit_test(a_child_that_waits_for_a_person_gives_its_place_back),
        cmocka_unit_test(a_switch_that_throws_fails_the_run_whatever_waits_for_it),
        cmocka_unit_test(a_flow_that_cannot_be_run_is_refused_with_its_place),
        cmocka_unit_test(random_flows_end_as_the_model_says),
        cmocka_unit_test(an_agent_is_tried_again_after_a_pause_until_no_try_is_left),
        cmocka_unit_test(a_loop_ends_by_its_function_or_fails_at_its_limit),
        cmocka_unit_test(a_rejection_goes_back_to_a_step_and_all_behind_it),
        cmocka_unit_test(a_batch_has_a_time_of_its_own),
        cmocka_unit_test(the_time_of_a_run_cancels_what_is_open_and_no_end_before_it),
        cmocka_unit_test(an_answer_that_nobody_waits_for_changes_nothing),
        cmocka_unit_test(a_new_run_reuses_what_has_completed_and_nothing_after_what_has_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
