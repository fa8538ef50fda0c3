/* steps.c: the states of steps: what an answer, a time and a round do to them. See flow.h. */
#include <assert.h>

#include "rules/flow/flow.h"

#define BIT(status) (1U << FLOW_##status)
static const unsigned edges[FLOW_STATUS_COUNT] = {
    [FLOW_PENDING] =
        BIT(RUNNING) | BIT(EXCLUDED) | BIT(SKIPPED) | BIT(CANCELLED) | BIT(FAILED) | BIT(TIMED_OUT),
    [FLOW_RUNNING] = BIT(COMPLETED) | BIT(FAILED) | BIT(CANCELLED) | BIT(TIMED_OUT),
};

static void step_phase(struct flow *flow, struct flow_step *step, enum flow_phase phase) {
    step->phase = phase;
    step->change = ++flow->changes;
    step->changed_ms = flow->now_ms;
    step->version++;
}

static void step_begin(struct flow *flow, struct flow_step *step, enum flow_phase phase) {
    assert((edges[step->status] & BIT(RUNNING)) != 0);
    step->status = FLOW_RUNNING;
    step->began_ms = flow->now_ms;
    step_phase(flow, step, phase);
}

static void step_settle(struct flow *flow, struct flow_step *step, enum flow_status status,
                        enum flow_cause cause) {
    assert((edges[step->status] & 1U << status) != 0);
    step->status = status;
    step->cause = cause;
    step_phase(flow, step, FLOW_AT_OVER);
}

/* --- Trigger rules ---------------------------------------------------------------------------- */

/* How dependencies stand. `passed`: excluded, or skipped by its own `when`. */
struct census {
    size_t open, completed, passed, lost;
};

static void census_add(struct census *census, const struct flow_step *step) {
    if (flow_status_is_open(step->status)) {
        census->open++;
    } else if (step->status == FLOW_COMPLETED) {
        census->completed++;
    } else if (step->status == FLOW_EXCLUDED ||
               (step->status == FLOW_SKIPPED && step->cause == FLOW_BECAUSE_WHEN)) {
        census->passed++;
    } else {
        census->lost++;
    }
}

static enum flow_met census_meets(const struct census *census, enum flow_trigger trigger) {
    const bool settled = census->open == 0;
    switch (trigger) {
    case FLOW_ONE_SUCCESS: /* Passed ones satisfy, but nobody begins early for them. */
        if (census->completed > 0) {
            return FLOW_MET;
        }
        return !settled                                  ? FLOW_WAITS
               : census->passed > 0 || census->lost == 0 ? FLOW_MET
                                                         : FLOW_NEVER;
    case FLOW_ALL_DONE:
        return settled ? FLOW_MET : FLOW_WAITS;
    case FLOW_NONE_FAILED: /* Passed ones satisfy as a success does, so that this is the same. */
    case FLOW_ALL_SUCCESS:
    case FLOW_TRIGGER_COUNT:
        break;
    }
    return census->lost > 0 ? FLOW_NEVER : settled ? FLOW_MET : FLOW_WAITS;
}

static enum flow_met batch_met(const struct flow *flow, size_t batch) {
    struct census census = {0};
    for (size_t i = 0; i < flow->count; i++) {
        if (flow->steps[i].batch == batch) {
            census_add(&census, &flow->steps[i]);
        }
    }
    return census_meets(&census, flow->batch_join);
}

/* A step of a branch waits for its switch, whatever else it names. */
static enum flow_met switch_met(const struct flow *flow, const struct flow_step *step) {
    const struct flow_step *by = &flow->steps[step->switched];
    struct census census = {0};
    census_add(&census, by);
    if (census.open > 0 || census.lost > 0) {
        return census.open > 0 ? FLOW_WAITS : FLOW_NEVER;
    }
    return census.completed > 0 && by->chosen == step->branch ? FLOW_MET : FLOW_NOT_WANTED;
}

