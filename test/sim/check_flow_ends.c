/* check_flow_ends.c: an ended flow, as its rows, its events and its children have it, is compared
 * with the plain model (test/flow_world.h).
 *
 *   rows, events ──seen_read──> what was seen ──world_decide──> plans of what happened ──judge──>
 *   the ends that each step, the run and its report must have
 *
 *   given how children, people and the clock decided: each step and the run have ended as the model
 *   says, tries and rounds are those of the plan, functions knew the results that are stored; a
 *   flow that began from an ended one ran exactly the steps that had to run; each child, and each
 *   question, was needed, and came once.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "asks.h"
#include "base/memory.h"
#include "base/text.h"
#include "flow_player.h"
#include "flows.h"
#include "inside.h"

enum { RESULT_MAX = 2 << 20, EARLY_MS = 1000 };
/* --- An ended flow, as its rows have it ------------------------------------------------------- */

/* The events of a step. A *generation* ends when an approval goes back. */
struct told_step {
    enum flow_status status;
    enum flow_phase phase;
    int64_t needs;         /* Times at which it needed a child, */
    int64_t cut;           /* and those that were over before the child was. */
    int64_t tries, untils; /* needs of the last round; rounds of the last generation. */
    int64_t asks;          /* Questions to people. */
};
struct seen_step {
    enum flow_status status;
    enum flow_cause cause;
    int64_t chosen, tries, rounds;
    char *note, *prompt, *result; /* Owned. */
    int64_t children;
    bool succeeded;  /* The last child did. */
    char answer[16]; /* State of its last question; "": there was none. */
    int64_t questions, denials;
    char letters[WORLD_CALLS + 1]; /* Answers of the agents of its last evaluation. */
    int64_t calls;                 /* Agents that it began. */
    bool cached;                   /* The result is that of an earlier run. */
    struct told_step told;
};
struct seen_flow {
    struct sim_flow *flow;
    struct seen_step steps[WORLD_STEPS];
    size_t count;
    enum run_state state;
    char cause[32], stop[32], failed[32];
    int64_t rewinds, step_timeout_ms;
    char *report, *artifact, *artifact_fault; /* Owned. */
    bool stage_over, has_last;
};

static bool name_read(struct bytes name, const char *const *names, unsigned *ret_value) {
    return bytes_find(name, names, ret_value);
}

static char *kept(struct bytes text) {
    return mem_copy(text.data, text.len);
}

static void step_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct seen_flow *seen = ctx;
    struct seen_step *step = &seen->steps[seen->count];
    unsigned status = 0, cause = 0;
    if (seen->count == WORLD_STEPS || !name_read(row->text[0], flow_status_names, &status) ||
        !name_read(row->text[1], flow_cause_names, &cause)) {
        sim_fail(sim, "%s has a step that is %s, %s", seen->flow->run, row->text[0].data,
                 row->text[1].data);
    }
    *step = (struct seen_step){.status = (enum flow_status)status,
                               .cause = (enum flow_cause)cause,
                               .chosen = row->number[2],
                               .tries = row->number[3],
                               .rounds = row->number[4],
                               .note = kept(row->text[5]),
                               .prompt = kept(row->text[6]),
                               .result = kept(row->text[7]),
                               .cached = row->text[8].len > 0};
    seen->count++;
}

static void flow_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct seen_flow *seen = ctx;
    unsigned state = 0;
    if (!name_read(row->text[0], run_state_names, &state)) {
        sim_fail(sim, "%s is %s", seen->flow->run, row->text[0].data);
    }
    seen->state = (enum run_state)state;
    (void)snprintf(seen->cause, sizeof seen->cause, "%s", row->text[1].data);
    (void)snprintf(seen->stop, sizeof seen->stop, "%s", row->text[2].data);
    (void)snprintf(seen->failed, sizeof seen->failed, "%s", row->text[3].data);
    seen->rewinds = row->number[4];
    seen->report = kept(row->text[5]);
    seen->stage_over = bytes_is(row->text[6], "over");
    seen->step_timeout_ms = row->number[7];
    seen->artifact = kept(row->text[8]);
    seen->artifact_fault = kept(row->text[9]);
}

