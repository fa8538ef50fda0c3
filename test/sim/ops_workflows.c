/* ops_workflows.c: what clients ask of workflows, as the handlers of api/ ask the daemon. */
#include <stdio.h>
#include <string.h>

#include "asks.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "children.h"
#include "dispatch/workflow/start.h"
#include "engine/run/runs.h"
#include "engine/system/retention.h"
#include "engine/workflow/steps.h"
#include "engine/workflow/workflows.h"
#include "inside.h"
#include "known.h"
#include "late.h"
#include "main/work.h"
#include "workflows.h"

enum { SPEC_MAX = 64 << 10, CHANGES = 6 };

static struct run_bounds bounds_of(struct sim *sim) {
    return dispatch_bounds(work_api(sim_life(sim)->work).host.dispatch);
}

/* One of those whose run is known; NULL: there is none. */
static struct workflow *workflow_pick(struct sim *sim, bool (*fits)(const struct workflow *)) {
    struct workflows *all = workflows_of(sim);
    struct workflow *found[WORKFLOWS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < all->count; i++) {
        if (all->list[i].run[0] != '\0' && fits(&all->list[i])) {
            found[count++] = &all->list[i];
        }
    }
    return count == 0 ? NULL : found[sim_choose(sim, "workflow", count)];
}

static bool is_there(const struct workflow *workflow) {
    return workflow->told == TOLD_ACCEPTED;
}

static bool is_live(const struct workflow *workflow) {
    return is_there(workflow) && !workflow->final;
}

/* --- Submitted -------------------------------------------------------------------------------- */

struct submission {
    struct workflow_start start;
    struct sim *sim;
    struct workflow *workflow;
    json_t *json; /* Owned: the spec borrows from it. */
};

static void submission_free(struct submission *submission) {
    workflow_start_free(&submission->start);
    json_decref(submission->json);
    mem_free(submission);
}

static struct err submit_tx(struct tx *tx, void *ctx) {
    struct submission *submission = ctx;
    struct run_row row = {0};
    return tx_workflow_submit(tx, &submission->start.what, &row, &submission->start.why);
}

/* A refusal that an API may answer here: of a disk, of what is gone, of a daemon that ends. */
static bool may_refuse(const struct submission *submission, struct err err) {
    bool resumes = submission->workflow->from != NULL;
    switch (err.code) {
    case ERR_INTERNAL:
    case ERR_BAD_JSON:
    case ERR_BAD_FIELD:
    case ERR_BAD_SCRIPT:
        return false;
    case ERR_NOT_FOUND:
    case ERR_RUN_ALIVE:
    case ERR_CONFLICT:
        return resumes;
    default:
        return true;
    }
}

static void submit_done(struct err err, void *ctx) {
    struct submission *submission = ctx;
    struct sim *sim = submission->sim;
    struct workflow *workflow = submission->workflow;
    if (!sim_life(sim)->dead) {
        workflow->told = err_failed(err) ? TOLD_REFUSED : TOLD_ACCEPTED;
        sim_trace(sim, "workflow %u is %s", workflow->op,
                  err_failed(err) ? err_name(err.code) : "accepted");
        if (err_failed(err) && !may_refuse(submission, err)) {
            sim_fail(sim, "workflow %u is refused: %s (%s) %s", workflow->op, err_name(err.code),
                     err.step, submission->start.why.text);
        }
    }
    submission_free(submission);
}

static void prepared(struct workflow_start *start, struct err err) {
    struct submission *submission = CONTAINER_OF(start, struct submission, start);
    struct sim *sim = submission->sim;
    if (!err_failed(err) && start->invalid) {
        sim_fail(sim, "the script of workflow %u is none: %s", submission->workflow->op,
                 start->why.text);
    }
    if (err_failed(err) || !sim_life(sim)->ready) {
        submit_done(err_failed(err) ? err : err_make(ERR_CLOSING, "sim: submit"), submission);
        return;
    }
    start->what.run.bounds = bounds_of(sim);
    (void)snprintf(submission->workflow->run, ID_SIZE, "%s", start->what.run.run.text);
    sim_trace(sim, "workflow %u is %s", submission->workflow->op, submission->workflow->run);
    store_write(sim_life(sim)->store, submit_tx, submit_done, submission);
}

static void script_add(const struct workflow *workflow, struct text *text) {
    AUTO(text_done) struct text script;
    const struct program program = program_make(workflow->program);
    text_init(&script, SPEC_MAX);
    program_print(&program, &script);
    text_add_str(text, "\"script\":");
    text_add_json(text, script.data, script.len);
}

