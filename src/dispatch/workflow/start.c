/* start.c: see start.h. What is resumed is read first, where it says what runs; then the script is
 * found, read, saved and judged in the pool, and by a worker.
 *
 * Saved: a script that is in no file of its user (it came as text, was built in, or is that of a
 * run that is resumed) is put into one, to be edited and run again by its path. It lies in
 * DIR/scripts under the beginning of its hash; a user who edits it there owns it from then on, and
 * a start of the same text has no file then. script_retention.c removes what no run has any more. A
 * script that could not be written runs all the same, and what runs is what the database has:
 * nothing is synced.
 *
 * The budget is the one that was asked for, or the daemon's for runs that ask for none. It is the
 * run's own from its start, so another default of a later daemon has no effect. */
#include "dispatch/workflow/start.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "dispatch/turn/tool_settings.h"
#include "dispatch/turn/work.h"
#include "dispatch/workflow/agent.h"
#include "dispatch/workflow/check.h"
#include "dispatch/workflow/history.h"
#include "engine/session/sessions.h"
#include "store/datadir.h"

enum { STARTED_MAX = 200 << 10 };

static const struct err closing = {.code = ERR_CLOSING, .step = "workflows: start"};

void workflow_start_init(struct workflow_start *start, struct workflows *workflows) {
    *start = (struct workflow_start){.workflows = workflows,
                                     .spec = {.total = -1, .from_seq = -1},
                                     .reuse_max = WORKFLOW_REUSE_ANY};
    text_init(&start->row_spec, RUN_SPEC_MAX);
    text_init(&start->started, STARTED_MAX);
}

struct err workflow_start_refused(struct tx *tx, const struct workflow_start *start) {
    return start->saved == NULL ? ERR_OK : tx_script_refused(tx, start->what.hash);
}

void workflow_start_free(struct workflow_start *start) {
    catalog_script_done(&start->script);
    text_done(&start->row_spec);
    text_done(&start->started);
    text_done(&start->rehearsed);
    json_decref(start->old);
    json_decref(start->priors);
    mem_free(start->old_script);
    mem_free(start->last_name);
    mem_free(start->saved);
}

/* --- Saved ------------------------------------------------------------------------------------ */

static bool start_has_no_file(const struct workflow_start *start) {
    const struct workflow_spec *spec = &start->spec;
    bool named = spec->script == NULL && spec->name != NULL;
    return spec->path == NULL && (!named || start->script.entry.origin == CATALOG_BUILT_IN);
}

/* A user may have edited the file: then it is theirs. One that is there is touched, so that
 * script_retention.c leaves it. */
static bool start_is_saved(const struct workflow_start *start, const char *path) {
    const struct catalog_script *script = &start->script;
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    AUTO(mem_release) char *text = mem_new_array(script->len + 1, 1);
    size_t at = 0;
    ssize_t got = fd < 0 ? -1 : read(fd, text, script->len + 1);
    for (; got > 0 && at + (size_t)got <= script->len;
         got = read(fd, text + at, script->len + 1 - at)) {
        at += (size_t)got;
    }
    return got == 0 && at == script->len && memcmp(text, script->source, at) == 0 &&
           utimensat(AT_FDCWD, path, NULL /* now */, 0) == 0;
}

/* Writes a new file, linked to its name when it is whole. A full folder takes no more: there is
 * another file each time that somebody changes a letter of a text. */
static bool start_write_script(const struct workflow_start *start, const char *folder,
                               const char *path) {
    char name[64];
    (void)snprintf(name, sizeof name, ".%.16s.%p", start->script.entry.hash.text,
                   (const void *)start);
    AUTO(mem_release) char *fresh = datadir_path(folder, name);
    AUTO(entries_close) DIR *listing = opendir(folder);
    size_t count = 0, at = 0;
    while (count < WORKFLOW_SAVED_MAX && entries_next(listing) != NULL) {
        count++;
    }
    if (count == WORKFLOW_SAVED_MAX) {
        return false;
    }
    AUTO(fd_release)
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    ssize_t wrote = fd < 0 ? -1 : 1;
    while (wrote > 0 && at < start->script.len) {
        wrote = write(fd, start->script.source + at, start->script.len - at);
        at += wrote > 0 ? (size_t)wrote : 0;
    }
    bool linked = wrote > 0 && link(fresh, path) == 0;
    (void)unlink(fresh); /* May not be there. */
    return linked;
}

