/* settle.c: the outcome of a call, in what order it is stored; and workflow(), whose outcome is a
 * script.
 *
 * The order of the commits is the order of delivery, now and in every replay. A run that may take
 * over results of another one settles these first, in their old order, each when the script is
 * idle; outcomes of its own agents are deferred until no such call is left, and then settled one
 * by one. So neither the order of the other run nor a failed sibling costs a finished step.
 *
 * workflow(): which script it names is searched in the pool, and stored with the run, like an
 * agent's outcome, so a run goes on with the same script however the file is edited. The call is no
 * agent: it takes no slot, and has no event.
 *
 * A run that resumes another reads the file again: the outcome of that run's call is not taken
 * over, only its place in the order: else two branches, one of which waits for that call, would ask
 * for equal prompts in another order, and get each other's results. The place counts also where
 * workflow() threw, then or now. A call that the other run did not make is deferred like an agent's
 * outcome. The search for either script begins when the call is the next one, not when the script
 * asks, and nothing else is settled until that search has ended. So no more than a few scripts wait
 * in memory: a run may name WORKFLOW_NESTED_MAX of them, of WORKFLOW_SCRIPT_MAX bytes each. */
#include <string.h>

#include "base/memory.h"
#include "dispatch/workflow/agent.h"
#include "dispatch/workflow/history.h"
#include "dispatch/workflow/start.h"

/* --- Stored ----------------------------------------------------------------------------------- */

struct settle_op {
    struct workflow_op op;
    struct step_end end;
    struct usage used; /* By the step. */
};

static struct err end_tx(struct tx *tx, void *ctx) {
    struct settle_op *own = ctx;
    const struct begin_op *beginning =
        own->op.beginning == NULL ? NULL : CONTAINER_OF(own->op.beginning, struct begin_op, op);
    own->end.written = beginning != NULL && beginning->begun == STEP_BEGUN;
    own->end.untold = own->end.written && beginning->begin.end_tells ? &beginning->begin : NULL;
    return tx_step_end(tx, &own->end, &own->op.late, &own->used);
}

/* Late: its row is not there yet, and the end is sent again when it is; or another client ended the
 * step in the same moment, and it has its number from there; or somebody has restarted it. */
static void end_done(struct workflow_op *op) {
    const struct settle_op *own = CONTAINER_OF(op, struct settle_op, op);
    struct call *call = op->call;
    struct workflow *workflow = op->workflow;
    call->usage = op->late ? call->usage : own->used;
    if (op->late && call->restarted) {
        call__tick(call);
        workflow__settle_quiet(workflow); /* Others may have waited for this. */
        workflow->workflows->machine->pump(workflow);
    } else if (op->late && call->row == ROW_RETRYING) {
        call__enter(call, CALL_ENDED);
    } else {
        call__stored(call);
    }
}

static void call_store_end(struct call *call) {
    const struct workflow *workflow = call->workflow;
    struct settle_op *own = call__op(call, sizeof *own, end_tx, end_done);
    const bool turn = call->turn.text[0] != '\0';
    const bool stays = call->tree != NULL && call->tree->stage == TREE_MADE;
    own->used = call->usage; /* Where the store has no better number. */
    own->end = (struct step_end){
        .place = workflow__place(workflow),
        .run = bytes_of(call->run.text),
        .key = {bytes_of(call->key), call->occurrence},
        .attempt = call->attempt,
        .cause = call->cause,
        .result = text_bytes(&call->result),
        .note = bytes_of(call->note),
        .resume_at_ms = call->resume_at_ms,
        .label = call__name(call->message, "label"),
        .phase = call__name(call->message, "phase"),
        .agent = call__agent_type(call),
        .workflow = bytes_of(workflow->label),
        .usage = call->usage,
        .cost = call->cost,
        .model = bytes_of(call->model),
        .project = workflow__project(workflow),
        .calls = call->calls,
        .calls_unpriced = call->calls - call->calls_priced,
        .took_ms =
            call->began_ms == 0 ? 0 : workflows__mono_ms(workflow->workflows) - call->began_ms,
        .budgeted = call__is_budgeted(call) && !turn,
        .talks = turn,
        .worktree = bytes_of(stays ? call->tree->git.texts[TREE_PATH] : NULL),
        .bounds = workflow->workflows->options.bounds};
    memcpy(own->end.parts, call->parts, sizeof own->end.parts);
    if (call->tree != NULL && own->end.worktree.len == 0) {
        text_init(&own->op.bytes, STEP_SPEC_MAX);
        call__write_spec(call, &own->op.bytes);
        own->end.spec = text_bytes(&own->op.bytes);
    }
    own->op.end = &own->end;
    call__send_stored(call, &own->op);
}

