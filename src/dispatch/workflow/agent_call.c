/* agent_call.c: an agent that is one call of a model.
 *
 * Its answer is text, or, where the script has a schema, an object that fits it. A model that
 * misses the schema is told what was wrong, WORKFLOW_TRIES_MAX times in all; one that says nothing
 * for too long is asked anew, WORKFLOW_RESTARTS_MAX times. */
#include <stdio.h>
#include <string.h>

#include "base/json/schema.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/provider/causes.h"
#include "dispatch/workflow/flow.h"
#include "engine/turn/turns.h"

/* What was said before, where it missed the schema. */
struct missed {
    char *said[WORKFLOW_TRIES_MAX], *faults[WORKFLOW_TRIES_MAX]; /* Owned. */
    size_t count;
};

void call__asked_free(struct call *call) {
    struct missed *missed = call->missed;
    call->missed = NULL;
    if (missed == NULL) {
        return;
    }
    for (size_t i = 0; i < missed->count; i++) {
        mem_free(missed->said[i]);
        mem_free(missed->faults[i]);
    }
    mem_free(missed);
}

static void add_spent(struct call *call, const struct usage *usage, const struct usage_cost *cost) {
    bool first = usage_total(&call->usage) == 0;
    usage_add(&call->usage, usage);
    call->cost.known = (first || call->cost.known) && cost->known;
    call->cost.micros += cost->known ? cost->micros : 0;
    call->calls_priced += cost->known;
}

/* A call of its model that is cut off costs what it has used until now. */
static void cut_off(struct call *call) {
    struct model_spent spent;
    if (call->asking == NULL) {
        return;
    }
    model_get_spent(call->asking, &spent);
    add_spent(call, &spent.usage, &spent.cost);
    model_cancel(call->asking);
    call->asking = NULL;
}

void call__cancel(struct call *call) {
    struct loop *loop = call->flow->flows->options.loop;
    timer_stop(loop, &call->timer);
    timer_stop(loop, &call->deadline);
    cut_off(call);
}

void call__fail(struct call *call, enum run_cause cause, const char *note) {
    if (call->state == CALL_STORING || call->state == CALL_DONE || call->state == CALL_CLEARING) {
        return;
    }
    call__cancel(call);
    char *copy = mem_copy(note, strlen(note)); /* It may be the one that goes. */
    call->cause = cause;
    mem_free(call->note);
    call->note = copy;
    if (call->state != CALL_CHECKING) { /* Else the pool has it; its `done` goes on. */
        text_clear(&call->result);
        call__ended(call);
    }
}

/* --- The request ------------------------------------------------------------------------------ */

enum { SYSTEM_MAX = 256 << 10 };

static const json_t *schema_of(const struct call *call) {
    return json_object_get(json_object_get(call->message, "opts"), "schema");
}

static void add_talk(const struct call *call, struct model_request *request) {
    const struct missed *missed = call->missed;
    for (size_t i = 0; missed != NULL && i < missed->count; i++) {
        model_request_add_message(request, MODEL_ASSISTANT);
        model_request_add_text(request, bytes_of(missed->said[i]));
        model_request_add_message(request, MODEL_USER);
        model_request_add_text(request, bytes_of(missed->faults[i]));
    }
}

static bool add_schema(const struct call *call, struct model_request *request) {
    AUTO(text_done) struct text schema;
    const json_t *json = schema_of(call);
    text_init(&schema, RUN_SPEC_MAX);
    if (json == NULL) {
        return true;
    }
    bool written = !err_failed(json_write(json, &schema));
    if (written) {
        model_request_set_schema(request, (struct bytes){schema.data, schema.len});
    }
    return written;
}

static void add_system(const struct call *call, struct model_request *request) {
    AUTO(text_done) struct text text;
    text_init(&text, SYSTEM_MAX);
    call__write_instructions(call, &text);
    model_request_set_system(request, (struct bytes){text.data, text.len});
    request->failed = request->failed || text_failed(&text);
}

