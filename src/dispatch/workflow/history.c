/* history.c: members of messages to workers; the start of a worker with its script, and all that
 * the script has received so far; outcomes for which the first message of the worker has no room;
 * and steps that began before this worker, until its script asks for them.
 *
 * The first message is read on a reader thread and written there, too; the loop only passes bytes
 * on. A long history is read page by page. */
#include "dispatch/workflow/history.h"

#include <stdio.h>

#include "base/memory.h"
#include "engine/project/projects.h"

enum {
    HISTORY_MAX = 4 << 20, /* Bytes of outcomes in a worker's first message, and one more. */
    LOAD_RETRY_MS = 1000,
};

/* --- Members of messages (script/protocol.h) -------------------------------------------------- */

void workflow__add_member(struct text *text, const char *name, const char *value) {
    text_add_name(text, name);
    if (value == NULL) {
        text_add_str(text, "null");
    } else {
        text_add_json(text, value, strlen(value));
    }
}

void workflow__add_limit(struct text *text, const char *name, int64_t number, int64_t none) {
    if (number == none) {
        workflow__add_member(text, name, NULL);
    } else {
        text_add_member_int(text, name, number);
    }
}

void workflow__add_json(struct text *text, const char *name, const json_t *json) {
    text_add_name(text, name);
    if (json == NULL) {
        text_add_str(text, "null");
    } else {
        text->failed = err_failed(json_write(json, text)) || text->failed;
    }
}

void workflows__send(struct script_worker *worker, struct text *message) {
    struct script_piece frame;
    frame.data = text_take(message, &frame.len);
    script_busy(worker);
    script_send(worker, &frame, 1);
}

struct script_worker *workflows__start_script(struct workflows *workflows, struct scripts *scripts,
                                              const struct script_watch *watch, void *ctx,
                                              struct text *order) {
    const struct script_bounds bounds = {.cpu_ms = (uint32_t)workflows->options.limits.cpu_ms};
    struct script_worker *worker = script_start(scripts, &bounds, watch, ctx);
    workflows__send(worker, order);
    return worker;
}

bool workflow__message_is(const json_t *message, const char *type) {
    return strcmp(json_str(message, "t", ""), type) == 0;
}

void workflow__add_script(const struct script_prepared *prepared, struct bytes file,
                          struct text *text) {
    text_add_str(text, "\"script\":");
    text_add_json(text, prepared->text, prepared->len);
    text_add_member(text, "form", bytes_of(script_form_name(prepared->form)));
    text_add_member(text, "file", file);
    if (prepared->objects) {
        text_add_member(text, "results", BYTES("object"));
    }
    workflow__add_json(text, "meta", prepared->meta);
    text_add_str(text, prepared->timers ? ",\"timers\":true" : "");
}

/* Members of a script that a row has. false: it is none. */
static bool add_source(struct bytes source, struct bytes file, struct text *text, struct why *why) {
    const struct script_source script = {.text = source, .file = file};
    AUTO(script_prepared_done) struct script_prepared prepared = {.meta = NULL};
    struct script_fault fault = {.line = 0};
    if (err_failed(script_prepare(&script, &prepared, &fault))) {
        why_set(why, "%.*s:%u:%u: %s", (int)file.len, file.data, fault.line, fault.column,
                fault.message);
        return false;
    }
    workflow__add_script(&prepared, file, text);
    return true;
}

void workflow__add_throw(struct text *text, struct bytes message) {
    text_add_str(text, ",\"o\":\"throw\",\"name\":\"Error\"");
    text_add_member(text, "message", message);
}

/* All of them follow from the row, so a replay gives the script the same. */
static void add_facts(const struct step_row *row, struct text *text) {
    if (row->tokens > 0) {
        text_addf(text, ",\"used\":{\"prompt\":%lld,\"completion\":%lld}",
                  (long long)(row->tokens - row->output_tokens), (long long)row->output_tokens);
    }
    text_add_str(text, row->cached ? ",\"cached\":true" : "");
}

bool workflow__add_result_head(const struct step_row *row, struct text *text) {
    add_facts(row, text);
    switch (workflow_step_outcome(row->state, row->cause)) {
    case STEP_VALUE:
        text_add_str(text, row->cause == CAUSE_TRUNCATED ? ",\"cut\":true" : "");
        text_add_str(text, ",\"o\":\"value\",\"v\":");
        return true;
    case STEP_NULL:
        text_add_str(text, ",\"o\":\"null\"");
        text_add_member(text, "why", workflow_step_words(row->cause, row->note));
        break;
    case STEP_THROW:
        workflow__add_throw(text, workflow_step_words(row->cause, row->note));
        break;
    }
    return false;
}