static void start_save(struct workflow_start *start) {
    if (start->plans || !start_has_no_file(start)) {
        return;
    }
    char name[64];
    (void)snprintf(name, sizeof name, "%.16s.js", start->script.entry.hash.text);
    AUTO(mem_release) char *folder = datadir_path(start->workflows->options.data_dir, "scripts");
    AUTO(mem_release) char *path = datadir_path(folder, name);
    (void)mkdir(folder, 0700); /* May be there. */
    if (start_is_saved(start, path) || start_write_script(start, folder, path) ||
        start_is_saved(start, path) /* Another start of this text was first. */) {
        start->saved = path;
        path = NULL;
    }
}

/* --- The answer ------------------------------------------------------------------------------- */

void workflow_start_tell(const struct workflow_start *start, const struct run_row *row,
                         struct text *text) {
    const char *file = start->saved != NULL       ? start->saved
                       : start_has_no_file(start) ? NULL
                                                  : start->script.entry.file;
    const struct bytes run = bytes_of(start->what.run.run.text);
    text_add_str(text, "{\"status\":\"async_launched\"");
    if (!start->invalid) {
        text_add_member(text, "taskId", run);
        text_add_member(text, "runId", run);
        text_add_member(text, "taskType", BYTES("local_workflow"));
        text_add_member_str(text, "workflowName", script_meta_name(&start->script.prepared));
        text_add_member_str(text, "summary", script_meta_description(&start->script.prepared));
    }
    if (file != NULL) {
        text_add_member(text, "scriptPath", bytes_of(file));
    }
    if (start->invalid) {
        text_add_member(text, "error", bytes_of(start->why.text));
    }
    if (!start->invalid) {
        workflow_start_add_warning(start, text);
    }
    if (row != NULL) {
        text_add_member(text, "state", bytes_of(run_state_name(row->state)));
        workflow_start_add_budget(start, text);
    }
    text_add_char(text, '}');
}

void workflow_start_write(const struct workflow_start *start, struct text *text) {
    workflow_start_tell(start, NULL /* not submitted */, text);
}

/* --- In the pool ------------------------------------------------------------------------------ */

/* A text becomes what a file would have been. */
static struct err start_take_text(struct workflow_start *start, const char *source,
                                  const char *file) {
    struct catalog_script *script = &start->script;
    *script = (struct catalog_script){.source = mem_copy(source, strlen(source)),
                                      .len = strlen(source),
                                      .entry = {.file = mem_copy(file, strlen(file))}};
    const struct script_source from = {.text = {script->source, script->len},
                                       .file = bytes_of(script->entry.file)};
    struct err err = script_prepare(&from, &script->prepared, &script->entry.fault);
    const struct sha256 digest = sha256_of(source, script->len);
    script->entry.hash = sha256_hex(&digest);
    script->entry.valid = !err_failed(err);
    return err.code == ERR_BAD_SCRIPT ? ERR_OK : err;
}

/* Such a script takes the path of its failures without a word, so its log begins with one. */
static void start_warn_of_results(struct workflow_start *start) {
    const struct script_notes *notes = &start->script.notes;
    const struct script_fault *first = NULL;
    char more[80] = "";
    unsigned others = 0;
    for (unsigned i = 0; i < notes->count; i++) {
        const struct script_fault *fault = &notes->list[i].fault;
        if (strcmp(fault->code, NOTE_RESULT_MEMBER) == 0) {
            others += first != NULL;
            first = first != NULL ? first : fault;
        }
    }
    if (others > 0) {
        (void)snprintf(more, sizeof more, " (and %u more: drover workflow check)", others);
    }
    if (first != NULL) {
        why_set(&start->results_warning, "warning: line %u: %s%s", first->line, first->message,
                more);
    }
}

