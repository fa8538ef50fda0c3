/* end.c: how a workflow ends: its script said so, its worker died, somebody stopped it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/workflow/flow.h"

/* --- Stored ----------------------------------------------------------------------------------- */

static struct err end_tx(struct tx *tx, void *ctx) {
    struct flow_errand *errand = ctx;
    return tx_workflow_end(tx, &errand->whole, &errand->late);
}

static struct err close_tx(struct tx *tx, void *ctx) {
    struct flow_errand *errand = ctx;
    const struct run_give_up what = {.run = errand->whole.run,
                                     .attempt = errand->whole.attempt,
                                     .sentence = errand->whole.note,
                                     .exit_code = -1,
                                     .bounds = errand->whole.bounds};
    return tx_run_give_up(tx, &what, &errand->late);
}

enum flow_end_form flow__end_form(const struct flow_errand *errand) {
    return errand->fn == close_tx                    ? FLOW_END_ALONE
           : errand->fn != end_tx                    ? FLOW_END_NONE
           : errand->whole.cause == CAUSE_NOT_STORED ? FLOW_END_BARE
                                                     : FLOW_END_WHOLE;
}

void flow__end_less(struct flow_errand *errand, struct err err) {
    if (flow__end_form(errand) == FLOW_END_WHOLE) {
        errand->whole.cause = CAUSE_NOT_STORED;
        errand->whole.note = BYTES("its end could not be stored with its result");
    } else {
        errand->fn = close_tx;
        text_clear(&errand->bytes);
        text_addf(&errand->bytes, "its end could not be stored: %s (%s)", err_title(err.code),
                  err_name(err.code));
        errand->whole.note = (struct bytes){errand->bytes.data, errand->bytes.len};
    }
    errand->whole.result = errand->whole.error = BYTES("");
    errand->tries = 0;
    flow__send(errand);
}

static void end_done(struct flow_errand *errand) {
    struct flow *flow = errand->flow;
    flow__errand_free(errand);
    flow->ended = true;
    flow__maybe_free(flow);
}

/* Usage of an agent that is one call of a model is charged with the end of its run; an agent with
 * tools has a turn, which charges its own usage. */
static void cancel(void *ctx, struct table_node *node) {
    struct flow_errand *errand = ctx;
    struct call *call = CONTAINER_OF(node, struct call, node);
    call__cancel(call);
    if (call->calls > 0 && call->state != CALL_DONE) {
        errand->took[errand->whole.took_count++] =
            (struct step_took){.run = {call->run.text, strlen(call->run.text)},
                               .model = {call->model, strlen(call->model)},
                               .usage = call->usage,
                               .cost = call->cost,
                               .calls = call->calls,
                               .took_ms = flows__mono_ms(call->flow->flows) - call->began_ms,
                               .calls_unpriced = call->calls - call->calls_priced};
    }
}

static void sweep(void *ctx, struct table_node *node) {
    (void)ctx; /* The call knows its flow. */
    call__sweep_place(CONTAINER_OF(node, struct call, node));
}

static void sweep_past(void *ctx, struct table_node *node) {
    past__sweep_place(ctx, CONTAINER_OF(node, struct past, node));
}

/* `result`, `error`: JSON or empty; taken over. */
static void store(struct flow *flow, enum run_cause cause, const struct text *result,
                  const struct text *error, const char *note) {
    struct loop *loop = flow->flows->options.loop;
    flow->state = FLOW_ENDING;
    effect_done(&flow->loading);
    flow__close_worker(flow);
    timer_stop(loop, &flow->deadline);
    timer_stop(loop, &flow->rebuild);
    struct flow_errand *errand = flow__errand(flow, end_tx, end_done);
    errand->took = mem_new_array(flow->calls.count + 1, sizeof *errand->took);
    table_each(&flow->calls, cancel, errand);
    text_init(&errand->bytes, FLOW_ORDER_MAX);
    text_add(&errand->bytes, result->data, result->len);
    text_add(&errand->bytes, error->data, error->len);
    text_add_str(&errand->bytes, note);
    const char *bytes = errand->bytes.data == NULL ? "" : errand->bytes.data;
    errand->whole = (struct workflow_end){.run = flow__run(flow),
                                          .attempt = flow->attempt,
                                          .cause = cause,
                                          .result = {bytes, result->len},
                                          .error = {bytes + result->len, error->len},
                                          .note = {bytes + result->len + error->len, strlen(note)},
                                          .took = errand->took,
                                          .took_count = errand->whole.took_count,
                                          .project = flow__project(flow),
                                          .bounds = flow__bounds(flow)};
    flow__send(errand);
    table_each(&flow->calls, sweep, NULL); /* Behind it: until then they have their turns. */
    table_each(&flow->open, sweep_past, flow);
}

