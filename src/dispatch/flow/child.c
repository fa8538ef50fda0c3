/* child.c: the child of a step begins: an agent, a command, a workflow, a flow.
 *
 * An agent is looked up in the pool first: a type of agent, else a program. A name that nobody has
 * fails the step; nothing is used in its place. Agents of flows only read: native ones unless their
 * type names its tools, programs always.
 */
#include "base/json/json.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/flow/flow_run.h"
#include "dispatch/flow/start.h"
#include "dispatch/workflow/start.h"
#include "engine/job/spec.h"
#include "loop/world.h"

enum { SPEC_MAX = 1 << 20, TITLE_MAX = 200 };

static const json_t *step_json(const struct flow_run *run) {
    return json_array_get(json_object_get(run->description, "steps"), run->order->at);
}

/* --- Its end ---------------------------------------------------------------------------------- */

static void child_written(void *ctx) {
    struct flow_run *run = ctx;
    if (err_failed(run->ask.err)) {
        if (run->why.text[0] == '\0') {
            why_set(&run->why, "it could not be started (%s)", err_name(run->ask.err.code));
        }
        flow_run__refuse_child(run);
        return;
    }
    flow_run__steps_take(run);
    if (run->order->kind == ORDER_CALL && !run->order->late) {
        run->order->called.begun = true;
        flow_run__await_call(run);
    } else {
        flow_run__order_done(run);
    }
}

static void child_write(struct flow_run *run, store_fn fn) {
    run->state = FLOW_RUN_WRITING;
    run->why.text[0] = '\0';
    ask_write(&run->ask, fn, child_written);
}

static void child_refuse(struct flow_run *run) {
    flow_run__refuse_child(run);
}

/* --- An agent --------------------------------------------------------------------------------- */

static struct bytes agent_name(const struct flow_run *run) {
    const json_t *step = step_json(run);
    const json_t *list = json_object_get(step, "agents");
    const size_t count = json_array_size(list);
    const size_t tries = (size_t)run->order->tries;
    if (run->order->kind == ORDER_CALL) {
        return text_bytes(&run->order->agent);
    }
    return count > 0 ? json_text(json_array_get(list, tries < count ? tries : count - 1))
                     : json_bytes(step, "agent");
}

static struct err agent_tx(struct tx *tx, void *ctx) {
    struct flow_run *run = ctx;
    struct flow_order *order = run->order;
    AUTO(text_done) struct text schema = text_up_to(TURN_SCHEMA_MAX);
    const json_t *wanted =
        order->kind == ORDER_CHILD ? json_object_get(step_json(run), "schema") : NULL;
    if (wanted != NULL && err_failed(json_write(wanted, &schema))) {
        why_set(&run->why, "its schema is longer than %d bytes", TURN_SCHEMA_MAX);
        return err_make(ERR_BAD_FIELD, "flows: schema");
    }
    const struct talk_new talk = {
        .session = {.session = run->session,
                    .owner = text_bytes(&run->owner),
                    .project = text_bytes(&run->project),
                    .title = text_bytes(&run->title),
                    .model = text_bytes(run->agent.model.len > 0 ? &run->agent.model : &run->model),
                    .agent = agent_name(run),
                    .root = text_bytes(&run->root),
                    .path = text_bytes(&run->path),
                    .instructions = agent_order_instructions(&run->agent),
                    .settings = agent_order_settings(&run->agent),
                    .program = text_bytes(&run->agent.program),
                    .archived = true}, /* No list of a person has it. */
        .message = {.text = text_bytes(&order->text),
                    .schema = text_bytes(&schema),
                    .model_default = bytes_of(run->model_default.name),
                    .run = run->child,
                    .message = run->message,
                    .answer = run->answer,
                    .bounds = run->flows->options.bounds}};
    const struct flow_child child = {.place = flow_run__order_place(run, run->order),
                                     .talk = &talk,
                                     .files = text_bytes(&order->files)};
    const struct flow_call call = {.place = flow_run__order_place(run, run->order),
                                   .number = order->number,
                                   .agent = text_bytes(&order->agent),
                                   .task = text_bytes(&order->text)};
    return order->kind == ORDER_CALL ? tx_flow_call_begin(tx, &call, &talk, &order->late, &run->why)
                                     : tx_flow_child(tx, &child, &order->late, &run->why);
}

