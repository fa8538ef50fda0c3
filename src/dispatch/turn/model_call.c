/* model_call.c: a call of the model: what it says is collected, and stored as it comes. */
#include "dispatch/turn/model_call.h"

#include "base/memory.h"
#include "dispatch/provider/causes.h"
#include "dispatch/turn/talk.h"

/* At least twice a second, where pieces come ten times in one. */
enum { METER_MS = 400 };

/* --- Its end ---------------------------------------------------------------------------------- */

void talk__learn(const struct talk *talk, const struct learned_limit *learned) {
    if (learned->window > 0) {
        const struct model_learned what = {
            .name = learned->model, .window = learned->window, .until_ms = learned->until_ms};
        models_learn(talk->turns->options.models, &what);
    }
}

static void answer_done(struct talk_errand *errand) {
    talk__learn(errand->talk, &errand->answer.learned);
    said_clear(&errand->talk->call.said);
    errand__perform(errand);
}

void talk__answer(struct talk *talk) {
    struct talk_call *call = &talk->call;
    struct model_result *result = &call->result;
    const struct model_result *refused = &talk->fit.refused;
    const struct model_failure *failure = &result->failure;
    struct talk_errand *errand = talk__errand(talk, ERRAND_ANSWER, answer_done);
    errand->items = mem_new_array(call->said.count + 1, sizeof *errand->items);
    const struct said_maker maker = {.kind = bytes_of(call->maker),
                                     .connection = model_connection_of(talk->plan.model)};
    said_items(&call->said, &maker, errand->items);
    struct learned_limit learned;
    fit__note_length(talk, &learned);
    /* Both tries count, where the first was refused for its length. */
    bool paid = usage_total(&refused->spent) > 0;
    usage_add(&result->spent, &refused->spent);
    bool too_long = failure->cause == MODEL_CONTEXT_OVERFLOW && talk->fit.fold == FIT_TOO_LONG;
    struct model_info info;
    bool known = talk__model(talk, &info);
    errand->answer = (struct turn_answer){
        .key = errand->key,
        .step = talk->plan.step,
        .items = errand->items,
        .item_count = call->said.count,
        .usage = result->spent,
        .cost = {.known = result->cost.known && (!paid || refused->cost.known),
                 .micros = result->cost.micros + refused->cost.micros},
        .tries = (int64_t)result->tries + (int64_t)refused->tries,
        .failure = too_long ? CAUSE_COMPACTION_FAILED : provider_run_cause(failure->cause),
        .sentence = bytes_of(failure->detail),
        .resume_at_ms = failure->resume_at_ms,
        .window = talk__window(talk),
        .prompt = {[USAGE_TOOLS] = (int64_t)call->sizes.tools,
                   [USAGE_INSTRUCTIONS] = (int64_t)call->sizes.instructions,
                   [USAGE_HISTORY] = (int64_t)call->sizes.history},
        .misfit = {call->misfit.data, call->misfit.len},
        .note = text_bytes(&call->note),
        /* Calls that came whole are all that it has to say. */
        .truncated = failure->cause == MODEL_NONE && result->stop == MODEL_STOP_LENGTH &&
                     (said_has_cut_call(&call->said) || !said_has_calls(&call->said)),
        .paused = result->stop == MODEL_STOP_PAUSE,
        .output_more = turn_output_more(result->usage.output, talk->plan.output_max,
                                        known ? info.facts.output_max : 0, talk__window(talk)),
        .learned = learned,
        .stopped = call->interrupted};
    if (call->on_answer != NULL) {
        call->on_answer(talk, errand);
    }
    usage_add(&talk->used, &errand->answer.usage);
    talk->cost.known = (talk->priced == 0 || talk->cost.known) && errand->answer.cost.known;
    talk->cost.micros += errand->answer.cost.known ? errand->answer.cost.micros : 0;
    talk->priced++;
    call->heard = 0;
    talk__send(errand);
}

static void on_flushed(struct delta_source *source) {
    struct talk *talk = CONTAINER_OF(source, struct talk, call.deltas);
    deltas_drop(source);
    talk__tick(talk);
}

void talk__flush(struct talk *talk) {
    talk__enter(talk, TALK_FLUSHING);
    deltas_flush(&talk->call.deltas, on_flushed);
}

void talk__judge(struct talk *talk) {
    talk__enter(talk, TALK_JUDGING);
    talk__pool(talk, judge__run, talk__tick);
}

static void on_done(void *ctx, const struct model_result *result) {
    struct talk *talk = ctx;
    talk->call.asking = NULL;
    talk->call.result = *result;
    parameters_note(result->without, &talk->call.note);
    talk__tick(talk);
}

/* --- While it speaks -------------------------------------------------------------------------- */

/* Providers say what a call took when it ends: until then it is estimated. */
static void call_meter(struct talk *talk, size_t len) {
    struct talk_call *call = &talk->call;
    const struct model_sizes *sizes = &call->sizes;
    uint64_t now_ms = turns__now_ms(talk->turns);
    struct model_info info;
    call->heard += len;
    call->alive_ms = now_ms;
    if (now_ms - call->metered_ms < METER_MS || !talk__model(talk, &info)) {
        return;
    }
    call->metered_ms = now_ms;
    struct delta_meter what = {
        .usage = usage_estimate(sizes->tools + sizes->instructions + sizes->history, call->heard),
        .window = talk__window(talk)};
    what.cost = usage_cost(&what.usage, &info.facts.price);
    deltas_meter(&call->deltas, &what);
}