/* In a store function. `fault` is set where a script of workflow() is broken: the run ends,
 * CAUSE_SYNTAX_ERROR. */
static struct err add_outcome(struct tx *tx, const struct step_row *row, struct text *text,
                              struct why *fault) {
    struct bytes source;
    bool found = false;
    if (row->kind != STEP_SCRIPT) {
        if (workflow__add_result_head(row, text)) {
            json_add_stored(text, row->result);
        }
    } else if (row->script.len == 0) {
        workflow__add_throw(text, row->note);
    } else {
        struct err err = tx_script_find(tx, row->script, &found, &source);
        if (err_failed(err) || !found) {
            return err_failed(err) ? err
                                   : err_make(ERR_STORE_CORRUPT, "workflows: a script is missing");
        }
        text_add_str(text, ",\"o\":\"script\",");
        (void)add_source(source, row->file, text, fault); /* Where it is none, `fault` is set. */
    }
    return ERR_OK;
}

void workflow__add_limits(const struct workflows_limits *limits, int64_t total, struct text *text) {
    workflow__add_limit(text, "total", total < 0 ? -1 : total, -1);
    text_addf(text,
              ",\"spent\":0,\"limits\":{\"agents\":%d,\"items\":%d,\"lines\":%d,"
              "\"line_bytes\":%d,\"unanswered\":%d,\"cpu_ms\":%lld,\"memory_mb\":%lld,"
              "\"timers\":%d,\"timers_open\":%d,\"timer_ms\":%lld},\"history\":[",
              WORKFLOW_AGENTS_MAX, WORKFLOW_ITEMS_MAX, WORKFLOW_LINES_MAX, WORKFLOW_LINE_MAX,
              WORKFLOW_UNANSWERED_MAX, (long long)limits->cpu_ms, (long long)limits->memory_mb,
              WORKFLOW_TIMERS_MAX, WORKFLOW_TIMERS_OPEN_MAX, (long long)WORKFLOW_TIMER_MS_MAX);
}

/* --- The first message ------------------------------------------------------------------------ */

/* An outcome after those in the order. */
struct unloaded {
    char key[WORKFLOW_HASH + 1];
    int64_t occurrence;
    enum call_kind kind;
};

/* Progress of the read: a page that failed is read again from here. */
struct load_mark {
    size_t len; /* Bytes of the order. */
    size_t unloaded_count;
    int64_t after;           /* done_no of the last row that was read, */
    int64_t loaded, settled; /* done_no of the last in the order, and their number. */
    int64_t spent, stored;   /* Output tokens of those in the order, and of all. */
    int64_t nested, timers;
};

struct workflow_load {
    struct workflow *workflow;
    struct text order;         /* Owned: `len` of it counts. */
    size_t history;            /* Where its history begins. */
    struct unloaded *unloaded; /* Owned. */
    struct load_mark at;
    struct workflow_row row;
    bool away, begun;
    bool found, whole; /* The row is there; the history is read to its end. */
    bool budgeted;
    json_t *spec;                /* Owned. */
    json_t *project_settings;    /* Owned; NULL: none. */
    char *label;                 /* Owned: of the run. */
    struct table open, reusable; /* Owned, with their struct prior. */
    struct why fault;            /* Why it cannot be started; empty: it can. */
    /* Set by notes meanwhile, on the loop: */
    bool stop;           /* The run ends once this is read: its agents may have working trees. */
    bool stale;          /* The history is outdated: it is read again. */
    bool stale_admitted; /* The same, if an agent in it waits for a budget. */
};

void workflow__load_free(struct workflow *workflow) {
    struct workflow_load *load = workflow->load;
    if (load == NULL) {
        return;
    }
    assert(!load->away);
    workflow__free_priors(&load->open);
    workflow__free_priors(&load->reusable);
    table_done(&load->open);
    table_done(&load->reusable);
    text_done(&load->order);
    mem_free(load->unloaded);
    json_decref(load->spec);
    json_decref(load->project_settings);
    mem_free(load->label);
    mem_free(load);
    workflow->load = NULL;
}

