/* side_call.h: a call of a model beside the turns: its answer is collected, and its time is
 * limited.
 *
 *   idle ──side_call_ask──> out ──answered, failed, or timed out──> idle, then `ended`
 *                            └──side_call_cancel──> idle
 *
 * Promise    `ended` comes once for each call that was not cancelled, never inside side_call_ask.
 *            `spent` then has what that call took; after a cancel, too.
 * Ownership  embedded: init/done. The answer is the call's, until the next one is asked.
 * Threads    the loop.
 */
#ifndef DROVER_DISPATCH_PROVIDER_SIDE_CALL_H
#define DROVER_DISPATCH_PROVIDER_SIDE_CALL_H

#include "base/base.h"
#include "base/text.h"
#include "loop/loop.h"
#include "model/model.h"

enum side_end { SIDE_ANSWERED, SIDE_FAILED, SIDE_LATE };
struct side_watch {
    void (*ended)(void *ctx, enum side_end end);
    /* The call waits for its provider, and goes on. NULL: nobody is notified. */
    void (*waits)(void *ctx, const struct model_failure *failure, uint64_t wait_ms);
    void (*resumed)(void *ctx);
};
struct side_call {
    struct loop *loop;     /* Borrowed, as the next one. */
    struct models *models; /* */
    const struct side_watch *watch;
    void *ctx;
    struct asking *asking; /* The models'; NULL: none is out. */
    struct timer timer;
    uint64_t time_ms; /* Limit of the call; its waits for the provider do not count. */
    struct text answer;
    size_t answer_max;        /* The answer is cut here; 0: a longer one fails as a text. */
    struct model_spent spent; /* Taken by the last call. */
    struct model_failure
        failure; /* Last result that was no success; from a call that was not cut off. */
};
void side_call_init(struct side_call *call, struct loop *loop, struct models *models,
                    size_t text_max);
void side_call_done(struct side_call *call); /* Not out. */
/* Takes the request over. */
void side_call_ask(struct side_call *call, struct model_request *request,
                   enum model_priority priority, uint64_t time_ms, const struct side_watch *watch,
                   void *ctx);
void side_call_cancel(struct side_call *call); /* Not out: nothing. */
static inline bool side_call_is_out(const struct side_call *call) {
    return call->asking != NULL;
}

#endif
