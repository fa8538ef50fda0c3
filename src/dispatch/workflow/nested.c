/* nested.c: workflow(): which script it names, searched in the pool, and stored with the run.
 *
 * Its outcome is stored like an agent's, so a run goes on with the same script however the file is
 * edited. The call is no agent: it takes no slot, and has no event.
 *
 * A run that resumes another reads the file again: the outcome of that run's call is not taken
 * over, only its place in the order (settle.c). There the search begins when the call is the next
 * one, not when the script asks, so that no more than a few scripts wait in memory: a run may name
 * WORKFLOW_NESTED_MAX of them, of WORKFLOW_SCRIPT_MAX bytes each. */
#include "base/hash.h"
#include "base/memory.h"
#include "dispatch/workflow/replay.h"
#include "dispatch/workflow/settle.h"
#include "dispatch/workflow/start.h"
#include "script/catalog.h"

/* A script as JSON text, whatever it holds, and some words. */
enum { MEMBERS_MAX = 7 * WORKFLOW_SCRIPT_MAX };

/* What the pool reads, and finds. */
struct script_search {
    struct pool_job job;
    struct call *call; /* Borrowed: it stays while `in_pool` counts us. */
    struct catalog_search search;
    char *name, *path;  /* Owned; one of them. */
    const json_t *args; /* Borrowed from the call; NULL: none. */
    struct catalog_script script;
    struct text members; /* Owned: of the script, as a worker wants it. */
    struct why why;      /* Empty: there is a script. */
    struct sha256_hex hash;
};

void call__forget_script(struct call *call) {
    struct script_search *search = call->search;
    call->search = NULL;
    if (search != NULL) {
        catalog_script_done(&search->script);
        text_done(&search->members);
        mem_free(search->name);
        mem_free(search->path);
        mem_free(search);
    }
}

static void search_run(struct pool_job *job) {
    struct script_search *search = CONTAINER_OF(job, struct script_search, job);
    const struct catalog_script *script = &search->script;
    const struct script_fault *fault = &script->entry.fault;
    struct why why = {""};
    if (search->why.text[0] != '\0') {
        return; /* It must not be searched. */
    }
    struct err err =
        search->path != NULL
            ? catalog_open(&search->search, search->path, &search->script, &why)
            : catalog_find(&search->search, bytes_of(search->name), &search->script, &why);
    if (err_failed(err) && why.text[0] == '\0') {
        why_set(&why, "%s", err_title(err.code));
    } else if (!err_failed(err) && !script->entry.valid) {
        why_set(&why, "%s:%u:%u: %s", script->entry.file, fault->line, fault->column,
                fault->message);
    } else if (!err_failed(err)) {
        why.text[0] = '\0';
        err = flow_args_check(&script->prepared, search->args, &why);
    }
    if (why.text[0] != '\0') {
        why_set(&search->why, "workflow: %s", why.text);
    } else if (flow__add_script((struct bytes){script->source, script->len},
                                bytes_of(script->entry.file), &search->members, &search->why)) {
        if (text_failed(&search->members)) {
            why_set(&search->why, "workflow: %s is too large", script->entry.file);
        }
        const struct sha256 digest = sha256_of(script->source, script->len);
        search->hash = sha256_hex(&digest);
    }
}

/* --- Stored ----------------------------------------------------------------------------------- */

static struct err ref_tx(struct tx *tx, void *ctx) {
    struct flow_op *op = ctx;
    const struct workflow_place place = flow__place(op->flow);
    return tx_workflow_ref(tx, &place, &op->ref, &op->late);
}

static void ref_done(struct flow_op *op) {
    struct call *call = op->call;
    flow__op_free(op);
    call->storing = false;
    call__release_cached(call);
    call__stored(call);
}

void call__store_script(struct call *call) {
    const struct script_search *search = call->search;
    const struct catalog_script *script = &search->script;
    struct flow_op *op = call__op(call, ref_tx, ref_done);
    text_init(&op->bytes, 4 * (size_t)WORKFLOW_SCRIPT_MAX);
    text_add_char(&op->bytes, ' '); /* So that there are bytes to point to. */
    op->ref = (struct workflow_ref){.key = bytes_of(call->key),
                                    .occurrence = call->occurrence,
                                    .note = BYTES(""),
                                    .script = BYTES(""),
                                    .hash = BYTES(""),
                                    .file = BYTES("")};
    if (call->cause == CAUSE_COMPLETED) {
        const size_t file_len = strlen(script->entry.file);
        text_add(&op->bytes, script->source, script->len);
        text_add_str(&op->bytes, script->entry.file);
        text_add_str(&op->bytes, search->hash.text);
        const char *data = op->bytes.data;
        op->ref.script = (struct bytes){data + 1, script->len};
        op->ref.file = (struct bytes){data + 1 + script->len, file_len};
        op->ref.hash = (struct bytes){data + op->bytes.len - WORKFLOW_HASH, WORKFLOW_HASH};
    } else {
        text_add_str(&op->bytes, call->note);
        op->ref.note = (struct bytes){op->bytes.data + 1, op->bytes.len - 1};
    }
    call__forget_script(call);
    flow__op_stores(op);
    call->storing = true;
    flow__op_send(op);
}