static void question_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct seen_flow *seen = ctx;
    const size_t at = flows_step(&seen->flow->world, row->text[0].data);
    if (at == FLOW_NONE) {
        sim_fail(sim, "%s asks for no step: %s", seen->flow->run, row->text[0].data);
    }
    struct seen_step *step = &seen->steps[at];
    step->questions++;
    step->denials += bytes_is(row->text[1], "denied") ? 1 : 0;
    (void)snprintf(step->answer, sizeof step->answer, "%s", row->text[1].data);
}

/* Columns: place, number, state, child; in the order of versions. */
static void call_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct seen_flow *seen = ctx;
    const int64_t at = row->number[0], number = row->number[1];
    if (at < 0 || (size_t)at >= seen->count || number < 1 || number > WORLD_CALLS) {
        sim_fail(sim, "%s has an agent of no call", seen->flow->run);
    }
    struct seen_step *step = &seen->steps[at];
    step->calls += row->number[3] != 0 ? 1 : 0;
    step->letters[number - 1] = bytes_is(row->text[2], "done") ? 'v' : 't';
}

/* --- Its events ------------------------------------------------------------------------------- */

/* A step that goes back without that its own loop, or another try, says so. */
static bool goes_back(const struct told_step *told, enum flow_phase phase) {
    const bool loops =
        told->phase == FLOW_AT_UNTIL && (phase == FLOW_AT_RUN || phase == FLOW_AT_CHILD);
    const bool retries = (told->phase == FLOW_AT_ENDING && phase == FLOW_AT_PAUSE) ||
                         (told->phase == FLOW_AT_PAUSE && phase == FLOW_AT_CHILD);
    return phase <= told->phase && !loops && !retries;
}

static void told_take(struct told_step *told, enum flow_status status, enum flow_phase phase) {
    const bool back = goes_back(told, phase);
    const bool ended_itself =
        phase == FLOW_AT_UNTIL || phase == FLOW_AT_PAUSE ||
        (phase == FLOW_AT_OVER && (status == FLOW_COMPLETED || status == FLOW_FAILED));
    told->cut += told->phase == FLOW_AT_CHILD && (back || !ended_itself) ? 1 : 0;
    if (back) {
        told->tries = told->untils = 0;
    }
    if (phase == FLOW_AT_CHILD) {
        told->needs++;
        told->tries = told->phase == FLOW_AT_PAUSE ? told->tries + 1 : 1;
    }
    told->untils += phase == FLOW_AT_UNTIL ? 1 : 0;
    told->asks += phase == FLOW_AT_PERSON ? 1 : 0;
    told->status = status;
    told->phase = phase;
}

/* Clients see "blocked" while a step waits for a place or for a person. */
static bool event_read(const json_t *event, unsigned *ret_status, unsigned *ret_phase) {
    const struct bytes status = json_bytes(event, "status");
    if (!name_read(json_bytes(event, "phase"), flow_phase_names, ret_phase)) {
        return false;
    }
    const bool ready = *ret_phase == FLOW_AT_READY, asks = *ret_phase == FLOW_AT_PERSON;
    if (bytes_is(status, "blocked")) {
        *ret_status = ready ? FLOW_PENDING : FLOW_RUNNING;
        return ready || asks;
    }
    return name_read(status, flow_status_names, ret_status) && !ready && !asks;
}

static void event_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct seen_flow *seen = ctx;
    AUTO(json_release) json_t *event = NULL;
    unsigned status = 0, phase = 0;
    if (err_failed(json_parse_wrapped(row->text[0], &event, NULL))) {
        sim_fail(sim, "an event of %s is no JSON", seen->flow->run);
    }
    if (seen->has_last) {
        sim_fail(sim, "%s has events after its end", seen->flow->run);
    }
    const size_t at = flows_step(&seen->flow->world, json_str(event, "step_id", ""));
    if (json_object_get(event, "run_status") != NULL) {
        seen->has_last = true;
        if (strcmp(json_str(event, "report", ""), seen->report) != 0) {
            sim_fail(sim, "the last event of %s has another report", seen->flow->run);
        }
        const json_t *artifact = json_object_get(event, "artifact");
        if (strcmp(json_str(artifact, "path", ""), seen->artifact) != 0 ||
            strcmp(json_str(artifact, "error", ""), seen->artifact_fault) != 0) {
            sim_fail(sim, "the last event of %s has another file", seen->flow->run);
        }
        return;
    }
    if (json_object_get(event, "cause") == NULL) {
        return; /* An agent of the step asks, or was answered: the step stays as it is. */
    }
    if (at == FLOW_NONE || !event_read(event, &status, &phase)) {
        sim_fail(sim, "an event of %s is of no step: %s", seen->flow->run, row->text[0].data);
    }
    told_take(&seen->steps[at].told, (enum flow_status)status, (enum flow_phase)phase);
}