/* The spec of the row, and the members of the first event. */
static struct err start_describe(struct workflow_start *start) {
    const struct script_prepared *prepared = &start->script.prepared;
    const struct workflow_spec *spec = &start->spec;
    const struct workflow_found found = {
        .name = script_meta_name(prepared),
        .file = start->script.entry.file,
        .hash = start->script.entry.hash.text,
        .engine = start->workflows->options.engine.text,
        .model_default = start->otherwise.name[0] != '\0' ? start->otherwise.name : NULL,
        .reuse_max = start->reuse_max};
    struct text *text = &start->started;
    start_warn_of_results(start);
    if (err_failed(workflow_spec_write(spec, &found, &start->row_spec))) {
        return err_why(
            &start->why, ERR_BODY_TOO_LARGE,
            "\"args\" and what else is asked of the workflow have more than %d kB together: put "
            "what is long into a file, and its path into the args",
            RUN_SPEC_MAX >> 10);
    }
    text_add_member_str(text, "name", found.name);
    text_add_member_str(text, "description", script_meta_description(prepared));
    json_add_member(text, "phases", json_object_get(prepared->meta, "phases"));
    text_add_member_str(text, "resumed_from", spec->resume);
    text_add_member_int_unless(text, "from_seq", spec->from_seq, -1);
    text_add_member_str(text, "root", spec->root);
    text_add_member_str(text, "model", spec->model);
    text_add_member_str(text, "file", start->script.entry.file);
    text_add_member_int_unless(text, "agents_max", WORKFLOW_AGENTS_MAX, -1);
    text_add_member_int_unless(text, "total", spec->total, -1);
    text_add_member_int_unless(text, "timeout_ms", spec->timeout_ms, 0);
    text_add_member_int_unless(text, "agent_timeout_ms", spec->agent_timeout_ms, 0);
    text_add_member_int_unless(text, "agent_stuck_ms", start->workflows->options.limits.stuck_ms,
                               0);
    text_add_member_int_unless(text, "concurrency", spec->concurrency, 0);
    workflow_start_add_budget(start, text);
    if (text_failed(text) || text->len > STARTED_MAX) {
        return err_why(&start->why, ERR_BAD_FIELD,
                       "its \"meta\" is too large: name, description and phases have at most "
                       "%d kB together",
                       STARTED_MAX >> 10);
    }
    return ERR_OK;
}

static void start_read_script(struct workflow_start *start) {
    const struct workflow_spec *spec = &start->spec;
    const struct catalog_search search =
        workflows__search(start->workflows, spec->root, spec->config_dir);
    struct catalog_script *script = &start->script;
    if (spec->path != NULL) {
        start->err = catalog_open(&search, spec->path, script, &start->why);
    } else if (spec->script != NULL) {
        start->err =
            start_take_text(start, spec->script, spec->title != NULL ? spec->title : "script.js");
    } else if (spec->name != NULL) {
        start->err = catalog_find(&search, bytes_of(spec->name), script, &start->why);
    } else {
        start->err =
            start_take_text(start, start->old_script, json_str(start->old, "file", "script.js"));
    }
}

static void start_prepare_run(struct pool_job *job) {
    struct workflow_start *start = CONTAINER_OF(job, struct workflow_start, job);
    const struct workflow_spec *spec = &start->spec;
    struct catalog_script *script = &start->script;
    start_read_script(start);
    start->err = err_failed(start->err) ? start->err : catalog_judge(script);
    if (err_failed(start->err)) {
        return;
    }
    if (start->plans && script->entry.valid) {
        const struct catalog_search places =
            workflows__search(start->workflows, spec->root, spec->config_dir);
        workflows_resolve_names(start->workflows, &places, &script->notes);
    }
    if (!script->entry.valid) {
        start->invalid = true;
        start_save(start);
        workflow_fault_tell(&script->entry.fault, &start->why);
        return;
    }
    start->err = workflow_args_check(&script->prepared, spec->args, &start->why);
    if (start->err.code == ERR_BAD_FIELD && start->plans) {
        start->misfit = start->why;
        start->err = ERR_OK;
    }
    if (!err_failed(start->err)) {
        start->err = start_describe(start);
    }
    if (!err_failed(start->err)) { /* A refusal here names no file. */
        start_save(start);
        start->err = start->plans ? workflow_start__plan(start) : ERR_OK;
    }
}

/* --- Ready ------------------------------------------------------------------------------------ */

