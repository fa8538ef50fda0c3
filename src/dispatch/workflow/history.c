/* history.c: the start of a worker with its script, and all that the script has received so far;
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

/* --- Read, in a store function ---------------------------------------------------------------- */

struct history_reading {
    struct tx *tx;
    struct workflow_load *load; /* Into this, */
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
    struct err err = workflow__add_outcome(reading->tx, row, text, &load->fault);
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
    TRY(tx_workflow_find(tx, workflow__run(load->workflow), &load->found, &load->row));
    if (!load->found) {
        return ERR_OK;
    }
    const struct run_row *run = &load->row.run;
    mem_free(load->label); /* An earlier read may have set it. */
    load->label = mem_copy(run->label.data, run->label.len);
    load_project(tx, run, load);
    TRY(json_parse_wrapped(run->spec, &load->spec, NULL));
    struct history_reading open = {.priors = &load->open};
    struct history_reading reusable = {.priors = &load->reusable,
                                       .except = json_object_get(load->spec, "rerun"),
                                       .reuse_max =
                                           json_int(load->spec, "reuse_max", WORKFLOW_REUSE_ANY)};
    TRY(tx_step_open(tx, run->id, load_add_prior, &open));
    TRY(tx_timers_open(tx, run->id, load_add_timer, &open));
    if (load->row.resumed_from != 0) {
        TRY(tx_step_successes(tx, load->row.resumed_from, load_add_reusable, &reusable));
    }
    TRY(tx_step_budgeted(tx, run, &load->budgeted));
    text_add_str(text, "[{\"t\":\"start\",\"again\":true,");
    if (!workflow__add_source(load->row.script, json_bytes(load->spec, "file"), text,
                              &load->fault)) {
        return ERR_OK;
    }
    const json_t *args = json_object_get(load->spec, "args");
    if (args != NULL) {
        json_add_member(text, "args", args);
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
    TRY(load->begun ? ERR_OK : load_begin(tx, load));
    if (load_is_refused(load)) {
        return ERR_OK;
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
    const struct err err = tx_step_history(tx, &page, load_add_step, &reading, &last, &load->whole);
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
static void workflow_begin_worker(struct workflow *workflow) {
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
        workflow_begin_worker(workflow);
    }
}

/* found: the build of the engine that it pins is there, as far as is known. */
static void workflow_adopt(struct workflow *workflow, bool found) {
    if (!found) {
        workflow__end(workflow, CAUSE_ENGINE_GONE,
                      "the engine that it began with is missing in libexec of the data directory, "
                      "or damaged; resumed as a new run, it goes on with the present one");
        return;
    }
    workflow__enter(workflow, WORKFLOW_ADOPTING);
    if (!workflow__has_build(workflow, workflow_adopt)) {
        return;
    }
    if (workflow->fresh || workflow->load->stale) {
        workflow_begin_worker(workflow);
    } else {
        workflow__op_send(workflow__op(workflow, sizeof(struct workflow_op), adopt_tx, adopt_done));
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
        workflow_adopt(workflow, true);
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

/* --- Steps that began before ------------------------------------------------------------------ */

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
