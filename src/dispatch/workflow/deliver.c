/* deliver.c: outcomes that are stored, and how the script gets them: in the order of their commits,
 * with those between that are only in the store. */
#include <string.h>

#include "base/memory.h"
#include "dispatch/workflow/agent.h"
#include "dispatch/workflow/history.h"

enum {
    DELIVER_BYTES = 256 << 10, /* Bytes of outcomes in one turn of the loop, and one more. */
    DELIVER_COPY = 16 << 10,   /* A longer value is a piece of its frame, and is not copied. */
    DELIVER_PIECES = 2 * (DELIVER_BYTES / DELIVER_COPY + 1) + 1,
};

/* --- Pages after the first message ------------------------------------------------------------ */

void call__unload(struct call *call) {
    text_done(&call->result);
    text_init(&call->result, 2 * (size_t)WORKFLOW_RESULT_MAX);
    call->form = RESULT_UNLOADED;
    call->workflow->unloaded++;
}

/* An outcome, as it is delivered. */
struct page_outcome {
    char name[CALL_NAME];
    int64_t number, output_tokens;
    struct text words; /* Owned. */
};

struct page_op {
    struct workflow_op op;
    int64_t after; /* done_no before the first. */
    struct page_outcome list[WORKFLOW_PAGE_STEPS];
    size_t count, bytes;
    struct why fault;
    struct tx *tx; /* While its function runs. */
};

static void page_clear(struct workflow_op *op) {
    struct page_op *page = CONTAINER_OF(op, struct page_op, op);
    for (size_t i = 0; i < page->count; i++) {
        text_done(&page->list[i].words);
    }
    page->count = page->bytes = 0;
    page->fault.text[0] = '\0';
}

static struct err page_add(void *ctx, const struct step_row *row) {
    struct page_op *page = ctx;
    if (page->bytes >= WORKFLOW_PAGE_BYTES) { /* Scripts of workflow() are not in the rows. */
        return ERR_OK;
    }
    assert(page->count < COUNT_OF(page->list));
    struct page_outcome *outcome = &page->list[page->count++];
    call__name_of(outcome->name, row->key, row->occurrence);
    outcome->number = row->done_no;
    outcome->output_tokens = row->output_tokens;
    text_init(&outcome->words, WORKFLOW_ORDER_MAX);
    struct err err = workflow__add_outcome(page->tx, row, &outcome->words, &page->fault);
    page->bytes += outcome->words.len;
    return err;
}

static struct err page_tx(struct tx *tx, void *ctx) {
    struct page_op *own = ctx;
    const struct step_page page = {.workflow = own->op.workflow->id,
                                   .after = own->after,
                                   .limit = WORKFLOW_PAGE_STEPS,
                                   .bytes_max = WORKFLOW_PAGE_BYTES};
    int64_t last = 0;
    bool whole = false;
    own->tx = tx;
    page_clear(&own->op);
    return tx_step_history(tx, &page, page_add, own, &last, &whole);
}

/* Calls line up in the order in which we heard of them, which is that of the store but where others
 * settle a step in the same moment: then the history is reloaded, as it is in the store. */
static void page_done(struct workflow_op *op) {
    struct workflow *workflow = op->workflow;
    struct page_op *page = CONTAINER_OF(op, struct page_op, op);
    size_t count = 0;
    if (workflow->page_op != op) {
        return; /* The worker that needed it has ended. */
    }
    workflow->page_op = NULL;
    if (workflow->state != WORKFLOW_LIVE) {
        return;
    }
    if (page->fault.text[0] != '\0') {
        workflow__end(workflow, CAUSE_SYNTAX_ERROR, page->fault.text);
        return;
    }
    for (struct call *call = workflow__first(workflow, CALL_DONE);
         count < page->count && call != NULL && call->form == RESULT_UNLOADED &&
         strcmp(call->name, page->list[count].name) == 0;
         call = call__next(call), count++) {
        struct page_outcome *outcome = &page->list[count];
        text_done(&call->result);
        call->result = outcome->words;
        text_init(&outcome->words, 0);
        call->usage.output = outcome->output_tokens;
        call->form = RESULT_ENCODED;
        workflow->unloaded--;
        workflow->loaded_no = outcome->number;
    }
    if (count == 0) {
        workflow__reload(workflow);
    } else {
        workflow__deliver(workflow);
    }
}

static void workflow_load_page(struct workflow *workflow) {
    if (workflow->page_op != NULL ||
        workflow__first(workflow, CALL_DONE)->form != RESULT_UNLOADED) {
        return;
    }
    struct page_op *own = workflow__op(workflow, sizeof *own, page_tx, page_done);
    own->op.forget = page_clear;
    own->op.reads = true;
    own->after = workflow->loaded_no;
    workflow->page_op = &own->op;
    workflow__op_send(&own->op);
}

/* --- Delivered -------------------------------------------------------------------------------- */

struct delivery {
    struct script_piece pieces[DELIVER_PIECES];
    size_t count, bytes; /* Sum of these. */
    struct text text;    /* Owned: the piece that is being written. */
    bool failed;         /* No memory for one of them. */
};