/* Whether no agent of the script can have a model. Where one may, its call says whether it does. */
static bool start_lacks_model(const struct workflow_start *start) {
    const struct connections *connections = start->workflows->options.connections;
    return start->spec.model == NULL && start->otherwise.name[0] == '\0' &&
           start->script.notes.names_no_model &&
           connections_settings(connections)->model_aliases.len == 0;
}

static void start_conclude(struct workflow_start *start) {
    const struct workflow_spec *spec = &start->spec;
    if (!start->invalid) {
        const char *label =
            spec->label != NULL ? spec->label : script_meta_name(&start->script.prepared);
        start->what = (struct workflow_new){
            .run = {.run = workflows__new_id(start->workflows, "run"),
                    .owner = bytes_of(start->owner),
                    .parent = BYTES(""),
                    .key = BYTES(""),
                    .label = bytes_of(label),
                    .spec = text_bytes(&start->row_spec),
                    .project = bytes_of(spec->project),
                    .budget = workflow_start_budget(start),
                    .kind = KIND_WORKFLOW},
            .script = {start->script.source, start->script.len},
            .hash = {start->script.entry.hash.text, WORKFLOW_HASH},
            .rerun = spec->rerun,
            .resume = bytes_of(spec->resume),
            .started = text_bytes(&start->started),
            .warning = bytes_of(start->results_warning.text),
            .timeout_ms = spec->timeout_ms,
            .lacks_model = start_lacks_model(start),
        };
    }
    start->done(start, ERR_OK);
}

/* All that the parser let pass is for the engine to judge. */
static void start_checked(void *ctx, const struct check_verdict *verdict) {
    struct workflow_start *start = ctx;
    if (verdict->judgement == WORKFLOW_BAD) {
        start->invalid = true;
        workflow_fault_tell(&verdict->fault, &start->why);
    } else if (start->plans && start->misfit.text[0] == '\0') {
        workflow_start__rehearse(start, start_conclude);
        return;
    }
    start_conclude(start);
}

static void start_prepare_done(struct pool_job *job) {
    struct workflow_start *start = CONTAINER_OF(job, struct workflow_start, job);
    struct workflows *workflows = start->workflows; /* `done` may free the start. */
    if (!err_failed(start->err) && !start->invalid && start->plans) {
        workflow_start__add_notes(start);
    }
    bool ready = !err_failed(start->err) && !start->invalid;
    if (ready && !workflows->asker.stopping) {
        workflows_check(workflows, &start->script, start_checked, start);
    } else {
        start->done(start, ready ? closing : start->err);
    }
    workflows__maybe_stopped(workflows);
}

/* A job that is taken back, because the daemon ends, has prepared nothing. It may have its script
 * judged, and a checker may take seconds, or hang. */
static void start_prepare(struct workflow_start *start) {
    start->err = closing;
    if (start->spec.model == NULL) {
        connections_default_model(start->workflows->options.connections, &start->otherwise);
    }
    pool_begin(&start->workflows->pool, &start->job, POOL_SLOW, start_prepare_run,
               start_prepare_done);
}

static void start_looked(void *ctx) {
    start_prepare(ctx);
}

/* The default model counts only where none is named. */
static void start_look(struct workflow_start *start) {
    if (start->spec.model != NULL ||
        !connections_look(start->workflows->options.connections, start_looked, start)) {
        start_prepare(start);
    }
}

/* --- What is resumed -------------------------------------------------------------------------- */

/* "last" is the newest ended run of the script that is started, or of any where none is named. A
 * model names runs by their ids. */
static bool start_resumes_last(const struct workflow_start *start) {
    return strcmp(start->spec.resume, "last") == 0 && !start->spec.confined;
}

static struct err start_find_last(struct tx *tx, struct workflow_start *start) {
    const struct workflow_wanted wanted = {
        .owner = bytes_of(start->owner), .name = start->last_name, .root = start->spec.root};
    struct err err = tx_workflow_last(tx, &wanted, &start->last);
    if (!err_failed(err) && start->last.text[0] == '\0') {
        return err_why(&start->why, ERR_NOT_FOUND,
                       "nothing to resume: no run of %s%.60s%s has ended",
                       start->last_name != NULL ? "'" : "",
                       start->last_name != NULL ? start->last_name : "a workflow",
                       start->last_name != NULL ? "'" : "");
    }
    start->spec.resume = start->last.text;
    return err;
}

