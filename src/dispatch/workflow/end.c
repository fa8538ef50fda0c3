/* end.c: how a workflow ends: its script returned or threw, its worker died, somebody stopped
 * it. */
#include <errno.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/workflow/agent.h"
#include "dispatch/workflow/replay.h"

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

enum flow_end_form flow__end_form(const struct flow_op *op) {
    return op->fn == close_tx                    ? FLOW_END_ALONE
           : op->fn != end_tx                    ? FLOW_END_NONE
           : op->whole.cause == CAUSE_NOT_STORED ? FLOW_END_BARE
                                                 : FLOW_END_WHOLE;
}

void flow__end_less(struct flow_op *op, struct err err) {
    if (flow__end_form(op) == FLOW_END_WHOLE) {
        op->whole.cause = CAUSE_NOT_STORED;
        op->whole.note = BYTES("its end could not be stored with its result");
    } else {
        op->fn = close_tx;
        text_clear(&op->bytes);
        text_addf(&op->bytes, "its end could not be stored: %s (%s)", err_title(err.code),
                  err_name(err.code));
        op->whole.note = text_bytes(&op->bytes);
    }
    op->whole.result = op->whole.error = BYTES("");
    op->tries = 0;
    flow__op_send(op);
}

static void end_done(struct flow_op *op) {
    struct flow *flow = op->flow;
    flow__op_free(op);
    flow->ended = true;
    flow__maybe_free(flow);
}

/* Usage of an agent that is one call of a model is charged with the end of its run; an agent with
 * tools has a turn, which charges its own usage. */
static void call_take_usage(void *ctx, struct table_node *node) {
    struct flow_op *op = ctx;
    struct call *call = CONTAINER_OF(node, struct call, node);
    call__cancel(call);
    if (call->calls > 0 && call->state != CALL_DONE) {
        op->took[op->whole.took_count++] =
            (struct step_took){.run = bytes_of(call->run.text),
                               .model = bytes_of(call->model),
                               .usage = call->usage,
                               .cost = call->cost,
                               .calls = call->calls,
                               .took_ms = flows__mono_ms(call->flow->flows) - call->began_ms,
                               .calls_unpriced = call->calls - call->calls_priced};
    }
}

static void call_sweep_node(void *ctx, struct table_node *node) {
    (void)ctx; /* The call knows its flow. */
    call__sweep_tree(CONTAINER_OF(node, struct call, node));
}

static void prior_sweep_node(void *ctx, struct table_node *node) {
    prior__sweep_tree(ctx, CONTAINER_OF(node, struct prior, node));
}

/* `result`, `error`: JSON or empty; copied. */
static void flow_store_end(struct flow *flow, enum run_cause cause, struct bytes result,
                           struct bytes error, const char *note) {
    struct loop *loop = flow->flows->options.loop;
    flow__enter(flow, FLOW_ENDING);
    effect_done(&flow->loading);
    flow__close_worker(flow);
    timer_stop(loop, &flow->deadline);
    timer_stop(loop, &flow->rebuild);
    struct flow_op *op = flow__op(flow, end_tx, end_done);
    op->took = mem_new_array(flow->calls.count + 1, sizeof *op->took);
    table_each(&flow->calls, call_take_usage, op);
    text_init(&op->bytes, FLOW_ORDER_MAX);
    text_add(&op->bytes, result.data, result.len);
    text_add(&op->bytes, error.data, error.len);
    text_add_str(&op->bytes, note);
    const char *bytes = op->bytes.data == NULL ? "" : op->bytes.data;
    op->whole = (struct workflow_end){.run = flow__run(flow),
                                      .attempt = flow->attempt,
                                      .cause = cause,
                                      .result = {bytes, result.len},
                                      .error = {bytes + result.len, error.len},
                                      .note = {bytes + result.len + error.len, strlen(note)},
                                      .took = op->took,
                                      .took_count = op->whole.took_count,
                                      .project = flow__project(flow),
                                      .bounds = flow__bounds(flow)};
    flow__op_send(op);
    table_each(&flow->calls, call_sweep_node,
               NULL); /* After it: until then they have their turns. */
    table_each(&flow->open, prior_sweep_node, flow);
}

