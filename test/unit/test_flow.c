/* Steps of flows: what is refused, and random flows against a plain model of their contract. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

enum { STEPS = 24, BATCHES = 3, AT_ONCE = 3 };

/* The plan of a step: everything that its functions, its child and people would say. */
struct plan {
    enum flow_kind kind;
    enum flow_trigger trigger;
    bool deps[STEPS], batch_deps[BATCHES];
    size_t batch;            /* BATCHES: none. */
    size_t switched, branch; /* STEPS: none. */
    size_t cases, chosen;    /* Branch `cases` is the default. */
    bool has_when, unwanted_first, unwanted, fails, throws;
};
struct world {
    struct plan plans[STEPS];
    size_t count;
    enum flow_failing failing;
    enum flow_trigger join;
    uint64_t seed;
    /* By the model: */
    enum flow_status finals[STEPS];
    bool by_when[STEPS];
};

static uint64_t dice(struct world *world, uint64_t sides) {
    world->seed ^= world->seed << 13;
    world->seed ^= world->seed >> 7;
    world->seed ^= world->seed << 17;
    return world->seed % sides;
}

static void step_invent(struct world *world, size_t at) {
    static const enum flow_kind kinds[] = {FLOW_KIND_AGENT,    FLOW_KIND_AGENT,  FLOW_KIND_CODE,
                                           FLOW_KIND_APPROVAL, FLOW_KIND_SWITCH, FLOW_KIND_COMMAND};
    struct plan *plan = &world->plans[at];
    *plan = (struct plan){.kind = kinds[dice(world, COUNT_OF(kinds))],
                          .trigger = (enum flow_trigger)dice(world, FLOW_TRIGGER_COUNT),
                          .batch = dice(world, 2 * BATCHES),
                          .switched = STEPS,
                          .has_when = dice(world, 4) == 0};
    plan->batch = plan->batch > BATCHES ? BATCHES : plan->batch;
    for (size_t i = 0; i < at; i++) {
        plan->deps[i] = dice(world, 2 + at / 2) == 0;
    }
    plan->cases = plan->kind == FLOW_KIND_SWITCH ? 1 + dice(world, 3) : 0;
    plan->chosen = plan->cases == 0 ? 0 : dice(world, plan->cases + 1);
    plan->unwanted_first = plan->has_when && dice(world, 3) == 0;
    plan->unwanted = plan->has_when && dice(world, 3) == 0;
    plan->fails = dice(world, 8) == 0;
    plan->throws = plan->fails && dice(world, 2) == 0;
}

/* Steps behind all members of a batch may wait for it; a switch chooses among later ones. */
static void bonds_invent(struct world *world) {
    size_t last[BATCHES] = {0};
    for (size_t i = 0; i < world->count; i++) {
        if (world->plans[i].batch < BATCHES) {
            last[world->plans[i].batch] = i + 1;
        }
    }
    for (size_t i = 0; i < world->count; i++) {
        for (size_t b = 0; b < BATCHES; b++) {
            world->plans[i].batch_deps[b] = last[b] > 0 && i >= last[b] && dice(world, 3) == 0;
        }
        for (size_t by = 0; by < i; by++) {
            if (world->plans[by].kind == FLOW_KIND_SWITCH && dice(world, 4) == 0) {
                world->plans[i].switched = by;
                world->plans[i].branch = dice(world, world->plans[by].cases + 1);
            }
        }
    }
}

static void world_invent(struct world *world, uint64_t seed) {
    *world = (struct world){.seed = seed * 2654435761U + 88172645463325252U};
    world->count = 1 + dice(world, STEPS);
    world->failing = (enum flow_failing)dice(world, 2);
    world->join = (enum flow_trigger)dice(world, FLOW_TRIGGER_COUNT);
    for (size_t i = 0; i < world->count; i++) {
        step_invent(world, i);
    }
    bonds_invent(world);
}

