/* start.c: see flow_start.h.
 *
 * What is resumed is looked up first, where it says what runs; then the script is found, read and
 * judged in the pool, and by a worker. */
#include "dispatch/workflow/start.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/number.h"
#include "dispatch/workflow/args.h"
#include "dispatch/workflow/check.h"
#include "dispatch/workflow/flow.h"
#include "engine/session/sessions.h"

enum { STARTED_MAX = 200 << 10 };

void flow_start_init(struct flow_start *start, struct flows *flows) {
    *start = (struct flow_start){.flows = flows, .spec = {.total = -1}};
    text_init(&start->kept, RUN_SPEC_MAX);
    text_init(&start->started, STARTED_MAX);
}

struct err flow_start_refused(struct tx *tx, const struct flow_start *start) {
    return start->saved == NULL ? ERR_OK : tx_script_refused(tx, start->what.hash);
}

void flow_start_free(struct flow_start *start) {
    catalog_script_done(&start->script);
    text_done(&start->kept);
    text_done(&start->started);
    text_done(&start->rehearsed);
    json_decref(start->old);
    mem_free(start->old_script);
    mem_free(start->saved);
}

static struct err closing(void) {
    return err_make(ERR_CLOSING, "workflows: start");
}

/* --- The answer ------------------------------------------------------------------------------- */

static void add_member(struct text *text, const char *before, const char *value) {
    text_add_str(text, before);
    text_add_json(text, value, strlen(value));
}

static void write_members(const struct flow_start *start, struct text *text) {
    const char *file = start->saved != NULL             ? start->saved
                       : flow_start__has_no_file(start) ? NULL
                                                        : start->script.entry.file;
    text_add_str(text, "{\"status\":\"async_launched\"");
    if (!start->invalid) {
        add_member(text, ",\"taskId\":", start->what.run.run.text);
        add_member(text, ",\"runId\":", start->what.run.run.text);
        text_add_str(text, ",\"taskType\":\"local_workflow\"");
        add_member(text, ",\"workflowName\":", script_meta_name(&start->script.prepared));
        add_member(text, ",\"summary\":", script_meta_description(&start->script.prepared));
    }
    if (file != NULL) {
        add_member(text, ",\"scriptPath\":", file);
    }
    if (start->invalid) {
        add_member(text, ",\"error\":", start->why.text);
    }
}

void flow_start_write(const struct flow_start *start, struct text *text) {
    write_members(start, text);
    text_add_char(text, '}');
}

void flow_start_tell(const struct flow_start *start, const struct run_row *row, struct text *text) {
    write_members(start, text);
    text_addf(text, ",\"state\":\"%s\",", run_state_name(row->state));
    flow_start_add_budget(start, text);
    text_add_char(text, '}');
}

/* --- Ready ------------------------------------------------------------------------------------ */

static void conclude(struct flow_start *start) {
    const struct workflow_spec *spec = &start->spec;
    if (start->invalid) {
        start->done(start, ERR_OK);
        return;
    }
    const char *label =
        spec->label != NULL ? spec->label : script_meta_name(&start->script.prepared);
    start->what = (struct workflow_new){
        .run = {.run = flows__new_id(start->flows),
                .owner = bytes_of(start->owner),
                .parent = {"", 0},
                .key = {"", 0},
                .label = bytes_of(label),
                .spec = {start->kept.data, start->kept.len},
                .project = bytes_of(spec->project),
                .budget = flow_start_budget(start),
                .kind = KIND_WORKFLOW},
        .script = {start->script.source, start->script.len},
        .hash = {start->hash.text, WORKFLOW_HASH},
        .rerun = spec->rerun,
        .resume = bytes_of(spec->resume),
        .started = {start->started.data, start->started.len},
        .timeout_ms = spec->timeout_ms,
    };
    start->done(start, ERR_OK);
}

/* --- In the pool ------------------------------------------------------------------------------ */

/* A text becomes what a file would have been. */
static struct err take_text(struct flow_start *start, const char *source, const char *file) {
    struct catalog_script *script = &start->script;
    *script = (struct catalog_script){.source = mem_copy(source, strlen(source)),
                                      .len = strlen(source),
                                      .entry = {.file = mem_copy(file, strlen(file))}};
    const struct script_source from = {.text = {script->source, script->len},
                                       .file = {script->entry.file, strlen(script->entry.file)}};
    struct err err = script_prepare(&from, &script->prepared, &script->entry.fault);
    script->entry.valid = !err_failed(err);
    return err.code == ERR_BAD_SCRIPT ? ERR_OK : err;
}

