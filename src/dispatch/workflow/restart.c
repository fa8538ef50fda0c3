/* restart.c: somebody has an agent asked anew: its row has the next attempt, and what it did
 * so far is thrown away. Its promise waits on.
 *
 * What is in other hands (the pool, the store) cannot be taken back: it comes, is dropped, and the
 * agent is asked then. */
#include <string.h>

#include "base/memory.h"
#include "dispatch/workflow/flow.h"

/* --- An agent with tools ---------------------------------------------------------------------- */

static struct err talk_tx(struct tx *tx, void *ctx) {
    struct flow_errand *errand = ctx;
    return tx_step_talk(tx, &errand->begin, errand->end.attempt, &errand->late);
}

/* Late: a note has told why. */
static void talk_done(struct flow_errand *errand) {
    struct call *call = errand->call;
    flow__errand_free(errand);
    call->unwritten = false;
    if (call->state == CALL_STORING) {
        call__store(call); /* It may have waited for this. */
    }
}

void call__talk_anew(struct call *call) {
    call__new_talk(call);
    struct flow_errand *errand = flow__errand(call->flow, talk_tx, talk_done);
    errand->call = call;
    errand->begins = true;
    errand->begin = call__step(call, errand);
    errand->end.attempt = call->attempt;
    call__prepare_talk(call, errand);
    call->state = CALL_TALKING;
    call__watch_deadline(call);
    flow__send(errand);
}

/* --- Anew ------------------------------------------------------------------------------------- */

/* What somebody restarts is as good as new; we count on. */
static void forget(struct call *call) {
    call__cancel(call);
    call__leave_talk(call);
    call__asked_free(call);
    text_clear(&call->said);
    text_clear(&call->misfit);
    text_clear(&call->result);
    mem_free(call->note);
    call->note = NULL;
    call->turn = (struct id){""};
    call->cause = CAUSE_NONE;
    call->tries = call->restarts = 0;
    call->waited_ms = call->waits_since_ms = 0;
    call->wait = (struct provider_wait){.resume_at_ms = 0}; /* The restart has ended it. */
    call->stored_resume_ms = 0;
    call->silences = call->hushed ? call->silences : 0;
    call->again = call->hushed = false;
}

/* Of a turn the usage is its session's; of calls of a model what they took stays counted. */
void call__ask_anew(struct call *call) {
    struct flow *flow = call->flow;
    if (flow->state == FLOW_ENDING) {
        return;
    }
    forget(call);
    flow->working += !call->counted;
    call->counted = true;
    if (call->stop) { /* Skipped meanwhile, while what it had come to was in other hands. */
        call->state = CALL_BEGUN;
        call__fail(call, CAUSE_STOPPED, "somebody skipped it");
    } else if (call__lacks_type(call)) {
        call__look_late(call);
    } else {
        call__put_to_work(call);
    }
}

void call__restart(struct call *call, const struct run_row *row) {
    call->attempt = row->attempt;
    call->began_ms = flows__mono_ms(call->flow->flows);
    switch (call->state) {
    case CALL_ASKING:
    case CALL_TALKING:
        call__ask_anew(call);
        break;
    case CALL_CHECKING:
    case CALL_CLEARING:
        call__cancel(call); /* Its time begins anew, too. */
        call->again = true;
        break;
    case CALL_STORING:
        if (call->storing) {
            call->again = true;
        } else {
            call__leave_lines(call);
            call__ask_anew(call);
        }
        break;
    case CALL_PLACING: /* Its tree is made all the same. */
        call__cancel(call);
        call__watch_deadline(call);
        call->turn = (struct id){""};
        break;
    default: /* Nobody was asked yet, by us. */
        call->turn = (struct id){""};
        break;
    }
}
