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
 * A script that asks for very much at once costs no more memory than WORKFLOW_PENDING_MAX and one
 * frame: while its calls hold that, the worker stays paused. That ends by itself, since these calls
 * wait for a slot or work, and neither needs what was not read yet. Where many scripts do so, all
 * of them hold WORKFLOWS_PENDING_MAX, and above it each is limited to its share, with which it goes
 * on though others should wait for days. A run that may take over results of another one is not
 * held back: there everything waits until its script is idle (settle.c), and that stands in its
 * last frame.
 *
 * Eviction. Scripts wait for agents for minutes, and a worker costs some hundred kilobytes
 * meanwhile. Where more than `workers_max` live, those that have waited longest are ended. Such a
 * workflow stays LIVE: its agents go on, and their outcomes are stored as ever. When there is an
 * outcome to deliver, the history is read again and a new worker replays it (workflow__deliver), as
 * after a crash, but at once, and uncounted. To stop the workflow, none is needed. Evicts only
 * workers whose state is fully journaled: the script waits after its whole history, and nothing is
 * on its way from it or to it: no frame, no outcome, no result of another run, no script of a
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
    READER_FULL,    /* Calls hold too much: workflow__resume_frame goes on. */
    READER_TAKING,  /* A part is being taken right now. */
    READER_LEFT,    /* The workflow, or the worker, went meanwhile: the frame is only freed. */
};

/* A frame that is being processed. */
struct frame_reader {
    enum reader_state state;
    struct workflow *workflow; /* Not of one that was LEFT. */
    struct workflows *workflows;
    struct pool_job job;
    struct loop_task task;
    struct bytes frame;           /* Borrowed from the worker, which is paused. */
    struct script_worker *orphan; /* Owned: that worker, once its workflow has closed it. */
    json_t *messages;             /* Owned. */
    struct text result;           /* Owned: of an `end`, written in the pool. */
    bool ends;                    /* There is one. */
    size_t at;
    struct err err;
    struct why why;
};

/* --- Memory ----------------------------------------------------------------------------------- */

static void json_free(void *json) {
    json_decref((json_t *)json);
}

void workflows__free_json(struct workflows *workflows, json_t *json) {
    loop_free(workflows->options.loop, json_free, json, SIZE_MAX); /* A message may be large. */
}

/* A long frame has hundreds of thousands of values: they are freed in the pool. */
static void reader_free(struct frame_reader *reader) {
    loop_task_cancel(reader->workflows->options.loop, &reader->task);
    script_close(reader->orphan);
    text_done(&reader->result);
    workflows__free_json(reader->workflows, reader->messages);
    mem_free(reader);
}

static void workflow_leave_reader(struct workflow *workflow) {
    struct frame_reader *reader = workflow->reader;
    workflow->reader = NULL;
    if (reader == NULL) {
        return;
    }
    const enum reader_state state = reader->state;
    reader->state = READER_LEFT;
    if (state == READER_PARSING) { /* The pool still reads what is the worker's. */
        reader->orphan = workflow->worker;
        workflow->worker = NULL;
    } else if (state != READER_TAKING) {
        reader_free(reader);
    }
}

/* --- Idle ------------------------------------------------------------------------------------- */

void workflows_make_room(struct workflows *workflows, size_t wanted) {
    for (struct link *link = workflows->idle.next, *next; link != &workflows->idle; link = next) {
        struct workflow *workflow = CONTAINER_OF(link, struct workflow, idle);
        struct scripts_stats stats;
        workflows_get_script_stats(workflows, &stats);
        if (stats.live + wanted <= (size_t)workflows->options.limits.workers_max) {
            return;
        }
        next = link->next;
        if (workflow->state == WORKFLOW_LIVE && workflow->script == WORKFLOW_QUIET &&
            workflow->worker != NULL && workflow->reader == NULL &&
            workflow__first(workflow, CALL_DONE) == NULL &&
            workflow__first(workflow, CALL_DEFERRED) == NULL && workflow->storing == 0 &&
            workflow->cached == 0 && workflow->searched == NULL && workflow->line_count == 0) {
            workflow__close_worker(workflow); /* This takes it out of the list. */
            workflow->script = WORKFLOW_EVICTED;
            workflows->stats.dropped++;
        }
    }
}

