/* start.c: see start.h. */
#include "dispatch/flow/start.h"

#include "base/memory.h"
#include "dispatch/flow/flow_run.h"
#include "dispatch/workflow/check.h"
#include "loop/world.h"

enum { SPEC_MAX = FLOW_INPUT_MAX + (16 << 10), DESCRIPTION_MAX = 512 << 10 };

void flow_start_init(struct flow_start *start, struct flows *flows) {
    *start = (struct flow_start){.flows = flows};
    text_init(&start->described, DESCRIPTION_MAX);
    text_init(&start->input, FLOW_INPUT_MAX);
    text_init(&start->row_spec, SPEC_MAX);
}

void flow_start_free(struct flow_start *start) {
    if (start->flows != NULL) {
        link_remove(&start->link);
        loop_task_cancel(start->flows->options.loop, &start->task);
        evaluator_close(start->evaluator);
        json_release(&start->description);
        catalog_script_done(&start->script);
        mem_free(start->excluded);
        text_done(&start->described);
        text_done(&start->input);
        text_done(&start->row_spec);
        start->flows = NULL;
    }
}

/* --- Done ------------------------------------------------------------------------------------- */

static void on_concluded(struct loop_task *task) {
    struct flow_start *start = CONTAINER_OF(task, struct flow_start, task);
    evaluator_close(start->evaluator);
    start->evaluator = NULL;
    start->done(start, start->err);
}

/* The worker is closed later: this may be called by it. */
static void start_conclude(struct flow_start *start, struct err err) {
    link_remove(&start->link);
    start->err = err;
    start->task.run = on_concluded;
    loop_soon(start->flows->options.loop, &start->task);
}

/* A file that is read in the pool comes back by itself. */
void flow_start__stop(struct flow_start *start) {
    if (start->evaluator != NULL) {
        evaluator_close(start->evaluator);
        start->evaluator = NULL;
        start_conclude(start, err_make(ERR_INTERRUPTED, "flows: start"));
    }
}

static struct bytes text_or(const char *text, struct bytes otherwise) {
    return text != NULL && text[0] != '\0' ? bytes_of(text) : otherwise;
}

MUST_CHECK static struct err spec_write(struct flow_start *start, struct bytes name) {
    struct text *text = &start->row_spec;
    text_clear(text);
    text_add_char(text, '{');
    text_add_member(text, "flow", name);
    text_add_member(text, "file", bytes_of(start->script.entry.file));
    text_add_member_or_null(text, "root", text_or(start->spec.root, BYTES("")));
    text_add_name(text, "input");
    text_add(text, text_bytes(&start->input).data, start->input.len);
    struct err err = ERR_OK;
    if (start->spec.notify != NULL) {
        text_add_name(text, "notify");
        err = json_write(start->spec.notify, text);
    }
    text_add_char(text, '}');
    return err_failed(err) ? err : text_failed(text) ? text_error(text, "flows: spec") : ERR_OK;
}

static void start_succeed(struct flow_start *start) {
    const struct flow_spec *spec = &start->spec;
    const struct bytes described = json_bytes(start->description, "name");
    const struct bytes name = described.len > 0 && described.len <= FLOW_NAME_MAX
                                  ? described
                                  : bytes_of(start->script.entry.name);
    const struct err err = spec_write(start, name);
    start->what = (struct flow_new){
        .run = {.run = world_new_id(loop_world(start->flows->options.loop), "run"),
                .owner = bytes_of(start->owner),
                .parent = BYTES(""),
                .key = BYTES(""),
                .label = text_or(spec->label, name),
                .spec = text_bytes(&start->row_spec),
                .project = text_or(spec->project, BYTES("")),
                .kind = KIND_FLOW},
        .name = name,
        .file = bytes_of(start->script.entry.file),
        .source = {start->script.prepared.text, start->script.prepared.len},
        .description = text_bytes(&start->described),
        .input = text_bytes(&start->input),
        .model = text_or(spec->model, BYTES("")),
        .root = text_or(spec->root, BYTES("")),
        .step_timeout_ms = start->flows->options.step_timeout_ms,
        .excluded = start->excluded};
    start_conclude(start, err);
}

/* --- The worker ------------------------------------------------------------------------------- */

static void when_ask(struct flow_start *start, const struct flow *flow) {
    start->excluded = mem_new_array(flow->count, sizeof *start->excluded);
    for (size_t i = 0; i < flow->count; i++) {
        if ((flow->steps[i].has & FLOW_HAS_WHEN) != 0) {
            const struct evaluation what = {
                .id = (int64_t)i + 1, .what = "when", .step = flow->steps[i].id};
            start->open++;
            evaluator_ask(start->evaluator, &what);
        }
    }
}

