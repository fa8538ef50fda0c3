/* worker.c: the worker of a workflow: what it sends, a part at a time, and its eviction.
 *
 *   frame ──short: parsed on the loop──────────────> a part is taken ──all of it──> the next frame
 *     └──long: parsed in the pool, worker paused──────^   │   ^
 *                                                        more: worker paused
 *
 * A frame is an array of messages. A short one is parsed on the loop, a long one in the pool, while
 * the worker waits; and however many messages it has, a turn of the loop takes FRAME_PART of them.
 * So a script that sends very much at once costs others nothing.
 *
 * A script that asks for very much at once costs no more memory than FLOW_PENDING_MAX and one
 * frame: while its calls hold that, the worker stays paused. That ends by itself, since these calls
 * wait for a slot or work, and neither needs what was not read yet. Where many scripts do so, all
 * of them hold FLOWS_PENDING_MAX, and above it each is limited to its share, with which it goes on
 * though others should wait for days. A run that may take over results of another one is not held
 * back: there everything waits until its script is idle (settle.c), and that stands in its last
 * frame.
 *
 * Eviction. Scripts wait for agents for minutes, and a worker costs some hundred kilobytes
 * meanwhile. Where more than `workers_max` live, those that have waited longest are ended. Such a
 * flow stays LIVE: its agents go on, and their outcomes are stored as ever. When there is an
 * outcome to deliver, the history is read again and a new worker replays it (flow__deliver), as
 * after a crash, but at once, and uncounted. To stop the flow, none is needed. Evicts only workers
 * whose state is fully journaled: the script waits after its whole history, and nothing is on
 * its way from it or to it: no frame, no outcome, no result of another run, no script of a
 * workflow(). */
#include <stdio.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/workflow/agent.h"
#include "dispatch/workflow/history.h"

enum { FRAME_PART = 64 }; /* Messages that one turn of the loop takes. */

/*   PARSING ──> READY <──> FULL
 *     │  └──────> │ a part: TAKING ──> READY, FULL, or the end of the frame
 *     └─────> LEFT <────────┘
 */
enum reader_state {
    READER_PARSING, /* In the pool. */
    READER_READY,   /* The task takes the next part. */
    READER_FULL,    /* Calls hold too much: flow__resume_frame goes on. */
    READER_TAKING,  /* A part is being taken right now. */
    READER_LEFT,    /* The flow, or the worker, went meanwhile: the frame is only freed. */
};

/* A frame that is being processed. */
struct frame_reader {
    enum reader_state state;
    struct flow *flow; /* Not of one that was LEFT. */
    struct flows *flows;
    struct pool_job job;
    struct loop_task task;
    struct bytes frame;           /* Borrowed from the worker, which is paused. */
    struct script_worker *orphan; /* Owned: that worker, once its flow has closed it. */
    json_t *messages;             /* Owned. */
    struct text result;           /* Owned: of an `end`, written in the pool. */
    bool ends;                    /* There is one. */
    size_t at;
    struct err err;
    struct why why;
};

/* --- Memory ----------------------------------------------------------------------------------- */

/* A value that is freed in the pool. */
struct json_burial {
    struct flows *flows;
    struct pool_job job;
    json_t *json; /* Owned. */
};

static void burial_run(struct pool_job *job) {
    json_release(&CONTAINER_OF(job, struct json_burial, job)->json);
}

static void burial_done(struct pool_job *job) {
    struct json_burial *burial = CONTAINER_OF(job, struct json_burial, job);
    struct flows *flows = burial->flows;
    json_release(&burial->json); /* Where the pool was stopped before it came to it. */
    mem_free(burial);
    flows__maybe_stopped(flows);
}

void flows__free_json(struct flows *flows, json_t *json) {
    if (flows->asker.stopping) { /* Nobody waits any more, and the pool takes nothing new. */
        json_decref(json);
        return;
    }
    struct json_burial *burial = mem_new(sizeof *burial);
    burial->flows = flows;
    burial->json = json;
    pool_begin(&flows->pool, &burial->job, POOL_QUICK, burial_run, burial_done);
}

/* A long frame has hundreds of thousands of values: they are freed in the pool. */
static void reader_free(struct frame_reader *reader) {
    loop_task_cancel(reader->flows->options.loop, &reader->task);
    script_close(reader->orphan);
    text_done(&reader->result);
    flows__free_json(reader->flows, reader->messages);
    mem_free(reader);
}

static void flow_leave_reader(struct flow *flow) {
    struct frame_reader *reader = flow->reader;
    flow->reader = NULL;
    if (reader == NULL) {
        return;
    }
    const enum reader_state state = reader->state;
    reader->state = READER_LEFT;
    if (state == READER_PARSING) { /* The pool still reads what is the worker's. */
        reader->orphan = flow->worker;
        flow->worker = NULL;
    } else if (state != READER_TAKING) {
        reader_free(reader);
    }
}

