/* agent_call.c: an agent that is one call of a model.
 *
 * Its answer is text, or, where the script has a schema, an object that fits it. A model that
 * misses the schema gets what was wrong, WORKFLOW_TRIES_MAX times in all; one that says nothing for
 * too long is asked again, WORKFLOW_RESTARTS_MAX times. */
#include <stdio.h>

#include "base/json/schema.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/provider/causes.h"
#include "dispatch/workflow/agent.h"
#include "engine/turn/turns.h"
#include "rules/turn/mend.h"

enum { SYSTEM_MAX = 256 << 10, FAULT_MAX = 4000 };

/* --- Its wait for the provider ---------------------------------------------------------------- */

static const struct provider_wait no_wait = {.resume_at_ms = 0};

/* --- The answer, checked in the pool ---------------------------------------------------------- */

static const char too_long[] = "The answer was cut off at its longest length.";

static void answer_check_run(struct call *call) {
    struct text *misfit = &call->misfit;
    AUTO(text_done) struct text told = text_up_to(FAULT_MAX);
    AUTO(json_release) json_t *json = NULL;
    AUTO(json_schema_release) struct json_schema *compiled = NULL;
    struct why why = {""};
    bool changed = false;
    text_clear(misfit);
    text_clear(&call->result);
    struct err err = json_schema_compile(call__option(call, "schema"), &compiled, &why);
    if (err_failed(err)) {
        text_add_str(misfit, why.text);
    } else {
        err = answer_mend(compiled, text_bytes(&call->answer), &json, &changed, &told, misfit);
        err = err_failed(err) ? err : json_write(json, &call->result);
    }
    if (err_failed(err) && call->answer_stop == MODEL_STOP_LENGTH) {
        text_clear(misfit);
        text_add_str(misfit, too_long);
    } else if (err_failed(err) && misfit->len == 0) {
        text_add_str(misfit, "It does not fit the schema.");
    }
    text_add_str(&call->mended, call->mended.len > 0 && told.len > 0 ? "; " : "");
    text_add(&call->mended, told.data, told.len);
}

/* Refused parameters and a mended answer are worth a note. */
static void call_note_success(struct call *call) {
    call->cause = CAUSE_COMPLETED;
    if (call->mended.len > 0) {
        call__set_note(call, text_bytes(&call->mended));
    }
}

static void answer_checked(struct call *call) {
    static const char before[] = "That is not what the schema asks for:\n";
    static const char after[] = "\nAnswer again, with the whole object and nothing else.";
    const int64_t *limits = call->limits.of;
    /* Meanwhile it was restarted or skipped, or its time was over. */
    if (call->restarted || call->cause != CAUSE_NONE) {
        text_clear(&call->result);
        call__tick(call);
    } else if (call->misfit.len == 0) {
        call_note_success(call);
        call__tick(call);
    } else if (call->usage.output >= limits[AMOUNT_OUTPUT_TOKENS] ||
               usage_total(&call->usage) >= limits[AMOUNT_TOKENS] ||
               (call->cost.known && call->cost.micros >= limits[AMOUNT_COST])) {
        call__enter(call, CALL_ASKING);
        call__fail(call, CAUSE_AGENT_BUDGET,
                   "what it said does not fit its schema, and its budget is used up");
    } else if (++call->tries < WORKFLOW_TRIES_MAX) {
        struct missed *missed = call->missed == NULL ? mem_new(sizeof *missed) : call->missed;
        AUTO(text_done) struct text fault = text_up_to(FAULT_MAX + sizeof before + sizeof after);
        text_add_str(&fault, before);
        text_add(&fault, call->misfit.data, utf8_cut(text_bytes(&call->misfit), FAULT_MAX));
        text_add_str(&fault, after);
        call->missed = missed;
        missed->answers[missed->count] = mem_copy(call->answer.data, call->answer.len);
        missed->faults[missed->count] = text_take(&fault, NULL);
        missed->count++;
        call__ask(call);
    } else {
        call__enter(call, CALL_ASKING);
        call__note_misfit(call, text_bytes(&call->misfit));
        call__fail(call, CAUSE_SCHEMA_MISMATCH, call->note);
    }
}

/* --- While it speaks -------------------------------------------------------------------------- */

static void call_watch_silence(struct call *call, uint64_t more_ms);