static void call_find_script(struct call *call);
static void call_store_script(struct call *call);

/* The call that it waits for may stand in a frame that is not read yet. */
static void call_defer(struct call *call) {
    call__enter(call, CALL_DEFERRED);
    call__release_bytes(call);
}

/* Not before its row is written: it comes again then. And not while a history is read, which would
 * have it or not: workflow__store_deferred goes on. */
void call__store(struct call *call) {
    assert(call->state == CALL_ENDED);
    if (call->row == ROW_RETRYING) {
        return;
    }
    if (call->workflow->state != WORKFLOW_LIVE) {
        call_defer(call);
    } else if (call->kind == CALL_OF_WORKFLOW && call->search == NULL) {
        call_find_script(call);
    } else if (call->kind == CALL_OF_WORKFLOW) {
        call_store_script(call);
    } else if (call->kind == CALL_OF_TIMER) {
        call__store_timer(call);
    } else {
        call_store_end(call);
    }
}

/* A run that resumes another delivers its outcomes one by one: what the script asks for after one
 * of them may be cached, and is then delivered before the next. */
bool workflow__must_wait(const struct workflow *workflow) {
    return workflow->resumed_from != 0 &&
           (workflow->cached > 0 || workflow->script < WORKFLOW_QUIET ||
            workflow__first(workflow, CALL_DEFERRED) != NULL || workflow->storing > 0 ||
            workflow__first(workflow, CALL_DONE) != NULL);
}

void call__ended(struct call *call) {
    if (call__leave_tree(call)) {
        return;
    }
    if (call->aside.text[0] != '\0') {
        AUTO(text_done) struct text note = text_up_to(RUN_SPEC_MAX);
        text_addf(&note, "%s%s%s", call->aside.text, call->note == NULL ? "" : "; ",
                  call->note == NULL ? "" : call->note);
        call__set_note(call, text_bytes(&note));
        call->aside.text[0] = '\0';
    }
    call__enter(call, CALL_ENDED);
    if (workflow__must_wait(call->workflow)) {
        call_defer(call);
        workflow__settle_quiet(call->workflow);
    } else {
        call__store(call);
    }
}

static void workflow_store_first_deferred(struct workflow *workflow) {
    struct call *call = workflow__first(workflow, CALL_DEFERRED);
    call__enter(call, CALL_ENDED);
    call__store(call);
}

void workflow__store_deferred(struct workflow *workflow) {
    while (workflow__first(workflow, CALL_DEFERRED) != NULL && workflow->resumed_from == 0) {
        workflow_store_first_deferred(workflow);
    }
}

/* --- Taken over from the run that is resumed -------------------------------------------------- */

struct cached_op {
    struct workflow_op op;
    struct step_cached cached;
    struct sha256_hex reuse; /* Room for the step's reuse_key. */
};

static struct err cached_tx(struct tx *tx, void *ctx) {
    struct cached_op *own = ctx;
    struct text *bytes = &own->op.bytes;
    struct bytes value = BYTES("");
    text_clear(bytes);
    TRY(tx_step_cached(tx, &own->cached, &own->op.late, &value));
    text_add(bytes, value.data, own->op.late ? 0 : value.len);
    return text_failed(bytes) ? text_error(bytes, "workflow: cached") : ERR_OK;
}

/* False: there was nothing. */
bool call__take_cached(struct call *call, const struct workflow_op *op) {
    text_clear(&call->result);
    if (op->late) {
        call->taken = TAKEN_NONE;
        return false;
    }
    text_add(&call->result, op->bytes.data, op->bytes.len);
    call->workflow->workflows->stats.cached++;
    call->taken = TAKEN_ONE;
    call->cause = CAUSE_COMPLETED;
    call__stored(call);
    return true;
}

/* Late: it was deleted meanwhile, and the call is asked like any other. */
static void cached_done(struct workflow_op *op) {
    struct call *call = op->call;
    struct workflow *workflow = op->workflow;
    call__release_cached(call);
    if (call__take_cached(call, op)) {
        return;
    }
    call__enter(call, CALL_IN_LINE);
    workflow->workflows->machine->pump(workflow);
    workflow__settle_quiet(workflow);
}