/* --- Read, in a store function ---------------------------------------------------------------- */

struct history_reading {
    struct tx *tx;
    struct workflow_load *load; /* Into this, */
    struct workflow_page *page; /* or this, */
    struct table *priors;       /* or this. */
    const json_t *except;       /* Agents that run again; NULL: none. */
    int64_t reuse_max;          /* As of workflow_reuses. */
};

static struct err load_add_prior(void *ctx, const struct step_row *row) {
    const struct history_reading *reading = ctx;
    AUTO(json_release) json_t *spec = NULL;
    struct prior *prior = mem_new(sizeof *prior);
    call__name_of(prior->name, row->key, row->occurrence);
    prior->node.name = bytes_of(prior->name);
    prior->run = id_copy(row->run);
    prior->attempt = row->attempt;
    prior->done_no = row->done_no;
    prior->state = row->state;
    prior->started_ms = row->started_ms;
    prior->steady_ms = row->steady_ms;
    prior->epoch = row->epoch;
    prior->parked_ms = row->parked_ms;
    prior->resume_at_ms = row->resume_at_ms;
    prior->spent = row->spent;
    prior->stop = row->stop != CAUSE_NONE;
    prior->parked = row->cause == CAUSE_PAUSED;
    if (row->spec.len > 0 && !err_failed(json_parse_wrapped(row->spec, &spec, NULL))) {
        (void)snprintf(prior->turn.text, sizeof prior->turn.text, "%s", json_str(spec, "turn", ""));
        prior->worktree = json_incref(json_object_get(spec, "worktree"));
    }
    const char *model = json_str(spec, "model", "");
    prior->model = mem_copy(model, strlen(model));
    table_add(reading->priors, &prior->node);
    return ERR_OK;
}

static struct err load_add_reusable(void *ctx, const struct step_row *row) {
    const struct history_reading *reading = ctx;
    const struct workflow_reusable step = {.state = row->state,
                                           .cause = row->cause,
                                           .done_no = row->done_no,
                                           .named = json_has_text(reading->except, row->run)};
    return workflow_reuses(&step, reading->reuse_max) ? load_add_prior(ctx, row) : ERR_OK;
}

static struct err load_add_timer(void *ctx, const struct timer_row *row) {
    const struct history_reading *reading = ctx;
    struct prior *prior = mem_new(sizeof *prior);
    call__name_of(prior->name, row->key.hash, row->key.occurrence);
    prior->node.name = bytes_of(prior->name);
    prior->state = RUN_RUNNING;
    prior->timing =
        (struct call_timing){.number = row->number, .made_ms = row->made_ms, .due_ms = row->due_ms};
    prior->model = mem_copy("", 0);
    table_add(reading->priors, &prior->node);
    return ERR_OK;
}

static bool load_is_full(const struct workflow_load *load) {
    return load->order.len - load->history >= HISTORY_MAX;
}

static enum call_kind call_kind_of(const struct step_row *row) {
    return row->kind == STEP_SCRIPT  ? CALL_OF_WORKFLOW
           : row->kind == STEP_TIMER ? CALL_OF_TIMER
                                     : CALL_OF_AGENT;
}

/* The key is enough of what the order has no room for: the result is read later. */
static struct err load_add_step(void *ctx, const struct step_row *row) {
    const struct history_reading *reading = ctx;
    struct workflow_load *load = reading->load;
    struct load_mark *at = &load->at;
    struct text *text = &load->order;
    at->stored += row->output_tokens;
    if (load_is_full(load)) {
        load->unloaded =
            mem_grow(load->unloaded, (at->unloaded_count + 1) * sizeof *load->unloaded);
        struct unloaded *unloaded = &load->unloaded[at->unloaded_count++];
        *unloaded = (struct unloaded){.occurrence = row->occurrence, .kind = call_kind_of(row)};
        memcpy(unloaded->key, row->key.data,
               row->key.len < WORKFLOW_HASH ? row->key.len : WORKFLOW_HASH);
        return ERR_OK;
    }
    text_add_str(text, at->settled > 0 ? ",{\"k\":\"" : "{\"k\":\"");
    text_add_json_piece(text, row->key);
    text_addf(text, "\",\"n\":%lld", (long long)row->occurrence);
    struct err err = add_outcome(reading->tx, row, text, &load->fault);
    at->spent += row->output_tokens;
    at->settled++;
    at->nested += row->kind == STEP_SCRIPT;
    at->timers += row->kind == STEP_TIMER;
    at->loaded = row->done_no;
    text_addf(text, ",\"spent\":%lld}", (long long)at->spent);
    return err;
}