static struct model_request *request_of(const struct call *call) {
    const json_t *prompt = json_object_get(call->message, "prompt");
    const char *effort =
        json_string_value(json_object_get(json_object_get(call->message, "opts"), "effort"));
    const struct settings *settings = connections_settings(call->flow->flows->options.connections);
    struct model_request *request = model_request_new(bytes_of(call->model));
    request->effort = model_effort_of(settings->effort, MODEL_EFFORT_DEFAULT);
    if (effort != NULL) { /* What is more than high is high. */
        request->effort = model_effort_of(bytes_of(effort), MODEL_EFFORT_HIGH);
    }
    request->output_max = call->output_max;
    add_system(call, request);
    model_request_add_message(request, MODEL_USER);
    model_request_add_text(request,
                           (struct bytes){json_string_value(prompt), json_string_length(prompt)});
    if (!add_schema(call, request)) {
        request->failed = true;
    }
    add_talk(call, request);
    return request;
}

/* --- The answer, checked in the pool ---------------------------------------------------------- */

enum { FAULT_MAX = 4000, MISFIT_NOTE_MAX = 300 };
static const char too_long[] = "The answer was cut off at its longest length.";

static struct err check(const json_t *schema, struct bytes said, struct text *misfit,
                        struct text *result) {
    AUTO(json_release) json_t *json = NULL;
    AUTO(json_schema_release) struct json_schema *compiled = NULL;
    struct json_faults faults = {.count = 0};
    struct why why = {""};
    struct err err = json_schema_compile(schema, &compiled, &why);
    if (!err_failed(err)) {
        err = json_parse(said.data, said.len, JSON_DEPTH_MAX, &json, &why);
    }
    if (err_failed(err)) {
        text_add_str(misfit, why.text[0] != '\0' ? why.text : "It is no JSON.");
        return err;
    }
    err = json_schema_check(compiled, json, &faults);
    json_faults_write(&faults, misfit);
    return err_failed(err) ? err : json_write(json, result);
}

/* Many models put a fence around it, whatever they are told. */
static struct bytes without_fence(struct bytes said) {
    while (said.len > 0 && strchr(" \t\r\n", said.data[0]) != NULL) {
        said = (struct bytes){said.data + 1, said.len - 1};
    }
    while (said.len > 0 && strchr(" \t\r\n", said.data[said.len - 1]) != NULL) {
        said.len--;
    }
    const char *line =
        said.len > 6 && memcmp(said.data, "```", 3) == 0 ? memchr(said.data, '\n', said.len) : NULL;
    if (line == NULL || memcmp(said.data + said.len - 3, "```", 3) != 0) {
        return said;
    }
    size_t from = (size_t)(line - said.data) + 1;
    return from + 3 > said.len ? said : (struct bytes){said.data + from, said.len - from - 3};
}

static void check_run(struct pool_job *job) {
    struct call *call = CONTAINER_OF(job, struct call, job);
    const struct bytes said = {call->said.data == NULL ? "" : call->said.data, call->said.len};
    text_clear(&call->misfit);
    text_clear(&call->result);
    struct err err = check(schema_of(call), without_fence(said), &call->misfit, &call->result);
    if (err_failed(err) && call->truncated) {
        text_clear(&call->misfit);
        text_add_str(&call->misfit, too_long);
    } else if (err_failed(err) && call->misfit.len == 0) {
        text_add_str(&call->misfit, "It does not fit the schema.");
    }
}

static void ask_better(struct call *call) {
    static const char before[] = "That is not what the schema asks for:\n";
    static const char behind[] = "\nAnswer again, with the whole object and nothing else.";
    struct missed *missed = call->missed == NULL ? mem_new(sizeof *missed) : call->missed;
    AUTO(text_done) struct text fault;
    text_init(&fault, FAULT_MAX + sizeof before + sizeof behind);
    text_add_str(&fault, before);
    const struct bytes misfit = {call->misfit.data, call->misfit.len};
    text_add(&fault, misfit.data, utf8_cut(misfit, FAULT_MAX));
    text_add_str(&fault, behind);
    call->missed = missed;
    missed->said[missed->count] = mem_copy(call->said.data, call->said.len);
    missed->faults[missed->count] = text_take(&fault, NULL);
    missed->count++;
    call__ask(call);
}

