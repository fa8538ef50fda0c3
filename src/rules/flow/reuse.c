/* reuse.c: a new run of a flow takes over results of an ended one. See flow.h.
 *
 * A result is reused where nothing that led to it has changed. So a step is *stale* when there is
 * no such step in the earlier run, when it is described in another way, when it waits for other
 * steps, or when it ended there in a way that a new run would not repeat. All that comes after a
 * stale step is stale, too. Functions that a file shares between its steps are not looked at: only
 * the text of a step itself is.
 */
#include <string.h>

#include "rules/flow/flow.h"

/* --- Whether a step is the same --------------------------------------------------------------- */

static size_t members_count(const json_t *json) {
    return json_object_size(json) - (json_object_get(json, "label") != NULL ? 1 : 0);
}

/* The label is for people. */
static bool described_alike(const json_t *old, const json_t *new) {
    bool alike = members_count(old) == members_count(new);
    for (struct json_member at = json_first(new); at.value != NULL && alike; at = json_next(at)) {
        alike = bytes_is(at.key, "label") ||
                json_equal(json_object_get(old, at.key.data), at.value) == 1;
    }
    return alike;
}

static bool has_id_of(const struct flow *flow, size_t at, const struct flow *other,
                      size_t other_at) {
    return at == FLOW_NONE || other_at == FLOW_NONE
               ? at == other_at
               : bytes_equal(flow->steps[at].id, other->steps[other_at].id);
}

/* Whether all steps of the batch in `flow` are of the batch of that name in `other`. */
static bool batch_within(const struct flow *flow, size_t batch, const struct flow *other) {
    bool within = true;
    for (size_t i = 0; i < flow->count && within; i++) {
        if (flow->steps[i].batch == batch) {
            const size_t at = flow_find(other, flow->steps[i].id);
            within = at != FLOW_NONE && other->steps[at].batch != FLOW_NONE &&
                     bytes_equal(other->batches[other->steps[at].batch], flow->batches[batch]);
        }
    }
    return within;
}

/* Steps that it waits for although its own description does not name them: those of batches, and
 * the switch in one of whose branches it is. Dependencies are the same ones, in the same order. */
static bool waits_alike(const struct flow *before, const struct flow_step *old,
                        const struct flow *flow, const struct flow_step *new) {
    bool alike = has_id_of(before, old->switched, flow, new->switched) &&
                 old->branch == new->branch && old->dep_count == new->dep_count;
    for (size_t d = 0; d < new->dep_count &&alike; d++) {
        if (new->deps[d].kind == FLOW_DEP_BATCH) {
            alike = old->deps[d].kind == FLOW_DEP_BATCH &&
                    batch_within(flow, new->deps[d].at, before) &&
                    batch_within(before, old->deps[d].at, flow);
        }
    }
    return alike;
}

/* Whether it ended in a way that the new run repeats, if all before it is the same. `new` is
 * excluded already where `when` does not want it. */
static bool ended_alike(const struct flow_step *old, const struct flow_step *new) {
    const bool was_out = old->status == FLOW_EXCLUDED && old->cause == FLOW_BECAUSE_WHEN;
    const bool ended = old->status == FLOW_COMPLETED || old->status == FLOW_EXCLUDED ||
                       (old->status == FLOW_SKIPPED && old->cause == FLOW_BECAUSE_WHEN);
    return ended && was_out == (new->status == FLOW_EXCLUDED);
}

/* --- What a person has said ------------------------------------------------------------------- */

/* Marks all that the step waits for. True: some of that was not marked yet. */
static bool mark_awaited(const struct flow *flow, const struct flow_step *step,
                         bool io_marked[FLOW_STEPS_MAX]) {
    bool awaited[FLOW_STEPS_MAX] = {false}, more = false;
    if (step->switched != FLOW_NONE) {
        awaited[step->switched] = true;
    }
    for (size_t d = 0; d < step->dep_count; d++) {
        const struct flow_dep *dep = &step->deps[d];
        for (size_t i = 0; i < flow->count; i++) {
            awaited[i] =
                awaited[i] ||
                (dep->kind == FLOW_DEP_STEP ? i == dep->at : flow->steps[i].batch == dep->at);
        }
    }
    for (size_t i = 0; i < flow->count; i++) {
        more = more || (awaited[i] && !io_marked[i]);
        io_marked[i] = io_marked[i] || awaited[i];
    }
    return more;
}