bool call__reuse(struct call *call, void (*done)(struct workflow_op *op)) {
    const struct workflow *workflow = call->workflow;
    if (workflow->reuse_ms == 0 || call->taken != TAKEN_UNKNOWN || !call__only_reads(call)) {
        return false;
    }
    struct cached_op *own = call__op(call, sizeof *own, cached_tx, done);
    if (call->run.text[0] == '\0') {
        call->run = workflows__new_id(workflow->workflows, "run");
    }
    text_init(&own->op.bytes, 2 * (size_t)WORKFLOW_RESULT_MAX);
    own->cached = (struct step_cached){.step = call__step(call, &own->op, &own->reuse),
                                       .from = BYTES(""),
                                       .since_ms = workflows__now_ms(workflow->workflows) -
                                                   workflow->reuse_ms};
    call__send_stored(call, &own->op);
    return true;
}

/* Settles the lowest call that the other run has answered, else the first deferred one. */
void workflow__settle_quiet(struct workflow *workflow) {
    struct call *lowest = NULL;
    if (workflow->script < WORKFLOW_QUIET || workflow->state != WORKFLOW_LIVE) {
        return;
    }
    if (workflow__first(workflow, CALL_DONE) != NULL) {
        workflow__deliver(workflow);
        return;
    }
    if (workflow->storing > 0 || workflow->searched != NULL) {
        return;
    }
    for (struct call *call = workflow__first(workflow, CALL_CACHED); call != NULL;
         call = call__next(call)) {
        if (lowest == NULL || call->cached->done_no < lowest->cached->done_no) {
            lowest = call;
        }
    }
    if (lowest != NULL && lowest->kind == CALL_OF_WORKFLOW) {
        call__enter(lowest, CALL_ENDED);
        call__store(lowest);
    } else if (lowest != NULL && lowest->kind == CALL_OF_TIMER) {
        call__store_cached_timer(lowest);
    } else if (lowest != NULL) {
        struct cached_op *own = call__op(lowest, sizeof *own, cached_tx, cached_done);
        lowest->run = workflows__new_id(workflow->workflows, "run");
        text_init(&own->op.bytes, 2 * (size_t)WORKFLOW_RESULT_MAX);
        own->cached = (struct step_cached){.step = call__step(lowest, &own->op, &own->reuse),
                                           .from = bytes_of(lowest->cached->run.text)};
        call__send_stored(lowest, &own->op);
    } else if (workflow__first(workflow, CALL_DEFERRED) != NULL) {
        workflow_store_first_deferred(workflow);
    }
}

/* --- workflow(): its script ------------------------------------------------------------------- */

void call__begin_nested(struct call *call, struct prior *old) {
    struct workflow *workflow = call->workflow;
    call->cached = old;
    workflow->cached += old != NULL;
    if (old != NULL) {
        call__enter(call, CALL_CACHED);
    } else if (workflow->resumed_from != 0) {
        call_defer(call); /* The script, which asks just now, will be quiet: then the line moves. */
    } else {
        call_find_script(call);
    }
}

struct ref_op {
    struct workflow_op op;
    struct workflow_ref ref;
    struct script_search *search; /* Owned: `ref` borrows from it. */
};

static struct err ref_tx(struct tx *tx, void *ctx) {
    struct ref_op *own = ctx;
    const struct workflow_place place = workflow__place(own->op.workflow);
    return tx_workflow_ref(tx, &place, &own->ref, &own->op.late);
}

static void ref_done(struct workflow_op *op) {
    call__release_cached(op->call);
    call__stored(op->call);
}

static void ref_forget(struct workflow_op *op) {
    script_search_free(CONTAINER_OF(op, struct ref_op, op)->search);
}

/* The op takes the search over, and borrows from it. */
static void call_store_script(struct call *call) {
    struct ref_op *own = call__op(call, sizeof *own, ref_tx, ref_done);
    const struct script_search *search = own->search = call->search;
    own->op.forget = ref_forget;
    const struct catalog_script *script = &search->script;
    call->search = NULL;
    own->ref = (struct workflow_ref){.key = bytes_of(call->key),
                                     .occurrence = call->occurrence,
                                     .note = bytes_of(search->why.text),
                                     .script = BYTES(""),
                                     .hash = BYTES(""),
                                     .file = BYTES("")};
    if (call->cause == CAUSE_COMPLETED) {
        own->ref.script = (struct bytes){script->source, script->len};
        own->ref.hash = bytes_of(script->entry.hash.text);
        own->ref.file = bytes_of(script->entry.file);
    }
    call__send_stored(call, &own->op);
}

/* --- workflow(): searched --------------------------------------------------------------------- */