/* Settings that cannot be read are rules that cannot be read, which deny. */
static void load_project(struct tx *tx, const struct run_row *run, struct workflow_load *load) {
    const struct bytes settings = tx_project_settings(tx, run->owner, run->project);
    json_decref(load->project_settings); /* An earlier read may have set it. */
    load->project_settings = NULL;
    if (settings.len > 0 &&
        err_failed(json_parse_wrapped(settings, &load->project_settings, NULL /* no why */))) {
        load->project_settings = json_pack("{s:[n]}", "permissions");
    }
}

/* A read may run twice: each starts over. */
static struct err load_begin(struct tx *tx, struct workflow_load *load) {
    struct text *text = &load->order;
    workflow__free_priors(&load->open);
    workflow__free_priors(&load->reusable);
    json_decref(load->spec);
    load->spec = NULL;
    text_clear(text);
    load->at = (struct load_mark){.len = 0};
    load->fault.text[0] = '\0';
    effects_at(load->workflow->workflows->options.effects, workflow__run(load->workflow));
    struct err err = tx_workflow_find(tx, workflow__run(load->workflow), &load->found, &load->row);
    if (err_failed(err) || !load->found) {
        return err;
    }
    const struct run_row *run = &load->row.run;
    mem_free(load->label); /* An earlier read may have set it. */
    load->label = mem_copy(run->label.data, run->label.len);
    load_project(tx, run, load);
    err = json_parse_wrapped(run->spec, &load->spec, NULL);
    struct history_reading open = {.priors = &load->open};
    struct history_reading reusable = {.priors = &load->reusable,
                                       .except = json_object_get(load->spec, "rerun"),
                                       .reuse_max =
                                           json_int(load->spec, "reuse_max", WORKFLOW_REUSE_ANY)};
    if (!err_failed(err)) {
        err = tx_step_open(tx, run->id, load_add_prior, &open);
    }
    if (!err_failed(err)) {
        err = tx_timers_open(tx, run->id, load_add_timer, &open);
    }
    if (!err_failed(err) && load->row.resumed_from != 0) {
        err = tx_step_successes(tx, load->row.resumed_from, load_add_reusable, &reusable);
    }
    if (!err_failed(err)) {
        err = tx_step_budgeted(tx, run, &load->budgeted);
    }
    if (err_failed(err)) {
        return err;
    }
    text_add_str(text, "[{\"t\":\"start\",");
    if (!add_source(load->row.script, json_bytes(load->spec, "file"), text, &load->fault)) {
        return ERR_OK;
    }
    const json_t *args = json_object_get(load->spec, "args");
    if (args != NULL) {
        workflow__add_json(text, "args", args);
    }
    workflow__add_limits(&load->workflow->workflows->options.limits,
                         json_int(load->spec, "total", -1), text);
    load->history = text->len;
    return text_failed(text) ? text_error(text, "workflow: order") : ERR_OK;
}

static bool load_is_refused(const struct workflow_load *load) {
    return !load->found || load->fault.text[0] != '\0';
}

static struct err load_tx(struct tx *tx, void *ctx) {
    struct workflow_load *load = ctx;
    struct err err = load->begun ? ERR_OK : load_begin(tx, load);
    if (err_failed(err) || load_is_refused(load)) {
        return err;
    }
    struct load_mark mark = load->at;
    mark.len = load->order.len;
    struct history_reading reading = {.tx = tx, .load = load};
    const struct step_page page = {.workflow = load->workflow->id,
                                   .after = mark.after,
                                   .limit = WORKFLOW_PAGE_STEPS,
                                   .bytes_max = WORKFLOW_PAGE_BYTES,
                                   .bare = load_is_full(load)};
    int64_t last = mark.after;
    err = tx_step_history(tx, &page, load_add_step, &reading, &last, &load->whole);
    if (err_failed(err)) {
        load->at = mark;
        load->order.len = mark.len;
    } else {
        load->at.after = last;
    }
    return err;
}

/* --- Taken over ------------------------------------------------------------------------------- */

