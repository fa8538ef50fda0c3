/* marks.c: steps before and after others, and whose yes is used up. See flow.h.
 *
 * A yes of approvers is one to what comes after it, once. So where a step after it that had begun
 * runs again, the approvers are asked again, and all that comes after the question runs
 * again with it, which may be after other questions, too: flow_mark_used goes on until nothing is
 * added. Nobody else may change what was approved, or have it done again, by whatever way leads to
 * the step.
 */
#include <string.h>

#include "rules/flow/flow.h"

/* Whether `step` itself waits for a marked one: a dependency, one of a batch, or its switch. */
static bool waits_for(const struct flow *flow, const struct flow_step *step, const bool *marked) {
    bool found = step->switched != FLOW_NONE && marked[step->switched];
    for (size_t d = 0; d < step->dep_count && !found; d++) {
        const struct flow_dep *dep = &step->deps[d];
        found = dep->kind == FLOW_DEP_STEP && marked[dep->at];
        for (size_t i = 0; i < flow->count && dep->kind == FLOW_DEP_BATCH && !found; i++) {
            found = marked[i] && flow->steps[i].batch == dep->at;
        }
    }
    return found;
}

void flow_mark_after(const struct flow *flow, bool io_marked[FLOW_STEPS_MAX]) {
    bool more = true;
    while (more) {
        more = false;
        for (size_t i = 0; i < flow->count; i++) {
            if (!io_marked[i] && waits_for(flow, &flow->steps[i], io_marked)) {
                more = io_marked[i] = true;
            }
        }
    }
}

bool flow_comes_after(const struct flow *flow, size_t at, size_t later) {
    bool marked[FLOW_STEPS_MAX] = {false};
    marked[at] = true;
    flow_mark_after(flow, marked);
    return at != later && marked[later];
}

bool flow_names_approvers(const struct flow_step *step) {
    return json_array_size(json_object_get(step->json, "approvers")) > 0;
}

bool flow_has_begun(const struct flow_step *step) {
    return step->began_ms > 0 || step->status == FLOW_COMPLETED;
}

/* Code asks agents that nobody knows before it runs: so the yes holds beyond it, too. */
static bool does_nothing_outside(const struct flow_step *step) {
    return step->kind == FLOW_KIND_CODE || step->kind == FLOW_KIND_SWITCH ||
           step->kind == FLOW_KIND_APPROVAL;
}

/* Marks the first steps after `from` that act, and all before those. */
static void reach_mark(const struct flow *flow, size_t from, bool ret_reached[FLOW_STEPS_MAX]) {
    bool passed[FLOW_STEPS_MAX] = {false}, more = true;
    passed[from] = true;
    while (more) {
        more = false;
        for (size_t i = 0; i < flow->count; i++) {
            if (!ret_reached[i] && waits_for(flow, &flow->steps[i], passed)) {
                more = ret_reached[i] = true;
                passed[i] = does_nothing_outside(&flow->steps[i]);
            }
        }
    }
}

static bool is_reached(const struct flow *flow, size_t at, size_t from) {
    bool reached[FLOW_STEPS_MAX] = {false};
    reach_mark(flow, from, reached);
    return reached[at];
}

bool flow_is_for_approvers(const struct flow *flow, size_t at, size_t by) {
    return flow_names_approvers(&flow->steps[by]) && is_reached(flow, at, by);
}

bool flow_mark_approvals(const struct flow *flow, size_t at, bool ret_marked[FLOW_STEPS_MAX]) {
    bool reached[FLOW_STEPS_MAX] = {false}, approved = false;
    for (size_t i = 0; i < flow->count; i++) {
        ret_marked[i] =
            flow->steps[i].status == FLOW_COMPLETED && flow_is_for_approvers(flow, at, i);
        approved = approved || ret_marked[i];
        if (ret_marked[i]) {
            reach_mark(flow, i, reached);
        }
    }
    for (size_t i = 0; i < flow->count; i++) {
        ret_marked[i] = ret_marked[i] || (reached[i] && does_nothing_outside(&flow->steps[i]) &&
                                          is_reached(flow, at, i));
    }
    return approved;
}

void flow_mark_used(const struct flow *flow, struct flow_marks *marks) {
    bool more = true;
    while (more) {
        more = false;
        flow_mark_after(flow, marks->again);
        for (size_t i = 0; i < flow->count; i++) {
            bool after[FLOW_STEPS_MAX] = {false}, used = false;
            if (marks->again[i] || !flow_names_approvers(&flow->steps[i])) {
                continue;
            }
            after[i] = true;
            flow_mark_after(flow, after);
            for (size_t s = 0; s < flow->count && !used; s++) {
                used =
                    s != i && after[s] && marks->begun[s] && (marks->again[s] || marks->alone[s]);
            }
            more = used || more;
            marks->again[i] = used;
        }
    }
}
