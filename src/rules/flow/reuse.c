/* reuse.c: a new run of a flow takes over results of an ended one. See flow.h.
 *
 * A result is reused where nothing that led to it has changed. So a step is *stale* when there is
 * no such step in the earlier run, when it is described in another way, when it waits for other
 * steps, or when it ended there in a way that a new run would not repeat. All that comes after a
 * stale step is stale, too. Functions that a file shares between its steps are not looked at: only
 * the text of a step itself is.
 */
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

/* An approval is a yes to what steps before it had said: where one of those runs again, even alone,
 * the question is asked again. */
static void approvals_mark(const struct flow *flow, const bool *alone, bool stale[FLOW_STEPS_MAX]) {
    bool after[FLOW_STEPS_MAX] = {false};
    for (size_t i = 0; i < flow->count; i++) {
        after[i] = alone[i] || stale[i];
    }
    flow_mark_after(flow, after);
    for (size_t i = 0; i < flow->count; i++) {
        stale[i] = stale[i] || (after[i] && !alone[i] && flow->steps[i].kind == FLOW_KIND_APPROVAL);
    }
}

/* --- The verdict ------------------------------------------------------------------------------ */

void flow_reuse(const struct flow *flow, const struct flow_rerun *rerun,
                size_t ret_from[FLOW_STEPS_MAX]) {
    const struct flow *before = rerun->before;
    struct flow_marks marks = {.begun = {false}};
    bool *stale = marks.again;
    for (size_t i = 0; i < flow->count; i++) {
        const struct flow_step *new = &flow->steps[i];
        ret_from[i] = flow_find(before, new->id);
        const struct flow_step *old = ret_from[i] == FLOW_NONE ? NULL : &before->steps[ret_from[i]];
        marks.alone[i] = rerun->again[i] == FLOW_ALONE_AGAIN;
        marks.begun[i] = old != NULL && flow_has_begun(old);
        stale[i] = old == NULL || rerun->again[i] == FLOW_AGAIN ||
                   (rerun->edited && flow_names_approvers(new)) ||
                   !described_alike(old->json, new->json) || !waits_alike(before, old, flow, new) ||
                   !ended_alike(old, new);
    }
    approvals_mark(flow, marks.alone, stale);
    flow_mark_used(flow, &marks);
    for (size_t i = 0; i < flow->count; i++) {
        if (stale[i] || marks.alone[i] || ret_from[i] == FLOW_NONE ||
            before->steps[ret_from[i]].status != FLOW_COMPLETED) {
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