/* A provider that sends comments, pings or empty pieces while its model thinks is alive. */
static void call_on_silence(struct timer *timer) {
    struct call *call = CONTAINER_OF(timer, struct call, timer);
    const struct workflows_options *options = &call->workflow->workflows->options;
    const int64_t silence_ms = model_silence_ms(call->asking);
    if (silence_ms >= 0 && silence_ms < options->limits.stuck_ms) {
        timer_start(options->loop, &call->timer, (uint64_t)(options->limits.stuck_ms - silence_ms),
                    call_on_silence);
    } else if (model_is_waiting(call->asking)) {
        call_watch_silence(call, 0); /* Still queued for its provider. */
    } else if (call->restarts++ < WORKFLOW_RESTARTS_MAX) {
        call__cut_off(call);
        call__ask(call);
    } else {
        call__fail(call, CAUSE_STUCK, "it said nothing for too long, three times");
    }
}

static void call_watch_silence(struct call *call, uint64_t more_ms) {
    const struct workflows_options *options = &call->workflow->workflows->options;
    timer_start(options->loop, &call->timer, (uint64_t)options->limits.stuck_ms + more_ms,
                call_on_silence);
}

static void call_hear(struct call *call) {
    call->heard_ms = workflows__mono_ms(call->workflow->workflows);
    call_watch_silence(call, 0);
}

static void call_on_text(void *ctx, struct bytes piece) {
    struct call *call = ctx;
    text_add(&call->answer, piece.data, piece.len);
    call_hear(call);
    if (text_failed(&call->answer)) {
        call__fail(call, CAUSE_TOO_LARGE, "its answer has more than 1 MB");
    }
}

static void call_on_thinking(void *ctx, struct bytes piece) {
    (void)piece; /* A sign of life, and no more. */
    call_hear(ctx);
}

static void call_on_discarded(void *ctx) {
    text_clear(&((struct call *)ctx)->answer);
}

/* The provider asks for this wait, so it is no silence. */
static void call_on_retrying(void *ctx, const struct model_failure *failure, uint64_t wait_ms) {
    struct call *call = ctx;
    int64_t resume_at_ms = workflows__now_ms(call->workflow->workflows) + (int64_t)wait_ms;
    call_watch_silence(call, wait_ms);
    if (call__parks(call, resume_at_ms) != (call->waits_since_ms != 0)) {
        call__set_waiting(call, call->waits_since_ms == 0);
    }
    call__wait(call, &(struct provider_wait){.resume_at_ms = resume_at_ms,
                                             .cause = provider_run_cause(failure->cause)});
}

static void call_on_resumed(void *ctx) {
    struct call *call = ctx;
    if (call->waits_since_ms != 0) {
        call__set_waiting(call, false);
    }
    call__wait(call, &no_wait);
}

static void call_on_done(void *ctx, const struct model_result *result) {
    struct call *call = ctx;
    const struct model_spent spent = {.usage = result->spent, .cost = result->cost};
    const bool truncated = result->stop == MODEL_STOP_LENGTH;
    struct model_info info;
    call->asking = NULL;
    timer_stop(call->workflow->workflows->options.loop, &call->timer);
    call__add_spent(call, &spent);
    if (result->failure.cause != MODEL_NONE) {
        call->resume_at_ms = result->failure.resume_at_ms;
        call__fail(call, provider_run_cause(result->failure.cause), result->failure.detail);
        return;
    }
    call->answer_stop = result->stop;
    text_clear(&call->mended);
    parameters_note(result->without, &call->mended);
    /* The next answer, to a schema that this one missed, may be longer. */
    if (truncated &&
        models_info(call->workflow->workflows->options.models, bytes_of(call->model), &info)) {
        call->output_max = turn_output_more(result->usage.output, call->output_max,
                                            info.facts.output_max, info.facts.window);
    }
    if (call__option(call, "schema") != NULL) {
        call__enter(call, CALL_CHECKING);
        call__pool(call, answer_check_run, answer_checked);
        return;
    }
    text_clear(&call->result);
    text_add_json(&call->result, text_bytes(&call->answer).data, call->answer.len);
    if (text_failed(&call->result)) {
        call__fail(call, CAUSE_TOO_LARGE, "its answer has more than 2 MB, as JSON");
        return;
    }
    if (truncated) {
        call__set_note(call, bytes_of(too_long));
        call->cause = CAUSE_TRUNCATED;
    } else {
        call_note_success(call);
    }
    call__tick(call);
}

