/* side_call.c: see the header. */
#include "dispatch/provider/side_call.h"

#include "base/utf8.h"

void side_call_init(struct side_call *call, struct loop *loop, struct models *models,
                    size_t text_max) {
    *call = (struct side_call){.loop = loop, .models = models};
    text_init(&call->answer, text_max);
}

void side_call_done(struct side_call *call) {
    assert(call->asking == NULL);
    timer_stop(call->loop, &call->timer);
    text_done(&call->answer);
}

void side_call_cancel(struct side_call *call) {
    if (call->asking != NULL) {
        model_get_spent(call->asking, &call->spent);
        model_cancel(call->asking);
        call->asking = NULL;
        timer_stop(call->loop, &call->timer);
    }
}

static void call_on_late(struct timer *timer) {
    struct side_call *call = CONTAINER_OF(timer, struct side_call, timer);
    side_call_cancel(call);
    call->watch->ended(call->ctx, SIDE_LATE);
}

static void call_on_text(void *ctx, struct bytes piece) {
    struct side_call *call = ctx;
    size_t room = call->answer_max - call->answer.len;
    text_add(&call->answer, piece.data, call->answer_max > 0 ? utf8_cut(piece, room) : piece.len);
}

static void call_on_discarded(void *ctx) {
    struct side_call *call = ctx;
    text_clear(&call->answer);
}

static void call_on_retrying(void *ctx, const struct model_failure *failure, uint64_t wait_ms) {
    struct side_call *call = ctx;
    timer_start(call->loop, &call->timer, call->time_ms + wait_ms, call_on_late);
    if (call->watch->waits != NULL) {
        call->watch->waits(call->ctx, failure, wait_ms);
    }
}

static void call_on_resumed(void *ctx) {
    struct side_call *call = ctx;
    if (call->watch->resumed != NULL) {
        call->watch->resumed(call->ctx);
    }
}

static void call_on_done(void *ctx, const struct model_result *result) {
    struct side_call *call = ctx;
    call->asking = NULL;
    timer_stop(call->loop, &call->timer);
    call->spent =
        (struct model_spent){.usage = result->spent, .cost = result->cost, .tries = result->tries};
    call->failure = result->failure;
    call->watch->ended(call->ctx,
                       result->failure.cause == MODEL_NONE ? SIDE_ANSWERED : SIDE_FAILED);
}

void side_call_ask(struct side_call *call, struct model_request *request,
                   enum model_priority priority, uint64_t time_ms, const struct side_watch *watch,
                   void *ctx) {
    static const struct model_watch told = {.text = call_on_text,
                                            .discarded = call_on_discarded,
                                            .retrying = call_on_retrying,
                                            .resumed = call_on_resumed,
                                            .done = call_on_done};
    assert(call->asking == NULL);
    call->watch = watch;
    call->ctx = ctx;
    text_clear(&call->answer);
    call->time_ms = time_ms;
    timer_start(call->loop, &call->timer, time_ms, call_on_late);
    call->asking = model_ask(call->models, request, priority, &told, call);
}
