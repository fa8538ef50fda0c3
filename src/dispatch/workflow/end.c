/* end.c: the end of a workflow: its script returned or threw, its worker died, somebody stopped it;
 * and then its memory. */
#include <errno.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/workflow/agent.h"
#include "dispatch/workflow/history.h"

enum {
    FREE_PART = 32, /* Calls that one turn of the loop frees. */
    REFUSAL_MAX = 400,
};

/* --- Its memory ------------------------------------------------------------------------------- */

/* Thousands of calls of workflow() and timers are only passed over: no model is asked for them. */
static struct call *workflow_next_agent(const struct workflow *workflow, const struct call *after) {
    struct call *call = workflow__next_call(workflow, after);
    while (call != NULL && call->kind != CALL_OF_AGENT) {
        call = workflow__next_call(workflow, call);
    }
    return call;
}

/* A part of its calls in each turn of the loop; then the rest. */
static void workflow_free_part(struct loop_task *task) {
    struct workflow *workflow = CONTAINER_OF(task, struct workflow, free_task);
    struct workflows *workflows = workflow->workflows;
    size_t left = workflows->asker.stopping ? SIZE_MAX : FREE_PART;
    for (struct call *call = workflow__next_call(workflow, NULL), *next; call != NULL && left > 0;
         call = next, left--) {
        next = workflow__next_call(workflow, call);
        call__free(call);
    }
    if (workflow->calls.count > 0) {
        loop_soon(workflows->options.loop, task);
        return;
    }
    link_remove(&workflow->freed);
    link_remove(&workflow->pulse.link);
    retry_done(&workflow->loading);
    workflow__free_priors(&workflow->open);
    workflow__free_priors(&workflow->reusable);
    table_done(&workflow->calls);
    table_done(&workflow->open);
    table_done(&workflow->reusable);
    json_decref(workflow->spec);
    json_decref(workflow->project_settings);
    json_decref(workflow->warned);
    mem_free(workflow->owner);
    mem_free(workflow->model);
    mem_free(workflow->root);
    mem_free(workflow->label);
    mem_free(workflow);
    workflows__maybe_stopped(workflows);
}

/* Once nothing of it is away, nobody finds it any more. Its memory is freed in parts, and never
 * within the callback in which it ended: its caller may still hold it. */
void workflow__maybe_free(struct workflow *workflow) {
    struct workflows *workflows = workflow->workflows;
    struct loop *loop = workflows->options.loop;
    bool away = workflow->in_pool > 0;
    if (workflow->state == WORKFLOW_FREED ||
        (workflow->state != WORKFLOW_ENDED && !workflows->asker.stopping)) {
        return;
    }
    workflow__close_worker(workflow);
    timer_stop(loop, &workflow->deadline);
    timer_stop(loop, &workflow->rebuild);
    workflow__drop_delayed(workflow);
    loop_task_cancel(loop, &workflow->deliver_task);
    for (struct workflow_op *op = workflow->ops; op != NULL; op = op->next) {
        ask_stop(&op->ask);
        away = away || op->away;
    }
    for (struct call *call = NULL; (call = workflow_next_agent(workflow, call)) != NULL;) {
        call__cancel(call);
    }
    if (away) {
        return;
    }
    workflow__enter(workflow, WORKFLOW_FREED);
    while (workflow->ops != NULL) {
        workflow__op_free(workflow->ops);
    }
    workflow__release_build(workflow);
    workflow__load_free(workflow);
    for (size_t i = 0; i < workflow->line_count; i++) {
        mem_free((char *)workflow->lines[i].text.data);
    }
    table_remove(&workflows->workflows, &workflow->node);
    table_remove(&workflows->ids, &workflow->id_node);
    link_add_last(&workflows->freed, &workflow->freed);
    workflow->free_task.run = workflow_free_part;
    loop_soon(loop, &workflow->free_task);
}

void workflow__ended(struct workflow *workflow) {
    workflow__enter(workflow, WORKFLOW_ENDED);
    workflow__maybe_free(workflow);
}

/* --- Its end, stored -------------------------------------------------------------------------- */

