/* evaluator.c: see evaluator.h. */
#include "dispatch/flow/evaluator.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "engine/flow/flows.h"
#include "script/protocol.h"

enum { INLINE_MAX = 64 << 10, SENTENCE_MAX = 600 };

/* A frame that was read. */
struct frame {
    json_t *messages;    /* Owned; NULL: it is beyond drover's JSON. */
    struct text *values; /* Owned: for each message of a value, how it is stored. */
};

/*   HEARS ──a long frame──> READING ──read──> HEARS
 *     └──the worker has ended, or sends nonsense──> OVER
 * A frame that is read in the pool outlives the evaluator: the worker goes with it.
 */
struct frame_job {
    struct evaluator *evaluator;  /* NULL: it was closed meanwhile. */
    struct script_worker *worker; /* Owned, once the evaluator was closed. */
    struct pool_job job;
    struct bytes bytes; /* Borrowed from the worker, which is paused. */
    struct frame frame;
};

struct evaluator {
    struct evaluator_options options; /* The texts are not used after the order was sent. */
    struct script_worker *worker;     /* Owned; NULL: it has ended. */
    struct frame_job *reading;        /* NULL: nothing is in the pool. */
    struct loop_task end_task;        /* `ended` is on its way. */
    int64_t sent;                     /* Messages after the order. */
    bool quiet;                       /* The worker has done all of them. */
    enum evaluator_end end;
    char sentence[SENTENCE_MAX];
};

/* --- The end ---------------------------------------------------------------------------------- */

static void on_end_task(struct loop_task *task) {
    struct evaluator *evaluator = CONTAINER_OF(task, struct evaluator, end_task);
    evaluator->options.watch->ended(evaluator->options.ctx, evaluator->end,
                                    bytes_of(evaluator->sentence));
}

static void worker_leave(struct evaluator *evaluator) {
    struct frame_job *reading = evaluator->reading;
    if (reading != NULL) { /* The pool reads what is the worker's. */
        reading->evaluator = NULL;
        reading->worker = evaluator->worker;
    } else {
        script_close(evaluator->worker);
    }
    evaluator->reading = NULL;
    evaluator->worker = NULL;
}

static void evaluator_end(struct evaluator *evaluator, enum evaluator_end end,
                          struct bytes sentence) {
    if (evaluator->worker == NULL) {
        return;
    }
    worker_leave(evaluator);
    evaluator->end = end;
    const size_t len = sentence.len < SENTENCE_MAX - 1 ? sentence.len : SENTENCE_MAX - 1;
    memcpy(evaluator->sentence, sentence.data, len);
    evaluator->sentence[len] = '\0';
    loop_soon(evaluator->options.loop, &evaluator->end_task);
}

void evaluator_close(struct evaluator *evaluator) {
    if (evaluator != NULL) {
        loop_task_cancel(evaluator->options.loop, &evaluator->end_task);
        worker_leave(evaluator);
        mem_free(evaluator);
    }
}

/* --- Frames ----------------------------------------------------------------------------------- */

/* A text as it is; anything else as JSON. */
static void value_write(const json_t *value, struct text *text) {
    const struct bytes words = json_text(value);
    if (json_is_string(value)) {
        text_add(text, words.data, words.len);
    } else if (value != NULL && !json_is_null(value) && err_failed(json_write(value, text))) {
        text->failed = true;
    }
}

static void frame_read(struct bytes bytes, struct frame *ret_frame) {
    json_t *messages = NULL;
    if (err_failed(json_parse_wide(bytes.data, bytes.len, JSON_DEPTH_MAX, &messages, NULL)) ||
        !json_is_array(messages)) {
        json_release(&messages);
        *ret_frame = (struct frame){0};
        return;
    }
    struct text *values = mem_new_array(json_array_size(messages), sizeof *values);
    for (size_t i = 0; i < json_array_size(messages); i++) {
        const json_t *message = json_array_get(messages, i);
        text_init(&values[i], FLOW_TEXT_MAX);
        if (bytes_is(json_bytes(message, "t"), "value")) {
            value_write(json_object_get(message, "v"), &values[i]);
        }
    }
    *ret_frame = (struct frame){messages, values};
}

static void frame_done(struct frame *frame) {
    for (size_t i = 0; i < json_array_size(frame->messages); i++) {
        text_done(&frame->values[i]);
    }
    mem_free(frame->values);
    json_release(&frame->messages);
}

static void frame_job_free(void *what) {
    struct frame_job *job = what;
    frame_done(&job->frame);
    mem_free(job);
}

/* --- Messages --------------------------------------------------------------------------------- */