static void on_described(void *ctx, json_t *description) {
    struct flow_start *start = ctx;
    AUTO(flow_free) struct flow flow = {0};
    struct err err = flow_read(description, &flow, &start->why);
    err = err_failed(err) ? err : json_write(description, &start->described);
    if (err_failed(err)) {
        start_conclude(start, err);
        return;
    }
    start->description = json_incref(description);
    when_ask(start, &flow);
    if (start->open == 0) {
        start_succeed(start);
    }
}

static void when_answered(struct flow_start *start) {
    if (--start->open == 0) {
        start_succeed(start);
    }
}

static void on_value(void *ctx, int64_t id, const json_t *value, bool read_results) {
    struct flow_start *start = ctx;
    start->excluded[id - 1] = !read_results && json_is_false(value);
    when_answered(start);
}

/* The run asks it again, and fails with its words. */
static void on_throw(void *ctx, int64_t id, struct bytes sentence) {
    (void)id;
    (void)sentence;
    when_answered(ctx);
}

static void on_asks(void *ctx, int64_t id, int64_t call, struct bytes agent, struct bytes task) {
    (void)ctx; /* `when` has no dispatch: the worker refuses it. */
    (void)id;
    (void)call;
    (void)agent;
    (void)task;
}

static void on_evaluator_end(void *ctx, enum evaluator_end end, struct bytes sentence) {
    struct flow_start *start = ctx;
    (void)end; /* Nothing has begun: the caller may ask again. */
    why_set(&start->why, "%s: %.*s", start->script.entry.file, (int)sentence.len, sentence.data);
    start_conclude(start, err_make(ERR_BAD_FLOW, "flows: describe"));
}

static void describe(struct flow_start *start) {
    static const struct evaluator_watch watch = {.described = on_described,
                                                 .value = on_value,
                                                 .threw = on_throw,
                                                 .asks = on_asks,
                                                 .ended = on_evaluator_end};
    const struct flows_options *options = &start->flows->options;
    const struct evaluator_options with = {
        .loop = options->loop,
        .scripts = options->scripts,
        .pool = &start->flows->pool,
        .bounds = {.cpu_ms = (uint32_t)options->cpu_ms},
        .memory_mb = (uint64_t)options->memory_mb,
        .script = {start->script.prepared.text, start->script.prepared.len},
        .file = bytes_of(start->script.entry.file),
        .input = text_bytes(&start->input),
        .model = text_or(start->spec.model, BYTES("")),
        .watch = &watch,
        .ctx = start};
    start->evaluator = evaluator_open(&with);
}

/* --- Its file --------------------------------------------------------------------------------- */

static struct err input_write(struct flow_start *start) {
    const json_t *input = start->spec.input;
    if (input == NULL) {
        text_add_str(&start->input, "{}");
        return ERR_OK;
    }
    if (json_is_string(input)) {
        text_add_char(&start->input, '{');
        text_add_member(&start->input, "question", json_text(input));
        text_add_char(&start->input, '}');
        return text_failed(&start->input) ? ERR_OK : ERR_OK;
    }
    return json_write(input, &start->input);
}

static void flow_file_read(struct pool_job *job) {
    struct flow_start *start = CONTAINER_OF(job, struct flow_start, job);
    struct catalog_search search = start->flows->options.search;
    search.kind = SCRIPT_FLOW;
    search.root = start->spec.root;
    start->err =
        start->spec.name != NULL
            ? catalog_find(&search, bytes_of(start->spec.name), &start->script, &start->why)
            : catalog_open(&search, start->spec.path, &start->script, &start->why);
    if (!err_failed(start->err) && !start->script.entry.valid) {
        workflow_fault_tell(&start->script.entry.fault, &start->why);
        start->err = err_make(ERR_BAD_FLOW, "flows: file");
    }
}

static void file_has_been_read(struct pool_job *job) {
    struct flow_start *start = CONTAINER_OF(job, struct flow_start, job);
    if (start->flows->asker.stopping) {
        start_conclude(start, err_make(ERR_INTERRUPTED, "flows: start"));
        flows__maybe_stopped(start->flows);
    } else if (err_failed(start->err)) {
        start_conclude(start, start->err);
    } else {
        describe(start);
    }
}

void flow_start_begin(struct flow_start *start) {
    link_add_last(&start->flows->starts, &start->link);
    const struct err err = input_write(start);
    if (err_failed(err) || text_failed(&start->input)) {
        why_set(&start->why, "\"input\" has more than %d bytes", FLOW_INPUT_MAX);
        start_conclude(start, err_make(ERR_BAD_FIELD, "flows: input"));
        return;
    }
    start->err = err_make(ERR_INTERRUPTED, "flows: start");
    pool_begin(&start->flows->pool, &start->job, POOL_QUICK, flow_file_read, file_has_been_read);
}
