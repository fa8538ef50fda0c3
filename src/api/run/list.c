/* list.c: the list of runs, and one run. Jobs are the runs of one kind. */
#include <stdio.h>
#include <string.h>

#include "api/base/page.h"
#include "api/run/runs.h"
#include "base/memory.h"

/* --- List ------------------------------------------------------------------------------------- */

struct list_op {
    struct page page;
    struct run_page what;     /* Filters; texts are borrowed from the exchange. */
    struct run_bounds bounds; /* Bounds at the time of the request. */
    struct tx *tx;            /* Borrowed while the function runs. */
    int64_t epoch;
    bool total;
};

static struct err list_row(void *ctx, const struct run_row *row) {
    struct list_op *list = ctx;
    if (page_add_number(&list->page, row->id)) {
        struct run_row shown = *row;
        run_shown(&shown, list->epoch, list->what.hold);
        struct err err = tx_run_away_mark(list->tx, &list->bounds, &shown);
        if (err_failed(err)) {
            return err;
        }
        run_write_json(&shown, RUN_LIGHT, &list->page.op.answer);
    }
    return ERR_OK;
}

/* *ret_next: where a page that is not whole goes on. */
static struct err list_rows(struct tx *tx, struct list_op *list, int64_t limit, int64_t *ret_next) {
    struct run_page what = list->what;
    what.limit = limit;
    what.before = list->page.now.from > 0 ? list->page.now.from : what.before;
    struct err err = tx_run_each(tx, &what, list_row, list, ret_next);
    *ret_next = list->page.now.state == PAGE_FULL ? 0 : *ret_next;
    return err;
}

static struct err list_count(struct tx *tx, struct list_op *list, int64_t *ret_next) {
    struct run_page what = list->what;
    struct page_at *now = &list->page.now;
    what.limit = PAGE_TOTAL_MAX + 1;
    what.before = now->from;
    struct err err = tx_run_count(tx, &what, &now->counted, ret_next);
    *ret_next = now->counted > PAGE_TOTAL_MAX ? 0 : *ret_next;
    return err;
}

static void row_after(struct page *page, int64_t before) {
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%lld", (long long)before);
    page_stop(page, (struct bytes){digits, (size_t)len});
}

static struct err list_run(struct tx *tx, void *ctx) {
    struct list_op *list = ctx;
    struct page *page = &list->page;
    int64_t limit = page_begin(page), next = 0;
    struct err err = ERR_OK;
    list->epoch = tx_epoch(tx);
    list->tx = tx;
    bool counting = page->now.state == PAGE_COUNTING;
    if (!counting) {
        err = list_rows(tx, list, limit, &next);
        if (!err_failed(err) && next != 0 && page_pause(page, next)) {
            return ERR_OK;
        }
        if (page->now.state == PAGE_CUT) {
            row_after(page, next);
        }
        counting = list->total && page_listed(page);
    }
    if (!err_failed(err) && counting) {
        err = list_count(tx, list, &next);
        if (!err_failed(err) && next != 0 && page_pause(page, next)) {
            return ERR_OK;
        }
    }
    if (err.code == ERR_NOT_FOUND) {
        why_set(&page->op.why, "parent, root: there is no run with that id");
    }
    page_end(page, list->total ? page->now.counted : PAGE_NO_TOTAL);
    return err;
}

static struct err states_read(const struct exchange *exchange, struct run_page *page,
                              struct why *why) {
    struct bytes words = page_word(exchange, RUNS_LIST_STATE);
    for (unsigned i = 0; i < RUN_STATE_COUNT && words.len > 0; i++) {
        const char *name = run_state_name((enum run_state)i);
        page->states |= page_names(words, bytes_of(name)) ? 1U << i : 0;
    }
    return page_words_check(words, "state", PAGE_RUN_STATES, why);
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

static struct err filters_read(const struct exchange *exchange, struct run_page *what,
                               struct why *why) {
    const struct {
        unsigned at;
        struct bytes *text;
        const char *name;
    } texts[] = {{RUNS_LIST_PROJECT, &what->project, "project"},
                 {RUNS_LIST_SESSION, &what->session, "session"},
                 {RUNS_LIST_PARENT, &what->parent, "parent"},
                 {RUNS_LIST_ROOT, &what->root, "root"},
                 {RUNS_LIST_Q, &what->q, "q"}};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        *texts[i].text = exchange_query_given(exchange, texts[i].at)
                             ? exchange_query_text(exchange, texts[i].at)
                             : BYTES("");
        if (memchr(texts[i].text->data, '\0', texts[i].text->len) != NULL) {
            why_set(why, "query parameter '%s' must not hold a NUL", texts[i].name);
            return err_make(ERR_BAD_QUERY, "runs: filter");
        }
    }
    what->since_ms = exchange_query_int(exchange, RUNS_LIST_SINCE);
    what->live = exchange_query_int(exchange, RUNS_LIST_LIVE) != 0;
    return states_read(exchange, what, why);
}

static void list(struct exchange *exchange, const struct runs_api *api, struct run_page what) {
    static const struct page_form form = {.of = PAGE_OF_OWNER};
    struct page_ask ask;
    if (!page_read(exchange, &form, &ask)) {
        return;
    }
    struct why why = {.text = ""};
    struct err err = filters_read(exchange, &what, &why);
    if (err_failed(err)) {
        op_refuse(exchange, err, &why);
        return;
    }
    what.owner = ask.owner;
    what.before = ask.from;
    what.hold = dispatch_held(api->dispatch);
    struct list_op *list = mem_new(sizeof *list);
    page_init(&list->page, exchange, ask.limit);
    list->what = what;
    list->bounds = dispatch_bounds(api->dispatch);
    list->total = ask.total;
    page_read_slices(&list->page, api->store, list_run);
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