/* False: there is no such flow any more. */
static bool seen_read(struct sim *sim, struct sim_flow *flow, struct seen_flow *seen) {
    char stream[ID_SIZE + 8];
    *seen = (struct seen_flow){.flow = flow};
    (void)snprintf(stream, sizeof stream, "run:%s", flow->run);
    ask_each(sim,
             "SELECT r.state, r.cause, r.stop, f.failed, f.rewinds, f.report, f.stage,"
             " f.step_timeout_ms, f.artifact, f.artifact_fault FROM flows f JOIN runs r ON r.id = "
             "f.run WHERE r.run = $1",
             TEXTS(flow->run), flow_take, seen);
    if (seen->report == NULL) {
        return false;
    }
    ask_each(
        sim,
        "SELECT s.status, s.cause, s.chosen, s.tries, s.rounds, s.note, s.prompt, s.result,"
        " s.cached FROM flow_steps s JOIN runs r ON r.id = s.run WHERE r.run = $1 ORDER BY s.place",
        TEXTS(flow->run), step_take, seen);
    for (size_t i = 0; i < flow->child_count; i++) {
        struct seen_step *step = &seen->steps[flow->children[i].at];
        step->children++;
        step->succeeded = flow->children[i].succeeded;
    }
    ask_each(sim,
             "SELECT a.step, a.state FROM approvals a JOIN runs r ON r.id = a.run WHERE r.run = $1"
             " ORDER BY a.id",
             TEXTS(flow->run), question_take, seen);
    ask_each(sim,
             "SELECT c.place, c.number, c.state, c.child FROM flow_calls c JOIN runs r ON r.id ="
             " c.run WHERE r.run = $1 ORDER BY c.version",
             TEXTS(flow->run), call_take, seen);
    ask_each(sim,
             "SELECT e.data FROM events e JOIN streams s ON s.id = e.stream WHERE s.name = $1"
             " AND e.type = 'flow_run_step_updated' ORDER BY e.seq",
             TEXTS(stream), event_take, seen);
    return true;
}

static void seen_free(struct seen_flow *seen) {
    for (size_t i = 0; i < seen->count; i++) {
        mem_free(seen->steps[i].note);
        mem_free(seen->steps[i].prompt);
        mem_free(seen->steps[i].result);
    }
    mem_free(seen->report);
    mem_free(seen->artifact);
    mem_free(seen->artifact_fault);
}

/* --- How the world decided -------------------------------------------------------------------- */

_Noreturn static void step_fail(struct sim *sim, const struct seen_flow *seen, size_t at,
                                const char *what) {
    const struct seen_step *step = &seen->steps[at];
    const struct world_plan *plan = &seen->flow->world.plans[at];
    sim_fail(sim,
             "s%zu of %s (demo %" PRIu64 "), %s, %s, %s: %s [tries %lld of %lld, rounds %lld of"
             " %lld, children %lld, needs %lld, cut %lld, until %lld, answer %s, note %s]",
             at, seen->flow->run, seen->flow->world.seed, flow_kind_names[plan->kind],
             flow_status_names[step->status], flow_cause_names[step->cause], what,
             (long long)step->tries, (long long)plan->retries, (long long)step->rounds,
             (long long)plan->loop_max, (long long)step->children, (long long)step->told.needs,
             (long long)step->told.cut, (long long)step->told.untils, step->answer, step->note);
}

/* A worker that crashed at the start of a nested flow: there was no run. */
static bool is_refused(const struct seen_flow *seen, size_t at) {
    return seen->flow->world.plans[at].kind == FLOW_KIND_FLOW && seen->flow->misfortunes > 0;
}