enum flow_met flow_trigger_met(const struct flow *flow, size_t at) {
    const struct flow_step *step = &flow->steps[at];
    const enum flow_met wanted = step->switched == FLOW_NONE ? FLOW_MET : switch_met(flow, step);
    struct census census = {0};
    if (wanted != FLOW_MET) {
        return wanted;
    }
    for (size_t i = 0; i < step->dep_count; i++) {
        const struct flow_dep *dep = &step->deps[i];
        if (dep->kind == FLOW_DEP_STEP) {
            census_add(&census, &flow->steps[dep->at]);
            continue;
        }
        const enum flow_met met = batch_met(flow, dep->at);
        census.open += met == FLOW_WAITS ? 1 : 0;
        census.completed += met == FLOW_MET ? 1 : 0;
        census.lost += met == FLOW_NEVER ? 1 : 0;
    }
    return census_meets(&census, step->trigger);
}

static bool trigger_tolerates(enum flow_trigger trigger) {
    return trigger == FLOW_ONE_SUCCESS || trigger == FLOW_ALL_DONE;
}

bool flow_failure_tolerated(const struct flow *flow, size_t failed) {
    size_t dependents = 0;
    if (flow->steps[failed].kind == FLOW_KIND_SWITCH) { /* Nobody knows which steps are wanted. */
        return false;
    }
    for (size_t i = 0; i < flow->count; i++) {
        const struct flow_step *step = &flow->steps[i];
        for (size_t d = 0; d < step->dep_count; d++) {
            const struct flow_dep *dep = &step->deps[d];
            const bool is_batch = dep->kind == FLOW_DEP_BATCH;
            if (dep->at != (is_batch ? flow->steps[failed].batch : failed)) {
                continue;
            }
            dependents++;
            if (!trigger_tolerates(step->trigger) &&
                !(is_batch && trigger_tolerates(flow->batch_join))) {
                return false;
            }
        }
    }
    return dependents > 0;
}

/* --- A round ---------------------------------------------------------------------------------- */

static bool settle_once(struct flow *flow) {
    bool settled = false;
    for (size_t i = 0; i < flow->count; i++) {
        struct flow_step *step = &flow->steps[i];
        if (step->status != FLOW_PENDING || step->phase != FLOW_AT_NEW) {
            continue;
        }
        const enum flow_met met = flow_trigger_met(flow, i);
        if (met == FLOW_NEVER) {
            step_settle(flow, step, FLOW_SKIPPED, FLOW_BECAUSE_UPSTREAM);
        } else if (met == FLOW_NOT_WANTED) {
            step_settle(flow, step, FLOW_EXCLUDED, FLOW_BECAUSE_NOT_CHOSEN);
        }
        settled |= met == FLOW_NEVER || met == FLOW_NOT_WANTED;
    }
    return settled;
}

/* In this order the classes of a round begin. */
enum class { CLASS_WHEN, CLASS_SWITCH, CLASS_CODE, CLASS_OTHERS, CLASS_COUNT };

static enum class class_of(const struct flow_step *step) {
    return step->kind == FLOW_KIND_SWITCH ? CLASS_SWITCH
           : step->kind == FLOW_KIND_CODE ? CLASS_CODE
                                          : CLASS_OTHERS;
}

/* The worker has not answered yet; code that waits for its own agents holds nobody up. */
static bool holds_up(const struct flow_step *step, enum class class) {
    switch (class) {
    case CLASS_WHEN:
        return step->phase == FLOW_AT_WHEN;
    case CLASS_SWITCH:
        return step->phase == FLOW_AT_CASES;
    case CLASS_CODE:
        return step->kind == FLOW_KIND_CODE && step->dispatched == 0 &&
               (step->phase == FLOW_AT_RUN || step->phase == FLOW_AT_UNTIL);
    case CLASS_OTHERS:
    case CLASS_COUNT:
        break;
    }
    return false;
}

static bool class_held_up(const struct flow *flow, enum class class) {
    bool held_up = false;
    for (size_t i = 0; i < flow->count && !held_up; i++) {
        held_up = holds_up(&flow->steps[i], class);
    }
    return held_up;
}

/* A child that waits for a person gives its place back, but for that in its batch: when it goes on,
 * one more may run. */
static bool takes_place(const struct flow_step *step) {
    return class_of(step) == CLASS_OTHERS && step->kind != FLOW_KIND_APPROVAL;
}

/* Places of the flow, and of each batch, that running steps have. */
struct places {
    int64_t taken, batches[FLOW_BATCHES_MAX];
};

static void places_add(struct places *places, const struct flow_step *step) {
    if (step->status == FLOW_RUNNING) {
        places->taken += takes_place(step) && !step->asks ? 1 : 0;
        if (step->batch != FLOW_NONE) {
            places->batches[step->batch]++;
        }
    }
}

