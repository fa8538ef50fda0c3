/* replay.c: outcomes for which a worker's first message has no room, and steps that began before
 * this worker, until its script asks for them. */
#include "dispatch/workflow/replay.h"

#include <stdio.h>

#include "base/memory.h"
#include "dispatch/workflow/settle.h"

/* An outcome, as it is delivered. */
struct page_outcome {
    char name[CALL_NAME];
    int64_t number, output_tokens;
    struct text words; /* Owned. */
};

struct flow_page {
    struct page_outcome list[FLOW_PAGE_STEPS];
    size_t count, bytes;
    struct flow_fault fault;
};

static void page_clear(struct flow_page *page) {
    for (size_t i = 0; i < page->count; i++) {
        text_done(&page->list[i].words);
    }
    page->count = page->bytes = 0;
    page->fault.cause = CAUSE_NONE;
}

void flow__page_free(struct flow_page *page) {
    if (page != NULL) {
        page_clear(page);
        mem_free(page);
    }
}

/* --- Pages ------------------------------------------------------------------------------------ */

void call__unload(struct call *call) {
    text_done(&call->result);
    text_init(&call->result, 2 * (size_t)WORKFLOW_RESULT_MAX);
    call->unloaded = true;
    call->flow->unloaded++;
}

void flow__add_unloaded(struct flow *flow, struct bytes key, int64_t occurrence, bool nested) {
    char name[CALL_NAME], text[WORKFLOW_HASH + 1] = "";
    call__name_of(name, key, occurrence);
    if (flow__find_call(flow, bytes_of(name)) != NULL) {
        flow->stale = true; /* Others settled it while the history was read. */
        return;
    }
    memcpy(text, key.data, key.len < WORKFLOW_HASH ? key.len : WORKFLOW_HASH);
    struct call *call = call__new(flow, text, occurrence);
    call->nested = nested;
    call->written = true;
    call->state = CALL_DONE;
    call__unload(call);
    call_line_append(&flow->done, call);
}

struct page_reading {
    struct tx *tx;
    struct flow_page *page;
};

static struct err page_add(void *ctx, const struct step_row *row) {
    const struct page_reading *reading = ctx;
    struct flow_page *page = reading->page;
    if (page->bytes >= FLOW_PAGE_BYTES) { /* Scripts of workflow() are not in the rows. */
        return ERR_OK;
    }
    assert(page->count < COUNT_OF(page->list));
    struct page_outcome *outcome = &page->list[page->count++];
    call__name_of(outcome->name, row->key, row->occurrence);
    outcome->number = row->done_no;
    outcome->output_tokens = row->output_tokens;
    text_init(&outcome->words, FLOW_ORDER_MAX);
    struct err err = flow__add_outcome(reading->tx, row, &outcome->words, &page->fault);
    page->bytes += outcome->words.len;
    return err;
}

static struct err page_tx(struct tx *tx, void *ctx) {
    const struct flow_op *op = ctx;
    struct page_reading reading = {.tx = tx, .page = op->page};
    const struct step_page page = {.workflow = op->flow->id,
                                   .after = op->after,
                                   .limit = FLOW_PAGE_STEPS,
                                   .bytes_max = FLOW_PAGE_BYTES};
    int64_t last = 0;
    bool whole = false;
    page_clear(op->page);
    return tx_step_history(tx, &page, page_add, &reading, &last, &whole);
}

/* Calls line up in the order in which we heard of them, which is that of the store but where others
 * settle a step in the same moment: then the history is reloaded, as it is in the store. */
static void page_done(struct flow_op *op) {
    struct flow *flow = op->flow;
    struct flow_page *page = op->page;
    const bool wanted = flow->page_op == op && flow->state == FLOW_LIVE;
    const struct flow_fault fault = page->fault;
    size_t count = 0;
    flow->page_op = flow->page_op == op ? NULL : flow->page_op;
    struct call *call = wanted && fault.cause == CAUSE_NONE ? flow->done.first : NULL;
    for (; count < page->count && call != NULL && call->unloaded &&
           strcmp(call->name, page->list[count].name) == 0;
         call = call->next, count++) {
        struct page_outcome *outcome = &page->list[count];
        text_done(&call->result);
        call->result = outcome->words;
        text_init(&outcome->words, 0);
        call->usage.output = outcome->output_tokens;
        call->encoded = true;
        call->unloaded = false;
        flow->unloaded--;
        flow->loaded_no = outcome->number;
    }
    flow__op_free(op);
    if (!wanted) { /* The worker that needed it has ended. */
        return;
    }
    if (fault.cause != CAUSE_NONE) {
        flow__end(flow, fault.cause, fault.why.text);
    } else if (count == 0) {
        flow__reload(flow);
    } else {
        flow__deliver(flow);
    }
}