static void workflow_maybe_idle(struct workflow *workflow) {
    if (workflow->state == WORKFLOW_LIVE && workflow->script >= WORKFLOW_QUIET &&
        workflow->worker != NULL && !link_listed(&workflow->idle)) {
        link_add_last(&workflow->workflows->idle, &workflow->idle);
        workflows_make_room(workflow->workflows, 0);
    }
}

/* --- Lines ------------------------------------------------------------------------------------ */

static struct err lines_tx(struct tx *tx, void *ctx) {
    struct workflow_op *op = ctx;
    const struct workflow_place place = workflow__place(op->workflow);
    return tx_workflow_lines(tx, &place, op->lines, op->line_count);
}

static void workflow_flush_lines(struct workflow *workflow) {
    if (workflow->line_count == 0) {
        return;
    }
    struct workflow_op *op = workflow__op(workflow, lines_tx, NULL);
    op->lines = mem_new_array(workflow->line_count, sizeof *op->lines);
    memcpy(op->lines, workflow->lines, workflow->line_count * sizeof *op->lines);
    op->line_count = workflow->line_count;
    op->lazy = true;
    workflow->line_count = 0;
    workflow__op_send(op);
}

static void workflow_put_line(struct workflow *workflow, enum workflow_line_kind kind,
                              int64_t number, struct bytes text) {
    if (workflow->line_count == WORKFLOW_LINES) {
        workflow_flush_lines(workflow);
    }
    size_t len = utf8_cut(text, WORKFLOW_LINE_MAX);
    workflow->lines[workflow->line_count++] = (struct workflow_line){
        .kind = kind, .number = number, .text = {mem_copy(text.data, len), len}};
}

void workflow__warn_once(struct workflow *workflow, const char *text) {
    workflow->warned = workflow->warned == NULL ? json_object() : workflow->warned;
    if (json_object_get(workflow->warned, text) == NULL) {
        (void)json_object_set_new_nocheck(workflow->warned, text,
                                          json_true()); /* Else said again. */
        workflow_put_line(workflow, LINE_LOG, WORKFLOW_LINE_OURS, bytes_of(text));
        workflow_flush_lines(workflow);
    }
}

static void workflow_add_line(struct workflow *workflow, enum workflow_line_kind kind,
                              const json_t *message, const char *member) {
    const struct bytes text = json_bytes(message, member);
    int64_t number = json_int(message, "no", 0);
    if (!json_is_string(json_object_get(message, member)) || number <= workflow->line_last ||
        number > WORKFLOW_LINES_MAX) {
        return;
    }
    workflow->line_last = number;
    workflow_put_line(workflow, kind, number, text);
}

/* --- Messages --------------------------------------------------------------------------------- */

/* All that a hijacked worker makes up harms its own run, and no other. */
static void workflow_take_message(struct workflow *workflow, json_t *message) {
    const struct frame_reader *reader = workflow->reader;
    const enum call_kind kind = workflow__message_is(message, "workflow") ? CALL_OF_WORKFLOW
                                : workflow__message_is(message, "timer")  ? CALL_OF_TIMER
                                                                          : CALL_OF_AGENT;
    if (workflow__message_is(message, "phase")) {
        workflow_add_line(workflow, LINE_PHASE, message, "title");
    } else if (workflow__message_is(message, "log")) {
        workflow_add_line(workflow, LINE_LOG, message, "text");
    } else if (kind != CALL_OF_AGENT || workflow__message_is(message, "call")) {
        workflow_flush_lines(workflow);
        workflow__on_call(workflow, json_incref(message), kind);
    } else if (workflow__message_is(message, "clear")) {
        workflow__on_clear(workflow, message);
    } else if (workflow__message_is(message, "quiet")) {
        workflow_flush_lines(workflow);
        if (json_int(message, "settled", 0) ==
            workflow->sent) { /* Else an outcome is on its way. */
            workflow->script = WORKFLOW_QUIET;
            workflow->lost_workers = 0;
            script_rest(workflow->worker);
            workflow__settle_quiet(workflow);
        }
    } else if (workflow__message_is(message, "threw")) {
        workflow->items_failed = json_int(message, "items", 0);
        workflow->calls_failed = json_int(message, "calls", 0);
    } else if (workflow__message_is(message, "end")) {
        workflow_flush_lines(workflow);
        workflow__end_with(workflow, message,
                           reader != NULL && reader->ends ? &reader->result : NULL);
    }
}

