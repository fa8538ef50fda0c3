/* messages.c: what a worker says, taken a part at a time.
 *
 * A frame is an array of messages. A short one is parsed on the loop, a long one in the pool, while
 * the worker waits; and however many messages it has, a turn of the loop takes FLOW_PART of them.
 * So a script that says very much at once costs others nothing.
 *
 * And a script that asks for very much at once costs no more memory than FLOW_ASKED_MAX and one
 * frame: while its calls hold that, the worker stays paused. That ends by itself, since these wait
 * for a place or are at work, and neither needs what was not read yet. Where many scripts do so,
 * all of them hold FLOWS_ASKED_MAX, and beyond it each its share, with which it goes on though
 * others should wait for days. A run that may take over
 * what another one came to is not held back: there all waits until its script is quiet
 * (settle.c), and that stands in its last frame. */
#include <stdio.h>
#include <string.h>

#include "base/json/wide.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/workflow/flow.h"

/* A frame under way. */
struct hearing {
    struct flow *flow; /* NULL: it is gone, or its worker. */
    struct flows *flows;
    struct pool_job job;
    struct loop_task task;
    struct bytes frame;           /* Borrowed from the worker, which is paused, */
    struct script_worker *orphan; /* Owned: and which its flow has let go of meanwhile. */
    json_t *messages;             /* Owned. */
    struct text result;           /* Owned: of an `end`, written in the pool. */
    bool ends;
    size_t at;
    bool in_pool;
    bool waits; /* The calls hold too much: flow__hear_on goes on. */
    bool taken; /* A part of it is being taken right now, */
    bool over;  /* and it goes behind that. */
    struct err err;
    struct why why;
};

/* A value that the pool lets go of. */
struct burial {
    struct flows *flows;
    struct pool_job job;
    json_t *json; /* Owned. */
};

static void burial_run(struct pool_job *job) {
    json_release(&CONTAINER_OF(job, struct burial, job)->json);
}

static void burial_done(struct pool_job *job) {
    struct burial *burial = CONTAINER_OF(job, struct burial, job);
    struct flows *flows = burial->flows;
    json_release(&burial->json); /* Where the pool was stopped before it came to it. */
    mem_free(burial);
    flows__maybe_stopped(flows);
}

void flows__bury(struct flows *flows, json_t *json) {
    if (flows->stopping) { /* Nobody is kept waiting any more, and the pool takes nothing new. */
        json_decref(json);
        return;
    }
    struct burial *burial = mem_new(sizeof *burial);
    *burial = (struct burial){.flows = flows,
                              .job = {.kind = POOL_QUICK, .run = burial_run, .done = burial_done},
                              .json = json};
    pool_add(&flows->pool, &burial->job);
}

static void bury(struct pool_job *job) {
    struct hearing *hearing = CONTAINER_OF(job, struct hearing, job);
    json_release(&hearing->messages);
}

static void buried(struct pool_job *job) {
    struct hearing *hearing = CONTAINER_OF(job, struct hearing, job);
    struct flows *flows = hearing->flows;
    json_release(&hearing->messages); /* Where the pool was stopped before it came to it. */
    text_done(&hearing->result);
    mem_free(hearing);
    flows__maybe_stopped(flows);
}

/* A long frame has hundreds of thousands of values: they go where they were made. */
static void hearing_free(struct hearing *hearing) {
    loop_task_cancel(hearing->flows->options.loop, &hearing->task);
    script_close(hearing->orphan);
    hearing->orphan = NULL;
    hearing->job = (struct pool_job){.kind = POOL_QUICK, .run = bury, .done = buried};
    pool_add(&hearing->flows->pool, &hearing->job);
}

void flow__hearing_free(struct flow *flow) {
    struct hearing *hearing = flow->hearing;
    flow->hearing = NULL;
    if (hearing == NULL) {
        return;
    }
    hearing->flow = NULL;
    hearing->over = hearing->taken;
    if (hearing->in_pool) { /* The pool still reads what is the worker's. */
        hearing->orphan = flow->worker;
        flow->worker = NULL;
    } else if (!hearing->taken) {
        hearing_free(hearing);
    }
}

/* --- Lines ------------------------------------------------------------------------------------ */

static struct err lines_tx(struct tx *tx, void *ctx) {
    struct flow_errand *errand = ctx;
    const struct workflow_place place = flow__place(errand->flow);
    return tx_workflow_lines(tx, &place, errand->lines, errand->line_count);
}

static void lines_done(struct flow_errand *errand) {
    flow__errand_free(errand);
}

static void flush_lines(struct flow *flow) {
    if (flow->line_count == 0) {
        return;
    }
    struct flow_errand *errand = flow__errand(flow, lines_tx, lines_done);
    errand->lines = mem_new_array(flow->line_count, sizeof *errand->lines);
    memcpy(errand->lines, flow->lines, flow->line_count * sizeof *errand->lines);
    errand->line_count = flow->line_count;
    errand->lazy = true;
    flow->line_count = 0;
    flow__send(errand);
}