static struct err find_script(struct flow_start *start) {
    const struct workflow_spec *spec = &start->spec;
    struct catalog_search search = start->flows->options.search;
    search.root = spec->root;
    if (spec->path != NULL) {
        return catalog_open(&search, spec->path, &start->script, &start->why);
    }
    if (spec->script != NULL) {
        return take_text(start, spec->script, spec->title != NULL ? spec->title : "script.js");
    }
    if (spec->name != NULL) {
        return catalog_find(&search, bytes_of(spec->name), &start->script, &start->why);
    }
    const char *file = json_string_value(json_object_get(start->old, "file"));
    return take_text(start, start->old_script, file == NULL ? "script.js" : file);
}

static void add_json(struct text *text, const char *before, const json_t *json) {
    text_add_str(text, before);
    if (json == NULL || err_failed(json_write(json, text))) {
        text_add_str(text, "null");
    }
}

static void add_optional(struct text *text, const char *before, const char *value) {
    text_add_str(text, before);
    if (value == NULL) {
        text_add_str(text, "null");
    } else {
        text_add_json(text, value, strlen(value));
    }
}

static struct err describe(struct flow_start *start) {
    const struct script_prepared *prepared = &start->script.prepared;
    const struct workflow_found found = {.name = script_meta_name(prepared),
                                         .file = start->script.entry.file,
                                         .hash = start->hash.text,
                                         .engine = start->flows->options.engine.text};
    struct text *text = &start->started;
    struct err err = workflow_spec_write(&start->spec, &found, &start->kept);
    if (err_failed(err)) {
        why_set(
            &start->why,
            "\"args\" and what else is asked of the workflow have more than %d kB together: put "
            "what is long into a file, and its path into the args",
            RUN_SPEC_MAX >> 10);
        return err_make(ERR_BODY_TOO_LARGE, "workflows: spec");
    }
    add_member(text, "\"name\":", found.name);
    add_member(text, ",\"description\":", script_meta_description(prepared));
    add_json(text, ",\"phases\":", json_object_get(prepared->meta, "phases"));
    add_optional(text, ",\"resumed_from\":", start->spec.resume);
    add_optional(text, ",\"root\":", start->spec.root);
    add_optional(text, ",\"model\":", start->spec.model);
    add_member(text, ",\"file\":", start->script.entry.file);
    text_addf(text, ",\"agents_max\":%d", WORKFLOW_AGENTS_MAX);
    flow_start_add_limits(start, text);
    text_add_char(text, ',');
    flow_start_add_budget(start, text);
    if (text_failed(text) || text->len > STARTED_MAX) {
        why_set(&start->why,
                "its \"meta\" is too large: name, description and phases have at most "
                "%d kB together",
                STARTED_MAX >> 10);
        return err_make(ERR_BAD_FIELD, "workflows: meta");
    }
    return ERR_OK;
}

static void save(struct flow_start *start) {
    if (flow_start__has_no_file(start) && !start->plans) {
        flow_start__save(start);
    }
}

static void prepare(struct pool_job *job) {
    struct flow_start *start = CONTAINER_OF(job, struct flow_start, job);
    const struct catalog_script *script = &start->script;
    start->err = find_script(start);
    if (err_failed(start->err)) {
        return;
    }
    const struct sha256 digest = sha256_of(script->source, script->len);
    start->hash = sha256_hex(&digest);
    if (!script->entry.valid) {
        start->invalid = true;
        save(start);
        flow_fault_tell(&script->entry.fault, &start->why);
        return;
    }
    start->err = flow_args_check(&script->prepared, start->spec.args, &start->why);
    if (start->err.code == ERR_BAD_FIELD && start->plans) {
        start->misfit = start->why;
        start->err = ERR_OK;
    }
    if (!err_failed(start->err)) {
        start->err = describe(start);
    }
    if (!err_failed(start->err)) { /* Of what is refused here nobody is told a file. */
        save(start);
    }
    if (!err_failed(start->err) && start->plans) {
        start->err = flow_start__plan(start);
    }
}

/* What the parser let pass is for the engine to judge. */
static void checked(void *ctx, const struct flow_verdict *verdict) {
    struct flow_start *start = ctx;
    bool bad = verdict->judgement == FLOW_BAD;
    if (bad) {
        start->invalid = true;
        flow_fault_tell(&verdict->fault, &start->why);
    }
    if (!bad && start->plans && start->misfit.text[0] == '\0') {
        flow_start__rehearse(start, conclude);
    } else {
        conclude(start);
    }
}

