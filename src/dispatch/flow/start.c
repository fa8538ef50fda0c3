/* start.c: see start.h. */
#include "dispatch/flow/start.h"

#include <string.h>

#include "base/memory.h"
#include "dispatch/flow/flow_run.h"
#include "dispatch/workflow/check.h"
#include "engine/job/spec.h"
#include "loop/world.h"

enum {
    SPEC_MAX = FLOW_INPUT_MAX + (16 << 10),
    DESCRIPTION_MAX = 512 << 10,
    OLD_MAX = 2 << 20, /* Bytes of a text of the run that a start begins from. */
};

void flow_start_init(struct flow_start *start, struct flows *flows) {
    *start = (struct flow_start){.flows = flows};
    for (size_t i = 0; i < FLOW_SOURCE_TEXTS; i++) {
        text_init(&start->old.texts[i], OLD_MAX);
    }
    text_init(&start->described, DESCRIPTION_MAX);
    text_init(&start->input, FLOW_INPUT_MAX);
    text_init(&start->row_spec, SPEC_MAX);
}

void flow_start_free(struct flow_start *start) {
    if (start->flows != NULL) {
        link_remove(&start->link);
        loop_task_cancel(start->flows->options.room.loop, &start->task);
        evaluator_close(start->evaluator);
        json_release(&start->description);
        json_release(&start->old_budget);
        catalog_script_done(&start->script);
        mem_free(start->excluded);
        text_done(&start->described);
        text_done(&start->input);
        text_done(&start->row_spec);
        for (size_t i = 0; i < FLOW_SOURCE_TEXTS; i++) {
            text_done(&start->old.texts[i]);
        }
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
    loop_soon(start->flows->options.room.loop, &start->task);
}

/* A file that is read in the pool comes back by itself, as the rows of another run do. */
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
    if (start->spec.programs != NULL) {
        text_add_member(text, "path", bytes_of(start->spec.programs));
    }
    if (start->flows->options.at_once > 0) {
        text_add_member_int(text, "at_once", start->flows->options.at_once);
    }
    text_add_member_or_null(text, "resumed_from", text_bytes(&start->old.texts[FLOW_SOURCE_RUN]));
    text_add_name(text, "input");
    text_add(text, text_bytes(&start->input).data, start->input.len);
    struct err err = ERR_OK;
    if (start->spec.notify != NULL) {
        text_add_name(text, "notify");
        err = json_write(start->spec.notify, text);
    }
    if (json_is_object(start->spec.budget) && !err_failed(err)) {
        text_add_name(text, "budget");
        err = json_write(start->spec.budget, text);
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
    const bool limited = json_is_object(spec->budget);
    struct err err = limited ? job_spec_budget(spec->budget, &start->limits, &start->why) : ERR_OK;
    err = err_failed(err) ? err : spec_write(start, name);
    start->what = (struct flow_new){
        .run = {.run = world_new_id(loop_world(start->flows->options.room.loop), "run"),
                .owner = bytes_of(start->owner),
                .parent = BYTES(""),
                .key = BYTES(""),
                .label = text_or(spec->label, name),
                .spec = text_bytes(&start->row_spec),
                .project = text_or(spec->project, BYTES("")),
                .budget = limited ? &start->limits : NULL,
                .kind = KIND_FLOW},
        .name = name,
        .file = bytes_of(start->script.entry.file),
        .source = {start->script.prepared.text, start->script.prepared.len},
        .description = text_bytes(&start->described),
        .input = text_bytes(&start->input),
        .model = text_or(spec->model, BYTES("")),
        .root = text_or(spec->root, BYTES("")),
        .step_timeout_ms = start->flows->options.step_timeout_ms,
        .timeout_ms = spec->timeout_ms,
        .excluded = start->excluded,
        .resume = text_bytes(&start->old.texts[FLOW_SOURCE_RUN]),
        .rerun = spec->rerun,
        .rerun_from = spec->rerun_from};
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
    struct why fault = {""};
    struct err err = flow_check_members(description, &fault);
    err = err_failed(err) ? err : flow_read(description, &flow, &fault);
    err = err_failed(err) ? err : json_write(description, &start->described);
    if (err_failed(err)) {
        why_set(&start->why, "%s: %s", start->script.entry.file,
                fault.text[0] != '\0' ? fault.text : "it is too large");
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

static void on_value(void *ctx, int64_t id, const struct evaluator_value *value) {
    struct flow_start *start = ctx;
    start->excluded[id - 1] = !value->read_results && json_is_false(value->json);
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
        .loop = options->room.loop,
        .scripts = options->scripts,
        .pool = &start->flows->room.pool,
        .bounds = {.cpu_ms = (uint32_t)options->cpu_ms},
        .memory_mb = (uint64_t)options->memory_mb,
        .script = {start->script.prepared.text, start->script.prepared.len},
        .file = bytes_of(start->script.entry.file),
        .input = text_bytes(&start->input),
        .model = text_or(start->spec.model, BYTES("")),
        .watch = &watch,
        .ctx = start};
    flows__make_room(start->flows);
    start->evaluator = evaluator_open(&with);
}

/* --- The input -------------------------------------------------------------------------------- */

static struct err input_write(struct flow_start *start) {
    const json_t *input = start->spec.input;
    if (input == NULL) {
        const struct bytes old = text_bytes(&start->old.texts[FLOW_SOURCE_INPUT]);
        text_add(&start->input, old.len > 0 ? old.data : "{}", old.len > 0 ? old.len : 2);
        return ERR_OK;
    }
    if (json_is_string(input)) {
        text_add_char(&start->input, '{');
        text_add_member(&start->input, "question", json_text(input));
        text_add_char(&start->input, '}');
        return ERR_OK; /* The caller asks whether it fitted. */
    }
    return json_write(input, &start->input);
}

/* A text becomes what its file would have been. */
static struct err flow_text_take(struct flow_start *start) {
    struct catalog_script *script = &start->script;
    const char *title = start->spec.title != NULL ? start->spec.title : "flow.js";
    const struct bytes text = bytes_of(start->spec.script), file = bytes_of(title);
    const struct bytes stem = script_stem(file);
    *script = (struct catalog_script){.source = mem_copy(text.data, text.len),
                                      .len = text.len,
                                      .entry = {.file = mem_copy(file.data, file.len),
                                                .name = mem_copy(stem.data, stem.len),
                                                .kind = SCRIPT_FLOW}};
    const struct script_source source = {
        .kind = SCRIPT_FLOW, .text = {script->source, script->len}, .file = file};
    const struct err err = script_prepare(&source, &script->prepared, &script->entry.fault);
    script->entry.valid = !err_failed(err);
    return err.code == ERR_BAD_SCRIPT ? ERR_OK : err;
}

static void start_describe(struct flow_start *start) {
    const struct err err = input_write(start);
    if (err_failed(err) || text_failed(&start->input)) {
        why_set(&start->why, "\"input\" has more than %d bytes", FLOW_INPUT_MAX);
        start_conclude(start, err_make(ERR_BAD_FIELD, "flows: input"));
    } else {
        describe(start);
    }
}

/* --- Its file, and the run that it begins from ------------------------------------------------ */

static void start_next(struct flow_start *start);

static void flow_file_read(struct pool_job *job) {
    struct flow_start *start = CONTAINER_OF(job, struct flow_start, job);
    struct catalog_search search = start->flows->options.search;
    search.kind = SCRIPT_FLOW;
    search.root = start->spec.root;
    const struct flow_spec *spec = &start->spec;
    start->err = spec->script != NULL ? flow_text_take(start)
                 : spec->name != NULL
                     ? catalog_find(&search, bytes_of(spec->name), &start->script, &start->why)
                     : catalog_open(&search, spec->path, &start->script, &start->why);
    if (!err_failed(start->err) && !start->script.entry.valid) {
        struct why fault = {""};
        workflow_fault_tell(&start->script.entry.fault, &fault);
        why_set(&start->why, "%s:%s", start->script.entry.file, fault.text);
        start->err = err_make(ERR_BAD_FLOW, "flows: file");
    }
}

/* The file, or the old run, has been read. */
static void start_go_on(struct flow_start *start, struct err err) {
    struct flows *flows = start->flows;
    if (flows->room.asker.stopping) {
        start_conclude(start, err_make(ERR_INTERRUPTED, "flows: start"));
        room_maybe_stopped(&flows->room);
    } else if (err_failed(err)) {
        start_conclude(start, err);
    } else {
        start_next(start);
    }
}

static void file_has_been_read(struct pool_job *job) {
    struct flow_start *start = CONTAINER_OF(job, struct flow_start, job);
    start->file_known = true;
    start_go_on(start, start->err);
}

static bool start_has_file(const struct flow_start *start) {
    const struct flow_spec *spec = &start->spec;
    return spec->name != NULL || spec->path != NULL || spec->script != NULL;
}

static bool start_resumes_last(const struct flow_start *start) {
    return start->spec.resume != NULL && strcmp(start->spec.resume, "last") == 0;
}

static struct err last_find(struct tx *tx, struct flow_start *start, struct bytes *ret_run) {
    const bool named = start_has_file(start);
    const char *name = named ? start->script.entry.name : NULL;
    const struct flow_wanted wanted = {.owner = bytes_of(start->owner),
                                       .name = name,
                                       .file = named ? start->script.entry.file : NULL,
                                       .root = start->spec.root};
    const struct err err = tx_flow_last(tx, &wanted, ret_run);
    return err_failed(err) || ret_run->len > 0
               ? err
               : err_why(&start->why, ERR_NOT_FOUND,
                         "nothing to resume: no run of %s%.60s%s has ended", named ? "'" : "",
                         named ? name : "a flow", named ? "'" : "");
}

static struct err old_tx(struct tx *tx, void *ctx) {
    struct flow_start *start = ctx;
    struct bytes run = bytes_of(start->spec.resume);
    struct flow_source source;
    start->why.text[0] = '\0';
    struct err err = start_resumes_last(start) ? last_find(tx, start, &run) : ERR_OK;
    const struct run_key key = {.owner = bytes_of(start->owner), .run = run};
    err = err_failed(err) ? err : tx_flow_source(tx, &key, &source, &start->why);
    if (err_failed(err)) {
        return err;
    }
    start->old.timeout_ms = source.timeout_ms;
    for (size_t i = 0; i < FLOW_SOURCE_TEXTS; i++) {
        struct text *text = &start->old.texts[i];
        text_clear(text);
        text_add(text, source.texts[i].data, source.texts[i].len);
    }
    return ERR_OK;
}

static const char *inherited(const struct flow_start *start, const char *given,
                             enum flow_source_text which) {
    const struct text *old = &start->old.texts[which];
    return given == NULL && old->len > 0 ? text_bytes(old).data : given;
}

static char *old_copy(const struct flow_start *start, enum flow_source_text which) {
    const struct bytes old = text_bytes(&start->old.texts[which]);
    return mem_copy(old.data, old.len);
}

/* Without a file of its own, its text is the one that ran then, as it was prepared. */
static void old_inherit(struct flow_start *start) {
    struct flow_spec *spec = &start->spec;
    const struct text *budget = &start->old.texts[FLOW_SOURCE_BUDGET];
    spec->root = inherited(start, spec->root, FLOW_SOURCE_ROOT);
    spec->model = inherited(start, spec->model, FLOW_SOURCE_MODEL);
    spec->programs = inherited(start, spec->programs, FLOW_SOURCE_PATH);
    spec->project = inherited(start, spec->project, FLOW_SOURCE_PROJECT);
    spec->timeout_ms = spec->timeout_ms > 0 ? spec->timeout_ms : start->old.timeout_ms;
    if (spec->budget == NULL && budget->len > 0 &&
        !err_failed(json_parse_wrapped(text_bytes(budget), &start->old_budget, NULL))) {
        spec->budget = start->old_budget;
    }
    if (!start_has_file(start)) {
        struct catalog_script *script = &start->script;
        script->entry.file = old_copy(start, FLOW_SOURCE_FILE);
        script->entry.name = old_copy(start, FLOW_SOURCE_NAME);
        script->prepared.text = old_copy(start, FLOW_SOURCE_SCRIPT);
        script->prepared.len = start->old.texts[FLOW_SOURCE_SCRIPT].len;
    }
}

static void old_has_been_read(struct err err, void *ctx) {
    struct flow_start *start = ctx;
    start->flows->room.held--;
    if (!err_failed(err)) {
        start->old.known = true;
        old_inherit(start);
    }
    start_go_on(start, err);
}

static void start_next(struct flow_start *start) {
    const bool resumes = start->spec.resume != NULL && !start->old.known;
    if (start_has_file(start) && !start->file_known && (!resumes || start_resumes_last(start))) {
        start->err = err_make(ERR_INTERRUPTED, "flows: start");
        pool_begin(&start->flows->room.pool, &start->job, POOL_QUICK, flow_file_read,
                   file_has_been_read);
    } else if (resumes) {
        start->flows->room.held++;
        store_read(start->flows->options.room.store, old_tx, old_has_been_read, start);
    } else {
        start_describe(start);
    }
}

void flow_start_begin(struct flow_start *start) {
    link_add_last(&start->flows->starts, &start->link);
    start_next(start);
}
