/* flow_world.c: see flow_world.h. */
#include "flow_world.h"

#include <assert.h>

#define F "{\"function\":true}"
enum { REWINDS = 5 };

uint64_t world_dice(struct flow_world *world, uint64_t sides) {
    world->dice ^= world->dice << 13;
    world->dice ^= world->dice >> 7;
    world->dice ^= world->dice << 17;
    return world->dice % sides;
}

/* --- Invented --------------------------------------------------------------------------------- */

static enum world_fault fault_invent(struct flow_world *world, const struct world_plan *plan) {
    enum world_fault fits[3];
    size_t count = 0;
    if (world_dice(world, 8) != 0) {
        return WORLD_FINE;
    }
    if (plan->has_run || plan->kind == FLOW_KIND_SWITCH) {
        fits[count++] = WORLD_THROWS;
    }
    if (world_has_child(plan) || plan->kind == FLOW_KIND_APPROVAL) {
        fits[count++] = plan->kind == FLOW_KIND_APPROVAL ? WORLD_PERSON : WORLD_CHILD;
    }
    if (plan->loop_max > 0) {
        fits[count++] = WORLD_LOOP;
    }
    return fits[world_dice(world, count)];
}

/* The members that follow from the kind. */
static void kind_invent(struct flow_world *world, struct world_plan *plan) {
    const bool is_switch = plan->kind == FLOW_KIND_SWITCH;
    const bool is_person = plan->kind == FLOW_KIND_APPROVAL;
    plan->has_run = plan->kind == FLOW_KIND_AGENT || plan->kind == FLOW_KIND_CODE ||
                    (!is_switch && world_dice(world, 2) == 0);
    plan->cases = is_switch ? 1 + world_dice(world, 3) : 0;
    plan->chosen = is_switch ? world_dice(world, plan->cases + 1) : 0;
    plan->has_default = is_switch && world_dice(world, 4) != 0;
    plan->retries = world_has_child(plan) ? (int64_t)world_dice(world, 3) : 0;
    plan->failures = (int64_t)world_dice(world, (uint64_t)plan->retries + 1);
    plan->loop_max = !is_switch && !is_person && world_dice(world, 4) == 0
                         ? 1 + (int64_t)world_dice(world, 3)
                         : 0;
    plan->calls = plan->kind == FLOW_KIND_CODE && world_dice(world, 3) == 0
                      ? 1 + world_dice(world, WORLD_CALLS)
                      : 0;
    plan->asks_form = is_person && world_dice(world, 4) == 0;
    plan->fault = fault_invent(world, plan);
    plan->good = plan->fault == WORLD_LOOP
                     ? plan->loop_max + 1
                     : 1 + (int64_t)world_dice(world, (uint64_t)plan->loop_max + 1);
    plan->good = plan->good > plan->loop_max && plan->fault != WORLD_LOOP ? 1 : plan->good;
}

static void step_invent(struct flow_world *world, size_t at) {
    static const enum flow_kind kinds[] = {FLOW_KIND_AGENT,    FLOW_KIND_CODE,   FLOW_KIND_CODE,
                                           FLOW_KIND_APPROVAL, FLOW_KIND_SWITCH, FLOW_KIND_COMMAND};
    struct world_plan *plan = &world->plans[at];
    *plan = (struct world_plan){.kind = kinds[world_dice(world, COUNT_OF(kinds))],
                                .trigger = (enum flow_trigger)world_dice(world, FLOW_TRIGGER_COUNT),
                                .batch = world_dice(world, 2 * WORLD_BATCHES),
                                .switched = WORLD_STEPS,
                                .rewind_to = WORLD_STEPS,
                                .has_when = world_dice(world, 4) == 0};
    plan->batch = plan->batch > WORLD_BATCHES ? WORLD_BATCHES : plan->batch;
    for (size_t i = 0; i < at; i++) {
        plan->deps[i] = world_dice(world, 2 + at / 2) == 0;
    }
    plan->unwanted_first = plan->has_when && world_dice(world, 3) == 0;
    plan->unwanted = plan->has_when && world_dice(world, 3) == 0;
    kind_invent(world, plan);
}

