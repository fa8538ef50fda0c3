/* model_call.c: a call of the model: what it says is collected, and stored as it comes. */
#include <string.h>

#include "base/memory.h"
#include "dispatch/provider/causes.h"
#include "dispatch/turn/talk.h"

/* At least twice a second, where pieces come ten times in one. */
enum { METER_MS = 400 };

/* --- What came of it -------------------------------------------------------------------------- */

static enum run_cause cause_of(const struct talk *talk) {
    enum model_cause cause = talk->result.failure.cause;
    return cause == MODEL_CONTEXT_OVERFLOW && talk->too_long ? CAUSE_COMPACTION_FAILED
                                                             : provider_run_cause(cause);
}

/* Of both tries, where the first was refused for its length. */
static struct usage_cost cost_of(const struct talk *talk) {
    const struct model_result *refused = &talk->refused_result;
    struct usage_cost cost = talk->result.cost;
    bool paid = usage_total(&refused->spent) > 0;
    cost.known = cost.known && (!paid || refused->cost.known);
    cost.micros += refused->cost.micros;
    return cost;
}

static struct err answer_tx(struct tx *tx, void *ctx) {
    struct talk_errand *errand = ctx;
    return tx_turn_answer(tx, &errand->answer, &errand->plan);
}

static void answer_done(struct talk_errand *errand) {
    struct talk *talk = errand->talk;
    struct turn_plan plan = errand->plan;
    const struct learned_window *raised = &errand->answer.learned;
    if (raised->window > 0) {
        const struct model_learned learned = {
            .name = raised->model, .window = raised->window, .until_ms = raised->until_ms};
        models_learn(talk->turns->options.models, &learned);
    }
    turn_plan_init(&errand->plan);
    errand__free(errand);
    said_clear(&talk->said);
    talk__perform(talk, &plan);
}

/* Whether something is missing at its end. Calls that came whole are all that it has to say. */
static bool is_truncated(const struct talk *talk) {
    return talk->result.failure.cause == MODEL_NONE && talk->result.stop == MODEL_STOP_LENGTH &&
           (said_has_cut_call(&talk->said) || !said_has_calls(&talk->said));
}

static int64_t output_more(const struct talk *talk) {
    struct model_info info;
    bool known = models_info(talk->turns->options.models, talk->plan.model, &info);
    return turn_output_more(talk->result.usage.output, talk->plan.output_max,
                            known ? info.facts.output_max : 0, talk__window(talk));
}

/* Every piece of it is durable: the answer may follow. */
static void flushed(struct delta_source *source) {
    struct talk *talk = CONTAINER_OF(source, struct talk, deltas);
    deltas_drop(&talk->deltas);
    talk__enter(talk, TALK_PLANNING);
    struct talk_errand *errand = talk__errand(talk, answer_tx, answer_done);
    struct bytes maker = bytes_of(talk->maker);
    errand->items = mem_new_array(talk->said.count + 1, sizeof *errand->items);
    said_items(&talk->said, maker, errand->items);
    const struct model_failure *failure = &talk->result.failure;
    const struct model_sizes *sizes = &talk->sizes;
    struct learned_window learned;
    talk__note_length(talk, &learned);
    usage_add(&talk->result.spent, &talk->refused_result.spent);
    errand->answer = (struct turn_answer){
        .key = errand->key,
        .step = talk->plan.step,
        .items = errand->items,
        .item_count = talk->said.count,
        .usage = talk->result.spent,
        .cost = cost_of(talk),
        .tries = (int64_t)talk->result.tries + (int64_t)talk->refused_result.tries,
        .failure = cause_of(talk),
        .sentence = {failure->detail, strlen(failure->detail)},
        .resume_at_ms = failure->resume_at_ms,
        .window = talk__window(talk),
        .prompt = {[USAGE_TOOLS] = (int64_t)sizes->tools,
                   [USAGE_INSTRUCTIONS] = (int64_t)sizes->instructions,
                   [USAGE_HISTORY] = (int64_t)sizes->history},
        .misfit = {talk->misfit.data, talk->misfit.len},
        .truncated = is_truncated(talk),
        .output_more = output_more(talk),
        .learned = learned,
        .stopped = talk->interrupted};
    talk__send(errand);
}