/* "TypeError: x is undefined (line 3)" */
static void fault_write(const json_t *message, struct text *text) {
    const char *name = json_str(message, "name", "Error");
    const int64_t line = json_int(message, "line", 0);
    const struct bytes words = json_bytes(message, "message");
    text_addf(text, "%.100s: %.*s", name, (int)(words.len < 400 ? words.len : 400), words.data);
    if (line > 0) {
        text_addf(text, " (line %lld)", (long long)line);
    }
}

static enum evaluator_end end_of(const json_t *message) {
    const char *code = json_str(message, "code", "");
    return strcmp(code, "script_stuck") == 0 || strcmp(code, "memory_exceeded") == 0
               ? EVALUATOR_STUCK
               : EVALUATOR_REFUSED;
}

static void message_take(struct evaluator *evaluator, json_t *message, struct text *value) {
    const struct evaluator_watch *watch = evaluator->options.watch;
    void *ctx = evaluator->options.ctx;
    const struct bytes type = json_bytes(message, "t");
    const int64_t id = json_int(message, "id", 0);
    AUTO(text_done) struct text sentence = text_up_to(SENTENCE_MAX);
    if (bytes_is(type, "flow")) {
        if (watch->described != NULL) {
            watch->described(ctx, json_object_get(message, "flow"));
        }
    } else if (bytes_is(type, "value")) {
        const struct evaluator_value said = {.json = json_object_get(message, "v"),
                                             .text = value,
                                             .read_results =
                                                 json_is_true(json_object_get(message, "read"))};
        watch->value(ctx, id, &said);
    } else if (bytes_is(type, "failed")) {
        fault_write(message, &sentence);
        watch->threw(ctx, id, text_bytes(&sentence));
    } else if (bytes_is(type, "dispatch")) {
        watch->asks(ctx, id, json_int(message, "call", 0), json_bytes(message, "agent"),
                    json_bytes(message, "task"));
    } else if (bytes_is(type, "quiet")) {
        if (json_int(message, "settled", -1) == evaluator->sent) { /* Else more is on its way. */
            script_rest(evaluator->worker);
            evaluator->quiet = true;
        }
    } else if (bytes_is(type, "end")) {
        fault_write(message, &sentence);
        evaluator_end(evaluator, end_of(message), text_bytes(&sentence));
    }
}

/* A callback may close the evaluator only by way of the loop: see the header. */
static void frame_take(struct evaluator *evaluator, const struct frame *frame) {
    if (frame->messages == NULL) {
        evaluator_end(evaluator, EVALUATOR_REFUSED,
                      BYTES("the file gave a value that is beyond drover's JSON"));
    }
    for (size_t i = 0; i < json_array_size(frame->messages) && evaluator->worker != NULL; i++) {
        message_take(evaluator, json_array_get(frame->messages, i), &frame->values[i]);
    }
}

static void frame_job_run(struct pool_job *job) {
    struct frame_job *frame = CONTAINER_OF(job, struct frame_job, job);
    frame_read(frame->bytes, &frame->frame);
}

static void on_frame_read(struct pool_job *job) {
    struct frame_job *frame = CONTAINER_OF(job, struct frame_job, job);
    struct evaluator *evaluator = frame->evaluator;
    if (evaluator == NULL) {
        script_close(frame->worker);
        frame_job_free(frame);
        return;
    }
    evaluator->reading = NULL;
    frame_take(evaluator, &frame->frame);
    if (evaluator->worker != NULL) {
        script_resume(evaluator->worker);
    }
    loop_free(evaluator->options.loop, frame_job_free, frame, SIZE_MAX);
}

static void on_frame(void *ctx, struct bytes bytes) {
    struct evaluator *evaluator = ctx;
    if (bytes.len > INLINE_MAX) {
        struct frame_job *job = mem_new(sizeof *job);
        job->evaluator = evaluator;
        job->bytes = script_pause(evaluator->worker);
        evaluator->reading = job;
        pool_begin(evaluator->options.pool, &job->job, POOL_QUICK, frame_job_run, on_frame_read);
        return;
    }
    struct frame frame;
    frame_read(bytes, &frame);
    frame_take(evaluator, &frame);
    frame_done(&frame);
}

static void on_worker_end(void *ctx, const struct script_end *end) {
    struct evaluator *evaluator = ctx;
    evaluator->worker = NULL; /* Gone with its end. */
    evaluator->end = end->kind == SCRIPT_STUCK ? EVALUATOR_STUCK : EVALUATOR_CRASHED;
    (void)snprintf(evaluator->sentence, sizeof evaluator->sentence, "%s",
                   end->kind == SCRIPT_STUCK ? "a function computed for too long without waiting"
                   : end->detail != NULL     ? end->detail
                                             : "the worker of the file ended");
    loop_soon(evaluator->options.loop, &evaluator->end_task);
}