/* Steps behind all members of a batch may wait for it; a switch chooses among later ones. */
static void bonds_invent(struct flow_world *world) {
    size_t last[WORLD_BATCHES] = {0};
    for (size_t i = 0; i < world->count; i++) {
        if (world->plans[i].batch < WORLD_BATCHES) {
            last[world->plans[i].batch] = i + 1;
        }
    }
    for (size_t i = 0; i < world->count; i++) {
        for (size_t b = 0; b < WORLD_BATCHES; b++) {
            world->plans[i].batch_deps[b] =
                last[b] > 0 && i >= last[b] && world_dice(world, 3) == 0;
        }
        for (size_t by = 0; by < i; by++) {
            if (world->plans[by].kind == FLOW_KIND_SWITCH && world_dice(world, 4) == 0) {
                world->plans[i].switched = by;
                world->plans[i].branch = world_dice(
                    world, world->plans[by].cases + (world->plans[by].has_default ? 1 : 0));
            }
        }
    }
}

/* Few enough that the limit of a run is not met by chance. */
static void rewinds_invent(struct flow_world *world) {
    int64_t left = REWINDS;
    for (size_t i = 0; i < world->count; i++) {
        struct world_plan *plan = &world->plans[i];
        const bool rewinds =
            plan->kind == FLOW_KIND_APPROVAL && plan->fault != WORLD_PERSON && left > 0;
        for (size_t j = 0; j < i && rewinds; j++) {
            plan->rewind_to = plan->deps[j] && world_dice(world, 2) == 0 ? j : plan->rewind_to;
        }
        if (plan->rewind_to < WORLD_STEPS) {
            plan->denials = (int64_t)world_dice(world, (uint64_t)(left < 2 ? left : 2) + 1);
            left -= plan->denials;
        }
    }
}

static void times_invent(struct flow_world *world) {
    world->batch_timeout_ms =
        world_dice(world, 8) == 0 ? 2000 + (int64_t)world_dice(world, 200000) : 0;
    for (size_t i = 0; i < world->count; i++) {
        struct world_plan *plan = &world->plans[i];
        if (plan->kind == FLOW_KIND_APPROVAL && world_dice(world, 5) == 0) {
            plan->timeout_ms = 1000 + (int64_t)world_dice(world, 900000);
            plan->refuses = world_dice(world, 2) == 0;
        } else if (plan->kind != FLOW_KIND_APPROVAL && world_dice(world, 6) == 0) {
            plan->timeout_ms = 2000 + (int64_t)world_dice(world, 200000);
        }
    }
}

static enum world_output output_invent(struct flow_world *world) {
    static const enum world_output outputs[] = {
        WORLD_NO_OUTPUT,    WORLD_NO_OUTPUT,      WORLD_NO_OUTPUT,
        WORLD_OUTPUT_NULL,  WORLD_OUTPUT_NAMES,   WORLD_OUTPUT_NAMES,
        WORLD_OUTPUT_NAMES, WORLD_OUTPUT_OUTSIDE, WORLD_OUTPUT_THROWS};
    return world->renders ? outputs[world_dice(world, COUNT_OF(outputs))] : WORLD_NO_OUTPUT;
}

void world_invent(struct flow_world *world, uint64_t seed, size_t steps_max, unsigned with) {
    assert(steps_max > 0 && steps_max <= WORLD_STEPS);
    *world = (struct flow_world){.seed = seed, .dice = seed * 2654435761U + 88172645463325252U};
    world->count = 1 + world_dice(world, steps_max);
    world->failing = (enum flow_failing)world_dice(world, 2);
    world->join = (enum flow_trigger)world_dice(world, FLOW_TRIGGER_COUNT);
    world->batch_at_once = 1 + (int64_t)world_dice(world, 3);
    world->renders = world_dice(world, 4) != 0;
    world->render_throws = world->renders && world_dice(world, 10) == 0;
    for (size_t i = 0; i < world->count; i++) {
        struct world_plan *plan = &world->plans[i];
        step_invent(world, i);
        if ((with & WORLD_NESTS) != 0 && plan->kind == FLOW_KIND_COMMAND && plan->has_run) {
            plan->kind = world_dice(world, 2) == 0 ? FLOW_KIND_FLOW : FLOW_KIND_WORKFLOW;
        }
    }
    bonds_invent(world);
    rewinds_invent(world);
    if ((with & WORLD_TIMES) != 0) {
        times_invent(world);
    }
    if ((with & WORLD_FILES) != 0) {
        world->output = output_invent(world);
    }
}