/* All steps that a step of `later` comes after. */
static void mark_before(const struct flow *flow, const bool *later,
                        bool ret_marked[FLOW_STEPS_MAX]) {
    memset(ret_marked, 0, FLOW_STEPS_MAX * sizeof *ret_marked);
    for (bool more = true; more;) {
        more = false;
        for (size_t i = flow->count; i-- > 0;) {
            more =
                ((later[i] || ret_marked[i]) && mark_awaited(flow, &flow->steps[i], ret_marked)) ||
                more;
        }
    }
}

/* An approval is a yes to what steps before it had said: where one of those runs again, even alone,
 * the question is asked again. */
static void approvals_mark(const struct flow *flow, const enum flow_again *again,
                           bool stale[FLOW_STEPS_MAX]) {
    bool after[FLOW_STEPS_MAX] = {false};
    for (size_t i = 0; i < flow->count; i++) {
        after[i] = again[i] != FLOW_NOT_AGAIN;
    }
    flow_mark_after(flow, after);
    for (size_t i = 0; i < flow->count; i++) {
        stale[i] = stale[i] || (after[i] && again[i] == FLOW_NOT_AGAIN &&
                                flow->steps[i].kind == FLOW_KIND_APPROVAL);
    }
}

/* A yes of approvers is one to what comes after it, too, once: nobody who may not give it may
 * change that, or have it done again. True: some must be asked again that were not marked yet. */
static bool approvers_mark(const struct flow *flow, const struct flow_rerun *rerun,
                           const bool *completed, bool stale[FLOW_STEPS_MAX]) {
    bool twice[FLOW_STEPS_MAX], before[FLOW_STEPS_MAX], found = false;
    memcpy(twice, stale, sizeof twice);
    flow_mark_after(flow, twice);
    for (size_t i = 0; i < flow->count; i++) {
        twice[i] = (twice[i] || rerun->again[i] != FLOW_NOT_AGAIN) && completed[i];
    }
    mark_before(flow, twice, before);
    for (size_t i = 0; i < flow->count; i++) {
        const bool asks = json_array_size(json_object_get(flow->steps[i].json, "approvers")) > 0;
        const bool again = asks && !stale[i] && (rerun->edited || before[i]);
        stale[i] = stale[i] || again;
        found = found || again;
    }
    return found;
}

/* --- The verdict ------------------------------------------------------------------------------ */

void flow_reuse(const struct flow *flow, const struct flow_rerun *rerun,
                size_t ret_from[FLOW_STEPS_MAX]) {
    const struct flow *before = rerun->before;
    const enum flow_again *again = rerun->again;
    bool stale[FLOW_STEPS_MAX] = {false}, completed[FLOW_STEPS_MAX] = {false};
    for (size_t i = 0; i < flow->count; i++) {
        const struct flow_step *new = &flow->steps[i];
        ret_from[i] = flow_find(before, new->id);
        const struct flow_step *old = ret_from[i] == FLOW_NONE ? NULL : &before->steps[ret_from[i]];
        stale[i] = old == NULL || again[i] == FLOW_AGAIN ||
                   !described_alike(old->json, new->json) || !waits_alike(before, old, flow, new) ||
                   !ended_alike(old, new);
        completed[i] = old != NULL && old->status == FLOW_COMPLETED;
    }
    approvals_mark(flow, again, stale);
    while (approvers_mark(flow, rerun, completed, stale)) {
        /* All that comes after those runs again, too. */
    }
    flow_mark_after(flow, stale);
    for (size_t i = 0; i < flow->count; i++) {
        if (stale[i] || !completed[i] || again[i] != FLOW_NOT_AGAIN) {
            ret_from[i] = FLOW_NONE;
        }
    }
}

void flow_take_over(struct flow *flow, size_t at, const struct flow_step *from) {
    struct flow_step *step = &flow->steps[at];
    assert(step->status == FLOW_PENDING && step->phase == FLOW_AT_NEW);
    assert(from->status == FLOW_COMPLETED);
    step->status = FLOW_COMPLETED;
    step->phase = FLOW_AT_OVER;
    step->chosen = from->chosen;
    step->tries = from->tries;
    step->rounds = from->rounds;
    step->changed_ms = flow->now_ms;
    step->version++;
}