void talk__flush(struct talk *talk) {
    talk__enter(talk, TALK_FLUSHING);
    deltas_flush(&talk->deltas, flushed);
}

static void refused(struct delta_source *source) {
    struct talk *talk = CONTAINER_OF(source, struct talk, deltas);
    deltas_drop(&talk->deltas);
    if (talk__doubts_refusal(talk)) {
        talk__ask_again(talk);
    } else {
        talk__fold_refused(talk);
    }
}

/* Text that came before the refusal is void: the call is made once more. */
static void flush_refused(struct talk *talk) {
    if (talk->heard > 0) {
        deltas_withdraw(&talk->deltas, BYTES("\"cause\":\"context_overflow\""));
    }
    talk__enter(talk, TALK_FLUSHING);
    deltas_flush(&talk->deltas, refused);
}

static void on_done(void *ctx, const struct model_result *result) {
    struct talk *talk = ctx;
    talk->asking = NULL;
    talk->result = *result;
    if (talk->ended) {
        talk__maybe_free(talk);
    } else if (talk__doubts_refusal(talk) || (talk__is_refused_once(talk) && !talk->doubted)) {
        flush_refused(talk);
    } else if (result->failure.cause == MODEL_NONE &&
               (said_has_calls(&talk->said) || talk__may_have_printed(talk) ||
                talk->plan.schema.len > 0)) {
        talk__enter(talk, TALK_JUDGING);
        talk__judge(talk);
    } else {
        talk__flush(talk);
    }
}

/* --- While it speaks -------------------------------------------------------------------------- */

/* Providers tell what a call took when it ends: until then it is estimated. */
static void meter(struct talk *talk, size_t len) {
    uint64_t now_ms = world_mono_ns(loop_world(talk->turns->options.loop)) / 1000000;
    size_t asked = talk->sizes.tools + talk->sizes.instructions + talk->sizes.history;
    struct model_info info;
    talk->heard += len;
    talk->alive_ms = now_ms;
    if (now_ms - talk->metered_ms < METER_MS ||
        !models_info(talk->turns->options.models, talk->plan.model, &info)) {
        return;
    }
    talk->metered_ms = now_ms;
    struct delta_meter what = {.usage = usage_estimate(asked, talk->heard),
                               .window = talk__window(talk)};
    what.cost = usage_cost(&what.usage, &info.facts.price);
    deltas_meter(&talk->deltas, &what);
}

static void on_text(void *ctx, struct bytes piece) {
    struct talk *talk = ctx;
    said_add(&talk->said, TURN_ITEM_TEXT, piece);
    deltas_add(&talk->deltas, DELTA_TEXT, piece);
    meter(talk, piece.len);
}

static void on_thinking(void *ctx, struct bytes piece) {
    struct talk *talk = ctx;
    said_add(&talk->said, TURN_ITEM_THINKING, piece);
    deltas_add(&talk->deltas, DELTA_THINKING, piece);
    meter(talk, piece.len);
}

static void on_thinking_done(void *ctx, struct bytes signature) {
    struct talk *talk = ctx;
    said_sign(&talk->said, signature);
}

/* Nobody is shown half a call: it counts, no more. */
static void on_tool_piece(void *ctx, unsigned index, struct bytes piece) {
    (void)index;
    meter(ctx, piece.len);
}

/* A call that was cut off is stored, so that the model and its user see it, and never performed. */
static void on_tool_cut(void *ctx, const struct model_tool_call *call) {
    struct talk *talk = ctx;
    const struct said_call said = {
        .id = call->id, .name = call->name, .arguments = call->arguments, .cut = true};
    said_add_call(&talk->said, &said);
}

static void on_tool_done(void *ctx, const struct model_tool_call *call) {
    struct talk *talk = ctx;
    const struct said_call said = {
        .id = call->id, .name = call->name, .arguments = call->arguments};
    said_add_call(&talk->said, &said);
}

static void on_discarded(void *ctx) {
    struct talk *talk = ctx;
    said_clear(&talk->said);
    talk->heard = 0;
}