/* --- Frames ----------------------------------------------------------------------------------- */

static bool workflow_reads_frames(const struct workflow *workflow) {
    return workflow->state == WORKFLOW_LIVE && workflow->worker != NULL &&
           !workflow->workflows->asker.stopping;
}

static bool workflow_is_full(const struct workflow *workflow) {
    struct workflows *workflows = workflow->workflows;
    if (workflow->resumed_from != 0 || workflow->pending_bytes < WORKFLOW_PENDING_SHARE) {
        return false;
    }
    const bool all_full = workflows->pending_bytes >= WORKFLOWS_PENDING_MAX;
    workflows->pending_full = workflows->pending_full || all_full;
    return all_full || workflow->pending_bytes >= WORKFLOW_PENDING_MAX;
}

/* false: the frame has more than a part, or calls hold too much, or nobody reads it any more. */
static bool workflow_take_part(struct workflow *workflow, json_t *messages, size_t *at) {
    size_t end = *at + FRAME_PART;
    while (*at < json_array_size(messages) && *at < end && workflow_reads_frames(workflow) &&
           !workflow_is_full(workflow)) {
        workflow_take_message(workflow, json_array_get(messages, (*at)++));
    }
    workflow__pump(workflow);
    return *at >= json_array_size(messages);
}

static void reader_take_more(struct frame_reader *reader) {
    reader->state = workflow_is_full(reader->workflow) ? READER_FULL : READER_READY;
    if (reader->state == READER_READY) {
        loop_soon(reader->workflows->options.loop, &reader->task);
    }
}

void workflow__resume_frame(struct workflow *workflow) {
    if (workflow->reader != NULL && workflow->reader->state == READER_FULL) {
        reader_take_more(workflow->reader);
    }
}

/* Not at each byte less: all of them are looked through. */
void workflows__resume_frames(struct workflows *workflows) {
    if (workflows->pending_full && !workflows->asker.stopping &&
        workflows->pending_bytes < WORKFLOWS_PENDING_MAX / 4 * 3) {
        workflows->pending_full = false;
        for (struct table_node *node = NULL;
             (node = table_next(&workflows->workflows, node)) != NULL;) {
            workflow__resume_frame(CONTAINER_OF(node, struct workflow, node));
        }
    }
}