void flow__end(struct flow *flow, enum run_cause cause, const char *note) {
    if (flow->state == FLOW_ENDING || flow->ended) {
        return;
    }
    AUTO(text_done) struct text error;
    text_init(&error, RUN_SPEC_MAX);
    if (cause != CAUSE_STOPPED) {
        text_addf(&error, "{\"code\":\"%s\"", run_cause_name(cause));
        flow__add_text(&error, ",\"message\":", note);
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

static enum run_cause script_cause(const char *code) {
    static const enum run_cause known[] = {
        CAUSE_SCRIPT_ERROR,    CAUSE_SYNTAX_ERROR,   CAUSE_SCRIPT_STUCK,     CAUSE_MEMORY_EXCEEDED,
        CAUSE_TOO_MANY_CALLS,  CAUSE_TOO_MANY_LINES, CAUSE_OUTPUT_TOO_LARGE, CAUSE_RESULT_NOT_JSON,
        CAUSE_REPLAY_DIVERGED, CAUSE_NEVER_SETTLES,
    };
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (strcmp(code, run_cause_name(known[i])) == 0) {
            return known[i];
        }
    }
    return CAUSE_SCRIPT_ERROR;
}

static struct bytes error_head(const json_t *end, const char *name, size_t size_max) {
    const struct bytes whole = bytes_of(json_str(end, name, ""));
    return (struct bytes){whole.data, utf8_cut(whole, size_max)};
}

static void flow_end_failed(struct flow *flow, const json_t *end) {
    static const struct {
        const char *name;
        size_t size_max; /* 0: a number. */
    } members[] = {
        {"message", ERROR_WORDS_MAX}, {"name", ERROR_NAME_MAX},  {"line", 0}, {"column", 0},
        {"file", ERROR_FILE_MAX},     {"stack", ERROR_WORDS_MAX}};
    const enum run_cause cause = script_cause(json_str(end, "code", ""));
    AUTO(text_done) struct text error, note;
    text_init(&error, RUN_SPEC_MAX);
    text_init(&note, RUN_SPEC_MAX);
    text_addf(&error, "{\"code\":\"%s\"", run_cause_name(cause));
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        const char *name = members[i].name;
        const json_t *value = json_object_get(end, name);
        if (members[i].size_max == 0 && json_is_integer(value)) {
            text_addf(&error, ",\"%s\":%lld", name, (long long)json_integer_value(value));
        } else if (members[i].size_max > 0 && json_is_string(value)) {
            text_addf(&error, ",\"%s\":", name);
            flow__add_bytes(&error, "", error_head(end, name, members[i].size_max));
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
    flow_store_end(flow, cause, BYTES(""), text_bytes(&error), note.data == NULL ? "" : note.data);
}

void flow__end_with(struct flow *flow, const json_t *end, const struct text *written) {
    AUTO(text_done) struct text own;
    const json_t *value = json_object_get(end, "result");
    text_init(&own, WORKFLOW_RESULT_MAX);
    if (!json_is_true(json_object_get(end, "ok"))) {
        flow_end_failed(flow, end);
        return;
    }
    if (written == NULL && value != NULL && err_failed(json_write(value, &own))) {
        own.failed = true;
    }
    const struct text *result = written == NULL ? &own : written;
    if (text_failed(result)) {
        flow__end(flow, CAUSE_OUTPUT_TOO_LARGE, "its result has more than 1 MB");
    } else {
        flow_store_end(flow, CAUSE_COMPLETED, text_bytes(result), BYTES(""), "");
    }
}

/* --- Its worker died, or is outdated ---------------------------------------------------------- */

/* What was stored is in the history from here on, and nothing more is stored until it was read. */
static void flow_rebuild(struct timer *timer) {
    struct flow *flow = CONTAINER_OF(timer, struct flow, rebuild);
    if (shortage_lasts(flow->flows->options.shortage)) {
        timer_start(flow->flows->options.loop, timer, SHORTAGE_CALM_MS, flow_rebuild);
        return;
    }
    flow->awaits_store = flow->storing > 0;
    if (!flow->awaits_store) {
        flow__load(flow);
    }
}

static void flow_rebuild_in(struct flow *flow, uint64_t wait_ms) {
    flow__enter(flow, FLOW_LOADING);
    flow->quiet = false;
    timer_start(flow->flows->options.loop, &flow->rebuild, wait_ms, flow_rebuild);
}

void flow__store_empty(struct flow *flow) {
    if (flow->awaits_store && flow->state == FLOW_LOADING && !flow->ended &&
        !flow->flows->stopping) {
        timer_start(flow->flows->options.loop, &flow->rebuild, 0, flow_rebuild);
    }
    flow->awaits_store = false;
}

void flow__reload(struct flow *flow) {
    if (flow->load != NULL || flow->state == FLOW_ADOPTING) {
        flow->stale = true;
    } else if (flow->state == FLOW_LIVE) {
        flow__close_worker(flow);
        flow_rebuild_in(flow, 0);
    }
}

void flow__crashed(struct flow *flow, const struct script_end *end) {
    char note[200];
    if (flow->state != FLOW_LIVE || flow->ended || flow->flows->stopping) {
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
            shortage_report(flow->flows->options.shortage, "start a script",
                            err_from_errno(end->number, "script: start"));
        }
        unsigned shift = flow->lost_workers < 6 ? flow->lost_workers : 6;
        flow->lost_workers++;
        flow__recheck_build(flow);
        flow_rebuild_in(flow, (uint64_t)FLOW_CRASH_MS << shift);
        return;
    }
    flow->crashes++;
    flow->flows->stats.crashes++;
    flow->fresh = false;
    (void)snprintf(note, sizeof note, "its worker ended by itself, %lld times: %s",
                   (long long)flow->crashes, end->detail);
    if (flow->crashes > WORKFLOW_CRASHES_MAX) {
        flow__end(flow, CAUSE_WORKER_CRASHED, note);
    } else {
        flow_rebuild_in(flow, (uint64_t)FLOW_CRASH_MS << (flow->crashes - 1));
    }
}

/* A history that is being read comes back, and is dropped then. */
void flow__stop(struct flow *flow) {
    if (flow->load == NULL || flow->state != FLOW_LOADING) {
        flow__end(flow, CAUSE_STOPPED, "");
    }
}
