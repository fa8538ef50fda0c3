/* frames.c: messages of the worker of a workflow, a part at a time; and its start.
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
 * last frame. */
#include <stdio.h>

#include "base/memory.h"
#include "dispatch/workflow/agent.h"
#include "dispatch/workflow/history.h"
#include "engine/budget/budget.h"
#include "engine/session/sessions.h"

enum { FRAME_PART = 64 }; /* Messages that one turn of the loop takes. */

/* --- Requests --------------------------------------------------------------------------------- */

static struct prior *call_find_prior(const struct call *call, const struct table *table) {
    struct table_node *node = table_find(table, call->node.name);
    return node == NULL ? NULL : CONTAINER_OF(node, struct prior, node);
}

/* Counts a request. The worker counts, too, and lets no bad option pass; a worker that is hijacked
 * does not. False: it asks for more than it may. */
static bool workflow_admit_request(struct workflow *workflow, const json_t *message,
                                   enum call_kind kind, struct amounts *io_limits) {
    if (kind == CALL_OF_WORKFLOW) {
        return ++workflow->nested <= WORKFLOW_NESTED_MAX;
    }
    if (kind == CALL_OF_TIMER) {
        const int64_t ms = json_int(message, "ms", -1);
        return ++workflow->timers <= WORKFLOW_TIMERS_MAX && ms >= 0 && ms <= WORKFLOW_TIMER_MS_MAX;
    }
    const json_t *opts = json_object_get(message, "opts");
    const json_t *limits = json_object_get(opts, "budget");
    struct budget_limits budget = {.limits = amounts_unlimited()};
    struct why why;
    bool good = ++workflow->agents <= WORKFLOW_AGENTS_MAX &&
                json_bytes(message, "prompt").len > 0 &&
                strlen(json_str(opts, "model", "")) <= SESSION_MODEL_MAX;
    if (json_is_integer(limits)) {
        budget.limits.of[AMOUNT_OUTPUT_TOKENS] = json_integer_value(limits);
    } else if (limits != NULL) {
        good = good && !err_failed(budget_limits_read(limits, &budget, &why));
    }
    *io_limits = budget.limits;
    return good && budget.limits.of[AMOUNT_OUTPUT_TOKENS] >= 0;
}

/* A call that outlived its worker is found again, with its outcome. */
static void workflow_on_call(struct workflow *workflow, json_t *message, enum call_kind kind) {
    const char *key = json_str(message, "k", "");
    int64_t occurrence = json_int(message, "n", 0), number = json_int(message, "id", 0);
    char name[CALL_NAME];
    call__name_of(name, bytes_of(key), occurrence);
    bool good = strspn(key, "0123456789abcdef") == WORKFLOW_HASH && key[WORKFLOW_HASH] == '\0' &&
                occurrence > 0 && number > 0 && workflow->calls.count <= WORKFLOW_UNANSWERED_MAX;
    struct call *call = good ? workflow__find_call(workflow, bytes_of(name)) : NULL;
    if (call != NULL) {
        json_decref(message);
        call->number = number;
        return;
    }
    struct amounts limits = amounts_unlimited();
    good = good && workflow_admit_request(workflow, message, kind, &limits);
    if (!good) {
        json_decref(message);
        workflow__end(workflow, CAUSE_TOO_MANY_CALLS, "its worker asked for more than it may");
        return;
    }
    call = call__new(workflow, key, occurrence);
    call->number = number;
    call->kind = kind;
    call->message = message;
    call->limits = limits;
    if (kind == CALL_OF_WORKFLOW) {
        call__begin_nested(call, call_find_prior(call, &workflow->reusable));
    } else if (kind == CALL_OF_TIMER) {
        call__begin_timer(call, call_find_prior(call, &workflow->open),
                          call_find_prior(call, &workflow->reusable));
    } else {
        call__begin_agent(call, call_find_prior(call, &workflow->open),
                          call_find_prior(call, &workflow->reusable));
    }
}

/* --- Messages --------------------------------------------------------------------------------- */

/* All that a hijacked worker makes up harms its own run, and no other. */
static void workflow_take_message(struct workflow *workflow, json_t *message) {
    const struct frame_reader *reader = workflow->reader;
    const enum call_kind kind = workflow__message_is(message, "workflow") ? CALL_OF_WORKFLOW
                                : workflow__message_is(message, "timer")  ? CALL_OF_TIMER
                                                                          : CALL_OF_AGENT;
    if (workflow__message_is(message, "phase")) {
        workflow__add_line(workflow, LINE_PHASE, message, "title");
    } else if (workflow__message_is(message, "log")) {
        workflow__add_line(workflow, LINE_LOG, message, "text");
    } else if (kind != CALL_OF_AGENT || workflow__message_is(message, "call")) {
        workflow__flush_lines(workflow);
        workflow_on_call(workflow, json_incref(message), kind);
    } else if (workflow__message_is(message, "clear")) {
        workflow__on_clear(workflow, message);
    } else if (workflow__message_is(message, "quiet")) {
        workflow__flush_lines(workflow);
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
        workflow__flush_lines(workflow);
        workflow__end_with(workflow, message,
                           reader != NULL && reader->ends ? &reader->result : NULL);
    }
}

/* --- Frames ----------------------------------------------------------------------------------- */

static bool workflow_reads_frames(const struct workflow *workflow) {
    return workflow->state == WORKFLOW_LIVE && workflow->worker != NULL &&
           !workflow->workflows->asker.stopping;
}

/* false: the frame has more than a part, or calls hold too much, or nobody reads it any more. */
static bool workflow_take_part(struct workflow *workflow, json_t *messages, size_t *at) {
    size_t end = *at + FRAME_PART;
    while (*at < json_array_size(messages) && *at < end && workflow_reads_frames(workflow) &&
           !workflow__is_full(workflow)) {
        workflow_take_message(workflow, json_array_get(messages, (*at)++));
    }
    workflow__pump(workflow);
    return *at >= json_array_size(messages);
}

/* The workflow may end by a message; the frame, which is being read, is freed after that. */
static void reader_take_part(struct loop_task *task) {
    struct frame_reader *reader = CONTAINER_OF(task, struct frame_reader, task);
    struct workflow *workflow = reader->workflow;
    reader->state = READER_TAKING;
    bool whole = workflow_take_part(workflow, reader->messages, &reader->at);
    if (reader->state == READER_LEFT) {
        workflows__free_frame(reader);
        return;
    }
    reader->state = READER_READY;
    if (!workflow_reads_frames(workflow)) {
        return; /* Goes with its workflow. */
    }
    if (whole) {
        workflow__leave_frame(workflow);
        script_resume(workflow->worker);
        workflow__maybe_idle(workflow);
    } else {
        workflow__go_on_with_frame(reader);
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
        workflows__free_frame(reader);
        workflows__maybe_stopped(workflows); /* The workflow may be freed: nobody else looks. */
        return;
    }
    reader->state = READER_READY;
    if (!workflow_reads_frames(workflow)) {
        workflow__leave_frame(workflow);
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
        workflow__maybe_idle(workflow);
    } else {
        struct frame_reader *reader = reader_new(workflow);
        reader->messages = json_incref(messages);
        reader->at = at;
        workflow__go_on_with_frame(reader);
    }
}

/* --- The process ------------------------------------------------------------------------------ */

static void workflow_on_worker_end(void *ctx, const struct script_end *end) {
    struct workflow *workflow = ctx;
    workflow__leave_worker(workflow);
    workflow->worker = NULL;
    workflow__crashed(workflow, end);
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
                                               bytes_of(workflow->owner), &watch, workflow, order);
    workflow__store_deferred(workflow);
}