void call__note_misfit(struct call *call, struct bytes misfit) {
    AUTO(text_done) struct text note;
    while (misfit.len > 0 && misfit.data[misfit.len - 1] == '\n') {
        misfit.len--;
    }
    text_init(&note, FAULT_MAX);
    text_addf(&note, "%d answers missed the schema; the last one: %.*s", WORKFLOW_TRIES_MAX,
              (int)utf8_cut(misfit, MISFIT_NOTE_MAX), misfit.data);
    mem_free(call->note);
    call->note = text_take(&note, NULL);
}

bool call__is_back(struct call *call) {
    struct flow *flow = call->flow;
    struct flows *flows = flow->flows;
    flow->in_pool--;
    if (!flow->ended && !flows->stopping && flow->state != FLOW_ENDING) {
        return true;
    }
    call->state = CALL_ASKING;
    flow__maybe_free(flow);
    flows__maybe_stopped(flows);
    return false;
}

static void checked(struct pool_job *job) {
    struct call *call = CONTAINER_OF(job, struct call, job);
    if (!call__is_back(call)) {
        return;
    }
    if (call->again) {
        call__ask_anew(call);
    } else if (call->cause != CAUSE_NONE) { /* Meanwhile it was skipped, or its time was over. */
        text_clear(&call->result);
        call__ended(call);
    } else if (call->misfit.len == 0) {
        call->cause = CAUSE_COMPLETED;
        call__ended(call);
    } else if (call__is_spent(call)) {
        call->state = CALL_ASKING;
        call__fail(call, CAUSE_AGENT_BUDGET,
                   "what it said does not fit its schema, and its budget is used up");
    } else if (++call->tries < WORKFLOW_TRIES_MAX) {
        ask_better(call);
    } else {
        const struct bytes misfit = {call->misfit.data, call->misfit.len};
        call->state = CALL_ASKING;
        call__note_misfit(call, misfit);
        call__fail(call, CAUSE_SCHEMA_MISMATCH, call->note);
    }
}

/* The next answer, to a schema that this one missed, may be longer. */
static void take_length(struct call *call, const struct model_result *result) {
    const struct flows_options *options = &call->flow->flows->options;
    const struct bytes model = bytes_of(call->model);
    struct model_info info;
    call->truncated = result->stop == MODEL_STOP_LENGTH;
    if (call->truncated && models_info(options->models, model, &info)) {
        call->output_max = turn_output_more(result->usage.output, call->output_max,
                                            info.facts.output_max, info.facts.window);
    }
}

static void look_at_answer(struct call *call) {
    if (schema_of(call) == NULL) {
        text_clear(&call->result);
        text_add_json(&call->result, call->said.data == NULL ? "" : call->said.data,
                      call->said.len);
        if (text_failed(&call->result)) {
            call__fail(call, CAUSE_TOO_LARGE, "its answer has more than 2 MB, as JSON");
            return;
        }
        if (call->truncated) {
            mem_free(call->note);
            call->note = mem_copy(too_long, sizeof too_long - 1);
        }
        call->cause = call->truncated ? CAUSE_TRUNCATED : CAUSE_COMPLETED;
        call__ended(call);
        return;
    }
    call->state = CALL_CHECKING;
    call->job = (struct pool_job){.kind = POOL_QUICK, .run = check_run, .done = checked};
    call->flow->in_pool++;
    pool_add(&call->flow->flows->pool, &call->job);
}

/* --- While it speaks -------------------------------------------------------------------------- */

static void watch_silence(struct call *call);

static void on_silence(struct timer *timer) {
    struct call *call = CONTAINER_OF(timer, struct call, timer);
    if (model_is_waiting(call->asking)) {
        watch_silence(call); /* Its turn to be asked has not come. */
        return;
    }
    if (call->restarts++ < WORKFLOW_RESTARTS_MAX) {
        cut_off(call);
        call__ask(call);
        return;
    }
    call__fail(call, CAUSE_STUCK, "it said nothing for too long, three times");
}

static void watch_silence(struct call *call) {
    const struct flows_options *options = &call->flow->flows->options;
    timer_start(options->loop, &call->timer, (uint64_t)options->limits.stuck_ms, on_silence);
}