static void check(struct flow_start *start) {
    const struct catalog_script *script = &start->script;
    const struct flow_check_ask ask = {.source = {script->source, script->len},
                                       .text = {script->prepared.text, script->prepared.len},
                                       .form = script->prepared.form,
                                       .file = {script->entry.file, strlen(script->entry.file)},
                                       .hash = start->hash};
    flows_check(start->flows, &ask, checked, start);
}

static void prepared(struct pool_job *job) {
    struct flow_start *start = CONTAINER_OF(job, struct flow_start, job);
    struct flows *flows = start->flows; /* `done` may free the start. */
    bool ready = !err_failed(start->err) && !start->invalid;
    if (ready && !flows->stopping) {
        check(start);
    } else {
        start->done(start, ready ? closing() : start->err);
    }
    flows__maybe_stopped(flows);
}

/* A job that is taken back, because the daemon ends, has not been looked at. */
static void prepare_soon(struct flow_start *start) {
    start->err = closing();
    start->job = (struct pool_job){.kind = POOL_QUICK, .run = prepare, .done = prepared};
    pool_add(&start->flows->pool, &start->job);
}

/* --- What is resumed -------------------------------------------------------------------------- */

/* What a start of it would be told; only what is planned may go on with it. */
static struct err look_whether(struct tx *tx, struct flow_start *start) {
    const struct workflow_new what = {.run = {.owner = bytes_of(start->owner)},
                                      .rerun = start->spec.rerun,
                                      .resume = bytes_of(start->spec.resume)};
    start->unfit.text[0] = '\0';
    struct err err = tx_workflow_resumable(tx, &what, &start->unfit);
    return start->unfit.text[0] != '\0' ? ERR_OK : err;
}

static struct err old_tx(struct tx *tx, void *ctx) {
    struct flow_start *start = ctx;
    struct workflow_row row;
    bool found = false;
    start->why.text[0] = '\0';
    json_decref(start->old);
    start->old = NULL;
    mem_free(start->old_script);
    start->old_script = NULL;
    struct err err = tx_workflow_find(tx, bytes_of(start->spec.resume), &found, &row);
    if (err_failed(err)) {
        return err;
    }
    if (!found && start->spec.confined) {
        return err_make(ERR_NOT_FOUND, "workflows: resume"); /* As of another project. */
    }
    if (!found || row.run.owner.len != strlen(start->owner) ||
        memcmp(row.run.owner.data, start->owner, row.run.owner.len) != 0) {
        why_set(&start->why, "nothing to resume: there is no workflow '%.60s'", start->spec.resume);
        return err_make(ERR_NOT_FOUND, "workflows: resume");
    }
    start->old_script = mem_copy(row.script.data, row.script.len);
    err = start->plans ? look_whether(tx, start) : ERR_OK;
    if (err_failed(err)) {
        return err;
    }
    return json_parse_wrapped(row.run.spec, &start->old, NULL);
}

/* Of other projects a model hears nothing, neither that a run is there nor what it asks for. */
static bool is_foreign(const struct flow_start *start) {
    const char *project = json_string_value(json_object_get(start->old, "project"));
    return start->spec.confined && start->old != NULL &&
           strcmp(project == NULL ? SESSION_PROJECT_DEFAULT : project, start->spec.project) != 0;
}

static void old_done(struct err err, void *ctx) {
    struct flow_start *start = ctx;
    if (!err_failed(err) && is_foreign(start)) {
        err = err_make(ERR_NOT_FOUND, "workflows: resume");
    }
    if (err.code == ERR_NOT_FOUND && start->spec.confined) {
        why_set(&start->why, "nothing to resume: there is no such workflow in this project");
    }
    if (err_failed(err) || start->flows->stopping) {
        start->done(start, err_failed(err) ? err : closing());
        return;
    }
    err = workflow_spec_inherit(&start->spec, start->old, &start->why);
    if (err_failed(err)) {
        start->done(start, err);
        return;
    }
    const struct flows_limits *limits = &start->flows->options.limits;
    int64_t own = workflow_at_once(limits->processors, limits->at_once);
    if (start->spec.confined && start->spec.concurrency > own) {
        start->spec.concurrency = 0; /* No more than without the old one. */
    }
    prepare_soon(start);
}

/* --- Asked ------------------------------------------------------------------------------------ */

static void refuse(struct loop_task *task) {
    struct flow_start *start = CONTAINER_OF(task, struct flow_start, task);
    start->done(start, closing());
}

void flow_start_begin(struct flow_start *start) {
    struct flows *flows = start->flows;
    if (flows->stopping) {
        start->task.run = refuse;
        loop_soon(flows->options.loop, &start->task);
    } else if (start->spec.resume != NULL) {
        store_read(flows->options.store, old_tx, old_done, start);
    } else {
        prepare_soon(start);
    }
}