static void limits_add(struct sim *sim, struct workflow *workflow, struct text *text) {
    static const int64_t totals[] = {0, 1, 40, 100, 300, 1000};
    if (sim_chance(sim, "total?", 35)) {
        workflow->total = totals[sim_choose(sim, "total", COUNT_OF(totals))];
        text_addf(text, ",\"total\":%lld", (long long)workflow->total);
    } else {
        text_add_str(text, ",\"total\":null");
    }
    if (sim_chance(sim, "budget?", 20)) {
        static const char *const budgets[] = {"{\"output_tokens\":100}", "{\"tokens\":60000}",
                                              "{\"agents\":3}", "{\"wall_ms\":400000}"};
        text_addf(text, ",\"budget\":%s", budgets[sim_choose(sim, "budget", COUNT_OF(budgets))]);
    }
    if (sim_chance(sim, "concurrency?", 40)) {
        text_addf(text, ",\"concurrency\":%d", 1 + (int)sim_choose(sim, "concurrency", 3));
    }
    if (sim_chance(sim, "timeout?", 10)) {
        workflow->timeout_ms = 2000 + (int64_t)sim_choose(sim, "timeout", 200000);
        text_addf(text, ",\"timeout_ms\":%lld", (long long)workflow->timeout_ms);
    }
    if (sim_chance(sim, "agent timeout?", 10)) {
        text_addf(text, ",\"agent_timeout_ms\":%d",
                  1000 + (int)sim_choose(sim, "agent timeout", 60000));
    }
}

static void submit(struct sim *sim, struct workflow *workflow, const struct text *spec) {
    struct submission *submission = mem_new(sizeof *submission);
    struct workflow_runs_api api = work_workflows_api(sim_life(sim)->work);
    struct why why = {.text = ""};
    submission->sim = sim;
    submission->workflow = workflow;
    struct err err = json_parse(spec->data, spec->len, JSON_DEPTH_MAX, &submission->json, &why);
    workflow_start_init(&submission->start, api.workflows);
    submission->start.owner = KNOWN_OWNER;
    submission->start.done = prepared;
    if (!err_failed(err)) {
        err = workflow_spec_read(submission->json, WORKFLOW_SOURCE_INSIDE, &submission->start.spec,
                                 &why);
    }
    if (err_failed(err)) {
        sim_fail(sim, "the simulator wrote a bad workflow: %s", why.text);
    }
    workflow_start_begin(&submission->start);
}

static struct workflow *workflow_new(struct sim *sim) {
    struct workflows *all = workflows_of(sim);
    if (all->count == WORKFLOWS_MAX) {
        return NULL;
    }
    struct workflow *workflow = &all->list[all->count++];
    *workflow = (struct workflow){.op = sim_operation(sim),
                                  .family = (int64_t)sim_operation(sim),
                                  .total = -1,
                                  .wall_offset_ms = sim->wall_offset_ms,
                                  .model = ""};
    children_submitted(workflow);
    return workflow;
}

/* Before a run asks for them, and while others have asked. */
static void children_age(struct sim *sim) {
    if (sim_chance(sim, "child?", 40)) {
        children_edit(sim);
    }
}

static const char *model_choose(struct sim *sim) {
    static const char *const models[] = {"openai/plain", "openai/think", "responses/plain",
                                         "anthropic/plain", "anthropic/small-window"};
    return models[sim_choose(sim, "model", COUNT_OF(models))];
}

/* The script, its input, its model and its folder. */
static void whole_add(struct sim *sim, const struct workflow *workflow, struct text *text) {
    script_add(workflow, text);
    text_addf(text, ",\"args\":{\"op\":%lld},\"model\":\"%s\"", (long long)workflow->family,
              workflow->model);
    if (workflow->rooted) { /* Agents have tools there. */
        text_addf(text, ",\"root\":\"%s\"", sim_project_dir(sim));
    }
}

static void op_submit(struct sim *sim) {
    children_age(sim);
    struct workflow *workflow = workflow_new(sim);
    AUTO(text_done) struct text spec;
    text_init(&spec, SPEC_MAX);
    if (workflow == NULL) {
        return;
    }
    workflow->program.number = sim_hash(sim_seed(sim), sim_operation(sim), "program", 0);
    workflow->model = model_choose(sim);
    workflow->rooted = sim_chance(sim, "root", 40);
    text_add_char(&spec, '{');
    whole_add(sim, workflow, &spec);
    limits_add(sim, workflow, &spec);
    text_add_char(&spec, '}');
    submit(sim, workflow, &spec);
}

/* --- Resumed ---------------------------------------------------------------------------------- */

static bool is_resumable(const struct workflow *workflow) {
    return is_there(workflow) && workflow->final && !workflow->deleting &&
           workflows_last(sim_current(), workflow->family) == workflow;
}

