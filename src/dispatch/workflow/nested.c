/* nested.c: workflow(): which script it names, found in the pool, and kept with the run.
 *
 * What it came to is stored like an agent's outcome, so a run goes on with the same script however
 * the file is edited. The call is no agent: it takes no place, and has no event.
 *
 * A run that resumes another reads the file anew: the outcome of that run's call is not taken over,
 * only its place in the order (settle.c). There the search begins when the call is the next
 * one, not when the script asks, so that no more than a few scripts wait in memory: a run may name
 * WORKFLOW_NESTED_MAX of them, of WORKFLOW_SCRIPT_MAX bytes each. */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "dispatch/workflow/args.h"
#include "dispatch/workflow/flow.h"
#include "dispatch/workflow/replay.h"
#include "dispatch/workflow/start.h"
#include "script/catalog.h"

/* A script as JSON text, whatever it holds, and some words. */
enum { MEMBERS_MAX = 7 * WORKFLOW_SCRIPT_MAX };

/* What the pool reads, and finds. */
struct finding {
    struct pool_job job;
    struct call *call; /* Borrowed: it stays while `in_pool` counts us. */
    struct catalog_search search;
    char *name, *path;  /* Owned; one of them. */
    const json_t *args; /* Borrowed from the call; NULL: none. */
    struct catalog_script script;
    struct text members; /* Owned: of the script, as a worker wants it. */
    struct err err;
    struct why why; /* Empty: there is a script. */
    struct sha256_hex hash;
};

void call__forget_script(struct call *call) {
    struct finding *finding = call->finding;
    call->finding = NULL;
    if (finding == NULL) {
        return;
    }
    catalog_script_done(&finding->script);
    text_done(&finding->members);
    mem_free(finding->name);
    mem_free(finding->path);
    mem_free(finding);
}

static void check_args(struct finding *finding) {
    struct why why = {""};
    if (err_failed(flow_args_check(&finding->script.prepared, finding->args, &why))) {
        why_set(&finding->why, "workflow: %s", why.text);
    } else {
        finding->why.text[0] = '\0';
    }
}

static void describe(struct finding *finding) {
    const struct catalog_script *script = &finding->script;
    if (err_failed(finding->err)) {
        const struct why why = finding->why;
        why_set(&finding->why, "workflow: %s",
                why.text[0] != '\0' ? why.text : err_title(finding->err.code));
    } else if (!script->entry.valid) {
        why_set(&finding->why, "workflow: %s:%u:%u: %s", script->entry.file,
                script->entry.fault.line, script->entry.fault.column, script->entry.fault.message);
    } else {
        check_args(finding);
    }
}

static void write_members(struct finding *finding) {
    const struct catalog_script *script = &finding->script;
    const struct bytes source = {script->source, script->len};
    const struct bytes file = bytes_of(script->entry.file);
    if (!flow__add_script(source, file, &finding->members, &finding->why)) {
        return;
    }
    if (text_failed(&finding->members)) {
        why_set(&finding->why, "workflow: %s is too large", script->entry.file);
    }
    const struct sha256 digest = sha256_of(script->source, script->len);
    finding->hash = sha256_hex(&digest);
}

static void find_run(struct pool_job *job) {
    struct finding *finding = CONTAINER_OF(job, struct finding, job);
    if (finding->why.text[0] != '\0') {
        return; /* It may not be looked for. */
    }
    if (finding->path != NULL) {
        finding->err =
            catalog_open(&finding->search, finding->path, &finding->script, &finding->why);
    } else {
        const struct bytes name = bytes_of(finding->name);
        finding->err = catalog_find(&finding->search, name, &finding->script, &finding->why);
    }
    describe(finding);
    if (finding->why.text[0] == '\0') {
        write_members(finding);
    }
}

/* --- Stored ----------------------------------------------------------------------------------- */

static struct err ref_tx(struct tx *tx, void *ctx) {
    struct flow_errand *errand = ctx;
    const struct workflow_place place = flow__place(errand->flow);
    return tx_workflow_ref(tx, &place, &errand->ref, &errand->late);
}

static void ref_done(struct flow_errand *errand) {
    struct call *call = errand->call;
    flow__errand_free(errand);
    call->storing = false;
    call__leave_old(call);
    flow__stored(call);
}

static struct bytes keep(struct flow_errand *errand, size_t from) {
    return (struct bytes){errand->bytes.data + from, errand->bytes.len - from};
}

void call__store_script(struct call *call) {
    const struct finding *finding = call->finding;
    struct flow_errand *errand = flow__errand(call->flow, ref_tx, ref_done);
    const struct catalog_script *script = &finding->script;
    bool found = call->cause == CAUSE_COMPLETED;
    text_init(&errand->bytes, 4 * (size_t)WORKFLOW_SCRIPT_MAX);
    text_add_char(&errand->bytes, ' '); /* So that there are bytes to point to. */
    errand->call = call;
    errand->ref = (struct workflow_ref){.key = {call->key, WORKFLOW_HASH},
                                        .occurrence = call->occurrence,
                                        .note = {"", 0},
                                        .script = {"", 0},
                                        .hash = {"", 0},
                                        .file = {"", 0}};
    if (found) {
        text_add(&errand->bytes, script->source, script->len);
        text_add_str(&errand->bytes, script->entry.file);
        text_add_str(&errand->bytes, finding->hash.text);
        errand->ref.script = (struct bytes){errand->bytes.data + 1, script->len};
        errand->ref.file =
            (struct bytes){errand->bytes.data + 1 + script->len, strlen(script->entry.file)};
        errand->ref.hash = keep(errand, errand->bytes.len - WORKFLOW_HASH);
    } else {
        text_add_str(&errand->bytes, call->note);
        errand->ref.note = keep(errand, 1);
    }
    call__forget_script(call);
    errand->stores = true;
    call->flow->storing++;
    call->storing = true;
    flow__send(errand);
}