/* --- Asked ------------------------------------------------------------------------------------ */

/* The rest is bounded, since it is known by the wall clock alone: at its end the provider is asked,
 * whatever that clock says then. */
static void call_on_rested(struct timer *timer) {
    struct call *call = CONTAINER_OF(timer, struct call, timer);
    call->wait.resume_at_ms = 0;
    call__ask(call);
}

/* Rest of a wait for its provider that an earlier life of the daemon began. */
static uint64_t call_rest_ms(const struct call *call) {
    const struct workflows *workflows = call->workflow->workflows;
    return models_was_mended(workflows->options.models, bytes_of(call->model))
               ? 0
               : (uint64_t)run_provider_wait_ms(call->wait.resume_at_ms,
                                                workflows__now_ms(workflows));
}

void call__woke(struct call *call) {
    if (call->asking == NULL) {
        timer_hasten(call->workflow->workflows->options.loop, &call->timer, call_rest_ms(call));
    }
}

static struct model_request *call_request(const struct call *call) {
    const json_t *schema = call__option(call, "schema");
    const char *effort = json_string_value(call__option(call, "effort"));
    const struct settings *settings =
        connections_settings(call->workflow->workflows->options.connections);
    struct model_request *request = model_request_new(bytes_of(call->model));
    const struct missed *missed = call->missed;
    AUTO(text_done) struct text system = text_up_to(SYSTEM_MAX), text = text_up_to(RUN_SPEC_MAX);
    /* Efforts above high are high. */
    request->effort = effort != NULL ? model_effort_of(bytes_of(effort), MODEL_EFFORT_HIGH)
                                     : model_effort_of(settings->effort, MODEL_EFFORT_DEFAULT);
    request->output_max = call->output_max;
    request->patience = PATIENCE_AGENT;
    call__write_instructions(call, &system);
    model_request_set_system(request, text_bytes(&system));
    request->failed = request->failed || text_failed(&system);
    model_request_add_message(request, MODEL_USER);
    model_request_add_text(request, json_bytes(call->message, "prompt"));
    if (schema != NULL && err_failed(json_write(schema, &text))) {
        request->failed = true;
    } else if (schema != NULL) {
        model_request_set_schema(request, text_bytes(&text));
    }
    for (size_t i = 0; missed != NULL && i < missed->count; i++) {
        model_request_add_message(request, MODEL_ASSISTANT);
        model_request_add_text(request, bytes_of(missed->answers[i]));
        model_request_add_message(request, MODEL_USER);
        model_request_add_text(request, bytes_of(missed->faults[i]));
    }
    return request;
}

void call__ask(struct call *call) {
    static const struct model_watch watch = {.text = call_on_text,
                                             .thinking = call_on_thinking,
                                             .discarded = call_on_discarded,
                                             .retrying = call_on_retrying,
                                             .resumed = call_on_resumed,
                                             .done = call_on_done};
    const struct workflows *workflows = call->workflow->workflows;
    const uint64_t wait_ms = call_rest_ms(call);
    call__enter(call, CALL_ASKING);
    text_clear(&call->answer);
    call->cause = CAUSE_NONE;
    call->resume_at_ms = 0;
    if (call->stop) {
        call__skip(call);
    } else if (call__looks_up_late(call)) {
        return;               /* Asked again after the lookup. */
    } else if (wait_ms > 0) { /* The daemon ended while it waited for the provider: the rest. */
        timer_start(workflows->options.loop, &call->timer, wait_ms, call_on_rested);
        if (call__parks(call, call->wait.resume_at_ms)) {
            call__set_waiting(call, true);
        }
        call__watch_deadline(call);
    } else {
        if (call->waits_since_ms != 0) {
            call__set_waiting(call, false);
        }
        call__wait(call, &no_wait);
        call->calls++;
        struct model_request *request = call_request(call);
        const struct model_sizes sizes = model_request_sizes(request);
        call->prompt[USAGE_TOOLS] = (int64_t)sizes.tools;
        call->prompt[USAGE_INSTRUCTIONS] = (int64_t)sizes.instructions;
        call->prompt[USAGE_HISTORY] = (int64_t)sizes.history;
        call->heard_ms = workflows__mono_ms(workflows);
        call->asking =
            model_ask(workflows->options.models, request, MODEL_BACKGROUND, &watch, call);
        call_watch_silence(call, 0);
        call__watch_deadline(call);
    }
}