static void on_text(void *ctx, struct bytes piece) {
    struct call *call = ctx;
    text_add(&call->said, piece.data, piece.len);
    watch_silence(call);
    if (text_failed(&call->said)) {
        call__fail(call, CAUSE_TOO_LARGE, "its answer has more than 1 MB");
    }
}

static void on_thinking(void *ctx, struct bytes piece) {
    (void)piece; /* A sign of life, and no more. */
    watch_silence(ctx);
}

static void on_discarded(void *ctx) {
    struct call *call = ctx;
    text_clear(&call->said);
}

/* Its wait is the provider's wish. */
static void on_retrying(void *ctx, const struct model_failure *failure, uint64_t wait_ms) {
    struct call *call = ctx;
    const struct flows_options *options = &call->flow->flows->options;
    const struct provider_wait wait = {.resume_at_ms =
                                           flows__now_ms(call->flow->flows) + (int64_t)wait_ms,
                                       .cause = provider_run_cause(failure->cause)};
    timer_start(options->loop, &call->timer, (uint64_t)options->limits.stuck_ms + wait_ms,
                on_silence);
    call__wait(call, &wait);
}

static void on_resumed(void *ctx) {
    call__wait_over(ctx);
}

static void on_done(void *ctx, const struct model_result *result) {
    struct call *call = ctx;
    call->asking = NULL;
    timer_stop(call->flow->flows->options.loop, &call->timer);
    add_spent(call, &result->spent, &result->cost);
    if (result->failure.cause == MODEL_NONE) {
        take_length(call, result);
        look_at_answer(call);
    } else {
        call->resume_at_ms = result->failure.resume_at_ms;
        call__fail(call, provider_run_cause(result->failure.cause), result->failure.detail);
    }
}

static const struct model_watch watch = {
    .text = on_text,
    .thinking = on_thinking,
    .discarded = on_discarded,
    .retrying = on_retrying,
    .resumed = on_resumed,
    .done = on_done,
};

static void on_deadline(struct timer *timer) {
    struct call *call = CONTAINER_OF(timer, struct call, deadline);
    call__fail(call, call__time_of(call).cause, "its time was over");
}

/* From when it began; behind a restart of the daemon at most as much as is left by the clock. What
 * it waited for a person is no time of its own, and while it waits there is no deadline. */
void call__watch_deadline(struct call *call) {
    const struct flow *flow = call->flow;
    int64_t gone_ms = flows__mono_ms(flow->flows) - call->began_ms - call->waited_ms;
    int64_t left_ms = call__time_of(call).ms - (gone_ms > 0 ? gone_ms : 0);
    if (call->deadline.slot == 0 && call->waits_since_ms == 0) {
        timer_start(flow->flows->options.loop, &call->deadline, left_ms > 0 ? (uint64_t)left_ms : 0,
                    on_deadline);
    }
}

/* --- Asked ------------------------------------------------------------------------------------ */

static void rested(struct timer *timer) {
    call__ask(CONTAINER_OF(timer, struct call, timer));
}

/* The daemon ended while the call waited for its provider: the rest of that wait comes first. */
static bool rests(struct call *call) {
    const struct flows *flows = call->flow->flows;
    const struct run_row row = {.not_before_ms = call->wait.resume_at_ms};
    int64_t wait_ms = row.not_before_ms == 0 ? 0 : run_provider_wait_ms(&row, flows__now_ms(flows));
    if (wait_ms > 0) {
        timer_start(flows->options.loop, &call->timer, (uint64_t)wait_ms, rested);
        call__watch_deadline(call);
    }
    return wait_ms > 0;
}

void call__ask(struct call *call) {
    const struct flows_options *options = &call->flow->flows->options;
    call->state = CALL_ASKING;
    text_clear(&call->said);
    call->cause = CAUSE_NONE;
    call->resume_at_ms = 0;
    if (call->stop) {
        call__fail(call, CAUSE_STOPPED, "somebody skipped it");
        return;
    }
    if (call__lacks_type(call)) {
        call__look_late(call);
        return;
    }
    if (rests(call)) {
        return;
    }
    call__wait_over(call);
    call->calls++;
    call->asking = model_ask(options->models, request_of(call), MODEL_BACKGROUND, &watch, call);
    watch_silence(call);
    call__watch_deadline(call);
}