/* --- Idle ------------------------------------------------------------------------------------- */

void flows__make_room(struct flows *flows, size_t wanted) {
    for (struct flow_link *link = flows->idle.first, *next; link != NULL; link = next) {
        struct flow *flow = CONTAINER_OF(link, struct flow, idle);
        struct scripts_stats stats;
        flows_get_script_stats(flows, &stats);
        if (stats.live + wanted <= (size_t)flows->options.limits.workers_max) {
            return;
        }
        next = link->next;
        if (flow->state == FLOW_LIVE && flow->script == FLOW_QUIET && flow->worker != NULL &&
            flow->reader == NULL && flow__first(flow, CALL_DONE) == NULL &&
            flow__first(flow, CALL_DEFERRED) == NULL && flow->storing == 0 && flow->cached == 0 &&
            flow->searched == NULL && flow->line_count == 0) {
            flow__close_worker(flow); /* This takes it out of the list. */
            flow->script = FLOW_EVICTED;
            flows->stats.dropped++;
        }
    }
}

static void flow_maybe_idle(struct flow *flow) {
    if (flow->state == FLOW_LIVE && flow->script >= FLOW_QUIET && flow->worker != NULL &&
        !flow->idle.listed) {
        flow_list_append(&flow->flows->idle, &flow->idle);
        flows__make_room(flow->flows, 0);
    }
}

/* --- Lines ------------------------------------------------------------------------------------ */

static struct err lines_tx(struct tx *tx, void *ctx) {
    struct flow_op *op = ctx;
    const struct workflow_place place = flow__place(op->flow);
    return tx_workflow_lines(tx, &place, op->lines, op->line_count);
}

static void flow_flush_lines(struct flow *flow) {
    if (flow->line_count == 0) {
        return;
    }
    struct flow_op *op = flow__op(flow, lines_tx, NULL);
    op->lines = mem_new_array(flow->line_count, sizeof *op->lines);
    memcpy(op->lines, flow->lines, flow->line_count * sizeof *op->lines);
    op->line_count = flow->line_count;
    op->lazy = true;
    flow->line_count = 0;
    flow__op_send(op);
}

static void flow_put_line(struct flow *flow, enum workflow_line_kind kind, int64_t number,
                          struct bytes text) {
    if (flow->line_count == FLOW_LINES) {
        flow_flush_lines(flow);
    }
    size_t len = utf8_cut(text, WORKFLOW_LINE_MAX);
    flow->lines[flow->line_count++] = (struct workflow_line){
        .kind = kind, .number = number, .text = {mem_copy(text.data, len), len}};
}

void flow__warn_once(struct flow *flow, const char *text) {
    flow->warned = flow->warned == NULL ? json_object() : flow->warned;
    if (json_object_get(flow->warned, text) == NULL) {
        (void)json_object_set_new_nocheck(flow->warned, text, json_true()); /* Else said again. */
        flow_put_line(flow, LINE_LOG, WORKFLOW_LINE_OURS, bytes_of(text));
        flow_flush_lines(flow);
    }
}

static void flow_add_line(struct flow *flow, enum workflow_line_kind kind, const json_t *message,
                          const char *member) {
    const struct bytes text = json_bytes(message, member);
    int64_t number = json_int(message, "no", 0);
    if (!json_is_string(json_object_get(message, member)) || number <= flow->line_last ||
        number > WORKFLOW_LINES_MAX) {
        return;
    }
    flow->line_last = number;
    flow_put_line(flow, kind, number, text);
}

/* --- Messages --------------------------------------------------------------------------------- */

/* All that a hijacked worker makes up harms its own run, and no other. */
static void flow_take_message(struct flow *flow, json_t *message) {
    const struct frame_reader *reader = flow->reader;
    const bool nested = flow__message_is(message, "workflow");
    if (flow__message_is(message, "phase")) {
        flow_add_line(flow, LINE_PHASE, message, "title");
    } else if (flow__message_is(message, "log")) {
        flow_add_line(flow, LINE_LOG, message, "text");
    } else if (nested || flow__message_is(message, "call")) {
        flow_flush_lines(flow);
        flow__on_call(flow, json_incref(message), nested);
    } else if (flow__message_is(message, "quiet")) {
        flow_flush_lines(flow);
        if (json_int(message, "settled", 0) == flow->sent) { /* Else an outcome is on its way. */
            flow->script = FLOW_QUIET;
            flow->lost_workers = 0;
            script_rest(flow->worker);
            flow__settle_quiet(flow);
        }
    } else if (flow__message_is(message, "threw")) {
        flow->items_failed = json_int(message, "items", 0);
        flow->calls_failed = json_int(message, "calls", 0);
    } else if (flow__message_is(message, "end")) {
        flow_flush_lines(flow);
        flow__end_with(flow, message, reader != NULL && reader->ends ? &reader->result : NULL);
    }
}