/* --- Requests --------------------------------------------------------------------------------- */

/* Takes the text over: an array of messages. */
static void frame_send(struct evaluator *evaluator, struct text *text) {
    if (evaluator->worker == NULL) {
        text_done(text); /* `ended` is on its way. */
    } else if (text_failed(text)) {
        text_done(text);
        evaluator_end(evaluator, EVALUATOR_REFUSED, BYTES("its results are too large"));
    } else {
        struct script_piece frame;
        frame.data = text_take(text, &frame.len);
        evaluator->sent++;
        evaluator->quiet = false;
        script_busy(evaluator->worker);
        script_send(evaluator->worker, &frame, 1);
    }
}

static void message_send(struct evaluator *evaluator, json_t *message) {
    struct text text = text_up_to(SCRIPT_ORDER_MAX);
    text_add_char(&text, '[');
    if (err_failed(json_write(message, &text))) {
        text.failed = true;
    }
    text_add_char(&text, ']');
    json_decref(message);
    frame_send(evaluator, &text);
}

static json_t *json_of(struct bytes text) {
    json_t *json = json_stringn(text.data, text.len);
    return json != NULL ? json : json_string(""); /* No UTF-8: none of ours. */
}

static json_t *order_make(const struct evaluator_options *options) {
    json_t *input = NULL;
    if (options->input.len == 0 || err_failed(json_parse_wrapped(options->input, &input, NULL))) {
        input = json_object();
    }
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:{s:I, s:I, s:I, s:I}}", "t", "flow",
                     "script", json_of(options->script), "form", json_string("flow"), "file",
                     json_of(options->file), "input", input, "model", json_of(options->model),
                     "limits", "cpu_ms", (json_int_t)options->bounds.cpu_ms, "memory_mb",
                     (json_int_t)options->memory_mb, "lines", (json_int_t)10000, "line_bytes",
                     (json_int_t)4096);
}

struct evaluator *evaluator_open(const struct evaluator_options *options) {
    static const struct script_watch watch = {.heard = on_frame, .ended = on_worker_end};
    struct evaluator *evaluator = mem_new(sizeof *evaluator);
    evaluator->options = *options;
    evaluator->end_task.run = on_end_task;
    evaluator->sent = -1; /* The order does not count. */
    evaluator->worker = script_start(options->scripts, &options->bounds, &watch, evaluator);
    message_send(evaluator, order_make(options));
    return evaluator;
}

bool evaluator_is_quiet(const struct evaluator *evaluator) {
    return evaluator->quiet && evaluator->worker != NULL && evaluator->reading == NULL;
}

void evaluator_results_add(struct text *results, struct bytes step, struct bytes result, bool has) {
    if (results->len == 0) {
        text_add_str(results, "[{\"t\":\"know\",\"results\":{");
    }
    text_add_name(results, step.data);
    if (has) {
        text_add_json(results, result.data, result.len);
    } else {
        text_add_str(results, "null");
    }
}

void evaluator_results_end(struct text *results, struct bytes rejected) {
    if (results->len > 0) {
        text_add_str(results, "}");
        text_add_member_or_null(results, "rejected", rejected);
        text_add_str(results, "}]");
    }
}

void evaluator_know(struct evaluator *evaluator, struct text *results) {
    if (results->len > 0) {
        frame_send(evaluator, results);
    }
}

void evaluator_ask(struct evaluator *evaluator, const struct evaluation *what) {
    message_send(evaluator, json_pack("{s:s, s:I, s:s, s:o, s:I}", "t", "eval", "id",
                                      (json_int_t)what->id, "what", what->what, "step",
                                      json_of(what->step), "no", (json_int_t)what->number));
}

void evaluator_answer(struct evaluator *evaluator, int64_t id, int64_t call,
                      enum evaluator_outcome outcome, struct bytes text) {
    const bool said = outcome == EVALUATOR_SAID;
    message_send(evaluator,
                 json_pack("{s:s, s:I, s:I, s:s, s:s, s:o}", "t", "answer", "id", (json_int_t)id,
                           "call", (json_int_t)call, "o", said ? "value" : "throw", "name", "Error",
                           said ? "v" : "message", json_of(text)));
}

void evaluator_drop(struct evaluator *evaluator, int64_t id) {
    message_send(evaluator, json_pack("{s:s, s:I}", "t", "drop", "id", (json_int_t)id));
}