static void add_line(struct flow *flow, enum workflow_line_kind kind, const json_t *message,
                     const char *member) {
    const json_t *text = json_object_get(message, member);
    const char *value = json_string_value(text);
    int64_t number = json_integer_value(json_object_get(message, "no"));
    if (value == NULL || number <= flow->line_last || number > WORKFLOW_LINES_MAX) {
        return;
    }
    flow->line_last = number;
    if (flow->line_count == FLOW_LINES) {
        flush_lines(flow);
    }
    struct bytes whole = {value, json_string_length(text)};
    size_t len = utf8_cut(whole, WORKFLOW_LINE_MAX);
    flow->lines[flow->line_count++] =
        (struct workflow_line){.kind = kind, .number = number, .text = {mem_copy(value, len), len}};
}

/* --- Messages --------------------------------------------------------------------------------- */

static bool is(const json_t *message, const char *word) {
    const char *type = json_string_value(json_object_get(message, "t"));
    return type != NULL && strcmp(type, word) == 0;
}

static void be_quiet(struct flow *flow, const json_t *message) {
    if (json_integer_value(json_object_get(message, "settled")) != flow->sent) {
        return; /* Something is on its way to it. */
    }
    flow->quiet = true;
    flow->lost = 0;
    flow->replayed = true;
    script_rest(flow->worker);
    flow__settle_quiet(flow);
}

/* What a hijacked worker makes up harms its own run, and no other. */
static void take(struct flow *flow, json_t *message) {
    if (flow->hearing == NULL) {
        (void)json_object_del(message, CALL_WRITTEN); /* Only the pool's word counts. */
    }
    if (is(message, "call")) {
        flush_lines(flow);
        flow__asked(flow, json_incref(message), /* nested */ false);
    } else if (is(message, "workflow")) {
        flush_lines(flow);
        flow__asked(flow, json_incref(message), /* nested */ true);
    } else if (is(message, "phase")) {
        add_line(flow, LINE_PHASE, message, "title");
    } else if (is(message, "log")) {
        add_line(flow, LINE_LOG, message, "text");
    } else if (is(message, "quiet")) {
        flush_lines(flow);
        be_quiet(flow, message);
    } else if (is(message, "end")) {
        flush_lines(flow);
        flow__end_with(flow, message,
                       flow->hearing != NULL && flow->hearing->ends ? &flow->hearing->result
                                                                    : NULL);
    }
}

/* --- Frames ----------------------------------------------------------------------------------- */

static bool hears(const struct flow *flow) {
    return flow->state == FLOW_LIVE && flow->worker != NULL && !flow->ended &&
           !flow->flows->stopping;
}

static bool is_full(const struct flow *flow) {
    struct flows *flows = flow->flows;
    if (flow->resumes || flow->asked < FLOW_ASKED_SHARE) {
        return false;
    }
    const bool much = flows->asked >= FLOWS_ASKED_MAX;
    flows->asked_much = flows->asked_much || much;
    return much || flow->asked >= FLOW_ASKED_MAX;
}

/* false: the frame was more than a part, or its calls hold too much, or nobody listens any more. */
static bool take_part(struct flow *flow, json_t *messages, size_t *at) {
    size_t end = *at + FLOW_PART;
    while (*at < json_array_size(messages) && *at < end && hears(flow) && !is_full(flow)) {
        take(flow, json_array_get(messages, (*at)++));
    }
    flow__pump(flow);
    return *at >= json_array_size(messages);
}

static void take_more(struct hearing *hearing) {
    hearing->waits = is_full(hearing->flow);
    if (!hearing->waits) {
        loop_soon(hearing->flows->options.loop, &hearing->task);
    }
}

void flow__hear_on(struct flow *flow) {
    struct hearing *hearing = flow->hearing;
    if (hearing != NULL && hearing->waits && !hearing->taken) {
        take_more(hearing);
    }
}

static void hear_on(void *ctx, struct table_node *node) {
    (void)ctx; /* Nothing of it is needed. */
    flow__hear_on(CONTAINER_OF(node, struct flow, node));
}

/* Not at each byte less: all of them look whether it is enough now. */
void flows__hear_on(struct flows *flows) {
    if (flows->asked_much && !flows->stopping && flows->asked < FLOWS_ASKED_MAX / 4 * 3) {
        flows->asked_much = false;
        table_each(&flows->flows, hear_on, NULL);
    }
}

/* What is taken may be the end of the flow; the frame, which is being read, goes behind it. */
static void go_on(struct loop_task *task) {
    struct hearing *hearing = CONTAINER_OF(task, struct hearing, task);
    struct flow *flow = hearing->flow;
    hearing->taken = true;
    bool whole = take_part(flow, hearing->messages, &hearing->at);
    hearing->taken = false;
    if (hearing->over) {
        hearing_free(hearing);
    } else if (!hears(flow)) {
        return; /* It goes with its flow. */
    } else if (!whole) {
        take_more(hearing);
    } else {
        flow__hearing_free(flow);
        script_resume(flow->worker);
        flow__rest(flow);
    }
}