/* --- Frames ----------------------------------------------------------------------------------- */

static bool flow_reads_frames(const struct flow *flow) {
    return flow->state == FLOW_LIVE && flow->worker != NULL && !flow->flows->asker.stopping;
}

static bool flow_is_full(const struct flow *flow) {
    struct flows *flows = flow->flows;
    if (flow->resumed_from != 0 || flow->pending_bytes < FLOW_PENDING_SHARE) {
        return false;
    }
    const bool all_full = flows->pending_bytes >= FLOWS_PENDING_MAX;
    flows->pending_full = flows->pending_full || all_full;
    return all_full || flow->pending_bytes >= FLOW_PENDING_MAX;
}

/* false: the frame has more than a part, or calls hold too much, or nobody reads it any more. */
static bool flow_take_part(struct flow *flow, json_t *messages, size_t *at) {
    size_t end = *at + FRAME_PART;
    while (*at < json_array_size(messages) && *at < end && flow_reads_frames(flow) &&
           !flow_is_full(flow)) {
        flow_take_message(flow, json_array_get(messages, (*at)++));
    }
    flow__pump(flow);
    return *at >= json_array_size(messages);
}

static void reader_take_more(struct frame_reader *reader) {
    reader->state = flow_is_full(reader->flow) ? READER_FULL : READER_READY;
    if (reader->state == READER_READY) {
        loop_soon(reader->flows->options.loop, &reader->task);
    }
}

void flow__resume_frame(struct flow *flow) {
    if (flow->reader != NULL && flow->reader->state == READER_FULL) {
        reader_take_more(flow->reader);
    }
}

/* Not at each byte less: all of them are looked through. */
void flows__resume_frames(struct flows *flows) {
    if (flows->pending_full && !flows->asker.stopping &&
        flows->pending_bytes < FLOWS_PENDING_MAX / 4 * 3) {
        flows->pending_full = false;
        for (struct table_node *node = NULL; (node = table_next(&flows->flows, node)) != NULL;) {
            flow__resume_frame(CONTAINER_OF(node, struct flow, node));
        }
    }
}

/* The flow may end by a message; the frame, which is being read, is freed after that. */
static void reader_take_part(struct loop_task *task) {
    struct frame_reader *reader = CONTAINER_OF(task, struct frame_reader, task);
    struct flow *flow = reader->flow;
    reader->state = READER_TAKING;
    bool whole = flow_take_part(flow, reader->messages, &reader->at);
    if (reader->state == READER_LEFT) {
        reader_free(reader);
        return;
    }
    reader->state = READER_READY;
    if (!flow_reads_frames(flow)) {
        return; /* Goes with its flow. */
    }
    if (whole) {
        flow_leave_reader(flow);
        script_resume(flow->worker);
        flow_maybe_idle(flow);
    } else {
        reader_take_more(reader);
    }
}

/* A worker that somebody took over must not send what only we write. */
static struct err frame_parse(struct bytes frame, json_t **ret_messages, struct why *why) {
    struct err err = json_parse_wide(frame.data, frame.len, JSON_DEPTH_MAX, ret_messages, why);
    for (size_t i = 0; !err_failed(err) && i < json_array_size(*ret_messages); i++) {
        (void)json_object_del(json_array_get(*ret_messages, i), CALL_WRITTEN); /* Most have none. */
    }
    return err;
}

/* All that is large is written where it was read: requests, as the rows of their steps will have
 * them, and what the script returned. */
static void reader_parse(struct pool_job *job) {
    struct frame_reader *reader = CONTAINER_OF(job, struct frame_reader, job);
    reader->err = frame_parse(reader->frame, &reader->messages, &reader->why);
    size_t count = err_failed(reader->err) ? 0 : json_array_size(reader->messages);
    for (size_t i = 0; i < count; i++) {
        json_t *message = json_array_get(reader->messages, i);
        if (flow__message_is(message, "call")) {
            AUTO(text_done) struct text text = text_up_to(STEP_SPEC_MAX);
            call__tidy(message);
            call__write_request(message, &text);
            if (!text_failed(&text)) {
                (void)json_object_set_new(message, CALL_WRITTEN,
                                          json_stringn_nocheck(text.data, text.len));
            }
        }
    }
    const json_t *last = count == 0 ? NULL : json_array_get(reader->messages, count - 1);
    const json_t *value = json_object_get(last, "result");
    reader->ends = flow__message_is(last, "end");
    if (reader->ends && value != NULL && err_failed(json_write(value, &reader->result))) {
        reader->result.failed = true;
    }
}