static void branch_write(const struct world *world, size_t by, size_t branch, struct text *text) {
    const char *comma = "";
    text_add_char(text, '[');
    for (size_t i = 0; i < world->count; i++) {
        if (world->plans[i].switched == by && world->plans[i].branch == branch) {
            text_addf(text, "%s\"s%zu\"", comma, i);
            comma = ",";
        }
    }
    text_add_char(text, ']');
}

static void step_write(const struct world *world, size_t at, struct text *text) {
    const struct plan *plan = &world->plans[at];
    const char *comma = "";
    text_addf(text, "%s{\"id\":\"s%zu\",\"kind\":\"%s\",\"trigger_rule\":\"%s\",\"deps\":[",
              at > 0 ? "," : "", at, flow_kind_names[plan->kind],
              flow_trigger_names[plan->trigger]);
    for (size_t i = 0; i < at; i++) {
        if (plan->deps[i]) {
            text_addf(text, "%s\"s%zu\"", comma, i);
            comma = ",";
        }
    }
    for (size_t b = 0; b < BATCHES; b++) {
        if (plan->batch_deps[b]) {
            text_addf(text, "%s\"batch:b%zu\"", comma, b);
            comma = ",";
        }
    }
    text_add_str(text, plan->has_when ? "],\"when\":" F : "]");
    text_add_str(text, plan->kind == FLOW_KIND_SWITCH ? "" : ",\"run\":" F);
    if (plan->batch < BATCHES) {
        text_addf(text, ",\"batch\":\"b%zu\"", plan->batch);
    }
    for (size_t c = 0; c < plan->cases; c++) {
        text_addf(text, "%s{\"label\":\"c%zu\",\"condition\":" F ",\"stepIds\":",
                  c == 0 ? ",\"cases\":[" : ",", c);
        branch_write(world, at, c, text);
        text_add_str(text, c + 1 == plan->cases ? "}]" : "}");
    }
    if (plan->cases > 0) {
        text_add_str(text, ",\"defaultBranch\":");
        branch_write(world, at, plan->cases, text);
    }
    text_add_char(text, '}');
}

static void world_write(const struct world *world, struct text *text) {
    text_addf(text,
              "{\"fail_fast\":%s,\"batchConfig\":{\"maxConcurrent\":2,\"joinRule\":\"%s\"},"
              "\"steps\":[",
              world->failing == FLOW_FAILS_FAST ? "true" : "false",
              flow_trigger_names[world->join]);
    for (size_t i = 0; i < world->count; i++) {
        step_write(world, i, text);
    }
    text_add_str(text, "]}");
}

/* --- The model: what each step comes to, whatever the order ----------------------------------- */

struct counts {
    size_t completed, passed, lost;
};

static void counts_add(const struct world *world, size_t at, struct counts *counts) {
    switch (world->finals[at]) {
    case FLOW_COMPLETED:
        counts->completed++;
        break;
    case FLOW_EXCLUDED:
        counts->passed++;
        break;
    case FLOW_SKIPPED:
        *(world->by_when[at] ? &counts->passed : &counts->lost) += 1;
        break;
    default:
        counts->lost++;
    }
}

static bool counts_allow(const struct counts *counts, enum flow_trigger trigger) {
    const size_t all = counts->completed + counts->passed + counts->lost;
    switch (trigger) {
    case FLOW_ONE_SUCCESS:
        return all == 0 || counts->completed + counts->passed > 0;
    case FLOW_ALL_DONE:
        return true;
    case FLOW_NONE_FAILED:
        return all == 0 || (counts->lost == 0 && counts->completed > 0);
    default:
        return counts->lost == 0;
    }
}