static bool has_time(const struct seen_flow *seen, size_t at) {
    const struct world_plan *plan = &seen->flow->world.plans[at];
    return plan->timeout_ms > 0 || (plan->kind != FLOW_KIND_APPROVAL && seen->step_timeout_ms > 0);
}

static void children_check(struct sim *sim, const struct seen_flow *seen, size_t at) {
    const struct seen_step *step = &seen->steps[at];
    const struct world_plan *plan = &seen->flow->world.plans[at];
    if (plan->kind == FLOW_KIND_CODE) {
        if (step->children != step->calls) {
            step_fail(sim, seen, at, "an agent of its code began twice");
        }
    } else if (step->children > step->told.needs) {
        step_fail(sim, seen, at, "a child began twice");
    } else if (step->children < step->told.needs - step->told.cut && !is_refused(seen, at)) {
        step_fail(sim, seen, at, "it has an answer of a child that there never was");
    }
    if (step->questions != step->told.asks) {
        step_fail(sim, seen, at, "a person was asked twice, or not at all");
    }
}

/* Sent back in a pause, and begun in the same commit, looks like one more try. */
static bool has_no_try(const struct seen_step *step, const struct world_plan *plan) {
    return step->tries == plan->retries && step->told.tries >= plan->retries + 1;
}

/* A cause must be one that somebody gave: NULL, or what is wrong with it. */
static const char *work_refuted(const struct seen_flow *seen, size_t at) {
    const struct seen_step *step = &seen->steps[at];
    const struct world_plan *plan = &seen->flow->world.plans[at];
    switch (step->cause) {
    case FLOW_BECAUSE_THREW:
        return plan->fault == WORLD_THROWS || seen->flow->misfortunes > 0 ? NULL : "nothing threw";
    case FLOW_BECAUSE_CHILD:
        return (!step->succeeded || is_refused(seen, at)) && has_no_try(step, plan)
                   ? NULL
                   : "its child did not fail, or a try was left";
    case FLOW_BECAUSE_TIMED_OUT:
        return !has_time(seen, at) ? "it has no time"
               : plan->kind != FLOW_KIND_AGENT || step->told.tries == 0 ||
                       step->tries == plan->retries || step->told.untils > 0
                   ? NULL
                   : "a try was left";
    case FLOW_BECAUSE_LOOP:
        return plan->fault == WORLD_LOOP && step->rounds == plan->loop_max
                   ? NULL
                   : "its loop has another limit";
    case FLOW_BECAUSE_BATCH:
        return seen->flow->world.batch_timeout_ms > 0 && plan->batch < WORLD_BATCHES
                   ? NULL
                   : "its batch has no time";
    default:
        return NULL;
    }
}

/* The same of an approval. */
static const char *answer_refuted(const struct seen_flow *seen, size_t at) {
    const struct seen_step *step = &seen->steps[at];
    const struct world_plan *plan = &seen->flow->world.plans[at];
    const bool rewinds = plan->rewind_to < WORLD_STEPS;
    switch (step->cause) {
    case FLOW_BECAUSE_REJECTED:
        return !rewinds && (plan->refuses || strcmp(step->answer, "denied") == 0)
                   ? NULL
                   : "nobody rejected it";
    case FLOW_BECAUSE_UNANSWERED:
        return plan->timeout_ms > 0 && !plan->refuses ? NULL : "it has no time";
    case FLOW_BECAUSE_REWINDS:
        return rewinds && seen->rewinds == FLOW_REWINDS_MAX ? NULL : "the limit was not reached";
    default:
        return NULL;
    }
}

static enum world_fault fault_of(struct sim *sim, const struct seen_flow *seen, size_t at) {
    static const enum world_fault faults[FLOW_CAUSE_COUNT] = {
        [FLOW_BECAUSE_THREW] = WORLD_THROWS,      [FLOW_BECAUSE_CHILD] = WORLD_CHILD,
        [FLOW_BECAUSE_TIMED_OUT] = WORLD_TIME,    [FLOW_BECAUSE_LOOP] = WORLD_LOOP,
        [FLOW_BECAUSE_REJECTED] = WORLD_PERSON,   [FLOW_BECAUSE_REWINDS] = WORLD_PERSON,
        [FLOW_BECAUSE_UNANSWERED] = WORLD_PERSON,
    };
    const char *work = work_refuted(seen, at), *answer = answer_refuted(seen, at);
    if (work != NULL || answer != NULL) {
        step_fail(sim, seen, at, work != NULL ? work : answer);
    }
    return faults[seen->steps[at].cause];
}