/* All that a worker writes is JSON, but a script may have put into it what our parser refuses:
 * numbers that do not fit, depth, a key with NUL. Another worker would send the same. */
static void flow_refuse_frame(struct flow *flow, const struct why *why) {
    char note[sizeof why->text + 64];
    (void)snprintf(note, sizeof note, "what its script gave is beyond our JSON: %s", why->text);
    flow__end(flow, CAUSE_RESULT_NOT_JSON, note);
}

static void reader_parsed(struct pool_job *job) {
    struct frame_reader *reader = CONTAINER_OF(job, struct frame_reader, job);
    struct flow *flow = reader->flow;
    if (reader->state == READER_LEFT) {
        struct flows *flows = reader->flows;
        reader_free(reader);
        flows__maybe_stopped(flows); /* The flow may be freed: nobody else looks. */
        return;
    }
    reader->state = READER_READY;
    if (!flow_reads_frames(flow)) {
        flow_leave_reader(flow);
    } else if (err_failed(reader->err) || !json_is_array(reader->messages)) {
        flow_refuse_frame(flow, &reader->why);
    } else {
        loop_soon(reader->flows->options.loop, &reader->task);
    }
}

static struct frame_reader *reader_new(struct flow *flow) {
    struct frame_reader *reader = mem_new(sizeof *reader);
    reader->flow = flow;
    reader->flows = flow->flows;
    reader->task.run = reader_take_part;
    text_init(&reader->result, WORKFLOW_RESULT_MAX);
    reader->frame = script_pause(flow->worker);
    flow->reader = reader;
    return reader;
}

static void flow_on_frame(void *ctx, struct bytes frame) {
    struct flow *flow = ctx;
    AUTO(json_release) json_t *messages = NULL;
    size_t at = 0;
    struct why why = {""};
    effects_at(flow->flows->options.effects, flow__run(flow));
    flow__computing_end(flow);
    if (!flow_reads_frames(flow)) {
        return;
    }
    if (frame.len > FLOW_INLINE) {
        struct frame_reader *reader = reader_new(flow);
        pool_begin(&flow->flows->pool, &reader->job, POOL_QUICK, reader_parse, reader_parsed);
    } else if (err_failed(frame_parse(frame, &messages, &why)) || !json_is_array(messages)) {
        flow_refuse_frame(flow, &why);
    } else if (flow_take_part(flow, messages, &at) || !flow_reads_frames(flow)) {
        flow_maybe_idle(flow);
    } else {
        struct frame_reader *reader = reader_new(flow);
        reader->messages = json_incref(messages);
        reader->at = at;
        reader_take_more(reader);
    }
}

/* --- The process ------------------------------------------------------------------------------ */

/* A paused worker does not end by itself, so nothing is in the pool then. */
static void flow_leave_worker(struct flow *flow) {
    flow_list_remove(&flow->flows->idle, &flow->idle);
    flow__computing_end(flow);
    flow_leave_reader(flow);
}

static void flow_on_worker_end(void *ctx, const struct script_end *end) {
    struct flow *flow = ctx;
    flow_leave_worker(flow);
    flow->worker = NULL;
    flow__crashed(flow, end);
}

void flow__send(struct flow *flow, struct text *message) {
    if (flow->worker != NULL) {
        flow->script = flow->script == FLOW_REPLAYING ? FLOW_REPLAYING : FLOW_BUSY;
        flow_list_remove(&flow->flows->idle, &flow->idle);
        flow__computing_begin(flow);
        flows__send(flow->worker, message);
    }
}

void flow__start_worker(struct flow *flow, struct text *order) {
    static const struct script_watch watch = {.heard = flow_on_frame, .ended = flow_on_worker_end};
    flow__enter(flow, FLOW_LIVE);
    flow->script = FLOW_REPLAYING;
    flow->line_last = 0;
    flow->items_failed = flow->calls_failed = 0; /* A replay counts them again. */
    for (struct call *call = NULL; (call = flow__next_call(flow, call)) != NULL;) {
        call->number = 0;
    }
    flows__make_room(flow->flows, 1);
    flow__computing_begin(flow);
    flow->worker = flows__start_script(flow->flows, flow__scripts(flow), &watch, flow, order);
    flow__store_deferred(flow);
}

void flow__close_worker(struct flow *flow) {
    flow_leave_worker(flow); /* A frame may need the worker a little longer. */
    script_close(flow->worker);
    flow->worker = NULL;
}