static void hear(struct talk *talk, enum turn_item_kind kind, struct bytes piece) {
    talk->call.arguments = false;
    said_add(&talk->call.said, kind, piece);
    deltas_add(&talk->call.deltas, kind == TURN_ITEM_TEXT ? DELTA_TEXT : DELTA_THINKING, piece);
    call_meter(talk, piece.len);
}

static void on_text(void *ctx, struct bytes piece) {
    hear(ctx, TURN_ITEM_TEXT, piece);
}

static void on_thinking(void *ctx, struct bytes piece) {
    hear(ctx, TURN_ITEM_THINKING, piece);
}

static void on_thinking_done(void *ctx, struct bytes signature) {
    said_sign(&((struct talk *)ctx)->call.said, signature);
}

/* Nobody is shown half a call: it counts, no more. */
static void on_tool_piece(void *ctx, unsigned index, struct bytes piece) {
    struct talk *talk = ctx;
    (void)index;
    talk->call.arguments = true;
    call_meter(talk, piece.len);
}

/* A call that was cut off is stored, so that the model and its user see it, and never performed. */
static void on_tool_cut(void *ctx, const struct model_tool_call *call) {
    struct talk *talk = ctx;
    said_add_call(&talk->call.said, call, talk->plan.model, SAID_CUT);
}

static void on_tool_done(void *ctx, const struct model_tool_call *call) {
    struct talk *talk = ctx;
    talk->call.arguments = false;
    said_add_call(&talk->call.said, call, talk->plan.model, SAID_WHOLE);
}

static void on_searched(void *ctx, const struct model_search *search) {
    said_add_search(&((struct talk *)ctx)->call.said, search);
}

static void on_discarded(void *ctx) {
    struct talk *talk = ctx;
    said_clear(&talk->call.said);
    talk->call.heard = 0;
    talk->call.arguments = false;
}

/* Text that came is void from here on, for followers, too. */
static void on_retrying(void *ctx, const struct model_failure *failure, uint64_t wait_ms) {
    struct talk *talk = ctx;
    AUTO(text_done) struct text members = text_up_to(DELTAS_EVENT_MAX);
    talk->call.alive_ms = turns__now_ms(talk->turns) + wait_ms;
    text_addf(&members, "\"cause\":\"%s\"", model_cause_name(failure->cause));
    text_add_member(&members, "detail", bytes_of(failure->detail));
    text_add_member_int(&members, "wait_ms", (int64_t)wait_ms);
    if (!text_failed(&members)) {
        deltas_withdraw(&talk->call.deltas, text_bytes(&members));
    }
    talk__report_wait(talk, failure, wait_ms);
}

static void on_resumed(void *ctx) {
    deltas_resumed(&((struct talk *)ctx)->call.deltas);
}

/* --- Asking ----------------------------------------------------------------------------------- */

/* The deltas are open already where the call of a summary had to wait. */
static void open_deltas(struct talk *talk) {
    const struct turn_plan *plan = &talk->plan;
    const struct delta_place place = {.owner = plan->owner,
                                      .stream = plan->stream,
                                      .run = talk__run(talk),
                                      .message = plan->message,
                                      .step = plan->step};
    if (talk->call.deltas.deltas == NULL) {
        deltas_begin(talk->turns->deltas, &talk->call.deltas, &place);
    }
}

void talk__report_wait(struct talk *talk, const struct model_failure *failure, uint64_t wait_ms) {
    const struct world *world = loop_world(talk->turns->options.loop);
    const struct provider_wait wait = {.resume_at_ms = world_wall_ms(world) + (int64_t)wait_ms,
                                       .cause = provider_run_cause(failure->cause)};
    open_deltas(talk);
    deltas_provider(&talk->call.deltas, &wait);
}

void talk__begin_call(struct talk *talk) {
    struct talk_call *call = &talk->call;
    talk__enter(talk, TALK_CALLING);
    said_clear(&call->said);
    text_clear(&call->misfit);
    text_clear(&call->note);
    call->interrupted = call->arguments = false;
    call->result = (struct model_result){0};
    call->heard = 0;
    talk->tool[0] = '\0';
    call->alive_ms = turns__now_ms(talk->turns);
    open_deltas(talk);
    deltas_resumed(&call->deltas);
}

static struct model_request *call_begin(struct talk *talk) {
    struct talk_call *call = &talk->call;
    struct model_request *request = talk->request;
    struct model_info info;
    bool known = talk__model(talk, &info);
    talk__begin_call(talk);
    call->maker = known ? model_kind_name(info.kind) : "";
    talk->request = NULL;
    call->sizes = model_request_sizes(request);
    return request;
}

void talk__refuse(struct talk *talk, const struct model_result *result) {
    model_request_free(call_begin(talk));
    talk->call.result = *result;
    talk__flush(talk);
}

void talk__call(struct talk *talk) {
    static const struct model_watch watch = {
        .text = on_text,
        .thinking = on_thinking,
        .thinking_done = on_thinking_done,
        .tool_piece = on_tool_piece,
        .tool_done = on_tool_done,
        .tool_cut = on_tool_cut,
        .searched = on_searched,
        .discarded = on_discarded,
        .retrying = on_retrying,
        .resumed = on_resumed,
        .done = on_done,
    };
    struct turns *turns = talk->turns;
    struct model_request *request = call_begin(talk);
    if (talk->stop) {
        model_request_free(request);
        talk->call.interrupted = true;
        talk__flush(talk);
        return;
    }
    turns->stats.calls++;
    talk->call.metered_ms = talk->call.alive_ms = turns__now_ms(turns);
    talk->call.asking = model_ask(turns->options.models, request, MODEL_FOREGROUND, &watch, talk);
}