struct end_op {
    struct workflow_op op;
    struct workflow_end whole;
};

static struct err workflow_end_tx(struct tx *tx, void *ctx) {
    struct end_op *own = ctx;
    return tx_workflow_end(tx, &own->whole, &own->op.late);
}

static struct err workflow_close_tx(struct tx *tx, void *ctx) {
    struct end_op *own = ctx;
    const struct run_give_up what = {.run = own->whole.run,
                                     .attempt = own->whole.attempt,
                                     .sentence = own->whole.note,
                                     .exit_code = -1,
                                     .bounds = own->whole.bounds};
    return tx_run_give_up(tx, &what, &own->op.late);
}

static void workflow_end_done(struct workflow_op *op) {
    workflow__ended(op->workflow);
}

/* `result`, `error`: JSON or empty; copied. */
static void workflow_store_end(struct workflow *workflow, enum run_cause cause, struct bytes result,
                               struct bytes error, const char *note) {
    struct loop *loop = workflow->workflows->options.loop;
    workflow__enter(workflow, WORKFLOW_ENDING);
    retry_done(&workflow->loading);
    workflow__close_worker(workflow);
    timer_stop(loop, &workflow->deadline);
    timer_stop(loop, &workflow->rebuild);
    struct end_op *own = workflow__op(workflow, sizeof *own, workflow_end_tx, workflow_end_done);
    struct text *text = &own->op.bytes;
    size_t asked = 0, took_count = 0;
    for (struct call *call = NULL; (call = workflow_next_agent(workflow, call)) != NULL;) {
        call__cancel(call);
        asked += call->calls > 0 && call->state != CALL_DONE;
    }
    struct step_took *took = own->op.owned = mem_new_array(asked + 1, sizeof *took);
    /* Usage of an agent that is one call of a model is charged with the end of its run; an agent
     * with tools has a turn, which charges its own usage. */
    for (struct call *call = NULL;
         took_count < asked && (call = workflow_next_agent(workflow, call)) != NULL;) {
        if (call->calls > 0 && call->state != CALL_DONE) {
            took[took_count++] = (struct step_took){
                .run = bytes_of(call->run.text),
                .model = bytes_of(call->model),
                .usage = call->usage,
                .cost = call->cost,
                .calls = call->calls,
                .took_ms = workflows__mono_ms(workflow->workflows) - call->began_ms,
                .calls_unpriced = call->calls - call->calls_priced};
        }
    }
    text_init(text, WORKFLOW_ORDER_MAX);
    text_add(text, result.data, result.len);
    text_add(text, error.data, error.len);
    text_add_str(text, note);
    const char *bytes = text_bytes(text).data;
    own->whole = (struct workflow_end){.run = workflow__run(workflow),
                                       .attempt = workflow->attempt,
                                       .cause = cause,
                                       .result = {bytes, result.len},
                                       .error = {bytes + result.len, error.len},
                                       .note = {bytes + result.len + error.len, strlen(note)},
                                       .items_failed = workflow->items_failed,
                                       .calls_failed = workflow->calls_failed,
                                       .took = took,
                                       .took_count = took_count,
                                       .project = workflow__project(workflow),
                                       .bounds = workflow->workflows->options.bounds};
    workflow__op_send(&own->op);
    /* Trees are removed after it: until then they have their turns. */
    for (struct call *call = NULL; (call = workflow_next_agent(workflow, call)) != NULL;) {
        call__sweep_tree(call);
    }
    for (struct table_node *node = NULL; (node = table_next(&workflow->open, node)) != NULL;) {
        prior__sweep_tree(workflow, CONTAINER_OF(node, struct prior, node));
    }
}

void workflow__end(struct workflow *workflow, enum run_cause cause, const char *note) {
    AUTO(text_done) struct text error = text_up_to(RUN_SPEC_MAX);
    if (workflow->state >= WORKFLOW_ENDING) {
        return;
    }
    if (cause != CAUSE_STOPPED) {
        text_add_char(&error, '{');
        text_add_member(&error, "code", bytes_of(run_cause_name(cause)));
        text_add_member(&error, "message", bytes_of(note));
        text_add_char(&error, '}');
    }
    workflow_store_end(workflow, cause, BYTES(""), text_bytes(&error), note);
}