static void completed_check(struct sim *sim, const struct seen_flow *seen, size_t at) {
    const struct seen_step *step = &seen->steps[at];
    const struct world_plan *plan = &seen->flow->world.plans[at];
    if (plan->fault == WORLD_THROWS || plan->fault == WORLD_LOOP) {
        step_fail(sim, seen, at, "it throws, or its loop is without end");
    }
    if (world_has_child(plan) && !step->succeeded) {
        step_fail(sim, seen, at, "its child did not succeed");
    }
    if (plan->loop_max > 0 && step->rounds + 1 != plan->good) {
        step_fail(sim, seen, at, "its loop has another number of rounds");
    }
    if (plan->loop_max > 0 && seen->rewinds == 0 && step->told.untils != plan->good) {
        step_fail(sim, seen, at, "its loop was not asked in each round");
    }
    if (plan->kind == FLOW_KIND_APPROVAL && strcmp(step->answer, "allowed") != 0 &&
        strcmp(step->answer, "answered") != 0) {
        step_fail(sim, seen, at, "nobody approved it");
    }
}

/* --- What an earlier run had ------------------------------------------------------------------ */

static bool waits_for_stale(const struct flow_world *world, const bool *stale, size_t at) {
    const struct world_plan *plan = &world->plans[at];
    bool waits = plan->switched < WORLD_STEPS && stale[plan->switched];
    for (size_t i = 0; i < world->count && !waits; i++) {
        const size_t batch = world->plans[i].batch;
        waits = stale[i] && (plan->deps[i] || (batch < WORLD_BATCHES && plan->batch_deps[batch]));
    }
    return waits;
}

static void stale_spread(const struct flow_world *world, bool stale[WORLD_STEPS]) {
    for (size_t pass = 0; pass < world->count; pass++) {
        for (size_t i = 0; i < world->count; i++) {
            stale[i] = stale[i] || waits_for_stale(world, stale, i);
        }
    }
}

/* A yes was for what steps before it had said: it is asked again when one of those runs again. */
static void approvals_mark(const struct sim_flow *flow, bool stale[WORLD_STEPS]) {
    bool after[WORLD_STEPS] = {false};
    for (size_t i = 0; i < flow->world.count; i++) {
        after[i] = flow->again[i] != FLOW_NOT_AGAIN;
    }
    stale_spread(&flow->world, after);
    for (size_t i = 0; i < flow->world.count; i++) {
        stale[i] = stale[i] || (after[i] && flow->again[i] == FLOW_NOT_AGAIN &&
                                flow->world.plans[i].kind == FLOW_KIND_APPROVAL);
    }
}

/* Steps of a flow that began from another one, and need not run. */
static void reused_find(const struct sim_flow *flow, bool ret_reused[WORLD_STEPS]) {
    const struct flow_world *world = &flow->world;
    bool stale[WORLD_STEPS] = {false};
    for (size_t i = 0; i < world->count; i++) {
        stale[i] = flow->again[i] == FLOW_AGAIN || !flow->before->settled[i];
    }
    approvals_mark(flow, stale);
    stale_spread(world, stale);
    for (size_t i = 0; i < world->count; i++) {
        ret_reused[i] = !stale[i] && flow->before->completed[i] && flow->again[i] == FLOW_NOT_AGAIN;
    }
}