static struct err start_old_tx(struct tx *tx, void *ctx) {
    struct workflow_start *start = ctx;
    struct workflow_row row;
    bool found = false;
    if (start_resumes_last(start)) {
        TRY(start_find_last(tx, start));
    }
    start->why.text[0] = '\0';
    json_decref(start->old);
    start->old = NULL;
    mem_free(start->old_script);
    start->old_script = NULL;
    TRY(tx_workflow_find(tx, bytes_of(start->spec.resume), &found, &row));
    if (!found && start->spec.confined) {
        return err_make(ERR_NOT_FOUND, "workflows: resume"); /* As of another project. */
    }
    if (!found || !bytes_is(row.run.owner, start->owner)) {
        return err_why(&start->why, ERR_NOT_FOUND,
                       "nothing to resume: there is no workflow '%.60s'", start->spec.resume);
    }
    /* A model gets nothing of other projects, neither that a run is there nor what it asks for. */
    TRY(json_parse_wrapped(row.run.spec, &start->old, NULL));
    if (start->spec.confined && strcmp(json_str(start->old, "project", SESSION_PROJECT_DEFAULT),
                                       start->spec.project) != 0) {
        return err_make(ERR_NOT_FOUND, "workflows: resume");
    }
    start->old_script = mem_copy(row.script.data, row.script.len);
    /* The plan reports why a start would be refused, and goes on. */
    struct why *why = start->plans ? &start->unfit : &start->why;
    start->unfit.text[0] = '\0';
    start->reuse_max = WORKFLOW_REUSE_ANY;
    struct err err = ERR_OK;
    if (start->plans) {
        const struct workflow_new what = {.run = {.owner = bytes_of(start->owner)},
                                          .rerun = start->spec.rerun,
                                          .resume = bytes_of(start->spec.resume)};
        err = tx_workflow_resumable(tx, &what, why);
    }
    if (!err_failed(err) && start->spec.from_seq >= 0) {
        err = tx_step_settled_at(tx, &row.run, start->spec.from_seq, &start->reuse_max, why);
    }
    if (!err_failed(err) && start->plans) {
        err = workflow_start__read_priors(tx, row.run.id, start);
    }
    return start->unfit.text[0] == '\0' ? err : ERR_OK;
}

static void start_old_done(struct err err, void *ctx) {
    struct workflow_start *start = ctx;
    struct workflow_spec *spec = &start->spec;
    if (err.code == ERR_NOT_FOUND && spec->confined) {
        why_set(&start->why, "nothing to resume: there is no such workflow in this project");
    }
    if (!err_failed(err)) {
        err = start->workflows->asker.stopping
                  ? closing
                  : workflow_spec_inherit(spec, start->old, &start->why);
    }
    if (err_failed(err)) {
        start->done(start, err);
        return;
    }
    const struct workflows_limits *limits = &start->workflows->options.limits;
    if (spec->confined && spec->concurrency > workflow_at_once(limits->at_once)) {
        spec->concurrency = 0; /* No more than without the old one. */
    }
    start_look(start);
}

static void start_read_old(struct workflow_start *start) {
    store_read(start->workflows->options.store, start_old_tx, start_old_done, start);
}

/* In the pool: the name of the script that is started. A fault in it is reported later. */
static void start_name_run(struct pool_job *job) {
    struct workflow_start *start = CONTAINER_OF(job, struct workflow_start, job);
    start_read_script(start);
    if (!err_failed(start->err)) {
        const bool valid = start->script.entry.valid;
        const struct bytes name = valid ? bytes_of(script_meta_name(&start->script.prepared))
                                        : script_stem(bytes_of(start->script.entry.file));
        start->last_name = mem_copy(name.data, name.len);
        catalog_script_done(&start->script);
        start->script = (struct catalog_script){.source = NULL};
    }
}