/* No retry goes better, and the run ends with the cause. Where its end is refused as well it is
 * stored with nothing but the cause, then without a look at its agents; after that the row is left
 * to the next start of the daemon. */
void workflow__refused(struct workflow_op *op, struct err err) {
    struct workflow *workflow = op->workflow;
    struct workflows *workflows = workflow->workflows;
    struct workflow_end *whole = &CONTAINER_OF(op, struct end_op, op)->whole; /* If it is one. */
    if (op->fn == workflow_end_tx && whole->cause != CAUSE_NOT_STORED) {
        whole->cause = CAUSE_NOT_STORED;
        whole->note = BYTES("its end could not be stored with its result");
    } else if (op->fn == workflow_end_tx) {
        op->fn = workflow_close_tx;
        text_clear(&op->bytes);
        text_addf(&op->bytes, "its end could not be stored: %s (%s)", err_title(err.code),
                  err_name(err.code));
        whole->note = text_bytes(&op->bytes);
    } else if (op->fn == workflow_close_tx) {
        asker_report(&workflows->asker,
                     "the end of a workflow could not be stored: the next start tries again",
                     workflow__run(workflow), err);
        effects_abandon(workflows->options.effects, &op->ask.retry.effect);
        workflow__op_free(op);
        workflow__ended(workflow);
        return;
    } else {
        char note[REFUSAL_MAX];
        const bool unfit = op->begin != NULL && workflows__is_for_good(err);
        if (unfit) {
            const struct bytes label = op->begin->label;
            (void)snprintf(note, sizeof note, "its agent \"%.*s\" cannot be begun: %s (%s)",
                           (int)utf8_cut(label, REFUSAL_MAX / 2), label.data, err_title(err.code),
                           err_name(err.code));
        } else {
            (void)snprintf(note, sizeof note, "a step of it could not be stored or read: %s (%s)",
                           err_title(err.code), err_name(err.code));
        }
        asker_report(&workflows->asker,
                     unfit ? "an agent of a workflow cannot be begun"
                           : "a step of a workflow could not be stored or read: it ends",
                     workflow__run(workflow), err);
        workflow->page_op = workflow->page_op == op ? NULL : workflow->page_op;
        workflow__op_free(op);
        workflow__end(workflow, unfit ? CAUSE_SCRIPT_ERROR : CAUSE_NOT_STORED, note);
        return;
    }
    whole->result = whole->error = BYTES("");
    workflow__op_send(op);
}

/* --- Its script ended ------------------------------------------------------------------------- */

/* Bytes of what a script threw: it has to fit into an event. */
enum {
    ERROR_WORDS_MAX = 8 << 10,
    ERROR_NAME_MAX = 200,
    ERROR_NOTE_MAX = 400,
    ERROR_FILE_MAX = 4 << 10
};

static struct bytes error_head(const json_t *end, const char *name, size_t size_max) {
    const struct bytes whole = bytes_of(json_str(end, name, ""));
    return (struct bytes){whole.data, utf8_cut(whole, size_max)};
}