static struct places places_count(const struct flow *flow) {
    struct places places = {0};
    for (size_t i = 0; i < flow->count; i++) {
        places_add(&places, &flow->steps[i]);
    }
    return places;
}

static enum flow_lack step_lacks(const struct flow *flow, const struct flow_step *step,
                                 const struct places *places) {
    return step->batch != FLOW_NONE && flow->batch_at_once > 0 &&
                   places->batches[step->batch] >= flow->batch_at_once
               ? FLOW_LACKS_BATCH
           : takes_place(step) && places->taken >= flow->at_once ? FLOW_LACKS_PLACE
                                                                 : FLOW_LACKS_NOTHING;
}

enum flow_lack flow_lack(const struct flow *flow, size_t at) {
    const struct places places = places_count(flow);
    return step_lacks(flow, &flow->steps[at], &places);
}

static enum flow_phase phase_first(const struct flow_step *step) {
    return step->kind == FLOW_KIND_SWITCH     ? FLOW_AT_CASES
           : (step->has & FLOW_HAS_RUN) != 0  ? FLOW_AT_RUN
           : flow_names_approvers(step)       ? FLOW_AT_FILES
           : step->kind == FLOW_KIND_APPROVAL ? FLOW_AT_PERSON
                                              : FLOW_AT_CHILD;
}

static void class_begin(struct flow *flow, enum class class) {
    struct places places = places_count(flow);
    for (size_t i = 0; i < flow->count; i++) {
        struct flow_step *step = &flow->steps[i];
        if (step->status != FLOW_PENDING) {
            continue;
        }
        if (class == CLASS_WHEN && step->phase == FLOW_AT_NEW &&
            flow_trigger_met(flow, i) == FLOW_MET) {
            step_phase(flow, step, (step->has & FLOW_HAS_WHEN) != 0 ? FLOW_AT_WHEN : FLOW_AT_READY);
        } else if (class_of(step) == class && step->phase == FLOW_AT_READY &&
                   step_lacks(flow, step, &places) == FLOW_LACKS_NOTHING) {
            step_begin(flow, step, phase_first(step));
            places_add(&places, step);
        }
    }
}

void flow_cancel(struct flow *flow) {
    for (size_t i = 0; i < flow->count; i++) {
        if (flow_status_is_open(flow->steps[i].status)) {
            step_settle(flow, &flow->steps[i], FLOW_CANCELLED, FLOW_BECAUSE_RUN_OVER);
        }
    }
}

static size_t failed_find(const struct flow *flow) {
    for (size_t i = 0; i < flow->count; i++) {
        const enum flow_status status = flow->steps[i].status;
        if ((status == FLOW_FAILED || status == FLOW_TIMED_OUT) &&
            !flow_failure_tolerated(flow, i)) {
            return i;
        }
    }
    return FLOW_NONE;
}

static bool has_open(const struct flow *flow) {
    bool open = false;
    for (size_t i = 0; i < flow->count && !open; i++) {
        open = flow_status_is_open(flow->steps[i].status);
    }
    return open;
}

struct flow_end flow_round(struct flow *flow) {
    while (settle_once(flow)) {
    }
    const size_t failed = failed_find(flow);
    size_t open = 0, busy = 0;
    if (failed != FLOW_NONE && flow->failing == FLOW_FAILS_FAST) {
        flow_cancel(flow);
        return (struct flow_end){FLOW_FAILS, failed};
    }
    if (flow->deadline_ms > 0 && flow->deadline_ms <= flow->now_ms && has_open(flow)) {
        flow_cancel(flow);
        return (struct flow_end){FLOW_EXPIRES, FLOW_NONE};
    }
    for (enum class class = CLASS_WHEN; class < CLASS_COUNT; class ++) {
        class_begin(flow, class);
        if (class_held_up(flow, class)) {
            return (struct flow_end){FLOW_GOES_ON, FLOW_NONE};
        }
    }
    for (size_t i = 0; i < flow->count; i++) {
        open += flow_status_is_open(flow->steps[i].status) ? 1 : 0;
        busy += flow->steps[i].status == FLOW_RUNNING ? 1 : 0;
    }
    if (busy > 0) {
        return (struct flow_end){FLOW_GOES_ON, FLOW_NONE};
    }
    flow_cancel(flow);
    return (struct flow_end){open > 0 || failed != FLOW_NONE ? FLOW_FAILS : FLOW_SUCCEEDS, failed};
}