/* The workflow may end by a message; the frame, which is being read, is freed after that. */
static void reader_take_part(struct loop_task *task) {
    struct frame_reader *reader = CONTAINER_OF(task, struct frame_reader, task);
    struct workflow *workflow = reader->workflow;
    reader->state = READER_TAKING;
    bool whole = workflow_take_part(workflow, reader->messages, &reader->at);
    if (reader->state == READER_LEFT) {
        reader_free(reader);
        return;
    }
    reader->state = READER_READY;
    if (!workflow_reads_frames(workflow)) {
        return; /* Goes with its workflow. */
    }
    if (whole) {
        workflow_leave_reader(workflow);
        script_resume(workflow->worker);
        workflow_maybe_idle(workflow);
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
        if (workflow__message_is(message, "call")) {
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
    reader->ends = workflow__message_is(last, "end");
    if (reader->ends && value != NULL && err_failed(json_write(value, &reader->result))) {
        reader->result.failed = true;
    }
}

/* All that a worker writes is JSON, but a script may have put into it what our parser refuses:
 * numbers that do not fit, depth, a key with NUL. Another worker would send the same. */
static void workflow_refuse_frame(struct workflow *workflow, const struct why *why) {
    char note[sizeof why->text + 64];
    (void)snprintf(note, sizeof note, "what its script gave is beyond our JSON: %s", why->text);
    workflow__end(workflow, CAUSE_RESULT_NOT_JSON, note);
}

static void reader_parsed(struct pool_job *job) {
    struct frame_reader *reader = CONTAINER_OF(job, struct frame_reader, job);
    struct workflow *workflow = reader->workflow;
    if (reader->state == READER_LEFT) {
        struct workflows *workflows = reader->workflows;
        reader_free(reader);
        workflows__maybe_stopped(workflows); /* The workflow may be freed: nobody else looks. */
        return;
    }
    reader->state = READER_READY;
    if (!workflow_reads_frames(workflow)) {
        workflow_leave_reader(workflow);
    } else if (err_failed(reader->err) || !json_is_array(reader->messages)) {
        workflow_refuse_frame(workflow, &reader->why);
    } else {
        loop_soon(reader->workflows->options.loop, &reader->task);
    }
}

static struct frame_reader *reader_new(struct workflow *workflow) {
    struct frame_reader *reader = mem_new(sizeof *reader);
    reader->workflow = workflow;
    reader->workflows = workflow->workflows;
    reader->task.run = reader_take_part;
    text_init(&reader->result, WORKFLOW_RESULT_MAX);
    reader->frame = script_pause(workflow->worker);
    workflow->reader = reader;
    return reader;
}

static void workflow_on_frame(void *ctx, struct bytes frame) {
    struct workflow *workflow = ctx;
    AUTO(json_release) json_t *messages = NULL;
    size_t at = 0;
    struct why why = {""};
    effects_at(workflow->workflows->options.effects, workflow__run(workflow));
    workflow__computing_end(workflow);
    if (!workflow_reads_frames(workflow)) {
        return;
    }
    if (frame.len > WORKFLOW_INLINE) {
        struct frame_reader *reader = reader_new(workflow);
        pool_begin(&workflow->workflows->pool, &reader->job, POOL_QUICK, reader_parse,
                   reader_parsed);
    } else if (err_failed(frame_parse(frame, &messages, &why)) || !json_is_array(messages)) {
        workflow_refuse_frame(workflow, &why);
    } else if (workflow_take_part(workflow, messages, &at) || !workflow_reads_frames(workflow)) {
        workflow_maybe_idle(workflow);
    } else {
        struct frame_reader *reader = reader_new(workflow);
        reader->messages = json_incref(messages);
        reader->at = at;
        reader_take_more(reader);
    }
}

/* --- The process ------------------------------------------------------------------------------ */

/* A paused worker does not end by itself, so nothing is in the pool then. */
static void workflow_leave_worker(struct workflow *workflow) {
    link_remove(&workflow->idle);
    workflow__computing_end(workflow);
    workflow_leave_reader(workflow);
}

static void workflow_on_worker_end(void *ctx, const struct script_end *end) {
    struct workflow *workflow = ctx;
    workflow_leave_worker(workflow);
    workflow->worker = NULL;
    workflow__crashed(workflow, end);
}

size_t workflow__send(struct workflow *workflow, const struct script_piece *pieces, size_t count) {
    if (workflow->worker == NULL) {
        return 0;
    }
    workflow->script = workflow->script == WORKFLOW_REPLAYING ? WORKFLOW_REPLAYING : WORKFLOW_BUSY;
    link_remove(&workflow->idle);
    workflow__computing_begin(workflow);
    script_busy(workflow->worker);
    script_send(workflow->worker, pieces, count);
    return count;
}

void workflow__start_worker(struct workflow *workflow, struct text *order) {
    static const struct script_watch watch = {.heard = workflow_on_frame,
                                              .ended = workflow_on_worker_end};
    workflow__enter(workflow, WORKFLOW_LIVE);
    workflow->script = WORKFLOW_REPLAYING;
    workflow->line_last = 0;
    workflow->items_failed = workflow->calls_failed = 0; /* A replay counts them again. */
    for (struct call *call = NULL; (call = workflow__next_call(workflow, call)) != NULL;) {
        call->number = 0;
    }
    workflows_make_room(workflow->workflows, 1);
    workflow__computing_begin(workflow);
    workflow->worker = workflows__start_script(workflow->workflows, workflow__scripts(workflow),
                                               &watch, workflow, order);
    workflow__store_deferred(workflow);
}

void workflow__close_worker(struct workflow *workflow) {
    workflow_leave_worker(workflow); /* A frame may need the worker a little longer. */
    script_close(workflow->worker);
    workflow->worker = NULL;
}
