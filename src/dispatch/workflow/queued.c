/* queued.c: events for calls of agent() that cannot begin yet: agent_queued.
 *
 * A script may call a thousand agents at once. Calls that have a slot at once get no such event; of
 * the others a part of a frame (worker.c) comes together, and its events are one append. The op is
 * lazy: it goes with the begins of the same moment, and before each begin that is sent later. */
#include "base/memory.h"
#include "dispatch/workflow/agent.h"

struct queued_op {
    struct workflow_op op;
    struct steps_queued queued;
};

static struct err queued_tx(struct tx *tx, void *ctx) {
    struct queued_op *own = ctx;
    own->queued.again = own->op.pushes > 1; /* The begin of a call may have overtaken this. */
    return tx_steps_queued(tx, &own->queued);
}

static void queued_add(struct text *text, const struct call *call) {
    const struct bytes label = call__name(call->message, "label"),
                       phase = call__name(call->message, "phase");
    text_add_str(text, call->key);
    text_add(text, label.data, label.len);
    text_add(text, phase.data, phase.len);
}

/* Texts of a call in `data`, as queued_add has put them there; returns what follows. */
static const char *queued_set(struct step_queued *step, const struct call *call, const char *data) {
    const size_t key = strlen(call->key), label = call__name(call->message, "label").len,
                 phase = call__name(call->message, "phase").len;
    *step = (struct step_queued){.key = {{data, key}, call->occurrence},
                                 .label = {data + key, label},
                                 .phase = {data + key + label, phase}};
    return data + key + label + phase;
}

/* Sends the events of the calls from `first` on, one page of them; returns the next one. The op
 * outlives its calls, so it has copies of their texts. */
static struct call *workflow_send_queued(struct workflow *workflow, struct call *first) {
    struct queued_op *own = workflow__op(workflow, sizeof *own, queued_tx, NULL);
    struct workflow_op *op = &own->op;
    struct step_queued *steps = op->owned = mem_new_array(STEPS_QUEUED_MAX, sizeof *steps);
    struct call *end = first;
    size_t count = 0;
    text_init(&op->bytes, STEPS_QUEUED_MAX * (WORKFLOW_HASH + 2 * (size_t)STEP_LABEL_MAX));
    for (size_t seen = 0; end != NULL && seen < STEPS_QUEUED_MAX; seen++, end = call__next(end)) {
        if (end->row == ROW_NONE) {
            queued_add(&op->bytes, end);
        }
        end->announced = CALL_QUEUED_SENT;
    }
    const char *data = op->bytes.data;
    for (struct call *call = first; call != end; call = call__next(call)) {
        if (call->row == ROW_NONE) {
            data = queued_set(&steps[count++], call, data);
        }
    }
    own->queued = (struct steps_queued){.place = workflow__place(workflow),
                                        .steps = steps,
                                        .count = count,
                                        .limited = !workflow->paused &&
                                                   workflow->working >= workflow->at_once};
    op->rows = count;
    op->lazy = true;
    workflow__op_send(op);
    return end;
}

/* Calls that have just come, and cannot begin. They are the last in line. */
void workflow__announce_queued(struct workflow *workflow) {
    const struct link *list = &workflow->by_state[CALL_IN_LINE];
    struct call *first = NULL;
    for (struct link *link = list->prev; link != list; link = link->prev) {
        struct call *call = CONTAINER_OF(link, struct call, link);
        if (call->announced == CALL_QUEUED_SENT) {
            break;
        }
        first = call;
    }
    while (first != NULL && workflow->state == WORKFLOW_LIVE) {
        first = workflow_send_queued(workflow, first);
    }
}