/* --- Found ------------------------------------------------------------------------------------ */

static void find_next(struct flow *flow);

/* What it came to is known. */
static void conclude(struct finding *finding) {
    struct call *call = finding->call;
    call->cause = finding->why.text[0] == '\0' ? CAUSE_COMPLETED : CAUSE_SYNTAX_ERROR;
    call->note = mem_copy(finding->why.text, strlen(finding->why.text));
    text_done(&call->result);
    call->result = finding->members;
    text_init(&finding->members, 0);
    call->flow->seeks = false;
    call__found(call);
    find_next(call->flow);
}

static void checked(void *ctx, const struct flow_verdict *verdict) {
    struct finding *finding = ctx;
    struct flow *flow = finding->call->flow;
    flow->in_pool--;
    if (flow->ended || flow->flows->stopping || flow->state == FLOW_ENDING) {
        flow__maybe_free(flow);
        return;
    }
    if (verdict->judgement == FLOW_BAD) {
        struct why why = {""};
        flow_fault_tell(&verdict->fault, &why);
        why_set(&finding->why, "workflow: %s:%.400s", finding->script.entry.file, why.text);
    }
    conclude(finding);
}

static void check(struct finding *finding) {
    const struct catalog_script *script = &finding->script;
    const struct flow_check_ask ask = {.source = {script->source, script->len},
                                       .text = {script->prepared.text, script->prepared.len},
                                       .form = script->prepared.form,
                                       .file = {script->entry.file, strlen(script->entry.file)},
                                       .hash = finding->hash};
    struct flow *flow = finding->call->flow;
    flow->in_pool++;
    flows_check(flow->flows, &ask, checked, finding);
}

static void forbid(struct finding *finding, const char *subject) {
    finding->err = err_make(ERR_FORBIDDEN, "workflow: rules");
    why_set(&finding->why, "workflow: the settings of its session do not allow %.200s", subject);
}

/* A rule names a workflow by its name or by its path, and holds for the one that was found,
 * whichever of the two the script has said. */
static void confine_found(struct finding *finding) {
    const struct flow *flow = finding->call->flow;
    const struct catalog_entry *entry = &finding->script.entry;
    if (finding->why.text[0] == '\0' && json_is_true(json_object_get(flow->spec, "confined")) &&
        !flow_may_run_found(flow->flows, json_object_get(flow->spec, "settings"), flow->root,
                            entry)) {
        forbid(finding, finding->path != NULL ? finding->path : finding->name);
    }
}

static void found(struct pool_job *job) {
    struct finding *finding = CONTAINER_OF(job, struct finding, job);
    struct call *call = finding->call;
    struct flow *flow = call->flow;
    struct flows *flows = flow->flows;
    flow->in_pool--;
    if (flow->ended || flows->stopping || flow->state == FLOW_ENDING) {
        flow__maybe_free(flow);
        flows__maybe_stopped(flows);
        return;
    }
    confine_found(finding);
    if (finding->why.text[0] == '\0') {
        check(finding);
    } else {
        conclude(finding);
    }
}

static char *text_of(const json_t *json, const char *name) {
    const char *text = json_string_value(json_object_get(json, name));
    return text == NULL ? NULL : mem_copy(text, strlen(text));
}

/* A script that asks for a thousand at once gets one worker after the other to judge them, and none
 * for those that are known by then. */
static void find_next(struct flow *flow) {
    struct call *call = flow->seeking;
    if (call == NULL || flow->seeks) {
        return;
    }
    flow->seeking = call->next;
    flow->seeking_end = flow->seeking == NULL ? &flow->seeking : flow->seeking_end;
    flow->seeks = true;
    flow->in_pool++;
    pool_add(&flow->flows->pool, &call->finding->job);
}

/* A model has started it: it runs what that model may start. */
static void confine(struct finding *finding) {
    const struct flow *flow = finding->call->flow;
    const char *path = finding->path;
    if (path != NULL && !flow_path_is_own(flow->flows, flow->root, &path)) {
        finding->err = err_make(ERR_FORBIDDEN, "workflow: path");
        why_set(&finding->why, "workflow: %.200s is no plain path of the project", finding->path);
        return;
    }
    const char *subject = path != NULL ? path : finding->name;
    if (!flow_may_run(json_object_get(flow->spec, "settings"), subject)) {
        forbid(finding, subject);
    } else if (path != NULL) {
        char *own = mem_copy(path, strlen(path));
        mem_free(finding->path);
        finding->path = own;
    }
}

void call__find_script(struct call *call) {
    struct flow *flow = call->flow;
    struct finding *finding = mem_new(sizeof *finding);
    call->finding = finding;
    finding->call = call;
    text_init(&finding->members, MEMBERS_MAX);
    finding->search = flow->flows->options.search;
    finding->search.root = flow->root;
    finding->name = text_of(call->message, "name");
    finding->path = text_of(call->message, "path");
    finding->args = json_object_get(call->message, "args");
    if (finding->name == NULL && finding->path == NULL) {
        finding->name = mem_copy("", 0);
    }
    if (json_is_true(json_object_get(flow->spec, "confined"))) {
        confine(finding);
    }
    finding->job = (struct pool_job){.kind = POOL_QUICK, .run = find_run, .done = found};
    call->state = CALL_FINDING;
    call__append(call, &flow->seeking_end);
    find_next(flow);
}