static void agent_begin(void *ctx) {
    struct flow_run *run = ctx;
    const struct world *world = loop_world(run->flows->options.room.loop);
    if (run->flows->room.asker.stopping) {
        return;
    }
    connections_default_model(run->flows->options.connections, &run->model_default);
    run->session = world_new_id(world, "ses");
    run->child = world_new_id(world, "run");
    run->message = world_new_id(world, "msg");
    run->answer = world_new_id(world, "msg");
    child_write(run, agent_tx);
}

static void agent_search(struct pool_job *job) {
    struct flow_run *run = CONTAINER_OF(job, struct flow_run, job);
    const struct flows_options *options = &run->flows->options;
    const struct bytes name = agent_name(run);
    const struct agent_wish wish = {
        .name = name.len > 0 ? name : BYTES(FLOW_AGENT_DEFAULT),
        .root = run->root.len > 0 ? run->root.data : NULL,
        .home = options->search.home,
        .config_dir = options->search.config_dir,
        .path = run->path.len > 0 ? run->path.data : NULL,
        .rows = options->agents,
        .model = run->order->kind == ORDER_CHILD ? json_bytes(step_json(run), "model") : BYTES(""),
        .first = AGENT_TYPES_FIRST,
        .only_reads = true};
    agent_order_find(&wish, &run->agent);
}

static void agent_searched(struct pool_job *job) {
    struct flow_run *run = CONTAINER_OF(job, struct flow_run, job);
    run->why = run->agent.why;
    if (run->flows->room.asker.stopping) {
        room_maybe_stopped(&run->flows->room);
    } else if (!agent_order_is_good(&run->agent)) {
        child_refuse(run);
    } else if (run->agent.kind == AGENT_ORDER_PROGRAM ||
               !connections_look(run->flows->options.connections, agent_begin, run)) {
        agent_begin(run);
    }
}

static void agent_start(struct flow_run *run) {
    run->state = FLOW_RUN_SEARCHING;
    text_clear(&run->title);
    const struct bytes id = run->seen[run->order->at].id;
    text_addf(&run->title, "%.*s: %.*s", (int)utf8_cut(text_bytes(&run->name), TITLE_MAX / 2),
              text_bytes(&run->name).data, (int)id.len, id.data);
    agent_order_set_aliases(&run->agent,
                            connections_settings(run->flows->options.connections)->model_aliases);
    pool_begin(&run->flows->room.pool, &run->job, POOL_QUICK, agent_search, agent_searched);
}

/* --- A command -------------------------------------------------------------------------------- */

static struct err command_tx(struct tx *tx, void *ctx) {
    struct flow_run *run = ctx;
    struct flow_order *order = run->order;
    AUTO(text_done) struct text spec = text_up_to(SPEC_MAX);
    const struct bytes fixed = json_bytes(step_json(run), "command");
    const struct bytes line = fixed.len > 0 ? fixed : text_bytes(&order->text);
    text_add_char(&spec, '{');
    text_add_member(&spec, "shell", line);
    if (run->root.len > 0) {
        text_add_member(&spec, "cwd", text_bytes(&run->root));
    }
    text_add_char(&spec, '}');
    struct run_new job = job_run_new(&run->child, text_bytes(&spec));
    job.owner = text_bytes(&run->owner);
    job.project = text_bytes(&run->project);
    job.label = run->seen[order->at].id;
    job.command = (struct bytes){line.data, utf8_cut(line, RUN_COMMAND_MAX)};
    job.bounds = run->flows->options.bounds;
    const struct flow_child child = {.place = flow_run__order_place(run, run->order),
                                     .job = &job,
                                     .files = text_bytes(&order->files)};
    if (text_failed(&spec) || line.len == 0) {
        why_set(&run->why, "its command is %s", line.len == 0 ? "empty" : "too long");
        return err_make(ERR_BAD_FIELD, "flows: command");
    }
    return tx_flow_child(tx, &child, &order->late, &run->why);
}

/* --- A workflow, a flow ----------------------------------------------------------------------- */

struct start_child {
    struct flow_run *run;
    char *owner, *root, *name; /* Owned. */
    char *model;               /* Owned; NULL: the default one. */
    json_t *args;              /* Owned. */
    struct workflow_start workflow;
    struct flow_start flow;
};

static void start_child_free(struct start_child *start) {
    workflow_start_free(&start->workflow);
    flow_start_free(&start->flow);
    json_release(&start->args);
    mem_free(start->owner);
    mem_free(start->root);
    mem_free(start->name);
    mem_free(start->model);
    mem_free(start);
}