static void start_name_done(struct pool_job *job) {
    struct workflow_start *start = CONTAINER_OF(job, struct workflow_start, job);
    struct workflows *workflows = start->workflows; /* `done` may free the start. */
    if (err_failed(start->err) || workflows->asker.stopping) {
        start->done(start, err_failed(start->err) ? start->err : closing);
    } else {
        start_read_old(start);
    }
    workflows__maybe_stopped(workflows);
}

static void start_refuse(struct loop_task *task) {
    struct workflow_start *start = CONTAINER_OF(task, struct workflow_start, task);
    start->done(start, closing);
}

/* The model of the start may be an alias. One of Claude's that is set nowhere leaves the choice to
 * the run, with a warning; of any other name its first use says that there is no such model. */
static void start_take_model(struct workflow_start *start) {
    const char *asked = start->spec.model;
    if (asked == NULL || strchr(asked, '/') != NULL) {
        return;
    }
    start->spec.model = workflows__known_model(start->workflows, bytes_of(asked), &start->model);
    if (start->spec.model == NULL && model_is_of_claude(bytes_of(asked))) {
        why_set(&start->model_warning,
                "the setting model_aliases has no \"%.60s\": the default model is asked instead",
                asked);
    } else if (start->spec.model == NULL) {
        start->spec.model = asked;
    }
}

void workflow_start_begin(struct workflow_start *start) {
    struct workflows *workflows = start->workflows;
    start_take_model(start);
    if (workflows->asker.stopping) {
        start->task.run = start_refuse;
        loop_soon(workflows->options.loop, &start->task);
    } else if (start->spec.resume != NULL && start_resumes_last(start) &&
               (start->spec.script != NULL || start->spec.name != NULL ||
                start->spec.path != NULL)) {
        start->err = closing;
        pool_begin(&workflows->pool, &start->job, POOL_QUICK, start_name_run, start_name_done);
    } else if (start->spec.resume != NULL) {
        start_read_old(start);
    } else {
        start_look(start);
    }
}

/* --- Workflows that a model may start --------------------------------------------------------- */

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

