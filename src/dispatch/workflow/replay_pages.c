/* replay_pages.c: outcomes for which a worker's first message has no room: see flow_told.h. */
#include <string.h>

#include "base/memory.h"
#include "dispatch/workflow/flow.h"
#include "dispatch/workflow/replay.h"

/* An outcome, as it is told. */
struct paged {
    char name[FLOW_NAME];
    int64_t number, output_tokens;
    struct text words; /* Owned. */
};

struct flow_page {
    struct paged list[FLOW_PAGE_STEPS];
    size_t count, bytes;
    struct flow_fault fault;
};

static void clear(struct flow_page *page) {
    for (size_t i = 0; i < page->count; i++) {
        text_done(&page->list[i].words);
    }
    page->count = page->bytes = 0;
    page->fault.cause = CAUSE_NONE;
}

void flow__page_free(struct flow_page *page) {
    if (page != NULL) {
        clear(page);
        mem_free(page);
    }
}

/* --- Lined up --------------------------------------------------------------------------------- */

void call__put_behind(struct call *call) {
    text_done(&call->result);
    text_init(&call->result, 2 * (size_t)WORKFLOW_RESULT_MAX);
    call->behind = true;
    call->flow->behind++;
}

/* Another one settled it while its history was read, and we have not heard of it. */
void flow__add_behind(struct flow *flow, const char *key, int64_t occurrence, bool nested) {
    if (flow__find_call(flow, key, occurrence) != NULL) {
        flow->again = true;
        return;
    }
    struct call *call = call__new(flow, key, occurrence);
    call->nested = nested;
    call->written = true;
    flow->behind++;
    call->behind = true;
    call->state = CALL_DONE;
    call__append(call, &flow->done_end);
}

/* --- Read ------------------------------------------------------------------------------------- */

struct adding {
    struct tx *tx;
    struct flow_page *page;
};

static struct err add(void *ctx, const struct step_row *row) {
    const struct adding *adding = ctx;
    struct flow_page *page = adding->page;
    char key[WORKFLOW_HASH + 1] = "";
    if (page->bytes >= FLOW_PAGE_BYTES) { /* Scripts of workflow() are not in the rows. */
        return ERR_OK;
    }
    assert(page->count < COUNT_OF(page->list));
    struct paged *paged = &page->list[page->count++];
    memcpy(key, row->key.data, row->key.len < WORKFLOW_HASH ? row->key.len : WORKFLOW_HASH);
    call__line_name(paged->name, key, row->occurrence);
    paged->number = row->done_no;
    paged->output_tokens = row->output_tokens;
    text_init(&paged->words, FLOW_ORDER_MAX);
    struct err err = flow__add_outcome(adding->tx, row, &paged->words, &page->fault);
    page->bytes += paged->words.len;
    return err;
}

static struct err page_tx(struct tx *tx, void *ctx) {
    const struct flow_errand *errand = ctx;
    const struct adding adding = {.tx = tx, .page = errand->page};
    const struct step_page page = {.workflow = errand->flow->id,
                                   .after = errand->after,
                                   .limit = FLOW_PAGE_STEPS,
                                   .bytes_max = FLOW_PAGE_BYTES};
    int64_t last = 0;
    bool whole = false;
    clear(errand->page);
    return tx_step_history(tx, &page, add, (void *)&adding, &last, &whole);
}

/* false: another one stands at its place, or one whose words are here. */
static bool attach(struct flow *flow, struct paged *paged, struct call *call) {
    if (call == NULL || !call->behind || strcmp(call->name, paged->name) != 0) {
        return false;
    }
    text_done(&call->result);
    call->result = paged->words;
    text_init(&paged->words, 0);
    call->usage.output = paged->output_tokens;
    call->in_words = true;
    call->behind = false;
    flow->behind--;
    flow->told_no = paged->number;
    return true;
}

/* What lines up here is in the order in which we heard of it, which is that of the store but where
 * others settle a step in the same moment: then all is read anew, as it stands there. */
static void page_done(struct flow_errand *errand) {
    struct flow *flow = errand->flow;
    struct flow_page *page = errand->page;
    struct call *call = flow->done;
    const bool wanted = flow->paging == errand && flow->state == FLOW_LIVE;
    flow->paging = flow->paging == errand ? NULL : flow->paging;
    if (!wanted) { /* Its worker is gone. */
        flow__errand_free(errand);
        return;
    }
    if (page->fault.cause != CAUSE_NONE) {
        const struct flow_fault fault = page->fault;
        flow__errand_free(errand);
        flow__end(flow, fault.cause, fault.why.text);
        return;
    }
    size_t count = 0;
    while (count < page->count && attach(flow, &page->list[count], call)) {
        call = call->next;
        count++;
    }
    flow__errand_free(errand);
    if (count == 0) {
        flow__reread(flow);
    } else {
        flow__deliver(flow);
    }
}

void flow__read_behind(struct flow *flow) {
    if (flow->paging != NULL || !flow->done->behind) {
        return;
    }
    struct flow_errand *errand = flow__errand(flow, page_tx, page_done);
    errand->reads = true;
    errand->after = flow->told_no;
    errand->page = mem_new(sizeof *errand->page);
    flow->paging = errand;
    flow__send(errand);
}
