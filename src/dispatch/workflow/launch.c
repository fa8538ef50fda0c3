/* launch.c: a workflow that a model starts.
 *
 *   called ──workflow/start.h──> ready ──one commit──> the run, and the end of its card
 *                  └── no valid script, a wrong name:    the end of the card alone
 *
 * Nothing has begun before that commit, so a daemon that dies on the way simply does it again. The
 * run works where its session does, asks the model of the turn, and may what the turn may. */
#include <string.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "dispatch/turn/row_tools.h"
#include "dispatch/turn/talk.h"
#include "dispatch/turn/tool_settings.h"
#include "dispatch/workflow/start.h"
#include "engine/workflow/spawn.h"

struct workflow_launch {
    struct talk_work *work; /* Borrowed: it waits for us. */
    struct flow_start start;
    char *owner, *model, *project; /* Owned, as all below: the plan may be another meanwhile. */
    json_t *settings, *notify;
};

static void launch_free(struct workflow_launch *launch) {
    if (launch == NULL) {
        return;
    }
    flow_start_free(&launch->start);
    json_decref(launch->settings);
    json_decref(launch->notify);
    mem_free(launch->owner);
    mem_free(launch->model);
    mem_free(launch->project);
    mem_free(launch);
}

/* --- Allowed ---------------------------------------------------------------------------------- */

/* --- In the store ----------------------------------------------------------------------------- */

static struct err launch_commit(struct tx *tx, const struct rows_call *call) {
    const struct flow_start *start = &call->fresh->launch->start;
    struct workflow_new what = start->what;
    struct why why = {""};
    struct run_row row;
    what.run.bounds = *call->bounds;
    struct err err = tx_workflow_spawn(tx, call->seat, &what, &row, &why);
    if (flows__is_for_good(err)) {
        failure_result_write(CARD_REFUSED, why.text[0] != '\0' ? why.text : err_title(err.code),
                             call->result);
        return flow_start_refused(tx, start);
    }
    if (!err_failed(err)) {
        *call->ret_child = row.id;
        flow_start_write(start, &call->result->content);
    }
    return err;
}

/* --- Ready ------------------------------------------------------------------------------------ */

static void fail(struct talk_work *work, struct err err, const char *words) {
    coded_result_write(card_cause_of_error(err.code), err_name(err.code), words, &work->result);
    work__settle(work);
}

/* By its name a rule may deny what the call names by its path, and the other way round; what a
 * script that came as text calls itself is nobody's name. */
static bool is_denied(const struct workflow_launch *launch) {
    const struct flow_start *start = &launch->start;
    const bool named = start->spec.name != NULL || start->spec.path != NULL;
    return named && !flow_may_run_found(launch->work->talk->turns->options.flows, launch->settings,
                                        launch->work->root, &start->script.entry);
}

static void ready(struct flow_start *start, struct err err) {
    struct workflow_launch *launch = CONTAINER_OF(start, struct workflow_launch, start);
    struct talk_work *work = launch->work;
    work->away = false;
    if (work->talk->ended || work->talk->turns->stopping) {
        work__settle(work); /* The call is only freed. */
    } else if (err_failed(err)) {
        fail(work, err, start->why.text[0] != '\0' ? start->why.text : err_title(err.code));
    } else if (start->invalid) {
        flow_start_write(start, &work->result.content);
        work->result.cause = CARD_BAD_ARGUMENTS;
        work__settle(work);
    } else if (is_denied(launch)) {
        coded_result_write(CARD_RULE, "denied",
                           "the settings of this session do not allow this workflow",
                           &work->result);
        work__settle(work);
    } else {
        rows__send(work);
    }
}

/* --- Asked ------------------------------------------------------------------------------------ */

static struct err read_spec(struct workflow_launch *launch, struct why *why) {
    const struct talk_work *work = launch->work;
    struct workflow_spec *spec = &launch->start.spec;
    struct err err = workflow_spec_read(work->call.input, WORKFLOW_SOURCE_INSIDE, spec, why);
    if (!err_failed(err) && spec->path != NULL &&
        !flow_path_is_own(work->talk->turns->options.flows, work->root, &spec->path)) {
        why_set(why, "scriptPath: a file of the project by its plain path, or one that this tool "
                     "answered");
        return err_make(ERR_FORBIDDEN, "workflows: path");
    }
    if (!err_failed(err) && work->root[0] != '\0' && work->settings[0] != '\0') {
        err = json_parse_wrapped(bytes_of(work->settings), &launch->settings, why);
    }
    return err;
}

static void fill_spec(struct workflow_launch *launch) {
    const struct turn_plan *plan = &launch->work->talk->plan;
    struct workflow_spec *spec = &launch->start.spec;
    launch->owner = mem_copy(plan->owner.data, plan->owner.len);
    launch->model = mem_copy(plan->model.data, plan->model.len);
    launch->project = mem_copy(plan->project.data, plan->project.len);
    launch->notify =
        json_pack("[{s:s%}]", "session", plan->session.data, (size_t)plan->session.len);
    launch->start.owner = launch->owner;
    spec->model = launch->model;
    spec->project = launch->project;
    spec->notify = launch->notify;
    launch->settings = launch->settings == NULL ? json_object() : launch->settings;
    spec->settings = launch->settings;
    spec->confined = true;
    spec->root = launch->work->root[0] == '\0' ? NULL : launch->work->root;
}

static void launch_begin(struct talk_work *work, struct workflow_launch **ret_launch) {
    struct flows *flows = work->talk->turns->options.flows;
    struct workflow_launch *launch = mem_new(sizeof *launch);
    struct why why = {""};
    *ret_launch = launch;
    launch->work = work;
    flow_start_init(&launch->start, flows);
    launch->start.done = ready;
    struct err err = read_spec(launch, &why);
    if (err_failed(err)) {
        fail(work, err, why.text);
        return;
    }
    fill_spec(launch);
    work->away = true;
    flow_start_begin(&launch->start);
}

const struct workflow_tool workflow_tool = {
    .begin = launch_begin, .commit = launch_commit, .free = launch_free};