/* --- Found ------------------------------------------------------------------------------------ */

/* A script that asks for a thousand at once gets one worker after the other to judge them, and none
 * for those whose verdict is known by then. */
static void flow_search_next(struct flow *flow) {
    struct call *call = flow->searching.first;
    if (call != NULL && !flow->search_busy) {
        call_line_remove(&flow->searching, call);
        flow->search_busy = true;
        flow->in_pool++;
        pool_add(&flow->flows->pool, &call->search->job);
    }
}

static void search_conclude(struct script_search *search) {
    struct call *call = search->call;
    call->cause = search->why.text[0] == '\0' ? CAUSE_COMPLETED : CAUSE_SYNTAX_ERROR;
    call->note = mem_copy(search->why.text, strlen(search->why.text));
    text_done(&call->result);
    call->result = search->members;
    text_init(&search->members, 0);
    call->flow->search_busy = false;
    call__found(call);
    flow_search_next(call->flow);
}

static void search_judged(void *ctx, const struct flow_verdict *verdict) {
    struct script_search *search = ctx;
    if (!call__is_back(search->call)) {
        return;
    }
    if (verdict->judgement == FLOW_BAD) {
        struct why why = {""};
        flow_fault_tell(&verdict->fault, &why);
        why_set(&search->why, "workflow: %s:%.400s", search->script.entry.file, why.text);
    }
    search_conclude(search);
}

static bool flow_is_confined(const struct flow *flow) {
    return json_is_true(json_object_get(flow->spec, "confined"));
}

static void search_forbid(struct script_search *search, const char *subject) {
    why_set(&search->why, "workflow: the settings of its session do not allow %.200s", subject);
}

static void search_done(struct pool_job *job) {
    struct script_search *search = CONTAINER_OF(job, struct script_search, job);
    struct flow *flow = search->call->flow;
    if (!call__is_back(search->call)) {
        return;
    }
    /* A rule names a workflow by its name or by its path, and holds for the one that was found,
     * whichever of the two the script has used. */
    if (search->why.text[0] == '\0' && flow_is_confined(flow) &&
        !flow_may_run_found(flow->flows, json_object_get(flow->spec, "settings"), flow->root,
                            &search->script.entry)) {
        search_forbid(search, search->path != NULL ? search->path : search->name);
    }
    if (search->why.text[0] != '\0') {
        search_conclude(search);
        return;
    }
    const struct flow_check_ask ask = flow_check_ask_of(&search->script, &search->hash);
    flow->in_pool++;
    flows_check(flow->flows, &ask, search_judged, search);
}

/* A model has started it: it runs what that model may start. */
static void search_confine(struct script_search *search) {
    const struct flow *flow = search->call->flow;
    const char *path = search->path;
    if (path != NULL && !flow_path_is_own(flow->flows, flow->root, &path)) {
        why_set(&search->why, "workflow: %.200s is no plain path of the project", search->path);
        return;
    }
    const char *subject = path != NULL ? path : search->name;
    if (!flow_may_run(json_object_get(flow->spec, "settings"), subject)) {
        search_forbid(search, subject);
    } else if (path != NULL) {
        char *own = mem_copy(path, strlen(path));
        mem_free(search->path);
        search->path = own;
    }
}

void call__find_script(struct call *call) {
    struct flow *flow = call->flow;
    struct script_search *search = mem_new(sizeof *search);
    const char *path = json_str(call->message, "path", NULL);
    const char *name = json_str(call->message, "name", path == NULL ? "" : NULL);
    call->search = search;
    search->call = call;
    text_init(&search->members, MEMBERS_MAX);
    search->search = flow->flows->options.search;
    search->search.root = flow->root;
    search->name = name == NULL ? NULL : mem_copy(name, strlen(name));
    search->path = path == NULL ? NULL : mem_copy(path, strlen(path));
    search->args = json_object_get(call->message, "args");
    if (flow_is_confined(flow)) {
        search_confine(search);
    }
    search->job = (struct pool_job){.kind = POOL_QUICK, .run = search_run, .done = search_done};
    call->state = CALL_SEARCHING;
    call_line_append(&flow->searching, call);
    flow_search_next(flow);
}
