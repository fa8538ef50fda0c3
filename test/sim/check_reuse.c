/* check_reuse.c: workflows that begin from results of earlier runs which they do not name.
 *
 *   at the end of each run
 *     a step took over the result of the same call, by its key and occurrence, that another run
 *     with the same model and folder had asked itself, that succeeded, and that was young enough
 *     a step of such a run asked nobody where there was such a result
 *     nothing was taken over by a run that neither resumes nor reuses
 *
 * Times      are compared where the wall clock was not set while the run lived.
 */
#include <string.h>

#include "asks.h"
#include "inside.h"
#include "workflows.h"

struct taking {
    struct workflow *workflow;
    bool steady;
};

/* Columns: step, run of the other step, key and occurrence are the same, the other one succeeded,
 * it asked itself, the results are the same, age of the result in ms, and both are of one model: a
 * script may name one, whatever its run has. */
static void taken_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    const struct taking *taking = ctx;
    const struct workflow *workflow = taking->workflow;
    const struct workflow *other = workflows_find(sim, row->text[1]);
    const char *fault = workflow->reuse_ms == 0 && workflow->from == NULL ? "the run reuses nothing"
                        : row->number[2] == 0                             ? "it is another call"
                        : row->number[5] == 0                             ? "it has another result"
                                                                          : NULL;
    if (fault == NULL && workflow->reuse_ms > 0) {
        fault = row->number[3] == 0   ? "that did not succeed"
                : row->number[4] == 0 ? "that was taken over itself"
                : taking->steady && row->number[6] > workflow->reuse_ms ? "that is too old"
                : row->number[7] == 0                                   ? "that asked another model"
                : other != NULL && other->rooted != workflow->rooted    ? "that has another folder"
                                                                        : NULL;
    }
    if (fault != NULL) {
        sim_fail(sim, "the step %s of %s took over a result of %s: %s", row->text[0].data,
                 workflow->run, row->text[1].data, fault);
    }
}

/* Columns: step, run of the other step, that other step. */
static void missed_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    const struct taking *taking = ctx;
    const struct workflow *workflow = taking->workflow;
    const struct workflow *other = workflows_find(sim, row->text[1]);
    if (other != NULL && strcmp(other->model, workflow->model) == 0 && !other->rooted &&
        !other->deleting) {
        sim_fail(sim, "the step %s of %s asks again what %s of %s had answered, which it may reuse",
                 row->text[0].data, workflow->run, row->text[2].data, row->text[1].data);
    }
}

/* Agents of a folder have tools, and may do more than read. */
void workflows_check_reuse(struct sim *sim, struct workflow *workflow) {
    const struct taking taking = {workflow, sim->wall_offset_ms == workflow->wall_offset_ms};
    const struct ask_number reuse = ask_number(workflow->reuse_ms);
    ask_each(sim,
             "SELECT a.run, p.run, o.step_key = a.step_key AND o.occurrence = a.occurrence,"
             " o.state = 'succeeded', o.cached = 0, o.result = a.result, a.ended_ms - o.ended_ms,"
             " json_extract(a.spec, '$.model') = json_extract(o.spec, '$.model')"
             " FROM runs w JOIN runs a ON a.parent = w.id JOIN runs o ON o.run = a.cached_from"
             " JOIN runs p ON p.id = o.parent WHERE w.run = $1 AND a.cached = 1",
             TEXTS(workflow->run), taken_take, (void *)&taking);
    if (workflow->reuse_ms == 0 || workflow->rooted || !taking.steady) {
        return;
    }
    ask_each(sim,
             "SELECT a.run, p.run, o.run FROM runs w JOIN runs a ON a.parent = w.id JOIN runs o ON"
             " o.step_key = a.step_key AND o.occurrence = a.occurrence AND o.parent <> a.parent"
             " JOIN runs p ON p.id = o.parent WHERE w.run = $1 AND a.kind = 'agent' AND"
             " a.step_key <> '' AND a.cached = 0 AND o.cached = 0 AND o.state = 'succeeded'"
             " AND o.id < w.id AND o.ended_ms >= a.made_ms - CAST($2 AS INTEGER)",
             TEXTS(workflow->run, reuse.text), missed_take, (void *)&taking);
}