static void reused_check(struct sim *sim, const struct seen_flow *seen) {
    bool reused[WORLD_STEPS] = {false};
    if (seen->flow->before != NULL) {
        reused_find(seen->flow, reused);
    }
    for (size_t i = 0; i < seen->count; i++) {
        const struct seen_step *step = &seen->steps[i];
        if (step->cached && (!reused[i] || step->status != FLOW_COMPLETED)) {
            step_fail(sim, seen, i, "it has to run, and has an old result");
        }
        if (!step->cached && reused[i] && seen->rewinds == 0) {
            step_fail(sim, seen, i, "it need not run again");
        }
        if (step->cached && (step->children > 0 || step->told.needs > 0 || step->questions > 0)) {
            step_fail(sim, seen, i, "it ran, and has an old result");
        }
    }
    if (rows_number(sim,
                    "SELECT count(*) FROM flow_steps s JOIN runs r ON r.id = s.run JOIN runs o ON"
                    " o.run = s.cached JOIN flow_steps b ON b.run = o.id AND b.name = s.name WHERE"
                    " r.run = $1 AND (b.result <> s.result OR b.chosen <> s.chosen)",
                    TEXTS(seen->flow->run), 0) > 0) {
        sim_fail(sim, "a step of %s has another result than the run in which it ran",
                 seen->flow->run);
    }
}

static void ends_keep(const struct seen_flow *seen, struct sim_flow *flow) {
    flow->ends_known = true;
    for (size_t i = 0; i < seen->count; i++) {
        const struct seen_step *step = &seen->steps[i];
        flow->completed[i] = step->status == FLOW_COMPLETED;
        flow->settled[i] = flow->completed[i] || step->status == FLOW_EXCLUDED ||
                           (step->status == FLOW_SKIPPED && step->cause == FLOW_BECAUSE_WHEN);
    }
}

/* The plans become those of what happened. */
static void world_decide(struct sim *sim, const struct seen_flow *seen, struct flow_world *world) {
    for (size_t i = 0; i < world->count; i++) {
        const struct seen_step *step = &seen->steps[i];
        struct world_plan *plan = &world->plans[i];
        if (!step->cached) {
            children_check(sim, seen, i);
        }
        if (step->status == FLOW_COMPLETED && !step->cached) {
            completed_check(sim, seen, i);
        }
        const enum world_fault fault = fault_of(sim, seen, i);
        plan->overtaken = step->cause == FLOW_BECAUSE_BATCH;
        plan->kept = step->cached; /* Rightly so, by reused_check. */
        /* The worker may have ended at `when`, which then said nothing. */
        const bool unheard = fault == WORLD_THROWS && seen->flow->misfortunes > 0;
        plan->unwanted = plan->unwanted && !unheard;
        /* How a cancelled step would have ended is open, and decides nothing. */
        plan->fault = step->status == FLOW_CANCELLED ? WORLD_FINE : fault;
    }
}

/* --- Judged ----------------------------------------------------------------------------------- */

static struct bytes result_of(const void *ctx, size_t at) {
    const struct seen_flow *seen = ctx;
    const char *result = seen->steps[at].result;
    return result[0] == '\0' ? (struct bytes){NULL, 0} : bytes_of(result);
}

static void texts_check(struct sim *sim, const struct seen_flow *seen, size_t at) {
    const struct seen_step *step = &seen->steps[at];
    const struct world_plan *plan = &seen->flow->world.plans[at];
    AUTO(text_done) struct text text = text_up_to(RESULT_MAX);
    if (step->status != FLOW_COMPLETED ||
        (step->cached && plan->kind != FLOW_KIND_SWITCH)) { /* Results before it may be new. */
        return;
    }
    if (plan->kind == FLOW_KIND_SWITCH) {
        text_addf(&text, "branch:c%zu", plan->chosen);
        const char *label = plan->chosen < plan->cases ? text.data : "";
        if (step->chosen != (int64_t)plan->chosen || strcmp(step->result, label) != 0) {
            step_fail(sim, seen, at, "it chose another branch");
        }
    } else if (plan->has_run && !world_has_file(plan)) {
        if (plan->kind == FLOW_KIND_AGENT) {
            text_addf(&text, "op#%lld. ", (long long)seen->flow->op);
        }
        flow_run_write(&seen->flow->world, at, step->letters, result_of, seen, &text);
        const bool is_code = plan->kind == FLOW_KIND_CODE;
        if (strcmp(is_code ? step->result : step->prompt, text.data) != 0) {
            sim_fail(sim, "s%zu of %s knew other results than those that are stored: %.200s and %s",
                     at, seen->flow->run, is_code ? step->result : step->prompt, text.data);
        }
    }
}