/* --- Written ---------------------------------------------------------------------------------- */

static void branch_write(const struct flow_world *world, size_t by, size_t branch,
                         struct text *text) {
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

static void deps_write(const struct flow_world *world, size_t at, struct text *text) {
    const struct world_plan *plan = &world->plans[at];
    const char *comma = "";
    text_add_str(text, ",\"deps\":[");
    for (size_t i = 0; i < at; i++) {
        if (plan->deps[i]) {
            text_addf(text, "%s\"s%zu\"", comma, i);
            comma = ",";
        }
    }
    for (size_t b = 0; b < WORLD_BATCHES; b++) {
        if (plan->batch_deps[b]) {
            text_addf(text, "%s\"batch:b%zu\"", comma, b);
            comma = ",";
        }
    }
    text_add_char(text, ']');
}

static void cases_write(const struct flow_world *world, size_t at, struct text *text) {
    const struct world_plan *plan = &world->plans[at];
    for (size_t c = 0; c < plan->cases; c++) {
        text_addf(text, "%s{\"label\":\"c%zu\",\"condition\":" F ",\"stepIds\":",
                  c == 0 ? ",\"cases\":[" : ",", c);
        branch_write(world, at, c, text);
        text_add_str(text, c + 1 == plan->cases ? "}]" : "}");
    }
    if (plan->has_default) {
        text_add_str(text, ",\"defaultBranch\":");
        branch_write(world, at, plan->cases, text);
    }
}

static void person_write(const struct world_plan *plan, struct text *text) {
    if (!plan->has_run) {
        text_add_str(text, ",\"prompt\":\"Go on?\"");
    }
    if (plan->asks_form) {
        text_add_str(text, ",\"schema\":{\"type\":\"object\",\"properties\":{\"n\":{\"type\":"
                           "\"integer\"}},\"required\":[\"n\"]}");
    }
    if (plan->rewind_to < WORLD_STEPS) {
        text_addf(text, ",\"rewind_to\":\"s%zu\"", plan->rewind_to);
    }
    if (plan->timeout_ms > 0) {
        text_addf(text, ",\"on_timeout\":\"%s\"", plan->refuses ? "reject" : "fail");
    }
}

static void step_write(const struct flow_world *world, size_t at, struct text *text) {
    const struct world_plan *plan = &world->plans[at];
    text_addf(text, "%s{\"id\":\"s%zu\",\"kind\":\"%s\",\"trigger_rule\":\"%s\"", at > 0 ? "," : "",
              at, flow_kind_names[plan->kind], flow_trigger_names[plan->trigger]);
    deps_write(world, at, text);
    text_add_str(text, plan->has_when ? ",\"when\":" F : "");
    text_add_str(text, plan->has_run ? ",\"run\":" F : "");
    if (plan->batch < WORLD_BATCHES) {
        text_addf(text, ",\"batch\":\"b%zu\"", plan->batch);
    }
    if (plan->retries > 0) {
        text_addf(text, ",\"maxRetries\":%lld", (long long)plan->retries);
    }
    if (plan->loop_max > 0) {
        text_addf(text, ",\"loop\":{\"max\":%lld,\"until\":" F "}", (long long)plan->loop_max);
    }
    if (plan->timeout_ms > 0) {
        text_addf(text, ",\"timeoutMs\":%lld", (long long)plan->timeout_ms);
    }
    if (plan->kind == FLOW_KIND_COMMAND && !plan->has_run) {
        text_addf(text, ",\"command\":\"count the demo of %llu for s%zu\"",
                  (unsigned long long)world->seed, at);
    } else if (plan->kind == FLOW_KIND_FLOW) {
        text_add_str(text, ",\"flow\":\"" WORLD_NESTED "\"");
    } else if (plan->kind == FLOW_KIND_WORKFLOW) {
        text_add_str(text, ",\"workflow\":\"" WORLD_WORKFLOW "\"");
    } else if (plan->kind == FLOW_KIND_APPROVAL) {
        person_write(plan, text);
    }
    cases_write(world, at, text);
    text_add_char(text, '}');
}

void world_write(const struct flow_world *world, struct text *text) {
    text_addf(text, "{\"name\":\"demo\",\"fail_fast\":%s,\"batchConfig\":{\"maxConcurrent\":%lld,",
              world->failing == FLOW_FAILS_FAST ? "true" : "false",
              (long long)world->batch_at_once);
    if (world->batch_timeout_ms > 0) {
        text_addf(text, "\"timeoutMs\":%lld,", (long long)world->batch_timeout_ms);
    }
    text_addf(text, "\"joinRule\":\"%s\"},\"steps\":[", flow_trigger_names[world->join]);
    for (size_t i = 0; i < world->count; i++) {
        step_write(world, i, text);
    }
    text_add_str(text, world->renders ? "],\"render\":" F : "]");
    text_add_str(text, world->output != WORLD_NO_OUTPUT ? ",\"output\":" F "}" : "}");
}

/* --- The model: what each step comes to, whatever the order ----------------------------------- */

struct counts {
    size_t completed, passed, lost;
};

static void counts_add(const struct flow_world *world, size_t at, struct counts *counts) {
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
    default:
        return counts->lost == 0;
    }
}