/* --- Answers ---------------------------------------------------------------------------------- */

/* The meaning of an answer in a phase; nothing: nobody asked. */
enum sequel {
    NOTHING,
    GETS_READY,
    IS_SKIPPED,
    FAILS_THREW,
    HAS_CHOSEN,
    HAS_RUN, /* The prompt is known, the files of a question, or the result. */
    BEGINS,  /* A child, which there is not any more, begins again. */
    HAS_RESULT,
    TRIES_AGAIN, /* If a try is left. */
    PAUSES,
    LOOPS,
    COMPLETES,
    IS_REJECTED,
};
static const enum sequel sequels[FLOW_PHASE_COUNT][FLOW_SAID_COUNT] = {
    [FLOW_AT_WHEN] = {[FLOW_SAID_YES] = GETS_READY,
                      [FLOW_SAID_NO] = IS_SKIPPED,
                      [FLOW_SAID_THREW] = FAILS_THREW},
    [FLOW_AT_CASES] = {[FLOW_SAID_VALUE] = HAS_CHOSEN, [FLOW_SAID_THREW] = FAILS_THREW},
    [FLOW_AT_RUN] = {[FLOW_SAID_VALUE] = HAS_RUN, [FLOW_SAID_THREW] = FAILS_THREW},
    [FLOW_AT_CHILD] = {[FLOW_SAID_VALUE] = HAS_RESULT,
                       [FLOW_SAID_FAILED] = TRIES_AGAIN,
                       [FLOW_SAID_GONE] = BEGINS},
    [FLOW_AT_OUTPUT] = {[FLOW_SAID_VALUE] = HAS_RESULT, [FLOW_SAID_THREW] = FAILS_THREW},
    [FLOW_AT_ENDING] =
        {[FLOW_SAID_VALUE] = PAUSES, [FLOW_SAID_FAILED] = PAUSES, [FLOW_SAID_GONE] = PAUSES},
    [FLOW_AT_UNTIL] =
        {[FLOW_SAID_YES] = COMPLETES, [FLOW_SAID_NO] = LOOPS, [FLOW_SAID_THREW] = FAILS_THREW},
    [FLOW_AT_FILES] = {[FLOW_SAID_VALUE] = HAS_RUN, [FLOW_SAID_THREW] = FAILS_THREW},
    [FLOW_AT_PERSON] = {[FLOW_SAID_YES] = COMPLETES, [FLOW_SAID_NO] = IS_REJECTED},
};

static int64_t pause_ms(int64_t tries) {
    int64_t pause_ms = FLOW_PAUSE_FIRST_MS;
    for (int64_t i = 1; i < tries && pause_ms < FLOW_PAUSE_MAX_MS; i++) {
        pause_ms *= 2;
    }
    return pause_ms < FLOW_PAUSE_MAX_MS ? pause_ms : FLOW_PAUSE_MAX_MS;
}

static void step_go_back(struct flow *flow, struct flow_step *step) {
    step->status = FLOW_PENDING;
    step->cause = FLOW_BECAUSE_NONE;
    step->chosen = FLOW_NONE;
    step->went_back = true;
    step->dispatched = step->began_ms = step->due_ms = 0;
    step_phase(flow, step, FLOW_AT_NEW);
}

/* A yes of approvers was for the try before. */
static void step_pause(struct flow *flow, struct flow_step *step) {
    step->tries++;
    if (flow_ask_again(flow, (size_t)(step - flow->steps))) {
        return;
    }
    step->due_ms = flow->now_ms + pause_ms(step->tries);
    step_phase(flow, step, FLOW_AT_PAUSE);
}

static void step_loop(struct flow *flow, struct flow_step *step) {
    step->rounds++;
    step->tries = 0;
    if (step->rounds >= step->loop_max) {
        step_settle(flow, step, FLOW_FAILED, FLOW_BECAUSE_LOOP);
    } else {
        step_phase(flow, step, phase_first(step));
    }
}

