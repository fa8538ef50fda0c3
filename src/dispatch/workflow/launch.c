/* launch.c: a workflow that a model starts, and which ones it may.
 *
 *   called ──workflow/start.h──> ready ──one commit──> the run, and the end of its card
 *                  └── no valid script, a wrong name:    the end of the card alone
 *
 * Nothing has begun before that commit, so a daemon that dies on the way simply does it again. The
 * run works where its session does, asks the model of the turn, and may what the turn may.
 *
 * Files are those of its project, and those that drover has saved: no others, neither in the call
 * of the tool nor by workflow({scriptPath}), or a model could have any file read that the daemon
 * can. A path has to be plain, so that what rules say of it is said of that file.
 *
 * A model that may not start a workflow must not have a script do it either: a rule of the session
 * that denies its name, or its path, holds for both. Rules that ask, or have somebody look, are
 * about what the model calls: nobody sits before a script who could answer. */
#include <string.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "dispatch/turn/row_tools.h"
#include "dispatch/turn/tool_settings.h"
#include "dispatch/turn/work.h"
#include "dispatch/workflow/registry.h"
#include "dispatch/workflow/start.h"
#include "engine/workflow/workflows.h"

/* --- Which workflows -------------------------------------------------------------------------- */

/* No segment is empty, "." or "..". */
static bool path_is_plain(const char *path) {
    for (const char *at = path;; at++) {
        size_t len = strcspn(at, "/");
        if (len == 0 || (len <= 2 && strspn(at, ".") >= len)) {
            return false;
        }
        at += len;
        if (*at == '\0') {
            return true;
        }
    }
}

bool flow_path_is_own(const struct flows *flows, const char *root, const char **path) {
    static const char saved[] = "/scripts/";
    const char *data_dir = flows->options.data_dir;
    size_t root_len = strlen(root), data_len = strlen(data_dir);
    if ((*path)[0] != '/') {
        return path_is_plain(*path);
    }
    if (root_len > 0 && strncmp(*path, root, root_len) == 0 && (*path)[root_len] == '/') {
        *path += root_len + 1;
        return path_is_plain(*path);
    }
    if (strncmp(*path, data_dir, data_len) != 0 ||
        strncmp(*path + data_len, saved, sizeof saved - 1) != 0) {
        return false;
    }
    const char *name = *path + data_len + sizeof saved - 1;
    return path_is_plain(name) && strchr(name, '/') == NULL;
}

bool flow_may_run(const json_t *settings, const char *name) {
    AUTO(toolplace_close) struct toolplace place = {0};
    const struct tool *tool = tool_get(TOOL_RUN_WORKFLOW);
    const struct bytes subject = bytes_of(name);
    toolplace_read_rules(&place, settings);
    const struct permission_question question = {.tool = bytes_of(tool->name),
                                                 .kind = tool->subject,
                                                 .subjects = &subject,
                                                 .subject_count = 1,
                                                 .otherwise = tool->permission};
    return permission_judge(&place.rules, &question).permission != PERMISSION_DENY;
}

bool flow_may_run_found(const struct flows *flows, const json_t *settings, const char *root,
                        const struct catalog_entry *entry) {
    const char *path = entry->file;
    const bool own = flow_path_is_own(flows, root, &path);
    return flow_may_run(settings, entry->name) && (!own || flow_may_run(settings, path));
}

/* --- A start ---------------------------------------------------------------------------------- */

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

static void launch_fail(struct talk_work *work, struct err err, const char *words) {
    coded_result_write(card_cause_of_error(err.code), err_name(err.code), words, &work->result);
    work__settle(work);
}

static void launch_ready(struct flow_start *start, struct err err) {
    struct workflow_launch *launch = CONTAINER_OF(start, struct workflow_launch, start);
    struct talk_work *work = launch->work;
    if (!work__is_back(work)) {
        return;
    }
    if (err_failed(err)) {
        launch_fail(work, err, start->why.text[0] != '\0' ? start->why.text : err_title(err.code));
    } else if (start->invalid) {
        flow_start_write(start, &work->result.content);
        work->result.cause = CARD_BAD_ARGUMENTS;
        work__settle(work);
    } else if ((start->spec.name != NULL || start->spec.path != NULL) &&
               !flow_may_run_found(start->flows, launch->settings, work->root,
                                   &start->script.entry)) {
        /* By its name a rule may deny what the call names by its path, and the other way round;
         * what a script that came as text calls itself is nobody's name. */
        coded_result_write(CARD_RULE, "denied",
                           "the settings of this session do not allow this workflow",
                           &work->result);
        work__settle(work);
    } else {
        rows__send(work);
    }
}

static struct err launch_read_spec(struct workflow_launch *launch, struct why *why) {
    const struct talk_work *work = launch->work;
    struct workflow_spec *spec = &launch->start.spec;
    struct err err = workflow_spec_read(work->call.input, WORKFLOW_SOURCE_INSIDE, spec, why);
    if (!err_failed(err) && spec->path != NULL &&
        !flow_path_is_own(launch->start.flows, work->root, &spec->path)) {
        return err_why(why, ERR_FORBIDDEN,
                       "scriptPath: a file of the project by its plain path, or one that this tool "
                       "answered");
    }
    if (!err_failed(err) && work->root[0] != '\0' && work->settings[0] != '\0') {
        err = json_parse_wrapped(bytes_of(work->settings), &launch->settings, why);
    }
    return err;
}

static void launch_begin(struct talk_work *work, struct workflow_launch **ret_launch) {
    const struct turn_plan *plan = &work->talk->plan;
    struct workflow_launch *launch = mem_new(sizeof *launch);
    struct flow_start *start = &launch->start;
    struct why why = {""};
    *ret_launch = launch;
    launch->work = work;
    flow_start_init(start, work->talk->turns->options.flows);
    start->done = launch_ready;
    struct err err = launch_read_spec(launch, &why);
    if (err_failed(err)) {
        launch_fail(work, err, why.text);
        return;
    }
    launch->owner = mem_copy(plan->owner.data, plan->owner.len);
    launch->model = mem_copy(plan->model.data, plan->model.len);
    launch->project = mem_copy(plan->project.data, plan->project.len);
    launch->notify =
        json_pack("[{s:s%}]", "session", plan->session.data, (size_t)plan->session.len);
    launch->settings = launch->settings == NULL ? json_object() : launch->settings;
    start->owner = launch->owner;
    start->spec.model = launch->model;
    start->spec.project = launch->project;
    start->spec.notify = launch->notify;
    start->spec.settings = launch->settings;
    start->spec.confined = true;
    start->spec.root = work->root[0] == '\0' ? NULL : work->root;
    work->away = true;
    flow_start_begin(start);
}

const struct workflow_tool workflow_tool = {
    .begin = launch_begin, .commit = launch_commit, .free = launch_free};