/* What a script returned may be large: it is written where it was read. */
static void write_result(struct hearing *hearing) {
    size_t count = json_array_size(hearing->messages);
    const json_t *last = count == 0 ? NULL : json_array_get(hearing->messages, count - 1);
    const json_t *value = json_object_get(last, "result");
    hearing->ends = is(last, "end");
    if (hearing->ends && value != NULL && err_failed(json_write(value, &hearing->result))) {
        hearing->result.failed = true;
    }
}

/* A worker that somebody took over does not say what only we write. */
static struct err parse_frame(struct bytes frame, json_t **ret_messages, struct why *why) {
    struct err err = json_parse_wide(frame.data, frame.len, JSON_DEPTH_MAX, ret_messages, why);
    for (size_t i = 0; !err_failed(err) && i < json_array_size(*ret_messages); i++) {
        (void)json_object_del(json_array_get(*ret_messages, i), CALL_WRITTEN); /* Most have none. */
    }
    return err;
}

/* And so is what a script asks for, as the row of the step will have it. */
static void write_asked(json_t *message) {
    AUTO(text_done) struct text text;
    text_init(&text, STEP_SPEC_MAX);
    call__tidy(message);
    call__write_asked(message, &text);
    if (!text_failed(&text)) {
        (void)json_object_set_new(message, CALL_WRITTEN, json_stringn_nocheck(text.data, text.len));
    }
}

static void parse(struct pool_job *job) {
    struct hearing *hearing = CONTAINER_OF(job, struct hearing, job);
    hearing->err = parse_frame((struct bytes){hearing->frame.data, hearing->frame.len},
                               &hearing->messages, &hearing->why);
    for (size_t i = 0; !err_failed(hearing->err) && i < json_array_size(hearing->messages); i++) {
        json_t *message = json_array_get(hearing->messages, i);
        if (is(message, "call")) {
            write_asked(message);
        }
    }
    if (!err_failed(hearing->err)) {
        write_result(hearing);
    }
}

/* What a worker writes is JSON, but a script may have put into it what ours does not take: numbers
 * that do not fit, depth, a key with NUL. Another worker would say the same. */
static void bad_frame(struct flow *flow, const struct why *why) {
    char note[sizeof why->text + 64];
    (void)snprintf(note, sizeof note, "what its script gave is beyond our JSON: %s", why->text);
    flow__end(flow, CAUSE_RESULT_NOT_JSON, note);
}

static void parsed(struct pool_job *job) {
    struct hearing *hearing = CONTAINER_OF(job, struct hearing, job);
    struct flow *flow = hearing->flow;
    struct flows *flows = hearing->flows;
    hearing->in_pool = false;
    if (flow == NULL || !hears(flow)) {
        if (flow != NULL) {
            flow->hearing = NULL;
        }
        hearing_free(hearing);
    } else if (err_failed(hearing->err) || !json_is_array(hearing->messages)) {
        bad_frame(flow, &hearing->why);
    } else {
        loop_soon(flows->options.loop, &hearing->task);
    }
}

static struct hearing *hearing_new(struct flow *flow) {
    struct hearing *hearing = mem_new(sizeof *hearing);
    hearing->flow = flow;
    hearing->flows = flow->flows;
    hearing->task.run = go_on;
    text_init(&hearing->result, WORKFLOW_RESULT_MAX);
    flow->hearing = hearing;
    return hearing;
}

static void hear_long(struct flow *flow) {
    struct hearing *hearing = hearing_new(flow);
    hearing->frame = script_pause(flow->worker);
    hearing->in_pool = true;
    hearing->job = (struct pool_job){.kind = POOL_QUICK, .run = parse, .done = parsed};
    pool_add(&flow->flows->pool, &hearing->job);
}

static void hear_short(struct flow *flow, struct bytes frame) {
    AUTO(json_release) json_t *messages = NULL;
    size_t at = 0;
    struct why why = {""};
    struct err err = parse_frame(frame, &messages, &why);
    if (err_failed(err) || !json_is_array(messages)) {
        bad_frame(flow, &why);
        return;
    }
    if (take_part(flow, messages, &at) || !hears(flow)) {
        flow__rest(flow);
        return;
    }
    struct hearing *hearing = hearing_new(flow);
    hearing->frame = script_pause(flow->worker);
    hearing->messages = json_incref(messages);
    hearing->at = at;
    take_more(hearing);
}

void flow__heard(void *ctx, struct bytes frame) {
    struct flow *flow = ctx;
    effects_at(flow->flows->options.effects, flow__run(flow));
    flow__computed(flow);
    if (!hears(flow)) {
        return;
    }
    if (frame.len > FLOW_INLINE) {
        hear_long(flow);
    } else {
        hear_short(flow, frame);
    }
}