static void step_reject(struct flow *flow, struct flow_step *step) {
    if (step->rewind_to == FLOW_NONE) {
        step_settle(flow, step, FLOW_FAILED, FLOW_BECAUSE_REJECTED);
    } else if (flow->rewinds >= FLOW_REWINDS_MAX) {
        step_settle(flow, step, FLOW_FAILED, FLOW_BECAUSE_REWINDS);
    } else {
        flow->rewinds++;
        flow_rewind(flow, step->rewind_to);
    }
}

static void step_result(struct flow *flow, struct flow_step *step) {
    if ((step->has & FLOW_HAS_UNTIL) != 0) {
        step_phase(flow, step, FLOW_AT_UNTIL);
    } else {
        step_settle(flow, step, FLOW_COMPLETED, FLOW_BECAUSE_NONE);
    }
}

/* The prompt is known, or the files of a question. */
static enum flow_phase phase_of_prompt(const struct flow_step *step) {
    return step->kind != FLOW_KIND_APPROVAL                           ? FLOW_AT_CHILD
           : step->phase == FLOW_AT_RUN && flow_names_approvers(step) ? FLOW_AT_FILES
                                                                      : FLOW_AT_PERSON;
}

static void sequel_perform(struct flow *flow, struct flow_step *step, enum sequel sequel) {
    switch (sequel) {
    case GETS_READY:
        step_phase(flow, step, FLOW_AT_READY);
        break;
    case IS_SKIPPED:
        step_settle(flow, step, FLOW_SKIPPED, FLOW_BECAUSE_WHEN);
        break;
    case FAILS_THREW:
        step_settle(flow, step, FLOW_FAILED, FLOW_BECAUSE_THREW);
        break;
    case BEGINS:
        step_phase(flow, step, FLOW_AT_CHILD);
        break;
    case TRIES_AGAIN:
        if (step->tries < step->retries_max) {
            step_pause(flow, step);
        } else {
            step_settle(flow, step, FLOW_FAILED, FLOW_BECAUSE_CHILD);
        }
        break;
    case PAUSES:
        step_pause(flow, step);
        break;
    case LOOPS:
        step_loop(flow, step);
        break;
    case IS_REJECTED:
        step_reject(flow, step);
        break;
    case HAS_RUN:
        if (step->kind == FLOW_KIND_CODE) {
            step_result(flow, step);
        } else {
            step_phase(flow, step, phase_of_prompt(step));
        }
        break;
    case HAS_RESULT:
        if (step->kind == FLOW_KIND_COMMAND && step->phase == FLOW_AT_CHILD) {
            step_phase(flow, step, FLOW_AT_OUTPUT);
        } else {
            step_result(flow, step);
        }
        break;
    case HAS_CHOSEN:
    case COMPLETES:
        step_settle(flow, step, FLOW_COMPLETED, FLOW_BECAUSE_NONE);
        break;
    case NOTHING:
        break;
    }
}

bool flow_answered(struct flow *flow, size_t at, const struct flow_answer *answer) {
    struct flow_step *step = &flow->steps[at];
    const bool late = step->version != answer->version || step->phase != answer->phase ||
                      !flow_status_is_open(step->status);
    const enum sequel sequel = late ? NOTHING : sequels[answer->phase][answer->said];
    if (sequel == HAS_CHOSEN) {
        step->chosen = answer->chosen;
    }
    sequel_perform(flow, step, sequel);
    return sequel != NOTHING;
}

void flow_exclude(struct flow *flow, size_t at) {
    step_settle(flow, &flow->steps[at], FLOW_EXCLUDED, FLOW_BECAUSE_WHEN);
}

/* --- Time ------------------------------------------------------------------------------------- */

/* When the step itself times out, or goes on; 0: never. */
static int64_t step_due_ms(const struct flow *flow, const struct flow_step *step) {
    if (step->status != FLOW_RUNNING || step->phase == FLOW_AT_ENDING) {
        return 0;
    }
    if (step->phase == FLOW_AT_PAUSE) {
        return step->due_ms;
    }
    const bool own = step->kind == FLOW_KIND_APPROVAL || step->timeout_ms > 0;
    const int64_t timeout_ms = own ? step->timeout_ms : flow->step_timeout_ms;
    return timeout_ms > 0 ? step->changed_ms + timeout_ms : 0;
}