static enum flow_status final_of(struct world *world, size_t at) {
    const struct plan *plan = &world->plans[at];
    struct counts counts = {0};
    if (plan->unwanted_first) {
        return FLOW_EXCLUDED;
    }
    if (plan->switched < STEPS) {
        struct counts by = {0};
        counts_add(world, plan->switched, &by);
        if (by.lost > 0) {
            return FLOW_SKIPPED;
        }
        if (by.completed == 0 || world->plans[plan->switched].chosen != plan->branch) {
            return FLOW_EXCLUDED;
        }
    }
    for (size_t i = 0; i < at; i++) {
        if (plan->deps[i]) {
            counts_add(world, i, &counts);
        }
    }
    for (size_t b = 0; b < BATCHES; b++) {
        struct counts group = {0};
        for (size_t i = 0; i < world->count && plan->batch_deps[b]; i++) {
            if (world->plans[i].batch == b) {
                counts_add(world, i, &group);
            }
        }
        if (plan->batch_deps[b]) {
            *(counts_allow(&group, world->join) ? &counts.completed : &counts.lost) += 1;
        }
    }
    if (!counts_allow(&counts, plan->trigger)) {
        return FLOW_SKIPPED;
    }
    world->by_when[at] = plan->unwanted;
    return plan->unwanted ? FLOW_SKIPPED : plan->fails ? FLOW_FAILED : FLOW_COMPLETED;
}

static bool is_tolerant(enum flow_trigger trigger) {
    return trigger == FLOW_ONE_SUCCESS || trigger == FLOW_ALL_DONE;
}

/* Whether some step fails, and not everybody behind it can do without. */
static bool world_fails(const struct world *world) {
    bool fails = false;
    for (size_t i = 0; i < world->count; i++) {
        size_t behind = 0, tolerant = 0;
        for (size_t j = 0; j < world->count && world->finals[i] == FLOW_FAILED; j++) {
            const struct plan *plan = &world->plans[j];
            const size_t batch = world->plans[i].batch;
            if (plan->deps[i]) {
                behind++;
                tolerant += is_tolerant(plan->trigger) ? 1 : 0;
            }
            if (batch < BATCHES && plan->batch_deps[batch]) {
                behind++;
                tolerant += is_tolerant(plan->trigger) || is_tolerant(world->join) ? 1 : 0;
            }
        }
        fails |= world->finals[i] == FLOW_FAILED && (behind == 0 || tolerant < behind);
    }
    return fails;
}

/* --- The run: answers in a random order ------------------------------------------------------- */

static struct flow_answer answer_of(const struct world *world, const struct flow *flow, size_t at) {
    const enum flow_phase phase = flow->steps[at].phase;
    const struct plan *plan = &world->plans[at];
    const bool is_when = phase == FLOW_AT_WHEN, is_person = phase == FLOW_AT_PERSON;
    const bool no_child = plan->kind == FLOW_KIND_CODE || plan->kind == FLOW_KIND_SWITCH;
    struct flow_answer answer = {
        .version = flow->steps[at].version, .phase = phase, .chosen = plan->chosen};
    if (is_when) {
        answer.said = plan->unwanted ? FLOW_SAID_NO : FLOW_SAID_YES;
    } else if (is_person) {
        answer.said = plan->fails ? FLOW_SAID_NO : FLOW_SAID_YES;
    } else if (phase == FLOW_AT_CHILD) {
        answer.said = plan->fails ? FLOW_SAID_FAILED : FLOW_SAID_VALUE;
    } else {
        answer.said = plan->fails && (no_child || plan->throws) ? FLOW_SAID_THREW : FLOW_SAID_VALUE;
    }
    return answer;
}

static bool phase_asks(enum flow_phase phase) {
    return phase == FLOW_AT_WHEN || phase == FLOW_AT_CASES || phase == FLOW_AT_RUN ||
           phase == FLOW_AT_CHILD || phase == FLOW_AT_PERSON;
}