static void workflow_on_deadline(struct timer *timer) {
    struct workflow *workflow = CONTAINER_OF(timer, struct workflow, deadline);
    workflow__end(workflow, CAUSE_DEADLINE, "its time was over");
}

static void workflow_take_priors(struct table *priors, struct table *loaded) {
    if (priors->count == 0) {
        const struct table empty = *priors;
        *priors = *loaded;
        *loaded = empty;
    }
}

static void workflow_take_load(struct workflow *workflow, struct workflow_load *load) {
    const struct workflows_limits *limits = &workflow->workflows->options.limits;
    workflow->crashes = workflow->crashes == 0 ? load->row.crashes : workflow->crashes;
    workflow_take_priors(&workflow->open, &load->open);
    workflow_take_priors(&workflow->reusable,
                         &load->reusable); /* Calls may borrow from earlier ones. */
    /* The spec never changes, and what is with the store or in the pool borrows from it: a worker
     * that is rebuilt leaves it where it is. */
    if (workflow->spec == NULL) {
        const char *otherwise = json_str(load->spec, "model_default", "");
        const struct bytes model = bytes_of(json_str(load->spec, "model", otherwise));
        const struct bytes root = json_bytes(load->spec, "root");
        workflow->spec = load->spec;
        load->spec = NULL;
        workflow->model = mem_copy(model.data, model.len);
        workflow->root = mem_copy(root.data, root.len);
        workflow->label = load->label;
        load->label = NULL;
    }
    json_decref(workflow->project_settings);
    workflow->project_settings = load->project_settings;
    load->project_settings = NULL;
    int64_t wanted = json_int(workflow->spec, "concurrency", 0);
    workflow->at_once = workflow_at_once(wanted > 0 ? wanted : limits->at_once);
    workflow->agent_ms = json_int(workflow->spec, "agent_timeout_ms", WORKFLOW_AGENT_MS);
    workflow->total = json_int(workflow->spec, "total", -1);
    workflow->budgeted = workflow->budgeted || load->budgeted;
    workflow->resumed_from = load->row.resumed_from;
    workflow->reuse_ms = json_int(workflow->spec, "reuse_ms", 0);
    for (size_t i = 0; i < load->at.unloaded_count; i++) { /* In their order. */
        const struct unloaded *unloaded = &load->unloaded[i];
        char name[CALL_NAME];
        call__name_of(name, bytes_of(unloaded->key), unloaded->occurrence);
        if (workflow__find_call(workflow, bytes_of(name)) != NULL) {
            load->stale = true; /* Others settled it while the history was read. */
            continue;
        }
        struct call *call = call__new(workflow, unloaded->key, unloaded->occurrence);
        call->kind = unloaded->kind;
        call__unload(call);
        call__enter(call, CALL_DONE);
    }
    workflow->loaded_no = load->at.loaded;
    workflow->sent = load->at.settled;
    workflow->spent = load->at.spent;
    workflow->stored = load->at.stored;
    workflow->nested = load->at.nested;
    workflow->timers = load->at.timers;
    workflow->agents = load->at.settled - load->at.nested - load->at.timers;
    /* Calls of an earlier worker go on beside the history. */
    for (const struct call *call = NULL; (call = workflow__next_call(workflow, call)) != NULL;) {
        workflow->nested += call->kind == CALL_OF_WORKFLOW;
        workflow->timers += call->kind == CALL_OF_TIMER;
        workflow->agents += call->kind == CALL_OF_AGENT;
    }
    if (load->row.left_ms >= 0 && !timer_runs(&workflow->deadline)) { /* A new worker moves none. */
        timer_start(workflow->workflows->options.loop, &workflow->deadline,
                    (uint64_t)load->row.left_ms, workflow_on_deadline);
    }
}

/* Unless others have settled a step while the history was read, or there was no memory for it. */
static void workflow_start(struct workflow *workflow) {
    struct workflow_load *load = workflow->load;
    text_add_str(&load->order, "]}]");
    assert(!text_failed(&load->order) || load->order.no_memory); /* All that it holds is bounded. */
    if (load->stale || text_failed(&load->order)) {
        const uint64_t wait_ms = load->stale ? 0 : LOAD_RETRY_MS;
        workflow__load_free(workflow);
        workflow__reload_in(workflow, wait_ms);
        return;
    }
    struct text order = load->order;
    text_init(&load->order, WORKFLOW_ORDER_MAX);
    workflow__load_free(workflow);
    workflow__start_worker(workflow, &order);
    text_done(&order);
}

