/* provider_wait.c: an agent's wait for its provider is stored in its row, and so is its end.
 *
 * The agent has the wait as it is, and the row follows: one write at a time, and what changed while
 * it was on its way is one more write. So two of them never overtake each other, and a store that
 * is slow gets only the latest. */
#include <string.h>

#include "dispatch/workflow/flow.h"

static struct err wait_tx(struct tx *tx, void *ctx) {
    struct flow_errand *errand = ctx;
    const struct bytes run = bytes_of(errand->begin.run.text);
    return tx_step_provider(tx, run, errand->end.attempt, &errand->wait);
}

static void wait_stored(struct flow_errand *errand) {
    struct call *call = errand->call;
    flow__errand_free(errand);
    call->storing_wait = false;
    call__store_wait(call);
}

void call__store_wait(struct call *call) {
    if (call->storing_wait || call->stored_resume_ms == call->wait.resume_at_ms) {
        return;
    }
    struct flow_errand *errand = flow__errand(call->flow, wait_tx, wait_stored);
    errand->call = call;
    errand->begin.run = call->run; /* The call may be gone before it is written. */
    errand->end.attempt = call->attempt;
    errand->wait = call->wait;
    call->storing_wait = true;
    call->stored_resume_ms = call->wait.resume_at_ms;
    flow__send(errand);
}

void call__wait(struct call *call, const struct provider_wait *wait) {
    call->wait = *wait;
    call__store_wait(call);
}

void call__wait_over(struct call *call) {
    const struct provider_wait none = {.resume_at_ms = 0};
    call__wait(call, &none);
}
