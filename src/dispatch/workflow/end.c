/* end.c: how a workflow ends: its script returned or threw, its worker died, somebody stopped
 * it. */
#include <errno.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/workflow/agent.h"
#include "dispatch/workflow/history.h"

/* --- Stored ----------------------------------------------------------------------------------- */

static struct err end_tx(struct tx *tx, void *ctx) {
    struct flow_op *op = ctx;
    return tx_workflow_end(tx, &op->whole, &op->late);
}

static struct err close_tx(struct tx *tx, void *ctx) {
    struct flow_op *op = ctx;
    const struct run_give_up what = {.run = op->whole.run,
                                     .attempt = op->whole.attempt,
                                     .sentence = op->whole.note,
                                     .exit_code = -1,
                                     .bounds = op->whole.bounds};
    return tx_run_give_up(tx, &what, &op->late);
}

static void end_done(struct flow_op *op) {
    flow__ended(op->flow);
}

/* No retry goes better, and the run ends with the cause. Where its end is refused as well it is
 * stored with nothing but the cause, then without a look at its agents; after that the row is left
 * to the next start of the daemon. */
void flow__refused(struct flow_op *op, struct err err) {
    struct flow *flow = op->flow;
    struct flows *flows = flow->flows;
    if (op->fn == end_tx && op->whole.cause != CAUSE_NOT_STORED) {
        op->whole.cause = CAUSE_NOT_STORED;
        op->whole.note = BYTES("its end could not be stored with its result");
    } else if (op->fn == end_tx) {
        op->fn = close_tx;
        text_clear(&op->bytes);
        text_addf(&op->bytes, "its end could not be stored: %s (%s)", err_title(err.code),
                  err_name(err.code));
        op->whole.note = text_bytes(&op->bytes);
    } else if (op->fn == close_tx) {
        asker_report(&flows->asker,
                     "the end of a workflow could not be stored: the next start tries again",
                     flow__run(flow), err);
        effects_abandon(flows->options.effects, &op->retry.effect, "store the end of a workflow",
                        err);
        flow__op_free(op);
        flow__ended(flow);
        return;
    } else {
        char note[400];
        (void)snprintf(note, sizeof note, "a step of it could not be stored or read: %s (%s)",
                       err_title(err.code), err_name(err.code));
        asker_report(&flows->asker, "a step of a workflow could not be stored or read: it ends",
                     flow__run(flow), err);
        flow->page_op = flow->page_op == op ? NULL : flow->page_op;
        flow__op_free(op);
        flow__end(flow, CAUSE_NOT_STORED, note);
        return;
    }
    op->whole.result = op->whole.error = BYTES("");
    op->retry.tries = 0;
    flow__op_send(op);
}

/* `result`, `error`: JSON or empty; copied. */
static void flow_store_end(struct flow *flow, enum run_cause cause, struct bytes result,
                           struct bytes error, const char *note) {
    struct loop *loop = flow->flows->options.loop;
    flow__enter(flow, FLOW_ENDING);
    retry_done(&flow->loading);
    flow__close_worker(flow);
    timer_stop(loop, &flow->deadline);
    timer_stop(loop, &flow->rebuild);
    struct flow_op *op = flow__op(flow, end_tx, end_done);
    size_t took_count = 0;
    op->took = mem_new_array(flow->calls.count + 1, sizeof *op->took);
    /* Usage of an agent that is one call of a model is charged with the end of its run; an agent
     * with tools has a turn, which charges its own usage. */
    for (struct call *call = NULL; (call = flow__next_call(flow, call)) != NULL;) {
        call__cancel(call);
        if (call->calls > 0 && call->state != CALL_DONE) {
            op->took[took_count++] =
                (struct step_took){.run = bytes_of(call->run.text),
                                   .model = bytes_of(call->model),
                                   .usage = call->usage,
                                   .cost = call->cost,
                                   .calls = call->calls,
                                   .took_ms = flows__mono_ms(flow->flows) - call->began_ms,
                                   .calls_unpriced = call->calls - call->calls_priced};
        }
    }
    text_init(&op->bytes, FLOW_ORDER_MAX);
    text_add(&op->bytes, result.data, result.len);
    text_add(&op->bytes, error.data, error.len);
    text_add_str(&op->bytes, note);
    const char *bytes = text_bytes(&op->bytes).data;
    op->whole = (struct workflow_end){.run = flow__run(flow),
                                      .attempt = flow->attempt,
                                      .cause = cause,
                                      .result = {bytes, result.len},
                                      .error = {bytes + result.len, error.len},
                                      .note = {bytes + result.len + error.len, strlen(note)},
                                      .took = op->took,
                                      .took_count = took_count,
                                      .project = flow__project(flow),
                                      .bounds = flow->flows->options.bounds};
    flow__op_send(op);
    /* Trees are removed after it: until then they have their turns. */
    for (struct call *call = NULL; (call = flow__next_call(flow, call)) != NULL;) {
        call__sweep_tree(call);
    }
    for (struct table_node *node = NULL; (node = table_next(&flow->open, node)) != NULL;) {
        prior__sweep_tree(flow, CONTAINER_OF(node, struct prior, node));
    }
}