static struct err adopt_tx(struct tx *tx, void *ctx) {
    struct workflow_op *op = ctx;
    return tx_workflow_adopt(tx, workflow__run(op->workflow), op->workflow->crashes, &op->late);
}

static void adopt_done(struct workflow_op *op) {
    struct workflow *workflow = op->workflow;
    if (op->late) {
        workflow__ended(workflow);
    } else if (workflow->state == WORKFLOW_ADOPTING) {
        workflow->fresh = true;
        workflow_start(workflow);
    }
}

void workflow__adopt(struct workflow *workflow) {
    workflow__enter(workflow, WORKFLOW_ADOPTING);
    if (!workflow__has_build(workflow)) {
        return;
    }
    if (workflow->fresh || workflow->load->stale) {
        workflow_start(workflow);
    } else {
        workflow__op_send(workflow__op(workflow, adopt_tx, adopt_done));
    }
}

/* --- Read, on the loop ------------------------------------------------------------------------ */

static void load_done(struct err err, void *ctx);

static void load_read_page(struct workflow_load *load) {
    load->away = true;
    load->workflow->in_pool++;
    store_read(load->workflow->workflows->options.store, load_tx, load_done, load);
}

static void load_done(struct err err, void *ctx) {
    static const struct retry_words words = {
        .effect = "read a workflow", .again = "a workflow could not be read; it is tried again"};
    struct workflow_load *load = ctx;
    struct workflow *workflow = load->workflow;
    struct workflows *workflows = workflow->workflows;
    const bool failed = err_failed(err);
    const bool complete = load->whole || load_is_refused(load);
    load->away = false;
    workflow->in_pool--;
    if (!failed) {
        retry_done(&workflow->loading);
    }
    if (workflows->asker.stopping || workflow->state == WORKFLOW_ENDED) {
        workflow__maybe_free(workflow);
    } else if (workflow->state != WORKFLOW_LOADING) {
        workflow__load_free(workflow); /* The run has ended meanwhile. */
    } else if (load->stop && (failed || complete)) {
        workflow_take_priors(&workflow->open, &load->open); /* Agents may have working trees. */
        workflow__load_free(workflow);
        workflow__end(workflow, CAUSE_STOPPED, "");
    } else if (failed) {
        workflow__load_free(workflow);
        if (err.code == ERR_BAD_JSON || err.code == ERR_STORE_CORRUPT) { /* No retry cures that. */
            workflow__end(workflow, CAUSE_HISTORY_UNREADABLE,
                          "its spec, or what it did, is damaged");
        } else if (effect_is_hopeless(workflow->loading.tries + 1, err)) {
            workflow__end(workflow, CAUSE_NOT_STORED, "its history could not be read");
        } else {
            (void)retry_failed(&workflow->loading, &workflows->asker, &words,
                               workflow__run(workflow), err);
            workflow__reload_in(workflow, LOAD_RETRY_MS);
        }
    } else if (!complete) {
        load->begun = true;
        load_read_page(load);
    } else if (!load->found) {
        workflow__ended(workflow);
    } else if (load->fault.text[0] != '\0') {
        const struct why fault = load->fault;
        workflow__load_free(workflow);
        workflow__end(workflow, CAUSE_SYNTAX_ERROR, fault.text);
    } else {
        for (struct table_node *node = NULL; (node = table_next(&load->open, node)) != NULL;) {
            bool queued = CONTAINER_OF(node, struct prior, node)->state == RUN_QUEUED;
            load->stale = load->stale || (load->stale_admitted && queued);
        }
        workflow_take_load(workflow, load);
        workflow__adopt(workflow);
    }
}

/* The history has what has ended, also where that was between two tries to read it. */
void workflow__load(struct workflow *workflow) {
    workflow__enter(workflow, WORKFLOW_LOADING);
    workflow->page_op = NULL;
    while (workflow__first(workflow, CALL_DONE) != NULL) {
        call__free(workflow__first(workflow, CALL_DONE));
    }
    workflow->load = mem_new(sizeof *workflow->load);
    workflow->load->workflow = workflow;
    text_init(&workflow->load->order, WORKFLOW_ORDER_MAX);
    table_init(&workflow->load->open);
    table_init(&workflow->load->reusable);
    workflow__free_priors(&workflow->open); /* The other run's stay: calls borrow from them. */
    load_read_page(workflow->load);
}