static bool deps_allow(const struct flow_world *world, size_t at) {
    const struct world_plan *plan = &world->plans[at];
    struct counts counts = {0};
    for (size_t i = 0; i < at; i++) {
        if (plan->deps[i]) {
            counts_add(world, i, &counts);
        }
    }
    for (size_t b = 0; b < WORLD_BATCHES; b++) {
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
    return counts_allow(&counts, plan->trigger);
}

static enum flow_status final_of(struct flow_world *world, size_t at) {
    const struct world_plan *plan = &world->plans[at];
    if (plan->kept) {
        return FLOW_COMPLETED;
    }
    if (plan->unwanted_first || plan->overtaken) {
        return plan->overtaken ? FLOW_TIMED_OUT : FLOW_EXCLUDED;
    }
    if (plan->switched < WORLD_STEPS) {
        struct counts by = {0};
        counts_add(world, plan->switched, &by);
        if (by.lost > 0) {
            return FLOW_SKIPPED;
        }
        if (by.completed == 0 || world->plans[plan->switched].chosen != plan->branch) {
            return FLOW_EXCLUDED;
        }
    }
    if (!deps_allow(world, at)) {
        return FLOW_SKIPPED;
    }
    world->by_when[at] = plan->unwanted;
    return plan->unwanted              ? FLOW_SKIPPED
           : plan->fault == WORLD_TIME ? FLOW_TIMED_OUT
           : plan->fault != WORLD_FINE ? FLOW_FAILED
                                       : FLOW_COMPLETED;
}

static bool is_tolerant(enum flow_trigger trigger) {
    return trigger == FLOW_ONE_SUCCESS || trigger == FLOW_ALL_DONE;
}

bool world_tolerates(const struct flow_world *world, size_t at) {
    const size_t batch = world->plans[at].batch;
    size_t behind = 0, tolerant = 0;
    for (size_t j = 0; j < world->count; j++) {
        const struct world_plan *plan = &world->plans[j];
        if (plan->deps[at]) {
            behind++;
            tolerant += is_tolerant(plan->trigger) ? 1 : 0;
        }
        if (batch < WORLD_BATCHES && plan->batch_deps[batch]) {
            behind++;
            tolerant += is_tolerant(plan->trigger) || is_tolerant(world->join) ? 1 : 0;
        }
    }
    return behind > 0 && tolerant == behind && world->plans[at].kind != FLOW_KIND_SWITCH;
}

bool world_judge(struct flow_world *world) {
    bool fails = false;
    for (size_t i = 0; i < world->count; i++) {
        world->by_when[i] = false;
        world->finals[i] = final_of(world, i);
    }
    for (size_t i = 0; i < world->count; i++) {
        fails |= (world->finals[i] == FLOW_FAILED || world->finals[i] == FLOW_TIMED_OUT) &&
                 !world_tolerates(world, i);
    }
    return fails;
}