void flow__end(struct flow *flow, enum run_cause cause, const char *note) {
    AUTO(text_done) struct text error = text_up_to(RUN_SPEC_MAX);
    if (flow->state >= FLOW_ENDING) {
        return;
    }
    if (cause != CAUSE_STOPPED) {
        text_add_char(&error, '{');
        text_add_member(&error, "code", bytes_of(run_cause_name(cause)));
        text_add_member(&error, "message", bytes_of(note));
        text_add_char(&error, '}');
    }
    flow_store_end(flow, cause, BYTES(""), text_bytes(&error), note);
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

void flow__end_with(struct flow *flow, const json_t *end, const struct text *written) {
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
        if (text_failed(written)) {
            flow__end(flow, CAUSE_OUTPUT_TOO_LARGE, "its result has more than 1 MB");
        } else {
            flow_store_end(flow, CAUSE_COMPLETED, text_bytes(written), BYTES(""), "");
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
    const char *file = within[0] != '\0' ? within : json_str(flow->spec, "file", "");
    const struct bytes message = error_head(end, "message", ERROR_NOTE_MAX);
    int64_t line = json_int(end, "line", 0);
    if (line > 0) {
        text_addf(&note, "%.400s:%lld: ", file[0] == '\0' ? "script" : file, (long long)line);
    }
    text_add(&note, message.data, message.len);
    flow_store_end(flow, cause, BYTES(""), text_bytes(&error), text_bytes(&note).data);
}

/* --- Its worker died -------------------------------------------------------------------------- */

void flow__crashed(struct flow *flow, const struct script_end *end) {
    struct flows *flows = flow->flows;
    unsigned shift = 0;
    if (flow->state != FLOW_LIVE || flows->asker.stopping) {
        return;
    }
    if (end->kind == SCRIPT_STUCK) {
        flow__end(flow, CAUSE_SCRIPT_STUCK, "it computed for too long without waiting");
        return;
    }
    /* No fault of its script: the process that it was forked from died, or there could be none. It
     * is retried for as long as it takes, as the store is. */
    if (end->kind == SCRIPT_LOST || end->kind == SCRIPT_NOT_STARTED) {
        if (end->number == ENFILE || (end->number == EMFILE && !shortage_room())) {
            shortage_report(flows->options.shortage, "start a script",
                            err_from_errno(end->number, "script: start"));
        }
        shift = flow->lost_workers < 6 ? flow->lost_workers : 6;
        flow->lost_workers++;
        flow__recheck_build(flow);
    } else {
        flow->crashes++;
        flows->stats.crashes++;
        flow->fresh = false;
        if (flow->crashes > WORKFLOW_CRASHES_MAX) {
            char note[200];
            (void)snprintf(note, sizeof note, "its worker ended by itself, %lld times: %s",
                           (long long)flow->crashes, end->detail);
            flow__end(flow, CAUSE_WORKER_CRASHED, note);
            return;
        }
        shift = (unsigned)(flow->crashes - 1);
    }
    flow__reload_in(flow, (uint64_t)FLOW_CRASH_MS << shift);
}
