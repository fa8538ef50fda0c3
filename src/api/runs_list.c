/* runs_list.c: which runs there are, and one of them. Jobs are the runs of one kind. */
#include "api/page.h"
#include "api/runs.h"
#include "base/memory.h"

/* --- List ------------------------------------------------------------------------------------- */

struct list_op {
    struct page page;
    struct run_page what; /* Its owner is borrowed from the exchange. */
    enum run_hold hold;   /* When the request came. */
    struct run_bounds bounds;
    struct tx *tx; /* While the function runs. */
    int64_t epoch;
};

static struct err list_row(void *ctx, const struct run_row *row) {
    struct list_op *list = ctx;
    if (page_add_number(&list->page, row->id)) {
        struct run_row shown = *row;
        run_shown(&shown, list->epoch, list->hold);
        struct err err = tx_run_away_mark(list->tx, &list->bounds, &shown);
        if (err_failed(err)) {
            return err;
        }
        run_write_json(&shown, RUN_LIGHT, &list->page.op.answer);
    }
    return ERR_OK;
}

static struct err list_run(struct tx *tx, void *ctx) {
    struct list_op *list = ctx;
    struct run_page what = list->what;
    what.limit = page_begin(&list->page);
    what.hold = list->hold;
    list->epoch = tx_epoch(tx);
    list->tx = tx;
    struct err err = tx_run_each(tx, &what, list_row, list);
    page_end(&list->page, PAGE_NO_TOTAL);
    return err;
}

static struct err state_read(const struct exchange *exchange, struct run_page *page,
                             struct why *why) {
    if (!exchange_query_given(exchange, RUNS_LIST_STATE)) {
        return ERR_OK;
    }
    page->by_state = true;
    if (!run_state_find(exchange_query_text(exchange, RUNS_LIST_STATE), &page->state)) {
        why_set(why, "query parameter 'state' must be one of queued, running, waiting, succeeded, "
                     "degraded, failed, cancelled, timed_out, lost");
        return err_make(ERR_BAD_QUERY, "runs: state");
    }
    return ERR_OK;
}

static struct err kind_read(const struct exchange *exchange, struct run_page *page,
                            struct why *why) {
    if (!exchange_query_given(exchange, RUNS_LIST_KIND)) {
        return ERR_OK;
    }
    page->by_kind = true;
    if (!run_kind_find(exchange_query_text(exchange, RUNS_LIST_KIND), &page->kind)) {
        why_set(why, "query parameter 'kind' must be one of job, turn, agent, workflow, flow");
        return err_make(ERR_BAD_QUERY, "runs: kind");
    }
    return ERR_OK;
}

static void list(struct exchange *exchange, const struct runs_api *api, struct run_page what) {
    static const struct page_form form = {.of = PAGE_OF_OWNER};
    struct page_ask ask;
    if (!page_read(exchange, &form, &ask)) {
        return;
    }
    struct why why = {.text = ""};
    struct err err = state_read(exchange, &what, &why);
    if (err_failed(err)) {
        op_refuse(exchange, err, &why);
        return;
    }
    what.owner = ask.owner;
    what.before = ask.from;
    what.live = exchange_query_int(exchange, RUNS_LIST_LIVE) != 0;
    struct list_op *list = mem_new(sizeof *list);
    page_init(&list->page, exchange, ask.limit);
    list->what = what;
    list->hold = dispatch_held(api->dispatch);
    list->bounds = dispatch_bounds(api->dispatch);
    store_read(api->store, list_run, op_done, list);
}

void runs__list(struct exchange *exchange, void *ctx) {
    struct why why = {.text = ""};
    struct run_page page = {.limit = 0};
    struct err err = kind_read(exchange, &page, &why);
    if (err_failed(err)) {
        op_refuse(exchange, err, &why);
        return;
    }
    list(exchange, ctx, page);
}

void jobs__list(struct exchange *exchange, void *ctx) {
    list(exchange, ctx, (struct run_page){.by_kind = true, .kind = KIND_JOB});
}

/* --- One run ---------------------------------------------------------------------------------- */

enum show_what { SHOW_ANY, SHOW_JOB };
struct show_op {
    struct op op;
    struct run_key key; /* Borrowed from the exchange. */
    enum show_what what;
    enum run_hold hold; /* When the request came. */
    struct run_bounds bounds;
};

static struct err show_run(struct tx *tx, void *ctx) {
    struct show_op *show = ctx;
    op_restart(&show->op);
    bool found = false;
    struct run_row row = {0};
    struct err err = tx_run_find_shown(tx, &show->key, &found, &row);
    if (!err_failed(err) && (!found || (show->what == SHOW_JOB && row.kind != KIND_JOB))) {
        return runs__absent(&show->op.why);
    }
    if (!err_failed(err)) {
        run_shown(&row, tx_epoch(tx), show->hold);
        err = tx_run_away_mark(tx, &show->bounds, &row);
    }
    if (!err_failed(err)) {
        run_write_json(&row, RUN_WHOLE, &show->op.answer);
    }
    return err;
}

static void show(struct exchange *exchange, const struct runs_api *api, enum show_what what) {
    struct run_key key;
    if (!runs__key(exchange, RUN_OWNER, &key)) {
        return;
    }
    struct show_op *op = mem_new(sizeof *op);
    op_init(&op->op, exchange, 200);
    op->key = key;
    op->what = what;
    op->hold = dispatch_held(api->dispatch);
    op->bounds = dispatch_bounds(api->dispatch);
    store_read(api->store, show_run, op_done, op);
}

void runs__show(struct exchange *exchange, void *ctx) {
    show(exchange, ctx, SHOW_ANY);
}

void jobs__show(struct exchange *exchange, void *ctx) {
    show(exchange, ctx, SHOW_JOB);
}