static void rewinds_check(struct sim *sim, const struct seen_flow *seen) {
    int64_t least = 0, most = 0;
    for (size_t i = 0; i < seen->count; i++) {
        const struct world_plan *plan = &seen->flow->world.plans[i];
        const struct seen_step *step = &seen->steps[i];
        const bool at_limit = step->cause == FLOW_BECAUSE_REWINDS;
        if (plan->kind == FLOW_KIND_APPROVAL && plan->rewind_to < WORLD_STEPS) {
            least += step->denials - (at_limit ? 1 : 0);
            most += plan->refuses ? step->questions : step->denials - (at_limit ? 1 : 0);
        }
    }
    if (seen->rewinds < least || seen->rewinds > most) {
        sim_fail(sim, "%s went back %lld times, for %lld to %lld rejections", seen->flow->run,
                 (long long)seen->rewinds, (long long)least, (long long)most);
    }
}

static void statuses_check(struct sim *sim, const struct seen_flow *seen,
                           const struct flow_world *world, bool fails, bool expired) {
    size_t cancelled_count = 0;
    for (size_t i = 0; i < seen->count; i++) {
        const enum flow_status status = seen->steps[i].status;
        const bool cancelled =
            status == FLOW_CANCELLED && (expired || (fails && world->failing == FLOW_FAILS_FAST));
        cancelled_count += cancelled ? 1 : 0;
        if (status != world->finals[i] && !cancelled) {
            char words[64];
            (void)snprintf(words, sizeof words, "the model says %s",
                           flow_status_names[world->finals[i]]);
            step_fail(sim, seen, i, words);
        }
        texts_check(sim, seen, i);
    }
    if (expired && cancelled_count == 0) {
        sim_fail(sim, "%s timed out when all of its steps had ended", seen->flow->run);
    }
}

/* Whether its time was over. A run that was seen from its start to its end by one life had at least
 * that time; between two lives the wall clock counts, which may be set. */
static bool expired_check(struct sim *sim, const struct seen_flow *seen) {
    const struct sim_flow *flow = seen->flow;
    const uint64_t took_ms = (sim_now_ns(sim) - flow->began.since_ns) / 1000000;
    if (seen->state != RUN_TIMED_OUT) {
        return false;
    }
    if (flow->timeout_ms == 0) {
        sim_fail(sim, "%s has no time, and timed out", flow->run);
    }
    if (flow->began.life == sim_life(sim)->number &&
        took_ms + EARLY_MS < (uint64_t)flow->timeout_ms) {
        sim_fail(sim, "%s has %lld ms, and timed out after %llu ms", flow->run,
                 (long long)flow->timeout_ms, (unsigned long long)took_ms);
    }
    return true;
}

/* The file has the report before anybody sees the end. All tries of a step write the file of
 * one nested flow. */
static void file_check(struct sim *sim, const struct seen_flow *seen) {
    char path[500];
    AUTO(mem_release) char *text = mem_new(RESULT_MAX);
    (void)snprintf(path, sizeof path, "%s/%s", sim_project_dir(sim), seen->artifact);
    FILE *file = fopen(path, "re");
    const size_t len = file == NULL ? 0 : fread(text, 1, RESULT_MAX - 1, file);
    const int rc = file == NULL ? 0 : fclose(file);
    assert(rc == 0);
    text[len] = '\0';
    if (file == NULL || (flow_parent_op(seen->flow->op) == 0 && strcmp(text, seen->report) != 0)) {
        sim_fail(sim, "the file %s of %s %s: %.200s, and not %.200s", seen->artifact,
                 seen->flow->run, file == NULL ? "is not there" : "has another report", text,
                 seen->report);
    }
}