void flow__load_page(struct flow *flow) {
    if (flow->page_op != NULL || !flow->done.first->unloaded) {
        return;
    }
    struct flow_op *op = flow__op(flow, page_tx, page_done);
    op->reads = true;
    op->after = flow->loaded_no;
    op->page = mem_new(sizeof *op->page);
    flow->page_op = op;
    flow__op_send(op);
}

/* --- Steps that began before ------------------------------------------------------------------ */

struct prior *prior__new(const struct step_row *row) {
    struct prior *prior = mem_new(sizeof *prior);
    AUTO(json_release) json_t *spec = NULL;
    assert(row->run.len < sizeof prior->run.text);
    call__name_of(prior->name, row->key, row->occurrence);
    prior->node.name = bytes_of(prior->name);
    memcpy(prior->run.text, row->run.data, row->run.len);
    prior->attempt = row->attempt;
    prior->done_no = row->done_no;
    prior->state = row->state;
    prior->started_ms = row->started_ms;
    prior->steady_ms = row->steady_ms;
    prior->epoch = row->epoch;
    prior->resume_at_ms = row->resume_at_ms;
    prior->stop = row->stop != CAUSE_NONE;
    prior->parked = row->cause == CAUSE_PAUSED;
    if (row->spec.len > 0 && !err_failed(json_parse_wrapped(row->spec, &spec, NULL))) {
        (void)snprintf(prior->turn.text, sizeof prior->turn.text, "%s", json_str(spec, "turn", ""));
        prior->worktree = json_incref(json_object_get(spec, "worktree"));
    }
    return prior;
}

/* For an earlier life only the wall clock is known: within the bounds of what is charged for
 * that. */
int64_t prior__elapsed_ms(const struct flow *flow, const struct prior *prior) {
    const struct store *store = flow->flows->options.store;
    int64_t passed_ms = prior->epoch == store_epoch(store)
                            ? store_steady_ms(store) - prior->steady_ms
                            : flows__now_ms(flow->flows) - prior->started_ms;
    passed_ms = passed_ms > 0 ? passed_ms : 0;
    return passed_ms < RUN_UNSEEN_MAX_MS ? passed_ms : RUN_UNSEEN_MAX_MS;
}

void prior__free(struct prior *prior) {
    json_decref(prior->worktree);
    mem_free(prior);
}

static void prior_free_node(void *ctx, struct table_node *node) {
    table_remove(ctx, node);
    prior__free(CONTAINER_OF(node, struct prior, node));
}

void flow__free_open(struct flow *flow) {
    table_each(&flow->open, prior_free_node, &flow->open);
}

void flow__free_priors(struct flow *flow) {
    flow__free_open(flow);
    table_each(&flow->reusable, prior_free_node, &flow->reusable);
}

struct prior_by_run {
    struct bytes run;
    struct prior *found;
};

static void prior_match_run(void *ctx, struct table_node *node) {
    struct prior_by_run *wanted = ctx;
    struct prior *prior = CONTAINER_OF(node, struct prior, node);
    if (bytes_is(wanted->run, prior->run.text)) {
        wanted->found = prior;
    }
}

/* Changed between our reading of it and the script's request for it. */
void flow__note_prior(struct flow *flow, const struct run_row *row) {
    struct prior_by_run wanted = {.run = row->run};
    bool final = run_state_final(row->state);
    if (flow->state == FLOW_LOADING) {
        flow->stale = flow->stale || final || row->stop != CAUSE_NONE || row->attempt > 1;
        flow->stale_admitted = flow->stale_admitted || row->state == RUN_RUNNING;
        return;
    }
    table_each(&flow->open, prior_match_run, &wanted);
    struct prior *prior = wanted.found;
    if (prior == NULL) {
        return;
    }
    if (final) {
        flow__reload(flow);
        return;
    }
    prior->state = row->state;
    prior->stop = row->stop != CAUSE_NONE;
    prior->parked = row->cause == CAUSE_PAUSED;
    if (row->attempt > prior->attempt && row->attempt > 1) {
        prior->turn = (struct id){""}; /* A restart has taken it. */
    }
    prior->attempt = row->attempt;
    prior->started_ms = row->started_ms;
    prior->steady_ms = row->steady_ms;
    prior->epoch = row->epoch;
    prior->resume_at_ms = run_waits_for_provider(row) ? row->not_before_ms : 0;
}