static void search_run(struct pool_job *job) {
    struct script_search *search = CONTAINER_OF(job, struct script_search, job);
    if (search->why.text[0] == '\0') { /* Else it must not be searched. */
        script_search_find(search);
    }
}

static struct script_search *search_new(struct call *call);

/* A script that asks for a thousand at once gets one worker after the other to judge them, and none
 * for those whose verdict is known by then. A search is large, so it is made when it begins. */
static void workflow_search_next(struct workflow *workflow) {
    struct call *call = workflow__first(workflow, CALL_SEARCHING);
    if (call != NULL && workflow->searched == NULL) {
        link_remove(&call->link);
        workflow->searched = call;
        workflow->in_pool++;
        pool_add(&workflow->workflows->pool, &search_new(call)->job);
    }
}

static void search_end(struct script_search *search) {
    struct call *call = search->call;
    struct workflow *workflow = call->workflow;
    call->cause = search->why.text[0] == '\0' ? CAUSE_COMPLETED : CAUSE_SYNTAX_ERROR;
    call__set_note(call, bytes_of(search->why.text));
    text_done(&call->result);
    call->result = search->members;
    text_init(&search->members, 0);
    workflow->searched = NULL;
    if (workflow->resumed_from == 0) {
        call__enter(call, CALL_ENDED);
        call__store(call);
    } else {
        /* The call was the next one when its search began. Somebody may have skipped an agent
         * meanwhile, and the script, which got that outcome, asked for a call with a lower place.
         * So the order is judged again. */
        call__enter(call, call->cached != NULL ? CALL_CACHED : CALL_DEFERRED);
        if (call->cached == NULL) {
            link_remove(&call->link);
            link_add_first(&workflow->by_state[CALL_DEFERRED], &call->link);
        }
        workflow__settle_quiet(workflow);
    }
    workflow_search_next(workflow);
}

static void search_judged(void *ctx, const struct check_verdict *verdict) {
    struct script_search *search = ctx;
    if (!call__is_back(search->call)) {
        return;
    }
    if (verdict->judgement == WORKFLOW_BAD) {
        struct why why = {""};
        workflow_fault_tell(&verdict->fault, &why);
        why_set(&search->why, "workflow: %s:%.400s", search->script.entry.file, why.text);
    }
    search_end(search);
}

static struct permission_lists workflow_rules(const struct workflow *workflow) {
    return (struct permission_lists){.project = workflow->project_settings,
                                     .session = json_object_get(workflow->spec, "settings")};
}

static void search_forbid(struct script_search *search) {
    why_set(&search->why, "workflow: the settings of its session or project do not allow %.200s",
            search->path != NULL ? search->path : search->name);
}

static void search_done(struct pool_job *job) {
    struct script_search *search = CONTAINER_OF(job, struct script_search, job);
    struct workflow *workflow = search->call->workflow;
    if (!call__is_back(search->call)) {
        return;
    }
    const struct permission_lists rules = workflow_rules(workflow);
    /* A rule names a workflow by its name or by its path, and holds for the one that was found,
     * whichever of the two the script has used. */
    if (search->why.text[0] == '\0' && workflow__is_confined(workflow) &&
        !workflow_may_run_found(workflow->workflows, &rules, workflow->root,
                                &search->script.entry)) {
        search_forbid(search);
    }
    if (search->why.text[0] != '\0') {
        search_end(search);
        return;
    }
    workflow->in_pool++;
    workflows_check(workflow->workflows, &search->script, search_judged, search);
}

static struct script_search *search_new(struct call *call) {
    const struct workflow *workflow = call->workflow;
    struct script_search *search = mem_new(sizeof *search);
    const struct catalog_search places = workflow__search(workflow);
    script_search_init(search, &places, call->message);
    search->call = call;
    call->search = search;
    /* Where a model has started the run, it runs what that model may start. */
    const char *path = search->path;
    if (workflow__is_confined(workflow) && path != NULL &&
        !workflow_path_is_own(workflow->workflows, workflow->root, &path)) {
        why_set(&search->why, "workflow: %.200s is not a plain path in the project", search->path);
    } else if (workflow__is_confined(workflow)) {
        search->path = path;
        const struct permission_lists rules = workflow_rules(workflow);
        if (!workflow_may_run(&rules, path != NULL ? path : search->name)) {
            search_forbid(search);
        }
    }
    search->job = (struct pool_job){.kind = POOL_QUICK, .run = search_run, .done = search_done};
    return search;
}

static void call_find_script(struct call *call) {
    call__enter(call, CALL_SEARCHING);
    workflow_search_next(call->workflow);
}