/* What was said is void from here on, for whoever looks on, too. */
static void on_retrying(void *ctx, const struct model_failure *failure, uint64_t wait_ms) {
    struct talk *talk = ctx;
    AUTO(text_done) struct text members;
    talk->alive_ms = world_mono_ns(loop_world(talk->turns->options.loop)) / 1000000 + wait_ms;
    text_init(&members, DELTAS_EVENT_MAX);
    text_add_str(&members, "\"cause\":\"");
    text_add_str(&members, model_cause_name(failure->cause));
    text_add_str(&members, "\",\"detail\":");
    text_add_json(&members, failure->detail, strlen(failure->detail));
    text_addf(&members, ",\"wait_ms\":%llu", (unsigned long long)wait_ms);
    if (!text_failed(&members)) {
        deltas_withdraw(&talk->deltas, (struct bytes){members.data, members.len});
    }
    talk__report_wait(talk, failure, wait_ms);
}

static void on_resumed(void *ctx) {
    talk__report_resumed(ctx);
}

static const struct model_watch watch = {
    .text = on_text,
    .thinking = on_thinking,
    .thinking_done = on_thinking_done,
    .tool_piece = on_tool_piece,
    .tool_done = on_tool_done,
    .tool_cut = on_tool_cut,
    .discarded = on_discarded,
    .retrying = on_retrying,
    .resumed = on_resumed,
    .done = on_done,
};

/* --- Asking ----------------------------------------------------------------------------------- */

/* The deltas are open already where the call of a summary had to wait. */
static void open_deltas(struct talk *talk) {
    const struct turn_plan *plan = &talk->plan;
    const struct delta_place place = {.owner = plan->owner,
                                      .stream = plan->stream,
                                      .run = talk__run(talk),
                                      .message = plan->message,
                                      .step = plan->step};
    if (talk->deltas.deltas == NULL) {
        deltas_begin(talk->turns->deltas, &talk->deltas, &place);
    }
}

void talk__report_wait(struct talk *talk, const struct model_failure *failure, uint64_t wait_ms) {
    const struct world *world = loop_world(talk->turns->options.loop);
    const struct provider_wait wait = {.resume_at_ms = world_wall_ms(world) + (int64_t)wait_ms,
                                       .cause = provider_run_cause(failure->cause)};
    open_deltas(talk);
    deltas_provider(&talk->deltas, &wait);
    talk->waits = true;
}

void talk__report_resumed(struct talk *talk) {
    const struct provider_wait none = {.resume_at_ms = 0};
    if (talk->waits && talk->deltas.deltas != NULL) {
        deltas_provider(&talk->deltas, &none);
        talk->waits = false;
    }
}

static struct model_request *begin_call(struct talk *talk) {
    talk__enter(talk, TALK_CALLING);
    said_clear(&talk->said);
    text_clear(&talk->misfit);
    talk->interrupted = false;
    talk->result = (struct model_result){0};
    open_deltas(talk);
    talk__report_resumed(talk);
    struct model_info info;
    bool known = models_info(talk->turns->options.models, talk->plan.model, &info);
    talk->maker = known ? model_kind_name(info.kind) : "";
    struct model_request *request = talk->request;
    talk->request = NULL;
    talk->sizes = model_request_sizes(request);
    talk->heard = 0;
    return request;
}

void talk__refuse(struct talk *talk, const struct model_result *result) {
    model_request_free(begin_call(talk));
    talk->result = *result;
    talk__flush(talk);
}

void talk__call(struct talk *talk) {
    struct turns *turns = talk->turns;
    struct model_request *request = begin_call(talk);
    if (talk->stop) {
        model_request_free(request);
        talk->interrupted = true;
        talk__flush(talk);
        return;
    }
    turns->stats.calls++;
    talk->metered_ms = world_mono_ns(loop_world(turns->options.loop)) / 1000000;
    talk->alive_ms = talk->metered_ms;
    talk->asking = model_ask(turns->options.models, request, MODEL_FOREGROUND, &watch, talk);
}

void talk__cancel_call(struct talk *talk) {
    if (talk->asking == NULL) {
        return;
    }
    struct model_spent spent;
    model_get_spent(talk->asking, &spent);
    model_cancel(talk->asking);
    talk->asking = NULL;
    talk->interrupted = true;
    talk->result.spent = spent.usage;
    talk->result.cost = spent.cost;
    talk->result.tries = spent.tries > 0 ? spent.tries : 1;
    if (!talk->ended && !talk->turns->stopping) {
        talk__flush(talk);
    }
}