static void resume_late(struct sim *sim, unsigned op) {
    children_age(sim);
    struct workflow *from = workflow_pick(sim, is_resumable);
    struct workflow *workflow = from == NULL ? NULL : workflow_new(sim);
    AUTO(text_done) struct text spec;
    text_init(&spec, SPEC_MAX);
    if (workflow == NULL) {
        return;
    }
    workflow->op = op;
    workflow->family = from->family;
    workflow->program = from->program;
    workflow->from = from;
    workflow->rooted = from->rooted;
    workflow->model = from->model;
    text_addf(&spec, "{\"resumeFromRunId\":\"%s\"", from->run);
    if (sim_chance(sim, "changed", 50)) {
        workflow->program.change = 1 + (unsigned)sim_choose(sim, "change", CHANGES);
        text_add_char(&spec, ',');
        script_add(workflow, &spec);
    }
    limits_add(sim, workflow, &spec);
    text_add_char(&spec, '}');
    submit(sim, workflow, &spec);
}

/* Few workflows have ended while the operations of a seed come. */
static void op_resume(struct sim *sim) {
    late_plan(sim, resume_late);
}

/* --- Begun from results of any run ------------------------------------------------------------ */

/* Only runs of one family ask the same. */
static void reuse_late(struct sim *sim, unsigned op) {
    static const int64_t ages_ms[] = {1000, 60000, 600000, 86400000};
    const struct workflow *like = workflow_pick(sim, is_resumable);
    struct workflow *workflow = like == NULL ? NULL : workflow_new(sim);
    AUTO(text_done) struct text spec;
    text_init(&spec, SPEC_MAX);
    if (workflow == NULL) {
        return;
    }
    workflow->op = op;
    workflow->family = like->family;
    workflow->program = like->program;
    workflow->rooted = like->rooted;
    workflow->model = sim_chance(sim, "other model", 30) ? model_choose(sim) : like->model;
    workflow->reuse_ms = ages_ms[sim_choose(sim, "age", COUNT_OF(ages_ms))];
    if (sim_chance(sim, "changed", 30)) {
        workflow->program.change = 1 + (unsigned)sim_choose(sim, "change", CHANGES);
    }
    text_addf(&spec, "{\"reuse_ms\":%lld,", (long long)workflow->reuse_ms);
    whole_add(sim, workflow, &spec);
    if (sim_chance(sim, "limits", 30)) {
        limits_add(sim, workflow, &spec);
    }
    text_add_char(&spec, '}');
    submit(sim, workflow, &spec);
}

static void op_reuse(struct sim *sim) {
    late_plan(sim, reuse_late);
}

/* --- Stopped, skipped, paused, restarted ------------------------------------------------------ */

struct order {
    struct sim *sim;
    struct workflow *workflow;
    char run[ID_SIZE]; /* Of the workflow, or of its agent. */
    struct err (*tx)(struct tx *tx, struct order *order);
    void (*acknowledged)(struct order *order);
    struct run_stop stop;
    struct run_bounds bounds;
    enum workflow_pause pause;
    bool more;
    struct why why;
};

static struct err order_tx(struct tx *tx, void *ctx) {
    struct order *order = ctx;
    order->more = false;
    return order->tx(tx, order);
}

static void order_done(struct err err, void *ctx) {
    struct order *order = ctx;
    if (!err_failed(err) && order->more) {
        store_write(sim_life(order->sim)->store, order_tx, order_done, order);
        return;
    }
    sim_trace(order->sim, "an order for workflow %u: %s", order->workflow->op, err_name(err.code));
    if (!err_failed(err) && !sim_life(order->sim)->dead && order->acknowledged != NULL) {
        order->acknowledged(order);
    }
    mem_free(order);
}

static struct run_key key_of(const struct order *order) {
    return (struct run_key){.owner = BYTES(KNOWN_OWNER), .run = bytes_of(order->run)};
}

static void order_send(struct sim *sim, const struct order *what) {
    struct order *order = mem_new(sizeof *order);
    *order = *what;
    order->sim = sim;
    order->bounds = bounds_of(sim);
    if (order->run[0] == '\0') {
        memcpy(order->run, order->workflow->run, sizeof order->run);
    }
    order->stop = (struct run_stop){
        .key = key_of(order), .cause = CAUSE_STOPPED, .grace_ms = 1000, .bounds = order->bounds};
    store_write(sim_life(sim)->store, order_tx, order_done, order);
}

static struct err stop_tx(struct tx *tx, struct order *order) {
    struct run_row row = {0};
    return tx_run_stop(tx, &order->stop, &order->more, &row);
}

static void stopped(struct order *order) {
    order->workflow->stopped = true;
}

static void op_stop(struct sim *sim) {
    struct workflow *workflow = workflow_pick(sim, is_live);
    if (workflow != NULL) {
        order_send(sim,
                   &(struct order){.workflow = workflow, .tx = stop_tx, .acknowledged = stopped});
    }
}