bool workflow_path_is_own(const struct workflows *workflows, const char *root, const char **path) {
    static const char saved[] = "/scripts/";
    const char *data_dir = workflows->options.data_dir;
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

bool workflow_may_run(const struct permission_lists *lists, const char *name) {
    AUTO(permission_joined_done) struct permission_joined joined = {.list = NULL};
    const struct tool *tool = tool_get(TOOL_RUN_WORKFLOW);
    const struct bytes subject = bytes_of(name);
    permission_join(lists, &joined);
    const struct permission_question question = {.tool = bytes_of(tool->name),
                                                 .kind = tool->subject,
                                                 .subjects = &subject,
                                                 .subject_count = 1,
                                                 .otherwise = tool->permission};
    return permission_judge(&joined.rules, &question).permission != PERMISSION_DENY;
}

bool workflow_may_run_found(const struct workflows *workflows, const struct permission_lists *lists,
                            const char *root, const struct catalog_entry *entry) {
    const char *path = entry->file;
    const bool own = workflow_path_is_own(workflows, root, &path);
    return workflow_may_run(lists, entry->name) && (!own || workflow_may_run(lists, path));
}

/* A workflow that a model starts:
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
 * A model that may not start a workflow must not have a script do it either: a rule of the session,
 * or of its project, that denies its name, or its path, holds for both. Rules that ask, or have
 * somebody look, are about what the model calls: nobody sits before a script who could answer. */

struct workflow_launch {
    struct talk_work *work; /* Borrowed: it waits for us. */
    struct workflow_start start;
    char *owner, *model, *project;     /* Owned, as all below: the plan may be another meanwhile. */
    json_t *settings, *rules, *notify; /* rules: settings of the project; NULL: none. */
};

static void launch_free(struct workflow_launch *launch) {
    if (launch == NULL) {
        return;
    }
    workflow_start_free(&launch->start);
    json_decref(launch->settings);
    json_decref(launch->rules);
    json_decref(launch->notify);
    mem_free(launch->owner);
    mem_free(launch->model);
    mem_free(launch->project);
    mem_free(launch);
}

static struct err launch_commit(struct tx *tx, const struct rows_call *call) {
    const struct workflow_start *start = &call->fresh->launch->start;
    struct workflow_new what = start->what;
    struct why why = {""};
    struct run_row row;
    what.run.bounds = *call->bounds;
    struct err err = tx_workflow_spawn(tx, call->seat, &what, &row, &why);
    if (workflows__is_for_good(err)) {
        failure_result_write(CARD_REFUSED, why.text[0] != '\0' ? why.text : err_title(err.code),
                             call->result);
        return workflow_start_refused(tx, start);
    }
    if (!err_failed(err)) {
        *call->ret_child = row.id;
        workflow_start_write(start, &call->result->content);
    }
    return err;
}

static void launch_refuse(struct talk_work *work, struct err err, const char *words) {
    coded_result_write(card_cause_of_error(err.code), err_name(err.code), words, &work->result);
    work__settle(work);
}

static void launch_ready(struct workflow_start *start, struct err err) {
    struct workflow_launch *launch = CONTAINER_OF(start, struct workflow_launch, start);
    struct talk_work *work = launch->work;
    const struct permission_lists lists = {.project = launch->rules, .session = launch->settings};
    if (!work__is_back(work)) {
        return;
    }
    if (err_failed(err)) {
        launch_refuse(work, err,
                      start->why.text[0] != '\0' ? start->why.text : err_title(err.code));
    } else if (start->invalid) {
        workflow_start_write(start, &work->result.content);
        work->result.cause = CARD_BAD_ARGUMENTS;
        work__settle(work);
    } else if ((start->spec.name != NULL || start->spec.path != NULL) &&
               !workflow_may_run_found(start->workflows, &lists, work->root,
                                       &start->script.entry)) {
        /* By its name a rule may deny what the call names by its path, and the other way round;
         * what a script that came as text calls itself is nobody's name. */
        coded_result_write(CARD_RULE, "denied",
                           "the settings of this session or its project do not allow this workflow",
                           &work->result);
        work__settle(work);
    } else {
        rows__send(work);
    }
}

static void launch_begin(struct talk_work *work, struct workflow_launch **ret_launch) {
    const struct turn_plan *plan = &work->talk->plan;
    struct workflow_launch *launch = mem_new(sizeof *launch);
    struct workflow_start *start = &launch->start;
    struct workflow_spec *spec = &start->spec;
    struct why why = {""};
    *ret_launch = launch;
    launch->work = work;
    workflow_start_init(start, work->talk->turns->options.workflows);
    start->done = launch_ready;
    struct err err = workflow_spec_read(work->call.input, WORKFLOW_SOURCE_INSIDE, spec, &why);
    if (!err_failed(err) && spec->path != NULL &&
        !workflow_path_is_own(start->workflows, work->root, &spec->path)) {
        err = err_why(&why, ERR_FORBIDDEN,
                      "scriptPath: a file of the project by its plain path, or one that this tool "
                      "answered");
    }
    if (!err_failed(err) && work->root[0] != '\0' && work->settings[0] != '\0') {
        err = json_parse_wrapped(bytes_of(work->settings), &launch->settings, &why);
    }
    if (!err_failed(err) && work->project[0] != '\0') {
        err = json_parse_wrapped(bytes_of(work->project), &launch->rules, &why);
    }
    if (err_failed(err)) {
        launch_refuse(work, err, why.text);
        return;
    }
    launch->owner = mem_copy(plan->owner.data, plan->owner.len);
    launch->model = mem_copy(plan->model.data, plan->model.len);
    launch->project = mem_copy(plan->project.data, plan->project.len);
    launch->notify =
        json_pack("[{s:s%}]", "session", plan->session.data, (size_t)plan->session.len);
    launch->settings = launch->settings == NULL ? json_object() : launch->settings;
    start->owner = launch->owner;
    spec->model = launch->model;
    spec->project = launch->project;
    spec->programs = work->path[0] != '\0' ? work->path : NULL;
    spec->config_dir = work->config_dir[0] != '\0' ? work->config_dir : NULL;
    spec->notify = launch->notify;
    spec->settings = launch->settings;
    spec->confined = true;
    spec->root = work->root[0] == '\0' ? NULL : work->root;
    work->away = true;
    workflow_start_begin(start);
}

const struct workflow_tool workflow_tool = {
    .begin = launch_begin, .commit = launch_commit, .free = launch_free};