void workflow__end_with(struct workflow *workflow, const json_t *end, const struct text *written) {
    static const enum run_cause known[] = {
        CAUSE_SCRIPT_ERROR,    CAUSE_SYNTAX_ERROR,   CAUSE_SCRIPT_STUCK,     CAUSE_MEMORY_EXCEEDED,
        CAUSE_TOO_MANY_CALLS,  CAUSE_TOO_MANY_LINES, CAUSE_OUTPUT_TOO_LARGE, CAUSE_RESULT_NOT_JSON,
        CAUSE_REPLAY_DIVERGED, CAUSE_NEVER_SETTLES,
    };
    static const struct {
        const char *name;
        size_t size_max; /* 0: a number. */
    } members[] = {
        {"message", ERROR_WORDS_MAX}, {"name", ERROR_NAME_MAX},  {"line", 0}, {"column", 0},
        {"file", ERROR_FILE_MAX},     {"stack", ERROR_WORDS_MAX}};
    AUTO(text_done) struct text own = text_up_to(WORKFLOW_RESULT_MAX);
    AUTO(text_done) struct text error = text_up_to(RUN_SPEC_MAX);
    AUTO(text_done) struct text note = text_up_to(RUN_SPEC_MAX);
    const json_t *value = json_object_get(end, "result");
    if (json_is_true(json_object_get(end, "ok"))) {
        if (written == NULL && value != NULL && err_failed(json_write(value, &own))) {
            own.failed = true;
        }
        written = written == NULL ? &own : written;
        if (json_is_true(json_object_get(end, "again"))) {
            workflow__give_worker_back(workflow);
        }
        if (text_failed(written)) {
            workflow__end(workflow, CAUSE_OUTPUT_TOO_LARGE, "its result has more than 1 MB");
        } else {
            workflow_store_end(workflow, CAUSE_COMPLETED, text_bytes(written), BYTES(""), "");
        }
        return;
    }
    enum run_cause cause = CAUSE_SCRIPT_ERROR;
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        bool named = strcmp(json_str(end, "code", ""), run_cause_name(known[i])) == 0;
        cause = named ? known[i] : cause;
    }
    text_add_char(&error, '{');
    text_add_member(&error, "code", bytes_of(run_cause_name(cause)));
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        const char *name = members[i].name;
        value = json_object_get(end, name);
        if (members[i].size_max == 0 && json_is_integer(value)) {
            text_add_member_int(&error, name, json_integer_value(value));
        } else if (members[i].size_max > 0 && json_is_string(value)) {
            text_add_member(&error, name, error_head(end, name, members[i].size_max));
        }
    }
    text_add_char(&error, '}');
    const char *within = json_str(end, "file", "");
    const char *file = within[0] != '\0' ? within : json_str(workflow->spec, "file", "");
    const struct bytes message = error_head(end, "message", ERROR_NOTE_MAX);
    int64_t line = json_int(end, "line", 0);
    if (line > 0) {
        text_addf(&note, "%.400s:%lld: ", file[0] == '\0' ? "script" : file, (long long)line);
    }
    text_add(&note, message.data, message.len);
    workflow_store_end(workflow, cause, BYTES(""), text_bytes(&error), text_bytes(&note).data);
}

/* --- Its worker died -------------------------------------------------------------------------- */

void workflow__crashed(struct workflow *workflow, const struct script_end *end) {
    struct workflows *workflows = workflow->workflows;
    unsigned shift = 0;
    if (workflow->state != WORKFLOW_LIVE || workflows->asker.stopping) {
        return;
    }
    if (end->kind == SCRIPT_STUCK) {
        workflow__end(workflow, CAUSE_SCRIPT_STUCK, "it computed for too long without waiting");
        return;
    }
    /* No fault of its script: the process that it was forked from died, or there could be none. It
     * is retried for as long as it takes, as the store is. */
    if (end->kind == SCRIPT_LOST || end->kind == SCRIPT_NOT_STARTED) {
        if (end->number == ENFILE || (end->number == EMFILE && !shortage_room())) {
            shortage_report(workflows->options.shortage, "start a script",
                            err_from_errno(end->number, "script: start"));
        }
        shift = workflow->lost_workers < 6 ? workflow->lost_workers : 6;
        workflow->lost_workers++;
        workflow__recheck_build(workflow);
    } else {
        workflow->crashes++;
        workflows->stats.crashes++;
        workflow->fresh = false;
        if (workflow->crashes > WORKFLOW_CRASHES_MAX) {
            char note[200];
            (void)snprintf(note, sizeof note, "its worker ended by itself, %lld times: %s",
                           (long long)workflow->crashes, end->detail);
            workflow__end(workflow, CAUSE_WORKER_CRASHED, note);
            return;
        }
        shift = (unsigned)(workflow->crashes - 1);
    }
    workflow__reload_in(workflow, (uint64_t)WORKFLOW_CRASH_MS << shift);
}