/* Only a flow that succeeds writes its file. */
static void artifact_check(struct sim *sim, const struct seen_flow *seen,
                           const struct flow_world *world) {
    const bool named = seen->state == RUN_SUCCEEDED && (world->output == WORLD_OUTPUT_NAMES ||
                                                        world->output == WORLD_OUTPUT_OUTSIDE);
    const bool throws = seen->state == RUN_SUCCEEDED && world->output == WORLD_OUTPUT_THROWS;
    const bool written = named && world->output == WORLD_OUTPUT_NAMES && seen->flow->rooted;
    AUTO(text_done) struct text path = text_up_to(200);
    if (seen->flow->misfortunes > 0 && world->output != WORLD_NO_OUTPUT &&
        seen->state == RUN_SUCCEEDED && seen->artifact[0] == '\0' &&
        strncmp(seen->artifact_fault, "output: ", 8) == 0) {
        return; /* The worker was lost while it named the file. */
    }
    if (named) {
        flow_output_write(world, seen->flow->op, &path);
    }
    if (strcmp(seen->artifact, named ? path.data : "") != 0 ||
        (seen->artifact_fault[0] != '\0') != (throws || (named && !written))) {
        sim_fail(sim, "the file of %s is '%s', '%s', and the model says '%s'%s", seen->flow->run,
                 seen->artifact, seen->artifact_fault, named ? path.data : "",
                 written ? ", written" : "");
    }
    if (written) {
        file_check(sim, seen);
    }
}

/* The step because of which the run failed; no step at its deadline. */
static void failed_check(struct sim *sim, const struct seen_flow *seen,
                         const struct flow_world *world, bool fails, bool expired) {
    const size_t at = flows_step(&seen->flow->world, seen->failed);
    if ((fails || expired) != (seen->failed[0] != '\0') || (expired && at != FLOW_NONE) ||
        (fails && !expired && (at == FLOW_NONE || world_tolerates(world, at)))) {
        sim_fail(sim, "%s fails by the step '%s'", seen->flow->run, seen->failed);
    }
}

static void end_check(struct sim *sim, const struct seen_flow *seen, const struct flow_world *world,
                      bool fails, bool expired) {
    AUTO(text_done) struct text report = text_up_to(RESULT_MAX);
    const bool unlucky = seen->flow->misfortunes > 0 && world->renders;
    const bool no_report = seen->report[0] == '\0';
    const bool threw = world->render_throws || (unlucky && no_report);
    const char *cause = expired ? "deadline"
                        : fails ? "step_failed"
                        : threw ? "script_error"
                                : "completed";
    const enum run_state state = expired          ? RUN_TIMED_OUT
                                 : fails || threw ? RUN_FAILED
                                                  : RUN_SUCCEEDED;
    if (strcmp(seen->cause, cause) != 0 || seen->state != state) {
        sim_fail(sim, "%s is %s, %s, and the model says %s", seen->flow->run,
                 run_state_name(seen->state), seen->cause, cause);
    }
    failed_check(sim, seen, world, fails, expired);
    flow_report_write(world, result_of, seen, &report);
    if (strcmp(seen->report, world->renders && !threw ? report.data : "") != 0) {
        sim_fail(sim, "the report of %s is %s, and not %s", seen->flow->run, seen->report,
                 report.data);
    }
}

void flows_judge(struct sim *sim, struct sim_flow *flow) {
    static struct seen_flow seen; /* Large; one thread. */
    struct flow_world world = flow->world;
    flow->judged = true;
    if (!seen_read(sim, flow, &seen)) {
        return;
    }
    if (seen.count != world.count || !seen.stage_over || !seen.has_last) {
        sim_fail(sim, "%s has ended, and is not over", flow->run);
    }
    for (size_t i = 0; i < seen.count; i++) {
        if (flow_status_is_open(seen.steps[i].status)) {
            step_fail(sim, &seen, i, "it is open, and its flow has ended");
        }
    }
    reused_check(sim, &seen);
    ends_keep(&seen, flow);
    world_decide(sim, &seen, &world);
    rewinds_check(sim, &seen);
    sim_trace(sim, "flow %lld is judged: %s, %s", (long long)flow->op, run_state_name(seen.state),
              seen.cause);
    if (seen.stop[0] == '\0') {
        const bool fails = world_judge(&world);
        const bool expired = expired_check(sim, &seen);
        statuses_check(sim, &seen, &world, fails, expired);
        end_check(sim, &seen, &world, fails, expired);
        artifact_check(sim, &seen, &world);
        sim->judged += flow_parent_op(flow->op) == 0 ? 1 : 0;
    }
    seen_free(&seen);
}