static void write_error(enum run_cause cause, const char *note, struct text *error) {
    text_addf(error, "{\"code\":\"%s\",\"message\":", run_cause_name(cause));
    text_add_json(error, note, strlen(note));
    text_add_char(error, '}');
}

void flow__end(struct flow *flow, enum run_cause cause, const char *note) {
    if (flow->state == FLOW_ENDING || flow->ended) {
        return;
    }
    AUTO(text_done) struct text result, error;
    text_init(&result, 1);
    text_init(&error, RUN_SPEC_MAX);
    if (cause != CAUSE_STOPPED) {
        write_error(cause, note, &error);
    }
    store(flow, cause, &result, &error, note);
}

/* --- What its script said --------------------------------------------------------------------- */

static const char *text_of(const json_t *json, const char *name) {
    const char *text = json_string_value(json_object_get(json, name));
    return text == NULL ? "" : text;
}

static enum run_cause cause_of(const char *code) {
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

/* Of what a script threw, more than this nobody reads: it has to fit into an event. */
enum {
    ERROR_WORDS_MAX = 8 << 10,
    ERROR_NAME_MAX = 200,
    ERROR_NOTE_MAX = 400,
    ERROR_FILE_MAX = 4 << 10
};

static struct bytes head_of(const json_t *end, const char *name, size_t size_max) {
    const char *text = text_of(end, name);
    const struct bytes whole = bytes_of(text);
    return (struct bytes){text, utf8_cut(whole, size_max)};
}

static void copy_text(const json_t *end, const char *name, size_t size_max, struct text *text) {
    const struct bytes head = head_of(end, name, size_max);
    if (json_is_string(json_object_get(end, name))) {
        text_addf(text, ",\"%s\":", name);
        text_add_json(text, head.data, head.len);
    }
}

static void copy_number(const json_t *end, const char *name, struct text *text) {
    const json_t *number = json_object_get(end, name);
    if (json_is_integer(number)) {
        text_addf(text, ",\"%s\":%lld", name, (long long)json_integer_value(number));
    }
}

static void fail(struct flow *flow, const json_t *end) {
    enum run_cause cause = cause_of(text_of(end, "code"));
    AUTO(text_done) struct text none, error, note;
    text_init(&none, 1);
    text_init(&error, RUN_SPEC_MAX);
    text_init(&note, RUN_SPEC_MAX);
    text_addf(&error, "{\"code\":\"%s\"", run_cause_name(cause));
    copy_text(end, "message", ERROR_WORDS_MAX, &error);
    copy_text(end, "name", ERROR_NAME_MAX, &error);
    copy_number(end, "line", &error);
    copy_number(end, "column", &error);
    copy_text(end, "file", ERROR_FILE_MAX, &error);
    copy_text(end, "stack", ERROR_WORDS_MAX, &error);
    text_add_char(&error, '}');
    int64_t line = json_integer_value(json_object_get(end, "line"));
    const char *within = text_of(end, "file");
    const char *file = within[0] != '\0' ? within : text_of(flow->spec, "file");
    const struct bytes message = head_of(end, "message", ERROR_NOTE_MAX);
    if (line > 0) {
        text_addf(&note, "%.400s:%lld: ", file[0] == '\0' ? "script" : file, (long long)line);
    }
    text_add(&note, message.data, message.len);
    store(flow, cause, &none, &error, note.data == NULL ? "" : note.data);
}

static void end_well(struct flow *flow, const struct text *result) {
    AUTO(text_done) struct text error;
    text_init(&error, 1);
    if (text_failed(result)) {
        flow__end(flow, CAUSE_OUTPUT_TOO_LARGE, "its result has more than 1 MB");
        return;
    }
    store(flow, CAUSE_COMPLETED, result, &error, "");
}

void flow__end_with(struct flow *flow, const json_t *end, const struct text *written) {
    AUTO(text_done) struct text result;
    const json_t *value = json_object_get(end, "result");
    text_init(&result, WORKFLOW_RESULT_MAX);
    if (!json_is_true(json_object_get(end, "ok"))) {
        fail(flow, end);
    } else if (written != NULL) {
        end_well(flow, written);
    } else {
        if (value != NULL && err_failed(json_write(value, &result))) {
            result.failed = true;
        }
        end_well(flow, &result);
    }
}

/* --- Its worker died -------------------------------------------------------------------------- */

/* What was stored is in the history from here on, and nothing more is stored until it was read. */
static void rebuild(struct timer *timer) {
    struct flow *flow = CONTAINER_OF(timer, struct flow, rebuild);
    if (shortage_lasts(flow->flows->options.shortage)) {
        timer_start(flow->flows->options.loop, timer, SHORTAGE_CALM_MS, rebuild);
        return;
    }
    flow->awaits_store = flow->storing > 0;
    if (!flow->awaits_store) {
        flow__load(flow);
    }
}

void flow__store_empty(struct flow *flow) {
    if (flow->awaits_store && flow->state == FLOW_LOADING && !flow->ended &&
        !flow->flows->stopping) {
        timer_start(flow->flows->options.loop, &flow->rebuild, 0, rebuild);
    }
    flow->awaits_store = false;
}

void flow__reread(struct flow *flow) {
    if (flow->load != NULL || flow->state == FLOW_TAKING) {
        flow->again = true;
    } else if (flow->state == FLOW_LIVE) {
        flow__close_worker(flow);
        flow->state = FLOW_LOADING;
        flow->quiet = false;
        timer_start(flow->flows->options.loop, &flow->rebuild, 0, rebuild);
    }
}

/* No fault of its script: the process that it was forked from died, or there could be none. Better
 * times are waited for, as with the store. */
static void start_again(struct flow *flow, const struct script_end *end) {
    struct shortage *shortage = flow->flows->options.shortage;
    if (end->number == ENFILE || (end->number == EMFILE && !shortage_room())) {
        shortage_report(shortage, "start a script", err_from_errno(end->number, "script: start"));
    }
    uint64_t wait_ms = (uint64_t)FLOW_CRASH_MS << (flow->lost < 6 ? flow->lost : 6);
    flow->lost++;
    flow__doubt_build(flow);
    flow->state = FLOW_LOADING;
    flow->quiet = false;
    timer_start(flow->flows->options.loop, &flow->rebuild, wait_ms, rebuild);
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
    if (end->kind == SCRIPT_LOST || end->kind == SCRIPT_NOT_STARTED) {
        start_again(flow, end);
        return;
    }
    flow->crashes++;
    flow->flows->stats.crashes++;
    flow->fresh = false;
    (void)snprintf(note, sizeof note, "its worker ended by itself, %lld times: %s",
                   (long long)flow->crashes, end->detail);
    if (flow->crashes > WORKFLOW_CRASHES_MAX) {
        flow__end(flow, CAUSE_WORKER_CRASHED, note);
        return;
    }
    flow->state = FLOW_LOADING;
    flow->quiet = false;
    timer_start(flow->flows->options.loop, &flow->rebuild,
                (uint64_t)FLOW_CRASH_MS << (flow->crashes - 1), rebuild);
}

/* --- Stopped ---------------------------------------------------------------------------------- */

/* What is being read comes back, and is dropped then. */
void flow__stop(struct flow *flow) {
    if (flow->load == NULL || flow->state != FLOW_LOADING) {
        flow__end(flow, CAUSE_STOPPED, "");
    }
}