static struct err start_tx(struct tx *tx, void *ctx) {
    struct flow_run *run = ctx;
    struct start_child *start = run->starting;
    const bool is_flow = start->flow.flows != NULL;
    start->workflow.what.run.bounds = run->flows->options.bounds;
    start->flow.what.run.bounds = run->flows->options.bounds;
    const struct flow_child child = {.place = flow_run__order_place(run, run->order),
                                     .workflow = is_flow ? NULL : &start->workflow.what,
                                     .flow = is_flow ? &start->flow.what : NULL,
                                     .files = text_bytes(&run->order->files)};
    return tx_flow_child(tx, &child, &run->order->late, &run->why);
}

static void start_written(void *ctx) {
    struct flow_run *run = ctx;
    start_child_free(run->starting);
    run->starting = NULL;
    child_written(run);
}

void flow_run__drop_child(struct flow_run *run) {
    if (run->starting != NULL) {
        start_child_free(run->starting);
        run->starting = NULL;
    }
}

static void start_go(struct start_child *start, struct err err, const struct why *why) {
    struct flow_run *run = start->run;
    if (run->flows->room.asker.stopping) { /* The next daemon begins it: the step has not failed. */
        flow_run__drop_child(run);
        return;
    }
    if (err_failed(err) || why->text[0] != '\0') {
        run->why = *why;
        if (why->text[0] == '\0') {
            why_set(&run->why, "it could not be started (%s)", err_name(err.code));
        }
        start_child_free(start);
        run->starting = NULL;
        child_refuse(run);
        return;
    }
    flow_run__files_child(run, start->flow.flows != NULL ? &start->flow.script.entry
                                                         : &start->workflow.script.entry);
    run->state = FLOW_RUN_WRITING;
    run->why.text[0] = '\0';
    ask_write(&run->ask, start_tx, start_written);
}

static void on_workflow_ready(struct workflow_start *ready, struct err err) {
    struct start_child *start = CONTAINER_OF(ready, struct start_child, workflow);
    const struct why none = {""};
    start_go(start, err, err_failed(err) || ready->invalid ? &ready->why : &none);
}

static void on_flow_ready(struct flow_start *ready, struct err err) {
    start_go(CONTAINER_OF(ready, struct start_child, flow), err, &ready->why);
}

static char *copy(struct bytes text) {
    return mem_copy(text.data, text.len);
}

static void child_start(struct flow_run *run, enum flow_kind kind) {
    struct start_child *start = mem_new(sizeof *start);
    const struct bytes name = json_bytes(step_json(run), flow_kind_names[kind]);
    run->state = FLOW_RUN_SEARCHING;
    run->starting = start;
    start->run = run;
    start->owner = copy(text_bytes(&run->owner));
    start->root = copy(text_bytes(&run->root));
    start->name = copy(name);
    start->model = run->model.len > 0 ? copy(text_bytes(&run->model)) : NULL;
    if (run->order->text.len > 0 &&
        err_failed(json_parse_wrapped(text_bytes(&run->order->text), &start->args, NULL))) {
        start->args = json_stringn(run->order->text.data, run->order->text.len);
    }
    if (kind == FLOW_KIND_WORKFLOW) {
        workflow_start_init(&start->workflow, run->flows->options.workflows);
        start->workflow.owner = start->owner;
        start->workflow.done = on_workflow_ready;
        start->workflow.spec.name = start->name;
        start->workflow.spec.root = start->root;
        start->workflow.spec.programs = run->path.len > 0 ? run->path.data : NULL;
        start->workflow.spec.model = start->model;
        start->workflow.spec.args = start->args;
        workflow_start_begin(&start->workflow);
    } else {
        flow_start_init(&start->flow, run->flows);
        start->flow.owner = start->owner;
        start->flow.done = on_flow_ready;
        start->flow.spec.name = start->name;
        start->flow.spec.root = start->root;
        start->flow.spec.programs = run->path.len > 0 ? run->path.data : NULL;
        start->flow.spec.model = start->model;
        start->flow.spec.input = start->args;
        flow_start_begin(&start->flow);
    }
}

/* --- Which ------------------------------------------------------------------------------------ */

void flow_run__begin_child(struct flow_run *run) {
    const enum flow_kind kind =
        run->order->kind == ORDER_CALL ? FLOW_KIND_AGENT : run->seen[run->order->at].kind;
    if (kind == FLOW_KIND_AGENT) {
        agent_start(run);
    } else if (kind == FLOW_KIND_COMMAND) {
        run->child = world_new_id(loop_world(run->flows->options.room.loop), "run");
        child_write(run, command_tx);
    } else {
        child_start(run, kind);
    }
}