void workflow__stop(struct workflow *workflow) {
    if (workflow->state == WORKFLOW_LOADING) {
        workflow->load->stop = true;
    } else {
        workflow__end(workflow, CAUSE_STOPPED, "");
    }
}

/* --- Read again ------------------------------------------------------------------------------- */

/* The history has all that was stored, and nothing more is stored until it was read. */
static void workflow_rebuild(struct timer *timer) {
    struct workflow *workflow = CONTAINER_OF(timer, struct workflow, rebuild);
    if (shortage_lasts(workflow->workflows->options.shortage)) {
        timer_start(workflow->workflows->options.loop, timer, SHORTAGE_CALM_MS, workflow_rebuild);
    } else if (workflow->storing == 0) { /* Else workflow__store_empty goes on. */
        workflow__load(workflow);
    }
}

void workflow__reload_in(struct workflow *workflow, uint64_t wait_ms) {
    workflow__enter(workflow, WORKFLOW_UNREAD);
    workflow->script = WORKFLOW_REPLAYING;
    timer_start(workflow->workflows->options.loop, &workflow->rebuild, wait_ms, workflow_rebuild);
}

void workflow__store_empty(struct workflow *workflow) {
    if (workflow->state == WORKFLOW_UNREAD && !timer_runs(&workflow->rebuild) &&
        !workflow->workflows->asker.stopping) {
        timer_start(workflow->workflows->options.loop, &workflow->rebuild, 0, workflow_rebuild);
    }
}

void workflow__reload(struct workflow *workflow) {
    if (workflow->load != NULL) {
        workflow->load->stale = true;
    } else if (workflow->state == WORKFLOW_LIVE) {
        workflow__close_worker(workflow);
        workflow__reload_in(workflow, 0);
    }
}

/* --- Pages after the first message ------------------------------------------------------------ */

/* An outcome, as it is delivered. */
struct page_outcome {
    char name[CALL_NAME];
    int64_t number, output_tokens;
    struct text words; /* Owned. */
};

struct workflow_page {
    struct page_outcome list[WORKFLOW_PAGE_STEPS];
    size_t count, bytes;
    struct why fault;
};

static void page_clear(struct workflow_page *page) {
    for (size_t i = 0; i < page->count; i++) {
        text_done(&page->list[i].words);
    }
    page->count = page->bytes = 0;
    page->fault.text[0] = '\0';
}

void workflow__page_free(struct workflow_page *page) {
    if (page != NULL) {
        page_clear(page);
        mem_free(page);
    }
}

void call__unload(struct call *call) {
    text_done(&call->result);
    text_init(&call->result, 2 * (size_t)WORKFLOW_RESULT_MAX);
    call->form = RESULT_UNLOADED;
    call->workflow->unloaded++;
}

static struct err page_add(void *ctx, const struct step_row *row) {
    const struct history_reading *reading = ctx;
    struct workflow_page *page = reading->page;
    if (page->bytes >= WORKFLOW_PAGE_BYTES) { /* Scripts of workflow() are not in the rows. */
        return ERR_OK;
    }
    assert(page->count < COUNT_OF(page->list));
    struct page_outcome *outcome = &page->list[page->count++];
    call__name_of(outcome->name, row->key, row->occurrence);
    outcome->number = row->done_no;
    outcome->output_tokens = row->output_tokens;
    text_init(&outcome->words, WORKFLOW_ORDER_MAX);
    struct err err = add_outcome(reading->tx, row, &outcome->words, &page->fault);
    page->bytes += outcome->words.len;
    return err;
}

static struct err page_tx(struct tx *tx, void *ctx) {
    const struct workflow_op *op = ctx;
    struct history_reading reading = {.tx = tx, .page = op->page};
    const struct step_page page = {.workflow = op->workflow->id,
                                   .after = op->after,
                                   .limit = WORKFLOW_PAGE_STEPS,
                                   .bytes_max = WORKFLOW_PAGE_BYTES};
    int64_t last = 0;
    bool whole = false;
    page_clear(op->page);
    return tx_step_history(tx, &page, page_add, &reading, &last, &whole);
}

/* Calls line up in the order in which we heard of them, which is that of the store but where others
 * settle a step in the same moment: then the history is reloaded, as it is in the store. */