struct agents {
    char runs[32][ID_SIZE];
    size_t count;
};

static void agent_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct agents *agents = ctx;
    (void)sim;
    if (agents->count < COUNT_OF(agents->runs)) {
        (void)snprintf(agents->runs[agents->count++], ID_SIZE, "%s", row->text[0].data);
    }
}

/* An agent of a workflow that has not ended; false: there is none. */
static bool agent_pick(struct sim *sim, struct order *order) {
    struct agents agents = {.count = 0};
    order->workflow = workflow_pick(sim, is_live);
    if (order->workflow == NULL) {
        return false;
    }
    ask_each(sim,
             "SELECT a.run FROM runs a JOIN runs w ON w.id = a.parent WHERE w.run = $1"
             " AND a.kind = 'agent' AND a.ended_ms IS NULL ORDER BY a.id",
             TEXTS(order->workflow->run), agent_take, &agents);
    if (agents.count > 0) {
        memcpy(order->run, agents.runs[sim_choose(sim, "agent", agents.count)], ID_SIZE);
    }
    return agents.count > 0;
}

/* As skip_run of api/workflow/runs.c. */
static struct err skip_tx(struct tx *tx, struct order *order) {
    struct run_row row = {0};
    bool found = false;
    struct err err = tx_run_find(tx, &order->stop.key, &found, &row);
    if (err_failed(err) || !found || run_state_final(row.state)) {
        return err_failed(err) ? err : err_make(ERR_STEP_ENDED, "sim: skip");
    }
    bool more = false;
    return tx_run_stop(tx, &order->stop, &more, &row);
}

static void op_skip(struct sim *sim) {
    struct order order = {.tx = skip_tx};
    if (agent_pick(sim, &order)) {
        order_send(sim, &order);
    }
}

static struct err restart_tx(struct tx *tx, struct order *order) {
    struct run_row row = {0};
    return tx_step_restart(tx, &order->stop.key, &order->bounds, &row, &order->why);
}

static void op_restart_agent(struct sim *sim) {
    struct order order = {.tx = restart_tx};
    if (agent_pick(sim, &order)) {
        order_send(sim, &order);
    }
}

static struct err pause_tx(struct tx *tx, struct order *order) {
    struct run_row row = {0};
    return tx_workflow_pause(tx, &order->stop.key, order->pause, &row, &order->why);
}

static void paused(struct order *order) {
    order->workflow->paused = order->pause == WORKFLOW_PAUSE;
}

static void op_pause(struct sim *sim) {
    struct workflow *workflow = workflow_pick(sim, is_live);
    if (workflow != NULL) {
        order_send(sim, &(struct order){.workflow = workflow,
                                        .tx = pause_tx,
                                        .acknowledged = paused,
                                        .pause = sim_chance(sim, "pause", 50) ? WORKFLOW_PAUSE
                                                                              : WORKFLOW_RESUME});
    }
}

static void unpause_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    bool *any = ctx;
    struct workflows *all = workflows_of(sim);
    for (size_t i = 0; i < all->count; i++) {
        if (strcmp(all->list[i].run, row->text[0].data) == 0) {
            order_send(sim, &(struct order){.workflow = &all->list[i],
                                            .tx = pause_tx,
                                            .acknowledged = paused,
                                            .pause = WORKFLOW_RESUME});
            *any = true;
        }
    }
}

bool workflows_unpause(struct sim *sim) {
    bool any = false;
    ask_each(sim, "SELECT run FROM runs WHERE kind = 'workflow' AND state = 'waiting'", NULL,
             unpause_take, &any);
    return any;
}

/* --- Deleted ---------------------------------------------------------------------------------- */

static struct err remove_tx(struct tx *tx, struct order *order) {
    struct run_row row = {0};
    const struct run_key key = key_of(order);
    return tx_run_remove(tx, &key, &order->more, &row);
}

static void removed(struct order *order) {
    order->workflow->told = TOLD_DELETED;
}

static void op_delete(struct sim *sim) {
    struct workflow *workflow = workflow_pick(sim, is_there);
    if (workflow != NULL) {
        workflow->deleting = true;
        order_send(sim,
                   &(struct order){.workflow = workflow, .tx = remove_tx, .acknowledged = removed});
    }
}

const struct sim_op workflows_ops[] = {
    {"submit a workflow", 10, op_submit},
    {"resume a workflow", 5, op_resume},
    {"reuse a workflow", 7, op_reuse},
    {"stop a workflow", 2, op_stop},
    {"skip an agent", 4, op_skip},
    {"restart an agent", 2, op_restart_agent},
    {"pause a workflow", 2, op_pause},
    {"delete a workflow", 2, op_delete},
    {.name = NULL},
};