/* When its batch times out; 0: never. That counts from the first that began. */
static int64_t batch_due_ms(const struct flow *flow, const struct flow_step *step) {
    int64_t first_ms = 0;
    if (step->batch == FLOW_NONE || flow->batch_timeout_ms == 0) {
        return 0;
    }
    for (size_t i = 0; i < flow->count; i++) {
        const struct flow_step *other = &flow->steps[i];
        if (other->batch == step->batch && other->began_ms > 0 &&
            (first_ms == 0 || other->began_ms < first_ms)) {
            first_ms = other->began_ms;
        }
    }
    return first_ms > 0 ? first_ms + flow->batch_timeout_ms : 0;
}

bool flow_is_silent(const struct flow *flow, size_t at) {
    const struct flow_step *step = &flow->steps[at];
    const int64_t due_ms = step_due_ms(flow, step);
    const bool below = step->phase == FLOW_AT_CHILD || step->phase == FLOW_AT_RUN;
    return below && due_ms > 0 && due_ms <= flow->now_ms;
}

static void step_time_out(struct flow *flow, struct flow_step *step) {
    if (step->phase == FLOW_AT_PAUSE) {
        step_phase(flow, step, FLOW_AT_CHILD);
    } else if (step->phase == FLOW_AT_PERSON && (step->has & FLOW_HAS_REFUSAL) != 0) {
        step_reject(flow, step);
    } else if (step->phase == FLOW_AT_PERSON) {
        step_settle(flow, step, FLOW_FAILED, FLOW_BECAUSE_UNANSWERED);
    } else if (step->phase == FLOW_AT_CHILD && step->kind == FLOW_KIND_AGENT &&
               step->tries < step->retries_max) {
        step_phase(flow, step, FLOW_AT_ENDING);
    } else {
        step_settle(flow, step, FLOW_TIMED_OUT, FLOW_BECAUSE_TIMED_OUT);
    }
}

void flow_tick(struct flow *flow) {
    for (size_t i = 0; i < flow->count; i++) {
        struct flow_step *step = &flow->steps[i];
        const int64_t batch_ms = batch_due_ms(flow, step), own_ms = step_due_ms(flow, step);
        if (flow_status_is_open(step->status) && batch_ms > 0 && batch_ms <= flow->now_ms) {
            step_settle(flow, step, FLOW_TIMED_OUT, FLOW_BECAUSE_BATCH);
        } else if (own_ms > 0 && own_ms <= flow->now_ms) {
            step_time_out(flow, step);
        }
    }
}

int64_t flow_due_ms(const struct flow *flow) {
    int64_t due_ms = flow->deadline_ms;
    for (size_t i = 0; i < flow->count; i++) {
        const struct flow_step *step = &flow->steps[i];
        const bool open = flow_status_is_open(step->status);
        const int64_t times[] = {open ? batch_due_ms(flow, step) : 0, step_due_ms(flow, step)};
        for (size_t t = 0; t < COUNT_OF(times); t++) {
            due_ms = times[t] > 0 && (due_ms == 0 || times[t] < due_ms) ? times[t] : due_ms;
        }
    }
    return due_ms;
}

/* --- Going back ------------------------------------------------------------------------------- */

/* The file's own wish, at the start, holds for the whole run. */
static bool excluded_at_start(const struct flow_step *step) {
    return step->status == FLOW_EXCLUDED && step->cause == FLOW_BECAUSE_WHEN;
}

void flow_rewind(struct flow *flow, size_t at) {
    struct flow_marks marks = {.begun = {false}};
    for (size_t i = 0; i < flow->count; i++) {
        marks.begun[i] = flow_has_begun(&flow->steps[i]);
    }
    marks.again[at] = true;
    flow_mark_used(flow, &marks);
    for (size_t i = 0; i < flow->count; i++) {
        struct flow_step *step = &flow->steps[i];
        if (marks.again[i] && !excluded_at_start(step)) {
            step->tries = step->rounds = 0;
            step_go_back(flow, step);
        }
    }
}

/* Tries and rounds of the step stay: it has no more of them than its file says. */
bool flow_ask_again(struct flow *flow, size_t at) {
    bool marked[FLOW_STEPS_MAX];
    if (!flow_mark_approvals(flow, at, marked)) {
        return false;
    }
    marked[at] = true;
    for (size_t i = 0; i < flow->count; i++) {
        if (marked[i] && !excluded_at_start(&flow->steps[i])) {
            step_go_back(flow, &flow->steps[i]);
        }
    }
    return true;
}