static void page_done(struct workflow_op *op) {
    struct workflow *workflow = op->workflow;
    struct workflow_page *page = op->page;
    size_t count = 0;
    if (workflow->page_op != op) {
        return; /* The worker that needed it has ended. */
    }
    workflow->page_op = NULL;
    if (workflow->state != WORKFLOW_LIVE) {
        return;
    }
    if (page->fault.text[0] != '\0') {
        workflow__end(workflow, CAUSE_SYNTAX_ERROR, page->fault.text);
        return;
    }
    for (struct call *call = workflow__first(workflow, CALL_DONE);
         count < page->count && call != NULL && call->form == RESULT_UNLOADED &&
         strcmp(call->name, page->list[count].name) == 0;
         call = call__next(call), count++) {
        struct page_outcome *outcome = &page->list[count];
        text_done(&call->result);
        call->result = outcome->words;
        text_init(&outcome->words, 0);
        call->usage.output = outcome->output_tokens;
        call->form = RESULT_ENCODED;
        workflow->unloaded--;
        workflow->loaded_no = outcome->number;
    }
    if (count == 0) {
        workflow__reload(workflow);
    } else {
        workflow__deliver(workflow);
    }
}

void workflow__load_page(struct workflow *workflow) {
    if (workflow->page_op != NULL ||
        workflow__first(workflow, CALL_DONE)->form != RESULT_UNLOADED) {
        return;
    }
    struct workflow_op *op = workflow__op(workflow, page_tx, page_done);
    op->reads = true;
    op->after = workflow->loaded_no;
    op->page = mem_new(sizeof *op->page);
    workflow->page_op = op;
    workflow__op_send(op);
}

/* --- Steps that began before ------------------------------------------------------------------ */

/* For an earlier life only the wall clock is known: within the bounds of what is charged for
 * that. */
int64_t prior__elapsed_ms(const struct workflow *workflow, const struct prior *prior) {
    const struct store *store = workflow->workflows->options.store;
    int64_t passed_ms = prior->epoch == store_epoch(store)
                            ? store_steady_ms(store) - prior->steady_ms
                            : workflows__now_ms(workflow->workflows) - prior->started_ms;
    passed_ms -= steps__parked_ms(prior->parked_ms, workflows__now_ms(workflow->workflows));
    passed_ms = passed_ms > 0 ? passed_ms : 0;
    return passed_ms < RUN_UNSEEN_MAX_MS ? passed_ms : RUN_UNSEEN_MAX_MS;
}

void prior__free(struct prior *prior) {
    json_decref(prior->worktree);
    mem_free(prior->model);
    mem_free(prior);
}

void workflow__free_priors(struct table *priors) {
    for (struct table_node *node; (node = table_next(priors, NULL)) != NULL;) {
        table_remove(priors, node);
        prior__free(CONTAINER_OF(node, struct prior, node));
    }
}

/* Changed between our reading of it and the script's request for it. */
void workflow__note_prior(struct workflow *workflow, const struct run_row *row) {
    bool final = run_state_final(row->state);
    struct workflow_load *load = workflow->load;
    if (workflow->state == WORKFLOW_UNREAD) {
        return;
    }
    if (workflow->state == WORKFLOW_LOADING) {
        load->stale = load->stale || final || row->stop != CAUSE_NONE || row->attempt > 1;
        load->stale_admitted = load->stale_admitted || row->state == RUN_RUNNING;
        return;
    }
    const struct table_node *node = table_next(&workflow->open, NULL);
    while (node != NULL && !bytes_is(row->run, CONTAINER_OF(node, struct prior, node)->run.text)) {
        node = table_next(&workflow->open, node);
    }
    if (node == NULL) {
        return;
    }
    if (final) {
        workflow__reload(workflow);
        return;
    }
    struct prior *prior = CONTAINER_OF(node, struct prior, node);
    prior->state = row->state;
    prior->stop = row->stop != CAUSE_NONE;
    prior->parked = row->cause == CAUSE_PAUSED;
    if (row->attempt > prior->attempt && row->attempt > 1) {
        prior->turn = (struct id){""}; /* A restart has taken it. */
        prior->parked_ms = 0;
    }
    prior->attempt = row->attempt;
    prior->started_ms = row->started_ms;
    prior->steady_ms = row->steady_ms;
    prior->epoch = row->epoch;
    prior->resume_at_ms = run_waits_for_provider(row) ? row->not_before_ms : 0;
}