static void delivery_close_piece(struct delivery *delivery, struct text *text) {
    if (text_failed(text)) {
        delivery->failed = true;
        return;
    }
    assert(delivery->count < DELIVER_PIECES);
    struct script_piece *piece = &delivery->pieces[delivery->count++];
    piece->data = text_take(text, &piece->len);
    delivery->bytes += piece->len;
}

static void delivery_add(struct delivery *delivery, struct text *value) {
    if (value->len <= DELIVER_COPY) {
        text_add(&delivery->text, value->data, value->len);
    } else {
        delivery_close_piece(delivery, &delivery->text);
        delivery_close_piece(delivery, value);
    }
}

static void delivery_done(struct delivery *delivery) {
    for (size_t i = 0; i < delivery->count; i++) {
        mem_free(delivery->pieces[i].data);
    }
    text_done(&delivery->text);
}

static void call_add_settle(struct call *call, struct delivery *delivery) {
    struct workflow *workflow = call->workflow;
    struct text *text = &delivery->text;
    const struct step_row row = {.state = workflow_step_state(call->cause),
                                 .cause = call->cause,
                                 .result = text_bytes(&call->result),
                                 .note = bytes_of(call->note),
                                 .tokens = usage_total(&call->usage),
                                 .output_tokens = call->usage.output,
                                 .cached = call->taken == TAKEN_ONE};
    text_addf(text, "{\"t\":\"settle\",\"id\":%lld", (long long)call->number);
    if (call->form == RESULT_PLAIN && call->kind != CALL_OF_WORKFLOW) {
        const bool value = workflow__add_result_head(&row, text);
        if (value && json_is_valid(text_bytes(&call->result))) {
            delivery_add(delivery, &call->result);
        } else {
            text_add_str(text, value ? "null" : "");
        }
    } else if (call->form == RESULT_PLAIN && call->cause != CAUSE_COMPLETED) {
        workflow__add_throw(text, row.note);
    } else { /* The result of workflow() are the members of its script. */
        text_add_str(text, call->form == RESULT_PLAIN ? ",\"o\":\"script\"," : "");
        delivery_add(delivery, &call->result);
    }
    workflow->spent += call->usage.output;
    workflow->sent++;
    text_addf(text, ",\"spent\":%lld}", (long long)workflow->spent);
}

void workflow__deliver(struct workflow *workflow) {
    struct call *first = workflow__first(workflow, CALL_DONE);
    if (workflow->state != WORKFLOW_LIVE || workflow->script == WORKFLOW_REPLAYING) {
        return;
    }
    if (workflow->script == WORKFLOW_EVICTED) { /* The next worker gets it with the history. */
        if (first != NULL) {
            workflow__reload(workflow);
        }
        return;
    }
    /* A call that the worker has not asked for, after all that was sent: it does not replay what
     * the earlier one did. */
    if (first != NULL && first->number == 0 && workflow->script == WORKFLOW_QUIET) {
        workflow__end(workflow, CAUSE_REPLAY_DIVERGED,
                      "an agent that it had asked was not asked again");
        return;
    }
    AUTO(delivery_done) struct delivery delivery = {.text = text_up_to(WORKFLOW_ORDER_MAX)};
    size_t count = 0;
    text_add_char(&delivery.text, '[');
    while ((first = workflow__first(workflow, CALL_DONE)) != NULL && first->number != 0 &&
           first->form != RESULT_UNLOADED && delivery.bytes + delivery.text.len < DELIVER_BYTES) {
        text_add_str(&delivery.text, count++ > 0 ? "," : "");
        call_add_settle(first, &delivery);
        call__free(first);
    }
    text_add_char(&delivery.text, ']');
    delivery_close_piece(&delivery, &delivery.text);
    if (count > 0 && !delivery.failed) {
        delivery.count -= workflow__send(workflow, delivery.pieces, delivery.count);
    } else if (workflow->script == WORKFLOW_QUIET && workflow__first(workflow, CALL_DONE) != NULL) {
        workflow_load_page(workflow);
    }
}

/* --- Stored ----------------------------------------------------------------------------------- */

void call__done(struct call *call) {
    call__enter(call, CALL_DONE);
    call__forget_message(call);
    call__set_slots(call, 0);
    if (call->workflow->unloaded > 0) { /* Delivered after those. */
        call__unload(call);
    }
}

static void workflow_deliver_soon(struct loop_task *task) {
    workflow__deliver(CONTAINER_OF(task, struct workflow, deliver_task));
}

/* Agents that ran side by side end side by side: their outcomes travel together, where the store
 * answers for several in this turn of the loop. */
void call__stored(struct call *call) {
    struct workflow *workflow = call->workflow;
    if (workflow->state == WORKFLOW_ENDING) {
        return;
    }
    workflow->stored += call->usage.output;
    call__done(call);
    if (workflow->storing == 0) {
        workflow__deliver(workflow);
    } else {
        workflow->deliver_task.run = workflow_deliver_soon;
        loop_soon(workflow->workflows->options.loop, &workflow->deliver_task);
    }
    workflow->workflows->machine->pump(workflow);
}

void call__send_stored(struct call *call, struct workflow_op *op) {
    call__enter(call, CALL_STORING);
    op->stores = true;
    call->workflow->storing++;
    workflow__op_send(op);
}

void call__release_cached(struct call *call) {
    call->workflow->cached -= call->cached != NULL;
    call->cached = NULL;
}