/* Never more than the limits, and never what the model does not let begin. */
static void assert_lawful(const struct world *world, const struct flow *flow) {
    size_t agents = 0, batched[BATCHES + 1] = {0};
    for (size_t i = 0; i < flow->count; i++) {
        const struct flow_step *step = &flow->steps[i];
        const enum flow_kind kind = world->plans[i].kind;
        if (step->status == FLOW_RUNNING) {
            agents += kind == FLOW_KIND_AGENT || kind == FLOW_KIND_COMMAND ? 1 : 0;
            batched[world->plans[i].batch]++;
            assert_true(world->finals[i] == FLOW_COMPLETED || world->finals[i] == FLOW_FAILED);
        } else if (!flow_status_is_open(step->status) && step->status != FLOW_CANCELLED) {
            assert_int_equal(step->status, world->finals[i]);
        }
    }
    assert_true(agents <= AT_ONCE);
    for (size_t b = 0; b < BATCHES; b++) {
        assert_true(batched[b] <= 2);
    }
}

static struct flow_end world_run(struct world *world, struct flow *flow) {
    struct flow_end end = flow_round(flow);
    for (size_t turn = 0; end.how == FLOW_GOES_ON && turn < 10 * STEPS; turn++) {
        size_t asked[STEPS], count = 0;
        assert_lawful(world, flow);
        for (size_t i = 0; i < flow->count; i++) {
            if (flow_status_is_open(flow->steps[i].status) && phase_asks(flow->steps[i].phase)) {
                asked[count++] = i;
            }
        }
        assert_true(count > 0); /* Nobody waits for nothing. */
        const size_t at = asked[dice(world, count)];
        const struct flow_answer answer = answer_of(world, flow, at);
        assert_true(flow_answered(flow, at, &answer));
        end = flow_round(flow);
    }
    assert_lawful(world, flow);
    return end;
}

static void world_check(uint64_t seed) {
    AUTO(text_done) struct text text = text_up_to(256 << 10);
    AUTO(json_release) json_t *json = NULL;
    AUTO(flow_free) struct flow flow = {0};
    struct world world;
    struct why why = {""};
    world_invent(&world, seed);
    world_write(&world, &text);
    assert_false(err_failed(json_parse_wrapped(text_bytes(&text), &json, NULL)));
    if (err_failed(flow_read(json, &flow, &why))) {
        fail_msg("seed %llu: %s\n%s", (unsigned long long)seed, why.text, text_bytes(&text).data);
    }
    flow.at_once = AT_ONCE;
    for (size_t i = 0; i < world.count; i++) {
        world.finals[i] = final_of(&world, i);
        if (world.plans[i].unwanted_first) {
            flow_exclude(&flow, i);
        }
    }
    const bool fails = world_fails(&world);
    const struct flow_end end = world_run(&world, &flow);
    assert_int_equal(end.how, fails ? FLOW_FAILS : FLOW_SUCCEEDS);
    for (size_t i = 0; i < world.count; i++) {
        assert_false(flow_status_is_open(flow.steps[i].status));
        if (flow.steps[i].status != world.finals[i] &&
            !(flow.steps[i].status == FLOW_CANCELLED && fails &&
              world.failing == FLOW_FAILS_FAST)) {
            fail_msg("seed %llu: s%zu is %s, not %s\n%s", (unsigned long long)seed, i,
                     flow_status_names[flow.steps[i].status], flow_status_names[world.finals[i]],
                     text_bytes(&text).data);
        }
    }
    if (fails) {
        assert_int_equal(world.finals[end.step], FLOW_FAILED);
    }
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flow_that_cannot_be_run_is_refused_with_its_place),
        cmocka_unit_test(random_flows_end_as_the_model_says),
        cmocka_unit_test(an_agent_is_tried_again_after_a_pause_until_no_try_is_left),
        cmocka_unit_test(a_loop_ends_by_its_function_or_fails_at_its_limit),
        cmocka_unit_test(a_rejection_goes_back_to_a_step_and_all_behind_it),
        cmocka_unit_test(a_batch_has_a_time_of_its_own),
        cmocka_unit_test(an_answer_that_nobody_waits_for_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
